"""Working a parent order off in slices: the common part of TWAP, VWAP, POV and Almgren–Chriss execution."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol

from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import Inquiries, some_dealers
from lob_sim.agents.quoting import is_continuous, touch_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    OrderFilled,
    OrderRejected,
    RfqClosed,
    RfqDeclined,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Side,
    TimeInForce,
)
from lob_sim.units import NS_PER_S, Lots, Ns

_SLICE = 0
_PARENT = 1


class ParentOrder(Protocol):
    """Parameters that every execution strategy has.

    Attributes:
        instrument: Name of the instrument; empty means the market's first.
        side: Whether the parent order buys or sells.
        parent_lots: Its size.
        start: When the first slice is sent, counted from the market's opening.
        duration: Time from the first slice to the last moment.
        slices: Number of equal time steps that ``duration`` is cut into.
        rfq_dealers: Number of dealers asked when nobody quotes in the lit book; 0 means that it waits.
    """

    @property
    def instrument(self) -> str: ...
    @property
    def side(self) -> Literal["buy", "sell"]: ...
    @property
    def parent_lots(self) -> int: ...
    @property
    def start(self) -> int: ...
    @property
    def duration(self) -> int: ...
    @property
    def slices(self) -> int: ...
    @property
    def rfq_dealers(self) -> int: ...


class SlicedExecution(Strategy):
    """Sends, at the start of each slice, what the schedule says should be done by then and is not.

    Slices take from the lit book at the touch; what is not there waits for the next slice. One more slice, at the
    end, takes whatever is left at any price that the book shows. A subclass says how many lots are due.
    """

    params: ParentOrder  # type: ignore[assignment]
    wakes_per_slice: ClassVar[int] = 1

    def on_start(self, ctx: Context) -> None: ...
