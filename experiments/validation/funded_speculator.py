"""A speculator at its funding limit and its market, in plain numbers: the formula, and the root that it linearises."""

from __future__ import annotations

import msgspec
import numpy as np
from scipy.optimize import brentq

from experiments.validation import ladder

LINEAR = 0.02
"""How far off the formula, which is of first order, a fall of a ten-thousandth part may be."""


class Case(msgspec.Struct, frozen=True):
    """A speculator and its market.

    Attributes:
        position: x, in lots.
        haircut: Margin at the opening price, as a fraction of it.
        margin_slope: m': change of the margin of a lot, in ticks, for a tick of price.
        exposed: x₀, in lots: the rest is hedged.
        slope: s, lots that customers buy for a tick of fall.
    """

    position: int
    haircut: float
    margin_slope: float
    exposed: int
    slope: int

    @property
    def margin(self) -> float:
        """m, in ticks."""
        return self.haircut * ladder.PRICE

    @property
    def per_move(self) -> float:
        """θ: haircut added for each unit of relative move: m = p·(h + θ·|p/p₀ - 1|) has the slope h - θ at p₀."""
        return self.haircut - self.margin_slope

    @property
    def denominator(self) -> float:
        """(2/γσ²)·m + m'·x - x₀, in lots."""
        return self.slope * self.margin + self.margin_slope * self.position - self.exposed


def fall_along_the_ladder(case: Case, loss: float) -> float:
    """Fall of the price in ticks: the smallest at which the limit holds; that of selling everything if none is."""

    def room(fall: float) -> float:
        sold = case.slope * fall
        own = case.margin * case.position - loss - (case.exposed - sold / 2) * fall
        margin = (ladder.PRICE - fall) * min(1.0, case.haircut + case.per_move * fall / ladder.PRICE)
        return own - margin * (case.position - sold)

    if loss <= 0:
        return 0.0
    deepest = case.position / case.slope
    grid = np.concatenate([[0.0], np.geomspace(deepest * 1e-9, deepest, 4_000)])
    values = np.array([room(x) for x in grid])
    crossing = np.flatnonzero(values >= 0)
    return float(brentq(room, grid[crossing[0] - 1], grid[crossing[0]], xtol=1e-12)) if len(crossing) else deepest


def cases_of(position: int, margin: float, margin_slope: float, slope: int) -> dict[str, Case]:
    """With neither spiral, with each alone, with both."""
    return {
        "no spiral": Case(position, margin, 0.0, 0, slope),
        "loss spiral": Case(position, margin, 0.0, position, slope),
        "margin spiral": Case(position, margin, margin_slope, 0, slope),
        "both spirals": Case(position, margin, margin_slope, position, slope),
    }


def is_linear(case: Case, loss: float) -> bool:
    """Whether the second-order term of the limit, (s/2 - s·m' + θ·x/p₀)·Δ², is small beside the first, D·Δ."""
    curvature = case.slope * (0.5 - case.margin_slope) + case.per_move * case.position / ladder.PRICE
    return curvature * loss / case.denominator**2 < 0.9 * LINEAR
