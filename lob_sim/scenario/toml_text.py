"""Plain data as TOML writes it, for files that are written for people and changes that are kept as text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lob_sim.errors import InputError

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONG = 80


def toml_value(value: Any) -> str:
    """One value on one line: text, numbers, booleans, lists, tables.

    Raises:
        InputError: TOML has no such value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which JSON leaves as it is.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        inside = ", ".join(f"{toml_key(key)} = {toml_value(entry)}" for key, entry in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    raise InputError(f"TOML has no {type(value).__name__}")


def toml_key(key: str) -> str:
    """The key of a table, quoted where it must be."""
    return key if _BARE.fullmatch(key) else toml_value(key)


def toml_document(data: Mapping[str, Any]) -> str:
    """Plain data as a file for people: a line for each value, a heading for each table and member of a list."""
    lines = [f"{toml_key(key)} = {toml_value(value)}" for key, value in data.items() if not _has_heading(value)]
    for key, value in data.items():
        if _has_heading(value):
            for table in value if isinstance(value, list) else [value]:
                heading = f"[[{toml_key(key)}]]" if isinstance(value, list) else f"[{toml_key(key)}]"
                lines += ["", heading, *_table_lines(table, toml_key(key))]
    return "\n".join(lines).lstrip("\n") + "\n"


def _has_heading(value: Any) -> bool:
    tables = value if isinstance(value, list) else [value]
    return bool(tables) and all(isinstance(table, Mapping) for table in tables)


def _table_lines(table: Mapping[str, Any], path: str) -> list[str]:
    """The values of a table, and below them those of its tables that would make a long line."""
    long = {key for key, value in table.items() if isinstance(value, Mapping) and len(toml_value(value)) > _LONG}
    lines = [f"{toml_key(key)} = {toml_value(value)}" for key, value in table.items() if key not in long]
    for key in table:
        if key in long:
            below = f"{path}.{toml_key(key)}"
            lines += [f"[{below}]", *_table_lines(table[key], below)]
    return lines
