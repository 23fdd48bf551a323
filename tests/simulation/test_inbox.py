"""What an agent hears, when, and which of its hooks are called."""

from __future__ import annotations

from typing import Any

import pytest
from sim_helpers import MS, MemoryLog, Quoter, group, latency, run, scenario, strategy_of

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    CancelOrder,
    Event,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderType,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.scenario import Scenario
from lob_sim.simulation.hooks import has_hook, message_hooks


class Trader(Strategy):
    """Takes one lot at random times."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(ctx.random.delay_ns(3 * MS))

    def on_wake(self, ctx: Context, tag: int) -> None:
        side = Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL
        ctx.place(0, side, 1, order_type=OrderType.MARKET)
        ctx.wake_in(ctx.random.delay_ns(3 * MS))


class Reader(Strategy):
    """Reads the tape and, on a timer, trades on what it has read; ``heard`` is what it heard and when."""

    def on_start(self, ctx: Context) -> None:
        self.heard: list[tuple[int, Event]] = []
        self.at_wake: list[tuple[int, int, int]] = []
        self.net = 0
        ctx.wake_in(10 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.at_wake.append((ctx.now_ns, len(self.heard), ctx.position(0)))
        ctx.place(0, Side.BUY if self.net < 0 else Side.SELL, 1, ctx.initial_ticks(0), time_in_force=TimeInForce.IOC)
        ctx.wake_in(10 * MS)

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.heard.append((ctx.now_ns, trade))
        self.net += trade.aggressor_side

    def on_cancel(self, ctx: Context, event: OrderCanceled) -> None:
        self.heard.append((ctx.now_ns, event))


class PatientReader(Reader):
    deferred_hooks = frozenset({"on_trade", "on_cancel"})


def reading(reader: type[Strategy], down: str = "700us") -> Scenario:
    return scenario(
        [
            group("reader", reader, connection=latency("300us", down)),
            group("quoter", Quoter),
            group("trader", Trader, count=3, connection=latency("2ms", "2ms")),
        ],
        horizon="500ms",
    )


@pytest.mark.parametrize("down", ["0s", "700us", "10ms", "23ms"])
def test_patience_changes_when_messages_are_heard_and_nothing_else(down: str) -> None:
    log, world = run(reading(Reader, down))
    patient_log, patient_world = run(reading(PatientReader, down))
    hasty, patient = strategy_of(world, "reader-1"), strategy_of(patient_world, "reader-1")
    assert [event for _, event in patient.heard] == [event for _, event in hasty.heard]
    assert patient.at_wake == hasty.at_wake
    assert patient_log.digest() == log.digest()
    assert len(hasty.heard) > 200
    # The control: they are not heard at the same times, but in wake-ups only.
    assert [ts for ts, _ in patient.heard] != [ts for ts, _ in hasty.heard]
    assert {ts % (10 * MS) for ts, _ in patient.heard} == {0}


def test_a_message_is_heard_one_latency_after_it_happened() -> None:
    _, world = run(reading(Reader))
    heard = strategy_of(world, "reader-1").heard
    assert {ts - event.ts_event_ns for ts, event in heard} == {700_000}


def test_messages_that_meet_at_one_instant_without_latency_are_all_heard_then() -> None:
    """Each fill calls forth the next order at the same time: all of them are heard then, none later."""

    class Fills(Strategy):
        def on_start(self, ctx: Context) -> None:
            self.fills: list[tuple[int, int]] = []
            ctx.place(0, Side.SELL, 5, 100)

        def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
            self.fills.append((ctx.now_ns, fill.qty_lots))

    class Buyer(Strategy):
        def on_start(self, ctx: Context) -> None:
            ctx.wake_in(MS)

        def on_wake(self, ctx: Context, tag: int) -> None:
            ctx.place(0, Side.BUY, 1, 100)

        def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
            ctx.place(0, Side.BUY, 1, 100)

    for cls in (Fills, Buyer):
        globals()[cls.__name__] = cls
        cls.__module__, cls.__qualname__ = __name__, cls.__name__
    _, world = run(scenario([group("fills", Fills), group("x", Buyer)], horizon="5ms"))
    assert strategy_of(world, "fills-1").fills == [(MS, 1)] * 5


OWN_HOOKS = message_hooks() - {"on_cross", "on_cross_print"}
"""Hooks that every strategy has; messages of further venues name hooks of their own."""


# --- which hooks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted({*OWN_HOOKS, "on_book", "on_wake", "on_start"}))
def test_has_hook_tells_an_own_hook_from_an_inherited_empty_one(name: str) -> None:
    own = type("Own", (Strategy,), {name: lambda *args: None})
    assert has_hook(own(), name)
    assert has_hook(type("Below", (own,), {})(), name)
    assert not has_hook(Strategy(), name)
    assert not has_hook(type("Other", (Strategy,), {})(), name)


def test_an_agent_without_market_data_hooks_costs_no_market_data_events() -> None:
    def steps(reader: type[Strategy]) -> int:
        _, world = run(reading(reader))
        return next(world.market.kernel._eid)

    assert steps(PatientReader) + 100 < steps(Reader)


def test_every_event_type_with_a_hook_reaches_it_and_others_reach_none() -> None:
    hooks = {name for name in dir(Strategy) if name.startswith("on_")}
    assert hooks - {"on_start", "on_wake", "on_book", "on_close", "on_desk_event", "on_open", "on_stop"} == OWN_HOOKS


# --- wake-ups and the end ----------------------------------------------------------------------------------


class Tags(Strategy):
    def on_start(self, ctx: Context) -> None:
        self.woken: list[tuple[int, int]] = []
        for tag, delay in ((7, 2 * MS), (8, MS), (9, 2 * MS), (-3, 0), (10, MS + MS // 2)):
            ctx.wake_in(delay, tag)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.woken.append((ctx.now_ns, tag))
        if tag == 8:
            ctx.wake_in(MS, 11)


def test_wake_ups_come_with_their_tags_in_order_of_time_then_of_asking() -> None:
    _, world = run(scenario([group("tags", Tags)]))
    woken = strategy_of(world, "tags-1").woken
    assert woken == [(1, -3), (MS, 8), (1_500_000, 10), (2 * MS, 7), (2 * MS, 9), (2 * MS, 11)]


class Late(Strategy):
    """Acts shortly before the horizon, so that some of it cannot arrive any more."""

    def on_start(self, ctx: Context) -> None:
        self.heard: list[int] = []
        ctx.wake_in(4 * MS, 1)
        ctx.wake_in(8 * MS, 2)
        ctx.wake_in(9_500_000, 3)
        ctx.wake_in(10 * MS, 4)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.heard.append(100 + tag)
        ctx.place(0, Side.BUY, tag, 50)

    def on_accept(self, ctx: Context, event: OrderAccepted) -> None:
        self.heard.append(event.qty_lots)
        ctx.cancel(0, event.client_order_id)


def test_what_would_arrive_at_or_after_the_horizon_does_not() -> None:
    log, world = run(scenario([group("late", Late, connection=latency("1ms", "1ms"))], horizon="10ms"))
    # The second answer arrives at the horizon itself: it is read, but what is said then no longer leaves.
    assert strategy_of(world, "late-1").heard == [101, 1, 102, 103, 2]
    assert [m.qty_lots for m in log.of(NewOrder)] == [1, 2]
    assert len(log.of(CancelOrder)) == 1
    assert max(ts for ts, _ in log.entries) == 10 * MS


def test_an_agent_hears_nothing_of_others_orders() -> None:
    class Eavesdropper(Strategy):
        def on_start(self, ctx: Context) -> None:
            self.heard: list[Any] = []

        def on_accept(self, ctx: Context, event: OrderAccepted) -> None:
            self.heard.append(event)

        on_fill = on_cancel = on_accept  # type: ignore[assignment]

    globals()["Eavesdropper"] = Eavesdropper
    Eavesdropper.__module__, Eavesdropper.__qualname__ = __name__, "Eavesdropper"
    log, world = run(scenario([group("e", Eavesdropper), group("q", Quoter), group("t", Trader)]))
    assert log.of(OrderFilled)
    assert strategy_of(world, "e-1").heard == []


def test_a_start_without_agents_is_a_quiet_market() -> None:
    log, _ = run(scenario([]))
    assert isinstance(log, MemoryLog)
    assert log.of(NewOrder) == []
