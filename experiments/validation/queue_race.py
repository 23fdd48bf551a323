"""Which way does the mid move next, given the two best queues?

Limit orders join each of the two best queues at rate λ, market orders take from each at rate μ, and every
resting order is cancelled at rate θ, all in our book. Whichever queue is empty first, the mid moves its
way. The share of races that the ask loses (an upward move) is compared with the exact solution of the
linear system that the probabilities of all pairs of queues solve.

Source: Cont, Stoikov and Talreja (2010), Operations Research 58, section 4.2 (a birth-death race of two
independent queues at a spread of one tick) and their calibrated rates: λ=1.85, μ=.94, θ=.71.
"""

from __future__ import annotations

from itertools import islice
from math import sqrt
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import typer
from scipy.sparse import lil_matrix
from scipy.sparse.linalg import spsolve

from experiments.validation.common import group, market, new_figure, save, seconds, taped
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.experiment import Experiment, Outcome, Row, agrees, run_cells
from lob_sim.messages import OrderAccepted, OrderCanceled, OrderFilled, OrderType, Side
from lob_sim.sweep.task import TaskSpec
from lob_sim.units import NS_PER_S

HERE = "experiments.validation.queue_race"
SOURCE = "Cont, Stoikov & Talreja 2010, section 4.2"
LIMIT, MARKET, CANCEL = 1.85, 0.94, 0.71
BID_TICKS, ASK_TICKS = 1000, 1001
_GRID = 60
"""Queues longer than this are never met: 60 orders shrink at 43 a second and grow at less than two."""


class QueueTraders(Strategy):
    """Those who join the two queues and leave them; starts the race again when one queue is empty."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            bid: Orders in the bid queue when a race starts.
            ask: Orders in the ask queue.
            limit_per_s: Rate λ at which orders join a queue.
            cancel_per_s: Rate θ at which each order is cancelled.
        """

        bid: int
        ask: int
        limit_per_s: float
        cancel_per_s: float

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.resting = 0
        self.draw = 0

    def on_start(self, ctx: Context) -> None:
        self._start_race(ctx)

    def on_book(self, ctx: Context, instrument_id: int) -> None:
        orders = ctx.orders(0).values()
        settled = all(order.is_accepted and not order.cancel_sent for order in orders)
        if settled and len({order.side for order in orders}) == 1:
            ctx.cancel_all(0)
            self._start_race(ctx)

    def on_wake(self, ctx: Context, tag: int) -> None:
        p = self.params
        if tag != self.draw:
            return
        point = ctx.random.uniform() * (2 * p.limit_per_s + self.resting * p.cancel_per_s)
        if point < 2 * p.limit_per_s:
            self._join(ctx, Side.BUY if point < p.limit_per_s else Side.SELL)
        else:
            index = int((point - 2 * p.limit_per_s) / p.cancel_per_s)
            live = (order for order in ctx.orders(0).values() if not order.cancel_sent)
            order = next(islice(live, index, None), None)
            # One that has traded since the draw leaves its share of the rate without effect, as it should.
            if order is not None:
                ctx.cancel(0, order.client_order_id)
        self._await_next(ctx)

    def _start_race(self, ctx: Context) -> None:
        for side, orders in ((Side.BUY, self.params.bid), (Side.SELL, self.params.ask)):
            for _ in range(orders):
                self._join(ctx, side)
        self._await_next(ctx)

    def _await_next(self, ctx: Context) -> None:
        # Drawn anew whenever orders have been added, which the exponential law allows.
        p = self.params
        self.resting = sum(not order.cancel_sent for order in ctx.orders(0).values())
        self.draw += 1
        rate_per_s = 2 * p.limit_per_s + self.resting * p.cancel_per_s
        ctx.wake_in(ctx.random.delay_ns(NS_PER_S / rate_per_s), self.draw)

    def _join(self, ctx: Context, side: Side) -> None:
        ctx.place(0, side, 1, BID_TICKS if side is Side.BUY else ASK_TICKS)


class QueueTakers(Strategy):
    """Market orders for one lot, at one rate on each side."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            market_per_s: Rate μ on each side.
        """

        market_per_s: float

    params: Params

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(ctx.random.delay_ns(NS_PER_S / (2 * self.params.market_per_s)))

    def on_wake(self, ctx: Context, tag: int) -> None:
        side = Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL
        ctx.place(0, side, 1, order_type=OrderType.MARKET)
        ctx.wake_in(ctx.random.delay_ns(NS_PER_S / (2 * self.params.market_per_s)))


def one_market(spec: TaskSpec) -> dict[str, float]:
    """Races one after the other: how many, how many went up, and how long they took."""
    bid, ask = int(spec.overrides["bid"]), int(spec.overrides["ask"])
    scenario = market(
        seconds(float(spec.overrides["horizon_s"])),
        [
            group("queues", f"{HERE}:QueueTraders", bid=bid, ask=ask, limit_per_s=LIMIT, cancel_per_s=CANCEL),
            group("takers", f"{HERE}:QueueTakers", market_per_s=MARKET),
        ],
        tick="0.01",
        initial=str(BID_TICKS / 100),
    )
    _, tape = taped(scenario, spec.seed, OrderAccepted, OrderCanceled, OrderFilled)
    return _races(tape.messages, bid, ask)


