"""Static figures of a run for papers: ``lob-sim figures RUN``.

Each figure is one column wide, readable in grey and by the colour-blind, and the same bytes for the same run. What is
drawn are the tables of :mod:`lob_sim.report.data`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lob_sim.analysis.tables import floats, ints
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.files import make_folder
from lob_sim.log import Run
from lob_sim.log.foreign import reads_logs
from lob_sim.report import data
from lob_sim.report.figures import market, parts, sheets
from lob_sim.report.static_drawing import draw_axis, paper, time_axis
from lob_sim.report.static_style import (
    COLOURS,
    FORMATS,
    HATCHES,
    legend_over,
    named,
    paper_figure,
    paper_style,
    save,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BEARERS = {
    "shareholders": "shareholders",
    "repo_lenders": "repo lenders",
    "short_term_creditors": "short-term creditors",
}


class PaperFigure(NamedTuple):
    """One figure for a paper.

    Attributes:
        missing: What a run lacks for which there is nothing to draw.
        draw: Draws it, or returns None where there is nothing to draw.
    """

    missing: str
    draw: Callable[[Run], Figure | None]


class Written(NamedTuple):
    """What :func:`write_figures` did.

    Attributes:
        files: The files written, in order of :data:`FIGURES`.
        left_out: Name of a figure that was not drawn → why.
    """

    files: tuple[Path, ...]
    left_out: dict[str, str]


@reads_logs
def write_figures(run: Run, folder: Path, form: str = "png", only: Sequence[str] = ()) -> Written:
    """Write the figures of a run, a file each.

    Args:
        run: The run.
        folder: Where they go; made if it is not there.
        form: One of :data:`lob_sim.report.static_style.FORMATS`.
        only: Names of the figures wanted; all of :data:`FIGURES` if none are given.

    Raises:
        InputError: There is no such format or figure.
        MissingExtraError: matplotlib is not installed.
        OutputError: The folder or a file cannot be written.
    """
    need_extra("report", "matplotlib")
    if form not in FORMATS:
        raise InputError(f"expected one of {', '.join(FORMATS)}, got {form!r}", "--format")
    for name in only:
        if name not in FIGURES:
            known = f"expected one of {', '.join(FIGURES)}, got {name!r}{did_you_mean(name, FIGURES)}"
            raise InputError(known, "--only")
    make_folder(folder)
    files, left_out = [], {}
    for name in FIGURES:
        if only and name not in only:
            continue
        figure = draw(run, name)
        if figure is None:
            left_out[name] = FIGURES[name].missing
            continue
        path = folder / f"{name}.{form}"
        with paper_style():
            save(figure, path, form)
        files.append(path)
    return Written(tuple(files), left_out)


def draw(run: Run, name: str) -> Figure | None:
    """One of :data:`FIGURES` of a run; None where the run has nothing to show in it."""
    with paper_style():
        return FIGURES[name].draw(run)


def _described(kind: parts.FigureKind, row_in: float, is_of_trades: bool = False) -> PaperFigure:
    def drawn(run: Run) -> Figure | None:
        has_traded = len(run.trades) or len(run.rfq_trades)
        charts = kind.charts(run) if has_traded or not is_of_trades else {}
        return paper(run, charts, row_in) if charts else None

    return PaperFigure(kind.empty, drawn)


def _failures(run: Run) -> Figure | None:
    """How many have failed, and what each failure cost whom: a bar for each dealer in order of failure."""
    table = data.failures(run)
    if not len(table):
        return None
    figure, (times, borne) = paper_figure(2, 1.5, share_time=False)
    so_far = parts.running_sum(np.sort(ints(table, "ts_event_ns")), np.ones(len(table)))
    draw_axis(times, run, parts.Axis(title="failures", items=(parts.Line("", so_far),)))
    times.set_ylabel("failures (number)")
    time_axis(run, times)
    size, unit = parts.money_unit(run, table[list(_BEARERS)].sum(axis=1).to_numpy(np.float64))
    below, places = np.zeros(len(table)), np.arange(len(table))
    for (bearer, label), colour, hatch in zip(_BEARERS.items(), COLOURS, HATCHES, strict=False):
        amounts = floats(table, bearer) / size
        style = {"color": colour, "hatch": hatch, "edgecolor": "#333333", "linewidth": 0.4}
        borne.bar(places, amounts, 0.7, below, label=label, **style)
        below = below + amounts
    names = [named(run.header.agents[int(i)].name) for i in table["agent_id"]]
    borne.set_xticks(places, names, rotation=45, ha="right")
    borne.set_ylabel(f"loss ({named(unit)})")
    legend_over(borne, "who bore the losses")
    return figure


FIGURES: dict[str, PaperFigure] = {
    "price": _described(market.PRICE, 1.5, is_of_trades=True),
    "depth": _described(market.DEPTH, 1.6),
    "spread": _described(market.SPREAD, 1.35),
    "quotes": _described(market.PRESENCE, 0),
    "share": _described(market.DEALT, 1.15),
    "information": _described(market.BELIEFS, 1.05),
    "headroom": _described(sheets.HEADROOM, 1.3),
    "forced": _described(sheets.FORCED, 1.8),
    "marks": _described(sheets.MARKS, 1.25),
    "funding": _described(sheets.FUNDING, 1.35),
    "funds": _described(sheets.FUNDS, 1.35),
    "failures": PaperFigure("nobody failed", _failures),
}
"""Every figure, by the name of its file, with the height of its axes in inches."""
