"""The rules of the matching engine, one small example each. Agents are numbers; ``#n`` is a venue order
id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lob_sim.errors import InputError
from lob_sim.messages import (
    AuctionUncrossed,
    CancelOrder,
    Event,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderType,
    Phase,
    PhaseChanged,
    ReduceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    SetPhase,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.venue.bands import PriceBand
from lob_sim.venue.matching import MatchingEngine

BUY, SELL = Side.BUY, Side.SELL
MARKET, STOP, STOP_LIMIT = OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
STP = SelfTradePrevention


class Desk:
    """An engine, and what it says in a few words. Every agent's client ids count up by themselves."""

    def __init__(self, **rules: Any) -> None:
        self.engine = MatchingEngine(7, **rules)
        self.now_ns = 0
        self.client_ids: dict[int, int] = {}

    def new(self, agent: int, side: Any, qty: Any, price: Any = 0, **fields: Any) -> list[str]:
        if "client_order_id" not in fields:
            self.client_ids[agent] = self.client_ids.get(agent, 0) + 1
            fields["client_order_id"] = self.client_ids[agent]
        return self.send(NewOrder(7, agent, side=side, qty_lots=qty, price_ticks=price, **fields))

    def cancel(self, agent: int, order_id: Any) -> list[str]:
        return self.send(CancelOrder(7, agent, order_id=order_id))

    def reduce(self, agent: int, order_id: int, qty: Any) -> list[str]:
        return self.send(ReduceOrder(7, agent, qty, order_id=order_id))

    def replace(self, agent: int, order_id: int, qty: Any, price: Any) -> list[str]:
        return self.send(ReplaceOrder(7, agent, qty, price, order_id=order_id))

    def phase(self, phase: Phase, reference: int = 0) -> list[str]:
        return self.send(SetPhase(7, phase, reference))

    def send(self, command: Any) -> list[str]:
        self.now_ns += 10
        events = self.engine.process(command, self.now_ns)
        self.engine.check()
        return list(in_words(events))

    def queue(self, side: Side) -> list[tuple[int, int, int]]:
        """Orders in priority order: (order id, price, open quantity)."""
        book_side = self.engine.book.bids if side is BUY else self.engine.book.asks
        return [(o.order_id, o.price_ticks, o.open_lots) for o in book_side]


def in_words(events: list[Event]) -> Iterator[str]:
    fills: list[OrderFilled] = []
    for e in events:
        match e:
            case OrderAccepted():
                yield f"accepted #{e.order_id}"
            case OrderRejected():
                yield f"rejected {e.reason.name}"
            case OrderCanceled():
                yield f"canceled #{e.order_id} {e.qty_lots} leaves {e.leaves_qty_lots} {e.reason.name}"
            case OrderReplaced():
                place = "in place" if e.kept_priority else "anew"
                yield f"replaced #{e.order_id} {e.qty_lots}@{e.price_ticks} {place}"
            case OrderTriggered():
                yield f"triggered #{e.order_id}"
            case Trade():
                fills = []
                side = e.aggressor_side.name.lower()
                taker, maker = e.taker_order_id, e.maker_order_id
                yield f"trade {e.qty_lots}@{e.price_ticks} #{taker} {side} from #{maker}"
            case OrderFilled():
                fills.append(e)
                assert [f.is_maker for f in fills] == [True, False][: len(fills)]
            case PhaseChanged():
                yield f"phase {e.phase.name} around {e.reference_price_ticks} until {e.until_ns}"
            case AuctionUncrossed():
                yield f"uncrossed {e.qty_lots}@{e.price_ticks} imbalance {e.imbalance_lots}"


@pytest.fixture
def desk() -> Desk:
    return Desk()


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

BAD_NUMBERS = [0, -1, 1.0, True, None, "5", 2**30]


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


# --- call auctions ------------------------------------------------------------------------------------------


def collect(*orders: tuple[Side, int, int], reference: int = 0) -> Desk:
    desk = Desk(phase=Phase.AUCTION, reference_price_ticks=reference)
    for agent, (side, qty, price) in enumerate(orders):
        assert len(desk.new(agent, side, qty, price)) == 1
    return desk


