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
