"""Kyle's insider: one trader who knows the value and spreads the knowledge over several auctions."""

from __future__ import annotations

from math import sqrt
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderType, Side
from lob_sim.roots import brent_root
from lob_sim.units import NS_PER_S, Duration, Interval


class KyleInsider(Strategy):
    """Sends the equilibrium order of Kyle's sequential auction: a multiple of fair value less the last price.

    With N auctions over one unit of time, noise traders' flow of variance σ_u² over it, and a prior
    variance Σ₀ of the value, the order in auction n is β_n·Δt·(v − p_{n−1}), where β_n, λ_n and Σ_n solve
    the difference equations of the linear equilibrium. For N = 1 it is (σ_u/σ_v)(v − p₀). Its scenario
    group needs ``sees_fair_value``.

    Source: Kyle (1985), "Continuous Auctions and Insider Trading", theorems 1 and 2.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the insider.

        Attributes:
            instrument: Name of the instrument traded; empty means the market's first.
            auctions: Number N of auctions, or of trading times.
            start: When the first order is sent, counted from the opening.
            interval: Time between two orders.
            value_sd_ticks: Prior standard deviation √Σ₀ of the value.
            noise_sd_lots: Standard deviation σ_u of the noise traders' net flow over all auctions together.
        """

        instrument: str = ""
        auctions: Annotated[int, msgspec.Meta(ge=1)] = 1
        start: Duration = 0
        interval: Interval = 60 * NS_PER_S
        value_sd_ticks: Annotated[float, msgspec.Meta(gt=0)] = 100.0
        noise_sd_lots: Annotated[float, msgspec.Meta(gt=0)] = 1000.0

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        p = self.params
        self.instrument_id = 0
        self.auction = 0
        self.intensities = trading_intensities(p.auctions, p.value_sd_ticks, p.noise_sd_lots)

    def on_start(self, ctx: Context) -> None:
        names = (self.params.instrument,) if self.params.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        ctx.wake_in(max(1, self.params.start))

    def on_wake(self, ctx: Context, tag: int) -> None:
        intensity = self.intensities[self.auction]
        self.auction += 1
        if self.auction < self.params.auctions:
            ctx.wake_in(self.params.interval)
        price = ctx.last_trade_ticks(self.instrument_id) or ctx.initial_ticks(self.instrument_id)
        lots = round(intensity * (ctx.fair_value(self.instrument_id) - price))
        if lots and accepts_orders(ctx, self.instrument_id):
            side = Side.BUY if lots > 0 else Side.SELL
            ctx.place(self.instrument_id, side, abs(lots), order_type=OrderType.MARKET)


def trading_intensities(auctions: int, value_sd: float, noise_sd: float) -> tuple[float, ...]:
    """β_n·Δt for n = 1 .. N, in lots per tick.

    The equations run backwards from α_N = 0 and a final variance Σ_N. In units of value_sd and noise_sd
    they are free of scale: Σ_N is set to 1, and the variance Σ₀ to which that leads rescales the result.
    """
    noise_variance = 1.0 / auctions  # of one auction's noise flow, in units of noise_sd
    alpha, variance = 0.0, 1.0
    backwards: list[float] = []
    for _ in range(auctions):
        slope = _price_slope(alpha, variance, noise_variance)
        intensity = (1 - 2 * alpha * slope) / (2 * slope * (1 - alpha * slope))
        backwards.append(intensity)
        variance /= 1 - intensity * slope
        alpha = 1 / (4 * slope * (1 - alpha * slope))
    scale = sqrt(variance) * noise_sd / value_sd
    return tuple(intensity * scale for intensity in reversed(backwards))


def _price_slope(alpha: float, variance: float, noise_variance: float) -> float:
    """Kyle's λ of one auction, given α and the variance Σ after it: the root that keeps 1 − 2αλ positive."""

    def excess(slope: float) -> float:
        left = 2 * noise_variance * slope**2 * (1 - alpha * slope)
        return left - (1 - 2 * alpha * slope) * variance

    upper = 1 / (2 * alpha) if alpha else sqrt(variance / noise_variance)
    return brent_root(excess, 0.0, upper, xtol=1e-15, rtol=1e-14)
