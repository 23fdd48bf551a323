"""Which code a scenario or a task names, by digests of its source: a result is as much its work as the scenario's.

Nothing is imported to find out but the packages in which a named module lies.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from os.path import isfile
from pathlib import Path
from typing import Any

import msgspec

from lob_sim.errors import ScenarioError
from lob_sim.plugins import SHIPPED, lies_with_shipped, registered_plugins

_PLUGIN = re.compile(r"(?P<module>[\w.]*\w[\w.]*|[^\x00-\x1f]*[^\x00-\x1f/\\]\.py):[^\W\d]\w*")
_IN_CHANGE = re.compile(r"[\w./\\-]+:[^\W\d]\w*")
_OF_OTHERS = ("site-packages", "dist-packages")
"""Folders in which everybody's packages lie side by side, and are no neighbours."""
_HOME = Path(__file__).resolve().parent


def plugin_sources(data: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the source of every plug-in that a scenario, or changes to one, name.

    It is that of the plug-in's file and of the files beside it that it imports, however far that goes.

    Args:
        data: As from :func:`lob_sim.scenario.scenario_to_dict`, and changes as ``"path=module:Class"``. Its ``folder``
            is where plug-ins are looked for; the current one if it has none.

    Raises:
        ScenarioError: A source file cannot be read.
    """
    return {name: _digest(source, folders, f"plug-in {name!r}") for name, source, folders in _plugins(data)}


def foreign_sources(data: Mapping[str, Any]) -> dict[str, str]:
    """:func:`plugin_sources` without what comes with this package, whose version says what it is."""
    return {
        name: _digest(source, folders, f"plug-in {name!r}")
        for name, source, folders in _plugins(data)
        if not _is_own(source)
    }


def task_sources(task: Any) -> dict[str, str]:
    """Digest of the source of every module whose functions and classes a task is made of, but for those of lob_sim."""
    found = {}
    for name in sorted({*_modules(task)}):
        source = _module_file(name)
        if source is not None and not _is_own(source):
            found[name] = _digest(source, _around(source, name, None), f"task of {name}")
    return found


def module_digest(name: str) -> str:
    """Digest of the source of a module and of the files beside it that it imports; empty where it has no file."""
    source = _module_file(name)
    return _digest(source, _around(source, name, None), f"module {name}") if source is not None else ""


def neighbours_digest(file: str | Path, folder: str | Path) -> str:
    """Digest of what a plug-in's file imports from beside it or from the folder that it is named in."""
    source = Path(file)
    files = _with_neighbours(source, (source.parent, Path(folder)))[1:]
    return _digest_of(files, f"plug-in {source}") if files else ""


# --- what is named -----------------------------------------------------------------------------------------------


def _plugins(data: Mapping[str, Any]) -> Iterator[tuple[str, Path, tuple[Path, ...]]]:
    """Names of plug-ins in order, with their files and the folders of their neighbours."""
    folder = Path(str(data.get("folder") or "."))
    modules = {spec: spec.rpartition(":")[0] for spec in _named(data)}
    found: dict[str, tuple[Path | None, str, Path | None]] = {
        spec: (_source_of(module, folder), module, folder) for spec, module in modules.items()
    }
    offered = {name: registered_plugins()[name].partition(":")[0] for name in _offered(data)}
    found |= {name: (_module_file(module), module, None) for name, module in offered.items()}
    for name, (source, module, beside) in sorted(found.items()):
        if source is not None:
            yield name, source, _around(source, "" if module.endswith(".py") else module, beside)


def _named(data: Any) -> Iterator[str]:
    """Whatever looks like the name of a plug-in."""
    for text in _strings(data):
        if _PLUGIN.fullmatch(text):
            yield text
        elif "=" in text:
            yield from _IN_CHANGE.findall(text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _strings(entry)
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _strings(entry)


def _offered(data: Mapping[str, Any]) -> set[str]:
    """Strategies that are named as other packages offer them."""
    groups = data.get("agents") or ()
    named = {str(group.get("strategy", "")) for group in groups if isinstance(group, Mapping)}
    plain = {name for name in named if name and ":" not in name}
    return plain & registered_plugins().keys() if plain else set()


def _modules(value: Any) -> Iterator[str]:
    """Modules of the functions and classes that a value is made of, with its fields and bound arguments."""
    if isinstance(value, functools.partial):
        yield from _modules([value.func, value.args, value.keywords])
    elif isinstance(value, Mapping):
        yield from _modules([*value.values()])
    elif isinstance(value, list | tuple):
        for entry in value:
            yield from _modules(entry)
    elif callable(value):
        named = value if hasattr(value, "__qualname__") else type(value)
        yield str(named.__module__)
        if isinstance(value, msgspec.Struct):
            yield from _modules([getattr(value, field) for field in value.__struct_fields__])


# --- where it lies -----------------------------------------------------------------------------------------------


def _is_own(file: Path) -> bool:
    return file.resolve().is_relative_to(_HOME) or lies_with_shipped(file)


def _source_of(module: str, folder: Path) -> Path | None:
    """The file from which :func:`lob_sim.plugins.load_class` takes a module."""
    if module.endswith(".py"):
        return found if isfile(found := folder / module) else None
    local = folder / f"{module.replace('.', '/')}.py"
    has_own = isfile(local) and not lies_with_shipped(local)
    package, _, rest = module.partition(".")
    if has_own and (not rest or package == SHIPPED):
        return local
    installed = _module_file(f"lob_sim.{module}" if rest and package == SHIPPED else module) or _module_file(module)
    return installed or (local if has_own else None)


def _module_file(module: str) -> Path | None:
    loaded = getattr(sys.modules.get(module), "__file__", None)
    if loaded is not None:
        return Path(loaded)
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec is not None and spec.has_location and spec.origin is not None else None


# --- what it says ------------------------------------------------------------------------------------------------


def _digest(source: Path, folders: Sequence[Path], where: str) -> str:
    return _digest_of(_with_neighbours(source, folders), where)


def _digest_of(files: Sequence[Path], where: str) -> str:
    digest = hashlib.sha256()
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ScenarioError(f"{file} cannot be read: {error.strerror}", where) from error
        digest.update(file.name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:16]


def _around(source: Path, module: str, folder: Path | None) -> tuple[Path, ...]:
    """Where a module's neighbours lie: beside it, in the folder that it is named in, and where its package lies."""
    root = source.parents[min(module.count("."), len(source.parents) - 1)]
    found = dict.fromkeys(each for each in (source.parent, folder, root) if each is not None)
    return tuple(each for each in found if each.name not in _OF_OTHERS)


def _with_neighbours(source: Path, folders: Sequence[Path]) -> list[Path]:
    """A file, and those that it imports from its own folders, each once; ours are none of them."""
    found = {source.resolve(): source}
    left = [source]
    while left:
        for file in _imported(left.pop(), folders):
            if file.resolve() not in found and not _is_own(file):
                found[file.resolve()] = file
                left.append(file)
    return [source, *sorted((f for f in found.values() if f is not source), key=lambda file: (file.name, str(file)))]


def _imported(source: Path, folders: Sequence[Path]) -> Iterator[Path]:
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        # Whoever imports it will be told.
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files(alias.name.split("."), folders)
        elif isinstance(node, ast.ImportFrom):
            parts = node.module.split(".") if node.module else []
            above = [source.parents[min(node.level, len(source.parents)) - 1]] if node.level else folders
            for alias in node.names:
                yield from _files([*parts, alias.name], above)


def _files(parts: Sequence[str], folders: Sequence[Path]) -> Iterator[Path]:
    """Files of a module and of the packages that it lies in, where it lies in one of the folders."""
    for folder in folders:
        for n in range(1, len(parts) + 1):
            inner = folder.joinpath(*parts[:n])
            yield from (file for file in (inner.with_suffix(".py"), inner / "__init__.py") if isfile(file))
