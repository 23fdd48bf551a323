"""The rules of the matching engine, one small example each: auctions, price bands, the top of the book."""

from __future__ import annotations

import pytest
from worded_engine import BUY, FOK, IOC, MARKET, SELL, STOP, Desk

from lob_sim.messages import (
    Phase,
    Side,
)
from lob_sim.venue.bands import PriceBand

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
    assert desk.engine.book.top()[::2] == (99, 0)
    assert desk.engine.book.depth(1) == ([(99, 4, 1)], [])
