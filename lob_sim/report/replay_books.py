"""The lit books at the frames of a replay, with the owners that the public does not see."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from lob_sim.book.side import BookSide
from lob_sim.log.run import Run
from lob_sim.log.venues import venues_of
from lob_sim.messages import (
    ConstraintBreached,
    ConstraintCured,
    DealerDefaulted,
    Message,
    ParentOrderClosed,
    ParentOrderOpened,
    Phase,
    RetreatRecord,
    ReturnRecord,
    WithdrawalCause,
)
from lob_sim.units import Lots, Ns, Ticks
from lob_sim.venue.matching import MatchingEngine

LADDER_LEVELS = 10
"""Displayed prices of each side that a replay shows."""

_ABSENCE_EVENTS = (
    RetreatRecord,
    ReturnRecord,
    DealerDefaulted,
    ConstraintBreached,
    ConstraintCured,
    ParentOrderOpened,
    ParentOrderClosed,
)


class LadderLevel(NamedTuple):
    """One displayed price.

    Attributes:
        price_ticks: The price.
        shown_lots: Displayed quantity.
        owners: The part of it that each dealer displays, by ``agent_id``; the rest is others'.
    """

    price_ticks: Ticks
    shown_lots: Lots
    owners: tuple[tuple[int, Lots], ...]


class BookFrame(NamedTuple):
    """One lit book at one time.

    Attributes:
        phase: Trading phase.
        bids: The first :data:`LADDER_LEVELS` displayed prices, best first.
        asks: The same for the other side.
        bidders: Dealers with a displayed bid, anywhere in the book, in increasing order.
        offerers: Dealers with a displayed offer.
    """

    phase: Phase
    bids: tuple[LadderLevel, ...]
    asks: tuple[LadderLevel, ...]
    bidders: tuple[int, ...]
    offerers: tuple[int, ...]


def book_frames(run: Run, times_ns: Sequence[Ns], dealer_ids: Collection[int]) -> list[list[BookFrame]]:
    """Every lit book at each time, after everything up to it: what ``run.book(instrument, at=...)`` says.

    The books are driven through the log once for all times.

    Args:
        run: The run.
        times_ns: Increasing times.
        dealer_ids: The agents whose part of each level is told apart.

    Returns:
        For each instrument, a frame for each time; one that has not changed is the same object as before.

    Raises:
        InputError: The scenario in the manifest is not one that this version reads.
    """
    engines = venues_of(run.header).books
    dealers = frozenset(dealer_ids)
    frames: list[list[BookFrame]] = [[] for _ in engines]
    changed = set(range(len(engines)))
    commands = run.messages(*MatchingEngine.commands)
    pending = next(commands, None)
    for ts_ns in times_ns:
        while pending is not None and pending.ts_ns <= ts_ns:
            command = pending.message
            assert isinstance(command, MatchingEngine.commands)
            engines[command.instrument_id].process(command, pending.ts_ns)
            changed.add(command.instrument_id)
            pending = next(commands, None)
        for i, engine in enumerate(engines):
            frames[i].append(_book_frame(engine, dealers) if i in changed else frames[i][-1])
        changed.clear()
    return frames


def _book_frame(engine: MatchingEngine, dealers: frozenset[int]) -> BookFrame:
    book = engine.book
    return BookFrame(
        engine.phase,
        tuple(_ladder(book.bids, dealers)),
        tuple(_ladder(book.asks, dealers)),
        _displayers(book.bids, dealers),
        _displayers(book.asks, dealers),
    )


def _ladder(side: BookSide, dealers: frozenset[int]) -> Iterator[LadderLevel]:
    n = 0
    for level in side.in_order():
        if n == LADDER_LEVELS:
            return
        if not level.shown_lots:
            continue
        owners: dict[int, Lots] = {}
        for order in level:
            if order.agent_id in dealers and order.shown_lots:
                owners[order.agent_id] = owners.get(order.agent_id, 0) + order.shown_lots
        n += 1
        yield LadderLevel(level.price_ticks, level.shown_lots, tuple(sorted(owners.items())))


def _displayers(side: BookSide, dealers: frozenset[int]) -> tuple[int, ...]:
    return tuple(sorted({order.agent_id for order in side if order.shown_lots and order.agent_id in dealers}))


def absence_frames(
    run: Run, times_ns: Sequence[Ns], dealer_ids: Collection[int]
) -> dict[tuple[int, int], list[WithdrawalCause | None]]:
    """What the log says at each time of why a dealer does not quote both sides of a lit book.

    A dealer that has failed is away for that; one with a binding limit or a parent order at work because it is
    a forced seller, which buys nothing; another one for the cause of its last retreat, until it returns.

    Args:
        run: The run.
        times_ns: Increasing times.
        dealer_ids: The dealers.

    Returns:
        By dealer and instrument a cause for each time, None where the log gives none.
    """
    n = len(run.header.instruments)
    retreats: dict[tuple[int, int], WithdrawalCause | None] = {(d, i): None for d in dealer_ids for i in range(n)}
    selling: dict[int, set[tuple[str, object]]] = {d: set() for d in dealer_ids}
    failed: set[int] = set()
    causes: dict[tuple[int, int], list[WithdrawalCause | None]] = {key: [] for key in retreats}
    rows = run.messages(*_ABSENCE_EVENTS)
    pending = next(rows, None)
    for ts_ns in times_ns:
        while pending is not None and pending.ts_ns <= ts_ns:
            _note_absence(pending.message, retreats, selling, failed)
            pending = next(rows, None)
        for (dealer, i), cause in retreats.items():
            if dealer in failed:
                cause = WithdrawalCause.DEFAULT
            elif selling[dealer]:
                cause = WithdrawalCause.FORCED_SALE
            causes[dealer, i].append(cause)
    return causes


def _note_absence(
    message: Message,
    retreats: dict[tuple[int, int], WithdrawalCause | None],
    selling: dict[int, set[tuple[str, object]]],
    failed: set[int],
) -> None:
    reasons = selling.get(message.agent_id) if isinstance(message, _ABSENCE_EVENTS) else None
    if reasons is None:
        return
    match message:
        case RetreatRecord():
            retreats[message.agent_id, message.instrument_id] = message.cause
        case ReturnRecord():
            retreats[message.agent_id, message.instrument_id] = None
        case DealerDefaulted():
            failed.add(message.agent_id)
        case ConstraintBreached():
            reasons.add(("limit", message.constraint))
        case ConstraintCured():
            reasons.discard(("limit", message.constraint))
        case ParentOrderOpened():
            reasons.add(("parent", message.parent_order_id))
        case ParentOrderClosed():
            reasons.discard(("parent", message.parent_order_id))
