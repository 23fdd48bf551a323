"""Whole runs as a user has them: a crisis against its own replay, the start of a command, and memory.

A replay does all that venues do, and checks every row; what a run costs beyond it is the agents' part, dealers' with
balance sheets most of all. Both are measured in time of the process, one after the other, and the ratio is the median
over rounds. Where the time of agents goes is told in ``docs/performance.md``.
"""

from __future__ import annotations

import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lob_sim import load_scenario
from lob_sim.log import DirectoryRecorder, NullRecorder, open_run
from lob_sim.replay import verify
from lob_sim.scenario import Scenario
from tests.bench import bench_simulation
from tests.bench.bench_log import run_time_s

ROUNDS = 5
MOST_OF_REPLAY = 5.0
MOST_RUN_S = 4.0
MOST_VERSION_S = 0.3
MOST_IMPORT_S = 1.0
FLAGSHIP = "experiments/whole_system.toml"
CRISES = {"the flagship crisis": FLAGSHIP, "dealer_market": "dealer_market"}
STARTS = {
    "lob-sim --version": ([str(Path(sys.executable).with_name("lob-sim")), "--version"], MOST_VERSION_S),
    "import lob_sim; lob_sim.run": ([sys.executable, "-c", "import lob_sim; lob_sim.run"], MOST_IMPORT_S),
}
CROWD = "10,000 traders"
MOST_MEGABYTES = {FLAGSHIP: 140, CROWD: 195}
"""What was measured first, 127 and 187, and up to a tenth for what differs between machines."""


def run_and_replay_s(scenario: Scenario) -> tuple[float, float]:
    """Work of a run with its log on disk, and of its verified replay, in seconds of the processor."""
    with tempfile.TemporaryDirectory() as folder:
        run_s = run_time_s(scenario, lambda header: DirectoryRecorder(folder, header))
        logged = open_run(folder)
        started = time.process_time()
        assert verify(logged).ok
        return run_s, time.process_time() - started


def start_s(command: list[str]) -> float:
    """Seconds of the processor that a command takes, the median over rounds after a first that fills caches."""
    seconds = []
    for _ in range(ROUNDS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(seconds[1:])


def run_in_memory(name: str) -> None:
    """What :func:`peak_megabytes` measures, in a process of its own."""
    if name == CROWD:
        run_time_s(bench_simulation.market(10_000, 60), lambda _: NullRecorder())
        return
    with tempfile.TemporaryDirectory() as folder:
        run_time_s(load_scenario(name), lambda header: DirectoryRecorder(folder, header))


def peak_megabytes(name: str) -> float:
    """Most memory that a process of its own has resident while it does this run."""
    done = subprocess.run([sys.executable, "-m", __spec__.name, name], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> list[dict[str, object]]:
    """One row each: what was measured, the figure, and what is required."""
    rows = []
    for title, name in CRISES.items():
        scenario = load_scenario(name)
        pairs = [run_and_replay_s(scenario) for _ in range(ROUNDS)]
        ratio = statistics.median(run_s / replay_s for run_s, replay_s in pairs)
        best_s = [min(seconds) for seconds in zip(*pairs, strict=True)]
        rows.append(
            bench_simulation.row(
                f"a run of {title} against its verified replay",
                f"{ratio:.1f} times ({best_s[0]:.2f} s, {best_s[1]:.2f} s)",
                f"<= {MOST_OF_REPLAY:.0f}",
                ratio <= MOST_OF_REPLAY,
            )
        )
        if name == FLAGSHIP:
            rows.append(
                bench_simulation.row(
                    f"processor time of a run of {title}, log on disk",
                    f"{best_s[0]:.2f} s",
                    f"< {MOST_RUN_S:.0f} s",
                    best_s[0] < MOST_RUN_S,
                )
            )
    for title, (command, most_s) in STARTS.items():
        seconds = start_s(command)
        rows.append(bench_simulation.row(title, f"{seconds:.2f} s", f"< {most_s} s", seconds < most_s))
    for title, name in (
        ("the flagship crisis", FLAGSHIP),
        (f"{CROWD}, each a process", CROWD),
    ):
        megabytes, most = peak_megabytes(name), MOST_MEGABYTES[name]
        rows.append(
            bench_simulation.row(f"memory resident, {title}", f"{megabytes:.0f} MB", f"<= {most} MB", megabytes <= most)
        )
    return rows


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run_in_memory(sys.argv[1])
        # Not the resource usage: that one counts the memory of the parent, from which this process was forked.
        status = Path("/proc/self/status").read_text()
        print(int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024)  # type: ignore[index]
    else:
        for line in main():
            print(" | ".join(str(value) for value in line.values()))
