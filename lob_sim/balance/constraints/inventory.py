"""A desk's position limits, in lots.

Source: Amihud and Mendelson (1980), *Dealership market: market-making with inventory*, whose dealer's positions are
bounded.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Annotated, ClassVar

import msgspec

from lob_sim.balance.constraints.base import UNLIMITED_LOTS, Constraint
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.errors import PluginError
from lob_sim.units import Lots


class InventoryConstraint(Constraint):
    """No position above its limit; instruments without a limit are free."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            limits (shares, or currency units of face value): Largest long position by instrument name; 0 forbids
                holdings.
        """

        limits: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}

    name: ClassVar[str] = "inventory"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        ids = {i.name: i.instrument_id for i in context.instruments}
        self._limits: dict[int, Lots] = {}
        for name, amount in sorted(params.limits.items()):
            if not math.isfinite(amount):
                raise PluginError(
                    f"limit is {amount}: expected a finite number; without a limit, leave it out",
                    f"inventory: limits.{name}",
                )
            if name not in ids:
                raise PluginError(f"unknown instrument {name!r}: expected one of {sorted(ids)}", "inventory: limits")
            instrument = context.instruments[ids[name]]
            self._limits[instrument.instrument_id] = int(Decimal(repr(amount)) // instrument.lot_size)

    def headroom(self, view: SheetView) -> float:
        """Least room under a limit, at the mark, in cash units; infinite with no limit."""
        return min(
            ((limit - view.lots[i]) * view.unit_cash[i] for i, limit in self._limits.items()),
            default=float("inf"),
        )

    def required_reduction(self, view: SheetView) -> float:
        """Value of everything above its limit."""
        return sum(max(0, view.lots[i] - limit) * view.unit_cash[i] for i, limit in self._limits.items())

    def sale_lots(self, view: SheetView, instrument_id: int) -> Lots:
        """The excess of this instrument; sales of others do not help."""
        limit = self._limits.get(instrument_id, UNLIMITED_LOTS)
        return max(0, int(view.lots[instrument_id]) - limit)

    def repay_cash(self, view: SheetView) -> int:
        """Nothing: cash has no part in position limits."""
        return 0

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        """Room under each instrument's own limit; 0 while another is above its own."""
        if self.headroom(view) < 0:
            return [0] * len(view.lots)
        limits = (self._limits.get(i, UNLIMITED_LOTS) for i in range(len(view.lots)))
        return [
            max(0, limit - int(held)) if limit < UNLIMITED_LOTS else UNLIMITED_LOTS
            for limit, held in zip(limits, view.lots, strict=True)
        ]
