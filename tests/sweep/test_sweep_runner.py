from __future__ import annotations

import concurrent.futures
import functools
import os
import random
import subprocess
import sys
import time
from typing import Any, cast

import numpy as np
import pandas as pd
import psutil
import pytest
import sweep_tasks
from sweep_tasks import busy, crashing, failing, leaving, misnamed, noisy, textual

import lob_sim.sweep
from lob_sim.errors import InputError, LobSimError, PluginError
from lob_sim.sweep import Processes, Progress, Serial, run_many, run_seeds
from lob_sim.sweep.progress import Meter, format_eta, progress_bar
from lob_sim.sweep.runner import iter_runs, plan_runs
from lob_sim.sweep.task import digest_of, load_task, task_name

POINTS = [{"x": 1}, {"x": 2}, {"x": 3}]
REPRODUCIBLE = ["run", "point", "replicate", "seed", "x", "status", "error", "digest", "y", "noise"]


@pytest.fixture(scope="module")
def processes():
    with Processes(2) as executor:
        yield executor


class Shuffled(concurrent.futures.Executor):
    """Finishes what it is given in random order, on threads."""

    def __init__(self) -> None:
        self._pool = concurrent.futures.ThreadPoolExecutor(4)
        self._rng = random.Random(1)

    def submit(self, fn, /, *args, **kwargs):
        delay = self._rng.random() / 50

        def late():
            time.sleep(delay)
            return fn(*args, **kwargs)

        return self._pool.submit(late)


def test_one_row_per_run_in_order_with_the_expected_values() -> None:
    frame = run_many(noisy, POINTS, [7, 8], Serial())
    assert frame["run"].tolist() == list(range(6))
    assert frame["x"].tolist() == [1, 1, 2, 2, 3, 3]
    assert frame["seed"].tolist() == [7, 8] * 3
    rng = np.random.default_rng(8)
    assert frame["y"][3] == 2.0 * 2 + rng.standard_normal()
    assert frame["digest"][3] == digest_of({"y": frame["y"][3], "noise": frame["noise"][3]})
    assert frame.attrs == {"parameters": ["x"], "metrics": ["noise", "y"]}


def test_same_results_on_any_executor_in_any_order(processes) -> None:
    serial = run_many(noisy, POINTS, 10, Serial())
    for executor in (processes, Shuffled()):
        pd.testing.assert_frame_equal(
            run_many("sweep_tasks:noisy", POINTS, 10, executor)[REPRODUCIBLE],
            serial[REPRODUCIBLE],
            check_exact=True,
        )


def test_run_is_the_same_whatever_the_others_are() -> None:
    whole = run_many(noisy, POINTS, run_seeds(10), Serial())
    alone = run_many(noisy, POINTS[1:2], run_seeds(10)[4:5], Serial())
    there = whole[(whole["point"] == 1) & (whole["replicate"] == 4)]
    assert there["digest"].tolist() == alone["digest"].tolist()


def test_failed_run_is_recorded_and_ends_nothing(processes) -> None:
    for task, text in ((failing, "ValueError: cannot do x = 2"), (leaving, "SystemExit: 3")):
        frame = run_many(task, POINTS, 3, processes)
        assert (frame["status"] == "failed").tolist() == (frame["x"] == 2).tolist()
        failed = frame[frame["status"] == "failed"]
        assert failed["error"].str.startswith(text).all()
        assert failed["trace"].str.contains(task.__name__).all()
        assert failed["y"].isna().all()
        assert frame[frame["x"] != 2]["y"].notna().all()
        assert (frame[frame["x"] != 2]["error"] == "").all()


def test_worker_that_dies_fails_the_run_that_kills_it_and_no_other(processes) -> None:
    frame = run_many(crashing, POINTS, 2, processes)
    assert (frame["status"] == "failed").tolist() == (frame["x"] == 2).tolist()
    assert frame["error"][2].startswith("BrokenProcessPool")


def test_foreign_pool_that_breaks_ends_the_sweep_with_a_clear_error() -> None:
    context = sweep_context()
    with (
        concurrent.futures.ProcessPoolExecutor(2, context) as pool,
        pytest.raises(LobSimError, match="executor is broken"),
    ):
        run_many(crashing, POINTS, 2, pool)


def sweep_context():
    import multiprocessing

    return multiprocessing.get_context("spawn")


def test_metric_with_a_taken_name_or_no_number_fails_its_run() -> None:
    assert "named like other columns: x" in run_many(misnamed, [{"x": 1}], 1, Serial())["error"].iloc[0]
    assert "ValueError" in run_many(cast("Any", textual), [{"x": 1}], 1, Serial())["error"].iloc[0]


def test_worker_of_another_version_contributes_nothing(monkeypatch) -> None:
    monkeypatch.setattr("lob_sim.sweep.runner.__version__", "0.0.0")
    frame = run_many(noisy, POINTS, 1, Serial())
    assert frame["error"].str.contains("planned with 0.0.0").all()


