"""Avellaneda and Stoikov's market maker: optimal quotes of a risk-averse dealer with a closing time."""

from __future__ import annotations

from math import log
from typing import Annotated, Literal

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import Dealer, FormulaQuotes, LitPolicyPart, Situation, part
from lob_sim.units import NS_PER_S, Interval


class AvellanedaStoikovQuotes(FormulaQuotes):
    """Quotes around a reservation price that falls with inventory and converges to the mid at the horizon.

    With mid s, inventory q in units of the quote size, and time left T − t, the reservation price is
    r = s − qγσ²(T − t), and the quotes are r ± ½[γσ²(T − t) + (2/γ)ln(1 + γ/k)], where orders that lie δ
    from the mid are hit at a rate proportional to e^(−kδ).

    Source: Avellaneda and Stoikov (2008), "High-frequency Trading in a Limit Order Book", equations (3.17)
    and (3.18); ``centre = "mid"`` is the symmetric strategy of their section 3.3.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            risk_aversion_per_tick: Absolute risk aversion γ, for wealth in ticks times the quote size.
            volatility_ticks_per_sqrt_s: Standard deviation σ of the mid's change over one second.
            hit_decay_per_tick: Decay k of the hit rate with the distance from the mid.
            horizon: Time T, counted from the opening, at which the inventory is valued at the mid.
            centre: Whether quotes lie around the reservation price, or, as a benchmark, around the mid.
        """

        risk_aversion_per_tick: Annotated[float, msgspec.Meta(gt=0)] = 0.01
        volatility_ticks_per_sqrt_s: Annotated[float, msgspec.Meta(ge=0)] = 0.2
        hit_decay_per_tick: Annotated[float, msgspec.Meta(gt=0)] = 0.5
        horizon: Interval = 3600 * NS_PER_S
        centre: Literal["reservation", "mid"] = "reservation"

    params: Params

    def formula(self, ctx: Context, situation: Situation) -> tuple[float, float]:
        """Bid and ask in ticks, before rounding."""
        p, centre = self.params, situation.belief.mean_ticks
        remaining_s = max(0, p.horizon - ctx.now_ns) / NS_PER_S
        risk = p.risk_aversion_per_tick * p.volatility_ticks_per_sqrt_s**2 * remaining_s
        if p.centre == "reservation":
            centre -= risk * situation.held_lots(ctx) / situation.size_lots
        markup = log(1 + p.risk_aversion_per_tick / p.hit_decay_per_tick) / p.risk_aversion_per_tick
        half_spread = risk / 2 + markup
        return centre - half_spread, centre + half_spread


class AvellanedaStoikovDealer(Dealer):
    """Quotes around a reservation price that falls with inventory and converges to the mid at the horizon.

    Source: Avellaneda and Stoikov (2008), "High-frequency Trading in a Limit Order Book", equations (3.17)
    and (3.18); ``centre = "mid"`` is the symmetric strategy of their section 3.3.
    """

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        lit_policy: LitPolicyPart = part(AvellanedaStoikovQuotes)

    params: Params
