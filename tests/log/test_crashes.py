"""A run that ends in any other way than well leaves a log that says so and can be read as far as it goes."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from log_streams import cheap_stream, drive, header, use_small_blocks

from lob_sim.errors import OutputError
from lob_sim.log import manifest as manifest_module
from lob_sim.log.directory import DirectoryRecorder
from lob_sim.log.manifest import read_manifest
from lob_sim.log.recorder import MemoryRecorder
from lob_sim.log.run import Run, open_run, run_in_memory
from lob_sim.replay.verification import verify

ENDLESS = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from log_streams import cheap_stream, drive, header
from lob_sim.log.directory import DirectoryRecorder
with DirectoryRecorder({folder!r}, header()) as disk:
    drive(disk, cheap_stream(10**9), header())
"""


def start_endless_run(folder: Path) -> subprocess.Popen[bytes]:
    """Start a run without end in another process, and wait until several chunks of it are on disk."""
    script = ENDLESS.format(tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if (folder / "manifest.json").exists() and len(read_manifest(folder).blocks) >= 4:
            return process
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    process.kill()
    pytest.fail("the run has written nothing in a minute")


def assert_is_the_beginning_of_the_same_run(run: Run) -> None:
    rows = run.last_seq
    memory = MemoryRecorder()
    drive(memory, cheap_stream(rows), header())
    whole = run_in_memory(memory, header())
    assert memory.rows > rows
    for ours, theirs in zip(run.messages(), whole.messages(), strict=False):
        assert ours == theirs


def test_after_kill_9_every_finished_part_is_there_and_nothing_reads_as_complete(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start_endless_run(folder)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = open_run(folder)
    assert run.status == "running"
    assert any("killed" in line and str(run.last_seq) in line for line in run.condition())
    assert run.last_seq >= 4 * 32_768
    assert_is_the_beginning_of_the_same_run(run)
    if not run.problems:  # the kill did not fall between a part and the manifest that lists it
        checked = verify(run)
        assert checked.ok
        assert checked.rows == read_manifest(folder).rows


def test_ctrl_c_ends_between_two_commands_with_everything_up_to_then(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start_endless_run(folder)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert b"KeyboardInterrupt" in error
    run = open_run(folder)
    assert run.status == "interrupted"
    assert run.problems == ()
    assert run.gaps == ()
    checked = verify(run)
    assert checked.ok
    assert checked.rows == run.manifest.rows == run.last_seq
    assert_is_the_beginning_of_the_same_run(run)


def test_a_killed_run_is_read_whole_even_where_its_last_manifest_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_blocks(monkeypatch, 300)
    folder = tmp_path / "run"
    kept: list[bytes] = []
    write_manifest = manifest_module.write_manifest

    def keep(path: Path, manifest: manifest_module.Manifest) -> None:
        write_manifest(path, manifest)
        kept.append((path / "manifest.json").read_bytes())

    monkeypatch.setattr("lob_sim.log.parts.write_manifest", keep)
    with DirectoryRecorder(folder, header()) as disk:
        drive(disk, cheap_stream(3000), header())
    whole = list(open_run(folder).messages())
    # As if the process had been killed after the last chunk's files and before the manifest that lists
    # them...
    (folder / "manifest.json").write_bytes(kept[-2])
    run = open_run(folder)
    assert run.status == "running"
    assert all("no digest" in problem.what for problem in run.problems)
    assert list(run.messages()) == whole
    assert run.gaps == ()
    # ... and with only some of that chunk's files written.
    last = max(folder.glob("events/trade/part-*.parquet"))
    last.unlink()
    run = open_run(folder)
    lost = {row.seq for row in whole} - {row.seq for row in run.messages()}
    holes = {seq for first, end in run.gaps for seq in range(first, end + 1)}
    assert lost
    assert holes == {seq for seq in lost if seq < run.last_seq}
    assert any("are missing" in line for line in run.condition())


def test_an_error_in_the_run_is_on_the_log_and_what_was_logged_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    rows = 0

    def fail() -> None:
        nonlocal rows
        with DirectoryRecorder(folder, header()) as disk:
            drive(disk, cheap_stream(500), header())
            rows = disk.rows
            raise ValueError("a strategy is wrong")

    with pytest.raises(ValueError, match="a strategy is wrong"):
        fail()
    run = open_run(folder)
    assert run.status == "failed"
    assert run.manifest.error == "ValueError: a strategy is wrong"
    assert run.last_seq == rows > 0
    assert verify(run).ok


def fail_after(monkeypatch: pytest.MonkeyPatch, n_files: int) -> None:
    """Let the disk be full once this many files have been forced to it."""
    done = 0
    fsync = os.fsync

    def full(descriptor: int) -> None:
        nonlocal done
        done += 1
        if done > n_files:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)


@pytest.mark.parametrize("n_files", [5, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 40])
def test_a_full_disk_is_a_clear_error_and_leaves_readable_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_files: int
) -> None:
    use_small_blocks(monkeypatch, 300)
    fail_after(monkeypatch, n_files)
    folder = tmp_path / "run"
    with (
        pytest.raises(OutputError, match="No space left on device"),
        DirectoryRecorder(folder, header()) as disk,
    ):
        drive(disk, cheap_stream(20_000), header())
    run = open_run(folder)
    assert run.status == "running"  # the disk is full: not even the manifest could be written again
    assert run.problems == ()
    assert verify(run).ok
    assert run.last_seq == run.manifest.rows < disk.rows
    assert not list(folder.rglob("*.tmp"))


def test_a_real_full_disk_says_that_the_run_failed(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("may not mount a small file system here")
    try:
        disk = DirectoryRecorder(small / "run", header())
        with pytest.raises(OutputError, match="No space left on device"), disk:
            drive(disk, cheap_stream(400_000), header())
        run = open_run(small / "run")
        assert run.status == "failed"
        assert "No space left" in run.manifest.error
        assert run.manifest.rows > 0
        assert verify(run).ok
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        DirectoryRecorder(tmp_path, header())
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    with pytest.raises(OutputError, match=r"precious\.txt"):
        DirectoryRecorder(tmp_path / "precious.txt", header())


def test_an_empty_run_is_a_run(tmp_path: Path) -> None:
    with DirectoryRecorder(tmp_path / "run", header()):
        pass
    run = open_run(tmp_path / "run")
    assert run.status == "complete"
    assert list(run.messages()) == []
    assert run.trades.empty
    assert run.orders.empty
    assert run.quotes.empty
    assert run.book(at=0).bids == []
    assert verify(run).ok
