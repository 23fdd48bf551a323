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

CENTRAL = -1
"""In place of a counterparty: the central counterparty of the market."""
OUTSIDE = -2
"""In place of a counterparty: a clearing house outside the market, which nobody's failure reaches."""


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
        counterparty_id: The agent that is the other side, or :data:`CENTRAL` or :data:`OUTSIDE`.
        rate: The rate of initial margin that was last set.
        posted_cash: Initial margin that is posted.
        accrued_cash: Gained since the last settlement, signed.
        struck_cash: What of that had accrued at the close, and is settled next; None where there was none.
    """

    instrument_id: int
    lots: Lots
    margin: InitialMargin
    hedge_ratio: float = 0.0
    counterparty_id: int = OUTSIDE
    rate: float = 0.0
    posted_cash: Cash = 0
    accrued_cash: Cash = 0
    struck_cash: Cash | None = None


class Derivatives:
    """All derivatives of one balance sheet.

    Args:
        positions: At most one on each instrument with each counterparty, and one that hedges.
        settlement_ticks: Opening settlement price of every instrument.
        tick_values: Cash per tick and lot, by instrument.
        fund_cash: Contribution to the default fund of a central counterparty.
    """

    def __init__(
        self,
        positions: Sequence[DerivativePosition],
        settlement_ticks: Sequence[Ticks],
        tick_values: Sequence[Cash],
        fund_cash: Cash = 0,
    ) -> None:
        self.positions = tuple(positions)
        self.settlement_ticks = list(settlement_ticks)
        self.fund_cash = fund_cash
        self._tick_values = list(tick_values)
        self._n = len(self._tick_values)
        for position in self.positions:
            position.rate = position.margin.rate(position.margin.reference_volatility)
            position.posted_cash = self._required(position)

    @property
    def posted_cash(self) -> Cash:
        """Initial margin that is posted, an asset."""
        return sum(position.posted_cash for position in self.positions)

    @property
    def accrued_cash(self) -> Cash:
        """Gained since the last settlement, signed."""
        return sum(position.accrued_cash for position in self.positions)

    # --- what a sheet shows of them ----------------------------------------------------------------------------
    @property
    def assets_cash(self) -> Cash:
        """Margin posted, the contribution to a default fund, and gains that are not settled yet."""
        return self.posted_cash + self.fund_cash + max(0, self.accrued_cash)

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
            lots[i] += position.lots
            if position.hedge_ratio:
                ratios[i] = position.hedge_ratio
                margins[i] = position.rate * self.settlement_ticks[i] * self._tick_values[i]
        return lots, ratios, margins

    # --- what happens to them ----------------------------------------------------------------------------------
    def mark(self, settlement_ticks: Sequence[Ticks]) -> Cash:
        """Take note of new settlement prices; returns what has been gained, which is in Tier 1 from now on."""
        gained = 0
        for position in self.positions:
            i = position.instrument_id
            gain = position.lots * (settlement_ticks[i] - self.settlement_ticks[i]) * self._tick_values[i]
            position.accrued_cash += gain
            gained += gain
        self.settlement_ticks = list(settlement_ticks)
        return gained

    def strike(self) -> None:
        """The close: what has accrued by now is settled next."""
        for position in self.positions:
            position.struck_cash = position.accrued_cash

    def settle(self) -> Cash:
        """Turn what has accrued, by the close if there was one, into cash; returns it, negative where it is paid."""
        settled = 0
        for position in self.positions:
            amount = position.accrued_cash if position.struck_cash is None else position.struck_cash
            position.accrued_cash -= amount
            position.struck_cash = None
            settled += amount
        return settled

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
        """Close everything out; returns what comes back, negative where losses exceed margin and contribution."""
        returned = self.posted_cash + self.fund_cash + self.accrued_cash
        self.fund_cash = 0
        self.positions = ()
        return returned

    def owed(self) -> dict[int, Cash]:
        """What each counterparty loses by a failure now: what has accrued to it beyond the margin that it holds."""
        owed: dict[int, Cash] = {}
        for position in self.positions:
            key = position.counterparty_id
            owed[key] = owed.get(key, 0) - position.accrued_cash - position.posted_cash
        return {key: amount for key, amount in sorted(owed.items()) if amount > 0}

    def end_with(self, counterparty_id: int) -> Cash:
        """End what there is with one counterparty; returns margin and gains that come back."""
        ended = [position for position in self.positions if position.counterparty_id == counterparty_id]
        self.positions = tuple(position for position in self.positions if position.counterparty_id != counterparty_id)
        return sum(position.posted_cash + position.accrued_cash for position in ended)

    def _required(self, position: DerivativePosition) -> Cash:
        i = position.instrument_id
        return int(position.rate * abs(position.lots) * self.settlement_ticks[i] * self._tick_values[i])
