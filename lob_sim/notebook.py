"""What a notebook shows of a thing: small HTML that needs no network, in which every text of a file is escaped.

A notebook calls ``_repr_html_`` of what a cell ends with.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar

from lob_sim.errors import LobSimError, printable

T = TypeVar("T")
MOST_ROWS = 20
_LONGEST = 100


def text(value: object) -> str:
    """A value as HTML: on one line, cut where it is long; a float with four digits, but with all of its whole part."""
    if isinstance(value, float):
        return "–" if value != value else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    shown = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else printable(str(value))
    return html.escape(shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…")


def heading(name: str, *facts: object) -> str:
    """A line that says what the thing is."""
    return f"<p><b>{text(name)}</b>{''.join(f' · {text(fact)}' for fact in facts)}</p>"


def note(words: str) -> str:
    """A line of small print."""
    return f"<p style='opacity:.7'>{text(words)}</p>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of at most :data:`MOST_ROWS` rows, and how many there are more."""
    listed = list(rows)
    head = "".join(f"<th style='text-align:left'>{text(column)}</th>" for column in columns)
    lines = (
        "<tr>" + "".join(f"<td style='text-align:{_side(cell)}'>{text(cell)}</td>" for cell in row) + "</tr>"
        for row in listed[:MOST_ROWS]
    )
    more = note(f"and {len(listed) - MOST_ROWS:,} more rows") if len(listed) > MOST_ROWS else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>{more}"


def _side(cell: object) -> str:
    return "right" if isinstance(cell, int | float) else "left"


def shows(function: Callable[[T], str]) -> Callable[[T], str]:
    """Let a thing that cannot be read say so, where an error would hide the rest of the notebook."""

    @wraps(function)
    def showing(thing: T) -> str:
        try:
            return function(thing)
        except LobSimError as error:
            return heading(type(thing).__name__, "cannot be shown") + note(str(error))

    return showing


def frame(shown: Any) -> str:
    """A pandas table as :func:`table`, its index as the first columns."""
    flat = shown.reset_index()
    return table([str(column) for column in flat.columns], (_plain(row) for row in flat.itertuples(index=False)))


def _plain(row: Sequence[Any]) -> list[object]:
    # numpy's numbers as Python's own.
    return [cell.item() if hasattr(cell, "item") else cell for cell in row]
