"""Which of its order ids an agent has ever used."""

from __future__ import annotations

from bisect import bisect_right

from lob_sim.errors import InvariantError


class ClientOrderIds:
    """The ids of one agent's orders that were ever accepted, exactly and in little memory.

    The ids ever accepted are all from 1 to ``last_id`` but those in the gaps, so an agent that counts upwards
    costs a constant amount of memory however many orders it sends; one that skips pays for each gap that is
    open.

    Attributes:
        last_id: The highest ``client_order_id`` ever accepted.
    """

    __slots__ = ("_gap_ends", "_gap_starts", "last_id")

    def __init__(self) -> None:
        self.last_id = 0
        # Gaps are disjoint, sorted and inclusive at both ends.
        self._gap_starts: list[int] = []
        self._gap_ends: list[int] = []

    @property
    def n_gaps(self) -> int:
        """Runs of ids that were left out; memory grows with these alone."""
        return len(self._gap_starts)

    def was_accepted(self, client_order_id: int) -> bool:
        """Whether an order with this id was ever accepted; O(log gaps)."""
        if client_order_id > self.last_id:
            return False
        gap = bisect_right(self._gap_starts, client_order_id) - 1
        return gap < 0 or client_order_id > self._gap_ends[gap]

    def accept(self, client_order_id: int) -> None:
        """Record an id that was never accepted before; O(1) for the next one, else O(gaps)."""
        last_id = self.last_id
        if client_order_id > last_id:
            self.last_id = client_order_id
            if client_order_id > last_id + 1:
                self._gap_starts.append(last_id + 1)
                self._gap_ends.append(client_order_id - 1)
            return
        gap = bisect_right(self._gap_starts, client_order_id) - 1
        start, end = self._gap_starts[gap], self._gap_ends[gap]
        left = [(start, client_order_id - 1)] if start < client_order_id else []
        right = [(client_order_id + 1, end)] if client_order_id < end else []
        self._gap_starts[gap : gap + 1] = [start for start, _ in left + right]
        self._gap_ends[gap : gap + 1] = [end for _, end in left + right]

    def check(self) -> None:
        """Assert every invariant; O(gaps).

        Raises:
            InvariantError: One does not hold.
        """
        bounds = [bound for gap in zip(self._gap_starts, self._gap_ends, strict=True) for bound in gap]
        if bounds != sorted(bounds) or any(bound <= 0 or bound >= self.last_id for bound in bounds):
            raise InvariantError(f"gaps {bounds} below {self.last_id} are out of order")
