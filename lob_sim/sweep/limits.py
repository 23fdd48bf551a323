"""Limits of time and memory of a run: one that goes past them becomes a failed run, and the sweep goes on.

A run that never ends cannot be stopped from within, nor can one that asks for memory until there is none. With limits
the process that would have done a run watches one that does: a child of its own, which it ends when the run goes past a
limit, and which else serves the runs that follow.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path

import msgspec

from lob_sim.errors import InputError
from lob_sim.sweep.task import PlannedRun, RunRecord, Task, execute, failure

_LOOK_S = 0.1
"""How often a run is looked at: it may go past a limit by so much, or by what it takes hold of in that time."""
_ASK_S = 1.0
"""The same where memory is asked of another program."""
_AT_REST = 0.5
"""Share of the limit of memory that a child may hold between runs; above it the next run gets a fresh one."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a run of a sweep may take; None is no limit.

    Attributes:
        seconds: Wall time of one run, positive. Starting a process does not count.
        megabytes: Resident memory, in 10**6 bytes, of the process that does the run (the interpreter and what it has
            loaded, some 100, included; what it starts itself is not).

    Raises:
        InputError: A limit is not positive and finite, or memory cannot be watched on this system.
    """

    seconds: float | None = None
    megabytes: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("run_seconds", self.seconds), ("run_megabytes", self.megabytes)):
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{value}: expected a positive number", name)
        if self.megabytes is not None and sys.platform == "win32":
            raise InputError("the memory of a process cannot be watched on Windows", "run_megabytes")

    @property
    def there(self) -> bool:
        """Whether there is any limit."""
        return self.seconds is not None or self.megabytes is not None

    def passed(self, elapsed_s: float, megabytes: float) -> TimeoutError | MemoryError | None:
        """The error of a run that has gone past a limit."""
        if self.seconds is not None and elapsed_s > self.seconds:
            return TimeoutError(f"the run was ended past its limit of {self.seconds:g} s (run_seconds)")
        if self.megabytes is not None and megabytes > self.megabytes:
            return MemoryError(
                f"the run was ended with {megabytes:.0f} MB, past its limit of {self.megabytes:g} MB (run_megabytes)"
            )
        return None


NO_LIMITS = Limits()


def execute_within(task: Task, run: PlannedRun, version: str, limits: Limits) -> RunRecord:
    """Do one run as :func:`lob_sim.sweep.task.execute` does, in a child process that is ended at a limit.

    Args:
        task: The task.
        run: Which run.
        version: Version of lob_sim that planned the sweep.
        limits: What the run may take.
    """
    wanted = pickle.dumps(task)
    child: _Child | None = getattr(_here, "child", None)
    if child is None or child.task != wanted or not child.alive:
        release()
        child = _here.child = _Child(task, wanted)
    return child.do(run, version, limits)


def release() -> None:
    """End the child of this thread, if it has one."""
    child: _Child | None = getattr(_here, "child", None)
    _here.child = None
    if child is not None:
        child.kill()


_here = threading.local()


class _Child:
    """A process that does runs of one task, one at a time."""

    def __init__(self, task: Task, pickled: bytes) -> None:
        self.task = pickled
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, task), daemon=True)
        self._process.start()
        other.close()
        try:
            self._connection.recv()  # It has loaded the task: the time of a run begins after that.
            self.alive = True
        except EOFError:
            self.alive = False

    def do(self, run: PlannedRun, version: str, limits: Limits) -> RunRecord:
        """Do a run, and end the process if it goes past a limit."""
        started_s, look_s = time.monotonic(), _LOOK_S
        if limits.megabytes is not None and not Path("/proc/self/statm").exists():
            look_s = _ASK_S
        try:
            self._connection.send((run, version))
            while not self._connection.poll(look_s):
                elapsed_s = time.monotonic() - started_s
                error = limits.passed(elapsed_s, self._megabytes(limits))
                if error is not None:
                    self.kill()
                    return failure(run, error, elapsed_s=elapsed_s)
            record: RunRecord = self._connection.recv()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.kill()
            ended = RuntimeError(f"the process of the run died (exit code {self._process.exitcode})")
            return failure(run, ended, elapsed_s=time.monotonic() - started_s)
        except BaseException:
            self.kill()
            raise
        if limits.megabytes is not None and self._megabytes(limits) > _AT_REST * limits.megabytes:
            self.kill()
        return record

    def kill(self) -> None:
        """End the process now."""
        self.alive = False
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _megabytes(self, limits: Limits) -> float:
        return 0.0 if limits.megabytes is None or self._process.pid is None else resident_megabytes(self._process.pid)


def resident_megabytes(pid: int) -> float:
    """Resident memory of a process in 10**6 bytes; 0 if there is no such process."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError):
        pass
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return int(told) * 1024 / 1e6 if told.strip().isdigit() else 0.0


def _serve(connection: Connection, task: Task) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    connection.send(None)
    while True:
        try:
            run, version = connection.recv()
        except EOFError:
            return
        connection.send(execute(task, run, version))


def _end_with_parent() -> None:
    # In the middle of a run nobody would tell it that its parent is gone.
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
