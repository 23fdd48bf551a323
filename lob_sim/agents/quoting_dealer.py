"""A dealer that keeps two quotes: the common part of the dealers whose prices follow from a formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil, floor
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import behind_the_touch, keep_quotes, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import DeclineReason, Event, OrderFilled, RfqOpened, RfqTraded, Side
from lob_sim.units import NS_PER_S, Interval, Lots, Ticks

_ROUNDING = 1e-9
"""Slack that keeps a price which is a whole number of ticks, but for floating point, on its tick."""


class QuotingDealer(Strategy, ABC):
    """Keeps a bid and an ask in the lit book, moved on a timer and after own trades; same prices on request.

    Real-valued prices are rounded outwards, so that no quote is better than its formula says. Inventory
    counts from the opening position: what a dealer holds then is what it wants to hold. A subclass says
    what the prices are.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """What every quoting dealer has.

        Attributes:
            instruments: Names of the instruments quoted; none means all.
            size_lots: Size of each quote.
            max_inventory_lots: Inventory, long or short, beyond which it does not go by quoting.
            requote_interval: Time between two looks at the market.
            quote_ttl: How long an answer to a request for quote stays firm.
        """

        instruments: tuple[str, ...] = ()
        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 10
        max_inventory_lots: Annotated[int, msgspec.Meta(ge=1)] = 200
        requote_interval: Interval = NS_PER_S
        quote_ttl: Interval = 5 * NS_PER_S

    params: Params
    answers_rfqs = True

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_ids: tuple[int, ...] = ()
        self.opening_lots: list[Lots] = []

    @abstractmethod
    def quotes(self, ctx: Context, instrument_id: int) -> tuple[float, float]:
        """Bid and ask in ticks for the present time and inventory, before any look at the competition."""

    def on_start(self, ctx: Context) -> None:
        """Send the first quotes."""
        self.instrument_ids = traded_instruments(ctx, self.params.instruments)
        self.opening_lots = [ctx.position(i) for i in range(len(ctx.instruments))]
        self.on_wake(ctx, 0)

    def on_wake(self, ctx: Context, tag: int) -> None:
        """Look at the market and move the quotes."""
        for instrument_id in self.instrument_ids:
            self.requote(ctx, instrument_id)
        ctx.wake_in(self.params.requote_interval)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        """The inventory has changed."""
        if fill.instrument_id in self.instrument_ids:
            self.requote(ctx, fill.instrument_id)

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        """The inventory has changed."""
        if trade.instrument_id in self.instrument_ids:
            self.requote(ctx, trade.instrument_id)

    def on_desk_event(self, ctx: Context, event: Event) -> None:
        """The inventory has changed, if the desk has dealt."""
        if isinstance(event, OrderFilled | RfqTraded) and event.instrument_id in self.instrument_ids:
            self.requote(ctx, event.instrument_id)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        """Answer with the sides that were asked for and that the position limit allows."""
        if request.instrument_id not in self.instrument_ids:
            ctx.decline(request)
            return
        bid, ask = self._grid_quotes(ctx, request.instrument_id)
        may_buy, may_sell = self.room(ctx, request.instrument_id)
        if request.side == Side.BUY or request.qty_lots > may_buy:
            bid = 0
        if request.side == Side.SELL or request.qty_lots > may_sell:
            ask = 0
        if bid > 0 or ask > 0:
            ctx.quote(request, max(bid, 0), ask, self.params.quote_ttl)
        else:
            ctx.decline(request, DeclineReason.CAPACITY)

    def requote(self, ctx: Context, instrument_id: int) -> None:
        """Bring the quotes in the lit book up to date."""
        bid, ask = behind_the_touch(ctx, instrument_id, *self._grid_quotes(ctx, instrument_id))
        bid_lots, ask_lots = (min(self.params.size_lots, room) for room in self.room(ctx, instrument_id))
        keep_quotes(ctx, instrument_id, bid, bid_lots, ask, ask_lots)

    def inventory(self, ctx: Context, instrument_id: int) -> Lots:
        """Position taken on by dealing: what it held when the market opened is what it wants to hold."""
        return ctx.position(instrument_id) - self.opening_lots[instrument_id]

    def room(self, ctx: Context, instrument_id: int) -> tuple[Lots, Lots]:
        """Lots that the inventory limit leaves to buy and to sell."""
        inventory, limit = self.inventory(ctx, instrument_id), self.params.max_inventory_lots
        return max(0, limit - inventory), max(0, limit + inventory)

    def _grid_quotes(self, ctx: Context, instrument_id: int) -> tuple[Ticks, Ticks]:
        bid, ask = self.quotes(ctx, instrument_id)
        return floor(bid + _ROUNDING), max(1, ceil(ask - _ROUNDING))
