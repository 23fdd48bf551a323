"""The desk: what watches a dealer's balance sheet and makes it sell, whatever its quoting strategy wants.

The desk is a component of the agent beside the strategy. It books every fill on the balance sheet, marks the
positions on a schedule and after own trades, asks the constraints, and keeps the parent orders that they call
for. While it sells, the agent buys nothing: its bids are cancelled and refused. How parent orders are worked
is the business of :mod:`lob_sim.desk.forced_sale`.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from lob_sim.agents.strategy import Component, Strategy
from lob_sim.balance.liquidation import breach_urgency
from lob_sim.balance.marking import Mark, MarkingPolicy
from lob_sim.balance.resolution import attribute_losses, default_event
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.balance.view import SheetView
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.desk.borrower import Borrower
from lob_sim.desk.evidence import MarketEvidence
from lob_sim.desk.forced_sale import ForcedSales
from lob_sim.desk.judged_limits import JudgedLimits, headroom_shown
from lob_sim.desk.margining import Margining
from lob_sim.desk.ports import DeskContext
from lob_sim.desk.statements import Statements
from lob_sim.messages import (
    CounterpartyFailed,
    Event,
    FundingMessage,
    MarginCalled,
    MarkRecord,
    MarkSource,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    ParentEnd,
    RfqClosed,
    RfqDeclined,
    RfqPrint,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    SheetCause,
    Side,
    Trade,
)
from lob_sim.units import Cash, Lots, Ns, Ticks

_MARK = 0
_DISCLOSE = -2
_SETTLE = -4


class Desk(Component[DeskContext]):
    """Balance sheet, marks, limits and forced sales of one dealer.

    Args:
        sheet: Its balance sheet at the opening.
        risk: Its constraints and liquidation sequence.
        marking: How it marks.
        volatility: Its own measure of the volatility of its marks.
        sales: How it works forced sales.
        strategy: The quoting strategy, which knows what it believes positions to be worth.
        mark_interval_ns: Time between two looks at the marks.
        mark_tolerance: How far the evidence may be from a mark that stays, as a fraction of it.
        disclosure_interval_ns: Time between two disclosures of its leverage to its lenders.
        borrower: Its loans, where the market has lenders; without any, haircuts stay what they are.
        margining: Margin of its swaps and futures, where it has any.
    """

    role = "desk"
    manages_agent = True
    survives_default = True
    deferred_hooks = frozenset({"on_trade", "on_print"})

    def __init__(
        self,
        sheet: BalanceSheet,
        risk: RiskManager,
        marking: MarkingPolicy,
        volatility: EwmaCovariance,
        sales: ForcedSales,
        strategy: Strategy,
        mark_interval_ns: Ns,
        mark_tolerance: float,
        disclosure_interval_ns: Ns,
        borrower: Borrower | None,
        margining: Margining | None = None,
    ) -> None:
        self.sheet = sheet
        self.marking = marking
        self.volatility = volatility
        self.sales = sales
        self.borrower = borrower
        self.margining = margining
        self.defaulted = False
        self._strategy = strategy
        self._mark_interval_ns = mark_interval_ns
        self._tolerance = mark_tolerance
        self._disclosure_interval_ns = disclosure_interval_ns
        self._opening_tier1_cash = sheet.tier1_cash
        self._attributed = False
        self._evidence = MarketEvidence(len(sheet.lots))
        self._sources = [MarkSource.LIT_MID] * len(sheet.lots)
        # The mark of each instrument that has been compared with the sheet's, which it has replaced or left standing.
        self._compared: list[Mark | None] = [None] * len(sheet.lots)
        self._statements = Statements(len(sheet.lots))
        self._limits = JudgedLimits(risk, self._statements)

    def follow_strategy(self, strategy: Strategy) -> None:
        """From now on another strategy quotes, and says what it believes positions to be worth."""
        self._strategy = strategy

    @property
    def risk(self) -> RiskManager:
        """Its constraints and liquidation sequence."""
        return self._limits.risk

    def follow_limits(self, risk: RiskManager) -> None:
        """From now on others hold."""
        self._limits.risk = risk

    def ask_anew(self) -> None:
        """Limits or marks are made otherwise from now on: the next look asks them, whatever has changed since."""
        self._limits.ask_anew()
        self._compared = [None] * len(self._compared)

    # --- time and the tape ---------------------------------------------------------------------------------
    def on_start(self, ctx: DeskContext) -> None:
        self._log_positions(ctx)
        if self.margining is not None:
            ctx.draw_funding(self.sheet.cash - ctx.cash)
            if ctx.calendar is None:
                ctx.wake_in(self.margining.interval_ns, _SETTLE)
        ctx.log(self.sheet.record(ctx.now_ns, ctx.agent_id, SheetCause.OPENING))
        if self.borrower is not None:
            self.borrower.open(ctx, self.sheet)
            ctx.wake_in(self._disclosure_interval_ns, _DISCLOSE)
        self._limits.look(ctx, self._view())
        # Desks do not all mark at the same instant: each has its own phase within the interval.
        ctx.wake_in(1 + int(ctx.random.uniform() * self._mark_interval_ns), _MARK)

    def on_wake(self, ctx: DeskContext, tag: int) -> None:
        if tag == _DISCLOSE:
            assert self.borrower is not None
            ctx.wake_in(self._disclosure_interval_ns, _DISCLOSE)
            self.borrower.disclose(ctx, self.sheet)
            if not self.defaulted:
                self.borrower.refinance(ctx, self.sheet)
        elif tag == _SETTLE:
            assert self.margining is not None
            ctx.wake_in(self.margining.interval_ns, _SETTLE)
            self._mark_all(ctx)
            self._settle_margin(ctx)
            self._assess(ctx)
        elif tag != _MARK:
            self.sales.on_wake(ctx, tag)
        else:
            ctx.wake_in(self._mark_interval_ns, _MARK)
            # Where no mark has moved since limits were asked last, their answer stands; what is at work goes on.
            if self._mark_all(ctx) or self._busy:
                self._assess(ctx)

    def on_close(self, ctx: DeskContext) -> None:
        """The day's last marks; they stand until the next open, and lenders know by then how leveraged it is."""
        self._mark_all(ctx)
        if self.margining is not None:
            self.margining.derivatives.strike()
        ctx.log(self.sheet.record(ctx.now_ns, ctx.agent_id, SheetCause.CLOSE))
        if self.borrower is not None:
            self.borrower.disclose(ctx, self.sheet)

    def on_open(self, ctx: DeskContext) -> None:
        """What has become due over night is paid or sold for, from the day's first moment on."""
        self._mark_all(ctx)
        self._settle_margin(ctx)
        if self.borrower is not None and not self.defaulted:
            self.borrower.refinance(ctx, self.sheet)
        self._assess(ctx)

    def on_message(self, ctx: DeskContext, event: Event) -> None:
        if isinstance(event, CounterpartyFailed) and self.margining is not None and not self.defaulted:
            self.margining.on_failure(ctx, self.sheet, event)
            self._settle_funding(ctx, SheetCause.MARGIN)
            self._assess(ctx)
        if not isinstance(event, FundingMessage) or self.borrower is None:
            return
        if isinstance(event, MarginCalled):
            # A call is answered by what the positions are worth now, not at the last scheduled mark.
            self._mark_all(ctx)
        cause = self.borrower.on_message(ctx, event, self.sheet)
        if cause is not None:
            self._settle_funding(ctx, cause)
        self._assess(ctx)

    def on_stop(self, ctx: DeskContext) -> None:
        """The horizon is reached: the losses of a book that is not sold yet are told at its marks."""
        if self.defaulted:
            self._attribute(ctx)

    def on_trade(self, ctx: DeskContext, trade: Trade) -> None:
        self.sales.on_trade(trade)
        self._evidence.on_trade(trade.instrument_id, trade.price_ticks, trade.ts_event_ns)

    def on_print(self, ctx: DeskContext, rfq_print: RfqPrint) -> None:
        self._evidence.on_rfq_print(rfq_print.instrument_id, rfq_print.price_ticks, rfq_print.ts_trade_ns)

    # --- own trades ----------------------------------------------------------------------------------------
    def on_fill(self, ctx: DeskContext, fill: OrderFilled) -> None:
        forced = self.sales.on_fill(fill)
        self._book(ctx, fill.instrument_id, fill.side is Side.BUY, fill.price_ticks, fill.qty_lots, forced)

    def on_rfq_trade(self, ctx: DeskContext, trade: RfqTraded) -> None:
        is_asker = trade.agent_id == ctx.agent_id
        forced = is_asker and self.sales.on_rfq_trade(trade)
        self._evidence.on_rfq_print(trade.instrument_id, trade.price_ticks, trade.ts_event_ns)
        is_buy = (trade.side is Side.BUY) == is_asker
        self._book(ctx, trade.instrument_id, is_buy, trade.price_ticks, trade.qty_lots, forced)

    def on_cancel(self, ctx: DeskContext, event: OrderCanceled) -> None:
        self.sales.on_cancel(event)

    def on_reject(self, ctx: DeskContext, event: OrderRejected | RfqRejected) -> None:
        self.sales.on_reject(ctx, event)

    def on_rfq_quote(self, ctx: DeskContext, quote: RfqQuoted) -> None:
        self._evidence.on_rfq_quote(quote)
        self.sales.on_rfq_quote(ctx, quote)

    def on_rfq_decline(self, ctx: DeskContext, event: RfqDeclined) -> None:
        self.sales.on_rfq_decline(ctx, event)

    def on_rfq_close(self, ctx: DeskContext, event: RfqClosed) -> None:
        self.sales.on_rfq_close(ctx, event)

    # --- the balance sheet ---------------------------------------------------------------------------------
    def _book(
        self, ctx: DeskContext, instrument_id: int, is_buy: bool, price_ticks: Ticks, lots: Lots, forced: bool
    ) -> None:
        if is_buy:
            self.sheet.buy(instrument_id, lots, price_ticks)
        else:
            proceeds = Proceeds.RETIRE_DEBT if forced or self.defaulted else Proceeds.REBUILD_CASH
            self.sheet.sell(instrument_id, lots, price_ticks, proceeds)
        if self.margining is not None:
            self.sheet.hedge(instrument_id, lots if is_buy else -lots)
        self._settle_funding(ctx, SheetCause.BUY if is_buy else SheetCause.SELL, instrument_id)
        # What is left of the position is worth what the trade has shown, not the last scheduled mark.
        self._mark(ctx, instrument_id, self._tolerance)
        self._assess(ctx)

    def _settle_funding(self, ctx: DeskContext, cause: SheetCause, instrument_id: int = -1) -> None:
        """What the sheet borrowed or repaid, beyond any trade, moves to or from the lenders."""
        amount = self.sheet.cash - ctx.cash
        if amount:
            ctx.draw_funding(amount)
        if self.borrower is not None:
            self.borrower.follow(ctx, self.sheet)
        self._log_positions(ctx)
        ctx.log(self.sheet.record(ctx.now_ns, ctx.agent_id, cause, instrument_id))

    def _settle_margin(self, ctx: DeskContext) -> None:
        """Margin moves; what cash does not cover is borrowed where there are no lenders to ask, as far as they lend."""
        if self.margining is None or self.defaulted or self.fails:
            return
        self.margining.settle(ctx, self.sheet, self.volatility)
        if self.borrower is None:
            self.sheet.borrow_for_due()
        self._settle_funding(ctx, SheetCause.MARGIN)

    def _mark_all(self, ctx: DeskContext) -> bool:
        """Mark every position, and measure the marks' volatility; returns whether anything has changed."""
        # What volatility is measured of is not to move in steps of the tolerance.
        is_due = self.volatility.is_due(ctx.now_ns)
        tolerance = 0.0 if is_due else self._tolerance
        has_changed = False
        for i in range(len(self._sources)):
            has_changed |= self._mark(ctx, i, tolerance)
        if self.margining is not None and not self.defaulted and self.margining.mark(ctx, self.sheet):
            has_changed = True
            ctx.log(self.sheet.record(ctx.now_ns, ctx.agent_id, SheetCause.MARGIN))
        return (is_due and self.volatility.observe(ctx.now_ns, self.sheet.marks_ticks)) or has_changed

    def _mark(self, ctx: DeskContext, i: int, tolerance: float) -> bool:
        mark = self._evidence.mark(ctx, i, self.marking, self._strategy)
        # What has been compared by this tolerance, or a narrower one, needs no second look.
        if mark is self._compared[i] and tolerance == self._tolerance:
            return False
        self._compared[i] = mark
        sheet = self.sheet
        if (
            mark.source is self._sources[i]
            and abs(mark.price_ticks - sheet.marks_ticks[i]) <= tolerance * mark.price_ticks
            and abs(mark.adjustment_ticks - sheet.adjustments_ticks[i]) <= tolerance * mark.price_ticks
        ):
            return False
        self._sources[i] = mark.source
        self.sheet.mark(i, mark.price_ticks, mark.adjustment_ticks)
        ctx.log(
            MarkRecord(
                ctx.now_ns,
                ctx.agent_id,
                i,
                mark.price_ticks,
                mark.adjustment_ticks,
                mark.source,
                self.sheet.lots[i],
            )
        )
        ctx.log(self.sheet.record(ctx.now_ns, ctx.agent_id, SheetCause.MARK, i))
        return True

    # --- limits --------------------------------------------------------------------------------------------
    def _assess(self, ctx: DeskContext) -> None:
        """Ask the constraints, bring parent orders in line with their answer, and let everybody here know."""
        if self.sheet.due_cash and self.sheet.cash:
            self.sheet.repay(min(self.sheet.due_cash, self.sheet.cash))
            self._settle_funding(ctx, SheetCause.REPAID)
        limits = self._limits
        view = limits.look(ctx, self._view())
        if self.defaulted:
            self._liquidate(ctx)
            return
        if self.fails:
            self._default(ctx)
            return
        # Much of what lenders say and much of what is marked changes nothing: what was found of an equal sheet stands.
        if limits.judged is view and not self._busy:
            self._log_positions(ctx)
            return
        plan = limits.judge(ctx, view)
        if plan.repay_cash:
            self.sheet.delever_with_cash(plan.repay_cash)
            self._settle_funding(ctx, SheetCause.REPAID)
            view = limits.look(ctx, self._view())
        breached, urgency = bool(plan.breaches), 0.0
        if breached:
            urgency = breach_urgency(max(b.required_cash for b in plan.breaches), self.sheet.inventory_cash)
        # Bids go first: the agent must not buy what it is about to sell.
        self._restrain(ctx, breached)
        if breached or self.sales.parents:
            changes = self.risk.update(plan, self.sales.working)
            self.sales.follow(ctx, changes, breached, urgency, self.sheet.marks_ticks)
        self._log_positions(ctx)
        selling = bool(self.sales.parents)
        ctx.show_headroom(partial(headroom_shown, limits.risk, view, limits.measured, selling, plan.breaches))

    @property
    def _busy(self) -> bool:
        """Whether there is something to do though nothing has changed."""
        known = self._limits
        return known.judged is None or bool(
            known.binding or self.sales.parents or self.sheet.due_cash or self.defaulted
        )

    @property
    def fails(self) -> bool:
        """Whether the agent is in default: its Tier 1 is zero or less."""
        return self.sheet.insolvent

    def headroom_cash(self) -> Mapping[str, Cash]:
        """Headroom at this moment by the name of the limit; ``MOST_CASH`` where nothing is limited."""
        return self.risk.headroom_cash(self._view())

    def _view(self) -> SheetView:
        return self.sheet.view(self.volatility.covariances)

    def _log_positions(self, ctx: DeskContext) -> None:
        self._statements.positions(ctx, self.sheet, self.sales.working)

    def _restrain(self, ctx: DeskContext, breached: bool) -> None:
        ctx.forbid_buying(breached)
        if breached:
            for instrument in ctx.instruments:
                ctx.cancel_all(instrument.instrument_id, Side.BUY)

    def _default(self, ctx: DeskContext) -> None:
        """Tier 1 is gone: the dealer stops quoting and its book is liquidated."""
        event = default_event(self.sheet, ctx.now_ns, ctx.agent_id)
        assert event is not None
        self.defaulted = True
        ctx.log(event)
        ctx.log(self.sheet.record(ctx.now_ns, ctx.agent_id, SheetCause.DEFAULT))
        ctx.silence()
        ctx.forbid_buying(True)
        self.sales.close_all(ctx, ParentEnd.DEFAULTED)
        if self.margining is not None:
            self.margining.close_out(ctx, self.sheet)
            self._settle_funding(ctx, SheetCause.MARGIN)
        for instrument in ctx.instruments:
            ctx.cancel_all(instrument.instrument_id)
        if self.borrower is not None:
            self.borrower.disclose(ctx, self.sheet)
        self._liquidate(ctx)

    def _liquidate(self, ctx: DeskContext) -> None:
        self.sales.liquidate(ctx, self.sheet.lots, self.sheet.marks_ticks)
        self._log_positions(ctx)
        if not any(self.sheet.lots):
            self._attribute(ctx)

    def _attribute(self, ctx: DeskContext) -> None:
        """Say who has lost what, once."""
        if not self._attributed:
            self._attributed = True
            losses = attribute_losses(self.sheet, self._opening_tier1_cash, ctx.now_ns, ctx.agent_id)
            for loss in losses:
                ctx.log(loss)
