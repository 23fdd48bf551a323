"""A market at an instant, kept: everything that it is made of, and its log so far.

Inside, a state is a pickle, because strategies, limits, markings and venues may be anybody's classes and hold anything
that pickles: a format of our own would have to say for every one of them what it consists of. A pickle can do whatever
its author wants when it is loaded. That is why no command reads a state that it was not given by name, why a state is
a file of its own and never part of a run directory, and why reading one looks at the form, the checksum and the
versions before it touches the pickle. A checksum tells a damaged file; it tells nothing about who has written it.
"""

from __future__ import annotations

import functools
import gc
import hashlib
import importlib
import io
import pickle
import sys
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from types import FunctionType, MappingProxyType
from typing import Any, NamedTuple, Self, cast

import msgspec

from lob_sim.errors import DataError, InputError, LobSimError
from lob_sim.files import open_ordinary, write_file
from lob_sim.fingerprint import state_versions
from lob_sim.log import DirectoryRecorder, MemoryRecorder, NullRecorder, RunHeader
from lob_sim.log.blocks import KeptRows
from lob_sim.messages.recorder import Recorder
from lob_sim.plugins import FILE_MODULE, load_file_again, loaded_files
from lob_sim.rng import Stream, restored_stream
from lob_sim.simulation.world import World
from lob_sim.sources import module_digest, neighbours_digest
from lob_sim.units import Ns

_MAGIC = b"lob_sim state\n"
FORMAT = 1
"""Version of the file's form."""
_LONGEST_HEADER = 1 << 26
_RECORDER = "recorder"
_PACKAGES = ("numpy", "simpy", "sortedcontainers", "msgspec", "pyarrow", "pandas")
_HEAP_TYPE = 1 << 9
"""Set in ``__flags__`` of a class that Python code has made."""
_CANNOT = (pickle.PicklingError, TypeError, AttributeError, RecursionError)


class StateHeader(msgspec.Struct, frozen=True):
    """What a state says of itself before anything of it is loaded.

    Attributes:
        now_ns: The instant.
        is_after: Whether what was due at that very instant has happened.
        run: What is known of the run.
        rows: Rows logged so far.
        log_folder: The run directory that holds the log so far; empty for a log that the state holds itself.
        versions: What must be the same where it is loaded.
        modules: Digests of the source of further modules that it is made of, and of what plug-ins import from beside
            them.
        plugins: Files that its agents are made of: by the module's name, the file and the folder it was named in.
        world_bytes: Length of the market.
        log_bytes: Length of the log in a file.
        format: Version of the file's form.
    """

    now_ns: Ns
    is_after: bool
    run: RunHeader
    rows: int
    log_folder: str
    versions: dict[str, str]
    modules: dict[str, str]
    plugins: dict[str, tuple[str, str]]
    world_bytes: int
    log_bytes: int
    format: int = FORMAT


