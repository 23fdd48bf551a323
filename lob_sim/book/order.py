"""An order that rests in a book, waits as a stop, or is on its way in."""

from __future__ import annotations

import msgspec

from lob_sim.messages import SelfTradePrevention, Side, TimeInForce
from lob_sim.units import Lots, Ticks

MAX_PRICE_TICKS: Ticks = 2**53
"""No limit or stop price is above this one: up to here real numbers hold whole ones exactly."""
MAX_QTY_LOTS: Lots = 2**53
"""No order is larger than this; the reason is the same."""
MAX_SLICES = 1_000
"""An iceberg has no more slices than this when it is entered or replaced."""
MARKET_BUY_TICKS: Ticks = MAX_PRICE_TICKS + 1
"""Stands for the price of a buy order at any price: above every limit price, so it comes first."""
MARKET_SELL_TICKS: Ticks = 0
"""Stands for the price of a sell order at any price."""


class OrderInstructions(msgspec.Struct, gc=False):
    """What most orders do not have: a trigger, a life other than GTC, or a part that is not displayed.

    Attributes:
        time_in_force: GTC, IOC or FOK.
        hidden: Whether it rests without being displayed.
        post_only: Whether it must not trade on entry.
        display_lots: Slice that an iceberg shows at a time; 0 shows all.
        stop_price_ticks: Trigger of a stop that still waits for it, else 0.
        reserve_lots: The part of the open quantity that an iceberg has not put on display yet.
    """

    time_in_force: TimeInForce = TimeInForce.GTC
    hidden: bool = False
    post_only: bool = False
    display_lots: Lots = 0
    stop_price_ticks: Ticks = 0
    reserve_lots: Lots = 0


class Order(msgspec.Struct, gc=False):
    """One order's state. Only the book and the engine change it.

    In a deep book the time goes into fetching cache lines, so what few orders have is kept apart.

    An iceberg's slice on display is ``open_lots - reserve_lots``. When that reaches 0 the next slice comes
    out of the reserve. Every other order has no reserve.

    Attributes:
        price_ticks: Limit price, or one of the two constants that stand for any price.
        open_lots: What is left to trade; 0 marks an order that has left the book (its queue drops it later).
        arrival: When it entered, as a counter over all entries and re-entries of the book.
        self_trade: What to do, while it is the incoming order, on meeting one of its owner's.
        special: None for a plain limit or market order.
    """

    order_id: int
    agent_id: int
    client_order_id: int
    side: Side
    price_ticks: Ticks
    open_lots: Lots
    arrival: int
    self_trade: SelfTradePrevention = SelfTradePrevention.NONE
    special: OrderInstructions | None = None

    @property
    def has_limit(self) -> bool:
        """Whether its owner gave a limit price."""
        return MARKET_SELL_TICKS < self.price_ticks < MARKET_BUY_TICKS

    @property
    def hidden(self) -> bool:
        """Whether it rests without being displayed."""
        return self.special is not None and self.special.hidden

    @property
    def post_only(self) -> bool:
        """Whether it must not trade on entry."""
        return self.special is not None and self.special.post_only

    @property
    def time_in_force(self) -> TimeInForce:
        """How long it lives."""
        return TimeInForce.GTC if self.special is None else self.special.time_in_force

    @property
    def stop_price_ticks(self) -> Ticks:
        """Trigger of a stop that still waits for it, else 0."""
        return 0 if self.special is None else self.special.stop_price_ticks

    @property
    def reserve_lots(self) -> Lots:
        """The part of ``open_lots`` that an iceberg has not put on display yet."""
        return 0 if self.special is None else self.special.reserve_lots

    @property
    def slice_lots(self) -> Lots:
        """The part of ``open_lots`` that trades before the order has to queue anew."""
        return self.open_lots - self.reserve_lots

    @property
    def shown_lots(self) -> Lots:
        """What the public sees of the order while it rests."""
        return 0 if self.hidden else self.slice_lots

    def set_reserve(self) -> None:
        """Split the open quantity into a fresh slice on display and the reserve behind it."""
        special = self.special
        if special is not None:
            special.reserve_lots = max(0, self.open_lots - special.display_lots) if special.display_lots else 0
