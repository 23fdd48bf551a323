"""Limits on a balance sheet, one class a file; a user's own is named ``"module:Class"`` in a scenario."""

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint
from lob_sim.balance.constraints.capital_var import CapitalVarConstraint
from lob_sim.balance.constraints.collateral_buffer import CollateralBufferConstraint
from lob_sim.balance.constraints.funding import FundingConstraint
from lob_sim.balance.constraints.inventory import InventoryConstraint
from lob_sim.balance.constraints.liquidity_coverage import LiquidityCoverageConstraint
from lob_sim.balance.constraints.risk_weighted import RiskWeightedConstraint
from lob_sim.balance.constraints.slr import SlrConstraint
from lob_sim.balance.constraints.threshold import ThresholdLeverageConstraint
from lob_sim.balance.constraints.var import VarConstraint

__all__ = [
    "UNLIMITED_LOTS",
    "CapitalVarConstraint",
    "CollateralBufferConstraint",
    "Constraint",
    "FundingConstraint",
    "InventoryConstraint",
    "LiquidityCoverageConstraint",
    "RiskWeightedConstraint",
    "SlrConstraint",
    "ThresholdLeverageConstraint",
    "VarConstraint",
]
