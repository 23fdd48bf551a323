"""Where there is nothing to measure a measure is NaN; what contradicts itself is refused."""

from __future__ import annotations

import io
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from lob_sim.analysis.amplification import forced_volume_lots, overshoot, tier1_loss_cash
from lob_sim.analysis.flow import vpin, vpin_null
from lob_sim.analysis.liquidity import amihud, lit_state, resilience_half_life_ns
from lob_sim.analysis.price_discovery import dispersion, information_share
from lob_sim.analysis.spread_models import huang_stoll, kyle_lambda
from lob_sim.analysis.summary import crisis_metrics, summarise
from lob_sim.analysis.tables import value_at
from lob_sim.cli.running import summary_table
from lob_sim.errors import DataError
from lob_sim.log import MemoryRecorder, Run, run_in_memory
from lob_sim.log.header import AgentEntry, RunHeader
from lob_sim.messages import FairValue, NewOrder, ParentOrderOpened, Side
from lob_sim.units import Instrument
from lob_sim.venue.matching import MatchingEngine

NONE = np.array([], dtype=np.float64)


def with_fair_values(trades: bool) -> Run:
    """A lit book quoted at 99 and 102 and a fair value of 100, with a trade at 99 or without any."""
    instrument = Instrument(0, "X", Decimal(1), Decimal(1), Decimal(1), 1, 1)
    agents = tuple(AgentEntry(i, f"a{i}", "a", "") for i in range(3))
    engine, recorder = MatchingEngine(0), MemoryRecorder()
    recorder.record(FairValue(0, 0, 100.0, False))
    for k, (side, price) in enumerate([(Side.SELL, 102), (Side.BUY, 99), *([(Side.SELL, 99)] if trades else [])]):
        command = NewOrder(0, k, 1, side, 1, price)
        recorder.batch(1_000 * k, command, engine.process(command, 1_000 * k))
    return run_in_memory(recorder, RunHeader({}, 1, agents, (instrument,)))


def test_without_a_trade_neither_overshoot_nor_recovery_is_known() -> None:
    silent, traded = with_fair_values(trades=False), with_fair_values(trades=True)
    assert math.isnan(summarise(silent).iloc[0]["overshoot_pct"])
    metrics = crisis_metrics(silent)
    for name in ("overshoot_pct", "overshoot_pct.X", "recovery_s"):
        assert math.isnan(metrics[name]), name
    assert summarise(traded).iloc[0]["overshoot_pct"] == pytest.approx(1.0)  # The control.
    assert crisis_metrics(traded)["recovery_s"] == pytest.approx(2e-6)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(summary_table(silent))
    assert "nan" not in console.export_text()


def test_forced_lots_before_the_shock_are_summed_exactly() -> None:
    recorder = MemoryRecorder()
    recorder.record(FairValue(0, 0, 100.0, False))
    for k in range(1_025):
        recorder.record(ParentOrderOpened(1, 0, 0, k + 1, 2**53, "x"))
    recorder.record(FairValue(2, 0, 90.0, True))
    instrument = Instrument(0, "X", Decimal(1), Decimal(1), Decimal(1), 1, 1)
    run = run_in_memory(recorder, RunHeader({}, 1, (AgentEntry(0, "a0", "a", ""),), (instrument,)))
    assert crisis_metrics(run)["calm_forced_lots"] == 1_025 * 2.0**53


def without_fair_values(trades: bool) -> Run:
    """What an imported day is: orders and trades of a lit book, and no fair value, dealer or balance sheet."""
    instrument = Instrument(0, "X", Decimal(1), Decimal(1), Decimal(1), 1, 1)
    agents = tuple(AgentEntry(i, f"a{i}", "a", "") for i in range(3))
    engine, recorder = MatchingEngine(0), MemoryRecorder()
    prices = [(Side.SELL, 102), (Side.BUY, 99), *([(Side.BUY, 102)] if trades else [])]
    for k, (side, price) in enumerate(prices):
        command = NewOrder(0, k, 1, side, 1, price)
        recorder.batch(1_000 * k, command, engine.process(command, 1_000 * k))
    return run_in_memory(recorder, RunHeader({}, 1, agents, (instrument,)))


@pytest.mark.parametrize("trades", [True, False])
def test_summary_of_a_run_without_fair_values_has_nan_where_there_is_nothing_to_measure(trades: bool) -> None:
    run = without_fair_values(trades)
    row = summarise(run).iloc[0]
    assert row["trades"] == int(trades)
    assert row["spread_ticks"] == 3.0
    assert math.isnan(row["overshoot_pct"])
    metrics = crisis_metrics(run)
    for name in ("overshoot_pct", "overshoot_pct.X", "spread_pct", "recovery_s", "quote_absence", "write_down_pct"):
        assert math.isnan(metrics[name]), name
    assert 0 < metrics["lit_absence"] < 1
    assert metrics["failures"] == 0


