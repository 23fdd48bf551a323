"""The derivatives of a desk: marked at settlement prices, settled in cash by day, margined by volatility."""

from __future__ import annotations

from lob_sim.balance.derivatives import Derivatives
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.desk.ports import DeskContext
from lob_sim.messages import MarginSettled
from lob_sim.units import Cash, Ns


class Margining:
    """Variation and initial margin of one balance sheet's swaps and futures.

    What is called is paid from cash; what cash does not cover is due, and borrowed or sold for like any other debt.

    Args:
        derivatives: The positions; those of the sheet.
        interval_ns: Time between two settlements, where there are no trading days.
    """

    def __init__(self, derivatives: Derivatives, interval_ns: Ns) -> None:
        self.derivatives = derivatives
        self.interval_ns = interval_ns
        self._struck: Cash | None = None

    def mark(self, ctx: DeskContext, sheet: BalanceSheet) -> bool:
        """Mark at the settlement prices of the moment; returns whether Tier 1 has changed."""
        prices = [ctx.settlement_ticks(i.instrument_id) for i in ctx.instruments]
        return bool(sheet.mark_derivatives(prices))

    def strike(self) -> None:
        """The close: what has accrued by now is due at the next open."""
        self._struck = self.derivatives.accrued_cash

    def settle(self, ctx: DeskContext, sheet: BalanceSheet, volatility: EwmaCovariance) -> None:
        """Variation margin, as of the close where there was one, and initial margin at today's volatility."""
        book = self.derivatives
        variation = book.settle(book.accrued_cash if self._struck is None else self._struck)
        self._struck = None
        initial = book.margin_call([volatility.volatility(i.instrument_id) for i in ctx.instruments])
        lacking = sheet.take_margin(variation - initial)
        ctx.log(MarginSettled(ctx.now_ns, ctx.agent_id, variation, initial, book.posted_cash, lacking))

    def close_out(self, ctx: DeskContext, sheet: BalanceSheet) -> None:
        """The agent has failed: positions are closed at settlement prices, and losses come out of the margin first."""
        book = self.derivatives
        posted, variation = book.posted_cash, book.accrued_cash
        lacking = sheet.take_margin(book.close())
        ctx.log(MarginSettled(ctx.now_ns, ctx.agent_id, variation, -posted, 0, lacking))
