"""Zero intelligence: order flow without any thought, at given rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context, WorkingOrder
from lob_sim.agents.quoting import accepts_orders, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderType, SelfTradePrevention, Side
from lob_sim.units import NS_PER_S, Duration

_BUY, _SELL = Side.BUY, Side.SELL
_MARKET = OrderType.MARKET
_CANCEL_MAKER, _NO_PREVENTION = SelfTradePrevention.CANCEL_MAKER, SelfTradePrevention.NONE


class ZeroIntelligenceTrader(Strategy):
    """Sends limit orders, market orders and cancels at Poisson rates, regarding nothing but the touch.

    Limit orders fall uniformly on the ``price_range_ticks`` prices on the near side of the best opposite
    quote; each resting order is cancelled at a rate of its own. All of it is one superposed Poisson
    process, redrawn at every event, which exponential waiting times allow. So a whole population of such
    traders is one agent, which has all of their orders.

    Source: Daniels, Farmer, Gillemot, Iori and Smith (2003), "Quantitative Model of Price Diffusion and
        Market Friction Based on Trading as a Mechanistic Random Process"; Farmer, Patelli and Zovko (2005).
        Arrivals by intervals: Gillespie (2001), "Approximate Accelerated Stochastic Simulation" (tau-leaping),
        with rates that are kept up to date within the interval.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of one trader, and how many there are.

        Attributes:
            traders: Number of traders that the agent stands for; they trade with each other too.
            interval: The agent looks at the market this often and then sends, together, all orders that arose
                since; 0 sends every order at its own time.
            instrument: Name of the instrument traded; empty means the market's first.
            limit_orders_per_s: Rate of limit orders, both sides together, over the whole price range.
            market_orders_per_s: Rate of market orders, both sides together.
            cancels_per_order_s: Rate at which each resting order is cancelled.
            price_range_ticks: Number of prices on which a limit order may fall.
            size_lots: Size of every order.
        """

        traders: Annotated[int, msgspec.Meta(ge=1)] = 1
        interval: Duration = 0
        instrument: str = ""
        limit_orders_per_s: Annotated[float, msgspec.Meta(gt=0)] = 0.5
        market_orders_per_s: Annotated[float, msgspec.Meta(ge=0)] = 0.1
        cancels_per_order_s: Annotated[float, msgspec.Meta(ge=0)] = 0.02
        price_range_ticks: Annotated[int, msgspec.Meta(ge=1)] = 50
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 1

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        p = self.params
        self.instrument_id = 0
        self.limits_per_s = p.traders * p.limit_orders_per_s
        self.arrivals_per_s = p.traders * (p.limit_orders_per_s + p.market_orders_per_s)
        self.rate_per_s = self.arrivals_per_s
        # A single trader does not trade with itself; a crowd does.
        self.prevention = _CANCEL_MAKER if p.traders == 1 else _NO_PREVENTION
        self.next_ns = 0
        # A crowd's orders, those included that are known to have ended but have not been come across since.
        self.placed: list[int] = []

    def on_start(self, ctx: Context) -> None:
        names = (self.params.instrument,) if self.params.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        self.next_ns = ctx.now_ns
        if self.params.interval:
            self._draw_next(ctx)
            ctx.wake_in(self.params.interval)
        else:
            ctx.wake_in(self._draw_next(ctx))

    def on_wake(self, ctx: Context, tag: int) -> None:
        interval_ns = self.params.interval
        if not interval_ns:
            self._act(ctx)
            ctx.wake_in(self._draw_next(ctx))
            return
        now_ns = ctx.now_ns
        while self.next_ns <= now_ns:
            self._act(ctx)
            self._draw_next(ctx)
        ctx.wake_in(interval_ns)

    def _act(self, ctx: Context) -> None:
        """One arrival: which kind it is goes by the rates as they were when it was drawn."""
        point = ctx.random.uniform() * self.rate_per_s
        if point < self.limits_per_s:
            self._place_limit(ctx)
        elif point < self.arrivals_per_s:
            self._place_market(ctx)
        else:
            self._cancel(ctx, (point - self.arrivals_per_s) / self.params.cancels_per_order_s)

    def _draw_next(self, ctx: Context) -> int:
        """Draw when the next arrival is: how long after the last one, in nanoseconds."""
        resting = len(ctx.orders(self.instrument_id))
        self.rate_per_s = rate_per_s = self.arrivals_per_s + resting * self.params.cancels_per_order_s
        delay_ns = ctx.random.delay_ns(NS_PER_S / rate_per_s)
        self.next_ns += delay_ns
        return delay_ns

    def _place_limit(self, ctx: Context) -> None:
        instrument_id, p = self.instrument_id, self.params
        # One uniform number gives the side (its first bit) and the distance (the rest).
        point = 2 * ctx.random.uniform()
        top = ctx.top(instrument_id)
        if point < 1:
            best = top.ask_ticks or self._last_price_ticks(ctx) + 1
            side, price_ticks = _BUY, best - 1 - int(point * p.price_range_ticks)
            if price_ticks <= 0:
                return
        else:
            best = top.bid_ticks or self._last_price_ticks(ctx) - 1
            side, price_ticks = _SELL, best + 1 + int((point - 1) * p.price_range_ticks)
        number = ctx.place(instrument_id, side, p.size_lots, price_ticks, self_trade=self.prevention)
        if number and p.traders > 1:
            self.placed.append(number)

    def _place_market(self, ctx: Context) -> None:
        side = _BUY if ctx.random.uniform() < 0.5 else _SELL
        if accepts_orders(ctx, self.instrument_id):
            # Even one trader stands for a whole crowd here: market orders trade with its own limit orders too.
            p = self.params
            number = ctx.place(self.instrument_id, side, p.size_lots, order_type=_MARKET, self_trade=_NO_PREVENTION)
            if number and p.traders > 1:
                self.placed.append(number)

    def _cancel(self, ctx: Context, share: float) -> None:
        """Cancel one of the working orders, each with the same probability; ``share`` counts orders from the oldest."""
        orders = ctx.orders(self.instrument_id)
        if self.params.traders == 1:
            # An order filled since the draw leaves its share of the rate without effect, as it should.
            order = next(islice(orders.values(), int(share), None), None)
        else:
            order = self._any_of(orders, ctx.random.uniform)
        if order is not None and not order.cancel_sent:
            ctx.cancel(self.instrument_id, order.client_order_id)

    def _any_of(self, orders: Mapping[int, WorkingOrder], uniform: Callable[[], float]) -> WorkingOrder | None:
        """Draw one of the crowd's working orders; O(1), amortised, where counting to it would take thousands of steps.

        An order that has ended is struck off the list when it is drawn, and another is drawn.
        """
        placed = self.placed
        while placed:
            index = int(uniform() * len(placed))
            order = orders.get(placed[index])
            if order is not None:
                return order
            placed[index] = placed[-1]
            placed.pop()
        return None

    def _last_price_ticks(self, ctx: Context) -> int:
        return ctx.last_trade_ticks(self.instrument_id) or ctx.initial_ticks(self.instrument_id)
