"""Run directories of strangers: reading one runs nothing that it names, and writes nothing outside its folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from lob_sim import open_run, run
from lob_sim.cli.app import app
from lob_sim.cli.reporting import write_report
from lob_sim.errors import DataError, LobSimError, OutputError
from lob_sim.log.blocks import chain_digest, digest_block
from lob_sim.log.manifest import read_manifest, write_manifest
from lob_sim.log.parts import write_part
from lob_sim.report import data
from lob_sim.report.results_page import read_validation, validation_page
from lob_sim.report.run_page import run_page
from lob_sim.report.static import write_figures

MARKET = Path(__file__).parents[1] / "golden" / "market.toml"
PLACES = {
    "strategy": ("strategies.spiral_dealer", "SpiralDealer"),
    "constraint": ("lob_sim.balance.constraints", "SlrConstraint"),
    "liquidation_sequence": ("lob_sim.balance.liquidation_sequence", "MostLiquidFirst"),
    "liquidation": ("lob_sim.balance.liquidation", "BookWatching"),
    "marking": ("lob_sim.balance.marking", "HierarchyMarking"),
}
"""Wherever a scenario may name a plug-in: the class of ours that the planted one is otherwise like."""

PLANTED = """
from pathlib import Path
from {module} import {base}

Path({marker!r}).touch()

class Planted({base}):
    name = "planted_" + {place!r}
"""


def plant(folder: Path, markers: Path) -> None:
    """Write a plug-in for each place that leaves a file as soon as it is loaded."""
    markers.mkdir(exist_ok=True)
    for place, (module, base) in PLACES.items():
        text = PLANTED.format(module=module, base=base, marker=str(markers / place), place=place)
        (folder / f"{place}.py").write_text(text)


def fired(markers: Path) -> set[str]:
    return {path.name for path in markers.iterdir()}


def scenario_with_plugins(folder: Path) -> Path:
    folder.mkdir()
    text = MARKET.read_text()
    for old, new in (
        ('strategy = "strategies.spiral_dealer:SpiralDealer"', 'strategy = "strategy.py:Planted"'),
        ('kind = "slr"', 'kind = "constraint.py:Planted"'),
        ('work_interval = "10s"', 'work_interval = "10s"\nliquidation_sequence = "liquidation_sequence.py:Planted"'),
        ("liquidation_params = {", 'liquidation = "liquidation.py:Planted"\nliquidation_params = {'),
        ("marking_params = {", 'marking = "marking.py:Planted"\nmarking_params = {'),
        ('horizon = "4min"', 'horizon = "2min"'),
        ('at = "2min"', 'at = "1min"'),
        ('duration = "4min"', 'duration = "1min"'),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "market.toml").write_text(text)
    return folder / "market.toml"


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run of a scenario that names a plug-in in every place, and the plug-ins planted anew."""
    top = tmp_path_factory.mktemp("strange")
    scenario = scenario_with_plugins(top / "market")
    plant(top / "market", top / "by run")
    done = CliRunner().invoke(app, ["run", str(scenario), "--out", str(top / "run")], catch_exceptions=False)
    assert done.exit_code == 0
    # Modules are known by their content: with other content they would be loaded, and would fire, again.
    plant(top / "market", top / "by reading")
    return top


READING = [
    ["pnl", "{run}"],
    ["report", "{run}"],
    ["report", "{run}", "{again}", "--out", "{top}/comparison.html"],
    ["figures", "{run}"],
    ["replay", "{run}"],
    ["replay", "{run}", "--verify"],
    ["replay", "{run}", "--at", "90s"],
    ["export", "{run}", "--format", "csv"],
    ["export", "{run}", "--format", "parquet"],
    ["export", "{run}", "--format", "lobster"],
    ["diff", "{run}", "{again}"],
]


def read_all(top: Path) -> None:
    shutil.copytree(top / "run", top / "again")
    try:
        for command in READING:
            words = [word.format(run=top / "run", again=top / "again", top=top) for word in command]
            done = CliRunner().invoke(app, words)
            assert done.exit_code == 0, (words, done.output, done.exception)
    finally:
        shutil.rmtree(top / "again")


