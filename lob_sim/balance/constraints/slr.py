"""The supplementary leverage ratio: Tier 1 over the leverage exposure, whatever the assets' risk.

Source: Basel Committee, *Basel III leverage ratio framework* (2014), LEV 20 and 30; exemption of Treasuries
and reserves as in the Federal Reserve's interim final rule of April 2020.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.errors import PluginError
from lob_sim.units import Lots

RESERVES = "reserves"


class SlrConstraint(Constraint):
    """Tier 1 / leverage exposure at or above a minimum.

    The exposure is every asset at its mark except the exempt classes. Headroom is the exposure that Tier 1
    could carry less the exposure there is. With integer amounts its sign is exact: the minimum is the decimal
    fraction that the user wrote, and the comparison is made in integers.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            minimum: Smallest ratio allowed, as a fraction above 0 and at most 1.
            exempt: Names of instruments outside the exposure; ``"reserves"`` exempts cash.
        """

        minimum: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.05
        exempt: tuple[str, ...] = ()

    name: ClassVar[str] = "slr"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        known = {i.name for i in context.instruments} | {RESERVES}
        for name in params.exempt:
            if name not in known:
                raise PluginError(f"unknown asset class {name!r}: expected one of {sorted(known)}", "slr: exempt")
        ratio = Fraction(repr(params.minimum))
        self._num, self._den = ratio.numerator, ratio.denominator
        self._counted = [i.name not in params.exempt for i in context.instruments]
        self._cash_counts = RESERVES not in params.exempt

    def exposure(self, view: SheetView) -> float:
        """Leverage exposure in cash units."""
        total = view.other_assets_cash + (view.cash if self._cash_counts else 0)
        for counts, lots, unit in zip(self._counted, view.lots, view.unit_cash, strict=True):
            if counts and lots > 0:
                total += lots * unit
        return total

    def ratio(self, view: SheetView) -> float:
        """Tier 1 over exposure; infinite with no exposure and positive Tier 1."""
        exposure = self.exposure(view)
        if exposure == 0:
            return float("inf") if view.tier1_cash > 0 else float("-inf") if view.tier1_cash < 0 else 0.0
        return view.tier1_cash / exposure

    def headroom(self, view: SheetView) -> float:
        """Exposure that may still be added, in cash units."""
        return (view.tier1_cash * self._den - self.exposure(view) * self._num) / self._num

    def required_reduction(self, view: SheetView) -> float:
        """Exposure to shed: E - T1/minimum; all of it when Tier 1 is gone."""
        return min(max(0.0, -self.headroom(view)), self.exposure(view))

    def sale_lots(self, view: SheetView, instrument_id: int) -> Lots:
        """Closed form: each lot sold takes its mark off the exposure, as long as there is debt to retire."""
        missing = self.exposure(view) * self._num - view.tier1_cash * self._den
        held = int(view.lots[instrument_id])
        if missing <= 0 or held <= 0:
            return 0
        unit = view.unit_cash[instrument_id]
        if not (self._counted[instrument_id] and view.retires_debt and unit > 0):
            return super().sale_lots(view, instrument_id)
        lots = min(held, int(-(-missing // (unit * self._num))))
        if lots * (unit - view.adjustment_unit_cash[instrument_id]) > view.debt_cash:
            return super().sale_lots(view, instrument_id)
        return lots

    def repay_cash(self, view: SheetView) -> int:
        """Closed form: cash that retires debt leaves the exposure one for one, unless reserves are exempt."""
        if not self._cash_counts:
            return 0
        missing = self.exposure(view) * self._num - view.tier1_cash * self._den
        if missing <= 0:
            return 0
        return int(min(-(-missing // self._num), max(0, view.cash), view.debt_cash))

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        """Closed form: a purchase paid from counted cash swaps exposures, the rest adds its value."""
        room = self.headroom(view) if headroom is None else headroom
        if room < 0:
            return [0] * len(view.lots)
        free = max(0.0, view.cash) if self._cash_counts else 0.0
        lots = []
        for counts, unit, adjustment in zip(self._counted, view.unit_cash, view.adjustment_unit_cash, strict=True):
            capital = adjustment * self._den / self._num
            if not counts:
                lots.append(int(room // capital) if capital > 0 else UNLIMITED_LOTS)
            elif capital * free > room * unit:
                lots.append(int(room // capital))
            else:
                lots.append(min(UNLIMITED_LOTS, int((room + free) // (unit + capital))))
        return lots
