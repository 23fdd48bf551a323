"""How an experiment runs its markets: many at once, and of one what it asks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lob_sim import errors
from lob_sim.errors import InputError, LobSimError
from lob_sim.messages import Command, Event
from lob_sim.sweep.executors import Processes, Serial
from lob_sim.sweep.progress import progress_bar
from lob_sim.sweep.runner import run_many
from lob_sim.sweep.task import Task, Value
from lob_sim.units import Ns

if TYPE_CHECKING:
    import pandas as pd

_workers: ContextVar[int] = ContextVar("workers", default=1)


class EventCollector:
    """A recorder that keeps messages of the types named, in the order in which they came.

    Args:
        *types: Classes of events (or commands, which come with their time of arrival in ``times_ns``).
    """

    def __init__(self, *types: type[Event] | type[Command]) -> None:
        self._types = frozenset(types)
        self.messages: list[Any] = []
        self.times_ns: list[Ns] = []

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Take a command and what came of it."""
        for message in (command, *events):
            if type(message) in self._types:
                self.messages.append(message)
                self.times_ns.append(ts_ns)

    def record(self, event: Event) -> None:
        """Take an event outside the venues."""
        if type(event) in self._types:
            self.messages.append(event)
            self.times_ns.append(event.ts_event_ns)

    def of(self, kind: type[Any]) -> list[Any]:
        """The messages of one type."""
        return [message for message in self.messages if type(message) is kind]


def run_cells(
    task: Task, points: Sequence[Mapping[str, Value]], seeds: int, title: str | None = None, first_seed: int = 1
) -> pd.DataFrame:
    """Do a task at every point with n seeds in a row (the same for all points) and return the table of results.

    Args:
        task: The task.
        points: Overrides, one mapping per point.
        seeds: Number of seeds.
        title: What is shown beside a bar on the terminal while it runs; without it nothing is.
        first_seed: The first of the seeds.

    Raises:
        InputError: A scenario that the points make is not one.
        LobSimError: A run failed; shows the first.
    """
    bar = nullcontext(None) if title is None else progress_bar(title)
    with bar as progress, processes() as executor:
        return require_ok(run_many(task, points, range(first_seed, first_seed + seeds), executor, progress))


def require_ok(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of results, of which every run has ended well.

    Raises:
        InputError: A scenario that the points make is not one.
        LobSimError: A run failed; shows the first.
    """
    failed = frame[frame["status"] != "ok"]
    if len(failed):
        first = failed.iloc[0]
        kind, _, message = first["error"].partition(": ")
        if issubclass(getattr(errors, kind, Exception), InputError):
            raise InputError(message)
        told = f"{len(failed)} of {len(frame)} runs failed; the first: {first['error']}"
        raise LobSimError(f"{told}\n{first['trace']}")
    return frame


def processes() -> Serial | Processes:
    """Where runs are to be done: in as many processes as :func:`in_processes` says."""
    workers = _workers.get()
    return Serial() if workers == 1 else Processes(workers)


@contextmanager
def in_processes(workers: int) -> Iterator[None]:
    """Let :func:`run_cells` use so many processes; 1 means this one."""
    token = _workers.set(workers)
    try:
        yield
    finally:
        _workers.reset(token)
