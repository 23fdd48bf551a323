"""What is told of a sweep, as plain tables: means with intervals, along each axis, and over pairs of axes.

In a grid a curve's value is the mean over seeds, after averaging over the other axes seed by seed, and the
interval is over seeds. In a sampled design (``sobol``, ``lhs``) the axis is cut into bins of equally many
points, and the interval is over the points of a bin: it holds what the other parameters do.

Runs that failed, or have no value of a metric, would let values of an axis differ by what they are averaged over. So
what is compared in a grid is averaged over the same points of the other axes, and over those seeds alone that have a
value at all of them; where a point that is averaged over has no value with any seed, there is no mean.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Bools, Ints
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.sweep.folder import Sweep
from lob_sim.sweep.statistics import Estimate, bootstrap, numbers, once_each_at_points

_BINS = 8
_NOTHING = Estimate(np.nan, np.nan, np.nan, 0, 0.95)


def summarise(frame: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Means with intervals over seeds.

    Args:
        frame: Rows of a sweep.
        metrics: Which metrics; by default all.

    Returns:
        One row per point and metric: ``point``, the parameters, ``metric``, ``mean``, ``low``, ``high``
        (95 %, over seeds), ``n`` (runs with a value) and ``failed`` (failed runs of the point).

    Raises:
        InputError: A metric that the sweep does not have, or a seed twice at a point.
    """
    once_each_at_points(frame)
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
                mean = _NOTHING
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
    """The runs that succeeded; what is infinite (a market that did not recover) has no mean, and counts as missing.

    Raises:
        InputError: A seed twice at a point.
    """
    once_each_at_points(frame)
    done = frame[frame["status"] == "ok"]
    return done.assign(**{metric: done[metric].replace([np.inf, -np.inf], np.nan) for metric in metrics})


def _along(frame: pd.DataFrame, axis: str) -> list[tuple[Any, pd.DataFrame]]:
    """Rows by the value of a sampled axis; of many numbers, by bins of equally many points."""
    values = frame[axis]
    numeric = pd.api.types.is_numeric_dtype(values)
    if not numeric or values.nunique() <= _BINS:
        return [(_plain(value), group) for value, group in frame.groupby(axis)]
    bins = pd.qcut(values, _BINS, duplicates="drop")
    return [(float(group[axis].mean()), group) for _, group in frame.groupby(bins, observed=True)]


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


class _Cells(NamedTuple):
    """Which runs have a value of a metric, by value of what is compared and by cell: a point of the other axes.

    Attributes:
        values: The values compared, in order.
        value: Of each row of the frame, the number of its value.
        cell: The number of its cell.
        seed: The number of its seed.
        known: Whether there is a value; shape (seeds, values, cells).
    """

    values: list[Any]
    value: Ints
    cell: Ints
    seed: Ints
    known: Bools

    @property
    def counted(self) -> Bools:
        """The cells that are averaged over; one that is empty at every value compared is left out for all of them."""
        found: Bools = self.known.sum(axis=(0, 1)) > 0
        return found

    @property
    def is_whole(self) -> Bools:
        """Whether each value has some run in all of those cells."""
        some: Bools = self.known.sum(axis=0)[:, self.counted] > 0
        whole: Bools = some.sum(axis=1) == self.counted.sum()
        return whole

    def rows(self, values: Sequence[int]) -> Bools:
        """The rows of the frame that a comparison of these values rests on: of seeds that are in all their cells."""
        counted = self.counted
        there = self.known[:, list(values)][:, :, counted]
        shared: Bools = there.sum(axis=(1, 2)) == len(values) * counted.sum()
        return shared[self.seed] & counted[self.cell] & np.isin(self.value, list(values))


def _cells(frame: pd.DataFrame, metric: str, along: Sequence[str], axes: Sequence[str]) -> _Cells:
    once_each_at_points(frame)
    others = [path for path in dict.fromkeys([*frame.attrs.get("parameters", ()), *axes]) if path not in along]
    points = frame.drop_duplicates("point").sort_values("point")
    # Should the other axes not tell two points apart, their order does.
    points = points.assign(_rank=points.groupby([*along, *others], dropna=False).cumcount())
    number = dict(zip(points["point"], points.groupby([*others, "_rank"], dropna=False).ngroup(), strict=True))
    groups = frame.groupby(list(along), sort=True)
    seeds = frame.groupby("seed")
    value, seed = (np.asarray(of.ngroup(), dtype=np.int64) for of in (groups, seeds))
    cell = np.asarray(frame["point"].map(number), dtype=np.int64)
    known = np.zeros((seeds.ngroups, groups.ngroups, max(number.values(), default=-1) + 1), dtype=np.bool_)
    here = (frame["status"] == "ok").to_numpy() & np.isfinite(numbers(frame[metric], f"metric {metric!r}"))
    known[seed[here], value[here], cell[here]] = True
    return _Cells(groups.size().index.tolist(), value, cell, seed, known)


