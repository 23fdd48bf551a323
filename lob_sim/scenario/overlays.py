"""Overlays: small files that change a scenario, whichever it is: an intervention, a calm market, another group.

An overlay says what it sets where, and which groups, shocks and venues it brings::

    description = "Reserves leave the leverage exposure."

    [[set]]
    path = "agents.*.balance_sheet.constraints.kind=slr.params.exempt"
    value = ["reserves"]

A path is that of an override (``--set``), and may say more: ``*`` stands for every member of a list or table, and
``key=pattern`` for the members of a list whose ``key`` fits the pattern (``*``, ``?``, ``[...]`` as in file names). In
values, paths and keys ``@most_liquid`` is the name of the instrument of the lowest liquidity rank, so that one file
serves markets of different instruments. Every path must fit somewhere: an overlay that would change nothing is refused.

A group of a name that the scenario has takes its place, any other is added; it may be ``like`` a group of the scenario,
by its name or by ``key=pattern``.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec

from lob_sim.convert import convert_strict, did_you_mean, refuse_depth
from lob_sim.errors import ScenarioError, shown
from lob_sim.scenario.inherit import merged
from lob_sim.scenario.overrides import unreadable
from lob_sim.scenario.toml_text import toml_value

_PACKAGED = resources.files("lob_sim") / "overlays"
MOST_LIQUID = "@most_liquid"
"""Stands for the name of the most liquid instrument; of several of one rank the first by name."""


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One change: what every place gets which the path fits.

    Attributes:
        path: The places.
        value: A new value; or else
        factor: What the number that stands there is multiplied by.
    """

    path: str
    value: Any = msgspec.UNSET
    factor: Decimal | None = None

    def __post_init__(self) -> None:
        if (self.value is msgspec.UNSET) is (self.factor is None):
            raise ValueError("value: expected it, or a factor, and not both")


