"""Of what a figure is made, whoever draws it.

A figure is one or more charts that a reader chooses from (an instrument, a limit, an agent), each a few axes above each
other that share their time, each axis a few items. All hold whole paths from the run's tables: how many points are
needed is for who draws them to say. Names come from a scenario as they are; who draws escapes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Floats, Ints, floats, ints
from lob_sim.log import Run
from lob_sim.report.data import DepthMap
from lob_sim.report.data.common import currency

PALETTE = ("blue", "vermilion", "green", "pink", "orange", "sky", "violet")
"""Colours that tell one thing from another; besides there are ``grey``, and ``ink``, ``muted``, ``pale``, ``bid``,
``ask``, ``good`` and ``bad``, which mean something."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"))


class Path(NamedTuple):
    """A value that stands from each time until the next, the last one until the end of the run; NaN is a gap."""

    ts_ns: Ints
    values: Floats


class Look(NamedTuple):
    """How a line is drawn: its colour, one of :data:`DASHES`, and its width in pixels."""

    colour: str = "ink"
    dash: str = "solid"
    width: float = 1.2


class Line(msgspec.Struct, frozen=True):
    """One path.

    Attributes:
        name: What it is.
        path: Its values.
        look: How it is drawn.
        unit: What is said after a value.
        is_filled: Whether the area below it is.
        has_points: Whether its points are marked, as where a value between two gaps would be lost.
    """

    name: str
    path: Path
    look: Look = Look()
    unit: str = ""
    is_filled: bool = False
    has_points: bool = False


class Crowd(msgspec.Struct, frozen=True):
    """A path for each of several agents, in the agent's own look where there is room for that.

    Attributes:
        name: What one of them, or their sum or mean, is.
        paths: By number of the agent.
        unit: What is said after a value.
        as_one: What a column of a paper shows: ``each`` by name, ``groups`` in a look for each group, each as a thin
            line and their ``median``, or their ``sum`` or ``mean`` alone.
        look: Of the sum or mean.
        on_page: Whether a page shows it, which would draw two crowds of one axis in the same looks.
    """

    name: str
    paths: Mapping[int, Path]
    unit: str = ""
    as_one: Literal["each", "groups", "median", "sum", "mean"] = "each"
    look: Look = Look()
    on_page: bool = True


class Points(msgspec.Struct, frozen=True):
    """Single events.

    Attributes:
        name: What they are.
        path: When, and at what value; here a value does not stand.
        marker: Their shape: ``dot``, ``cross``, ``up``, ``down``, ``open-down`` or ``failure``.
        colour: Their colour.
        size: Of a marker, in pixels.
        beside: More columns of numbers, each with what is said after one and its number of decimals.
    """

    name: str
    path: Path
    marker: str
    colour: str
    size: int = 6
    beside: tuple[tuple[Floats, str, int], ...] = ()


class Layer(NamedTuple):
    """One layer of a stack."""

    name: str
    values: Floats
    look: Look


class Stack(msgspec.Struct, frozen=True):
    """Amounts on top of each other.

    Attributes:
        ts_ns: Starts of the bins, or times of change.
        layers: From the bottom; NaN is a gap.
        unit: What is said after a value.
        total: Name of their sum, which a logarithmic axis shows beside them as lines.
        is_binned: Whether the times are those of equal bins.
    """

    ts_ns: Ints
    layers: tuple[Layer, ...]
    unit: str
    total: str = ""
    is_binned: bool = True


class Strips(msgspec.Struct, frozen=True):
    """A strip for each of several agents, coloured by the state it is in.

    Attributes:
        rows: State by number of the agent, as an index into ``states``.
        states: Name, colour and hatch of each state.
    """

    rows: Mapping[int, Path]
    states: tuple[tuple[str, str, str], ...]


class Heat(msgspec.Struct, frozen=True):
    """Displayed lots by time and price."""

    depth: DepthMap


class Level(msgspec.Struct, frozen=True):
    """A value to hold all others against."""

    value: float
    name: str = ""
    look: Look = Look()


Item: TypeAlias = Line | Crowd | Points | Stack | Strips | Heat | Level


