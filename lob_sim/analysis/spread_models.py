"""What a spread is made of, and what trading does to the price, estimated from prices and signs alone."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from lob_sim.analysis.regression import is_of_full_rank, scaled
from lob_sim.analysis.tables import Floats, all_finite, series, whole_number
from lob_sim.errors import DataError
from lob_sim.extras import need_extra


class SlopeEstimate(msgspec.Struct, frozen=True):
    """An estimated number with its standard error and the number of observations."""

    value: float
    se: float
    n: int


def roll_spread(prices_ticks: Floats) -> float:
    """Roll's (1984, J. Finance 39) effective spread, 2 sqrt(-cov(dp_t, dp_{t-1})), in ticks.

    Returns:
        NaN with fewer than four prices (a single pair of changes has no covariance), where one is missing or not
        finite, or where the covariance is positive, for which the model has no spread.

    Raises:
        DataError: The prices are no series of numbers.
    """
    (prices_ticks,) = series("Roll's spread", prices_ticks)
    if len(prices_ticks) < _FEWEST_PRICES or not (np.abs(prices_ticks) < _LARGEST).all():
        return math.nan
    changes = np.diff(prices_ticks)
    covariance = float(np.mean((changes[1:] - changes[1:].mean()) * (changes[:-1] - changes[:-1].mean())))
    return 2 * math.sqrt(max(0.0, -covariance)) if covariance <= 0 else math.nan


def kyle_lambda(price_changes_ticks: Floats, signed_volume_lots: Floats, lags: int = 0) -> SlopeEstimate:
    """Kyle's (1985, Econometrica 53) lambda: ticks by which the price moves with a lot of net order flow.

    The slope of price changes on signed volume, both per interval, by least squares with a constant; standard
    error robust to heteroscedasticity and autocorrelation up to ``lags`` (Newey & West 1987).

    Returns:
        NaN, and its standard error too, with fewer than three intervals, or where all have the same flow.

    Raises:
        DataError: The series differ in length or have values that are not finite; not 0 to n − 1 lags.
    """
    changes, flow = series("Kyle's lambda", price_changes_ticks, signed_volume_lots)
    all_finite("Kyle's lambda", changes, flow)
    n, lags = flow.size, whole_number("Kyle's lambda", lags, 0, "lags")
    if n and lags >= n:
        raise DataError(f"{lags} lags of {n} intervals: expected 0 to n - 1", "Kyle's lambda")
    if n < 3:
        return SlopeEstimate(math.nan, math.nan, n)
    regressors, (unit,) = scaled(flow[:, None], has_constant=True)
    if not is_of_full_rank(regressors):
        return SlopeEstimate(math.nan, math.nan, n)
    need_extra("sweep", "statsmodels")
    import statsmodels.api as sm

    with np.errstate(all="ignore"):  # What cannot be computed is NaN.
        fit = sm.OLS(changes - changes[0], regressors).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
        return SlopeEstimate(float(fit.params[1] / unit), float(fit.bse[1] / unit), n)


_LARGEST = 1e100
"""Prices whose squares are still numbers."""
_FEWEST_PRICES = 4
_FEWEST_TRADES = 4
_NO_CORRELATION = 1e-12
"""What rounding leaves of a correlation of signs that is 0."""


class HuangStoll(msgspec.Struct, frozen=True):
    """Shares of the spread, which add up to 1.

    Attributes:
        adverse: Adverse-selection share.
        inventory: Inventory share.
        processing: Order-processing share.
        reversal: Probability that a trade is on the other side from the one before it.
        adverse_se: Standard error of ``adverse``.
        combined_se: Standard error of ``adverse + inventory``.
    """

    adverse: float
    inventory: float
    processing: float
    reversal: float
    adverse_se: float
    combined_se: float


def huang_stoll(mids_ticks: Floats, signs: Floats, spreads_ticks: Floats) -> HuangStoll:
    """The three-way decomposition of Huang & Stoll (1997, Review of Financial Studies 10, equations 19 and
    20).

    Trade signs reverse with probability pi, so ``E[Q_{t-1} | Q_{t-2}] = (1 - 2 pi) Q_{t-2}``, and the mid
    moves by

        dM_t = (alpha + beta) S_{t-1}/2 Q_{t-1} - alpha (1 - 2 pi) S_{t-2}/2 Q_{t-2} + e_t

    with alpha the adverse-selection and beta the inventory share. Both equations by least squares (exactly
    identified, as in the source's GMM); the standard error of alpha by the delta method.

    Args:
        mids_ticks: Mid just before each trade.
        signs: +1 for an aggressive buy, -1 for a sell.
        spreads_ticks: Quoted spread just before each trade.

    Returns:
        Shares. Where signs do not depend on each other (pi of one half) adverse selection and inventory
        cannot be told apart: their standard error then says so by its size, and they are NaN where signs have exactly
        no correlation. All is NaN with fewer than four trades, or where the signed spread before a trade and before
        the one before it are one series.

    Raises:
        DataError: The series differ in length, have values that are not finite, or signs that are neither +1 nor -1.
    """
    mids_ticks, signs, spreads_ticks = series("Huang and Stoll", mids_ticks, signs, spreads_ticks)
    all_finite("Huang and Stoll", mids_ticks, signs, spreads_ticks)
    if not (np.abs(signs) == 1).all():
        raise DataError("expected signs of +1 and -1", "Huang and Stoll")
    if len(signs) < _FEWEST_TRADES:
        return HuangStoll(*[math.nan] * 6)
    need_extra("sweep", "statsmodels")
    import statsmodels.api as sm

    persistence = sm.OLS(signs[1:], signs[:-1]).fit()
    rho = float(persistence.params[0])
    half = signs * spreads_ticks / 2
    regressors, units = scaled(np.column_stack([half[1:-1], half[:-2]]), has_constant=False)
    if not is_of_full_rank(regressors):
        return HuangStoll(math.nan, math.nan, math.nan, (1 - rho) / 2, math.nan, math.nan)
    fit = sm.OLS(np.diff(mids_ticks)[1:], regressors).fit(cov_type="HC0")
    combined, lagged = (float(b) for b in fit.params / units)
    combined_se, lagged_se = (float(se) for se in fit.bse / units)
    if abs(rho) < _NO_CORRELATION:
        return HuangStoll(math.nan, math.nan, 1 - combined, (1 - rho) / 2, math.nan, combined_se)
    adverse = -lagged / rho
    variance = lagged_se**2 / rho**2 + lagged**2 * float(persistence.bse[0]) ** 2 / rho**4
    return HuangStoll(
        adverse=adverse,
        inventory=combined - adverse,
        processing=1 - combined,
        reversal=(1 - rho) / 2,
        adverse_se=math.sqrt(variance),
        combined_se=combined_se,
    )
