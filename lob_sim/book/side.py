"""One side of a book: its price levels, best first."""

from __future__ import annotations

from collections.abc import Iterator
from operator import neg

from sortedcontainers import SortedDict

from lob_sim.book.level import PriceLevel
from lob_sim.book.order import Order
from lob_sim.errors import InvariantError
from lob_sim.messages import Side
from lob_sim.units import Lots, Ticks


class BookSide:
    """Price levels in priority order, the best one at hand.

    Attributes:
        levels: Price → level, iterated best price first: both sides share one code path.
        best: The level with the best price, or None.
    """

    __slots__ = ("best", "levels", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.levels: SortedDict[Ticks, PriceLevel] = SortedDict(neg) if side is Side.BUY else SortedDict()
        self.best: PriceLevel | None = None

    def __iter__(self) -> Iterator[Order]:
        """Orders in priority order."""
        return (order for level in self.levels.values() for order in level)

    def open_level(self, price_ticks: Ticks) -> PriceLevel:
        """Start an empty level, which its caller fills at once; O(log levels)."""
        level = self.levels[price_ticks] = PriceLevel(price_ticks)
        best = self.best
        if best is None or (price_ticks - best.price_ticks) * self.side > 0:
            self.best = level
        return level

    def add(self, order: Order) -> None:
        """Rest an order behind those at its price; O(1), or O(log levels) at a new price."""
        level = self.levels.get(order.price_ticks)
        if level is None:
            level = self.open_level(order.price_ticks)
        level.append(order)

    def remove(self, order: Order) -> None:
        """Take an order out; O(1), or O(log levels) where it was the last at its price."""
        level = self.levels[order.price_ticks]
        level.remove(order)
        if not level.n_displayed and not level.n_hidden:
            self.drop_level(level)

    def drop_level(self, level: PriceLevel) -> None:
        """Forget a level that has become empty; O(log levels)."""
        del self.levels[level.price_ticks]
        if level is self.best:
            self.best = self.levels.peekitem(0)[1] if self.levels else None

    def fill(self, level: PriceLevel, order: Order, qty_lots: Lots) -> None:
        """Trade against the front order of a level of this side, at most its slice; O(1)."""
        level.fill_front(order, qty_lots)
        if not level.n_displayed and not level.n_hidden:
            self.drop_level(level)

    def top(self) -> tuple[Ticks, Lots]:
        """Best displayed price and the quantity displayed there, (0, 0) if nothing is.

        O(1), plus the number of levels before it that hold hidden orders only.
        """
        best = self.best
        if best is None:
            return 0, 0
        if best.shown_lots:
            return best.price_ticks, best.shown_lots
        for level in self.levels.values():
            if level.shown_lots:
                return level.price_ticks, level.shown_lots
        return 0, 0

    def depth(self, n_levels: int) -> list[tuple[Ticks, Lots, int]]:
        """The first ``n_levels`` displayed prices: (price, displayed quantity, displayed orders)."""
        rows: list[tuple[Ticks, Lots, int]] = []
        for level in self.levels.values():
            if len(rows) >= n_levels:
                break
            if level.shown_lots:
                rows.append((level.price_ticks, level.shown_lots, level.n_displayed))
        return rows

    def check(self) -> None:
        """Assert every invariant of the side and its levels; O(orders).

        Raises:
            InvariantError: One does not hold.
        """
        self.levels._check()
        prices = list(self.levels)
        if prices != sorted(prices, reverse=self.side is Side.BUY):
            raise InvariantError(f"{self.side.name} levels out of order: {prices}")
        if self.best is not (self.levels[prices[0]] if prices else None):
            raise InvariantError(f"the cached best {self.side.name} level is not the best")
        for price_ticks, level in self.levels.items():
            if level.price_ticks != price_ticks:
                raise InvariantError(f"level {level.price_ticks} is filed at {price_ticks}")
            level.check()
        if any(order.side is not self.side for order in self):
            raise InvariantError(f"an order of the other side rests among the {self.side.name} orders")
