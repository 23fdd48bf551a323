"""A central bank that buys when the market no longer functions."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, traded_instruments, update_quotes
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import InputError
from lob_sim.messages import OrderFilled
from lob_sim.units import NS_PER_S, Duration, Interval, Lots


class CentralBankPurchases(Strategy):
    """Bids below the last sound price while the lit market is dark or its spread too wide, and only then.

    From ``start`` on it looks at each book on a timer. Where nobody but itself bids or offers, or the spread
    is beyond ``widest_spread``, for ``patience`` in a row, it keeps a bid at a discount to its reference: an
    average of the mids that it saw while the market functioned. When others quote again it withdraws. It
    never sells. What it may buy in a day is bounded where ``daily_lots`` is given.

    Source: "buyer of last resort" purchases as in Duffie and Keane (2023), "Market-Function Asset Purchases"
    (Federal Reserve Bank of New York Staff Report 1054), and the Bank of England's gilt operations of 2022.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the intervention.

        Attributes:
            instruments: Names of the instruments bought; none means all.
            start: When purchases may begin.
            size_lots: Size of the bid.
            total_lots: The most that it buys of each instrument.
            daily_lots: The most that it buys of each instrument in a day of the calendar, which it needs then; 0: no
                bound but that.
            discount: Price of the bid below the reference, as a fraction of it.
            widest_spread (fraction): Spread, as a fraction of the mid, beyond which the market does not function.
            patience: How long that must last.
            interval: Time between two looks.
            reference_weight: Weight of each sound mid in the reference.
        """

        instruments: tuple[str, ...] = ()
        start: Duration = 0
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 50
        total_lots: Annotated[int, msgspec.Meta(ge=1)] = 1_000_000
        daily_lots: Annotated[int, msgspec.Meta(ge=0)] = 0
        discount: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.01
        widest_spread: Annotated[float, msgspec.Meta(gt=0)] = 0.01
        patience: Duration = 60 * NS_PER_S
        interval: Interval = 5 * NS_PER_S
        reference_weight: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.references: dict[int, float] = {}
        self.failing_since_ns: dict[int, int] = {}
        self.bought_lots: dict[int, Lots] = {}
        self._bought_on: dict[tuple[int, int], Lots] = {}

    def on_start(self, ctx: Context) -> None:
        if self.params.daily_lots and ctx.calendar is None:
            raise InputError("daily_lots: expected a [calendar], which says what a day is", ctx.name)
        for i in traded_instruments(ctx, self.params.instruments):
            self.references[i] = float(ctx.initial_ticks(i))
            self.bought_lots[i] = 0
        ctx.wake_in(self.params.interval)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(self.params.interval)
        for i in self.references:
            if accepts_orders(ctx, i):
                self._look(ctx, i)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        self.bought_lots[fill.instrument_id] += fill.qty_lots
        if self.params.daily_lots:
            today = self._today(ctx, fill.instrument_id)
            self._bought_on[today] = self._bought_on.get(today, 0) + fill.qty_lots

    def _today(self, ctx: Context, instrument_id: int) -> tuple[int, int]:
        assert ctx.calendar is not None
        return instrument_id, ctx.calendar.day_of(ctx.now_ns)

    def _room_lots(self, ctx: Context, instrument_id: int) -> Lots:
        """What it may still buy: in all and, where a day has a bound, today."""
        left = self.params.total_lots - self.bought_lots[instrument_id]
        if self.params.daily_lots:
            left = min(left, self.params.daily_lots - self._bought_on.get(self._today(ctx, instrument_id), 0))
        return left

    def _look(self, ctx: Context, instrument_id: int) -> None:
        p, reference = self.params, self.references[instrument_id]
        if self._functions(ctx, instrument_id):
            self.failing_since_ns.pop(instrument_id, None)
            mid = ctx.top(instrument_id).mid_ticks
            self.references[instrument_id] += p.reference_weight * (mid - reference)
            lots = 0
        else:
            since_ns = self.failing_since_ns.setdefault(instrument_id, ctx.now_ns)
            lasting = ctx.now_ns >= max(p.start, since_ns + p.patience)
            lots = min(p.size_lots, self._room_lots(ctx, instrument_id)) if lasting else 0
        update_quotes(ctx, instrument_id, round((1 - p.discount) * reference), lots, 0, 0)

    def _functions(self, ctx: Context, instrument_id: int) -> bool:
        """Whether others quote both sides within the widest spread: its own bid is not the market's."""
        top = ctx.top(instrument_id)
        own = sum(o.leaves_lots for o in ctx.orders(instrument_id).values() if o.price_ticks == top.bid_ticks)
        if not top.is_two_sided or own >= top.bid_lots:
            return False
        return top.ask_ticks - top.bid_ticks <= self.params.widest_spread * top.mid_ticks
