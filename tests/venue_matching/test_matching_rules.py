"""The rules of the matching engine, one small example each: price, time, size, replacement, self-trade prevention."""

from __future__ import annotations

from typing import Any

import pytest
from worded_engine import BUY, FOK, IOC, MARKET, SELL, STP, Desk

from lob_sim.messages import (
    CancelOrder,
    NewOrder,
    OrderAccepted,
    OrderFilled,
    ReduceOrder,
    Trade,
)
from lob_sim.venue.matching import MatchingEngine

# --- the messages in full -----------------------------------------------------------------------------------


def test_a_trade_is_told_to_the_tape_and_to_both_owners() -> None:
    engine = MatchingEngine(7)
    assert engine.process(NewOrder(7, 1, 1, SELL, 5, 101), 10) == [OrderAccepted(10, 7, 1, 1, 1, SELL, 101, 5)]
    assert engine.process(NewOrder(7, 2, 1, BUY, 3, 102), 20) == [
        OrderAccepted(20, 7, 2, 1, 2, BUY, 102, 3),
        Trade(20, 7, 1, 101, 3, BUY, 1, 2),
        OrderFilled(20, 7, 1, 1, 1, SELL, 101, 3, 2, True, 1),
        OrderFilled(20, 7, 2, 1, 2, BUY, 101, 3, 0, False, 1),
    ]
    assert engine.last_trade_ticks == 101


# --- price, time, remainder ---------------------------------------------------------------------------------


def test_better_prices_come_first_then_earlier_orders_at_the_makers_price(desk: Desk) -> None:
    desk.new(1, SELL, 5, 102)
    desk.new(2, SELL, 5, 101)
    desk.new(3, SELL, 5, 101)
    assert desk.new(4, BUY, 12, 105) == [
        "accepted #4",
        "trade 5@101 #4 buy from #2",
        "trade 5@101 #4 buy from #3",
        "trade 2@102 #4 buy from #1",
    ]
    assert desk.queue(SELL) == [(1, 102, 3)]


def test_the_rest_of_a_limit_order_stays_at_its_price(desk: Desk) -> None:
    desk.new(1, BUY, 5, 100)
    assert desk.new(2, SELL, 8, 99) == ["accepted #2", "trade 5@100 #2 sell from #1"]
    assert desk.queue(SELL) == [(2, 99, 3)]
    assert desk.engine.book.top() == (0, 0, 99, 3)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"order_type": MARKET}, "MARKET_REMAINDER"), ({"price": 102, "time_in_force": IOC}, "IOC_REMAINDER")],
)
def test_the_rest_of_market_and_ioc_orders_is_cancelled(desk: Desk, fields: dict[str, Any], reason: str) -> None:
    desk.new(1, SELL, 5, 101)
    desk.new(1, SELL, 5, 102)
    assert desk.new(2, BUY, 12, **fields) == [
        "accepted #3",
        "trade 5@101 #3 buy from #1",
        "trade 5@102 #3 buy from #2",
        f"canceled #3 2 leaves 0 {reason}",
    ]
    assert desk.queue(BUY) == []


def test_a_market_order_in_an_empty_book_is_accepted_and_cancelled(desk: Desk) -> None:
    assert desk.new(1, SELL, 4, order_type=MARKET) == [
        "accepted #1",
        "canceled #1 4 leaves 0 MARKET_REMAINDER",
    ]


def test_fill_or_kill_is_all_or_nothing_at_its_limit(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101)
    desk.new(1, SELL, 5, 103)
    assert desk.new(2, BUY, 6, 102, time_in_force=FOK) == [
        "accepted #3",
        "canceled #3 6 leaves 0 FOK_NOT_FILLED",
    ]
    assert desk.queue(SELL) == [(1, 101, 5), (2, 103, 5)]
    assert desk.new(2, BUY, 6, 103, time_in_force=FOK)[1:] == [
        "trade 5@101 #4 buy from #1",
        "trade 1@103 #4 buy from #2",
    ]


def test_fill_or_kill_counts_reserves_and_hidden_orders(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101, display_qty_lots=1)
    desk.new(1, SELL, 5, 101, hidden=True)
    assert "canceled" in desk.new(2, BUY, 11, 101, time_in_force=FOK)[1]
    assert desk.new(2, BUY, 10, 101, time_in_force=FOK)[-1] == "trade 5@101 #4 buy from #2"


