"""What is told of a sweep, as plain tables: means with intervals, along each axis, and over pairs of axes.

In a grid a curve's value is the mean over seeds, after averaging over the other axes seed by seed, and the
interval is over seeds. In a sampled design (``sobol``, ``lhs``) the axis is cut into bins of equally many
points, and the interval is over the points of a bin: it holds what the other parameters do.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.sweep.folder import Sweep
from lob_sim.sweep.statistics import Estimate, bootstrap

_BINS = 8


def summarise(frame: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Means with intervals over seeds.

    Args:
        frame: Rows of a sweep.
        metrics: Which metrics; by default all.

    Returns:
        One row per point and metric: ``point``, the parameters, ``metric``, ``mean``, ``low``, ``high``
        (95 %, over seeds), ``n`` (runs with a value) and ``failed`` (failed runs of the point).

    Raises:
        InputError: A metric that the sweep does not have.
    """
    paths = list(frame.attrs["parameters"])
    chosen = known_metrics(frame, metrics)
    rows = []
    for point, group in frame.groupby("point"):
        failed = int((group["status"] == "failed").sum())
        for metric in chosen:
            values = group[metric].replace([np.inf, -np.inf], np.nan).dropna().to_numpy()
            if values.size:
                mean = bootstrap(values)
            else:
                mean = Estimate(np.nan, np.nan, np.nan, 0, 0.95)
            parameters = {path: group[path].iloc[0] for path in paths}
            numbers = {"mean": mean.value, "low": mean.low, "high": mean.high, "n": mean.n, "failed": failed}
            rows.append({"point": point, **parameters, "metric": metric, **numbers})
    # Where every run has failed there is no metric, and no row.
    return pd.DataFrame(rows, columns=["point", *paths, "metric", "mean", "low", "high", "n", "failed"])


def known_metrics(frame: pd.DataFrame, metrics: Sequence[str] | None) -> list[str]:
    """The metrics asked for, or all.

    Raises:
        InputError: One that the sweep does not have; suggests the nearest.
    """
    known = list(frame.attrs["metrics"])
    for name in metrics or ():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise InputError(f"no metric {name!r}{did_you_mean(name, known)}; there are: {listed}", "--metric")
    return list(metrics or known)


def _finished(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The runs that succeeded; what is infinite (a market that did not recover) has no mean, and counts as missing."""
    done = frame[frame["status"] == "ok"]
    return done.assign(**{metric: done[metric].replace([np.inf, -np.inf], np.nan) for metric in metrics})


def _along(frame: pd.DataFrame, axis: str, sampled: bool) -> list[tuple[Any, pd.DataFrame]]:
    """Rows by the value of an axis; of a sampled axis of many numbers, by bins of equally many points."""
    values = frame[axis]
    numeric = pd.api.types.is_numeric_dtype(values)
    if not sampled or not numeric or values.nunique() <= _BINS:
        return [(_plain(value), group) for value, group in frame.groupby(axis)]
    bins = pd.qcut(values, _BINS, duplicates="drop")
    return [(float(group[axis].mean()), group) for _, group in frame.groupby(bins, observed=True)]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def curves(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str], sampled: bool) -> pd.DataFrame:
    """Means of metrics along each axis with 95 % intervals.

    Args:
        frame: Rows of a sweep.
        metrics: Which.
        axes: The parameters that vary.
        sampled: Whether the design is not a grid.

    Returns:
        ``axis``, ``value``, ``metric``, ``mean``, ``low``, ``high``.
    """
    done = _finished(frame, metrics)
    rows = []
    for axis, metric in itertools.product(axes, metrics):
        for value, group in _along(done.dropna(subset=[metric]), axis, sampled):
            found = bootstrap(group.groupby("point" if sampled else "seed")[metric].mean().to_numpy())
            rows.append((axis, value, metric, found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["axis", "value", "metric", "mean", "low", "high"])


def maps(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str]) -> pd.DataFrame:
    """Means of metrics at each pair of values of each pair of axes of a grid.

    Returns:
        ``x_axis``, ``y_axis``, ``x``, ``y``, ``metric``, ``mean``.
    """
    done = _finished(frame, metrics)
    parts = []
    for (x, y), metric in itertools.product(itertools.combinations(axes, 2), metrics):
        means = done.groupby([x, y])[metric].mean().reset_index()
        means.columns = pd.Index(["x", "y", "mean"])
        parts.append(means.assign(x_axis=x, y_axis=y, metric=metric))
    columns = ["x_axis", "y_axis", "x", "y", "metric", "mean"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame({column: [] for column in columns})


def differences(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str]) -> pd.DataFrame:
    """What each value of each axis of a grid adds to the first one, under common random numbers.

    Differences are formed seed by seed, after averaging over the other axes; the interval is over seeds. Seeds of which
    a run has no value at either are left out.

    Returns:
        ``axis``, ``value``, ``against`` (the first value), ``metric``, ``difference``, ``low``, ``high``, ``n`` seeds.
    """
    done = _finished(frame, metrics)
    rows = []
    for axis, metric in itertools.product(axes, metrics):
        means = {
            value: group.groupby("seed")[metric].mean()
            for value, group in _along(done.dropna(subset=[metric]), axis, sampled=False)
        }
        if not means:
            continue
        against, base = next(iter(means.items()))
        for value, own in list(means.items())[1:]:
            pairs = (own - base).dropna().to_numpy()
            found = bootstrap(pairs) if pairs.size else Estimate(np.nan, np.nan, np.nan, 0, 0.95)
            rows.append((axis, value, against, metric, found.value, found.low, found.high, found.n))
    return pd.DataFrame(rows, columns=["axis", "value", "against", "metric", "difference", "low", "high", "n"])


_CONTAINERS = frozenset({"agents", "instruments", "params", "balance_sheet", "policy"})


def short_paths(paths: Sequence[str]) -> dict[str, str]:
    """Paths of a scenario as short as they can be while no two are alike: ``agents.dealer.count`` is ``dealer.count``.

    The words that only say where a member is found are left out, and of the others as many of the last ones kept as it
    takes, two at least; where that does not tell two paths apart they stay whole.
    """
    words = {path: [word for word in path.split(".") if word not in _CONTAINERS] or [path] for path in paths}
    short = {}
    for path, own in words.items():
        others = [other for key, other in words.items() if key != path]
        lengths = range(min(2, len(own)), len(own) + 1)
        distinct = (n for n in lengths if all(own[-n:] != other[-n:] for other in others))
        n = next(distinct, 0)
        short[path] = ".".join(own[-n:]) if n else path
    # A shortened path may be another's whole one.
    return short if len(set(short.values())) == len(short) else {path: path for path in paths}


def notes(sweep: Sweep, frame: pd.DataFrame) -> list[str]:
    """What was swept, and how far it is, in sentences."""
    manifest = sweep.manifest
    failed = int((frame["status"] == "failed").sum())
    sentences = [
        f"{len(frame)} of {sweep.total} runs are there, {failed} failed: {len(sweep.points)} points with "
        f"{manifest.seeds} seeds each, design {manifest.design.kind}, task {manifest.task}.",
    ]
    if len(frame) < sweep.total:
        sentences.append("The sweep is not complete: the page shows what there is.")
    return sentences
