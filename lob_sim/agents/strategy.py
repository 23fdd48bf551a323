"""The plug-in seam: a strategy is one class with hooks.

A strategy holds its own state and nothing of the simulator's: every hook is handed the context. It is made once
per agent from its typed parameters and must pickle. Only hooks that a class overrides are ever called, and an
agent that overrides none of the market-data hooks costs no market-data events.
"""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

import msgspec

from lob_sim.agents.context import Context
from lob_sim.messages import (
    AgentMessage,
    Announcement,
    AuctionUncrossed,
    Event,
    News,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    PhaseChanged,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqPrint,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Trade,
)

C = TypeVar("C", bound=Context)


class Component(Generic[C]):
    """Part of an agent: what is awake when a message arrives or a time has come, and is handed a context of type ``C``.

    Attributes:
        answers_rfqs: Whether other agents may ask this one for quotes (a dealer).
        listens: Whether it ever hears anything; else messages to it are dropped.
        role: Names the component among those of its agent, for its stream of random numbers; empty for a strategy.
        manages_agent: Whether it is handed a context that sees and does more (``lob_sim.desk.ports.DeskContext``), and
            hears what becomes of all that its agent has sent.
        survives_default: Whether it goes on hearing and acting once its agent has failed.
        deferred_hooks: Names of message hooks that need not be called on arrival: their messages wait until the agent
            is next awake, and are then handed over in order. A dealer that requotes on a timer can read the
            tape when it wakes and so costs the simulation one event instead of hundreds.
        unused_hooks: Names of hooks that this very strategy has no use for though its class defines them, settled
            when it is made: they are never called and cost no events. A strategy composed of parts has such hooks.
    """

    answers_rfqs: ClassVar[bool] = False
    listens: ClassVar[bool] = True
    role: ClassVar[str] = ""
    manages_agent: ClassVar[bool] = False
    survives_default: ClassVar[bool] = False
    deferred_hooks: ClassVar[frozenset[str]] = frozenset()
    unused_hooks: frozenset[str] = frozenset()

    # --- hooks: all optional ------------------------------------------------------------------------------
    def on_start(self, ctx: C) -> None:
        """The market opens. The place to ask for the first wake-up and to send first quotes."""

    def on_wake(self, ctx: C, tag: int) -> None:
        """A wake-up asked for by ``ctx.wake_in(delay_ns, tag)``."""

    def on_book(self, ctx: C, instrument_id: int) -> None:
        """The top of a lit book has changed; ``ctx.top`` shows it."""

    def on_trade(self, ctx: C, trade: Trade) -> None:
        """A lit trade printed."""

    def on_print(self, ctx: C, rfq_print: RfqPrint) -> None:
        """An RFQ trade was made public by the transparency regime."""

    def on_news(self, ctx: C, news: News) -> None:
        """A public signal of fair value arrived."""

    def on_announcement(self, ctx: C, announcement: Announcement) -> None:
        """Fair value has jumped, as everybody now knows, by about so much."""

    def on_accept(self, ctx: C, event: OrderAccepted) -> None:
        """An own order was accepted."""

    def on_fill(self, ctx: C, fill: OrderFilled) -> None:
        """An own order traded; ``ctx.position`` and ``ctx.orders`` include it."""

    def on_desk_event(self, ctx: C, event: Event) -> None:
        """Something has become of an order or a request of the agent's desk: a forced sale, not the strategy's doing.

        Only agents with a balance sheet have a desk. The event is an ``OrderFilled`` or ``RfqTraded``, which
        ``ctx.position`` includes, or any other that an own order or request brings about. Of the strategy's own, and of
        requests that others make of the agent, the hooks with the events' names hear, and of nothing else.
        """

    def on_cancel(self, ctx: C, event: OrderCanceled) -> None:
        """An own order, or part of it, left the book without trading."""

    def on_replace(self, ctx: C, event: OrderReplaced) -> None:
        """An own order has new terms."""

    def on_trigger(self, ctx: C, event: OrderTriggered) -> None:
        """An own stop order has fired."""

    def on_phase(self, ctx: C, event: PhaseChanged) -> None:
        """A lit book has moved to another trading phase."""

    def on_auction(self, ctx: C, event: AuctionUncrossed) -> None:
        """A call auction has cleared, or found nothing to clear."""

    def on_reject(self, ctx: C, event: OrderRejected | RfqRejected) -> None:
        """An own command was refused."""

    def on_rfq_request(self, ctx: C, request: RfqOpened) -> None:
        """Asked for a quote: answer now or later with ``ctx.quote`` or ``ctx.decline``."""

    def on_rfq_quote(self, ctx: C, quote: RfqQuoted) -> None:
        """A dealer answered an own request with a firm quote."""

    def on_rfq_decline(self, ctx: C, event: RfqDeclined) -> None:
        """A dealer declined an own request."""

    def on_rfq_trade(self, ctx: C, trade: RfqTraded) -> None:
        """An RFQ trade to which this agent is asker or dealer; the position includes it."""

    def on_rfq_close(self, ctx: C, event: RfqClosed) -> None:
        """A request that this agent made, or was asked in, has ended."""

    def on_message(self, ctx: C, event: AgentMessage) -> None:
        """Another agent has told this one something (``ctx.tell``): lenders and borrowers do."""

    def on_close(self, ctx: C) -> None:
        """The day's trading has ended, where there is a calendar; wake-ups do not come before the next open."""

    def on_open(self, ctx: C) -> None:
        """A day after the first opens, where there is a calendar; its opening auction, if any, begins."""

    def on_stop(self, ctx: C) -> None:
        """The horizon is reached: the last word for the log. No command leaves any more."""


class Strategy(Component[Context]):
    """Base class of every trading strategy.

    Attributes:
        params: The typed parameters.
        is_outside: Whether commands may come from outside the simulation in its agent's name.
    """

    is_outside: ClassVar[bool] = False

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the strategy; a subclass declares its own with types, defaults and units in the names."""

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        self.params = params if params is not None else type(self).Params()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.params!r})"

    def valuation(self, ctx: Context, instrument_id: int) -> tuple[float, float]:
        """What the strategy believes an instrument to be worth: mean and standard deviation, in ticks.

        The balance sheet is marked at it when no market supports a better mark. A strategy without a belief
        goes by the last price that it could see, without a notion of its error.
        """
        top = ctx.top(instrument_id)
        if top.is_two_sided:
            return top.mid_ticks, 0.0
        return float(ctx.last_trade_ticks(instrument_id) or ctx.initial_ticks(instrument_id)), 0.0
