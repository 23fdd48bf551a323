"""What the page of a sweep shows, as plain tables: means along each axis, and over pairs of axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pandas as pd

from lob_sim.sweep.folder import Sweep
from lob_sim.sweep.report import along, finished
from lob_sim.sweep.statistics import bootstrap

MOST_METRICS = 40
"""Metrics, in order of name, that a page has curves and maps of."""
_RESAMPLES = 1_000


def curves(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str], sampled: bool) -> pd.DataFrame:
    """Means of metrics along each axis with 95% bootstrap intervals.

    In a grid a mean is over seeds, after averaging over the other axes seed by seed. In a sampled design an axis with
    many values is cut into bins of equally many points, and the interval is over the points of a bin.

    Args:
        frame: Rows of a sweep.
        metrics: Which.
        axes: The parameters that vary.
        sampled: Whether the design is not a grid.

    Returns:
        ``axis``, ``value``, ``metric``, ``mean``, ``low``, ``high``.
    """
    done = finished(frame, metrics)
    rows = []
    for axis, metric in itertools.product(axes, metrics):
        for value, group in along(done.dropna(subset=[metric]), axis, sampled):
            found = bootstrap(
                group.groupby("point" if sampled else "seed")[metric].mean().to_numpy(), resamples=_RESAMPLES
            )
            rows.append((axis, value, metric, found.value, found.low, found.high))
    return pd.DataFrame(rows, columns=["axis", "value", "metric", "mean", "low", "high"])


def maps(frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str]) -> pd.DataFrame:
    """Means of metrics at each pair of values of each pair of axes of a grid.

    Returns:
        ``x_axis``, ``y_axis``, ``x``, ``y``, ``metric``, ``mean``.
    """
    done = finished(frame, metrics)
    parts = []
    for (x, y), metric in itertools.product(itertools.combinations(axes, 2), metrics):
        means = done.groupby([x, y])[metric].mean().reset_index()
        means.columns = pd.Index(["x", "y", "mean"])
        parts.append(means.assign(x_axis=x, y_axis=y, metric=metric))
    columns = ["x_axis", "y_axis", "x", "y", "metric", "mean"]
    return pd.concat(parts)[columns] if parts else pd.DataFrame({column: [] for column in columns})


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
