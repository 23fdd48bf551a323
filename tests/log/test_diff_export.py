"""Comparing two runs, and handing a run to other tools."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec
import pandas as pd
import pytest
from log_streams import drive, header, mixed_stream, use_small_blocks

from lob_sim.errors import InputError, OutputError
from lob_sim.feeds.export import export_run
from lob_sim.log import DirectoryRecorder, MemoryRecorder, Run, open_run, run_in_memory
from lob_sim.log.diff import diff
from lob_sim.messages import CancelOrder, Command


def run_of(stream: list[tuple[int, Command]], seed: int = 1, **scenario: object) -> Run:
    memory = MemoryRecorder()
    head = header(2, seed)
    drive(memory, stream, head)
    return run_in_memory(memory, msgspec.structs.replace(head, scenario=scenario))


def test_equal_runs_have_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_blocks(monkeypatch, 100)
    stream = list(mixed_stream(1, 400, 2))
    compared = diff(run_of(stream), run_of(stream))
    assert compared.same
    assert compared.same_rows == run_of(stream).last_seq
    assert compared.inputs == compared.summaries == ()


@pytest.mark.parametrize("position", [0, 1, 150, 399])
def test_the_first_row_that_differs_is_found(monkeypatch: pytest.MonkeyPatch, position: int) -> None:
    use_small_blocks(monkeypatch, 100)
    stream = list(mixed_stream(1, 400, 2))
    changed = list(stream)
    changed[position] = (stream[position][0], CancelOrder(0, 5, client_order_id=10**6))
    first, second = run_of(stream), run_of(changed, seed=2)
    compared = diff(first, second)
    assert not compared.same
    assert compared.first is not None
    assert compared.second is not None
    assert compared.second.message == changed[position][1]
    assert compared.first.message == stream[position][1]
    assert compared.same_rows == compared.first.seq - 1 == compared.second.seq - 1
    assert list(first.messages(to_seq=compared.same_rows)) == list(second.messages(to_seq=compared.same_rows))
    assert [row.seq for row in compared.context] == list(range(max(1, compared.same_rows - 4), compared.same_rows + 1))
    assert [(change.what, change.first, change.second) for change in compared.inputs] == [("seed_entropy", 1, 2)]
    assert any(change.what.startswith("rows.") for change in compared.summaries)


def test_a_run_that_ends_earlier_differs_by_what_it_lacks() -> None:
    stream = list(mixed_stream(1, 400, 2))
    whole, cut = run_of(stream), run_of(stream[:300])
    compared = diff(whole, cut)
    assert compared.second is None
    assert compared.first is not None
    assert compared.same_rows == cut.last_seq


def test_scenarios_are_compared_leaf_by_leaf_and_lists_by_name() -> None:
    stream = list(mixed_stream(1, 10, 2))
    dealers, funds = {"name": "dealers", "count": 4}, {"name": "funds", "count": 2}
    first = run_of(stream, agents=[dealers, funds], horizon="1s")
    second = run_of(stream, agents=[funds, {**dealers, "count": 5}], horizon="1s")
    assert diff(first, second).inputs == (("scenario.agents.dealers.count", 4, 5),)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    use_small_blocks(monkeypatch, 200)
    with DirectoryRecorder(tmp_path / "run", header(2)) as disk:
        drive(disk, mixed_stream(5, 600, 2), header(2))
    return open_run(tmp_path / "run")


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_exported_tables_are_read_back_by_another_tool(run: Run, tmp_path: Path, format: str) -> None:
    files = export_run(run, tmp_path / "out", format)
    assert {path.stem for path in files} == {*run.counts, "orders", "quotes"}
    for name in ("trade", "new_order", "fair_value", "rfq_opened", "orders", "quotes"):
        ours = {"orders": run.orders, "quotes": run.quotes}[name] if name in ("orders", "quotes") else run.table(name)
        theirs = duckdb.execute(f"from '{tmp_path}/out/{name}.{format}'").df()
        assert list(theirs.columns) == list(ours.columns)
        assert len(theirs) == len(ours) > 0
        for column in ours.columns:
            if column == "dealer_ids":
                texts = ours[column].map(lambda ids: " ".join(map(str, ids)))
                expected = texts.tolist() if format == "csv" else ours[column].map(list).tolist()
                assert [x if format == "csv" else list(x) for x in theirs[column]] == expected
            else:
                pd.testing.assert_series_equal(theirs[column], ours[column], check_dtype=False, check_index=False)


def test_duckdb_reads_a_run_directory_as_it_is(run: Run) -> None:
    query = f"select count(*), sum(qty_lots) from '{run.path}/events/trade/*.parquet'"
    assert duckdb.execute(query).fetchall() == [(len(run.trades), run.trades["qty_lots"].sum())]


def test_every_instrument_is_exported_as_a_pair(run: Run, tmp_path: Path) -> None:
    names = sorted(path.name for path in export_run(run, tmp_path / "out", "lobster"))
    assert [name.split("_")[0] for name in names] == ["BOND", "BOND", "CORP", "CORP"]


def test_a_wrong_format_or_place_is_an_error(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="csv, parquet, lobster"):
        export_run(run, tmp_path, "xml")
    (tmp_path / "file").write_text("")
    for format in ("csv", "lobster"):
        with pytest.raises(OutputError, match="file"):
            export_run(run, tmp_path / "file", format)
