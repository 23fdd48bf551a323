"""Figures of a run for a notebook: ``run.plot.price()``, ``run.plot.spread()``, ...

They are those of ``lob-sim figures``, as matplotlib's own objects, to be changed and saved like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lob_sim.errors import DataError
from lob_sim.extras import need_extra
from lob_sim.log import Run
from lob_sim.log.foreign import reads_logs
from lob_sim.report.figures import parts
from lob_sim.report.static import FIGURES, draw
from lob_sim.report.static_drawing import paper
from lob_sim.report.static_style import paper_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_LINES = 7


class Plots:
    """The figures of one run. Each is a ``matplotlib.figure.Figure``, which a notebook shows.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run

    def __repr__(self) -> str:
        return f"figures: {', '.join([*FIGURES, 'inventory'])}"

    def price(self) -> Figure:
        """Price against fair value, lit and RFQ trades."""
        return self._draw("price")

    def depth(self) -> Figure:
        """Depth of the lit book by time and price, best bid and ask."""
        return self._draw("depth")

    def spread(self) -> Figure:
        """Quoted spread, and what dealers' spreads are made of."""
        return self._draw("spread")

    def quotes(self) -> Figure:
        """Who quotes where."""
        return self._draw("quotes")

    def share(self) -> Figure:
        """Lots dealt on the lit book and by request for quote."""
        return self._draw("share")

    def information(self) -> Figure:
        """Dealers' perceived share of informed flow, and their uncertainty."""
        return self._draw("information")

    def headroom(self) -> Figure:
        """Headroom of balance sheets under each limit."""
        return self._draw("headroom")

    def forced(self) -> Figure:
        """Lots sold under a constraint."""
        return self._draw("forced")

    def marks(self) -> Figure:
        """Prudent marks against fair value, valuation adjustments."""
        return self._draw("marks")

    def funding(self) -> Figure:
        """Haircuts, debt, loans called or not rolled."""
        return self._draw("funding")

    def funds(self) -> Figure:
        """Funds' net asset value and redemptions."""
        return self._draw("funds")

    def failures(self) -> Figure:
        """Who failed, and who bore the loss."""
        return self._draw("failures")

    def inventory(self, by: str = "group") -> Figure:
        """Lots held over time, an axis for each instrument; lines of the seven groups or agents that move most.

        Args:
            by: ``group`` or ``agent``.

        Raises:
            DataError: Nobody held or traded anything, or ``by`` is something else.
        """
        need_extra("report", "matplotlib")
        if by not in ("group", "agent"):
            raise DataError(f"expected group or agent, got {by!r}", "by")
        return _inventory(self._run, by)

    def _draw(self, name: str) -> Figure:
        need_extra("report", "matplotlib")
        figure = _drawn(self._run, name)
        if figure is None:
            raise DataError(f"has nothing to draw: {FIGURES[name].missing}", f"plot.{name}")
        return figure


@reads_logs
def _drawn(run: Run, name: str) -> Figure | None:
    return draw(run, name)


@reads_logs
def _inventory(run: Run, by: str) -> Figure:
    held = run.positions
    if not len(held):
        raise DataError("has nothing to draw: nobody held or traded anything", "plot.inventory")
    with paper_style():
        of = {i.name: held[held["instrument_id"] == i.instrument_id] for i in run.header.instruments}
        return paper(run, {name: _held(run, own, by) for name, own in of.items()}, 1.5)


def _held(run: Run, held: pd.DataFrame, by: str) -> parts.Chart:
    whose = {agent.agent_id: agent.group if by == "group" else agent.name for agent in run.header.agents}
    changes = held.groupby("agent_id")["lots"].diff().fillna(held["lots"])
    own = pd.DataFrame({"ts_event_ns": held["ts_event_ns"], "lots": changes, "name": held["agent_id"].map(whose)})
    paths = {str(name): parts.running_sum(*parts.path_of(rows, "lots")) for name, rows in own.groupby("name")}
    most = sorted(sorted(paths, key=lambda name: -float(np.ptp(paths[name].values)))[:_MOST_LINES])
    lines = tuple(parts.Line(name, paths[name], parts.nth_look(k)) for k, name in enumerate(most))
    return (parts.Axis(title="held", unit="lots", items=lines),)
