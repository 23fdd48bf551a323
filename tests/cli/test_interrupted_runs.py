"""Commands that are told to stop, and two that want the same folder."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lob_sim import open_run
from lob_sim.replay import verify
from lob_sim.sweep import Sweep

ROOT = Path(__file__).parents[2]
ENDLESS = ["dealer_market", "--set", "horizon=1000h"]
LOB_SIM = [sys.executable, "-m", "lob_sim.cli"]
DEMO = [sys.executable, "-m", "experiments.information_spiral", "demo", "--workers", "1", "--out"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no signals to processes there")


@contextmanager
def started(command: list[str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "nothing happened in two minutes"
        time.sleep(0.05)


def has_rows(folder: Path) -> bool:
    return (folder / "manifest.json").exists() and open_run(folder).manifest.rows > 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_run_told_to_stop_is_interrupted_with_every_row_up_to_then(tmp_path: Path, how: signal.Signals) -> None:
    with started([*LOB_SIM, "run", *ENDLESS, "--out", "run"], tmp_path) as process:
        wait_until(lambda: has_rows(tmp_path / "run"), process)
        process.send_signal(how)
        _, error = process.communicate(timeout=120)
    assert "Traceback" not in error
    assert process.returncode not in (0, -how)
    run = open_run(tmp_path / "run")
    assert run.status == "interrupted"
    assert run.gaps == ()
    assert verify(run).ok


def test_control_a_run_that_is_killed_stays_running(tmp_path: Path) -> None:
    with started([*LOB_SIM, "run", *ENDLESS, "--out", "run"], tmp_path) as process:
        wait_until(lambda: has_rows(tmp_path / "run"), process)
        process.kill()
        process.communicate()
    assert open_run(tmp_path / "run").status == "running"


def test_a_sweep_told_to_stop_by_sigterm_keeps_what_has_finished_and_can_be_resumed(tmp_path: Path) -> None:
    sweep = [
        *LOB_SIM,
        "sweep",
        "dealer_market",
        "--set",
        "horizon=90s",
        "--over",
        "agents.dealer.count=1,2",
        "--out",
        "s",
    ]
    more = ["--workers", "1", "--seeds", "200"]
    with started([*sweep, *more], tmp_path) as process:
        wait_until(lambda: bool(list((tmp_path / "s").glob("results/*/part-*.parquet"))), process)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=120)
    assert "Traceback" not in error
    assert process.returncode not in (0, -signal.SIGTERM)
    frame = Sweep(tmp_path / "s").frame()
    assert 0 < len(frame) < 400
    assert (frame["status"] == "ok").all()


def test_the_demo_told_to_stop_by_sigterm_ends_with_its_workers(tmp_path: Path) -> None:
    with started([*DEMO, str(tmp_path / "demo")], ROOT) as process:
        wait_until(lambda: bool(list((tmp_path / "demo").glob("runs/*/manifest.json"))), process)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=120)  # would not return while a worker holds the pipe
    assert "Traceback" not in error
    assert process.returncode not in (0, -signal.SIGTERM)


def test_of_two_runs_into_one_folder_at_the_same_moment_the_second_is_refused(tmp_path: Path) -> None:
    command = [*LOB_SIM, "run", "dealer_market", "--set", "horizon=90s", "--out", "run"]
    with started(command, tmp_path) as first, started(command, tmp_path) as second:
        ends = [process.communicate(timeout=120) for process in (first, second)]
    assert sorted(process.returncode == 0 for process in (first, second)) == [False, True]
    assert sum("not empty" in error for _, error in ends) == 1
    run = open_run(tmp_path / "run")
    assert run.status == "complete"
    assert verify(run).ok


def test_of_two_sweeps_into_one_folder_at_the_same_moment_the_second_is_refused_and_changes_nothing(
    tmp_path: Path,
) -> None:
    sweep = [*LOB_SIM, "sweep", "dealer_market", "--set", "horizon=90s", "--workers", "1", "--seeds", "3", "--out", "s"]
    plans = ["agents.dealer.count=1,2", "agents.dealer.count=3,4"]
    with (
        started([*sweep, "--over", plans[0]], tmp_path) as first,
        started([*sweep, "--over", plans[1]], tmp_path) as second,
    ):
        ends = [process.communicate(timeout=120) for process in (first, second)]
    codes = [process.returncode for process in (first, second)]
    assert sorted(code == 0 for code in codes) == [False, True], ends
    won = codes.index(0)
    frame = Sweep(tmp_path / "s").frame()
    assert set(frame["agents.dealer.count"]) == ({1, 2}, {3, 4})[won]
    assert len(frame) == 6
