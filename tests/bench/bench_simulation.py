"""Speed of whole simulations, as ratios within one run: to bare SimPy, to bourse, and by number of agents.

Times are of the process's own work, not of the clock on the wall, so that a busy machine disturbs them less.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import simpy

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    CancelOrder,
    Command,
    Event,
    NewOrder,
    ReduceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    Side,
)
from lob_sim.scenario import Scenario, parse_scenario
from lob_sim.simulation.world import World
from lob_sim.units import NS_PER_S, Interval

ROUNDS = 5
DEALERS = 10
REQUIRED_OF_SIMPY = 0.25
REQUIRED_OF_BOURSE = 1.0
MOST_GROWTH = 2.0
_ORDERS = (NewOrder, CancelOrder, ReduceOrder, ReplaceOrder)


class RandomTraders(Strategy):
    """bourse's random agents as one process: in every step each cancels its live order or else places one.

    They do it in random order, and everything that is said in a step travels together.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """``traders`` of them, a step every ``step``."""

        traders: int = 100
        step: Interval = 10**6

    params: Params

    def on_start(self, ctx: Context) -> None:
        self.orders = [0] * self.params.traders
        self.shuffle = ctx.random.generator("order").permutation
        ctx.wake_in(self.params.step)

    def on_wake(self, ctx: Context, tag: int) -> None:
        live, orders, uniform = ctx.orders(0), self.orders, ctx.random.uniform
        for trader in self.shuffle(len(orders)).tolist():
            number = orders[trader]
            if number in live:
                ctx.cancel(0, number)
                orders[trader] = 0
                continue
            side = Side.BUY if uniform() < 0.5 else Side.SELL
            orders[trader] = ctx.place(
                0,
                side,
                10 + int(10 * uniform()),
                40 + int(20 * uniform()),
                self_trade=SelfTradePrevention.NONE,
            )
        ctx.wake_in(self.params.step)


class MemoryLog:
    """The full event log, in memory."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, Command, Sequence[Event]]] = []
        self.others: list[Event] = []

    def batch(self, ts_ns: int, command: Command, events: Sequence[Event]) -> None:
        """A command and what it caused."""
        self.batches.append((ts_ns, command, events))

    def record(self, event: Event) -> None:
        """Anything else."""
        self.others.append(event)


def market(processes: int, horizon_s: int) -> Scenario:
    """Zero-intelligence traders and ten dealers with latency.

    All traders together send orders at the same rate, however many processes they are: superposed Poisson
    arrivals, so a process that is faster by a factor of ten is ten traders.
    """
    rate = 100 / processes
    connection = {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}}
    return parse_scenario(
        {
            "name": "bench",
            "horizon": horizon_s,
            "instruments": [{"name": "bond", "tick_size": 0.01, "lot_size": 1, "initial_price": 100}],
            "agents": [
                {
                    "name": "dealer",
                    "strategy": "strategies.fixed_spread:FixedSpreadDealer",
                    "count": DEALERS,
                    "connection": connection,
                },
                {
                    "name": "trader",
                    "strategy": "strategies.zero_intelligence:ZeroIntelligenceTrader",
                    "count": processes,
                    "connection": connection,
                    "params": {"limit_orders_per_s": 0.5 * rate, "market_orders_per_s": 0.1 * rate},
                },
            ],
        }
    )


def random_market(steps: int) -> Scenario:
    """A hundred of bourse's random agents."""
    return parse_scenario(
        {
            "name": "bench",
            "horizon": f"{steps + 2}ms",
            "instruments": [{"name": "bond", "tick_size": 1, "lot_size": 1, "initial_price": 50}],
            "agents": [
                {
                    "name": "random",
                    "strategy": f"{Path(__file__).name}:{RandomTraders.__name__}",
                    "connection": {"to_venue": {"median": "100us"}, "from_venue": {"median": "100us"}},
                }
            ],
            "folder": str(Path(__file__).parent),
        }
    )


def orders_per_s(scenario: Scenario, warm_up_ns: int = 0) -> float:
    """Submits, cancels and replaces per second of work, once the market has warmed up."""
    log = MemoryLog()
    world = World(scenario, 1, log)
    world.start()
    world.kernel.run_until(warm_up_ns)
    before = len(log.batches)
    started = time.process_time()
    world.kernel.run_until(scenario.horizon)
    elapsed_s = time.process_time() - started
    return sum(isinstance(command, _ORDERS) for _, command, _ in log.batches[before:]) / elapsed_s


def timeouts_per_s(processes: int, timeouts: int = 100_000) -> float:
    """Bare SimPy: processes that do nothing but wait, at random, as often per second of work as it can."""
    environment, dice = simpy.Environment(), random.Random(1)
    delays = [dice.randrange(1, 2 * 10**9) for _ in range(1009)]

    def wait(start: int) -> simpy.events.ProcessGenerator:
        i = start
        while True:
            i = (i + 1) % len(delays)
            yield environment.timeout(delays[i])

    for number in range(processes):
        environment.process(wait(number))
    started = time.process_time()
    environment.run(until=timeouts * 10**9 // processes)
    return timeouts / (time.process_time() - started)


def bourse_orders_per_s(agents: int = 100, steps: int = 300) -> float:
    """bourse's event loop with its own random agents, each active in every step."""
    import bourse
    from bourse.step_sim.agents import RandomAgent

    environment = bourse.core.StepEnv(1, 0, 1, 1000)
    traders = [RandomAgent(i, 1.0, (40, 60), (10, 20), 1) for i in range(agents)]
    started = time.process_time()
    bourse.step_sim.run(environment, traders, steps, 1, show_progress=False)
    return agents * steps / (time.process_time() - started)


def medians(*measures: Callable[[], float]) -> list[float]:
    """The median of each over several rounds; in a round all are measured one after another."""
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def main() -> list[dict[str, object]]:
    """One row each: what was measured, the figure, and what is required."""
    bare, ours, many, peer, random_traders = medians(
        lambda: timeouts_per_s(100 + DEALERS),
        lambda: orders_per_s(market(100, 170), 20 * NS_PER_S),
        # Long enough for nearly every one of the many to have drawn its first random numbers.
        lambda: orders_per_s(market(10_000, 700), 600 * NS_PER_S),
        bourse_orders_per_s,
        lambda: orders_per_s(random_market(300)),
    )
    return [
        {
            "benchmark": f"simulation of 100 traders and {DEALERS} dealers, orders per bare SimPy timeout",
            "measured": f"{ours / bare:.3f} ({ours:,.0f} of {bare:,.0f} per s)",
            "required": f">= {REQUIRED_OF_SIMPY}",
            "ok": ours / bare >= REQUIRED_OF_SIMPY,
        },
        {
            "benchmark": "bourse's 100 random agents, one step after another, against bourse's own loop",
            "measured": f"{random_traders / peer:.2f} times ({random_traders:,.0f} to {peer:,.0f} per s)",
            "required": f">= {REQUIRED_OF_BOURSE}",
            "ok": random_traders / peer >= REQUIRED_OF_BOURSE,
        },
        {
            "benchmark": "cost per order with 10,000 traders, each a process of its own, against 100",
            "measured": f"{ours / many:.2f} times ({1e6 / many:.1f} us, {1e6 / ours:.1f} us)",
            "required": f"<= {MOST_GROWTH}",
            "ok": ours / many <= MOST_GROWTH,
        },
    ]


if __name__ == "__main__":
    for row in main():
        print(" | ".join(str(value) for value in row.values()))
