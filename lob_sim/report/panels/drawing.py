"""Described figures as Plotly's plain data, for a page.

Lines are thinned so that no extreme is lost (:func:`lob_sim.report.data.thin`); an agent has the same look in every
figure, and the page one legend of agents for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Floats, ints
from lob_sim.log import Run
from lob_sim.report.data import STATES
from lob_sim.report.data.common import at_end, edges_ns, end_ns, thin
from lob_sim.report.data.prices import state_shares
from lob_sim.report.figures import parts
from lob_sim.report.figures.market import PRESENCE_BINS
from lob_sim.report.formatting import number_text
from lob_sim.report.panels.figure import Cell, Figure, Panel, Trace, compact, hue, label, ms, styles

_MOST_POINTS_BINS = 1_000
_GAP = 0.12
"""Of a figure's height, between two axes."""
_USUAL = 0.97
_CUT_AT = 4.0
_SYMBOLS = {
    "dot": "circle",
    "cross": "x",
    "open-down": "triangle-down-open",
    "up": "triangle-up",
    "down": "triangle-down",
    "failure": "x-open",
}


def panel(run: Run, kind: parts.FigureKind, of: Any = None) -> Panel:
    """A figure of a run as a panel of its page.

    Args:
        run: The run.
        kind: The figure.
        of: What the figure is of; the run if not given.
    """
    charts = kind.charts(run if of is None else of)
    said = {name: getattr(kind, name) for name in parts.Explained.__struct_fields__}
    said["empty"] = f"{kind.empty[0].upper()}{kind.empty[1:]}."
    variants = {name: [Cell(drawn(run, chart))] for name, chart in charts.items()}
    return Panel(**said, variants=variants, first=next(iter(charts), ""))


def drawn(run: Run, chart: parts.Chart) -> Figure:
    """A chart over time."""
    traces: list[Trace] = []
    layout: dict[str, Any] = {"shapes": [], "annotations": []}
    heights = [axis.weight for axis in chart]
    share = (1 - _GAP * (len(chart) - 1)) / sum(heights)
    top = 1.0
    for k, axis in enumerate(chart):
        nth = str(k + 1) if k else ""
        bottom = max(0.0, top - share * axis.weight)
        layout[f"yaxis{nth}"] = shown = _axis(axis, (bottom, top) if len(chart) > 1 else None)
        for item in axis.items:
            traces += [{**trace, "yaxis": f"y{nth}"} for trace in _traces(run, item)]
            if isinstance(item, parts.Level):
                layout["shapes"].append(_across(item, f"y{nth}"))
            if isinstance(item, parts.Stack) and item.is_binned:
                layout |= {"barmode": "relative", "bargap": 0}
            if isinstance(item, parts.Stack) and axis.is_log:
                # A stack has no logarithm: it is drawn as it is, and what is far above the rest is cut.
                shown |= {"type": "linear", "title": {"text": _title(axis, "")}}
                layout["annotations"] += _cut(shown, np.sum([part.values for part in item.layers], axis=0), axis.unit)
            if isinstance(item, parts.Strips):
                shown |= {"autorange": "reversed", "type": "category"}
        if axis.view is not None:
            highest = max(float(np.nanmax(path.values, initial=0.0)) for path in _paths(axis))
            layout["annotations"].append(_note(highest, axis.unit, top))
        top = bottom - _GAP
    return {"data": traces, "layout": layout}


def _axis(axis: parts.Axis, domain: tuple[float, float] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"title": {"text": _title(axis, ", log" if axis.is_log else "")}, "automargin": True}
    if domain:
        shown["domain"] = list(domain)
    if axis.is_log:
        shown |= {"type": "log", "dtick": 1}
    if axis.from_zero:
        shown["rangemode"] = "tozero"
    ends = axis.ends or axis.view
    if ends is not None:
        shown["range"] = list(ends)
    if axis.weight < 1:
        shown["nticks"] = 4
    return shown


