"""What all messages have in common: their roots, and what both sides of the market speak of."""

from __future__ import annotations

from collections.abc import Hashable
from enum import IntEnum
from typing import ClassVar, NamedTuple

import msgspec

from lob_sim.units import Lots, Ns, Ticks


class Side(IntEnum):
    """Side of an order; as a number, the sign of the change in the owner's position."""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Phase(IntEnum):
    """Trading phase of one instrument's book."""

    CLOSED = 0
    """Orders rest from before; nothing is accepted but cancels."""
    AUCTION = 1
    """Orders are collected, the book may cross; leaving the phase uncrosses it at one price."""
    CONTINUOUS = 2
    HALTED = 3
    """A volatility halt: like an auction; the re-opening uncrosses."""


class RejectReason(IntEnum):
    """Why a command was refused; a refused command has no other effect."""

    INVALID_QTY = 1
    INVALID_PRICE = 2
    OFF_GRID = 3
    WOULD_TRADE = 4
    DUPLICATE_ID = 5
    UNKNOWN_ORDER = 6
    NOT_OWNER = 7
    INVALID_SIDE = 8
    SESSION_CLOSED = 9
    INVALID_FIELDS = 10
    """A combination of fields that no order may have, for example a hidden iceberg or a post-only market order."""
    UNKNOWN_RFQ = 11
    UNKNOWN_QUOTE = 12
    NOT_ASKED = 13
    UNKNOWN_DEALER = 14
    QUOTE_IS_FIRM = 15
    """A dealer cannot decline while its own quote stands."""


class Leg(NamedTuple):
    """One agent's side of an execution: what settlement moves.

    Attributes:
        agent_id: Whose.
        side: Whether it buys or sells.
        price_ticks: Price of the trade.
        qty_lots: Lots traded.
    """

    agent_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots


class Exposure(NamedTuple):
    """The most that a command may commit its sender to, for limits that are checked before it leaves.

    Attributes:
        key: Names the commitment, until an event ends it.
        side: Whether it buys or sells.
        qty_lots: The most lots.
        price_ticks: The most that a lot can cost; ``None`` for no bound. Of no matter for a sale.
    """

    key: Hashable
    side: Side
    qty_lots: Lots
    price_ticks: Ticks | None


class Message(msgspec.Struct, frozen=True, gc=False):
    """The root of everything that can be on the log.

    Attributes:
        dataset: Name of the message type's dataset in a run directory.
        hook: The method of a strategy that is called with a message of this type, or of a type derived from it;
            none if it is empty.
    """

    dataset: ClassVar[str] = ""
    hook: ClassVar[str] = ""


class Command(Message, frozen=True, gc=False):
    """What a venue is made to do: by an agent (:class:`AgentCommand`), or by the clock.

    Attributes:
        instrument_id: The instrument whose venue takes it.
    """

    instrument_id: int


class AgentCommand(Command, frozen=True, gc=False):
    """Something an agent asks of a venue.

    Attributes:
        agent_id: Who asks.
    """

    agent_id: int

    def exposure(self) -> Exposure | None:
        """What it may commit its sender to; ``None`` if to nothing. Orders and quotes of the two main venues, whose
        terms change under way, are judged by the agent's account itself."""
        return None


class Event(Message, frozen=True, gc=False):
    """Something that happened.

    Attributes:
        ts_event_ns: When, by the venue's clock.
    """

    ts_event_ns: Ns

    def legs(self) -> tuple[Leg, ...]:
        """What settles upon the event, a leg per agent concerned; nothing unless it is an execution."""
        return ()

    def releases(self) -> tuple[Hashable, Lots] | None:
        """Of a commitment (see :class:`Exposure`), its key and the lots that are left of it; ``None`` of none."""
        return None


class AgentMessage(Event, frozen=True, gc=False):
    """What one agent tells another outside the venues: the base of every message that ``ctx.tell`` sends."""

    hook: ClassVar[str] = "on_message"
