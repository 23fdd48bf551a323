"""What dealers and desks leave alone for their tolerances does not matter: outcomes with and without, common seeds."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from lob_sim import Simulation, open_run
from lob_sim.analysis.calm import calm_metrics, warm_up
from lob_sim.analysis.summary import crisis_metrics
from lob_sim.experiment import run_cells
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.scenario.loading import parse_scenario, scenario_to_dict
from lob_sim.sweep.scenario_task import ScenarioTask
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Ns

pytestmark = [pytest.mark.validate, pytest.mark.timeout(3600)]

WHOLE_SYSTEM = Path(__file__).parents[2] / "experiments" / "whole_system.toml"
SEEDS, FIRST_SEED = 60, 201
CONTROL_SEEDS = 20
"""Of the coarse tolerances: they show in calm with 8, and what a third of the seeds tells all of them do."""
HORIZON = "25min"
CALM_NS: Ns = 12 * 60 * NS_PER_S
"""So long is a calm run."""
LEVEL = 0.95
"""Of all outcomes together: each has its share of what is left (Bonferroni)."""
EXACT: dict[str, Any] = {"requote_tolerance": 0.0, "mark_tolerance": 0.0, "mark_interval": "1s"}
COARSE: dict[str, Any] = {"requote_tolerance": 1.0, "mark_tolerance": 0.002, "mark_interval": "20s"}
CRISIS = (
    *("overshoot_pct", "overshoot_pct.corporate", "spread_pct", "quote_absence", "rfq_share"),
    *("forced_lots", "forced_sellers", "tier1_loss", "failures"),
)
CALM = tuple(
    f"{name}.{instrument}"
    for name in ("spread_ticks", "rms_ticks", "depth", "alpha", "effective", "impact", "signs", "taken_lots")
    for instrument in ("corporate", "treasury")
)


def scenario(rule: dict[str, Any] | None, horizon: str) -> Scenario:
    """The whole system as shipped, or with other tolerances and the interval of marks."""
    raw = scenario_to_dict(load_scenario(WHOLE_SYSTEM, [f"horizon={horizon}"]))
    if rule is None:
        return parse_scenario(raw)
    for agent in raw["agents"]:
        if "spiral_dealer" in agent["strategy"]:
            agent["params"]["requote_tolerance"] = rule["requote_tolerance"]
        if agent.get("balance_sheet") is not None:
            agent["balance_sheet"] |= {name: rule[name] for name in ("mark_tolerance", "mark_interval")}
    return parse_scenario(raw)


def measure(loaded: Scenario, seed: int, out: str | None) -> TaskResult:
    """A crisis, and the calm that goes on where its shock does not come: until then the two are one run."""
    with Simulation(loaded, seed, out) as simulation:
        simulation.run_until(min(shock.at for shock in loaded.shocks) - 1)
        state = simulation.state()
        crisis = simulation.finish()
    with TemporaryDirectory() as folder:
        with Simulation.of(state, f"{folder}/calm", changes=["shocks=[]"]) as quiet:
            quiet.run_until(CALM_NS)
        calm = calm_metrics(open_run(f"{folder}/calm"), warm_up(CALM_NS))
    found = crisis_metrics(crisis)
    metrics = {f"crisis.{name}": found[name] for name in CRISIS} | {f"calm.{name}": calm[name] for name in CALM}
    return TaskResult(metrics, crisis.digest)


def outcomes(rule: dict[str, Any] | None, seeds: int = SEEDS) -> pd.DataFrame:
    """Outcomes of a crisis and of calm that every seed has and that differ between seeds, a row a seed."""
    task = ScenarioTask(scenario_to_dict(scenario(rule, HORIZON)), measure)
    found = run_cells(task, [{}], seeds, first_seed=FIRST_SEED).set_index("seed")
    names = [str(name) for name in found if str(name).startswith(("crisis.", "calm."))]
    return found[[name for name in names if found[name].notna().all() and found[name].std() > 0]]


def differing(first: pd.DataFrame, second: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """Outcomes whose mean paired difference is not told from 0 by noise alone, with its interval."""
    names = [str(name) for name in first if name in second]
    found = {}
    for name in names:
        pairs = (first[name] - second[name]).to_numpy()
        margin = student.ppf(1 - (1 - LEVEL) / 2 / len(names), len(pairs) - 1) * pairs.std(ddof=1) / np.sqrt(len(pairs))
        if not abs(pairs.mean()) <= margin:
            found[name] = (pairs.mean() - margin, pairs.mean() + margin)
    return found


def test_outcomes_with_the_shipped_tolerances_are_those_without_any_and_with_coarse_ones_they_are_not() -> None:
    exact = outcomes(EXACT)
    assert {f"crisis.{name}" for name in CRISIS} - set(exact) <= {"crisis.failures"}
    assert differing(exact, outcomes(None)) == {}
    coarse = outcomes(COARSE, CONTROL_SEEDS)
    assert differing(exact.loc[coarse.index], coarse)
