"""The seam that every constraint fills.

A user's constraint is one class in one file: a nested ``Params`` struct with typed parameters, and
:meth:`Constraint.headroom`. Everything else has a default that asks ``headroom`` what would happen. The
built-in constraints override the defaults with closed forms, because dealers ask on every mark.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Final

import msgspec

from lob_sim.balance.plugin import checked
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.units import Lots

UNLIMITED_LOTS: Final = 1 << 54
"""More than anybody trades: the answer of a constraint that does not limit purchases."""

ROUNDING: Final = 1e-12
"""Relative size below which a real-valued headroom is rounding noise and counts as zero."""

_SAMPLES: Final = 64


class Constraint(ABC):
    """A limit. Pure: it holds parameters, never state.

    Args:
        params: An instance of the class's own ``Params``.
        context: Instruments and the cash unit, to translate parameters once.

    Attributes:
        name: Short name for the log and for reports.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the constraint; a subclass declares its own."""

    name: ClassVar[str] = "constraint"

    def __init__(self, params: msgspec.Struct, context: SheetContext) -> None:
        self.params = checked(params, self.name)
        self.context = context

    @abstractmethod
    def headroom(self, view: SheetView) -> float:
        """Distance from the limit in cash units; negative when the constraint is breached."""

    @property
    def restoration_target(self) -> Constraint:
        """What must hold once this constraint has been breached: itself, unless it aims beyond its own limit.

        It bears the same name.
        """
        return self

    def required_reduction(self, view: SheetView) -> float:
        """Value to shed, in cash units, to have no negative headroom; 0 when there is none."""
        return max(0.0, -self.headroom(view))

    def sale_lots(self, view: SheetView, instrument_id: int) -> Lots:
        """Smallest sale of one instrument that restores the limit.

        Returns:
            At most the lots held; what helps most when nothing suffices; 0 when nothing helps.
        """
        held = max(0, int(view.lots[instrument_id]))

        def after(lots: int) -> float:
            trial = view.copy()
            trial.sell(instrument_id, lots)
            return self.headroom(trial)

        return smallest_cure(after, held)

    def repay_cash(self, view: SheetView) -> int:
        """Smallest amount of cash whose use to retire debt restores the limit; like :meth:`sale_lots`."""

        def after(amount: int) -> float:
            trial = view.copy()
            trial.repay(amount)
            return self.headroom(trial)

        return smallest_cure(after, max(0, int(min(view.cash, view.debt_cash))))

    def purchase_lots(self, view: SheetView, headroom: float | None = None) -> list[Lots]:
        """Largest purchase of each instrument alone that leaves headroom at zero or more; 0 when none is left.

        Args:
            view: The sheet.
            headroom: Its headroom, where that has been measured. A constraint of one's own may leave the argument out,
                and is then not handed it.
        """
        if (self.headroom(view) if headroom is None else headroom) < 0:
            return [0] * len(view.lots)
        return [self._largest_purchase(view, i) for i in range(len(view.lots))]

    def _largest_purchase(self, view: SheetView, instrument_id: int) -> Lots:
        def breaks(lots: int) -> float:
            trial = view.copy()
            trial.buy(instrument_id, lots)
            # A strict inequality in disguise: the smallest purchase that breaks the limit is one lot too
            # many.
            return 1.0 if self.headroom(trial) < 0 else -1.0

        upper = 1
        while upper < UNLIMITED_LOTS and breaks(upper) < 0:
            upper *= 2
        return upper if upper >= UNLIMITED_LOTS else smallest_cure(breaks, upper) - 1


def smallest_cure(headroom_after: Callable[[int], float], largest: int) -> int:
    """Smallest n in [0, largest] with ``headroom_after(n) >= 0``, by bisection.

    Exact for a function that rises with n. One that rises and falls again is sampled at a few dozen points to
    find where it first reaches zero.

    Returns:
        The sampled n with the largest headroom when none reaches zero; 0 when none is better than 0.
    """
    if largest <= 0:
        return 0
    low, high = -1, largest
    if headroom_after(largest) < 0:
        samples = [largest * k // _SAMPLES for k in range(_SAMPLES + 1)]
        values = [headroom_after(n) for n in samples]
        crossing = next((k for k, value in enumerate(values) if value >= 0), None)
        if crossing is None:
            # Rounding alone must not look like help.
            best = max(values)
            return samples[values.index(best)] if best - values[0] > 1e-9 * abs(values[0]) else 0
        low, high = samples[crossing - 1] if crossing else -1, samples[crossing]
    while high - low > 1:
        middle = (low + high) // 2
        if headroom_after(middle) >= 0:
            high = middle
        else:
            low = middle
    return high


def snapped(headroom: float, scale: float) -> float:
    """Zero when ``headroom`` is rounding noise on a computation with terms as large as ``scale``."""
    return 0.0 if abs(headroom) <= ROUNDING * scale else headroom
