"""What to make of many runs: intervals, and differences seed by seed.

Everything here works on the samples of a metric over seeds. Because all points share their seeds, a
contrast is formed seed by seed first, and the interval is of the contrast: the noise that the points have in
common never enters it.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any, SupportsIndex, TypeAlias

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.sweep.design import once_each
from lob_sim.sweep.task import Value

Floats: TypeAlias = NDArray[np.float64]
_RESAMPLE_BATCH = 500


class Estimate(msgspec.Struct, frozen=True):
    """A statistic with its interval.

    Attributes:
        value: The statistic of the sample.
        low: Lower end of the interval; NaN where the sample gives none that would cover (see :func:`bootstrap`).
        high: Upper end.
        n: Number of observations (seeds, or pairs of runs with the same seed).
        level: Nominal coverage.
    """

    value: float
    low: float
    high: float
    n: int
    level: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


FEWEST_FOR_BCA = 10
"""Observations below which no resampling tells the error of a statistic other than the mean."""


def bootstrap(
    sample: Any,
    statistic: Callable[..., Any] = np.mean,
    *,
    level: float = 0.95,
    resamples: int = 4_000,
    seed: int = 0,
) -> Estimate:
    """Interval of a statistic of independent observations.

    A mean, and with it whatever is linear in the observations (a paired difference, a contrast, a Shapley value, each
    formed seed by seed), has Student's t-interval: it covers normal observations at exactly the nominal rate, of two
    upwards, where resampling would cover 52 % of two and 81 % of four. Skewness takes from its coverage a share that
    falls as 1/n: of 20 exponential observations it covers 92 % at a nominal 95 %.

    Any other statistic has a BCa bootstrap interval (Efron 1987; scipy.stats.bootstrap), whose error also falls as
    1/n but from a worse start: of 20 normal observations it covers the standard deviation in 88 %. It has none below
    ten observations, nor where BCa is undefined (a median that no deletion moves).

    Observations that are all equal have an interval of no width: the sample shows no variation, and how rare a
    different observation may be it cannot tell.

    Args:
        sample: Observations, shape (n,): one per seed.
        statistic: Takes an array and ``axis``.
        level: Nominal coverage.
        resamples: Number of resamples; a mean needs none.
        seed: Of the resampling: the same sample always gives the same interval.

    Returns:
        The statistic with its interval, whose ends are NaN where there is none.

    Raises:
        InputError: The sample is empty, not one-dimensional, or has values that are not finite; the level is not
            between 0 and 1.
    """
    x = numbers(sample, "bootstrap")
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise InputError(f"sample of shape {x.shape}: expected one or more finite observations", "bootstrap")
    if not 0 < level < 1:
        raise InputError(f"level {level}: expected a coverage between 0 and 1", "bootstrap")
    value = float(statistic(x, axis=-1))
    if x.size > 1 and (x == x[0]).all():
        return Estimate(value, value, value, x.size, level)
    low, high = math.nan, math.nan
    if statistic is np.mean and x.size > 1:
        half = t_half_width(float(x.std(ddof=1)) / math.sqrt(x.size), x.size, level)
        low, high = value - half, value + half
    elif statistic is not np.mean and x.size >= FEWEST_FOR_BCA:
        low, high = _bca(x, statistic, level, resamples, seed)
    return Estimate(value, low, high, x.size, level)


def numbers(values: Any, where: str) -> Floats:
    """Values as floats.

    Raises:
        InputError: One is no number.
    """
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("a value is no number: expected numbers", where) from error


def t_half_width(standard_error: float, n: int, level: float = 0.95) -> float:
    """Half of the width of Student's interval, from a standard error estimated from n independent observations."""
    need_extra("sweep", "scipy")
    from scipy.stats import t

    return float(t.ppf((1 + level) / 2, n - 1)) * standard_error


