"""What a desk puts on the log of its own: each thing when it has changed, and only then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lob_sim.balance.risk_manager import Plan, RiskManager
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetView
from lob_sim.desk.ports import DeskContext
from lob_sim.messages import ConstraintBreached, ConstraintCured, HeadroomRecord, PositionRecord
from lob_sim.units import Cash, Lots, bounded_cash


class Statements:
    """What was last said of positions and of headroom.

    Args:
        n_instruments: How many instruments there are.
    """

    def __init__(self, n_instruments: int) -> None:
        self._headroom: dict[str, Cash] = {}
        self._positions: list[tuple[Lots, Cash, Lots]] = [(-1, -1, -1)] * n_instruments

    def positions(self, ctx: DeskContext, sheet: BalanceSheet, working: Mapping[int, Lots]) -> None:
        """Say what is held of each instrument, owed against it and still to be sold, where that has changed."""
        told = self._positions
        for i, (lots, repo) in enumerate(zip(sheet.lots, sheet.repo_cash, strict=True)):
            position = (lots, repo, working.get(i, 0) if working else 0)
            if position != told[i]:
                told[i] = position
                mark, adjustment = sheet.marks_ticks[i], sheet.adjustments_ticks[i]
                ctx.log(PositionRecord(ctx.now_ns, ctx.agent_id, i, lots, mark, adjustment, *position[1:]))

    def headroom(self, ctx: DeskContext, amounts: Mapping[str, Cash]) -> None:
        """Say how far each limit is, where that has changed."""
        told = self._headroom
        for name, amount in amounts.items():
            if told.get(name) != amount:
                told[name] = amount
                ctx.log(HeadroomRecord(ctx.now_ns, ctx.agent_id, name, amount))

    def breaches(
        self, ctx: DeskContext, plan: Plan, view: SheetView, risk: RiskManager, bound: Sequence[str]
    ) -> tuple[str, ...]:
        """Say which limits have begun to bind, and which of those that have bound are cured; returns what binds."""
        for breach in plan.breaches:
            if breach.constraint not in bound:
                headroom, required = bounded_cash(breach.headroom_cash), bounded_cash(breach.required_cash)
                ctx.log(ConstraintBreached(ctx.now_ns, ctx.agent_id, breach.constraint, headroom, required))
        binding = tuple(b.constraint for b in plan.breaches)
        for name in bound:
            if name not in binding:
                left = min(c.restoration_target.headroom(view) for c in risk.constraints if c.name == name)
                ctx.log(ConstraintCured(ctx.now_ns, ctx.agent_id, name, bounded_cash(left)))
        return binding
