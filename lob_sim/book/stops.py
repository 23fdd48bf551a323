"""Stop orders: those that wait for their price, and those that it has reached but that have not fired yet."""

from __future__ import annotations

from collections.abc import Iterator

from sortedcontainers import SortedDict

from lob_sim.book.order import Order
from lob_sim.errors import InvariantError
from lob_sim.messages import Side
from lob_sim.units import Ticks


class StopBook:
    """Stops by trigger price, and a queue of triggered ones by arrival. Every operation is O(log stops).

    Attributes:
        triggered: Arrival → order, for stops whose price has printed.
    """

    __slots__ = ("_buys", "_sells", "triggered")

    def __init__(self) -> None:
        # Keys are (sign × trigger price, arrival): on both sides the stop that triggers first comes first.
        self._buys: SortedDict[tuple[int, int], Order] = SortedDict()
        self._sells: SortedDict[tuple[int, int], Order] = SortedDict()
        self.triggered: SortedDict[int, Order] = SortedDict()

    def __iter__(self) -> Iterator[Order]:
        """Waiting stops, buys then sells, nearest trigger first; then the triggered ones in arrival order."""
        yield from self._buys.values()
        yield from self._sells.values()
        yield from self.triggered.values()

    def add(self, order: Order, last_price_ticks: Ticks) -> None:
        """File a stop; one that the last trade price (0 if there is none) is already through is triggered."""
        side = order.side
        if last_price_ticks and last_price_ticks * side >= order.stop_price_ticks * side:
            self.triggered[order.arrival] = order
        else:
            self._waiting(side)[order.stop_price_ticks * side, order.arrival] = order

    def remove(self, order: Order) -> None:
        """Take a stop out."""
        if self.triggered.pop(order.arrival, None) is None:
            del self._waiting(order.side)[order.stop_price_ticks * order.side, order.arrival]

    def on_prints(self, first_ticks: Ticks, last_ticks: Ticks) -> None:
        """Trigger what trades from one price to another, both inclusive, have reached."""
        if self._buys:
            self._trigger(self._buys, max(first_ticks, last_ticks))
        if self._sells:
            self._trigger(self._sells, -min(first_ticks, last_ticks))

    def _trigger(self, waiting: SortedDict[tuple[int, int], Order], reached: int) -> None:
        while waiting and waiting.peekitem(0)[0][0] <= reached:
            order = waiting.popitem(0)[1]
            self.triggered[order.arrival] = order

    def pop_triggered(self) -> Order:
        """Take out the triggered stop that arrived first."""
        order: Order = self.triggered.popitem(0)[1]
        return order

    def check(self) -> None:
        """Assert every invariant; O(stops).

        Raises:
            InvariantError: One does not hold.
        """
        for side in Side:
            for key, order in self._waiting(side).items():
                if order.side is not side or key != (order.stop_price_ticks * side, order.arrival):
                    raise InvariantError(f"{order} is filed at {key} among the {side.name} stops")
        for arrival, order in self.triggered.items():
            if order.arrival != arrival:
                raise InvariantError(f"{order} is filed as arrival {arrival}")
        if any(order.open_lots <= 0 or order.stop_price_ticks <= 0 for order in self):
            raise InvariantError("a stop has no open quantity or no trigger")

    def _waiting(self, side: Side) -> SortedDict[tuple[int, int], Order]:
        return self._buys if side is Side.BUY else self._sells