def curves(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str], sampled: bool) -> pd.DataFrame:
    """Means of metrics along each axis with 95 % intervals.

    In a grid all values of an axis are averaged over the same points of the other axes and the same seeds: those that
    have a value of the metric at all points of the curve. A value of the axis at which one of those points has no run
    with a value has no mean (NaN), and holds back no other. In a sampled design a point's value is the mean of its
    runs that have one.

    Args:
        frame: Rows of a sweep.
        metrics: Which.
        axes: The parameters that vary.
        sampled: Whether the design is not a grid.

    Returns:
        ``axis``, ``value``, ``metric``, ``mean``, ``low``, ``high``.
    """
    rows = []
    for axis, metric in itertools.product(axes, metrics):
        if sampled:
            done = _finished(frame, [metric])
            means = [
                (value, bootstrap(group.groupby("point")[metric].mean().to_numpy()))
                for value, group in _along(done.dropna(subset=[metric]), axis)
            ]
        else:
            means = _curve(frame, metric, axis, axes)
        rows += [(axis, value, metric, found.value, found.low, found.high) for value, found in means]
    return pd.DataFrame(rows, columns=["axis", "value", "metric", "mean", "low", "high"])


def _curve(frame: pd.DataFrame, metric: str, axis: str, axes: Sequence[str]) -> list[tuple[Any, Estimate]]:
    """The means along an axis of a grid; none where no run has a value."""
    cells = _cells(frame, metric, [axis], axes)
    if not cells.known.any():
        return []
    whole = np.flatnonzero(cells.is_whole)
    rows = cells.rows(whole.tolist())
    found = []
    for k, value in enumerate(cells.values):
        by_seed = frame[rows & (cells.value == k)].groupby("seed")[metric].mean().to_numpy()
        found.append((value, bootstrap(by_seed) if by_seed.size else _NOTHING))
    return found


def maps(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str]) -> pd.DataFrame:
    """Means of metrics at each pair of values of each pair of axes of a grid.

    All pairs are averaged over the same points of the other axes and the same seeds, as along a curve
    (:func:`curves`); a pair at which one of those points has no run with a value has no mean (NaN).

    Returns:
        ``x_axis``, ``y_axis``, ``x``, ``y``, ``metric``, ``mean``.
    """
    rows = []
    for (x_axis, y_axis), metric in itertools.product(itertools.combinations(axes, 2), metrics):
        cells = _cells(frame, metric, [x_axis, y_axis], axes)
        kept = cells.rows(np.flatnonzero(cells.is_whole).tolist())
        means = frame[metric].astype(np.float64).where(kept).groupby(cells.value).mean()
        rows += [(x_axis, y_axis, x, y, metric, means[k]) for k, (x, y) in enumerate(cells.values)]
    return pd.DataFrame(rows, columns=["x_axis", "y_axis", "x", "y", "metric", "mean"])


def differences(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str]) -> pd.DataFrame:
    """What each value of each axis of a grid adds to the first one, under common random numbers.

    Differences are formed seed by seed, after averaging over the other axes; the interval is over seeds: those alone
    that have a value at all points of both values of the axis. Where one of these points has no run with a value there
    is no difference (NaN, of 0 seeds). A value of the axis without any run that has one is not the first.

    Returns:
        ``axis``, ``value``, ``against`` (the first value), ``metric``, ``difference``, ``low``, ``high``, ``n`` seeds.
    """
    rows = []
    for axis, metric in itertools.product(axes, metrics):
        cells = _cells(frame, metric, [axis], axes)
        some = np.flatnonzero(cells.known.any(axis=(0, 2)))
        if not some.size:
            continue
        first = int(some[0])
        for k in [k for k in range(len(cells.values)) if k != first]:
            kept = cells.rows([first, k])
            base, own = (
                frame[kept & (cells.value == of)].groupby("seed")[metric].mean().to_numpy() for of in (first, k)
            )
            found = bootstrap(own - base) if own.size else _NOTHING
            against = cells.values[first]
            rows.append((axis, cells.values[k], against, metric, found.value, found.low, found.high, found.n))
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
    if failed or len(frame) < sweep.total:
        sentences.append(
            "What is compared is averaged over the same points of the other axes and over the seeds that have a value "
            "at all of them; where one of these points has none, there is no mean."
        )
    return sentences
