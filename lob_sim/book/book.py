"""The two-sided book of one instrument, its waiting stops and the index of all of its orders."""

from __future__ import annotations

from lob_sim.book.order import Order
from lob_sim.book.side import BookSide
from lob_sim.book.stops import StopBook
from lob_sim.errors import InvariantError
from lob_sim.messages import Side
from lob_sim.units import Lots, Ticks


class OrderBook:
    """All orders that are alive, found by id or in priority order.

    Attributes:
        bids: Resting buy orders.
        asks: Resting sell orders.
        stops: Stop orders that have not fired.
        orders: ``order_id`` → order, for resting orders and stops alike.
    """

    __slots__ = ("asks", "bids", "orders", "stops")

    def __init__(self) -> None:
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.stops = StopBook()
        self.orders: dict[int, Order] = {}

    def top(self) -> tuple[Ticks, Lots, Ticks, Lots]:
        """Best bid, its displayed quantity, best ask, its displayed quantity; zeros for an empty side."""
        bid, ask = self.bids.best, self.asks.best
        if bid is not None and ask is not None and bid.shown_lots and ask.shown_lots:
            return bid.price_ticks, bid.shown_lots, ask.price_ticks, ask.shown_lots
        return self.bids.top() + self.asks.top()

    def depth(self, n_levels: int) -> tuple[list[tuple[Ticks, Lots, int]], list[tuple[Ticks, Lots, int]]]:
        """Displayed bids and asks, best first: (price, displayed quantity, displayed orders)."""
        return self.bids.depth(n_levels), self.asks.depth(n_levels)

    def check(self, may_cross: bool = False) -> None:
        """Assert every invariant of the book; O(orders).

        Args:
            may_cross: Whether a bid may be at or above an ask, as while an auction collects orders.

        Raises:
            InvariantError: One does not hold.
        """
        for part in (self.bids, self.asks, self.stops):
            part.check()
        best_bid, best_ask = self.bids.best, self.asks.best
        crossed = best_bid is not None and best_ask is not None and best_bid.price_ticks >= best_ask.price_ticks
        if crossed and not may_cross:
            raise InvariantError("the book is crossed outside an auction")
        alive = [*self.bids, *self.asks, *self.stops]
        if len(alive) != len(self.orders):
            raise InvariantError(f"{len(alive)} orders in the queues, {len(self.orders)} in the index")
        for order in alive:
            if self.orders.get(order.order_id) is not order:
                raise InvariantError(f"{order} is not what the index holds for its id")
