"""Static figures of a run for papers: ``lob-sim figures RUN``.

Each figure is one column wide, readable in grey and by the colour-blind, and the same bytes for the same run. What is
drawn are the tables of :mod:`lob_sim.report.data`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.files import make_folder
from lob_sim.log import Run
from lob_sim.log.run import reads_logs
from lob_sim.report import data, static_panels, static_sheets
from lob_sim.report.data.common import end_ns
from lob_sim.report.static_panels import time_axis
from lob_sim.report.static_style import (
    FORMATS,
    legend_above,
    legend_over,
    named,
    paper_figure,
    paper_style,
    save,
    titled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureKind(NamedTuple):
    """One kind of figure.

    Attributes:
        what: What it shows, on one line.
        missing: What a run lacks for which there is nothing to draw.
        draw: Draws it, or returns None where there is nothing to draw.
    """

    what: str
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


# --- prices and liquidity ------------------------------------------------------------------------------------


def _price(run: Run) -> Figure | None:
    figure, axes = paper_figure(len(run.header.instruments), 1.5)
    for i, (axis, instrument) in enumerate(zip(axes, run.header.instruments, strict=True)):
        static_panels.price(axis, run, i)
        axis.set(title=named(instrument.name), ylabel="price (points)")
    return _finished(run, figure, axes, axes[0]) if len(run.trades) or len(run.rfq_trades) else None


def _depth(run: Run) -> Figure | None:
    figure, axes = paper_figure(len(run.header.instruments), 1.6)
    meshes = []
    for i, (axis, instrument) in enumerate(zip(axes, run.header.instruments, strict=True)):
        mesh = static_panels.depth(axis, run, i)
        axis.set(title=named(instrument.name), ylabel="price (points)")
        if mesh is not None:
            figure.colorbar(mesh, ax=axis, pad=0.02, aspect=14, label="displayed (lots)")
            meshes.append(axis)
    return _finished(run, figure, axes, meshes[0]) if meshes else None


def _spread(run: Run) -> Figure | None:
    shown = [i for i in range(len(run.header.instruments)) if len(_lit_quotes(run, i))]
    if not shown and not data.quoted_spread(run, 0)["spread"].notna().any():
        return None
    figure, axes = paper_figure(1 + len(shown))
    static_panels.quoted_spread(axes[0], run)
    axes[0].set_ylabel("basis points")
    legend_over(axes[0], "quoted spread of the lit book")
    for axis, i in zip(axes[1:], shown, strict=True):
        static_panels.spread_parts(axis, run, i)
        axis.set_ylabel("ticks")
        title = titled(named(run.header.instruments[i].name), "parts of dealers' own spread")
        if i == shown[0]:
            legend_over(axis, title)
        else:
            axis.set_title(title)
    return _finished(run, figure, axes, None)


def _quotes(run: Run) -> Figure | None:
    shown = [i for i in range(len(run.header.instruments)) if len(_lit_quotes(run, i))]
    if not shown:
        return None
    dealers = max(data.quote_states(run, i)["agent_id"].nunique() for i in shown)
    figure, axes = paper_figure(len(shown), 0.35 + 0.13 * dealers)
    for axis, i in zip(axes, shown, strict=True):
        static_panels.quotes(axis, run, i)
        axis.set_title(named(run.header.instruments[i].name))
    figure.legend(handles=static_panels.state_patches(), loc="outside upper center", ncols=3, columnspacing=1.2)
    return _finished(run, figure, axes, None)


def _share(run: Run) -> Figure | None:
    if not len(run.trades) and not len(run.rfq_trades):
        return None
    instruments = run.header.instruments
    figure, axes = paper_figure(1 + len(instruments), 1.15)
    bin_s = end_ns(run) / static_panels.BINS / 1e9
    for i, (axis, instrument) in enumerate(zip(axes, instruments, strict=False)):
        static_panels.volume(axis, run, i)
        axis.set(title=named(instrument.name), ylabel=f"lots per {bin_s:.3g} s")
    static_panels.rfq_share(axes[-1], run)
    axes[-1].set_ylabel("% of lots")
    legend_over(axes[-1], "share dealt by request for quote")
    return _finished(run, figure, axes, axes[0])


def _lit_quotes(run: Run, instrument_id: int) -> Any:
    quotes = run.table("quote")
    return quotes[(quotes["instrument_id"] == instrument_id) & (quotes["rfq_id"] == 0)]


# --- information ---------------------------------------------------------------------------------------------


def _information(run: Run) -> Figure | None:
    shown = [i for i in range(len(run.header.instruments)) if len(data.beliefs(run, i))]
    if not shown:
        return None
    figure, axes = paper_figure(2 * len(shown), 1.05)
    for k, i in enumerate(shown):
        name = named(run.header.instruments[i].name)
        for axis, column, title, unit in (
            (axes[2 * k], "alpha", "perceived share of informed flow, α", "share"),
            (axes[2 * k + 1], "sd", "uncertainty of fair value, s", "points"),
        ):
            static_panels.belief(axis, run, i, column)
            axis.set(title=titled(name, title), ylabel=unit)
            axis.set_ylim(bottom=0)
    return _finished(run, figure, axes, axes[0])


# --- balance sheets ------------------------------------------------------------------------------------------


def _headroom(run: Run) -> Figure | None:
    table = data.headroom(run)
    table = table[np.isfinite(table["headroom"])]
    constraints = list(dict.fromkeys(table["constraint"]))
    if not constraints:
        return None
    figure, axes = paper_figure(len(constraints), 1.3)
    for axis, constraint in zip(axes, constraints, strict=True):
        static_sheets.headroom(axis, run, table[table["constraint"] == constraint])
        axis.set_title(named(constraint))
    return _finished(run, figure, axes, axes[0])


def _forced(run: Run) -> Figure | None:
    if not len(data.forced_sales(run)):
        return None
    figure, axes = paper_figure(1, 1.8)
    static_sheets.forced_volume(axes[0], run)
    axes[0].set_ylabel("forced sales, cumulated (lots)")
    return _finished(run, figure, axes, axes[0])


def _marks(run: Run) -> Figure | None:
    shown = [i for i in range(len(run.header.instruments)) if len(data.marks(run, i))]
    if not shown:
        return None
    adjusted = bool((data.balance_sheets(run)["adjustment"] != 0).any())
    figure, axes = paper_figure(len(shown) + adjusted, 1.25)
    for axis, i in zip(axes, shown, strict=False):
        static_sheets.marks(axis, run, i)
        name = named(run.header.instruments[i].name)
        axis.set(title=titled(name, "prudent mark against fair value"), ylabel="per cent")
    if adjusted:
        static_sheets.adjustments(axes[-1], run)
    return _finished(run, figure, axes, axes[0])


def _funding(run: Run) -> Figure | None:
    if not len(run.table("loan_borrowed")):
        return None
    figure, axes = paper_figure(3 if len(data.squeezes(run)) else 2)
    static_sheets.haircuts(axes[0], run)
    axes[0].set_ylabel("per cent")
    legend_over(axes[0], "haircut on new loans, mean over borrowers")
    static_sheets.borrowing(axes[1], run)
    legend_over(axes[1], "what balance sheets owe")
    if len(axes) > 2:
        static_sheets.squeezes(axes[2], run)
        axes[2].set_ylabel("number, cumulated")
        legend_over(axes[2], "loans called or not rolled")
    return _finished(run, figure, axes, None)


def _funds(run: Run) -> Figure | None:
    if not len(data.fund_values(run)):
        return None
    figure, axes = paper_figure(2)
    static_sheets.net_asset_values(axes[0], run)
    axes[0].set(title="net asset value", ylabel="% of opening")
    static_sheets.redemptions(axes[1], run)
    axes[1].set_title("what investors ask back")
    return _finished(run, figure, axes, axes[0])


def _failures(run: Run) -> Figure | None:
    if not len(data.failures(run)):
        return None
    figure, (times, borne) = paper_figure(2, 1.5, share_time=False)
    static_sheets.failed_so_far(times, run)
    times.set_ylabel("failures (number)")
    time_axis(run, times)
    static_sheets.losses(borne, run)
    legend_over(borne, "who bore the losses")
    return figure


def _finished(run: Run, figure: Figure, axes: list[Any], legend_of: Any | None) -> Figure:
    """The figure with its time axis and, above it, the legend of one axis."""
    time_axis(run, axes[-1])
    if legend_of is not None:
        legend_above(figure, legend_of)
    figure.align_ylabels(axes)
    return figure


FIGURES: dict[str, FigureKind] = {
    "price": FigureKind("price against fair value, lit and RFQ trades", "nothing was traded", _price),
    "depth": FigureKind("depth of the lit book by time and price, best bid and ask", "no book had an order", _depth),
    "spread": FigureKind("quoted spread, and what dealers' spreads are made of", "no book was two-sided", _spread),
    "quotes": FigureKind("who quotes where", "nobody logs quotes", _quotes),
    "share": FigureKind("lots dealt on the lit book and by request for quote", "nothing was traded", _share),
    "information": FigureKind("dealers' α and s", "nobody logs beliefs", _information),
    "headroom": FigureKind("headroom of balance sheets under each limit", "nobody has limits", _headroom),
    "forced": FigureKind("lots sold under a constraint", "nobody was forced to sell", _forced),
    "marks": FigureKind("prudent marks against fair value, valuation adjustments", "nobody marks positions", _marks),
    "funding": FigureKind("haircuts, debt, loans called or not rolled", "nobody lends", _funding),
    "funds": FigureKind("funds' net asset value and redemptions", "there are no funds", _funds),
    "failures": FigureKind("who failed, and who bore the loss", "nobody failed", _failures),
}
"""Every figure, by the name of its file."""
