"""LOBSTER days whose clock, crosses or quotation marks were once read wrongly."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import pytest

from lob_sim.analysis.liquidity import lit_state
from lob_sim.errors import DataError
from lob_sim.feeds.lobster import read_lobster
from lob_sim.feeds.lobster_replay import LobsterReplay, header_of_day, import_lobster
from lob_sim.log import DirectoryRecorder, open_run
from lob_sim.replay import verify
from lob_sim.replay.backtest import trade_against

OPEN_S, CLOSE_S = 34_200, 57_600
TWAP = "strategies.twap:TwapTrader"


def write_day(folder: Path, rows: list[tuple[str, str]]) -> Path:
    path = folder / "TEST_2020-01-01_34200000_57600000_message_1.csv"
    path.write_text("".join(f"{message}\n" for message, _ in rows))
    books = "".join(f"{book}\n" for _, book in rows)
    path.with_name(path.name.replace("_message_", "_orderbook_")).write_text(books)
    return path


def long_day(folder: Path) -> Path:
    """From 09:30 to 16:00 always two-sided; every ten minutes the best bid is refreshed, hidden orders trade inside."""
    rows, bid = [(f"{OPEN_S},1,1,500,1000000,1", "1000200,500,1000000,500")], 500
    for k, time_s in enumerate(range(OPEN_S + 600, CLOSE_S, 600)):
        if k % 3 == 2:
            rows.append((f"{time_s}.5,5,0,40,1000100,1", f"1000200,500,1000000,{bid}"))
            continue
        bid += 10
        rows.append((f"{time_s},1,{k + 2},10,1000000,1", f"1000200,500,1000000,{bid}"))
    rows.append((f"{CLOSE_S},1,999,10,1000000,1", f"1000200,500,1000000,{bid + 10}"))
    return write_day(folder, rows)


def imported(path: Path, folder: Path) -> Path:
    day = read_lobster(path)
    with DirectoryRecorder(folder, header_of_day(day)) as recorder:
        assert import_lobster(day, recorder).exact
    return folder


def test_an_imported_day_from_0930_to_1600_lasts_six_and_a_half_hours_and_is_always_two_sided(tmp_path: Path) -> None:
    run = open_run(imported(long_day(tmp_path), tmp_path / "run"))
    assert verify(run).ok
    assert next(run.messages()).ts_ns == 0
    assert run.manifest.last_ts_ns == (CLOSE_S - OPEN_S) * 10**9 == 6.5 * 3600 * 10**9
    assert lit_state(run.quotes, 0, run.manifest.last_ts_ns).presence == 1.0


@pytest.mark.parametrize("slices", [8, 36])
def test_a_twap_gets_the_same_fills_against_the_imported_run_as_against_the_file(tmp_path: Path, slices: int) -> None:
    path = long_day(tmp_path)
    params = {"side": "sell", "parent_lots": 300, "duration": "6h", "slices": slices}
    fills = []
    for source in (path, imported(path, tmp_path / "run")):
        result = trade_against(source, TWAP, params, latency_ns=1_000_000)
        newcomer = int(result.run.agents["agent_id"].iloc[-1])
        table = result.run.table("order_filled")
        own = table[table["agent_id"] == newcomer]
        fills.append(own[["ts_event_ns", "price_ticks", "qty_lots"]].to_numpy().tolist())
    assert fills[0] == fills[1]
    # Spread over the day, not sold at its open.
    assert fills[0][-1][0] - fills[0][0][0] > 3 * 3600 * 10**9


def test_what_is_left_of_a_hidden_order_is_cancelled_against_the_imported_run_too(tmp_path: Path) -> None:
    path = long_day(tmp_path)
    reports = [
        trade_against(source, "strategies.fixed_spread:FixedSpreadDealer", {"half_spread_ticks": 1, "size_lots": 20})
        for source in (path, imported(path, tmp_path / "run"))
    ]
    assert reports[0].report == reports[1].report
    for result in reports:
        assert not result.run.book(0).orders["hidden"].any()


def test_a_cross_at_1000150_between_1000000_and_1000200_prints_100_015(tmp_path: Path) -> None:
    rows = [
        ("34200,1,1,500,1000000,1", "1000200,500,1000000,500"),
        ("34201,7,0,0,-1,-1", "1000200,500,1000000,500"),
        ("34202,6,-1,70,1000150,-1", "1000200,500,1000000,500"),
        ("34203,7,0,0,1,-1", "1000200,500,1000000,500"),
    ]
    day = read_lobster(write_day(tmp_path, rows))
    assert day.price_unit() == 50
    run = open_run(imported(write_day(tmp_path, rows), tmp_path / "run"))
    ticks = int(run.trades["price_ticks"].iloc[0])
    assert run.header.instruments[0].price(ticks) == pytest.approx(100.015)


@pytest.mark.parametrize("cross", ["0,1000150", "70,0", "70,-1"])
def test_control_a_cross_of_nothing_or_at_no_price_is_no_part_of_the_grid(tmp_path: Path, cross: str) -> None:
    rows = [
        ("34200,1,1,500,1000000,1", "1000200,500,1000000,500"),
        (f"34202,6,-1,{cross},-1", "1000200,500,1000000,500"),
    ]
    assert read_lobster(write_day(tmp_path, rows)).price_unit() == 200


@pytest.mark.parametrize("quoting", [csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("has_header", [False, True])
def test_a_pair_whose_fields_are_quoted_is_read_from_its_first_row(
    tmp_path: Path, quoting: Literal[1, 2], has_header: bool
) -> None:
    path = long_day(tmp_path)
    plain = read_lobster(path)
    for file in (path, path.with_name(path.name.replace("_message_", "_orderbook_"))):
        cells = list(csv.reader(file.read_text().splitlines()))
        if has_header:
            cells.insert(0, [f"column {k}" for k in range(len(cells[0]))])
        with file.open("w", newline="") as out:
            csv.writer(out, quoting=quoting).writerows(cells)
    quoted = read_lobster(path)
    assert quoted.rows == plain.rows
    assert quoted.first_line == 1 + has_header
    assert (quoted.book == plain.book).all()
    assert (quoted.ts_ns == plain.ts_ns).all()
    assert LobsterReplay(quoted).run().exact


@pytest.mark.parametrize("has_header", [False, True])
def test_a_byte_order_mark_is_no_part_of_a_pair(tmp_path: Path, has_header: bool) -> None:
    path = long_day(tmp_path)
    book = path.with_name(path.name.replace("_message_", "_orderbook_"))
    plain = read_lobster(path)
    for file in (path, book):
        text = file.read_text()
        if has_header:
            text = ",".join(f"column {k}" for k in range(text.splitlines()[0].count(",") + 1)) + "\n" + text
        file.write_text(text, encoding="utf-8-sig")
    marked = read_lobster(path)
    assert marked.rows == plain.rows
    assert (marked.book == plain.book).all()
    assert (marked.ts_ns == plain.ts_ns).all()


@pytest.mark.parametrize("before", ["\ufeff\ufeff", "é"])
def test_other_characters_before_a_pair_are_refused(tmp_path: Path, before: str) -> None:
    path = long_day(tmp_path)
    path.write_text(before + path.read_text(), encoding="utf-8")
    with pytest.raises(DataError, match="cannot be read"):
        read_lobster(path)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("'34200','1','1','500','1000000','1'", "time is|column"),
        ("$1,$2,$3,$4,$5,$6", "time is|column"),
        (",,,,,", "time is|column"),
    ],
)
def test_a_first_row_that_is_neither_numbers_nor_names_is_refused_and_not_left_out(
    tmp_path: Path, first: str, expected: str
) -> None:
    path = long_day(tmp_path)
    path.write_text(f"{first}\n{path.read_text()}")
    with pytest.raises(DataError, match=expected) as caught:
        read_lobster(path)
    assert caught.value.where == f"{path}:1"
