"""One price of one side: a queue of displayed orders and, behind it, a queue of hidden ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from lob_sim.book.order import Order
from lob_sim.errors import InvariantError
from lob_sim.units import Lots, Ticks

MIN_SWEEP = 16
"""A level is not swept for fewer dead entries than this."""


class PriceLevel:
    """The orders at one price, in priority order.

    An order that leaves a queue, from the front or from the middle, leaves a dead entry behind
    (``open_lots == 0``). Dead entries are passed over when they come to the front, and swept out once they
    outnumber the living. So every operation is O(1), amortised, and a queue is never longer than twice its live
    orders and a constant. Plain lists, because in a deep book the time goes into fetching memory, and a deque
    takes several times as much of it.

    A level is empty, and its side drops it, when nothing is shown and nothing is dark. From then on its
    queues do not matter any more.

    Attributes:
        displayed: Queue of displayed orders, dead entries included.
        hidden: Queue of hidden orders, dead entries included.
        n_dead: Dead entries in both queues.
        shown_lots: Sum of what live orders display.
        dark_lots: Sum of iceberg reserves and hidden orders.
    """

    __slots__ = ("_first", "_first_hidden", "dark_lots", "displayed", "hidden", "n_dead", "price_ticks", "shown_lots")

    def __init__(self, price_ticks: Ticks) -> None:
        self.price_ticks = price_ticks
        self.displayed: list[Order] = []
        self.hidden: list[Order] = []
        # Of each queue, what stands before this position is dead: it has been at the front.
        self._first = self._first_hidden = 0
        self.n_dead = 0
        self.shown_lots: Lots = 0
        self.dark_lots: Lots = 0

    def __iter__(self) -> Iterator[Order]:
        """Live orders in priority order: displayed before hidden."""
        return chain(self._live_displayed(), self._live_hidden())

    def _live_displayed(self) -> Iterator[Order]:
        return (order for order in islice(self.displayed, self._first, None) if order.open_lots)

    def _live_hidden(self) -> Iterator[Order]:
        return (order for order in islice(self.hidden, self._first_hidden, None) if order.open_lots)

    @property
    def total_lots(self) -> Lots:
        """Everything that can trade at this price."""
        return self.shown_lots + self.dark_lots

    @property
    def n_displayed(self) -> int:
        """Live displayed orders; O(orders)."""
        return sum(1 for _ in self._live_displayed())

    def append(self, order: Order) -> None:
        """Put an order, with its reserve set, at the back of its queue."""
        if order.hidden:
            self.hidden.append(order)
            self.dark_lots += order.open_lots
        else:
            self.displayed.append(order)
            self.dark_lots += order.reserve_lots
            self.shown_lots += order.slice_lots

    def front(self) -> Order:
        """The live order that trades next; the level must not be empty."""
        if self.shown_lots:
            queue, i = self.displayed, self._first
            while not queue[i].open_lots:
                i += 1
            self._first = i
        else:
            queue, i = self.hidden, self._first_hidden
            while not queue[i].open_lots:
                i += 1
            self._first_hidden = i
        return queue[i]

    def reduce(self, order: Order, qty_lots: Lots) -> None:
        """Take less than the open quantity off an order that keeps its place; the reserve goes first."""
        order.open_lots -= qty_lots
        special = order.special
        if special is None:
            self.shown_lots -= qty_lots
        elif special.hidden:
            self.dark_lots -= qty_lots
        else:
            from_reserve_lots = min(special.reserve_lots, qty_lots)
            special.reserve_lots -= from_reserve_lots
            self.dark_lots -= from_reserve_lots
            self.shown_lots -= qty_lots - from_reserve_lots

    def fill_front(self, order: Order, qty_lots: Lots) -> bool:
        """Trade against :meth:`front`, at most its slice; a spent slice is refilled at the back of the queue.

        Returns:
            Whether the level is now empty.
        """
        order.open_lots = open_lots = order.open_lots - qty_lots
        special = order.special
        if special is None:
            self.shown_lots -= qty_lots
            if open_lots:
                return False
        elif special.hidden:
            self.dark_lots -= qty_lots
            if open_lots:
                return False
        else:
            self.shown_lots -= qty_lots
            if open_lots != special.reserve_lots:
                return False
            if open_lots:
                self._refill(order)
        if self.shown_lots or self.dark_lots:
            self.n_dead = n_dead = self.n_dead + 1
            if n_dead >= MIN_SWEEP and 2 * n_dead > len(self.displayed) + len(self.hidden):
                self.sweep()
            return False
        return True

    def _refill(self, order: Order) -> None:
        """Put the front order's next slice at the back; what stands at the front now is a dead entry."""
        self._first += 1
        self.dark_lots -= order.open_lots
        order.set_reserve()
        self.append(order)

    def lots_of(self, agent_id: int) -> Lots:
        """Open quantity of one agent; O(orders)."""
        return sum(order.open_lots for order in self if order.agent_id == agent_id)

    def lots_ahead_of(self, agent_id: int) -> Lots:
        """What trades before the first order of an agent that has one here comes to the front; O(orders).

        Refilled slices queue behind it, unless it is hidden: then every reserve trades before it.
        """
        ahead_lots = 0
        for order in self._live_displayed():
            if order.agent_id == agent_id:
                return ahead_lots
            ahead_lots += order.slice_lots
        ahead_lots = sum(order.open_lots for order in self._live_displayed())
        for order in self._live_hidden():
            if order.agent_id == agent_id:
                break
            ahead_lots += order.open_lots
        return ahead_lots

    def check(self) -> None:
        """Assert every invariant of the level; O(orders).

        Raises:
            InvariantError: One does not hold.
        """
        displayed, hidden = list(self._live_displayed()), list(self._live_hidden())
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
        _require(n_dead < MIN_SWEEP or n_dead <= len(displayed) + len(hidden), "dead entries are not swept")
        _require(bool(displayed or hidden), f"the level at {self.price_ticks} is empty")
        shown_lots = sum(order.shown_lots for order in displayed)
        dark_lots = sum(order.reserve_lots for order in displayed) + sum(order.open_lots for order in hidden)
        _require(self.shown_lots == shown_lots, f"shown {self.shown_lots}, not {shown_lots}")
        _require(self.dark_lots == dark_lots, f"dark {self.dark_lots}, not {dark_lots}")

    def sweep(self) -> None:
        """Let go of the dead entries; O(entries)."""
        self.displayed = [order for order in self.displayed[self._first :] if order.open_lots]
        if self.hidden:
            self.hidden = [order for order in self.hidden[self._first_hidden :] if order.open_lots]
        self._first = self._first_hidden = self.n_dead = 0


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise InvariantError(message)
