"""Where prices are discovered, and how far opinions and marks are apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lob_sim.analysis.regression import is_of_full_rank, scaled
from lob_sim.analysis.tables import (
    Floats,
    Ints,
    all_finite,
    floats,
    ints,
    require,
    row_at,
    series,
    value_at,
    whole_number,
)
from lob_sim.errors import DataError
from lob_sim.extras import need_extra

if TYPE_CHECKING:
    import pandas as pd

_NOISE = 1e-20
"""Variance, as a share of that of a price's changes, that rounding leaves of an innovation of 0."""


class InformationShare(msgspec.Struct, frozen=True):
    """Hasbrouck's information share of the first of two prices; the second's is what is left to 1.

    Attributes:
        lower: With the second price's innovations put first.
        upper: With the first price's innovations put first.
    """

    lower: float
    upper: float

    @property
    def middle(self) -> float:
        """Middle of the bounds, the customary single figure."""
        return (self.lower + self.upper) / 2


def information_share(first_ticks: Floats, second_ticks: Floats, lags: int = 5) -> InformationShare:
    """Share of the common efficient price's innovation variance that comes from the first price.

    Hasbrouck (1995, J. Finance 50). Two prices of one asset are cointegrated with vector (1, -1), which is
    imposed and not estimated; the error-correction model is fitted by least squares. With g_i the loadings
    on the lagged difference, the common trend weighs the two innovations as (g_2, -g_1) (Gonzalo & Granger
    1995; Baillie et al. 2002, J. Financial Markets 5). Correlated innovations belong to nobody, so that the
    two orders of a Cholesky factor give bounds. Both are NaN where there is no innovation to share: a price that never
    moves, or one that the other's past explains to the last digit; and where the model has no single fit (two prices
    that keep their distance).

    Args:
        first_ticks: First price (say, lit) on a regular grid, shape (T,).
        second_ticks: Second price (say, RFQ) on the same grid.
        lags: Number of lagged changes of both prices in each equation.

    Raises:
        DataError: The series differ in length, are too short or have values that are not finite, or less than 0 lags.
    """
    lags = whole_number("information share", lags, 0, "lags")
    (first_ticks,), (second_ticks,) = (series("information share", prices) for prices in (first_ticks, second_ticks))
    if first_ticks.size != second_ticks.size or first_ticks.size < 10 * (lags + 2):
        raise DataError(f"expected two series of the same length, at least {10 * (lags + 2)}", "information share")
    all_finite("information share", first_ticks, second_ticks)
    prices = np.column_stack([first_ticks, second_ticks])
    changes = np.diff(prices, axis=0)
    if not changes.any(axis=0).all():
        return InformationShare(math.nan, math.nan)
    gap = prices[lags:-1, 0] - prices[lags:-1, 1]
    lagged = [changes[lags - lag : len(changes) - lag] for lag in range(1, lags + 1)]
    regressors, _ = scaled(np.column_stack([gap, *lagged]), has_constant=True)
    if not is_of_full_rank(regressors):
        return InformationShare(math.nan, math.nan)
    need_extra("sweep", "statsmodels")
    import statsmodels.api as sm

    with np.errstate(all="ignore"):
        fits = [sm.OLS(changes[lags:, i], regressors).fit() for i in range(2)]
    covariance = np.cov(np.column_stack([fit.resid for fit in fits]).T)
    # A unit that both loadings share cancels.
    weights = np.array([float(fits[1].params[1]), -float(fits[0].params[1])])
    total = float(weights @ covariance @ weights)
    if total <= 0 or not (np.diagonal(covariance) > _NOISE * (changes**2).mean(axis=0)).all():
        return InformationShare(math.nan, math.nan)
    try:
        upper = float((weights @ np.linalg.cholesky(covariance))[0]) ** 2 / total
        # In the reversed order the second price's innovation takes all that is common.
        swapped = weights[::-1] @ np.linalg.cholesky(covariance[::-1, ::-1])
    except np.linalg.LinAlgError:
        return InformationShare(math.nan, math.nan)
    return InformationShare(lower=float(swapped[1]) ** 2 / total, upper=upper)


def dispersion(records: pd.DataFrame, column: str, grid_ns: Ints) -> Floats:
    """Standard deviation across agents of what each last said, at each time of a grid.

    Dispersion of beliefs with the ``belief`` dataset and ``mean_ticks``, of marks with the ``mark`` dataset
    and ``price_ticks``.

    Args:
        records: ``ts_event_ns``, ``agent_id`` and the column, of one instrument.
        column: What is compared.
        grid_ns: Times.

    Returns:
        Shape of the grid; NaN while fewer than two agents have spoken.
    """
    require(records, ("ts_event_ns", "agent_id", column), f"{column} records")
    paths = [
        value_at(ints(of_agent, "ts_event_ns"), floats(of_agent, column), grid_ns)
        for _, of_agent in records.groupby("agent_id", sort=True)
    ]
    views = np.array(paths).reshape(len(paths), len(grid_ns))
    known = ~np.isnan(views)
    n = known.sum(axis=0)
    enough = np.maximum(n, 1)
    mean = np.where(known, views, 0.0).sum(axis=0) / enough
    squares = np.where(known, (views - mean) ** 2, 0.0).sum(axis=0)
    return np.where(n >= 2, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)


def excess_write_down(marks: pd.DataFrame, fair: pd.DataFrame, grid_ns: Ints) -> Floats:
    """How much less than fair value the agents' long positions are carried at, as a fraction of fair value.

    At each time: the sum over agents of lots times (fair value - mark + prudent adjustment), over the sum of
    lots times fair value; zero when everybody marks at fair value, negative if marks are above it. Short
    positions and agents without a position do not count.

    Args:
        marks: ``mark`` dataset of one instrument: ``ts_event_ns``, ``agent_id``, ``price_ticks``,
            ``adjustment_ticks``, ``lots``.
        fair: ``fair_value`` dataset of that instrument: ``ts_event_ns``, ``value_ticks``.
        grid_ns: Times.

    Returns:
        Shape of the grid; NaN while nobody holds anything or fair value is not known.
    """
    require(marks, ("ts_event_ns", "agent_id", "price_ticks", "adjustment_ticks", "lots"), "marks")
    require(fair, ("ts_event_ns", "value_ticks"), "fair values")
    value = value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), grid_ns)
    short_by, held = np.zeros(len(grid_ns)), np.zeros(len(grid_ns))
    for _, of_agent in marks.groupby("agent_id", sort=True):
        rows = row_at(ints(of_agent, "ts_event_ns"), grid_ns)
        there = np.maximum(rows, 0)
        lots = np.where(rows >= 0, np.maximum(floats(of_agent, "lots")[there], 0.0), 0.0)
        carried = floats(of_agent, "price_ticks")[there] - floats(of_agent, "adjustment_ticks")[there]
        short_by += lots * (value - carried)
        held += lots * value
    return np.where(held > 0, short_by / np.where(held > 0, held, 1.0), np.nan)