def test_an_auction_collects_and_uncrosses_at_one_price() -> None:
    desk = collect((BUY, 5, 103), (SELL, 4, 100), (BUY, 5, 101), (SELL, 3, 101), (SELL, 9, 104))
    assert desk.phase(Phase.CONTINUOUS) == [
        "uncrossed 7@101 imbalance 3",
        "trade 4@101 #2 sell from #1",
        "trade 1@101 #4 sell from #1",
        "trade 2@101 #4 sell from #3",
        "phase CONTINUOUS around 101 until 0",
    ]
    assert desk.queue(BUY) == [(3, 101, 3)]
    assert desk.queue(SELL) == [(5, 104, 9)]


@pytest.mark.parametrize(
    ("orders", "reference", "uncrossed"),
    [
        # Maximum volume comes first, whatever the imbalance.
        ([(BUY, 9, 102), (SELL, 2, 100), (SELL, 3, 102)], 100, "uncrossed 5@102 imbalance 4"),
        # Then least imbalance: 5 lots trade at any price from 100 to 103, all of what is wanted above 101
        # only.
        ([(BUY, 5, 103), (BUY, 4, 101), (SELL, 5, 100)], 100, "uncrossed 5@102 imbalance 0"),
        # Then closest to the reference.
        ([(BUY, 5, 105), (SELL, 5, 95)], 98, "uncrossed 5@98 imbalance 0"),
        ([(BUY, 5, 105), (SELL, 5, 95)], 110, "uncrossed 5@105 imbalance 0"),
        ([(BUY, 5, 105), (SELL, 5, 95)], 90, "uncrossed 5@95 imbalance 0"),
        # Without a reference the middle of the best limits stands in for it.
        ([(BUY, 5, 106), (SELL, 5, 95)], 0, "uncrossed 5@100 imbalance 0"),
    ],
)
def test_the_auction_price(orders: list[tuple[Side, int, int]], reference: int, uncrossed: str) -> None:
    desk = collect(*orders, reference=reference)
    assert desk.phase(Phase.CONTINUOUS)[0] == uncrossed


def test_equally_good_prices_on_both_sides_of_the_reference_give_the_lower_one() -> None:
    desk = Desk(phase=Phase.AUCTION, reference_price_ticks=99, price_step_ticks=2)
    desk.new(1, BUY, 2, 102)
    desk.new(2, SELL, 2, 96)
    assert desk.phase(Phase.CONTINUOUS)[0] == "uncrossed 2@98 imbalance 0"


def test_market_and_ioc_orders_take_part_in_an_auction_unseen_and_do_not_outlive_it() -> None:
    desk = collect((BUY, 5, 100), (BUY, 5, 99))
    assert desk.new(7, SELL, 3, order_type=MARKET) == ["accepted #3"]
    assert desk.new(8, SELL, 4, 100, time_in_force=IOC) == ["accepted #4"]
    assert desk.new(9, SELL, 1, 101, time_in_force=IOC) == ["accepted #5"]
    assert desk.new(9, SELL, 1, 101, time_in_force=FOK) == ["rejected SESSION_CLOSED"]
    assert desk.engine.book.top() == (100, 5, 0, 0)
    assert desk.phase(Phase.CONTINUOUS) == [
        "uncrossed 5@100 imbalance -2",
        "trade 3@100 #3 sell from #1",
        "trade 2@100 #4 sell from #1",
        "canceled #4 2 leaves 0 IOC_REMAINDER",
        "canceled #5 1 leaves 0 IOC_REMAINDER",
        "phase CONTINUOUS around 100 until 0",
    ]


def test_nothing_to_uncross_is_not_an_uncrossing() -> None:
    desk = collect((BUY, 5, 99), (SELL, 5, 101))
    assert desk.phase(Phase.CONTINUOUS) == ["phase CONTINUOUS around 0 until 0"]
    only_market = Desk(phase=Phase.AUCTION)
    only_market.new(1, BUY, 5, order_type=MARKET)
    only_market.new(2, SELL, 5, order_type=MARKET)
    assert only_market.phase(Phase.CONTINUOUS)[0] == "canceled #1 5 leaves 0 MARKET_REMAINDER"


