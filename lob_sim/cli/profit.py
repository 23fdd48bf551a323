"""``lob-sim pnl``: what everybody in a run has made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import printable
from lob_sim.log import open_run

if TYPE_CHECKING:
    import pandas as pd

_NAMES = {
    "pnl_mid": "profit at mid",
    "pnl_value": "profit at value",
}
_LEFT_OUT = ("unrealised_mid", "unrealised_value", "turnover")
"""What a terminal has no room for: the difference of two columns, and what few ask for; ``--csv`` has them."""
_WIDE = 200
"""Columns of a terminal that is none: a table in a file or a pipe is not folded."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("pnl")(pnl_command)


def pnl_command(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    by: Annotated[str, typer.Option(help="One or more of agent, group, instrument, role.")] = "group,instrument",
    agent: Annotated[str | None, typer.Option(help="Only this agent, or the agents of this group.")] = None,
    at: Annotated[str | None, typer.Option(help="Split profit at mid or value; value if the log knows it.")] = None,
    settle: Annotated[str, typer.Option(help="How long after a trade its price impact is taken.")] = "5s",
    csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values instead of a table.")] = False,
) -> None:
    """Say what trading has brought: profit, realised and not, by what it came from, in currency units."""
    run = open_run(path)
    table = run.pnl([key.strip() for key in by.split(",")], agent=agent, at=at, settle=settle)
    if csv:
        typer.echo(table.rename(index=printable).to_csv(lineterminator="\n"), nl=False)
        return
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDE)
    console.print(_shown(table))
    known = f"spread, adverse selection and inventory add up to profit at {table.attrs['at']}"
    echo_lines([f"{known}; interest, repo and resolution are not in it"])


def _shown(table: pd.DataFrame) -> Table:
    shown = Table(box=None, pad_edge=False)
    for name in table.index.names:
        shown.add_column(str(name), overflow="fold")
    columns = [c for c in table.columns if c not in _LEFT_OUT]
    for name in columns:
        shown.add_column(_NAMES.get(name, name.replace("_", " ")), justify="right")
    for key, row in zip(table.index, table[columns].itertuples(index=False), strict=True):
        names = key if isinstance(key, tuple) else (key,)
        numbers = ("–" if value != value else f"{round(value):,}" for value in row)
        # Names of other people's files: never markup.
        shown.add_row(*(Text(printable(str(name))) for name in names), *numbers)
    return shown
