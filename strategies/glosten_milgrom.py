"""Glosten and Milgrom's dealer: it learns from every trade and charges for being picked off."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.dealer import (
    BeliefPart,
    Dealer,
    InventoryPolicyPart,
    LitPolicy,
    LitPolicyPart,
    PositionLimit,
    Quotes,
    Situation,
    ToxicityPart,
    part,
    quotes_with_parts,
)
from lob_sim.information.belief import GaussianBelief
from lob_sim.information.spread import inventory_ticks, zero_profit_k
from lob_sim.information.toxicity_estimators import LearningToxicity
from lob_sim.messages import Side
from lob_sim.units import NS_PER_S, Interval, Lots


class ZeroProfitQuotes(LitPolicy):
    """Quotes the half-spread at which what informed flow costs is what the rest pays.

    Source: Glosten and Milgrom (1985), "Bid, Ask and Transaction Prices in a Specialist Market with
    Heterogeneously Informed Traders", with a Gaussian belief.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            processing_ticks: Cost of processing an order, a lot.
        """

        processing_ticks: Annotated[float, msgspec.Meta(ge=0)] = 0.5

    params: Params

    def prices(self, ctx: Context, situation: Situation) -> Quotes:
        """s·k(α) off the belief, plus what processing and inventory risk cost."""
        adverse = situation.belief.sd_ticks * zero_profit_k(situation.alpha)
        return quotes_with_parts(ctx, situation, adverse, self.params.processing_ticks)


class RiskAverseInventory(PositionLimit):
    """A position limit, and a charge for what the variance of a position costs while it is held.

    Source: Stoll (1978), "The Supply of Dealer Services in Securities Markets"; Ho and Stoll (1981), "Optimal Dealer
    Pricing under Transactions and Return Uncertainty".
    """

    class Params(PositionLimit.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters of the policy.

        Attributes:
            risk_aversion_per_tick_lot: Price of inventory variance.
            holding_time: How long it expects to hold a position.
        """

        risk_aversion_per_tick_lot: Annotated[float, msgspec.Meta(ge=0)] = 1e-4
        holding_time: Interval = 600 * NS_PER_S

    params: Params

    def holding_variance_ticks2(self, variance_rate: float) -> float:
        """That of a random walk over the holding time."""
        return variance_rate * self.params.holding_time

    def risk_ticks(self, side: Side, qty_lots: Lots, inventory_lots: Lots, variance_rate: float) -> float:
        """Linear in the inventory, with half the trade's own size on top."""
        p = self.params
        variance = variance_rate * p.holding_time
        return inventory_ticks(side, qty_lots, inventory_lots, p.risk_aversion_per_tick_lot, variance)


class GlostenMilgromDealer(Dealer):
    """Quotes the zero-profit spread for its belief about fair value and its guess of the informed share.

    The belief is Gaussian with mean m and standard deviation s. It widens with perceived volatility and is
    updated by Bayes' rule on every lit trade, on public news, on own RFQ trades and on those of others that
    are published. The half-spread is s·k(α) plus a processing cost plus what the inventory risk of the
    trade costs. On the lit book α is a weighted mean of a prior and an estimate from order-flow imbalance;
    on RFQ, of the prior and an estimate from the markouts of each client class.

    Source: Glosten and Milgrom (1985), "Bid, Ask and Transaction Prices in a Specialist Market with
    Heterogeneously Informed Traders"; Gaussian belief: Das (2005), "A Learning Market-Maker in the
    Glosten–Milgrom Model".
    """

    class Params(Dealer.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parts of the dealer."""

        belief: BeliefPart = part(GaussianBelief)
        toxicity: ToxicityPart = part(LearningToxicity)
        lit_policy: LitPolicyPart = part(ZeroProfitQuotes)
        inventory_policy: InventoryPolicyPart = part(RiskAverseInventory)

    params: Params
