"""What stopping, keeping and branching cost, and how fast environments step.

A policy is compared five ways from a quarter of the horizon on, once as branches of one past and once as whole runs; a
state is kept once in a crisis. Ratios are of time of the processor, the median over rounds; what one measurement leaves
to the garbage collector is collected before the next. What a state on disk costs beyond that is the disk's.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from functools import partial

import gymnasium
import numpy as np

import lob_sim.rl as rl
from lob_sim import Simulation, load_scenario
from tests.bench.bench_simulation import row

ROUNDS = 3
FLAGSHIP = "experiments/whole_system.toml"
POLICIES = {
    "dealer_market": {
        str(half): [f"agents.market_maker.params.lit_policy.half_spread_ticks={half}"] for half in (2, 3, 4, 6, 8)
    },
    # Most of a crisis comes after a quarter of its horizon, and nothing can be saved of that.
    FLAGSHIP: {
        "none": [],
        "no leverage limit": ["switches.slr=false"],
        "no VaR limit": ["switches.var=false"],
        "no funding limit": ["switches.funding=false"],
        "no retreat": ["switches.retreat=false"],
    },
}
MOST_OF_WHOLE_RUNS = 0.85
MOST_OF_RUN = 0.05
ENVIRONMENTS = {"lob_sim/Dealer-v0": [[2.0, 0.02, 10.0, 1.0]], "lob_sim/Execution-v0": [0.5, 0.25, 0.0]}
ENVS_AT_ONCE = 4


def branches_and_whole_runs_s(name: str) -> tuple[float, float]:
    """Work of five branches after a quarter of the horizon, their past included, and of five whole runs."""
    scenario, policies = load_scenario(name), POLICIES[name]
    gc.collect()
    started = time.process_time()
    simulation = Simulation(scenario)
    simulation.run_until(scenario.horizon // 4)
    state = simulation.state()
    for policy, changes in policies.items():
        state.branch({policy: changes})[policy].finish()
    branched_s = time.process_time() - started
    gc.collect()
    started = time.process_time()
    for changes in policies.values():
        Simulation(load_scenario(name, changes)).finish()
    return branched_s, time.process_time() - started


def keeping_and_run_s() -> tuple[float, float]:
    """Work of keeping a state in the middle of the flagship crisis, and of the run."""
    scenario = load_scenario(FLAGSHIP)
    gc.collect()
    started = time.process_time()
    simulation = Simulation(scenario)
    simulation.run_until(scenario.horizon // 2)
    run_s = time.process_time() - started
    started = time.process_time()
    simulation.state()
    keeping_s = time.process_time() - started
    started = time.process_time()
    simulation.finish()
    return keeping_s, run_s + time.process_time() - started


def steps_per_s(name: str, action: object, episodes: int = 4) -> float:
    """Steps of one environment per second, resets included."""
    env = gymnasium.make(name)
    steps, started = 0, time.perf_counter()
    for index in range(episodes):
        env.reset(seed=index)
        over = False
        while not over:
            *_, over, _, _ = env.step(np.array(action, np.float32))
            steps += 1
    return steps / (time.perf_counter() - started)


def vector_steps_per_s(name: str, action: object, mode: gymnasium.VectorizeMode, steps: int = 200) -> float:
    """Steps of all environments of a vector per second, resets on the way included and the first one not."""
    envs = gymnasium.make_vec(name, num_envs=ENVS_AT_ONCE, vectorization_mode=mode)
    actions = np.stack([np.array(action, np.float32)] * ENVS_AT_ONCE)
    envs.reset(seed=0)
    started = time.perf_counter()
    for _ in range(steps):
        envs.step(actions)
    found = steps * ENVS_AT_ONCE / (time.perf_counter() - started)
    envs.close()
    return found


def main() -> list[dict[str, object]]:
    """One row each: what was measured, the figure, and what is required (of steps per second nothing is)."""
    rows = []
    after = "5 branches after a quarter of the horizon against 5 whole runs"
    measures: list[tuple[str, Callable[[], tuple[float, float]], float | None]] = [
        (f"{after}, dealer_market", partial(branches_and_whole_runs_s, "dealer_market"), MOST_OF_WHOLE_RUNS),
        (f"{after}, the flagship crisis", partial(branches_and_whole_runs_s, FLAGSHIP), None),
        ("keeping a state against the flagship crisis in which it is kept", keeping_and_run_s, MOST_OF_RUN),
    ]
    for title, measure, most in measures:
        pairs = [measure() for _ in range(ROUNDS)]
        ratio = statistics.median(part / whole for part, whole in pairs)
        part_s, whole_s = (min(seconds) for seconds in zip(*pairs, strict=True))
        figure = f"{ratio:.3f} ({part_s:.2f} s, {whole_s:.2f} s)"
        rows.append(row(title, figure, f"<= {most}" if most else "", ratio <= most if most else None))
    assert set(ENVIRONMENTS) == {f"lob_sim/{kind}-v{rl.CONTRACT}" for kind in ("Dealer", "Execution")}
    for name, action in ENVIRONMENTS.items():
        alone = steps_per_s(name, action)
        rows.append(row(f"steps per second, {name} alone", f"{alone:,.0f}", "", None))
        for mode in (gymnasium.VectorizeMode.SYNC, gymnasium.VectorizeMode.ASYNC):
            together = vector_steps_per_s(name, action, mode)
            rows.append(row(f"steps per second, {ENVS_AT_ONCE} of {name}, {mode.value}", f"{together:,.0f}", "", None))
    return rows


if __name__ == "__main__":
    for line in main():
        print(" | ".join(str(value) for value in line.values()))
