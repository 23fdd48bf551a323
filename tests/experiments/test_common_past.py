"""What cells have in common before their first shock is simulated once, and nobody can tell from the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.spiral import cells
from experiments.spiral.common_past import pasts_of
from lob_sim import State
from lob_sim.running import run
from lob_sim.scenario import Scenario
from lob_sim.sweep.branch_task import BranchTask
from lob_sim.sweep.task import TaskResult, TaskSpec
from lob_sim.units import NS_PER_S


def measure(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    finished = run(scenario, seed, out)
    shocks = finished.table("fair_value")["is_shock"]
    return TaskResult({"rows": float(finished.last_seq), "shocks": float(shocks.sum())}, finished.digest)


def measure_another(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    return measure(scenario, seed + 1, out)


@pytest.fixture
def markets() -> dict[str, Scenario]:
    market = cells.flagship(["shocks.0.at=8s", "horizon=16s"])
    return {
        "crisis": market,
        "larger": cells.shocked(market, -0.2),
        "calm": cells.calm(market),
        "alone": cells.without(market, "toxicity"),
    }


def test_cells_that_differ_in_shocks_alone_have_their_past_in_common(
    markets: dict[str, Scenario], tmp_path: Path
) -> None:
    pasts = pasts_of(markets, tmp_path)
    assert set(pasts) == {"crisis", "larger", "calm"}
    assert pasts["crisis"] == pasts["larger"] == pasts["calm"]
    assert pasts["calm"].until_ns == 8 * NS_PER_S - 1


def test_there_is_none_before_a_shock_at_the_opening(tmp_path: Path) -> None:
    market = cells.flagship(["shocks.0.at=0s", "horizon=16s"])
    assert pasts_of({"crisis": market, "calm": cells.calm(market)}, tmp_path) == {}


@pytest.mark.parametrize("measure_by", [measure, measure_another])
def test_each_run_is_byte_for_byte_that_from_the_start(
    markets: dict[str, Scenario], measure_by: cells.Measure, tmp_path: Path
) -> None:
    shared, whole = cells.cell_task(markets, measure_by, tmp_path), cells.cell_task(markets, measure_by)
    assert shared.pasts
    assert not whole.pasts
    found = {}
    for name in markets:
        spec = TaskSpec({"cell": name}, 7)
        found[name] = shared(spec)
        assert found[name] == whole(spec)
    assert len({result.digest for result in found.values()}) == len(markets)
    assert {name: result.metrics["shocks"] for name, result in found.items()} == {
        "crisis": 1.0,
        "larger": 1.0,
        "calm": 0.0,
        "alone": 1.0,
    }
    assert len(list(tmp_path.rglob("*.state"))) == 1


def test_run_scenarios_simulates_a_past_once(markets: dict[str, Scenario], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    make = BranchTask._make_past

    def counted(task: BranchTask, spec: TaskSpec) -> State:
        made.append(spec.seed)
        return make(task, spec)

    monkeypatch.setattr(BranchTask, "_make_past", counted)
    found = cells.run_scenarios(markets, cells.Runs(2, 5), "test", measure)
    assert made == [5, 6]
    assert {name: list(frame.index) for name, frame in found.items()} == {name: [5, 6] for name in markets}
