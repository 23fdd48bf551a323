"""What all messages have in common: their roots, and what both sides of the market speak of."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

import msgspec


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


class Message(msgspec.Struct, frozen=True, gc=False):
    """The root of everything that can be on the log.

    ``dataset`` is the name of the message type's dataset in a run directory.
    """

    dataset: ClassVar[str] = ""


class Command(Message, frozen=True, gc=False):
    """Something an agent asks of a venue."""


class Event(Message, frozen=True, gc=False):
    """Something that happened. Every event's first field is the venue's time, ``ts_event_ns``."""