class Overlay(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an overlay file says.

    Attributes:
        name: That of the file, without its ending; no key of the file.
        description: One or two sentences.
        source: Who did this, or wrote of it.
        set: Values to be set, in order, after all else.
        remove: Paths of what goes, first of all.
        agents: Groups to be added, or to take the place of their namesakes.
        shocks: Shocks to be added.
        venues: Venues to be added.
    """

    name: str = ""
    description: str = ""
    source: str = ""
    set: list[Setting] = []
    remove: list[str] = []
    agents: list[dict[str, Any]] = []
    shocks: list[dict[str, Any]] = []
    venues: list[dict[str, Any]] = []


def packaged_overlays() -> dict[str, Path]:
    """Overlays that come with the package, by name."""
    files = sorted(Path(str(entry)) for entry in _PACKAGED.iterdir() if entry.name.endswith(".toml"))
    return {file.stem: file for file in files}


def find_overlay(source: str | Path) -> Path:
    """The file that ``source`` names: a path, or the name of a packaged overlay.

    Raises:
        ScenarioError: It is neither; suggests the nearest name.
    """
    path, packaged = Path(source), packaged_overlays()
    with suppress(OSError):  # A name that is too long to be one.
        if path.is_file():
            return path
    if str(source) in packaged:
        return packaged[str(source)]
    raise ScenarioError(
        f"no such file or packaged overlay{did_you_mean(str(source), packaged)}; packaged: {', '.join(packaged)}",
        f"--with {source}",
    )


def load_overlay(source: str | Path) -> Overlay:
    """Read an overlay file, or one that comes with the package, by its name.

    Raises:
        ScenarioError: Names file and field, and says what was expected.
    """
    path = find_overlay(source)
    where = str(source)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror}", where) from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"is not UTF-8 text: {error.reason}", where) from None
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"is not valid TOML: {error}", where) from None
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"cannot be read: {unreadable(error)}", where) from None
    refuse_depth(raw, where, ScenarioError)
    if "name" in raw:
        raise ScenarioError("unknown key 'name': an overlay is called by its file", f"{where}: name")
    overlay = convert_strict(raw, Overlay, f"{where}: ", ScenarioError)
    if not (overlay.set or overlay.remove or overlay.agents or overlay.shocks or overlay.venues):
        raise ScenarioError("changes nothing: expected set, remove, agents, shocks or venues", where)
    for i, group in enumerate(overlay.agents):
        if not isinstance(group.get("name"), str):
            raise ScenarioError("expected the name of the group", f"{where}: agents[{i}].name")
    return msgspec.structs.replace(overlay, name=path.stem)


def apply_overlays(plain: Mapping[str, Any], overlays: Sequence[Overlay]) -> dict[str, Any]:
    """A scenario with overlays over it, one after the other.

    Args:
        plain: The scenario as from :func:`lob_sim.scenario.scenario_to_dict`; stays as it is.
        overlays: What to change, in this order.

    Returns:
        Plain data, not yet checked, with the overlays' names added to its ``overlays``.

    Raises:
        ScenarioError: One does not fit the scenario.
    """
    result: dict[str, Any] = copy.deepcopy(dict(plain))
    for overlay in overlays:
        overlay = _with_names(overlay, result)
        for i, path in enumerate(overlay.remove):
            for container, key, _ in reversed(_fitting(result, path, overlay, f"remove[{i}]")):
                _remove(container, key)
        for i, group in enumerate(overlay.agents):
            _put_group(result, group, f"{overlay.name}: agents[{i}]")
        for key in ("shocks", "venues"):
            result[key] = [*result.get(key, ()), *copy.deepcopy(getattr(overlay, key))]
        for i, setting in enumerate(overlay.set):
            for container, key, path in _fitting(result, setting.path, overlay, f"set[{i}].path"):
                container[key] = _new_value(setting, container, key, f"{overlay.name}: set[{i}].factor: {path}")
        result["overlays"] = [*result.get("overlays", ()), overlay.name]
    return result


def overlay_changes(plain: Mapping[str, Any], overlays: Sequence[Overlay]) -> tuple[str, ...]:
    """What overlays change, as overrides: ``path=value``, each of one place.

    Args:
        plain: The scenario as from :func:`lob_sim.scenario.scenario_to_dict`.
        overlays: In their order.

    Raises:
        ScenarioError: One does not fit, or brings or removes what an override cannot.
    """
    changes: list[str] = []
    for overlay in overlays:
        for key in ("agents", "venues", "remove"):
            if getattr(overlay, key):
                raise ScenarioError("from an instant on, values and shocks alone can change", f"{overlay.name}: {key}")
        overlay = _with_names(overlay, plain)
        if overlay.shocks:
            changes.append(f"shocks={toml_value([*plain.get('shocks', ()), *overlay.shocks])}")
        after = apply_overlays(plain, [overlay])
        for i, setting in enumerate(overlay.set):
            places = _fitting(after, setting.path, overlay, f"set[{i}].path")
            changes += [f"{path}={toml_value(container[key])}" for container, key, path in places]
        plain = after
    return tuple(changes)


def _put_group(scenario: dict[str, Any], given: Mapping[str, Any], where: str) -> None:
    """Add a group, or put it in the place of its namesake."""
    group: dict[str, Any] = copy.deepcopy(dict(given))
    agents = scenario["agents"]
    names = [member["name"] for member in agents]
    if "like" in group:
        wanted = str(group.pop("like"))
        model = next((agents[i] for i in _keys(agents, wanted)), None)
        if model is None:
            near = did_you_mean(wanted, names)
            told = f"no group {wanted!r} in {scenario['name']}{near}; there are: {', '.join(names)}"
            raise ScenarioError(told, f"{where}.like")
        group = merged(model, group)
    if group["name"] in names:
        agents[names.index(group["name"])] = group
    else:
        agents.append(group)


def _new_value(setting: Setting, container: Any, key: Any, where: str) -> Any:
    if setting.factor is None:
        return copy.deepcopy(setting.value)
    there = container.get(key) if isinstance(container, dict) else container[key]
    try:
        # Amounts of money are text in plain data, so that they stay exact.
        number = Decimal(str(there))
    except InvalidOperation:
        raise ScenarioError(f"expected a number there, got {shown(there)}", where) from None
    product = number * setting.factor
    whole = isinstance(there, int) and product == product.to_integral_value()
    return int(product) if whole else float(product) if isinstance(there, float) else f"{product:f}"


def _remove(container: Any, key: Any) -> None:
    if isinstance(container, dict) and container.get(key) is None:
        return
    del container[key]


# --- where a path leads ----------------------------------------------------------------------------------------------


def _fitting(scenario: Mapping[str, Any], path: str, overlay: Overlay, field: str) -> list[tuple[Any, Any, str]]:
    """Every place that a path fits: what holds it, under which key, and its path without patterns."""
    found = list(_places(scenario, path.split("."), ()))
    if not found or not all(path.split(".")):
        raise ScenarioError(f"{path} fits nothing in {scenario['name']}", f"{overlay.name}: {field}")
    return found


def _places(node: Any, parts: Sequence[str], so_far: tuple[str, ...]) -> Iterator[tuple[Any, Any, str]]:
    for key in _keys(node, parts[0]):
        path = (*so_far, _told(node, key))
        if len(parts) == 1:
            yield node, key, ".".join(path)
            continue
        # A table that the scenario leaves out, among parameters that only their owner knows.
        inside = node.setdefault(key, {}) if isinstance(node, dict) else node[key]
        yield from _places(inside, parts[1:], path)


def _keys(node: Any, part: str) -> list[Any]:
    """The keys or indices that one part of a path stands for; none where there is nothing to go into."""
    if isinstance(node, dict):
        return list(node) if part == "*" else [part]
    if not isinstance(node, list):
        return []
    if part == "*":
        return list(range(len(node)))
    named = [i for i, member in enumerate(node) if isinstance(member, dict) and member.get("name") == part]
    key, equals, pattern = part.partition("=")
    if equals and not named:
        return [
            i
            for i, member in enumerate(node)
            if isinstance(member, dict) and key in member and fnmatchcase(str(member[key]), pattern)
        ]
    if not named and part.isdecimal() and int(part[:9]) < len(node):
        return [int(part)]
    return named[:1]


def _told(node: Any, key: Any) -> str:
    """How a path without patterns names a member."""
    if isinstance(node, dict):
        return str(key)
    name = node[key].get("name") if isinstance(node[key], dict) else None
    return name if isinstance(name, str) and name and "." not in name else str(key)


def _with_names(overlay: Overlay, scenario: Mapping[str, Any]) -> Overlay:
    """The overlay with the scenario's own names in the place of those that stand for them."""
    safest = min(scenario["instruments"], key=lambda spec: (spec["liquidity_rank"], spec["name"]))["name"]

    def named(value: Any) -> Any:
        if isinstance(value, str):
            return safest if value == MOST_LIQUID else value
        if isinstance(value, dict):
            return {named(key): named(entry) for key, entry in value.items()}
        return [named(entry) for entry in value] if isinstance(value, list) else value

    def path_named(path: str) -> str:
        return path.replace(MOST_LIQUID, safest)

    settings = [msgspec.structs.replace(s, path=path_named(s.path), value=named(s.value)) for s in overlay.set]
    changed = {key: named(getattr(overlay, key)) for key in ("agents", "shocks", "venues")}
    return msgspec.structs.replace(
        overlay, set=settings, remove=[path_named(path) for path in overlay.remove], **changed
    )
