"""The context that strategies get, over a market that is fed by hand and records what they do."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar, cast

from lob_sim.account.account import AgentAccount
from lob_sim.account.context import AgentContext
from lob_sim.account.manager_context import ManagerContext
from lob_sim.account.pre_trade import NoLimits, PreTradePolicy, PreTradeRisk, Verdict
from lob_sim.agents.context import Headroom, Switches, TopOfBook, WorkingOrder
from lob_sim.calendar import TradingCalendar
from lob_sim.messages import (
    AgentCommand,
    AgentMessage,
    CancelOrder,
    CancelReason,
    Event,
    NewOrder,
    OrderCanceled,
    OrderReplaced,
    Phase,
    ReduceOrder,
    ReplaceOrder,
    RequestQuote,
    RfqOpened,
)
from lob_sim.rng import Stream
from lob_sim.scenario import SwitchSpec
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks

T = TypeVar("T")
EMPTY_TOP = TopOfBook(0, 0, 0, 0, 0)


def make_instrument(instrument_id: int = 0, name: str = "bond", liquidity_rank: int = 1) -> Instrument:
    """An instrument with a tick of 0.01 and lots of one."""
    return Instrument(instrument_id, name, Decimal("0.01"), Decimal(1), Decimal(1), liquidity_rank, 1)


class ManualMarket:
    """A clock, a view of a market and a mailbox, all set and read by hand (see ``lob_sim.account.ports``)."""

    def __init__(
        self, name: str, instruments: tuple[Instrument, ...], dealers: Sequence[int], initial_ticks: Ticks
    ) -> None:
        self.name = name
        self.now_ns: Ns = 0
        self.instruments = instruments
        self.switches: Switches = SwitchSpec()
        self.calendar: TradingCalendar | None = None
        self.dealers = tuple(dealers)
        self.n_agents = 1_000_000
        ids = range(len(instruments))
        self.initial = [initial_ticks for _ in ids]
        self.tops = [EMPTY_TOP for _ in ids]
        self.last_trades: list[Ticks] = [0 for _ in ids]
        self.phases = [Phase.CONTINUOUS for _ in ids]
        self.fair_values: list[float] | None = [float(initial_ticks) for _ in ids]
        self.groups: dict[int, str] = {}
        self.wakes: list[tuple[Ns, int]] = []
        self.logged: list[Event] = []
        self.told: list[tuple[int, Event]] = []

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
            PermissionError: There is none to see.
        """
        if self.fair_values is None:
            raise PermissionError(f"agent {self.name!r} does not see fair value")
        return self.fair_values[instrument_id]

    def settlement_ticks(self, instrument_id: int) -> Ticks:
        """The fair value as set, or the opening one."""
        return round(self.initial[instrument_id] if self.fair_values is None else self.fair_values[instrument_id])

    def takes(self, command: type) -> list[bool]:
        """Every command has a venue."""
        return [True] * len(self.instruments)

    def record(self, event: Event) -> None:
        """Keep an observation."""
        self.logged.append(event)

    def tell(self, agent_id: int, message: AgentMessage) -> None:
        """Keep a message to another agent."""
        self.told.append((agent_id, message))

    def wake_in(self, component: int, delay_ns: Ns, tag: int) -> None:
        """Note a wake-up."""
        self.wakes.append((self.now_ns + delay_ns, tag))

    def draw_funding(self, amount: Cash) -> None:
        """The account has it already."""

    def silence(self) -> None:
        """Nobody else is there."""


class _Refusing(NoLimits):
    """Limits that refuse every order and request while they are told to."""

    __slots__ = ("refuse_orders",)

    def __init__(self) -> None:
        self.refuse_orders = False

    def check(self, command: AgentCommand) -> Verdict:
        """Nothing is reserved, and nothing logged."""
        return Verdict(None if self.refuse_orders and isinstance(command, NewOrder | RequestQuote) else command)


class _Of(Generic[T]):
    """An attribute of something that the context holds, to be read and set as the context's own."""

    def __init__(self, holder: str, name: str = "") -> None:
        self._holder, self._name = holder, name

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = self._name or name

    def __get__(self, context: object, owner: type | None = None) -> T:
        return cast(T, getattr(getattr(context, self._holder), self._name))

    def __set__(self, context: object, value: T) -> None:
        setattr(getattr(context, self._holder), self._name, value)


