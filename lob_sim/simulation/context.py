"""The context that a component is handed: views as late as its latency, actions that become commands."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from operator import index
from typing import TYPE_CHECKING

from lob_sim.agents.context import Headroom, Switches, TopOfBook, WorkingOrder
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
    Phase,
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
from lob_sim.simulation.own_books import OwnBooks
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks

if TYPE_CHECKING:
    from lob_sim.simulation.host import AgentHost
    from lob_sim.simulation.market import Market

_SELL = Side.SELL


class AgentContext:
    """One component's window; implements :class:`~lob_sim.agents.context.Context`.

    The components of one agent share everything here but their wake-ups.
    """

    __slots__ = (
        "_books",
        "_component",
        "_host",
        "_ids",
        "_kernel",
        "_market",
        "_outbox",
        "agent_id",
        "name",
        "random",
    )

    def __init__(self, host: AgentHost, market: Market, component: int, random: Stream) -> None:
        self._host = host
        self._market = market
        self._kernel = market.kernel
        self._books: OwnBooks = host.books
        self._outbox: list[Command] = host.outbox
        self._ids = host.ids
        self._component = component
        self.agent_id = host.agent_id
        self.name = host.name
        self.random = random

    # --- who and when, and the market as seen ---------------------------------------------------------------
    @property
    def now_ns(self) -> Ns:
        return self._kernel._now

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self._market.instruments

    @property
    def switches(self) -> Switches:
        return self._market.switches

    @property
    def dealers(self) -> tuple[int, ...]:
        return self._host.dealers

    @property
    def cash(self) -> Cash:
        return self._books.cash

    @property
    def headroom(self) -> Headroom | None:
        return self._host.headroom

    def initial_ticks(self, instrument_id: int) -> Ticks:
        return self._market.initial_ticks[instrument_id]

    def top(self, instrument_id: int) -> TopOfBook:
        return self._market.tops[instrument_id].at(self._host.view_ns())

    def last_trade_ticks(self, instrument_id: int) -> Ticks:
        return self._market.last_trades[instrument_id].at(self._host.view_ns())

    def phase(self, instrument_id: int) -> Phase:
        return self._market.phases[instrument_id].at(self._host.view_ns())

    def group_of(self, agent_id: int) -> str:
        return self._market.group_of(agent_id)

    def fair_value(self, instrument_id: int) -> float:
        if not self._host.sees_fair_value:
            raise PermissionError(f"{self.name} does not see fair value: its group lacks sees_fair_value")
        return self._market.fair_values[instrument_id]

    def position(self, instrument_id: int) -> Lots:
        return self._books.positions[instrument_id]

    def orders(self, instrument_id: int) -> Mapping[int, WorkingOrder]:
        return self._books.orders[instrument_id]

    def requests(self, instrument_id: int) -> Mapping[int, RfqOpened]:
        return self._books.requests[instrument_id]

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
        # A sum of whole numbers is one: three checks at the price of one.
        if (
            type(qty_lots) is not int
            or type(price_ticks) is not int
            or type(stop_price_ticks + display_qty_lots + parent_order_id) is not int
            or instrument_id < 0
        ):
            self._require(instrument_id)
            qty_lots, price_ticks = _whole(qty_lots, "qty_lots"), _whole(price_ticks, "price_ticks")
            stop_price_ticks = _whole(stop_price_ticks, "stop_price_ticks")
            display_qty_lots = _whole(display_qty_lots, "display_qty_lots")
            parent_order_id = _whole(parent_order_id, "parent_order_id")
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
        return client_order_id

    def cancel(self, instrument_id: int, client_order_id: int) -> None:
        if type(client_order_id) is not int or instrument_id < 0:
            self._require(instrument_id)
            client_order_id = _whole(client_order_id, "client_order_id")
        order = self._books.orders[instrument_id].get(client_order_id)
        if order is not None:
            order.cancel_sent = True
            self._books.sent(order, None)
        self._outbox.append(CancelOrder(instrument_id, self.agent_id, client_order_id, ts_sent_ns=self._kernel._now))

    def cancel_all(self, instrument_id: int, side: Side | None = None) -> None:
        for order in self._books.orders[instrument_id].values():
            if not order.cancel_sent and (side is None or order.side is side):
                self.cancel(instrument_id, order.client_order_id)

    def reduce(self, instrument_id: int, client_order_id: int, qty_lots: Lots) -> None:
        self._require(instrument_id)
        client_order_id = _whole(client_order_id, "client_order_id")
        qty_lots = _whole(qty_lots, "qty_lots")
        order = self._books.orders[instrument_id].get(client_order_id)
        if order is not None:
            self._books.sent(order, None)
        now_ns = self._kernel._now
        self._outbox.append(ReduceOrder(instrument_id, self.agent_id, qty_lots, client_order_id, ts_sent_ns=now_ns))

    def replace(self, instrument_id: int, client_order_id: int, qty_lots: Lots, price_ticks: Ticks) -> None:
        is_whole = type(client_order_id) is int and type(qty_lots) is int and type(price_ticks) is int
        if not is_whole or instrument_id < 0:
            self._require(instrument_id)
            client_order_id = _whole(client_order_id, "client_order_id")
            qty_lots, price_ticks = _whole(qty_lots, "qty_lots"), _whole(price_ticks, "price_ticks")
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
        self._require(instrument_id)
        # The RFQ venue trusts that these are whole numbers.
        qty_lots, ttl_ns = _whole(qty_lots, "qty_lots"), int(ttl_ns)
        client_rfq_id = next(self._ids)
        guard = self._books.guard
        if guard is not None and side is not Side.BUY:
            if not self._admits(instrument_id, _SELL, qty_lots, 0, parent_order_id):
                return 0
            guard.reserve(("rfq", client_rfq_id), instrument_id, max(0, qty_lots), 0)
        self._outbox.append(
            RequestQuote(
                instrument_id,
                self.agent_id,
                client_rfq_id,
                0 if side is None else int(side),
                qty_lots,
                tuple(sorted(dealer_ids)),
                ttl_ns,
                parent_order_id,
                self._kernel._now,
            )
        )
        return client_rfq_id

    def quote(self, request: RfqOpened, bid_ticks: Ticks, ask_ticks: Ticks, ttl_ns: Ns) -> None:
        bid_ticks, ask_ticks, ttl_ns = index(bid_ticks), index(ask_ticks), int(ttl_ns)
        guard = self._books.guard
        if guard is not None:
            instrument_id, qty_lots = request.instrument_id, request.qty_lots
            # An earlier quote in this request stands until this one has arrived and been taken.
            key = ("quote", instrument_id, request.rfq_id)
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
            SubmitQuote(
                request.instrument_id,
                self.agent_id,
                request.rfq_id,
                bid_ticks,
                ask_ticks,
                ttl_ns,
                self._kernel._now,
            )
        )

    def decline(self, request: RfqOpened, reason: DeclineReason = DeclineReason.NO_INTEREST) -> None:
        self._outbox.append(
            DeclineQuote(request.instrument_id, self.agent_id, request.rfq_id, reason, self._kernel._now)
        )

    def accept(self, quote: RfqQuoted, side: Side) -> None:
        instrument_id = quote.instrument_id
        request = self._books.requests[instrument_id].get(quote.rfq_id)
        guard = self._books.guard
        if guard is not None and side == Side.BUY:
            if request is None:
                # Over, so far as is known: nothing says how much it would cost.
                self._refuse(instrument_id, side, 0, quote.ask_ticks, 0)
                return
            key, qty_lots = ("rfq", request.client_rfq_id), request.qty_lots
            if not self._admits(instrument_id, side, qty_lots, quote.ask_ticks, key=key):
                return
            # Of several acceptances under way one at most deals.
            value = self._market.instruments[instrument_id].value(quote.ask_ticks, qty_lots)
            guard.raise_to(key, instrument_id, 0, value)
        self._outbox.append(
            AcceptQuote(quote.instrument_id, self.agent_id, quote.rfq_id, quote.quote_id, side, self._kernel._now)
        )

    def walk_away(self, instrument_id: int, rfq_id: int) -> None:
        self._require(instrument_id)
        self._outbox.append(WalkAway(instrument_id, self.agent_id, rfq_id, self._kernel._now))

    # --- wake-ups and observations --------------------------------------------------------------------------
    def wake_in(self, delay_ns: Ns, tag: int = 0) -> None:
        if type(delay_ns) is not int:  # what is written as a real number must not make the clock one
            delay_ns = int(delay_ns)
        self._kernel.call_in(delay_ns if delay_ns > 0 else 1, self._host.wake, (self._component, tag))

    def tell(self, agent_id: int, event: Event) -> None:
        self._host.tell(agent_id, event)

    def log(self, event: Event) -> None:
        self._market.recorder.record(event)

    def _require(self, instrument_id: int) -> None:
        """Raise an IndexError if there is no such instrument; below 0 none is, whatever a list would say."""
        if not 0 <= instrument_id < len(self._market.instruments):
            raise IndexError(f"there is no instrument {instrument_id}")

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
        self.log(
            OrderRefused(self._kernel._now, instrument_id, self.agent_id, side, qty_lots, price_ticks, parent_order_id)
        )


def _whole(value: object, what: str) -> int:
    """A whole number as Python's own, such as the venues take; numpy's become one.

    Raises:
        TypeError: It is something else. The host says whose hook it was.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{what} is {value!r}; expected a whole number")
    return index(value)