def _bca(x: Floats, statistic: Callable[..., Any], level: float, resamples: int, seed: int) -> tuple[float, float]:
    """Ends of the BCa interval, NaN where it is undefined."""
    from scipy.stats import bootstrap as scipy_bootstrap

    with warnings.catch_warnings():
        # An undefined interval warns and is NaN, which is what is answered.
        warnings.simplefilter("ignore")
        interval = scipy_bootstrap(
            (x,),
            statistic,
            n_resamples=resamples,
            batch=_RESAMPLE_BATCH,
            vectorized=True,
            confidence_level=level,
            method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval
    low, high = float(interval.low), float(interval.high)
    return (low, high) if math.isfinite(low) and math.isfinite(high) else (math.nan, math.nan)


# --- samples of a table of runs ----------------------------------------------------------------------------


def samples(frame: pd.DataFrame, metric: str, point: SupportsIndex | Mapping[str, Value]) -> pd.Series[float]:
    """A metric's values at one point, indexed by seed; failed runs are left out.

    Args:
        frame: Rows of :func:`lob_sim.sweep.run_many`.
        metric: Column.
        point: Index of the point, or parameter values that single it out.

    Raises:
        InputError: No such column, no such point, several points, no run that succeeded, or a seed twice.
    """
    conditions = dict(point) if isinstance(point, Mapping) else {"point": point}
    for name in (metric, *conditions):
        if name not in frame.columns:
            known = [str(column) for column in frame.columns]
            raise InputError(f"there is no column {name!r}{did_you_mean(name, known)}", "results")
    rows = frame[frame["status"] == "ok"]
    for name, wanted in conditions.items():
        rows = rows[rows[name] == wanted]
    if rows["point"].nunique() != 1:
        raise InputError(
            f"{conditions} matches {rows['point'].nunique()} points with finished runs: expected one",
            "results",
        )
    once_each(rows["seed"], "results")
    return rows.set_index("seed")[metric].dropna()


def once_each_at_points(frame: pd.DataFrame) -> None:
    """Check that each seed has one row at each point.

    Raises:
        InputError: A seed twice.
    """
    twice = frame.loc[frame.duplicated(["point", "seed"]), ["point", "seed"]]
    if len(twice):
        point, seed = twice.iloc[0]
        once_each([seed, seed], f"results of point {point}")


def paired_difference(
    frame: pd.DataFrame,
    metric: str,
    treated: SupportsIndex | Mapping[str, Value],
    control: SupportsIndex | Mapping[str, Value],
    statistic: Callable[..., Any] = np.mean,
    level: float = 0.95,
) -> Estimate:
    """Treated minus control under common random numbers: differences seed by seed, then the interval.

    ``n`` is the number of seeds for which both runs succeeded.

    Raises:
        InputError: As of :func:`samples`; or the two points share no seed.
    """
    a, b = samples(frame, metric, treated), samples(frame, metric, control)
    shared = a.index.intersection(b.index)
    return bootstrap((a[shared] - b[shared]).to_numpy(), statistic, level=level)


def point_means(frame: pd.DataFrame, metric: str) -> Floats:
    """Mean of a metric over the successful runs of each point, in the order of points.

    Raises:
        InputError: No such column; a point has no successful run, or one without a finite value of the metric: the
            mean of the others would be of those runs in which there was something to measure. A seed twice.
    """
    if metric not in frame.columns:
        raise InputError(f"there is no column {metric!r}{did_you_mean(metric, list(frame.columns))}", "results")
    done = frame[frame["status"] == "ok"]
    once_each_at_points(done)
    whole = np.isfinite(numbers(done[metric], f"results, column {metric!r}"))
    missing = sorted((set(frame["point"]) - set(done["point"])) | set(done["point"][~whole]))
    if missing:
        raise InputError(f"points {missing[:5]} have no successful run with {metric}, or one without", "results")
    return done.groupby("point")[metric].mean().to_numpy(dtype=np.float64)
