"""Somebody outside the simulation: a person, a program under test, a script that asks what would happen if."""

from __future__ import annotations

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    RfqClosed,
    RfqDeclined,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
)


class Outside(Strategy):
    """Does nothing of its own accord: its commands come through ``lob_sim.Simulation.inject``.

    They go through the agent's account, pre-trade limits and latency like anybody's, and are on the log.

    Source: a choice of this program.

    Attributes:
        heard: What the venues have answered, oldest first, as far as it has arrived.
    """

    is_outside = True

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.heard: list[Event] = []

    def on_accept(self, ctx: Context, event: OrderAccepted) -> None:
        self.heard.append(event)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self.heard.append(fill)

    def on_cancel(self, ctx: Context, event: OrderCanceled) -> None:
        self.heard.append(event)

    def on_replace(self, ctx: Context, event: OrderReplaced) -> None:
        self.heard.append(event)

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        self.heard.append(event)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        self.heard.append(quote)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        self.heard.append(event)

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        self.heard.append(trade)

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        self.heard.append(event)
