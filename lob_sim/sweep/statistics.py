"""What to make of many runs: paired differences, factorial contrasts, Shapley values, intervals, indices.

Everything here works on the samples of a metric over seeds. Because all points share their seeds, a
contrast is formed seed by seed first, and the interval is of the contrast: the noise that the points have in
common never enters it::

    points = coalition_points({"balance": {"slr.on": False}, "information": {"retreat.on": False}})
    frame = run_many(task, list(points.values()), seeds=200)
    values = coalition_values(frame, "overshoot", list(points))
    interaction = bootstrap(contrasts(values)[frozenset({"balance", "information"})])
    shares = {name: bootstrap(per_seed) for name, per_seed in shapley(values).items()}
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, SupportsIndex, TypeAlias

import msgspec
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.sweep.design import Axis, Point
from lob_sim.sweep.task import Value

Floats: TypeAlias = NDArray[np.float64]
Coalition: TypeAlias = frozenset[str]
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
    x = np.asarray(sample, dtype=np.float64)
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
        InputError: No such column, no such point, several points, or no run that succeeded.
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
    return rows.set_index("seed")[metric].dropna()


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
            mean of the others would be of those runs in which there was something to measure.
    """
    if metric not in frame.columns:
        raise InputError(f"there is no column {metric!r}{did_you_mean(metric, list(frame.columns))}", "results")
    done = frame[frame["status"] == "ok"]
    whole = np.isfinite(done[metric].to_numpy(dtype=np.float64))
    missing = sorted((set(frame["point"]) - set(done["point"])) | set(done["point"][~whole]))
    if missing:
        raise InputError(f"points {missing[:5]} have no successful run with {metric}, or one without", "results")
    return done.groupby("point")[metric].mean().to_numpy(dtype=np.float64)


# --- factorial contrasts and Shapley values ----------------------------------------------------------------


def all_coalitions(players: Iterable[str]) -> list[Coalition]:
    """All subsets, smallest first, in the order of the players."""
    names = list(players)
    return [frozenset(c) for size in range(len(names) + 1) for c in itertools.combinations(names, size)]


def coalition_points(
    off: Mapping[str, Mapping[str, Value]],
    coalitions: Iterable[Coalition] | None = None,
    fixed: Mapping[str, Value] | None = None,
) -> dict[Coalition, Point]:
    """The point at which exactly the mechanisms of a coalition are on, for each coalition.

    Args:
        off: Mechanism → the overrides that switch it off; on is how the scenario has it.
        coalitions: Which; by default all 2**k.
        fixed: Overrides of every point.
    """
    wanted = all_coalitions(off) if coalitions is None else list(coalitions)
    return {
        coalition: {
            **(fixed or {}),
            **{path: value for name in off if name not in coalition for path, value in off[name].items()},
        }
        for coalition in wanted
    }


def coalition_values(frame: pd.DataFrame, metric: str, coalitions: Sequence[Coalition]) -> dict[Coalition, Floats]:
    """A metric's samples for each coalition, aligned by seed.

    Args:
        frame: Rows of :func:`lob_sim.sweep.run_many` over the coalitions' points, in this order.
        metric: Column.
        coalitions: Coalition of point 0, 1, …

    Returns:
        Arrays of one length: the seeds for which every coalition's run succeeded, in increasing order.

    Raises:
        InputError: As of :func:`samples`; or no seed succeeded everywhere.
    """
    columns = {coalition: samples(frame, metric, i) for i, coalition in enumerate(coalitions)}
    whole = pd.concat(list(columns.values()), axis=1, join="inner").sort_index()
    if whole.empty:
        raise InputError(f"no seed succeeded with {metric} at all {len(coalitions)} points", "results")
    return {c: whole.iloc[:, i].to_numpy(dtype=np.float64) for i, c in enumerate(columns)}


def contrasts(values: Mapping[Coalition, Any]) -> dict[Coalition, Any]:
    """Contrasts of a full two-level factorial, one per non-empty set of factors.

    The contrast of {A} is the effect of switching A on; that of {A, B} is the difference between A's effect
    with B on and with B off (in a 2×2: v(AB) − v(A) − v(B) + v(∅)); and so on; each is the mean over the
    levels of all other factors.

    Args:
        values: Value of every subset of the factors: numbers, or arrays over seeds.

    Raises:
        InputError: A subset is missing.
    """
    players = _players_of(values)
    result: dict[Coalition, Any] = {}
    for chosen in all_coalitions(players)[1:]:
        total: Any = 0
        for coalition in all_coalitions(players):
            sign = -1 if len(chosen - coalition) % 2 else 1
            total = total + sign * values[coalition]
        result[chosen] = total / 2 ** (len(players) - len(chosen))
    return result


def shapley(values: Mapping[Coalition, Any]) -> dict[str, Any]:
    """Exact Shapley values (Shapley 1953): each player's mean marginal contribution over all orders of entry.

    The sums have integer weights and are divided once at the end, so that integers, fractions and equal
    floating-point values keep efficiency, symmetry and the dummy axiom exactly.

    Args:
        values: Value of every subset of the players: numbers, or arrays over seeds.

    Raises:
        InputError: A subset is missing.
    """
    players = _players_of(values)
    n = len(players)
    result: dict[str, Any] = {}
    for player in players:
        total: Any = 0
        for rest in all_coalitions(p for p in players if p != player):
            weight = math.factorial(len(rest)) * math.factorial(n - 1 - len(rest))
            total = total + weight * (values[rest | {player}] - values[rest])
        result[player] = total / math.factorial(n)
    return result


