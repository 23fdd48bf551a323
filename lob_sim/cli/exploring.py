"""``lob-sim explore``: a local page to choose, turn, run, watch and compare markets."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.scenario import load_scenario, packaged_scenarios

_FIRST = "dealer_market"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("explore")(explore_command)


def explore_command(
    scenario: Annotated[
        str | None, typer.Argument(help="A scenario file, or the name of a packaged one, to begin with.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where runs are kept.")] = Path("out/explore"),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; any free one if 0.")] = 0,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Open a page of this machine alone: choose a market, turn its knobs, run it, watch it, compare runs.

    Ctrl-C ends it, and what still runs.
    """
    need_extra("app", "nicegui", "jinja2")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot be made: {error.strerror}", f"--out {out}") from None
    first = _FIRST if scenario is None else scenario
    load_scenario(first)
    from lob_sim.explorer.server import serve

    with TemporaryDirectory() as own:

        def opened(address: str) -> None:
            echo_lines([address])
            if show:
                # By way of a file that nobody else can read: a browser's arguments can be read by every user.
                leads = Path(own) / "explorer.html"
                leads.write_text(f'<meta http-equiv="refresh" content="0;url={address}">')
                webbrowser.open(leads.as_uri())

        with suppress(KeyboardInterrupt):
            serve(list(dict.fromkeys([first, *packaged_scenarios()])), out, port, opened)
