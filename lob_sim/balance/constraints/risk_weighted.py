"""The risk-weighted capital ratio: Tier 1 over assets that count as much as their risk.

Source: Basel Committee, *Basel III: a global regulatory framework* (2011), paragraphs 49-50; weights of the
standardised approach, CRE 20.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import lcm
from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.errors import PluginError
from lob_sim.units import Lots

Weight = Annotated[float, msgspec.Meta(ge=0, le=12.5)]


class RiskWeightedConstraint(Constraint):
    """Tier 1 / risk-weighted assets at or above a minimum.

    Cash weighs nothing, so that it is of no account whether proceeds retire debt, and what weighs nothing is not worth
    selling. With integer amounts the sign of the headroom is exact, as that of the leverage ratio is.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            minimum (fraction): Smallest ratio allowed, above 0 and at most 1; by default Basel's 6% and the
                conservation buffer of 2.5%.
            weights (factor): Risk weight by instrument name; 1 of those that are not named.
            other_assets_weight (factor): Of assets that are not traded.
        """

        minimum: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.085
        weights: dict[str, Weight] = {}
        other_assets_weight: Weight = 1.0

    name: ClassVar[str] = "risk_weighted"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        known = [i.name for i in context.instruments]
        _refuse_unknown(params.weights, known, f"{self.name}: weights")
        weights = [_exact(params.weights.get(name, 1.0)) for name in known]
        other = _exact(params.other_assets_weight)
        # Weights as whole numbers of a common part, so that amounts in whole cash units are never rounded.
        self._parts = lcm(*(w.denominator for w in [*weights, other]))
        self._weights = [int(w * self._parts) for w in weights]
        self._other = int(other * self._parts)
        ratio = _exact(params.minimum)
        self._num, self._den = ratio.numerator, ratio.denominator

    def risk_weighted_assets(self, view: SheetView) -> float:
        """Risk-weighted assets in cash units."""
        return self._weighted(view) / self._parts

    def headroom(self, view: SheetView) -> float:
        """Risk-weighted assets that may still be added, in cash units."""
        return -self._missing(view) / (self._num * self._parts)

    def required_reduction(self, view: SheetView) -> float:
        """Value to sell in proportion to the positions; all of it when Tier 1 is gone or that is not enough."""
        headroom = self.headroom(view)
        if headroom >= 0:
            return 0.0
        values = [q * u if q > 0 else 0.0 for q, u in zip(view.lots, view.unit_cash, strict=True)]
        weighted = sum(w * x for w, x in zip(self._weights, values, strict=True)) / self._parts
        return sum(values) * min(1.0, -headroom / weighted) if weighted > 0 else 0.0

    def sale_lots(self, view: SheetView, instrument_id: int) -> Lots:
        """Closed form: each lot sold takes its weighted mark off, at once."""
        missing, held = self._missing(view), int(view.lots[instrument_id])
        freed = view.unit_cash[instrument_id] * self._weights[instrument_id] * self._num
        if missing <= 0 or held <= 0 or freed <= 0:
            return 0
        return min(held, int(-(-missing // freed)))

    def repay_cash(self, view: SheetView) -> int:
        """Nothing: cash weighs nothing."""
        return 0

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        """Closed form: a lot adds its weighted mark, and its adjustment comes out of Tier 1."""
        room = -self._missing(view)
        if room < 0:
            return [0] * len(view.lots)
        lots = []
        for weight, unit, adjustment in zip(self._weights, view.unit_cash, view.adjustment_unit_cash, strict=True):
            needed = weight * unit * self._num + adjustment * self._den * self._parts
            lots.append(min(UNLIMITED_LOTS, int(room // needed)) if needed > 0 else UNLIMITED_LOTS)
        return lots

    def _weighted(self, view: SheetView) -> float:
        total = view.other_assets_cash * self._other
        for weight, lots, unit in zip(self._weights, view.lots, view.unit_cash, strict=True):
            total += weight * abs(lots) * unit
        return total

    def _missing(self, view: SheetView) -> float:
        """What is too much, in parts of which a unit of cash has the product of weights' parts and the minimum's."""
        return self._weighted(view) * self._num - view.tier1_cash * self._den * self._parts


def _exact(number: float) -> Fraction:
    """The decimal fraction that the user wrote, to a billionth."""
    return Fraction(repr(number)).limit_denominator(10**9)


def _refuse_unknown(named: Mapping[str, object], known: list[str], where: str) -> None:
    for name in named:
        if name not in known:
            raise PluginError(f"unknown instrument {name!r}: expected one of {sorted(known)}", where)
