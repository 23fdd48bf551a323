"""What panels are made of: plain data that the page hands to Plotly, in few helpers.

Colours are names of the page's palette (``@0`` to ``@7``, ``@fg``, ``@bid``, ...), which the page turns into those of
its light or dark theme. Times are whole milliseconds since the start. Names that come from a scenario go through
:func:`label`, because Plotly reads a little HTML.
"""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

from lob_sim.analysis.tables import Ints
from lob_sim.log import Run
from lob_sim.report.data.common import watched
from lob_sim.report.figures.parts import DASHES, PALETTE, Explained
from lob_sim.units import Ns

Figure: TypeAlias = dict[str, Any]
Trace: TypeAlias = dict[str, Any]

_HUES = {**{name: str(k) for k, name in enumerate(PALETTE)}, "grey": "7", "ink": "fg", "pale": "none"}
_DIGITS = 7
_NS_PER_MS = 1_000_000


class Cell(msgspec.Struct):
    """One figure of a panel; where there are several, each has a title of its own."""

    figure: Figure
    title: str = ""


class Panel(Explained, frozen=True, kw_only=True):
    """One panel of a page; one with nothing to draw is left out.

    Attributes:
        variants: Label to figures.
        first: Label of the variant that is shown first; the first one if empty.
    """

    variants: dict[str, list[Cell]] = msgspec.field(default_factory=dict)
    first: str = ""


class Style(msgspec.Struct, frozen=True):
    """How an agent of a group is drawn in every panel."""

    name: str
    group: str
    colour: str
    dash: str


def label(name: str) -> str:
    """A name as Plotly shows it literally."""
    return html.escape(name, quote=False)


def hue(colour: str) -> str:
    """A colour of :mod:`lob_sim.report.figures.parts` as the page calls it."""
    return f"@{_HUES.get(colour, colour)}"


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
        dash = nth + colour // len(PALETTE) if by_group else k // len(PALETTE)
        found[agent.agent_id] = Style(agent.name, agent.group, f"@{colour % len(PALETTE)}", DASHES[dash % len(DASHES)])
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
