"""One price of one side: a queue of displayed orders and, behind it, a queue of hidden ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from itertools import chain

from lob_sim.book.order import Order
from lob_sim.errors import InvariantError
from lob_sim.units import Lots, Ticks

_MIN_SWEEP = 16
"""A level is not swept for fewer dead entries than this."""


class PriceLevel:
    """The orders at one price, in priority order.

    An order that leaves from the middle of a queue is only marked dead (``open_lots == 0``); the queue drops
    it when it comes to the front, or in a sweep once the dead outnumber the living. So every operation is
    O(1), amortised, and a queue is never longer than twice its live orders and a constant.

    A level is empty, and its side drops it, when nothing is shown and nothing is dark. From then on its
    queues do not matter any more.

    Attributes:
        displayed: Queue of displayed orders, dead entries included.
        hidden: Queue of hidden orders, dead entries included.
        n_dead: Dead entries in both queues.
        shown_lots: Sum of what live orders display.
        dark_lots: Sum of iceberg reserves and hidden orders.
    """

    __slots__ = ("dark_lots", "displayed", "hidden", "n_dead", "price_ticks", "shown_lots")

    def __init__(self, price_ticks: Ticks) -> None:
        self.price_ticks = price_ticks
        self.displayed: deque[Order] = deque()
        self.hidden: deque[Order] = deque()
        self.n_dead = 0
        self.shown_lots: Lots = 0
        self.dark_lots: Lots = 0

    def __iter__(self) -> Iterator[Order]:
        """Live orders in priority order: displayed before hidden."""
        return (order for order in chain(self.displayed, self.hidden) if order.open_lots)

    @property
    def total_lots(self) -> Lots:
        """Everything that can trade at this price."""
        return self.shown_lots + self.dark_lots

    @property
    def n_displayed(self) -> int:
        """Live displayed orders; O(orders)."""
        return sum(1 for order in self.displayed if order.open_lots)

    def append(self, order: Order) -> None:
        """Put an order, with its reserve set, at the back of its queue."""
        if order.hidden:
            self.hidden.append(order)
            self.dark_lots += order.open_lots
        else:
            self.displayed.append(order)
            self.dark_lots += order.reserve_lots
            self.shown_lots += order.open_lots - order.reserve_lots

    def front(self) -> Order:
        """The live order that trades next; the level must not be empty."""
        queue = self.displayed if self.shown_lots else self.hidden
        order = queue[0]
        while not order.open_lots:
            queue.popleft()
            self.n_dead -= 1
            order = queue[0]
        return order

    def remove(self, order: Order) -> bool:
        """Take a live order out, wherever it stands. Returns whether the level is now empty."""
        if order.hidden:
            self.dark_lots -= order.open_lots
        else:
            reserve_lots = order.reserve_lots
            if reserve_lots:
                self.dark_lots -= reserve_lots
            self.shown_lots -= order.open_lots - reserve_lots
        order.open_lots = 0
        if not self.shown_lots and not self.dark_lots:
            return True
        self.n_dead = n_dead = self.n_dead + 1
        if n_dead >= _MIN_SWEEP and 2 * n_dead > len(self.displayed) + len(self.hidden):
            self._sweep()
        return False

    def reduce(self, order: Order, qty_lots: Lots) -> None:
        """Take less than the open quantity off an order that keeps its place; the reserve goes first."""
        from_reserve_lots = min(order.reserve_lots, qty_lots)
        order.open_lots -= qty_lots
        order.reserve_lots -= from_reserve_lots
        if order.hidden:
            self.dark_lots -= qty_lots
        else:
            self.dark_lots -= from_reserve_lots
            self.shown_lots -= qty_lots - from_reserve_lots

    def fill_front(self, order: Order, qty_lots: Lots) -> bool:
        """Trade against :meth:`front`, at most its slice; a spent slice is refilled at the back of the queue.

        Returns:
            Whether the level is now empty.
        """
        order.open_lots = open_lots = order.open_lots - qty_lots
        if order.hidden:
            self.dark_lots -= qty_lots
            if not open_lots:
                self.hidden.popleft()
        else:
            self.shown_lots -= qty_lots
            if not open_lots:
                self.displayed.popleft()
            elif open_lots == order.reserve_lots:
                self.displayed.popleft()
                self.dark_lots -= open_lots
                order.set_reserve()
                self.append(order)
        return not self.shown_lots and not self.dark_lots

    def lots_of(self, agent_id: int) -> Lots:
        """Open quantity of one agent; O(orders)."""
        return sum(order.open_lots for order in self if order.agent_id == agent_id)

    def lots_ahead_of(self, agent_id: int) -> Lots:
        """What trades before the first order of an agent that has one here comes to the front; O(orders).

        Refilled slices queue behind it, unless it is hidden: then every reserve trades before it.
        """
        ahead_lots = 0
        for order in self.displayed:
            if order.open_lots:
                if order.agent_id == agent_id:
                    return ahead_lots
                ahead_lots += order.open_lots - order.reserve_lots
        ahead_lots = sum(order.open_lots for order in self.displayed)
        for order in self.hidden:
            if order.agent_id == agent_id and order.open_lots:
                break
            ahead_lots += order.open_lots
        return ahead_lots

    def check(self) -> None:
        """Assert every invariant of the level; O(orders).

        Raises:
            InvariantError: One does not hold.
        """
        displayed = [order for order in self.displayed if order.open_lots]
        hidden = [order for order in self.hidden if order.open_lots]
        for order in self:
            _require(order.price_ticks == self.price_ticks, f"{order} stands at {self.price_ticks}")
            _require(order.open_lots > 0, f"{order} has no positive open quantity")
            _require(0 <= order.reserve_lots < order.open_lots, f"{order} has a slice that is not positive")
            _require(not order.stop_price_ticks, f"{order} rests while it waits for its stop price")
        _require(not any(order.hidden for order in displayed), "a hidden order stands among the displayed")
        _require(all(order.hidden for order in hidden), "a displayed order stands among the hidden")
        _require(not any(order.reserve_lots for order in hidden), "a hidden order has a reserve")
        _require(len({id(order) for order in self}) == len(displayed) + len(hidden), "an order stands twice")
        n_dead = len(self.displayed) + len(self.hidden) - len(displayed) - len(hidden)
        _require(self.n_dead == n_dead, f"{self.n_dead} dead entries at {self.price_ticks}, not {n_dead}")
        _require(n_dead < _MIN_SWEEP or n_dead <= len(displayed) + len(hidden), "dead entries are not swept")
        _require(bool(displayed or hidden), f"the level at {self.price_ticks} is empty")
        shown_lots = sum(order.shown_lots for order in displayed)
        dark_lots = sum(order.reserve_lots for order in displayed) + sum(order.open_lots for order in hidden)
        _require(self.shown_lots == shown_lots, f"shown {self.shown_lots}, not {shown_lots}")
        _require(self.dark_lots == dark_lots, f"dark {self.dark_lots}, not {dark_lots}")

    def _sweep(self) -> None:
        self.displayed = deque([order for order in self.displayed if order.open_lots])
        self.hidden = deque([order for order in self.hidden if order.open_lots])
        self.n_dead = 0


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InvariantError(message)
