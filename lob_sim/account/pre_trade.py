"""Pre-trade limits of one agent: it cannot sell what it does not hold, nor pay with cash that it lacks.

What a working order, an open request or a standing quote may still take is reserved until its owner knows
that it has ended. The owner's knowledge lags the venue's, always in the safe direction: a fill that is still
under way is both in the known position and in the reservation. What a desk has yet to sell by force is reserved
too, and what it sends is taken out of that.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from lob_sim.account.reservations import Reservations
from lob_sim.agents.context import WorkingOrder
from lob_sim.messages import (
    AcceptQuote,
    AgentCommand,
    CancelOrder,
    CancelReason,
    Event,
    NewOrder,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    ReduceOrder,
    RejectReason,
    ReplaceOrder,
    RequestQuote,
    RfqClosed,
    RfqOpened,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Side,
    SubmitQuote,
)
from lob_sim.units import Cash, Instrument, Lots, Ticks

_BUY, _SELL = Side.BUY, Side.SELL
Terms: TypeAlias = tuple[Lots, Ticks]
"""Open quantity and price that a replacement asks for."""


class PreTradePolicy(msgspec.Struct, frozen=True):
    """Which limits hold: ``may_short`` allows negative positions, ``may_overdraw`` negative cash."""

    may_short: bool = True
    may_overdraw: bool = True


class Refusal(NamedTuple):
    """What the limits do not let out."""

    instrument_id: int
    side: Side
    qty_lots: Lots
    price_ticks: Ticks
    parent_order_id: int


class Verdict(NamedTuple):
    """What becomes of a command.

    Attributes:
        command: What may be sent, and is reserved for; ``None`` if nothing may.
        refused: What may not, of all or of a part of it.
    """

    command: AgentCommand | None
    refused: tuple[Refusal, ...] = ()


class Holdings(Protocol):
    """What limits are judged by: an agent's affairs as it knows them."""

    agent_id: int
    instruments: Sequence[Instrument]
    positions: list[Lots]
    cash: Cash
    orders: list[dict[int, WorkingOrder]]
    requests: list[dict[int, RfqOpened]]


class NoLimits:
    """The limits of an agent without any: everything may leave, nothing is reserved."""

    __slots__ = ()

    def check(self, command: AgentCommand) -> Verdict:
        """Whatever it is."""
        return Verdict(command)

    def on_event(self, event: Event) -> None:
        """Nothing to keep."""


