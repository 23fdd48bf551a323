"""What an agent knows of its own affairs: working orders, position and cash, as its messages have told it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from lob_sim.agents.context import WorkingOrder
from lob_sim.messages import (
    CancelReason,
    Message,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    RejectReason,
    RfqClosed,
    RfqOpened,
    RfqRejected,
    RfqTraded,
    Side,
)
from lob_sim.simulation.desk_affairs import DeskAffairs
from lob_sim.simulation.guard import Guard
from lob_sim.units import Cash, Lots, Ticks

_SELL = Side.SELL
Terms: TypeAlias = tuple[Lots, Ticks]
"""Open quantity and price that a replacement asks for."""


class OwnBooks:
    """One agent's orders, positions and cash, moved forward by the messages that reach it.

    Attributes:
        orders: By instrument, own working orders by client order id, oldest first.
        positions: Lots by instrument, signed.
        cash: Cash units.
        requests: By instrument, own open requests for quote by ``rfq_id``.
        guard: Reservations behind working orders and quotes; ``None`` for an agent without pre-trade limits.
        affairs: Which of all that the agent's desk has sent; ``None`` for an agent without a desk. An agent that has
            one is guarded.
    """

    __slots__ = (
        "_agent_id",
        "_tick_values",
        "_unanswered",
        "affairs",
        "cash",
        "guard",
        "orders",
        "positions",
        "requests",
    )

    def __init__(
        self,
        agent_id: int,
        positions: Sequence[Lots],
        cash: Cash,
        tick_values: Sequence[int],
        guard: Guard | None,
    ) -> None:
        self._agent_id = agent_id
        self._tick_values = tick_values
        self.positions = list(positions)
        self.cash = cash
        self.orders: list[dict[int, WorkingOrder]] = [{} for _ in positions]
        self.requests: list[dict[int, RfqOpened]] = [{} for _ in positions]
        self.guard = guard
        self.affairs: DeskAffairs | None = None
        # By client order id, what was sent about an order since and is not answered: terms of a replacement,
        # or None for a reduction or a cancel. Answers come in this order. Kept for guarded agents alone.
        self._unanswered: dict[int, list[Terms | None]] = {}

    # --- commitments ----------------------------------------------------------------------------------------
    def commitment(self, instrument_id: int, order: WorkingOrder, new_terms: Terms | None = None) -> tuple[Lots, Cash]:
        """The most that an order may still sell (lots) or cost (cash units), whatever is under way.

        A replacement gives a new *open* quantity, and whatever trades before it arrives comes on top: all but
        one lot of the quantity that it replaces, for of an order that is complete nothing can be replaced.

        Args:
            instrument_id: What it trades.
            order: As it is known.
            new_terms: Those of one more replacement, besides those under way.
        """
        is_sell = order.side is _SELL
        unanswered = self._unanswered.get(order.client_order_id)
        if not unanswered and new_terms is None:
            # Nothing is under way: it may do what it says.
            lots = max(0, order.leaves_lots)
            return (lots, 0) if is_sell else (0, lots * max(0, order.price_ticks) * self._tick_values[instrument_id])
        terms = [(order.leaves_lots, order.price_ticks)]
        terms += [sent for sent in unanswered or () if sent is not None]
        if new_terms is not None:
            terms.append(new_terms)
        before = most = 0
        for qty_lots, price_ticks in terms:
            # What makes no sense is refused by the venue; until then it must not free anything.
            per_lot = 1 if is_sell else max(0, price_ticks)
            most = max(most, before + qty_lots * per_lot)
            before += max(0, qty_lots - 1) * per_lot
        return (most, 0) if is_sell else (0, most * self._tick_values[instrument_id])

    def reserve_order(self, instrument_id: int, order: WorkingOrder) -> None:
        """Reserve for the worst that an order may still do."""
        if self.guard is not None:
            self.guard.reserve(order.client_order_id, instrument_id, *self.commitment(instrument_id, order))

    def sent(self, order: WorkingOrder, terms: Terms | None) -> None:
        """Note a replacement by ``terms``, or a reduction or cancel (``None``): the venue will answer."""
        if self.guard is not None:
            self._unanswered.setdefault(order.client_order_id, []).append(terms)

    def _end_order(self, instrument_id: int, client_order_id: int) -> None:
        self.orders[instrument_id].pop(client_order_id, None)
        if self.guard is not None:
            self._unanswered.pop(client_order_id, None)
            self.guard.release(client_order_id)
            if self.affairs is not None:
                self.affairs.orders[instrument_id].pop(client_order_id, None)

    def _answered(self, client_order_id: int) -> None:
        if self.affairs is not None:
            self.affairs.change_answered(client_order_id)
        unanswered = self._unanswered.get(client_order_id)
        if unanswered:
            del unanswered[0]

    # --- messages -------------------------------------------------------------------------------------------
    def _accepted(self, event: OrderAccepted) -> None:
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            order.is_accepted = True

    def _filled(self, event: OrderFilled) -> None:
        self._move(event.instrument_id, event.side is Side.BUY, event.price_ticks, event.qty_lots)
        if event.leaves_qty_lots == 0:
            self._end_order(event.instrument_id, event.client_order_id)
            return
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            order.leaves_lots = event.leaves_qty_lots
            self.reserve_order(event.instrument_id, order)

    def _canceled(self, event: OrderCanceled) -> None:
        if event.reason is CancelReason.BY_OWNER:
            self._answered(event.client_order_id)
        if event.leaves_qty_lots == 0:
            self._end_order(event.instrument_id, event.client_order_id)
            return
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            order.leaves_lots = event.leaves_qty_lots
            self.reserve_order(event.instrument_id, order)

    def _replaced(self, event: OrderReplaced) -> None:
        self._answered(event.client_order_id)
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            order.leaves_lots, order.price_ticks = event.qty_lots, event.price_ticks
            self.reserve_order(event.instrument_id, order)

    def _rejected(self, event: OrderRejected) -> None:
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None and not order.is_accepted:
            # Answers come in the order of the commands: this one is to the order itself.
            self._end_order(event.instrument_id, event.client_order_id)
            if self.affairs is not None:
                self.affairs.order_refused()
            return
        self._answered(event.client_order_id)
        if order is not None:
            order.cancel_sent = False
            self.reserve_order(event.instrument_id, order)

    def _rfq_opened(self, event: RfqOpened) -> None:
        if event.agent_id == self._agent_id:
            self.requests[event.instrument_id][event.rfq_id] = event
            if self.affairs is not None:
                self.affairs.request_opened(event)

    def _rfq_traded(self, event: RfqTraded) -> None:
        is_asker = event.agent_id == self._agent_id
        is_buy = (event.side is Side.BUY) == is_asker
        self._move(event.instrument_id, is_buy, event.price_ticks, event.qty_lots)
        if self.guard is not None and not is_asker:
            self.guard.release(("quote", event.instrument_id, event.rfq_id))

    def _rfq_closed(self, event: RfqClosed) -> None:
        self.requests[event.instrument_id].pop(event.rfq_id, None)
        if self.affairs is not None:
            self.affairs.requests[event.instrument_id].pop(event.rfq_id, None)
        if self.guard is None:
            return
        if event.agent_id == self._agent_id:
            self.guard.release(("rfq", event.client_rfq_id))
        else:
            self.guard.release(("quote", event.instrument_id, event.rfq_id))

    def _rfq_rejected(self, event: RfqRejected) -> None:
        if self.guard is None:
            return
        if event.client_rfq_id:
            self.guard.release(("rfq", event.client_rfq_id))
        elif event.reason in (RejectReason.UNKNOWN_RFQ, RejectReason.NOT_ASKED):
            # The request is over, or this agent is out of it. Any other refusal lets an earlier quote stand.
            self.guard.release(("quote", event.instrument_id, event.rfq_id))

    def _move(self, instrument_id: int, is_buy: bool, price_ticks: Ticks, qty_lots: Lots) -> None:
        value = price_ticks * qty_lots * self._tick_values[instrument_id]
        if is_buy:
            self.positions[instrument_id] += qty_lots
            self.cash -= value
        else:
            self.positions[instrument_id] -= qty_lots
            self.cash += value


OWN_AFFAIRS: dict[type[Message], Callable[[OwnBooks, Any], None]] = {
    OrderAccepted: OwnBooks._accepted,
    OrderFilled: OwnBooks._filled,
    OrderCanceled: OwnBooks._canceled,
    OrderReplaced: OwnBooks._replaced,
    OrderRejected: OwnBooks._rejected,
    RfqOpened: OwnBooks._rfq_opened,
    RfqTraded: OwnBooks._rfq_traded,
    RfqClosed: OwnBooks._rfq_closed,
    RfqRejected: OwnBooks._rfq_rejected,
}
"""How the books take note of a message, for the types of message that change them."""
