"""Lines for a terminal: whatever stands in them, only what can be seen reaches it."""

from __future__ import annotations

from collections.abc import Iterable

import typer

from lob_sim.errors import printable


def echo_lines(lines: Iterable[str], err: bool = False) -> None:
    """Print lines, with control characters escaped: names and messages may be somebody else's."""
    for line in lines:
        typer.echo(printable(line), err=err)
