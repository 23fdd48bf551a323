"""A sweep for a terminal and for a paper: a table of means with intervals, curves along axes, maps over pairs of axes.

What the figures show is computed in :mod:`lob_sim.sweep.tables`.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lob_sim.errors import printable
from lob_sim.extras import need_extra
from lob_sim.files import make_folder, own_folder, safe_names, write_file
from lob_sim.sweep.folder import Sweep
from lob_sim.sweep.tables import curves, known_metrics, maps, summarise

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

_MAX_METRICS = 12
_MAX_MAPS = 6
_TABLE_ROWS = 200
_METRIC_COLUMNS = 4


def summary_table(summary: pd.DataFrame, axes: Sequence[str], title: str = "") -> Table:
    """The summary for a terminal, of the first points: a column per metric, or, where there are many, a row."""
    from rich.markup import escape
    from rich.table import Table

    def said(text: str) -> str:
        return escape(printable(text))

    metrics = list(dict.fromkeys(summary["metric"]))
    is_wide = len(metrics) <= _METRIC_COLUMNS
    table = Table(title=said(title) or None, caption="mean and 95 % interval over seeds")
    for name in (*axes, *(metrics if is_wide else ["metric", "mean"]), "n", "failed"):
        table.add_column(said(name), justify="left" if name == "metric" else "right")
    for _, group in itertools.islice(summary.groupby("point"), _TABLE_ROWS):
        first = group.iloc[0]
        at = [_number(first[axis]) for axis in axes]
        ends = [str(group["n"].max()), str(first["failed"])]
        cells = {row["metric"]: _interval_text(row) for _, row in group.iterrows()}
        if is_wide:
            table.add_row(*at, *(cells[metric] for metric in metrics), *ends)
            continue
        for k, metric in enumerate(metrics):
            shown = (
                [*at, said(metric), cells[metric], *ends]
                if k == 0
                else [*[""] * len(at), said(metric), cells[metric], "", ""]
            )
            table.add_row(*shown, end_section=metric == metrics[-1])
    left = summary["point"].nunique() - _TABLE_ROWS
    if left > 0:
        table.caption = f"{table.caption}; {left} more points are in summary.csv"
    return table


def _interval_text(row: Any) -> str:
    if np.isnan(row["low"]):
        return _number(row["mean"])
    return f"{row['mean']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_figures(sweep: Sweep, metrics: Sequence[str] | None = None, out: Path | None = None) -> Path:
    """Write figures (PNG) and ``summary.csv``.

    Args:
        sweep: The sweep; it need not be complete.
        metrics: Which metrics; by default figures of the first 12 in order of name.
        out: Folder to write to; by default ``figures`` in the sweep's own.

    Returns:
        The folder.

    Raises:
        InputError: A metric that the sweep does not have.
        DataError: No run has finished yet.
        OutputError: The folder cannot be written.
    """
    need_extra("report", "matplotlib")
    frame = sweep.frame()
    chosen = known_metrics(frame, metrics)
    figured = chosen if metrics else chosen[:_MAX_METRICS]
    axes = [axis.path for axis in sweep.manifest.design.axes]
    sampled = sweep.manifest.design.kind != "grid"
    folder = make_folder(out or own_folder(sweep.directory, "figures"))
    write_file(folder / "summary.csv", summarise(frame, chosen).to_csv(index=False).encode("utf-8", "backslashreplace"))
    figures = _figures(frame, figured, axes, sampled)
    for name, (_, figure) in zip(safe_names([name for name, _ in figures]), figures, strict=True):
        write_file(folder / f"{name}.png", _png(figure))
    return folder


def _figures(
    frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str], sampled: bool
) -> list[tuple[str, Figure]]:
    varied = [axis for axis in axes if frame[axis].nunique() > 1]
    figures = []
    for metric in metrics:
        if not np.isfinite(frame[metric].astype(float)).any():
            continue  # What no run has a value of has no figure.
        for axis in varied:
            figures.append((f"curve-{metric}-{axis}", curve(frame, metric, axis, sampled)))
        for pair in itertools.islice(itertools.combinations(varied, 2), _MAX_MAPS):
            figures.append(("-".join(("map", metric, *pair)), heat_map(frame, metric, *pair, sampled)))
    return figures


def curve(frame: pd.DataFrame, metric: str, axis: str, sampled: bool) -> Figure:
    """A metric along an axis, with 95 % intervals."""
    found = curves(frame, [metric], [axis], sampled)
    labels = found["value"].tolist()
    figure, plot = _empty_figure(metric, axis)
    numeric = all(isinstance(label, int | float) and not isinstance(label, bool) for label in labels)
    x = labels if numeric else list(range(len(labels)))
    plot.plot(x, found["mean"], "o-", color="#1f4e79", markersize=4)
    if found["low"].notna().any():
        plot.fill_between(x, found["low"], found["high"], color="#1f4e79", alpha=0.2, linewidth=0)
    if not numeric:
        plot.set_xticks(x, [str(label) for label in labels])
    plot.set_ylabel(metric)
    return figure


def heat_map(frame: pd.DataFrame, metric: str, x: str, y: str, sampled: bool) -> Figure:
    """The mean of a metric over two axes: cells of a grid, or the points of a sample."""
    means = maps(frame, [metric], [x, y])
    figure, plot = _empty_figure(metric, x)
    if sampled:
        drawn = plot.scatter(means["x"], means["y"], c=means["mean"], cmap="viridis", s=24)
    else:
        table = means.pivot(index="y", columns="x", values="mean")
        drawn = plot.imshow(table.to_numpy(), origin="lower", aspect="auto", cmap="viridis")
        plot.set_xticks(range(table.shape[1]), [_number(value) for value in table.columns.tolist()])
        plot.set_yticks(range(table.shape[0]), [_number(value) for value in table.index.tolist()])
        plot.grid(False)
    plot.set_ylabel(y)
    figure.colorbar(drawn, ax=plot, label=metric)
    return figure


def _empty_figure(title: str, x_label: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    plot = figure.add_subplot()
    plot.set_title(title)
    plot.set_xlabel(x_label)
    plot.grid(alpha=0.3)
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)
    return figure, plot


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    # Without the date and the version in it, the same sweep gives the same file.
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
