"""The application that the commands register with, and what every command has in common."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lob_sim import __version__
from lob_sim.cli import figures, history, listing, logs, reporting, running, sweeping
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError, LobSimError
from lob_sim.interrupts import end_by_sigterm_as_by_ctrl_c

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="lob-sim",
    help="An order-book market in which liquidity crises emerge from dealers' balance sheets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
running.register(app)
figures.register(app)
logs.register(app)
history.register(app)
sweeping.register(app)
reporting.register(app)
listing.register(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lob-sim {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; bad input ends with exit code 2 and one clear line, never with a traceback."""
    end_by_sigterm_as_by_ctrl_c()
    try:
        app(standalone_mode=True)
    except InputError as error:
        echo_lines([f"error: {error}"], err=True)
        sys.exit(EXIT_BAD_INPUT)
    except LobSimError as error:
        echo_lines([f"error: {error}"], err=True)
        sys.exit(EXIT_FAILED)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(EXIT_INTERRUPTED)
