"""A line with a bend, fitted to what volatility does not explain of illiquidity: for :mod:`.dealer_capacity`."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
import pandas as pd
import statsmodels.api as sm

from lob_sim.analysis.tables import Floats
from lob_sim.experiment import Mean

_FEWEST = 0.01
"""A break leaves at least this share of the windows on either side."""
BREAK_STEP = 0.005
_DRAWS = 200


class Hinge(msgspec.Struct, frozen=True):
    """A line with a bend.

    Attributes:
        constant: Value at utilisation 0.
        slope: Up to the break.
        kink: By how much the slope is larger beyond it.
        at: The break.
    """

    constant: float
    slope: float
    kink: float
    at: float

    @property
    def rise(self) -> float:
        """From the break to full utilisation."""
        return (self.slope + self.kink) * (1 - self.at)

    @property
    def excess(self) -> float:
        """At full utilisation, over the line that goes on as before the break."""
        return self.kink * (1 - self.at)

    def __call__(self, utilisation: Floats) -> Floats:
        """Its values."""
        return self.constant + self.slope * utilisation + self.kink * np.maximum(0.0, utilisation - self.at)


def unexplained(table: pd.DataFrame, measure: str) -> Floats:
    """What a linear regression on volatility leaves of a measure of illiquidity."""
    values, volatility = (table[name].to_numpy(dtype=np.float64) for name in (measure, "volatility"))
    left: Floats = sm.OLS(values, sm.add_constant(volatility)).fit().resid
    return left


def fit_utilisation_hinge(utilisation: Floats, values: Floats, at: float | None = None) -> Hinge:
    """The hinge nearest in least squares; its break is looked for on a grid, unless it is given."""
    low, high = np.quantile(utilisation, [_FEWEST, 1 - _FEWEST])
    places = np.arange(low, high, BREAK_STEP) if at is None else np.array([at])
    # Every break's normal equations at once, from sums over what lies beyond it; about the mean, to lose no digits.
    order, mean = np.argsort(utilisation), float(utilisation.mean())
    u, y, t = utilisation[order] - mean, values[order], places - mean
    n, first, second, lifted, tilted = (
        np.append(np.cumsum(x[::-1])[::-1], 0.0)[np.searchsorted(u, t, side="right")]
        for x in (np.ones_like(u), u, u * u, y, u * y)
    )
    bent, bent_u, bent_bent = first - t * n, second - t * first, second - 2 * t * first + t * t * n
    whole = [np.full_like(t, x) for x in (u.size, u.sum(), u @ u)]
    matrix = np.array([[whole[0], whole[1], bent], [whole[1], whole[2], bent_u], [bent, bent_u, bent_bent]])
    right = np.array([np.full_like(t, y.sum()), np.full_like(t, u @ y), tilted - t * lifted]).T
    found = np.einsum("kij,kj->ki", np.linalg.pinv(np.moveaxis(matrix, 2, 0), hermitian=True), right)
    best = int(np.argmax(np.einsum("ki,ki->k", found, right)))
    constant, slope, kink = (float(x) for x in found[best])
    return Hinge(constant - slope * mean, slope, kink, float(places[best]))


def estimate(table: pd.DataFrame, measure: str, at: float | None = None) -> dict[str, Mean]:
    """Slope up to the break, the break, and what there is beyond it, with standard errors over seeds."""

    def numbers(part: pd.DataFrame) -> Floats:
        hinge = fit_utilisation_hinge(part["utilisation"].to_numpy(dtype=np.float64), unexplained(part, measure), at)
        return np.array([hinge.slope, hinge.at, hinge.kink, hinge.rise, hinge.excess])

    names = ("below", "break", "kink", "rise", "excess")
    return dict(zip(names, _bootstrap(numbers, table), strict=True))


def excess_over_control(limited: pd.DataFrame, unlimited: pd.DataFrame, measure: str) -> Mean:
    """The excess with limits less that without, at one break; both share their seeds, which are drawn together."""

    def numbers(part: pd.DataFrame) -> Floats:
        found, at = [], None
        for limits in (True, False):
            own = part[part["limits"] == limits]
            hinge = fit_utilisation_hinge(own["utilisation"].to_numpy(dtype=np.float64), unexplained(own, measure), at)
            found.append(hinge.excess)
            at = hinge.at
        return np.array([found[0] - found[1]])

    return _bootstrap(numbers, pd.concat([limited.assign(limits=True), unlimited.assign(limits=False)]))[0]


def _bootstrap(numbers: Callable[[pd.DataFrame], Floats], table: pd.DataFrame) -> list[Mean]:
    """Statistics of a table with standard errors by drawing seeds, with all of their windows, with replacement.

    Where the break fits best may jump when a seed is left out, so that a jackknife would be no measure of its error.
    """
    rng = np.random.default_rng(0)
    of_seed = list(table.groupby("seed").indices.values())
    draws = (np.concatenate([of_seed[k] for k in rng.integers(0, len(of_seed), len(of_seed))]) for _ in range(_DRAWS))
    errors = np.std([numbers(table.iloc[rows]) for rows in draws], axis=0, ddof=1)
    return [Mean(float(v), float(e)) for v, e in zip(numbers(table), errors, strict=True)]
