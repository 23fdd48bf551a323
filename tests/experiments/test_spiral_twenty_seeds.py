"""The result itself, at full length, with twenty seeds: each channel alone is borne, both together are not."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments.spiral import cells, factorial
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from experiments.spiral.claims import above, share
from lob_sim.sweep import bootstrap

SEEDS = 20
pytestmark = [pytest.mark.validate, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def by_cell() -> dict[str, pd.DataFrame]:
    return cells.run_scenarios(cells.factorial(cells.flagship()), SEEDS, "twenty seeds")


def test_the_channels_amplify_each_other(by_cell: dict[str, pd.DataFrame]) -> None:
    assert above("", factorial.interaction(by_cell, "overshoot_pct"), 0.0, "").holds
    # Controls: neither channel alone does it, and what is claimed of both is not claimed of either.
    for alone in (INFORMATION_ALONE, CONSTRAINTS_ALONE):
        difference = bootstrap(factorial.difference(by_cell, "overshoot_pct", alone, NEITHER))
        assert difference.high < bootstrap(factorial.difference(by_cell, "overshoot_pct", BOTH, alone)).value


def test_nobody_is_forced_to_sell_in_calm() -> None:
    quiet = cells.run_scenarios({"calm": cells.calm(cells.flagship())}, SEEDS, "calm")["calm"]
    assert share("", quiet["forced_lots"] == 0, 0.95, "").holds
    assert above("", 1 - quiet["no_dealer_quotes"], 0.99, "").holds


def test_in_the_crisis_dealers_are(by_cell: dict[str, pd.DataFrame]) -> None:
    """The control of calm: the same claims fail."""
    stressed = by_cell[BOTH]
    assert not share("", stressed["forced_lots"] == 0, 0.95, "").holds
    assert not above("", 1 - stressed["no_dealer_quotes"], 0.99, "").holds
