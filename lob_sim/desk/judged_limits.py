"""Limits, asked again only where the balance sheet or what binds has changed since they were asked last."""

from __future__ import annotations

from lob_sim.agents.context import Headroom
from lob_sim.balance.risk_manager import Breach, Plan, RiskManager
from lob_sim.balance.view import SheetView
from lob_sim.desk.ports import DeskContext
from lob_sim.desk.statements import Statements


class JudgedLimits:
    """What the limits have said of a balance sheet, for as long as it stands.

    Args:
        risk: The limits.
        statements: Where it is said how far they are, and which are breached.

    Attributes:
        risk: The limits.
        judged: The sheet of which limits were last asked.
        binding: Names of those that it breaches, or that it must still get away from.
        measured: Headroom of each under the sheet that was looked at last.
    """

    def __init__(self, risk: RiskManager, statements: Statements) -> None:
        self.judged: SheetView | None = None
        self.binding: tuple[str, ...] = ()
        self.risk = risk
        self._statements = statements
        self._view: SheetView | None = None
        self.measured: tuple[float, ...] = ()
        self._planned: tuple[SheetView, tuple[str, ...], Plan] | None = None

    def ask_anew(self) -> None:
        """Nothing of what is known holds any more."""
        self._view = self.judged = self._planned = None

    def look(self, ctx: DeskContext, view: SheetView) -> SheetView:
        """The sheet as limits judge it, the same object while nothing changes; say how far they are when it has."""
        if self._view is not None and view == self._view:
            return self._view
        self._view = view
        self.measured = measured = self.risk.headroom(view)
        self._statements.headroom(ctx, self.risk.headroom_cash(view, measured))
        return view

    def judge(self, ctx: DeskContext, view: SheetView) -> Plan:
        """What limits ask for of a sheet that :meth:`look` has returned; while it and their goals stand, the same."""
        self.judged, known = view, self._planned
        if known is None or known[0] is not view or known[1] != self.binding:
            plan = self.risk.plan(view, self.binding, self.measured)
            self._planned = known = (view, self.binding, plan)
        plan = known[2]
        if plan.breaches or self.binding:
            self.binding = self._statements.breaches(ctx, plan, view, self.risk, self.binding)
        return plan


def headroom_shown(
    risk: RiskManager, view: SheetView, measured: tuple[float, ...], selling: bool, breaches: tuple[Breach, ...]
) -> Headroom:
    """What the strategy is shown of the limits."""
    ratio = view.tier1_cash / max(1, view.assets_cash)
    return Headroom(risk.purchase_lots(view, measured), ratio, selling, tuple(b.constraint for b in breaches))