def _title(axis: parts.Axis, more: str) -> str:
    return label(f"{axis.title} ({axis.unit}{more})" if axis.unit else axis.title)


def _paths(axis: parts.Axis) -> Iterator[parts.Path]:
    for item in axis.items:
        if isinstance(item, parts.Crowd):
            yield from item.paths.values()
        elif isinstance(item, parts.Line):
            yield item.path


def _traces(run: Run, item: parts.Item) -> list[Trace]:
    match item:
        case parts.Line():
            return [_line(run, item)]
        case parts.Crowd():
            return _crowd(run, item)
        case parts.Points():
            return [_points(item)]
        case parts.Stack():
            return _stack(run, item)
        case parts.Strips():
            return _strips(run, item)
        case parts.Heat():
            return _heat(item)
        case parts.Level():
            return []


def _line(run: Run, item: parts.Line, **more: Any) -> Trace:
    path = pd.DataFrame({"ts_event_ns": item.path.ts_ns, "value": item.path.values})
    points = at_end(thin(path, "value"), run)
    look = {"shape": "hv", "width": item.look.width, "color": hue(item.look.colour), "dash": item.look.dash}
    return {
        "type": "scatter",
        "mode": "lines+markers" if item.has_points else "lines",
        "name": label(item.name),
        "x": ms(ints(points, "ts_event_ns")),
        "y": compact(points["value"]),
        "line": look,
        "hovertemplate": f"%{{y:,.5~g}}{label(item.unit)}",
        **({"marker": {"size": 3, "color": look["color"]}} if item.has_points else {}),
        **({"fill": "tozeroy"} if item.is_filled else {}),
        **more,
    }


def _crowd(run: Run, item: parts.Crowd) -> list[Trace]:
    """A line for each agent; the page's legend of agents names them."""
    traces: list[Trace] = []
    for agent_id, style in styles(run).items() if item.on_page else ():
        if agent_id in item.paths:
            line = parts.Line(name=style.name, path=item.paths[agent_id], look=parts.Look(width=1.5), unit=item.unit)
            trace = _line(run, line, meta={"agent": style.name})
            trace["line"] |= {"color": style.colour, "dash": style.dash}
            traces.append(trace)
    return traces


def _points(item: parts.Points) -> Trace:
    columns = {str(k): values for k, (values, _, _) in enumerate(item.beside)}
    table = pd.DataFrame({"ts_event_ns": item.path.ts_ns, "value": item.path.values, **columns})
    rows = thin(table, "value", _MOST_POINTS_BINS)
    marker = {"color": hue(item.colour), "size": item.size, "symbol": _SYMBOLS[item.marker], "opacity": 0.75}
    beside = "".join(f", %{{customdata[{k}]:.{n}f}}{text}" for k, (_, text, n) in enumerate(item.beside))
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": label(item.name),
        "x": ms(ints(rows, "ts_event_ns")),
        "y": compact(rows["value"]),
        "marker": marker,
        "hovertemplate": f"%{{y}}{beside}" if item.beside else label(item.name),
    }
    if item.beside:
        trace["customdata"] = np.column_stack([compact(rows[name]) for name in columns]).tolist()
    return trace


def _stack(run: Run, item: parts.Stack) -> list[Trace]:
    end = [end_ns(run)] if not item.is_binned and item.ts_ns.size and item.ts_ns[-1] < end_ns(run) else []
    traces: list[Trace] = []
    for part in item.layers:
        look = (
            {"type": "bar", "offset": 0, "marker": {"color": hue(part.look.colour), "line": {"width": 0}}}
            if item.is_binned
            else {
                "type": "scatter",
                "mode": "lines",
                "stackgroup": "parts",
                "line": {"width": 0.5, "shape": "hv", "color": hue(part.look.colour)},
                "fillcolor": hue(part.look.colour),
            }
        )
        values = np.append(part.values, part.values[-1:] if end else [])
        when = ms(np.append(item.ts_ns, end))
        hover = f"%{{y:,.4~g}}{label(item.unit)}"
        traces.append({**look, "name": label(part.name), "x": when, "y": compact(values), "hovertemplate": hover})
    return traces


