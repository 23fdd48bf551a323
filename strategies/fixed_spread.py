"""The simplest dealer: a constant spread around its own idea of the mid price."""

from __future__ import annotations

from math import ceil, floor
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import behind_the_touch, keep_quotes, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import DeclineReason, News, OrderFilled, RfqOpened, RfqTraded, Side, Trade
from lob_sim.units import NS_PER_S, Interval, Ticks


class FixedSpreadDealer(Strategy):
    """Quotes a constant spread around its mid estimate, leaning against its inventory.

    The mid estimate moves a fixed part of the way towards every lit trade and every piece of news. Quotes are
    moved on a timer and after own fills. Requests for quote get the same prices.

    Source: the "naive" market maker of Demsetz (1968), "The Cost of Transacting", section II; the inventory
        lean
    is the linear rule of Amihud and Mendelson (1980), section 4.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the dealer.

        Attributes:
            instruments: Names of the instruments quoted; none means all.
            half_spread_ticks: Distance of each quote from the mid estimate.
            size_lots: Size of each quote.
            max_position_lots: Position, long or short, at which the side that would add to it is withdrawn.
            skew_ticks_per_lot: How far both quotes move down for each lot held long.
            trade_weight: Part of the way that the mid estimate moves towards a lit trade's price.
            news_weight: Part of the way that it moves towards a public signal.
            requote_interval: Time between two looks at the market.
            quote_ttl: How long an answer to a request for quote stays firm.
        """

        instruments: tuple[str, ...] = ()
        half_spread_ticks: Annotated[int, msgspec.Meta(ge=1)] = 2
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 10
        max_position_lots: Annotated[int, msgspec.Meta(ge=1)] = 200
        skew_ticks_per_lot: Annotated[float, msgspec.Meta(ge=0)] = 0.02
        trade_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
        news_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
        requote_interval: Interval = NS_PER_S
        quote_ttl: Interval = 5 * NS_PER_S

    params: Params
    answers_rfqs = True
    patient = frozenset({"on_trade", "on_news"})

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.mid_ticks: dict[int, float] = {}

    def on_start(self, ctx: Context) -> None:
        for instrument_id in traded_instruments(ctx, self.params.instruments):
            self.mid_ticks[instrument_id] = float(ctx.initial_ticks(instrument_id))
        self.on_wake(ctx, 0)

    def on_wake(self, ctx: Context, tag: int) -> None:
        for instrument_id in self.mid_ticks:
            self._requote(ctx, instrument_id)
        ctx.wake_in(self.params.requote_interval)

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self._learn(trade.instrument_id, trade.price_ticks, self.params.trade_weight)

    def on_news(self, ctx: Context, news: News) -> None:
        self._learn(news.instrument_id, news.signal_ticks, self.params.news_weight)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        if fill.instrument_id in self.mid_ticks:
            self._requote(ctx, fill.instrument_id)

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        if trade.instrument_id in self.mid_ticks:
            self._requote(ctx, trade.instrument_id)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        if request.instrument_id not in self.mid_ticks:
            ctx.decline(request)
            return
        bid, ask = self.quotes(ctx, request.instrument_id)
        position, limit = ctx.position(request.instrument_id), self.params.max_position_lots
        if request.side == Side.BUY or position + request.qty_lots > limit:
            bid = 0
        if request.side == Side.SELL or position - request.qty_lots < -limit:
            ask = 0
        if bid > 0 or ask > 0:
            ctx.quote(request, max(bid, 0), ask, self.params.quote_ttl)
        else:
            ctx.decline(request, DeclineReason.CAPACITY)

    def quotes(self, ctx: Context, instrument_id: int) -> tuple[Ticks, Ticks]:
        """Bid and ask for the present inventory, before any look at the competition."""
        p = self.params
        centre = self.mid_ticks[instrument_id] - p.skew_ticks_per_lot * ctx.position(instrument_id)
        return floor(centre - p.half_spread_ticks + 0.5), max(1, ceil(centre + p.half_spread_ticks - 0.5))

    def _requote(self, ctx: Context, instrument_id: int) -> None:
        bid, ask = behind_the_touch(ctx, instrument_id, *self.quotes(ctx, instrument_id))
        position, limit = ctx.position(instrument_id), self.params.max_position_lots
        bid_lots = min(self.params.size_lots, limit - position)
        ask_lots = min(self.params.size_lots, limit + position)
        keep_quotes(ctx, instrument_id, bid, bid_lots, ask, ask_lots)

    def _learn(self, instrument_id: int, price_ticks: float, weight: float) -> None:
        if instrument_id in self.mid_ticks:
            self.mid_ticks[instrument_id] += weight * (price_ticks - self.mid_ticks[instrument_id])