@pytest.mark.parametrize(
    ("mode", "fills"),
    [(STP.NONE, True), (STP.CANCEL_MAKER, False), (STP.CANCEL_TAKER, False), (STP.DECREMENT, False)],
)
def test_fill_or_kill_counts_only_what_prevention_lets_it_take(desk: Desk, mode: STP, fills: bool) -> None:
    desk.new(1, SELL, 5, 101)
    desk.new(2, SELL, 5, 101)
    said = desk.new(2, BUY, 8, 101, time_in_force=FOK, self_trade=mode)
    assert (said[1] == "trade 5@101 #3 buy from #1") is fills
    if not fills:
        assert said[1:] == ["canceled #3 8 leaves 0 FOK_NOT_FILLED"]
        assert desk.queue(SELL) == [(1, 101, 5), (2, 101, 5)]


def test_fill_or_kill_may_pass_own_orders_that_cancel_maker_removes(desk: Desk) -> None:
    desk.new(2, SELL, 5, 101)
    desk.new(1, SELL, 5, 101)
    assert "FOK" in desk.new(2, BUY, 5, 101, time_in_force=FOK, self_trade=STP.CANCEL_TAKER)[1]
    assert desk.new(2, BUY, 5, 101, time_in_force=FOK, self_trade=STP.CANCEL_MAKER) == [
        "accepted #4",
        "canceled #1 5 leaves 0 SELF_TRADE",
        "trade 5@101 #4 buy from #2",
    ]


def test_post_only_rests_or_is_refused(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101, hidden=True)
    assert desk.new(2, BUY, 5, 101, post_only=True) == ["rejected WOULD_TRADE"]
    assert desk.new(2, BUY, 5, 100, post_only=True) == ["accepted #2"]
    assert desk.replace(2, 2, 5, 101) == ["rejected WOULD_TRADE"]
    assert desk.queue(BUY) == [(2, 100, 5)]


# --- hidden orders and icebergs -----------------------------------------------------------------------------


def test_displayed_comes_before_hidden_at_a_price(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101, hidden=True)
    desk.new(2, SELL, 5, 101)
    desk.new(3, SELL, 5, 100, hidden=True)
    assert desk.engine.book.top() == (0, 0, 101, 5)
    assert desk.engine.book.depth(5) == ([], [(101, 5, 1)])
    assert desk.new(4, BUY, 12, 101)[1:] == [
        "trade 5@100 #4 buy from #3",
        "trade 5@101 #4 buy from #2",
        "trade 2@101 #4 buy from #1",
    ]
    assert desk.engine.book.top() == (0, 0, 0, 0)


def test_a_refilled_slice_goes_to_the_back_of_its_queue(desk: Desk) -> None:
    desk.new(1, SELL, 10, 101, display_qty_lots=4)
    desk.new(2, SELL, 5, 101)
    assert desk.engine.book.top() == (0, 0, 101, 9)
    assert desk.new(3, BUY, 11, 101)[1:] == [
        "trade 4@101 #3 buy from #1",
        "trade 5@101 #3 buy from #2",
        "trade 2@101 #3 buy from #1",
    ]
    assert desk.engine.book.top() == (0, 0, 101, 2)
    assert desk.queue(SELL) == [(1, 101, 4)]


def test_an_incoming_iceberg_trades_with_all_of_its_quantity(desk: Desk) -> None:
    desk.new(1, SELL, 8, 101)
    assert desk.new(2, BUY, 10, 101, display_qty_lots=1)[1:] == ["trade 8@101 #2 buy from #1"]
    assert desk.engine.book.top() == (101, 1, 0, 0)


def test_a_reduce_takes_from_an_icebergs_reserve_first(desk: Desk) -> None:
    desk.new(1, SELL, 10, 101, display_qty_lots=4)
    assert desk.reduce(1, 1, 5) == ["canceled #1 5 leaves 5 BY_OWNER"]
    assert desk.engine.book.top() == (0, 0, 101, 4)
    assert desk.reduce(1, 1, 3) == ["canceled #1 3 leaves 2 BY_OWNER"]
    assert desk.engine.book.top() == (0, 0, 101, 2)


# --- cancel, reduce, replace --------------------------------------------------------------------------------


def test_reduce_keeps_priority_and_removes_at_the_open_quantity(desk: Desk) -> None:
    desk.new(1, SELL, 9, 101)
    desk.new(2, SELL, 5, 101)
    assert desk.reduce(1, 1, 4) == ["canceled #1 4 leaves 5 BY_OWNER"]
    assert desk.queue(SELL) == [(1, 101, 5), (2, 101, 5)]
    assert desk.reduce(1, 1, 99) == ["canceled #1 5 leaves 0 BY_OWNER"]
    assert desk.queue(SELL) == [(2, 101, 5)]


