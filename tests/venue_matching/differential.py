"""Run the engine and the naive engine side by side and compare all that they say and hold."""

from __future__ import annotations

from random import Random
from typing import Any

from command_stream import MIDDLE, CommandStream
from naive_engine import NaiveEngine

from lob_sim.book import MARKET_BUY_TICKS, Order
from lob_sim.messages import Event, OrderFilled, Phase, Side, Trade
from lob_sim.venue.bands import PriceBand
from lob_sim.venue.matching import MatchingEngine


class DivergenceError(AssertionError):
    """The engines disagree, or an invariant or a conservation law is broken."""


class Pair:
    """Both engines, with the same rules, fed the same commands.

    Args:
        make_engine: How the engine under test is made; a mutant's class in the mutation check.
    """

    def __init__(
        self,
        phase: Phase = Phase.CONTINUOUS,
        band: tuple[int, int] | None = None,
        reference: int = 0,
        step: int = 1,
        make_engine: Any = MatchingEngine,
        make_band: Any = PriceBand,
    ) -> None:
        self.naive = NaiveEngine(0, phase, band, reference, step)
        self.engine = make_engine(
            0,
            phase=phase,
            price_band=make_band(*band) if band else None,
            reference_price_ticks=reference,
            price_step_ticks=step,
        )
        self.now_ns = 0
        self.n_events = 0

    def process(self, command: Any) -> list[Event]:
        """Feed one command to both and compare what they say."""
        self.now_ns += 1
        expected = self.naive.process(command, self.now_ns)
        actual = self.engine.process(command, self.now_ns)
        if actual != expected:
            raise DivergenceError(f"{command}:\n  expected {expected}\n  but got  {actual}")
        _require_balanced(actual)
        self.n_events += len(actual)
        return actual

    def compare_books(self) -> None:
        """Check the engine's invariants and compare both books, order by order."""
        self.engine.check()
        engine, naive = self.engine, self.naive
        state = (engine.phase, engine.reference_price_ticks, engine.last_trade_ticks)
        if state != (naive.phase, naive.reference, naive.last):
            raise DivergenceError(f"state {state}, expected {(naive.phase, naive.reference, naive.last)}")
        if snapshot(engine) != naive.snapshot():
            raise DivergenceError(f"book {snapshot(engine)}, expected {naive.snapshot()}")
        if engine.book.top() != _naive_top(naive):
            raise DivergenceError(f"top {engine.book.top()}, expected {_naive_top(naive)}")


def snapshot(engine: Any) -> list[list[tuple[int, int, int, int]]]:
    """The engine's book in the form of :meth:`NaiveEngine.snapshot`."""

    def row(order: Order) -> tuple[int, int, int, int]:
        price = 0 if order.price_ticks == MARKET_BUY_TICKS else order.price_ticks
        return order.order_id, price, order.open_lots, order.shown_lots

    book = engine.book
    triggered = {order.order_id for order in book.stops.triggered.values()}
    stops = [(o.order_id, o.stop_price_ticks, o.open_lots, int(o.order_id in triggered)) for o in book.stops]
    sides = {Side.BUY: book.bids, Side.SELL: book.asks}
    return [*([row(order) for order in sides[side]] for side in Side), sorted(stops)]


def run(seed: int, n_operations: int, compare_every: int, make_engine: Any = MatchingEngine, **kwargs: Any) -> Pair:
    """Compare the engines over a seeded stream; the seed also decides band, price grid and first phase.

    Raises:
        DivergenceError: With the seed and the number of the operation.
    """
    rng = Random(f"rules {seed}")
    band = (rng.choice((3, 8)), 5) if rng.random() < 0.5 else None
    step = rng.choice((1, 1, 2, 5))
    if band:
        band = (band[0] * step, band[1])
    phase = rng.choice((Phase.CONTINUOUS, Phase.CONTINUOUS, Phase.AUCTION))
    pair = Pair(phase, band, rng.choice((0, MIDDLE)), step, make_engine, **kwargs)
    stream = CommandStream(seed, step)
    for i in range(1, n_operations + 1):
        command = stream.next(pair.naive)
        try:
            pair.process(command)
            if i % compare_every == 0 or i == n_operations:
                pair.compare_books()
        except Exception as error:
            raise DivergenceError(f"seed {seed}, operation {i}, {command}: {error}") from error
    return pair


def _require_balanced(events: list[Event]) -> None:
    """Every trade has one buy and one sell fill of its own quantity at its own price."""
    trades = {e.trade_id: e for e in events if isinstance(e, Trade)}
    fills = [e for e in events if isinstance(e, OrderFilled)]
    if len(fills) != 2 * len(trades):
        raise DivergenceError(f"{len(fills)} fills of {len(trades)} trades")
    position: dict[int, int] = dict.fromkeys(trades, 0)
    for fill in fills:
        trade = trades[fill.trade_id]
        if (fill.price_ticks, fill.qty_lots) != (trade.price_ticks, trade.qty_lots):
            raise DivergenceError(f"{fill} is not of {trade}")
        position[fill.trade_id] += fill.side * fill.qty_lots
    if any(position.values()):
        raise DivergenceError(f"bought and sold quantities differ: {position}")


def _naive_top(naive: NaiveEngine) -> tuple[int, ...]:
    top: list[int] = []
    for side in (Side.BUY, Side.SELL):
        shown = [o for o in naive.queue(side) if o.shown]
        best = shown[0].limit or 0 if shown else 0
        top += [best, sum(o.shown for o in shown if o.limit == best)]
    return tuple(top)
