"""The runs whose static figures are tested, once for all tests."""

import pytest
import report_runs
from figure_runs import FAILURES, of_experiment

from lob_sim.log import Run


@pytest.fixture(scope="session")
def crisis() -> Run:
    return report_runs.crisis()


@pytest.fixture(scope="session")
def failing() -> Run:
    return of_experiment("first_market", FAILURES)


@pytest.fixture(scope="session")
def funds() -> Run:
    return report_runs.funds()


@pytest.fixture(scope="session")
def squeezed() -> Run:
    return of_experiment("funding_run", ["horizon=12min"])
