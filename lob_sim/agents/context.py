"""What a strategy may see and do: the read-only context.

Everything in it is as the agent knows it: market data and fills reach it after its own latency. Nothing in it
can be changed but by the action methods, and these only send commands, which take effect when they arrive at a
venue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from lob_sim.calendar import TradingCalendar
from lob_sim.messages import (
    AgentCommand,
    AgentMessage,
    DeclineReason,
    Event,
    OrderType,
    Phase,
    RfqOpened,
    RfqQuoted,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from lob_sim.rng import Stream
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks


class TopOfBook(msgspec.Struct, frozen=True, gc=False):
    """Best displayed prices and sizes of a lit book; an empty side has price 0 and size 0.

    Attributes:
        ts_event_ns: When it became so, by the venue's clock.
        bid_ticks: Best bid.
        bid_lots: Displayed there.
        ask_ticks: Best ask.
        ask_lots: Displayed there.
    """

    ts_event_ns: Ns
    bid_ticks: Ticks
    bid_lots: Lots
    ask_ticks: Ticks
    ask_lots: Lots

    @property
    def is_two_sided(self) -> bool:
        """Whether somebody quotes each side."""
        return self.bid_ticks > 0 and self.ask_ticks > 0

    @property
    def mid_ticks(self) -> float:
        """Middle of the best prices, in ticks; meaningful only when two-sided."""
        return (self.bid_ticks + self.ask_ticks) / 2


class WorkingOrder(msgspec.Struct, frozen=True, gc=False):
    """An own order as its owner knows it: sent, and not known to have ended.

    Its account alone moves it forward, by what the venue says: pre-trade limits are judged by it.

    Attributes:
        client_order_id: The agent's own number for it.
        side: Its side.
        price_ticks: Its limit; 0 of a market order.
        leaves_lots: What has not traded yet, as far as the agent has heard.
        parent_order_id: The parent order that it works; 0 for none.
        is_accepted: Whether the venue has said that it has it.
        cancel_sent: Whether a cancel of it is on its way.
    """

    client_order_id: int
    side: Side
    price_ticks: Ticks
    leaves_lots: Lots
    parent_order_id: int
    is_accepted: bool = False
    cancel_sent: bool = False


class Headroom(msgspec.Struct, frozen=True, gc=False):
    """How far a dealer is from its limits, as its risk manager last found.

    Attributes:
        purchase_lots: Largest purchase of each instrument that no constraint forbids; 0 when one binds, and
            more than anybody trades where there is no limit.
        tier1_ratio: Tier 1 over all assets, as a fraction.
        selling: Whether a forced sale is being worked.
        binding: Names of the constraints that bind.
    """

    purchase_lots: tuple[Lots, ...]
    tier1_ratio: float
    selling: bool
    binding: tuple[str, ...]


class Switches(Protocol):
    """Mechanisms of a dealer's own behaviour that an experiment may turn off."""

    @property
    def toxicity(self) -> bool:
        """Learn from flow how much of it is informed; else go by the share that is right in calm."""

    @property
    def retreat(self) -> bool:
        """Pull lit quotes for fear of informed flow, and decline requests."""

    @property
    def funding(self) -> bool:
        """Move haircuts, call margin and refuse to roll."""

    @property
    def redemptions(self) -> bool:
        """Take money out of funds that lose."""


class SeenMarket(Protocol):
    """The market as one agent sees it, which is as late as its latency."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument, indexed by ``instrument_id``."""

    @property
    def switches(self) -> Switches:
        """Mechanisms that the scenario has turned on or off, for strategies that implement them."""

    @property
    def calendar(self) -> TradingCalendar | None:
        """The trading days; ``None`` where the market trades through."""

    @property
    def dealers(self) -> tuple[int, ...]:
        """Agents that can be asked for quotes, without this one, in order of name."""

    def initial_ticks(self, instrument_id: int) -> Ticks:
        """Fair value when the market opened, which everybody knew."""

    def top(self, instrument_id: int) -> TopOfBook:
        """Best prices of the lit book, as of now less the market-data latency."""

    def last_trade_ticks(self, instrument_id: int) -> Ticks:
        """Price of the last lit trade seen, or 0 when there was none."""

    def phase(self, instrument_id: int) -> Phase:
        """Trading phase of the lit book."""

    def group_of(self, agent_id: int) -> str:
        """The class of a counterparty, as RFQ discloses it: the name of its group in the scenario."""

    def fair_value(self, instrument_id: int) -> float:
        """The exogenous fair value in ticks. Only for agents whose scenario group ``sees_fair_value``.

        Raises:
            PermissionError: This agent has no such knowledge.
        """


