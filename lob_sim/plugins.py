"""Plug-ins: a class named ``"module:Class"`` in a file.

A plug-in is any subclass of the base that the place expects. Its parameters are typed: see
:mod:`lob_sim.plugin_params`.

Nothing is scanned at import: a module is loaded when a scenario names it, and a package is searched only when
somebody asks for a list. Other packages offer strategies as entry points of the group ``lob_sim.strategies``, whose
names then stand for ``"module:Class"``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import pkgutil
import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from os.path import isfile
from pathlib import Path
from typing import Any

from lob_sim.convert import did_you_mean
from lob_sim.errors import PluginError

SHIPPED = "strategies"
"""What a scenario calls the package of the shipped strategies; a user's own folder may have that name too."""
_SHIPPED_PACKAGE = "lob_sim.strategies"
FILE_MODULE = "_lob_sim_plugin_"
_FOLDER = "_lob_sim_folder"
ENTRY_POINTS = "lob_sim.strategies"
"""The group of entry points under which other packages offer strategies."""
_MODULE = re.compile(r"[\w.]*\w[\w.]*|[^\x00-\x1f]*[^\x00-\x1f/\\]\.py")


def load_class(spec: str, base: type, search_path: Path | None = None) -> type[Any]:
    """Resolve ``"module:Class"``, or the name of an entry point, to a concrete subclass of ``base``.

    The module is an importable one (``my_package.dealer``), a shipped one (``strategies.glosten_milgrom``), a file
    named by its path (``my_file.py``), or a module that lies in ``search_path`` (``my_file``). There a user's own
    ``strategies/mine.py`` is found before the shipped ones. A file is loaded under a name
    made of its path and content: two folders may both hold a ``dealer.py``, and an edited file is read again.

    Args:
        spec: The plug-in's name.
        base: What it must be a subclass of.
        search_path: Folder of the file that names the plug-in; the current folder if not given.

    Raises:
        PluginError: Names what was expected and, if something similar exists, the nearest name.
    """
    offered = registered_plugins().get(spec) if ":" not in spec else None
    module_name, colon, class_name = (offered or spec).rpartition(":")
    if not (colon and _MODULE.fullmatch(module_name) and class_name.isidentifier()):
        raise PluginError(
            f'expected "module:Class" or "file.py:Class", for example "{SHIPPED}.glosten_milgrom:'
            f'GlostenMilgromDealer", got {spec!r}{_or_registered(spec)}',
            f"plug-in {spec!r}",
        )
    module = _import(module_name, spec) if offered else _load_module(module_name, search_path or Path.cwd(), spec)
    found = getattr(module, class_name, None)
    if found is None:
        names = [cls.__name__ for cls in _subclasses_in(module, base)]
        raise PluginError(
            f"{module_name} has no class {class_name!r}"
            + did_you_mean(class_name, names)
            + f"; its {base.__name__} classes: {', '.join(names) or 'none'}",
            f"plug-in {spec!r}",
        )
    if not (isinstance(found, type) and issubclass(found, base)):
        raise PluginError(
            f"{class_name} is not a subclass of {base.__module__}.{base.__name__}, which is expected here",
            f"plug-in {spec!r}",
        )
    if inspect.isabstract(found):
        missing = ", ".join(sorted(getattr(found, "__abstractmethods__", ())))
        raise PluginError(f"{class_name} is abstract: it must define {missing}", f"plug-in {spec!r}")
    return found


def is_shipped(spec: str, folder: Path | None = None) -> bool:
    """Whether ``"module:Class"`` names a module of this package or of the strategies that come with it.

    Nothing of anybody else's is imported to find out, and a folder that merely bears such a name does not count.

    Args:
        spec: The plug-in's name.
        folder: Folder of the file that names it, where a user's own file of that name would be found first.
    """
    module = spec.rpartition(":")[0]
    package, _, rest = module.partition(".")
    if not rest or package not in ("lob_sim", SHIPPED) or module.endswith("__main__"):
        return False
    if package == "lob_sim":
        return _is_importable(module)
    local = None if folder is None else folder.joinpath(*module.split(".")).with_suffix(".py")
    if local is not None and isfile(local) and not lies_with_shipped(local):
        return False
    return _is_importable(f"{_SHIPPED_PACKAGE}.{rest}")


def registered_plugins() -> dict[str, str]:
    """Strategies that other packages offer: name of the entry point → ``"module:Class"``.

    Raises:
        PluginError: Two packages offer different classes under one name.
    """
    found: dict[str, str] = {}
    for entry in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda each: (each.name, each.value)):
        value = f"{entry.module}:{entry.attr}"
        if found.setdefault(entry.name, value) != value:
            offers = f"two installed packages offer {found[entry.name]} and {value} under this name"
            raise PluginError(f"{offers}: expected one; name the class itself", f"strategy {entry.name!r}")
    return found


def _or_registered(spec: str) -> str:
    names = list(registered_plugins())
    known = f"; strategies of other packages: {', '.join(names)}" if names else ""
    return known + did_you_mean(spec, names)


def find_plugins(package_name: str, base: type) -> list[str]:
    """List ``"module:Class"`` of every public concrete subclass of ``base`` in a package and those below it.

    ``"strategies"`` are the shipped ones, wherever they are installed.

    Imports every module of the package, so call it only to answer a request for a list.

    Raises:
        PluginError: The package, or a module in it, cannot be imported.
    """
    package_name = _SHIPPED_PACKAGE if package_name == SHIPPED else package_name
    package = _import(package_name, package_name)
    modules = [package]
    for info in pkgutil.walk_packages(getattr(package, "__path__", ()), package_name + ".", lambda _: None):
        modules.append(_import(info.name, info.name))
    return sorted(spec_of(cls) for m in modules for cls in _subclasses_in(m, base))


