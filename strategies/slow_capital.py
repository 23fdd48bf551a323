"""Slow capital: outside buyers whose bids rest far below value, and deeper the more they have bought."""

from __future__ import annotations

from math import ceil, floor
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import traded_instruments, update_quotes
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import Announcement, Event, OrderFilled, RfqTraded
from lob_sim.units import NS_PER_S, Interval, Lots, Ns


class SlowCapital(Strategy):
    """Rests a bid below and an ask above its own slow valuation, and asks a concession for what it has absorbed.

    At Poisson times it studies one instrument and moves its valuation part of the way towards fair value seen with
    noise. Its bid rests ``margin_ticks`` below that and lower by ``concession_ticks_per_lot`` for each lot absorbed
    of late; its ask, for what it holds, as far above. So it is a demand curve: a price lower by a concession draws one
    lot more. New capital arrives: the concession for lots absorbed halves every ``capital_half_life``, and sooner where
    it is large, because a discount is seen (``attention_ticks``): with x lots absorbed, half-life H and c ticks a lot,
    dx/dt = −(ln 2/H)·x·(1 + c·x/a). It pays with the cash that it has and never borrows. Between two
    looks its orders stand where they are. Its scenario group needs ``sees_fair_value``.

    Source: slow-moving capital, Duffie (2010), "Asset Price Dynamics with Slow-Moving Capital", which moves the faster
    the more there is to earn, Duffie and Strulovici (2012), "Capital Mobility and Asset Pricing"; the demand of
    outside buyers that stops a fire sale, Shleifer and Vishny (1992) and Brunnermeier and Pedersen (2009).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the investor.

        Attributes:
            instruments: Names of the instruments traded; none means all. Each look is at one of them.
            mean_interval: Mean time between two looks.
            size_lots: Size of each resting order.
            margin_ticks: Distance of its orders from its valuation when it has absorbed nothing.
            concession_ticks_per_lot: How much further its price is for each lot absorbed.
            capital_half_life: Time in which the concession asked for a lot halves, where it is small.
            attention_ticks: Concession at which capital arrives twice as fast as that; 0: always at the same rate.
            noise_sd_ticks: Standard deviation of the error in each look at fair value.
            learning_weight: Part of the way that its valuation moves at each look.
        """

        instruments: tuple[str, ...] = ()
        mean_interval: Interval = 60 * NS_PER_S
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 5
        margin_ticks: Annotated[float, msgspec.Meta(gt=0)] = 30.0
        concession_ticks_per_lot: Annotated[float, msgspec.Meta(ge=0)] = 2.0
        capital_half_life: Interval = 600 * NS_PER_S
        attention_ticks: Annotated[float, msgspec.Meta(ge=0)] = 0.0
        noise_sd_ticks: Annotated[float, msgspec.Meta(ge=0)] = 10.0
        learning_weight: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.value_ticks: dict[int, float] = {}
        self.absorbed_lots: dict[int, float] = {}
        self.decayed_ns: dict[int, Ns] = {}

    def on_start(self, ctx: Context) -> None:
        for i in traded_instruments(ctx, self.params.instruments):
            self.value_ticks[i] = float(ctx.initial_ticks(i))
            self.absorbed_lots[i] = 0.0
            self.decayed_ns[i] = ctx.now_ns
            self._requote(ctx, i)
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        p = self.params
        ctx.wake_in(ctx.random.delay_ns(p.mean_interval))
        i = tuple(self.value_ticks)[ctx.random.integer(0, len(self.value_ticks))]
        signal = ctx.fair_value(i) + p.noise_sd_ticks * ctx.random.normal()
        self.value_ticks[i] += p.learning_weight * (signal - self.value_ticks[i])
        self._requote(ctx, i)

    def on_announcement(self, ctx: Context, announcement: Announcement) -> None:
        i = announcement.instrument_id
        if i in self.value_ticks:
            self.value_ticks[i] += announcement.change_ticks
            self._requote(ctx, i)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self._absorb(ctx, fill.instrument_id, fill.side * fill.qty_lots)

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        # What the desk sells ties up no capital any more.
        if isinstance(event, OrderFilled | RfqTraded) and event.instrument_id in self.absorbed_lots:
            self._absorb(ctx, event.instrument_id, event.side * event.qty_lots)

    def _absorb(self, ctx: Context, instrument_id: int, lots: Lots) -> None:
        self._let_capital_arrive(ctx, instrument_id)
        self.absorbed_lots[instrument_id] += lots
        self._requote(ctx, instrument_id)

    def _requote(self, ctx: Context, instrument_id: int) -> None:
        p = self.params
        self._let_capital_arrive(ctx, instrument_id)
        centre = self.value_ticks[instrument_id] - p.concession_ticks_per_lot * self.absorbed_lots[instrument_id]
        bid, ask = floor(centre - p.margin_ticks), max(1, ceil(centre + p.margin_ticks))
        bid_lots = self._affordable_lots(ctx, instrument_id, bid) if bid > 0 else 0
        ask_lots = min(p.size_lots, max(0, ctx.position(instrument_id)))
        update_quotes(ctx, instrument_id, bid, bid_lots, ask, ask_lots)

    def _affordable_lots(self, ctx: Context, instrument_id: int, bid_ticks: int) -> Lots:
        # Half of the cash is kept for the orders that rest in other instruments.
        cash = ctx.cash // (2 * len(self.value_ticks))
        return min(self.params.size_lots, max(0, cash // ctx.instruments[instrument_id].value(bid_ticks, 1)))

    def _let_capital_arrive(self, ctx: Context, instrument_id: int) -> None:
        p, absorbed = self.params, self.absorbed_lots[instrument_id]
        elapsed_ns = ctx.now_ns - self.decayed_ns[instrument_id]
        stays = 0.5 ** (elapsed_ns / p.capital_half_life)
        # The solution of the differential equation above: logistic decay.
        eager = abs(absorbed) * p.concession_ticks_per_lot / p.attention_ticks if p.attention_ticks else 0.0
        self.absorbed_lots[instrument_id] = absorbed * stays / (1 + eager * (1 - stays))
        self.decayed_ns[instrument_id] = ctx.now_ns
