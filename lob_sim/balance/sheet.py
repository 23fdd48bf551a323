"""A balance sheet in exact integers.

Assets (cash, long positions at their marks, other assets) equal liabilities (short-term funding, funding that
is due, repo, securities sold short) plus the prudent valuation adjustment plus Tier 1. Tier 1 is kept by its
own entries (every gain, loss and adjustment when it happens), so :meth:`BalanceSheet.check` compares two
independent computations.

The prudent valuation adjustment is a deduction from Tier 1 (CRR Article 34 with Article 105): the mark of the
inventory and hence the leverage exposure stay, Tier 1 falls.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from operator import mul

from lob_sim.balance.debt import borrowable, retire
from lob_sim.balance.derivatives import Derivatives
from lob_sim.balance.view import SheetView
from lob_sim.errors import InputError, InvariantError
from lob_sim.messages import BalanceSheetRecord, SheetCause
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks


class Proceeds(IntEnum):
    """What the money from a sale does."""

    REBUILD_CASH = 0
    """Ordinary trading: cash back up to its target, the rest retires debt."""
    RETIRE_DEBT = 1
    """Forced sales: all of it retires debt, repo on the sold collateral first."""
    KEEP_AS_CASH = 2
    """Nothing is retired; leverage stays as it was."""


class BalanceSheet:
    """Cash, positions at marks, other assets; debt; Tier 1. All amounts are integers in cash units.

    Args:
        instruments: Every instrument, indexed by ``instrument_id``.
        cash: Cash and reserves; also the working level that ordinary sales rebuild.
        lots: Position in each instrument.
        marks_ticks: Opening mark of each instrument.
        other_assets_cash: Assets that are not traded.
        short_term_cash: Deposits and short-term funding.
        repo_cash: Opening loans against each instrument; none by default.
        haircuts: Repo haircut of each instrument, as a fraction; 0 by default.
        may_short: Whether positions may go negative (a market maker's may, a forced seller's never does).
        derivatives: Swaps and futures, whose initial margin comes out of ``cash``.

    Raises:
        InputError: A negative amount, a mark that is not positive, or lists of other lengths.
    """

    __slots__ = (
        "_tick_values",
        "adjustments_ticks",
        "cash",
        "cash_target",
        "derivatives",
        "due_cash",
        "haircuts",
        "lots",
        "marks_ticks",
        "may_short",
        "new_haircuts",
        "other_assets_cash",
        "repo_cash",
        "short_term_cash",
        "tier1_cash",
    )

    def __init__(
        self,
        instruments: Sequence[Instrument],
        *,
        cash: Cash,
        lots: Sequence[Lots],
        marks_ticks: Sequence[Ticks],
        other_assets_cash: Cash = 0,
        short_term_cash: Cash = 0,
        repo_cash: Sequence[Cash] | None = None,
        haircuts: Sequence[float] | None = None,
        may_short: bool = False,
        derivatives: Derivatives | None = None,
    ) -> None:
        n = len(instruments)
        self._tick_values = [i.cash_per_tick_lot for i in instruments]
        self.derivatives = derivatives
        self.cash = cash - (derivatives.assets_cash if derivatives is not None else 0)
        self.cash_target = self.cash
        self.lots = list(lots)
        self.marks_ticks = list(marks_ticks)
        self.adjustments_ticks = [0] * n
        self.other_assets_cash = other_assets_cash
        self.short_term_cash = short_term_cash
        self.due_cash: Cash = 0
        self.repo_cash = list(repo_cash) if repo_cash is not None else [0] * n
        self.haircuts = list(haircuts) if haircuts is not None else [0.0] * n
        self.new_haircuts: list[float] = []
        """Haircuts of new loans, set by lenders; while empty, those of old loans hold for new ones too."""
        self.may_short = may_short
        if not len(self.lots) == len(self.marks_ticks) == len(self.repo_cash) == len(self.haircuts) == n:
            raise InputError(f"a balance sheet needs one position, mark, loan and haircut for each of {n} instruments")
        if min(self.cash, other_assets_cash, short_term_cash, *self.repo_cash) < 0:
            raise InputError("amounts of a balance sheet must not be negative")
        if any(mark <= 0 for mark in self.marks_ticks):
            raise InputError("marks must be positive")
        if not may_short and any(q < 0 for q in self.lots):
            raise InputError("a negative position on a balance sheet that may not be short")
        if any(not 0 <= h <= 1 for h in self.haircuts):
            raise InputError("haircuts are fractions from 0 to 1")
        self.tier1_cash: Cash = self.assets_cash - self.liabilities_cash

    # --- totals -------------------------------------------------------------------------------------------
    @property
    def inventory_cash(self) -> Cash:
        """Long positions at their marks."""
        total = 0
        for lots, mark, tick_value in zip(self.lots, self.marks_ticks, self._tick_values, strict=True):
            if lots > 0:
                total += lots * mark * tick_value
        return total

    @property
    def short_cash(self) -> Cash:
        """Short positions at their marks, as a positive number: a liability; so are unsettled losses of derivatives."""
        total = 0
        for lots, mark, tick_value in zip(self.lots, self.marks_ticks, self._tick_values, strict=True):
            if lots < 0:
                total -= lots * mark * tick_value
        return total if self.derivatives is None else total + self.derivatives.liabilities_cash

    @property
    def untraded_cash(self) -> Cash:
        """Other assets, with margin posted for derivatives and their gains that are not settled yet."""
        return self.other_assets_cash + (0 if self.derivatives is None else self.derivatives.assets_cash)

    @property
    def assets_cash(self) -> Cash:
        """All assets at their marks."""
        return self.cash + self.inventory_cash + self.untraded_cash

    @property
    def debt_cash(self) -> Cash:
        """Everything borrowed: short-term funding, what is due of it, repo."""
        return self.short_term_cash + self.due_cash + sum(self.repo_cash)

    @property
    def liabilities_cash(self) -> Cash:
        """Debt and securities sold short."""
        return self.debt_cash + self.short_cash

    @property
    def adjustment_cash(self) -> Cash:
        """Prudent valuation adjustment of all positions."""
        total = 0
        for adjustment, lots, tick_value in zip(self.adjustments_ticks, self.lots, self._tick_values, strict=True):
            if adjustment:
                total += adjustment * abs(lots) * tick_value
        return total

    @property
    def insolvent(self) -> bool:
        """Whether Tier 1 is zero or less."""
        return self.tier1_cash <= 0

    def value(self, instrument_id: int) -> Cash:
        """One position at its mark, signed."""
        return self.lots[instrument_id] * self.marks_ticks[instrument_id] * self._tick_values[instrument_id]

    # --- trades and marks -----------------------------------------------------------------------------------
    def buy(self, instrument_id: int, qty_lots: Lots, price_ticks: Ticks) -> Cash:
        """Book a purchase: paid from cash, then by repo on what was bought, then by short-term funding.

        Returns:
            What was borrowed for it.
        """
        cost = self._trade(instrument_id, qty_lots, price_ticks)
        paid = min(cost, self.cash)
        self.cash -= paid
        carried = int((1 - (self.new_haircuts or self.haircuts)[instrument_id]) * cost)
        financed = min(cost - paid, carried)
        self.repo_cash[instrument_id] += financed
        self.short_term_cash += cost - paid - financed
        return cost - paid

    def sell(
        self,
        instrument_id: int,
        qty_lots: Lots,
        price_ticks: Ticks,
        proceeds: Proceeds = Proceeds.REBUILD_CASH,
    ) -> Cash:
        """Book a sale.

        Returns:
            What it retired of debt.

        Raises:
            InvariantError: More than is held, on a sheet that may not be short.
        """
        if qty_lots > self.lots[instrument_id] and not self.may_short:
            raise InvariantError(f"sale of {qty_lots} lots of {instrument_id} with {self.lots[instrument_id]} held")
        received = -self._trade(instrument_id, -qty_lots, price_ticks)
        self.cash += received
        if proceeds is Proceeds.KEEP_AS_CASH:
            return 0
        if proceeds is Proceeds.REBUILD_CASH:
            received = min(received, max(0, self.cash - self.cash_target))
        return self.repay(received, instrument_id)

    def mark(self, instrument_id: int, price_ticks: Ticks, adjustment_ticks: Ticks = 0) -> Cash:
        """Revalue one position; the change comes straight out of Tier 1.

        Args:
            instrument_id: The instrument.
            price_ticks: The new mark.
            adjustment_ticks: Prudent valuation adjustment per lot, from 0 to the mark.

        Returns:
            The change in Tier 1.

        Raises:
            InvariantError: A mark that is not positive, or an adjustment beyond it.
        """
        if not 0 <= adjustment_ticks <= price_ticks or price_ticks == 0:
            raise InvariantError(f"mark of {price_ticks} ticks with an adjustment of {adjustment_ticks}")
        lots, tick_value = self.lots[instrument_id], self._tick_values[instrument_id]
        gain = (price_ticks - self.marks_ticks[instrument_id]) * lots
        gain -= (adjustment_ticks - self.adjustments_ticks[instrument_id]) * abs(lots)
        gain *= tick_value
        self.marks_ticks[instrument_id] = price_ticks
        self.adjustments_ticks[instrument_id] = adjustment_ticks
        self.tier1_cash += gain
        return gain

    # --- funding --------------------------------------------------------------------------------------------
    def borrow(self, amount_cash: Cash, collateral: int = -1) -> None:
        """Raise cash: short-term funding, or repo against instrument ``collateral``."""
        _not_negative(amount_cash)
        self.cash += amount_cash
        if collateral < 0:
            self.short_term_cash += amount_cash
        else:
            self.repo_cash[collateral] += amount_cash

    def repay(self, amount_cash: Cash, first: int = -1) -> Cash:
        """Retire debt from cash, in the order of :func:`.debt.retire`; returns what was retired."""
        _not_negative(amount_cash)
        amount = min(amount_cash, self.cash)
        limits = self.repo_limits()
        left, self.due_cash, self.short_term_cash = retire(
            amount, self.repo_cash, limits, self.due_cash, self.short_term_cash, first
        )
        self.cash -= amount - left
        return amount - left

    def repo_limits(self) -> list[Cash]:
        """What can be borrowed in all against each instrument, in whole cash units."""
        new = self.new_haircuts or self.haircuts
        return [int(borrowable(self.value(i), loan, self.haircuts[i], new[i])) for i, loan in enumerate(self.repo_cash)]

    def delever_with_cash(self, amount_cash: Cash) -> Cash:
        """Retire debt from cash for good: the working level of cash falls too; returns what was retired."""
        retired = self.repay(amount_cash)
        self.cash_target = max(0, self.cash_target - retired)
        return retired

    def refuse_roll(self, amount_cash: Cash, collateral: int = -1) -> Cash:
        """Lenders do not roll: up to ``amount_cash`` of funding (of repo, with ``collateral``) becomes due.

        Returns:
            What became due.
        """
        _not_negative(amount_cash)
        if collateral < 0:
            moved = min(amount_cash, self.short_term_cash)
            self.short_term_cash -= moved
        else:
            moved = min(amount_cash, self.repo_cash[collateral])
            self.repo_cash[collateral] -= moved
        self.due_cash += moved
        return moved

    # --- capital --------------------------------------------------------------------------------------------
    def write_down(self, loss_cash: Cash) -> Cash:
        """Lose ``loss_cash`` of other assets, at most all of them (negative: a gain); returns the loss."""
        loss = min(loss_cash, self.other_assets_cash)
        self.other_assets_cash -= loss
        self.tier1_cash -= loss
        return loss

    def owe(self, amount_cash: Cash) -> None:
        """Owners withdraw capital: it becomes a debt that is due (a fund's redemption)."""
        _not_negative(amount_cash)
        self.due_cash += amount_cash
        self.tier1_cash -= amount_cash

    def claim_margin(self, returned_cash: Cash) -> Cash:
        """Receive what a close-out returns or, negative, owe it; returns what is owed, which is due."""
        owed = max(0, -returned_cash)
        self.cash += returned_cash + owed
        self.due_cash += owed
        return owed

    def receive_capital(self, amount_cash: Cash) -> None:
        """Owners pay capital in; cash works at a level that is higher by it."""
        _not_negative(amount_cash)
        self.cash += amount_cash
        self.cash_target += amount_cash
        self.tier1_cash += amount_cash

    # --- derivatives ----------------------------------------------------------------------------------------
    def mark_derivatives(self, settlement_ticks: Sequence[Ticks]) -> Cash:
        """Revalue derivatives; the change comes straight out of Tier 1, and is returned."""
        gained = 0 if self.derivatives is None else self.derivatives.mark(settlement_ticks)
        self.tier1_cash += gained
        return gained

    def take_margin(self, received_cash: Cash) -> Cash:
        """Receive margin or, negative, pay it from cash; returns what cash does not cover, which is due."""
        lacking = max(0, -received_cash - self.cash)
        self.cash += received_cash + lacking
        self.due_cash += lacking
        return lacking

    def hedge(self, instrument_id: int, bought_lots: Lots) -> None:
        """Derivatives that hedge a position follow it; their margin moves at once."""
        if self.derivatives is not None:
            self.take_margin(-self.derivatives.follow(instrument_id, bought_lots))

    def lose_contribution(self, loss_cash: Cash) -> None:
        """A default fund has used some of what was paid into it."""
        if self.derivatives is not None:
            self.derivatives.fund_cash -= loss_cash
            self.tier1_cash -= loss_cash

    def lose_claim(self, claim_cash: Cash, loss_cash: Cash) -> None:
        """Swaps have ended, margin and gains of which come back but for a loss."""
        self.tier1_cash -= loss_cash
        self.take_margin(claim_cash - loss_cash)

    def pay_assessment(self, amount_cash: Cash) -> None:
        """Pay for a loss that a default fund did not cover."""
        self.tier1_cash -= amount_cash
        self.take_margin(-amount_cash)

    def borrow_for_due(self) -> None:
        """Raise what is due beyond cash by repo on what is free, at the haircuts of the sheet, and pay it."""
        for i, limit in enumerate(self.repo_limits()):
            missing = self.due_cash - self.cash
            if missing > 0:
                self.borrow(max(0, min(missing, limit - self.repo_cash[i])), i)
        self.repay(min(self.due_cash, self.cash))

    # --- views ----------------------------------------------------------------------------------------------
    def view(self, covariances: list[list[float]]) -> SheetView:
        """What constraints judge. The ``covariances`` of mark returns are shared, not copied."""
        tick_values = self._tick_values
        view = SheetView(
            self.cash,
            [*self.lots],
            list(map(mul, self.marks_ticks, tick_values)),
            list(map(mul, self.adjustments_ticks, tick_values)),
            self.untraded_cash,
            self.short_term_cash,
            self.due_cash,
            [*self.repo_cash],
            self.tier1_cash,
            [*self.haircuts],
            covariances,
            True,
            [*self.new_haircuts],
        )
        if self.derivatives is not None:
            view.derivative_lots, view.hedge_ratios, view.margin_unit_cash = self.derivatives.by_instrument()
        return view

    def record(self, ts_event_ns: Ns, agent_id: int, cause: SheetCause, instrument_id: int = -1) -> BalanceSheetRecord:
        """The sheet as an event for the log."""
        return BalanceSheetRecord(
            ts_event_ns,
            agent_id,
            cause,
            instrument_id,
            self.cash,
            self.inventory_cash,
            self.short_cash,
            self.untraded_cash,
            self.short_term_cash,
            self.due_cash,
            sum(self.repo_cash),
            self.adjustment_cash,
            self.tier1_cash,
        )

    def check(self) -> None:
        """Assert the identity and the signs; O(instruments).

        Raises:
            InvariantError: Assets differ from liabilities, adjustment and Tier 1, or a negative amount.
        """
        difference = self.assets_cash - self.liabilities_cash - self.adjustment_cash - self.tier1_cash
        if difference:
            raise InvariantError(f"assets exceed liabilities and capital by {difference}")
        if min(self.cash, self.other_assets_cash, self.short_term_cash, self.due_cash, *self.repo_cash) < 0:
            raise InvariantError("a balance sheet has a negative amount")
        if not self.may_short and any(q < 0 for q in self.lots):
            raise InvariantError(f"short positions on a sheet that may not be short: {self.lots}")

    def _trade(self, instrument_id: int, lots: Lots, price_ticks: Ticks) -> Cash:
        # Positions are held at the mark, so a trade at another price is a gain or a loss at once; the price
        # is not part of the position.
        tick_value = self._tick_values[instrument_id]
        mark = self.marks_ticks[instrument_id]
        before = self.lots[instrument_id]
        self.lots[instrument_id] = before + lots
        growth = abs(before + lots) - abs(before)
        gain = (mark - price_ticks) * lots - self.adjustments_ticks[instrument_id] * growth
        self.tier1_cash += gain * tick_value
        return price_ticks * lots * tick_value


def _not_negative(amount_cash: Cash) -> None:
    if amount_cash < 0:
        raise InvariantError(f"a payment of {amount_cash}")
