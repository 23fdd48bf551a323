"""What a constraint sees of a balance sheet: plain numbers, and what they would be after a sale.

A view is real-valued, so the same constraints judge a live sheet of exact integers and a classical stress
test with real prices. It is a snapshot: nothing that happens to it reaches the sheet.
"""

from __future__ import annotations

import msgspec

from lob_sim.balance.debt import borrowable, retire
from lob_sim.units import CashUnit, Instrument


class SheetContext(msgspec.Struct, frozen=True):
    """What constraints and liquidation sequences need to know of the market when they are made.

    Attributes:
        instruments: Every instrument, indexed by ``instrument_id``.
        cash_unit: Converts the money in parameters (currency units) to cash units.
    """

    instruments: tuple[Instrument, ...]
    cash_unit: CashUnit

    def cash(self, money: float) -> float:
        """Money in currency units as a (real) number of cash units."""
        return money / float(self.cash_unit.size)


class SheetView(msgspec.Struct):
    """A balance sheet as constraints judge it. Amounts in cash units; lists are indexed by ``instrument_id``.

    Attributes:
        cash: Cash and reserves.
        lots: Positions, signed.
        unit_cash: Value of one lot at its mark.
        adjustment_unit_cash: Prudent valuation adjustment of one lot, already taken out of Tier 1.
        other_assets_cash: Assets that are not traded.
        short_term_cash: Deposits and short-term funding, without what is due.
        due_cash: Funding that lenders refuse to roll.
        repo_cash: Loans against each instrument.
        tier1_cash: Tier 1 capital.
        haircuts: Repo haircut of each instrument, as a fraction; 1 where nobody lends.
        covariances: Covariances of mark returns per interval of the volatility estimator.
        retires_debt: Whether proceeds of sales retire debt. If not they are kept as cash.
        new_haircuts: Haircuts of new loans, where they differ from those of old ones; empty where they do not.
        derivative_lots: Exposure by swaps and futures on each instrument, signed; empty where there are none.
        hedge_ratios: Lots by which that changes with a lot bought.
        margin_unit_cash: Initial margin of a lot of it, which is among the other assets.
    """

    cash: float
    lots: list[float]
    unit_cash: list[float]
    adjustment_unit_cash: list[float]
    other_assets_cash: float
    short_term_cash: float
    due_cash: float
    repo_cash: list[float]
    tier1_cash: float
    haircuts: list[float]
    covariances: list[list[float]]
    retires_debt: bool = True
    new_haircuts: list[float] = []
    derivative_lots: list[float] = []
    hedge_ratios: list[float] = []
    margin_unit_cash: list[float] = []

    def copy(self) -> SheetView:
        """A copy whose amounts are its own; what no trade changes (covariances, terms of new loans) it shares."""
        return SheetView(
            self.cash,
            self.lots.copy(),
            self.unit_cash.copy(),
            self.adjustment_unit_cash.copy(),
            self.other_assets_cash,
            self.short_term_cash,
            self.due_cash,
            self.repo_cash.copy(),
            self.tier1_cash,
            self.haircuts.copy(),
            self.covariances,
            self.retires_debt,
            self.new_haircuts,
            self.derivative_lots.copy(),
            self.hedge_ratios,
            self.margin_unit_cash,
        )

    def own_copy(self) -> SheetView:
        """A copy that shares nothing."""
        copy = self.copy()
        copy.covariances = [row.copy() for row in self.covariances]
        copy.new_haircuts = self.new_haircuts.copy()
        copy.hedge_ratios = self.hedge_ratios.copy()
        copy.margin_unit_cash = self.margin_unit_cash.copy()
        return copy

    @property
    def exposure_lots(self) -> list[float]:
        """Positions with the exposure by derivatives."""
        if not self.derivative_lots:
            return self.lots
        return [q + d for q, d in zip(self.lots, self.derivative_lots, strict=True)]

    def exposure_per_lot(self, instrument_id: int) -> float:
        """By how much exposure changes with a lot bought, hedges that follow it included."""
        return 1 + self.hedge_ratios[instrument_id] if self.hedge_ratios else 1.0

    def hedge_unit_cash(self, instrument_id: int) -> float:
        """Initial margin of the hedge of a lot bought."""
        if not self.hedge_ratios:
            return 0.0
        return abs(self.hedge_ratios[instrument_id]) * self.margin_unit_cash[instrument_id]

    @property
    def debt_cash(self) -> float:
        """Everything borrowed."""
        return self.short_term_cash + self.due_cash + sum(self.repo_cash)

    @property
    def inventory_cash(self) -> float:
        """Long positions at their marks."""
        return sum(q * u for q, u in zip(self.lots, self.unit_cash, strict=True) if q > 0)

    @property
    def assets_cash(self) -> float:
        """All assets at their marks, before prudent adjustments."""
        return self.cash + self.other_assets_cash + self.inventory_cash

    def repo_limits(self) -> list[float]:
        """What the collateral carries by instrument: (1 - haircut) × value, or :func:`.debt.borrowable`."""
        if not self.new_haircuts:
            return [
                (1 - h) * q * u if q > 0 else 0.0
                for h, q, u in zip(self.haircuts, self.lots, self.unit_cash, strict=True)
            ]
        return [
            borrowable(q * u, loan, h, new)
            for q, u, loan, h, new in zip(
                self.lots, self.unit_cash, self.repo_cash, self.haircuts, self.new_haircuts, strict=True
            )
        ]

    def new_haircut(self, instrument_id: int) -> float:
        """The haircut of a new loan."""
        return (self.new_haircuts or self.haircuts)[instrument_id]

    def sell(self, instrument_id: int, lots: float, proceeds_cash: float | None = None) -> None:
        """Change the view as a sale of ``lots`` held would.

        At its prudent value (the mark less the adjustment) a sale leaves Tier 1 alone: the adjustment has
        been deducted already and becomes a realised loss.

        Args:
            instrument_id: What is sold.
            lots: How many, not more than held.
            proceeds_cash: What they fetch; by default their prudent value.
        """
        prudent = lots * (self.unit_cash[instrument_id] - self.adjustment_unit_cash[instrument_id])
        proceeds = prudent if proceeds_cash is None else proceeds_cash
        self.lots[instrument_id] -= lots
        self.tier1_cash += proceeds - prudent
        self.cash += proceeds
        self._hedge(instrument_id, -lots)
        if self.retires_debt:
            self.repay(max(proceeds, 0.0), instrument_id)

    def repay(self, amount_cash: float, first: int = -1) -> None:
        """Retire debt from cash, in the order of :func:`lob_sim.balance.debt.retire`."""
        left, self.due_cash, self.short_term_cash = retire(
            amount_cash, self.repo_cash, self.repo_limits(), self.due_cash, self.short_term_cash, first
        )
        self.cash -= amount_cash - left

    def buy(self, instrument_id: int, lots: float) -> None:
        """Change the view as a purchase at the mark would: from cash, repo on it, short-term funding."""
        cost = lots * self.unit_cash[instrument_id]
        self.lots[instrument_id] += lots
        self._hedge(instrument_id, lots)
        self.tier1_cash -= lots * self.adjustment_unit_cash[instrument_id]
        paid = min(cost, max(self.cash, 0.0))
        self.cash -= paid
        financed = min(cost - paid, (1 - self.new_haircut(instrument_id)) * cost)
        self.repo_cash[instrument_id] += financed
        self.short_term_cash += cost - paid - financed

    def _hedge(self, instrument_id: int, bought_lots: float) -> None:
        """Change the hedge with its position, and its margin with it."""
        if not self.hedge_ratios or not self.hedge_ratios[instrument_id]:
            return
        before = self.derivative_lots[instrument_id]
        after = before + self.hedge_ratios[instrument_id] * bought_lots
        self.derivative_lots[instrument_id] = after
        posted = (abs(after) - abs(before)) * self.margin_unit_cash[instrument_id]
        self.other_assets_cash += posted
        self.cash -= posted

    def mark(self, instrument_id: int, unit_cash: float) -> None:
        """Give a lot of one instrument a new value; the difference comes out of Tier 1."""
        self.tier1_cash += self.lots[instrument_id] * (unit_cash - self.unit_cash[instrument_id])
        self.unit_cash[instrument_id] = unit_cash
