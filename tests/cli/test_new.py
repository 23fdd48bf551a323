"""``lob-sim new`` writes files that work: their own tests pass, and they are found where one stands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import lob_sim

from lob_sim.cli.scaffold import KINDS, write_new
from lob_sim.errors import InputError

ROOT = Path(__file__).parents[2]
RUFF = [sys.executable, "-m", "ruff"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each kind, called as no file here is."""
    here = tmp_path_factory.mktemp("mine")
    for kind in KINDS:
        write_new(kind, f"first_{kind}", here)
    return here


def pytest_in(folder: Path, *files: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_written_tests_pass(folder: Path) -> None:
    done = pytest_in(folder, *(f"test_first_{kind}.py" for kind in KINDS))
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout or "[100%]" in done.stdout


def test_they_would_notice_a_strategy_that_quotes_elsewhere(tmp_path: Path) -> None:
    """The control: what was written by mistake fails the written test."""
    file, _ = write_new("strategy", "other", tmp_path)
    text = file.read_text(encoding="utf-8")
    assert "centre - half" in text
    file.write_text(text.replace("centre - half", "centre - half - 1"), encoding="utf-8")
    done = pytest_in(tmp_path)
    assert done.returncode == 1
    assert "test_it_quotes_both_sides_at_its_half_spread" in done.stdout


def test_they_are_clean(folder: Path) -> None:
    for arguments in (["check"], ["format", "--check"]):
        command = [*RUFF, *arguments, "--config", str(ROOT / "pyproject.toml"), "--no-cache", "."]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_the_packaged_market_finds_my_file_where_i_stand(folder: Path) -> None:
    mine = ["--set", "agents.dealer.strategy=first_strategy:FirstStrategy", "--set", "agents.dealer.params={}"]
    mine += ["--set", "horizon=2min"]
    done = lob_sim("run", "dealer_market", *mine, "--out", "o", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert lob_sim("rerun", "o", "--out", "again", cwd=folder).returncode == 0
    assert "the same " in lob_sim("diff", "o", "again", cwd=folder).stdout
    # By its path, as a file of this kind may be named too.
    byname = [mine[0], mine[1].replace("first_strategy:", "first_strategy.py:"), *mine[2:]]
    assert lob_sim("check", "dealer_market", *byname, cwd=folder).returncode == 0


def test_in_another_folder_it_is_not_found(folder: Path, tmp_path: Path) -> None:
    mine = ["--set", "agents.dealer.strategy=first_strategy:FirstStrategy"]
    done = lob_sim("check", "dealer_market", *mine, cwd=tmp_path)
    assert done.returncode == 2
    assert "no module named 'first_strategy'" in done.stderr


def test_a_folder_called_strategies_does_not_change_the_packaged_market(tmp_path: Path) -> None:
    """Whoever stands in a stranger's folder runs nothing of the stranger's by running a packaged scenario."""
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "glosten_milgrom.py").write_text("raise SystemExit('somebody else ran')\n")
    done = lob_sim("check", "dealer_market", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("strategie", "mine", r"expected one of strategy, .*did you mean 'strategy'"),
        ("strategy", "My Dealer", "lower-case letters"),
        ("strategy", "../mine", "lower-case letters"),
        ("strategy", "class", "lower-case letters"),
        ("strategy", "random", "is the name of another module"),
        ("metric", "pandas", "is the name of another module"),
        ("scenario", "test_mine", "is the name of another module"),
    ],
)
def test_what_cannot_be_written_is_said_and_nothing_is_there(kind: str, name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        write_new(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text("mine\n")
    done = lob_sim("new", "metric", "mine", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "error: test_mine.py: is there already: expected another name\n")
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]
