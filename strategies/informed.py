"""Informed traders: they know the fair value, nearly."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, touch_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import Side, TimeInForce
from lob_sim.units import NS_PER_S, Interval


class InformedTrader(Strategy):
    """Buys when fair value, seen with noise, exceeds the ask by a margin; sells when it is below the bid.

    It looks at the market at the times of a Poisson process and takes at most what is displayed at the best
    price. Its scenario group needs ``sees_fair_value``.

    Source: the informed trader of Glosten and Milgrom (1985), "Bid, Ask and Transaction Prices in a
    Specialist Market with Heterogeneously Informed Traders", with the noisy signal of Das (2005), "A
    Learning Market-Maker in the Glosten–Milgrom Model", section 2.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the trader.

        Attributes:
            instruments: Names of the instruments traded; none means all. Each look is at one of them, at
                random.
            mean_interval: Mean time between two looks.
            size_lots: The most that one order takes.
            margin_ticks: Profit per lot below which it does not trade.
            noise_sd_ticks: Standard deviation of the error in its view of fair value, drawn anew at each
                look.
            max_position_lots: Position, long or short, at which it stops adding.
        """

        instruments: tuple[str, ...] = ()
        mean_interval: Interval = 5 * NS_PER_S
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 5
        margin_ticks: Annotated[float, msgspec.Meta(ge=0)] = 1.0
        noise_sd_ticks: Annotated[float, msgspec.Meta(ge=0)] = 1.0
        max_position_lots: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_ids: tuple[int, ...] = ()

    def on_start(self, ctx: Context) -> None:
        self.instrument_ids = traded_instruments(ctx, self.params.instruments)
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))
        instrument_id = self.instrument_ids[ctx.random.integer(0, len(self.instrument_ids))]
        value = ctx.fair_value(instrument_id) + self.params.noise_sd_ticks * ctx.random.normal()
        if not accepts_orders(ctx, instrument_id):
            return
        top = ctx.top(instrument_id)
        if top.ask_ticks and value > top.ask_ticks + self.params.margin_ticks:
            self._take(ctx, instrument_id, Side.BUY)
        elif top.bid_ticks and value < top.bid_ticks - self.params.margin_ticks:
            self._take(ctx, instrument_id, Side.SELL)

    def _take(self, ctx: Context, instrument_id: int, side: Side) -> None:
        price, displayed = touch_ticks(ctx.top(instrument_id), side)
        room = self.params.max_position_lots - side * ctx.position(instrument_id)
        qty = min(self.params.size_lots, displayed, room)
        if qty > 0:
            ctx.place(instrument_id, side, qty, price, time_in_force=TimeInForce.IOC)
