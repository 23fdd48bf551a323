from __future__ import annotations

import collections
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow.dataset
import pytest
import sweep_tasks
from sweep_tasks import crashing, failing, logging, noisy, slow

import lob_sim
from lob_sim.errors import DataError, InputError, OutputError, ScenarioError
from lob_sim.sweep import Axis, Design, Processes, Serial, Sweep, SweepPlan, run_many, run_seeds, run_sweep
from lob_sim.sweep.folder import sealed

DESIGN = Design((Axis("x", (1, 2, 3)),), root_seed=9)
PLAN = SweepPlan(task=noisy, design=DESIGN, seeds=4, scenario={"name": "m", "dealers": {"count": 8}})


class Stopping:
    """Ctrl-C after so many runs, from the progress callback."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, progress) -> None:
        if progress.done >= self.after:
            raise KeyboardInterrupt


def same(a: pd.DataFrame, b: pd.DataFrame) -> bool:
    pd.testing.assert_frame_equal(a.drop(columns="run_time_s"), b.drop(columns="run_time_s"), check_exact=True)
    return a.attrs == b.attrs


def test_folder_holds_what_run_many_returns(tmp_path) -> None:
    sweep = run_sweep(PLAN, tmp_path / "s", executor=Serial())
    assert sweep.total == 12
    expected = run_many(noisy, DESIGN.points(), run_seeds(4, 9), Serial())
    assert same(sweep.frame(), expected)
    assert same(Sweep(tmp_path / "s").frame(), expected)


def test_dataset_opens_with_any_parquet_reader(tmp_path) -> None:
    plan = SweepPlan(task=failing, design=DESIGN, seeds=4)
    run_sweep(plan, tmp_path / "s", executor=Serial())
    table = pyarrow.dataset.dataset(tmp_path / "s" / "results", partitioning="hive").to_table()
    statuses = collections.Counter(zip(table["x"].to_pylist(), table["status"].to_pylist(), strict=True))
    assert statuses == {(1, "ok"): 4, (2, "failed"): 4, (3, "ok"): 4}


def test_interrupted_sweep_resumes_and_repeats_nothing(tmp_path) -> None:
    calls = tmp_path / "calls"
    design = Design((Axis("x", (1, 2, 3)),), fixed={"calls": str(calls), "delay": 0.0})
    plan = SweepPlan(task=slow, design=design, seeds=4)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan, tmp_path / "s", executor=Serial(), progress=Stopping(6))
    done = len(Sweep(tmp_path / "s").frame())
    assert 6 <= done < 12
    before = len(calls.read_text().split())
    seen: list[Any] = []
    sweep = run_sweep(plan, tmp_path / "s", executor=Serial(), resume=True, progress=seen.append)
    assert seen[0].done == done
    assert len(sweep.frame()) == 12
    assert len(calls.read_text().split()) - before == 12 - done
    assert same(sweep.frame(), run_sweep(plan, tmp_path / "whole", executor=Serial()).frame())
    run_sweep(plan, tmp_path / "s", executor=Serial(), resume=True)
    assert len(Sweep(tmp_path / "s").frame()) == 12


@pytest.mark.parametrize(("how", "after"), [(signal.SIGINT, 8), (signal.SIGKILL, 35)])
def test_stopped_sweep_can_be_resumed(tmp_path, how: signal.Signals, after: int) -> None:
    script = tmp_path / "go.py"
    script.write_text(
        "import signal, sys, sweep_tasks\n"
        "from lob_sim.sweep import *\n"
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "if __name__ == '__main__':\n"
        "    design = Design((Axis('x', (1, 2, 3)),), fixed={'calls': sys.argv[2], 'delay': 0.2})\n"
        "    plan = SweepPlan(task=sweep_tasks.slow, design=design, seeds=20)\n"
        "    run_sweep(plan, sys.argv[1], executor=None, resume='resume' in sys.argv,\n"
        "              progress=lambda p: print(p.done, flush=True))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.path.dirname(sweep_tasks.__file__)}
    command = [sys.executable, str(script), str(tmp_path / "s"), str(tmp_path / "calls")]
    with subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < after:
            pass
        if how is signal.SIGINT:
            os.killpg(process.pid, how)  # As a terminal does: to the workers too.
        else:
            process.kill()
        process.communicate(timeout=30)
    assert process.returncode == -how
    done = Sweep(tmp_path / "s").frame()
    assert 0 < len(done) < 60
    assert (done["status"] == "ok").all()
    subprocess.run([*command, "resume"], env=env, check=True, capture_output=True, timeout=100)
    whole = Sweep(tmp_path / "s").frame()
    assert whole["run"].tolist() == list(range(60))
    begun = len((tmp_path / "calls").read_text().split())
    assert begun >= 60
    if how is signal.SIGINT:
        # Everything that had finished was written; only what was under way was begun twice.
        assert len(done) >= after
        assert begun <= 60 + (os.cpu_count() or 1)


def test_half_written_part_is_ignored(tmp_path) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    (tmp_path / "s" / "results" / "status=ok" / ".part-000009-0123456789abcdef.parquet.0a1b2c3d.tmp").write_bytes(
        b"half a pa"
    )
    assert len(Sweep(tmp_path / "s").frame()) == 12


def test_parts_are_written_while_runs_finish(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("lob_sim.sweep.results._FLUSH_S", 0.1)
    monkeypatch.setattr("lob_sim.sweep.results._FLUSH_SHARE", 0.0)
    rows: list[int] = []

    def look(progress) -> None:
        parts = sorted((tmp_path / "s" / "results").glob("status=*/part-*.parquet"))
        rows.append(sum(pyarrow.dataset.dataset(part).count_rows() for part in parts))

    plan = SweepPlan(task=slow, design=Design(fixed={"delay": 0.06}), seeds=12)
    run_sweep(plan, tmp_path / "s", executor=Serial(), progress=look)
    assert sorted(rows) == rows
    assert len(set(rows)) >= 3
    assert rows[-1] >= 9  # The rest is written as the sweep ends.


def test_failures_are_kept_and_retried_on_request(tmp_path) -> None:
    plan = SweepPlan(task=failing, design=DESIGN, seeds=4)
    run_sweep(plan, tmp_path / "s", executor=Serial())
    seen: list[Any] = []
    run_sweep(plan, tmp_path / "s", executor=Serial(), resume=True, progress=seen.append)
    assert (seen[0].done, seen[0].failures, len(seen)) == (12, 4, 1)
    seen.clear()
    sweep = run_sweep(plan, tmp_path / "s", executor=Serial(), resume=True, retry_failed=True, progress=seen.append)
    assert (seen[0].done, seen[0].failures) == (8, 0)
    assert (seen[-1].done, seen[-1].failures) == (12, 4)
    assert sweep.frame()["run"].tolist() == list(range(12))


def test_worker_deaths_are_recorded_in_the_folder(tmp_path) -> None:
    with Processes(2) as executor:
        sweep = run_sweep(SweepPlan(task=crashing, design=DESIGN, seeds=2), tmp_path / "s", executor=executor)
    frame = sweep.frame()
    assert frame[frame["status"] == "failed"]["x"].tolist() == [2, 2]
    assert len(frame) == 6


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"scenario": {"name": "m", "dealers": {"count": 9}}}, r"scenario\.dealers\.count is 8 there and 9"),
        ({"scenario": {"name": "m"}}, r"scenario\.dealers is only there"),
        ({"seeds": 5}, "seeds is 4 there and 5 here"),
        ({"task": failing}, "task is 'sweep_tasks:noisy' there and 'sweep_tasks:failing' here"),
        ({"design": Design((Axis("x", (1, 2, 4)),), root_seed=9)}, r"design\.axes\[0\]\.values\[2\] is 3"),
        ({"design": Design((Axis("x", (1, 2, 3)),), root_seed=8)}, r"design\.root_seed is 9 there and 8"),
        ({"keep_logs": True}, "keep_logs is False there and True here"),
    ],
)
@pytest.mark.parametrize("resume", [False, True])
def test_another_sweeps_folder_is_refused_saying_what_differs(tmp_path, change, expected, resume) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    before = Sweep(tmp_path / "s").frame()
    with pytest.raises(InputError, match=expected):
        run_sweep(msgspec.structs.replace(PLAN, **change), tmp_path / "s", executor=Serial(), resume=resume)
    assert same(Sweep(tmp_path / "s").frame(), before)


@pytest.mark.parametrize("version", ["lob_sim", "lob_sim source", "task source", "python", "numpy"])
def test_another_version_is_refused(tmp_path, version: str) -> None:
    sweep = run_sweep(PLAN, tmp_path / "s", executor=Serial())
    sweep.manifest.versions[version] = "0.0.0"
    (tmp_path / "s" / "sweep.json").write_bytes(sealed(sweep.manifest))
    with pytest.raises(InputError, match=f"versions.{version} is '0.0.0' there"):
        run_sweep(PLAN, tmp_path / "s", executor=Serial(), resume=True)


def test_manifest_names_the_version(tmp_path) -> None:
    sweep = run_sweep(PLAN, tmp_path / "s", executor=Serial())
    assert sweep.manifest.versions["lob_sim"] == lob_sim.__version__


def test_same_sweep_without_resume_is_refused(tmp_path) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    with pytest.raises(InputError, match="--resume"):
        run_sweep(PLAN, tmp_path / "s", executor=Serial())


def test_folder_of_something_else_is_refused_and_untouched(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("dear reader")
    with pytest.raises(InputError, match="not empty and holds no sweep"):
        run_sweep(PLAN, tmp_path, executor=Serial())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="holds no sweep"):
        Sweep(tmp_path)


def test_folder_that_cannot_be_made_is_an_output_error(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        run_sweep(PLAN, tmp_path / "file" / "s", executor=Serial())


def test_second_session_is_kept_out(tmp_path) -> None:
    def intrude(progress) -> None:
        if progress.done:
            run_sweep(PLAN, tmp_path / "s", executor=Serial(), resume=True)

    with pytest.raises(OutputError, match="in use"):
        run_sweep(PLAN, tmp_path / "s", executor=Serial(), progress=intrude)


def test_every_point_is_validated_before_anything_starts(tmp_path) -> None:
    seen: list[Any] = []

    def validate(point) -> None:
        seen.append(point)
        if point["x"] == 3:
            raise ScenarioError("expected at most 2", "x")

    with pytest.raises(ScenarioError, match="x: expected at most 2"):
        run_sweep(PLAN, tmp_path / "s", executor=Serial(), validate=validate)
    assert seen == DESIGN.points()
    assert not (tmp_path / "s").exists()


def test_logs_are_kept_on_request_and_half_a_log_is_replaced(tmp_path) -> None:
    plan = SweepPlan(task=logging, design=DESIGN, seeds=2, keep_logs=True)
    half = tmp_path / "s" / "runs" / "000003"
    with pytest.raises(KeyboardInterrupt):
        run_sweep(plan, tmp_path / "s", executor=Serial(), progress=Stopping(0))
    half.mkdir(parents=True)
    (half / "log.txt").write_text("half")
    sweep = run_sweep(plan, tmp_path / "s", executor=Serial(), resume=True)
    frame = sweep.frame()
    assert (frame["status"] == "ok").all()
    for run, seed, digest in zip(frame["run"], frame["seed"], frame["digest"], strict=True):
        assert (tmp_path / "s" / "runs" / f"{run:06d}" / "log.txt").read_text() == f"{seed}\n"
        assert digest == f"log of {seed}"
    run_sweep(msgspec.structs.replace(plan, keep_logs=False), tmp_path / "t", executor=Serial())
    assert not (tmp_path / "t" / "runs").exists()


def test_damaged_part_is_named(tmp_path) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    (part,) = (tmp_path / "s" / "results" / "status=ok").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(DataError, match=part.name):
        Sweep(tmp_path / "s").frame()
    (tmp_path / "s" / "sweep.json").write_text("{")
    with pytest.raises(DataError, match=r"sweep\.json"):
        Sweep(tmp_path / "s")


def test_sweep_without_results_says_so(tmp_path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_sweep(PLAN, tmp_path / "s", executor=Serial(), progress=Stopping(0))
    with pytest.raises(DataError, match="no run has finished"):
        Sweep(tmp_path / "s").frame()


@pytest.mark.validate
@pytest.mark.timeout(1800)
def test_ten_thousand_runs_stay_under_one_gigabyte(tmp_path) -> None:
    script = tmp_path / "go.py"
    script.write_text(
        "import signal, sys, sweep_tasks\n"
        "from lob_sim.sweep import *\n"
        # A shell starts background jobs with SIGINT ignored, and children inherit that.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "if __name__ == '__main__':\n"
        "    design = Design((Axis('x', (), 0, 1),), 'lhs', 1000)\n"
        "    plan = SweepPlan(task=sweep_tasks.busy, design=Design(design.axes, 'lhs', 1000,"
        " fixed={'delay': 0.005}), seeds=10)\n"
        "    run_sweep(plan, sys.argv[1], executor=Processes(2))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.path.dirname(sweep_tasks.__file__)}
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path / "s")], env=env)
    peak = 0
    while process.poll() is None:
        peak = max(peak, resident_bytes(process.pid))
        time.sleep(0.2)
    assert process.returncode == 0
    assert len(Sweep(Path(tmp_path / "s")).frame()) == 10_000
    assert 0 < peak < 1_000_000_000


def resident_bytes(pid: int) -> int:
    import psutil

    try:
        parent = psutil.Process(pid)
        return sum(p.memory_info().rss for p in (parent, *parent.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0
