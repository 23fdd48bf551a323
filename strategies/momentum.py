"""Trend followers: what has risen is bought."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import take_towards, threshold_direction, traded_instruments, visible_price_ticks
from lob_sim.agents.strategy import Strategy
from lob_sim.units import NS_PER_S, Interval


class MomentumTrader(Strategy):
    """Holds a long position while the price has risen enough over a lag, a short one while it has fallen.

    The trend is the visible price less that of ``lag_looks`` looks ago. A position is opened when the trend
    exceeds the entry threshold and closed when it falls below the exit threshold.

    Source: the trend strategies with entry and exit thresholds of Farmer and Joshi (2002), "The Price
    Dynamics of Common Trading Strategies", section 3.1.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the trader.

        Attributes:
            instruments: Names of the instruments traded; none means all.
            look_interval: Time between two looks at the price.
            lag_looks: Lag of the trend, in looks.
            entry_ticks: Trend at which a position is opened.
            exit_ticks: Trend below which it is closed.
            position_lots: Size of the position.
            size_lots: The most that one order takes.
        """

        instruments: tuple[str, ...] = ()
        look_interval: Interval = 10 * NS_PER_S
        lag_looks: Annotated[int, msgspec.Meta(ge=1)] = 6
        entry_ticks: Annotated[float, msgspec.Meta(gt=0)] = 5.0
        exit_ticks: Annotated[float, msgspec.Meta(ge=0)] = 1.0
        position_lots: Annotated[int, msgspec.Meta(ge=1)] = 20
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 5

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.prices_ticks: dict[int, list[float]] = {}
        self.directions: dict[int, int] = {}

    def on_start(self, ctx: Context) -> None:
        for instrument_id in traded_instruments(ctx, self.params.instruments):
            self.prices_ticks[instrument_id] = []
            self.directions[instrument_id] = 0
        # A start at a random time keeps the traders of one group from acting all at once.
        ctx.wake_in(1 + ctx.random.integer(0, self.params.look_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(self.params.look_interval)
        for instrument_id, prices in self.prices_ticks.items():
            prices.append(visible_price_ticks(ctx, instrument_id))
            if len(prices) > self.params.lag_looks:
                self._follow(ctx, instrument_id, prices[-1] - prices.pop(0))

    def _follow(self, ctx: Context, instrument_id: int, trend_ticks: float) -> None:
        p = self.params
        direction = threshold_direction(self.directions[instrument_id], trend_ticks, p.entry_ticks, p.exit_ticks)
        self.directions[instrument_id] = direction
        take_towards(ctx, instrument_id, direction * p.position_lots, p.size_lots)
