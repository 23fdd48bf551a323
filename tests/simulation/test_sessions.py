"""The timetable: opening, closing and batch auctions, halts, and the run that goes on afterwards."""

from __future__ import annotations

from typing import Any

from sim_helpers import MS, MemoryLog, group, instrument, latency, run, scenario, strategy_of
from spammer import Spammer

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    AuctionUncrossed,
    NewOrder,
    OrderRejected,
    Phase,
    PhaseChanged,
    RejectReason,
    RfqOpened,
    RfqPrint,
    RfqQuoted,
    RfqTraded,
    SetPhase,
    Side,
    TimeInForce,
    Trade,
)

AUCTION, CONTINUOUS, HALTED, CLOSED = Phase.AUCTION, Phase.CONTINUOUS, Phase.HALTED, Phase.CLOSED


class Flow(Strategy):
    """A buy at 102 and a sell at 98 every millisecond; notes the phase that it sees before each."""

    def on_start(self, ctx: Context) -> None:
        self.phases: list[Phase] = []
        self.n = 0
        ctx.wake_in(MS // 2)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if not self.phases or self.phases[-1] is not ctx.phase(0):
            self.phases.append(ctx.phase(0))
        self.n += 1
        side = Side.BUY if self.n % 2 else Side.SELL
        ctx.place(0, side, 1, 100 + 2 * side)
        ctx.wake_in(MS)


def timed(log: MemoryLog) -> list[tuple[float, Phase]]:
    return [(event.ts_event_ns / MS, event.phase) for event in log.of(PhaseChanged)]


def with_rules(horizon: str = "100ms", agents: tuple[dict[str, Any], ...] = (), **lit: Any) -> Any:
    return scenario([group("flow", Flow, count=2), *agents], [instrument(lit=lit)], horizon=horizon)


def trade_times(log: MemoryLog) -> list[float]:
    return [trade.ts_event_ns / MS for trade in log.of(Trade)]


def test_continuous_trading_from_start_to_end_is_the_default() -> None:
    log, world = run(with_rules())
    assert timed(log) == [(100, CLOSED)]
    assert log.of(AuctionUncrossed) == []
    assert strategy_of(world, "flow-1").phases == [CONTINUOUS]
    assert len(log.of(Trade)) > 50


def test_an_opening_auction_collects_and_clears_once() -> None:
    log, world = run(with_rules(opening_auction="20ms"))
    assert timed(log) == [(20, CONTINUOUS), (100, CLOSED)]
    auctions = log.of(AuctionUncrossed)
    assert [(a.ts_event_ns, a.qty_lots) for a in auctions] == [(20 * MS, 20)]
    assert min(trade_times(log)) == 20
    assert max(trade_times(log)) > 90
    assert strategy_of(world, "flow-1").phases == [AUCTION, CONTINUOUS]


def test_a_closing_auction_collects_from_its_start_and_clears_at_the_horizon() -> None:
    log, world = run(with_rules(closing_auction="20ms"))
    assert timed(log) == [(80, AUCTION), (100, CLOSED)]
    assert [a.ts_event_ns for a in log.of(AuctionUncrossed)] == [100 * MS]
    assert not [ts for ts in trade_times(log) if 80 <= ts < 100]
    assert trade_times(log).count(100) >= 10
    assert strategy_of(world, "flow-1").phases == [CONTINUOUS, AUCTION]
    # What cleared at the horizon is settled, and known to those to whom it arrives at once.
    assert [host.account.positions for host in world.hosts] == world.ledger.positions[:2]


def test_batch_auctions_replace_continuous_trading() -> None:
    log, world = run(with_rules(batch_interval="10ms"))
    assert set(trade_times(log)) == set(range(10, 101, 10))
    assert [a.ts_event_ns // MS for a in log.of(AuctionUncrossed)] == list(range(10, 101, 10))
    assert strategy_of(world, "flow-1").phases == [AUCTION]
    assert {p.reference_price_ticks for p in log.of(PhaseChanged)} == {100}


def test_batch_auctions_between_an_opening_and_a_closing_auction() -> None:
    # The batch that the closing auction cuts short is cleared where that begins.
    log, _ = run(with_rules(opening_auction="25ms", batch_interval="10ms", closing_auction="30ms"))
    assert [a.ts_event_ns // MS for a in log.of(AuctionUncrossed)] == [25, 35, 45, 55, 65, 70, 100]


class Crash(Strategy):
    """Sells far below the market, to a bid that has rested there."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(30 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, Side.SELL, 30, 70, time_in_force=TimeInForce.IOC)


class Floor(Strategy):
    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 50, 80)


class Rescue(Strategy):
    """Bids near the old price while the book is halted."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(40 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        assert ctx.phase(0) is HALTED
        ctx.place(0, Side.BUY, 100, 97)


CRASH = (group("crash", Crash), group("floor", Floor))
BAND: dict[str, Any] = {"price_band": 0.05, "halt": "25ms"}


def test_a_trade_beyond_the_band_halts_reopens_by_auction_and_trading_goes_on() -> None:
    agents = (*CRASH, group("rescue", Rescue))
    log, world = run(with_rules(agents=agents, **BAND))
    assert timed(log) == [(30, HALTED), (55, CONTINUOUS), (100, CLOSED)]
    assert [event.until_ns for event in log.of(PhaseChanged)] == [55 * MS, 0, 0]
    assert all(95 <= trade.price_ticks <= 105 for trade in log.of(Trade))
    assert not [ts for ts in trade_times(log) if 30 < ts < 55]
    assert len([ts for ts in trade_times(log) if ts > 55]) > 10
    auction = next(a for a in log.of(AuctionUncrossed))
    assert auction.ts_event_ns == 55 * MS
    assert auction.price_ticks >= 97
    assert strategy_of(world, "flow-1").phases == [CONTINUOUS, HALTED, CONTINUOUS]
    # The control: without a band the sale goes through to 80 at once.
    free, _ = run(with_rules(agents=CRASH))
    assert min(trade.price_ticks for trade in free.of(Trade)) == 80
    assert HALTED not in [phase for _, phase in timed(free)]


def test_a_halt_that_runs_into_the_closing_auction_is_not_ended_early() -> None:
    log, _ = run(with_rules(agents=CRASH, closing_auction="60ms", **BAND))
    assert timed(log) == [(30, HALTED), (40, AUCTION), (100, CLOSED)]
    assert [a.ts_event_ns for a in log.of(AuctionUncrossed)] == [100 * MS]


def test_a_halt_that_outlasts_the_horizon_is_cleared_at_the_close() -> None:
    rules = {**BAND, "halt": "1s"}
    log, _ = run(with_rules(agents=CRASH, **rules))
    assert timed(log) == [(30, HALTED), (100, CLOSED)]


def test_halts_come_again() -> None:
    spam = group("spam", Spammer, count=6)
    log, _ = run(with_rules("2s", agents=(spam,), price_band=0.03, halt="20ms"))
    halts = [ts for ts, phase in timed(log) if phase is HALTED]
    assert len(halts) > 5
    assert sum(1 for ts in trade_times(log) if ts > 1000) > 100


class AfterHours(Strategy):
    """Sends an order that arrives exactly when the market closes, or opens."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, 100, time_in_force=TimeInForce.FOK)


def test_phase_changes_come_ahead_of_orders_that_arrive_at_the_same_time() -> None:
    agents = [group("x", AfterHours, connection=latency("20ms"))]
    log, _ = run(scenario(agents, [instrument(lit={"opening_auction": "20ms"})], horizon="50ms"))
    kinds = [type(m) for ts, m in log.entries if ts == 20 * MS]
    assert kinds.index(SetPhase) < kinds.index(NewOrder)
    # Fill-or-kill is refused while orders are collected, and only then.
    assert log.of(OrderRejected) == []
    early = [group("x", AfterHours, connection=latency("19ms"))]
    log, _ = run(scenario(early, [instrument(lit={"opening_auction": "20ms"})], horizon="50ms"))
    assert [m.reason for m in log.of(OrderRejected)] == [RejectReason.SESSION_CLOSED]


class Dealer(Strategy):
    """Sells at 101 to whoever asks."""

    answers_rfqs = True

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.quote(request, 0, 101, 10 * MS)


class Client(Strategy):
    """Asks to buy at 10 ms and at 70 ms, and deals on the first quote."""

    def on_start(self, ctx: Context) -> None:
        for at in (10, 70):
            ctx.wake_in(at * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.request_quote(0, Side.BUY, 1, ctx.dealers, 10 * MS)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        ctx.accept(quote, Side.BUY)


def test_a_delayed_print_that_is_not_due_by_the_horizon_is_never_published() -> None:
    bond = instrument(rfq={"transparency": "delayed", "delay": "50ms"})
    parties = [group(name, kind, connection=latency()) for name, kind in (("client", Client), ("dealer", Dealer))]
    log, _ = run(scenario(parties, [bond], horizon="100ms"))
    assert [trade.ts_event_ns for trade in log.of(RfqTraded)] == [10 * MS, 70 * MS]
    assert [(p.ts_trade_ns, p.ts_event_ns) for p in log.of(RfqPrint)] == [(10 * MS, 60 * MS)]
    # The negative control: it would have come.
    log, _ = run(scenario(parties, [bond], horizon="121ms"))
    assert [p.ts_event_ns for p in log.of(RfqPrint)] == [60 * MS, 120 * MS]
