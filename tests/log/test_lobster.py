"""LOBSTER files: real days replayed exactly, constructed ones of every type, malformed ones refused."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from log_streams import drive, header, mixed_stream

from lob_sim.errors import DataError
from lob_sim.feeds.lobster import MessageType, read_lobster
from lob_sim.feeds.lobster_export import export_lobster
from lob_sim.feeds.lobster_replay import LobsterReplay, header_of_day, import_lobster
from lob_sim.log import DirectoryRecorder, MemoryRecorder, open_run, run_in_memory
from lob_sim.messages import NewOrder, Phase, Side, Trade
from lob_sim.replay import verify
from lob_sim.replay.history import flow_of_lobster
from lob_sim.venue.matching import MatchingEngine

DATA = Path(os.environ.get("LOB_SIM_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "lobster"
AAPL = DATA / "AAPL_L10_1000" / "AAPL_2012-06-21_34200000_57600000_message_10.csv"
AMZN = DATA / "AMZN_L1" / "AMZN_2012-06-21_34200000_57600000_message_1.csv"
needs_data = pytest.mark.skipif(not AAPL.exists(), reason="the sample days are not here: set LOB_SIM_DATA")

EMPTY = "9999999999,0,-9999999999,0"


def book_of(path: Path) -> Path:
    return path.with_name(path.name.replace("_message_", "_orderbook_"))


def write_pair(folder: Path, rows: list[tuple[str, str]], levels: int = 2) -> Path:
    """A message and an orderbook file of (message, book) rows; short book rows are filled up."""
    path = folder / f"TEST_2020-01-01_0_1_message_{levels}.csv"
    path.write_text("".join(message + "\n" for message, _ in rows))
    books = [",".join([book, EMPTY][:1] if book.count(",") == 4 * levels - 1 else [book, EMPTY]) for _, book in rows]
    book_of(path).write_text("".join(book + "\n" for book in books))
    return path


ALL_TYPES = [
    ("10.5,1,11,100,1000000,1", "1000200,50,1000000,100"),
    ("10.500000001,1,12,70,1000300,-1", "1000200,50,1000000,100,1000300,70,-9999999999,0"),
    ("11,2,11,40,1000000,1", "1000200,50,1000000,60,1000300,70,-9999999999,0"),
    ("12,5,0,30,1000100,1", "1000200,50,1000000,60,1000300,70,-9999999999,0"),
    ("13,4,7,20,1000200,-1", "1000200,30,1000000,60,1000300,70,-9999999999,0"),
    ("13,4,7,30,1000200,-1", "1000300,70,1000000,60"),
    ("14,7,0,0,-1,-1", "1000300,70,1000000,60"),
    ("15,1,13,10,1000400,1", "1000300,70,1000400,10,9999999999,0,1000000,60"),
    ("16,7,0,0,0,-1", "1000300,70,1000400,10,9999999999,0,1000000,60"),
    ("17,6,-1,10,1000300,-1", "1000300,70,1000400,10,9999999999,0,1000000,60"),
    ("17,3,13,10,1000400,1", "1000300,70,1000000,60"),
    ("17,2,12,10,1000300,-1", "1000300,60,1000000,60"),
    ("17,7,0,0,1,-1", "1000300,60,1000000,60"),
    ("18,3,12,60,1000300,-1", "9999999999,0,1000000,60"),
]


@needs_data
def test_the_ten_level_extract_matches_on_every_row() -> None:
    report = LobsterReplay(read_lobster(AAPL)).run()
    assert (report.rows, report.matched_rows) == (998, 998)
    assert report.matched_cells == report.predicted_cells
    # Of 40 cells a row, all but those that came into sight from beyond the tenth level.
    assert report.predicted_cells + report.adopted_cells == 998 * 40
    assert report.adopted_cells < 0.02 * 998 * 40
    assert report.hidden_matched == report.messages["hidden_execution"] == 61
    assert report.unexplained == report.out_of_turn == 0


@needs_data
def test_the_full_day_matches_on_every_predicted_cell() -> None:
    day = read_lobster(AMZN)
    replay = LobsterReplay(day)
    report = replay.run()
    assert report.rows == day.rows - 1 == 57_514
    assert report.exact
    assert report.predicted_cells + report.adopted_cells == report.rows * 4
    # Only a message that empties the one level in sight leaves a level unknown, two cells for each.
    emptied = 0
    before = day.book[:-1, 0]
    for row, (ask, ask_size, bid, bid_size) in enumerate(before.tolist(), 1):
        takes = day.type[row] in (2, 3, 4)
        at_ask = day.direction[row] == -1 and (day.price[row], day.size[row]) == (ask, ask_size)
        at_bid = day.direction[row] == 1 and (day.price[row], day.size[row]) == (bid, bid_size)
        emptied += bool(takes and (at_ask or at_bid))
    assert report.adopted_cells == 2 * emptied
    assert report.unexplained == 0
    assert report.hidden_matched + report.hidden_prints == 2445
    replay.engine.check()


@needs_data
@pytest.mark.parametrize("column", ["price", "size", "direction", "type"])
def test_a_wrong_message_does_not_match(column: str) -> None:
    day = read_lobster(AAPL)
    row = int(np.flatnonzero(day.type[:500] == MessageType.SUBMISSION)[-1])
    change = {"price": 100, "size": 1, "direction": -2 * int(day.direction[row]), "type": 2}[column]
    values = getattr(day, column).copy()
    values[row] += change
    report = LobsterReplay(msgspec.structs.replace(day, **{column: values})).run()
    assert not report.exact
    assert report.first_mismatch == f"{AAPL}:{row + 1}"


@needs_data
def test_a_wrong_book_does_not_match() -> None:
    day = read_lobster(AAPL)
    book = day.book.copy()
    book[300, 4, 1] += 1
    report = LobsterReplay(msgspec.structs.replace(day, book=book)).run()
    # The wrong cell itself, and the right one after it, which is a change that no message explains.
    assert report.predicted_cells - report.matched_cells == 2
    assert report.first_mismatch == f"{AAPL}:301"


@needs_data
def test_an_imported_day_is_a_run_like_any_other(tmp_path: Path) -> None:
    day = read_lobster(AAPL)
    with DirectoryRecorder(tmp_path / "run", header_of_day(day)) as disk:
        report = import_lobster(day, disk)
    run = open_run(tmp_path / "run")
    assert verify(run).ok
    executed = int(day.size[(day.type == 4) | (day.type == 5)].sum())
    assert int(run.trades["qty_lots"].sum()) == executed
    assert report.exact
    last = day.book[-1]
    book = run.book("AAPL")
    assert [(p * 100, q) for p, q, _ in book.asks[:10]] == [(a, s) for a, s, _, _ in last.tolist()]
    assert [(p * 100, q) for p, q, _ in book.bids[:10]] == [(b, s) for _, _, b, s in last.tolist()]


@needs_data
def test_the_flow_of_a_day_trades_as_it_did_and_changes_with_a_newcomer() -> None:
    day = read_lobster(AAPL)
    executed = int(day.size[(day.type == 4) | (day.type == 5)].sum())
    for newcomer in (False, True):
        flow = flow_of_lobster(day, agent_id=5)
        engine = MatchingEngine(0)
        traded = 0
        for k, (ts_ns, command) in enumerate(flow):
            if not k:
                assert ts_ns == 0
            if newcomer and k == 100:
                # In front of everybody who sells, for as long as a thousand shares last.
                engine.process(NewOrder(0, 9, 1, Side.SELL, 1000, engine.book.top()[0] + 1), ts_ns)
            events = engine.process(command, ts_ns)
            for event in events:
                flow.observe(event)
            traded += sum(e.qty_lots for e in events if isinstance(e, Trade))
        report = flow.report()
        if newcomer:
            assert report.orders_changed > 0
            assert report.filled_less_lots > 0
        else:
            assert traded == executed
            assert report[2:7] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("with_header", [False, True])
def test_every_type_has_its_effect(tmp_path: Path, with_header: bool) -> None:
    path = write_pair(tmp_path, ALL_TYPES)
    if with_header:
        for file, names in ((path, "Time,Type,OrderID,Size,Price,Direction"), (None, ",".join("abcdefgh"))):
            file = file or book_of(path)
            file.write_text(names + "\n" + file.read_text())
    day = read_lobster(path)
    assert day.ts_ns[:3].tolist() == [10_500_000_000, 10_500_000_001, 11_000_000_000]
    assert set(day.type.tolist()) == {1, 2, 3, 4, 5, 6, 7}
    replay = LobsterReplay(day)
    phases, prints = [], []
    for _, _, events in replay:
        phases.append(replay.engine.phase)
        prints += [(e.price_ticks, e.qty_lots, e.aggressor_side) for e in events if isinstance(e, Trade)]
    report = replay.report
    assert report.exact, report
    assert report.rows == len(ALL_TYPES) - 1
    assert Phase.HALTED in phases
    assert phases[-1] is Phase.CONTINUOUS
    assert prints == [
        (10001, 30, Side.SELL),
        (10002, 20, Side.BUY),
        (10002, 30, Side.BUY),
        (10003, 10, Side.BUY),
    ]
    # Order 7 is older than the file.
    assert (report.old_orders, report.hidden_matched, report.unexplained) == (2, 1, 0)


@pytest.mark.parametrize(
    ("line", "message", "expected"),
    [
        (2, "10.5,8,12,70,1000300,-1", "type is 8"),
        (2, "10.5,1,12,70,1000300,2", "direction is 2"),
        (2, "10.5,1,12,-70,1000300,-1", "size is -70"),
        (2, "10.5,1,12,70,0,-1", "price is 0"),
        (2, "10.4,1,12,70,1000300,-1", "before that of the row above"),
        (3, "1e1,2,11,40,1000000,1", "seconds after midnight"),
        (3, "11.0000000001,2,11,40,1000000,1", "at most nine decimals"),
        (3, "11,2,11,forty,1000000,1", "column 4 is 'forty'"),
        (3, "11,2,11,4.5,1000000,1", "column 4 is '4.5'"),
        (3, "11,2,11,40,1000000", "has 5 columns"),
        (3, "", "has 1 columns"),
        (7, "14,7,0,0,5,-1", "price of a halt"),
    ],
)
def test_a_malformed_message_names_file_and_line(tmp_path: Path, line: int, message: str, expected: str) -> None:
    rows = list(ALL_TYPES)
    rows[line - 1] = (message, rows[line - 1][1])
    path = write_pair(tmp_path, rows)
    with pytest.raises(DataError, match=expected) as caught:
        read_lobster(path)
    assert caught.value.where == f"{path}:{line}"


@pytest.mark.parametrize(
    ("line", "book", "expected"),
    [
        (3, "1000200,-50,1000000,60,1000300,70,-9999999999,0", "negative size"),
        (3, "1000400,50,1000000,60,1000300,70,-9999999999,0", "ask levels that are not in order"),
        (3, "1000200,50,1000000,60,1000300,70,1000000,5", "bid levels that are not in order"),
        (3, "1000200,x,1000000,60,1000300,70,-9999999999,0", "column 2 is 'x'"),
    ],
)
def test_a_malformed_book_names_file_and_line(tmp_path: Path, line: int, book: str, expected: str) -> None:
    rows = list(ALL_TYPES)
    rows[line - 1] = (rows[line - 1][0], book)
    path = write_pair(tmp_path, rows)
    with pytest.raises(DataError, match=expected) as caught:
        read_lobster(path)
    assert caught.value.where == f"{book_of(path)}:{line}"


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    path = write_pair(tmp_path, ALL_TYPES)
    book = book_of(path)
    book.write_text("".join(book.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(DataError, match="has 13 rows; the message file has 14"):
        read_lobster(path)
    book.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_lobster(path)
    path.write_text("")
    with pytest.raises(DataError, match="is empty"):
        read_lobster(path)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 400), levels=st.sampled_from([1, 3, 10, 50]))
def test_what_we_export_is_read_back_to_the_same_book(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, levels: int
) -> None:
    memory = MemoryRecorder()
    drive(memory, mixed_stream(seed, n), header())
    run = run_in_memory(memory, header())
    path, _ = export_lobster(run, tmp_path_factory.mktemp("lobster"), levels=levels)
    if not path.stat().st_size:
        assert run.book().bids == run.book().asks == []
        return
    day = read_lobster(path)
    assert day.levels == levels
    replay = LobsterReplay(day)
    report = replay.run()
    assert report.exact, report
    ticks_per_ours = replay.price_unit // 100
    ours, theirs = replay.engine.book.depth(levels), run.book()
    for mine, original in zip(ours, (theirs.bids, theirs.asks), strict=True):
        assert [(p * ticks_per_ours, q) for p, q, _ in mine] == [(p, q) for p, q, _ in original[:levels]]
    if levels == 50:
        # Everything is in sight, so every execution must meet the very order that it met, in its place in the
        # queue.
        assert (report.adopted_levels, report.out_of_turn, report.old_orders, report.unexplained) == (
            0,
            0,
            0,
            0,
        )
        visible = {MessageType.EXECUTION, MessageType.HIDDEN_EXECUTION, MessageType.CROSS_TRADE}
        assert sum(report.messages[kind.name.lower()] for kind in visible) == len(run.trades)
        assert int(day.size[np.isin(day.type, list(visible))].sum()) == int(run.trades["qty_lots"].sum())


def test_ticks_that_lobster_cannot_write_are_refused(tmp_path: Path) -> None:
    memory = MemoryRecorder()
    drive(memory, mixed_stream(1, 10), header())
    head = header()
    finer = msgspec.structs.replace(head.instruments[0], tick_size=head.instruments[0].tick_size / 256)
    run = run_in_memory(memory, msgspec.structs.replace(head, instruments=(finer,)))
    with pytest.raises(DataError, match=r"multiples of 0\.0001"):
        export_lobster(run, tmp_path)
    with pytest.raises(DataError, match="1 to 50 levels"):
        export_lobster(run_in_memory(memory, head), tmp_path, levels=51)
