"""Requests for quote as stories: who asked whom for what, who answered what when, and how it ended."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec

from lob_sim.log.run import Run
from lob_sim.messages import DeclineReason, Event, RfqClosed, RfqDeclined, RfqEnd, RfqOpened, RfqQuoted, RfqTraded
from lob_sim.units import NS_PER_S, Lots, Ns, Ticks

LATELY_NS: Ns = 5 * NS_PER_S
"""For so long after its end a request is still shown, with its outcome."""


class RfqQuoteStory(msgspec.Struct, frozen=True):
    """A dealer's firm quote; 0 for a side that is not quoted."""

    ts_ns: Ns
    dealer_id: int
    bid_ticks: Ticks
    ask_ticks: Ticks


class RfqDeclineStory(msgspec.Struct, frozen=True):
    """A dealer's refusal."""

    ts_ns: Ns
    dealer_id: int
    reason: DeclineReason


class RfqStory(msgspec.Struct):
    """One request.

    Attributes:
        instrument_id: The instrument.
        agent_id: Who asks.
        side: Side of the asker as a number, 0 for a two-sided request.
        qty_lots: Quantity asked for.
        dealer_ids: Who is asked.
        opened_ns: When.
        closed_ns: When it ended, or None if the log ends before.
        end: How it ended, or None.
        dealt_with: The dealer whose quote was taken, or None.
        price_ticks: The price dealt at; 0 if none was.
        quotes: Answers in order.
        declines: Refusals in order.
    """

    instrument_id: int
    agent_id: int
    side: int
    qty_lots: Lots
    dealer_ids: tuple[int, ...]
    opened_ns: Ns
    closed_ns: Ns | None = None
    end: RfqEnd | None = None
    dealt_with: int | None = None
    price_ticks: Ticks = 0
    quotes: list[RfqQuoteStory] = []
    declines: list[RfqDeclineStory] = []

    def is_shown(self, ts_ns: Ns) -> bool:
        """Whether it is in flight at a time, or has ended lately."""
        return self.opened_ns <= ts_ns and (self.closed_ns is None or ts_ns < self.closed_ns + LATELY_NS)


def rfq_stories(run: Run) -> list[RfqStory]:
    """Every request on the log, in the order in which they were opened.

    Raises:
        DataError: The log cannot be read.
    """
    stories: dict[tuple[int, int], RfqStory] = {}
    for row in run.messages(RfqOpened, RfqQuoted, RfqDeclined, RfqTraded, RfqClosed):
        event = row.message
        assert isinstance(event, RfqOpened | RfqQuoted | RfqDeclined | RfqTraded | RfqClosed)
        key = (event.instrument_id, event.rfq_id)
        if isinstance(event, RfqOpened):
            stories[key] = RfqStory(
                event.instrument_id, event.agent_id, event.side, event.qty_lots, event.dealer_ids, row.ts_ns
            )
        else:
            _continue(stories[key], event)
    return list(stories.values())


def _continue(story: RfqStory, event: Event) -> None:
    match event:
        case RfqQuoted():
            story.quotes.append(RfqQuoteStory(event.ts_event_ns, event.dealer_id, event.bid_ticks, event.ask_ticks))
        case RfqDeclined():
            story.declines.append(RfqDeclineStory(event.ts_event_ns, event.dealer_id, event.reason))
        case RfqTraded():
            story.dealt_with, story.price_ticks = event.dealer_id, event.price_ticks
        case RfqClosed():
            story.closed_ns, story.end = event.ts_event_ns, event.end


def shown_at(stories: Sequence[RfqStory], times_ns: Sequence[Ns]) -> list[RfqStory]:
    """The stories of which a replay with frames at these times shows anything."""
    shown = []
    for story in stories:
        next_frame = bisect_left(times_ns, story.opened_ns)
        if next_frame < len(times_ns) and story.is_shown(times_ns[next_frame]):
            shown.append(story)
    return shown
