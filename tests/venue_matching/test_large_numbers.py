"""Quantities and prices up to 2^53, books full of them, and icebergs of countless slices."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from command_stream import CommandStream
from differential import Pair
from worded_engine import BUY, MARKET, SELL, STOP_LIMIT, Desk

from lob_sim.analysis.flow import vpin
from lob_sim.analysis.liquidity import lit_share
from lob_sim.log.blocks import encode_events
from lob_sim.log.tables import exact_sum, order_table
from lob_sim.messages import (
    AuctionUncrossed,
    CancelOrder,
    Event,
    NewOrder,
    OrderFilled,
    OrderReplaced,
    OrderType,
    Phase,
    PhaseChanged,
    ReduceOrder,
    ReplaceOrder,
    SetPhase,
    Trade,
)
from lob_sim.venue.bands import PriceBand
from lob_sim.venue.matching import MatchingEngine

LARGEST = 2**53
COIN = 10**8

# --- how large a number may be ------------------------------------------------------------------------------


def test_ninety_coins_dealt_in_units_of_a_hundred_millionth_are_a_quantity(desk: Desk) -> None:
    assert desk.new(1, SELL, 90 * COIN, 101) == ["accepted #1"]
    assert desk.new(2, BUY, 40 * COIN, 101)[1:] == ["trade 4000000000@101 #2 buy from #1"]
    assert desk.reduce(1, 1, 10 * COIN) == ["canceled #1 1000000000 leaves 4000000000 BY_OWNER"]
    assert desk.replace(1, 1, 95 * COIN, 101) == ["replaced #1 9500000000@101 anew"]
    assert desk.engine.book.top() == (0, 0, 101, 95 * COIN)


def test_quantities_and_prices_reach_two_to_the_53(desk: Desk) -> None:
    assert desk.new(1, SELL, LARGEST, LARGEST) == ["accepted #1"]
    assert desk.new(1, SELL, LARGEST + 1, LARGEST) == ["rejected INVALID_QTY"]
    assert desk.new(1, SELL, LARGEST, LARGEST + 1) == ["rejected INVALID_PRICE"]
    assert desk.new(2, BUY, LARGEST, order_type=MARKET)[1:] == [f"trade {LARGEST}@{LARGEST} #2 buy from #1"]


# --- the same at any scale ----------------------------------------------------------------------------------

_PRICES = ("price_ticks", "stop_price_ticks", "reference_price_ticks")
_LOTS = ("qty_lots", "display_qty_lots", "leaves_qty_lots", "imbalance_lots")


def scaled(message: Any, price: int, lots: int) -> Any:
    """A message with every price and quantity multiplied; nonsense stays as it is."""
    factors = {**dict.fromkeys(_PRICES, price), **dict.fromkeys(_LOTS, lots)}
    changes = {
        name: getattr(message, name) * factor
        for name, factor in factors.items()
        if name in message.__struct_fields__ and type(getattr(message, name)) is int
    }
    return msgspec.structs.replace(message, **changes)


@pytest.mark.parametrize(("price", "lots"), [(2**45, 2**47), (3, 2**47 - 1), (2**45 - 1, 1)])
@pytest.mark.parametrize("seed", range(6))
def test_a_market_a_trillion_times_as_large_does_the_same(seed: int, price: int, lots: int) -> None:
    """Both engines agree on small numbers; multiplied, all that the engine says is multiplied and nothing else."""
    step = (1, 2, 5)[seed % 3]
    pair = Pair(Phase.CONTINUOUS, (4 * step, 5), 100, step)
    large = MatchingEngine(
        0, price_band=PriceBand(4 * step * price, 5), reference_price_ticks=100 * price, price_step_ticks=step * price
    )
    stream = CommandStream(seed, step)
    n_trades = 0
    for i in range(1_500):
        command = stream.next(pair.naive)
        if 2**30 in msgspec.structs.astuple(command):
            continue  # nonsense of the stream that would not be any, were it not multiplied
        expected = [scaled(event, price, lots) for event in pair.process(command)]
        assert large.process(scaled(command, price, lots), pair.now_ns) == expected, (i, command)
        n_trades += sum(isinstance(event, Trade) for event in expected)
        if i % 50 == 0:
            large.check()
    assert n_trades > 100


# --- sums fit the log ---------------------------------------------------------------------------------------


def full_book() -> tuple[MatchingEngine, int]:
    """An auction that has collected as many of the largest orders as a book may hold, and how many that is."""
    engine = MatchingEngine(0, phase=Phase.AUCTION)
    n = 2**62 // LARGEST
    for i in range(1, n + 1):
        assert len(engine.process(NewOrder(0, 1, i, BUY, LARGEST, LARGEST), i)) == 1
        assert engine.book.bids.top() == (LARGEST, i * LARGEST)
    return engine, n


def test_what_a_book_holds_in_all_fits_the_log_and_one_order_more_is_refused() -> None:
    engine, n = full_book()
    (refused,) = engine.process(NewOrder(0, 1, n + 1, SELL, LARGEST, 1), 0)
    assert type(refused).__name__ == "OrderRejected"
    # It has used up no id; and there is room again once something has left.
    engine.process(ReduceOrder(0, 1, LARGEST - 1, 1), 0)
    (accepted,) = engine.process(NewOrder(0, 1, n + 1, BUY, LARGEST - 1, LARGEST), 0)
    assert type(accepted).__name__ == "OrderAccepted"
    (refused,) = engine.process(ReplaceOrder(0, 1, LARGEST, LARGEST, 1), 0)
    assert type(refused).__name__ == "OrderRejected"
    # Small orders are not counted, and cannot matter.
    engine.process(NewOrder(0, 2, 1, SELL, 7, 1), 0)
    events = engine.process(SetPhase(0, Phase.CONTINUOUS), 1)
    uncrossed = next(event for event in events if isinstance(event, AuctionUncrossed))
    assert (uncrossed.qty_lots, uncrossed.imbalance_lots) == (7, 2**62 - 7)
    engine.check()
    encode(events)


def encode(events: list[Event]) -> Any:
    numbers = np.arange(1, len(events) + 1)
    return encode_events(events, numbers, np.zeros_like(numbers))


def test_both_engines_refuse_what_a_full_book_cannot_take() -> None:
    pair = Pair(Phase.AUCTION)
    for i in range(1, 530):
        pair.process(NewOrder(0, 1, i, BUY if i % 2 else SELL, LARGEST - i % 3, 100 + i % 2))
    pair.process(ReplaceOrder(0, 1, LARGEST, 99, 2))
    pair.process(CancelOrder(0, 1, 5))
    pair.process(NewOrder(0, 1, 600, BUY, LARGEST, 100))
    pair.process(NewOrder(0, 1, 601, BUY, 2**30, 100))
    pair.process(NewOrder(0, 1, 602, BUY, 2**30 - 1, 100))
    pair.compare_books()
    assert pair.engine.process(SetPhase(0, Phase.CONTINUOUS), 9) == pair.naive.process(SetPhase(0, Phase.CONTINUOUS), 9)


def test_values_and_volumes_of_the_largest_trades_are_summed_exactly() -> None:
    engine = MatchingEngine(0)
    n, events, commands = 3, [], []
    for i in range(1, n + 1):
        for agent, side in ((1, SELL), (2, BUY)):
            commands.append(NewOrder(0, agent, i, side, LARGEST, LARGEST - i))
            events += engine.process(commands[-1], i)
    tables = {name: batch.to_pandas() for name, batch in encode(events).items()}
    tables["new_order"] = pd.DataFrame(
        [{"seq": i, **{f: int(getattr(c, f)) for f in c.__struct_fields__}} for i, c in enumerate(commands, 1)]
    )
    accepted = tables["order_accepted"]
    accepted["cause_seq"] = np.arange(1, len(accepted) + 1)
    accepted["ts_event_ns"] = 0
    nothing = pd.DataFrame(columns=["seq", "ts_event_ns", "instrument_id", "order_id", "qty_lots", "leaves_qty_lots"])
    orders = order_table(lambda name: tables.get(name, nothing.astype(np.int64)))
    assert list(orders["filled_ticks_lots"]) == [LARGEST * (LARGEST - i) for i in (1, 1, 2, 2, 3, 3)]
    assert list(orders["average_fill_ticks"]) == pytest.approx(
        [float(LARGEST - i) for i in (1, 1, 2, 2, 3, 3)], rel=1e-15
    )
    # A day of such trades is more than 64 bits hold.
    day = pd.Series(np.full(2_000, LARGEST - 1))
    assert int(day.sum()) < 0  # the control: what numpy makes of it
    assert exact_sum(day) == 2_000 * (LARGEST - 1)
    table = pd.DataFrame({"qty_lots": day})
    assert lit_share(table, table) == 0.5
    assert vpin(np.full(2_000, LARGEST), np.ones(2_000, np.int64), 100 * LARGEST) == pytest.approx(np.ones(20))


def test_exact_sums_of_either_sign() -> None:
    for values in ([], [5], [-5, 3], [2**63 - 1] * 5, [-(2**63)] * 5, [2**32 - 1, -(2**32), 2**62]):
        assert exact_sum(pd.Series(values, dtype=np.int64)) == sum(values)


# --- icebergs -----------------------------------------------------------------------------------------------


def test_an_iceberg_of_2_to_the_30_lots_that_shows_one_is_refused(desk: Desk) -> None:
    for qty in (2**30 - 1, LARGEST, 1_001):
        assert desk.new(1, SELL, qty, 101, display_qty_lots=1) == ["rejected INVALID_QTY"]
        assert desk.new(1, BUY, qty, 101, order_type=STOP_LIMIT, stop_price_ticks=101, display_qty_lots=1) == [
            "rejected INVALID_QTY"
        ]
    assert desk.new(1, SELL, 1_000, 101, display_qty_lots=1) == ["accepted #1"]
    # Nor does a replace lead there; in place or anew it is the same order.
    assert desk.replace(1, 1, 1_001, 101) == ["rejected INVALID_QTY"]
    assert desk.replace(1, 1, 1_001, 102) == ["rejected INVALID_QTY"]
    assert desk.replace(1, 1, 1_000, 102) == ["replaced #1 1000@102 anew"]
    assert desk.new(1, SELL, LARGEST, 103, display_qty_lots=LARGEST // 1_000 + 1) == ["accepted #3"]


@pytest.mark.parametrize("price", [101, 0])
def test_hitting_the_largest_iceberg_takes_bounded_memory(price: int) -> None:
    engine = MatchingEngine(0)
    engine.process(NewOrder(0, 1, 1, SELL, LARGEST, 101, display_qty_lots=-(-LARGEST // 1_000)), 0)
    buy = NewOrder(0, 2, 1, BUY, LARGEST, price, order_type=OrderType.LIMIT if price else MARKET)
    tracemalloc.start()
    events = engine.process(buy, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    fills = [event for event in events if isinstance(event, OrderFilled) and event.is_maker]
    assert len(fills) == 1_000
    assert sum(fill.qty_lots for fill in fills) == LARGEST
    assert peak < 3 * 2**20  # a thousand times three events of less than a kilobyte
    assert not engine.book.orders


def test_two_icebergs_at_one_price_take_turns_slice_by_slice_to_the_end(desk: Desk) -> None:
    desk.new(1, SELL, 1_000, 101, display_qty_lots=1)
    desk.new(2, SELL, 1_000, 101, display_qty_lots=1)
    words = desk.new(3, BUY, 2_000, 101)[1:]
    assert words == [f"trade 1@101 #3 buy from #{1 + i % 2}" for i in range(2_000)]


def test_events_of_the_scaled_kinds_are_all_there_is() -> None:
    """What the scaling above leaves out would go unseen: every price or quantity of an event is among its names."""
    for kind in (Trade, OrderFilled, OrderReplaced, PhaseChanged, AuctionUncrossed):
        named = {f for f in kind.__struct_fields__ if f.endswith(("_ticks", "_lots"))}
        assert named <= {*_PRICES, *_LOTS}
