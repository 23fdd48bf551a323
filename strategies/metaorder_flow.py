"""Order splitting: large orders of heavy-tailed size that reach the market in small pieces."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, touch_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderFilled, Side, TimeInForce
from lob_sim.rng import Stream
from lob_sim.units import NS_PER_S, Interval, Lots


class MetaorderFlow(Strategy):
    """A fixed number of metaorders at work at once; at Poisson times one of them, at random, takes a lot from the touch.

    A metaorder buys or sells with equal chance and has L lots, P(L ≥ n) = n^-``tail_exponent`` for n up to
    ``max_lots``. When it is done a new one takes its place. At the opening the metaorders are found as they are in a
    market that has traded for ever: half-way through sizes drawn by size. The autocorrelation of the signs of these
    trades then falls off as lag^-(``tail_exponent`` - 1). While nobody quotes its side, a metaorder waits.

    Source: Lillo, Mike and Farmer (2005), "Theory for Long Memory in Supply and Demand", Physical Review E 71, 066122,
        section III (a fixed number of hidden orders).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the flow.

        Attributes:
            instrument: Name of the instrument; empty means the market's first.
            metaorders: Number of metaorders at work at any time.
            tail_exponent: Exponent of the tail of their sizes; between 1 and 2 the signs have long memory.
            max_lots: Largest size.
            mean_interval: Mean time between two child orders, of all metaorders together.
        """

        instrument: str = ""
        metaorders: Annotated[int, msgspec.Meta(ge=1)] = 5
        tail_exponent: Annotated[float, msgspec.Meta(gt=1)] = 1.5
        max_lots: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
        mean_interval: Interval = 5 * NS_PER_S

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_id = 0
        self.last_number = 0
        # Side and lots still to be dealt, by number, which its child orders carry as that of their parent.
        self.at_work: dict[int, tuple[Side, Lots]] = {}

    def on_start(self, ctx: Context) -> None:
        p = self.params
        names = (p.instrument,) if p.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        at_least = np.arange(1, p.max_lots + 1) ** -p.tail_exponent
        # What is left of an order that is met at work has r lots with probability P(L ≥ r) / E[L].
        left = np.cumsum(at_least) / at_least.sum()
        for _ in range(p.metaorders):
            self._begin(ctx.random, 1 + int(np.searchsorted(left[:-1], ctx.random.uniform(), side="right")))
        ctx.wake_in(ctx.random.delay_ns(p.mean_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))
        number = list(self.at_work)[ctx.random.integer(0, self.params.metaorders)]
        side, lots = self.at_work[number]
        under_way = sum(o.leaves_lots for o in ctx.orders(self.instrument_id).values() if o.parent_order_id == number)
        touch, _ = touch_ticks(ctx.top(self.instrument_id), side)
        if touch and lots > under_way and accepts_orders(ctx, self.instrument_id):
            ctx.place(self.instrument_id, side, 1, touch, time_in_force=TimeInForce.IOC, parent_order_id=number)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        order = ctx.orders(self.instrument_id).get(fill.client_order_id)
        number = self.children.pop(fill.client_order_id)
        side, lots = self.at_work[number]
        self.at_work[number] = (side, lots - fill.qty_lots)
