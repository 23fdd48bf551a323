"""Dealers with private costs who compete for requests in a sealed first-price auction."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import PriceSource, mid_price_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import RfqOpened, Side
from lob_sim.units import NS_PER_S, Interval


class RfqDealer(Strategy):
    """Answers requests only, with the equilibrium bid for its private cost among the dealers asked.

    The cost c of a request is uniform on [0, ``cost_scale_ticks``], drawn anew for each; among n dealers the
    symmetric equilibrium mark-up is c + (scale − c)/n, so the best of n is expected at 2/(n + 1) of the
    scale.

    Source: Vickrey (1961), "Counterspeculation, Auctions, and Competitive Sealed Tenders" (first-price
    tender with uniform values); Krishna (2002), "Auction Theory", section 2.3.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the dealer.

        Attributes:
            instruments: Names of the instruments dealt in; none means all.
            cost_scale_ticks: Upper end of the private costs.
            mid: Whether the price it starts from is the visible one or the exogenous fair value.
            quote_ttl: How long an answer stays firm.
        """

        instruments: tuple[str, ...] = ()
        cost_scale_ticks: Annotated[float, msgspec.Meta(gt=0)] = 100.0
        mid: PriceSource = "book"
        quote_ttl: Interval = 5 * NS_PER_S

    params: Params
    answers_rfqs = True

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_ids: tuple[int, ...] = ()

    def on_start(self, ctx: Context) -> None:
        self.instrument_ids = traded_instruments(ctx, self.params.instruments)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        if request.instrument_id not in self.instrument_ids:
            ctx.decline(request)
            return
        cost = self.params.cost_scale_ticks * ctx.random.uniform()
        markup = self.markup_ticks(cost, len(request.dealer_ids))
        mid = mid_price_ticks(ctx, request.instrument_id, self.params.mid)
        bid, ask = max(1, round(mid - markup)), round(mid + markup)
        if request.side == Side.BUY:
            bid = 0
        elif request.side == Side.SELL:
            ask = 0
        ctx.quote(request, bid, ask, self.params.quote_ttl)

    def markup_ticks(self, cost_ticks: float, dealers: int) -> float:
        """What is charged beyond the mid for a request that costs ``cost_ticks``, with so many dealers asked."""
        return cost_ticks + (self.params.cost_scale_ticks - cost_ticks) / dealers
