"""``import``, ``against``, and what ``replay`` says of runs that were stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import lob_sim
from test_command_line import SHORT

from lob_sim import open_run

DATA = Path(os.environ.get("LOB_SIM_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "lobster"
AAPL = DATA / "AAPL_L10_1000" / "AAPL_2012-06-21_34200000_57600000_message_10.csv"
DEALER = ["--strategy", "strategies.fixed_spread:FixedSpreadDealer", "--param", "half_spread_ticks=1"]

DAY = [
    ("10.5,1,11,100,1000000,1", "1000200,50,1000000,100"),
    ("11,1,12,70,1000300,-1", "1000200,50,1000000,100"),
    ("12,2,11,40,1000000,1", "1000200,50,1000000,60"),
    ("13,4,7,20,1000200,-1", "1000200,30,1000000,60"),
]


def write_day(folder: Path, rows: list[tuple[str, str]] = DAY) -> str:
    name = "TEST_2020-01-01_0_1_message_1.csv"
    (folder / name).write_text("".join(f"{message}\n" for message, _ in rows))
    (folder / name.replace("message", "orderbook")).write_text("".join(f"{book}\n" for _, book in rows))
    return name


# --- LOBSTER in --------------------------------------------------------------------------------------------


def test_import_keeps_a_day_as_a_run_and_says_how_it_compares(tmp_path: Path) -> None:
    done = lob_sim("import", write_day(tmp_path), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("3 of 3 rows exact, ")
    assert "cells unknown" in lines[0]
    assert lines[-1] == "out/TEST_2020-01-01_0_1_message_1"
    assert lob_sim("replay", lines[-1], "--verify", cwd=tmp_path).returncode == 0
    assert open_run(tmp_path / lines[-1]).trades["qty_lots"].tolist() == [20]
    again = lob_sim("rerun", lines[-1], cwd=tmp_path)
    assert (again.returncode, "no scenario" in again.stderr) == (2, True)


def test_a_day_that_does_not_fit_its_book_is_not_exact(tmp_path: Path) -> None:
    wrong = [*DAY[:2], (DAY[2][0], "1000200,50,1000000,61"), DAY[3]]
    done = lob_sim("import", write_day(tmp_path, wrong), "--out", "o", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("1 of 3 rows exact")
    assert "first mismatch: TEST_2020-01-01_0_1_message_1.csv:3" in done.stdout


@pytest.mark.skipif(not AAPL.exists(), reason="the sample days are not here: set LOB_SIM_DATA")
def test_the_sample_day_is_exact_and_can_be_traded_against(tmp_path: Path) -> None:
    done = lob_sim("import", str(AAPL), "--out", "aapl", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("998 of 998 rows exact")
    book = lob_sim("replay", "aapl", "--at", "34210s", "--levels", "1", cwd=tmp_path).stdout.splitlines()
    assert [line.split()[0] for line in book[1:]] == ["ask", "bid"]
    traded = lob_sim("against", str(AAPL), *DEALER, "--latency", "1ms", "--out", "mine", cwd=tmp_path)
    assert traded.returncode == 0
    assert lob_sim("replay", "mine", "--verify", cwd=tmp_path).returncode == 0


# --- against -----------------------------------------------------------------------------------------------


def test_against_a_run_counts_what_changes_and_its_log_verifies(tmp_path: Path) -> None:
    lob_sim("run", "dealer_market", "--out", "a", *SHORT, cwd=tmp_path)
    idle = lob_sim("against", "a", "--strategy", "lob_sim.agents.strategy:Strategy", cwd=tmp_path)
    assert idle.returncode == 0
    assert " 0 filled otherwise: 0 lots more, 0 lots less" in idle.stdout
    assert idle.stdout.splitlines()[-1] == "out/against-seed1"
    done = lob_sim("against", "a", *DEALER, "--seed", "4", "--instrument", "treasury", "--out", "b", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert " 0 filled otherwise" not in done.stdout
    verified = lob_sim("replay", "b", "--verify", cwd=tmp_path)
    assert (verified.returncode, verified.stdout.startswith("verified: ")) == (0, True)
    assert list(open_run(tmp_path / "b").agents["name"])[-1] == "newcomer-1"
    again = lob_sim("rerun", "b", cwd=tmp_path)
    assert (again.returncode, "lob-sim against" in again.stderr) == (2, True)


# --- bad input ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["import", "nosuch_message_.csv"], "nosuch_message_.csv"),
        (["import", "bad_message_1.csv"], "bad_message_1.csv:2: column 4 is 'forty'"),
        (["import", "day.csv"], "_message_"),
        (["import", "TEST_2020-01-01_0_1_message_1.csv", "--out", "full"], "not empty"),
        (["against", "nosuch", *DEALER], "not a run directory"),
        (["against", "bad_message_1.csv", *DEALER], "bad_message_1.csv:2"),
        (["against", "TEST_2020-01-01_0_1_message_1.csv", *DEALER, "--out", "full"], "not empty"),
        (["against", "TEST_2020-01-01_0_1_message_1.csv", *DEALER, "--param", "size"], "name=value"),
        (["against", "TEST_2020-01-01_0_1_message_1.csv", *DEALER, "--param", "size_lot=3"], "size_lots"),
        (["against", "TEST_2020-01-01_0_1_message_1.csv", *DEALER, "--latency", "soon"], "duration"),
        (["against", "TEST_2020-01-01_0_1_message_1.csv", *DEALER, "--instrument", "TSET"], "there is: TEST"),
        (["against", "TEST_2020-01-01_0_1_message_1.csv", "--strategy", "nosuch:Dealer"], "nosuch"),
        (["export", "full", "--format", "csv"], "not a run directory"),
        (["diff", "full", "nosuch"], "not a run directory"),
        (["replay", "nosuch"], "not a run directory"),
    ],
)
def test_bad_input_ends_with_one_clear_line(arguments: list[str], expected: str, tmp_path: Path) -> None:
    write_day(tmp_path)
    (tmp_path / "bad_message_1.csv").write_text("10.5,1,11,100,1000000,1\n11,2,11,forty,1000000,1\n")
    (tmp_path / "day.csv").write_text("10.5,1,11,100,1000000,1\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/something").write_text("x")
    before = sorted(tmp_path.rglob("*"))
    done = lob_sim(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unknown_format_or_instrument_of_a_run_is_named(tmp_path: Path) -> None:
    lob_sim("run", "dealer_market", "--out", "a", "--set", "horizon=70s", *SHORT[2:], cwd=tmp_path)
    for arguments, expected in (
        (["export", "a", "--format", "excel"], "expected one of csv, parquet, lobster"),
        (["replay", "a", "--at", "soon"], "duration"),
        (["replay", "a", "--at", "9h"], "--at 9h: is beyond the horizon"),
        (["replay", "a", "--at", "1s", "--instrument", "treasry"], "did you mean 'treasury'"),
        (["against", "a", *DEALER, "--instrument", "treasry"], "did you mean 'treasury'"),
    ):
        done = lob_sim(*arguments, cwd=tmp_path)
        assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
        assert expected in done.stderr
    for format in ("csv", "parquet", "lobster"):
        done = lob_sim("export", "a", "--format", format, "--out", format, cwd=tmp_path)
        assert done.returncode == 0
        assert all((tmp_path / file).is_file() for file in done.stdout.split())


# --- runs that are stopped ---------------------------------------------------------------------------------


def start_long_run(folder: Path, *more: str) -> subprocess.Popen[str]:
    """Start a run that takes minutes, and wait until some of it is on disk."""
    command = [sys.executable, "-m", "lob_sim.cli", "run", "dealer_market", "--out", "o", "--set", "horizon=50h"]
    process = subprocess.Popen([*command, *more], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if list(folder.glob("o/events/*/part-*.parquet")) and open_run(folder / "o").manifest.parts:
            return process
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    process.kill()
    pytest.fail("the run has written nothing in a minute")


def test_ctrl_c_ends_with_130_and_a_readable_directory(tmp_path: Path) -> None:
    process = start_long_run(tmp_path)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    run = open_run(tmp_path / "o")
    assert run.status == "interrupted"
    assert run.last_seq == run.manifest.rows >= 32_768
    assert not run.gaps
    done = lob_sim("replay", "o", "--verify", cwd=tmp_path)
    assert done.returncode == 0
    assert "the run is interrupted" in done.stdout
    # What was recorded until then can be traded against.
    assert lob_sim("against", "o", *DEALER, "--out", "mine", cwd=tmp_path).returncode == 0


def test_replay_of_a_killed_run_says_what_is_missing(tmp_path: Path) -> None:
    process = start_long_run(tmp_path)
    process.kill()
    process.communicate(timeout=60)
    last_seq = open_run(tmp_path / "o").last_seq
    said = lob_sim("replay", "o", cwd=tmp_path)
    assert said.returncode == 0
    assert said.stdout.startswith("running: ")
    assert f"rows after {last_seq} are missing" in said.stdout
    checked = lob_sim("replay", "o", "--verify", cwd=tmp_path)
    assert "the run is running" in checked.stdout
    assert f"rows after {last_seq} are missing" in checked.stdout
    assert checked.returncode == (1 if "problem: " in checked.stdout else 0)


def test_replay_of_a_whole_run_says_that_it_is_whole(tmp_path: Path) -> None:
    lob_sim("run", "dealer_market", "--out", "a", *SHORT, cwd=tmp_path)
    said = lob_sim("replay", "a", cwd=tmp_path)
    assert (said.returncode, said.stdout.startswith("complete: ")) == (0, True)
    assert "missing" not in said.stdout
