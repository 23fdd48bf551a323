"""Mean reversion: what is far below its usual price is bought."""

from __future__ import annotations

from math import exp
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import take_towards, threshold_direction, traded_instruments, visible_price_ticks
from lob_sim.agents.strategy import Strategy
from lob_sim.units import NS_PER_S, Interval


class MeanReversionTrader(Strategy):
    """Holds a long position while the price is well below its slow average, a short one while it is above.

    The perceived value is an exponential average of the visible price, so that no private knowledge is
    needed. A position is opened when the mispricing exceeds the entry threshold and closed when it falls
    below the exit threshold.

    Source: the state-dependent value strategies of Farmer and Joshi (2002), "The Price Dynamics of Common
    Trading Strategies", section 3.2.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the trader.

        Attributes:
            instruments: Names of the instruments traded; none means all.
            look_interval: Time between two looks at the price.
            memory: Time constant of the average that stands for value.
            entry_ticks: Mispricing at which a position is opened.
            exit_ticks: Mispricing below which it is closed.
            position_lots: Size of the position.
            size_lots: The most that one order takes.
        """

        instruments: tuple[str, ...] = ()
        look_interval: Interval = 10 * NS_PER_S
        memory: Interval = 1800 * NS_PER_S
        entry_ticks: Annotated[float, msgspec.Meta(gt=0)] = 8.0
        exit_ticks: Annotated[float, msgspec.Meta(ge=0)] = 2.0
        position_lots: Annotated[int, msgspec.Meta(ge=1)] = 20
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 5

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.value_ticks: dict[int, float] = {}
        self.directions: dict[int, int] = {}

    def on_start(self, ctx: Context) -> None:
        for instrument_id in traded_instruments(ctx, self.params.instruments):
            self.value_ticks[instrument_id] = float(ctx.initial_ticks(instrument_id))
            self.directions[instrument_id] = 0
        # A start at a random time keeps the traders of one group from acting all at once.
        ctx.wake_in(1 + ctx.random.integer(0, self.params.look_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(self.params.look_interval)
        weight = 1 - exp(-self.params.look_interval / self.params.memory)
        for instrument_id, value in self.value_ticks.items():
            price = visible_price_ticks(ctx, instrument_id)
            self.value_ticks[instrument_id] = value + weight * (price - value)
            self._revert(ctx, instrument_id, value - price)

    def _revert(self, ctx: Context, instrument_id: int, cheapness_ticks: float) -> None:
        p = self.params
        direction = threshold_direction(self.directions[instrument_id], cheapness_ticks, p.entry_ticks, p.exit_ticks)
        self.directions[instrument_id] = direction
        take_towards(ctx, instrument_id, direction * p.position_lots, p.size_lots)
