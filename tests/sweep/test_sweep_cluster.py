from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest
import sweep_tasks
from sweep_tasks import crashing, noisy, slow

from lob_sim.errors import InputError, LobSimError
from lob_sim.sweep import Axis, Cluster, Design, Serial, Sweep, SweepPlan, open_executor, run_many, run_sweep

POINTS = [{"x": 1, "delay": 0.1}, {"x": 2, "delay": 0.1}, {"x": 3, "delay": 0.1}]

# Dask gives a run up when it has taken more workers with it than are allowed for: two here, four where nothing is said.
PATIENCE = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1"}


class Scheduler:
    """A real scheduler and real workers, each a process of its own, on loopback.

    Args:
        folder: Where the scheduler writes its address.
        workers: How many workers to start.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        end = time.monotonic() + 30
        while not self.file.exists():
            assert time.monotonic() < end, "the scheduler did not start"
            time.sleep(0.05)
        self.address = json.loads(self.file.read_text())["address"]
        options = ("--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard")
        self.workers = [self._start("worker", *options) for _ in range(workers)]

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", kind, "--scheduler-file", str(self.file), *options]
        env = {**os.environ, "PYTHONPATH": os.path.dirname(sweep_tasks.__file__), **PATIENCE}
        process = subprocess.Popen(
            command, env=env, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def scheduler(tmp_path, request) -> Iterator[Scheduler]:
    """A scheduler with two workers, or as many as the test says."""
    found = Scheduler(tmp_path, getattr(request, "param", 2))
    yield found
    found.stop()


def wait_for_workers(cluster: Cluster, count: int) -> None:
    cluster._client.wait_for_workers(count, timeout=60)
    cluster._counted_s = float("-inf")
    assert cluster.workers == count


def test_all_results_arrive_bit_for_bit_although_a_worker_is_killed(tmp_path, scheduler) -> None:
    killed: list[int] = []

    def kill_one(progress) -> None:
        if progress.done >= 10 and not killed:
            victim = scheduler.workers[0]
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            killed.append(progress.done)

    design = Design((Axis("x", (1, 2, 3)),), fixed={"delay": 0.1})
    plan = SweepPlan(task=slow, design=design, seeds=15)
    with Cluster(scheduler.address) as cluster:
        wait_for_workers(cluster, 2)
        sweep = run_sweep(plan, tmp_path / "s", executor=cluster, progress=kill_one)
        cluster._counted_s = float("-inf")
        assert cluster.workers == 1
    assert killed
    assert killed[0] < 45
    here = run_sweep(plan, tmp_path / "t", executor=Serial()).frame()
    there = sweep.frame()
    pd.testing.assert_frame_equal(there.drop(columns="run_time_s"), here.drop(columns="run_time_s"), check_exact=True)
    assert len(there) == 45
    assert (there["status"] == "ok").all()


def test_run_that_kills_every_worker_fails_alone(scheduler) -> None:
    with Cluster(scheduler.address) as cluster:
        wait_for_workers(cluster, 2)
        frame = run_many(crashing, [{"x": 2}], 1, cluster)
    assert frame["status"].tolist() == ["failed"]
    assert frame["error"][0].startswith("KilledWorker")
    assert [worker.wait(timeout=30) for worker in scheduler.workers] == [-signal.SIGKILL] * 2


@pytest.mark.parametrize("scheduler", [1], indirect=True)
def test_lost_scheduler_leaves_a_resumable_sweep(tmp_path, scheduler) -> None:
    def kill_scheduler(progress) -> None:
        if progress.done >= 5:
            scheduler.processes[0].kill()

    plan = SweepPlan(task=slow, design=Design((Axis("x", (1, 2, 3)),), fixed={"delay": 0.1}), seeds=10)
    with (
        pytest.raises(LobSimError, match="scheduler is lost"),
        Cluster(scheduler.address) as cluster,
    ):
        run_sweep(plan, tmp_path / "s", executor=cluster, progress=kill_scheduler)
    assert 5 <= len(Sweep(tmp_path / "s").frame()) < 30
    assert len(run_sweep(plan, tmp_path / "s", executor=Serial(), resume=True).frame()) == 30


def test_local_cluster_gives_the_same_and_leaves_nothing_running() -> None:
    before = {p.pid for p in psutil.Process().children(recursive=True)}
    with open_executor("local", 2) as cluster:
        assert cluster.workers == 2
        there = run_many(noisy, POINTS, 4, cluster)
    here = run_many(noisy, POINTS, 4, Serial())
    pd.testing.assert_frame_equal(there.drop(columns="run_time_s"), here.drop(columns="run_time_s"), check_exact=True)
    left = [p for p in psutil.Process().children(recursive=True) if p.pid not in before]
    assert [p for p in left if "resource_tracker" not in " ".join(p.cmdline())] == []


@pytest.mark.parametrize("scheduler", [1], indirect=True)
def test_address_of_a_worker_is_no_address_of_a_scheduler(scheduler) -> None:
    with Cluster(scheduler.address) as cluster:
        wait_for_workers(cluster, 1)
        worker = next(iter(cluster._client.nthreads()))
    with pytest.raises(InputError, match="address of a Worker"):
        open_executor(worker)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:{}", "127.0.0.1:{}", "nonsense", "tcp://", "pigeon://a:{}"])
@pytest.mark.timeout(60)
def test_address_without_a_scheduler_is_a_clear_error(address: str) -> None:
    with pytest.raises(InputError, match="no dask scheduler answers"):
        open_executor(address.format(free_port()))


@pytest.mark.timeout(60)
def test_port_that_says_nothing_is_a_clear_error_and_nobody_waits_for_ever() -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(InputError, match="no dask scheduler answers"):
            open_executor(f"tcp://127.0.0.1:{mute.getsockname()[1]}")


def test_cluster_without_dask_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"lob-sim\[cluster\]"):
        open_executor("local")
