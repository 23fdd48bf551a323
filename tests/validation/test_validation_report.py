"""The report: finds every experiment, and writes down what runs returned and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.validation import report
from lob_sim.errors import InputError
from lob_sim.experiment import Experiment, Outcome, agrees, identical


def test_every_experiment_is_found_once() -> None:
    modules = report.experiment_modules()
    names = [module.rpartition(".")[2] for module in modules]
    assert {"glosten_milgrom", "kyle", "queue_race", "avellaneda_stoikov"} <= set(names)
    assert len(set(names)) == len(names)
    assert all(name == report.load(module).name for name, module in zip(names, modules, strict=True))


def test_unknown_experiment_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no experiment 'keynes'"):
        report.plan(["keynes"], False, tmp_path)


def test_one_job_for_each_case(tmp_path: Path) -> None:
    jobs = report.plan(["kyle"], False, tmp_path)
    assert [job.case for job in jobs] == [0, 1, 2]
    assert len({job.figure for job in jobs}) == 3


def a_market(scale: float = 1.0) -> Outcome:
    if scale < 0:
        raise ValueError("there is no such scale\nand more of it")
    return Outcome([agrees("mean | spread", 2.0 * scale, 2.1, 0.05, "A. Source"), identical("parts", scale, 1.0, "B")])


def test_table_has_a_line_for_every_claim_and_for_every_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    experiment = Experiment("a_market", a_market, cases=[{}, {"scale": 2.0}, {"scale": -1.0}])
    monkeypatch.setattr(report, "load", lambda module: experiment)
    results = [report.do(report.Job("experiments.a_market", case, "x.png")) for case in range(3)]
    page = report.table(results, tmp_path / "validation.md")
    lines = [line for line in page.splitlines() if line.startswith("| ")][1:]
    command = "`python -m experiments.a_market"
    assert lines[0] == rf"| mean \| spread | A. Source | = 2.1 | 2 ± 0.05 | holds | {command}` |"
    assert lines[1] == f"| parts | B | = 1 | 1 (exact) | holds | {command}` |"
    assert [("**fails**" in line) for line in lines] == [False, False, True, True, False]
    assert "ValueError: there is no such scale | **failed to run**" in lines[4]
    assert "**2 of 4 claims hold**, in 3 cases of 1 experiments" in page
    assert [result.holds for result in results] == [True, False, False]
