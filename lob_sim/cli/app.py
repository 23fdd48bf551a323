"""The application that the commands register with, and what every command has in common."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lob_sim import __version__
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError, LobSimError
from lob_sim.interrupts import end_by_sigterm_as_by_ctrl_c

EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130

_COMMANDS = {
    "run": "running",
    "check": "running",
    "new": "scaffold",
    "pnl": "profit",
    "figures": "figures",
    "replay": "logs",
    "rerun": "logs",
    "branch": "branching",
    "diff": "logs",
    "export": "logs",
    "import": "history",
    "against": "history",
    "sweep": "sweeping",
    "sweep-report": "sweeping",
    "report": "reporting",
    "explore": "exploring",
    "list": "listing",
    "show": "listing",
    "copy": "listing",
}
"""Every command, in the order of the help, and the module that registers it."""


class _LazyGroup(TyperGroup):
    """Imports a command's module when the command is wanted: ``--version`` needs no pandas."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _COMMANDS:
            for known in _COMMANDS:  # What is suggested instead is one of those that are there.
                self.get_command(ctx, known)
            return None
        if cmd_name not in self.commands:
            # The callback makes a group of it even where a module has one command alone.
            part = typer.Typer(callback=_root, rich_markup_mode=self.rich_markup_mode)
            import_module(f"lob_sim.cli.{_COMMANDS[cmd_name]}").register(part)
            self.commands.update(typer.main.get_group(part).commands)
        return self.commands[cmd_name]


app = typer.Typer(
    name="lob-sim",
    cls=_LazyGroup,
    help="An order-book market in which liquidity crises emerge from dealers' balance sheets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


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
