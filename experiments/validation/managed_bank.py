"""A bank of one security on the program's balance sheet, that buys and sells to where its limit says."""

from __future__ import annotations

from experiments.validation.bank_files import context
from lob_sim.balance.constraints import CapitalVarConstraint, Constraint, SlrConstraint
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.balance.volatility import EwmaCovariance
from lob_sim.units import NS_PER_S

_TICKS, _LOTS_HELD = 10**12, 10**10
"""Ticks of the opening price and lots of the bank's securities: so many that rounding is next to nothing."""
DECAY = 0.94
"""Of the variance of returns, a period."""


class ManagedBank:
    """A bank with one security on the program's balance sheet, that moves to where a limit says.

    Args:
        assets: Assets at the opening, in any unit of money.
        equity: Equity.
        rule: Its limit; without one it does nothing.
        volatility: Opening volatility of the price.
    """

    def __init__(self, assets: float, equity: float, rule: Constraint | None, volatility: float = 0.0) -> None:
        self._scale = _TICKS * _LOTS_HELD / assets
        self.rule = rule
        instruments = context(["security"]).instruments
        debt = round(self._scale * (assets - equity))
        self.sheet = BalanceSheet(instruments, cash=0, lots=[_LOTS_HELD], marks_ticks=[_TICKS], short_term_cash=debt)
        self.price = 1.0
        self.measure = EwmaCovariance([volatility], NS_PER_S, DECAY)
        self.measure.observe(0, self.sheet.marks_ticks)

    @property
    def assets(self) -> float:
        """Assets, in the unit of money."""
        return self.sheet.assets_cash / self._scale

    @property
    def equity(self) -> float:
        """Tier 1, likewise."""
        return self.sheet.tier1_cash / self._scale

    @property
    def leverage(self) -> float:
        """Assets over equity."""
        return self.assets / self.equity

    def move(self, relative: float) -> None:
        """The price moves by a fraction."""
        self.price *= 1 + relative
        self.sheet.mark(0, round(_TICKS * self.price))

    def adjust(self, covariance: float = 0.0) -> float:
        """Buy or sell to where the limit says; returns the money spent (negative: received)."""
        if self.rule is None:
            return 0.0
        view = self.sheet.view([[covariance]])
        price = self.sheet.marks_ticks[0]
        # A lot more may be sold than needed, so that a purchase of less than two is no purchase.
        sold, bought = self.rule.sale_lots(view, 0), self.rule.purchase_lots(view)[0]
        if sold:
            self.sheet.sell(0, sold, price, Proceeds.RETIRE_DEBT)
        elif bought:
            self.sheet.buy(0, bought, price)
        self.sheet.check()
        return (bought - sold) * price / self._scale if not sold else -sold * price / self._scale


def leverage_limit(leverage: float) -> Constraint:
    """Assets over equity at most ``leverage``."""
    return SlrConstraint(SlrConstraint.Params(minimum=1 / leverage), context(["security"]))


def var_limit(share: float = 1.0) -> Constraint:
    """Value at risk at most a multiple of equity."""
    return CapitalVarConstraint(CapitalVarConstraint.Params(share=share), context(["security"]))
