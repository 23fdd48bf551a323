"""In which order a deleveraging balance sheet sells; a user's own is a ``"module:Class"``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, TypeAlias

import msgspec

from lob_sim.balance.plugin import checked
from lob_sim.balance.view import SheetContext, SheetView

CASH: Final = -1
"""In a stage: use cash to retire debt, before anything is sold."""

Stage: TypeAlias = tuple[int, ...]
"""Instruments sold together, in proportion to what is held of each; ``(CASH,)`` uses cash."""


class LiquidationSequence(ABC):
    """Stages, each exhausted (or of no more help) before the next begins.

    Source: in proportion, Greenwood, Landier and Thesmar (2015), *Vulnerable banks*; the most liquid first, Ma, Xiao
    and Zeng (2022), *Mutual fund liquidity transformation and reverse flight to liquidity*.

    Args:
        params: An instance of the class's own ``Params``.
        context: Instruments with their liquidity ranks.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of the order; a subclass declares its own."""

    name: ClassVar[str] = "liquidation_sequence"

    def __init__(self, params: msgspec.Struct, context: SheetContext) -> None:
        self.params = checked(params, self.name)
        self.context = context

    @abstractmethod
    def stages(self, view: SheetView) -> Sequence[Stage]:
        """The stages for the sheet as it is now."""


class MostLiquidFirst(LiquidationSequence):
    """One instrument after another by liquidity rank, 1 first; cash stays."""

    name: ClassVar[str] = "most_liquid_first"

    def __init__(self, params: msgspec.Struct, context: SheetContext) -> None:
        super().__init__(params, context)
        ranked = sorted(context.instruments, key=lambda i: (i.liquidity_rank, i.instrument_id))
        self._stages: tuple[Stage, ...] = tuple((i.instrument_id,) for i in ranked)

    def stages(self, view: SheetView) -> Sequence[Stage]:
        """One stage an instrument."""
        return self._stages


class CashFirst(MostLiquidFirst):
    """Cash retires debt first, then the most liquid instruments are sold."""

    name: ClassVar[str] = "cash_first"

    def stages(self, view: SheetView) -> Sequence[Stage]:
        """Cash, then one stage an instrument."""
        return ((CASH,), *self._stages)


class ProRata(LiquidationSequence):
    """All instruments at once, in proportion to holdings; cash stays."""

    name: ClassVar[str] = "pro_rata"

    def stages(self, view: SheetView) -> Sequence[Stage]:
        """One stage with everything."""
        return (tuple(i.instrument_id for i in self.context.instruments),)


class CashThenProRata(ProRata):
    """Cash retires debt first, then all instruments are sold at once, in proportion to holdings."""

    name: ClassVar[str] = "cash_then_pro_rata"

    def stages(self, view: SheetView) -> Sequence[Stage]:
        """Cash, then one stage with everything."""
        return ((CASH,), *super().stages(view))


LIQUIDATION_SEQUENCES: Final[dict[str, type[LiquidationSequence]]] = {
    order.name: order for order in (CashFirst, MostLiquidFirst, ProRata, CashThenProRata)
}
