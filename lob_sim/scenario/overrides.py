"""Changes to a scenario from the command line or a sweep: ``path=value``."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from lob_sim.convert import DEEPEST, did_you_mean
from lob_sim.errors import ScenarioError

_LONGEST_INDEX = 10


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply ``"path=value"`` changes to a copy of a scenario's plain data.

    A path is dotted; a member of a list is named by its ``name`` or, where none is called so, its index
    (``shocks.0.size=-0.08``). The
    last part may name a key that the file leaves to its default; a key that no scenario has is refused when
    the result is converted.

    Raises:
        ScenarioError: An override has no ``=``, or its path leads nowhere; suggests the nearest name.
    """
    result = copy.deepcopy(raw)
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not path.strip():
            raise ScenarioError("expected path=value, for example agents.dealers.count=4", f"--set {override}")
        where = f"--set {override}"
        set_path(result, path.strip(), parse_value(text.strip(), where), where)
    return result


def parse_value(text: str, where: str = "") -> Any:
    """A value as TOML writes it; anything that is not one TOML value is taken as a string.

    Raises:
        ScenarioError: A whole number of thousands of digits, or lists in lists without end; names ``where``.
    """
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError) as error:
        raise ScenarioError(unreadable(error), where) from None
    return parsed["value"] if len(parsed) == 1 else text


def unreadable(error: ValueError | RecursionError) -> str:
    """What is wrong with TOML that its reader gives up on."""
    if isinstance(error, RecursionError):
        return "tables and lists are nested too deeply"
    return "a whole number has too many digits"


def set_path(raw: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Set one dotted path in plain data, in place.

    Raises:
        ScenarioError: The path leads nowhere.
    """
    parts = path.split(".")
    if not all(parts):
        raise ScenarioError(f"{path!r} has an empty part", where)
    if len(parts) > DEEPEST:
        raise ScenarioError(f"a path of more than {DEEPEST} parts leads nowhere", where)
    node: Any = raw
    for i, part in enumerate(parts):
        so_far = ".".join(parts[: i + 1])
        key: Any = part
        if isinstance(node, list):
            key = _index(node, part, so_far, where)
        elif not isinstance(node, dict):
            raise ScenarioError(f"{'.'.join(parts[:i])} is a single value: nothing is inside it", where)
        if i == len(parts) - 1:
            node[key] = value
        else:
            # A table that the file leaves out: if no scenario has one, the result will not convert.
            if isinstance(node, dict) and node.get(key) is None:
                node[key] = {}
            node = node[key]


def value_at(raw: Mapping[str, Any], path: str, where: str) -> Any:
    """What stands at a dotted path of plain data.

    Raises:
        ScenarioError: The path leads nowhere.
    """
    node: Any = raw
    parts = path.split(".")
    for i, part in enumerate(parts):
        so_far = ".".join(parts[: i + 1])
        if isinstance(node, list):
            node = node[_index(node, part, so_far, where)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            near = did_you_mean(part, node) if isinstance(node, dict) else ""
            raise ScenarioError(f"{so_far} does not exist{near}", where)
    return node


def _index(node: list[Any], part: str, so_far: str, where: str) -> int:
    names = [entry.get("name") if isinstance(entry, dict) else None for entry in node]
    if part in names:
        return names.index(part)
    if part.isdecimal() and len(part) < _LONGEST_INDEX and int(part) < len(node):
        return int(part)
    known = [name for name in names if isinstance(name, str) and name]
    there_are = ", ".join(known) or f"{len(node)} entries"
    raise ScenarioError(f"{so_far} does not exist{did_you_mean(part, known)}; there are: {there_are}", where)
