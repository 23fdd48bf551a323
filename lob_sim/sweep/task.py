"""What one run of a sweep is: a task, what it is asked, and the record of what came of it.

This module is all that a worker process loads besides the task itself, so it imports nothing heavy.
"""

from __future__ import annotations

import hashlib
import importlib
import pickle
import shutil
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np

from lob_sim import __version__
from lob_sim.errors import InputError, PluginError

Value: TypeAlias = bool | int | float | str
"""What a parameter path can be set to."""

FIXED_COLUMNS = ("run", "point", "replicate", "seed")
OUTCOME_COLUMNS = ("status", "error", "trace", "run_time_s", "digest")
"""Columns of a table of results besides parameters and metrics."""
SUMMARY_COLUMNS = ("metric", "mean", "low", "high", "n")
"""Columns of a summary of it besides parameters and those."""
_TRACEBACK_CHARS = 4_000


def plain_value(value: Any, where: str) -> Value:
    """A parameter's value as what it is remembered as: a number of numpy's becomes Python's.

    Raises:
        InputError: It is no truth value, number or text, or an integer beyond 64 bits.
    """
    plain = value.item() if isinstance(value, np.generic) else value
    if not isinstance(plain, bool | int | float | str):
        raise InputError(f"{plain!r}: expected a number, true, false or text", where)
    if isinstance(plain, int) and not -(2**63) <= plain < 2**63:
        raise InputError(f"{plain}: expected an integer of 64 bits", where)
    if isinstance(plain, str):
        try:
            plain.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{plain!r}: expected text that can be written as UTF-8", where) from error
    return plain


def plain_point(point: Mapping[str, Any]) -> dict[str, Value]:
    """A point with plain values.

    Raises:
        InputError: A path is no text or is named like a column of the results; or as of :func:`plain_value`.
    """
    refuse_taken(point)
    return {path: plain_value(value, f"parameter {path}") for path, value in point.items()}


def refuse_taken(paths: Iterable[Any], also: tuple[str, ...] = ()) -> None:
    """Refuse parameters that would overwrite a column of the results or of their summary.

    Raises:
        InputError: Names the parameter.
    """
    taken = {*FIXED_COLUMNS, *OUTCOME_COLUMNS, *SUMMARY_COLUMNS, "failed", *also}
    for path in paths:
        if not isinstance(path, str) or not path:
            raise InputError(f"{path!r} is no parameter path: expected text", "parameter")
        if path == "seed":
            hint = "the seeds of a sweep are its own (seeds, root_seed)"
            raise InputError(f"a parameter of a sweep cannot be called 'seed': {hint}", f"parameter {path}")
        if path in taken:
            message = f"a parameter of a sweep cannot be called {path!r}: that is a column of its results"
            raise InputError(message, f"parameter {path}")


class TaskSpec(msgspec.Struct, frozen=True):
    """What a task is asked.

    Attributes:
        overrides: Parameter path → value.
        seed: The run's seed, a non-negative integer below 2**63.
        out: Directory for the full event log, or None for metrics alone. It does not exist yet.
    """

    overrides: dict[str, Value]
    seed: int
    out: str | None = None


class TaskResult(msgspec.Struct, frozen=True):
    """What a task answers when it can say more than its metrics.

    Attributes:
        metrics: Name → number, flat.
        digest: Fingerprint of everything that the run produced (for a simulation, of its event log).
    """

    metrics: Mapping[str, float]
    digest: str


Task: TypeAlias = Callable[[TaskSpec], Mapping[str, float] | TaskResult]


class PlannedRun(msgspec.Struct, frozen=True):
    """One cell of points × seeds, numbered ``run = point · (number of seeds) + replicate``."""

    run: int
    point: int
    replicate: int
    spec: TaskSpec


