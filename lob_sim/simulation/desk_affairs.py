"""What is the desk's, and what the strategy's, among the orders and requests of one agent.

Both send under the agent's number, and the venue answers the agent. A strategy that took forced sales for orders of
its own would count them, change them, or look for a record that it never made.
"""

from __future__ import annotations

from collections import deque

from lob_sim.agents.context import WorkingOrder
from lob_sim.messages import (
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
)

_OF_ORDERS = (OrderAccepted, OrderFilled, OrderCanceled)
_OF_REQUESTS = (RfqTraded, RfqClosed)


class DeskAffairs:
    """Of an agent that has a desk, which orders and requests the desk has sent.

    Attributes:
        ids: Client ids of the desk's orders and requests, from the first on: answers may come after the end.
        orders: By instrument, the strategy's working orders, as in :class:`~lob_sim.simulation.own_books.OwnBooks`.
        requests: By instrument, the strategy's open requests.
    """

    __slots__ = ("_answers_desk", "_changes", "_rfqs", "ids", "orders", "requests")

    def __init__(self, n_instruments: int) -> None:
        self.ids: set[int] = set()
        self.orders: list[dict[int, WorkingOrder]] = [{} for _ in range(n_instruments)]
        self.requests: list[dict[int, RfqOpened]] = [{} for _ in range(n_instruments)]
        self._rfqs: set[tuple[int, int]] = set()
        # By client order id, who has asked for each change that is not answered: whether the desk.
        self._changes: dict[int, deque[bool]] = {}
        self._answers_desk = False

    def change_sent(self, client_order_id: int, by_desk: bool) -> None:
        """A cancel, reduction or replacement leaves; the venue answers each, in this order."""
        self._changes.setdefault(client_order_id, deque()).append(by_desk)

    def change_answered(self, client_order_id: int) -> None:
        """The oldest of them is answered."""
        changes = self._changes.get(client_order_id)
        self._answers_desk = bool(changes) and changes.popleft()  # type: ignore[union-attr]
        if not changes:
            self._changes.pop(client_order_id, None)

    def order_refused(self) -> None:
        """The order itself is refused, and no change of it."""
        self._answers_desk = False

    def request_opened(self, event: RfqOpened) -> None:
        """A request of the agent's has its number."""
        if event.client_rfq_id in self.ids:
            self._rfqs.add((event.instrument_id, event.rfq_id))
        else:
            self.requests[event.instrument_id][event.rfq_id] = event

    def concerns(self, event: Event) -> bool:
        """Whether an event, just noted in the agent's books, is about something that the desk has sent."""
        if isinstance(event, _OF_ORDERS):
            return event.client_order_id in self.ids
        if isinstance(event, OrderRejected):
            return self._answers_desk or event.client_order_id in self.ids
        if isinstance(event, RfqQuoted | RfqDeclined):
            return event.client_rfq_id in self.ids
        if isinstance(event, _OF_REQUESTS):
            return (event.instrument_id, event.rfq_id) in self._rfqs
        if isinstance(event, RfqRejected):
            return event.client_rfq_id in self.ids or (event.instrument_id, event.rfq_id) in self._rfqs
        return False
