"""Overlays on the command line: with every command that makes a market, and to be listed, shown and copied."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lob_sim import open_run
from lob_sim.cli.app import app
from lob_sim.errors import InputError
from lob_sim.scenario import load_scenario, packaged_overlays, packaged_scenarios
from lob_sim.sweep.folder import Sweep

SHORT = ["--set", "horizon=70s"]


def lob_sim(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments), catch_exceptions=True)
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_run_rerun_and_branch_take_overlays(tmp_path: Path) -> None:
    lob_sim("run", "dealer_market", "--with", "transparency", "--with", "all_to_all", "--out", "a", *SHORT)
    first = open_run(tmp_path / "a")
    assert first.header.scenario["overlays"] == ["transparency", "all_to_all"]
    lob_sim("rerun", "a", "--out", "b")
    assert open_run(tmp_path / "b").digest == first.digest
    lob_sim("rerun", "a", "--with", "batches", "--out", "c")
    assert open_run(tmp_path / "c").header.scenario["overlays"] == ["transparency", "all_to_all", "batches"]
    assert open_run(tmp_path / "c").digest != first.digest
    lob_sim(
        "branch", "a", "--at", "40s", "--with", "all_to_all", "--set", "agents.dealer.params.size_lots=3", "--out", "d"
    )
    (entry,) = open_run(tmp_path / "d").header.branches
    assert entry.changes == ("agents.liquidity.params.quoting_share=0.5", "agents.dealer.params.size_lots=3")
    with pytest.raises(InputError, match="purchases: agents: from an instant on"):
        lob_sim("branch", "a", "--at", "40s", "--with", "purchases", "--out", "e")
    assert not (tmp_path / "e").exists()


def test_a_sweep_takes_overlays_at_every_point(tmp_path: Path) -> None:
    options = ["--over", "agents.dealer.count=2,3", "--seeds", "1", "--workers", "1", *SHORT]
    lob_sim("sweep", "dealer_market", "--with", "transparency", "--out", "s", *options)
    assert Sweep(tmp_path / "s").manifest.scenario["overlays"] == ["transparency"]


def test_a_sweep_file_may_name_overlays(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "mine.toml").write_text(packaged_overlays()["all_to_all"].read_text())
    text = 'scenario = "dealer_market"\noverlays = ["mine.toml"]\n[over]\n"agents.dealer.count" = [2]\n'
    (tmp_path / "files" / "sweep.toml").write_text(text)
    options = ["--seeds", "1", "--workers", "1", "--with", "transparency", *SHORT]
    lob_sim("sweep", "files/sweep.toml", "--out", "s", *options)
    assert Sweep(tmp_path / "s").manifest.scenario["overlays"] == ["mine", "transparency"]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("check", "dealer_market", "--with", "swing_pricing"), "error: swing_pricing: set[0].path: "),
        (("run", "outside.toml", "--out", "run"), "error: outside.toml: bad.csv:3: time: is before the row above it"),
        (("import", "sheets", "bad.csv", "--out", "market.toml"), "error: bad.csv:1: unknown column 'time'"),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_nothing_written(
    command: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_text("time,instrument,size\n2s,treasury,0.1\n1s,treasury,0.1\n")
    market = packaged_scenarios()["dealer_market"].read_text()
    (tmp_path / "outside.toml").write_text(market + '\n[[files]]\nkind = "jumps"\npath = "bad.csv"\n')
    words = [sys.executable, "-m", "lob_sim.cli", *command]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=240)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(told)
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "market.toml").exists()


def test_check_names_the_overlay_that_fits_nothing(tmp_path: Path) -> None:
    assert "dealer_market: " in lob_sim("check", "dealer_market", "--with", "halts")
    path = "agents.*.balance_sheet.constraints.kind=slr.params.exempt"
    with pytest.raises(InputError) as caught:
        lob_sim("check", "dealer_market", "--with", "slr_exemption")
    assert str(caught.value) == f"slr_exemption: set[0].path: {path} fits nothing in dealer_market"
    with pytest.raises(InputError, match="--with halt: no such file or packaged overlay, did you mean 'halts'"):
        lob_sim("run", "dealer_market", "--with", "halt")
    assert not (tmp_path / "out").exists()


def test_overlays_and_scenarios_are_listed_shown_and_copied(tmp_path: Path) -> None:
    listed = dict(line.split("\t") for line in lob_sim("list", "overlays").splitlines())
    assert set(listed) == set(packaged_overlays())
    assert all(listed.values())
    assert lob_sim("show", "calm") == packaged_overlays()["calm"].read_text()
    assert 'name = "dealer_market"' in lob_sim("show", "dealer_market")
    assert lob_sim("copy", "dealer_market", "--out", "mine.toml") == "mine.toml\n"
    assert load_scenario(tmp_path / "mine.toml").name == "dealer_market"
    lob_sim("copy", "halts")
    (tmp_path / "halts.toml").write_text((tmp_path / "halts.toml").read_text().replace("2min", "3min"))
    assert load_scenario("mine.toml", overlays=["halts.toml"]).instruments[0].lit.halt == 180 * 10**9
    with pytest.raises(InputError, match=r"halts\.toml: is there already"):
        lob_sim("copy", "halts")
    with pytest.raises(InputError, match="no packaged scenario or overlay, did you mean 'calm'"):
        lob_sim("show", "clam")