def test_summary_of_a_run_without_rows_or_instruments() -> None:
    empty = run_in_memory(MemoryRecorder(), RunHeader())
    assert len(summarise(empty)) == 0
    assert math.isnan(crisis_metrics(empty)["overshoot_pct"])


def test_kyle_lambda_of_constant_flow_is_nan() -> None:
    found = kyle_lambda(np.array([1.0, 2, 1, 2]), np.array([3.0, 3, 3, 3]))
    assert math.isnan(found.value)
    assert math.isnan(found.se)
    assert kyle_lambda(np.array([2.0, 4, 6, 9]), np.array([1.0, 2, 3, 4])).value == pytest.approx(2.3)  # The control.


def test_huang_stoll_of_signs_without_correlation_is_nan() -> None:
    found = huang_stoll(np.arange(5.0), np.array([1.0, 1, -1, -1, 1]), np.ones(5))
    assert math.isnan(found.adverse)
    assert found.reversal == pytest.approx(0.5)
    assert math.isfinite(found.processing)


def test_series_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(DataError, match="one length"):
        kyle_lambda(np.ones(3), np.ones(4))
    with pytest.raises(DataError, match="missing or not finite"):
        kyle_lambda(np.array([1.0, np.nan, 2.0]), np.arange(3.0))
    with pytest.raises(DataError, match="one length"):
        amihud(np.ones(3), np.ones(3))
    with pytest.raises(DataError, match="signs"):
        huang_stoll(np.arange(5.0), np.zeros(5), np.ones(5))


def test_prices_that_never_move_share_no_information() -> None:
    assert math.isnan(information_share(np.full(80, 100.0), np.arange(80.0)).middle)


def test_empty_tables_and_series() -> None:
    prices = pd.DataFrame(columns=["ts_event_ns", "price_ticks"])
    fair = pd.DataFrame(columns=["ts_event_ns", "value_ticks"])
    assert math.isnan(overshoot(prices, fair, 0, 10))
    assert math.isnan(resilience_half_life_ns(np.array([], dtype=np.int64), NONE, np.array([5]), 10))
    assert math.isnan(amihud(np.array([1.0]), NONE))
    assert np.isnan(value_at(np.array([], dtype=np.int64), NONE, np.array([1, 2]))).all()
    records = pd.DataFrame(columns=["ts_event_ns", "agent_id", "price_ticks"])
    assert dispersion(records, "price_ticks", np.array([], dtype=np.int64)).shape == (0,)
    columns = ["agent_id", "parent_order_id", "client_order_id", "side", "qty_lots"]
    assert forced_volume_lots(*[pd.DataFrame(columns=columns)] * 4) == 0
    assert vpin(np.array([], dtype=np.int64), np.array([], dtype=np.int64), 5).size == 0


def test_windows_and_buckets_without_length_are_refused() -> None:
    top = pd.DataFrame(columns=["ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"])
    with pytest.raises(DataError, match="end after the start"):
        lit_state(top, 5, 5)
    with pytest.raises(DataError, match="1 or more"):
        vpin_null(0)
    with pytest.raises(DataError, match="1 or more"):
        vpin(np.array([1]), np.array([1]), 0)


def test_infinite_values_are_refused_by_their_column_and_missing_ones_are_not() -> None:
    top = pd.DataFrame(
        {"ts_event_ns": [0, 5], "bid_ticks": [99, 99], "bid_lots": [1.0, math.inf], "ask_ticks": 102, "ask_lots": 1}
    )
    with pytest.raises(DataError, match="column bid_lots: a value is infinite"):
        lit_state(top, 0, 10)
    with pytest.raises(DataError, match="prices and volumes: a value is infinite"):
        amihud(np.array([math.inf, math.inf]), np.array([0.0]))
    assert math.isnan(lit_state(top.assign(bid_lots=[1.0, math.nan]), 0, 10).depth_lots)


def test_agents_whose_numbers_were_read_as_floats_are_the_same_agents() -> None:
    sheets = pd.DataFrame({"ts_event_ns": [0, 5], "agent_id": [6.0, 6.0], "tier1_cash": [3, 1]})
    assert tier1_loss_cash(sheets, 1, 9) == {6: 2}
    with pytest.raises(DataError, match="column agent_id"):
        tier1_loss_cash(sheets.assign(agent_id=[6.0, 6.5]), 1, 9)
