"""The borrowing side of a desk: to whom it owes what until when, and what it answers its lenders.

The balance sheet says how much is owed, the ladder of loans to whom. Every loan that a trade makes or retires
is told to its lender. A loan that is not rolled is first sought from the other lenders, the lowest haircut
first; what nobody lends is due and must be repaid that very day, out of cash or by selling.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.balance.funding import UNSECURED, Loan, LoanChange, LoanLadder
from lob_sim.balance.resolution import split_exactly
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.messages import (
    CollateralPledged,
    FundingMessage,
    HaircutChanged,
    LoanBorrowed,
    LoanMessage,
    LoanRefused,
    LoanRepaid,
    LoanRequested,
    LoanRolled,
    MarginCalled,
    SheetCause,
    SheetDisclosed,
)
from lob_sim.units import Cash, Ns

_WORTH_MOVING = 0.01
"""A loan is moved to another lender for a haircut that is lower by a percentage point or more."""


class LenderTerms(msgspec.Struct, frozen=True):
    """What a borrower knows of a lender before the market opens.

    Attributes:
        lender_id: Which agent it is.
        term_ns: Time to maturity of its loans.
        is_standing_facility: Whether it lends only from the time on when it says so (a standing facility).
    """

    lender_id: int
    term_ns: Ns
    is_standing_facility: bool = False


class Lender(Strategy):
    """A strategy that lends on repo: borrowers know of it before the market opens.

    Attributes:
        is_standing_facility: Whether it lends only from the time on when it says so (a standing facility).
    """

    is_standing_facility: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def term_ns(cls, params: Any) -> Ns:
        """Time to maturity of its loans, by its parameters."""

    @classmethod
    def terms(cls, agent_id: int, params: Any) -> LenderTerms:
        """What borrowers know of it."""
        return LenderTerms(agent_id, cls.term_ns(params), cls.is_standing_facility)


def loan_maturity_ns(ctx: Context, term_ns: Ns, delay_ns: Ns | None = None) -> Ns:
    """When a loan of a lender falls due.

    Where there are trading days, loans of a term of a day or more fall due at an open, overnight ones at the next;
    shorter ones, and all where there are none, when their time is up.

    Args:
        ctx: The borrower's or the lender's.
        term_ns: The term for which the lender lends.
        delay_ns: What is left of it; all if left out.
    """
    delay_ns = term_ns if delay_ns is None else delay_ns
    if ctx.calendar is None or term_ns < ctx.calendar.day_ns:
        return ctx.now_ns + delay_ns
    return ctx.calendar.maturity_ns(ctx.now_ns, delay_ns)


class _Request(msgspec.Struct, frozen=True):
    """A loan asked for in place of another one (``old_id``), or, where that is 0, to pay what is due."""

    old_id: int
    instrument_id: int
    amount_cash: Cash
    refused: bool
    asked: tuple[int, ...]


class Borrower:
    """Loans of one balance sheet.

    Args:
        lenders: Whom it can borrow from.
        maturity_buckets: Maturities over which its opening loans are spread, evenly over each lender's term.
        runnable_share: Share of opening short-term funding that these lenders lend unsecured; the rest is
            deposits.
    """

    def __init__(self, lenders: Sequence[LenderTerms], maturity_buckets: int, runnable_share: float) -> None:
        self.ladder = LoanLadder()
        self._lenders = {terms.lender_id: terms for terms in lenders}
        self._rungs = maturity_buckets
        self._runnable_share = runnable_share
        self._quotes: dict[int, list[float]] = {}
        # Who lends at the least, and at what by instrument, until a lender changes its haircuts.
        self._best: tuple[int, list[float]] | None = None
        self._requests: dict[int, _Request] = {}

    # --- what the desk asks for ----------------------------------------------------------------------------
    def open(self, ctx: Context, sheet: BalanceSheet) -> None:
        """Spread the opening loans over lenders and maturities, in equal parts."""
        n = len(sheet.haircuts)
        self._best = None
        self._quotes = {k: [1.0] * n if t.is_standing_facility else [*sheet.haircuts] for k, t in self._lenders.items()}
        places = [
            (t, loan_maturity_ns(ctx, t.term_ns, (bucket + 1) * t.term_ns // self._rungs))
            for t in self._lenders.values()
            if not t.is_standing_facility
            for bucket in range(self._rungs)
        ]
        runnable = int(self._runnable_share * sheet.short_term_cash)
        for instrument_id, owed in [*enumerate(sheet.repo_cash), (UNSECURED, runnable)]:
            haircut = sheet.haircuts[instrument_id] if instrument_id >= 0 else 0.0
            for (terms, maturity_ns), amount in zip(places, split_exactly(owed, [1] * len(places)), strict=True):
                if amount:
                    loan = self.ladder.add(terms.lender_id, instrument_id, amount, haircut, max(1, maturity_ns))
                    self._borrowed(ctx, loan, amount)
        self.disclose(ctx, sheet)

    def disclose(self, ctx: Context, sheet: BalanceSheet) -> None:
        """Tell every lender how leveraged the borrower is."""
        for lender_id in self._lenders:
            ctx.tell(
                lender_id,
                SheetDisclosed(ctx.now_ns, ctx.agent_id, lender_id, sheet.assets_cash, sheet.tier1_cash),
            )

    def refinance(self, ctx: Context, sheet: BalanceSheet) -> None:
        """Ask for new loans to pay what is due, against collateral that is free and that somebody lends on."""
        asked_for = sum(r.amount_cash for r in self._requests.values() if r.old_id == 0)
        missing = sheet.due_cash - sheet.cash - asked_for
        for i, limit in enumerate(sheet.repo_limits()):
            amount = min(missing, limit - sheet.repo_cash[i])
            if amount > 0:
                self._seek(ctx, _Request(0, i, amount, False, ()), sheet)
                missing -= amount

    def follow(self, ctx: Context, sheet: BalanceSheet) -> None:
        """The sheet's debts have changed: tell the lenders of what was borrowed from and repaid to them."""
        best, _ = self._best_terms()
        deposits = max(0, sheet.short_term_cash - self.ladder.outstanding(UNSECURED))
        maturity_ns = loan_maturity_ns(ctx, self._lenders[best].term_ns)
        for change in self.ladder.match(sheet, best, self._quotes[best], maturity_ns, deposits):
            if change.change_cash > 0:
                self._borrowed(ctx, change, change.change_cash)
            else:
                self._tell(ctx, LoanRepaid, change, -change.change_cash)
        self._set_haircuts(sheet)

    def on_message(self, ctx: Context, event: FundingMessage, sheet: BalanceSheet) -> SheetCause | None:
        """A lender has said something.

        Returns:
            How it changed the amounts on the sheet; ``None`` when it did not.
        """
        cause: SheetCause | None = None
        match event:
            case HaircutChanged():
                self._on_haircut(ctx, event, sheet)
            case LoanRolled():
                self._on_rolled(ctx, event, sheet)
            case LoanRefused():
                cause = self._on_refused(ctx, event, sheet)
            case LoanBorrowed():
                cause = self._on_granted(ctx, event, sheet)
            case MarginCalled():
                cause = self._on_call(ctx, event, sheet)
        self._set_haircuts(sheet)
        return cause

    # --- what lenders say ----------------------------------------------------------------------------------
    def _on_haircut(self, ctx: Context, event: HaircutChanged, sheet: BalanceSheet) -> None:
        self._quotes[event.lender_id][event.instrument_id] = event.haircut
        self._best = None
        for loan in [x for x in self.ladder.loans if x.instrument_id == event.instrument_id]:
            self._move_if_cheaper(ctx, loan, sheet)

    def _on_rolled(self, ctx: Context, event: LoanRolled, sheet: BalanceSheet) -> None:
        loan = self.ladder.find(event.loan_id)
        if loan is not None:
            self.ladder.renew(loan, event.haircut, event.maturity_ns)
            self._move_if_cheaper(ctx, loan, sheet)

    def _on_refused(self, ctx: Context, event: LoanRefused, sheet: BalanceSheet) -> SheetCause | None:
        request = self._requests.pop(event.loan_id, None)
        if request is None:
            asked = (event.lender_id,)
            request = _Request(event.loan_id, event.instrument_id, event.amount_cash, True, asked)
        return self._seek(ctx, request, sheet)

    def _on_granted(self, ctx: Context, event: LoanBorrowed, sheet: BalanceSheet) -> SheetCause | None:
        request = self._requests.pop(event.loan_id)
        if request.old_id == 0:
            i, granted = event.instrument_id, event.amount_cash
            sheet.borrow(granted, i)
            self.ladder.add(event.lender_id, i, granted, event.haircut, event.maturity_ns, event.loan_id)
            return SheetCause.BORROWED
        old = self.ladder.find(request.old_id)
        moved = min(event.amount_cash, old.amount_cash) if old is not None else 0
        new = Loan(
            event.maturity_ns,
            event.loan_id,
            event.lender_id,
            event.instrument_id,
            moved,
            event.haircut,
        )
        if old is not None and moved:
            self.ladder.repay_loan(old, moved)
            if not request.refused:
                self._tell(ctx, LoanRepaid, old, moved)
            self.ladder.add(new.lender_id, new.instrument_id, moved, new.haircut, new.maturity_ns, event.loan_id)
        if event.amount_cash > moved:
            self._tell(ctx, LoanRepaid, new, event.amount_cash - moved)
        rest = request.amount_cash - event.amount_cash
        if rest > 0 and request.refused:
            return self._seek(ctx, msgspec.structs.replace(request, amount_cash=rest), sheet)
        return None

    def _on_call(self, ctx: Context, event: MarginCalled, sheet: BalanceSheet) -> SheetCause | None:
        """Meet a margin call with collateral as far as there is any that is free, else out of cash."""
        loan = self.ladder.find(event.loan_id)
        if loan is None:
            return None
        called = min(event.amount_cash, loan.amount_cash)
        lacking = max(0, sum(sheet.repo_cash) + sheet.due_cash - sum(sheet.repo_limits()))
        pledged = called - min(called, lacking)
        if pledged:
            self._tell(ctx, CollateralPledged, loan, pledged)
        paid = sheet.repay(min(called - pledged, sheet.cash), loan.instrument_id)
        if not paid:
            return None
        self.ladder.repay_loan(loan, paid)
        self._tell(ctx, LoanRepaid, loan, paid)
        return SheetCause.REPAID

    # --- other lenders -------------------------------------------------------------------------------------
    def _move_if_cheaper(self, ctx: Context, loan: Loan, sheet: BalanceSheet) -> None:
        asked = tuple(k for k, q in self._quotes.items() if q[loan.instrument_id] > loan.haircut - _WORTH_MOVING)
        being_moved = any(request.old_id == loan.loan_id for request in self._requests.values())
        if len(asked) < len(self._quotes) and not being_moved:
            self._seek(ctx, _Request(loan.loan_id, loan.instrument_id, loan.amount_cash, False, asked), sheet)

    def _seek(self, ctx: Context, request: _Request, sheet: BalanceSheet) -> SheetCause | None:
        """Ask the next lender for the loan; when none is left, what was refused is due."""
        i = request.instrument_id
        others = [k for k in self._quotes if k not in request.asked and i >= 0 and self._quotes[k][i] < 1]
        if others:
            lender_id = min(others, key=lambda k: (self._quotes[k][i], k))
            loan_id = self.ladder.new_id()
            asked = (*request.asked, lender_id)
            self._requests[loan_id] = msgspec.structs.replace(request, asked=asked)
            haircut, amount = self._quotes[lender_id][i], request.amount_cash
            ctx.tell(lender_id, LoanRequested(ctx.now_ns, lender_id, ctx.agent_id, i, loan_id, amount, haircut))
            return None
        old = self.ladder.find(request.old_id)
        if old is None or not request.refused:
            return None
        due = min(request.amount_cash, old.amount_cash)
        self.ladder.repay_loan(old, due)
        sheet.refuse_roll(due, i)
        return SheetCause.DUE

    def _borrowed(self, ctx: Context, loan: Loan | LoanChange, amount_cash: Cash) -> None:
        """Tell the lender of a loan that is drawn without a request."""
        whose = (loan.lender_id, ctx.agent_id, loan.instrument_id, loan.loan_id)
        ctx.tell(loan.lender_id, LoanBorrowed(ctx.now_ns, *whose, amount_cash, loan.haircut, loan.maturity_ns))

    def _tell(self, ctx: Context, kind: type[LoanMessage], loan: Loan | LoanChange, amount_cash: Cash) -> None:
        whose = (loan.lender_id, ctx.agent_id, loan.instrument_id, loan.loan_id)
        ctx.tell(loan.lender_id, kind(ctx.now_ns, *whose, amount_cash))

    def _best_terms(self) -> tuple[int, list[float]]:
        """Who asks for the least haircuts in all, and the least that anybody asks for, by instrument."""
        if self._best is None:
            lender_id = min(self._lenders, key=lambda k: (sum(self._quotes[k]), k))
            self._best = lender_id, [min(quotes) for quotes in zip(*self._quotes.values(), strict=True)]
        return self._best

    def _set_haircuts(self, sheet: BalanceSheet) -> None:
        _, new = self._best_terms()
        sheet.haircuts = [self.ladder.haircut(i, haircut) for i, haircut in enumerate(new)]
        sheet.new_haircuts = [*new] if new != sheet.haircuts else []
