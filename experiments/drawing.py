"""What the figures of the experiments have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lob_sim.report.static_style import COLOURS as COLOURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(rows: int = 1, columns: int = 1, **shared: Any) -> tuple[Figure, Any]:
    """A figure with light grids; the axes as from ``Figure.subplots``, which takes ``shared`` (``sharex``, ...)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * columns, 3.6 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, **shared)
    for axis in figure.axes:
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write a figure to a file of the type that its name says; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
