"""The runs of an explorer: each in a process of its own, one after the other, shared by all of its tabs."""

from __future__ import annotations

import asyncio
import shlex
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import msgspec

from lob_sim.errors import InputError, LobSimError
from lob_sim.explorer.choice import Choice, Plan, offer, planned, toml_of
from lob_sim.explorer.worker import PAGE, Point, Task, Told
from lob_sim.files import safe_name
from lob_sim.log import open_run
from lob_sim.log.manifest import COMPLETE, MANIFEST_NAME

WAITING, RUNNING, WRITING = "waiting", "running", "writing its page"
DONE, CANCELLED, FAILED = "finished", "cancelled", "failed"
_LONGEST_LINE = 1 << 24
PATIENCE_S = 5.0
"""How long a worker that was told to end may take over it."""
Hear: TypeAlias = Callable[[Told], None]


class Job:
    """A run that was asked for, or that is kept from an earlier day.

    Args:
        number: From 1 on, in the order in which they were asked for.
        plan: What is known of it.
        folder: Of its log.

    Attributes:
        label: What its user calls it.
        state: ``waiting``, ``running``, ``writing its page``, ``finished``, ``cancelled`` or ``failed``.
        frame: The last look at it.
        points: Its curves so far.
        digest: Of its log, once it has come to its end.
        metrics: How it came out.
        message: What went wrong.
        version: Grows with every change of it.
        process: Its worker.
    """

    def __init__(self, number: int, plan: Plan, folder: Path) -> None:
        self.number = number
        self.plan = plan
        self.folder = folder
        self.label = f"Run {number}"
        self.state = WAITING
        self.frame: Told | None = None
        self.points: list[Point] = []
        self.digest = ""
        self.metrics: dict[str, float | None] = {}
        self.message = ""
        self.version = 0
        self.process: Process | None = None
        self._is_cancelled = False

    @property
    def is_going(self) -> bool:
        """Whether it has not come to its end yet."""
        return self.state in (WAITING, RUNNING, WRITING)

    @property
    def share(self) -> float:
        """How much of its simulated time has passed."""
        return 0.0 if self.frame is None else self.frame.at_ns / self.frame.horizon_ns

    @property
    def page(self) -> Path:
        """Where its page is, once there is one."""
        return self.folder / PAGE

    def task(self) -> Task:
        """What its worker is asked for."""
        plan = self.plan
        return Task(str(self.folder), plan.source, plan.overlays, plan.overrides, plan.seed, self.label)

    def hear(self, told: Told) -> None:
        """Take in what its worker tells."""
        if told.kind == "frame":
            self.frame = told
            self.points += told.points
            self.state = RUNNING
        elif told.kind == "page":
            self.digest, self.metrics, self.state = told.digest, told.metrics, WRITING
        elif self.digest or told.kind == "done":
            # The log is whole, whatever has become of its page.
            self.state, self.message = DONE, told.message
        else:
            self.state = CANCELLED if told.kind == "cancelled" or self._is_cancelled else FAILED
            self.message = told.message if self.state == FAILED else ""
        self.version += 1

    def cancel(self) -> None:
        """End it, if it has not come to its end; what it has logged stays. To be called in the event loop."""
        self._is_cancelled = True
        if self.state == WAITING:
            self.hear(Told("cancelled"))
        elif self.process is not None and self.process.returncode is None:
            self.process.terminate()
            asyncio.get_running_loop().call_later(PATIENCE_S, self._kill)

    def _kill(self) -> None:
        """End what does not let itself be ended, such as a strategy that catches everything."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()


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

    def find_kept(self) -> None:
        """Take in the complete runs that an earlier explorer has left in the folder."""
        for manifest in sorted(self.folder.glob(f"*/{MANIFEST_NAME}")):
            try:
                run = open_run(manifest.parent)
                header = run.header
                if run.status != COMPLETE or header.branches:
                    continue
                command = shlex.join(["lob-sim", "rerun", str(manifest.parent)])
                plain, seed = header.scenario, header.seed_entropy
                overlays = tuple(map(str, plain.get("overlays", ())))
                toml = toml_of(plain, seed, command)
                plan = Plan(str(plain["name"]), seed, overlays, (), (), command, toml)
            except (LobSimError, LookupError, TypeError):
                # Whatever else lies there is nobody's run.
                continue
            job = Job(len(self.all) + 1, plan, manifest.parent)
            job.digest, job.label, job.state = run.digest, manifest.parent.name, DONE
            self.all.append(job)

    def find(self, number: int) -> Job | None:
        """The run of this number, if there is one."""
        return self.all[number - 1] if 0 < number <= len(self.all) else None

    def ask(self, choice: Choice) -> Job:
        """Let a run be made when those before it have been.

        Raises:
            InputError: What was chosen does not hold; nothing is to be run then.
        """
        plan = planned(choice, offer(choice))
        job = Job(len(self.all) + 1, plan, self._free(f"{plan.title}-seed{plan.seed}"))
        self.all.append(job)
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._run_all())
        return job

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
            try:
                await asyncio.wait_for(process.wait(), PATIENCE_S)
            except TimeoutError:
                process.kill()

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
            try:
                await self._work(job.task(), job.hear, job)
            except (OSError, ValueError) as error:
                job.hear(Told("failed", message=f"its process cannot be spoken to: {error}"))
            if job.is_going:
                job.hear(Told("failed", message="its process has died; the terminal may say of what"))

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
