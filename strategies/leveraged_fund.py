"""A leveraged fund: it knows value, nearly, and what it can do about that is what its capital lets it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import accepts_orders, touch_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import Side, TimeInForce
from lob_sim.units import NS_PER_S, Interval, Lots

_NO_LIMIT_LOTS = 1 << 40
"""More than anybody trades: what ``ctx.headroom`` says where no limit stands against a purchase."""


class LeveragedFund(Strategy):
    """Trades price towards what it knows, as far as its risk tolerance and its free capital carry it.

    At Poisson times it sees fair value with noise in one instrument. What it wants to hold beyond its opening position
    is its *tolerance* times the mispricing, so that each lot more makes the next purchase worth less to it: a position
    x away from the opening one moves its reservation price by x / tolerance. It takes the touch when that is better
    than the reservation price by a margin, at most what is displayed there, and takes it as well to go back.

    *Information* is how often and how precisely it sees (``mean_interval``, ``noise_sd_ticks``); *capacity* is
    ``tolerance_lots_per_tick`` and ``max_position_lots``, both times the share of its opening headroom that its limits
    leave free. With a balance sheet it is a borrower like a dealer: losses, haircuts and volatility take its headroom,
    it then wants to hold less, stops buying, and sells by its desk when a limit binds. It cannot go short then; it
    trades around the inventory with which it opens. Without a balance sheet it has all of its capacity always, and may
    go short where its group may. Its scenario group needs ``sees_fair_value``.

    Source: the limits of arbitrage of Shleifer and Vishny (1997) and the funding-constrained speculators of
    Brunnermeier and Pedersen (2009), with the mean-variance demand of Grossman and Stiglitz (1980).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the fund.

        Attributes:
            instruments: Names of the instruments traded; none means all. Each look is at one of them, at random.
            mean_interval: Mean time between two looks.
            noise_sd_ticks: Standard deviation of the error in its view of fair value, drawn anew at each look.
            margin_ticks: Profit per lot, against its reservation price, below which it does not trade.
            size_lots: The most that one order takes.
            tolerance_lots_per_tick: Lots that it wants to hold more for each tick of mispricing, at full capacity.
            max_position_lots: Distance from the opening position, either way, at which it stops, at full capacity.
        """

        instruments: tuple[str, ...] = ()
        mean_interval: Interval = 5 * NS_PER_S
        noise_sd_ticks: Annotated[float, msgspec.Meta(ge=0)] = 1.0
        margin_ticks: Annotated[float, msgspec.Meta(ge=0)] = 0.5
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 5
        tolerance_lots_per_tick: Annotated[float, msgspec.Meta(gt=0)] = 20.0
        max_position_lots: Annotated[int, msgspec.Meta(ge=1)] = 200

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_ids: tuple[int, ...] = ()
        self.opening_lots: list[Lots] = []
        self.opening_headroom_lots: tuple[Lots, ...] = ()

    def on_start(self, ctx: Context) -> None:
        self.instrument_ids = traded_instruments(ctx, self.params.instruments)
        self.opening_lots = [ctx.position(i) for i in range(len(ctx.instruments))]
        ctx.wake_in(ctx.random.delay_ns(self.params.mean_interval))

    def on_wake(self, ctx: Context, tag: int) -> None:
        p = self.params
        ctx.wake_in(ctx.random.delay_ns(p.mean_interval))
        instrument_id = self.instrument_ids[ctx.random.integer(0, len(self.instrument_ids))]
        value = ctx.fair_value(instrument_id) + p.noise_sd_ticks * ctx.random.normal()
        capacity = self.capacity(ctx, instrument_id)
        if capacity <= 0 or not accepts_orders(ctx, instrument_id):
            return
        inventory = ctx.position(instrument_id) - self.opening_lots[instrument_id]
        under_way = sum(o.side * o.leaves_lots for o in ctx.orders(instrument_id).values() if not o.parent_order_id)
        held = inventory + under_way
        tolerance = capacity * p.tolerance_lots_per_tick
        reservation = value - held / tolerance
        top = ctx.top(instrument_id)
        for side in (Side.BUY, Side.SELL):
            price, displayed = touch_ticks(top, side)
            worth = side * (reservation - price) - p.margin_ticks
            if price and worth > 0:
                wanted = min(p.size_lots, displayed, self._room(ctx, instrument_id, side, held, capacity))
                # Not beyond where the next lot would no longer be worth its price.
                qty = min(wanted, max(1, int(worth * tolerance)))
                if qty > 0:
                    ctx.place(instrument_id, side, qty, price, time_in_force=TimeInForce.IOC)
                return

    def capacity(self, ctx: Context, instrument_id: int) -> float:
        """Share of the opening headroom that its limits leave free for this instrument; 0 when one binds."""
        headroom = ctx.headroom
        if headroom is None:
            return 1.0
        if not self.opening_headroom_lots:
            self.opening_headroom_lots = headroom.purchase_lots
        opening = self.opening_headroom_lots[instrument_id]
        if headroom.binding or opening <= 0:
            return 0.0
        return min(1.0, headroom.purchase_lots[instrument_id] / min(opening, _NO_LIMIT_LOTS))

    def _room(self, ctx: Context, instrument_id: int, side: Side, held_lots: Lots, capacity: float) -> Lots:
        """Lots that its position limit, and what it holds or may still finance, leave to trade."""
        p, headroom = self.params, ctx.headroom
        # Going back to the opening position is never forbidden by having little capacity.
        limit = max(int(capacity * p.max_position_lots), -side * held_lots)
        room = limit - side * held_lots
        if headroom is not None:
            most = headroom.purchase_lots[instrument_id] if side is Side.BUY else ctx.position(instrument_id)
            room = min(room, most)
        return max(0, room)
