"""Matching speed: this engine and three packages from the index, fed the same stream; and growth with the book.

The stream is 50% limit orders that rest, 40% cancels of live orders and 10% market orders, around a book of
steady size. Limit prices are uniform over ``width_ticks`` on each side of a fixed middle, so the width sets
how many orders stand at a price. Wider books favour us over ``lightmatchingengine``, which searches all
prices for the best one, so several widths are reported. A round has every engine once, and the best of several
rounds counts: what disturbs a round makes it slower, never faster.

What is timed is the same for all: the calls, taking what they return over into a list, as a log would, and
letting go of it. Arguments are made in blocks, outside the clock; trades are counted outside it too, for to look
at every event in Python would cost us most, who return most. Of ``cython-orderbook``, which returns no events but
keeps a list of trades, orders are made outside the clock, as our commands are. ``bourse`` is told the time of
every operation, as ours is, and returns nothing, so its trades and its orders are taken over once at the end, and let
go of once: an engine pays for its records' end whether it hands them over one by one or all together. The garbage
collector is on for all, as it is where they are used, and nobody pays for what another has left behind.
Times are of the processor, not of the wall: the machine may be shared.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from random import Random
from time import process_time
from typing import Any, NamedTuple, Protocol

from lob_sim.messages import CancelOrder, NewOrder, OrderType, Side, Trade
from lob_sim.venue.matching import MatchingEngine

MIDDLE_TICKS = 10_000
BLOCK = 1_000
ROUNDS = 5
WIDTHS_TICKS = (50, 100, 200, 400)
GROWTH_WIDTH_TICKS = 100
LEAST_OF_PEERS = {"lightmatchingengine": (2.5, 100), "bourse": (0.5, 50), "cython-orderbook": (1.5, 50)}
"""How many times as fast as a peer, from which width on."""
MOST_GROWTH = 1.5
LIMIT, CANCEL, MARKET = range(3)


class Operation(NamedTuple):
    """One entry of a stream; ``order`` counts the stream's limit and market orders from 1."""

    kind: int
    is_buy: bool
    price_ticks: int
    qty_lots: int
    order: int


class Engine(Protocol):
    """A matching engine that starts empty, driven in blocks of operations."""

    def prepare(self, operations: list[Operation], first_ns: int) -> list[Any]:
        """The arguments of each call; not timed."""

    def run(self, calls: list[Any]) -> list[Any]:
        """Make the calls; returns all that they return."""

    def trades_in(self, returned: list[Any]) -> int:
        """Number of trades; not timed."""

    def finish(self) -> list[Any]:
        """What the engine has not returned from the calls."""


def make_stream(n_live: int, n_operations: int, width_ticks: int, seed: int = 1) -> list[Operation]:
    """``n_live`` limit orders to fill the book, then the mixed stream. Our engine says which orders are
    live."""
    rng = Random(seed)
    engine = MatchingEngine(0)
    live: list[int] = []
    stream: list[Operation] = []
    n_orders = 0
    while len(stream) < n_live + n_operations:
        u = 0.0 if len(stream) < n_live else rng.random()
        is_buy, qty_lots = rng.random() < 0.5, rng.randint(1, 10)
        if 0.5 <= u < 0.9:
            order = 0
            while order not in engine.book.orders:
                i = rng.randrange(len(live))
                order, live[i] = live[i], live[-1]
                live.pop()
            operation = Operation(CANCEL, False, 0, 0, order)
        else:
            n_orders += 1
            kind = LIMIT if u < 0.5 else MARKET
            away_ticks = rng.randint(1, width_ticks) if kind == LIMIT else 0
            price_ticks = MIDDLE_TICKS + (-away_ticks if is_buy else away_ticks) if kind == LIMIT else 0
            operation = Operation(kind, is_buy, price_ticks, qty_lots, n_orders)
            if kind == LIMIT:
                live.append(n_orders)
        engine.process(_command(operation), 1)
        stream.append(operation)
    return stream


def _command(operation: Operation) -> NewOrder | CancelOrder:
    kind, is_buy, price_ticks, qty_lots, order = operation
    if kind == CANCEL:
        return CancelOrder(0, 1, 0, order)
    order_type = OrderType.LIMIT if kind == LIMIT else OrderType.MARKET
    return NewOrder(0, 1, order, Side.BUY if is_buy else Side.SELL, qty_lots, price_ticks, order_type)


