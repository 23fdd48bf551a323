"""Measures of a calm market: on paths whose answer is known, and as identities of a run."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from experiments.spiral import cells
from lob_sim.analysis import calm
from lob_sim.analysis.summary import of
from lob_sim.analysis.trading_time import TradingTime
from lob_sim.log import MemoryRecorder, Run, run_in_memory
from lob_sim.log.header import AgentEntry, RunHeader
from lob_sim.messages import NewOrder, Side
from lob_sim.running import run
from lob_sim.units import Instrument
from lob_sim.venue.matching import MatchingEngine

STEPS = 40_000
S = 10**9


def walk(seed: int = 1) -> np.ndarray:
    return np.cumsum(np.random.default_rng(seed).normal(size=STEPS))


def test_a_random_walk_has_a_variance_ratio_of_one() -> None:
    # The long variance is of about STEPS / 30 independent changes; 4 standard errors.
    assert calm.variance_ratio(walk(), 1, 30) == pytest.approx(1.0, abs=4 * math.sqrt(2 / (STEPS / 30)))


def test_control_noise_raises_the_variance_ratio_and_delay_lowers_it() -> None:
    value = walk()
    noisy = value + np.random.default_rng(2).normal(size=STEPS)
    # Var of one change: 1 + 2; of thirty: 30 + 2.
    assert calm.variance_ratio(noisy, 1, 30) == pytest.approx(3 / (32 / 30), rel=0.2)
    late = np.convolve(value, np.ones(20) / 20, "valid")
    assert calm.variance_ratio(late, 1, 100) < 0.2


def test_changes_of_a_price_that_follows_value_correlate_and_of_another_do_not() -> None:
    value = walk()
    assert calm.correlation_of_changes(value, value, 300) == pytest.approx(1.0, abs=1e-12)
    assert calm.correlation_of_changes(-value, value, 300) == pytest.approx(-1.0, abs=1e-12)
    # STEPS / 300 independent changes; 4 standard errors.
    assert abs(calm.correlation_of_changes(walk(3), value, 300)) < 4 / math.sqrt(STEPS / 300)
    assert math.isnan(calm.correlation_of_changes(np.zeros(STEPS), value, 300))


def test_drift_shows_because_changes_are_not_centred() -> None:
    value = np.zeros(1_000)
    value[::2] = 1.0
    drifting = np.arange(1_000.0)
    assert calm.mean_square_change(drifting, 10) == 100.0
    assert abs(calm.correlation_of_changes(drifting, value, 1)) < 0.01


def test_what_is_not_known_is_left_out() -> None:
    price = np.array([np.nan, 1.0, 2.0, np.nan, 4.0])
    assert calm.mean_square_change(price, 1) == 1.0
    assert calm.rms_distance(price, np.array([9.0, 4.0, 6.0, 9.0, 4.0])) == pytest.approx(math.sqrt(25 / 3))


def test_a_book_in_which_only_far_orders_are_left_is_not_lit() -> None:
    rows = [(0, 99, 101), (4, 0, 101), (6, 90, 100), (7, 90, 101), (8, 99, 101)]
    top = pd.DataFrame(rows, columns=["ts_event_ns", "bid_ticks", "ask_ticks"])
    # Spread 2 for six of ten, no bid for two, 10 (five times the median) for one and 11 for one.
    assert calm.lit_time(top, np.arange(10)) == pytest.approx(0.7)
    assert calm.lit_time(top.assign(bid_ticks=0), np.arange(10)) == 0.0


def test_signs_of_split_orders_are_alike_in_a_row_and_of_single_ones_are_not() -> None:
    alone = np.sign(np.random.default_rng(4).normal(size=10_000)).astype(np.int64)
    assert abs(calm.sign_autocorrelation(alone)) < 4 / 100
    # Of pieces of two, half of the neighbours are of one order.
    split = np.repeat(alone, 2)
    assert calm.sign_autocorrelation(split) == pytest.approx(0.5, abs=4 / 100)
    assert math.isnan(calm.sign_autocorrelation(np.ones(50, dtype=np.int64)))


# --- of a run ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def quiet() -> Run:
    return run(cells.first_market(["shocks=[]", "horizon=6min"]), 1)


def test_the_parts_of_a_run_add_up(quiet: Run) -> None:
    start = 60 * S
    found = calm.calm_metrics(quiet, start)
    for i, name in enumerate(("corporate", "treasury")):
        trades = of(quiet.trades, i)
        trades = trades[trades["ts_event_ns"] >= start]
        assert found[f"taken_lots.{name}"] == trades["qty_lots"].sum() > 0
        assert found[f"effective.{name}"] == found[f"impact.{name}"] + found[f"realised.{name}"]
        assert 0 < found[f"informed_lots.{name}"] < found[f"taken_lots.{name}"]
        assert 0 <= found[f"lit.{name}"] <= 1
    assert calm.knowing_groups(quiet) == {"informed", "slow_capital"}


def test_what_dealers_gain_is_what_others_lose_against_value(quiet: Run) -> None:
    gains = calm.dealing_gains(quiet, 0)
    fills, rfq = quiet.table("order_filled"), quiet.rfq_trades
    outside = 0.0
    for i in range(2):
        fair = of(quiet.table("fair_value"), i)
        for table in (of(fills, i), of(rfq, i)):
            own = table[~table["agent_id"].isin(list(quiet.header.dealer_ids or ()))]
            at = np.searchsorted(fair["ts_event_ns"], own["ts_event_ns"], side="right") - 1
            value = fair["value_ticks"].to_numpy()[at]
            outside += float((own["side"] * own["qty_lots"] * (value - own["price_ticks"])).sum())
    assert float(gains["gain_tick_lots"].sum()) == pytest.approx(-outside, rel=1e-9)


def test_gains_without_a_trade_have_the_same_columns(quiet: Run) -> None:
    none, some = calm.dealing_gains(quiet, 10**18), calm.dealing_gains(quiet, 0)
    assert len(none) == 0 < len(some)
    assert list(none.columns) == list(some.columns)


@pytest.mark.parametrize(
    ("bound", "lots"), [(100.0, 102), (50.0, 2), (59.0, 20), (1e9, 120), (math.inf, 120), (49.0, 0)]
)
def test_depth_counts_every_level_within_the_bound(bound: float, lots: int) -> None:
    """A lot a tick, 60 a side, from 9950 down and from 10050 up: 51 a side are at most 100 ticks off the mid."""
    instrument = Instrument(0, "X", Decimal(1), Decimal(1), Decimal(1), 1, 1)
    engine, recorder = MatchingEngine(0), MemoryRecorder()
    for k in range(60):
        for n, (side, price) in enumerate([(Side.BUY, 9950 - k), (Side.SELL, 10050 + k)]):
            command = NewOrder(0, n, k + 1, side, 1, price)
            recorder.batch(0, command, engine.process(command, 0))
    header = RunHeader({}, 1, tuple(AgentEntry(i, f"a{i}", "a", "") for i in range(2)), (instrument,))
    assert calm.depth_within_spread(run_in_memory(recorder, header), 0, 0, bound) == lots


def test_depth_counts_what_is_near_the_mid_and_nothing_while_dark(monkeypatch: pytest.MonkeyPatch) -> None:
    class Book:
        @staticmethod
        def depth(instrument_id: int, levels: int, every: int) -> pd.DataFrame:
            row = {
                f"{side}_{what}_{k}": 0 for side in ("bid", "ask") for what in ("ticks", "lots") for k in range(1, 11)
            }
            near = row | {"bid_ticks_1": 99, "bid_lots_1": 5, "ask_ticks_1": 101, "ask_lots_1": 7}
            near |= {"bid_ticks_2": 98, "bid_lots_2": 11, "ask_ticks_2": 103, "ask_lots_2": 100}
            dark = near | {"ask_ticks_1": 0, "ask_lots_1": 0}
            return pd.DataFrame([near | {"ts_event_ns": 0}, dark | {"ts_event_ns": 1}])

    # The second row is of a night in one of the two cases, and no time at all there.
    monkeypatch.setattr(calm, "trading_clock", lambda run: TradingTime())
    # Within two ticks of the mid of 100: 5 + 11 bid, 7 asked, in half of the time.
    assert calm.depth_within_spread(Book(), 0, 0, 2.0) == 23 / 2  # type: ignore[arg-type]
    monkeypatch.setattr(calm, "trading_clock", lambda run: TradingTime(((1, 2),)))
    assert calm.depth_within_spread(Book(), 0, 0, 2.0) == 23  # type: ignore[arg-type]
