"""A run that names a user's own code, after that code was changed: whoever repeats it is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import lob_sim

from lob_sim.log.manifest import read_manifest

JOINER = """
from lob_sim import NS_PER_S, Side, Strategy
from sizes import SIZE


class Joiner(Strategy):
    def on_start(self, ctx):
        ctx.wake_in(NS_PER_S)

    def on_wake(self, ctx, tag):
        ctx.place(0, Side.BUY, SIZE, ctx.initial_ticks(0) // 2)
        ctx.wake_in(NS_PER_S)
"""
OWN = ("--set", "agents.seller.strategy=joiner:Joiner", "--set", "agents.seller.params={}", "--set", "horizon=3min")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "joiner.py").write_text(JOINER)
    (tmp_path / "sizes.py").write_text("SIZE = 1\n")
    assert lob_sim("run", "dealer_market", *OWN, "--out", "first", cwd=tmp_path).returncode == 0
    return tmp_path


def test_the_manifest_tells_of_foreign_code_alone(folder: Path) -> None:
    packages = read_manifest(folder / "first").packages
    assert [name for name in packages if ":" in name] == ["plug-in joiner:Joiner"]
    lob_sim("run", "dealer_market", "--set", "horizon=3min", "--out", "shipped", cwd=folder)
    assert not [name for name in read_manifest(folder / "shipped").packages if ":" in name]


def test_a_rerun_that_repeats_the_log_says_nothing(folder: Path) -> None:
    done = lob_sim("rerun", "first", "--out", "again", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "again\n", "")


@pytest.mark.parametrize("file", ["joiner.py", "sizes.py"])
def test_a_rerun_by_other_code_says_that_the_log_is_another(folder: Path, file: str) -> None:
    path = folder / file
    # Longer: of a file as long as a second ago Python would take the bytecode.
    path.write_text(path.read_text().replace("// 2", "// 3").replace("SIZE = 1", "SIZE = 20"))
    done = lob_sim("rerun", "first", "--out", "again", cwd=folder)
    assert (done.returncode, done.stdout) == (1, "again\n")
    assert "the log is not that of first again: see lob-sim diff first again" in done.stderr
    assert "warning: plug-in joiner:Joiner was " in done.stderr
    told = lob_sim("diff", "first", "again", cwd=folder)
    assert "given packages.plug-in joiner:Joiner: " in told.stdout


def test_with_changes_only_the_code_is_told_of(folder: Path) -> None:
    (folder / "sizes.py").write_text("SIZE = 2\n")
    done = lob_sim("rerun", "first", "--set", "agents.dealer.count=2", "--out", "again", cwd=folder)
    assert (done.returncode, done.stdout) == (0, "again\n")
    assert done.stderr.startswith("warning: plug-in joiner:Joiner was ")
    assert "the log is not" not in done.stderr


def test_a_branch_elsewhere_tells_of_other_code_too(folder: Path) -> None:
    (folder / "sizes.py").write_text("SIZE = 2\n")
    change = ("--set", "agents.informed.params.size_lots=2")
    done = lob_sim("branch", "first", "--at", "1min", *change, "--out", "elsewhere/child", cwd=folder)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: plug-in joiner:Joiner was ")
