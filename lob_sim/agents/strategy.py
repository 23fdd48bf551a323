"""The plug-in seam: a strategy is one class with hooks.

A strategy holds its own state and nothing of the simulator's: every hook is handed the context. It is made once
per agent from its typed parameters and must pickle. Only hooks that a class overrides are ever called, and an
agent that overrides none of the market-data hooks costs no market-data events.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from lob_sim.agents.context import Context
from lob_sim.messages import (
    Event,
    News,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqPrint,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Trade,
)


class Strategy:
    """Base class of every trading strategy.

    Attributes:
        params: The typed parameters.
        answers_rfqs: Whether other agents may ask this one for quotes (a dealer).
        patient: Names of message hooks that need not be called on arrival: their messages wait until the agent
            is next awake, and are then handed over in order. A dealer that requotes on a timer can read the
            tape when it wakes and so costs the simulation one event instead of hundreds.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the strategy; a subclass declares its own with types, defaults and units in the names."""

    answers_rfqs: ClassVar[bool] = False
    patient: ClassVar[frozenset[str]] = frozenset()

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

    # --- hooks: all optional ------------------------------------------------------------------------------
    def on_start(self, ctx: Context) -> None:
        """The market opens. The place to ask for the first wake-up and to send first quotes."""

    def on_wake(self, ctx: Context, tag: int) -> None:
        """A wake-up asked for by ``ctx.wake_in(delay_ns, tag)``."""

    def on_book(self, ctx: Context, instrument_id: int) -> None:
        """The top of a lit book has changed; ``ctx.top`` shows it."""

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """A lit trade printed."""

    def on_print(self, ctx: Context, rfq_print: RfqPrint) -> None:
        """An RFQ trade was made public by the transparency regime."""

    def on_news(self, ctx: Context, news: News) -> None:
        """A public signal of fair value arrived."""

    def on_accept(self, ctx: Context, event: OrderAccepted) -> None:
        """An own order was accepted."""

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        """An own order traded; ``ctx.position`` and ``ctx.orders`` include it."""

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        """Something has become of an order or a request of the agent's desk: a forced sale, not the strategy's doing.

        Only agents with a balance sheet have a desk. The event is an ``OrderFilled`` or ``RfqTraded``, which
        ``ctx.position`` includes, or any other that an own order or request brings about. Of the strategy's own, and of
        requests that others make of the agent, the hooks with the events' names hear, and of nothing else.
        """

    def on_cancel(self, ctx: Context, event: OrderCanceled) -> None:
        """An own order, or part of it, left the book without trading."""

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        """An own command was refused."""

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        """Asked for a quote: answer now or later with ``ctx.quote`` or ``ctx.decline``."""

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        """A dealer answered an own request with a firm quote."""

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """A dealer declined an own request."""

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        """An RFQ trade to which this agent is asker or dealer; the position includes it."""

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        """A request that this agent made, or was asked in, has ended."""

    def on_message(self, ctx: Context, event: Event) -> None:
        """Another agent has told this one something (``ctx.tell``): lenders and borrowers do."""
