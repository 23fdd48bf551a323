"""Value investors: slow outside money that buys what is cheap."""

from __future__ import annotations

from math import ceil, floor
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import AsksForQuotes, Inquiries, some_dealers
from lob_sim.agents.quoting import accepts_orders, touch_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    Announcement,
    Side,
    TimeInForce,
)
from lob_sim.units import NS_PER_S, Interval, Lots, Ticks

_LOOK = 0


class ValueInvestor(AsksForQuotes, Strategy):
    """Buys well below its own slow valuation with the cash it has; sells what it holds well above.

    At Poisson times it studies one instrument: its valuation moves a part of the way towards fair value
    seen with noise, so that it follows a shock late. It buys as long as it has cash and sells no more than
    it holds. It takes what the lit book displays within its limit; when its side of the book is empty it
    asks dealers. Its scenario group needs ``sees_fair_value``.

    Source: the value strategies of Farmer and Joshi (2002), "The Price Dynamics of Common Trading
    Strategies", section 3.2; slow capital as in Duffie (2010), "Asset Price Dynamics with Slow-Moving Capital".
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the investor.

        Attributes:
            instruments: Names of the instruments traded; none means all. Each look is at one of them.
            mean_interval: Mean time between two looks.
            size_lots: The most that one order takes.
            margin_ticks: Distance from its valuation at which it trades.
            noise_sd_ticks: Standard deviation of the error in each look at fair value.
            learning_weight: Part of the way that its valuation moves at each look.
            rfq_dealers: Number of dealers asked when the book is dark; 0 means that it never asks.
            rfq_patience: How long it waits for answers.
        """

        instruments: tuple[str, ...] = ()
        mean_interval: Interval = 60 * NS_PER_S
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 20
        margin_ticks: Annotated[float, msgspec.Meta(ge=0)] = 20.0
        noise_sd_ticks: Annotated[float, msgspec.Meta(ge=0)] = 10.0
        learning_weight: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.3
        rfq_dealers: Annotated[int, msgspec.Meta(ge=0)] = 3
        rfq_patience: Interval = NS_PER_S

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.value_ticks: dict[int, float] = {}
        self.inquiries = Inquiries()

    def on_start(self, ctx: Context) -> None:
        for instrument_id in traded_instruments(ctx, self.params.instruments):
            self.value_ticks[instrument_id] = float(ctx.initial_ticks(instrument_id))
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval), _LOOK)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag != _LOOK:
            self.inquiries.on_patience_over(ctx, tag)
            return
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval), _LOOK)
        studied = tuple(self.value_ticks)[ctx.random.integer(0, len(self.value_ticks))]
        signal = ctx.fair_value(studied) + self.params.noise_sd_ticks * ctx.random.normal()
        self.value_ticks[studied] += self.params.learning_weight * (signal - self.value_ticks[studied])
        # One commitment at a time: the same cash is not offered twice.
        if accepts_orders(ctx, studied) and not self.inquiries.open and not ctx.orders(studied):
            self._trade(ctx, studied)

    def on_announcement(self, ctx: Context, announcement: Announcement) -> None:
        if announcement.instrument_id in self.value_ticks:
            self.value_ticks[announcement.instrument_id] += announcement.change_ticks

    def _trade(self, ctx: Context, instrument_id: int) -> None:
        value, margin = self.value_ticks[instrument_id], self.params.margin_ticks
        for side, limit in ((Side.BUY, floor(value - margin)), (Side.SELL, max(1, ceil(value + margin)))):
            qty = self._affordable_lots(ctx, instrument_id, side, limit)
            touch, displayed = touch_ticks(ctx.top(instrument_id), side)
            if qty <= 0 or limit <= 0:
                continue
            if touch and side * (limit - touch) >= 0:
                ctx.place(instrument_id, side, min(qty, displayed), limit, time_in_force=TimeInForce.IOC)
            elif not touch and self.params.rfq_dealers:
                self._ask(ctx, instrument_id, side, qty, limit)

    def _affordable_lots(self, ctx: Context, instrument_id: int, side: Side, limit_ticks: Ticks) -> Lots:
        if side is Side.SELL:
            return min(self.params.size_lots, ctx.position(instrument_id))
        lot_value = ctx.instruments[instrument_id].value(max(1, limit_ticks), 1)
        return min(self.params.size_lots, ctx.cash // lot_value)

    def _ask(self, ctx: Context, instrument_id: int, side: Side, qty_lots: Lots, limit_ticks: Ticks) -> None:
        p = self.params
        self.inquiries.ask(
            ctx,
            instrument_id,
            side,
            qty_lots,
            limit_ticks,
            dealer_ids=some_dealers(ctx, p.rfq_dealers),
            patience_ns=p.rfq_patience,
        )
