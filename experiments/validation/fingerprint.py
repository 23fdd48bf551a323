"""What a result was computed with: a fingerprint of the program, for results that are kept while the program moves on.

Comments, docstrings and layout do not count, nor do the packages that only show results, and functions that draw.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_SHOWING = ("cli", "report", "testing")


@functools.cache
def fingerprint(module: str) -> str:
    """Of everything that an experiment's results depend on: the package, the strategies, and what it imports beside it.

    Args:
        module: Its dotted name, below ``experiments``.
    """
    found = hashlib.sha256()
    for path in [*_package_files(), *_experiment_files(module)]:
        found.update(f"{path.relative_to(ROOT).as_posix()}\0{_meaning(path)}\0".encode())
    return found.hexdigest()[:16]


@functools.cache
def _package_files() -> tuple[Path, ...]:
    files = [p for package in ("lob_sim", "strategies") for p in (ROOT / package).rglob("*") if _counts(p)]
    return tuple(sorted(p for p in files if p.relative_to(ROOT).parts[1] not in _SHOWING))


def _counts(path: Path) -> bool:
    return path.suffix in (".py", ".toml")


def _experiment_files(module: str) -> list[Path]:
    """The module, all that it imports from ``experiments``, directly or not, and the scenarios that these name."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found and _source(name).is_file():
            found.add(name)
            waiting += _imports(_source(name))
    files = {_source(name) for name in found}
    return sorted(files | {path for source in files for path in _scenarios(source)})


def _source(module: str) -> Path:
    return ROOT.joinpath(*module.split(".")).with_suffix(".py")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "experiments":
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _scenarios(path: Path) -> Iterator[Path]:
    """The scenario of a module's own name, and those beside ``experiments``' modules whose names it says."""
    said = {
        node.value
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith(".toml")
    }
    places = [path.with_suffix(".toml"), *(ROOT / "experiments" / name for name in said)]
    yield from (place for place in places if place.is_file())


@functools.cache
def _meaning(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return repr(tomllib.loads(text))
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _only_shows(part)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _only_shows(node: ast.AST) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name.startswith(("draw", "_draw"))
    # A string that stands alone says something to the reader only.
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