def test_outstanding_runs_are_bounded() -> None:
    class Counting(concurrent.futures.Executor):
        workers = 2

        def __init__(self) -> None:
            self.pool = concurrent.futures.ThreadPoolExecutor(2)
            self.pending = 0
            self.most = 0

        def submit(self, fn, /, *args, **kwargs):
            self.pending += 1
            self.most = max(self.most, self.pending)
            future = self.pool.submit(fn, *args, **kwargs)
            future.add_done_callback(lambda _: setattr(self, "pending", self.pending - 1))
            return future

    executor = Counting()
    planned = 0

    def runs():
        nonlocal planned
        for run in plan_runs([{"x": 1}], run_seeds(200)):
            planned += 1
            yield run

    batches = iter_runs(noisy, runs(), executor)
    next(batches)
    assert planned <= 6  # Nothing is even read from the plan before there is room for it.
    assert sum(len(batch) for batch in batches) > 150
    assert executor.most <= 6


def test_points_may_set_different_parameters() -> None:
    frame = run_many(noisy, [{"x": 1}, {"mode": "fast"}, {}], 1, Serial())
    assert frame["x"].isna().tolist() == [False, True, True]
    assert frame["mode"].isna().tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("points", "seeds", "expected"),
    [([], 3, "0 points"), ([{}], [], "0 seeds"), ([{}], 0, "0 seeds"), ([{}], [5, 5], "twice")],
)
def test_nothing_to_run_is_refused(points, seeds, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        run_many(noisy, points, seeds, Serial())


@pytest.mark.parametrize("task", ["nowhere:task", "sweep_tasks:nothing", "sweep_tasks", 3, lambda spec: {}])
def test_task_that_a_worker_could_not_load_is_refused(task) -> None:
    with pytest.raises(PluginError, match=r"task"):
        load_task(task)


def test_task_name_looks_through_a_partial() -> None:
    assert task_name(functools.partial(sweep_tasks.noisy)) == "sweep_tasks:noisy"


def test_progress_counts_and_estimates() -> None:
    now = iter([0.0, 10.0, 20.0])
    meter = Meter(100, done=20, failures=2, clock=lambda: next(now))
    assert meter.add(20, 1) == Progress(40, 100, 3, 2.0, 30.0)
    assert meter.add(60, 0) == Progress(100, 100, 3, 4.0, 0.0)
    assert Meter(5, clock=lambda: 0.0).add(0, 0).eta_s == float("inf")
    assert [format_eta(3661.0), format_eta(float("inf"))] == ["1:01:01", "?"]


def test_rate_forgets_what_is_more_than_a_minute_ago() -> None:
    now = iter([0.0, 1000.0, 1050.0])
    meter = Meter(100, clock=lambda: next(now))
    meter.add(10, 0)
    assert meter.add(50, 0).rate_per_s == 1.0


def test_progress_is_reported_to_the_end(capsys) -> None:
    seen: list[Progress] = []
    run_many(failing, POINTS, 4, Serial(), seen.append)
    assert [(p.total, p.done, p.failures) for p in seen][-1] == (12, 12, 4)
    assert sorted(p.done for p in seen) == [p.done for p in seen]
    with progress_bar("title") as bar:
        bar(seen[-1])
    assert "4 failed" in capsys.readouterr().err


def test_killed_parent_leaves_no_workers_behind(tmp_path) -> None:
    script = tmp_path / "orphans.py"
    script.write_text(
        "from lob_sim.sweep import run_many, Processes\n"
        "if __name__ == '__main__':\n"
        "    run_many('sweep_tasks:slow', [{'delay': 60.0}], 2, Processes(2))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.path.dirname(sweep_tasks.__file__)}
    parent = subprocess.Popen([sys.executable, script], env=env)
    try:
        me = psutil.Process(parent.pid)
        children = wait_for(lambda: [c for c in me.children() if "spawn_main" in " ".join(c.cmdline())], 2)
        parent.kill()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
    finally:
        parent.kill()
        parent.wait()


def wait_for(find, count: int, timeout_s: float = 30.0):
    end = time.monotonic() + timeout_s
    while len(found := find()) < count:
        assert time.monotonic() < end, "did not start in time"
        time.sleep(0.05)
    time.sleep(0.5)
    return found


def test_script_without_a_guard_is_told_so(tmp_path) -> None:
    script = tmp_path / "bare.py"
    script.write_text(
        "from lob_sim.sweep import run_many, Processes\nprint(run_many('sweep_tasks:noisy', [{}], 2, Processes(1)))\n"
    )
    env = {**os.environ, "PYTHONPATH": os.path.dirname(sweep_tasks.__file__)}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode != 0
    assert "__name__ == '__main__'" in done.stderr


def test_busy_work_runs_side_by_side(processes) -> None:
    frame = run_many(busy, [{"delay": 0.01}], 4, processes)
    assert (frame["run_time_s"] >= 0.01).all()


def test_public_names() -> None:
    listed = {name for names in lob_sim.sweep._HOMES.values() for name in names}
    assert listed == set(lob_sim.sweep.__all__)
    for name in lob_sim.sweep.__all__:
        assert getattr(lob_sim.sweep, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lob_sim.sweep.nothing


def test_worker_loads_nothing_heavy() -> None:
    heavy = ("pandas", "pyarrow", "scipy", "optuna", "matplotlib", "SALib", "distributed")
    code = f"import sys, lob_sim.sweep.task; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
