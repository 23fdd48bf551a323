"""Combines constraints into one list of sales.

The plan is a function of the sheet alone: evaluate it on every mark and after every fill and it grows,
shrinks or vanishes with the market. It sells the least that meets every constraint that binds, so it never
oversells its limit by more than one lot, and never more than is held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import IntEnum
from inspect import signature

import msgspec

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint, smallest_cure
from lob_sim.balance.guarded import guarded, guarded_sequence
from lob_sim.balance.liquidation_sequence import CASH, LiquidationSequence, Stage
from lob_sim.balance.view import SheetView
from lob_sim.units import Cash, Lots, bounded_cash


class Breach(msgspec.Struct, frozen=True, gc=False):
    """One constraint that binds. ``headroom_cash`` is negative; ``required_cash`` is what it wants shed."""

    constraint: str
    headroom_cash: float
    required_cash: float


class Sale(msgspec.Struct, frozen=True, gc=False):
    """Lots of one instrument to sell, and the constraints that ask for it, in their declared order."""

    instrument_id: int
    lots: Lots
    reasons: tuple[str, ...]


class Plan(msgspec.Struct, frozen=True):
    """What would cure a balance sheet at its present marks.

    Attributes:
        breaches: Constraints that bind before any sale.
        repay_cash: Cash to use for retiring debt, in cash units.
        sales: What to sell, in the order of the liquidation sequence's stages.
        uncured: Constraints that still bind when all of this is done.
    """

    breaches: tuple[Breach, ...] = ()
    repay_cash: Cash = 0
    sales: tuple[Sale, ...] = ()
    uncured: tuple[str, ...] = ()


class ChangeKind(IntEnum):
    """What is to happen to a parent order."""

    OPEN = 0
    RESIZE = 1
    CANCEL = 2


class ParentChange(msgspec.Struct, frozen=True, gc=False):
    """A parent order to open, to set to ``lots`` still to sell, or to cancel (``lots`` 0)."""

    kind: ChangeKind
    instrument_id: int
    lots: Lots
    reasons: tuple[str, ...]


NO_PLAN = Plan()


class RiskManager:
    """The constraints of one balance sheet and its liquidation sequence.

    Args:
        constraints: All that apply, in a fixed order; what binds is their union.
        order: The liquidation sequence.
    """

    def __init__(self, constraints: Sequence[Constraint], order: LiquidationSequence) -> None:
        self.constraints = tuple(guarded(constraint) for constraint in constraints)
        self._takes_headroom = ["headroom" in signature(c.purchase_lots).parameters for c in self.constraints]
        self.order = guarded_sequence(order)

    def breaches(
        self, view: SheetView, pursued: Collection[str] = (), measured: Sequence[float] | None = None
    ) -> tuple[Breach, ...]:
        """What binds now; of constraints named in ``pursued``, also those whose goal is not reached yet.

        Whoever has measured the headroom of this view already hands it in.
        """
        found = []
        for constraint, headroom in zip(self.constraints, measured or self.headroom(view), strict=True):
            if pursued and constraint.name in pursued:
                headroom = constraint.restoration_target.headroom(view)
            if headroom < 0:
                found.append(Breach(constraint.name, headroom, constraint.required_reduction(view)))
        return tuple(found)

    def headroom(self, view: SheetView) -> tuple[float, ...]:
        """Headroom under each constraint, in cash units."""
        return tuple([c.headroom(view) for c in self.constraints])

    def headroom_cash(self, view: SheetView, measured: Sequence[float] | None = None) -> Mapping[str, Cash]:
        """Headroom by the name of the limit, in whole cash units; of two of one name the tighter."""
        found: dict[str, Cash] = {}
        for constraint, headroom in zip(self.constraints, measured or self.headroom(view), strict=True):
            amount = bounded_cash(headroom)
            found[constraint.name] = min(amount, found.get(constraint.name, amount))
        return found

    def plan(self, view: SheetView, pursued: tuple[str, ...] = (), measured: Sequence[float] | None = None) -> Plan:
        """The least that meets every constraint, and the goal of each that binds, in the liquidation sequence.

        Args:
            view: The sheet at present marks.
            pursued: Names of the constraints that bound when they were asked last: their goals stand until they
                are reached, however many sales that takes.
            measured: The headroom of this view, where it is known already.
        """
        breaches = self.breaches(view, pursued, measured)
        if not breaches:
            return NO_PLAN
        broken = {breach.constraint for breach in breaches}
        goals = [c.restoration_target if c.name in broken else c for c in self.constraints]
        trial = view.copy()
        sold: dict[int, Lots] = {}
        reasons: dict[int, list[str]] = {}
        repaid = 0
        for stage in self.order.stages(view):
            if not (binding := _binding(goals, trial)):
                break
            if stage == (CASH,):
                amount = max(c.repay_cash(trial) for c in binding)
                trial.repay(amount)
                repaid += amount
            elif len(stage) == 1:
                _sell_one(goals, trial, stage[0], sold, reasons)
            else:
                _sell_together(goals, trial, stage, sold, reasons)
        sales = tuple(Sale(i, lots, tuple(reasons[i])) for i, lots in sold.items())
        return Plan(breaches, repaid, sales, tuple(c.name for c in _binding(goals, trial)))

    def update(self, plan: Plan, working: Mapping[int, Lots]) -> list[ParentChange]:
        """Compare a plan with the parent orders at work.

        Args:
            plan: The plan for the sheet as it is now.
            working: Lots still to sell by instrument, for parent orders that are open.

        Returns:
            Cancels of what is no longer needed first, then new sizes and new parents in the plan's order.
        """
        wanted = {sale.instrument_id for sale in plan.sales}
        changes = [ParentChange(ChangeKind.CANCEL, i, 0, ()) for i in sorted(working) if i not in wanted]
        for sale in plan.sales:
            open_lots = working.get(sale.instrument_id)
            if open_lots is None:
                changes.append(ParentChange(ChangeKind.OPEN, sale.instrument_id, sale.lots, sale.reasons))
            elif open_lots != sale.lots:
                changes.append(ParentChange(ChangeKind.RESIZE, sale.instrument_id, sale.lots, sale.reasons))
        return changes

    def purchase_lots(self, view: SheetView, measured: Sequence[float] | None = None) -> tuple[Lots, ...]:
        """Largest purchase of each instrument alone that no constraint forbids; 0 when any is breached.

        Whoever has measured the headroom of this view already hands it in.
        """
        least = [UNLIMITED_LOTS] * len(view.lots)
        asked = zip(self.constraints, measured or self.headroom(view), self._takes_headroom, strict=True)
        for constraint, headroom, takes_headroom in asked:
            room = constraint.purchase_lots(view, headroom) if takes_headroom else constraint.purchase_lots(view)
            least = [own if own < known else known for known, own in zip(least, room, strict=True)]
        return tuple(least)


def _binding(constraints: Sequence[Constraint], view: SheetView) -> list[Constraint]:
    return [c for c in constraints if c.headroom(view) < 0]


def _sell_one(
    goals: Sequence[Constraint],
    trial: SheetView,
    instrument_id: int,
    sold: dict[int, Lots],
    reasons: dict[int, list[str]],
) -> None:
    # Selling for one constraint may bring another to bind, so what binds is asked again after each sale.
    while binding := _binding(goals, trial):
        needs = [(c.sale_lots(trial, instrument_id), c.name) for c in binding]
        lots = max(n for n, _ in needs)
        if lots == 0:
            return
        trial.sell(instrument_id, lots)
        _add(sold, reasons, instrument_id, lots, [name for n, name in needs if n > 0])


def _sell_together(
    goals: Sequence[Constraint],
    trial: SheetView,
    stage: Stage,
    sold: dict[int, Lots],
    reasons: dict[int, list[str]],
) -> None:
    held = [max(0, int(trial.lots[i])) for i in stage]
    steps = max(held, default=0)
    best, names = 0, []
    for constraint in _binding(goals, trial):

        def after(step: int, constraint: Constraint = constraint) -> float:
            return constraint.headroom(_sold(trial, stage, [h * step // steps for h in held]))

        needed = smallest_cure(after, steps)
        best = max(best, needed)
        if needed > 0:
            names.append(constraint.name)
    if best == 0:
        return
    # One step of the largest position may add a lot of every instrument: stop at the lot that suffices.
    lots = [h * (best - 1) // steps for h in held]
    for k, h in enumerate(held):
        if not _binding(goals, _sold(trial, stage, lots)):
            break
        lots[k] = h * best // steps
    for i, n in zip(stage, lots, strict=True):
        if n > 0:
            trial.sell(i, n)
            _add(sold, reasons, i, n, names)


def _sold(view: SheetView, stage: Stage, lots: Sequence[Lots]) -> SheetView:
    trial = view.copy()
    for i, n in zip(stage, lots, strict=True):
        trial.sell(i, n)
    return trial


def _add(
    sold: dict[int, Lots], reasons: dict[int, list[str]], instrument_id: int, lots: Lots, names: Sequence[str]
) -> None:
    sold[instrument_id] = sold.get(instrument_id, 0) + lots
    known = reasons.setdefault(instrument_id, [])
    known.extend(name for name in names if name not in known)
