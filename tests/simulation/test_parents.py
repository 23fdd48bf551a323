"""The log of a branch refers to its parent's and does not repeat it; readers take the two for one run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from instants import GOLDEN
from typer.testing import CliRunner

from lob_sim import DataError, InputError, Simulation, load_scenario, open_run, run, verify
from lob_sim.analysis import summarise
from lob_sim.cli.app import app
from lob_sim.log import Run
from lob_sim.log.diff import diff

AT = "130s"
CHANGE = "switches.slr=false"
LONG = ["horizon=15min"]  # of dealer_market: more than a block of rows before 14 min


def _invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code in (0, 1), result.output
    return result.output


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run, a branch of it, and a branch of that, each in a folder beside the others."""
    folder = tmp_path_factory.mktemp("runs")
    _invoke("run", GOLDEN, "--out", folder / "run")
    _invoke("branch", folder / "run", "--at", AT, "--set", CHANGE, "--out", folder / "child")
    _invoke("branch", folder / "child", "--at", "200s", "--seed", 5, "--out", folder / "grandchild")
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


def _whole(*changes: tuple[str, str]) -> Run:
    """The same branch in memory, where nothing is referred to."""
    simulation = Simulation(GOLDEN)
    simulation.run_until(AT)
    return simulation.state().branch({"x": [CHANGE]})["x"].finish()


def _rows_in(folder: Path) -> int:
    return sum(part.rows for part in open_run(folder).manifest.parts)


def _same_rows(a: Run, b: Run) -> bool:
    assert a.counts == b.counts
    return all(a.table(name).equals(b.table(name)) for name in a.counts)


def test_a_branch_beside_its_parent_holds_its_own_rows_alone_and_reads_as_one_run(made: Path) -> None:
    child, whole = open_run(made / "child"), _whole()
    (entry,) = child.manifest.parents
    assert entry.folder == "run"
    assert _rows_in(made / "child") == child.manifest.rows - entry.rows > 0
    assert entry.rows > 1_000
    assert sum(entry.counts.values()) == entry.rows
    assert child.digest == whole.digest
    assert child.status == "complete"
    assert child.gaps == ()
    assert _same_rows(child, whole)
    assert [row.seq for row in child.messages()] == list(range(1, child.manifest.rows + 1))
    assert next(child.messages(from_seq=entry.rows)).seq == entry.rows
    assert summarise(child).equals(summarise(whole))
    found = verify(child)
    assert found.ok
    assert found.rows == child.manifest.rows


def test_a_branch_of_a_branch_refers_to_both(made: Path) -> None:
    grandchild = open_run(made / "grandchild")
    assert [entry.folder for entry in grandchild.manifest.parents] == ["run", "child"]
    assert verify(grandchild).ok
    assert Simulation.again(grandchild.header).finish().digest == grandchild.digest
    assert _rows_in(made / "grandchild") == grandchild.manifest.rows - grandchild.manifest.parents[-1].rows


