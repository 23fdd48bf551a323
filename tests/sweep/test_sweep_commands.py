from __future__ import annotations

import io

import msgspec
import pandas as pd
import pytest
from rich.console import Console

from lob_sim.errors import InputError, ScenarioError
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.sources import plugin_sources
from lob_sim.sweep import Axis, Design, Serial, Sweep, TaskResult, run_sweep
from lob_sim.sweep.commands import SweepOptions, merge_design, sweep, sweep_report
from lob_sim.sweep.design import SweepFile
from lob_sim.sweep.scenario_task import plan_scenario_sweep

MEASURE = "test_sweep_commands:horizon_and_seed"


def horizon_and_seed(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    return TaskResult({"horizon_s": scenario.horizon / 1e9, "low_bits": float(seed % 1000)}, f"{seed}")


def go(source, tmp_path, **options) -> tuple[Sweep, str]:
    console = Console(file=io.StringIO(), width=160)
    options.setdefault("workers", 1)
    done = sweep(str(source), tmp_path / "s", SweepOptions(**options), MEASURE, console)
    return done, console.file.getvalue()  # type: ignore[attr-defined]


def test_sweep_of_a_packaged_scenario(tmp_path) -> None:
    done, shown = go("dealer_market", tmp_path, over=["horizon=2h,3h"], seeds=3)
    frame = done.frame()
    assert frame["horizon"].tolist() == ["2h"] * 3 + ["3h"] * 3
    assert frame["horizon_s"].tolist() == [7200.0] * 3 + [10800.0] * 3
    assert "6 runs" in shown
    console = Console(file=io.StringIO(), width=160)
    folder = sweep_report(tmp_path / "s", ["horizon_s"], console)
    assert set(pd.read_csv(folder / "summary.csv")["metric"]) == {"horizon_s"}
    assert "horizon_s" in console.file.getvalue()  # type: ignore[attr-defined]


def test_sweep_file_and_options_over_it(tmp_path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('scenario = "dealer_market"\nseeds = 5\n[over]\nhorizon = ["2h", "3h"]\n')
    done, _ = go(file, tmp_path, seeds=2)
    assert (done.total, done.manifest.seeds) == (4, 2)


def test_options_win_over_the_file_axis_by_axis() -> None:
    file = SweepFile("m", "lhs", 8, 5, 3, {"a": [1, 2], "b": [3, 4]}, {"c": 5, "d": 6})
    merged = merge_design(file, SweepOptions(over=["b=7,8", "c=1,2"], n=16))
    assert merged == Design((Axis("a", (1, 2)), Axis("b", (7, 8)), Axis("c", (1, 2))), "lhs", 16, 3, {"d": 6})
    assert merge_design(file, SweepOptions()) == file.to_design()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"over": ["horizn=2h"]}, "horizn.*did you mean 'horizon'"),
        ({"over": ["agents.nobody.count=2"]}, "agents.nobody"),
        ({"over": ["horizon=2h,soon"]}, "horizon.*duration"),
        ({"over": ["horizon=2h"], "design": "gird"}, "did you mean 'grid'"),
        ({"over": ["horizon"]}, "path=a,b,c"),
        ({"over": ["horizon=2h"], "seeds": 0}, "0 seeds"),
        ({"over": ["horizon=2h"], "workers": 0}, "0 workers"),
    ],
)
def test_bad_options_are_refused_before_anything_is_made(tmp_path, options, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        go("dealer_market", tmp_path, **options)
    assert not (tmp_path / "s").exists()


def test_bad_value_at_the_last_point_is_refused_before_a_cluster_is_asked(tmp_path) -> None:
    # Had the cluster been asked first, the error would be that nobody answers there.
    with pytest.raises(ScenarioError, match="horizon"):
        go("dealer_market", tmp_path, over=["horizon=2h,never"], cluster="tcp://127.0.0.1:1")
    assert not (tmp_path / "s").exists()


def test_changed_scenario_is_refused_by_its_path(tmp_path) -> None:
    scenario = load_scenario("dealer_market")
    plan, _ = plan_scenario_sweep(scenario, Design(), 1, MEASURE)
    run_sweep(plan, tmp_path / "s", executor=Serial())
    changed, _ = plan_scenario_sweep(
        msgspec.structs.replace(scenario, horizon=scenario.horizon + 1_000_000_000), Design(), 1, MEASURE
    )
    with pytest.raises(InputError, match=r"scenario\.horizon is .* there and"):
        run_sweep(changed, tmp_path / "s", executor=Serial(), resume=True)


def test_changed_plugin_is_seen_and_a_moved_folder_is_not(tmp_path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text("class Dealer: pass\n")
    scenario = {"agents": [{"strategy": "mine.py:Dealer"}, {"strategy": "mine:Dealer"}], "folder": ""}
    first = plugin_sources({**scenario, "folder": str(tmp_path / "one")})
    assert set(first) == {"mine.py:Dealer", "mine:Dealer"}
    assert plugin_sources({**scenario, "folder": str(tmp_path / "two")}) == first
    (tmp_path / "two" / "mine.py").write_text("class Dealer: other = 1\n")
    assert plugin_sources({**scenario, "folder": str(tmp_path / "two")}) != first
    assert plugin_sources({"description": "at 10:30 see a:b", "x": "no.such.module:Thing"}) == {}


def test_plan_does_not_depend_on_where_the_scenario_lies(tmp_path) -> None:
    scenario = load_scenario("dealer_market")
    moved = msgspec.structs.replace(scenario, folder=str(tmp_path))
    one, _ = plan_scenario_sweep(scenario, Design(), 1, MEASURE)
    two, _ = plan_scenario_sweep(moved, Design(), 1, MEASURE)
    assert one.scenario == two.scenario