def _subclasses_in(module: types.ModuleType, base: type) -> list[type]:
    """Public concrete subclasses of ``base`` that the module itself defines, by name."""
    return [
        value
        for name, value in sorted(vars(module).items())
        if isinstance(value, type)
        and issubclass(value, base)
        and value is not base
        and not name.startswith("_")
        and value.__module__ == module.__name__
        and not inspect.isabstract(value)
    ]


def _load_module(name: str, folder: Path, spec: str) -> types.ModuleType:
    if name.endswith(".py"):
        path = folder / name
        if not isfile(path):
            nearby = [p.name for p in sorted(path.parent.glob("*.py"))] if path.parent.is_dir() else []
            raise PluginError(f"no such file: {path}" + did_you_mean(path.name, nearby), f"plug-in {spec!r}")
        return _load_file(path, folder, spec)
    local = folder.joinpath(*name.split(".")).with_suffix(".py")
    package, _, rest = name.partition(".")
    shipped = f"{_SHIPPED_PACKAGE}.{rest}" if package == SHIPPED and rest else ""
    # A plain name means the file next to the scenario even if some installed module is called the same, and so does
    # one in a folder of the user's called as the shipped strategies are. Any other dotted name means the installed
    # package first, so that its classes exist once however they are named.
    if (shipped or not rest) and isfile(local) and not lies_with_shipped(local):
        return _load_file(local, folder, spec)
    if shipped and _is_importable(shipped):
        return _import(shipped, spec)
    if _is_importable(name):
        return _import(name, spec)
    if isfile(local):
        return _load_file(local, folder, spec)
    raise PluginError(
        f"no module named {name!r}" + did_you_mean(name, _known_modules(name, folder)) + f"; also looked for {local}",
        f"plug-in {spec!r}",
    )


def lies_with_shipped(file: Path) -> bool:
    """Whether a file is one of the shipped strategies, which are modules and exist once, or their folder."""
    home = importlib.import_module(_SHIPPED_PACKAGE).__file__
    return home is not None and file.resolve().is_relative_to(Path(home).resolve().parent)


def _is_importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _known_modules(name: str, folder: Path) -> list[str]:
    """Names that somebody who wrote ``name`` may have meant."""
    known = [path.stem for path in sorted(folder.glob("*.py"))]
    for package_name in dict.fromkeys((name.rpartition(".")[0], SHIPPED)):
        installed = _SHIPPED_PACKAGE if package_name == SHIPPED else package_name
        if package_name and _is_importable(installed):
            package = importlib.import_module(installed)
            known += [f"{package_name}.{m.name}" for m in pkgutil.iter_modules(getattr(package, "__path__", ()))]
    return known


def _import(name: str, spec: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise _import_failure(name, error, spec) from error


def _load_file(path: Path, folder: Path, spec: str) -> types.ModuleType:
    path = path.resolve()
    try:
        source = path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}", f"plug-in {spec!r}") from error
    digest = hashlib.sha256(str(path).encode() + b"\0" + source).hexdigest()[:16]
    name = f"{FILE_MODULE}{digest}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    module = types.ModuleType(name)
    module.__file__ = str(path)
    module.__dict__[_FOLDER] = str(folder.resolve())
    # Registered before it runs, because annotations and pickle look a class's module up by name.
    sys.modules[name] = module
    try:
        # Compiled here rather than by the import system, whose byte-code cache can miss an edit made within
        # the same second and would leave __pycache__ in the user's folder.
        code = compile(source, str(path), "exec", dont_inherit=True)
        with _importable_from(path.parent, folder.resolve()):
            exec(code, module.__dict__)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise _import_failure(str(path), error, spec) from error
    return module


def loaded_files() -> dict[str, tuple[str, str]]:
    """Plug-in files that this process has loaded: by the module's name, the file and the folder it is named in."""
    return {
        name: (str(module.__file__), module.__dict__[_FOLDER])
        for name, module in sorted(sys.modules.items())
        if name.startswith(FILE_MODULE)
    }


def load_file_again(name: str, path: str, folder: str) -> None:
    """Load a plug-in file that something which was kept is made of, unless it has changed since.

    Raises:
        PluginError: It is not there, cannot be imported, or is another one now.
    """
    if name not in sys.modules and _load_file(Path(path), Path(folder), path).__name__ != name:
        raise PluginError("has been changed since: what was kept is made of another version of it", f"plug-in {path}")


@contextmanager
def _importable_from(*folders: Path) -> Iterator[None]:
    """Let a user's file import its neighbours, as a script could."""
    added = [str(folder) for folder in dict.fromkeys(folders)]
    sys.path[:0] = added
    try:
        yield
    finally:
        for folder in added:
            if folder in sys.path:
                sys.path.remove(folder)


def _import_failure(what: str, error: BaseException, spec: str) -> PluginError:
    line = ""
    if isinstance(error, SyntaxError):
        line = f", line {error.lineno}"
    return PluginError(f"{what}{line} cannot be imported: {type(error).__name__}: {error}", f"plug-in {spec!r}")


def spec_of(cls: type) -> str:
    """What a scenario calls a class."""
    module = cls.__module__
    if module.startswith(_SHIPPED_PACKAGE + "."):
        module = module.removeprefix(_SHIPPED_PACKAGE.removesuffix(SHIPPED))
    return f"{module}:{cls.__qualname__}"
