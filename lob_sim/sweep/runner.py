"""Runs over points × seeds on any ``concurrent.futures.Executor``.

:func:`run_many` returns a DataFrame; :func:`lob_sim.sweep.folder.run_sweep` writes the same to a folder that
can be resumed. Both do it through :func:`iter_runs`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    wait,
)
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeAlias

from lob_sim import __version__
from lob_sim.errors import InputError, LobSimError
from lob_sim.sweep.design import runs_in_order, seed_list
from lob_sim.sweep.executors import Cluster, Processes, available_cores
from lob_sim.sweep.limits import NO_LIMITS, Limits, execute_within, release
from lob_sim.sweep.progress import Meter, ProgressCallback
from lob_sim.sweep.task import PlannedRun, RunRecord, Task, TaskSpec, Value, execute, failure, load_task, plain_point

if TYPE_CHECKING:
    import pandas as pd

_TICK_S = 1.0
_OUTSTANDING_PER_WORKER = 3
_Outstanding: TypeAlias = "dict[Future[RunRecord], PlannedRun]"


def run_many(
    task: str | Task,
    points: Sequence[Mapping[str, Value]],
    seeds: Sequence[int] | int,
    executor: Executor | None = None,
    progress: ProgressCallback | None = None,
    limits: Limits = NO_LIMITS,
) -> pd.DataFrame:
    """Run a task at every point with every seed, and return one row per run.

    ::

        frame = run_many(my_task, [{"slr.on": True}, {"slr.on": False}], seeds=200)
        frame.groupby("slr.on")["overshoot"].mean()

    Args:
        task: A function of one :class:`TaskSpec` at the top level of a module, or ``"module:function"``.
        points: Overrides, one mapping per point.
        seeds: The seeds that every point is run with; a number n stands for ``run_seeds(n)``.
        executor: Where to run; by default a process per core, ended before this returns.
        progress: Called as runs finish.
        limits: Time and memory of a run, past which it is ended and counts as failed; by default none.

    Returns:
        Rows in the order of points, then seeds. Columns ``run``, ``point``, ``replicate``, ``seed``; one per
        parameter path; ``status`` (``ok`` or ``failed``), ``error``, ``trace``, ``run_time_s``, ``digest``;
        one per metric, by name. A failed run has its error and no metrics (NaN); it ends nothing.

    Raises:
        PluginError: The task cannot be loaded or sent.
        InputError: No points, no seeds, a seed twice, or a parameter named like a column of the results; limits on a
            cluster.
        LobSimError: The executor itself failed.
    """
    from lob_sim.sweep.results import to_frame

    refuse_limits_on_cluster(limits, isinstance(executor, Cluster))
    plain = [plain_point(point) for point in points]
    runs = plan_runs(plain, seed_list(seeds))
    loaded = load_task(task)
    meter = Meter(len(runs))
    records: list[RunRecord] = []
    with nullcontext(executor) if executor is not None else Processes() as chosen:
        for batch in iter_runs(loaded, runs, chosen, limits):
            records += batch
            if progress is not None:
                progress(meter.add(len(batch), sum(not record.ok for record in batch)))
    return to_frame(records, plain)


def refuse_limits_on_cluster(limits: Limits, is_cluster: bool) -> None:
    """Refuse what cannot be kept: the workers of a cluster may not start processes.

    Raises:
        InputError: There are limits, and the executor is a cluster.
    """
    if limits.there and is_cluster:
        hint = "dask worker has --memory-limit, a batch system a wall time"
        raise InputError(f"a run's limits need processes of this machine, not a cluster: {hint}", "run limits")


def plan_runs(points: Sequence[Mapping[str, Value]], seeds: Sequence[int], logs: str | None = None) -> list[PlannedRun]:
    """The runs of points × seeds in order of execution.

    Args:
        points: Overrides, one mapping per point.
        seeds: The seeds that every point is run with.
        logs: Directory under which each run keeps its event log, or None.

    Raises:
        InputError: No points, no seeds, a seed twice (its runs would not be independent), a parameter named like a
            column of the results or a value that is none.
    """
    listed, plain = seed_list(seeds), [plain_point(point) for point in points]
    if not plain or not listed:
        raise InputError(f"{len(plain)} points, {len(listed)} seeds: expected at least one of each", "sweep")
    return [
        PlannedRun(run, p, r, TaskSpec(plain[p], listed[r], f"{logs}/{run:06d}" if logs else None))
        for run, p, r in runs_in_order(plain, listed)
    ]


def iter_runs(
    task: Task, runs: Iterable[PlannedRun], executor: Executor, limits: Limits = NO_LIMITS
) -> Iterator[list[RunRecord]]:
    """Do runs, a bounded number of them outstanding at a time, and yield records as they come.

    A batch comes at least every second, empty if nothing has finished. On Ctrl-C what has finished is
    yielded before the exception goes on.

    A worker process that dies breaks a pool and takes all outstanding runs with it. Those are then repeated
    one at a time, so that the one that kills its worker is found, and recorded as failed, and no other is.

    Raises:
        LobSimError: The executor cannot do even a trivial task, or withdrew a run (a lost scheduler).
    """
    waiting = iter(runs)
    suspects: deque[PlannedRun] = deque()
    outstanding: _Outstanding = {}
    try:
        while True:
            _fill(executor, task, limits, waiting, suspects, outstanding)
            if not outstanding:
                return
            done, _ = wait(outstanding, timeout=_TICK_S, return_when=FIRST_COMPLETED)
            if any(_is_broken(future) for future in done):
                # Who was outstanding together must be judged together: the others break within moments.
                done, _ = wait(outstanding)
            yield _harvest(executor, done, suspects, outstanding)
    except KeyboardInterrupt:
        finished = {f for f in outstanding if f.done() and not f.cancelled() and f.exception() is None}
        yield _harvest(executor, finished, suspects, outstanding)
        raise
    finally:
        for future in outstanding:
            future.cancel()
        release()


def _fill(
    executor: Executor,
    task: Task,
    limits: Limits,
    waiting: Iterator[PlannedRun],
    suspects: deque[PlannedRun],
    outstanding: _Outstanding,
) -> None:
    if suspects:
        if not outstanding:
            run = suspects.popleft()
            outstanding[_submit(executor, task, run, limits)] = run
        return
    workers = int(getattr(executor, "workers", 0)) or available_cores()
    while len(outstanding) < _OUTSTANDING_PER_WORKER * workers:
        try:
            run = next(waiting)
        except StopIteration:
            return
        outstanding[_submit(executor, task, run, limits)] = run


def _submit(executor: Executor, task: Task, run: PlannedRun, limits: Limits) -> Future[RunRecord]:
    try:
        if limits.there:
            return executor.submit(execute_within, task, run, __version__, limits)
        return executor.submit(execute, task, run, __version__)
    except BrokenExecutor as error:
        raise LobSimError(f"the executor is broken and takes no more runs: {error}") from error


def _harvest(
    executor: Executor, done: Iterable[Future[RunRecord]], suspects: deque[PlannedRun], outstanding: _Outstanding
) -> list[RunRecord]:
    records: list[RunRecord] = []
    alone = len(outstanding) == 1
    for future in sorted(done, key=lambda f: outstanding[f].run):
        run = outstanding.pop(future)
        try:
            error = future.exception()
        except CancelledError as withdrawn:
            raise LobSimError(f"run {run.run} was withdrawn: the scheduler is lost") from withdrawn
        if error is None:
            records.append(future.result())
        elif not isinstance(error, BrokenExecutor):
            # The run never began, or its worker was given up by the cluster, or it raised what is no Exception (a
            # KeyboardInterrupt of its own, say): its error is its result.
            records.append(failure(run, error))
        elif not alone:
            suspects.append(run)
        else:
            _check_alive(executor, error)
            records.append(failure(run, error))
    return records


def _is_broken(future: Future[RunRecord]) -> bool:
    return not future.cancelled() and isinstance(future.exception(), BrokenExecutor)


def _check_alive(executor: Executor, error: BrokenExecutor) -> None:
    try:
        executor.submit(int).result()
    except BrokenExecutor:
        hint = "if this is a script, its top level must be guarded by `if __name__ == '__main__':`"
        raise LobSimError(f"worker processes die as they start ({error}); {hint}") from error
