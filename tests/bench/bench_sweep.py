"""Overhead of a sweep: 200 runs of about 50 ms on two workers, against the time of the runs themselves."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from lob_sim.sweep import Design, Processes, SweepPlan, TaskSpec, run_many, run_sweep

RUNS = 200
RUN_S = 0.05
WORKERS = 2
REQUIRED = 0.90


def compute(spec: TaskSpec) -> dict[str, float]:
    """Keep one core busy for about 50 ms."""
    end = time.perf_counter() + RUN_S
    turns = 0
    while time.perf_counter() < end:
        turns += 1
    return {"turns": float(turns)}


def measure(runs: int = RUNS) -> tuple[float, float, float]:
    """Do a sweep with results on disk, after the workers have started.

    Returns:
        Seconds that it took, seconds that it would take if the workers did nothing but the runs, and the
        share of the second in the first.
    """
    with tempfile.TemporaryDirectory() as folder, Processes(WORKERS) as executor:
        run_many(compute, [{}], 4 * WORKERS, executor)
        plan = SweepPlan(task=compute, design=Design(), seeds=runs)
        started = time.perf_counter()
        sweep = run_sweep(plan, Path(folder) / "sweep", executor=executor)
        elapsed_s = time.perf_counter() - started
        ideal_s = float(sweep.frame()["run_time_s"].sum()) / WORKERS
    return elapsed_s, ideal_s, ideal_s / elapsed_s


def main() -> list[dict[str, object]]:
    """One row: what was measured, the figure, and what is required."""
    elapsed_s, ideal_s, share = measure()
    return [
        {
            "benchmark": f"sweep, {RUNS} runs of {1000 * RUN_S:.0f} ms on {WORKERS} workers",
            "measured": f"{100 * share:.1f} % of ideal ({elapsed_s:.2f} s, ideal {ideal_s:.2f} s)",
            "required": f">= {100 * REQUIRED:.0f} %",
            "ok": share >= REQUIRED,
        }
    ]


if __name__ == "__main__":
    for row in main():
        print(" | ".join(str(value) for value in row.values()))
