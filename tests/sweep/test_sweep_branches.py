"""A sweep whose points branch runs their common past once for each seed, and each point is the branch that it says."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from lob_sim import InputError, Simulation, open_run, run, verify
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.sweep import Sweep, TaskResult, branch_task
from lob_sim.sweep.branch_task import BranchTask
from lob_sim.sweep.commands import SweepOptions, sweep
from lob_sim.sweep.task import TaskSpec

GOLDEN = Path(__file__).parents[1] / "golden/market.toml"
MEASURE = "test_sweep_branches:rows"
SHORT = ("horizon=125s",)


def rows(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    finished = run(scenario, seed, out)
    return TaskResult({"rows": float(finished.manifest.rows), "slr": float(scenario.switches.slr)}, finished.digest)


def go(out: Path, **options: Any) -> Sweep:
    given = {"overrides": SHORT, "workers": 1, "branch_at": "100s", **options}
    return sweep(str(GOLDEN), out, SweepOptions(**given), MEASURE, Console(file=io.StringIO()))


def branch_of(seed: int, changes: list[str]) -> str:
    simulation = Simulation(load_scenario(GOLDEN, SHORT), seed)
    simulation.run_until("100s")
    return simulation.state().branch({"x": changes})["x"].finish().digest


def test_points_are_branches_and_their_logs_refer_to_one_past(tmp_path: Path) -> None:
    done = go(tmp_path / "s", over=["switches.slr=true,false"], seeds=2, keep_logs=True)
    frame = done.frame()
    assert frame["status"].tolist() == ["ok"] * 4
    assert frame["slr"].tolist() == [1.0, 1.0, 0.0, 0.0]
    for row in frame.itertuples():
        seed = int(str(row.seed))
        log = open_run(tmp_path / f"s/runs/{row.run:06d}")
        assert log.manifest.parents[0].folder == f"past-{seed}"
        assert verify(log).ok
        if row.slr:
            assert row.digest == run(load_scenario(GOLDEN, SHORT), seed).digest
        else:
            assert row.digest == branch_of(seed, ["switches.slr=false"])
        assert log.digest == row.digest
    assert sorted(path.name for path in (tmp_path / "s/runs").glob("past-*")) == sorted(
        f"past-{seed}" for seed in set(frame["seed"])
    )
    again = go(tmp_path / "s", over=["switches.slr=true,false"], seeds=2, keep_logs=True, resume=True)
    assert again.frame()["digest"].tolist() == frame["digest"].tolist()


def test_the_past_is_run_once_for_each_seed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    whole = branch_task.BranchTask._make_past

    def counting(task: BranchTask, spec: TaskSpec) -> Any:
        made.append(spec.seed)
        return whole(task, spec)

    monkeypatch.setattr(branch_task.BranchTask, "_make_past", counting)
    raw = branch_task_of(tmp_path)
    for seed in (1, 2):
        for value in (True, False):
            raw(TaskSpec({"switches.slr": value}, seed))
    assert made == [1, 2]


def branch_task_of(folder: Path) -> BranchTask:
    from lob_sim.scenario import scenario_to_dict

    return BranchTask(scenario_to_dict(load_scenario(GOLDEN, SHORT)), rows, 100_000_000_000, str(folder))


def test_a_folder_with_another_instant_is_not_gone_on_with(tmp_path: Path) -> None:
    go(tmp_path / "s", over=["switches.slr=true"], seeds=1)
    with pytest.raises(InputError, match="branch at"):
        go(tmp_path / "s", over=["switches.slr=true"], seeds=1, branch_at="101s", resume=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"over": ["agents.informed.count=1,2"]},
            r"agents\.informed\.count: would have changed the past.*at the point",
        ),
        ({"over": ["horizon=126s,127s"]}, "horizon: would have changed the past"),
        ({"over": ["switches.slr=true"], "branch_at": "5min"}, "--branch-at .*beyond the horizon"),
        ({"over": ["switches.slr=true"], "branch_at": "soon"}, "soon"),
        ({"over": ["switches.slr=true"], "cluster": "local"}, "--branch-at 100s: the past is kept on this machine"),
    ],
)
def test_what_no_branch_can_be_is_told_and_nothing_is_made(options: dict[str, Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=told):
        go(tmp_path / "s", **options)
    assert not (tmp_path / "s").exists()