def test_control_running_a_scenario_loads_every_plug_in_that_it_names(strange: Path) -> None:
    assert fired(strange / "by run") == set(PLACES)


def test_no_reading_command_runs_what_a_run_names(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(strange / "market")
    read_all(strange)
    assert fired(strange / "by reading") == set()


def test_control_the_planted_plug_ins_fire_as_soon_as_the_scenario_is_run_again(strange: Path, tmp_path: Path) -> None:
    for words in (["check", str(strange / "market" / "market.toml")], ["rerun", str(strange / "run")]):
        plant(strange / "market", tmp_path / words[0])
        done = CliRunner().invoke(app, [*words, *(["--out", str(tmp_path / "again")] if words[0] == "rerun" else [])])
        assert done.exit_code == 0, done.output
        assert fired(tmp_path / words[0]) == set(PLACES)
    plant(strange / "market", strange / "by reading")


def test_a_run_whose_plug_ins_are_gone_can_still_be_read(strange: Path) -> None:
    (strange / "market").rename(strange / "gone")
    try:
        read_all(strange)
        found = open_run(strange / "run")
        # What the log says of the foreign limit is shown, without its code.
        assert set(data.headroom(found)["constraint"]) == {"planted_constraint"}
    finally:
        (strange / "gone").rename(strange / "market")


def test_no_reading_command_runs_what_a_sweep_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "measures"
    folder.mkdir()
    (folder / "planted_measure.py").write_text(
        f"from pathlib import Path\nPath({str(tmp_path / 'fired')!r}).touch()\n"
        "def measure(scenario, seed, out=None):\n    return {'m': float(seed % 7)}\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    words = ["sweep", "dealer_market", "--over", "agents.dealer.count=1,2", "--seeds", "2", "--out"]
    measured = ["--measure", "planted_measure:measure", "--workers", "1"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "sweep"), *measured])
    assert (tmp_path / "fired").exists(), done.output  # the control: a sweep does load it
    (tmp_path / "fired").unlink()
    monkeypatch.delitem(__import__("sys").modules, "planted_measure", raising=False)
    for words in (["sweep-report", str(tmp_path / "sweep")], ["report", str(tmp_path / "sweep")]):
        read = CliRunner().invoke(app, words)
        assert read.exit_code == 0, (read.output, read.exception)
        assert not (tmp_path / "fired").exists()


# --- where it is written ------------------------------------------------------------------------------------


@pytest.fixture
def copied(strange: Path, tmp_path: Path) -> Path:
    shutil.copytree(strange / "run", tmp_path / "run", ignore=shutil.ignore_patterns("figures", "export-*", "*.html"))
    return tmp_path / "run"


@pytest.mark.parametrize(("command", "name"), [(["figures"], "figures"), (["export", "--format", "csv"], "export-csv")])
def test_a_folder_of_results_that_is_a_link_is_refused(copied: Path, command: list[str], name: str) -> None:
    elsewhere = copied.parent / "elsewhere"
    elsewhere.mkdir()
    (copied / name).symlink_to(elsewhere)
    done = CliRunner().invoke(app, [command[0], str(copied), *command[1:]])
    assert isinstance(done.exception, OutputError)
    assert "is a link" in str(done.exception)
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("name", ["report.html", ".report.html.tmp"])
def test_a_planted_link_to_another_file_is_not_written_through(copied: Path, name: str) -> None:
    precious = copied.parent / "precious"
    precious.write_text("mine")
    (copied / name).symlink_to(precious)
    page = write_report([copied])
    assert precious.read_text() == "mine"
    assert page.read_text().startswith("<!")
    assert not page.is_symlink()


