"""Tables and books of a run against a plain walk through the engine's own answers."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from log_streams import drive, header, mixed_stream, use_small_blocks

from lob_sim.errors import DataError, InputError
from lob_sim.log import DirectoryRecorder, MemoryRecorder, Run, open_run, run_in_memory
from lob_sim.log.venues import venues_of
from lob_sim.messages import (
    Command,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderReplaced,
    RfqTraded,
    Trade,
)

N_COMMANDS = 3000


@pytest.fixture(scope="module")
def run() -> Run:
    memory = MemoryRecorder()
    drive(memory, mixed_stream(21, N_COMMANDS, 2), header(2))
    return run_in_memory(memory, header(2))


def test_trades_are_the_prints(run: Run) -> None:
    prints = list(run.messages(Trade))
    assert len(run.trades) == len(prints) > 100
    assert run.trades["seq"].tolist() == [row.seq for row in prints]
    assert run.trades["price_ticks"].tolist() == [row.message.price_ticks for row in prints]  # type: ignore[attr-defined]
    assert len(run.rfq_trades) == len(list(run.messages(RfqTraded))) > 0


def test_the_life_of_every_order(run: Run) -> None:
    lives: dict[tuple[int, int], dict[str, int | str]] = {}
    for row in run.messages(OrderAccepted, OrderFilled, OrderCanceled, OrderReplaced):
        event = row.message
        key = (event.instrument_id, event.order_id)  # type: ignore[attr-defined]
        if isinstance(event, OrderAccepted):
            lives[key] = {"n_fills": 0, "filled_lots": 0, "canceled_lots": 0, "n_replaced": 0, "end": "open"}
            lives[key] |= {"ts_end_ns": -1, "qty_lots": event.qty_lots, "value": 0}
            continue
        life = lives[key]
        if isinstance(event, OrderReplaced):
            life["n_replaced"] += 1  # type: ignore[operator]
            continue
        if isinstance(event, OrderFilled):
            life["n_fills"] += 1  # type: ignore[operator]
            life["filled_lots"] += event.qty_lots  # type: ignore[operator]
            life["value"] += event.qty_lots * event.price_ticks  # type: ignore[operator]
        elif isinstance(event, OrderCanceled):
            life["canceled_lots"] += event.qty_lots  # type: ignore[operator]
        if not event.leaves_qty_lots:  # type: ignore[attr-defined]
            life |= {
                "end": "filled" if isinstance(event, OrderFilled) else "canceled",
                "ts_end_ns": event.ts_event_ns,  # type: ignore[attr-defined]
            }
    orders = run.orders.set_index(["instrument_id", "order_id"])
    assert len(orders) == len(lives) > 500
    assert {"filled", "canceled", "open"} == set(orders["end"])
    for key, life in lives.items():
        value = life.pop("value")
        assert {name: orders.loc[key, name] for name in life} == life, key
        if life["filled_lots"]:
            assert orders.loc[key, "average_fill_ticks"] == pytest.approx(value / life["filled_lots"])  # type: ignore[operator]


def test_the_book_at_any_row_and_time_is_the_engine_at_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_blocks(monkeypatch, 700)
    monkeypatch.setattr("lob_sim.log.book_index._FEWEST_COMMANDS", 300)
    with DirectoryRecorder(tmp_path / "run", header(2)) as disk:
        drive(disk, mixed_stream(22, N_COMMANDS, 2), header(2))
    run = open_run(tmp_path / "run")
    venues = venues_of(header(2))
    rows = [(row.seq, row.ts_ns, row.message) for row in run.messages(Command)]
    wanted = set(random.Random(1).sample(range(len(rows)), 60))
    tops: list[tuple[int, ...]] = []
    for k, (seq, ts_ns, command) in enumerate(rows):
        assert isinstance(command, Command)
        venues.process(command, ts_ns)
        for i, engine in enumerate(venues.books):
            if engine.top_changed:
                tops.append((seq, ts_ns, i, *engine.take_top()))
        if k in wanted:
            for i, engine in enumerate(venues.books):
                depth = engine.book.depth(1000)
                book = run.book(i, seq=seq)
                assert (book.bids, book.asks) == depth
                assert book.phase is engine.phase
                assert len(book.orders) == len(engine.book.orders)
                if k + 1 == len(rows) or rows[k + 1][1] > ts_ns:
                    at = run.book(i, at=ts_ns)
                    assert (at.bids, at.asks) == depth
                    assert at.seq <= seq
    assert len(tops) > 500
    columns = ["seq", "ts_event_ns", "instrument_id", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"]
    pd.testing.assert_frame_equal(run.quotes, pd.DataFrame(tops, columns=columns))


def test_depth_on_a_grid_of_times_is_the_book_at_those_times(run: Run) -> None:
    every_ns = run.manifest.last_ts_ns // 7
    depth = run.depth("CORP", levels=3, every=every_ns)
    assert len(depth) == 8
    for row in depth.to_dict("records"):
        book = run.book("CORP", at=row["ts_event_ns"])
        for side, levels in (("bid", book.bids), ("ask", book.asks)):
            padded = [*levels[:3], *[(0, 0, 0)] * 3][:3]
            assert [(row[f"{side}_ticks_{i}"], row[f"{side}_lots_{i}"]) for i in (1, 2, 3)] == [p[:2] for p in padded]


def test_times_may_be_written_as_people_do(run: Run) -> None:
    assert run.book("BOND", at="1.5s").ts_ns == run.book("BOND", at=1_500_000_000).ts_ns <= 1_500_000_000


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run: run.table("trads"), "did you mean 'trade'"),
        (lambda run: run.book("BOMD"), "did you mean 'BOND'"),
        (lambda run: run.book(), "which instrument"),
        (lambda run: run.book(5), "no instrument has the number 5"),
        (lambda run: run.book(0, at=-1), "before the run begins"),
        (lambda run: run.book(0, seq=-1), "not the number of a row"),
        (lambda run: run.depth(0, levels=0, every=10), "positive number of levels"),
        (lambda run: run.depth(0, levels=1, every="1ns"), r"every 1 ns \(nanoseconds\).*at most 25,000,000"),
        (lambda run: run.depth(0, levels=10**9, every="1s"), "at most 25,000,000"),
        (lambda run: run.table(None), "expected the name of a dataset, got None"),
        (lambda run: run.table(["trade"]), "expected the name of a dataset"),
        (lambda run: run.arrow(3), "expected the name of a dataset, got 3"),
    ],
)
def test_a_wrong_question_says_what_was_expected(run: Run, ask: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ask(run)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda run, wrong: run.book(0, at=wrong), "time: expected nanoseconds"),
        (lambda run, wrong: run.book(0, seq=wrong), "seq: expected a row's number"),
        (lambda run, wrong: run.book(wrong), "instrument: expected the name or number"),
        (lambda run, wrong: run.depth(0, levels=wrong, every="1s"), "levels: expected a whole number"),
        (lambda run, wrong: run.depth(0, every=wrong), "every: expected nanoseconds"),
        (lambda run, wrong: run.pnl(settle=wrong), "settle: expected nanoseconds"),
        (lambda run, wrong: run.pnl(agent=wrong), "agent: expected the name"),
        (lambda run, wrong: run.pnl(wrong), "by: expected one or more of"),
        (lambda run, wrong: run.pnl((wrong,)), "by: expected one or more of"),
    ],
)
@pytest.mark.parametrize("wrong", [1.5, 0.0, float("nan"), True, 10**30, [], (), b"1"])
def test_an_argument_of_another_kind_is_its_callers_error_and_not_the_folders(
    run: Run, ask: Any, message: str, wrong: Any
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ask(run, wrong)
    assert "rows that do not fit" not in str(caught.value)


def test_numpys_whole_numbers_are_as_good_as_pythons(run: Run) -> None:
    first: Any = np.int8(0)
    two: Any = np.int64(2)
    second: Any = np.int64(10**9)
    assert run.book(first, at=second).seq == run.book(0, at=10**9).seq
    assert run.book(0, seq=two).seq == 2
    assert run.depth(0, levels=two, every=second).equals(run.depth(0, levels=2, every=10**9))
    assert run.pnl(settle=second).equals(run.pnl(settle="1s"))


def test_a_dataset_without_rows_is_an_empty_table_with_its_columns(run: Run) -> None:
    table = run.table("dealer_defaulted")
    assert table.empty
    assert "tier1_cash" in table.columns
