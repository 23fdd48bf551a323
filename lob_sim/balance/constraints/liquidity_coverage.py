"""The liquidity coverage ratio: what can be turned into money against what may be called for within a month.

Source: Basel Committee, *Basel III: The Liquidity Coverage Ratio and liquidity risk monitoring tools* (2013):
haircuts of paragraphs 49-54, caps of annex 1, run-off of paragraphs 85-115.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec

from lob_sim.balance.constraints.base import Constraint, snapped
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.errors import PluginError

Level: TypeAlias = Literal["1", "2A", "2B"]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]

_HAIRCUTS: Mapping[str, float] = {"1": 0.0, "2A": 0.15, "2B": 0.5}
_RUNOFF: Mapping[str, float] = {**_HAIRCUTS, "none": 1.0}
"""Basel's run-off of repo: what lenders on collateral of a level ask for is what it loses in liquidity."""


class LiquidityCoverageConstraint(Constraint):
    """High-quality liquid assets at least a share of net outflows.

    Liquid are cash and what is held of eligible instruments, at its mark less the level's haircut, as far as no repo
    encumbers it (a loan L at the haircut h encumbers L/(1-h)); level 2 counts up to 40% of the whole and level 2B up to
    15%. Outflows are what is due, short-term funding as far as it runs off, and repo as far as its collateral is not of
    a level that lenders go on lending against. Inflows from assets that are not traded count up to three quarters of
    that.

    So selling what is liquid does not help, and paying debts from cash only as far as they run off; selling what is not
    does.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            minimum (factor): Smallest ratio allowed, positive.
            levels: Level by instrument name, ``"1"``, ``"2A"`` or ``"2B"``; what is not named is not liquid.
            short_term_runoff (fraction): Share of deposits and short-term funding that goes within the month; Basel has
                from 3% of stable deposits to all of what financial firms lend.
            inflow_rate (fraction): Share of assets that are not traded that comes in within the month.
            repo_runoff (fraction): By level, and ``"none"`` for other collateral: share of repo that is not renewed,
                where it is not 0, 15, 50 and 100%.
        """

        minimum: Annotated[float, msgspec.Meta(gt=0, le=10)] = 1.0
        levels: dict[str, Level] = {}
        short_term_runoff: Share = 0.4
        inflow_rate: Share = 0.0
        repo_runoff: dict[Literal["1", "2A", "2B", "none"], Share] = {}

    name: ClassVar[str] = "liquidity_coverage"

    def __init__(self, params: Params, context: SheetContext) -> None:
        super().__init__(params, context)
        known = [i.name for i in context.instruments]
        for name in params.levels:
            if name not in known:
                raise PluginError(
                    f"unknown instrument {name!r}: expected one of {sorted(known)}", f"{self.name}: levels"
                )
        self._own = params
        self._levels = [params.levels.get(name) for name in known]
        runoff: dict[str, float] = {**_RUNOFF, **dict(params.repo_runoff.items())}
        self._runoff = [runoff[level or "none"] for level in self._levels]

    def liquid_assets(self, view: SheetView) -> float:
        """High-quality liquid assets after haircuts and caps, in cash units."""
        held = {"1": view.cash, "2A": 0.0, "2B": 0.0}
        for i, level in enumerate(self._levels):
            if level is not None:
                held[level] += (1 - _HAIRCUTS[level]) * self._unencumbered(view, i)
        first, second, third = held["1"], held["2A"], held["2B"]
        above_15 = max(0.0, third - 15 / 85 * (first + second), third - 15 / 60 * first)
        above_40 = max(0.0, second + third - above_15 - 2 / 3 * first)
        return first + second + third - above_15 - above_40

    def net_outflows(self, view: SheetView) -> float:
        """What may go within a month less what comes in, in cash units."""
        out = view.due_cash + self._own.short_term_runoff * view.short_term_cash
        out += sum(runoff * loan for runoff, loan in zip(self._runoff, view.repo_cash, strict=True))
        return out - min(self._own.inflow_rate * view.other_assets_cash, 0.75 * out)

    def headroom(self, view: SheetView) -> float:
        """Liquid assets beyond those that are needed, in cash units."""
        liquid, needed = self.liquid_assets(view), self._own.minimum * self.net_outflows(view)
        return snapped(liquid - needed, abs(liquid) + needed)

    @staticmethod
    def _unencumbered(view: SheetView, i: int) -> float:
        value, loan, haircut = view.lots[i] * view.unit_cash[i], view.repo_cash[i], view.haircuts[i]
        if loan > 0:
            value -= loan / (1 - haircut) if haircut < 1 else value
        return max(0.0, value)
