"""The derivatives of a desk: marked at settlement prices, settled in cash by day, margined by volatility."""

from __future__ import annotations

from lob_sim.balance.clearing import CentralCounterparty
from lob_sim.balance.derivatives import CENTRAL, Derivatives
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.desk.ports import DeskContext
from lob_sim.messages import CounterpartyFailed, DefaultWaterfall, MarginSettled
from lob_sim.units import Cash, Ns


class Margining:
    """Variation and initial margin of one balance sheet's swaps and futures, and what a counterparty's failure costs.

    What is called is paid from cash; what cash does not cover is due, and borrowed or sold for like any other debt.

    Args:
        derivatives: The positions; those of the sheet.
        interval_ns: Time between two settlements, where there are no trading days.
        house: The central counterparty, where swaps between agents are cleared.
    """

    def __init__(self, derivatives: Derivatives, interval_ns: Ns, house: CentralCounterparty | None = None) -> None:
        self.derivatives = derivatives
        self.interval_ns = interval_ns
        self._house = house

    def mark(self, ctx: DeskContext, sheet: BalanceSheet) -> bool:
        """Mark at the settlement prices of the moment; returns whether Tier 1 has changed."""
        prices = [ctx.settlement_ticks(i.instrument_id) for i in ctx.instruments]
        return bool(sheet.mark_derivatives(prices))

    def settle(self, ctx: DeskContext, sheet: BalanceSheet, volatility: EwmaCovariance) -> None:
        """Variation margin, as of the close where there was one, and initial margin at today's volatility."""
        book = self.derivatives
        variation = book.settle()
        initial = book.margin_call([volatility.volatility(i.instrument_id) for i in ctx.instruments])
        lacking = sheet.take_margin(variation - initial)
        ctx.log(MarginSettled(ctx.now_ns, ctx.agent_id, variation, initial, book.posted_cash, lacking))

    def close_out(self, ctx: DeskContext, sheet: BalanceSheet) -> None:
        """The agent has failed: positions are closed at settlement prices, and losses come out of the margin first.

        What that does not cover its counterparties bear, at once: what its estate may pay later is not waited for.
        """
        book = self.derivatives
        posted, variation, owed = book.posted_cash, book.accrued_cash, book.owed()
        agents = [position.counterparty_id for position in book.positions if position.counterparty_id >= 0]
        lacking = sheet.claim_margin(book.close())
        ctx.log(MarginSettled(ctx.now_ns, ctx.agent_id, variation, -posted, 0, lacking))
        for agent_id in dict.fromkeys(agents):
            ctx.tell(agent_id, CounterpartyFailed(ctx.now_ns, ctx.agent_id, agent_id, owed.get(agent_id, 0), 0))
        if self._house is not None and ctx.agent_id in self._house.contributions_cash:
            self._run_waterfall(ctx, self._house, owed.get(CENTRAL, 0))

    def _run_waterfall(self, ctx: DeskContext, house: CentralCounterparty, loss: Cash) -> None:
        borne = house.absorb(ctx.agent_id, loss)
        shares, assessed = borne.contributions_cash, borne.assessed_cash
        ctx.log(
            DefaultWaterfall(
                ctx.now_ns, ctx.agent_id, loss, borne.defaulter_cash, borne.own_capital_cash,
                sum(shares.values()), sum(assessed.values()), borne.uncovered_cash,
            )
        )  # fmt: skip
        for agent_id in sorted(shares.keys() | assessed.keys()):
            amounts = (shares.get(agent_id, 0), assessed.get(agent_id, 0))
            ctx.tell(agent_id, CounterpartyFailed(ctx.now_ns, ctx.agent_id, agent_id, *amounts))

    def on_failure(self, ctx: DeskContext, sheet: BalanceSheet, event: CounterpartyFailed) -> None:
        """A counterparty has failed, or a member of the central counterparty of which this agent is one."""
        if self._house is not None and ctx.agent_id in self._house.contributions_cash:
            sheet.lose_contribution(event.loss_cash)
        else:
            self.mark(ctx, sheet)
            sheet.lose_claim(self.derivatives.end_with(event.agent_id), event.loss_cash)
        sheet.pay_assessment(event.assessed_cash)
