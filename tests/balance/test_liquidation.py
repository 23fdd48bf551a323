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
