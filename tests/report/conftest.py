"""The runs whose static figures are tested, once for all tests."""

import pytest
from figure_runs import CRISIS, FAILURES, of_experiment

from lob_sim.log import Run


@pytest.fixture(scope="session")
def crisis() -> Run:
    return of_experiment("information_spiral", CRISIS)


@pytest.fixture(scope="session")
def failing() -> Run:
    return of_experiment("information_spiral", FAILURES)


@pytest.fixture(scope="session")
def funds() -> Run:
    return of_experiment("redemptions", ["horizon=8min"])


@pytest.fixture(scope="session")
def squeezed() -> Run:
    return of_experiment("funding_run", ["horizon=12min"])
