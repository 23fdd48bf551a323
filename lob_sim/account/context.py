"""The context that a component is handed: views as late as its latency, actions that become commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import cast

from msgspec.structs import force_setattr

from lob_sim.account.account import AgentAccount
from lob_sim.account.arguments import (
    MOST,
    agent_number,
    agent_numbers,
    asked_side,
    checked_message,
    command_of,
    instrument_number,
    member,
    message,
    nanoseconds,
    observation,
    order_arguments,
    whole,
)
from lob_sim.account.ports import Clock, Mailbox, MarketView
from lob_sim.account.pre_trade import NoLimits, Refusal, Verdict
from lob_sim.agents.context import Headroom, Switches, TopOfBook, WorkingOrder
from lob_sim.calendar import TradingCalendar
from lob_sim.messages import (
    AcceptQuote,
    AgentCommand,
    AgentMessage,
    CancelOrder,
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
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks

_FIXED = frozenset({"agent_id", "instruments", "name", "random"})


class AgentContext:
    """One component's window; implements :class:`~lob_sim.agents.context.Context`.

    The components of one agent share its account. Of its orders and requests a component is shown what it has sent.
    Whatever is handed to an action is checked before anything is done, so that a component which catches the error
    finds nothing half-done.

    Args:
        account: The agent's account.
        component: Which of the agent's components this is for.
        name: The agent's stable name.
        clock: Simulated time.
        view: The market as the agent sees it.
        mailbox: Where what is said goes.
        random: The component's own stream.
    """

    __slots__ = (
        "_account", "_check", "_clock", "_component", "_mailbox", "_n_instruments", "_orders", "_outbox", "_requests",
        "_shown_orders", "_shown_requests", "_view", "agent_id", "instruments", "name", "random",
    )  # fmt: skip

    def __init__(
        self,
        account: AgentAccount,
        component: int,
        name: str,
        clock: Clock,
        view: MarketView,
        mailbox: Mailbox,
        random: Stream,
    ) -> None:
        self._account = account
        self._component = component
        self._clock = clock
        self._view = view
        self._mailbox = mailbox
        self._check = self._judge()
        self._outbox = account.outbox
        self._orders = account.orders_of(component)
        self._requests = account.requests_of(component)
        # Made once: strategies ask for them at every step, and what they could write their limits would be judged by.
        self._shown_orders = tuple(MappingProxyType(orders) for orders in self._orders)
        self._shown_requests = tuple(MappingProxyType(requests) for requests in self._requests)
        self._n_instruments = len(view.instruments)
        self.agent_id = account.agent_id
        self.instruments: tuple[Instrument, ...] = view.instruments
        self.name = name
        self.random = random

    def __setattr__(self, name: str, value: object) -> None:
        # What was written here would go into commands and on the log, as another agent's perhaps.
        if name in _FIXED and hasattr(self, name):
            raise AttributeError(f"{name} is not to be set: a context is read, and its actions change things")
        object.__setattr__(self, name, value)

    # --- who and when, and the market as seen ---------------------------------------------------------------
    # Properties in C: strategies ask for these at every step.
    now_ns = cast(Ns, property(attrgetter("_clock.now_ns")))
    cash = cast(Cash, property(attrgetter("_account.cash")))
    switches = cast(Switches, property(attrgetter("_view.switches")))
    headroom = cast("Headroom | None", property(attrgetter("_account.headroom")))

    @property
    def calendar(self) -> TradingCalendar | None:
        return self._view.calendar

    @property
    def dealers(self) -> tuple[int, ...]:
        return self._view.dealers

    def initial_ticks(self, instrument_id: int) -> Ticks:
        if instrument_id < 0:
            instrument_number(instrument_id, self._n_instruments)
        return self._view.initial_ticks(instrument_id)

    def top(self, instrument_id: int) -> TopOfBook:
        if instrument_id < 0:  # A list would take the last instrument for it.
            instrument_number(instrument_id, self._n_instruments)
        return self._view.top(instrument_id)

    def last_trade_ticks(self, instrument_id: int) -> Ticks:
        if instrument_id < 0:
            instrument_number(instrument_id, self._n_instruments)
        return self._view.last_trade_ticks(instrument_id)

    def phase(self, instrument_id: int) -> Phase:
        if instrument_id < 0:
            instrument_number(instrument_id, self._n_instruments)
        return self._view.phase(instrument_id)

    def group_of(self, agent_id: int) -> str:
        return self._view.group_of(agent_id)

    def fair_value(self, instrument_id: int) -> float:
        if instrument_id < 0:
            instrument_number(instrument_id, self._n_instruments)
        return self._view.fair_value(instrument_id)

    def position(self, instrument_id: int) -> Lots:
        if instrument_id < 0:
            instrument_number(instrument_id, self._n_instruments)
        return self._account.positions[instrument_id]

    def orders(self, instrument_id: int) -> Mapping[int, WorkingOrder]:
        if instrument_id < 0:
            instrument_number(instrument_id, self._n_instruments)
        return self._shown_orders[instrument_id]

    def requests(self, instrument_id: int) -> Mapping[int, RfqOpened]:
        if instrument_id < 0:
            instrument_number(instrument_id, self._n_instruments)
        return self._shown_requests[instrument_id]

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
        account = self._account
        client_order_id = account.next_id
        command = NewOrder(
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
            self._clock.now_ns,
        )
        if not self._send(command):
            return 0
        account.next_id = client_order_id + 1
        order = WorkingOrder(client_order_id, side, price_ticks, qty_lots, parent_order_id)
        account.keep_order(self._component, instrument_id, order)
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
        self._account.require_own(self._component, client_order_id, self.name)
        self._cancel(instrument_id, client_order_id)

    def _cancel(self, instrument_id: int, client_order_id: int) -> None:
        account = self._account
        order = account.orders[instrument_id].get(client_order_id)
        if order is not None:
            force_setattr(order, "cancel_sent", True)
        account.note_change(self._component, client_order_id)
        self._send(CancelOrder(instrument_id, self.agent_id, client_order_id, ts_sent_ns=self._clock.now_ns))

    def cancel_all(self, instrument_id: int, side: Side | None = None) -> None:
        instrument_id = instrument_number(instrument_id, self._n_instruments)
        if side is not None:
            side = member(Side, side, "side")
        for order in list(self._orders[instrument_id].values()):
            if not order.cancel_sent and (side is None or order.side is side):
                self._cancel(instrument_id, order.client_order_id)

    def reduce(self, instrument_id: int, client_order_id: int, qty_lots: Lots) -> None:
        instrument_id = instrument_number(instrument_id, self._n_instruments)
        client_order_id = whole(client_order_id, "client_order_id")
        qty_lots = whole(qty_lots, "qty_lots")
        self._account.require_own(self._component, client_order_id, self.name)
        self._account.note_change(self._component, client_order_id)
        now_ns = self._clock.now_ns
        self._send(ReduceOrder(instrument_id, self.agent_id, qty_lots, client_order_id, ts_sent_ns=now_ns))

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
        self._account.require_own(self._component, client_order_id, self.name)
        now_ns = self._clock.now_ns
        command = ReplaceOrder(instrument_id, self.agent_id, qty_lots, price_ticks, client_order_id, ts_sent_ns=now_ns)
        if self._send(command):
            self._account.note_change(self._component, client_order_id)
        else:
            # Its owner no longer wants the old terms, and may not have the new ones.
            self._cancel(instrument_id, client_order_id)

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
        client_rfq_id = self._account.take_id(self._component)
        command = RequestQuote(
            instrument_id,
            self.agent_id,
            client_rfq_id,
            asked,
            qty_lots,
            dealers,
            ttl_ns,
            parent_order_id,
            self._clock.now_ns,
        )
        return client_rfq_id if self._send(command) else 0

    def quote(self, request: RfqOpened, bid_ticks: Ticks, ask_ticks: Ticks, ttl_ns: Ns) -> None:
        instrument_id, rfq_id = self._named(message(request, RfqOpened, "request"))
        bid_ticks, ask_ticks = whole(bid_ticks, "bid_ticks"), whole(ask_ticks, "ask_ticks")
        ttl_ns = nanoseconds(ttl_ns, "ttl_ns")
        now_ns = self._clock.now_ns
        if not self._send(SubmitQuote(instrument_id, self.agent_id, rfq_id, bid_ticks, ask_ticks, ttl_ns, now_ns)):
            self.decline(request, DeclineReason.CAPACITY)

    def decline(self, request: RfqOpened, reason: DeclineReason = DeclineReason.NO_INTEREST) -> None:
        instrument_id, rfq_id = self._named(message(request, RfqOpened, "request"))
        reason = member(DeclineReason, reason, "reason")
        self._send(DeclineQuote(instrument_id, self.agent_id, rfq_id, reason, self._clock.now_ns))

    def accept(self, quote: RfqQuoted, side: Side) -> None:
        instrument_id, rfq_id = self._named(message(quote, RfqQuoted, "quote"))
        quote_id, side = whole(quote.quote_id, "quote.quote_id"), member(Side, side, "side")
        self._send(AcceptQuote(instrument_id, self.agent_id, rfq_id, quote_id, side, self._clock.now_ns))

    def walk_away(self, instrument_id: int, rfq_id: int) -> None:
        instrument_id, rfq_id = instrument_number(instrument_id, self._n_instruments), whole(rfq_id, "rfq_id")
        self._send(WalkAway(instrument_id, self.agent_id, rfq_id, self._clock.now_ns))

    # --- any other venue ------------------------------------------------------------------------------------
    def take_id(self) -> int:
        return self._account.take_id(self._component)

    def send(self, command: AgentCommand) -> bool:
        return self._send(command_of(command, self.agent_id, self._view))

    # --- wake-ups and observations --------------------------------------------------------------------------
    def wake_in(self, delay_ns: Ns, tag: int = 0) -> None:
        if type(delay_ns) is not int or type(tag) is not int:
            delay_ns, tag = nanoseconds(delay_ns, "delay_ns"), whole(tag, "tag")
        self._mailbox.wake_in(self._component, delay_ns if delay_ns > 0 else 1, tag)

    def tell(self, agent_id: int, message: AgentMessage) -> None:
        agent_id = agent_number(agent_id, self._view.n_agents)
        self._mailbox.tell(agent_id, checked_message(message, self._clock.now_ns))

    def log(self, event: Event) -> None:
        self._mailbox.record(observation(event, self._clock.now_ns))

    # --- parts ----------------------------------------------------------------------------------------------
    def _judge(self) -> Callable[[AgentCommand], Verdict] | None:
        """What judges commands before they leave; ``None`` where all may, as of most agents."""
        limits = self._account.limits
        return None if type(limits) is NoLimits else limits.check

    def _send(self, command: AgentCommand) -> bool:
        """Let a command out if the limits allow it, and log what they refuse."""
        if self._check is None:
            self._outbox.append(command)
            return True
        may_leave, refused = self._check(command)
        for refusal in refused:
            self._refuse(refusal)
        if may_leave is None:
            return False
        self._outbox.append(may_leave)
        return True

    def _refuse(self, refusal: Refusal) -> None:
        instrument_id, side, qty_lots, price_ticks, parent_order_id = refusal
        self._mailbox.record(
            OrderRefused(self._clock.now_ns, instrument_id, self.agent_id, side, qty_lots, price_ticks, parent_order_id)
        )

    def _named(self, about: RfqOpened | RfqQuoted) -> tuple[int, int]:
        """Instrument and number of the request that a message is about."""
        instrument_id = instrument_number(about.instrument_id, self._n_instruments)
        return instrument_id, whole(about.rfq_id, "rfq_id")
