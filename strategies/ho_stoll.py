"""The inventory dealer of Ho and Stoll, with the preferred position of Amihud and Mendelson."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import Dealer, FormulaQuotes, LitPolicyPart, Situation, part


class HoStollQuotes(FormulaQuotes):
    """Adds to a monopolist's mark-up half of what the inventory risk of the next trade costs it.

    Buying Q more lots than the I it holds beyond its preferred position (the opening one) costs a
    mean-variance dealer ρ = γσ²(I + Q/2) a lot over its risk horizon; selling, γσ²(Q/2 − I). If orders
    arrive at a rate α − βf that falls linearly with the fee f, the best fee is α/2β + ρ/2: the spread α/β +
    ½γσ²Q does not depend on inventory, the location of the quotes falls with it by ½γσ² a lot.

    Source: Ho and Stoll (1981), "Optimal Dealer Pricing under Transactions and Return Uncertainty" (spread
    s = α/β + ½σ²RQ); preferred position and inventory limits: Amihud and Mendelson (1980), "Dealership
    Market".
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            choke_fee_ticks: Fee α/β at which nobody would trade any more.
            risk_price_ticks_per_lot: Cost γσ² of risk over the dealer's horizon, in ticks per lot held.
        """

        choke_fee_ticks: Annotated[float, msgspec.Meta(gt=0)] = 4.0
        risk_price_ticks_per_lot: Annotated[float, msgspec.Meta(ge=0)] = 0.05

    params: Params

    def formula(self, ctx: Context, situation: Situation) -> tuple[float, float]:
        """Bid and ask in ticks, before rounding."""
        p, mid = self.params, situation.belief.mean_ticks
        inventory = situation.held_lots(ctx)
        markup = p.choke_fee_ticks / 2
        bid_risk = p.risk_price_ticks_per_lot * (situation.size_lots / 2 + inventory)
        ask_risk = p.risk_price_ticks_per_lot * (situation.size_lots / 2 - inventory)
        return mid - markup - bid_risk / 2, mid + markup + ask_risk / 2


class HoStollDealer(Dealer):
    """Adds to a monopolist's mark-up half of what the inventory risk of the next trade costs it.

    Source: Ho and Stoll (1981), "Optimal Dealer Pricing under Transactions and Return Uncertainty" (spread
    s = α/β + ½σ²RQ); preferred position and inventory limits: Amihud and Mendelson (1980), "Dealership
    Market".
    """

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        lit_policy: LitPolicyPart = part(HoStollQuotes)

    params: Params
