"""Tasks that cost nothing, for tests: importable by name from any worker."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from lob_sim.sweep.task import TaskResult, TaskSpec


def noisy(spec: TaskSpec) -> dict[str, float]:
    """A linear response with noise that depends on the seed alone."""
    rng = np.random.default_rng(spec.seed)
    x = float(spec.overrides.get("x", 0.0))
    return {"y": 2.0 * x + float(rng.standard_normal()), "noise": float(rng.standard_normal())}


def slow(spec: TaskSpec) -> dict[str, float]:
    """As :func:`noisy`, but takes ``delay`` seconds, and says so in a file if it is told where."""
    if "calls" in spec.overrides:
        with Path(str(spec.overrides["calls"])).open("a") as file:
            file.write(f"{spec.seed}\n")
    time.sleep(float(spec.overrides.get("delay", 0.05)))
    return noisy(spec)


def busy(spec: TaskSpec) -> dict[str, float]:
    """Computes for ``delay`` seconds."""
    end = time.perf_counter() + float(spec.overrides.get("delay", 0.05))
    while time.perf_counter() < end:
        pass
    return noisy(spec)


def failing(spec: TaskSpec) -> dict[str, float]:
    """Fails where x is 2."""
    if spec.overrides["x"] == 2:
        raise ValueError(f"cannot do x = 2 with seed {spec.seed}")
    return noisy(spec)


def leaving(spec: TaskSpec) -> dict[str, float]:
    """Tries to end the whole process where x is 2."""
    if spec.overrides["x"] == 2:
        raise SystemExit(3)
    return noisy(spec)


def crashing(spec: TaskSpec) -> dict[str, float]:
    """Kills its own worker, as the system's memory killer would, where x is 2."""
    if spec.overrides["x"] == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return noisy(spec)


def endless(spec: TaskSpec) -> dict[str, float]:
    """Never ends where x is 2."""
    while spec.overrides["x"] == 2:
        pass
    return noisy(spec)


def greedy(spec: TaskSpec) -> dict[str, float]:
    """Takes memory, ten megabytes every hundredth of a second, where x is 2."""
    hoard = []
    while spec.overrides["x"] == 2:
        hoard.append(bytearray(10_000_000))
        time.sleep(0.01)
    return noisy(spec)


def logging(spec: TaskSpec) -> TaskResult:
    """Writes a log where it is told to, and refuses to overwrite one."""
    if spec.out is not None:
        folder = Path(spec.out)
        folder.mkdir()
        (folder / "log.txt").write_text(f"{spec.seed}\n")
    return TaskResult({"y": 1.0}, f"log of {spec.seed}")


def misnamed(spec: TaskSpec) -> dict[str, float]:
    """Gives a metric that has a parameter's name."""
    return {"x": 1.0}


def textual(spec: TaskSpec) -> dict[str, str]:
    """Gives a metric that is no number."""
    return {"y": "high"}


def quadratic(spec: TaskSpec) -> dict[str, float]:
    """A bowl with its bottom at x = 3, y = −1, and a little noise."""
    rng = np.random.default_rng(spec.seed)
    x, y = float(spec.overrides["x"]), float(spec.overrides["y"])
    return {"a": x + 0.01 * float(rng.standard_normal()), "b": x + y + 0.01 * float(rng.standard_normal())}


def bridge(spec: TaskSpec) -> dict[str, float]:
    """1 alone each, 5 together, with common noise ten times as large."""
    shared = 10.0 * float(np.random.default_rng(spec.seed).standard_normal())
    a, b = bool(spec.overrides.get("a.on", True)), bool(spec.overrides.get("b.on", True))
    return {"loss": shared + a + b + 3.0 * (a and b)}
