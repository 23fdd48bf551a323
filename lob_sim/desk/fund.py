"""An asset manager's back office: net asset value at marks, redemptions, and the sales they force."""

from __future__ import annotations

from typing import Any

from lob_sim.balance.fund import Fund, Strike
from lob_sim.desk.desk import Desk
from lob_sim.desk.ports import DeskContext
from lob_sim.messages import SheetCause
from lob_sim.units import Ns

_NET_ASSET_VALUE = -3


class FundDesk(Desk):
    """The desk of a fund: no leverage, and investors who leave after losses.

    Where there are trading days, the net asset value is struck at every close, at closing marks, and what investors
    redeem because of it is due at the next open.

    What the cash buffer does not pay is due at once; the fund sells for it as any other forced seller does. A
    fund cannot default: its investors bear what its assets do not bring.

    Args:
        *parts: As for :class:`~lob_sim.desk.desk.Desk`.
        fund: How its investors behave; its sheet is the desk's.
        interval_ns: Time between two calculations of the net asset value, where there are no days.
    """

    def __init__(self, *parts: Any, fund: Fund, interval_ns: Ns) -> None:
        super().__init__(*parts)
        self.fund = fund
        self._interval_ns = interval_ns
        self._struck: Strike | None = None

    def on_start(self, ctx: DeskContext) -> None:
        super().on_start(ctx)
        if ctx.switches.redemptions and ctx.calendar is None:
            ctx.wake_in(self._interval_ns, _NET_ASSET_VALUE)

    def on_wake(self, ctx: DeskContext, tag: int) -> None:
        if tag != _NET_ASSET_VALUE:
            super().on_wake(ctx, tag)
            return
        ctx.wake_in(self._interval_ns, _NET_ASSET_VALUE)
        self._mark_all(ctx)
        redemption = self.fund.redeem(ctx.now_ns, ctx.agent_id)
        if redemption is not None:
            ctx.log(redemption)
            self._settle_funding(ctx, SheetCause.REDEMPTION)
        self._assess(ctx)

    def on_close(self, ctx: DeskContext) -> None:
        super().on_close(ctx)
        if ctx.switches.redemptions:
            self._struck = self.fund.strike()

    def on_open(self, ctx: DeskContext) -> None:
        if self._struck is not None:
            redemption = self.fund.pay(self._struck, ctx.now_ns, ctx.agent_id)
            self._struck = None
            if redemption is not None:
                ctx.log(redemption)
                self._settle_funding(ctx, SheetCause.REDEMPTION)
        super().on_open(ctx)

    @property
    def fails(self) -> bool:
        """Never."""
        return False
