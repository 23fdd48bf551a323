"""Cliff's ZIP traders: zero intelligence plus a profit margin that learns."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderFilled, Side, Trade
from lob_sim.units import NS_PER_S, Interval, Ticks


class ZipTrader(Strategy):
    """Quotes its limit price plus a margin, raised when others trade at better prices, lowered when outdone.

    A trade at a price at which this trader would also have dealt shows that it asks too little: the margin
    rises. A trade out of its reach in which a competitor accepted, or a competitor's better quote, shows
    that it asks too much: the margin falls. Margins follow their targets by the Widrow–Hoff rule with
    momentum.

    Source: Cliff (1997), "Minimal-Intelligence Agents for Bargaining Behaviors in Market-Based Environments",
    HP Laboratories Technical Report HPL-97-91, section 5.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of one trader.

        Attributes:
            instrument: Name of the instrument traded; empty means the market's first.
            role: Whether it buys or sells.
            values_ticks: Redemption values (of a buyer) or costs (of a seller), one lot each, in order of
                use.
            learning_rate: Part β of the way that a price moves towards its target.
            momentum: Weight γ of the last change in the next.
            initial_margin: Margin before anything is learnt, as a fraction of the limit price.
            relative_step: Targets lie up to this fraction beyond the price that was seen.
            absolute_step_ticks: And up to this much further.
            mean_interval: Mean time between two shouts.
        """

        instrument: str = ""
        role: Literal["buyer", "seller"] = "buyer"
        values_ticks: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = (120, 110, 100)
        learning_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.3
        momentum: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05
        initial_margin: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.2
        relative_step: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.05
        absolute_step_ticks: Annotated[float, msgspec.Meta(ge=0)] = 2.0
        mean_interval: Interval = NS_PER_S

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_id = 0
        self.units_done = 0
        self.margin = self.params.initial_margin
        self.last_change_ticks = 0.0
        self.best_rival_ticks = 0

    @property
    def side(self) -> Side:
        """Side of every order."""
        return Side.BUY if self.params.role == "buyer" else Side.SELL

    @property
    def is_active(self) -> bool:
        """Whether there are units left to trade."""
        return self.units_done < len(self.params.values_ticks)

    @property
    def limit_ticks(self) -> Ticks:
        """Value or cost of the present unit (of the last one, when all are done)."""
        return self.params.values_ticks[min(self.units_done, len(self.params.values_ticks) - 1)]

    @property
    def price_ticks(self) -> float:
        """What it would shout now: the limit price with the margin on it."""
        return self.limit_ticks * (1 - self.side * self.margin)

    def on_start(self, ctx: Context) -> None:
        names = (self.params.instrument,) if self.params.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        if not self.is_active:
            return
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))
        if not accepts_orders(ctx, self.instrument_id):
            return
        price = max(1, round(self.price_ticks))
        offer = next(iter(ctx.orders(self.instrument_id).values()), None)
        if offer is None:
            ctx.place(self.instrument_id, self.side, 1, price)
        elif offer.price_ticks != price:
            ctx.replace(self.instrument_id, offer.client_order_id, 1, price)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self.units_done += 1

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        if trade.instrument_id != self.instrument_id:
            return
        would_have_dealt = self.side * (self.price_ticks - trade.price_ticks) >= 0
        if would_have_dealt:
            self._learn(ctx, trade.price_ticks, greedier=True)
        elif self.is_active and trade.aggressor_side is self.side:
            self._learn(ctx, trade.price_ticks, greedier=False)

    def on_book(self, ctx: Context, instrument_id: int) -> None:
        if instrument_id != self.instrument_id:
            return
        top = ctx.top(instrument_id)
        rival = top.bid_ticks if self.side is Side.BUY else top.ask_ticks
        improved = rival and (not self.best_rival_ticks or self.side * (rival - self.best_rival_ticks) > 0)
        self.best_rival_ticks = rival
        if improved and self.is_active and self.side * (rival - self.price_ticks) > 0:
            self._learn(ctx, rival, greedier=False)

    def _learn(self, ctx: Context, seen_ticks: Ticks, *, greedier: bool) -> None:
        p, random = self.params, ctx.random
        # A greedier buyer wants a lower price, a greedier seller a higher one.
        sign = -self.side if greedier else self.side
        relative = 1 + sign * p.relative_step * random.uniform()
        target = relative * seen_ticks + sign * p.absolute_step_ticks * random.uniform()
        price = self.price_ticks
        step = p.learning_rate * (target - price)
        self.last_change_ticks = p.momentum * self.last_change_ticks + (1 - p.momentum) * step
        moved = price + self.last_change_ticks
        self.margin = max(0.0, self.side * (1 - moved / self.limit_ticks))