def _races(messages: list[OrderAccepted | OrderCanceled | OrderFilled], bid: int, ask: int) -> dict[str, float]:
    sides: dict[tuple[int, int], Side] = {}
    queues = {Side.BUY: 0, Side.SELL: 0}
    start_ns, ups, durations = -1, 0, []
    for message in messages:
        key = (message.agent_id, message.client_order_id)
        if isinstance(message, OrderAccepted):
            if message.price_ticks:
                sides[key] = message.side
                queues[message.side] += 1
        elif key in sides and (isinstance(message, OrderCanceled) or message.is_maker):
            # A market order whose rest found nobody is not among them: it was never in a queue.
            queues[sides.pop(key)] -= 1
        if start_ns >= 0 and min(queues.values()) == 0:
            ups += queues[Side.SELL] == 0
            durations.append((message.ts_event_ns - start_ns) / NS_PER_S)
            start_ns = -1
        elif start_ns < 0 and queues == {Side.BUY: bid, Side.SELL: ask}:
            start_ns = message.ts_event_ns
    took = np.array(durations)
    return {"races": len(took), "ups": ups, "time": float(took.sum()), "time_squared": float(took @ took)}


def exact_race(bid: int, ask: int) -> tuple[float, float]:
    """Probability that the ask queue is empty first, and expected length of a race, by the linear system."""
    matrix = lil_matrix((_GRID**2, _GRID**2))
    right = np.zeros((_GRID**2, 2))
    for b in range(1, _GRID + 1):
        for a in range(1, _GRID + 1):
            row = (b - 1) * _GRID + a - 1
            right[row, 1] = 1.0
            for to_b, to_a, rate in (
                (b + 1, a, LIMIT),
                (b, a + 1, LIMIT),
                (b - 1, a, MARKET + b * CANCEL),
                (b, a - 1, MARKET + a * CANCEL),
            ):
                if max(to_b, to_a) > _GRID:
                    continue
                matrix[row, row] += rate
                if to_a == 0:
                    right[row, 0] += rate
                elif to_b > 0:
                    matrix[row, (to_b - 1) * _GRID + to_a - 1] -= rate
    solved = spsolve(matrix.tocsc(), right)
    up, length = solved[(bid - 1) * _GRID + ask - 1]
    return float(up), float(length)


def judge(races: float, ups: float, time: float, time_squared: float, exact: tuple[float, float]) -> list[Row]:
    """Hold sums over races against a probability and an expected length."""
    share, length = ups / races, time / races
    share_se = sqrt(share * (1 - share) / races)
    length_se = sqrt((time_squared / races - length**2) / races)
    return [
        agrees("probability that the mid moves up", share, exact[0], share_se, SOURCE),
        agrees(
            "mean time until it moves (s)",
            length,
            exact[1],
            length_se,
            "the same chain: mean time to absorption",
        ),
    ]


def run(
    bid: Annotated[int, typer.Option(help="Orders in the best bid's queue.", min=1, max=20)] = 2,
    ask: Annotated[int, typer.Option(help="Orders in the best ask's queue.", min=1, max=20)] = 3,
    runs: Annotated[int, typer.Option(help="Markets, each with one race after the other.", min=1)] = 20,
    horizon_s: Annotated[float, typer.Option(help="Simulated seconds of each.", min=10)] = 1000.0,
) -> Outcome:
    """Run races and hold the share of upward moves against the exact probability."""
    frame = run_cells(one_market, [{"bid": bid, "ask": ask, "horizon_s": horizon_s}], runs)
    races, ups, time, squares = (float(frame[name].sum()) for name in ("races", "ups", "time", "time_squared"))

    def draw(path: Path) -> None:
        figure, (panel,) = new_figure()
        asks = range(1, 9)
        panel.plot(asks, [exact_race(bid, a)[0] for a in asks], label=f"exact; orders in the bid queue: {bid}")
        share = ups / races
        error = 3 * sqrt(share * (1 - share) / races)
        panel.errorbar([ask], [share], yerr=[error], fmt="o", capsize=3, label="races in the book (± 3 s.e.)")
        panel.set(xlabel="orders in the ask queue", ylabel="P(mid moves up)", title="Who is empty first?")
        panel.legend()
        save(figure, path)

    return Outcome(judge(races, ups, time, squares, exact_race(bid, ask)), draw)


EXPERIMENT = Experiment(
    "queue_race",
    run,
    quick={"runs": 2, "horizon_s": 400.0},
    cases=[{"bid": 1, "ask": 1}, {"bid": 2, "ask": 3}, {"bid": 5, "ask": 1}, {"bid": 3, "ask": 5}],
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
