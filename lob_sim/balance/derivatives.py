"""Swaps and futures: exposure off the sheet, variation margin in cash, initial margin that rises with volatility.

A position gains its lots times the move of a settlement price, which is value itself: these markets are deep, and the
price of a swap or a future does not follow a bond that its holders sell in a hurry. What it has gained or lost since it
was last settled is an asset or a liability, and in Tier 1 at once; settled, it is cash. A clearing house outside the
market is the other side of every position.

Source: initial margin at a quantile of recent moves, and its procyclicality, as in Murphy, Vasios and Vause (2014), "An
investigation into the procyclicality of risk-based initial margin models", Bank of England FSP 29.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lob_sim.units import Cash, Lots, Ticks


class InitialMargin(msgspec.Struct, frozen=True):
    """Initial margin as a share of a position's value: base + slope × volatility above its reference, capped.

    Attributes:
        base: Rate in calm, as a fraction.
        per_volatility: Rate added per unit of volatility above the reference.
        reference_volatility: Volatility in calm, per interval of the estimator that measures it.
        maximum: Largest rate.
    """

    base: float = 0.0
    per_volatility: float = 0.0
    reference_volatility: float = 0.0
    maximum: float = 1.0

    def rate(self, volatility: float) -> float:
        """The rate at a measured volatility."""
        return min(self.maximum, self.base + self.per_volatility * max(0.0, volatility - self.reference_volatility))


class DerivativePosition(msgspec.Struct):
    """One swap or future on an instrument.

    Attributes:
        instrument_id: What its price follows.
        lots: Exposure, signed.
        margin: Its initial margin.
        hedge_ratio: Lots that it changes by with each lot bought of the instrument; 0 where it stays what it is, -1 of
            a future sold against a bond.
        rate: The rate of initial margin that was last set.
        posted_cash: Initial margin that is posted.
    """

    instrument_id: int
    lots: Lots
    margin: InitialMargin
    hedge_ratio: float = 0.0
    rate: float = 0.0
    posted_cash: Cash = 0


class Derivatives:
    """All derivatives of one balance sheet.

    Args:
        positions: At most one on each instrument.
        settlement_ticks: Opening settlement price of every instrument.
        tick_values: Cash per tick and lot, by instrument.

    Attributes:
        accrued_cash: Gained since the last settlement, signed.
    """

    def __init__(
        self, positions: Sequence[DerivativePosition], settlement_ticks: Sequence[Ticks], tick_values: Sequence[Cash]
    ) -> None:
        self.positions = tuple(positions)
        self.settlement_ticks = list(settlement_ticks)
        self.accrued_cash: Cash = 0
        self._tick_values = list(tick_values)
        self._n = len(self._tick_values)
        for position in self.positions:
            position.rate = position.margin.rate(position.margin.reference_volatility)
            position.posted_cash = self._required(position)

    @property
    def posted_cash(self) -> Cash:
        """Initial margin that is posted, an asset."""
        return sum(position.posted_cash for position in self.positions)

    # --- what a sheet shows of them ----------------------------------------------------------------------------
    @property
    def assets_cash(self) -> Cash:
        """Margin posted, and gains that are not settled yet."""
        return self.posted_cash + max(0, self.accrued_cash)

    @property
    def liabilities_cash(self) -> Cash:
        """Losses that are not settled yet."""
        return max(0, -self.accrued_cash)

    @property
    def exposure_cash(self) -> Cash:
        """Exposure at settlement prices, signed."""
        ticks, values = self.settlement_ticks, self._tick_values
        return sum(p.lots * ticks[p.instrument_id] * values[p.instrument_id] for p in self.positions)

    def by_instrument(self) -> tuple[list[float], list[float], list[float]]:
        """Lots, hedge ratios and initial margin of a lot in cash, a list each."""
        lots, ratios, margins = ([0.0] * self._n for _ in range(3))
        for position in self.positions:
            i = position.instrument_id
            lots[i], ratios[i] = float(position.lots), position.hedge_ratio
            margins[i] = position.rate * self.settlement_ticks[i] * self._tick_values[i]
        return lots, ratios, margins

    # --- what happens to them ----------------------------------------------------------------------------------
    def mark(self, settlement_ticks: Sequence[Ticks]) -> Cash:
        """Take note of new settlement prices; returns what has been gained, which is in Tier 1 from now on."""
        gained = 0
        for position in self.positions:
            i = position.instrument_id
            move = settlement_ticks[i] - self.settlement_ticks[i]
            gained += position.lots * move * self._tick_values[i]
        self.settlement_ticks = list(settlement_ticks)
        self.accrued_cash += gained
        return gained

    def settle(self, amount_cash: Cash) -> Cash:
        """Turn a gain (or loss, negative) that has accrued into cash; returns it."""
        self.accrued_cash -= amount_cash
        return amount_cash

    def margin_call(self, volatilities: Sequence[float]) -> Cash:
        """Set initial margins anew.

        Args:
            volatilities: By instrument, as measured.

        Returns:
            What must be posted more or, negative, comes back.
        """
        before = self.posted_cash
        for position in self.positions:
            position.rate = position.margin.rate(volatilities[position.instrument_id])
            position.posted_cash = self._required(position)
        return self.posted_cash - before

    def follow(self, instrument_id: int, bought_lots: Lots) -> Cash:
        """Change a hedge with the position that it hedges, at the settlement price.

        Returns:
            Initial margin that must be posted more or, negative, comes back.
        """
        before = self.posted_cash
        for position in self.positions:
            if position.instrument_id == instrument_id and position.hedge_ratio:
                position.lots += round(position.hedge_ratio * bought_lots)
                position.posted_cash = self._required(position)
        return self.posted_cash - before

    def close(self) -> Cash:
        """Close everything out; returns the cash that comes back, negative where losses exceed the margin."""
        returned = self.posted_cash + self.accrued_cash
        self.accrued_cash = 0
        for position in self.positions:
            position.lots = position.posted_cash = 0
        return returned

    def _required(self, position: DerivativePosition) -> Cash:
        i = position.instrument_id
        return int(position.rate * abs(position.lots) * self.settlement_ticks[i] * self._tick_values[i])
