"""Where runs are done: here, in processes of this machine, or on a cluster.

Any ``concurrent.futures.Executor`` will do for a sweep. Those of this module add an attribute ``workers``
(how many runs go on at once), from which the runner decides how many to keep outstanding.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from lob_sim.errors import InputError
from lob_sim.extras import need_extra

P = ParamSpec("P")
R = TypeVar("R")

CONNECT_TIMEOUT_S = 6.0
"""How long to look for a scheduler; with the time to give up it stays below 10 s."""
_COUNT_WORKERS_EVERY_S = 5.0


class Serial(Executor):
    """Does each run at once in this process: for debugging, for tests and for what is too small to share."""

    workers = 1

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call ``fn`` now and return its finished future."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class Processes(Executor):
    """A pool of worker processes that outlives its workers.

    The start method is ``spawn``, on every platform: a fresh interpreter inherits no threads, locks or random
    state, so a run cannot depend on what its parent did before. When a worker dies (a crash in native code,
    the system's memory killer) the pool is rebuilt at the next ``submit``. Workers ignore Ctrl-C, which is
    the parent's business, and end by themselves when the parent is gone.

    Args:
        workers: Number of processes; by default one per core that this process may use.
    """

    def __init__(self, workers: int | None = None) -> None:
        if workers is not None and workers < 1:
            raise InputError(f"{workers} workers: expected 1 or more", "workers")
        self.workers = workers or available_cores()
        self._context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._stop_reader, self._stop_writer = self._context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self.workers, self._context, initializer=_start_worker, initargs=(self._stop_reader,)
        )

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Hand ``fn`` to a worker, replacing a pool that has lost one."""
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenExecutor:
            self._pool.shutdown(wait=False)
            self._close_pipe()
            self._start()
            return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the workers once they have finished what they were given."""
        self._pool.shutdown(wait=wait, cancel_futures=cancel_futures)
        if wait:
            self._close_pipe()

    def kill(self) -> None:
        """End the workers now, in the middle of whatever they do."""
        if not self._stop_writer.closed:
            self._stop_writer.send_bytes(b"stop")
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._close_pipe()

    def _close_pipe(self) -> None:
        self._stop_writer.close()
        self._stop_reader.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the workers, or after an error (Ctrl-C included) do not."""
        if kind is None:
            self.shutdown()
        else:
            self.kill()


def _start_worker(stop: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(stop,), daemon=True).start()


def _end_with_parent(stop: Connection) -> None:
    # A worker of a killed parent would wait for work for ever: its siblings hold the other end of the queue.
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([stop, parent.sentinel])
    os._exit(1)


def available_cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Cluster(Executor):
    """Workers of a dask.distributed scheduler, through its own executor.

    A worker that dies is the scheduler's business: it gives the run to another one. Each run is
    deterministic, so a repeated run gives the same result.

    Args:
        address: ``"local"`` for a scheduler and processes on this machine, or ``tcp://host:port``.
        workers: Number of local processes; without meaning for an address.

    Raises:
        MissingExtraError: dask.distributed is not installed.
        InputError: No scheduler answers within 10 s.
    """

    def __init__(self, address: str, workers: int | None = None) -> None:
        need_extra("cluster", "distributed")
        distributed: Any = importlib.import_module("distributed")
        self._local: Any = None
        target: Any = address
        if address == "local":
            self._local = target = distributed.LocalCluster(
                n_workers=workers or available_cores(),
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
            )
        else:
            _check_scheduler(address)
        try:
            self._client: Any = distributed.Client(target, timeout=CONNECT_TIMEOUT_S, set_as_default=False)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise _no_scheduler(address, error) from error
        self._closed: type[Exception] = distributed.client.ClosedClientError
        self._executor = self._client.get_executor(pure=False)
        self._counted_s = float("-inf")
        self._workers = 0

    @property
    def workers(self) -> int:
        """Threads of all workers at present: workers may come and go."""
        now_s = time.monotonic()
        if now_s - self._counted_s > _COUNT_WORKERS_EVERY_S:
            # A scheduler that is gone cannot be asked; the runs that it had will say so.
            with contextlib.suppress(OSError):
                self._workers = sum(self._client.nthreads().values())
            self._counted_s = now_s
        return self._workers

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Hand ``fn`` to the scheduler.

        Raises:
            BrokenExecutor: The scheduler is lost.
        """
        try:
            future: Future[R] = self._executor.submit(fn, *args, **kwargs)
        except (OSError, self._closed) as error:
            raise BrokenExecutor(f"the scheduler is lost ({error})") from error
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the scheduler; one that was started here ends."""
        self._executor.shutdown(wait=wait and not cancel_futures)
        self._client.close()
        if self._local is not None:
            self._local.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for what was submitted, or after an error (Ctrl-C included) withdraw it."""
        self.shutdown(cancel_futures=kind is not None)


def _check_scheduler(address: str) -> None:
    """Ask whoever listens at an address for its identity.

    The client itself would wait for ever where somebody listens and says nothing.
    """

    async def ask() -> Any:
        distributed: Any = importlib.import_module("distributed")
        arguments = distributed.Security().get_connection_args("client")
        async with distributed.rpc(address, timeout=CONNECT_TIMEOUT_S, connection_args=arguments) as remote:
            return await remote.identity()

    async def ask_in_time() -> Any:
        return await asyncio.wait_for(ask(), CONNECT_TIMEOUT_S)

    try:
        # In a thread of its own: the caller may be in a notebook, whose loop is running already.
        with ThreadPoolExecutor(1) as thread:
            identity = thread.submit(asyncio.run, ask_in_time()).result()
    except (OSError, ValueError, TimeoutError) as error:
        raise _no_scheduler(address, str(error) or "no answer in time") from error
    if identity.get("type") != "Scheduler":
        raise _no_scheduler(address, f"it is the address of a {identity.get('type')}")


def _no_scheduler(address: str, error: object) -> InputError:
    expected = "expected 'local' or the address that dask-scheduler prints, such as tcp://host:8786"
    return InputError(f"no dask scheduler answers ({error}); {expected}", f"--cluster {address}")


def open_executor(cluster: str | None = None, workers: int | None = None) -> Processes | Cluster:
    """The executor that the options of the command line name.

    Args:
        cluster: None for processes of this machine, ``"local"``, or a scheduler's address.
        workers: Number of processes, where they are started here.

    Raises:
        InputError: As of :class:`Processes` and :class:`Cluster`.
    """
    return Processes(workers) if cluster is None else Cluster(cluster, workers)
