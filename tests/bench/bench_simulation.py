"""Speed of whole simulations, as ratios within one run: to bare SimPy, to bourse, and by number of agents.

Times are of the process's own work, not of the clock on the wall, so that a busy machine disturbs them less.
"""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import simpy

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.log import MemoryRecorder
from lob_sim.messages import (
    CancelOrder,
    NewOrder,
    ReplaceOrder,
    SelfTradePrevention,
    Side,
)
from lob_sim.scenario import Scenario, parse_scenario
from lob_sim.simulation.world import World
from lob_sim.units import NS_PER_S, Interval

ROUNDS = 5
DEALERS = 10
LEAST_OF_SIMPY = {"one process": 0.13, "apart": 0.11}
REQUIRED_OF_BOURSE = 1.0
MOST_GROWTH = 2.0
_ORDERS = tuple(kind.dataset for kind in (NewOrder, CancelOrder, ReplaceOrder))


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


def market(
    processes: int, horizon_s: int, *, per_process: int = 1, orders_per_s: float = 60, **params: object
) -> Scenario:
    """Zero-intelligence traders and ten dealers with latency.

    Args:
        processes: Number of agents among the traders.
        horizon_s: How long it runs.
        per_process: How many traders each of them stands for, with superposed arrivals.
        orders_per_s: Rate at which all traders together send limit and market orders, five to one.
        params: Further parameters of the strategy.
    """
    rate_per_s = orders_per_s / (6 * processes * per_process)
    connection = {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}}
    flow = {"limit_orders_per_s": 5 * rate_per_s, "market_orders_per_s": rate_per_s}
    groups = [
        ("dealer", "strategies.fixed_spread:FixedSpreadDealer", DEALERS, {}),
        (
            "trader",
            "strategies.zero_intelligence:ZeroIntelligenceTrader",
            processes,
            {"traders": per_process, **flow, **params},
        ),
    ]
    return parse_scenario(
        {
            "name": "bench",
            "horizon": horizon_s,
            "instruments": [{"name": "bond", "tick_size": 0.01, "lot_size": 1, "initial_price": 100}],
            "agents": [
                {"name": name, "strategy": strategy, "count": count, "connection": connection, "params": values}
                for name, strategy, count, values in groups
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


def orders_in(log: MemoryRecorder) -> int:
    """Submits, cancels and replaces logged so far."""
    return sum(block.counts().get(name, 0) for block in log.blocks() for name in _ORDERS)


def orders_per_s(scenario: Scenario, warm_up_ns: int = 0) -> float:
    """Submits, cancels and replaces per second of work, once the market has warmed up, with the log in memory."""
    log = MemoryRecorder()
    world = World(scenario, 1, log)
    world.start()
    world.kernel.run_until(warm_up_ns)
    before = orders_in(log)
    started = time.process_time()
    world.kernel.run_until(scenario.horizon)
    elapsed_s = time.process_time() - started
    orders = orders_in(log) - before
    # What is still due would keep the whole market alive.
    world.kernel.drop_rest()
    return orders / elapsed_s


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
    rounds = [[_alone(measure) for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def _alone(measure: Callable[[], float]) -> float:
    """Measure without what others have left: the garbage collector would look through it on this one's time."""
    gc.collect()
    return measure()


def row(benchmark: str, measured: str, required: str, ok: bool | None) -> dict[str, object]:
    """One row of the table; where nothing is required, ``required`` is empty and ``ok`` None."""
    return {"benchmark": benchmark, "measured": measured, "required": required, "ok": ok}


def main() -> list[dict[str, object]]:
    """One row each: what was measured, the figure, and what is required (of the other rows, nothing is)."""
    bare, crowd, batched, apart, large_crowd, many_apart, peer, random_traders = medians(
        lambda: timeouts_per_s(100 + DEALERS),
        lambda: orders_per_s(market(1, 170, per_process=100), 20 * NS_PER_S),
        lambda: orders_per_s(market(1, 170, per_process=100, interval="1s"), 20 * NS_PER_S),
        lambda: orders_per_s(market(100, 170), 20 * NS_PER_S),
        lambda: orders_per_s(market(1, 13, per_process=10_000, orders_per_s=6_000), 10 * NS_PER_S),
        # Long enough for nearly every one of the many to have drawn its first random numbers.
        lambda: orders_per_s(market(10_000, 700), 600 * NS_PER_S),
        bourse_orders_per_s,
        lambda: orders_per_s(random_market(300)),
    )
    rows = [
        row(
            f"orders per bare SimPy timeout: 100 traders and {DEALERS} dealers, {how}",
            f"{ours / bare:.3f} ({ours:,.0f} of {bare:,.0f} per s)",
            f">= {least}" if least else "",
            ours / bare >= least if least else None,
        )
        for how, ours, least in (
            ("the traders as one process with superposed arrivals", crowd, LEAST_OF_SIMPY["one process"]),
            ("that process sending once a second", batched, None),
            ("each trader a process of its own", apart, LEAST_OF_SIMPY["apart"]),
        )
    ]
    rows.append(
        row(
            "bourse's 100 random agents, one step after another, against bourse's own loop",
            f"{random_traders / peer:.2f} times ({random_traders:,.0f} to {peer:,.0f} per s)",
            f">= {REQUIRED_OF_BOURSE}",
            random_traders / peer >= REQUIRED_OF_BOURSE,
        )
    )
    rows += [
        row(
            f"cost per order with 10,000 traders against 100, {how}",
            f"{few / many:.2f} times ({1e6 / many:.1f} us, {1e6 / few:.1f} us)",
            f"<= {MOST_GROWTH}",
            few / many <= MOST_GROWTH,
        )
        for how, few, many in (
            ("as one process, so with 100 times the flow", crowd, large_crowd),
            ("each a process of its own, with the same flow together", apart, many_apart),
        )
    ]
    return rows


if __name__ == "__main__":
    for line in main():
        print(" | ".join(str(value) for value in line.values()))
