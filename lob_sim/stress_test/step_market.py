"""Markets of the classical stress tests that clear in steps: one new price a step, at which everybody settles alike.

Here the outcome does depend on how a sale is cut into steps, as it does in the papers: the impact of a step is a
function of that step's sales and of the price at which it begins.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from lob_sim.errors import InputError


class StepImpact(ABC):
    """The price after a step."""

    @abstractmethod
    def after(self, unit_cash: float, lots: float) -> float:
        """Value of one lot, in cash units, after ``lots`` were sold at one of ``unit_cash``."""


class NoStepImpact(StepImpact):
    """Infinite depth."""

    def after(self, unit_cash: float, lots: float) -> float:
        """What it was."""
        return unit_cash


class LinearStepImpact(StepImpact):
    """P ← P·(1 - ψ·q), not below 0, q the value sold in the step at the price before.

    Source: Greenwood, Landier and Thesmar (2015), *Vulnerable banks*, section 2.

    Args:
        impact: ψ: relative fall of the price per cash unit sold, 0 or more.
    """

    def __init__(self, impact: float) -> None:
        if not (impact >= 0 and math.isfinite(impact)):
            raise InputError(f"impact is {impact}: expected 0 or more")
        self._impact = impact

    def after(self, unit_cash: float, lots: float) -> float:
        """P·(1 - ψ·lots·P)."""
        return unit_cash * max(0.0, 1 - self._impact * lots * unit_cash)


class ShareSoldImpact(StepImpact):
    """P ← P·exp(-β·f), f the share of the system's holdings that is sold in the step.

    Source: Cifuentes, Ferrucci and Shin (2005), *Liquidity risk and contagion*, section 2.

    Args:
        beta: β: minus the log price change when everything is sold in a step, 0 or more.
        holdings_lots: What the system holds at the opening, in lots, positive.
    """

    def __init__(self, beta: float, holdings_lots: float) -> None:
        if not (beta >= 0 and math.isfinite(beta) and holdings_lots > 0):
            raise InputError(f"beta is {beta}, holdings are {holdings_lots}: expected 0 or more, and more than 0")
        self._rate = beta / holdings_lots

    @staticmethod
    def beta(fall: float, share: float) -> float:
        """β that makes the price fall by a fraction ``fall`` when a ``share`` is sold: -ln(1 - fall)/share."""
        if not (0 <= fall < 1 and share > 0):
            raise InputError(f"a fall of {fall} for a share of {share}: expected a fall from 0 to below 1")
        return -math.log1p(-fall) / share

    def after(self, unit_cash: float, lots: float) -> float:
        """P·exp(-β·lots/holdings)."""
        return unit_cash * math.exp(-self._rate * lots)


class PsiImpact(StepImpact):
    """P ← P·(1 - Ψ(q)), Ψ(q) = (1 - B/P)(1 - exp(-q/δ)), q the value sold in the step at the price before.

    Source: Cont and Schaanning (2017), *Fire sales, indirect contagion and systemic stress testing*, section 3.2.

    Args:
        floor_unit_cash: B: value of one lot at which outside buyers take any amount, 0 or more, in cash units.
        delta_cash: δ: depth, in cash units, positive.
    """

    def __init__(self, floor_unit_cash: float, delta_cash: float) -> None:
        if not (floor_unit_cash >= 0 and math.isfinite(floor_unit_cash) and delta_cash > 0):
            raise InputError(f"floor is {floor_unit_cash}, delta {delta_cash}: expected 0 or more, and more than 0")
        self._floor = floor_unit_cash
        self._delta = delta_cash

    def after(self, unit_cash: float, lots: float) -> float:
        """B + (P - B)·exp(-q/δ); a price below the floor stays."""
        if unit_cash <= self._floor:
            return unit_cash
        return self._floor + (unit_cash - self._floor) * math.exp(-lots * unit_cash / self._delta)


class StepMarket:
    """A :class:`lob_sim.stress_test.impact.SaleMarket` in which a sale is a step and everybody in it gets one price.

    Args:
        unit_cash: Value of one lot at the opening, by instrument, in cash units.
        impacts: What a step does to it, by instrument.
        settlement: Where between the price before (0) and after (1) the step sales settle. Halfway is the
            implementation shortfall of Cont and Schaanning (2017); at 1 who sells loses what who holds loses.
    """

    def __init__(self, unit_cash: Sequence[float], impacts: Sequence[StepImpact], settlement: float = 0.5) -> None:
        if len(unit_cash) != len(impacts):
            raise InputError(f"{len(impacts)} impacts for {len(unit_cash)} instruments")
        if not 0 <= settlement <= 1:
            raise InputError(f"settlement is {settlement}: expected a fraction from 0 to 1")
        self._units = list(unit_cash)
        self._impacts = tuple(impacts)
        self._settlement = settlement

    def unit_cash(self, instrument_id: int) -> float:
        """Value of one lot at the present price."""
        return self._units[instrument_id]

    def sell(self, instrument_id: int, lots: float) -> float:
        """Sell everything that is for sale in this step; returns the proceeds in cash units."""
        before = self._units[instrument_id]
        after = self._impacts[instrument_id].after(before, lots)
        self._units[instrument_id] = after
        return lots * (before + self._settlement * (after - before))
