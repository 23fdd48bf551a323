"""A sweep in a folder: what was planned, what is done, and going on from there.

::

    DIR/sweep.json     the plan and the versions it was made with
    DIR/results/       the dataset (:mod:`lob_sim.sweep.results`)
    DIR/runs/000042/   the event log of a run, on request

A folder belongs to one sweep. It is resumed only by the same plan and the same program: a table that mixes
two models would be worth nothing, and nobody could see it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from lob_sim.errors import DataError, InputError, OutputError
from lob_sim.extras import need_extra
from lob_sim.files import make_folder, own_folder, read_ordinary, write_file
from lob_sim.fingerprint import own_versions
from lob_sim.notebook import heading, note, shows, table
from lob_sim.sources import task_sources
from lob_sim.sweep.design import Design, Point, run_seeds
from lob_sim.sweep.executors import Cluster, Processes
from lob_sim.sweep.limits import NO_LIMITS, Limits
from lob_sim.sweep.progress import Meter, ProgressCallback
from lob_sim.sweep.results import ResultStore
from lob_sim.sweep.runner import iter_runs, plan_runs, refuse_limits_on_cluster
from lob_sim.sweep.task import Task, load_task, task_name

if TYPE_CHECKING:
    import pandas as pd

Validate: TypeAlias = Callable[[Point], None]

_MANIFEST = "sweep.json"
_LOCK = ".lock"
_MAX_DIFFERENCES = 8
_SHOWN_METRICS = 6
"""Metrics that a notebook shows, in order of name."""


class SweepPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what a sweep computes.

    Attributes:
        task: What a run does.
        design: The points.
        seeds: Number of seeds per point; they come from the design's root seed.
        scenario: What the task runs, as plain data (dicts, lists, numbers, text): compared on resume.
        keep_logs: Whether each run keeps its full event log.
    """

    task: Task
    design: Design
    seeds: int
    scenario: Any = None
    keep_logs: bool = False


class SweepManifest(msgspec.Struct, frozen=True):
    """The plan and the program of a sweep, as its folder remembers them."""

    task: str
    design: Design
    seeds: int
    scenario: Any
    keep_logs: bool
    versions: dict[str, str]


class _Sealed(SweepManifest, frozen=True):
    """The content of ``sweep.json``: with the SHA-256 of the manifest as JSON without white space."""

    sha256: str


