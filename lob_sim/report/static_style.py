"""What static figures look like: for a column of a paper, in colour or in grey, to the bit the same each time.

A series is told apart by its line, marker or hatch and, besides, by a colour of Okabe and Ito's (2008) palette.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lob_sim.errors import printable
from lob_sim.files import write_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's palette, told apart by colour-blind readers."""
BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK = COLOURS
LINES = ("-", "--", ":", "-.", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))
"""Line styles, in the order of :data:`COLOURS`."""
HATCHES = ("", "////", "....", "\\\\\\\\", "xxxx", "----", "oooo")
FORMATS = ("png", "svg", "pdf")
COLUMN_IN = 3.4
"""Width of a figure: one column of a paper."""
_DPI = 300
_SHOWN_DPI = 160
"""On a screen."""
_LEGEND_PT = 6.5
_HANDLE_PT = 30.0
"""Room for a legend's handle with what is left free around it."""
_MARGIN_PT = 8.0
_TITLE_PT = 7.0
_LABELS_PT = 45.0
"""Room that the labels of an axis take of the width."""
_STYLE: Mapping[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "axes.titlesize": _TITLE_PT,
    "axes.titlelocation": "left",
    "axes.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.4,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "legend.fontsize": _LEGEND_PT,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "svg.hashsalt": "lob_sim",
    "text.usetex": False,
}
_METADATA: Mapping[str, dict[str, None]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}


def paper_style() -> AbstractContextManager[None]:
    """The settings under which a figure of this module is drawn and saved."""
    from matplotlib import rc_context

    # Older matplotlibs know the settings as any strings, newer ones as these and no others.
    settings: Any = dict(_STYLE)
    return rc_context(settings)


def paper_figure(rows: int, row_in: float = 1.35, share_time: bool = True) -> tuple[Figure, list[Any]]:
    """A figure one column wide, with axes above each other.

    Args:
        rows: Number of axes.
        row_in: Height of an axis, in inches.
        share_time: Whether all have the same time axis.

    Returns:
        The figure, and its axes from the top.
    """
    figure = _figure_class()(figsize=(COLUMN_IN, 0.55 + row_in * rows), layout="constrained")
    axes = figure.subplots(rows, 1, sharex=share_time, squeeze=False)[:, 0]
    return figure, list(axes)


@cache
def _figure_class() -> type[Figure]:
    """A figure that a notebook shows without being told how to."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        def _repr_png_(self) -> bytes:
            drawn = BytesIO()
            with paper_style(), warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph .* missing from font")
                self.savefig(drawn, format="png", dpi=_SHOWN_DPI)
            return drawn.getvalue()

    return ShownFigure


def named(text: str, most: int = 24) -> str:
    """A name from a scenario as matplotlib shows it letter by letter: no formula, and never left out of a legend.

    Args:
        text: The name.
        most: Letters shown, more than six; a longer name keeps its end, where an agent has its number.
    """
    shown = printable(text)
    shown = shown if len(shown) <= most else f"{shown[: most - 6]}…{shown[-5:]}"
    shown = shown.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def legend_above(figure: Figure, axes: Sequence[Any]) -> None:
    """One legend of all that axes show, above the whole figure, where it covers nothing."""
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, text in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(text, handle)
    if found:
        labels = list(found)
        figure.legend(
            list(found.values()), labels, loc="outside upper center", ncols=columns_of(labels), columnspacing=1.2
        )


def legend_over(axis: Any, title: str) -> None:
    """The title of an axis and, in lines of its own between title and axis, its legend."""
    handles, labels = axis.get_legend_handles_labels()
    columns = columns_of(labels)
    lines = -(-len(handles) // columns)
    axis.set_title(title, pad=4 + 9.5 * lines)
    if handles:
        axis.legend(
            handles,
            labels,
            loc="lower left",
            bbox_to_anchor=(0.0, 1.0),
            borderaxespad=0.1,
            borderpad=0.0,
            labelspacing=0.2,
            columnspacing=1.2,
            ncols=columns,
        )


def titled(name: str, what: str) -> str:
    """A title ``name: what``, on two lines where one is too short for it; ``name`` is from :func:`named`."""
    title = f"{name}: {what}"
    return title if _width_pt(title, _TITLE_PT) <= 72 * COLUMN_IN - _LABELS_PT else f"{name}:\n{what}"


def columns_of(labels: Sequence[str]) -> int:
    """Columns of a legend that fit the width of a figure."""
    widest = max((_width_pt(label, _LEGEND_PT) for label in labels), default=1.0)
    return max(1, min(len(labels), int((72 * COLUMN_IN - _MARGIN_PT) / (widest + _HANDLE_PT))))


def _width_pt(text: str, size_pt: float) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    shown = text.replace(r"\$", "$")
    width, _, _ = TextToPath().get_text_width_height_descent(shown, FontProperties(size=size_pt), ismath=False)
    return float(width)


def save(figure: Figure, path: Path, form: str) -> None:
    """Write a figure: the same figure gives the same bytes.

    Raises:
        OutputError: The file cannot be written.
    """
    with warnings.catch_warnings():
        # A name may be in a script that the font has not got; its letters are then drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        drawn = BytesIO()
        figure.savefig(drawn, format=form, dpi=_DPI, metadata=dict(_METADATA[form]))
    write_file(path, drawn.getvalue())
