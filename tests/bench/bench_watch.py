"""What the live view costs a run: pairs of runs with and without it, one after the other."""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

from rich.console import Console

from lob_sim.log import MemoryRecorder
from lob_sim.report.live import Listener, LiveView
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.simulation.runner import advance
from lob_sim.simulation.world import World
from tests.bench.bench_simulation import ROUNDS, row

MOST_SLOWDOWN = 0.10
_SCENARIO = Path(__file__).parents[2] / "experiments" / "first_market.toml"


def plain_s(scenario: Scenario) -> float:
    """Seconds of work of a run that nobody watches, with the log in memory."""
    world = World(scenario, 1, MemoryRecorder())
    started = time.process_time()
    advance(world)
    return time.process_time() - started


def watched_s(scenario: Scenario) -> tuple[float, int]:
    """Seconds of work of the same run on a terminal of 120 × 40, and how often the view looked."""
    listener = Listener(MemoryRecorder())
    world = World(scenario, 1, listener)
    with open(os.devnull, "w", encoding="utf-8") as terminal:
        console = Console(file=terminal, force_terminal=True, color_system="256", width=120, height=40)
        started = time.process_time()
        with LiveView(world, console, listener) as view:
            advance(world, view)
        return time.process_time() - started, view.looks


def main() -> list[dict[str, object]]:
    """One row: the median slowdown of five pairs."""
    scenario = load_scenario(_SCENARIO)
    plain_s(scenario)
    pairs = [(plain_s(scenario), *watched_s(scenario)) for _ in range(ROUNDS)]
    slowdowns = [watched / plain - 1 for plain, watched, _ in pairs]
    slowdown, looks = statistics.median(slowdowns), statistics.median(n for _, _, n in pairs)
    seconds = statistics.median(watched for _, watched, _ in pairs)
    return [
        row(
            "slowdown of the crisis by the live view",
            f"{100 * slowdown:+.1f} % ({100 * min(slowdowns):+.1f} to {100 * max(slowdowns):+.1f}; "
            f"{looks:.0f} looks in {seconds:.1f} s)",
            f"<= {100 * MOST_SLOWDOWN:.0f} %",
            slowdown <= MOST_SLOWDOWN,
        )
    ]


if __name__ == "__main__":
    for line in main():
        print(" | ".join(str(value) for value in line.values()))