def _players_of(values: Mapping[Coalition, Any]) -> list[str]:
    players = sorted(frozenset().union(*values))
    missing = [sorted(c) for c in all_coalitions(players) if c not in values]
    if missing or not players:
        raise InputError(f"no value for the coalitions {missing[:5]}: expected all 2**{len(players)}", "values")
    return players


class ShapleySample(msgspec.Struct, frozen=True):
    """A Shapley value estimated from sampled orders.

    Attributes:
        value: The estimate; an array over seeds where the values are.
        sampling_se: Standard error, from the choice of orders alone, of the estimate's mean over seeds; NaN
            with fewer than two pairs of orders.
    """

    value: Any
    sampling_se: float


def sampled_orders(players: Sequence[str], pairs: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Random orders of entry, each followed by its reverse: antithetic pairs lower the variance.

    Raises:
        InputError: ``pairs`` is below 1.
    """
    if pairs < 1:
        raise InputError(f"{pairs} pairs of orders: expected 1 or more", "pairs")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    orders: list[tuple[str, ...]] = []
    for _ in range(pairs):
        order = tuple(players[i] for i in rng.permutation(len(players)))
        orders += [order, order[::-1]]
    return orders


def coalitions_of(orders: Iterable[Sequence[str]]) -> list[Coalition]:
    """The coalitions that the orders pass through, each once: all that has to be run."""
    seen = {frozenset(order[:size]): None for order in orders for size in range(len(order) + 1)}
    return list(seen)


def shapley_sampled(values: Mapping[Coalition, Any], orders: Sequence[tuple[str, ...]]) -> dict[str, ShapleySample]:
    """Shapley values from sampled orders (Castro, Gómez and Tejada 2009); efficient for any sample of orders.

    Args:
        values: Value of every coalition of :func:`coalitions_of`.
        orders: As from :func:`sampled_orders`: antithetic pairs side by side.

    Raises:
        InputError: A coalition's value is missing.
    """
    missing = [sorted(c) for c in coalitions_of(orders) if c not in values]
    if missing:
        raise InputError(f"no value for the coalitions {missing[:5]}", "values")
    marginal: dict[str, list[Any]] = {player: [] for player in sorted(orders[0])}
    for order in orders:
        for i, player in enumerate(order):
            marginal[player].append(values[frozenset(order[: i + 1])] - values[frozenset(order[:i])])
    return {player: _shapley_sample(parts) for player, parts in marginal.items()}


def _shapley_sample(parts: Sequence[Any]) -> ShapleySample:
    means = np.array([float(np.mean(part)) for part in parts])
    pair_means = means.reshape(-1, 2).mean(axis=1)
    se = float(pair_means.std(ddof=1) / math.sqrt(len(pair_means))) if len(pair_means) > 1 else math.nan
    return ShapleySample(sum(parts) / len(parts), se)


# --- global sensitivity ------------------------------------------------------------------------------------


def sobol_points(axes: Sequence[Axis], n: int, seed: int = 0) -> list[Point]:
    """The design for :func:`sobol_indices`: n·(d + 2) points (Saltelli 2010), through SALib.

    Args:
        axes: Inputs, taken as independent and uniform.
        n: Base sample size, a power of two.
        seed: Of the scrambling.

    Raises:
        InputError: ``n`` is no power of two: the sequence would lose its balance.
    """
    need_extra("sweep", "SALib")
    from SALib.sample import sobol

    if n < 1 or n & (n - 1):
        raise InputError(f"a base sample of {n}: expected a power of two", "n")
    unit = sobol.sample(_problem(axes), n, calc_second_order=False, seed=seed)
    return [{axis.path: axis.at(float(u)) for axis, u in zip(axes, row, strict=True)} for row in unit]


def sobol_indices(axes: Sequence[Axis], outputs: Any, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """First-order and total Sobol indices, through SALib.

    Args:
        axes: As given to :func:`sobol_points`.
        outputs: The model's output at each of its points, in order (:func:`point_means`).
        level: Coverage of the confidence half-widths.
        seed: Of their resampling.

    Returns:
        One row per path: ``S1``, ``S1_conf``, ``ST``, ``ST_conf``; the confidence columns are half-widths.

    Raises:
        InputError: The number of outputs does not fit, or they are all equal (no variance to share out).
    """
    need_extra("sweep", "SALib")
    from SALib.analyze import sobol

    y = np.asarray(outputs, dtype=np.float64)
    if y.size == 0 or y.size % (len(axes) + 2) or not np.isfinite(y).all():
        expected = f"expected a finite one for each of n·{len(axes) + 2} points"
        raise InputError(f"{y.size} outputs: {expected}", "outputs")
    if (y == y[0]).all():
        raise InputError("all outputs are equal: there is no variance to attribute", "outputs")
    # SALib takes a seed of 0 for none.
    found = sobol.analyze(_problem(axes), y, calc_second_order=False, conf_level=level, seed=seed + 1)
    columns = ("S1", "S1_conf", "ST", "ST_conf")
    return pd.DataFrame({name: found[name] for name in columns}, index=[axis.path for axis in axes])


def _problem(axes: Sequence[Axis]) -> dict[str, Any]:
    return {"num_vars": len(axes), "names": [axis.path for axis in axes], "bounds": [[0.0, 1.0]] * len(axes)}
