"""A sweep's page and its figures for a paper, from plain tables, so that whoever has such tables can have them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lob_sim.analysis.metric_names import METRICS, main_metrics, metric_text
from lob_sim.extras import need_extra
from lob_sim.files import safe_names
from lob_sim.report.data.common import table_rows
from lob_sim.report.panels.figure import Cell, Panel
from lob_sim.report.render import page
from lob_sim.report.results_page import NO_TIME
from lob_sim.report.static_style import paper_style, save
from lob_sim.report.sweep_charts import Chart, curve_charts, map_charts, page_figure, paper_chart

PAPER_FORMATS = ("pdf", "svg", "png")
_MOST_POINTS = 400
_MOST_MAPS = 6


class SweepTables(NamedTuple):
    """What is told of a sweep.

    Attributes:
        name: What to call it.
        notes: What was swept, a sentence each.
        names: Axis → what to call it; whole paths that no two of them share a name of.
        summary: A row per point and metric: ``point``, the parameters, ``metric``, ``mean``, ``low``, ``high``, ``n``,
            ``failed``.
        curves: A row per axis, value and metric: ``axis``, ``value``, ``metric``, ``mean``, ``low``, ``high``.
        maps: A row per pair of axes, their values and metric: ``x_axis``, ``y_axis``, ``x``, ``y``, ``metric``,
            ``mean``; empty with a single axis.
        differences: ``lob_sim.sweep.tables.differences``; empty for a sampled design.
        failures: Error messages of failed runs, with their numbers.
        metrics: The metrics that are shown; the best known ones if empty.
        is_sampled: Whether the design is not a grid.
    """

    name: str
    notes: Sequence[str]
    names: dict[str, str]
    summary: pd.DataFrame
    curves: pd.DataFrame
    maps: pd.DataFrame
    differences: pd.DataFrame
    failures: Mapping[str, int]
    metrics: Sequence[str] = ()
    is_sampled: bool = False

    @property
    def shown(self) -> list[str]:
        """The metrics that are shown."""
        return list(self.metrics) or main_metrics(self.summary)


class Cells(NamedTuple):
    """A row of a table of the page: how it begins, and for each column a text, its interval, and whether that leaves
    out 0."""

    heads: list[str]
    cells: list[tuple[str, str, bool]]


def sweep_page(tables: SweepTables) -> str:
    """The page of a sweep: curves and maps of all its metrics, and tables of those that are shown."""
    shown = tables.shown
    others = [metric for metric in tables.summary["metric"].unique() if metric not in shown]
    return page(
        "sweep.html.j2",
        [*_panels(tables, "curve"), *_panels(tables, "map")],
        dict(NO_TIME),
        title=f"Sweep {tables.name}",
        notes=list(tables.notes),
        failures=dict(tables.failures),
        names=[(short, path) for path, short in tables.names.items() if short != path],
        axes=list(tables.names.values()),
        shown=[(metric, metric_text(metric)) for metric in shown],
        others=[(metric, metric_text(metric)) for metric in others],
        points=_points(tables, shown),
        all_points=_points(tables, others),
        n_points=tables.summary["point"].nunique(),
        differences=_differences(tables, shown),
    )


def write_sweep_figures(tables: SweepTables, folder: Path) -> list[Path]:
    """Write a figure of each shown metric along each axis, and over each pair of axes, for a paper: PDF, SVG and PNG.

    Args:
        tables: What is told of the sweep.
        folder: Where they go; it is there.

    Raises:
        OutputError: A file cannot be written.
    """
    need_extra("report", "matplotlib")
    charts = [chart for chart in _charts(tables) if chart.metric in tables.shown]
    files = []
    for name, chart in zip(safe_names([chart.key for chart in charts]), charts, strict=True):
        with paper_style():
            figure = paper_chart(chart)
            for form in PAPER_FORMATS:
                files.append(folder / f"{name}.{form}")
                save(figure, files[-1], form)
    return files


def _charts(tables: SweepTables) -> list[Chart]:
    pairs = list(dict.fromkeys(zip(tables.maps["x_axis"], tables.maps["y_axis"], strict=True)))[:_MOST_MAPS]
    kept = [pair in pairs for pair in zip(tables.maps["x_axis"], tables.maps["y_axis"], strict=True)]
    maps = tables.maps[np.array(kept, dtype=bool)]
    return [*curve_charts(tables.curves, tables.names, tables.is_sampled), *map_charts(maps, tables.names)]


def _panels(tables: SweepTables, kind: str) -> list[Panel]:
    """A panel for each axis, or pair of axes, with a choice of metric."""
    groups: dict[str, list[Chart]] = {}
    for chart in _charts(tables):
        if chart.key.startswith(f"{kind}-"):
            title = f"{chart.x_title} and {chart.y_title}" if chart.z else f"Along {chart.x_title}"
            groups.setdefault(title, []).append(chart)
    texts = {
        "curve": "Means with their 95% intervals over the seeds that have a value at every point of the curve; over "
        "points, where the design is sampled.",
        "map": "Means, at every pair of values, over the seeds that have a value at every point of the map.",
    }
    how = {"curve": "lob_sim.sweep.tables.curves", "map": "lob_sim.sweep.tables.maps"}
    return [
        Panel(
            key=f"{kind}-{k}",
            title=title,
            text=texts[kind],
            how=how[kind],
            choice="metric",
            variants={metric_text(chart.metric): [Cell(page_figure(chart))] for chart in charts},
            first=metric_text(_most_telling(charts)),
            height=320,
        )
        for k, (title, charts) in enumerate(groups.items())
    ]


def _most_telling(charts: Sequence[Chart]) -> str:
    """The metric to show first: of those whose means differ the best known one."""
    varied = [c.metric for c in charts if len({v for v in np.ravel(c.z if c.z else c.y) if v == v}) > 1]
    order = list(METRICS)
    names = varied or [chart.metric for chart in charts]
    return min(names, key=lambda name: order.index(name) if name in order else len(order))


def _points(tables: SweepTables, metrics: Sequence[str]) -> list[Cells]:
    """A row per point: its parameters, and a mean with its interval for each metric."""
    rows = []
    for k, (_, own) in enumerate(tables.summary.groupby("point", sort=False)):
        if k == _MOST_POINTS:
            break
        by_metric = {row.metric: row for row in table_rows(own)}
        first = own.iloc[0]
        heads = [_cell(first[path]) for path in tables.names]
        cells = [(_cell(float(by_metric[m].mean)), _ends(by_metric[m].low, by_metric[m].high), False) for m in metrics]
        counts = [(str(own["n"].max()), "", False), (str(first["failed"]), "", first["failed"] > 0)]
        rows.append(Cells(heads, [*cells, *counts]))
    return rows


def _differences(tables: SweepTables, metrics: Sequence[str]) -> list[Cells]:
    """A row per axis and value: what it adds to the first value of the axis, for each metric."""
    rows = []
    for (axis, value, against), own in tables.differences.groupby(["axis", "value", "against"], sort=False):
        by_metric = {row.metric: row for row in table_rows(own)}
        cells = []
        for metric in metrics:
            row = by_metric.get(metric)
            if row is None:
                cells.append(("–", "", False))
                continue
            clear = bool(row.low > 0 or row.high < 0)
            added = "–" if np.isnan(row.difference) else f"{row.difference:+.4g}".replace("-", "−")
            cells.append((added, _ends(row.low, row.high), clear))
        name = tables.names.get(str(axis), str(axis))
        rows.append(Cells([name, f"{_cell(value)} less {_cell(against)}", str(own["n"].max())], cells))
    return rows


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.4g}".replace("-", "−")
    return str(value)


def _ends(low: float, high: float) -> str:
    return "" if np.isnan(low) else f"{low:.3g} to {high:.3g}".replace("-", "−")
