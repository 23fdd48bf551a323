"""The texts say what has to be known, and where to look."""

from __future__ import annotations

from log_streams import drive, header, mixed_stream

from lob_sim.feeds.lobster_replay import LobsterReport
from lob_sim.log import MemoryRecorder, Problem, Run, run_in_memory
from lob_sim.log.diff import diff
from lob_sim.messages import NewOrder, Side
from lob_sim.replay import Difference, Verification, verify
from lob_sim.replay.describe import describe_book, describe_diff, describe_lobster, describe_verification


def run_of(n: int) -> Run:
    memory = MemoryRecorder()
    drive(memory, mixed_stream(1, n), header())
    return run_in_memory(memory, header())


def test_a_verified_run_takes_one_line() -> None:
    (line,) = describe_verification(verify(run_of(50)))
    assert line.startswith("verified: ")
    assert "50 commands" in line or "commands driven anew" in line


def test_a_difference_shows_row_expectation_and_neighbours() -> None:
    rows = tuple(run_of(20).messages(to_seq=7))
    difference = Difference(4, "this trade is not what its command makes", rows[3], rows[5], rows)
    found = Verification("damaged", 7, 2, 5, (Problem("events/trade/part", "is missing"),), difference)
    text = "\n".join(describe_verification(found))
    assert "problem: events/trade/part: is missing" in text
    assert "first difference at row 4" in text
    assert f"> {rows[3].seq} at" in text
    assert "NOT verified" in text
    assert "the run is damaged" in text


def test_a_diff_tells_the_rows_and_the_figures() -> None:
    text = "\n".join(describe_diff(diff(run_of(50), run_of(40))))
    assert "2 nothing" in text
    assert "result rows.new_order: " in text
    assert describe_diff(diff(run_of(10), run_of(10)))[0].startswith("the same ")


def test_a_book_has_its_best_levels_in_the_middle() -> None:
    memory = MemoryRecorder()
    orders = [(Side.BUY, 5, 9990), (Side.BUY, 6, 9991), (Side.SELL, 7, 10001), (Side.SELL, 8, 10002)]
    stream = [(k, NewOrder(0, 1, k, side, lots, ticks)) for k, (side, lots, ticks) in enumerate(orders, 1)]
    drive(memory, stream, header())
    lines = describe_book(run_in_memory(memory, header()).book(), 1)
    assert [line.split() for line in lines[1:]] == [["ask", "100.01", "7", "1"], ["bid", "99.91", "6", "1"]]
    empty = describe_book(run_of(0).book(), 3)
    assert empty[1:] == ["  no asks", "  no bids"]


def test_a_lobster_report_names_the_first_mismatch() -> None:
    text = "\n".join(describe_lobster(LobsterReport(rows=10, matched_rows=9, first_mismatch="day.csv:7")))
    assert "9 of 10 rows exact" in text
    assert "day.csv:7" in text
