"""The context that a component is handed: what it is shown, and actions that become commands."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from lob_sim.agents.arguments import (
    MOST,
    agent_number,
    agent_numbers,
    asked_side,
    instrument_number,
    member,
    message,
    nanoseconds,
    observation,
    order_arguments,
    shown,
    whole,
)
from lob_sim.agents.context import WorkingOrder
from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    Command,
    DeclineQuote,
    DeclineReason,
    Event,
    NewOrder,
    OrderRefused,
    OrderType,
    ReduceOrder,
    ReplaceOrder,
    RequestQuote,
    RfqOpened,
    RfqQuoted,
    SelfTradePrevention,
    Side,
    SubmitQuote,
    TimeInForce,
    WalkAway,
)
from lob_sim.rng import Stream
from lob_sim.simulation.hooks import LETTERS
from lob_sim.simulation.views import AgentView
from lob_sim.units import Lots, Ns, Ticks

if TYPE_CHECKING:
    from lob_sim.simulation.host import AgentHost
    from lob_sim.simulation.market import Market

_SELL = Side.SELL


class AgentContext(AgentView):
    """One component's window; implements :class:`~lob_sim.agents.context.Context`.

    The components of one agent share its books and its outbox. Whatever is handed to an action is checked before
    anything is done, so that a component which catches the error finds nothing half-done.
    """

    __slots__ = ("_component", "_ids", "_n_instruments", "_outbox")

    def __init__(self, host: AgentHost, market: Market, component: int, random: Stream, is_desk: bool) -> None:
        super().__init__(host, market, random, is_desk)
        self._outbox: list[Command] = host.outbox
        self._ids = host.ids
        self._component = component
        self._n_instruments = len(market.instruments)

    # --- lit orders -----------------------------------------------------------------------------------------
    def place(
        self,
        instrument_id: int,
        side: Side,
        qty_lots: Lots,
        price_ticks: Ticks = 0,
        *,
        order_type: OrderType = OrderType.LIMIT,
        time_in_force: TimeInForce = TimeInForce.GTC,
        stop_price_ticks: Ticks = 0,
        display_qty_lots: Lots = 0,
        hidden: bool = False,
        post_only: bool = False,
        self_trade: SelfTradePrevention = SelfTradePrevention.CANCEL_MAKER,
        parent_order_id: int = 0,
    ) -> int:
        # What is already of the kinds that it should be, and within bounds, costs no call.
        if (
            type(instrument_id) is not int
            or type(side) is not Side
            or type(qty_lots) is not int
            or type(price_ticks) is not int
            or type(order_type) is not OrderType
            or type(time_in_force) is not TimeInForce
            or type(stop_price_ticks) is not int
            or type(display_qty_lots) is not int
            or type(hidden) is not bool
            or type(post_only) is not bool
            or type(self_trade) is not SelfTradePrevention
            or type(parent_order_id) is not int
            or not 0 <= qty_lots | price_ticks | stop_price_ticks | display_qty_lots | parent_order_id <= MOST
            or not 0 <= instrument_id < self._n_instruments
        ):
            (
                instrument_id, side, qty_lots, price_ticks, order_type, time_in_force, stop_price_ticks,
                display_qty_lots, hidden, post_only, self_trade, parent_order_id,
            ) = order_arguments(
                self._n_instruments,
                (
                    instrument_id, side, qty_lots, price_ticks, order_type, time_in_force, stop_price_ticks,
                    display_qty_lots, hidden, post_only, self_trade, parent_order_id,
                ),
            )  # fmt: skip
        books = self._books
        if books.guard is not None and not self._admits(
            instrument_id, side, qty_lots, price_ticks, parent_order_id, bounded=price_ticks != 0
        ):
            return 0
        client_order_id = next(self._ids)
        self._outbox.append(
            NewOrder(
                instrument_id,
                self.agent_id,
                client_order_id,
                side,
                qty_lots,
                price_ticks,
                order_type,
                time_in_force,
                stop_price_ticks,
                display_qty_lots,
                hidden,
                post_only,
                self_trade,
                parent_order_id,
                self._kernel._now,
            )
        )
        order = WorkingOrder(client_order_id, side, price_ticks, qty_lots, parent_order_id)
        books.orders[instrument_id][client_order_id] = order
        if books.guard is not None:
            books.reserve_order(instrument_id, order)
            if self._is_desk:
                self._note_sent(client_order_id)
            elif self._affairs is not None:
                self._orders[instrument_id][client_order_id] = order
        return client_order_id

    def cancel(self, instrument_id: int, client_order_id: int) -> None:
        if (
            type(instrument_id) is not int
            or type(client_order_id) is not int
            or not 0 <= client_order_id <= MOST
            or not 0 <= instrument_id < self._n_instruments
        ):
            instrument_id = instrument_number(instrument_id, self._n_instruments)
            client_order_id = whole(client_order_id, "client_order_id")
        if self._affairs is not None:
            self._note_change(client_order_id)
        order = self._books.orders[instrument_id].get(client_order_id)
        if order is not None:
            order.cancel_sent = True
            self._books.sent(order, None)
        self._outbox.append(CancelOrder(instrument_id, self.agent_id, client_order_id, ts_sent_ns=self._kernel._now))

    def cancel_all(self, instrument_id: int, side: Side | None = None) -> None:
        instrument_id = instrument_number(instrument_id, self._n_instruments)
        if side is not None:
            side = member(Side, side, "side")
        for order in self._orders[instrument_id].values():
            if not order.cancel_sent and (side is None or order.side is side):
                self.cancel(instrument_id, order.client_order_id)

    def reduce(self, instrument_id: int, client_order_id: int, qty_lots: Lots) -> None:
        instrument_id = instrument_number(instrument_id, self._n_instruments)
        client_order_id = whole(client_order_id, "client_order_id")
        qty_lots = whole(qty_lots, "qty_lots")
        if self._affairs is not None:
            self._note_change(client_order_id)
        order = self._books.orders[instrument_id].get(client_order_id)
        if order is not None:
            self._books.sent(order, None)
        now_ns = self._kernel._now
        self._outbox.append(ReduceOrder(instrument_id, self.agent_id, qty_lots, client_order_id, ts_sent_ns=now_ns))

    def replace(self, instrument_id: int, client_order_id: int, qty_lots: Lots, price_ticks: Ticks) -> None:
        if (
            type(instrument_id) is not int
            or type(client_order_id) is not int
            or type(qty_lots) is not int
            or type(price_ticks) is not int
            or not 0 <= client_order_id | qty_lots | price_ticks <= MOST
            or not 0 <= instrument_id < self._n_instruments
        ):
            instrument_id = instrument_number(instrument_id, self._n_instruments)
            client_order_id = whole(client_order_id, "client_order_id")
            qty_lots, price_ticks = whole(qty_lots, "qty_lots"), whole(price_ticks, "price_ticks")
        if self._affairs is not None:
            self._require_own(client_order_id)
        books = self._books
        order = books.orders[instrument_id].get(client_order_id)
        if books.guard is not None and order is not None:
            held_lots, held_cash = books.guard.reserved(client_order_id)
            lots, cash = books.commitment(instrument_id, order, (qty_lots, price_ticks))
            position, own_cash = books.positions[instrument_id], books.cash
            if not books.guard.admits(
                instrument_id, order.side, lots - held_lots, cash - held_cash, position, own_cash
            ):
                # Its owner no longer wants the old terms, and may not have the new ones.
                self._refuse(instrument_id, order.side, qty_lots, price_ticks, order.parent_order_id)
                self.cancel(instrument_id, client_order_id)
                return
            books.sent(order, (qty_lots, price_ticks))
            books.guard.reserve(client_order_id, instrument_id, lots, cash)
        if self._affairs is not None:
            self._note_change(client_order_id)
        now_ns = self._kernel._now
        self._outbox.append(
            ReplaceOrder(instrument_id, self.agent_id, qty_lots, price_ticks, client_order_id, ts_sent_ns=now_ns)
        )

    # --- request for quote ----------------------------------------------------------------------------------
    def request_quote(
        self,
        instrument_id: int,
        side: Side | None,
        qty_lots: Lots,
        dealer_ids: Sequence[int],
        ttl_ns: Ns,
        parent_order_id: int = 0,
    ) -> int:
        instrument_id = instrument_number(instrument_id, self._n_instruments)
        asked, qty_lots = asked_side(side), whole(qty_lots, "qty_lots")
        dealers, ttl_ns = agent_numbers(dealer_ids, "dealer_ids"), nanoseconds(ttl_ns, "ttl_ns")
        parent_order_id = whole(parent_order_id, "parent_order_id")
        client_rfq_id = next(self._ids)
        guard = self._books.guard
        if guard is not None and asked != Side.BUY:
            if not self._admits(instrument_id, _SELL, qty_lots, 0, parent_order_id):
                return 0
            guard.reserve(("rfq", client_rfq_id), instrument_id, max(0, qty_lots), 0)
        if self._is_desk:
            self._note_sent(client_rfq_id)
        self._outbox.append(
            RequestQuote(
                instrument_id,
                self.agent_id,
                client_rfq_id,
                asked,
                qty_lots,
                dealers,
                ttl_ns,
                parent_order_id,
                self._kernel._now,
            )
        )
        return client_rfq_id

    def quote(self, request: RfqOpened, bid_ticks: Ticks, ask_ticks: Ticks, ttl_ns: Ns) -> None:
        instrument_id, rfq_id = self._named(message(request, RfqOpened, "request"))
        qty_lots = whole(request.qty_lots, "request.qty_lots")
        bid_ticks, ask_ticks = whole(bid_ticks, "bid_ticks"), whole(ask_ticks, "ask_ticks")
        ttl_ns = nanoseconds(ttl_ns, "ttl_ns")
        guard = self._books.guard
        if guard is not None:
            # An earlier quote in this request stands until this one has arrived and been taken.
            key = ("quote", instrument_id, rfq_id)
            if bid_ticks and not self._admits(instrument_id, Side.BUY, qty_lots, bid_ticks, key=key):
                bid_ticks = 0
            if ask_ticks and not self._admits(instrument_id, _SELL, qty_lots, ask_ticks, key=key):
                ask_ticks = 0
            if not bid_ticks and not ask_ticks:
                self.decline(request, DeclineReason.CAPACITY)
                return
            value = self._market.instruments[instrument_id].value(max(0, bid_ticks), qty_lots)
            guard.raise_to(key, instrument_id, qty_lots if ask_ticks else 0, value)
        self._outbox.append(
            SubmitQuote(instrument_id, self.agent_id, rfq_id, bid_ticks, ask_ticks, ttl_ns, self._kernel._now)
        )

    def decline(self, request: RfqOpened, reason: DeclineReason = DeclineReason.NO_INTEREST) -> None:
        instrument_id, rfq_id = self._named(message(request, RfqOpened, "request"))
        reason = member(DeclineReason, reason, "reason")
        self._outbox.append(DeclineQuote(instrument_id, self.agent_id, rfq_id, reason, self._kernel._now))

    def accept(self, quote: RfqQuoted, side: Side) -> None:
        instrument_id, rfq_id = self._named(message(quote, RfqQuoted, "quote"))
        quote_id, ask_ticks = whole(quote.quote_id, "quote.quote_id"), whole(quote.ask_ticks, "quote.ask_ticks")
        side = member(Side, side, "side")
        request = self._books.requests[instrument_id].get(rfq_id)
        guard = self._books.guard
        if guard is not None and side is Side.BUY:
            if request is None:
                # Over, so far as is known: nothing says how much it would cost.
                self._refuse(instrument_id, side, 0, ask_ticks, 0)
                return
            key, qty_lots = ("rfq", request.client_rfq_id), request.qty_lots
            if not self._admits(instrument_id, side, qty_lots, ask_ticks, key=key):
                return
            # Of several acceptances under way one at most deals.
            value = self._market.instruments[instrument_id].value(ask_ticks, qty_lots)
            guard.raise_to(key, instrument_id, 0, value)
        self._outbox.append(AcceptQuote(instrument_id, self.agent_id, rfq_id, quote_id, side, self._kernel._now))

    def walk_away(self, instrument_id: int, rfq_id: int) -> None:
        instrument_id, rfq_id = instrument_number(instrument_id, self._n_instruments), whole(rfq_id, "rfq_id")
        self._outbox.append(WalkAway(instrument_id, self.agent_id, rfq_id, self._kernel._now))

    # --- wake-ups and observations --------------------------------------------------------------------------
    def wake_in(self, delay_ns: Ns, tag: int = 0) -> None:
        if type(delay_ns) is not int or type(tag) is not int:
            delay_ns, tag = nanoseconds(delay_ns, "delay_ns"), whole(tag, "tag")
        self._kernel.call_in(delay_ns if delay_ns > 0 else 1, self._host.wake, (self._component, tag))

    def tell(self, agent_id: int, event: Event) -> None:
        agent_id = agent_number(agent_id, len(self._market.hosts))
        if type(event) not in LETTERS:
            names = " or ".join(letter.__name__ for letter in LETTERS)
            raise TypeError(f"{shown(event)} is no letter; expected a {names}")
        self._host.tell(agent_id, observation(event, self._kernel._now))

    def log(self, event: Event) -> None:
        # A desk says what it is made to say, thousands of times.
        self._market.recorder.record(event if self._is_desk else observation(event, self._kernel._now))

    # --- whose it is ----------------------------------------------------------------------------------------
    def _named(self, about: RfqOpened | RfqQuoted) -> tuple[int, int]:
        """Instrument and number of the request that a message is about."""
        instrument_id = instrument_number(about.instrument_id, self._n_instruments)
        return instrument_id, whole(about.rfq_id, "rfq_id")

    def _note_sent(self, client_id: int) -> None:
        assert self._affairs is not None
        self._affairs.ids.add(client_id)

    def _require_own(self, client_order_id: int) -> None:
        """Raise a PermissionError if a strategy names an order of the desk's."""
        assert self._affairs is not None
        if not self._is_desk and client_order_id in self._affairs.ids:
            raise PermissionError(
                f"order {client_order_id} is a forced sale, which the desk of {self.name} alone may change"
            )

    def _note_change(self, client_order_id: int) -> None:
        assert self._affairs is not None
        self._require_own(client_order_id)
        self._affairs.change_sent(client_order_id, self._is_desk)

    def _admits(
        self,
        instrument_id: int,
        side: Side,
        qty_lots: Lots,
        price_ticks: Ticks,
        parent_order_id: int = 0,
        *,
        bounded: bool = True,
        key: Hashable = None,
    ) -> bool:
        """Ask the guard, and log it if it refuses.

        Args:
            instrument_id: What is traded.
            side: Buy or sell.
            qty_lots: The quantity.
            price_ticks: The price.
            parent_order_id: The parent order that it is a child of, or 0.
            bounded: Whether a lot can cost no more than the price.
            key: Under which something is reserved for the same purpose.
        """
        books = self._books
        guard = books.guard
        assert guard is not None
        held_lots, held_cash = guard.reserved(key)
        value = self._market.instruments[instrument_id].value(max(0, price_ticks), max(0, qty_lots))
        cost = max(0, value - held_cash) if bounded else None
        position = books.positions[instrument_id]
        if guard.admits(instrument_id, side, max(0, qty_lots - held_lots), cost, position, books.cash):
            return True
        self._refuse(instrument_id, side, qty_lots, price_ticks, parent_order_id)
        return False

    def _refuse(self, instrument_id: int, side: Side, qty_lots: Lots, price_ticks: Ticks, parent_order_id: int) -> None:
        self._market.recorder.record(
            OrderRefused(self._kernel._now, instrument_id, self.agent_id, side, qty_lots, price_ticks, parent_order_id)
        )
