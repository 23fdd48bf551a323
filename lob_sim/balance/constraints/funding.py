"""Funding: own funds must cover the haircuts, and what lenders want back must be paid.

Source: Brunnermeier and Pedersen (2009), *Market liquidity and funding liquidity*: total margin m·|x| at most
own capital.
"""

from __future__ import annotations

import math
from typing import ClassVar

import msgspec

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint, snapped
from lob_sim.balance.view import SheetView
from lob_sim.units import Lots


class FundingConstraint(Constraint):
    """Haircut × position at most own funds.

    Own funds are cash and the part of the positions that is not borrowed against; what is due because lenders
    refuse to roll comes off them. So headroom is cash + Σ(value - haircut·|value|) - Σ repo - due: what could
    be borrowed against the inventory, less what has been. A lender that will not lend against an instrument
    at all is a haircut of 1. Where new loans bear another haircut than old ones, old ones keep theirs
    (:func:`lob_sim.balance.debt.borrowable`).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """The constraint has no parameters: haircuts come from lenders and are on the sheet."""

    name: ClassVar[str] = "funding"

    def headroom(self, view: SheetView) -> float:
        """Unused borrowing capacity in cash units."""
        cash, due = view.cash, view.due_cash
        total = cash - due
        scale = abs(cash) + due
        positions = zip(view.lots, view.unit_cash, view.repo_cash, view.haircuts, view.repo_limits(), strict=True)
        for q, u, loan, haircut, limit in positions:
            value = q * u
            total += limit - loan if q > 0 else value * (1 + haircut) - loan
            scale += abs(value) + loan
        return snapped(total, scale)

    def required_reduction(self, view: SheetView) -> float:
        """Value to sell in proportion to the positions: shortfall / average haircut, at most all of it."""
        shortfall = -self.headroom(view)
        if shortfall <= 0:
            return 0.0
        values = [max(0.0, q * u) for q, u in zip(view.lots, view.unit_cash, strict=True)]
        needed = sum(values) - sum(view.repo_limits())
        return sum(values) * min(1.0, shortfall / needed) if needed > 0 else 0.0

    def sale_lots(self, view: SheetView, instrument_id: int) -> Lots:
        """Closed form where it holds: each lot sold frees its haircut; checked, else found by bisection."""
        held = int(view.lots[instrument_id])
        headroom = self.headroom(view)
        if held <= 0 or headroom >= 0:
            return 0
        if view.new_haircuts or view.hedge_ratios:
            return super().sale_lots(view, instrument_id)
        freed = view.haircuts[instrument_id] * view.unit_cash[instrument_id]
        freed -= view.adjustment_unit_cash[instrument_id]
        if -headroom <= freed * held:
            # The small allowance keeps rounding from adding a lot when the answer is exactly whole.
            lots = math.ceil(-headroom / freed * (1 - 1e-13))
            trial = view.copy()
            trial.sell(instrument_id, lots)
            if self.headroom(trial) >= 0:
                return lots
        return super().sale_lots(view, instrument_id)

    def repay_cash(self, view: SheetView) -> int:
        """Nothing: cash counts as own funds already, paid in or not."""
        return 0

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        """Own funds free for haircuts over the haircut of one lot: they are not borrowed unsecured."""
        room = self.headroom(view) if headroom is None else headroom
        if room < 0:
            return [0] * len(view.lots)
        haircuts = view.new_haircuts or view.haircuts
        lots = []
        for i, (haircut, unit) in enumerate(zip(haircuts, view.unit_cash, strict=True)):
            needed = haircut * unit + view.adjustment_unit_cash[i] + view.hedge_unit_cash(i)
            lots.append(min(UNLIMITED_LOTS, int(room // needed)) if needed > 0 else UNLIMITED_LOTS)
        return lots
