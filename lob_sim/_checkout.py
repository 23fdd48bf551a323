"""In a checkout the shipped strategies lie beside the package; an installed package has them inside.

``lob_sim.strategies`` names them in both. In a checkout ``strategies`` does so too, and each of their modules exists
once under either name: a class must not be two. If somebody else's ``strategies`` comes first on the path, as a folder
beside a user's script does, ``lob_sim.strategies`` is still the shipped one.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

_INSIDE = "lob_sim.strategies"
_BESIDE = "strategies"
_ROOT = Path(__file__).resolve().parent.parent
_FOLDER = _ROOT / _BESIDE


class _OtherName(Loader):
    """Loader that gives a module out under a second name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._own_spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._own_spec  # The import system has put the second name's in its place.


class _Finder:
    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != _INSIDE and not name.startswith(_INSIDE + "."):
            return None
        package = importlib.util.find_spec(_BESIDE)
        if package is not None and package.origin and Path(package.origin).resolve().parent == _FOLDER:
            plain = name.removeprefix("lob_sim.")
            is_there = importlib.util.find_spec(plain) is not None
            return ModuleSpec(name, _OtherName(plain), is_package=name == _INSIDE) if is_there else None
        if name != _INSIDE:
            return None
        return importlib.util.spec_from_file_location(
            name, _FOLDER / "__init__.py", submodule_search_locations=[str(_FOLDER)]
        )


def scenarios_beside() -> Path | None:
    """The folder of scenarios that lie beside the package in a checkout and inside it in a wheel; None in a wheel."""
    is_wheel = (Path(__file__).resolve().parent / _BESIDE).is_dir()
    return None if is_wheel else _ROOT / "experiments"


def install() -> None:
    """Let ``lob_sim.strategies`` be imported in a checkout."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
