"""The market maker of Guéant, Lehalle and Fernandez-Tapia: inventory limits and no closing time."""

from __future__ import annotations

from math import log, sqrt
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import Dealer, FormulaQuotes, LitPolicyPart, Situation, part


class GueantLehalleQuotes(FormulaQuotes):
    """Quotes the closed-form approximation of the optimal quotes far from the horizon.

    With inventory q in units of the quote size, hit rate A·e^(−kδ) and risk aversion γ, the bid lies
    (1/γ)ln(1 + γ/k) + (q + ½)c below the mid and the ask (1/γ)ln(1 + γ/k) − (q − ½)c above it, where
    c = √(σ²γ/(2kA) · (1 + γ/k)^(1 + k/γ)). No bid at the upper inventory limit, no ask at the lower.

    Source: Guéant, Lehalle and Fernandez-Tapia (2013), "Dealing with the Inventory Risk", section 4
    (asymptotics and closed-form approximation).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            risk_aversion_per_tick: Absolute risk aversion γ, for wealth in ticks times the quote size.
            volatility_ticks_per_sqrt_s: Standard deviation σ of the mid's change over one second.
            hit_rate_per_s: Rate A at which a quote at the mid would be hit.
            hit_decay_per_tick: Decay k of the hit rate with the distance from the mid.
        """

        risk_aversion_per_tick: Annotated[float, msgspec.Meta(gt=0)] = 0.01
        volatility_ticks_per_sqrt_s: Annotated[float, msgspec.Meta(ge=0)] = 0.3
        hit_rate_per_s: Annotated[float, msgspec.Meta(gt=0)] = 0.9
        hit_decay_per_tick: Annotated[float, msgspec.Meta(gt=0)] = 0.3

    params: Params

    def formula(self, ctx: Context, situation: Situation) -> tuple[float, float]:
        """Bid and ask in ticks, before rounding."""
        p, mid = self.params, situation.belief.mean_ticks
        gamma, k = p.risk_aversion_per_tick, p.hit_decay_per_tick
        q = situation.held_lots(ctx) / situation.size_lots
        markup = log(1 + gamma / k) / gamma
        variance = p.volatility_ticks_per_sqrt_s**2
        lean = sqrt(variance * gamma / (2 * k * p.hit_rate_per_s) * (1 + gamma / k) ** (1 + k / gamma))
        return mid - markup - (q + 0.5) * lean, mid + markup - (q - 0.5) * lean


class GueantLehalleDealer(Dealer):
    """Quotes the closed-form approximation of the optimal quotes far from the horizon.

    Source: Guéant, Lehalle and Fernandez-Tapia (2013), "Dealing with the Inventory Risk", section 4
    (asymptotics and closed-form approximation).
    """

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        lit_policy: LitPolicyPart = part(GueantLehalleQuotes)

    params: Params
