"""The runs of an explorer: each in a process of its own, one after the other, shared by all of its tabs."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

from lob_sim.errors import InputError
from lob_sim.explorer.choice import Choice, command_of, offer, overrides_of, toml_of
from lob_sim.explorer.worker import PAGE, Point, Task, Told
from lob_sim.files import safe_name

WAITING, RUNNING, WRITING = "waiting", "running", "writing its page"
DONE, CANCELLED, FAILED = "finished", "cancelled", "failed"
_LONGEST_LINE = 1 << 24
Hear: TypeAlias = Callable[[Told], None]


class Job:
    """A run that was asked for.

    Args:
        number: From 1 on, in the order in which they were asked for.
        choice: What was chosen.
        folder: Of its log.

    Attributes:
        label: What its user calls it.
        state: ``waiting``, ``running``, ``writing its page``, ``finished``, ``cancelled`` or ``failed``.
        seed: Its seed.
        title: The scenario's name.
        overrides: What differs from the scenario with its overlays.
        changes: The same in words.
        frame: The last look at it.
        points: Its curves so far.
        ended: What it told when it came to its end: digest and metrics.
        message: What went wrong.
        version: Grows with every change of it.

    Raises:
        InputError: What was chosen does not hold.
    """

    def __init__(self, number: int, choice: Choice, folder: Path) -> None:
        offered = offer(choice)
        self.number = number
        self.choice = choice
        self.folder = folder
        self.title = offered.scenario.name
        self.currency = offered.scenario.currency
        self.seed = offered.scenario.seed if choice.seed is None else choice.seed
        self.overrides = overrides_of(choice, offered)
        self.command = command_of(choice, self.overrides, self.seed)
        self.toml = toml_of(choice, self.overrides, self.seed)
        chosen = dict(choice.values)
        turned = [knob for knob in offered.knobs if knob.spec.path in chosen]
        moved = [(knob, knob.put(chosen[knob.spec.path])) for knob in turned]
        self.changes = [
            f"{knob.spec.label} {value.normalize():f}{'' if knob.spec.unit == '%' else ' '}{knob.spec.unit}".rstrip()
            for knob, value in moved
            if value != knob.own
        ]
        self.label = f"Run {number}"
        self.state = WAITING
        self.frame: Told | None = None
        self.points: list[Point] = []
        self.ended: Told | None = None
        self.message = ""
        self.version = 0
        self.process: Process | None = None

    @property
    def is_going(self) -> bool:
        """Whether it has not come to its end yet."""
        return self.state in (WAITING, RUNNING, WRITING)

    @property
    def share(self) -> float:
        """How much of its simulated time has passed."""
        return 0.0 if self.frame is None else self.frame.at_ns / self.frame.horizon_ns

    def task(self) -> Task:
        """What its worker is asked for."""
        return Task(str(self.folder), self.choice.scenario, self.choice.overlays, self.overrides, self.seed, self.label)

    def hear(self, told: Told) -> None:
        """Take in what its worker tells."""
        if told.kind == "frame":
            self.frame = told
            self.points += told.points
            self.state = RUNNING
        elif told.kind == "page":
            self.ended, self.state = told, WRITING
        else:
            self.state = {"done": DONE, "cancelled": CANCELLED}.get(told.kind, FAILED)
            self.message = told.message
        self.version += 1


class Jobs:
    """All runs of an explorer. To be used in one event loop.

    Args:
        folder: Where logs and pages are kept.

    Attributes:
        all: In the order in which they were asked for.
        comparisons: What was compared, and the page.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[Job] = []
        self.comparisons: list[tuple[str, Path]] = []
        self._loop: asyncio.Task[None] | None = None
        self._workers: set[Process] = set()

    def find(self, number: int) -> Job | None:
        """The run of this number, if there is one."""
        return self.all[number - 1] if 0 < number <= len(self.all) else None

    def ask(self, choice: Choice) -> Job:
        """Let a run be made when those before it have been.

        Raises:
            InputError: What was chosen does not hold; nothing is to be run then.
        """
        job = Job(len(self.all) + 1, choice, self.folder)
        job.folder = self._free(f"{job.title}-seed{job.seed}")
        self.all.append(job)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._run_all())
        return job

    def cancel(self, job: Job) -> None:
        """End a run that has not come to its end; what it has logged stays."""
        if job.state == WAITING:
            job.hear(Told("cancelled"))
        elif job.process is not None and job.process.returncode is None:
            job.process.terminate()

    async def compare(self, jobs: Sequence[Job]) -> Path:
        """Write the page that puts finished runs side by side.

        Raises:
            InputError: It cannot be written.
        """
        labels: dict[str, str] = {}
        for job in jobs:
            label = job.label if job.label not in labels else f"{job.label} ({job.number})"
            labels[label] = str(job.folder)
        page = self._free("comparison", ".html")
        last = Told("failed", message="the comparison was not written")

        def hear(told: Told) -> None:
            nonlocal last
            last = told

        await self._work(Task(str(page), runs=labels), hear)
        if last.kind != "done":
            raise InputError(last.message, "comparison")
        self.comparisons.append((", ".join(labels), page))
        return page

    async def close(self) -> None:
        """End everything that is under way."""
        if self._loop is not None:
            self._loop.cancel()
        for process in list(self._workers):
            with suppress(ProcessLookupError):
                process.terminate()
        for process in list(self._workers):
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 5)

    def _free(self, name: str, ending: str = "") -> Path:
        """A file or folder of this name that neither is there nor has been promised."""
        taken = {job.folder for job in self.all}
        base, n = safe_name(name.strip(".") or "run"), 1
        path = self.folder / f"{base}{ending}"
        while path in taken or path.exists():
            n += 1
            path = self.folder / f"{base}-{n}{ending}"
        return path

    async def _run_all(self) -> None:
        while (job := next((job for job in self.all if job.state == WAITING), None)) is not None:
            job.state = RUNNING
            job.version += 1
            await self._work(job.task(), job.hear, job)
            if job.is_going:
                job.hear(Told("failed", message="its process ended without a word"))

    async def _work(self, task: Task, hear: Hear, job: Job | None = None) -> None:
        """Let a worker do a task, and hear what it tells until it ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # -P: a folder that one happens to stand in brings no modules of the names of ours.
        words = [sys.executable, "-P", "-m", "lob_sim.explorer.worker"]
        process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE)
        self._workers.add(process)
        if job is not None:
            job.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(task) + b"\n")
            await process.stdin.drain()
            while line := await process.stdout.readline():
                hear(msgspec.json.decode(line, type=Told))
            await process.wait()
        finally:
            if process.returncode is None:
                process.terminate()
            self._workers.discard(process)


def page_of(job: Job) -> Path:
    """Where a run's page is."""
    return job.folder / PAGE