class PreTradeRisk(Reservations):
    """What may leave, judged by what is reserved against what the agent knows it has.

    Args:
        policy: Which limits hold.
        holdings: What the agent knows it has.

    Attributes:
        buying_forbidden: Whether a constraint forbids to buy.
    """

    __slots__ = (
        "_answers", "_asked", "_checks", "_holdings", "_policy", "_quoted", "_unanswered", "buying_forbidden",
    )  # fmt: skip

    def __init__(self, policy: PreTradePolicy, holdings: Holdings) -> None:
        super().__init__(len(holdings.positions))
        self._policy = policy
        self._holdings = holdings
        # By client order id, what was sent about an order since and is not answered: terms of a replacement,
        # or None for a reduction or a cancel. Answers come in this order.
        self._unanswered: dict[int, list[Terms | None]] = {}
        # Requests of others that this agent was asked in, until they close.
        self._asked: dict[tuple[int, int], RfqOpened] = {}
        # Offers in own requests, by number of the quote, until they close.
        self._quoted: dict[tuple[int, int], dict[int, Ticks]] = {}
        self.buying_forbidden = False
        self._checks: dict[type[AgentCommand], Callable[[Any], Verdict]] = {
            NewOrder: self._check_order,
            ReplaceOrder: self._check_replacement,
            CancelOrder: self._note_change,
            ReduceOrder: self._note_change,
            RequestQuote: self._check_request,
            SubmitQuote: self._check_quote,
            AcceptQuote: self._check_acceptance,
        }
        self._answers: dict[type[Event], Callable[[Any], None]] = {
            OrderFilled: self._order_filled,
            OrderCanceled: self._order_canceled,
            OrderReplaced: self._order_answered,
            OrderRejected: self._order_answered,
            RfqOpened: self._rfq_opened,
            RfqQuoted: self._rfq_quoted,
            RfqTraded: self._rfq_traded,
            RfqClosed: self._rfq_closed,
            RfqRejected: self._rfq_rejected,
        }

    # --- the two questions ----------------------------------------------------------------------------------
    def check(self, command: AgentCommand) -> Verdict:
        """Judge a command that is about to leave, and reserve for what of it may."""
        check = self._checks.get(type(command))
        return self._check_exposure(command) if check is None else check(command)

    def on_event(self, event: Event) -> None:
        """Free what an event has ended; the agent's account has taken note of it before."""
        answer = self._answers.get(type(event))
        if answer is not None:
            answer(event)
            return
        released = event.releases()
        if released is not None:
            key, left = released
            self.release_to(key, left)

    def hears(self, kind: type[Event]) -> bool:
        """Whether events of a type may end something."""
        return kind in self._answers or kind.releases is not Event.releases

    def free_lots(self, instrument_id: int) -> Lots:
        """Lots held that no commitment may still sell, those set aside for forced sales among them."""
        uncommitted = self._holdings.positions[instrument_id] - self.lots[instrument_id]
        return uncommitted + self.lots_set_aside(instrument_id)

    # --- forced sales ---------------------------------------------------------------------------------------
    def check_of_manager(self, command: AgentCommand) -> Verdict:
        """Judge a command of whoever manages the agent: what it sells comes out of what is set aside."""
        instrument_id = command.instrument_id
        set_aside = self.lots_set_aside(instrument_id)
        if not set_aside:
            return self.check(command)
        self.set_aside(instrument_id, 0)
        before = self.lots[instrument_id]
        verdict = self.check(command)
        self.set_aside(instrument_id, max(0, set_aside - (self.lots[instrument_id] - before)))
        return verdict

    # --- what may leave -------------------------------------------------------------------------------------
    def _check_order(self, command: NewOrder) -> Verdict:
        price_ticks = command.price_ticks
        instrument_id, side, qty_lots = command.instrument_id, command.side, command.qty_lots
        # A market order has no price, and nothing bounds what it costs.
        if not self._admits(instrument_id, side, qty_lots, price_ticks, bounded=price_ticks != 0):
            return Verdict(None, (Refusal(instrument_id, side, qty_lots, price_ticks, command.parent_order_id),))
        order = WorkingOrder(command.client_order_id, side, price_ticks, qty_lots, command.parent_order_id)
        self.reserve(command.client_order_id, instrument_id, *self._most(instrument_id, order))
        return Verdict(command)

    def _check_replacement(self, command: ReplaceOrder) -> Verdict:
        instrument_id, number = command.instrument_id, command.client_order_id
        order = self._holdings.orders[instrument_id].get(number)
        if order is None:
            return Verdict(command)
        held_lots, held_cash = self.reserved(number)
        terms = (command.qty_lots, command.price_ticks)
        lots, cash = self._most(instrument_id, order, terms)
        if not self._fits(instrument_id, order.side, lots - held_lots, cash - held_cash):
            return Verdict(None, (Refusal(instrument_id, order.side, *terms, order.parent_order_id),))
        self._unanswered.setdefault(number, []).append(terms)
        self.reserve(number, instrument_id, lots, cash)
        return Verdict(command)

    def _note_change(self, command: CancelOrder | ReduceOrder) -> Verdict:
        if command.client_order_id in self._holdings.orders[command.instrument_id]:
            self._unanswered.setdefault(command.client_order_id, []).append(None)
        return Verdict(command)

    def _check_request(self, command: RequestQuote) -> Verdict:
        if command.side == _BUY:
            return Verdict(command)
        instrument_id, qty_lots = command.instrument_id, command.qty_lots
        if not self._admits(instrument_id, _SELL, qty_lots, 0):
            return Verdict(None, (Refusal(instrument_id, _SELL, qty_lots, 0, command.parent_order_id),))
        self.reserve(("rfq", command.client_rfq_id), instrument_id, max(0, qty_lots), 0)
        return Verdict(command)

    def _check_quote(self, command: SubmitQuote) -> Verdict:
        """A quote may lose the side that the limits do not allow."""
        instrument_id, rfq_id = command.instrument_id, command.rfq_id
        request = self._asked.get((instrument_id, rfq_id))
        if request is None:
            # Over, so far as is known: it cannot deal any more.
            return Verdict(command)
        qty_lots = request.qty_lots
        # An earlier quote in this request stands until this one has arrived and been taken.
        key = ("quote", instrument_id, rfq_id)
        bid_ticks, ask_ticks = command.bid_ticks, command.ask_ticks
        refused: list[Refusal] = []
        if bid_ticks and not self._admits(instrument_id, _BUY, qty_lots, bid_ticks, key=key):
            refused.append(Refusal(instrument_id, _BUY, qty_lots, bid_ticks, 0))
            bid_ticks = 0
        if ask_ticks and not self._admits(instrument_id, _SELL, qty_lots, ask_ticks, key=key):
            refused.append(Refusal(instrument_id, _SELL, qty_lots, ask_ticks, 0))
            ask_ticks = 0
        if not bid_ticks and not ask_ticks:
            return Verdict(None, tuple(refused))
        value = self._holdings.instruments[instrument_id].value(max(0, bid_ticks), qty_lots)
        self.raise_to(key, instrument_id, qty_lots if ask_ticks else 0, value)
        if refused:
            command = msgspec.structs.replace(command, bid_ticks=bid_ticks, ask_ticks=ask_ticks)
        return Verdict(command, tuple(refused))

    def _check_acceptance(self, command: AcceptQuote) -> Verdict:
        """Of several acceptances under way one at most deals."""
        instrument_id = command.instrument_id
        if command.side != _BUY:
            return Verdict(command)
        request = self._holdings.requests[instrument_id].get(command.rfq_id)
        price_ticks = self._quoted.get((instrument_id, command.rfq_id), {}).get(command.quote_id, 0)
        if request is None:
            # Over, so far as is known: nothing says how much it would cost.
            return Verdict(None, (Refusal(instrument_id, _BUY, 0, price_ticks, 0),))
        key, qty_lots = ("rfq", request.client_rfq_id), request.qty_lots
        if not self._admits(instrument_id, _BUY, qty_lots, price_ticks, key=key):
            return Verdict(None, (Refusal(instrument_id, _BUY, qty_lots, price_ticks, 0),))
        value = self._holdings.instruments[instrument_id].value(price_ticks, qty_lots)
        self.raise_to(key, instrument_id, 0, value)
        return Verdict(command)

    def _check_exposure(self, command: AgentCommand) -> Verdict:
        """A command of a further venue says itself what it may do."""
        exposure = command.exposure()
        if exposure is None:
            return Verdict(command)
        key, side, qty_lots, price_ticks = exposure
        bounded = price_ticks is not None
        price_ticks = price_ticks or 0
        if not self._admits(command.instrument_id, side, qty_lots, price_ticks, bounded=bounded, key=key):
            return Verdict(None, (Refusal(command.instrument_id, side, qty_lots, price_ticks, 0),))
        value = self._holdings.instruments[command.instrument_id].value(max(0, price_ticks), max(0, qty_lots))
        lots, cash = (max(0, qty_lots), 0) if side == _SELL else (0, value)
        self.reserve(key, command.instrument_id, lots, cash)
        return Verdict(command)

    def _admits(
        self,
        instrument_id: int,
        side: Side,
        qty_lots: Lots,
        price_ticks: Ticks,
        *,
        bounded: bool = True,
        key: Hashable = None,
    ) -> bool:
        """Whether so many lots at that price fit, beyond what is reserved under ``key`` for the same purpose."""
        held_lots, held_cash = self.reserved(key)
        value = self._holdings.instruments[instrument_id].value(max(0, price_ticks), max(0, qty_lots))
        cost = max(0, value - held_cash) if bounded else None
        return self._fits(instrument_id, side, max(0, qty_lots - held_lots), cost)

    def _fits(self, instrument_id: int, side: Side, more_lots: Lots, more_cash: Cash | None) -> bool:
        """Whether a commitment may grow by so much; no bound on the cost of a purchase is ``None``."""
        if side is _SELL:
            held = self._holdings.positions[instrument_id]
            return self._policy.may_short or self.lots[instrument_id] + more_lots <= held
        if self.buying_forbidden:
            return False
        return self._policy.may_overdraw or (more_cash is not None and self.cash + more_cash <= self._holdings.cash)

    def _most(self, instrument_id: int, order: WorkingOrder, new_terms: Terms | None = None) -> tuple[Lots, Cash]:
        """The most that an order may still sell (lots) or cost (cash units), whatever is under way.

        A replacement gives a new *open* quantity, and whatever trades before it arrives comes on top: all but
        one lot of the quantity that it replaces, for of an order that is complete nothing can be replaced.

        Args:
            instrument_id: What it trades.
            order: As it is known.
            new_terms: Those of one more replacement, besides those under way.
        """
        is_sell = order.side is _SELL
        tick_value = self._holdings.instruments[instrument_id].cash_per_tick_lot
        unanswered = self._unanswered.get(order.client_order_id)
        if not unanswered and new_terms is None:
            # Nothing is under way: it may do what it says.
            lots = max(0, order.leaves_lots)
            return (lots, 0) if is_sell else (0, lots * max(0, order.price_ticks) * tick_value)
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
        return (most, 0) if is_sell else (0, most * tick_value)

    # --- what has been answered -----------------------------------------------------------------------------
    def _order_filled(self, event: OrderFilled) -> None:
        self._follow(event.instrument_id, event.client_order_id, answered=False)

    def _order_canceled(self, event: OrderCanceled) -> None:
        self._follow(event.instrument_id, event.client_order_id, answered=event.reason is CancelReason.BY_OWNER)

    def _order_answered(self, event: OrderReplaced | OrderRejected) -> None:
        self._follow(event.instrument_id, event.client_order_id, answered=True)

    def _follow(self, instrument_id: int, client_order_id: int, *, answered: bool) -> None:
        """Reserve for what an order may do now that the venue has spoken of it."""
        order = self._holdings.orders[instrument_id].get(client_order_id)
        if order is None:
            self._unanswered.pop(client_order_id, None)
            self.release(client_order_id)
            return
        unanswered = self._unanswered.get(client_order_id)
        if answered and unanswered:
            del unanswered[0]
        self.reserve(client_order_id, instrument_id, *self._most(instrument_id, order))

    def _rfq_opened(self, event: RfqOpened) -> None:
        if event.agent_id != self._holdings.agent_id:
            self._asked[event.instrument_id, event.rfq_id] = event

    def _rfq_quoted(self, event: RfqQuoted) -> None:
        self._quoted.setdefault((event.instrument_id, event.rfq_id), {})[event.quote_id] = event.ask_ticks

    def _rfq_traded(self, event: RfqTraded) -> None:
        if event.agent_id != self._holdings.agent_id:
            self.release(("quote", event.instrument_id, event.rfq_id))

    def _rfq_closed(self, event: RfqClosed) -> None:
        if event.agent_id == self._holdings.agent_id:
            self._quoted.pop((event.instrument_id, event.rfq_id), None)
            self.release(("rfq", event.client_rfq_id))
        else:
            self._asked.pop((event.instrument_id, event.rfq_id), None)
            self.release(("quote", event.instrument_id, event.rfq_id))

    def _rfq_rejected(self, event: RfqRejected) -> None:
        if event.client_rfq_id:
            self.release(("rfq", event.client_rfq_id))
        elif event.reason in (RejectReason.UNKNOWN_RFQ, RejectReason.NOT_ASKED):
            # The request is over, or this agent is out of it. Any other refusal lets an earlier quote stand.
            self.release(("quote", event.instrument_id, event.rfq_id))
