"""How a parent order becomes child orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lob_sim.balance.liquidation import (
    BookView,
    BookWatching,
    ChildVenue,
    Immediate,
    LiquidationStrategy,
    ParentState,
    Participation,
    Twap,
    breach_urgency,
)
from lob_sim.errors import PluginError
from lob_sim.units import NS_PER_S

ALL: list[type[LiquidationStrategy]] = [Immediate, Twap, Participation, BookWatching]
DEEP = BookView(bids=[(9_999, 500), (9_990, 500)], ask_ticks=10_001, mark_ticks=10_000, traded_lots=40)
THIN = BookView(bids=[(9_999, 3), (9_000, 500)], ask_ticks=10_001, mark_ticks=10_000, traded_lots=40)
DARK = BookView(bids=[], ask_ticks=0, mark_ticks=10_000)


def parent(remaining: int = 100, working: int = 0, sold: int = 0, urgency: float = 0.0) -> ParentState:
    return ParentState(0, remaining, working, sold, 0, urgency)


def sizes(strategy: LiquidationStrategy, state: ParentState, book: BookView, now: int = 0) -> tuple[int, int]:
    """Lots sent to the lit book and to RFQ."""
    intents = strategy.decide(state, book, now)
    return (
        sum(x.qty_lots for x in intents if x.venue is ChildVenue.LIT),
        sum(x.qty_lots for x in intents if x.venue is ChildVenue.RFQ),
    )


def test_immediate_takes_the_book_and_falls_back_to_rfq_when_it_is_thin_or_dark() -> None:
    strategy = Immediate(Immediate.Params())
    assert sizes(strategy, parent(), DEEP) == (100, 0)
    assert sizes(strategy, parent(), THIN) == (3, 97)
    assert sizes(strategy, parent(), DARK) == (0, 100)
    assert sizes(strategy, parent(working=100), DARK) == (0, 0)
    assert sizes(Immediate(Immediate.Params(max_rfq_lots=10)), parent(), DARK) == (0, 10)


def test_urgency_accepts_worse_prices() -> None:
    strategy = Immediate(Immediate.Params(patient_discount=0.01, urgent_discount=0.2))
    assert strategy.limit_ticks(10_000, 0.0) == 9_900
    assert strategy.limit_ticks(10_000, 0.5) == 8_950
    assert strategy.limit_ticks(10_000, 1.0) == 8_000
    assert strategy.limit_ticks(1, 1.0) == 1
    assert sizes(strategy, parent(urgency=1.0), THIN) == (100, 0)


def test_twap_follows_its_line_and_urgency_shortens_it() -> None:
    strategy = Twap(Twap.Params(horizon=100 * NS_PER_S))
    at = 25 * NS_PER_S
    assert sizes(strategy, parent(), DEEP, 0) == (0, 0)
    assert sizes(strategy, parent(), DEEP, at) == (25, 0)
    assert sizes(strategy, parent(remaining=90, sold=10, working=5), DEEP, at) == (10, 0)
    assert sizes(strategy, parent(urgency=0.5), DEEP, at) == (50, 0)
    assert sizes(strategy, parent(urgency=1.0), DEEP, 0) == (100, 0)
    assert sizes(strategy, parent(), DEEP, 200 * NS_PER_S) == (100, 0)


def test_participation_takes_a_share_of_volume() -> None:
    strategy = Participation(Participation.Params(rate=0.1, urgent_rate=0.5))
    assert sizes(strategy, parent(), DEEP) == (4, 0)
    assert sizes(strategy, parent(urgency=1.0), DEEP) == (20, 0)
    assert sizes(strategy, parent(), DARK) == (0, 1)
    assert sizes(Participation(Participation.Params(minimum_lots=0)), parent(), DARK) == (0, 0)


def test_the_book_watcher_waits_when_patient_and_asks_dealers_when_urgent() -> None:
    strategy = BookWatching(BookWatching.Params(depth_share=0.3, rfq_urgency=0.3))
    shallow = BookView(bids=[(9_999, 50)], ask_ticks=10_001, mark_ticks=10_000)
    assert sizes(strategy, parent(), shallow) == (15, 0)
    assert sizes(strategy, parent(), DARK) == (0, 0)
    assert sizes(strategy, parent(urgency=0.5), DARK) == (0, 50)
    assert sizes(strategy, parent(urgency=1.0), shallow) == (50, 50)


def test_urgency_rises_with_the_breach() -> None:
    assert [breach_urgency(x, 100.0, 0.25) for x in (0.0, 5.0, 25.0, 90.0)] == [0.0, 0.2, 1.0, 1.0]
    assert breach_urgency(5.0, 0.0) == 1.0


@given(
    st.sampled_from(ALL),
    st.integers(0, 200),
    st.integers(0, 200),
    st.integers(0, 200),
    st.floats(0, 1),
    st.lists(st.tuples(st.integers(1, 20_000), st.integers(1, 50)), max_size=5),
    st.integers(0, 10**13),
)
def test_no_strategy_ever_sends_more_than_is_free(
    cls: type[LiquidationStrategy],
    remaining: int,
    working: int,
    sold: int,
    urgency: float,
    bids: list[tuple[int, int]],
    now: int,
) -> None:
    state = ParentState(0, remaining, min(working, remaining), sold, 0, urgency)
    strategy = cls(cls.Params())
    intents = strategy.decide(state, BookView(sorted(bids, reverse=True), 0, 10_000, 77), now)
    assert sum(x.qty_lots for x in intents) <= remaining - state.working_lots
    for intent in intents:
        assert intent.qty_lots > 0
        assert intent.price_ticks >= strategy.limit_ticks(10_000, 1.0)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="twap"):
        Twap(Twap.Params(horizon=0))
    with pytest.raises(PluginError, match="participation"):
        Participation(Participation.Params(rate=0.0))


CALL = BookView(bids=[(9_999, 46)], ask_ticks=10_001, mark_ticks=10_000, traded_lots=40, in_call=True)


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("urgency", [0.0, 0.4, 1.0])
def test_in_a_call_no_seller_counts_on_more_than_its_share_of_the_bids(
    cls: type[LiquidationStrategy], urgency: float
) -> None:
    strategy = cls(cls.Params())
    lit, _ = sizes(strategy, parent(69, urgency=urgency), CALL, NS_PER_S)
    assert 1 <= lit <= 9  # a fifth of 46
    # The control: where trading is continuous each of them takes more, once it is urgent.
    continuous = BookView(CALL.bids, CALL.ask_ticks, CALL.mark_ticks, CALL.traded_lots)
    assert sizes(strategy, parent(69, urgency=1.0), continuous, NS_PER_S)[0] > 9


def test_in_a_call_what_is_there_already_counts_against_the_share() -> None:
    strategy = Immediate(Immediate.Params())
    for own, left in ((0, 9), (5, 4), (9, 0), (40, 0)):
        book = BookView(CALL.bids, CALL.ask_ticks, CALL.mark_ticks, in_call=True, own_call_lots=own)
        assert sizes(strategy, parent(69), book)[0] == left


def test_in_a_call_a_seller_asks_no_less_than_is_bid_or_than_is_asked_where_the_two_cross() -> None:
    strategy = Immediate(Immediate.Params(urgent_discount=0.2))

    def limit(bid: int, ask: int, in_call: bool = True) -> int:
        book = BookView([(bid, 46)], ask, 10_000, in_call=in_call)
        return strategy.decide(parent(5, urgency=1.0), book, 0)[0].price_ticks

    assert limit(9_500, 0) == limit(9_500, 9_600) == 9_500
    assert limit(9_900, 9_700) == 9_700
    assert limit(9_900, 7_000) == 8_000  # never below its own limit
    assert limit(9_500, 9_600, in_call=False) == 8_000


@given(st.integers(1, 10_000), st.integers(1, 50))
def test_as_many_sellers_as_there_are_shares_never_offer_more_than_is_bid(displayed: int, sellers: int) -> None:
    strategy = Immediate(Immediate.Params(auction_share=1 / sellers))
    lit, _ = sizes(strategy, parent(10**9), BookView([(9_999, displayed)], 0, 10_000, in_call=True))
    assert lit >= 1
    assert sellers * lit <= max(displayed, sellers)
