"""Value at risk, the internal limit that tightens when recent volatility rises.

Source: parametric (variance-covariance) VaR, z·√(x′Σx); procyclical through Σ (Adrian and Shin 2010,
*Liquidity and leverage*; 2014, *Procyclical leverage and value-at-risk*).
"""

from __future__ import annotations

import math
from operator import mul
from statistics import NormalDist
from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint, snapped
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.units import Lots


class VarConstraint(Constraint):
    """z·√(x′Σx) of the marked positions at or below a limit in money.

    Selling all positions in proportion scales VaR by the same factor, so the pro-rata cut is 1 - limit/VaR.
    For sales of one instrument the variance is a parabola in the lots sold, whose smaller root is the answer,
    or whose minimum when the limit is out of reach (selling a hedge beyond it would raise VaR again).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            limit (currency units): Limit in currency units, 0 or more.
            confidence (probability): One-sided confidence level, above 0.5 and below 1.
            horizon_intervals (intervals): VaR horizon, in intervals of the volatility estimator, positive.
        """

        limit: Annotated[float, msgspec.Meta(ge=0)]
        confidence: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.99
        horizon_intervals: Annotated[float, msgspec.Meta(gt=0)] = 1.0

    name: ClassVar[str] = "var"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        self._limit = context.cash(params.limit)
        self._z = NormalDist().inv_cdf(params.confidence) * math.sqrt(params.horizon_intervals)
        admitted = self._limit / self._z
        self._admitted_variance = admitted * admitted  # Not a power: what no number holds is infinite, and no error.

    def value_at_risk(self, view: SheetView) -> float:
        """z·√(x′Σx) in cash units, x the marked positions."""
        return self._z * math.sqrt(self._variance(view))

    def headroom(self, view: SheetView) -> float:
        """Limit less VaR, in cash units."""
        return self._headroom(self._variance(view))

    def required_reduction(self, view: SheetView) -> float:
        """Value to sell when every position is cut in proportion: (1 - limit/VaR) × gross value."""
        var = self.value_at_risk(view)
        if self.headroom(view) >= 0:
            return 0.0
        gross = sum(abs(q) * u for q, u in zip(view.lots, view.unit_cash, strict=True))
        return (1 - self._limit / var) * gross

    def sale_lots(self, view: SheetView, instrument_id: int) -> Lots:
        """Closed form: the smaller root of the parabola, or its minimum."""
        held = int(view.lots[instrument_id])
        if held <= 0 or self.headroom(view) >= 0:
            return 0
        slope, curvature = self._derivatives(view, instrument_id)
        if slope <= 0 or curvature <= 0:
            return 0
        admitted = self._admitted_variance
        excess = self._variance(view) - admitted
        discriminant = curvature * (admitted - self._least_variance(view, instrument_id))
        lowest = slope / curvature
        # excess / (slope + root) is the smaller root without the cancellation of slope - root.
        target = excess / (slope + math.sqrt(discriminant)) if discriminant >= 0 else lowest
        lots = min(held, math.ceil(target))
        return self._smallest_near(view, instrument_id, lots) if discriminant >= 0 else min(held, round(lowest))

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        """Closed form: the larger root of the parabola in lots bought."""
        variance = self._variance(view)
        if self._headroom(variance) < 0:
            return [0] * len(view.lots)
        room = self._admitted_variance - variance
        return [self._within(room, *self._derivatives(view, i)) for i in range(len(view.lots))]

    @staticmethod
    def _within(room: float, slope: float, curvature: float) -> Lots:
        if curvature <= 0:
            return UNLIMITED_LOTS
        root = math.sqrt(max(0.0, slope * slope + curvature * room))
        if math.isinf(root):
            return UNLIMITED_LOTS
        lots = room / (slope + root) if slope > 0 else (root - slope) / curvature
        return min(UNLIMITED_LOTS, max(0, math.floor(lots)))

    def repay_cash(self, view: SheetView) -> int:
        """Nothing: cash carries no market risk."""
        return 0

    def _headroom(self, variance: float) -> float:
        return snapped(self._limit - self._z * math.sqrt(variance), self._limit)

    def _variance(self, view: SheetView) -> float:
        values = list(map(mul, view.exposure_lots, view.unit_cash))
        total = 0.0
        for x, row in zip(values, view.covariances, strict=True):
            if x:
                for c, y in zip(row, values):  # noqa: B905  # as many as there are instruments
                    total += x * c * y
        return total if total > 0 else 0.0

    def _derivatives(self, view: SheetView, instrument_id: int) -> tuple[float, float]:
        # variance(lots sold = n) = variance - 2·slope·n + curvature·n²
        unit = view.unit_cash[instrument_id]
        row = view.covariances[instrument_id]
        slope = unit * sum(map(mul, map(mul, row, view.exposure_lots), view.unit_cash))
        if view.hedge_ratios:
            share = view.exposure_per_lot(instrument_id)
            return share * slope, share * share * unit * unit * row[instrument_id]
        return slope, unit * unit * row[instrument_id]

    def _least_variance(self, view: SheetView, instrument_id: int) -> float:
        """The parabola's minimum: what the others' risk is when this instrument hedges it best.

        Worked out from the others alone, for slope² - curvature·variance would leave rounding of 1e-16 of the whole
        variance, whose root is 1e-8 of the position.
        """
        own = view.covariances[instrument_id]
        lots = view.exposure_lots
        others = [k for k in range(len(own)) if k != instrument_id and lots[k]]
        values = {k: lots[k] * view.unit_cash[k] for k in others}
        total = 0.0
        for j in others:
            for k in others:
                left = view.covariances[j][k] - own[j] * own[k] / own[instrument_id]
                total += values[j] * left * values[k]
        return max(0.0, total)

    def _smallest_near(self, view: SheetView, instrument_id: int, lots: Lots) -> Lots:
        # The root carries rounding of about 1e-16 of the position, which may be on the wrong side of a whole
        # number of lots when the answer is exactly whole.
        trial = view.copy()
        trial.lots[instrument_id] -= (lots - 1) * view.exposure_per_lot(instrument_id)
        return lots - 1 if lots > 0 and self.headroom(trial) >= 0 else lots
