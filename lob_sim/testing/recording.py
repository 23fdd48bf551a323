"""A context without a market: fed by hand, it records what a strategy does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from lob_sim.agents.arguments import (
    agent_numbers,
    asked_side,
    instrument_number,
    member,
    message,
    nanoseconds,
    observation,
    order_arguments,
    whole,
)
from lob_sim.agents.context import Headroom, Switches, TopOfBook, WorkingOrder
from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    Command,
    DeclineQuote,
    DeclineReason,
    Event,
    NewOrder,
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
from lob_sim.scenario import SwitchSpec
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks

EMPTY_TOP = TopOfBook(0, 0, 0, 0, 0)


def make_instrument(instrument_id: int = 0, name: str = "bond", liquidity_rank: int = 1) -> Instrument:
    """An instrument with a tick of 0.01 and lots of one."""
    return Instrument(instrument_id, name, Decimal("0.01"), Decimal(1), Decimal(1), liquidity_rank, 1)


class RecordingContext:
    """Implements :class:`~lob_sim.agents.context.Context` for unit tests of strategies.

    What the strategy sees is set by hand: assign ``tops``, ``phases``, ``last_trades``, ``fair_values``,
    ``positions``, ``cash``, ``headroom``, ``switches``, ``now_ns``, or use the short methods. What it does is
    recorded and nothing else happens, except that its working orders are kept as if every command took effect
    at once. What the context of a market would not take is an error here too.

    Attributes:
        actions: Every command sent, in order.
        wakes: Wake-ups asked for and not yet given: (due time in nanoseconds, tag), in the order asked for.
        logged: Every observation put on the log.
        told: Every message to another agent, with the agent it went to.
        refuse_orders: Whether the agent's own pre-trade limits refuse every order and request.
    """

    def __init__(
        self,
        *,
        agent_id: int = 0,
        name: str = "agent",
        seed: int = 1,
        instruments: Sequence[Instrument] = (),
        dealers: Sequence[int] = (1, 2, 3),
        initial_ticks: Ticks = 10_000,
        sees_fair_value: bool = True,
    ) -> None:
        self.now_ns: Ns = 0
        self.agent_id = agent_id
        self.name = name
        self.random = Stream(seed, name)
        self.instruments = tuple(instruments) or (make_instrument(),)
        self.switches: Switches = SwitchSpec()
        self.dealers = tuple(dealers)
        ids = range(len(self.instruments))
        self.initial = [initial_ticks for _ in ids]
        self.tops = [EMPTY_TOP for _ in ids]
        self.last_trades: list[Ticks] = [0 for _ in ids]
        self.phases = [Phase.CONTINUOUS for _ in ids]
        self.fair_values: list[float] | None = [float(initial_ticks) for _ in ids] if sees_fair_value else None
        self.groups: dict[int, str] = {}
        self.cash: Cash = 10**12
        self.headroom: Headroom | None = None
        self.positions: list[Lots] = [0 for _ in ids]
        self.actions: list[Command] = []
        self.wakes: list[tuple[Ns, int]] = []
        self.logged: list[Event] = []
        self.told: list[tuple[int, Event]] = []
        self.refuse_orders = False
        self.open_requests: list[dict[int, RfqOpened]] = [{} for _ in ids]
        self._orders: list[dict[int, WorkingOrder]] = [{} for _ in ids]
        self._next_id = 1

    # --- by hand --------------------------------------------------------------------------------------------
    def set_top(
        self,
        bid_ticks: Ticks = 0,
        ask_ticks: Ticks = 0,
        bid_lots: Lots = 100,
        ask_lots: Lots = 100,
        instrument_id: int = 0,
    ) -> None:
        """Show this top of book; a price of 0 leaves that side empty."""
        self.tops[instrument_id] = TopOfBook(
            self.now_ns, bid_ticks, bid_lots if bid_ticks else 0, ask_ticks, ask_lots if ask_ticks else 0
        )

    def take_actions(self) -> list[Command]:
        """The commands sent since the last call."""
        taken, self.actions = self.actions, []
        return taken

    def next_wake(self) -> tuple[Ns, int] | None:
        """Remove the earliest wake-up (the first asked for among equals) and set the clock to it."""
        if not self.wakes:
            return None
        index = min(range(len(self.wakes)), key=lambda i: self.wakes[i][0])
        due, tag = self.wakes.pop(index)
        self.now_ns = max(self.now_ns, due)
        return due, tag

    def end_order(self, instrument_id: int, client_order_id: int) -> None:
        """Forget a working order: it was filled, cancelled or refused."""
        self._orders[instrument_id].pop(client_order_id, None)

    # --- what the strategy sees -----------------------------------------------------------------------------
    def initial_ticks(self, instrument_id: int) -> Ticks:
        """Fair value when the market opened."""
        return self.initial[instrument_id]

    def top(self, instrument_id: int) -> TopOfBook:
        """The top of book as set."""
        return self.tops[instrument_id]

    def last_trade_ticks(self, instrument_id: int) -> Ticks:
        """The last lit trade as set."""
        return self.last_trades[instrument_id]

    def phase(self, instrument_id: int) -> Phase:
        """The phase as set."""
        return self.phases[instrument_id]

    def group_of(self, agent_id: int) -> str:
        """The class as set in ``groups``."""
        return self.groups.get(agent_id, "client")

    def fair_value(self, instrument_id: int) -> float:
        """The fair value as set.

        Raises:
            PermissionError: The context was made without ``sees_fair_value``.
        """
        if self.fair_values is None:
            raise PermissionError(f"agent {self.name!r} does not see fair value")
        return self.fair_values[instrument_id]

    def position(self, instrument_id: int) -> Lots:
        """The position as set."""
        return self.positions[instrument_id]

    def orders(self, instrument_id: int) -> Mapping[int, WorkingOrder]:
        """Working orders, as if every command took effect at once."""
        return self._orders[instrument_id]

    def requests(self, instrument_id: int) -> Mapping[int, RfqOpened]:
        """Own open requests as set in ``open_requests``."""
        return self.open_requests[instrument_id]

    # --- what it does ---------------------------------------------------------------------------------------
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
        """Record a ``NewOrder``; returns its id, or 0 while ``refuse_orders`` is set."""
        given = order_arguments(
            len(self.instruments),
            (
                instrument_id, side, qty_lots, price_ticks, order_type, time_in_force, stop_price_ticks,
                display_qty_lots, hidden, post_only, self_trade, parent_order_id,
            ),
        )  # fmt: skip
        if self.refuse_orders:
            return 0
        number = self._number()
        order = NewOrder(given.instrument_id, self.agent_id, number, *given[1:], ts_sent_ns=self.now_ns)
        self.actions.append(order)
        working = WorkingOrder(
            number, order.side, order.price_ticks, order.qty_lots, order.parent_order_id, is_accepted=True
        )
        self._orders[order.instrument_id][number] = working
        return number

    def cancel(self, instrument_id: int, client_order_id: int) -> None:
        """Record a ``CancelOrder``."""
        instrument_id, client_order_id = self._instrument(instrument_id), whole(client_order_id, "client_order_id")
        self.actions.append(CancelOrder(instrument_id, self.agent_id, client_order_id, 0, self.now_ns))
        self.end_order(instrument_id, client_order_id)

    def cancel_all(self, instrument_id: int, side: Side | None = None) -> None:
        """Record a ``CancelOrder`` for each working order of the side."""
        wanted = None if side is None else member(Side, side, "side")
        for order in list(self._orders[self._instrument(instrument_id)].values()):
            if wanted is None or order.side is wanted:
                self.cancel(instrument_id, order.client_order_id)

    def reduce(self, instrument_id: int, client_order_id: int, qty_lots: Lots) -> None:
        """Record a ``ReduceOrder``."""
        instrument_id, client_order_id = self._instrument(instrument_id), whole(client_order_id, "client_order_id")
        qty_lots = whole(qty_lots, "qty_lots")
        command = ReduceOrder(instrument_id, self.agent_id, qty_lots, client_order_id, 0, self.now_ns)
        self.actions.append(command)
        order = self._orders[instrument_id].get(client_order_id)
        if order is not None:
            order.leaves_lots -= qty_lots
            if order.leaves_lots <= 0:
                self.end_order(instrument_id, client_order_id)

    def replace(self, instrument_id: int, client_order_id: int, qty_lots: Lots, price_ticks: Ticks) -> None:
        """Record a ``ReplaceOrder``."""
        instrument_id, client_order_id = self._instrument(instrument_id), whole(client_order_id, "client_order_id")
        qty_lots, price_ticks = whole(qty_lots, "qty_lots"), whole(price_ticks, "price_ticks")
        command = ReplaceOrder(instrument_id, self.agent_id, qty_lots, price_ticks, client_order_id, 0, self.now_ns)
        self.actions.append(command)
        order = self._orders[instrument_id].get(client_order_id)
        if order is not None:
            order.leaves_lots, order.price_ticks = qty_lots, price_ticks

    def request_quote(
        self,
        instrument_id: int,
        side: Side | None,
        qty_lots: Lots,
        dealer_ids: Sequence[int],
        ttl_ns: Ns,
        parent_order_id: int = 0,
    ) -> int:
        """Record a ``RequestQuote``; returns its id, or 0 while ``refuse_orders`` is set."""
        instrument_id, sign, qty_lots = self._instrument(instrument_id), asked_side(side), whole(qty_lots, "qty_lots")
        asked, ttl_ns = agent_numbers(dealer_ids, "dealer_ids"), nanoseconds(ttl_ns, "ttl_ns")
        parent_order_id = whole(parent_order_id, "parent_order_id")
        if self.refuse_orders:
            return 0
        number = self._number()
        request = RequestQuote(
            instrument_id, self.agent_id, number, sign, qty_lots, asked, ttl_ns, parent_order_id, self.now_ns
        )
        self.actions.append(request)
        return number

    def quote(self, request: RfqOpened, bid_ticks: Ticks, ask_ticks: Ticks, ttl_ns: Ns) -> None:
        """Record a ``SubmitQuote``."""
        message(request, RfqOpened, "request")
        bid_ticks, ask_ticks = whole(bid_ticks, "bid_ticks"), whole(ask_ticks, "ask_ticks")
        ttl_ns = nanoseconds(ttl_ns, "ttl_ns")
        answer = SubmitQuote(
            request.instrument_id, self.agent_id, request.rfq_id, bid_ticks, ask_ticks, ttl_ns, self.now_ns
        )
        self.actions.append(answer)

    def decline(self, request: RfqOpened, reason: DeclineReason = DeclineReason.NO_INTEREST) -> None:
        """Record a ``DeclineQuote``."""
        message(request, RfqOpened, "request")
        reason = member(DeclineReason, reason, "reason")
        answer = DeclineQuote(request.instrument_id, self.agent_id, request.rfq_id, reason, self.now_ns)
        self.actions.append(answer)

    def accept(self, quote: RfqQuoted, side: Side) -> None:
        """Record an ``AcceptQuote``."""
        message(quote, RfqQuoted, "quote")
        side = member(Side, side, "side")
        deal = AcceptQuote(quote.instrument_id, self.agent_id, quote.rfq_id, quote.quote_id, side, self.now_ns)
        self.actions.append(deal)

    def walk_away(self, instrument_id: int, rfq_id: int) -> None:
        """Record a ``WalkAway``."""
        instrument_id, rfq_id = self._instrument(instrument_id), whole(rfq_id, "rfq_id")
        self.actions.append(WalkAway(instrument_id, self.agent_id, rfq_id, self.now_ns))

    def wake_in(self, delay_ns: Ns, tag: int = 0) -> None:
        """Note a wake-up.

        Raises:
            TypeError: The delay is not a whole number of nanoseconds.
            ValueError: It is less than 1.
        """
        delay_ns, tag = nanoseconds(delay_ns, "delay_ns"), whole(tag, "tag")
        if delay_ns < 1:
            raise ValueError(f"a wake-up needs a delay of at least 1 ns, not {delay_ns}")
        self.wakes.append((self.now_ns + delay_ns, tag))

    def tell(self, agent_id: int, event: Event) -> None:
        """Keep a message to another agent."""
        self.told.append((whole(agent_id, "agent_id"), observation(event, self.now_ns)))

    def log(self, event: Event) -> None:
        """Keep an observation."""
        self.logged.append(observation(event, self.now_ns))

    def _instrument(self, instrument_id: int) -> int:
        return instrument_number(instrument_id, len(self.instruments))

    def _number(self) -> int:
        number = self._next_id
        self._next_id += 1
        return number
