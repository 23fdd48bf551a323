"""Repo lenders: haircuts, terms, margin calls, refusals; and the ladder of a borrower's loans.

Source: haircuts that rise with measured volatility are the destabilising margins of Brunnermeier and Pedersen
(2009); that they rise with the borrower's leverage, and that lenders stop lending to a name altogether, is
what Gorton and Metrick (2012, *Securitized banking and the run on repo*) and Copeland, Martin and Walker
(2014) found.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec

from lob_sim.balance.plugin import checked
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetContext
from lob_sim.errors import InvariantError, PluginError
from lob_sim.units import Cash, Duration, Ns

UNSECURED: Final = -1
"""In place of an instrument: a loan without collateral (deposits and short-term funding)."""

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
NonNegative = Annotated[float, msgspec.Meta(ge=0)]


class HaircutSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Haircut of one instrument: base + slopes × (volatility, leverage) above their reference levels, capped.

    Attributes:
        base: Haircut in calm, as a fraction of the collateral's value.
        per_volatility (1/return): Haircut added per unit of volatility above the reference.
        reference_volatility (return): Volatility in calm, per interval of the lender's estimator.
        per_leverage (1/leverage): Haircut added per unit of the borrower's leverage (assets over Tier 1) above the
            reference.
        reference_leverage (assets over Tier 1): Leverage that costs nothing extra.
        maximum: Largest haircut.
    """

    base: Ratio
    per_volatility: NonNegative = 0.0
    reference_volatility: NonNegative = 0.0
    per_leverage: NonNegative = 0.0
    reference_leverage: NonNegative = 20.0
    maximum: Ratio = 1.0

    def haircut(self, volatility: float, leverage: float) -> float:
        """The haircut for a measured volatility and a borrower's leverage (infinite when insolvent)."""
        if math.isinf(leverage):
            return self.maximum
        wanted = self.base
        wanted += self.per_volatility * max(0.0, volatility - self.reference_volatility)
        wanted += self.per_leverage * max(0.0, leverage - self.reference_leverage)
        return min(wanted, self.maximum)


class Loan(msgspec.Struct, order=True, gc=False):
    """One loan; orders by maturity, then by number.

    Attributes:
        maturity_ns: When it must be rolled or repaid.
        loan_id: The ladder's counter.
        lender_id: Who lent.
        instrument_id: The collateral, or :data:`UNSECURED`.
        amount_cash: What is outstanding, in cash units.
        haircut: Haircut agreed until maturity.
    """

    maturity_ns: Ns
    loan_id: int
    lender_id: int
    instrument_id: int
    amount_cash: Cash
    haircut: float


class LoanChange(msgspec.Struct, frozen=True, gc=False):
    """A loan that was made (positive) or repaid, in full or in part (negative)."""

    loan_id: int
    lender_id: int
    instrument_id: int
    change_cash: Cash
    haircut: float
    maturity_ns: Ns