class RunRecord(msgspec.Struct, frozen=True):
    """What came of one run.

    Attributes:
        run: Number of the run.
        point: Index of the design point.
        replicate: Index of the seed.
        seed: The seed.
        ok: Whether the task returned.
        error: ``"Type: message"`` of a failed run, else empty.
        trace: End of the traceback of a failed run, else empty.
        run_time_s: Wall time in the worker, in seconds; the only field that is not reproducible.
        digest: The task's digest, or the SHA-256 of its metrics where it gave none.
        metrics: Name → number.
    """

    run: int
    point: int
    replicate: int
    seed: int
    ok: bool
    error: str
    trace: str
    run_time_s: float
    digest: str
    metrics: dict[str, float]


def load_task(task: str | Task) -> Task:
    """Resolve ``"module:function"``, and make sure that workers will be able to do the same.

    Raises:
        PluginError: There is no such module or function, or the function cannot be sent to a worker.
    """
    if isinstance(task, str):
        module, _, name = task.partition(":")
        if not module or not name:
            raise PluginError(f"{task!r} is not a task: expected 'module:function'", "task")
        try:
            found = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise PluginError(f"cannot load task {task!r}: {error}", "task") from error
        task = found
    if not callable(task):
        raise PluginError(f"{task!r} is not callable: expected a function of one TaskSpec", "task")
    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        hint = "expected a function at the top level of a module (or a functools.partial of one)"
        raise PluginError(f"cannot send {task!r} to a worker: {error}; {hint}", "task") from error
    return task


def task_name(task: Any) -> str:
    """``"module:function"`` of a task, looking through ``functools.partial``."""
    function = getattr(task, "func", task)
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}:{named.__qualname__}"


def execute(task: Task, run: PlannedRun, version: str) -> RunRecord:
    """Do one run in a worker. Whatever the task raises becomes the record of a failed run.

    Args:
        task: The task.
        run: Which run.
        version: Version of lob_sim that planned the sweep: a worker with another one must not contribute.
    """
    started = time.perf_counter()
    try:
        if version != __version__:
            raise InputError(f"this worker has lob_sim {__version__}, the sweep was planned with {version}")
        if run.spec.out is not None:
            # Only an interrupted attempt can have left something here: a recorded run is never repeated.
            shutil.rmtree(run.spec.out, ignore_errors=True)
            Path(run.spec.out).parent.mkdir(parents=True, exist_ok=True)
        answer = task(run.spec)
        given = answer if isinstance(answer, TaskResult) else TaskResult(answer, "")
        metrics = {str(name): float(value) for name, value in given.metrics.items()}
        taken = sorted(set(metrics) & {*FIXED_COLUMNS, *OUTCOME_COLUMNS, *run.spec.overrides})
        if taken:
            raise InputError(f"metrics named like other columns: {', '.join(taken)}", task_name(task))
        for text in (*metrics, given.digest):
            text.encode()  # What cannot be written would end the sweep later: it fails its run now.
        digest = given.digest or digest_of(metrics)
    except (Exception, SystemExit) as error:
        trace = traceback.format_exc()[-_TRACEBACK_CHARS:]
        return failure(run, error, trace, time.perf_counter() - started)
    elapsed_s = time.perf_counter() - started
    seed = run.spec.seed
    return RunRecord(run.run, run.point, run.replicate, seed, True, "", "", elapsed_s, digest, metrics)


def failure(run: PlannedRun, error: BaseException, trace: str = "", elapsed_s: float = 0.0) -> RunRecord:
    """The record of a run that failed with ``error``."""
    try:
        told = str(error)
    except Exception as other:
        told = f"(its message cannot be had: {type(other).__name__})"
    text = _writable(f"{type(error).__name__}: {told}")
    seed = run.spec.seed
    return RunRecord(run.run, run.point, run.replicate, seed, False, text, _writable(trace), elapsed_s, "", {})


def _writable(text: str) -> str:
    """The text as UTF-8 can have it: half of a surrogate pair is written as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def digest_of(metrics: Mapping[str, float]) -> str:
    """SHA-256 of the metrics, exact to the last bit and blind to their order."""
    text = "\n".join(f"{name}={metrics[name].hex()}" for name in sorted(metrics))
    return hashlib.sha256(text.encode()).hexdigest()
