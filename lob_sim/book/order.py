"""An order that rests in a book, waits as a stop, or is on its way in."""

from __future__ import annotations

import msgspec

from lob_sim.messages import OrderType, SelfTradePrevention, Side, TimeInForce
from lob_sim.units import Lots, Ticks

MAX_PRICE_TICKS: Ticks = 2**30 - 1
"""No limit or stop price is above this one."""
MAX_QTY_LOTS: Lots = 2**30 - 1
"""No order is larger than this."""
MARKET_BUY_TICKS: Ticks = MAX_PRICE_TICKS + 1
"""Stands for the price of a buy order at any price: above every limit price, so it comes first."""
MARKET_SELL_TICKS: Ticks = 0
"""Stands for the price of a sell order at any price."""


class Order(msgspec.Struct, gc=False):
    """One order's state. Only the book and the engine change it.

    An iceberg's slice on display is ``open_lots - reserve_lots``. When that reaches 0 the next slice of
    ``display_lots`` comes out of the reserve. Every other order has no reserve.

    Attributes:
        price_ticks: Limit price, or one of the two constants that stand for any price.
        open_lots: What is left to trade; 0 marks an order that has left the book (its queue drops it later).
        arrival: When it entered, as a counter over all entries and re-entries of the book.
        reserve_lots: The part of ``open_lots`` that an iceberg has not put on display yet.
        stop_price_ticks: Trigger of a stop that still waits for it, else 0.
    """

    order_id: int
    agent_id: int
    client_order_id: int
    side: Side
    price_ticks: Ticks
    open_lots: Lots
    arrival: int
    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    # What trading and leaving look at comes first: in a deep book the time goes into fetching cache lines.
    reserve_lots: Lots = 0
    hidden: bool = False
    stop_price_ticks: Ticks = 0
    order_type: OrderType = OrderType.LIMIT
    display_lots: Lots = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False

    @property
    def shown_lots(self) -> Lots:
        """What the public sees of the order while it rests."""
        return 0 if self.hidden else self.open_lots - self.reserve_lots

    @property
    def has_limit(self) -> bool:
        """Whether its owner gave a limit price."""
        return self.order_type is OrderType.LIMIT or self.order_type is OrderType.STOP_LIMIT

    def set_reserve(self) -> None:
        """Split the open quantity into a fresh slice on display and the reserve behind it."""
        self.reserve_lots = max(0, self.open_lots - self.display_lots) if self.display_lots else 0
