"""Commands to the lit book."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar

from lob_sim.messages.base import AgentCommand, Command, Phase, Side
from lob_sim.units import Lots, Ns, Ticks


class OrderType(IntEnum):
    """What an order waits for, and at what price it may trade."""

    LIMIT = 0
    MARKET = 1
    STOP = 2
    """Becomes a market order once a trade prints at the stop price or beyond."""
    STOP_LIMIT = 3


class TimeInForce(IntEnum):
    """How long an order lives."""

    GTC = 0
    """Until it is cancelled."""
    IOC = 1
    """It trades what it can on arrival, and the rest is cancelled."""
    FOK = 2
    """It trades in full on arrival, or not at all."""


class SelfTradePrevention(IntEnum):
    """What happens when an incoming order meets an order of the same agent; the incoming order's mode rules."""

    NONE = 0
    CANCEL_TAKER = 1
    CANCEL_MAKER = 2
    CANCEL_BOTH = 3
    DECREMENT = 4
    """Both lose the smaller of the two open quantities, without a trade."""


class NewOrder(AgentCommand, frozen=True, gc=False):
    """Enter an order.

    Attributes:
        instrument_id: The book.
        agent_id: The owner.
        client_order_id: The owner's own counter; never one that was accepted before.
        side: Buy or sell.
        qty_lots: Open quantity, positive, at most 2^53.
        price_ticks: Limit price, at most 2^53; 0 for market and stop orders.
        order_type: Limit, market, stop or stop-limit.
        time_in_force: GTC, IOC or FOK (market orders count as IOC unless FOK).
        stop_price_ticks: Trigger of a stop or stop-limit, else 0.
        display_qty_lots: Slice an iceberg shows at a time, at least a thousandth of its quantity; 0 shows all.
        hidden: Rests without being displayed.
        post_only: Refused rather than trade on entry.
        self_trade: What to do on meeting the owner's own order.
        parent_order_id: The parent order that this is a child of, or 0; not visible to anybody else.
        ts_sent_ns: When it left the agent.
    """

    dataset: ClassVar[str] = "new_order"
    client_order_id: int
    side: Side
    qty_lots: Lots
    price_ticks: Ticks = 0
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.GTC
    stop_price_ticks: Ticks = 0
    display_qty_lots: Lots = 0
    hidden: bool = False
    post_only: bool = False
    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    parent_order_id: int = 0
    ts_sent_ns: Ns = 0


class CancelOrder(AgentCommand, frozen=True, gc=False):
    """Take an order out. Names it by the venue's ``order_id`` or, where that is 0, by ``client_order_id``."""

    dataset: ClassVar[str] = "cancel_order"
    client_order_id: int = 0
    order_id: int = 0
    ts_sent_ns: Ns = 0


class ReduceOrder(AgentCommand, frozen=True, gc=False):
    """Take ``qty_lots`` off the open quantity, keeping priority; at or beyond that quantity it removes the order."""

    dataset: ClassVar[str] = "reduce_order"
    qty_lots: Lots
    client_order_id: int = 0
    order_id: int = 0
    ts_sent_ns: Ns = 0


class ReplaceOrder(AgentCommand, frozen=True, gc=False):
    """Give a new *open* quantity and price.

    The same price and a quantity that is not larger keep the place in the queue; anything else leaves the book
    and re-enters as an incoming order. The order keeps both its ids.
    """

    dataset: ClassVar[str] = "replace_order"
    qty_lots: Lots
    price_ticks: Ticks
    client_order_id: int = 0
    order_id: int = 0
    ts_sent_ns: Ns = 0


class SetPhase(Command, frozen=True, gc=False):
    """Move the book to another trading phase (from the venue's schedule, not from agents)."""

    dataset: ClassVar[str] = "set_phase"
    phase: Phase
    reference_price_ticks: Ticks = 0
    """Centre of price bands and last tie-break of an auction; 0 keeps the present reference. Where the change of
    phase uncrosses an auction, the uncrossing price becomes the reference in its place."""
