"""What panels are made of: plain data that the page hands to Plotly, in few helpers.

Colours are names of the page's palette (``@0`` to ``@7``, ``@fg``, ``@bid``, ...), which the page turns into those of
its light or dark theme. Times are whole milliseconds since the start. Names that come from a scenario go through
:func:`label`, because Plotly reads a little HTML.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Floats, Ints, ints
from lob_sim.log import Run
from lob_sim.report.data.common import at_end, thin, watched
from lob_sim.report.formatting import number_text
from lob_sim.units import Ns

Figure: TypeAlias = dict[str, Any]
Trace: TypeAlias = dict[str, Any]

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
N_COLOURS = 7
_DIGITS = 7
_NS_PER_MS = 1_000_000
_USUAL = 0.97
_CUT_AT = 4.0


class Cell(msgspec.Struct):
    """One figure of a panel; where there are several, each has a title of its own."""

    figure: Figure
    title: str = ""


class Panel(msgspec.Struct, kw_only=True):
    """One panel of a page.

    Attributes:
        key: Its name in the page, of letters and dashes.
        title: What it shows.
        text: How to read it, in a sentence or two.
        how: The calls that give its numbers.
        choice: What its variants are choices of: ``instrument``, ``agent``, ``limit``; empty for one variant.
        variants: Label to figures.
        first: Label of the variant that is shown first; the first one if empty.
        height: Height of its figures in pixels.
        wide: Whether it takes the whole width.
        empty: What is said beside the figures of other runs where there is nothing to draw; alone, a panel with nothing
            to draw is left out.
    """

    key: str
    title: str
    text: str
    how: str
    choice: str = ""
    variants: dict[str, list[Cell]] = {}
    first: str = ""
    height: int = 320
    wide: bool = False
    empty: str = ""


class Style(msgspec.Struct, frozen=True):
    """How an agent of a group is drawn in every panel."""

    name: str
    group: str
    colour: str
    dash: str


def label(name: str) -> str:
    """A name as Plotly shows it literally."""
    return html.escape(name, quote=False)


def styles(run: Run) -> dict[int, Style]:
    """Colour by group and dash by member; by member alone where all belong to one group."""
    shown = watched(run)
    groups = list(dict.fromkeys(agent.group for agent in shown))
    seen: dict[str, int] = {}
    found = {}
    for k, agent in enumerate(shown):
        nth = seen[agent.group] = seen.get(agent.group, -1) + 1
        by_group = len(groups) > 1
        colour = groups.index(agent.group) if by_group else k
        dash = nth + colour // N_COLOURS if by_group else k // N_COLOURS
        found[agent.agent_id] = Style(agent.name, agent.group, f"@{colour % N_COLOURS}", DASHES[dash % len(DASHES)])
    return found


def ms(ts_ns: Ints | Sequence[Ns]) -> list[int]:
    """Times in whole milliseconds."""
    whole: list[int] = (np.asarray(ts_ns, dtype=np.int64) // _NS_PER_MS).tolist()
    return whole


def compact(values: Any) -> list[float]:
    """Numbers with at most seven significant digits of the largest, so that a page stays small."""
    array = np.asarray(values, dtype=np.float64)
    finite = np.abs(array[np.isfinite(array)])
    largest = float(finite.max()) if finite.size else 0.0
    decimals = _DIGITS - 1 - math.floor(math.log10(largest)) if largest > 0 else 0
    rounded: list[float] = np.round(array, decimals).tolist()
    return rounded


def line(run: Run, table: pd.DataFrame, column: str, **style: Any) -> Trace:
    """A path that keeps each value until the next and until the end of the run, thinned."""
    drawn = at_end(thin(table, column), run)
    shape = {"shape": "hv", "width": 1.5, **style.pop("line", {})}
    return {
        "type": "scatter",
        "mode": "lines",
        "x": ms(ints(drawn, "ts_event_ns")),
        "y": compact(drawn[column]),
        "line": shape,
        **style,
    }


def agent_lines(
    run: Run, table: pd.DataFrame, column: str, unit: str, *, axis: str = "y", scale: float = 1.0
) -> list[Trace]:
    """A line for each agent in a table with ``agent_id``; the page has one legend of agents for all figures.

    Args:
        run: The run.
        table: Rows of all agents.
        column: What is drawn.
        unit: Of the values, for the text under the pointer.
        axis: The figure's y axis.
        scale: What the values are divided by.
    """
    drawn = []
    for agent_id, style in styles(run).items():
        own = table[table["agent_id"] == agent_id].reset_index(drop=True)
        if len(own):
            own = own[["ts_event_ns", column]].assign(**{column: own[column] / scale})
            drawn.append(
                line(
                    run,
                    own,
                    column,
                    name=label(style.name),
                    meta={"agent": style.name},
                    yaxis=axis,
                    line={"color": style.colour, "dash": style.dash},
                    hovertemplate="%{y:.4~g} " + unit,
                )
            )
    return drawn


def figure(traces: list[Trace], axes: Mapping[str, Mapping[str, Any]], **layout: Any) -> Figure:
    """A figure over time.

    Args:
        traces: What is drawn.
        axes: ``yaxis``, ``yaxis2``, ... with their titles and domains, top to bottom.
        layout: More of Plotly's layout.
    """
    return {"data": traces, "layout": {**{name: dict(axis) for name, axis in axes.items()}, **layout}}


def axis(title: str, domain: tuple[float, float] | None = None, **more: Any) -> dict[str, Any]:
    """A y axis."""
    return {"title": {"text": title}, **({"domain": list(domain)} if domain else {}), **more}


def money_scale(amounts: Floats, currency: str) -> tuple[float, str]:
    """What to divide amounts of money by, and the unit then: ``$ million`` for most markets."""
    finite = np.abs(amounts[np.isfinite(amounts)])
    largest = float(finite.max()) if finite.size else 0.0
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if largest >= (10 * size if size > 1e6 else size):
            return size, label(f"{currency} {name}")
    return 1.0, label(currency)


def by_instrument(run: Run, draw: Callable[[int], Figure | None]) -> dict[str, list[Cell]]:
    """A variant for each instrument that has something to draw."""
    drawn = {i.name: draw(i.instrument_id) for i in run.header.instruments}
    return {name: [Cell(found)] for name, found in drawn.items() if found is not None}


def cut(y_axis: dict[str, Any], values: Floats, unit: str) -> list[dict[str, Any]]:
    """Keep a few extreme moments from flattening all others: where the highest value is many times what nearly all are,
    the axis ends above those, and a note says how high it would have to go.

    Args:
        y_axis: The axis, which gets a range if it needs one.
        values: What is drawn, not negative.
        unit: Of the values.

    Returns:
        The note as an annotation, or nothing.
    """
    finite = values[np.isfinite(values)]
    if not finite.size:
        return []
    usual, highest = float(np.quantile(finite, _USUAL)), float(finite.max())
    if highest <= _CUT_AT * max(usual, 1e-9):
        return []
    y_axis["range"] = [0, 1.4 * usual]
    return [note(f"highest: {number_text(highest)} {unit}, above this axis", y_axis.get("domain", (0, 1))[1])]


def note(text: str, y: float = 1.0) -> dict[str, Any]:
    """A remark at the right above an axis that ends, on the paper, at ``y``."""
    place = {"xref": "paper", "yref": "paper", "x": 1, "y": y, "xanchor": "right", "yanchor": "bottom"}
    return {"text": text, **place, "showarrow": False, "font": {"size": 11, "color": "@muted"}}
