"""A market of many one-trade rounds, and a dealer that knows nothing of theory: it charges what trades have cost."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from experiments.validation.common import group, market, seconds, taped
from lob_sim.agents.context import Context
from lob_sim.agents.quoting import update_quotes
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderFilled, Side, TimeInForce
from lob_sim.units import NS_PER_S

HERE = "experiments.validation.learning_market"
TICKS_PER_UNIT = 10**6
CENTRE_TICKS = 10 * TICKS_PER_UNIT
"""All prices are shifted up by ten, because a price must be positive."""
GAIN, CAUTION = 5.0, 150.0
"""How fast the dealer learns."""


class LearningDealer(Strategy):
    """Charges the mean of what its trades have cost so far, the later ones weighing more.

    After trade n the round's value is known, and the half-spread h moves by gain/(caution + n) of the way
    to what this trade has cost. Its mean motion is dh = F(h) - h, where F(h) is the expected cost of a
    trade at h: the only rest point from which it is not driven away is the theory's."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            gain: Weight of the later trades against the earlier ones.
            caution: Keeps the first trades from moving it much.
        """

        gain: float
        caution: float

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.half_spread = 0.0
        self.trades = 0

    def on_start(self, ctx: Context) -> None:
        self._quote(ctx)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        cost = fill.side.opposite * (ctx.fair_value(0) - CENTRE_TICKS) / TICKS_PER_UNIT
        self.trades += 1
        weight = self.params.gain / (self.params.caution + self.trades)
        self.half_spread = min(1.0, max(0.0, self.half_spread + weight * (cost - self.half_spread)))
        self._quote(ctx)

    def _quote(self, ctx: Context) -> None:
        half = max(1, round(self.half_spread * TICKS_PER_UNIT))
        update_quotes(ctx, 0, CENTRE_TICKS - half, 1, CENTRE_TICKS + half, 1)


class Passers(Strategy):
    """Traders who come one a second: informed, who deal if it pays, or with a private value that must cover the spread.

    An elastic private value is uniform on [0, 1]; without elasticity any price will do.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            informed_share: Probability that a trader knows the value.
            elastic: Whether uninformed traders mind the spread at all.
        """

        informed_share: float
        elastic: bool = True

    params: Params

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S // 2)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(NS_PER_S)
        if ctx.random.uniform() < self.params.informed_share:
            value = ctx.fair_value(0)
            side = Side.BUY if value > CENTRE_TICKS else Side.SELL
            limit = round(value)
        else:
            side = Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL
            private = ctx.random.uniform() if self.params.elastic else 9.0
            limit = round(CENTRE_TICKS + side * private * TICKS_PER_UNIT)
        ctx.place(0, side, 1, limit, time_in_force=TimeInForce.IOC)


def dealer_fills(values: Sequence[float], seed: int, informed_share: float, elastic: bool) -> list[OrderFilled]:
    """The learning dealer's fills, one round a second.

    Args:
        values: Each round's value, as a distance from the centre.
        seed: Of the market.
        informed_share: Probability that a trader knows the value.
        elastic: Whether uninformed traders mind the spread.
    """
    levels = [10.0, *(10.0 + value for value in values)]
    scenario = market(
        seconds(len(values)),
        [
            group("dealer", f"{HERE}:LearningDealer", informed=True, gain=GAIN, caution=CAUTION),
            group("passers", f"{HERE}:Passers", informed=True, informed_share=informed_share, elastic=elastic),
        ],
        tick="0.000001",
        initial="10",
        jumps=[(k * NS_PER_S + 1, levels[k + 1] / levels[k] - 1) for k in range(len(values))],
    )
    _, tape = taped(scenario, seed, OrderFilled)
    return [fill for fill in tape.messages if fill.is_maker]


def half_spreads(fills: Sequence[OrderFilled]) -> list[float]:
    """What the dealer charged for each of its fills."""
    return [abs(fill.price_ticks - CENTRE_TICKS) / TICKS_PER_UNIT for fill in fills]
