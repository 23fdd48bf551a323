"""Historic flow repeats history when nobody new trades, and counts what changes when somebody does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from log_streams import drive, header, mixed_stream

from lob_sim.log import MemoryRecorder, Run, run_in_memory
from lob_sim.messages import (
    CancelOrder,
    Command,
    Event,
    Message,
    NewOrder,
    OrderFilled,
    OrderRejected,
    OrderType,
    ReplaceOrder,
    SetPhase,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.replay.history import HistoricFlow, flow_of_run
from lob_sim.venue.matching import MatchingEngine

NEWCOMER = 99


def logged(stream: Iterable[tuple[int, Command]]) -> Run:
    memory = MemoryRecorder()
    drive(memory, stream, header())
    return run_in_memory(memory, header())


def inject(flow: HistoricFlow, newcomer: dict[int, list[Any]] | None = None) -> list[Event]:
    """Run the flow, and before its k-th command the newcomer's orders, through a fresh engine."""
    engine = MatchingEngine(0)
    everything: list[Event] = []
    for k, (ts_ns, command) in enumerate(flow):
        for each in (*(newcomer or {}).get(k, []), command):
            events = engine.process(each, ts_ns)
            everything += events
            for event in events:
                flow.observe(event)
    return everything


def lit_answers(run: Run) -> list[Message]:
    rfq = ("Rfq", "FairValue", "Constraint")
    return [
        row.message for row in run.messages(Event) if row.cause_seq and not type(row.message).__name__.startswith(rfq)
    ]


@pytest.mark.parametrize("seed", range(5))
def test_without_a_newcomer_history_repeats_itself_event_for_event(seed: int) -> None:
    run = logged(mixed_stream(seed, 1500))
    flow = flow_of_run(run)
    assert inject(flow) == lit_answers(run)
    report = flow.report()
    assert report.orders == len(run.orders) > 500
    assert report[2:] == (0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("seed", range(5))
def test_under_one_agent_the_market_is_the_same_if_nobody_prevents_self_trades(seed: int) -> None:
    stream = [
        (ts_ns, command)
        for ts_ns, command in mixed_stream(seed, 1500)
        if not (isinstance(command, NewOrder) and command.self_trade)
    ]
    run = logged(stream)
    flow = flow_of_run(run, agent_id=7)
    events = inject(flow)
    assert [e for e in events if isinstance(e, Trade)] == [row.message for row in run.messages(Trade)]
    assert {e.agent_id for e in events if hasattr(e, "agent_id")} == {7}
    assert flow.report()[2:] == (0, 0, 0, 0, 0, 0)


def test_commands_that_name_the_venues_numbers_find_their_orders_again() -> None:
    stream: list[tuple[int, Command]] = [
        (1, NewOrder(0, 1, 1, Side.BUY, 10, 100)),
        (2, NewOrder(0, 2, 1, Side.BUY, 10, 99)),
        (3, ReplaceOrder(0, 2, 5, 98, order_id=2)),
        (4, CancelOrder(0, 2, order_id=1)),  # another's order: refused
        (5, CancelOrder(0, 1, order_id=1)),
        (6, NewOrder(0, 1, 2, Side.SELL, 5, 98)),
    ]
    for agent_id in (None, 7):
        flow = flow_of_run(logged(stream), agent_id=agent_id)
        # The newcomer's order shifts all of the venue's numbers.
        inject(flow, {0: [NewOrder(0, NEWCOMER, 1, Side.BUY, 1, 1)]})
        assert flow.report()[:3] == (6, 3, 0)
        assert flow.report().refused_now == flow.report().accepted_now == 0


def test_a_newcomer_ahead_in_the_queue_takes_the_fill_and_it_is_counted() -> None:
    stream: list[tuple[int, Command]] = [
        (1, NewOrder(0, 1, 1, Side.BUY, 10, 100)),
        (2, NewOrder(0, 2, 1, Side.SELL, 10, 100, time_in_force=TimeInForce.IOC)),
        (3, CancelOrder(0, 1, client_order_id=1)),
    ]
    flow = flow_of_run(logged(stream))
    events = inject(flow, {0: [NewOrder(0, NEWCOMER, 1, Side.BUY, 4, 100)]})
    fills = [(e.agent_id, e.qty_lots) for e in events if isinstance(e, OrderFilled)]
    assert fills == [(NEWCOMER, 4), (2, 4), (1, 6), (2, 6)]
    report = flow.report()
    assert (report.orders, report.orders_changed) == (2, 1)
    assert (report.filled_more_lots, report.filled_less_lots) == (0, 4)
    # Then the cancel was refused, because the order was filled; now it takes out the four lots that are left.
    assert (report.refused_now, report.accepted_now) == (0, 1)


def test_a_newcomer_that_takes_an_order_leaves_its_cancel_without_an_object() -> None:
    stream: list[tuple[int, Command]] = [
        (1, NewOrder(0, 1, 1, Side.BUY, 10, 100)),
        (2, CancelOrder(0, 1, client_order_id=1)),
        (3, NewOrder(0, 2, 1, Side.SELL, 5, order_type=OrderType.MARKET)),
    ]
    flow = flow_of_run(logged(stream))
    events = inject(flow, {1: [NewOrder(0, NEWCOMER, 1, Side.SELL, 10, 100)]})
    assert sum(isinstance(e, OrderRejected) for e in events) == 1
    report = flow.report()
    assert report.refused_now == 1
    assert (report.orders_changed, report.filled_more_lots) == (1, 10)


def test_phases_come_with_the_flow() -> None:
    run = logged(mixed_stream(2, 800))
    phases = [command for _, command in flow_of_run(run) if isinstance(command, SetPhase)]
    assert len(phases) == run.counts["set_phase"]
