"""The simplest dealer: a constant spread around its own idea of the mid price."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting_dealer import QuotingDealer
from lob_sim.messages import News, Trade


class FixedSpreadDealer(QuotingDealer):
    """Quotes a constant spread around its mid estimate, leaning against its inventory.

    The mid estimate moves a fixed part of the way towards every lit trade and every piece of news.

    Source: Demsetz (1968), "The Cost of Transacting" (the spread as the price of immediacy); the lean is the
    linear special case of Amihud and Mendelson (1980), "Dealership Market".
    """

    class Params(QuotingDealer.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the dealer.

        Attributes:
            half_spread_ticks: Distance of each quote from the leaning mid estimate.
            skew_ticks_per_lot: How far both quotes move down for each lot held long.
            trade_weight: Part of the way that the mid estimate moves towards a lit trade's price.
            news_weight: Part of the way that it moves towards a public signal.
        """

        half_spread_ticks: Annotated[int, msgspec.Meta(ge=1)] = 2
        skew_ticks_per_lot: Annotated[float, msgspec.Meta(ge=0)] = 0.02
        trade_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
        news_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3

    params: Params
    deferred_hooks = frozenset({"on_trade", "on_news"})

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.mid_ticks: list[float] = []

    def on_start(self, ctx: Context) -> None:
        self.mid_ticks = [float(ctx.initial_ticks(i)) for i in range(len(ctx.instruments))]
        super().on_start(ctx)

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self._learn(trade.instrument_id, trade.price_ticks, self.params.trade_weight)

    def on_news(self, ctx: Context, news: News) -> None:
        self._learn(news.instrument_id, news.signal_ticks, self.params.news_weight)

    def quotes(self, ctx: Context, instrument_id: int) -> tuple[float, float]:
        p = self.params
        centre = self.mid_ticks[instrument_id] - p.skew_ticks_per_lot * self.inventory(ctx, instrument_id)
        return centre - p.half_spread_ticks, centre + p.half_spread_ticks

    def _learn(self, instrument_id: int, price_ticks: float, weight: float) -> None:
        self.mid_ticks[instrument_id] += weight * (price_ticks - self.mid_ticks[instrument_id])