class LoanLadder:
    """A borrower's loans by maturity. The sheet says how much is owed, the ladder to whom and until when."""

    def __init__(self) -> None:
        self._loans: list[Loan] = []
        self._next_id = 1
        # By instrument, what is owed and the average haircut; forgotten as a loan changes.
        self._outstanding: dict[int, Cash] = {}
        self._haircuts: dict[int, float | None] = {}

    @property
    def loans(self) -> Sequence[Loan]:
        """Outstanding loans, nearest maturity first."""
        return self._loans

    def outstanding(self, instrument_id: int) -> Cash:
        """Owed against one instrument, or unsecured."""
        known = self._outstanding.get(instrument_id)
        if known is None:
            known = sum([loan.amount_cash for loan in self._loans if loan.instrument_id == instrument_id])
            self._outstanding[instrument_id] = known
        return known

    def new_id(self) -> int:
        """A number for a loan that is yet to be granted."""
        self._next_id += 1
        return self._next_id - 1

    def add(
        self,
        lender_id: int,
        instrument_id: int,
        amount_cash: Cash,
        haircut: float,
        maturity_ns: Ns,
        loan_id: int = 0,
    ) -> Loan:
        """Enter a new loan, under the next number or one from :meth:`new_id`."""
        if amount_cash <= 0:
            raise InvariantError(f"a loan of {amount_cash}")
        number = loan_id or self.new_id()
        loan = Loan(maturity_ns, number, lender_id, instrument_id, amount_cash, haircut)
        insort(self._loans, loan)
        self._forget(instrument_id)
        return loan

    def find(self, loan_id: int) -> Loan | None:
        """An outstanding loan by its number."""
        return next((loan for loan in self._loans if loan.loan_id == loan_id), None)

    def repay(self, instrument_id: int, amount_cash: Cash) -> list[LoanChange]:
        """Repay up to ``amount_cash``, the nearest maturity first; returns what was paid to whom."""
        paid: list[LoanChange] = []
        for loan in [x for x in self._loans if x.instrument_id == instrument_id]:
            if amount_cash > 0:
                paid.append(self.repay_loan(loan, amount_cash))
                amount_cash += paid[-1].change_cash
        return paid

    def repay_loan(self, loan: Loan, amount_cash: Cash) -> LoanChange:
        """Repay one loan, or up to ``amount_cash`` of it."""
        paid = min(amount_cash, loan.amount_cash)
        loan.amount_cash -= paid
        if loan.amount_cash == 0:
            self._loans.remove(loan)
        self._forget(loan.instrument_id)
        return _change(loan, -paid)

    def renew(self, loan: Loan, haircut: float, maturity_ns: Ns) -> None:
        """Roll a loan: it keeps its number and has a new haircut and maturity."""
        self._loans.remove(loan)
        loan.haircut, loan.maturity_ns = haircut, maturity_ns
        insort(self._loans, loan)
        self._forget(loan.instrument_id)

    def haircut(self, instrument_id: int, new_haircut: float) -> float:
        """The haircut that the collateral of one instrument bears on average over its loans.

        Term loans keep theirs until they mature, which is what gives a run its clock. Loans of L at haircut
        h need collateral of L/(1-h); the average is the one at which the sum of loans needs the sum of
        collateral.

        Args:
            instrument_id: The collateral.
            new_haircut: What a new loan would bear: the answer when there is none.
        """
        if instrument_id not in self._haircuts:
            self._haircuts[instrument_id] = self._average_haircut(instrument_id)
        average = self._haircuts[instrument_id]
        return new_haircut if average is None else average

    def _average_haircut(self, instrument_id: int) -> float | None:
        total, needed = 0, 0.0
        for loan in self._loans:
            if loan.instrument_id == instrument_id:
                if loan.haircut >= 1:
                    return 1.0
                total += loan.amount_cash
                needed += loan.amount_cash / (1 - loan.haircut)
        return 1 - total / needed if total else None

    def _forget(self, instrument_id: int) -> None:
        self._outstanding.pop(instrument_id, None)
        self._haircuts.pop(instrument_id, None)

    def match(
        self,
        sheet: BalanceSheet,
        lender_id: int,
        haircuts: Sequence[float],
        maturity_ns: Ns,
        deposits_cash: Cash = 0,
    ) -> list[LoanChange]:
        """Follow the sheet: what sales retired leaves the ladder, what purchases borrowed enters it.

        Args:
            sheet: The borrower's sheet.
            lender_id: Who lends what is new.
            haircuts: Haircut on new loans, by instrument.
            maturity_ns: Maturity of new loans.
            deposits_cash: Short-term funding that is from nobody on the ladder.

        Returns:
            What changed.
        """
        changes: list[LoanChange] = []
        owed = {UNSECURED: sheet.short_term_cash - deposits_cash, **dict(enumerate(sheet.repo_cash))}
        for instrument_id, amount in owed.items():
            change = amount - self.outstanding(instrument_id)
            if change > 0:
                haircut = haircuts[instrument_id] if instrument_id >= 0 else 0.0
                loan = self.add(lender_id, instrument_id, change, haircut, maturity_ns)
                changes.append(_change(loan, change))
            elif change < 0:
                changes += self.repay(instrument_id, -change)
        return changes


