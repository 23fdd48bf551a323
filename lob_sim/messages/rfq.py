"""Request for quote: commands and events."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from lob_sim.messages.base import AgentCommand, Command, Event, Leg, RejectReason, Side
from lob_sim.units import Lots, Ns, Ticks


class RequestQuote(AgentCommand, frozen=True, gc=False):
    """Ask dealers for firm quotes.

    Attributes:
        side: The asker's side as a :class:`Side` number, or 0 for a two-sided request.
        dealer_ids: The dealers asked, in increasing order.
        ttl_ns: How long the request stays open.
    """

    dataset: ClassVar[str] = "request_quote"
    client_rfq_id: int
    side: int
    qty_lots: Lots
    dealer_ids: tuple[int, ...]
    ttl_ns: Ns
    parent_order_id: int = 0
    ts_sent_ns: Ns = 0


class SubmitQuote(AgentCommand, frozen=True, gc=False):
    """A dealer's firm answer: 0 for a side not quoted. The quote lapses after ``ttl_ns`` or with the request."""

    dataset: ClassVar[str] = "submit_quote"
    rfq_id: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    ttl_ns: Ns
    ts_sent_ns: Ns = 0


class DeclineReason(IntEnum):
    """Why a dealer would not quote."""

    NO_INTEREST = 1
    CAPACITY = 2
    """Its own limits leave no room."""
    TOXIC_CLIENT = 3
    """This client class's flow costs more than any price that it would accept."""
    SUSPECTED_DISTRESS = 4
    """Another dealer that is believed to be selling under a constraint."""


class DeclineQuote(AgentCommand, frozen=True, gc=False):
    """A dealer will not quote."""

    dataset: ClassVar[str] = "decline_quote"
    rfq_id: int
    reason: DeclineReason = DeclineReason.NO_INTEREST
    ts_sent_ns: Ns = 0


class AcceptQuote(AgentCommand, frozen=True, gc=False):
    """The asker deals on one quote, all of the requested quantity; ``side`` is the asker's."""

    dataset: ClassVar[str] = "accept_quote"
    rfq_id: int
    quote_id: int
    side: Side
    ts_sent_ns: Ns = 0


class WalkAway(AgentCommand, frozen=True, gc=False):
    """The asker ends its request without a trade."""

    dataset: ClassVar[str] = "walk_away"
    rfq_id: int
    ts_sent_ns: Ns = 0


class ExpireRfqs(Command, frozen=True, gc=False):
    """The venue's clock: end requests whose time is up and publish prints that are due (from the schedule)."""

    dataset: ClassVar[str] = "expire_rfqs"


class SetRfqSession(Command, frozen=True, gc=False):
    """A day's trading ends or begins (from the schedule): at the close every open request expires, and none opens
    until the next open."""

    dataset: ClassVar[str] = "set_rfq_session"
    is_open: bool


class RfqEnd(IntEnum):
    """How a request for quote ended."""

    DEALT = 1
    WALKED_AWAY = 2
    EXPIRED = 3
    ALL_DECLINED = 4


class RfqOpened(Event, frozen=True, gc=False):
    """A request is open; each asked dealer is told, with the asker's identity (RFQ is disclosed)."""

    dataset: ClassVar[str] = "rfq_opened"
    hook: ClassVar[str] = "on_rfq_request"
    instrument_id: int
    rfq_id: int
    agent_id: int
    client_rfq_id: int
    side: int
    qty_lots: Lots
    dealer_ids: tuple[int, ...]
    expires_ns: Ns


class RfqQuoted(Event, frozen=True, gc=False):
    """A firm quote stands; the asker is told."""

    dataset: ClassVar[str] = "rfq_quoted"
    hook: ClassVar[str] = "on_rfq_quote"
    instrument_id: int
    rfq_id: int
    quote_id: int
    agent_id: int
    """The asker."""
    dealer_id: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    expires_ns: Ns
    client_rfq_id: int = 0
    """The asker's own number of the request, by which it knows which of its requests was answered."""


class RfqDeclined(Event, frozen=True, gc=False):
    """A dealer declined; the asker is told that, and not why."""

    dataset: ClassVar[str] = "rfq_declined"
    hook: ClassVar[str] = "on_rfq_decline"
    instrument_id: int
    rfq_id: int
    agent_id: int
    """The asker."""
    dealer_id: int
    reason: DeclineReason
    client_rfq_id: int = 0


class RfqTraded(Event, frozen=True, gc=False):
    """The private side of an RFQ trade: one event, told to asker and dealer. ``side`` is the asker's."""

    dataset: ClassVar[str] = "rfq_traded"
    hook: ClassVar[str] = "on_rfq_trade"
    instrument_id: int
    rfq_id: int
    quote_id: int
    trade_id: int
    agent_id: int
    dealer_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots
    parent_order_id: int

    def legs(self) -> tuple[Leg, ...]:
        """The asker's, then the dealer's."""
        return (
            Leg(self.agent_id, self.side, self.price_ticks, self.qty_lots),
            Leg(self.dealer_id, self.side.opposite, self.price_ticks, self.qty_lots),
        )


class RfqClosed(Event, frozen=True, gc=False):
    """A request ended. Dealers whose quotes lost learn that they did, not at what price."""

    dataset: ClassVar[str] = "rfq_closed"
    hook: ClassVar[str] = "on_rfq_close"
    instrument_id: int
    rfq_id: int
    agent_id: int
    client_rfq_id: int
    end: RfqEnd


class RfqRejected(Event, frozen=True, gc=False):
    """An RFQ command was refused and changed nothing."""

    dataset: ClassVar[str] = "rfq_rejected"
    hook: ClassVar[str] = "on_reject"
    instrument_id: int
    rfq_id: int
    agent_id: int
    client_rfq_id: int
    reason: RejectReason


class RfqPrint(Event, frozen=True, gc=False):
    """An RFQ trade made public under the transparency regime; ``ts_trade_ns`` is when it was dealt.

    ``side`` is the asker's. Anonymous, like TRACE.
    """

    dataset: ClassVar[str] = "rfq_print"
    hook: ClassVar[str] = "on_print"
    instrument_id: int
    trade_id: int
    ts_trade_ns: Ns
    price_ticks: Ticks
    qty_lots: Lots
    side: Side
