"""Repo lenders as agents: they measure volatility, set haircuts, call margin, and roll loans or do not."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Annotated

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.quoting import visible_price_ticks
from lob_sim.balance.funding import UNSECURED, Loan, NonNegative, RepoLender
from lob_sim.balance.view import SheetContext
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.convert import did_you_mean
from lob_sim.desk.borrower import Lender, loan_maturity_ns
from lob_sim.errors import InputError
from lob_sim.messages import (
    CollateralPledged,
    Event,
    HaircutChanged,
    LoanBorrowed,
    LoanMessage,
    LoanRefused,
    LoanRepaid,
    LoanRequested,
    LoanRolled,
    MarginCalled,
    SheetDisclosed,
)
from lob_sim.units import NS_PER_S, Cash, Interval, Ns

_MEASURE = 0
_MATURITY = 1
_NOTICEABLE = 1e-4
"""A haircut is announced when it has moved by a basis point or more."""


class Lent(msgspec.Struct):
    """One loan in a lender's book, with the collateral that it holds for it (0 lots when unsecured)."""

    borrower_id: int
    loan: Loan
    collateral_lots: float


class RepoLending(Lender):
    """Lends to dealers against securities, and unsecured, at haircuts that follow volatility and leverage.

    It takes its prices from the lit market that it sees and the leverage of its borrowers from what they
    disclose. New haircuts are announced when they move and apply to new and rolled loans; a loan keeps its
    own until it matures, so the terms are the clock of a run. When a loan matures it is rolled, or refused in
    whole (its borrower is too leveraged) or in part (the lender is at its own limit). Collateral is margined
    at every look. Where there are trading days, loans of a day or more mature at opens, and it looks there too.

    Cash that is lent comes from outside the market. With the switch ``funding`` off all haircuts stay, no
    margin is called and every loan is rolled.

    Source: haircuts as in Brunnermeier and Pedersen (2009), "Market Liquidity and Funding Liquidity", section
    2; a run of lenders as in Copeland, Martin and Walker (2014), "Repo Runs: Evidence from the Tri-Party Repo
    Market".
    """

    class Params(RepoLender.Params, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            schedules: Haircut schedule by instrument name: ``base`` haircut, ``per_volatility`` added for
                each unit of volatility above ``reference_volatility``, ``per_leverage`` for each unit of the
                borrower's leverage above ``reference_leverage``, and the ``maximum``; no lending against
                instruments that are not named.
            limit (currency units): Most that it lends in total, in currency units.
            refuse_above_leverage (assets over Tier 1): Leverage (assets over Tier 1) from which on it rolls nothing.
            term: Time to maturity of its loans.
            interval: Time between two looks at the market; volatility is per interval.
            decay: Weight of the past in its measure of volatility, per interval.
            opening_volatility (return): Volatility by instrument name, per interval, as it measured it in calm; by
                default the schedule's reference.
            call_threshold: Smallest margin call, as a share of the loan.
        """

        interval: Interval = 60 * NS_PER_S
        decay: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.94
        opening_volatility: dict[str, NonNegative] = {}  # noqa: RUF012  # msgspec copies it
        call_threshold: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.001

    params: Params

    @classmethod
    def term_ns(cls, params: Params) -> Ns:
        """Time to maturity of its loans."""
        return params.term

    def __init__(self, params: msgspec.Struct) -> None:
        super().__init__(params)
        self.lender: RepoLender
        self.volatility: EwmaCovariance
        self.leverages: dict[int, float] = {}
        self.book: dict[tuple[int, int], Lent] = {}
        self._announced: dict[int, list[float]] = {}
        # A heap of when loans fall due, with their places in the book, of which those repaid are gone.
        self._maturing: list[tuple[Ns, int, tuple[int, int]]] = []
        self._entered = 0

    # --- hooks ---------------------------------------------------------------------------------------------
    def on_start(self, ctx: Context) -> None:
        p = self.params
        self.lender = RepoLender(p, SheetContext(ctx.instruments, ctx.instruments[0].cash_unit))
        known = [instrument.name for instrument in ctx.instruments]
        for name in p.opening_volatility:
            if name not in known:
                expected = f"expected one of {', '.join(known)}{did_you_mean(name, known)}"
                raise InputError(f"opening_volatility: there is no instrument {name!r}: {expected}", ctx.name)
        opening = []
        for instrument in ctx.instruments:
            schedule = p.schedules.get(instrument.name)
            reference = schedule.reference_volatility if schedule is not None else 0.0
            opening.append(p.opening_volatility.get(instrument.name, reference))
        self.volatility = EwmaCovariance(opening, p.interval, p.decay)
        self._look(ctx)
        ctx.wake_in(1 + int(ctx.random.uniform() * p.interval), _MEASURE)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag == _MATURITY:
            self._answer_maturing(ctx)
            return
        ctx.wake_in(self.params.interval, _MEASURE)
        self._review(ctx)

    def on_open(self, ctx: Context) -> None:
        """Calls for what the night has changed fall due before trading begins."""
        self._review(ctx)

    def _review(self, ctx: Context) -> None:
        self._look(ctx)
        if ctx.switches.funding:
            for borrower_id in self._announced:
                self._announce(ctx, borrower_id)
            for lent in self.book.values():
                self._margin(ctx, lent)

    def on_message(self, ctx: Context, event: Event) -> None:
        match event:
            case SheetDisclosed():
                self._on_disclosed(ctx, event)
            case LoanBorrowed():
                self.lender.lent_cash += event.amount_cash
                self._enter(ctx, event, event.amount_cash, event.haircut, event.maturity_ns)
            case LoanRequested():
                self._on_requested(ctx, event)
            case LoanRepaid():
                self._on_repaid(ctx, event)
            case CollateralPledged():
                self._on_pledged(ctx, event)

    def _on_disclosed(self, ctx: Context, event: SheetDisclosed) -> None:
        tier1 = event.tier1_cash
        self.leverages[event.agent_id] = event.assets_cash / tier1 if tier1 > 0 else math.inf
        self._announced.setdefault(event.agent_id, [-1.0] * len(ctx.instruments))
        if ctx.switches.funding:
            self._announce(ctx, event.agent_id)

    # --- haircuts and margins ------------------------------------------------------------------------------
    def haircut(self, ctx: Context, instrument_id: int, borrower_id: int) -> float:
        """What a new loan would bear; 1 where it would not be granted."""
        leverage = self.leverages.get(borrower_id, 0.0)
        if leverage > self.params.refuse_above_leverage or not self.lender.has_room:
            return 1.0
        return self.lender.haircut(instrument_id, self.volatility.volatility(instrument_id), leverage)

    def _look(self, ctx: Context) -> None:
        marks = [max(1, round(visible_price_ticks(ctx, i.instrument_id))) for i in ctx.instruments]
        self.volatility.observe(ctx.now_ns, marks)

    def _announce(self, ctx: Context, borrower_id: int) -> None:
        announced = self._announced[borrower_id]
        for i, before in enumerate(announced):
            haircut = self.haircut(ctx, i, borrower_id)
            if abs(haircut - before) >= _NOTICEABLE:
                announced[i] = haircut
                ctx.tell(borrower_id, HaircutChanged(ctx.now_ns, ctx.agent_id, borrower_id, i, haircut))

    def _carried(self, ctx: Context, lent: Lent) -> float:
        """What the collateral of a loan carries at the price that the lender sees."""
        i = lent.loan.instrument_id
        unit = ctx.instruments[i].cash_per_tick_lot * visible_price_ticks(ctx, i)
        return (1 - lent.loan.haircut) * lent.collateral_lots * unit

    def _margin(self, ctx: Context, lent: Lent) -> None:
        """Call what the loan is beyond what its collateral carries."""
        loan = lent.loan
        if loan.instrument_id == UNSECURED:
            return
        call = math.ceil(loan.amount_cash - self._carried(ctx, lent))
        if call > self.params.call_threshold * loan.amount_cash:
            ctx.tell(lent.borrower_id, MarginCalled(*self._about(ctx, lent), call))

    # --- loans ---------------------------------------------------------------------------------------------
    def _on_requested(self, ctx: Context, event: LoanRequested) -> None:
        i, borrower_id = event.instrument_id, event.borrower_id
        haircut = self.haircut(ctx, i, borrower_id)
        granted = 0
        if haircut < 1:
            granted = self.lender.lend(event.amount_cash, self.leverages.get(borrower_id, 0.0))
        about = (ctx.now_ns, event.lender_id, borrower_id, i, event.loan_id, granted)
        if granted == 0:
            ctx.tell(borrower_id, LoanRefused(*about))
        else:
            maturity_ns = loan_maturity_ns(ctx, self.params.term)
            self._enter(ctx, event, granted, haircut, maturity_ns)
            ctx.tell(borrower_id, LoanBorrowed(*about, haircut, maturity_ns))

    def _enter(self, ctx: Context, event: LoanMessage, amount: Cash, haircut: float, maturity_ns: int) -> None:
        i, loan_id = event.instrument_id, event.loan_id
        loan = Loan(maturity_ns, loan_id, ctx.agent_id, i, amount, haircut)
        lent = Lent(event.borrower_id, loan, 0.0)
        self.book[event.borrower_id, loan_id] = lent
        self._entered += 1
        self._hold_enough(ctx, lent)
        heappush(self._maturing, (maturity_ns, self._entered, (event.borrower_id, loan_id)))
        ctx.wake_in(max(1, maturity_ns - ctx.now_ns), _MATURITY)

    def _hold_enough(self, ctx: Context, lent: Lent, most_lots: float = math.inf) -> None:
        """Hold the collateral that the loan needs at its haircut, no more than ``most_lots``."""
        loan = lent.loan
        if loan.instrument_id == UNSECURED or loan.haircut >= 1:
            return
        unit = ctx.instruments[loan.instrument_id].cash_per_tick_lot * visible_price_ticks(ctx, loan.instrument_id)
        lent.collateral_lots = min(most_lots, loan.amount_cash / ((1 - loan.haircut) * unit))

    def _on_repaid(self, ctx: Context, event: LoanRepaid) -> None:
        lent = self.book.get((event.borrower_id, event.loan_id))
        if lent is None:
            return
        paid = min(event.amount_cash, lent.loan.amount_cash)
        self.lender.repaid(paid)
        lent.loan.amount_cash -= paid
        if lent.loan.amount_cash == 0:
            del self.book[event.borrower_id, event.loan_id]
        else:
            # Securities that the loan no longer needs go back: the borrower has sold them, or will.
            self._hold_enough(ctx, lent, lent.collateral_lots)

    def _on_pledged(self, ctx: Context, event: CollateralPledged) -> None:
        lent = self.book.get((event.borrower_id, event.loan_id))
        if lent is not None and lent.loan.haircut < 1:
            i = lent.loan.instrument_id
            unit = ctx.instruments[i].cash_per_tick_lot * visible_price_ticks(ctx, i)
            lent.collateral_lots += event.amount_cash / ((1 - lent.loan.haircut) * unit)

    def _answer_maturing(self, ctx: Context) -> None:
        now_ns = ctx.now_ns
        due: list[tuple[int, tuple[int, int]]] = []
        while self._maturing and self._maturing[0][0] <= now_ns:
            due.append(heappop(self._maturing)[1:])
        for place, key in sorted(due):
            lent = self.book.get(key)
            if lent is None:
                continue
            loan = lent.loan
            if ctx.switches.funding:
                refused, haircut = self._decide(ctx, lent)
            else:
                refused, haircut = 0, loan.haircut
            if refused:
                loan.amount_cash -= refused
                ctx.tell(lent.borrower_id, LoanRefused(*self._about(ctx, lent), refused))
            if loan.amount_cash == 0:
                del self.book[key]
                continue
            loan.haircut, loan.maturity_ns = haircut, loan_maturity_ns(ctx, self.params.term)
            heappush(self._maturing, (loan.maturity_ns, place, key))
            ctx.wake_in(loan.maturity_ns - now_ns, _MATURITY)
            rolled = LoanRolled(*self._about(ctx, lent), loan.amount_cash, haircut, loan.maturity_ns)
            ctx.tell(lent.borrower_id, rolled)
            if ctx.switches.funding:
                self._margin(ctx, lent)
                self._hold_enough(ctx, lent, lent.collateral_lots)

    def _decide(self, ctx: Context, lent: Lent) -> tuple[Cash, float]:
        """How much of a maturing loan is refused, and the haircut on the rest."""
        i = lent.loan.instrument_id
        volatility = self.volatility.volatility(i) if i >= 0 else 0.0
        decision = self.lender.roll(lent.loan, volatility, self.leverages.get(lent.borrower_id, 0.0))
        return decision.refused_cash, decision.haircut

    def _about(self, ctx: Context, lent: Lent) -> tuple[Ns, int, int, int, int]:
        """What a message says of a loan before it comes to amounts."""
        return ctx.now_ns, ctx.agent_id, lent.borrower_id, lent.loan.instrument_id, lent.loan.loan_id
