"""Somebody else's limits and liquidation sequences, each of which is shown a sheet of its own.

A sheet is shown to all limits in turn, and kept until it changes: what one of them writes into it, the others would
judge, and so would the market.
"""

from __future__ import annotations

from collections.abc import Sequence
from inspect import signature

from lob_sim.balance.constraints.base import Constraint
from lob_sim.balance.liquidation_sequence import LiquidationSequence, Stage
from lob_sim.balance.view import SheetView
from lob_sim.units import Lots


def guarded(constraint: Constraint) -> Constraint:
    """A limit that cannot change what it judges; one of this package, which does not, as it is."""
    return constraint if _is_own(constraint) else _GuardedConstraint(constraint)


def guarded_sequence(sequence: LiquidationSequence) -> LiquidationSequence:
    """A liquidation sequence that cannot change what it orders; one of this package, which does not, as it is."""
    return sequence if _is_own(sequence) else _GuardedSequence(sequence)


class _GuardedConstraint(Constraint):
    def __init__(self, inner: Constraint) -> None:
        self.inner = inner
        self.params, self.context = inner.params, inner.context
        self.name = inner.name  # type: ignore[misc]
        self._takes_headroom = "headroom" in signature(inner.purchase_lots).parameters

    def headroom(self, view: SheetView) -> float:
        return self.inner.headroom(view.own_copy())

    @property
    def restoration_target(self) -> Constraint:
        target = self.inner.restoration_target
        return self if target is self.inner else guarded(target)

    def required_reduction(self, view: SheetView) -> float:
        return self.inner.required_reduction(view.own_copy())

    def sale_lots(self, view: SheetView, instrument_id: int) -> Lots:
        return self.inner.sale_lots(view.own_copy(), instrument_id)

    def repay_cash(self, view: SheetView) -> int:
        return self.inner.repay_cash(view.own_copy())

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        if self._takes_headroom:
            return self.inner.purchase_lots(view.own_copy(), headroom)
        return self.inner.purchase_lots(view.own_copy())


class _GuardedSequence(LiquidationSequence):
    def __init__(self, inner: LiquidationSequence) -> None:
        self.inner = inner
        self.params, self.context = inner.params, inner.context
        self.name = inner.name  # type: ignore[misc]

    def stages(self, view: SheetView) -> Sequence[Stage]:
        return self.inner.stages(view.own_copy())


def _is_own(part: Constraint | LiquidationSequence) -> bool:
    return type(part).__module__.startswith("lob_sim.")
