"""Markets in which a sale moves the price by a formula, for classical fire-sale stress tests.

A curve gives the price, as a fraction of the initial price, after a cumulative volume of sales, which is
measured at initial prices; impact is permanent and every sale is executed along the curve. So the outcome
does not depend on how a sale is cut into pieces. Prices are real numbers here: there is no tick.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from lob_sim.errors import InputError


class SaleMarket(Protocol):
    """Where a deleveraging balance sheet sells: a formula here, the order book in the simulation."""

    def unit_cash(self, instrument_id: int) -> float:
        """Value of one lot at the present price, in cash units."""

    def sell(self, instrument_id: int, lots: float) -> float:
        """Execute a sale; returns the proceeds in cash units."""


class ImpactCurve(ABC):
    """Price as a fraction of the initial one after selling a volume, in cash units at the initial price."""

    @abstractmethod
    def fraction(self, volume_cash: float) -> float:
        """Price fraction after ``volume_cash``."""

    @abstractmethod
    def proceeds(self, volume_cash: float) -> float:
        """Integral of the fraction from 0: what a sale of ``volume_cash`` from the initial price fetches."""


class NoImpact(ImpactCurve):
    """Infinite depth."""

    def fraction(self, volume_cash: float) -> float:
        """Always 1."""
        return 1.0

    def proceeds(self, volume_cash: float) -> float:
        """The volume itself."""
        return volume_cash


class LinearImpact(ImpactCurve):
    """1 - x/depth, not below 0.

    Source: Greenwood, Landier and Thesmar (2015), *Vulnerable banks*; linear permanent impact as in Kyle
        (1985).

    Args:
        depth_cash: Volume that would take the price to zero, in cash units, positive.
    """

    def __init__(self, depth_cash: float) -> None:
        self._depth = _positive(depth_cash, "depth")

    def fraction(self, volume_cash: float) -> float:
        """1 - x/depth."""
        return max(0.0, 1 - volume_cash / self._depth)

    def proceeds(self, volume_cash: float) -> float:
        """x - x²/(2·depth), up to the depth."""
        x = min(volume_cash, self._depth)
        return x * (1 - x / (2 * self._depth))


class ExponentialImpact(ImpactCurve):
    """exp(-a·x/H), H what the whole system holds.

    Source: Cifuentes, Ferrucci and Shin (2005), *Liquidity risk and contagion*; Gai and Kapadia (2010).

    Args:
        alpha: a: minus the log price change when everything is sold, positive.
        holdings_cash: H, at the initial price in cash units, positive.
    """

    def __init__(self, alpha: float, holdings_cash: float) -> None:
        self._rate = _positive(alpha, "alpha") / _positive(holdings_cash, "holdings")

    def fraction(self, volume_cash: float) -> float:
        """exp(-a·x/H)."""
        return math.exp(-self._rate * volume_cash)

    def proceeds(self, volume_cash: float) -> float:
        """(1 - exp(-a·x/H))·H/a."""
        return -math.expm1(-self._rate * volume_cash) / self._rate


class ContSchaanningImpact(ImpactCurve):
    """B + (1 - B)·exp(-x/δ): a price floor B at which outside buyers step in.

    One sale q at price S changes the price by the factor 1 - Ψ(q), Ψ(q) = (1 - B/S)(1 - exp(-q/δ)).

    Source: Cont and Schaanning (2017), *Fire sales, indirect contagion and systemic stress testing*, section
        3; volumes are at
    initial prices here, so that two sales in a row are one sale of the sum.

    Args:
        floor: B, as a fraction of the initial price, in [0, 1).
        delta_cash: δ, in cash units, positive; slope at the start is (1 - B)/δ.
    """

    def __init__(self, floor: float, delta_cash: float) -> None:
        if not 0 <= floor < 1:
            raise InputError(f"floor is {floor}: expected a fraction from 0 to below 1")
        self._floor = floor
        self._delta = _positive(delta_cash, "delta")

    def fraction(self, volume_cash: float) -> float:
        """B + (1 - B)·exp(-x/δ)."""
        return self._floor + (1 - self._floor) * math.exp(-volume_cash / self._delta)

    def proceeds(self, volume_cash: float) -> float:
        """B·x + (1 - B)·δ·(1 - exp(-x/δ))."""
        return self._floor * volume_cash - (1 - self._floor) * self._delta * math.expm1(-volume_cash / self._delta)


class ParametricMarket:
    """A :class:`SaleMarket` made of curves.

    Args:
        unit_cash: Value of one lot at the initial price, by instrument, in cash units.
        curves: Impact by instrument.
    """

    def __init__(self, unit_cash: Sequence[float], curves: Sequence[ImpactCurve]) -> None:
        if len(unit_cash) != len(curves):
            raise InputError(f"{len(curves)} impact curves for {len(unit_cash)} instruments")
        self._initial = list(unit_cash)
        self._curves = tuple(curves)
        self._sold = [0.0] * len(curves)

    def unit_cash(self, instrument_id: int) -> float:
        """Value of one lot at the present price."""
        fraction = self._curves[instrument_id].fraction(self._sold[instrument_id])
        return self._initial[instrument_id] * fraction

    def quote(self, instrument_id: int, lots: float) -> tuple[float, float]:
        """Proceeds of a sale and the value of one lot after it, without making the sale."""
        before = self._sold[instrument_id]
        after = before + lots * self._initial[instrument_id]
        curve = self._curves[instrument_id]
        return curve.proceeds(after) - curve.proceeds(before), self._initial[instrument_id] * curve.fraction(after)

    def sell(self, instrument_id: int, lots: float) -> float:
        """Execute a sale; returns the proceeds in cash units."""
        proceeds, _ = self.quote(instrument_id, lots)
        self._sold[instrument_id] += lots * self._initial[instrument_id]
        return proceeds


def _positive(value: float, what: str) -> float:
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"{what} is {value}: expected a positive number")
    return value
