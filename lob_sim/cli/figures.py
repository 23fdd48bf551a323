"""``lob-sim figures``: a run's panels as files for papers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lob_sim.cli.terminal import echo_lines
from lob_sim.files import own_folder
from lob_sim.log import open_run
from lob_sim.report.static import FIGURES, write_figures
from lob_sim.report.static_style import FORMATS


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("figures")(figures_command)


def figures_command(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[Path | None, typer.Option(help="Folder for the files; RUN/figures if not given.")] = None,
    form: Annotated[str, typer.Option("--format", help=f"One of: {', '.join(FORMATS)}.")] = "png",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"Only this figure; may be given again. One of: {', '.join(FIGURES)}."),
    ] = None,
) -> None:
    """Write a run's figures for papers: one column wide, readable in grey, a file each."""
    folder = out if out is not None else own_folder(path, "figures")
    written = write_figures(open_run(path), folder, form, only or ())
    for file in written.files:
        echo_lines([str(file)])
    for name, why in written.left_out.items():
        echo_lines([f"left out: {name} ({why})"])
