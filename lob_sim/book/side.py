"""One side of a book: its price levels, best first."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from lob_sim.book.level import MIN_SWEEP, PriceLevel
from lob_sim.book.order import Order
from lob_sim.errors import InvariantError
from lob_sim.messages import Side
from lob_sim.units import Lots, Ticks


class BookSide:
    """Price levels in priority order, the best one at hand.

    Attributes:
        side: Buy or sell.
        levels: Price → level, in no order.
        best: The level with the best price, or None.
    """

    __slots__ = ("_keys", "_sign", "best", "levels", "side")

    def __init__(self, side: Side) -> None:
        self.side = side
        self.levels: dict[Ticks, PriceLevel] = {}
        self.best: PriceLevel | None = None
        # Prices times this sign, ascending: the best price comes last, so both sides share one code path, and
        # a change near the best price moves few elements. A plain list is several times faster than a sorted
        # container up to tens of thousands of levels.
        self._sign = 1 if side is Side.BUY else -1
        self._keys: list[int] = []

    def __iter__(self) -> Iterator[Order]:
        """Orders in priority order."""
        return (order for level in self.in_order() for order in level)

    def in_order(self, worst_ticks: Ticks | None = None) -> Iterator[PriceLevel]:
        """Levels from the best price to the worst one asked for, or to the last."""
        sign, levels, keys = self._sign, self.levels, self._keys
        first = 0 if worst_ticks is None else bisect_left(keys, sign * worst_ticks)
        return (levels[sign * keys[i]] for i in range(len(keys) - 1, first - 1, -1))

    def open_level(self, price_ticks: Ticks) -> PriceLevel:
        """Start an empty level, which its caller fills at once; O(levels that are better)."""
        level = self.levels[price_ticks] = PriceLevel(price_ticks)
        keys, key = self._keys, self._sign * price_ticks
        if not keys or key > keys[-1]:
            self.best = level
        insort(keys, key)
        return level

    def remove(self, order: Order) -> None:
        """Take a live order out, wherever it stands; O(1), or O(levels that are better) if it was the last at its
        price."""
        level, special = self.levels[order.price_ticks], order.special
        if special is None:
            level.shown_lots -= order.open_lots
        elif special.hidden:
            level.dark_lots -= order.open_lots
        else:
            level.dark_lots -= special.reserve_lots
            level.shown_lots -= order.open_lots - special.reserve_lots
        order.open_lots = 0
        if level.shown_lots or level.dark_lots:
            level.n_dead = n_dead = level.n_dead + 1
            if n_dead >= MIN_SWEEP and 2 * n_dead > len(level.displayed) + len(level.hidden):
                level.sweep()
        else:
            self.drop_level(level)

    def drop_level(self, level: PriceLevel) -> None:
        """Forget a level that has become empty; O(levels that are better)."""
        keys, sign = self._keys, self._sign
        del self.levels[level.price_ticks]
        if level is self.best:
            keys.pop()
            self.best = self.levels[sign * keys[-1]] if keys else None
        else:
            del keys[bisect_left(keys, sign * level.price_ticks)]

    def top(self) -> tuple[Ticks, Lots]:
        """Best displayed price and the quantity displayed there, (0, 0) if nothing is.

        O(1), plus the number of levels before it that hold hidden orders only.
        """
        best = self.best
        if best is None:
            return 0, 0
        if best.shown_lots:
            return best.price_ticks, best.shown_lots
        for level in self.in_order():
            if level.shown_lots:
                return level.price_ticks, level.shown_lots
        return 0, 0

    def depth(self, n_levels: int) -> list[tuple[Ticks, Lots, int]]:
        """The first ``n_levels`` displayed prices: (price, displayed quantity, displayed orders)."""
        rows: list[tuple[Ticks, Lots, int]] = []
        for level in self.in_order():
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
        if self._keys != sorted(self._sign * price_ticks for price_ticks in self.levels):
            raise InvariantError(f"{self.side.name} levels out of order: {self._keys}")
        if self.best is not next(self.in_order(), None):
            raise InvariantError(f"the cached best {self.side.name} level is not the best")
        for price_ticks, level in self.levels.items():
            if level.price_ticks != price_ticks:
                raise InvariantError(f"level {level.price_ticks} is filed at {price_ticks}")
            level.check()
        if any(order.side is not self.side for order in self):
            raise InvariantError(f"an order of the other side rests among the {self.side.name} orders")