@pytest.mark.parametrize(
    ("qty", "price", "words", "queue"),
    [
        (9, 101, "in place", [(1, 101, 9), (2, 101, 5)]),
        (4, 101, "in place", [(1, 101, 4), (2, 101, 5)]),
        (10, 101, "anew", [(2, 101, 5), (1, 101, 10)]),
        (4, 102, "anew", [(2, 101, 5), (1, 102, 4)]),
    ],
)
def test_replace_keeps_the_place_only_at_the_same_price_and_not_larger(
    desk: Desk, qty: int, price: int, words: str, queue: list[tuple[int, int, int]]
) -> None:
    desk.new(1, SELL, 9, 101)
    desk.new(2, SELL, 5, 101)
    assert desk.replace(1, 1, qty, price) == [f"replaced #1 {qty}@{price} {words}"]
    assert desk.queue(SELL) == queue


def test_a_replaced_order_may_trade_as_it_comes_in_again(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101)
    desk.new(2, BUY, 5, 99)
    assert desk.replace(2, 2, 7, 101) == ["replaced #2 7@101 anew", "trade 5@101 #2 buy from #1"]
    assert desk.queue(BUY) == [(2, 101, 2)]


def test_a_replacement_is_of_the_open_quantity(desk: Desk) -> None:
    desk.new(1, SELL, 10, 101)
    desk.new(2, BUY, 6, 101)
    assert desk.replace(1, 1, 4, 101) == ["replaced #1 4@101 in place"]
    assert desk.replace(1, 1, 5, 101) == ["replaced #1 5@101 anew"]


def test_orders_are_named_by_either_id(desk: Desk) -> None:
    desk.new(1, SELL, 5, 101)
    desk.new(1, SELL, 5, 102)
    desk.new(2, SELL, 5, 103)
    assert desk.send(CancelOrder(7, 1, client_order_id=2)) == ["canceled #2 5 leaves 0 BY_OWNER"]
    assert desk.send(CancelOrder(7, 1, client_order_id=2)) == ["rejected UNKNOWN_ORDER"]
    assert desk.send(CancelOrder(7, 2, client_order_id=1)) == ["canceled #3 5 leaves 0 BY_OWNER"]
    assert desk.send(CancelOrder(7, 3, client_order_id=1)) == ["rejected UNKNOWN_ORDER"]
    desk.new(1, BUY, 5, 99)
    assert desk.send(ReduceOrder(7, 1, 1, client_order_id=3)) == ["canceled #4 1 leaves 4 BY_OWNER"]


# --- self-trade prevention ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "said", "asks", "bids"),
    [
        (STP.NONE, ["trade 5@101 #3 buy from #1", "trade 3@101 #3 buy from #2"], [(2, 101, 2)], []),
        (STP.CANCEL_TAKER, ["canceled #3 8 leaves 0 SELF_TRADE"], [(1, 101, 5), (2, 101, 5)], []),
        (
            STP.CANCEL_MAKER,
            ["canceled #1 5 leaves 0 SELF_TRADE", "trade 5@101 #3 buy from #2"],
            [],
            [(3, 101, 3)],
        ),
        (
            STP.CANCEL_BOTH,
            ["canceled #1 5 leaves 0 SELF_TRADE", "canceled #3 8 leaves 0 SELF_TRADE"],
            [(2, 101, 5)],
            [],
        ),
        (
            STP.DECREMENT,
            [
                "canceled #1 5 leaves 0 SELF_TRADE",
                "canceled #3 5 leaves 3 SELF_TRADE",
                "trade 3@101 #3 buy from #2",
            ],
            [(2, 101, 2)],
            [],
        ),
    ],
)
def test_self_trade_prevention(
    desk: Desk, mode: STP, said: list[str], asks: list[tuple[int, int, int]], bids: list[tuple[int, int, int]]
) -> None:
    desk.new(1, SELL, 5, 101, self_trade=STP.CANCEL_TAKER)  # the resting order's own mode does not matter
    desk.new(2, SELL, 5, 101)
    assert desk.new(1, BUY, 8, 101, self_trade=mode) == ["accepted #3", *said]
    assert desk.queue(SELL) == asks
    assert desk.queue(BUY) == bids


def test_decrement_leaves_a_larger_resting_order_its_place(desk: Desk) -> None:
    desk.new(1, SELL, 9, 101, display_qty_lots=3)
    desk.new(2, SELL, 5, 101)
    assert desk.new(1, BUY, 4, 101, self_trade=STP.DECREMENT)[1:] == [
        "canceled #1 4 leaves 5 SELF_TRADE",
        "canceled #3 4 leaves 0 SELF_TRADE",
    ]
    assert desk.queue(SELL) == [(1, 101, 5), (2, 101, 5)]
    assert desk.engine.book.top() == (0, 0, 101, 8)
