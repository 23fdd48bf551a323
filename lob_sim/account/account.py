"""An agent's own account: working orders, requests, positions and cash, as its messages have told it.

Where an agent has several components (a strategy, and the desk that manages it), all of them send under the agent's
number, and the venue answers the agent. The account knows which of them has sent what: a strategy that took forced
sales for orders of its own would count them, change them, or look for a record that it never made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import force_setattr

from lob_sim.account.pre_trade import NoLimits, PreTradePolicy, PreTradeRisk
from lob_sim.agents.context import Headroom, WorkingOrder
from lob_sim.messages import (
    AgentCommand,
    CancelReason,
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Side,
)
from lob_sim.units import Cash, Instrument, Lots, Ticks


class AgentAccount:
    """One agent's orders, positions and cash, moved forward by the messages that reach it.

    Args:
        agent_id: Whose.
        instruments: What is traded.
        positions: Its endowment in lots by instrument.
        cash: Its endowment in cash units.
        policy: Its pre-trade limits.
        managers: By component, whether it manages the agent, and so sees and may change what the others have sent.

    Attributes:
        orders: By instrument, own working orders by client order id, oldest first.
        positions: Lots by instrument, signed.
        cash: Cash units.
        requests: By instrument, own open requests for quote by ``rfq_id``.
        outbox: Commands of this waking, which have not left yet.
        next_id: The next number of an own order or request.
        limits: What judges commands before they leave, with what is reserved for those that did.
    """

    __slots__ = (
        "_answered", "_changes", "_headroom", "_is_shared", "_managers", "_orders_of", "_requests_of", "_rfq_senders",
        "_senders",
        "agent_id", "cash", "instruments", "limits", "next_id", "orders", "outbox", "positions", "requests",
    )  # fmt: skip

    def __init__(
        self,
        agent_id: int,
        instruments: Sequence[Instrument],
        positions: Sequence[Lots],
        cash: Cash,
        policy: PreTradePolicy,
        managers: Sequence[bool] = (False,),
    ) -> None:
        self.agent_id = agent_id
        self.instruments = instruments
        self.positions = list(positions)
        self.cash = cash
        self.orders: list[dict[int, WorkingOrder]] = [{} for _ in positions]
        self.requests: list[dict[int, RfqOpened]] = [{} for _ in positions]
        self.outbox: list[AgentCommand] = []
        self.next_id = 1
        self._headroom: Headroom | Callable[[], Headroom] | None = None
        self._is_shared = len(managers) > 1
        self._managers = tuple(managers)
        # Who has sent what, by client id and by the venue's number of a request: answers may come after the end.
        self._senders: dict[int, int] = {}
        self._rfq_senders: dict[tuple[int, int], int] = {}
        # By client order id, who has asked for each change that is not answered; the venue answers in this order.
        self._changes: dict[int, deque[int]] = {}
        self._answered: int | None = None
        self._orders_of: list[list[dict[int, WorkingOrder]] | None] = []
        self._requests_of: list[list[dict[int, RfqOpened]] | None] = []
        for manages in managers:
            sees_all = manages or not self._is_shared
            self._orders_of.append(None if sees_all else [{} for _ in positions])
            self._requests_of.append(None if sees_all else [{} for _ in positions])
        self.limits: PreTradeRisk | NoLimits = NoLimits() if policy == PreTradePolicy() else PreTradeRisk(policy, self)

    @property
    def headroom(self) -> Headroom | None:
        """Distance from its balance-sheet limits; ``None`` for an agent without a balance sheet."""
        told = self._headroom
        if callable(told):
            told = self._headroom = told()
        return told

    @headroom.setter
    def headroom(self, told: Headroom | Callable[[], Headroom] | None) -> None:
        # Desks tell it after every mark, and few ask: one that must be worked out waits until somebody does.
        self._headroom = told

    # --- who has sent what ----------------------------------------------------------------------------------
    def orders_of(self, component: int) -> list[dict[int, WorkingOrder]]:
        """The working orders that a component sees: its own, or all."""
        return self._orders_of[component] or self.orders

    def requests_of(self, component: int) -> list[dict[int, RfqOpened]]:
        """The open requests that a component sees: its own, or all."""
        return self._requests_of[component] or self.requests

    def take_id(self, component: int) -> int:
        """The number of a component's new order, request or interest."""
        number = self.next_id
        self.next_id = number + 1
        if self._is_shared:
            self._senders[number] = component
        return number

    def keep_order(self, component: int, instrument_id: int, order: WorkingOrder) -> None:
        """An order has been sent."""
        number = order.client_order_id
        self.orders[instrument_id][number] = order
        if self._is_shared:
            self._senders[number] = component
            own = self._orders_of[component]
            if own is not None:
                own[instrument_id][number] = order

    def note_change(self, component: int, client_order_id: int) -> None:
        """A cancel, reduction or replacement of an order leaves."""
        if self._is_shared:
            self._changes.setdefault(client_order_id, deque()).append(component)

    def _change_answered(self, client_order_id: int) -> None:
        changes = self._changes.get(client_order_id)
        self._answered = changes.popleft() if changes else None
        if not changes:
            self._changes.pop(client_order_id, None)

    def require_own(self, component: int, client_order_id: int, name: str) -> None:
        """See that a component names no order of another, unless it manages the agent.

        Raises:
            PermissionError: It does.
        """
        if self._is_shared and not self._managers[component]:
            sender = self._senders.get(client_order_id, component)
            if sender != component:
                raise PermissionError(
                    f"order {client_order_id} is a forced sale of {name}'s desk, which alone may change it"
                )

    def sender_of(self, event: Any) -> int | None:
        """The component whose order or request an event is about; ``None`` if it is about nothing of the agent's."""
        kind = type(event)
        if kind is OrderRejected and self._answered is not None:
            return self._answered  # what is refused is a change, and its sender's affair
        if kind in _OF_ORDERS:
            return self._senders.get(event.client_order_id)
        if kind in _OF_ANSWERS:
            return self._senders.get(event.client_rfq_id)
        if kind in _OF_REQUESTS and event.agent_id == self.agent_id:
            return self._rfq_senders.get((event.instrument_id, event.rfq_id))
        return None

    # --- messages -------------------------------------------------------------------------------------------
    def note_of(self, kind: type[Event]) -> Callable[[Any], None] | None:
        """How it takes note of events of a type; ``None`` if they do not concern it."""
        note = _note_of(kind)
        if isinstance(self.limits, PreTradeRisk) and self.limits.hears(kind):
            return self.limits.on_event if note is None else self.on_event
        return None if note is None else note.__get__(self)

    def is_shared_by(self, kind: type[Event]) -> bool:
        """Whether events of a type may concern one component alone, so that :meth:`sender_of` must be asked."""
        return self._is_shared and kind in _OF_COMPONENTS

    def on_event(self, event: Event) -> None:
        """Take note of an event, and free what it has ended."""
        note = _note_of(type(event))
        if note is not None:
            note(self, event)
        self.limits.on_event(event)

    def _accepted(self, event: OrderAccepted) -> None:
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            force_setattr(order, "is_accepted", True)

    def _filled(self, event: OrderFilled) -> None:
        self._move(event.instrument_id, event.side is Side.BUY, event.price_ticks, event.qty_lots)
        self._leave(event.instrument_id, event.client_order_id, event.leaves_qty_lots)

    def _canceled(self, event: OrderCanceled) -> None:
        if self._is_shared and event.reason is CancelReason.BY_OWNER:
            self._change_answered(event.client_order_id)
        self._leave(event.instrument_id, event.client_order_id, event.leaves_qty_lots)

    def _leave(self, instrument_id: int, client_order_id: int, leaves_lots: Lots) -> None:
        if leaves_lots == 0:
            self._end_order(instrument_id, client_order_id)
            return
        order = self.orders[instrument_id].get(client_order_id)
        if order is not None:
            force_setattr(order, "leaves_lots", leaves_lots)

    def _replaced(self, event: OrderReplaced) -> None:
        if self._is_shared:
            self._change_answered(event.client_order_id)
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None:
            force_setattr(order, "leaves_lots", event.qty_lots)
            force_setattr(order, "price_ticks", event.price_ticks)

    def _rejected(self, event: OrderRejected) -> None:
        order = self.orders[event.instrument_id].get(event.client_order_id)
        if order is not None and not order.is_accepted:
            # Answers come in the order of the commands: this one is to the order itself.
            self._answered = None
            self._end_order(event.instrument_id, event.client_order_id)
            return
        if self._is_shared:
            self._change_answered(event.client_order_id)
        if order is not None:
            force_setattr(order, "cancel_sent", False)

    def _end_order(self, instrument_id: int, client_order_id: int) -> None:
        self.orders[instrument_id].pop(client_order_id, None)
        if self._is_shared:
            for own in self._orders_of:
                if own is not None:
                    own[instrument_id].pop(client_order_id, None)

    def _rfq_opened(self, event: RfqOpened) -> None:
        if event.agent_id != self.agent_id:
            return
        self.requests[event.instrument_id][event.rfq_id] = event
        sender = self._senders.get(event.client_rfq_id) if self._is_shared else None
        if sender is not None:
            self._rfq_senders[event.instrument_id, event.rfq_id] = sender
            own = self._requests_of[sender]
            if own is not None:
                own[event.instrument_id][event.rfq_id] = event

    def _rfq_closed(self, event: RfqClosed) -> None:
        if event.agent_id != self.agent_id:
            return
        self.requests[event.instrument_id].pop(event.rfq_id, None)
        for own in self._requests_of:
            if own is not None:
                own[event.instrument_id].pop(event.rfq_id, None)

    def _executed(self, event: Event) -> None:
        """Any execution, of whatever venue: the legs that are this agent's."""
        for leg in event.legs():
            if leg.agent_id == self.agent_id:
                self._move(event.instrument_id, leg.side is Side.BUY, leg.price_ticks, leg.qty_lots)  # type: ignore[attr-defined]

    def _move(self, instrument_id: int, is_buy: bool, price_ticks: Ticks, qty_lots: Lots) -> None:
        value = self.instruments[instrument_id].value(price_ticks, qty_lots)
        if is_buy:
            self.positions[instrument_id] += qty_lots
            self.cash -= value
        else:
            self.positions[instrument_id] -= qty_lots
            self.cash += value


_OF_ORDERS = frozenset({OrderAccepted, OrderFilled, OrderCanceled, OrderReplaced, OrderTriggered, OrderRejected})
_OF_ANSWERS = frozenset({RfqQuoted, RfqDeclined, RfqRejected})
_OF_REQUESTS = frozenset({RfqTraded, RfqClosed})
_OF_COMPONENTS = _OF_ORDERS | _OF_ANSWERS | _OF_REQUESTS
_NOTES: dict[type[Event], Callable[[AgentAccount, Any], None]] = {
    OrderAccepted: AgentAccount._accepted,
    OrderFilled: AgentAccount._filled,
    OrderCanceled: AgentAccount._canceled,
    OrderReplaced: AgentAccount._replaced,
    OrderRejected: AgentAccount._rejected,
    RfqOpened: AgentAccount._rfq_opened,
    RfqClosed: AgentAccount._rfq_closed,
}


def _note_of(kind: type[Event]) -> Callable[[AgentAccount, Any], None] | None:
    note = _NOTES.get(kind)
    return AgentAccount._executed if note is None and kind.legs is not Event.legs else note