class Context(SeenMarket, Protocol):
    """One agent's window on the market. Prices in ticks, quantities in lots, times in nanoseconds.

    Actions take whole numbers (numpy's are as good as Python's), members of the enumerations or their numbers, and
    truth values where a truth value is meant. Anything else, and what the log could not hold, ends the run where it is
    said: a ``StrategyError`` names agent, hook, time and line. What a venue would not accept (a price of 0, an unknown
    order) is answered by a rejection instead.
    """

    # --- who and when -------------------------------------------------------------------------------------
    @property
    def now_ns(self) -> Ns:
        """Simulated time."""

    @property
    def agent_id(self) -> int:
        """Own number in this run (in order of name)."""

    @property
    def name(self) -> str:
        """Own stable name."""

    @property
    def random(self) -> Stream:
        """Own stream of random numbers; nobody else draws from it."""

    # --- own state, as far as its fills have reached the agent ----------------------------------------------
    @property
    def cash(self) -> Cash:
        """Own cash."""

    @property
    def headroom(self) -> Headroom | None:
        """Distance from the balance-sheet limits; ``None`` for an agent without a balance sheet."""

    def position(self, instrument_id: int) -> Lots:
        """Own position, signed."""

    def orders(self, instrument_id: int) -> Mapping[int, WorkingOrder]:
        """Own working orders by client order id, oldest first; those of the agent's desk are not among them.

        A view that cannot be written, of what is known at the moment that it is read: it grows with every order sent.
        To send while iterating, iterate over a copy, ``list(ctx.orders(i).values())``.
        """

    def requests(self, instrument_id: int) -> Mapping[int, RfqOpened]:
        """Own open requests for quote by the venue's ``rfq_id``; those of the agent's desk are not among them.

        A view that cannot be written, as that of :meth:`orders`.
        """

    # --- actions ------------------------------------------------------------------------------------------
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
        """Send an order.

        Args:
            instrument_id: Of the lit book.
            side: Buy or sell.
            qty_lots: Its size.
            price_ticks: Its limit; 0 for an order without one.
            order_type: What it waits for, and at what price it may trade.
            time_in_force: How long it lives.
            stop_price_ticks: Trade price at which a stop order fires; 0 for other orders.
            display_qty_lots: What an iceberg shows at a time; 0 to show all.
            hidden: Whether it rests unseen.
            post_only: Whether it is refused in place of taking.
            self_trade: What happens where it would meet an own order.
            parent_order_id: The parent order that it works; 0 for none.

        Returns:
            Its client order id, or 0 when the agent's own pre-trade limits refuse it (no holdings to sell, no cash,
            buying forbidden by a constraint): that is on the log as an ``OrderRefused``, and the order never leaves
            the agent.
        """

    def cancel(self, instrument_id: int, client_order_id: int) -> None:
        """Send a cancel for one own order."""

    def cancel_all(self, instrument_id: int, side: Side | None = None) -> None:
        """Send a cancel for every own working order, of one side if given."""

    def reduce(self, instrument_id: int, client_order_id: int, qty_lots: Lots) -> None:
        """Send a reduction of an own order by ``qty_lots``."""

    def replace(self, instrument_id: int, client_order_id: int, qty_lots: Lots, price_ticks: Ticks) -> None:
        """Send a new open quantity and price for an own order.

        What trades before it arrives comes on top of the new quantity. Where pre-trade limits leave no room
        for both, an ``OrderRefused`` is logged and the order is cancelled: the old terms are no longer wanted.
        """

    def request_quote(
        self,
        instrument_id: int,
        side: Side | None,
        qty_lots: Lots,
        dealer_ids: Sequence[int],
        ttl_ns: Ns,
        parent_order_id: int = 0,
    ) -> int:
        """Ask dealers for quotes (``side=None``: two-sided); returns the client RFQ id, or 0 when refused."""

    def quote(self, request: RfqOpened, bid_ticks: Ticks, ask_ticks: Ticks, ttl_ns: Ns) -> None:
        """Answer a request with a firm quote; 0 for a side that is not quoted."""

    def decline(self, request: RfqOpened, reason: DeclineReason = DeclineReason.NO_INTEREST) -> None:
        """Answer a request with a refusal."""

    def accept(self, quote: RfqQuoted, side: Side) -> None:
        """Deal on a quote."""

    def walk_away(self, instrument_id: int, rfq_id: int) -> None:
        """End an own request without a trade."""

    def take_id(self) -> int:
        """A new number for what is sent to a venue beside the lit book and requests for quote."""

    def send(self, command: AgentCommand) -> bool:
        """Send a command to a venue beside the lit book and requests for quote, which have the actions above.

        Returns False when the agent's own pre-trade limits refuse it.
        """

    def wake_in(self, delay_ns: Ns, tag: int = 0) -> None:
        """Ask for ``on_wake(tag)`` after ``delay_ns``, at least 1 ns: five seconds are ``5 * NS_PER_S``.

        An agent that is called too often for time to go on ends the run, by whatever it is called: the limit is
        :data:`lob_sim.simulation.pace.MOST_CALLS` within :data:`lob_sim.simulation.pace.WITHIN_NS`.
        """

    def tell(self, agent_id: int, message: AgentMessage) -> None:
        """Send another agent a message outside the venues, as lenders and borrowers do; it is on the log.

        It arrives after this agent's latency to the venues and the other's from them, and calls the other's
        ``on_message``.
        """

    def log(self, event: Event) -> None:
        """Put an observation on the log (a belief, a decomposed quote, a decision); no agent sees it.

        It is a message of ``lob_sim.messages`` about a balance sheet or about beliefs and quotes, of the present time.
        """
