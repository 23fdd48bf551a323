"""Names and texts that come from scenarios, on their way to a reader."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text without characters that a terminal or a drawing would obey instead of showing: those become ``?``."""
    return "".join(c if c.isprintable() else "?" for c in text)
