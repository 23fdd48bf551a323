"""Shares of the same seeds in two markets: intervals that cover, and a test that errs no more often than it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from lob_sim.experiment.over_seeds import more_often, paired_difference, wilson

LEVEL = 0.95


def seeds(both: int, here: int, there: int, neither: int) -> tuple[list[bool], list[bool]]:
    """Seeds in which something happens in both markets, in one alone, and in none."""
    first = [True] * (both + here) + [False] * (there + neither)
    second = [True] * both + [False] * here + [True] * there + [False] * neither
    return first, second


def test_two_seeds_that_differ_tell_nothing() -> None:
    """Two seeds in fifty that differ, both in the same way: two of two is no surprise."""
    found, chance = paired_difference(*seeds(36, 2, 0, 12))
    assert found.value == pytest.approx(0.04)
    assert found.low < 0 < found.high
    assert chance == binomtest(2, 2).pvalue


def test_no_seed_differs_and_nothing_is_told() -> None:
    found, chance = paired_difference(*seeds(5, 0, 0, 15))
    assert (found.value, chance) == (0.0, 1.0)
    assert found.low <= 0 <= found.high
    assert more_often("", *seeds(5, 0, 0, 15), "").holds is False


def test_the_other_way_round_is_the_mirror_image() -> None:
    first, second = seeds(20, 9, 3, 30)
    one, chance = paired_difference(first, second)
    two, same = paired_difference(second, first)
    assert (one.value, one.low, one.high) == pytest.approx((-two.value, -two.high, -two.low))
    assert chance == same
    # Only more often is more often, however sure it is that there is a difference.
    first, second = seeds(20, 30, 3, 30)
    assert more_often("", first, second, "").holds
    assert not more_often("", second, first, "").holds


@pytest.mark.parametrize("n", [1, 2, 24, 80])
def test_wilsons_interval_is_scipys(n: int) -> None:
    for k in range(n + 1):
        reference = binomtest(k, n).proportion_ci(method="wilson")
        assert wilson(k, n) == pytest.approx((reference.low, reference.high), rel=1e-12)


@pytest.mark.parametrize(("both", "here", "there"), [(0.5, 0.1, 0.05), (0.1, 0.3, 0.1), (0.02, 0.03, 0.03)])
def test_the_interval_covers_and_the_test_keeps_its_level(both: float, here: float, there: float) -> None:
    n, draws = 200, 2_000
    rng = np.random.default_rng(5)
    counts = rng.multinomial(n, [both, here, there, 1 - both - here - there], size=draws)
    found = [paired_difference(*seeds(*row)) for row in counts.tolist()]
    covered = np.mean([one.low <= here - there <= one.high for one, _ in found])
    error = math.sqrt(LEVEL * (1 - LEVEL) / draws)
    assert covered > LEVEL - 4 * error
    if here == there:
        assert np.mean([chance < 1 - LEVEL for _, chance in found]) < 1 - LEVEL + 4 * error
    # Controls: an interval a third shorter does not cover, and one for shares of different seeds is wider than need be.
    shorter = [abs(here - there - (one.low + one.high) / 2) <= (one.high - one.low) / 3 for one, _ in found]
    assert np.mean(shorter) < LEVEL - 4 * error
    apart = 2 * 1.96 * math.sqrt(((both + here) * (1 - both - here) + (both + there) * (1 - both - there)) / n)
    assert np.mean([one.high - one.low for one, _ in found]) < apart
