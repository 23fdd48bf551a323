"""Dealers with private costs who compete for requests in a sealed first-price auction."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import (
    Dealer,
    InventoryPolicyPart,
    LitPolicy,
    LitPolicyPart,
    NoLitQuotes,
    Quotes,
    RfqPolicy,
    RfqPolicyPart,
    Situation,
    Unlimited,
    part,
)
from lob_sim.messages import DeclineReason, RfqOpened, Side


class PrivateCostAnswers(RfqPolicy):
    """Answers with the equilibrium bid for its private cost among the dealers asked.

    The cost c of a request is uniform on [0, ``cost_scale_ticks``], drawn anew for each; among n dealers the
    symmetric equilibrium mark-up is c + (scale − c)/n, so the best of n is expected at 2/(n + 1) of the
    scale.

    Source: Vickrey (1961), "Counterspeculation, Auctions, and Competitive Sealed Tenders" (first-price
    tender with uniform values); Krishna (2002), "Auction Theory", section 2.3.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            cost_scale_ticks: Upper end of the private costs.
        """

        cost_scale_ticks: Annotated[float, msgspec.Meta(gt=0)] = 100.0

    params: Params

    def answer(self, ctx: Context, request: RfqOpened, situation: Situation, lit: LitPolicy) -> Quotes | DeclineReason:
        """The believed value and the mark-up, on the sides asked for."""
        cost = self.params.cost_scale_ticks * ctx.random.uniform()
        markup = self.markup_ticks(cost, len(request.dealer_ids))
        mid, qty = situation.belief.mean_ticks, situation.qty_lots
        quotes = Quotes(max(1, round(mid - markup)), qty, round(mid + markup), qty)
        return quotes.on_sides(request.side != Side.BUY, request.side != Side.SELL)

    def markup_ticks(self, cost_ticks: float, dealers: int) -> float:
        """What is charged beyond the mid for a request that costs ``cost_ticks``, with so many dealers asked."""
        return cost_ticks + (self.params.cost_scale_ticks - cost_ticks) / dealers


class RfqDealer(Dealer):
    """Answers requests only, with the equilibrium bid for its private cost among the dealers asked.

    Source: Vickrey (1961), "Counterspeculation, Auctions, and Competitive Sealed Tenders" (first-price
    tender with uniform values); Krishna (2002), "Auction Theory", section 2.3.
    """

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        lit_policy: LitPolicyPart = part(NoLitQuotes)
        rfq_policy: RfqPolicyPart = part(PrivateCostAnswers)
        inventory_policy: InventoryPolicyPart = part(Unlimited)

    params: Params