def test_the_next_call_and_the_close_uncross_but_a_halt_carries_over() -> None:
    desk = collect((BUY, 5, 101), (SELL, 5, 101))
    assert desk.phase(Phase.HALTED) == ["phase HALTED around 0 until 0"]
    assert desk.phase(Phase.AUCTION) == ["phase AUCTION around 0 until 0"]
    assert desk.phase(Phase.AUCTION)[0] == "uncrossed 5@101 imbalance 0"
    desk.new(1, BUY, 1, 103)
    desk.new(2, SELL, 1, 103)
    assert desk.phase(Phase.CLOSED)[0] == "uncrossed 1@103 imbalance 0"


def test_stops_wait_for_continuous_trading() -> None:
    desk = collect((BUY, 5, 101), (SELL, 5, 101), (BUY, 5, 95))
    desk.new(8, SELL, 2, order_type=STOP, stop_price_ticks=101)
    assert desk.phase(Phase.AUCTION)[0] == "uncrossed 5@101 imbalance 0"
    assert desk.phase(Phase.CONTINUOUS) == [
        "phase CONTINUOUS around 101 until 0",
        "triggered #4",
        "trade 2@95 #4 sell from #3",
    ]


# --- price bands --------------------------------------------------------------------------------------------


def banded() -> Desk:
    return Desk(price_band=PriceBand(width_ticks=3, halt_ns=500), reference_price_ticks=100)


def test_a_trade_outside_the_band_halts_the_book_instead() -> None:
    desk = banded()
    desk.new(1, SELL, 5, 103)
    desk.new(1, SELL, 5, 104)
    assert desk.new(2, BUY, 8, 105) == [
        "accepted #3",
        "trade 5@103 #3 buy from #1",
        "phase HALTED around 100 until 530",
    ]
    assert desk.engine.phase is Phase.HALTED
    assert desk.queue(BUY) == [(3, 105, 3)]
    assert desk.phase(Phase.CONTINUOUS) == [
        "uncrossed 3@104 imbalance -2",
        "trade 3@104 #3 buy from #2",
        "phase CONTINUOUS around 104 until 0",
    ]
    assert desk.new(2, BUY, 2, 104)[1:] == ["trade 2@104 #4 buy from #2"]


def test_the_rest_of_a_market_order_waits_for_the_re_opening() -> None:
    desk = banded()
    desk.new(1, BUY, 5, 96)
    assert desk.new(2, SELL, 8, order_type=MARKET)[1] == "phase HALTED around 100 until 520"
    assert desk.phase(Phase.CONTINUOUS) == [
        "uncrossed 5@96 imbalance -3",
        "trade 5@96 #2 sell from #1",
        "canceled #2 3 leaves 0 MARKET_REMAINDER",
        "phase CONTINUOUS around 96 until 0",
    ]


def test_fill_or_kill_beyond_the_band_is_killed_without_a_halt() -> None:
    desk = banded()
    desk.new(1, SELL, 5, 103)
    desk.new(1, SELL, 5, 104)
    assert desk.new(2, BUY, 6, 105, time_in_force=FOK)[1:] == ["canceled #3 6 leaves 0 FOK_NOT_FILLED"]
    assert desk.engine.phase is Phase.CONTINUOUS


def test_without_a_reference_the_band_is_not_active() -> None:
    desk = Desk(price_band=PriceBand(width_ticks=3, halt_ns=500))
    desk.new(1, SELL, 5, 999)
    assert desk.new(2, BUY, 5, 999)[1:] == ["trade 5@999 #2 buy from #1"]


# --- top of the book ----------------------------------------------------------------------------------------


def test_the_top_is_known_and_so_is_whether_it_changed(desk: Desk) -> None:
    assert not desk.engine.top_changed
    desk.new(1, BUY, 5, 99)
    assert desk.engine.top_changed
    assert desk.engine.take_top() == (99, 5, 0, 0)
    assert not desk.engine.top_changed
    desk.new(1, BUY, 5, 98)
    desk.new(1, BUY, 5, 99, hidden=True)
    assert not desk.engine.top_changed
    desk.reduce(1, 1, 1)
    assert desk.engine.top_changed
    assert (desk.engine.book.best_bid_ticks, desk.engine.book.best_ask_ticks) == (99, 0)
    assert desk.engine.book.depth(1) == ([(99, 4, 1)], [])
