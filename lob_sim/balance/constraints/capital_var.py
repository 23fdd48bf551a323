"""Value at risk in proportion to capital: the rule under which leverage is procyclical.

Source: Adrian and Shin (2014), *Procyclical leverage and value-at-risk*, section 1: an intermediary that keeps its
probability of failure constant holds equity equal to its value at risk.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.constraints.base import Constraint, snapped
from lob_sim.balance.constraints.var import VarConstraint
from lob_sim.balance.view import SheetContext, SheetView


class CapitalVarConstraint(Constraint):
    """z·√(x′Σx) of the marked positions at or below a share of Tier 1.

    Leverage may be the share over the value at risk of a unit of assets: as much more as markets are calmer.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            share (factor): Limit as a multiple of Tier 1, positive.
            confidence (probability): One-sided confidence level, above 0.5 and below 1.
            horizon_intervals (intervals): VaR horizon, in intervals of the volatility estimator, positive.
        """

        share: Annotated[float, msgspec.Meta(gt=0)] = 1.0
        confidence: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.99
        horizon_intervals: Annotated[float, msgspec.Meta(gt=0)] = 1.0

    name: ClassVar[str] = "capital_var"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        self._share = params.share
        measured = VarConstraint.Params(
            limit=0.0, confidence=params.confidence, horizon_intervals=params.horizon_intervals
        )
        self._measure = VarConstraint(measured, context)

    def value_at_risk(self, view: SheetView) -> float:
        """Value at risk in cash units."""
        return self._measure.value_at_risk(view)

    def headroom(self, view: SheetView) -> float:
        """Share × Tier 1 less value at risk, in cash units."""
        limit = self._share * view.tier1_cash
        return snapped(limit - self.value_at_risk(view), abs(limit))

    def required_reduction(self, view: SheetView) -> float:
        """Value to sell when every position is cut in proportion: all of it when Tier 1 is gone."""
        if self.headroom(view) >= 0:
            return 0.0
        gross = sum(abs(q) * u for q, u in zip(view.lots, view.unit_cash, strict=True))
        limit = self._share * view.tier1_cash
        return gross if limit <= 0 else (1 - limit / self.value_at_risk(view)) * gross

    def repay_cash(self, view: SheetView) -> int:
        """Nothing: cash carries no market risk."""
        return 0
