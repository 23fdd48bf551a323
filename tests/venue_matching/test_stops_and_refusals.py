"""The rules of the matching engine, one small example each: stop orders, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from worded_engine import BUY, FOK, IOC, MARKET, SELL, STOP, STOP_LIMIT, Desk

from lob_sim.errors import InputError
from lob_sim.messages import (
    NewOrder,
    OrderRejected,
    Phase,
    SetPhase,
)

# --- stops --------------------------------------------------------------------------------------------------


def quote_and_trade(desk: Desk, price: int) -> None:
    """Make ``price`` the last trade, by agents 8 and 9, and leave the book as it was."""
    desk.new(8, SELL, 1, price)
    desk.new(9, BUY, 1, price)


def test_a_stop_waits_for_a_trade_at_its_price_or_beyond(desk: Desk) -> None:
    assert desk.new(1, BUY, 5, order_type=STOP, stop_price_ticks=105) == ["accepted #1"]
    quote_and_trade(desk, 104)
    desk.new(2, SELL, 9, 107)
    desk.new(3, SELL, 1, 105)
    assert desk.new(3, BUY, 1, 105) == [
        "accepted #6",
        "trade 1@105 #6 buy from #5",
        "triggered #1",
        "trade 5@107 #1 buy from #4",
    ]


def test_a_stop_that_the_last_trade_is_through_fires_at_once(desk: Desk) -> None:
    quote_and_trade(desk, 100)
    assert desk.new(1, SELL, 5, 98, order_type=STOP_LIMIT, stop_price_ticks=100) == [
        "accepted #3",
        "triggered #3",
    ]
    assert desk.queue(SELL) == [(3, 98, 5)]
    assert desk.new(1, BUY, 5, order_type=STOP, stop_price_ticks=101) == ["accepted #4"]


def test_stops_fire_in_arrival_order_after_the_command_is_complete(desk: Desk) -> None:
    desk.new(1, SELL, 1, 104, order_type=STOP_LIMIT, stop_price_ticks=98)
    desk.new(2, SELL, 1, 103, order_type=STOP_LIMIT, stop_price_ticks=99)
    desk.new(3, BUY, 1, 99)
    desk.new(3, BUY, 1, 98)
    assert desk.new(4, SELL, 2, 98) == [
        "accepted #5",
        "trade 1@99 #5 sell from #3",
        "trade 1@98 #5 sell from #4",
        "triggered #1",
        "triggered #2",
    ]


def test_a_firing_stop_may_trigger_others_and_the_earliest_arrival_goes_next(desk: Desk) -> None:
    desk.new(1, SELL, 1, order_type=STOP, stop_price_ticks=97)
    desk.new(2, SELL, 1, order_type=STOP, stop_price_ticks=99)
    desk.new(3, SELL, 1, order_type=STOP, stop_price_ticks=99)
    for price in (99, 97, 96, 95):
        desk.new(4, BUY, 1, price)
    assert desk.new(5, SELL, 1, 99)[2:] == [
        "triggered #2",
        "trade 1@97 #2 sell from #5",
        "triggered #1",
        "trade 1@96 #1 sell from #6",
        "triggered #3",
        "trade 1@95 #3 sell from #7",
    ]


def test_a_waiting_stop_can_be_cancelled_reduced_and_replaced(desk: Desk) -> None:
    for _ in range(2):
        desk.new(1, BUY, 5, 110, order_type=STOP_LIMIT, stop_price_ticks=105)
    assert desk.cancel(1, 2) == ["canceled #2 5 leaves 0 BY_OWNER"]
    assert desk.reduce(1, 1, 2) == ["canceled #1 2 leaves 3 BY_OWNER"]
    assert desk.replace(1, 1, 3, 108) == ["replaced #1 3@108 anew"]
    desk.new(2, BUY, 1, order_type=STOP, stop_price_ticks=105)
    assert desk.replace(2, 4, 1, 90) == ["rejected INVALID_PRICE"]
    assert desk.replace(2, 4, 1, 0) == ["replaced #4 1@0 in place"]
    quote_and_trade(desk, 105)
    assert desk.queue(BUY) == [(1, 108, 3)]


# --- refusals -----------------------------------------------------------------------------------------------

BAD_NUMBERS = [0, -1, 1.0, True, None, "5", 2**53 + 1]


@pytest.mark.parametrize("qty", BAD_NUMBERS)
def test_a_quantity_is_a_positive_integer(desk: Desk, qty: Any) -> None:
    desk.new(1, SELL, 5, 101)
    assert desk.new(1, SELL, qty, 101) == ["rejected INVALID_QTY"]
    assert desk.reduce(1, 1, qty) == ["rejected INVALID_QTY"]
    assert desk.replace(1, 1, qty, 101) == ["rejected INVALID_QTY"]
    assert desk.queue(SELL) == [(1, 101, 5)]


@pytest.mark.parametrize("price", BAD_NUMBERS)
def test_a_price_is_a_positive_integer(desk: Desk, price: Any) -> None:
    desk.new(1, SELL, 5, 101)
    assert desk.new(1, SELL, 5, price) == ["rejected INVALID_PRICE"]
    assert desk.new(1, BUY, 5, order_type=STOP, stop_price_ticks=price) == ["rejected INVALID_PRICE"]
    assert desk.replace(1, 1, 5, price) == ["rejected INVALID_PRICE"]
    assert desk.queue(SELL) == [(1, 101, 5)]


def test_prices_lie_on_the_grid() -> None:
    desk = Desk(price_step_ticks=5)
    assert desk.new(1, SELL, 5, 101) == ["rejected OFF_GRID"]
    assert desk.new(1, SELL, 5, order_type=STOP, stop_price_ticks=101) == ["rejected OFF_GRID"]
    assert desk.new(1, SELL, 5, 105) == ["accepted #1"]
    assert desk.replace(1, 1, 5, 104) == ["rejected OFF_GRID"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"side": 7}, "INVALID_SIDE"),
        ({"side": 1}, "INVALID_SIDE"),
        ({"client_order_id": 0}, "INVALID_FIELDS"),
        ({"client_order_id": 1.0}, "INVALID_FIELDS"),
        ({"order_type": MARKET, "price": 101}, "INVALID_PRICE"),
        ({"stop_price_ticks": 101}, "INVALID_PRICE"),
        ({"hidden": 1}, "INVALID_FIELDS"),
        ({"self_trade": 9}, "INVALID_FIELDS"),
        ({"time_in_force": None}, "INVALID_FIELDS"),
        ({"order_type": "limit", "price": 0}, "INVALID_FIELDS"),
        ({"hidden": True, "display_qty_lots": 1}, "INVALID_FIELDS"),
        ({"hidden": True, "time_in_force": IOC}, "INVALID_FIELDS"),
        ({"post_only": True, "time_in_force": FOK}, "INVALID_FIELDS"),
        ({"post_only": True, "order_type": STOP_LIMIT, "stop_price_ticks": 101}, "INVALID_FIELDS"),
        ({"display_qty_lots": -1}, "INVALID_QTY"),
        ({"display_qty_lots": 0.0}, "INVALID_QTY"),
    ],
)
def test_nonsense_is_refused(desk: Desk, fields: dict[str, Any], reason: str) -> None:
    fields = {"side": BUY, "price": 101, "client_order_id": 1} | fields
    assert desk.new(1, qty=5, **fields) == [f"rejected {reason}"]
    assert desk.queue(BUY) == []
    assert desk.new(1, BUY, 5, 101, client_order_id=1) == ["accepted #1"]  # neither id was used up


def test_refused_values_that_are_no_numbers_do_not_reach_the_log(desk: Desk) -> None:
    event: Any
    (event,) = desk.engine.process(NewOrder(7, 1, None, BUY, 5, 101), 10)  # type: ignore[arg-type]
    assert event == OrderRejected(10, 7, 1, 0, 0, event.reason)


def test_an_id_that_was_ever_accepted_is_refused(desk: Desk) -> None:
    desk.new(1, BUY, 5, 101, client_order_id=3)
    desk.cancel(1, 1)
    assert desk.new(1, BUY, 5, 101, client_order_id=3) == ["rejected DUPLICATE_ID"]
    assert desk.new(1, BUY, 5, 101, client_order_id=2) == ["accepted #2"]
    assert desk.new(1, BUY, 5, 101, client_order_id=2) == ["rejected DUPLICATE_ID"]
    assert desk.new(2, BUY, 5, 101, client_order_id=3) == ["accepted #3"]


def test_unknown_orders_and_orders_of_others_are_refused(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101)
    for send in (
        desk.cancel,
        lambda a, i: desk.reduce(a, i, 1),
        lambda a, i: desk.replace(a, i, 1, 9),
    ):
        assert send(2, 1) == ["rejected NOT_OWNER"]
        assert send(1, 2) == ["rejected UNKNOWN_ORDER"]
    assert desk.cancel(1, True) == ["rejected UNKNOWN_ORDER"]
    assert desk.cancel(1, 1.0) == ["rejected UNKNOWN_ORDER"]
    assert desk.queue(SELL) == [(1, 101, 5)]


def test_a_closed_session_takes_nothing_but_cancels(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101)
    assert desk.phase(Phase.CLOSED) == ["phase CLOSED around 0 until 0"]
    assert desk.new(1, SELL, 5, 101) == ["rejected SESSION_CLOSED"]
    assert desk.reduce(1, 1, 1) == ["rejected SESSION_CLOSED"]
    assert desk.replace(1, 1, 1, 101) == ["rejected SESSION_CLOSED"]
    assert desk.cancel(1, 1) == ["canceled #1 5 leaves 0 BY_OWNER"]


@pytest.mark.parametrize("command", [SetPhase(7, 9), SetPhase(7, Phase.AUCTION, -1)])  # type: ignore[arg-type]
def test_a_senseless_schedule_is_an_input_error(desk: Desk, command: SetPhase) -> None:
    with pytest.raises(InputError, match="instrument 7"):
        desk.engine.process(command, 1)