def _change(loan: Loan, change_cash: Cash) -> LoanChange:
    return LoanChange(loan.loan_id, loan.lender_id, loan.instrument_id, change_cash, loan.haircut, loan.maturity_ns)


class RollDecision(msgspec.Struct, frozen=True, gc=False):
    """A lender's answer to a maturing loan: what it rolls, at what haircut, and what it wants back."""

    rolled_cash: Cash
    refused_cash: Cash
    haircut: float


class RepoLender:
    """A lender against securities, and of unsecured short-term funding.

    Pure but for ``lent_cash``: what it has out, against its own limit. Decisions depend on what it measures
    (volatility) and what a borrower discloses (leverage), never on anything else.

    Args:
        params: Schedules and limits.
        context: Instruments and the cash unit.

    Attributes:
        lent_cash: What it has lent, over all borrowers.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            schedules: Haircut schedule by instrument name; no lending against instruments that are not named.
            limit (currency units): Most that it lends in total, in currency units.
            refuse_above_leverage (assets over Tier 1): Leverage (assets over Tier 1) from which on it rolls nothing.
            term: Time to maturity of its loans; a day is overnight.
        """

        schedules: dict[str, HaircutSchedule]
        limit: NonNegative = 1e15
        refuse_above_leverage: NonNegative = 100.0
        term: Annotated[Duration, msgspec.Meta(gt=0)] = 86_400_000_000_000

    def __init__(self, params: Params, context: SheetContext) -> None:
        self.params = checked(params, "repo lender")
        known = {i.name for i in context.instruments}
        for name in params.schedules:
            if name not in known:
                raise PluginError(f"unknown instrument {name!r}: expected one of {sorted(known)}", "schedules")
        self._schedules = [params.schedules.get(i.name) for i in context.instruments]
        self._limit_cash = int(context.cash(params.limit))
        self.lent_cash: Cash = 0

    def haircut(self, instrument_id: int, volatility: float, leverage: float) -> float:
        """Haircut on a new loan; 1 against what it does not lend on."""
        schedule = self._schedules[instrument_id]
        return 1.0 if schedule is None else schedule.haircut(volatility, leverage)

    def roll(self, loan: Loan, volatility: float, leverage: float) -> RollDecision:
        """Decide on a loan that matures. What is refused no longer counts in ``lent_cash``.

        Args:
            loan: The maturing loan.
            volatility: Of the collateral, as the lender measures it; not used for unsecured loans.
            leverage: The borrower's, assets over Tier 1; infinite when Tier 1 is zero or less.
        """
        secured = loan.instrument_id >= 0
        haircut = self.haircut(loan.instrument_id, volatility, leverage) if secured else 0.0
        refuses = leverage > self.params.refuse_above_leverage or haircut >= 1
        over_limit = max(0, self.lent_cash - self._limit_cash)
        refused = loan.amount_cash if refuses else min(loan.amount_cash, over_limit)
        self.lent_cash -= refused
        return RollDecision(loan.amount_cash - refused, refused, haircut)

    def lend(self, wanted_cash: Cash, leverage: float) -> Cash:
        """Lend up to ``wanted_cash`` within its limit; nothing to a borrower that it would not roll."""
        if leverage > self.params.refuse_above_leverage:
            return 0
        granted = max(0, min(wanted_cash, self._limit_cash - self.lent_cash))
        self.lent_cash += granted
        return granted

    @property
    def has_room(self) -> bool:
        """Whether it is below its own limit."""
        return self.lent_cash < self._limit_cash

    def repaid(self, amount_cash: Cash) -> None:
        """Take note of a repayment."""
        self.lent_cash -= amount_cash


def amounts_called(sheet: BalanceSheet) -> Mapping[int, Cash]:
    """What lenders call, by instrument: the loan beyond (1 - haircut) × value, rounded up."""
    limits = sheet.repo_limits()
    return {i: loan - limits[i] for i, loan in enumerate(sheet.repo_cash) if loan > limits[i]}
