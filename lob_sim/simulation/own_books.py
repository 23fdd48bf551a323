"""What an agent knows of its own affairs: working orders, position and cash, as its messages have told it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lob_sim.agents.context import WorkingOrder
from lob_sim.messages import (
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
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
from lob_sim.simulation.guard import Guard
from lob_sim.units import Cash, Lots, Ticks


class OwnBooks:
    """One agent's orders, positions and cash, moved forward by the messages that reach it.

    Attributes:
        orders: By instrument, own working orders by client order id, oldest first.
        positions: Lots by instrument, signed.
        cash: Cash units.
        requests: By instrument, own open requests for quote by ``rfq_id``.
        guard: Reservations behind working orders and quotes; ``None`` for an agent without pre-trade limits.
    """

    __slots__ = ("_agent_id", "_pending", "_tick_values", "cash", "guard", "orders", "positions", "requests")

    def __init__(
        self, agent_id: int, positions: Sequence[Lots], cash: Cash, tick_values: Sequence[int], guard: Guard | None
    ) -> None:
        self._agent_id = agent_id
        self._tick_values = tick_values
        self.positions = list(positions)
        self.cash = cash
        self.orders: list[dict[int, WorkingOrder]] = [{} for _ in positions]
        self.requests: list[dict[int, RfqOpened]] = [{} for _ in positions]
        self.guard = guard
        # Replacements under way: what they ask for stays reserved until the venue has answered.
        self._pending: dict[int, list[tuple[Lots, Ticks]]] = {}

    def apply(self, event: Event) -> None:
        """Take note of one message; events that change none of this are ignored."""
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)

    # --- commitments -----------------------------------------------------------------------------------------
    def reserve_order(self, instrument_id: int, order: WorkingOrder) -> None:
        """Reserve for the worst that the order and its replacements under way may still do."""
        guard = self.guard
        if guard is None:
            return
        terms = [(order.leaves_lots, order.price_ticks), *self._pending.get(order.client_order_id, ())]
        if order.side is Side.SELL:
            guard.reserve(order.client_order_id, instrument_id, max(q for q, _ in terms), 0)
        else:
            tick_value = self._tick_values[instrument_id]
            guard.reserve(order.client_order_id, instrument_id, 0, max(q * p for q, p in terms) * tick_value)

    def add_pending(self, instrument_id: int, order: WorkingOrder, qty_lots: Lots, price_ticks: Ticks) -> None:
        """Note a replacement that has been sent."""
        if self.guard is not None:
            self._pending.setdefault(order.client_order_id, []).append((qty_lots, price_ticks))
            self.reserve_order(instrument_id, order)

    def _end_order(self, instrument_id: int, client_order_id: int) -> None:
        self.orders[instrument_id].pop(client_order_id, None)
        if self.guard is not None:
            self._pending.pop(client_order_id, None)
            self.guard.release(client_order_id)

    def _answer_pending(self, client_order_id: int) -> None:
        pending = self._pending.get(client_order_id)
        if pending:
            del pending[0]

    # --- messages ---------------------------------------------------------------------------------------------
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
        if event.leaves_qty_lots == 0:
            self._end_order(event.instrument_id, event.client_order_id)
            return
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            order.leaves_lots = event.leaves_qty_lots
            self.reserve_order(event.instrument_id, order)

    def _expired(self, event: OrderExpired) -> None:
        self._end_order(event.instrument_id, event.client_order_id)

    def _replaced(self, event: OrderReplaced) -> None:
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            order.leaves_lots, order.price_ticks = event.qty_lots, event.price_ticks
            self._answer_pending(event.client_order_id)
            self.reserve_order(event.instrument_id, order)

    def _rejected(self, event: OrderRejected) -> None:
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is None:
            return
        if not order.is_accepted:
            # Answers come in the order of the commands: this one is to the order itself.
            self._end_order(event.instrument_id, event.client_order_id)
            return
        order.cancel_sent = False
        self._answer_pending(event.client_order_id)
        self.reserve_order(event.instrument_id, order)

    def _rfq_opened(self, event: RfqOpened) -> None:
        if event.agent_id == self._agent_id:
            self.requests[event.instrument_id][event.rfq_id] = event

    def _rfq_traded(self, event: RfqTraded) -> None:
        is_asker = event.agent_id == self._agent_id
        is_buy = (event.side is Side.BUY) == is_asker
        self._move(event.instrument_id, is_buy, event.price_ticks, event.qty_lots)
        if self.guard is not None and not is_asker:
            self.guard.release(("quote", event.instrument_id, event.rfq_id))

    def _rfq_closed(self, event: RfqClosed) -> None:
        self.requests[event.instrument_id].pop(event.rfq_id, None)
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
        elif event.reason is RejectReason.UNKNOWN_RFQ:
            self.guard.release(("quote", event.instrument_id, event.rfq_id))

    def _move(self, instrument_id: int, is_buy: bool, price_ticks: Ticks, qty_lots: Lots) -> None:
        value = price_ticks * qty_lots * self._tick_values[instrument_id]
        if is_buy:
            self.positions[instrument_id] += qty_lots
            self.cash -= value
        else:
            self.positions[instrument_id] -= qty_lots
            self.cash += value


_HANDLERS: dict[type[Event], Callable[[OwnBooks, Any], None]] = {
    OrderAccepted: OwnBooks._accepted,
    OrderFilled: OwnBooks._filled,
    OrderCanceled: OwnBooks._canceled,
    OrderExpired: OwnBooks._expired,
    OrderReplaced: OwnBooks._replaced,
    OrderRejected: OwnBooks._rejected,
    RfqOpened: OwnBooks._rfq_opened,
    RfqTraded: OwnBooks._rfq_traded,
    RfqClosed: OwnBooks._rfq_closed,
    RfqRejected: OwnBooks._rfq_rejected,
}