class Ours:
    """This engine."""

    def __init__(self) -> None:
        self.engine = MatchingEngine(0)

    def prepare(self, operations: list[Operation], first_ns: int) -> list[Any]:
        return [(_command(operation), ts_ns) for ts_ns, operation in enumerate(operations, first_ns)]

    def run(self, calls: list[Any]) -> list[Any]:
        returned: list[Any] = []
        process = self.engine.process
        for command, ts_ns in calls:
            returned += process(command, ts_ns)
        return returned

    def trades_in(self, returned: list[Any]) -> int:
        return sum(type(event) is Trade for event in returned)

    def finish(self) -> list[Any]:
        return []


class LightMatchingEngine:
    """The ``lightmatchingengine`` package, which has no time."""

    def __init__(self) -> None:
        from lightmatchingengine import lightmatchingengine

        self.engine = lightmatchingengine.LightMatchingEngine()
        self.order_class = lightmatchingengine.Order

    def prepare(self, operations: list[Operation], first_ns: int) -> list[Any]:
        return [
            (kind == CANCEL, order, price_ticks, qty_lots, 1 if is_buy else 2)
            for kind, is_buy, price_ticks, qty_lots, order in operations
        ]

    def run(self, calls: list[Any]) -> list[Any]:
        returned: list[Any] = []
        add_order, cancel_order = self.engine.add_order, self.engine.cancel_order
        for is_cancel, order_id, price_ticks, qty_lots, side in calls:
            if is_cancel:
                returned.append(cancel_order(order_id, "X"))
            else:
                order, trades = add_order("X", price_ticks, qty_lots, side)
                returned.append(order)
                returned += trades
        return returned

    def trades_in(self, returned: list[Any]) -> int:
        # After an order come its trades: one for the taker at each price, and one for every maker. Count the
        # makers' alone.
        n_trades = taker_side = 0
        for record in returned:
            if isinstance(record, self.order_class):
                taker_side = record.side
            else:
                n_trades += record.trade_side != taker_side
        return n_trades

    def finish(self) -> list[Any]:
        return []


class Bourse:
    """The ``bourse`` package, which is written in Rust."""

    def __init__(self) -> None:
        from bourse.core import OrderBook

        self.book = OrderBook(0, True)

    def prepare(self, operations: list[Operation], first_ns: int) -> list[Any]:
        return [
            (kind == CANCEL, order - 1, is_buy, qty_lots, price_ticks or None, ts_ns)
            for ts_ns, (kind, is_buy, price_ticks, qty_lots, order) in enumerate(operations, first_ns)
        ]

    def run(self, calls: list[Any]) -> list[Any]:
        set_time, place_order, cancel_order = self.book.set_time, self.book.place_order, self.book.cancel_order
        for is_cancel, order, is_buy, qty_lots, price_ticks, ts_ns in calls:
            set_time(ts_ns)
            if is_cancel:
                cancel_order(order)
            else:
                place_order(is_buy, qty_lots, 0, price_ticks)
        return []

    def trades_in(self, returned: list[Any]) -> int:
        # A trade has six fields, an order nine.
        return sum(len(record) == 6 for record in returned)

    def finish(self) -> list[Any]:
        return [*self.book.get_trades(), *self.book.get_orders()]


class CythonOrderBook:
    """The ``cython-orderbook`` package, which is compiled; it takes the time from the machine's clock."""

    def __init__(self) -> None:
        from cython_orderbook import Order, OrderBook, OrderSide

        self.book = OrderBook()
        self.order_class, self.buy, self.sell = Order, OrderSide.BID, OrderSide.ASK
        self.names: dict[int, str] = {}

    def prepare(self, operations: list[Operation], first_ns: int) -> list[Any]:
        calls: list[Any] = []
        for kind, is_buy, price_ticks, qty_lots, number in operations:
            if kind == CANCEL:
                calls.append((CANCEL, self.names[number]))
                continue
            order = self.order_class(self.buy if is_buy else self.sell, qty_lots, price_ticks or None)
            self.names[number] = order.order_id
            calls.append((kind, order))
        return calls

    def run(self, calls: list[Any]) -> list[Any]:
        book = self.book
        add_limit_order, add_market_order, cancel_order = book.add_limit_order, book.add_market_order, book.cancel_order
        for kind, what in calls:
            if kind == CANCEL:
                cancel_order(what)
            elif kind == LIMIT:
                add_limit_order(what)
            else:
                add_market_order(what)
        return []

    def trades_in(self, returned: list[Any]) -> int:
        return len(returned)

    def finish(self) -> list[Any]:
        trades: list[Any] = self.book.trade_log
        self.book.trade_log = []
        return trades


