"""Changes to a scenario from the command line or a sweep: ``path=value``."""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Sequence
from typing import Any

from lob_sim.convert import did_you_mean
from lob_sim.errors import ScenarioError


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Apply ``"path=value"`` changes to a copy of a scenario's plain data.

    A path is dotted; a member of a list is named by its ``name`` or its index (``shocks.0.size=-0.08``). The
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
        set_path(result, path.strip(), parse_value(text.strip()), f"--set {override}")
    return result


def parse_value(text: str) -> Any:
    """A value as TOML writes it; anything that is not TOML is taken as a string."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def set_path(raw: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Set one dotted path in plain data, in place.

    Raises:
        ScenarioError: The path leads nowhere.
    """
    *parents, last = path.split(".")
    node: Any = raw
    for i, part in enumerate(parents):
        node = _step(node, part, ".".join(parents[: i + 1]), where, create=True)
    if isinstance(node, list):
        node[_index(node, last, path, where)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ScenarioError(f"{'.'.join(parents)} is a single value: nothing is inside it", where)


def _step(node: Any, part: str, so_far: str, where: str, *, create: bool) -> Any:
    if isinstance(node, list):
        return node[_index(node, part, so_far, where)]
    if isinstance(node, dict):
        if part not in node and create:
            node[part] = {}
        return node[part]
    raise ScenarioError(f"{so_far} is inside a single value", where)


def _index(node: list[Any], part: str, so_far: str, where: str) -> int:
    if part.isdigit() and int(part) < len(node):
        return int(part)
    names = [entry.get("name", "") if isinstance(entry, dict) else "" for entry in node]
    if part in names:
        return names.index(part)
    known = [name for name in names if name]
    raise ScenarioError(
        f"{so_far} does not exist" + did_you_mean(part, known) + f"; there are: {', '.join(known) or len(node)}",
        where,
    )
