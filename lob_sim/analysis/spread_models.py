"""What a spread is made of, and what trading does to the price, estimated from prices and signs alone."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import statsmodels.api as sm

from lob_sim.analysis.tables import Floats


class Estimate(msgspec.Struct, frozen=True):
    """An estimated number with its standard error and the number of observations."""

    value: float
    se: float
    n: int


def roll_spread(prices_ticks: Floats) -> float:
    """Roll's (1984, J. Finance 39) effective spread, 2 sqrt(-cov(dp_t, dp_{t-1})), in ticks.

    Returns:
        NaN with fewer than three prices, or where the covariance is positive, for which the model has no
        spread.
    """
    changes = np.diff(prices_ticks)
    if changes.size < 2:
        return math.nan
    covariance = float(np.mean((changes[1:] - changes[1:].mean()) * (changes[:-1] - changes[:-1].mean())))
    return 2 * math.sqrt(-covariance) if covariance <= 0 else math.nan


def kyle_lambda(price_changes_ticks: Floats, signed_volume_lots: Floats, lags: int = 0) -> Estimate:
    """Kyle's (1985, Econometrica 53) lambda: ticks by which the price moves with a lot of net order flow.

    The slope of price changes on signed volume, both per interval, by least squares with a constant; standard
    error robust to heteroscedasticity and autocorrelation up to ``lags`` (Newey & West 1987).
    """
    fit = sm.OLS(price_changes_ticks, sm.add_constant(signed_volume_lots)).fit(
        cov_type="HAC", cov_kwds={"maxlags": lags}
    )
    return Estimate(float(fit.params[1]), float(fit.bse[1]), len(price_changes_ticks))


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
        cannot be told apart: their standard error then says so by its size.
    """
    persistence = sm.OLS(signs[1:], signs[:-1]).fit()
    rho = float(persistence.params[0])
    half = signs * spreads_ticks / 2
    regressors = np.column_stack([half[1:-1], half[:-2]])
    fit = sm.OLS(np.diff(mids_ticks)[1:], regressors).fit(cov_type="HC0")
    combined, lagged = (float(b) for b in fit.params)
    adverse = -lagged / rho
    variance = float(fit.bse[1]) ** 2 / rho**2 + lagged**2 * float(persistence.bse[0]) ** 2 / rho**4
    return HuangStoll(
        adverse=adverse,
        inventory=combined - adverse,
        processing=1 - combined,
        reversal=(1 - rho) / 2,
        adverse_se=math.sqrt(variance),
        combined_se=float(fit.bse[0]),
    )
