"""Gode and Sunder's zero-intelligence traders, with or without a budget."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderFilled, Side
from lob_sim.units import NS_PER_S, Interval, Ticks


class GodeSunderTrader(Strategy):
    """Shouts random prices for one unit at a time; constrained, never at a loss.

    A buyer has a redemption value for each unit, a seller a cost, used up in order. At Poisson times the
    trader replaces its offer by a new one, uniform on all prices that make no loss (constrained) or on all
    prices.

    Source: Gode and Sunder (1993), "Allocative Efficiency of Markets with Zero-Intelligence Traders",
        section II.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of one trader.

        Attributes:
            instrument: Name of the instrument traded; empty means the market's first.
            role: Whether it buys or sells.
            values_ticks: Redemption values (of a buyer) or costs (of a seller), one lot each, in order of
                use.
            constrained: Whether it keeps to prices that make no loss.
            max_price_ticks: Highest price that anybody shouts.
            mean_interval: Mean time between two shouts.
        """

        instrument: str = ""
        role: Literal["buyer", "seller"] = "buyer"
        values_ticks: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = (120, 110, 100)
        constrained: bool = True
        max_price_ticks: Annotated[int, msgspec.Meta(ge=1)] = 200
        mean_interval: Interval = NS_PER_S

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_id = 0
        self.units_done = 0

    def on_start(self, ctx: Context) -> None:
        names = (self.params.instrument,) if self.params.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        if self.units_done == len(self.params.values_ticks):
            return
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))
        price = self._random_price_ticks(ctx)
        if not accepts_orders(ctx, self.instrument_id):
            return
        offer = next(iter(ctx.orders(self.instrument_id).values()), None)
        if offer is None:
            ctx.place(self.instrument_id, self.side, 1, price)
        else:
            ctx.replace(self.instrument_id, offer.client_order_id, 1, price)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self.units_done += 1

    @property
    def side(self) -> Side:
        """Side of every order."""
        return Side.BUY if self.params.role == "buyer" else Side.SELL

    def _random_price_ticks(self, ctx: Context) -> Ticks:
        p = self.params
        low, high = 1, p.max_price_ticks
        if p.constrained and p.role == "buyer":
            high = p.values_ticks[self.units_done]
        elif p.constrained:
            low = p.values_ticks[self.units_done]
        return ctx.random.integer(low, max(low, high) + 1)
