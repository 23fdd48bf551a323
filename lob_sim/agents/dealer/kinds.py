"""The shipped parts of a dealer by short name, and the annotations of the parameters that name a part."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from lob_sim.agents.dealer.inventory_policy import InventoryPolicy
from lob_sim.agents.dealer.lit_policy import LitPolicy
from lob_sim.agents.dealer.rfq_policy import RfqPolicy
from lob_sim.information.belief import Belief
from lob_sim.information.toxicity import ToxicityEstimator
from lob_sim.parts import Part, PartKinds

BELIEFS = PartKinds(
    Belief,
    {
        "gaussian": "lob_sim.information.belief:GaussianBelief",
        "density": "lob_sim.information.density_belief:DensityBelief",
        "market_price": "lob_sim.information.belief:MarketPrice",
        "tape_average": "strategies.fixed_spread:TapeAverage",
    },
)
TOXICITIES = PartKinds(
    ToxicityEstimator,
    {
        "learning": "lob_sim.information.toxicity_estimators:LearningToxicity",
        "imbalance": "lob_sim.information.toxicity_estimators:ImbalanceToxicity",
        "markout": "lob_sim.information.toxicity_estimators:MarkoutToxicity",
        "fixed": "lob_sim.information.toxicity:FixedToxicity",
    },
)
LIT_POLICIES = PartKinds(
    LitPolicy,
    {
        "elastic": "strategies.spiral_dealer:ElasticQuotes",
        "zero_profit": "strategies.glosten_milgrom:ZeroProfitQuotes",
        "fixed_spread": "strategies.fixed_spread:FixedSpread",
        "avellaneda_stoikov": "strategies.avellaneda_stoikov:AvellanedaStoikovQuotes",
        "gueant_lehalle": "strategies.gueant_lehalle:GueantLehalleQuotes",
        "ho_stoll": "strategies.ho_stoll:HoStollQuotes",
        "none": "lob_sim.agents.dealer.lit_policy:NoLitQuotes",
    },
)
RFQ_POLICIES = PartKinds(
    RfqPolicy,
    {
        "like_lit": "lob_sim.agents.dealer.rfq_policy:LikeLit",
        "wary": "strategies.spiral_dealer:WaryAnswers",
        "private_cost": "strategies.rfq_dealer:PrivateCostAnswers",
    },
)
INVENTORY_POLICIES = PartKinds(
    InventoryPolicy,
    {
        "unlimited": "lob_sim.agents.dealer.inventory_policy:Unlimited",
        "position_limit": "lob_sim.agents.dealer.inventory_policy:PositionLimit",
        "risk_averse": "strategies.glosten_milgrom:RiskAverseInventory",
        "balance_sheet": "strategies.spiral_dealer:BalanceSheetInventory",
    },
)

BeliefPart: TypeAlias = Annotated[Part, BELIEFS]
ToxicityPart: TypeAlias = Annotated[Part, TOXICITIES]
LitPolicyPart: TypeAlias = Annotated[Part, LIT_POLICIES]
RfqPolicyPart: TypeAlias = Annotated[Part, RFQ_POLICIES]
InventoryPolicyPart: TypeAlias = Annotated[Part, INVENTORY_POLICIES]
