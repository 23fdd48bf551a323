"""Described figures in matplotlib, for a column of a paper: charts stand below each other.

Times are minutes since the first shock, or since the start of a run without one; days where the run has a calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from lob_sim.analysis.summary import shock_ns
from lob_sim.analysis.tables import Floats, Ints, floats, ints, value_at
from lob_sim.log import Run
from lob_sim.report.data.common import at_end, end_ns, thin, watched
from lob_sim.report.figures import parts
from lob_sim.report.static_style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    HATCHES,
    LINES,
    SKY,
    VERMILION,
    legend_above,
    legend_over,
    named,
    paper_figure,
    titled,
)
from lob_sim.units import NS_PER_S, Ns

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MINUTE_NS: Ns = 60 * NS_PER_S
LOOKS = 480
"""Equally spaced times at which agents are looked at together."""
_LEAST = 0.05
"""A part of a stack smaller than this is not drawn on a log scale."""
_COLOURS: Mapping[str, str] = {
    **dict(zip(parts.PALETTE, COLOURS, strict=True)),
    "bid": BLUE,
    "ask": VERMILION,
    "good": GREEN,
    "bad": BLACK,
    "ink": BLACK,
    "grey": "#888888",
    "muted": "#666666",
    "pale": "#E8E8E8",
}
_DASHES: Mapping[str, Any] = {
    "solid": "-",
    "dash": "--",
    "dot": ":",
    "dashdot": "-.",
    "longdash": (0, (8, 2)),
    "longdashdot": (0, (8, 2, 1, 2)),
}
_MARKERS: Mapping[str, dict[str, Any]] = {
    "dot": {"marker": ".", "markersize": 2.5},
    "cross": {"marker": "x", "markersize": 3.0},
    "open-down": {"marker": "v", "markersize": 2.5, "markerfacecolor": "none"},
    "up": {"marker": "^", "markersize": 3.5},
    "down": {"marker": "v", "markersize": 3.5},
    "failure": {"marker": "X", "markersize": 4.0, "clip_on": False, "zorder": 5},
}
_EDGE = {"edgecolor": "#333333", "linewidth": 0.0}


class Row(NamedTuple):
    """One axis of a paper.

    Attributes:
        title: What stands over it.
        unit: What is along it.
        shown: What is drawn: axes with the name and number of their chart, or with no name where only one chart is
            shown.
    """

    title: str
    unit: str
    shown: tuple[tuple[str, int, parts.Axis], ...]


def paper(run: Run, charts: Mapping[str, parts.Chart], row_in: float) -> Figure:
    """All charts of a figure, below each other.

    Args:
        run: The run.
        charts: What is drawn, at least one.
        row_in: Height of an axis, in inches; 0 for strips, which are as high as they are many.
    """
    rows = list(_rows(charts))
    strips = [
        len(item.rows) for row in rows for _, _, a in row.shown for item in a.items if isinstance(item, parts.Strips)
    ]
    figure, axes = paper_figure(len(rows), row_in or 0.35 + 0.13 * max(strips))
    for axis, row in zip(axes, rows, strict=True):
        for name, k, described in row.shown:
            draw_axis(axis, run, described, name, k)
        axis.set(title=row.title, ylabel=row.unit)
    time_axis(run, axes[-1])
    _legends(figure, axes)
    figure.align_ylabels(axes)
    return figure


def _rows(charts: Mapping[str, parts.Chart]) -> Iterator[Row]:
    how = {a.title: a.on_paper for chart in charts.values() for a in chart if a.on_paper != "no"}
    for mode, titles in groupby(how, key=lambda title: how[title]):
        wanted = list(titles)
        own = [(name, k, a) for k, (name, chart) in enumerate(charts.items()) for a in chart if a.title in wanted]
        if mode == "each":
            for name, k, a in own:
                over = titled(named(name), a.heading) if name and a.heading else named(name) if name else a.heading
                yield Row(over, _along(a), (("", k, a),))
            continue
        for title in wanted:
            same = [entry for entry in own if entry[2].title == title]
            shown = tuple(same) if mode == "together" else (("", 0, same[0][2]),)
            yield Row(same[0][2].heading, _along(same[0][2]), shown)


def _along(axis: parts.Axis) -> str:
    if axis.heading or not axis.title:
        return named(axis.unit, 40)
    return f"{named(axis.title)}\n({named(axis.unit, 40)})" if axis.unit else named(axis.title)


def _legends(figure: Figure, axes: list[Any]) -> None:
    """One legend above the figure where its axes show the same kinds of things, else one over each that differs from
    that before it."""
    labels = [axis.get_legend_handles_labels()[1] for axis in axes]
    known = [set(some) for some in labels if some]
    if all(one & other for one in known for other in known):
        legend_above(figure, axes)
        return
    for k, axis in enumerate(axes):
        if labels[k] and (k == 0 or labels[k] != labels[k - 1]):
            legend_over(axis, axis.get_title(loc="left"))


# --- time ----------------------------------------------------------------------------------------------------


def grid(run: Run) -> Ints:
    """The times at which agents are looked at together, over the whole run."""
    return np.linspace(0, end_ns(run), LOOKS + 1).astype(np.int64)


def minutes(run: Run, ts_ns: Ints) -> Floats:
    """Times as the axis has them: minutes since the first shock or the start, or days, 1 at the first open."""
    if run.calendar is not None:
        return 1 + ts_ns / run.calendar.day_ns
    return (ts_ns - shock_ns(run)) / MINUTE_NS


def time_axis(run: Run, axis: Any) -> None:
    """Name a time axis, and mark the shock and the nights in it and in every axis that shares it."""
    shock, days = shock_ns(run), run.calendar
    first, at_shock, last = minutes(run, np.array([0, shock, end_ns(run)]))
    for other in axis.get_shared_x_axes().get_siblings(axis):
        if shock:
            other.axvline(at_shock, color="#666666", linewidth=0.7, linestyle=(0, (1, 2)), zorder=3)
        for night in days.nights_ns(end_ns(run)) if days is not None else ():
            other.axvspan(*minutes(run, np.array(night)), color="#dddddd", linewidth=0, zorder=0)
    axis.set_xlim(first, last)
    axis.set_xlabel("day" if days is not None else f"minutes since the {'shock' if shock else 'start'}")


# --- what is on an axis --------------------------------------------------------------------------------------


def draw_axis(plot: Any, run: Run, axis: parts.Axis, name: str = "", k: int = 0) -> None:
    """Draw a described axis into one of matplotlib's.

    Args:
        plot: Matplotlib's axis.
        run: The run.
        axis: What is drawn.
        name: Of one of several charts that are drawn into one axis: what its line is called.
        k: And its number, which says how its line looks.
    """
    for item in axis.items:
        _draw(plot, run, item, {"label": named(name), **line_style(k)} if name else {}, axis.is_log)
    if axis.is_log:
        log_scale(plot)
    if axis.from_zero:
        plot.set_ylim(bottom=0)
    if axis.ends is not None:
        plot.set_ylim(*axis.ends)


def _draw(plot: Any, run: Run, item: parts.Item, look: dict[str, Any], is_log: bool) -> None:
    match item:
        case parts.Line():
            style = {**_line_look(item.name, item.look), **look}
            marker = {"marker": ".", "markersize": 3.0} if item.has_points else {}
            _path(plot, run, item.path, **style, **marker)
        case parts.Crowd():
            _crowd(plot, run, item, look)
        case parts.Points():
            style = {"linestyle": "none", "color": _COLOURS[item.colour], "markeredgewidth": 0.6, "alpha": 0.8}
            at = minutes(run, item.path.ts_ns)
            label = "_" if look and item.name in plot.get_legend_handles_labels()[1] else item.name
            plot.plot(at, item.path.values, label=label, **style, **_MARKERS[item.marker])
        case parts.Stack():
            (_parts if is_log else _layers)(plot, run, item)
        case parts.Strips():
            _strips(plot, run, item)
        case parts.Heat():
            _heat(plot, run, item)
        case parts.Level():
            plot.axhline(item.value, **_line_look(item.name, item.look))


def _line_look(name: str, look: parts.Look) -> dict[str, Any]:
    style = {"color": _COLOURS[look.colour], "linestyle": _DASHES[look.dash], "linewidth": 0.3 + 0.4 * look.width}
    return {**style, "label": named(name, 40) if name else "_"}


def _path(plot: Any, run: Run, path: parts.Path, **style: Any) -> None:
    table = at_end(thin(pd.DataFrame({"ts_event_ns": path.ts_ns, "value": path.values}), "value"), run)
    plot.plot(minutes(run, ints(table, "ts_event_ns")), floats(table, "value"), drawstyle="steps-post", **style)


def _crowd(plot: Any, run: Run, item: parts.Crowd, look: dict[str, Any]) -> None:
    agents = run.header.agents
    if item.as_one in ("each", "groups"):
        by_group = item.as_one == "groups"
        order = dict.fromkeys(a.group for a in watched(run)) if by_group else item.paths
        seen: list[Any] = []
        for i, path in item.paths.items():
            key = agents[i].group if by_group else i
            label = "_" if key in seen else named(agents[i].group if by_group else agents[i].name)
            seen.append(key)
            _path(plot, run, path, label=label, linewidth=0.8, **line_style(list(order).index(key)))
        return
    if not item.paths:
        return
    when, times = minutes(run, grid(run)), grid(run)
    paths = np.array([value_at(*path, times) for path in item.paths.values()])
    if item.as_one == "median":
        for k, path in enumerate(paths):
            plot.plot(when, path, color=SKY, linewidth=0.4, label="_" if k else f"each {item.name}")
    known = ~np.isnan(paths).all(axis=0)
    middle = np.full(when.size, np.nan)
    together: Mapping[str, Callable[..., Floats]] = {"median": np.nanmedian, "mean": np.nanmean, "sum": np.nansum}
    middle[known] = together[item.as_one](paths[:, known], axis=0)
    if item.as_one == "sum":
        middle[~known] = 0.0
    name = "median" if item.as_one == "median" else item.name
    plot.plot(when, middle, **{**_line_look(name, item.look), "linewidth": 1.1, **look})


def _layers(plot: Any, run: Run, item: parts.Stack) -> None:
    """Bars on top of each other, without gaps between them."""
    edges = minutes(run, np.append(item.ts_ns, end_ns(run)))
    below: Floats = np.zeros(item.ts_ns.size)
    for k, part in enumerate(item.layers):
        above = below + part.values
        style = {"facecolor": _COLOURS[part.look.colour], "hatch": HATCHES[k % len(HATCHES)], **_EDGE}
        ends = (np.append(path, path[-1]) for path in (below, above))
        plot.fill_between(edges, *ends, step="post", label=named(part.name, 40), **style)
        below = above


def _parts(plot: Any, run: Run, item: parts.Stack) -> None:
    """Each part of a stack and their sum as lines: parts may differ by a factor of a hundred."""
    total = np.sum([part.values for part in item.layers], axis=0)
    whole = parts.Layer(item.total, total, parts.Look(width=3))
    edges = minutes(run, np.append(item.ts_ns, end_ns(run)))
    for name, values, look in (whole, *item.layers):
        shown = np.where(values >= _LEAST, values, np.nan)
        plot.plot(edges, np.append(shown, shown[-1]), drawstyle="steps-post", **_line_look(name, look))


def _strips(plot: Any, run: Run, item: parts.Strips) -> None:
    """A patch as long as a state is seen to last."""
    times = np.append(grid(run)[:-1], end_ns(run))
    edges, told = minutes(run, times), plot.get_legend_handles_labels()[1]
    for row, path in enumerate(item.rows.values()):
        states = value_at(*path, times[:-1]).astype(np.int64)
        cuts = np.flatnonzero(np.diff(states)) + 1
        starts, ends = np.append(0, cuts), np.append(cuts, states.size)
        for state, (name, colour, hatch) in enumerate(item.states):
            own = [
                (float(edges[a]), float(edges[b] - edges[a]))
                for a, b in zip(starts, ends, strict=True)
                if states[a] == state
            ]
            label = name if own and name not in told else "_"
            told += [name] if own else []
            plot.broken_barh(own, (row + 0.08, 0.84), facecolor=_COLOURS[colour], hatch=hatch, label=label, **_EDGE)
    plot.set_yticks(np.arange(len(item.rows)) + 0.5, [named(run.header.agents[i].name, 14) for i in item.rows])
    plot.set_ylim(len(item.rows), 0)
    plot.grid(visible=False)


def _heat(plot: Any, run: Run, item: parts.Heat) -> None:
    """Displayed lots of both sides in one scale, with its bar."""
    from matplotlib.colors import PowerNorm

    found = item.depth
    lots = found.bid_lots + found.ask_lots
    step_ns = int(found.ts_ns[1] - found.ts_ns[0]) if found.ts_ns.size > 1 else 1
    times = minutes(run, np.append(found.ts_ns, found.ts_ns[-1] + step_ns))
    prices = np.append(found.prices, found.prices[-1] + found.step) - found.step / 2
    norm = PowerNorm(0.5, vmin=0, vmax=max(1.0, float(lots.max())))
    mesh = plot.pcolormesh(times, prices, np.ma.masked_equal(lots, 0), cmap="Blues", norm=norm, rasterized=True)
    plot.figure.colorbar(mesh, ax=plot, pad=0.02, aspect=14, label="displayed (lots)")
    plot.grid(visible=False)


# --- how things look -----------------------------------------------------------------------------------------


def line_style(k: int) -> dict[str, Any]:
    """Colour and line of the k-th series, each enough by itself to tell it from its neighbours."""
    return {"color": COLOURS[k % len(COLOURS)], "linestyle": LINES[k % len(LINES)]}


def log_scale(axis: Any) -> None:
    """A logarithmic axis with plain numbers."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