def time_of(engine: Engine, stream: list[Operation], n_untimed: int) -> tuple[float, int]:
    """Processor seconds after the first ``n_untimed`` operations, and the number of trades over all of them."""
    elapsed_s, n_trades = 0.0, 0
    gc.collect()
    for start in range(0, len(stream), BLOCK):
        calls = engine.prepare(stream[start : start + BLOCK], start)
        began_s = process_time()
        returned = engine.run(calls)
        block_s = process_time() - began_s
        n_trades += engine.trades_in(returned)
        began_s = process_time()
        returned.clear()
        block_s += process_time() - began_s
        elapsed_s += block_s if start >= n_untimed else 0.0
    began_s = process_time()
    returned = engine.finish()
    elapsed_s += process_time() - began_s
    n_trades += engine.trades_in(returned)
    began_s = process_time()
    returned.clear()
    elapsed_s += process_time() - began_s
    return elapsed_s, n_trades


ENGINES: dict[str, Callable[[], Engine]] = {
    "ours": Ours,
    "lightmatchingengine": LightMatchingEngine,
    "bourse": Bourse,
    "cython-orderbook": CythonOrderBook,
}


def compare(width_ticks: int, n_operations: int) -> dict[str, float]:
    """Operations per processor second of every engine, the best of interleaved rounds, at one width of the book."""
    stream = make_stream(2_000, n_operations, width_ticks)
    # The streams are the bench's own: no engine shall pay for the garbage collector's looking through them.
    gc.freeze()
    seconds: dict[str, list[float]] = {name: [] for name in ENGINES}
    for _ in range(ROUNDS):
        n_trades = set()
        for name, engine_class in ENGINES.items():
            elapsed_s, trades = time_of(engine_class(), stream, 2_000)
            seconds[name].append(elapsed_s)
            n_trades.add(trades)
        if len(n_trades) != 1:
            raise AssertionError(f"the engines did not do the same work: {n_trades} trades")
    return {name: n_operations / min(values) for name, values in seconds.items()}


def growth(widths_ticks: tuple[int, int], n_operations: int) -> tuple[float, float]:
    """Microseconds per operation at 2,000 and at 200,000 resting orders, on books of these widths."""
    sizes = (2_000, 200_000)
    streams = [make_stream(n, n_operations, w) for n, w in zip(sizes, widths_ticks, strict=True)]
    gc.freeze()
    costs: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for cost, n_live, stream in zip(costs, sizes, streams, strict=True):
            cost.append(time_of(Ours(), stream, n_live)[0] / n_operations * 1e6)
    return min(costs[0]), min(costs[1])


def main(n_operations: int = 200_000) -> list[dict[str, object]]:
    """One row each: what was measured, the figure, and what is required (of one peer, in a narrow book, nothing)."""
    rows: list[dict[str, object]] = []
    for width_ticks in WIDTHS_TICKS:
        speed = compare(width_ticks, n_operations)
        for peer, (least, from_width_ticks) in LEAST_OF_PEERS.items():
            ratio, is_required = speed["ours"] / speed[peer], width_ticks >= from_width_ticks
            figures = f"{speed['ours'] / 1e6:.2f} of {speed[peer] / 1e6:.2f} million per s"
            rows.append(
                {
                    "benchmark": f"matching, 2,000 live orders over {width_ticks} prices a side, against {peer}",
                    "measured": f"{ratio:.2f} times ({figures})",
                    "required": f">= {least}" if is_required else "",
                    "ok": ratio >= least if is_required else None,
                }
            )
    # The same stream around more orders lengthens the queues. As many orders over a hundred times the prices add
    # levels instead, each with objects of its own to fetch.
    for shape, widths_ticks in (
        ("longer queues", (GROWTH_WIDTH_TICKS, GROWTH_WIDTH_TICKS)),
        ("more prices", (90, 9_000)),
    ):
        small_us, large_us = growth(widths_ticks, n_operations // 2)
        rows.append(
            {
                "benchmark": f"cost per operation with 200,000 resting orders against 2,000, {shape}",
                "measured": f"{large_us / small_us:.2f} times ({large_us:.2f} us, {small_us:.2f} us)",
                "required": f"<= {MOST_GROWTH}",
                "ok": large_us / small_us <= MOST_GROWTH,
            }
        )
    return rows


if __name__ == "__main__":
    for row in main():
        print(" | ".join(str(value) for value in row.values()))
