"""How often a desk marks anew: its interval and its tolerance."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from market_helpers import DEEP, agent_id, bond, dealer, market, run, shock

from lob_sim.messages import MarkRecord, MarkSource
from lob_sim.units import NS_PER_S

TOLERANCE = 0.0005


def marks(sheet: dict[str, Any], volatility: float = 0.03, **more: Any) -> list[MarkRecord]:
    """Marks of the Treasury, in a market whose book follows a moving value."""
    prime = dealer(
        "prime",
        {"other_assets": 10_000_000, "volatility_interval": "60s", **sheet},
        cash=0,
        holdings={"treasury": 100_000_000},
    )
    treasury = bond("treasury", 1, fair_value={"daily_volatility": volatility})
    world, log = run(market(DEEP, prime, instruments=[treasury], **more))
    number = agent_id(world, "prime-1")
    return [e for e in log.of(MarkRecord) if e.agent_id == number]


def test_a_mark_stays_within_its_tolerance_but_once_in_an_interval_of_volatility() -> None:
    exact, tolerant = marks({}), marks({"mark_tolerance": TOLERANCE})
    assert all(e.source is MarkSource.LIT_MID for e in (*exact, *tolerant))
    small = [
        after
        for before, after in pairwise(tolerant)
        if abs(after.price_ticks - before.price_ticks) <= TOLERANCE * after.price_ticks
    ]
    minutes = [e.ts_event_ns // (60 * NS_PER_S) for e in small]
    # A small move is marked only by the first look in a minute, within a second of its beginning.
    assert len(set(minutes)) == len(minutes) > 0
    assert all(e.ts_event_ns % (60 * NS_PER_S) <= NS_PER_S for e in small)
    assert 0 < len(tolerant) < len(exact) / 3
    # Control: without the tolerance most moves are smaller than that.
    moves = [abs(after.price_ticks - before.price_ticks) for before, after in pairwise(exact)]
    assert sum(move <= TOLERANCE * 10_000 for move in moves) > len(moves) / 2


def test_the_mark_is_never_further_from_the_book_than_the_tolerance_after_a_look() -> None:
    exact, tolerant = marks({}), marks({"mark_tolerance": TOLERANCE})
    last, j = 10_000, 0  # what both open at
    worst = 0.0
    for mark in exact:  # the same market: the desk trades nothing
        while j < len(tolerant) and tolerant[j].ts_event_ns <= mark.ts_event_ns:
            last, j = tolerant[j].price_ticks, j + 1
        worst = max(worst, abs(last - mark.price_ticks) / mark.price_ticks)
    assert worst <= TOLERANCE
    assert worst > 0


def test_a_book_that_stands_within_the_tolerance_is_marked_when_volatility_is_measured() -> None:
    small_move = [shock("90s", 0.0003, "treasury")]
    (tolerant,) = marks({"mark_tolerance": TOLERANCE}, 0.0, shocks=small_move)
    (exact,) = marks({}, 0.0, shocks=small_move)
    assert tolerant.price_ticks == exact.price_ticks == 10_003
    # By then the desk has seen that book, and left its mark alone, some thirty times.
    assert 120 * NS_PER_S <= tolerant.ts_event_ns <= 121 * NS_PER_S
    assert 90 * NS_PER_S <= exact.ts_event_ns <= 92 * NS_PER_S  # control: without the tolerance it marks at once