def test_commands_take_the_two_for_one(made: Path, tmp_path: Path) -> None:
    assert _invoke("replay", made / "child", "--verify").startswith("verified: ")
    told = _invoke("diff", made / "run", made / "child")
    assert diff(open_run(made / "run"), _whole()).same is False
    assert "slr" in told
    _invoke("export", made / "child", "--out", tmp_path / "tables")
    _invoke("report", made / "grandchild", "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size > 10_000
    _invoke("rerun", made / "grandchild", "--out", tmp_path / "again")
    again = open_run(tmp_path / "again")
    assert again.manifest.parents == ()
    assert again.digest == open_run(made / "grandchild").digest


def test_a_cut_in_a_later_block_and_one_at_the_very_beginning(tmp_path: Path) -> None:
    scenario = load_scenario("dealer_market", LONG)
    with Simulation(scenario, out=tmp_path / "run") as simulation:
        simulation.run_until("14min")
        state = simulation.state()
        first = simulation.finish()
    assert state.header.rows > 2**15
    change = ["agents.informed.params.size_lots=9"]
    child = state.branch({"child": change}, out=tmp_path)["child"].finish()
    (entry,) = child.manifest.parents
    assert entry.rows == state.header.rows
    assert len(child.manifest.blocks) > 1
    assert verify(child).ok
    _invoke("branch", tmp_path / "run", "--at", "14min", "--set", change[0], "--out", tmp_path / "again")
    again = open_run(tmp_path / "again")
    assert again.digest == child.digest != first.digest
    assert again.manifest.parents == child.manifest.parents
    assert verify(again).ok
    _invoke("branch", tmp_path / "run", "--at", "0s", "--set", change[0], "--out", tmp_path / "early")
    assert verify(open_run(tmp_path / "early")).ok


@pytest.mark.parametrize("place", ["elsewhere/child", "a b"])
def test_a_branch_that_cannot_refer_is_whole(place: str, runs: Path) -> None:
    parent = runs / ("run" if "/" in place else place)
    if parent.name != "run":
        (runs / "run").rename(parent)  # a name that is not safe everywhere
    out = runs / (place if "/" in place else "other")
    _invoke("branch", parent, "--at", AT, "--set", CHANGE, "--out", out)
    found = open_run(out)
    assert found.manifest.parents == ()
    assert found.digest == _whole().digest
    assert _rows_in(out) == found.manifest.rows


def test_a_parent_that_has_not_written_its_rows_yet_is_not_referred_to(tmp_path: Path) -> None:
    simulation = Simulation(GOLDEN, out=tmp_path / "run")
    simulation.run_until(AT)
    child = simulation.state().branch({"child": [CHANGE]}, out=tmp_path)["child"].finish()
    assert child.manifest.parents == ()
    assert child.digest == _whole().digest
    simulation.finish()


# --- parents that are none -----------------------------------------------------------------------------------
def _read_all(path: Path) -> None:
    found = open_run(path)
    for name in found.counts:
        found.table(name)


def test_a_missing_parent_is_one_line(runs: Path) -> None:
    shutil.rmtree(runs / "run")
    for name in ("child", "grandchild"):
        with pytest.raises(DataError, match=r"runs/run: is missing: the first \d+ rows of the branch .* are in it"):
            open_run(runs / name)


def test_a_parent_that_is_a_link_is_not_followed(runs: Path) -> None:
    (runs / "run").rename(runs / "real")
    (runs / "run").symlink_to(runs / "real")
    with pytest.raises(DataError, match=r"runs/run: is a link"):
        open_run(runs / "child")
    with pytest.raises(DataError, match=r"runs/run: is a link"):
        open_run(runs / "grandchild")


def test_a_changed_parent_is_never_read_as_what_it_was(runs: Path) -> None:
    part = next((runs / "run/events/trade").glob("*.parquet"))
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    with pytest.raises(DataError, match=r"run/events/trade/part-.*SHA-256 differs"):
        _read_all(runs / "child")
    found = verify(open_run(runs / "child"))
    assert not found.ok
    assert any(problem.where.startswith("../run/events/trade/") for problem in found.problems)
    part.unlink()
    with pytest.raises(DataError, match=r"runs/run: is not what it was when the branch .* left it: .*trade/part"):
        open_run(runs / "child")


def test_a_parent_that_was_run_anew_otherwise_is_refused(runs: Path) -> None:
    shutil.rmtree(runs / "run")
    run(load_scenario(GOLDEN, ["agents.informed.params.size_lots=7"]), out=runs / "run")
    with pytest.raises(DataError, match=r"runs/run: is not what it was when the branch"):
        open_run(runs / "child")


def test_a_branch_whose_past_is_no_longer_made_is_refused_and_says_why(runs: Path) -> None:
    """As after a change of the program: the log of the parent is another than its scenario makes."""
    other = runs / "other"
    run(load_scenario(GOLDEN, ["agents.informed.params.size_lots=7"]), out=other)
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["header"] = json.loads((runs / "run/manifest.json").read_text())["header"]
    (other / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(DataError, match="other: is not the past of this branch: its first"):
        CliRunner().invoke(
            app,
            ["branch", str(other), "--at", AT, "--set", CHANGE, "--out", str(runs / "new")],
            catch_exceptions=False,
        )
    assert not (runs / "new").exists()


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("folder", "../run", r"parents\[0\]\.folder: expected the name of a folder beside this one"),
        ("folder", "/etc", r"parents\[0\]\.folder"),
        ("folder", "..", r"parents\[0\]\.folder"),
        ("folder", "", r"parents\[0\]\.folder"),
        ("folder", "a/b", r"parents\[0\]\.folder"),
        ("folder", "nobody", r"nobody: is missing"),
        ("rows", 0, r"parents\[0\]\.rows: expected a number from 1"),
        ("rows", 10**9, r"parents\[0\]\.rows"),
        ("counts", {"trade": -1}, r"parents\[0\]\.counts"),
        ("counts", {"../x": 1}, r"parents\[0\]\.counts"),
    ],
)
def test_a_reference_that_no_branch_makes_is_refused_by_its_field(
    field: str, value: Any, told: str, runs: Path
) -> None:
    _change(runs / "child", lambda manifest: manifest["parents"][0].update({field: value}))
    with pytest.raises(DataError, match=told):
        open_run(runs / "child")


def test_a_part_of_a_parent_cannot_lie_outside_it(runs: Path) -> None:
    _change(runs / "child", lambda manifest: manifest["parents"][0]["parts"][0].update({"dataset": "../../x"}))
    with pytest.raises(DataError, match=r"parents\[0\]\.parts\[0\]\.dataset"):
        open_run(runs / "child")


def test_a_cut_that_was_moved_is_found(runs: Path) -> None:
    _change(runs / "child", lambda manifest: manifest["parents"][0].update(rows=manifest["parents"][0]["rows"] - 1))
    assert not verify(open_run(runs / "child")).ok


def _change(folder: Path, change: Callable[[Any], None]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_an_instant_before_a_branch_is_refused(runs: Path) -> None:
    with pytest.raises(InputError, match="not in order of time"):
        CliRunner().invoke(
            app, ["branch", str(runs / "child"), "--at", "60s", "--seed", "1", "--out", str(runs / "x")],
            catch_exceptions=False,
        )  # fmt: skip
    assert not (runs / "x").exists()
