"""Leverage that is left alone down to a minimum, and restored to a target once it is below.

Source: threshold deleveraging in Cont and Schaanning (2017), *Fire sales, indirect contagion and systemic stress
testing*, section 2; with a target equal to the minimum it is leverage targeting from above, as in Greenwood, Landier
and Thesmar (2015).
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.constraints.slr import SlrConstraint
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.errors import PluginError


class ThresholdLeverageConstraint(SlrConstraint):
    """Tier 1 / leverage exposure: nothing happens at or above the minimum; below it the target is restored."""

    class Params(SlrConstraint.Params, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """Parameters.

        Attributes:
            minimum (fraction): Smallest ratio that is left alone, as a fraction above 0 and at most 1.
            target (fraction): Ratio to which a lower one is restored, at least the minimum.
            exempt: Names of instruments outside the exposure; ``"reserves"`` exempts cash.
        """

        target: Annotated[float, msgspec.Meta(gt=0, le=1)]

    name: ClassVar[str] = "leverage_threshold"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        if params.target < params.minimum:
            raise PluginError(
                f"target {params.target:g} is below minimum {params.minimum:g}: expected at least that",
                f"{self.name}: target",
            )
        self._own = params

    @cached_property
    def restoration_target(self) -> ThresholdLeverageConstraint:
        """The same with the target for its minimum."""
        if self._own.target == self._own.minimum:
            return self
        return ThresholdLeverageConstraint(msgspec.structs.replace(self._own, minimum=self._own.target), self.context)

    def required_reduction(self, view: SheetView) -> float:
        """Exposure to shed to be back at the target; 0 at the target and above."""
        return SlrConstraint.required_reduction(self.restoration_target, view)
