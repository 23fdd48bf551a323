"""What a sweep of a scenario measures by default: the crisis metrics of every run."""

from __future__ import annotations

from lob_sim.analysis.summary import crisis_metrics
from lob_sim.running import run
from lob_sim.scenario import Scenario
from lob_sim.sweep.task import TaskResult


def measure_crisis(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run the scenario and return :func:`lob_sim.analysis.summary.crisis_metrics` with the log's digest."""
    finished = run(scenario, seed, out)
    return TaskResult(crisis_metrics(finished), finished.digest)
