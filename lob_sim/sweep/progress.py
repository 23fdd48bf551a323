"""How far a sweep is, for people who wait for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from lob_sim.units import NS_PER_S, format_time

if TYPE_CHECKING:
    from rich.console import Console

_WINDOW_S = 60.0


class Progress(msgspec.Struct, frozen=True):
    """State of a sweep.

    Attributes:
        done: Runs recorded, failed ones and those of earlier calls included.
        total: Runs of the whole sweep.
        failures: Failed runs among ``done``.
        rate_per_s: Runs per second over the last minute of this call; 0 before the first result.
        eta_s: Seconds to go at that rate; infinite before the first result.
    """

    done: int
    total: int
    failures: int
    rate_per_s: float
    eta_s: float


ProgressCallback: TypeAlias = Callable[[Progress], None]


class Meter:
    """Counts runs and measures their rate.

    Args:
        total: Runs of the whole sweep.
        done: Runs recorded by earlier sessions.
        failures: Failed ones among them.
        clock: Seconds, monotonic.
    """

    def __init__(
        self, total: int, done: int = 0, failures: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.done = done
        self.failures = failures
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque([(clock(), done)])

    def add(self, done: int, failures: int) -> Progress:
        """Count ``done`` more runs, ``failures`` of them failed, and say where that leaves the sweep."""
        now_s = self._clock()
        self.done += done
        self.failures += failures
        self._marks.append((now_s, self.done))
        while len(self._marks) > 2 and now_s - self._marks[0][0] > _WINDOW_S:
            self._marks.popleft()
        since_s, before = self._marks[0]
        rate = (self.done - before) / (now_s - since_s) if now_s > since_s else 0.0
        left = self.total - self.done
        eta_s = left / rate if rate > 0 else (0.0 if left == 0 else float("inf"))
        return Progress(self.done, self.total, self.failures, rate, eta_s)


@contextmanager
def progress_bar(title: str, console: Console | None = None) -> Iterator[ProgressCallback]:
    """A bar on the terminal, for the ``progress`` argument of a sweep::

    with progress_bar("tipping") as bar:
        frame = run_many(task, points, seeds, progress=bar)
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    title_column, note_column = TextColumn("{task.description}"), TextColumn("{task.fields[note]}")
    columns = (title_column, BarColumn(), MofNCompleteColumn(), note_column)
    with Bar(*columns, console=console or Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, note="starting")

        def show(state: Progress) -> None:
            note = f"{state.failures} failed, {state.rate_per_s:.3g}/s, {format_eta(state.eta_s)} to go"
            bar.update(task, completed=state.done, total=state.total, note=note)

        yield show


def format_eta(eta_s: float) -> str:
    """``h:mm:ss``, or ``?`` while nothing is known."""
    return "?" if eta_s == float("inf") else format_time(round(eta_s) * NS_PER_S, 0)