def _strips(run: Run, item: parts.Strips) -> list[Trace]:
    """What each agent is in for most of a moment."""
    edges, looks = edges_ns(run, PRESENCE_BINS), styles(run)
    rows = {looks[i].name: state_shares(*path, edges) for i, path in item.rows.items() if i in looks}
    state = [np.argmax(share, axis=0).tolist() for share in rows.values()]
    both = [np.round(100 * share[0]).astype(int).tolist() for share in rows.values()]
    n = len(STATES)
    steps = [[at / n, hue(colour)] for k, (_, colour, _) in enumerate(item.states) for at in (k, k + 1)]
    heat: Trace = {
        "type": "heatmap",
        "x": ms(edges[:-1]),
        "y": [label(name) for name in rows],
        "z": state,
        "customdata": both,
        "zmin": -0.5,
        "zmax": n - 0.5,
        "colorscale": steps,
        "showscale": False,
        "ygap": 2,
        "hovertemplate": "%{y}: both sides quoted %{customdata}% of this moment",
        "meta": {"rows": list(rows)},
    }
    # A heat map has no legend: its colours are told by traces without points.
    told: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [0],
            "y": [None],
            "marker": {"symbol": "square", "size": 11, "color": hue(colour)},
            "hoverinfo": "skip",
        }
        for k, (name, colour, _) in enumerate(item.states)
        if any(k in row for row in state)
    ]
    return [heat, *told]


def _heat(item: parts.Heat) -> list[Trace]:
    depth = item.depth
    sides = (("bid", "bids", depth.bid_lots, 0.0), ("ask", "asks", depth.ask_lots, 0.52))
    return [
        {
            "type": "heatmap",
            "x": ms(depth.ts_ns),
            "y": compact(depth.prices),
            "z": [[int(v) if v else None for v in row] for row in lots],
            "zmin": 0,
            "zmax": float(np.quantile(lots[lots > 0], 0.98)) if lots.any() else 1.0,
            "colorscale": [[0, f"@{side}-pale"], [1, hue(side)]],
            "colorbar": {
                "title": {"text": f"{name}, lots", "font": {"size": 11}},
                "thickness": 10,
                "len": 0.46,
                "y": y,
                "yanchor": "bottom",
                "nticks": 4,
            },
            "hovertemplate": f"%{{y}}: {name} of %{{z}} lots",
            "showlegend": False,
        }
        for side, name, lots, y in sides
    ]


def _across(item: parts.Level, axis: str) -> dict[str, Any]:
    ends = {"xref": "paper", "yref": axis, "x0": 0, "x1": 1, "y0": item.value, "y1": item.value}
    return {"type": "line", **ends, "line": {"color": hue(item.look.colour), "width": 1.5, "dash": item.look.dash}}


def _cut(shown: dict[str, Any], values: Floats, unit: str) -> list[dict[str, Any]]:
    """Keep a few extreme moments from flattening all others: where the highest value is many times what nearly all are,
    the axis ends above those, and a note says how high it would have to go."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return []
    usual, highest = float(np.quantile(finite, _USUAL)), float(finite.max())
    if highest <= _CUT_AT * max(usual, 1e-9):
        return []
    shown["range"] = [0, 1.4 * usual]
    return [_note(highest, unit, shown.get("domain", (0, 1))[1])]


def _note(highest: float, unit: str, y: float) -> dict[str, Any]:
    """At the right above an axis that ends, on the paper, at ``y``: how far what is drawn goes on."""
    text = f"highest: {number_text(highest)} {label(unit)}, above this axis"
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": y, "xanchor": "right", "yanchor": "bottom"}
    return {"text": text, **place, "showarrow": False, "font": {"size": 11, "color": "@muted"}}