class Axis(msgspec.Struct, frozen=True, kw_only=True):
    """One vertical axis with what is drawn on it.

    Attributes:
        title: What is along it, in a word or two; axes of one chart have different ones.
        items: What is drawn.
        unit: Unit of its values.
        heading: What a paper writes over it, whose axis then names the unit alone.
        on_paper: Whether a paper has it for ``each`` chart, one with a line for each chart (``together``), ``once``
            because it is the same in all, or not at all (``no``).
        ends: Its ends, where they are fixed.
        view: The part of it where something matters; whoever shows that part alone says how high the values go.
        from_zero: Whether 0 is to be seen.
        is_log: Whether steps along it are ratios.
        weight: Its height in units of that of others.
    """

    title: str
    items: tuple[Item, ...]
    unit: str = ""
    heading: str = ""
    on_paper: Literal["each", "together", "once", "no"] = "each"
    ends: tuple[float, float] | None = None
    view: tuple[float, float] | None = None
    from_zero: bool = False
    is_log: bool = False
    weight: float = 1.0


Chart: TypeAlias = tuple[Axis, ...]
"""Axes that share their time, from the top."""


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a figure wherever it is shown.

    Attributes:
        key: Its name on a page, of letters and dashes.
        title: What it shows.
        text: How to read it, in a sentence or two.
        how: The calls that give its numbers.
        choice: What its charts are choices of: ``instrument``, ``agent``, ``limit``; empty for one chart.
        height: Height on a page, in pixels.
        wide: Whether it takes the whole width of a page.
        empty: What is the case where there is nothing to draw; it is said beside the figures of other runs alone.
    """

    key: str
    title: str
    text: str
    how: str
    choice: str = ""
    height: int = 320
    wide: bool = False
    empty: str = ""


class FigureKind(Explained, frozen=True, kw_only=True):
    """One kind of figure.

    Attributes:
        charts: Of a run: what is chosen from → chart, what to show first in front; nothing where there is nothing to
            draw.
    """

    charts: Callable[[Any], Mapping[str, Chart]]


def nth_look(k: int) -> Look:
    """Colour and dash of the k-th line, each enough by itself to tell it from its neighbours."""
    return Look(PALETTE[k % len(PALETTE)], DASHES[k % len(DASHES)])


def path_of(table: pd.DataFrame, column: str, scale: float = 1.0) -> Path:
    """A column of a table with ``ts_event_ns``, divided by ``scale``."""
    return Path(ints(table, "ts_event_ns"), floats(table, column) / scale)


def paths_by_agent(table: pd.DataFrame, column: str, scale: float = 1.0) -> dict[int, Path]:
    """A column of a table with ``ts_event_ns`` and ``agent_id``, a path for each agent."""
    return {int(str(i)): path_of(own, column, scale) for i, own in table.groupby("agent_id", sort=True)}


def running_sum(ts_ns: Ints, amounts: Floats) -> Path:
    """Amounts added up over time, from nothing at the start."""
    return Path(np.append(0, ts_ns).astype(np.int64), np.append(0.0, np.cumsum(amounts)))


def sums_by_agent(table: pd.DataFrame, column: str, scale: float = 1.0) -> dict[int, Path]:
    """A column of a table with ``ts_event_ns`` and ``agent_id``, added up for each agent."""
    return {i: running_sum(*path) for i, path in paths_by_agent(table, column, scale).items()}


def money_unit(run: Run, amounts: Floats) -> tuple[float, str]:
    """What to divide amounts of money by, and the unit then: ``$ million`` for most markets."""
    finite = np.abs(amounts[np.isfinite(amounts)])
    largest = float(finite.max()) if finite.size else 0.0
    for size, name in _SCALES:
        if largest >= (10 * size if size > 1e6 else size):
            return size, f"{currency(run)} {name}"
    return 1.0, currency(run)


def by_instrument(draw: Callable[[Run, int], Chart]) -> Callable[[Run], Mapping[str, Chart]]:
    """A chart for each instrument that has something to draw."""

    def charts(run: Run) -> Mapping[str, Chart]:
        drawn = {i.name: draw(run, i.instrument_id) for i in run.header.instruments}
        return {name: chart for name, chart in drawn.items() if chart}

    return charts
