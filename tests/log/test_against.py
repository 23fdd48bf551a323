"""A strategy in a recorded market: history repeats without it, and queues, fills and is counted with it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_streams import header
from msgspec import structs
from test_simulated_runs import LIT_RULES

from lob_sim import load_scenario, run
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import DataError, InputError, ScenarioError
from lob_sim.feeds.lobster import read_lobster
from lob_sim.feeds.lobster_replay import LobsterReplay
from lob_sim.log import MemoryRecorder, Run, open_run, run_in_memory
from lob_sim.log.venues import venues_of
from lob_sim.messages import (
    CancelOrder,
    Command,
    FairValue,
    NewOrder,
    News,
    OrderFilled,
    OrderRejected,
    OrderType,
    PhaseChanged,
    ReduceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    SetPhase,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.replay import verify
from lob_sim.replay.backtest import TradedAgainst, trade_against
from lob_sim.scenario import LitSpec, Scenario, parse_scenario
from lob_sim.testing.generators import scenarios

DATA = Path(os.environ.get("LOB_SIM_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "lobster"
AAPL = DATA / "AAPL_L10_1000" / "AAPL_2012-06-21_34200000_57600000_message_10.csv"
IDLE = "lob_sim.agents.strategy:Strategy"
_NO_PREVENTION = SelfTradePrevention.NONE
SHORT = ["horizon=4min", "agents.seller.params.start=10s"]


def recorded(stream: Iterable[tuple[int, Command]]) -> Run:
    """A log of these commands."""
    memory, venues = MemoryRecorder(), venues_of(header())
    for ts_ns, command in stream:
        memory.batch(ts_ns, command, venues.process(command, ts_ns))
    return run_in_memory(memory, header())


def repeatable(logged: Run) -> list[tuple[int, object]]:
    """What history repeats: all of the lit books and of the world outside."""
    commands = (NewOrder, CancelOrder, ReduceOrder, ReplaceOrder, SetPhase, FairValue, News)
    rows: list[tuple[int, object]] = []
    lit: set[int] = set()
    for row in logged.messages():
        if isinstance(row.message, commands):
            lit.add(row.seq)
        if row.seq in lit or row.cause_seq in lit:
            rows.append((row.ts_ns, row.message))
    return rows


class Once(Strategy):
    """Sends one order and no more."""

    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        """What and when; ``side`` is a sign, ``delay_ns`` 0 is at the start."""

        side: int
        qty_lots: int
        price_ticks: int
        delay_ns: int = 0

    params: Params

    def on_start(self, ctx: Context) -> None:
        if self.params.delay_ns:
            ctx.wake_in(self.params.delay_ns)
        else:
            self.on_wake(ctx, 0)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, Side(self.params.side), self.params.qty_lots, self.params.price_ticks)


class Reads(Strategy):
    """Counts what it hears."""

    heard: list[str]

    def on_start(self, ctx: Context) -> None:
        type(self).heard = []

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        type(self).heard.append(f"trade {trade.trade_id}")

    def on_news(self, ctx: Context, news: News) -> None:
        type(self).heard.append("news")


class Falls(Strategy):
    """Sells through the band, and has a stop that the re-opening triggers."""

    def on_start(self, ctx: Context) -> None:
        for price in (100, 95, 80):
            ctx.place(0, Side.BUY, 5, price)
        ctx.place(0, Side.SELL, 5, order_type=OrderType.STOP, stop_price_ticks=96, self_trade=_NO_PREVENTION)
        ctx.wake_in(1_000_000_000)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, Side.SELL, 10, order_type=OrderType.MARKET, self_trade=_NO_PREVENTION)


def once(source: Run, side: Side, qty: int, price: int, delay_ns: int = 0) -> TradedAgainst:
    params = {"side": int(side), "qty_lots": qty, "price_ticks": price, "delay_ns": delay_ns}
    return trade_against(source, "test_against:Once", params)


def fills(result: TradedAgainst) -> list[tuple[int, int, int]]:
    """Time, owner and quantity of each fill."""
    return [(row.ts_ns, row.message.agent_id, row.message.qty_lots) for row in result.run.messages(OrderFilled)]  # type: ignore[attr-defined]


# --- nobody new trades -------------------------------------------------------------------------------------


def test_with_an_idle_newcomer_an_own_run_repeats_event_for_event(tmp_path: Path) -> None:
    source = run(load_scenario("dealer_market", SHORT), 3, tmp_path / "source")
    result = trade_against(source, IDLE, out=tmp_path / "again")
    history = repeatable(source)
    assert [(row.ts_ns, row.message) for row in result.run.messages()] == history
    # Of every kind that there is to repeat: auctions, fair values and news too.
    kinds = {type(message) for _, message in history}
    assert {FairValue, News, SetPhase, PhaseChanged, Trade, ReplaceOrder} <= kinds
    assert result.report[2:] == (0, 0, 0, 0, 0, 0)
    assert result.report.orders == len(source.orders)
    assert result.run.status == "complete"
    assert verify(result.run).ok
    assert list(result.run.agents["name"])[-1] == "newcomer-1"
    assert len(result.run.agents) == len(source.agents) + 1


def test_a_halted_market_halts_again() -> None:
    spec = load_scenario(
        "dealer_market", [*SHORT, "instruments.corporate.lit.price_band=0.0003", "instruments.corporate.lit.halt=20s"]
    )
    source = run(spec, 3)
    phases = [row.message.phase.name for row in source.messages(PhaseChanged)]  # type: ignore[attr-defined]
    assert phases.count("HALTED") >= 2
    result = trade_against(source, IDLE)
    assert [(row.ts_ns, row.message) for row in result.run.messages()] == repeatable(source)


@settings(max_examples=15, deadline=None)
@given(scenario=scenarios(seconds=20), lit=LIT_RULES, seed=st.integers(0, 1000))
def test_any_market_repeats_whatever_its_sessions(scenario: Scenario, lit: LitSpec, seed: int) -> None:
    (bond,) = scenario.instruments
    source = run(structs.replace(scenario, instruments=[structs.replace(bond, lit=lit)]), seed)
    result = trade_against(source, IDLE)
    assert [(row.ts_ns, row.message) for row in result.run.messages()] == repeatable(source)
    assert result.report[2:] == (0, 0, 0, 0, 0, 0)
    busy = trade_against(source, "strategies.fixed_spread:FixedSpreadDealer", {"half_spread_ticks": 1}, seed)
    assert verify(busy.run).ok


def test_a_market_that_halts_again_as_it_reopens_does_so_again() -> None:
    bond = {"name": "bond", "tick_size": 1, "lot_size": 1, "initial_price": 100}
    source = run(
        parse_scenario(
            {
                "name": "falls",
                "horizon": "10s",
                "instruments": [{**bond, "lit": {"price_band": 0.02, "halt": "2s"}}],
                "agents": [{"name": "falls", "strategy": "test_against:Falls"}],
            }
        )
    )
    phases = [(row.ts_ns // 10**9, row.message.phase.name) for row in source.messages(PhaseChanged)]  # type: ignore[attr-defined]
    assert phases[:4] == [(1, "HALTED"), (3, "CONTINUOUS"), (3, "HALTED"), (5, "CONTINUOUS")]
    result = trade_against(source, IDLE)
    assert [(row.ts_ns, row.message) for row in result.run.messages()] == repeatable(source)


def test_one_instrument_alone_repeats_itself_too() -> None:
    source = run(load_scenario("dealer_market", SHORT), 3)
    result = trade_against(source, IDLE, instrument="treasury")
    assert [i.name for i in result.run.header.instruments] == ["treasury"]
    mine = source.trades[source.trades["instrument_id"] == source.instrument_id("treasury")]
    columns = ["ts_event_ns", "trade_id", "price_ticks", "qty_lots", "maker_order_id"]
    assert result.run.trades[columns].values.tolist() == mine[columns].values.tolist()
    with pytest.raises(DataError, match="did you mean 'treasury'"):
        trade_against(source, IDLE, instrument="treasry")


@pytest.mark.skipif(not AAPL.exists(), reason="the sample days are not here: set LOB_SIM_DATA")
def test_with_an_idle_newcomer_a_lobster_day_ends_in_the_same_book() -> None:
    day = read_lobster(AAPL)
    replay = LobsterReplay(day)
    assert replay.run().exact
    result = trade_against(AAPL, IDLE)
    assert result.report.commands > 1000
    assert result.report[2:7] == (0, 0, 0, 0, 0)
    book = result.run.book()
    unit = replay.price_unit
    assert [(a // unit, s) for a, s, _, _ in day.book[-1].tolist()] == [(p, q) for p, q, _ in book.asks[:10]]
    assert [(b // unit, s) for _, _, b, s in day.book[-1].tolist()] == [(p, q) for p, q, _ in book.bids[:10]]
    assert verify(result.run).ok
    with pytest.raises(DataError, match="there is: AAPL"):
        trade_against(day, IDLE, instrument="MSFT")


@pytest.mark.skipif(not AAPL.exists(), reason="the sample days are not here: set LOB_SIM_DATA")
def test_a_dealer_in_a_lobster_day_trades_and_takes_part_of_what_others_had() -> None:
    day = read_lobster(AAPL)
    dealer = "strategies.fixed_spread:FixedSpreadDealer"
    result = trade_against(day, dealer, {"half_spread_ticks": 1, "size_lots": 100}, latency_ns=1_000_000)
    newcomer = int(result.run.agents["agent_id"].iloc[-1])
    assert (result.run.table("order_filled")["agent_id"] == newcomer).any()
    assert result.report.orders_changed > 0
    assert verify(result.run).ok


# --- somebody does -----------------------------------------------------------------------------------------

QUEUE: list[tuple[int, Command]] = [
    (0, NewOrder(0, 1, 1, Side.BUY, 10, 100)),
    (0, NewOrder(0, 2, 1, Side.SELL, 10, 110)),
    (1_000, NewOrder(0, 3, 1, Side.BUY, 5, 100)),
    (2_000, NewOrder(0, 4, 1, Side.SELL, 8, 100, time_in_force=TimeInForce.IOC)),
    (3_000, NewOrder(0, 4, 2, Side.SELL, 4, 100, time_in_force=TimeInForce.IOC)),
    (4_000, NewOrder(0, 4, 3, Side.SELL, 3, 100, time_in_force=TimeInForce.IOC)),
    (5_000, CancelOrder(0, 3, client_order_id=1)),
    (6_000, NewOrder(0, 4, 4, Side.SELL, 1, order_type=OrderType.MARKET)),
]
NEWCOMER = 6


def test_the_newcomer_stands_behind_the_queue_that_it_finds_and_before_what_comes_later() -> None:
    result = once(recorded(QUEUE), Side.BUY, 4, 100, delay_ns=500)
    # Ten lots of agent 1 stand first, then the newcomer's four, then agent 3's five.
    assert fills(result) == [
        (2_000, 1, 8), (2_000, 4, 8),
        (3_000, 1, 2), (3_000, 4, 2), (3_000, NEWCOMER, 2), (3_000, 4, 2),
        (4_000, NEWCOMER, 2), (4_000, 4, 2), (4_000, 3, 1), (4_000, 4, 1),
    ]  # fmt: skip
    report = result.report
    assert (report.commands, report.orders, report.orders_changed) == (8, 7, 1)
    assert (report.filled_more_lots, report.filled_less_lots) == (0, 4)
    assert (report.refused_now, report.accepted_now) == (0, 1)
    assert verify(result.run).ok


def test_at_the_same_instant_history_comes_first() -> None:
    # Sent at 1,000 with no latency: behind agent 3's order of that time, and so not filled by the first 15 lots.
    result = once(recorded(QUEUE), Side.BUY, 4, 100, delay_ns=1_000)
    assert [fill for fill in fills(result) if fill[1] == NEWCOMER] == [(6_000, NEWCOMER, 1)]
    # That last lot found nobody then; it is the only change.
    assert result.report[2:] == (1, 1, 0, 0, 0, 0)
    earlier = once(recorded(QUEUE), Side.BUY, 4, 100, delay_ns=999)
    assert [fill for fill in fills(earlier) if fill[1] == NEWCOMER] == [(3_000, NEWCOMER, 2), (4_000, NEWCOMER, 2)]


def test_control_an_order_away_from_the_market_changes_nothing() -> None:
    source = recorded(QUEUE)
    result = once(source, Side.SELL, 4, 120)
    assert [f for f in fills(result) if f[1] == NEWCOMER] == []
    assert result.report[2:] == (0, 0, 0, 0, 0, 0)
    history = [message for _, message in repeatable(source) if isinstance(message, OrderFilled)]
    now = [row.message for row in result.run.messages(OrderFilled)]
    assert [(e.agent_id, e.qty_lots, e.price_ticks) for e in now] == [  # type: ignore[attr-defined]
        (e.agent_id, e.qty_lots, e.price_ticks) for e in history
    ]


def test_what_the_newcomer_takes_history_cannot_have() -> None:
    result = once(recorded(QUEUE), Side.SELL, 10, 100, delay_ns=500)
    # Agent 4 sold fifteen lots then, and finds only the five that agent 3 wants.
    assert fills(result) == [(500, 1, 10), (500, NEWCOMER, 10), (2_000, 3, 5), (2_000, 4, 5)]
    assert result.report[2:] == (3, 0, 10, 0, 0, 0)


def test_a_change_of_an_order_that_the_newcomer_has_taken_is_refused_and_counted() -> None:
    stream: list[tuple[int, Command]] = [
        (0, NewOrder(0, 1, 1, Side.BUY, 10, 100)),
        (1_000, ReduceOrder(0, 1, 2, client_order_id=1)),
        (2_000, ReplaceOrder(0, 1, 5, 99, client_order_id=1)),
        (3_000, CancelOrder(0, 1, client_order_id=1)),
    ]
    result = once(recorded(stream), Side.SELL, 10, 100, delay_ns=500)
    assert result.report[2:] == (1, 10, 0, 3, 0, 0)
    refused = [row.ts_ns for row in result.run.messages(OrderRejected)]
    assert refused == [1_000, 2_000, 3_000]
    part = once(recorded(stream), Side.SELL, 9, 100, delay_ns=500)
    # One lot is left: the reduce by two removes it.
    assert part.report[2:] == (1, 9, 0, 2, 0, 0)
    assert verify(part.run).ok


def test_cash_and_securities_are_conserved() -> None:
    source = run(load_scenario("dealer_market", SHORT), 3)
    dealer = "strategies.fixed_spread:FixedSpreadDealer"
    result = trade_against(source, dealer, {"half_spread_ticks": 1})
    table = result.run.table("order_filled")
    assert (table["side"] * table["qty_lots"]).sum() == 0
    assert (table["side"] * table["qty_lots"] * table["price_ticks"]).sum() == 0
    newcomer = int(result.run.agents["agent_id"].iloc[-1])
    assert (table["agent_id"] == newcomer).any()
    report = result.report
    assert report.orders_changed > 0
    # Everything that changed for history changed through the newcomer: sides of trades come in pairs.
    then = int(source.table("order_filled")["qty_lots"].sum())
    mine = int(table.loc[table["agent_id"] == newcomer, "qty_lots"].sum())
    now = int(table["qty_lots"].sum())
    assert now - mine == then + report.filled_more_lots - report.filled_less_lots
    assert verify(result.run).ok
    again = trade_against(source, dealer, {"half_spread_ticks": 1})
    assert again.run.digest == result.run.digest


def test_the_newcomer_hears_the_tape_and_the_news_of_then() -> None:
    source = run(load_scenario("dealer_market", SHORT), 3)
    trade_against(source, "test_against:Reads")
    news = sum(1 for _ in source.messages(News))
    assert Reads.heard.count("news") == news > 0
    assert len(Reads.heard) - news == len(source.trades) > 10


# --- bad input ---------------------------------------------------------------------------------------------


def test_bad_input_is_named(tmp_path: Path) -> None:
    source = recorded(QUEUE)
    with pytest.raises(ScenarioError, match=r"did you mean 'strategies\.fixed_spread'"):
        trade_against(source, "strategies.fixed_spred:FixedSpreadDealer", out=tmp_path / "o")
    with pytest.raises(ScenarioError, match="side"):
        trade_against(source, "test_against:Once", {"side": "buy"}, out=tmp_path / "o")
    with pytest.raises(InputError, match="latency"):
        trade_against(source, IDLE, latency_ns=-1, out=tmp_path / "o")
    assert not (tmp_path / "o").exists()
    with pytest.raises(DataError, match="not a run directory"):
        trade_against(tmp_path, IDLE)
    with pytest.raises(DataError, match="no rows"):
        trade_against(recorded([]), IDLE)


def test_a_log_with_a_hole_is_refused(tmp_path: Path) -> None:
    run(load_scenario("dealer_market", SHORT), 3, tmp_path / "source")
    next((tmp_path / "source/events/trade").glob("*.parquet")).unlink()
    with pytest.raises(DataError, match="are missing"):
        trade_against(tmp_path / "source", IDLE)
    assert open_run(tmp_path / "source").status == "damaged"
