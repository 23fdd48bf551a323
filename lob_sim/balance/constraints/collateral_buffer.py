"""The collateral buffer of a liability-driven fund: what it can pledge must stand a rise in yields.

Source: Bank of England (2023), *LDI minimum resilience - recommendation and explainer*: a buffer, in basis points of
yield, that funds must be able to meet from assets that are at hand, and its restoration once it is used; Pinter (2023),
"An anatomy of the 2022 gilt market crisis", Bank of England Staff Working Paper 1019.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint, snapped
from lob_sim.balance.constraints.funding import FundingConstraint
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.errors import PluginError
from lob_sim.units import Lots

Years = Annotated[float, msgspec.Meta(ge=0, le=100)]
Yield = Annotated[float, msgspec.Meta(gt=0, le=1)]


class CollateralBufferConstraint(Constraint):
    """Free collateral at least what all exposure loses when yields rise by the buffer.

    Free collateral is cash and what can still be borrowed against the positions, less what is due. Exposure is bonds
    and swaps; it loses duration × rise of its value. A sale whose proceeds retire repo at the haircut h frees h +
    duration × buffer a unit. Below the minimum the target is restored, and nothing is bought that would bring it below
    that.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parameters.

        Attributes:
            durations (years): Modified duration by instrument name; 0 of those that are not named.
            minimum (yield): Rise in yields that must be stood, as a fraction: 0.015 is 150 basis points.
            target (yield): Rise for which the buffer is restored once it is below the minimum, at least that; by
                default the minimum.
        """

        durations: dict[str, Years]
        minimum: Yield
        target: Yield | None = None

    name: ClassVar[str] = "collateral_buffer"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        known = [i.name for i in context.instruments]
        for name in params.durations:
            if name not in known:
                expected = f"expected one of {sorted(known)}"
                raise PluginError(f"unknown instrument {name!r}: {expected}", f"{self.name}: durations")
        if params.target is not None and params.target < params.minimum:
            raise PluginError(
                f"target {params.target:g} is below minimum {params.minimum:g}: expected at least that",
                f"{self.name}: target",
            )
        self._own = params
        self._durations = [params.durations.get(name, 0.0) for name in known]
        self._free = FundingConstraint(FundingConstraint.Params(), context)

    @cached_property
    def restoration_target(self) -> CollateralBufferConstraint:
        """The same with the target for its minimum."""
        own = self._own
        if own.target is None or own.target == own.minimum:
            return self
        return CollateralBufferConstraint(msgspec.structs.replace(own, minimum=own.target), self.context)

    def loss_per_yield(self, view: SheetView) -> float:
        """What all exposure loses for each unit that yields rise by, in cash units."""
        exposures = zip(self._durations, view.exposure_lots, view.unit_cash, strict=True)
        return sum(duration * lots * unit for duration, lots, unit in exposures)

    def buffer(self, view: SheetView) -> float:
        """The rise in yields that free collateral stands; infinite without exposure."""
        loss, free = self.loss_per_yield(view), self._free.headroom(view)
        return free / loss if loss > 0 else float("inf")

    def headroom(self, view: SheetView) -> float:
        """Free collateral beyond the loss, in cash units."""
        needed = self._own.minimum * max(0.0, self.loss_per_yield(view))
        return snapped(self._free.headroom(view) - needed, view.assets_cash + needed)

    def required_reduction(self, view: SheetView) -> float:
        """Value to sell in proportion to the positions, to be back at the target; at most all of it."""
        target = self.restoration_target
        shortfall = -target.headroom(view)
        if self.headroom(view) >= 0 or shortfall <= 0:
            return 0.0
        values = [max(0.0, q * u) for q, u in zip(view.lots, view.unit_cash, strict=True)]
        freed = sum(values) - sum(view.repo_limits())
        freed += target._own.minimum * sum(d * x for d, x in zip(self._durations, values, strict=True))
        return sum(values) * min(1.0, shortfall / freed) if freed > 0 else 0.0

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        """Closed form: what leaves the target's buffer; own funds pay haircuts, they are not borrowed unsecured."""
        target = self.restoration_target
        room = target.headroom(view)
        if room < 0:
            return [0] * len(view.lots)
        lots = []
        for i, (duration, unit) in enumerate(zip(self._durations, view.unit_cash, strict=True)):
            needed = view.new_haircut(i) * unit + view.adjustment_unit_cash[i] + view.hedge_unit_cash(i)
            needed += max(0.0, target._own.minimum * duration * unit * view.exposure_per_lot(i))
            lots.append(min(UNLIMITED_LOTS, int(room // needed)) if needed > 0 else UNLIMITED_LOTS)
        return lots

    def repay_cash(self, view: SheetView) -> int:
        """Nothing: cash is collateral already."""
        return 0