@pytest.mark.parametrize("name", ["price.png", "spread.png"])
def test_a_planted_link_in_the_folder_of_figures_is_not_written_through(copied: Path, name: str) -> None:
    precious = copied.parent / "precious"
    precious.write_text("mine")
    (copied / "figures").mkdir()
    (copied / "figures" / name).symlink_to(precious)
    write_figures(open_run(copied), copied / "figures", "png", [name.partition(".")[0]])
    assert precious.read_text() == "mine"
    assert (copied / "figures" / name).read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_may_not_be_written_is_one_line_and_leaves_nothing(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = sorted(copied.rglob("*"))

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        patch.setattr(Path, "mkdir", refuse)
        patch.setattr(Path, "unlink", refuse)
        with pytest.raises(LobSimError, match="Permission denied"):
            write_report([copied], copied / "report.html")
        with pytest.raises(LobSimError, match="Permission denied"):
            write_figures(open_run(copied), copied / "figures")
    assert sorted(copied.rglob("*")) == before


def test_the_page_of_a_validation_holds_no_picture_from_elsewhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"a secret of the machine")
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "inside.png").write_bytes(b"a picture")
    (folder / "link.png").symlink_to(secret)
    figures = ["../secret.txt", str(secret), "link.png", "x/../../secret.txt", "inside.png"]
    (folder / "validation.json").write_text(json.dumps([{"title": "t", "command": "c", "figures": figures}]))
    page = validation_page(read_validation(folder / "validation.json"), folder)
    assert "YSBzZWNyZXQg" not in page
    assert "YSBwaWN0dXJl" in page  # the control: what lies in the folder is shown


# --- what it says -------------------------------------------------------------------------------------------


def forge(folder: Path, dataset: str, column: str, value: int) -> None:
    """Change one number of every row and make every digest fit, as a stranger would."""
    manifest = read_manifest(folder)
    parts = []
    for part in manifest.parts:
        if part.dataset == dataset:
            table = pq.read_table(folder / part.path, partitioning=None)
            field = table.schema.field(column)
            values = pa.array([value] * table.num_rows, field.type)
            table = table.set_column(table.schema.get_field_index(column), field, values)
            part = write_part(folder, dataset, part.first_seq, part.last_seq, table)
        parts.append(part)
    write_manifest(folder, msgspec.structs.replace(manifest, parts=tuple(parts)))
    found = open_run(folder)
    digests = [digest_block(seq, batches) for seq, batches in found.source.blocks(list(found.counts))]
    blocks = tuple(digest.hex() for digest in digests)
    write_manifest(folder, msgspec.structs.replace(found.manifest, blocks=blocks, digest=chain_digest(digests)))


@pytest.mark.parametrize(
    ("dataset", "column", "value"),
    [
        ("balance_sheet", "agent_id", 99),
        ("balance_sheet", "agent_id", -5),
        ("quote", "agent_id", 10**12),
        ("mark", "instrument_id", 44),
        ("belief", "agent_id", 77),
        ("order_filled", "agent_id", 99),
        ("new_order", "instrument_id", 9),
        ("trade", "instrument_id", -1),
        ("balance_sheet", "cause", 120),
    ],
)
def test_rows_that_name_nobody_known_are_a_page_or_one_line(
    copied: Path, dataset: str, column: str, value: int
) -> None:
    forge(copied, dataset, column, value)
    for read in (lambda: run_page(open_run(copied), "x"), lambda: write_figures(open_run(copied), copied / "figures")):
        refused = None
        try:
            read()
        except LobSimError as error:
            refused = error
        if refused is not None:
            assert isinstance(refused, DataError)
            assert "\n" not in str(refused)
            assert str(copied) in str(refused)


def test_control_the_pages_of_a_run_of_ours_are_made_without_that_net(strange: Path, tmp_path: Path) -> None:
    """What catches any failure on a stranger's rows would hide our own: here nothing is caught."""
    ours = run(MARKET, out=tmp_path / "run", overrides=["horizon=2min", "shocks.0.at=1min"])
    assert "<html" in run_page.__wrapped__(ours, "x")  # type: ignore[attr-defined]
    assert write_figures.__wrapped__(ours, tmp_path / "figures").files  # type: ignore[attr-defined]
