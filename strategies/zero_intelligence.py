"""Zero intelligence: order flow without any thought, at given rates."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderType, SelfTradePrevention, Side
from lob_sim.units import NS_PER_S


class ZeroIntelligenceTrader(Strategy):
    """Sends limit orders, market orders and cancels at Poisson rates, regarding nothing but the touch.

    Limit orders fall uniformly on the ``price_range_ticks`` prices on the near side of the best opposite
    quote; each resting order is cancelled at a rate of its own. All of it is one superposed Poisson
    process, redrawn at every event, which exponential waiting times allow.

    Source: Daniels, Farmer, Gillemot, Iori and Smith (2003), "Quantitative Model of Price Diffusion and
        Market
    Friction Based on Trading as a Mechanistic Random Process"; Farmer, Patelli and Zovko (2005).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of one trader.

        Attributes:
            instrument: Name of the instrument traded; empty means the market's first.
            limit_orders_per_s: Rate of limit orders, both sides together, over the whole price range.
            market_orders_per_s: Rate of market orders, both sides together.
            cancels_per_order_s: Rate at which each resting order is cancelled.
            price_range_ticks: Number of prices on which a limit order may fall.
            size_lots: Size of every order.
        """

        instrument: str = ""
        limit_orders_per_s: Annotated[float, msgspec.Meta(gt=0)] = 0.5
        market_orders_per_s: Annotated[float, msgspec.Meta(ge=0)] = 0.1
        cancels_per_order_s: Annotated[float, msgspec.Meta(ge=0)] = 0.02
        price_range_ticks: Annotated[int, msgspec.Meta(ge=1)] = 50
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 1

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_id = 0
        self.resting = 0

    def on_start(self, ctx: Context) -> None:
        names = (self.params.instrument,) if self.params.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        self._await_next(ctx)

    def on_wake(self, ctx: Context, tag: int) -> None:
        p = self.params
        arrivals = p.limit_orders_per_s + p.market_orders_per_s
        point = ctx.random.uniform() * (arrivals + self.resting * p.cancels_per_order_s)
        if point < p.limit_orders_per_s:
            self._place_limit(ctx)
        elif point < arrivals:
            self._place_market(ctx)
        else:
            self._cancel(ctx, int((point - arrivals) / p.cancels_per_order_s))
        self._await_next(ctx)

    def _await_next(self, ctx: Context) -> None:
        p = self.params
        self.resting = len(ctx.orders(self.instrument_id))
        rate_per_s = p.limit_orders_per_s + p.market_orders_per_s + self.resting * p.cancels_per_order_s
        ctx.wake_in(ctx.random.delay_ns(NS_PER_S / rate_per_s))

    def _place_limit(self, ctx: Context) -> None:
        instrument_id, p = self.instrument_id, self.params
        # One uniform number gives the side (its first bit) and the distance (the rest).
        point = 2 * ctx.random.uniform()
        top = ctx.top(instrument_id)
        if point < 1:
            best = top.ask_ticks or self._last_price_ticks(ctx) + 1
            price = best - 1 - int(point * p.price_range_ticks)
            if price > 0:
                ctx.place(instrument_id, Side.BUY, p.size_lots, price)
        else:
            best = top.bid_ticks or self._last_price_ticks(ctx) - 1
            price = best + 1 + int((point - 1) * p.price_range_ticks)
            ctx.place(instrument_id, Side.SELL, p.size_lots, price)

    def _place_market(self, ctx: Context) -> None:
        side = Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL
        if accepts_orders(ctx, self.instrument_id):
            # One trader stands for a whole crowd: its market orders trade with its own limit orders too.
            ctx.place(
                self.instrument_id,
                side,
                self.params.size_lots,
                order_type=OrderType.MARKET,
                self_trade=SelfTradePrevention.NONE,
            )

    def _cancel(self, ctx: Context, index: int) -> None:
        # An order filled since the draw leaves its share of the rate without effect, as it should.
        order = next(islice(ctx.orders(self.instrument_id).values(), index, None), None)
        if order is not None and not order.cancel_sent:
            ctx.cancel(self.instrument_id, order.client_order_id)

    def _last_price_ticks(self, ctx: Context) -> int:
        return ctx.last_trade_ticks(self.instrument_id) or ctx.initial_ticks(self.instrument_id)
