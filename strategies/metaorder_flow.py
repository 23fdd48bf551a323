"""Order splitting: large orders of heavy-tailed size that reach the market in small pieces."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from lob_sim.agents.context import Context
from lob_sim.agents.execution import OWN_PARENTS
from lob_sim.agents.quoting import accepts_orders, touch_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderCanceled, OrderFilled, OrderRejected, RfqRejected, Side, TimeInForce
from lob_sim.units import NS_PER_S, Interval, Lots


class Metaorder(msgspec.Struct):
    """A large order at work.

    Attributes:
        number: Counted from ``OWN_PARENTS`` + 1; its child orders carry it.
        side: Whether it buys or sells.
        left_lots: What is still to be dealt.
        under_way_lots: What is sent of that, and not known to have been dealt or not.
    """

    number: int
    side: Side
    left_lots: Lots
    under_way_lots: Lots = 0


class MetaorderFlow(Strategy):
    """A fixed number of metaorders at work; at Poisson times one of them, at random, takes one lot from the touch.

    A metaorder buys or sells with equal chance and has L lots, P(L ≥ n) = n^-``tail_exponent`` for n up to
    ``max_lots``. When it is done a new one takes its place. At the opening the metaorders are as in a market that has
    traded for ever: a size is met in proportion to itself, anywhere between its first and its last lot. The
    autocorrelation of the signs of these trades falls off as lag^-(``tail_exponent`` - 1). A metaorder whose side
    nobody quotes waits.

    Source: Lillo, Mike and Farmer (2005), "Theory for Long Memory in Supply and Demand", Physical Review E 71,
        section III (a fixed number of hidden orders).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the flow.

        Attributes:
            instrument: Name of the instrument; empty means the market's first.
            metaorders: Number of metaorders at work at any time.
            tail_exponent (exponent): Exponent of the tail of their sizes; between 1 and 2 the signs have long memory.
            max_lots: Largest size.
            mean_interval: Mean time between two child orders, of all metaorders together.
        """

        instrument: str = ""
        metaorders: Annotated[int, msgspec.Meta(ge=1)] = 5
        tail_exponent: Annotated[float, msgspec.Meta(gt=1, le=10)] = 1.5
        max_lots: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
        mean_interval: Interval = 5 * NS_PER_S

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_id = 0
        self.begun = OWN_PARENTS
        self.at_work: list[Metaorder] = []
        self.children: dict[int, Metaorder] = {}

    def on_start(self, ctx: Context) -> None:
        p = self.params
        names = (p.instrument,) if p.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        at_least = np.arange(1.0, p.max_lots + 1) ** -p.tail_exponent
        # Of a metaorder that is met at work r lots are left with probability P(L ≥ r) / E[L].
        left = np.cumsum(at_least) / at_least.sum()
        for _ in range(p.metaorders):
            self.at_work.append(self._new(ctx, 1 + int(np.searchsorted(left[:-1], ctx.random.uniform(), side="right"))))
        ctx.wake_in(ctx.random.delay_ns(p.mean_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))
        order = self.at_work[ctx.random.integer(0, len(self.at_work))]
        touch, _ = touch_ticks(ctx.top(self.instrument_id), order.side)
        if not touch or order.left_lots <= order.under_way_lots or not accepts_orders(ctx, self.instrument_id):
            return
        child = ctx.place(
            self.instrument_id,
            order.side,
            1,
            touch,
            time_in_force=TimeInForce.IOC,
            parent_order_id=order.number,
        )
        if child:
            self.children[child] = order
            order.under_way_lots += 1

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        order = self._answered(fill.client_order_id)
        order.left_lots -= 1
        if not order.left_lots:
            lots = int((1 - ctx.random.uniform()) ** (-1 / self.params.tail_exponent))
            self.at_work[self.at_work.index(order)] = self._new(ctx, min(lots, self.params.max_lots))

    def on_cancel(self, ctx: Context, event: OrderCanceled) -> None:
        self._answered(event.client_order_id)

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        if isinstance(event, OrderRejected):
            self._answered(event.client_order_id)

    def _new(self, ctx: Context, lots: Lots) -> Metaorder:
        self.begun += 1
        side = Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL
        return Metaorder(self.begun, side, lots)

    def _answered(self, client_order_id: int) -> Metaorder:
        order = self.children.pop(client_order_id)
        order.under_way_lots -= 1
        return order
