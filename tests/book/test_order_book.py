"""Queues, levels, sides and stops on their own, and that check() sees what is broken."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from lob_sim.book import MARKET_BUY_TICKS, BookSide, Order, OrderBook, OrderInstructions, PriceLevel, StopBook
from lob_sim.errors import InvariantError
from lob_sim.messages import NewOrder, Side
from lob_sim.venue.matching import MatchingEngine


def order(order_id: int, side: Side = Side.BUY, price: int = 100, qty: int = 5, **fields: Any) -> Order:
    made = Order(
        order_id, 1, order_id, side, price, qty, order_id, special=OrderInstructions(**fields) if fields else None
    )
    made.set_reserve()
    return made


def add(side: BookSide, resting: Order) -> Order:
    level = side.levels.get(resting.price_ticks) or side.open_level(resting.price_ticks)
    level.append(resting)
    return resting


@pytest.mark.parametrize(("side", "best_first"), [(Side.BUY, [103, 101, 100]), (Side.SELL, [100, 101, 103])])
def test_levels_are_in_price_order_and_the_best_is_at_hand(side: Side, best_first: list[int]) -> None:
    book_side = BookSide(side)
    for i, price in enumerate([101, 103, 100]):
        add(book_side, order(i + 1, side, price))
    assert [level.price_ticks for level in book_side.in_order()] == best_first
    assert [level.price_ticks for level in book_side.in_order(101)] == best_first[: best_first.index(101) + 1]
    assert book_side.top() == (best_first[0], 5)
    while book_side.levels:
        assert book_side.best is not None
        assert book_side.best.price_ticks == best_first.pop(0)
        book_side.remove(book_side.best.front())
        book_side.check()
    assert book_side.best is None


def test_the_top_looks_past_levels_that_show_nothing() -> None:
    bids = BookSide(Side.BUY)
    add(bids, order(1, price=MARKET_BUY_TICKS, hidden=True))
    add(bids, order(2, price=101, hidden=True))
    assert bids.top() == (0, 0)
    add(bids, order(3, price=99, qty=9, display_lots=2))
    assert bids.top() == (99, 2)
    assert bids.depth(3) == [(99, 2, 1)]


def test_the_queue_survives_any_order_of_removals() -> None:
    rng = Random(1)
    side = BookSide(Side.BUY)
    expected: list[Order] = []
    for i in range(1, 5_000):
        if expected and rng.random() < 0.5:
            side.remove(expected.pop(rng.randrange(len(expected))))
        else:
            expected.append(add(side, order(i)))
        if expected and rng.random() < 0.3:
            assert side.levels[100].front() is expected[0]
        if expected and rng.random() < 0.2:
            if side.levels[100].fill_front(side.levels[100].front(), 5):
                side.drop_level(side.levels[100])
            expected.pop(0)
        assert list(side) == expected
        side.check()
    assert len(side.levels[100].displayed) <= 2 * len(expected) + 64


def test_dead_entries_do_not_pile_up_behind_a_living_front() -> None:
    side = BookSide(Side.BUY)
    add(side, order(1))
    for i in range(2, 2_000):
        side.remove(add(side, order(i)))
    assert len(side.levels[100].displayed) <= 66


def test_an_iceberg_that_is_filled_over_and_over_leaves_no_pile_of_entries() -> None:
    level = PriceLevel(100)
    iceberg = order(1, qty=2_000, display_lots=1)
    level.append(iceberg)
    for left in range(1_999, 0, -1):
        assert not level.fill_front(level.front(), 1)
        assert (list(level), iceberg.open_lots, level.total_lots) == ([iceberg], left, left)
        level.check()
    assert len(level.displayed) <= 18


def test_what_stands_before_an_order_counts_slices_but_not_reserves() -> None:
    level = PriceLevel(100)
    level.append(order(1, qty=9, display_lots=2))
    level.append(Order(2, 7, 2, Side.BUY, 100, 4, 2))
    level.append(order(3, qty=3))
    hidden = Order(4, 8, 4, Side.BUY, 100, 6, 4, special=OrderInstructions(hidden=True))
    level.append(hidden)
    assert level.lots_ahead_of(7) == 2
    assert level.lots_ahead_of(8) == 9 + 4 + 3
    assert (level.lots_of(1), level.lots_of(7), level.lots_of(8)) == (12, 4, 6)


def test_stops_trigger_by_price_and_fire_by_arrival() -> None:
    stops = StopBook()
    for i, (side, trigger) in enumerate([(Side.BUY, 105), (Side.BUY, 103), (Side.SELL, 97), (Side.BUY, 101)]):
        stops.add(order(i + 1, side, stop_price_ticks=trigger), last_price_ticks=100)
    assert not stops.triggered
    stops.on_prints(104, 97)
    stops.check()
    assert [stops.pop_triggered().order_id for _ in range(len(stops.triggered))] == [2, 3, 4]
    assert [o.order_id for o in stops] == [1]


def _resting_engine() -> MatchingEngine:
    engine = MatchingEngine(0)
    for i, (side, price) in enumerate([(Side.BUY, 99), (Side.BUY, 99), (Side.BUY, 98), (Side.SELL, 101)]):
        engine.process(NewOrder(0, 1, i + 1, side, 5, price), 1)
    return engine


def _cross(book: OrderBook) -> None:
    level = book.bids.open_level(101)
    level.append(order(9, price=101))
    book.orders[9] = level.front()


@pytest.mark.parametrize(
    "damage",
    [
        lambda book: setattr(book.bids.levels[99], "shown_lots", 11),
        lambda book: setattr(book.bids.levels[99], "dark_lots", 1),
        lambda book: setattr(book.bids.levels[99], "n_dead", 1),
        lambda book: setattr(book.bids.levels[98], "price_ticks", 97),
        lambda book: setattr(book.orders[1], "open_lots", -5),
        lambda book: setattr(book.orders[1], "special", OrderInstructions(reserve_lots=5)),
        lambda book: setattr(book.orders[1], "special", OrderInstructions(hidden=True)),
        lambda book: setattr(book.orders[1], "side", Side.SELL),
        lambda book: setattr(book.orders[1], "special", OrderInstructions(stop_price_ticks=3)),
        lambda book: setattr(book.orders[1], "price_ticks", 98),
        lambda book: setattr(book.bids, "best", book.bids.levels[98]),
        lambda book: book.bids.levels[99].displayed.append(book.orders[1]),
        lambda book: book.bids.open_level(50),
        lambda book: book.bids._keys.reverse(),
        lambda book: book.orders.pop(1),
        lambda book: book.orders.update({3: book.orders[1]}),
        _cross,
    ],
)
def test_check_sees_every_kind_of_damage(damage: Callable[[OrderBook], Any]) -> None:
    engine = _resting_engine()
    engine.check()
    damage(engine.book)
    with pytest.raises(InvariantError):
        engine.check()
