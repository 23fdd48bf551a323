"""The report: finds every experiment, and writes down what runs returned and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from experiments.validation import report
from lob_sim.errors import InputError, MissingDataError
from lob_sim.experiment import Experiment, Outcome, agrees, identical


def test_every_experiment_is_found_once() -> None:
    modules = report.experiment_modules()
    names = [module.rpartition(".")[2] for module in modules]
    assert {"glosten_milgrom", "kyle", "queue_race", "avellaneda_stoikov"} <= set(names)
    assert len(set(names)) == len(names)
    assert all(name == report.load(module).name for name, module in zip(names, modules, strict=True))


def test_unknown_experiment_is_named() -> None:
    with pytest.raises(InputError, match="no experiment 'keynes'"):
        report.plan(["keynes"], False)


def test_one_job_for_each_case() -> None:
    jobs = report.plan(["kyle"], False)
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
    results = [report.do(report.Job("experiments.a_market", case, "x.png"), tmp_path) for case in range(3)]
    page = report.table(results)
    lines = [line for line in page.splitlines() if line.startswith("| ")][1:]
    command = "`python -m experiments.a_market"
    assert lines[0] == rf"| mean \| spread | A. Source | = 2.1 | 2 ± 0.05 | holds | {command}` |"
    assert lines[1] == f"| parts | B | = 1 | 1 (exact) | holds | {command}` |"
    assert [("**fails**" in line) for line in lines] == [False, False, True, True, False]
    assert "ValueError: there is no such scale | **failed to run**" in lines[4]
    assert "**2 of 4 claims hold**, in 3 cases of 1 experiments" in page
    assert [result.holds for result in results] == [True, False, False]


def test_results_are_kept_as_they_come_and_renewed_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    experiment = Experiment("a_market", a_market, cases=[{"scale": 1.05}, {"scale": 1.0}])
    monkeypatch.setattr(report, "load", lambda module: experiment)
    jobs = [report.Job("experiments.a_market", case, f"{case}.png") for case in range(2)]
    page = tmp_path / "deep" / "validation.md"
    kept = report.Kept(page, jobs, jobs)
    for job in reversed(jobs):
        kept.add(report.do(job, tmp_path))
        is_told = "Not run yet: `python -m experiments.a_market --scale 1.05`." in page.read_text(encoding="utf-8")
        assert is_told is (job is jobs[1])
    assert page.read_text(encoding="utf-8").count("\n| parts") == 2
    again = report.Kept(page, jobs, jobs[:1])
    assert list(again.results) == jobs[1:], "what is done anew is forgotten, the rest is kept"
    again.add(report.do(jobs[0], tmp_path))
    lines = page.read_text(encoding="utf-8")
    assert lines.index("--scale 1.05`") < lines.index("--scale 1.0`")
    # A case that no longer exists, or is another now, takes its lines with it.
    assert list(report.Kept(page, jobs[1:], []).results) == jobs[1:]
    experiment.cases[1] = {"scale": 3.0}
    assert list(report.Kept(page, jobs, []).results) == jobs[:1]


def test_figures_are_those_of_the_run_and_none_of_an_earlier_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def drawn(path: Path) -> None:
        for each in (path, path.with_stem(f"{path.stem}_second")):
            each.write_bytes(b"drawn")

    experiment = Experiment("a_market", lambda: Outcome([], drawn))
    monkeypatch.setattr(report, "load", lambda module: experiment)
    for name in ("x_former.png", "xy.png"):
        (tmp_path / name).write_bytes(b"former")
    found = report.do(report.Job("experiments.a_market", 0, "x.png"), tmp_path)
    assert found.figures == ["x.png", "x_second.png"]
    assert {path.name for path in tmp_path.iterdir()} == {"x.png", "x_second.png", "xy.png"}


def test_jobs_go_by_how_long_they_took_before_and_those_of_which_that_is_not_known_come_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    experiment = Experiment("a_market", a_market, cases=[{"scale": scale} for scale in (1.0, 2.0, 3.0, 4.0)])
    monkeypatch.setattr(report, "load", lambda module: experiment)
    jobs = [report.Job("experiments.a_market", case, f"{case}.png") for case in range(4)]
    page = tmp_path / "validation.md"
    kept = report.Kept(page, jobs, [])
    for job, took_s in ((jobs[0], 1.0), (jobs[1], 30.0), (jobs[3], 2.0)):
        kept.add(msgspec.structs.replace(report.do(job, tmp_path), took_s=took_s))
    assert kept.longest_first(jobs) == jobs, "nothing was known when it was opened"
    again = report.Kept(page, jobs, jobs)
    assert again.longest_first(jobs) == [jobs[2], jobs[1], jobs[3], jobs[0]]


def test_what_was_run_with_another_default_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    job, page = report.Job("experiments.a_market", 0, "x.png"), tmp_path / "validation.md"
    monkeypatch.setattr(report, "load", lambda module: Experiment("a_market", a_market))
    report.Kept(page, [job], [job]).add(report.do(job, tmp_path))
    assert list(report.Kept(page, [job], []).results) == [job]

    def another(scale: float = 2.0) -> Outcome:
        return a_market(scale)

    monkeypatch.setattr(report, "load", lambda module: Experiment("a_market", another))
    assert report.Kept(page, [job], []).results == {}


def test_what_needs_data_that_are_not_here_is_skipped_and_what_it_gave_before_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = True

    def with_data() -> Outcome:
        if not here:
            raise MissingDataError("no data: set A_VARIABLE", "/some/where")
        return a_market()

    monkeypatch.setattr(report, "load", lambda module: Experiment("with_data", with_data))
    job = report.Job("experiments.with_data", 0, "x.png")
    done = report.do(job, tmp_path)
    here = False
    skipped = report.do(job, tmp_path)
    assert (skipped.holds, skipped.verdict, skipped.rows) == (True, "skipped", [])
    assert "no data: set A_VARIABLE | not run |" in report.table([skipped])
    assert "/some/where" not in report.table([skipped])
    page = tmp_path / "validation.md"
    report.Kept(page, [job], [job]).add(done)
    report.Kept(page, [job], [job]).add(skipped)
    assert "| holds |" in page.read_text(encoding="utf-8")
