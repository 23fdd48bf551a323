"""Figures of a sweep: one description of each, drawn for the page and for a paper.

A level of an axis is a point with its interval, because nothing was run between two of them; of a sampled design, whose
bins follow each other, the points are a line with a band. Both are told apart in grey.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lob_sim.analysis.metric_names import metric_text
from lob_sim.report.panels.figure import Figure, Trace, compact, label
from lob_sim.report.static_style import BLACK, COLUMN_IN, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure as PaperFigure

_TITLE_CHARACTERS = 40
_BAND = "#C8C8C8"
_MOST_WRITTEN = 36
"""Cells of a map up to which each has its number."""


class Chart(NamedTuple):
    """One figure, whoever draws it.

    Attributes:
        key: ``curve-METRIC-AXIS`` or ``map-METRIC-X-Y``: the name of its file.
        metric: The metric.
        x_title: What is along the horizontal axis.
        y_title: What is along the vertical axis.
        x: Its values, or their names where not all are numbers.
        y: Means; of a map, the values or names of the second axis.
        low: Lower ends of the intervals, NaN where there is none; empty for a map.
        high: Upper ends.
        z: Means of a map, a row for each of ``y``; empty for a curve.
        is_sampled: Whether the points of a curve are bins of a continuum.
    """

    key: str
    metric: str
    x_title: str
    y_title: str
    x: list[Any]
    y: list[Any]
    low: list[float]
    high: list[float]
    z: list[list[float]]
    is_sampled: bool = False


def curve_charts(curves: pd.DataFrame, names: dict[str, str], is_sampled: bool) -> Iterator[Chart]:
    """A chart for each axis and metric of ``lob_sim.sweep.tables.curves`` that some run has a value of.

    Args:
        curves: ``axis``, ``value``, ``metric``, ``mean``, ``low``, ``high``.
        names: Axis → what to call it.
        is_sampled: Whether the design is not a grid.
    """
    for (axis, metric), own in curves.groupby(["axis", "metric"], sort=False):
        own = own[own["mean"].notna()]
        if own.empty:
            continue
        numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in own["value"])
        x = list(own["value"]) if numeric else [str(v) for v in own["value"]]
        means, low, high = (own[column].astype(float).tolist() for column in ("mean", "low", "high"))
        key, what = f"curve-{metric}-{axis}", metric_text(str(metric))
        axis_name = names.get(str(axis), str(axis))
        yield Chart(key, str(metric), axis_name, what, x, means, low, high, [], is_sampled and numeric)


def map_charts(maps: pd.DataFrame, names: dict[str, str]) -> Iterator[Chart]:
    """A chart for each pair of axes and metric of ``lob_sim.sweep.tables.maps``."""
    for (x_axis, y_axis, metric), own in maps.groupby(["x_axis", "y_axis", "metric"], sort=False):
        if not own["mean"].notna().any():
            continue
        table = own.pivot_table(index="y", columns="x", values="mean", sort=True, dropna=False)
        x, y = [_level(v) for v in table.columns], [_level(v) for v in table.index]
        x_title, y_title = (names.get(str(axis), str(axis)) for axis in (x_axis, y_axis))
        z = table.to_numpy(np.float64).tolist()
        yield Chart(f"map-{metric}-{x_axis}-{y_axis}", str(metric), x_title, y_title, x, y, [], [], z)


def _level(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _lines(text: str, shown: Callable[[str], str], end: str) -> str:
    return end.join(map(shown, textwrap.wrap(text, _TITLE_CHARACTERS)))


# --- for the page --------------------------------------------------------------------------------------------


def page_figure(chart: Chart) -> Figure:
    """The chart for Plotly."""
    axes: dict[str, Any] = {"xaxis": {"title": {"text": label(chart.x_title)}}}
    if chart.z:
        axes["xaxis"]["type"] = "category"
        axes["yaxis"] = {"title": {"text": label(chart.y_title)}, "type": "category"}
        heat: Trace = {
            "type": "heatmap",
            "x": [label(v) for v in chart.x],
            "y": [label(v) for v in chart.y],
            "z": [compact(row) for row in chart.z],
            "colorscale": "Viridis",
            "colorbar": {"thickness": 12},
            "texttemplate": "%{z:.3~g}" if _is_written(chart) else "",
            "hovertemplate": "%{x}, %{y}: %{z:.5~g}",
        }
        return {"data": [heat], "layout": axes}
    axes["yaxis"] = {"title": {"text": _lines(chart.y_title, label, "<br>")}}
    x = [v if isinstance(v, int | float) else label(v) for v in chart.x]
    is_category = not all(isinstance(v, int | float) for v in x)
    axes["xaxis"]["type"] = "category" if is_category else "linear"
    mean: Trace = {
        "type": "scatter",
        "mode": "lines+markers" if chart.is_sampled else "markers",
        "x": x,
        "y": compact(chart.y),
        "line": {"color": "@0", "width": 2},
        "marker": {"color": "@0", "size": 8},
        "name": "mean",
        "hovertemplate": "%{y:.5~g}",
    }
    has_ends = bool(np.isfinite([chart.low, chart.high]).all())
    if not chart.is_sampled:
        if not is_category:
            axes["xaxis"]["tickvals"] = x
        up, down = np.subtract(chart.high, chart.y), np.subtract(chart.y, chart.low)
        ends = {"array": compact(up), "arrayminus": compact(down), "color": "@0", "thickness": 1.5, "width": 6}
        return {"data": [{**mean, "error_y": {"type": "data", **ends}} if has_ends else mean], "layout": axes}
    band: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": x + x[::-1],
        "y": compact(chart.high) + compact(chart.low)[::-1],
        "fill": "toself",
        "fillcolor": "@bid-pale",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "name": "95% interval",
    }
    return {"data": [band, mean] if has_ends else [mean], "layout": axes}


def _is_written(chart: Chart) -> bool:
    return len(chart.x) * len(chart.y) <= _MOST_WRITTEN


# --- for a paper ---------------------------------------------------------------------------------------------


def paper_chart(chart: Chart) -> PaperFigure:
    """The chart for a column of a paper, in black and grey; to be drawn under
    :func:`lob_sim.report.static_style.paper_style`."""
    from matplotlib.figure import Figure as PaperFigure

    figure = PaperFigure(figsize=(COLUMN_IN, 2.3), layout="constrained")
    plot: Any = figure.add_subplot()
    plot.set_xlabel(named(chart.x_title, 60))
    if chart.z:
        _paper_map(figure, plot, chart)
        return figure
    is_numeric = all(isinstance(v, int | float) for v in chart.x)
    x = chart.x if is_numeric else list(range(len(chart.x)))
    if chart.is_sampled:
        plot.fill_between(x, chart.low, chart.high, color=_BAND, linewidth=0, label="95% interval")
        plot.plot(x, chart.y, "o-", color=BLACK, markersize=3, label="mean")
    else:
        ends = np.nan_to_num([np.subtract(chart.y, chart.low), np.subtract(chart.high, chart.y)])
        plot.errorbar(x, chart.y, ends, fmt="o", color=BLACK, markersize=3.5, capsize=2.5, elinewidth=0.8, label="mean")
        plot.set_xticks(x, [named(_level(v)) for v in chart.x])
        plot.margins(x=0.12)
    plot.set_ylabel(_lines(chart.y_title, lambda line: named(line, 60), "\n"))
    return figure


def _paper_map(figure: PaperFigure, plot: Any, chart: Chart) -> None:
    # Viridis rises in lightness from end to end: it reads in grey.
    image = plot.imshow(chart.z, origin="lower", aspect="auto", cmap="viridis")
    plot.set_xticks(range(len(chart.x)), [named(v) for v in chart.x])
    plot.set_yticks(range(len(chart.y)), [named(v) for v in chart.y])
    plot.set_ylabel(named(chart.y_title, 60))
    plot.grid(visible=False)
    if _is_written(chart):
        for (row, column), value in np.ndenumerate(np.array(chart.z)):
            if np.isfinite(value):
                ink = "white" if image.norm(value) < 0.6 else "black"
                plot.text(column, row, f"{value:.3g}", ha="center", va="center", color=ink, fontsize=6)
    bar = figure.colorbar(image, ax=plot)
    bar.set_label(_lines(metric_text(chart.metric), lambda line: named(line, 60), "\n"))
