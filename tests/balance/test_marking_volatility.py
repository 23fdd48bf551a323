"""Marks by the hierarchy of evidence, the prudent adjustment, and measured volatility."""

from __future__ import annotations

import math
from itertools import pairwise

import msgspec
import numpy as np
import pytest
from balance_helpers import BONDS, PAR, lots_of

from lob_sim.balance.marking import HierarchyMarking, Mark, MarketView
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.errors import InputError, PluginError
from lob_sim.messages import MarkSource
from lob_sim.units import NS_PER_S

S = NS_PER_S
LIT = MarketView(
    mid_ticks=10_001.0,
    mid_age_ns=0,
    trade_ticks=9_998,
    trade_age_ns=0,
    print_ticks=9_950,
    print_age_ns=0,
    belief_ticks=9_900.4,
    belief_sd_ticks=50.0,
    quote_sd_ticks=30.0,
)


def seen(**changes: float) -> MarketView:
    return msgspec.structs.replace(LIT, **changes)


@pytest.mark.parametrize(
    ("view", "mark"),
    [
        (LIT, Mark(10_001, MarkSource.LIT_MID, 0)),
        (seen(mid_age_ns=S), Mark(10_001, MarkSource.LIT_MID, 0)),
        (seen(mid_age_ns=S + 1), Mark(9_998, MarkSource.LIT_TRADE, 0)),
        (seen(mid_ticks=0), Mark(9_998, MarkSource.LIT_TRADE, 0)),
        (seen(mid_ticks=0, trade_age_ns=2 * S), Mark(9_950, MarkSource.RFQ_PRINT, 64)),
        (seen(mid_ticks=0, trade_ticks=0), Mark(9_950, MarkSource.RFQ_PRINT, 64)),
        (seen(mid_ticks=0, trade_ticks=0, print_age_ns=61 * S), Mark(9_900, MarkSource.BELIEF, 64)),
        (seen(mid_ticks=0, trade_ticks=0, print_ticks=0), Mark(9_900, MarkSource.BELIEF, 64)),
        (
            seen(mid_ticks=0, trade_ticks=0, print_ticks=0, quote_sd_ticks=100.0),
            Mark(9_900, MarkSource.BELIEF, 128),
        ),
    ],
)
def test_best_evidence_first(view: MarketView, mark: Mark) -> None:
    # 64 and 128: 1.2816 × 50 and × 100, to the nearest tick.
    assert HierarchyMarking(HierarchyMarking.Params()).mark(view) == mark


def test_half_ticks_and_extreme_beliefs() -> None:
    policy = HierarchyMarking(HierarchyMarking.Params())
    assert policy.mark(seen(mid_ticks=100.5)).price_ticks == 100
    assert policy.mark(seen(mid_ticks=101.5)).price_ticks == 102
    dark = {"mid_ticks": 0.0, "trade_ticks": 0, "print_ticks": 0}
    assert policy.mark(seen(**dark, belief_ticks=-3.0)) == Mark(1, MarkSource.BELIEF, 1)
    assert policy.mark(seen(**dark, belief_ticks=20.0)) == Mark(20, MarkSource.BELIEF, 20)


def test_the_adjustment_is_paid_by_tier1_only_when_prudence_is_on_and_the_market_dark() -> None:
    losses = {}
    dark = seen(mid_ticks=0, trade_ticks=0, print_ticks=0, belief_ticks=10_001.0)
    for prudent in (True, False):
        for name, view in (("lit", LIT), ("dark", dark)):
            mark = HierarchyMarking(HierarchyMarking.Params(prudent=prudent)).mark(view)
            sheet = BalanceSheet(BONDS, cash=0, lots=[lots_of(1), 0, 0], marks_ticks=[10_001, PAR, PAR])
            losses[name, prudent] = -sheet.mark(0, mark.price_ticks, mark.adjustment_ticks)
    assert losses == {
        ("lit", True): 0,
        ("lit", False): 0,
        ("dark", False): 0,
        ("dark", True): round(1.2815515655446004 * 50) * lots_of(1),
    }


def test_parameters_of_marking() -> None:
    zero = HierarchyMarking(HierarchyMarking.Params(confidence=0.5))
    assert zero.mark(seen(mid_ticks=0, trade_ticks=0)).adjustment_ticks == 0
    with pytest.raises(PluginError, match="marking"):
        HierarchyMarking(HierarchyMarking.Params(confidence=1.0))


# --- volatility --------------------------------------------------------------------------------------------


def test_the_recursion_of_riskmetrics() -> None:
    estimator = EwmaCovariance([0.01, 0.02], 10, decay=0.9, correlations=[[1, 0.5], [0.5, 1]])
    assert estimator.correlation(0, 1) == pytest.approx(0.5)
    marks = [(100, 200), (101, 198), (103, 197), (100, 205)]
    changed = [estimator.observe(k * 10, m) for k, m in enumerate(marks)]
    assert changed == [False, True, True, True]
    r = [(b[0] / a[0] - 1, b[1] / a[1] - 1) for a, b in pairwise(marks)]
    expected = 0.9**3 * 0.01 * 0.02 * 0.5 + 0.1 * sum(0.9 ** (2 - k) * x * y for k, (x, y) in enumerate(r))
    assert estimator.covariances[0][1] == pytest.approx(expected, rel=1e-12)
    variance = 0.9**3 * 0.01**2 + 0.1 * sum(0.9 ** (2 - k) * x * x for k, (x, _) in enumerate(r))
    assert estimator.volatility(0) == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_only_the_first_mark_of_an_interval_counts_and_gaps_are_spread() -> None:
    once = EwmaCovariance([0.0], 10, decay=0.5)
    for ts, mark in ((0, 100), (3, 400), (9, 50), (10, 110)):
        once.observe(ts, [mark])
    assert once.volatility(0) == pytest.approx(math.sqrt(0.5) * 0.1)
    gap = EwmaCovariance([0.0], 10, decay=0.5)
    gap.observe(0, [100])
    gap.observe(40, [110])  # four intervals without a mark
    assert gap.volatility(0) ** 2 == pytest.approx((1 - 0.5**4) * 0.01 / 4)


def test_it_finds_the_volatility_and_correlation_of_simulated_returns() -> None:
    rng = np.random.default_rng(5)
    n, decay = 4_000, 0.995
    z = rng.standard_normal((n, 2))
    moves = 0.01 * np.column_stack([z[:, 0], 0.6 * z[:, 0] + 0.8 * z[:, 1]])
    paths = np.round(1e8 * np.exp(np.cumsum(moves, axis=0))).astype(int)
    estimator = EwmaCovariance([0.05, 0.05], 1, decay)
    for k, marks in enumerate(paths.tolist()):
        estimator.observe(k, marks)
    # The weights are those of (1+decay)/(1-decay) = 399 observations; a variance has relative error
    # sqrt(2/399).
    error = math.sqrt(2 / 399)
    assert estimator.volatility(0) ** 2 == pytest.approx(1e-4, rel=4 * error)
    assert estimator.correlation(0, 1) == pytest.approx(0.6, abs=4 * (1 - 0.36) / math.sqrt(399))
    still = EwmaCovariance([0.05], 1, decay)
    for k in range(n):
        still.observe(k, [100])
    assert still.volatility(0) < 1e-5


def test_bad_estimators_are_refused() -> None:
    for bad in (([0.1], 0, 0.9), ([0.1], 1, 1.0), ([-0.1], 1, 0.9)):
        with pytest.raises(InputError):
            EwmaCovariance(*bad)