class Sweep:
    """A sweep's folder, for reading.

    Args:
        directory: The folder.

    Raises:
        InputError: There is no sweep in it.
        DataError: What describes it is damaged.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.manifest = _read_manifest(self.directory)
        try:
            self.points = self.manifest.design.points()
        except InputError as error:
            raise DataError(f"describes no sweep: {error}", str(self.directory / _MANIFEST)) from error

    @shows
    def _repr_html_(self) -> str:
        frame = self.frame()
        paths, metrics = frame.attrs["parameters"], frame.attrs["metrics"][:_SHOWN_METRICS]
        failed = int((frame["status"] == "failed").sum())
        means = frame.groupby("point")[metrics].mean()
        rows = [
            (*(self.points[point].get(p, "") for p in paths), *map(float, row))
            for point, row in zip(means.index, means.to_numpy(), strict=True)
        ]
        facts = (
            f"{len(self.points)} points of {self.manifest.seeds} seeds",
            f"{len(frame)} of {self.total} runs",
            f"{failed} failed",
        )
        left = len(frame.attrs["metrics"]) - len(metrics)
        return "".join(
            (
                heading(self.directory.name, *facts),
                table([*paths, *metrics], rows),
                note(f"means over seeds; {left} more metrics and every run in .frame()"),
            )
        )

    @property
    def total(self) -> int:
        """Number of runs planned."""
        return len(self.points) * self.manifest.seeds

    def frame(self) -> pd.DataFrame:
        """All recorded runs, one row each, as :func:`lob_sim.sweep.run_many` returns them.

        Raises:
            DataError: No run has finished yet, or a part is damaged.
        """
        return ResultStore(self.directory / "results", self.points).read()


def run_sweep(
    plan: SweepPlan,
    out: str | Path,
    *,
    executor: Executor | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    validate: Validate | None = None,
    progress: ProgressCallback | None = None,
    limits: Limits = NO_LIMITS,
) -> Sweep:
    """Do a sweep, or the rest of one, and keep its results in a folder.

    Ctrl-C (``KeyboardInterrupt``) goes on to the caller after everything that has finished is on disk.

    Args:
        plan: What to compute.
        out: The folder; made if it is not there. With ``keep_logs`` on a cluster, all workers must see it.
        executor: Where to run; by default a process per core, ended before this returns.
        resume: Go on with the sweep that the folder holds. Runs on record are not repeated.
        retry_failed: With ``resume``, repeat the runs that are on record as failed.
        validate: Called with every point before anything is written or run; raises ScenarioError to refuse.
        progress: Called as runs finish.
        limits: Time and memory of a run, past which it is ended and counts as failed; by default none. They are no part
            of the plan: what a run gives does not depend on them.

    Raises:
        InputError: A parameter is named like a column of the results; limits on a cluster; the folder holds another
            sweep, this one without ``resume``, or something else.
        MissingExtraError: filelock is not installed.
        OutputError: The folder cannot be written, or is in use by another session.
        LobSimError: The executor itself failed; the sweep can be resumed.
    """
    need_extra("sweep", "filelock")
    refuse_limits_on_cluster(limits, isinstance(executor, Cluster))
    task = load_task(plan.task)
    points = plan.design.points()
    seeds = run_seeds(plan.seeds, plan.design.root_seed)
    for point in points if validate is not None else ():
        validate(point)  # type: ignore[misc]
    folder = Path(out).absolute()
    runs = plan_runs(points, seeds, str(folder / "runs") if plan.keep_logs else None)
    manifest = _manifest_of(plan)
    _require_own(folder, manifest, resume)
    with _locked(make_folder(folder)):
        # Another session may have come first.
        if not _require_own(folder, manifest, resume):
            write_file(folder / _MANIFEST, sealed(manifest))
        own_folder(folder, "results")
        own_folder(folder, "runs")
        store = ResultStore(folder / "results", points)
        if retry_failed:
            store.forget_failures()
        recorded = store.recorded()
        left = [run for run in runs if run.run not in recorded]
        meter = Meter(len(runs), len(recorded), sum(not ok for ok in recorded.values()))
        if progress is not None:
            progress(meter.add(0, 0))
        try:
            if left:
                with nullcontext(executor) if executor is not None else Processes() as chosen:
                    for batch in iter_runs(task, left, chosen, limits):
                        store.add(batch)
                        if progress is not None:
                            progress(meter.add(len(batch), sum(not record.ok for record in batch)))
        finally:
            store.flush()
    return Sweep(folder)


def _manifest_of(plan: SweepPlan) -> SweepManifest:
    # Through JSON and back, so that a plan is compared in the form in which it is remembered.
    versions = program_versions(plan.task)
    manifest = SweepManifest(task_name(plan.task), plan.design, plan.seeds, plan.scenario, plan.keep_logs, versions)
    return msgspec.json.decode(msgspec.json.encode(manifest), type=SweepManifest)


def program_versions(task: Task) -> dict[str, str]:
    """What can change a result without any change of the plan: versions, and digests of the source itself."""
    sources = " ".join(f"{name}={digest}" for name, digest in task_sources(task).items())
    return {**own_versions(), "task source": sources}


def _require_own(folder: Path, manifest: SweepManifest, resume: bool) -> bool:
    """Make sure that the folder is new, or this sweep's; whether it is this sweep's."""
    where = str(folder)
    if (folder / _MANIFEST).exists():
        there = msgspec.to_builtins(_read_manifest(folder))
        differing = differences(there, msgspec.to_builtins(manifest))
        if differing:
            more = len(differing) - _MAX_DIFFERENCES
            listed = "; ".join(differing[:_MAX_DIFFERENCES] + ([f"and {more} more"] if more > 0 else []))
            raise InputError(f"holds another sweep, which cannot be resumed as this one: {listed}", where)
        if not resume:
            raise InputError("holds this sweep already: resume it (--resume), or name another folder", where)
        return True
    try:
        if folder.exists() and any(entry.name != _LOCK for entry in folder.iterdir()):
            raise InputError("is not empty and holds no sweep: expected a new or empty folder", where)
    except OSError as error:
        raise OutputError(f"cannot make the sweep's folder {folder}: {error}") from error
    return False


def sealed(manifest: SweepManifest) -> bytes:
    """The content of ``sweep.json``."""
    whole = _Sealed(**msgspec.structs.asdict(manifest), sha256=_seal(manifest))
    return msgspec.json.format(msgspec.json.encode(whole), indent=2) + b"\n"


def _seal(manifest: SweepManifest) -> str:
    return hashlib.sha256(msgspec.json.encode(manifest)).hexdigest()


def _read_manifest(folder: Path) -> SweepManifest:
    path = folder / _MANIFEST
    try:
        found = msgspec.json.decode(read_ordinary(path), type=_Sealed)
        fields = {name: getattr(found, name) for name in SweepManifest.__struct_fields__}
        manifest = SweepManifest(**fields)
    except FileNotFoundError as error:
        raise InputError(f"holds no sweep: expected a folder with {_MANIFEST}", str(folder)) from error
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, InputError) as error:
        raise DataError(f"is not the description of a sweep: {error}", str(path)) from error
    if _seal(manifest) != found.sha256:
        raise DataError("is damaged: its content does not have its checksum", str(path))
    return manifest


def differences(there: Any, here: Any) -> list[str]:
    """In words, where two pieces of plain data differ: one entry per place."""
    return list(_differing("", there, here))


def _differing(path: str, there: Any, here: Any) -> Iterator[str]:
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys([*there, *here]):
            inner = f"{path}.{key}" if path else str(key)
            if key not in there or key not in here:
                yield f"{inner} is only {'here' if key in here else 'there'}"
            else:
                yield from _differing(inner, there[key], here[key])
    elif isinstance(there, list | tuple) and isinstance(here, list | tuple) and len(there) == len(here):
        for i, (a, b) in enumerate(zip(there, here, strict=True)):
            yield from _differing(f"{path}[{i}]", a, b)
    elif there != here or type(there) is not type(here):
        yield f"{path} is {there!r} there and {here!r} here"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second session out. The system drops the lock with the process, however that ends."""
    from filelock import FileLock, Timeout

    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(f"{folder} is in use by another session of this sweep") from error
    except OSError as error:
        raise OutputError(f"{folder / _LOCK} cannot be locked: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
