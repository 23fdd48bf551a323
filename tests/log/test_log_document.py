"""What docs/logs.md shows is run: Python, SQL by DuckDB, and commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import pytest

from lob_sim import load_scenario, open_run, run
from lob_sim.cli.app import app

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "logs.md"
DAY = [
    ("34200.5,1,11,100,1000000,1", "1000200,50,1000000,100"),
    ("34201,1,12,70,1000300,-1", "1000200,50,1000000,100"),
    ("34209,4,7,20,1000200,-1", "1000200,30,1000000,100"),
]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run and the day that the document speaks of."""
    here = tmp_path_factory.mktemp("document")
    run(load_scenario("dealer_market", ["horizon=11min"]), out=here / "RUN")
    (here / "AMZN_message_1.csv").write_text("".join(f"{message}\n" for message, _ in DAY))
    (here / "AMZN_orderbook_1.csv").write_text("".join(f"{book}\n" for _, book in DAY))
    return here


def test_the_python_of_the_document_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    names: dict[str, object] = {"__name__": "document"}
    found = blocks("python")
    assert len(found) == 7
    for block in found:
        exec(compile(block, str(DOCUMENT), "exec"), names)
    assert not len(names["capital"])  # type: ignore[arg-type]  # nobody there has a balance sheet
    assert len(names["minutes"]) > 10  # type: ignore[arg-type]
    assert 0 < names["half_spread_ticks"] < 20  # type: ignore[operator]
    assert len(names["result"].fills) > 0  # type: ignore[attr-defined]


def test_the_sql_of_the_document_gives_what_pandas_gives(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    by_side, delays, last = (duckdb.execute(block).df() for block in blocks("sql"))
    logged = open_run("RUN")
    expected = logged.trades.groupby("aggressor_side")["qty_lots"].agg(["count", "sum"])
    assert by_side.set_index("aggressor_side").sort_index().values.tolist() == expected.values.tolist()
    filled = logged.orders.query("filled_lots > 0")
    assert dict(zip(delays["agent_id"], delays["orders"], strict=True)) == filled.groupby("agent_id").size().to_dict()
    assert (delays["milliseconds"] > 0).all()
    assert last["last_row"].tolist() == [logged.table("order_accepted")["seq"].max()]


def test_the_commands_of_the_document_work(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    commands = [words for line in lines if (words := shlex.split(line, comments=True))[:1] == ["lob-sim"]]
    assert {words[1] for words in commands} == {"replay", "rerun", "diff", "export", "import", "against", "pnl"}
    for words in commands:
        with pytest.raises(SystemExit) as ended:
            app(words[1:], prog_name="lob-sim", standalone_mode=True)
        said = capfd.readouterr()
        assert (int(ended.value.code or 0), said.err) == (int(words[1] == "diff"), ""), words
        assert said.out