class KeptState(NamedTuple):
    """A market at an instant, to go on from: see :meth:`lob_sim.Simulation.state`.

    Attributes:
        header: What it says of itself.
        world: The market, as a pickle.
        log: Its log so far: as it is where it is in memory, for its messages never change, else as a pickle.
    """

    header: StateHeader
    world: bytes
    log: bytes | KeptRows

    def __repr__(self) -> str:
        known = self.header
        return f"State({known.run.scenario.get('name')!r}, at {known.now_ns} ns, {known.rows} rows)"

    def save(self, path: str | Path) -> None:
        """Write it whole into a file, or nothing.

        Raises:
            OutputError: The file cannot be written.
        """
        log = pickle.dumps(self.log, pickle.HIGHEST_PROTOCOL) if isinstance(self.log, KeptRows) else self.log
        header = msgspec.structs.replace(self.header, log_bytes=len(log))
        content = b"".join((msgspec.json.encode(header), b"\n", self.world, log))
        write_file(Path(path), b"".join((_MAGIC, hashlib.sha256(content).hexdigest().encode(), b"\n", content)))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a file that :meth:`save` has written, and make sure that this program can go on from it.

        Nothing of it is unpickled yet.

        Raises:
            DataError: It is not there, no state, truncated, damaged, or of another version of the program.
        """
        where = str(path)
        try:
            with open_ordinary(Path(path)) as file:
                content = file.read()
        except (OSError, ValueError) as error:
            raise DataError(f"cannot be read: {getattr(error, 'strerror', None) or error}", where) from None
        start = len(_MAGIC) + 65
        if not content.startswith(_MAGIC):
            raise DataError("is not a state of a simulation: expected a file that State.save has written", where)
        end = content.find(b"\n", start, start + _LONGEST_HEADER)
        if end < 0:
            raise DataError("is truncated: it ends before the market", where)
        digest = content[len(_MAGIC) : start - 1]
        if len(content) >= end and hashlib.sha256(content[start:]).hexdigest().encode() != digest:
            raise DataError(_damage(content, start, end), where)
        try:
            header = msgspec.json.decode(content[start:end], type=StateHeader)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"is of another version of the program: {error}", where) from None
        state = cls(header, content[end + 1 : end + 1 + header.world_bytes], content[end + 1 + header.world_bytes :])
        state.require_same_program(where)
        return state

    def require_same_program(self, where: str) -> None:
        """Make sure that the objects of the state can be made again as they were.

        Raises:
            DataError: The form, the program, a package or a module is of another version.
        """
        header = self.header
        if header.format != FORMAT:
            raise DataError(f"is a state of format {header.format}; this version reads {FORMAT}", where)
        here = {**state_versions(), **{name: _source_digest(name, header.plugins) for name in header.modules}}
        there = {**header.versions, **header.modules}
        differing = [
            f"{k} {there.get(k, 'none')} there, {here.get(k, 'none')} here" for k in here if here[k] != there.get(k)
        ]
        if differing:
            raise DataError(
                f"is a state of another version of the program, which cannot go on from it: {'; '.join(differing)}",
                where,
            )

    def restore(
        self, out: str | Path | None = None, header: RunHeader | None = None, *, refers: bool = False
    ) -> tuple[World, MemoryRecorder | DirectoryRecorder, RunHeader]:
        """The market and its log, made again.

        Args:
            out: The new run directory; to be given where the log so far is in one.
            header: What is known of the run that goes on; that of the state if left out.
            refers: Whether the log so far may stay in its folder alone, if the new one lies beside it.

        Raises:
            DataError: What it refers to is not there, or is not what it was.
            InputError: ``out`` is missing.
            OutputError: ``out`` cannot be made or written.
        """
        known = header if header is not None else self.header.run
        in_folder = bool(self.header.log_folder)
        if in_folder and out is None:
            raise InputError(
                f"the log of this state is in {self.header.log_folder}: going on needs a folder for the new one", "out"
            )
        if out is not None:
            # The market first: one that cannot be loaded must leave nothing half-written.
            self.trial()
        self._load_plugins()
        kept: Any = self.log if isinstance(self.log, KeptRows) else self._load(self.log, None)
        if out is None:
            memory = MemoryRecorder.going_on_from(kept)
            return self._load(self.world, memory), memory, known
        if in_folder:
            directory = DirectoryRecorder.going_on_from(kept, out, known, refers=refers)
        else:
            directory = DirectoryRecorder(out, known)
            directory.take_up(kept)
        return self._load(self.world, directory), directory, known

    def trial(self) -> World:
        """The market alone, whose log goes nowhere.

        Raises:
            DataError: It cannot be loaded.
        """
        self._load_plugins()
        return cast(World, self._load(self.world, NullRecorder()))

    def _load_plugins(self) -> None:
        for name, (path, folder) in self.header.plugins.items():
            load_file_again(name, path, folder)

    def _load(self, content: bytes, recorder: Recorder | None) -> Any:
        try:
            return _Unpickler(io.BytesIO(content), recorder).load()
        except (LobSimError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise DataError(f"cannot be loaded: {type(error).__name__}: {error}", "state") from error


def keep(world: World, recorder: MemoryRecorder | DirectoryRecorder, run: RunHeader, *, is_after: bool) -> KeptState:
    """A market as it is now.

    Args:
        world: The market.
        recorder: Its log.
        run: What is known of the run.
        is_after: Whether what was due at this very instant has happened.

    Raises:
        InputError: Something in it cannot be kept; names the agent.
    """
    try:
        pickled = io.BytesIO()
        pickler = _Pickler(pickled, recorder)
        pickler.dump(world)
        market = pickled.getvalue()
    except _CANNOT as error:
        raise InputError(f"cannot be kept: {error}{_culprit(world)}", "state") from error
    kept = recorder.kept()
    log = kept if isinstance(kept, KeptRows) else pickle.dumps(kept, pickle.HIGHEST_PROTOCOL)
    plugins = {name: place for name, place in loaded_files().items() if name.encode() in market}
    header = StateHeader(
        world.kernel.now_ns,
        is_after,
        run,
        recorder.rows,
        str(recorder.path.absolute()) if isinstance(recorder, DirectoryRecorder) else "",
        state_versions(),
        {name: _source_digest(name, plugins) for name in (*_foreign(pickler.modules), *sorted(plugins))},
        plugins,
        len(market),
        0 if isinstance(log, KeptRows) else len(log),
    )
    return KeptState(header, market, log)


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, recorder: object) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._recorder = recorder
        self.modules: set[str] = set()
        """Modules of the classes and functions that it meets."""

    def persistent_id(self, obj: object) -> str | None:
        # The log is kept apart: the market only knows that there is one.
        return _RECORDER if obj is self._recorder else None

    def reducer_override(self, obj: object) -> Any:
        """Objects that pickle as Python does it are made again attribute by attribute, and not by filling a dictionary.

        An object whose dictionary has been touched reads its attributes through it from then on: of a market made again
        in that way everything would be a twentieth slower.
        """
        if type(obj) is MappingProxyType:
            # A view does not pickle; it is made again over what it shows, which is all that it refers to.
            return _shown_again, tuple(gc.get_referents(obj))
        if isinstance(obj, type):
            self.modules.update(base.__module__ for base in obj.__mro__)
        elif isinstance(obj, FunctionType):
            self.modules.add(obj.__module__)
        settled = _settled_by_the_class(cast(Hashable, type(obj)))
        if settled is None:
            return NotImplemented
        made = obj.__reduce_ex__(pickle.HIGHEST_PROTOCOL)
        if isinstance(made, tuple) and len(made) > 2 and isinstance(made[2], dict) and settled.isdisjoint(made[2]):
            return (*made[:2], (None, made[2]), *made[3:])
        return made


def _shown_again(mapping: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(mapping)


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, recorder: Recorder | None, seed: int | None = None, now_ns: Ns = 0) -> None:
        super().__init__(file)
        self._recorder = recorder
        self._seed = seed
        self._now_ns = now_ns

    def persistent_load(self, pid: str) -> Recorder:
        if pid != _RECORDER or self._recorder is None:
            raise pickle.UnpicklingError(f"refers to {pid!r}, which no market does")
        return self._recorder

    def find_class(self, module: str, name: str) -> Any:
        if self._seed is not None and (module, name) == (Stream.__module__, restored_stream.__name__):
            return functools.partial(_fresh_stream, self._seed, self._now_ns)
        return super().find_class(module, name)


@functools.cache
def _settled_by_the_class(kind: Any) -> frozenset[str] | None:
    """Names under which a class itself says what setting them does; None for one that pickles in a way of its own."""
    ways = ("__setattr__", "__reduce__", "__reduce_ex__", "__getstate__")
    own = any(getattr(kind, way) is not getattr(object, way) for way in ways) or hasattr(kind, "__setstate__")
    if own or not kind.__flags__ & _HEAP_TYPE:
        return None
    return frozenset(name for base in kind.__mro__ for name, at in vars(base).items() if hasattr(at, "__set__"))


def _fresh_stream(seed: int, now_ns: Ns, seed_before: int, name: str, drawn: object) -> Stream:
    # Named after the instant: it repeats nothing that a run with this seed has drawn from its beginning.
    return Stream(seed, f"{name}/from {now_ns}")


def reseeded(world: World, recorder: MemoryRecorder | DirectoryRecorder, seed: int) -> World:
    """The same market, whose streams of random numbers all begin anew with another seed.

    What has been drawn and is waiting for its time, such as the next wake-up of an agent or the next news, stays.
    """
    market: World = _Unpickler(io.BytesIO(_pickled(world, recorder)), recorder, seed, world.kernel.now_ns).load()
    return market


def _pickled(kept: object, recorder: object) -> bytes:
    file = io.BytesIO()
    _Pickler(file, recorder).dump(kept)
    return file.getvalue()


def _culprit(world: World) -> str:
    """The first agent whose strategy, or part of it, does not pickle, in words."""
    for host in world.hosts:
        for component in host.components:
            try:
                _pickled(component, None)
            except _CANNOT:
                return (
                    f"; {type(component).__name__} of agent {host.name!r} holds it: what a strategy holds must pickle"
                )
    return ""


def _foreign(modules: Iterable[str]) -> list[str]:
    """Modules that are neither of this package, of Python, of its packages nor files that it loads itself."""
    known = {"lob_sim", "strategies", *sys.stdlib_module_names, *_PACKAGES}
    return sorted(m for m in modules if m.partition(".")[0] not in known and not m.startswith(FILE_MODULE))


def _source_digest(name: str, plugins: Mapping[str, tuple[str, str]]) -> str:
    """Of a module, its file and those beside it that it imports; of a plug-in's file, whose name has its own, those."""
    if name in plugins:
        return neighbours_digest(*plugins[name])
    try:
        importlib.import_module(name)
    except ImportError as error:
        return f"cannot be imported ({error})"
    return module_digest(name)


def _damage(content: bytes, start: int, end: int) -> str:
    """Whether a file whose checksum does not fit lacks something, or has been changed."""
    try:
        header = msgspec.json.decode(content[start:end], type=StateHeader)
        missing = header.world_bytes + header.log_bytes - (len(content) - end - 1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        missing = 0
    return f"is truncated: {missing} bytes are missing" if missing > 0 else "is damaged: it does not have its checksum"
