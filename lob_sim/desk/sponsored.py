"""A leveraged fund behind whom somebody stands: capital is called when leverage is high, and comes days later."""

from __future__ import annotations

from typing import Any

import msgspec

from lob_sim.balance.sheet import BalanceSheet
from lob_sim.desk.borrower import loan_maturity_ns
from lob_sim.desk.desk import Desk
from lob_sim.desk.ports import DeskContext
from lob_sim.messages import CapitalCalled, CapitalReceived, SheetCause
from lob_sim.units import Cash, Ns

_CAPITAL = -5


class SponsorRule(msgspec.Struct, frozen=True):
    """When capital is called, and for how much.

    Attributes:
        leverage: Exposure over net assets above which it is called.
        target: Exposure over net assets that it is to restore.
        lag_ns: How long it takes to come.
        most_cash: The most that comes in all.
    """

    leverage: float
    target: float
    lag_ns: Ns
    most_cash: Cash

    def called(self, exposure_cash: Cash, tier1_cash: Cash) -> Cash:
        """What to call: the capital that exposure needs at the target, less what there is; 0 below the threshold."""
        if exposure_cash <= self.leverage * tier1_cash:
            return 0
        return max(0, round(exposure_cash / self.target) - tier1_cash)


class SponsoredDesk(Desk):
    """The desk of a fund with a sponsor, as liability-driven funds have in their pension schemes.

    Args:
        *parts: As for :class:`~lob_sim.desk.desk.Desk`.
        rule: When its sponsor is called.
    """

    def __init__(self, *parts: Any, rule: SponsorRule) -> None:
        super().__init__(*parts)
        self.rule = rule
        self._under_way_cash: Cash = 0
        self._received_cash: Cash = 0

    def on_wake(self, ctx: DeskContext, tag: int) -> None:
        if tag != _CAPITAL:
            super().on_wake(ctx, tag)
            return
        amount, self._under_way_cash = self._under_way_cash, 0
        self._received_cash += amount
        if not self.defaulted:
            self.sheet.receive_capital(amount)
            ctx.log(CapitalReceived(ctx.now_ns, ctx.agent_id, amount))
            self._settle_funding(ctx, SheetCause.CAPITAL)
            self._assess(ctx)

    def _assess(self, ctx: DeskContext) -> None:
        super()._assess(ctx)
        if self.defaulted or self._under_way_cash:
            return
        called = self.rule.called(exposure_cash(self.sheet), self.sheet.tier1_cash)
        called = min(called, self.rule.most_cash - self._received_cash)
        if called > 0:
            arrives_ns = loan_maturity_ns(ctx, self.rule.lag_ns)
            self._under_way_cash = called
            ctx.log(CapitalCalled(ctx.now_ns, ctx.agent_id, called, arrives_ns))
            ctx.wake_in(arrives_ns - ctx.now_ns, _CAPITAL)


def exposure_cash(sheet: BalanceSheet) -> Cash:
    """Long positions at their marks, with exposure by derivatives at settlement prices."""
    return sheet.inventory_cash + (0 if sheet.derivatives is None else sheet.derivatives.exposure_cash)