class RecordingContext(AgentContext):
    """The context of :class:`~lob_sim.account.context.AgentContext` for unit tests of strategies.

    It is that context over that account, in a market by hand. What the strategy sees is set: assign ``tops``,
    ``phases``, ``last_trades``, ``fair_values``, ``positions``, ``cash``, ``headroom``, ``switches``, ``now_ns``, or
    use the short methods. What it does is recorded and nothing else happens, except that its cancels, reductions and
    replacements take effect at once; what a venue would say, :meth:`receive` says. In a
    :class:`~lob_sim.testing.scripted.ScriptedMarket` real venues answer.

    Attributes:
        market: The market by hand.
        actions: Every command sent, in order.
        wakes: Wake-ups asked for and not yet given: (due time in nanoseconds, tag), in the order asked for.
        logged: Every observation put on the log.
        told: Every message to another agent, with the agent it went to.
        refuse_orders: Whether the agent's own pre-trade limits refuse every order and request.
    """

    policy: ClassVar[PreTradePolicy] = PreTradePolicy()

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
        traded = tuple(instruments) or (make_instrument(),)
        self.market = ManualMarket(name, traded, dealers, initial_ticks)
        if not sees_fair_value:
            self.market.fair_values = None
        account = AgentAccount(agent_id, traded, [0] * len(traded), 10**12, self.policy)
        if isinstance(account.limits, NoLimits):
            account.limits = _Refusing()
        super().__init__(account, 0, name, self.market, self.market, self.market, Stream(seed, name))
        self._limits = account.limits
        self._at_once = True

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)  # a test says what the strategy sees

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

    def take_actions(self) -> list[AgentCommand]:
        """The commands sent since the last call."""
        taken = list(self._outbox)
        self._outbox.clear()
        return taken

    def next_wake(self) -> tuple[Ns, int] | None:
        """Remove the earliest wake-up (the first asked for among equals) and set the clock to it."""
        if not self.wakes:
            return None
        index = min(range(len(self.wakes)), key=lambda i: self.wakes[i][0])
        due, tag = self.wakes.pop(index)
        self.now_ns = max(self.now_ns, due)
        return due, tag

    def receive(self, event: Event) -> None:
        """A venue says something: the agent's account takes note, and no hook is called."""
        self._account.on_event(event)

    def end_order(self, instrument_id: int, client_order_id: int) -> None:
        """Forget a working order: it was filled, cancelled or refused."""
        self._leave(instrument_id, client_order_id, 0)

    def answers_come(self) -> None:
        """From now on nothing takes effect before :meth:`receive` says so."""
        self._at_once = False

    # --- the market and the account, by short names -----------------------------------------------------------
    actions = _Of[list[AgentCommand]]("_account", "outbox")
    cash = _Of[Cash]("_account")
    headroom = _Of[Headroom | None]("_account")
    positions = _Of[list[Lots]]("_account")
    open_requests = _Of[list[dict[int, RfqOpened]]]("_account", "requests")
    refuse_orders = _Of[bool]("_limits")
    dealers = _Of[tuple[int, ...]]("market")
    fair_values = _Of[list[float] | None]("market")
    groups = _Of[dict[int, str]]("market")
    initial = _Of[list[Ticks]]("market")
    last_trades = _Of[list[Ticks]]("market")
    logged = _Of[list[Event]]("market")
    now_ns = _Of[Ns]("market")
    phases = _Of[list[Phase]]("market")
    switches = _Of[Switches]("market")
    told = _Of[list[tuple[int, Event]]]("market")
    tops = _Of[list[TopOfBook]]("market")
    wakes = _Of[list[tuple[Ns, int]]]("market")

    # --- what takes effect at once ----------------------------------------------------------------------------
    def _send(self, command: AgentCommand) -> bool:
        if not super()._send(command):
            return False
        if self._at_once and isinstance(command, CancelOrder | ReduceOrder | ReplaceOrder):
            order = self._orders[command.instrument_id].get(command.client_order_id)
            if order is not None:
                self._change(command, order)
        return True

    def _change(self, command: CancelOrder | ReduceOrder | ReplaceOrder, order: WorkingOrder) -> None:
        i, number = command.instrument_id, command.client_order_id
        if isinstance(command, ReplaceOrder):
            price, qty = command.price_ticks, command.qty_lots
            self.receive(OrderReplaced(self.now_ns, i, self.agent_id, number, 0, order.side, price, qty, True))
        else:
            reduced = command.qty_lots if isinstance(command, ReduceOrder) else order.leaves_lots
            self._leave(i, number, max(0, order.leaves_lots - reduced))

    def _leave(self, instrument_id: int, client_order_id: int, lots: Lots) -> None:
        order = self._orders[instrument_id].get(client_order_id)
        gone = order.leaves_lots - lots if order is not None else 0
        reason = CancelReason.BY_OWNER
        self.receive(OrderCanceled(self.now_ns, instrument_id, self.agent_id, client_order_id, 0, gone, lots, reason))


class RecordingDeskContext(RecordingContext, ManagerContext):
    """The same for a desk: its agent cannot sell what it does not hold, and ``limits`` says what is reserved."""

    policy = PreTradePolicy(may_short=False)

    @property
    def limits(self) -> PreTradeRisk:
        """The agent's pre-trade limits."""
        return self._risk
