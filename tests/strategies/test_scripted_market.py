"""The scripted market of the contract: real venues, in which everything happens that a strategy must stand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderFilled, Phase, RejectReason, RfqOpened, RfqQuoted, RfqTraded, Side
from lob_sim.testing import Conditions, RecordingContext, ScriptedMarket
from lob_sim.units import NS_PER_S

ALWAYS = {
    "on_accept", "on_announcement", "on_book", "on_cancel", "on_fill", "on_news", "on_print", "on_reject", "on_replace",
    "on_rfq_close", "on_rfq_decline", "on_rfq_quote", "on_rfq_request", "on_rfq_trade", "on_trade",
}  # fmt: skip
"""What a strategy that does everything hears in continuous trading."""


class Everything(Strategy):
    """Quotes, moves its quotes, takes, asks and answers, and writes down what it hears."""

    answers_rfqs = True

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self.heard: Counter[str] = Counter()
        self.events: list[Any] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_") and name != "on_start":
            self.heard[name] += 1
        return super().__getattribute__(name)

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        top = ctx.top(0)
        step = tag % 6
        if step == 0:
            ctx.cancel_all(0)
            ctx.place(0, Side.BUY, 3, max(1, top.bid_ticks))
            ctx.place(0, Side.SELL, 3, top.ask_ticks or 20_000)
        elif step == 1:
            for order in list(ctx.orders(0).values()):
                ctx.replace(0, order.client_order_id, 2, order.price_ticks)
        elif step == 2:
            ctx.place(0, Side.BUY, 1, (top.ask_ticks or 10_000) + 5)
        elif step == 3:
            ctx.request_quote(0, None, 2, ctx.dealers, 5 * NS_PER_S)
        ctx.wake_in(NS_PER_S, tag + 1)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self.events.append(fill)

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        self.events.append(trade)

    def on_reject(self, ctx: Context, event: Any) -> None:
        self.events.append(event)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.quote(request, 9_990, 10_010, NS_PER_S)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        if quote.rfq_id % 2:
            ctx.accept(quote, Side.BUY)


def play(conditions: Conditions | None = None, seed: int = 1) -> tuple[Everything, ScriptedMarket]:
    strategy = Everything()
    market = ScriptedMarket(strategy, RecordingContext(seed=seed), seed, conditions)
    market.run(400)
    return strategy, market


def test_everything_happens_and_the_account_is_what_was_traded() -> None:
    strategy, market = play()
    assert set(strategy.heard) >= ALWAYS, ALWAYS - set(strategy.heard)
    lots = 0
    for event in strategy.events:
        if isinstance(event, OrderFilled):
            lots += event.side * event.qty_lots
        elif isinstance(event, RfqTraded):
            lots += event.side * event.qty_lots * (1 if event.agent_id == market.ctx.agent_id else -1)
    assert lots == market.ctx.position(0)
    assert {event.is_maker for event in strategy.events if isinstance(event, OrderFilled)} == {True, False}
    for _, venue in market._venues:
        venue.check()


def test_orders_that_the_account_knows_are_those_of_the_book() -> None:
    _, market = play(Conditions(reject_share=0.0))
    book = market._venues.books[0].book
    own = {o.client_order_id: o.open_lots for o in book.orders.values() if o.agent_id == market.ctx.agent_id}
    assert own == {n: order.leaves_lots for n, order in market.ctx.orders(0).items()}


@pytest.mark.parametrize("phase", [Phase.AUCTION, Phase.HALTED, Phase.CLOSED])
def test_outside_of_continuous_trading_nothing_fills(phase: Phase) -> None:
    strategy, market = play(Conditions(phase=phase))
    assert market.ctx.phase(0) is phase
    assert not [event for event in strategy.events if isinstance(event, OrderFilled)]
    assert ("on_accept" in strategy.heard) is (phase is not Phase.CLOSED)


def test_a_closed_book_refuses_and_an_open_one_does_not() -> None:
    def refused(conditions: Conditions) -> set[RejectReason]:
        strategy, _ = play(conditions)
        return {e.reason for e in strategy.events if hasattr(e, "reason")}

    assert RejectReason.SESSION_CLOSED in refused(Conditions(phase=Phase.CLOSED, reject_share=0.0))
    assert RejectReason.SESSION_CLOSED not in refused(Conditions(reject_share=0.0))
