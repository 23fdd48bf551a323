"""A sweep on one page: a table of means with intervals, curves along each axis, maps over pairs of axes.

In a grid a curve's value is the mean over seeds, after averaging over the other axes seed by seed, and the
interval is over seeds. In a sampled design (``sobol``, ``lhs``) the axis is cut into bins of equally many
points, and the interval is over the points of a bin: it holds what the other parameters do.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, OutputError
from lob_sim.sweep.folder import Sweep
from lob_sim.sweep.statistics import Estimate, bootstrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

_RESAMPLES = 1_000
_BINS = 8
_MAX_METRICS = 12
_MAX_MAPS = 6
_TABLE_ROWS = 200
_METRIC_COLUMNS = 4
_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:.2rem .7rem;text-align:right;border-bottom:1px solid #ddd}
.wide{overflow-x:auto}img{max-width:100%;margin:.5rem 0}"""


def summarise(frame: pd.DataFrame, metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Means with bootstrap intervals over seeds.

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
    chosen = _known_metrics(frame, metrics)
    rows = []
    for point, group in frame.groupby("point"):
        failed = int((group["status"] == "failed").sum())
        for metric in chosen:
            values = group[metric].replace([np.inf, -np.inf], np.nan).dropna().to_numpy()
            if values.size:
                mean = bootstrap(values, resamples=_RESAMPLES)
            else:
                mean = Estimate(np.nan, np.nan, np.nan, 0, 0.95)
            parameters = {path: group[path].iloc[0] for path in paths}
            numbers = {"mean": mean.value, "low": mean.low, "high": mean.high, "n": mean.n, "failed": failed}
            rows.append({"point": point, **parameters, "metric": metric, **numbers})
    return pd.DataFrame(rows)


def _known_metrics(frame: pd.DataFrame, metrics: Sequence[str] | None) -> list[str]:
    known = list(frame.attrs["metrics"])
    for name in metrics or ():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise InputError(f"no metric {name!r}{did_you_mean(name, known)}; there are: {listed}", "--metric")
    return list(metrics or known)


def summary_table(summary: pd.DataFrame, axes: Sequence[str], title: str = "") -> Table:
    """The summary for a terminal, of the first points: a column per metric, or, where there are many, a row."""
    from rich.table import Table

    metrics = list(dict.fromkeys(summary["metric"]))
    is_wide = len(metrics) <= _METRIC_COLUMNS
    table = Table(title=title or None, caption="mean and 95 % bootstrap interval over seeds")
    for name in (*axes, *(metrics if is_wide else ["metric", "mean"]), "n", "failed"):
        table.add_column(name, justify="left" if name == "metric" else "right")
    for _, group in itertools.islice(summary.groupby("point"), _TABLE_ROWS):
        first = group.iloc[0]
        at = [_number(first[axis]) for axis in axes]
        ends = [str(group["n"].max()), str(first["failed"])]
        cells = {row["metric"]: _interval_text(row) for _, row in group.iterrows()}
        if is_wide:
            table.add_row(*at, *(cells[metric] for metric in metrics), *ends)
            continue
        for k, metric in enumerate(metrics):
            shown = [*at, metric, cells[metric], *ends] if k == 0 else [*[""] * len(at), metric, cells[metric], "", ""]
            table.add_row(*shown, end_section=metric == metrics[-1])
    left = summary["point"].nunique() - _TABLE_ROWS
    if left > 0:
        table.caption = f"{table.caption}; {left} more points are in the report's summary.csv"
    return table


def _interval_text(row: Any) -> str:
    if np.isnan(row["low"]):
        return _number(row["mean"])
    return f"{row['mean']:.4g} [{row['low']:.4g}, {row['high']:.4g}]"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_report(sweep: Sweep, metrics: Sequence[str] | None = None, out: Path | None = None) -> Path:
    """Write figures (PNG), ``summary.csv`` and one self-contained page.

    Args:
        sweep: The sweep; it need not be complete.
        metrics: Which metrics; by default the first 12 in order of name.
        out: Folder to write to; by default ``report`` in the sweep's own.

    Returns:
        The page.

    Raises:
        InputError: A metric that the sweep does not have.
        DataError: No run has finished yet.
        OutputError: The folder cannot be written.
    """
    frame = sweep.frame()
    chosen = _known_metrics(frame, metrics)
    figured = chosen if metrics else chosen[:_MAX_METRICS]
    axes = [axis.path for axis in sweep.manifest.design.axes]
    sampled = sweep.manifest.design.kind != "grid"
    summary = summarise(frame, chosen)
    folder = out or sweep.directory / "report"
    pictures: list[tuple[str, bytes]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        summary.to_csv(folder / "summary.csv", index=False)
        for name, figure in _figures(frame, figured, axes, sampled):
            picture = _png(figure)
            (folder / f"{name}.png").write_bytes(picture)
            pictures.append((name, picture))
        page = folder / "index.html"
        page.write_text(_page(sweep, frame, summary, axes, pictures), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write the report to {folder}: {error}") from error
    return page


def _figures(
    frame: pd.DataFrame, metrics: Sequence[str], axes: Sequence[str], sampled: bool
) -> list[tuple[str, Figure]]:
    varied = [axis for axis in axes if frame[axis].nunique() > 1]
    figures = []
    for metric in metrics:
        for axis in varied:
            figures.append((_file_name("curve", metric, axis), curve(frame, metric, axis, sampled)))
        for pair in itertools.islice(itertools.combinations(varied, 2), _MAX_MAPS):
            figures.append((_file_name("map", metric, *pair), heat_map(frame, metric, *pair, sampled)))
    return figures


def _file_name(*parts: str) -> str:
    return "-".join("".join(c if c.isalnum() else "_" for c in part) for part in parts)


def curve(frame: pd.DataFrame, metric: str, axis: str, sampled: bool) -> Figure:
    """A metric along an axis, with 95 % bootstrap intervals."""
    ok = finished(frame, [metric]).dropna(subset=[metric])
    labels, estimates = [], []
    for label, group in along(ok, axis, sampled):
        unit = "point" if sampled else "seed"
        labels.append(label)
        estimates.append(bootstrap(group.groupby(unit)[metric].mean().to_numpy(), resamples=_RESAMPLES))
    figure, plot = _empty_figure(metric, axis)
    numeric = all(isinstance(label, int | float) and not isinstance(label, bool) for label in labels)
    x = labels if numeric else list(range(len(labels)))
    plot.plot(x, [e.value for e in estimates], "o-", color="#1f4e79", markersize=4)
    if any(np.isfinite(e.low) for e in estimates):
        low, high = [e.low for e in estimates], [e.high for e in estimates]
        plot.fill_between(x, low, high, color="#1f4e79", alpha=0.2, linewidth=0)
    if not numeric:
        plot.set_xticks(x, [str(label) for label in labels])
    plot.set_ylabel(metric)
    return figure


def finished(frame: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """The runs that succeeded; what is infinite (a market that did not recover) has no mean, and counts as missing."""
    done = frame[frame["status"] == "ok"]
    return done.assign(**{metric: done[metric].replace([np.inf, -np.inf], np.nan) for metric in metrics})


def along(frame: pd.DataFrame, axis: str, sampled: bool) -> list[tuple[Any, pd.DataFrame]]:
    """Rows by the value of an axis; of a sampled axis of many numbers, by bins of equally many points."""
    values = frame[axis]
    numeric = pd.api.types.is_numeric_dtype(values)
    if not sampled or not numeric or values.nunique() <= _BINS:
        return [(_plain(value), group) for value, group in frame.groupby(axis)]
    bins = pd.qcut(values, _BINS, duplicates="drop")
    return [(float(group[axis].mean()), group) for _, group in frame.groupby(bins, observed=True)]


def heat_map(frame: pd.DataFrame, metric: str, x: str, y: str, sampled: bool) -> Figure:
    """The mean of a metric over two axes: cells of a grid, or the points of a sample."""
    means = finished(frame, [metric]).groupby([x, y])[metric].mean()
    figure, plot = _empty_figure(metric, x)
    if sampled:
        at = means.reset_index()
        drawn = plot.scatter(at[x], at[y], c=at[metric], cmap="viridis", s=24)
    else:
        table = means.unstack(x)
        drawn = plot.imshow(table.to_numpy(), origin="lower", aspect="auto", cmap="viridis")
        plot.set_xticks(range(table.shape[1]), [_number(_plain(v)) for v in table.columns])
        plot.set_yticks(range(table.shape[0]), [_number(_plain(v)) for v in table.index])
        plot.grid(False)
    plot.set_ylabel(y)
    figure.colorbar(drawn, ax=plot, label=metric)
    return figure


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


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


def _page(
    sweep: Sweep,
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    axes: Sequence[str],
    pictures: Sequence[tuple[str, bytes]],
) -> str:
    title = f"Sweep {sweep.directory.name}"
    failed = int((frame["status"] == "failed").sum())
    state = f"{len(frame)} of {sweep.total} runs, {failed} failed; {len(sweep.points)} points × "
    state += f"{sweep.manifest.seeds} seeds; design {sweep.manifest.design.kind}; task {sweep.manifest.task}"
    shown = summary[summary["point"] < _TABLE_ROWS]
    columns = ["point", *axes, "metric", "mean", "low", "high", "n", "failed"]
    table = shown[columns].to_html(index=False, border=0, float_format=lambda value: f"{value:.5g}")
    images = "\n".join(
        f'<img alt="{html.escape(name)}" src="data:image/png;base64,{base64.b64encode(data).decode()}">'
        for name, data in pictures
    )
    errors = ""
    if failed:
        counts = frame.loc[frame["status"] == "failed", "error"].value_counts().head(20)
        rows = "".join(f"<li>{n} × <code>{html.escape(str(e))}</code></li>" for e, n in counts.items())
        errors = f"<h2>Failures</h2><ul>{rows}</ul>"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n<h1>{html.escape(title)}</h1>\n<p>{html.escape(state)}</p>\n"
        f"{errors}\n{images}\n<h2>Means with 95 % bootstrap intervals</h2>\n"
        f'<div class="wide">{table}</div>\n</body></html>\n'
    )
