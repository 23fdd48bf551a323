"""Liquidity traders: many small traders with reasons of their own, who go home when the price is too bad."""

from __future__ import annotations

from math import ceil, floor
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.execution import OWN_PARENTS
from lob_sim.agents.inquiries import AsksForQuotes, Inquiries, some_dealers
from lob_sim.agents.quoting import accepts_orders, touch_ticks, traded_instruments, visible_price_ticks
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import Side, TimeInForce
from lob_sim.units import NS_PER_S, Interval, Lots, Ticks

_ARRIVAL = 0
_CHILD = 1 << 40
"""Wake-up tags of parent orders at work are this plus the parent's number: far beyond those of requests and orders."""


class _Parent(msgspec.Struct):
    """An order that is sent in pieces."""

    instrument_id: int
    side: Side
    left_lots: Lots
    premium_ticks: float


class LiquidityTraders(AsksForQuotes, Strategy):
    """A population of uninformed traders with elastic reservation values, trading at Poisson times.

    Each arrival wants to buy or sell, with equal chance, and values immediacy at a private amount, uniform on
    [0, ``max_reservation_ticks``], beyond the visible price. It trades if the touch is within its private
    value: at a half-spread h a share 1 − h/``max_reservation_ticks`` of the flow stays. That elasticity is
    what can make a lit market close. Some ask dealers instead, and all do when nobody quotes their side of
    the lit book. Where trading is all-to-all, some offer liquidity in place of taking it: they rest an order at the
    visible price, on their own side of it, for a while, and go home if nobody takes it.

    A lit order larger than ``child_lots`` is split: its first piece goes at once, the others at Poisson times, each if
    the touch is then within the private value and else not at all. That is what makes signs of trades alike in a row
    (Lillo, Mike and Farmer 2005). Requests are not split: who asks dealers wants to deal at once.

    Source: the liquidity traders of Glosten and Milgrom (1985), "Bid, Ask and Transaction Prices in a
    Specialist Market with Heterogeneously Informed Traders", whose private valuation decides whether they
    trade.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the population.

        Attributes:
            instruments: Names of the instruments traded; none means all. Each arrival is in one of them, at
                random.
            traders: Number of traders; their arrivals are superposed into one Poisson process.
            mean_interval: Mean time between two arrivals of one trader.
            max_size_lots: Order sizes are uniform on 1 .. ``max_size_lots``.
            max_reservation_ticks: Upper end of the private values.
            rfq_share: Probability that an arrival asks dealers although its side of the lit book is quoted.
            rfq_dealers: Number of dealers asked, chosen at random; 0 means that these traders never ask.
            rfq_patience: How long an asker waits for answers.
            quoting_share (probability): Probability that an arrival rests an order in the lit book instead; 0:
                clients only take, as where dealers alone may quote.
            quoting_patience: How long such an order rests.
            child_lots: Size of the pieces in which an order is sent to the lit book; 0: whole.
            child_interval: Mean time between two pieces of one order.
        """

        instruments: tuple[str, ...] = ()
        traders: Annotated[int, msgspec.Meta(ge=1)] = 100
        mean_interval: Interval = 60 * NS_PER_S
        max_size_lots: Annotated[int, msgspec.Meta(ge=1)] = 5
        max_reservation_ticks: Annotated[float, msgspec.Meta(gt=0)] = 20.0
        rfq_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
        rfq_dealers: Annotated[int, msgspec.Meta(ge=0)] = 3
        rfq_patience: Interval = NS_PER_S
        quoting_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
        quoting_patience: Interval = 30 * NS_PER_S
        child_lots: Annotated[int, msgspec.Meta(ge=0)] = 0
        child_interval: Interval = 10 * NS_PER_S

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_ids: tuple[int, ...] = ()
        self.inquiries = Inquiries()
        self.resting: dict[int, int] = {}
        self.parents: dict[int, _Parent] = {}
        self.begun = 0

    def on_start(self, ctx: Context) -> None:
        self.instrument_ids = traded_instruments(ctx, self.params.instruments)
        self._await_arrival(ctx)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag > _CHILD:
            self._send_child(ctx, tag - _CHILD)
            return
        if tag > 0:
            self.inquiries.on_patience_over(ctx, tag)
            return
        if tag < 0:
            self._give_up(ctx, -tag)
            return
        self._await_arrival(ctx)
        random, p = ctx.random, self.params
        instrument_id = self.instrument_ids[random.integer(0, len(self.instrument_ids))]
        side = Side.BUY if random.uniform() < 0.5 else Side.SELL
        qty = random.integer(1, p.max_size_lots + 1)
        premium = random.uniform() * p.max_reservation_ticks
        limit = self._limit_ticks(ctx, instrument_id, side, premium)
        prefers_rfq = random.uniform() < p.rfq_share
        if p.quoting_share and random.uniform() < p.quoting_share:
            self._rest(ctx, instrument_id, side, qty)
            return
        touch, _ = touch_ticks(ctx.top(instrument_id), side)
        if p.rfq_dealers and (prefers_rfq or not touch):
            self._ask(ctx, instrument_id, side, qty, limit)
        elif 0 < p.child_lots < qty:
            self.begun += 1
            self.parents[self.begun] = _Parent(instrument_id, side, qty, premium)
            self._send_child(ctx, self.begun)
        elif touch and limit > 0 and side * (limit - touch) >= 0 and accepts_orders(ctx, instrument_id):
            ctx.place(instrument_id, side, qty, limit, time_in_force=TimeInForce.IOC)

    def _await_arrival(self, ctx: Context) -> None:
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval / self.params.traders), _ARRIVAL)

    def _limit_ticks(self, ctx: Context, instrument_id: int, side: Side, premium_ticks: float) -> Ticks:
        price = visible_price_ticks(ctx, instrument_id)
        return floor(price + premium_ticks) if side is Side.BUY else max(1, ceil(price - premium_ticks))

    def _send_child(self, ctx: Context, number: int) -> None:
        p, parent = self.params, self.parents[number]
        qty = min(p.child_lots, parent.left_lots)
        parent.left_lots -= qty
        if parent.left_lots:
            ctx.wake_in(ctx.random.delay_ns(p.child_interval), _CHILD + number)
        else:
            del self.parents[number]
        i, side = parent.instrument_id, parent.side
        limit = self._limit_ticks(ctx, i, side, parent.premium_ticks)
        touch, _ = touch_ticks(ctx.top(i), side)
        if touch and side * (limit - touch) >= 0 and accepts_orders(ctx, i):
            parent_order = OWN_PARENTS + number
            ctx.place(i, side, qty, limit, time_in_force=TimeInForce.IOC, parent_order_id=parent_order)
        elif not touch and p.rfq_dealers:
            self._ask(ctx, i, side, qty, limit)

    def _rest(self, ctx: Context, instrument_id: int, side: Side, qty_lots: Lots) -> None:
        price = visible_price_ticks(ctx, instrument_id)
        own_side = floor(price) if side is Side.BUY else ceil(price)
        if own_side <= 0 or not accepts_orders(ctx, instrument_id):
            return
        order = ctx.place(instrument_id, side, qty_lots, own_side, post_only=True)
        if order:
            self.resting[order] = instrument_id
            ctx.wake_in(self.params.quoting_patience, -order)

    def _give_up(self, ctx: Context, client_order_id: int) -> None:
        instrument_id = self.resting.pop(client_order_id)
        if client_order_id in ctx.orders(instrument_id):
            ctx.cancel(instrument_id, client_order_id)

    def _ask(self, ctx: Context, instrument_id: int, side: Side, qty_lots: Lots, limit_ticks: Ticks) -> None:
        p = self.params
        self.inquiries.ask(
            ctx, instrument_id, side, qty_lots, limit_ticks,
            dealer_ids=some_dealers(ctx, p.rfq_dealers), patience_ns=p.rfq_patience,
        )  # fmt: skip
