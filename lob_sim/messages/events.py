"""Events from the lit book."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from lob_sim.messages.base import Event, Leg, Phase, RejectReason, Side
from lob_sim.units import Lots, Ns, Ticks


class CancelReason(IntEnum):
    """Why an order left the book, or an incoming order's rest was not kept, without trading."""

    BY_OWNER = 1
    IOC_REMAINDER = 2
    MARKET_REMAINDER = 3
    FOK_NOT_FILLED = 4
    SELF_TRADE = 5


class OrderAccepted(Event, frozen=True, gc=False):
    """An order passed validation. It may trade at once: fills follow."""

    dataset: ClassVar[str] = "order_accepted"
    hook: ClassVar[str] = "on_accept"
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots


class OrderRejected(Event, frozen=True, gc=False):
    """A command was refused and changed nothing."""

    dataset: ClassVar[str] = "order_rejected"
    hook: ClassVar[str] = "on_reject"
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    reason: RejectReason


class OrderRefused(Event, frozen=True, gc=False):
    """An agent's own pre-trade limits stopped an order, a request or a quote before it was sent."""

    dataset: ClassVar[str] = "order_refused"
    instrument_id: int
    agent_id: int
    side: Side
    qty_lots: Lots
    price_ticks: Ticks
    parent_order_id: int


class OrderCanceled(Event, frozen=True, gc=False):
    """``qty_lots`` of an order left the book without trading; ``leaves_qty_lots`` (0 or more) stay."""

    dataset: ClassVar[str] = "order_canceled"
    hook: ClassVar[str] = "on_cancel"
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    qty_lots: Lots
    leaves_qty_lots: Lots
    reason: CancelReason


class OrderReplaced(Event, frozen=True, gc=False):
    """An order has a new price and open quantity, and either kept its place or re-entered."""

    dataset: ClassVar[str] = "order_replaced"
    hook: ClassVar[str] = "on_replace"
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots
    kept_priority: bool


class OrderTriggered(Event, frozen=True, gc=False):
    """A stop fired and is now an incoming market or limit order."""

    dataset: ClassVar[str] = "order_triggered"
    hook: ClassVar[str] = "on_trigger"
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int


class Trade(Event, frozen=True, gc=False):
    """The public print of one execution, at the maker's price (in an auction, at the one clearing price).

    Anonymous: it names orders, not owners. In an auction the aggressor is the order that arrived later.
    """

    dataset: ClassVar[str] = "trade"
    hook: ClassVar[str] = "on_trade"
    instrument_id: int
    trade_id: int
    price_ticks: Ticks
    qty_lots: Lots
    aggressor_side: Side
    maker_order_id: int
    taker_order_id: int


class OrderFilled(Event, frozen=True, gc=False):
    """The private side of a trade: one to the maker's owner, one to the taker's."""

    dataset: ClassVar[str] = "order_filled"
    hook: ClassVar[str] = "on_fill"
    instrument_id: int
    agent_id: int
    client_order_id: int
    order_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots
    leaves_qty_lots: Lots
    is_maker: bool
    trade_id: int

    def legs(self) -> tuple[Leg, ...]:
        """The owner's; the other side of the trade has an event of its own."""
        return (Leg(self.agent_id, self.side, self.price_ticks, self.qty_lots),)


class PhaseChanged(Event, frozen=True, gc=False):
    """A book moved to another phase; ``until_ns`` is when a halt is due to end, else 0."""

    dataset: ClassVar[str] = "phase_changed"
    hook: ClassVar[str] = "on_phase"
    instrument_id: int
    phase: Phase
    reference_price_ticks: Ticks
    until_ns: Ns


class AuctionUncrossed(Event, frozen=True, gc=False):
    """A call auction cleared: one price, the volume done there, and what stayed unmatched (buy minus sell)."""

    dataset: ClassVar[str] = "auction_uncrossed"
    hook: ClassVar[str] = "on_auction"
    instrument_id: int
    price_ticks: Ticks
    qty_lots: Lots
    imbalance_lots: Lots
