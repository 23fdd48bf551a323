"""Simulations that are stopped, kept, loaded elsewhere and finished, for the tests of any instant."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from lob_sim import Simulation
from lob_sim.agents.strategy import Strategy
from lob_sim.log import Run
from lob_sim.plugins import find_plugins
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests/golden/market.toml"
FLAGSHIP = ROOT / "experiments/first_market.toml"

STRATEGIES = find_plugins("strategies", Strategy)
_REQUIRED = {
    "LdiFund": {"liabilities": {"bond": 100.0}},
    "RepoLending": {"schedules": {"bond": {"base": 0.02}}},
    "StandingRepoFacility": {"schedules": {}},
}
"""What a lender lends against has no default, nor has what a fund is to hedge."""

_FINISH = """
import json, sys
from lob_sim import Simulation
print(json.dumps([Simulation.load(path).finish().digest for path in sys.argv[1:]]))
"""


def finished_elsewhere(paths: Sequence[Path], hash_seed: int = 4711) -> list[str]:
    """Digests of the runs that a fresh process makes of kept states."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", _FINISH, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def kept_at(scenario: Scenario, instants: Sequence[int], folder: Path, steps: int = 0) -> tuple[list[Path], Run]:
    """States of one run at several instants, each so many instants later, and the run itself."""
    paths = []
    with Simulation(scenario) as simulation:
        for at_ns in sorted(set(instants)):
            if at_ns < simulation.now:
                continue
            simulation.run_until(at_ns)
            for _ in range(steps):
                simulation.step()
            paths.append(folder / f"{scenario.name}-{at_ns}.state")
            simulation.state().save(paths[-1])
        return paths, simulation.finish()


def random_market_with(strategy: str, number: int) -> Scenario:
    """One of many markets with agents of a strategy: auctions, halts, batches, latencies, news, shocks at random."""
    dice = random.Random(f"{strategy}/{number}")
    raw = scenario_to_dict(market_with(strategy))
    raw |= {"name": f"{raw['name']}-{number}", "seed": dice.randrange(10_000)}
    (bond,) = raw["instruments"]
    bond["fair_value"]["daily_volatility"] = dice.choice([0.0, 0.02, 0.2])
    bond["lit"] = dice.choice(
        [
            {},
            {"opening_auction": "7s"},
            {"price_band": 0.02, "halt": "3s"},
            {"batch_interval": "500ms"},
            {"opening_auction": "3s", "price_band": 0.05, "halt": "8s"},
        ]
    )
    bond["rfq"] = dice.choice([{}, {"transparency": "immediate"}, {"transparency": "delayed", "delay": "9s"}])
    for group in raw["agents"]:
        median = f"{dice.randrange(1, 400)}ms"
        latency: dict[str, object] = {"median": median, "distribution": "constant"}
        if dice.random() < 0.5:
            latency |= {"distribution": "lognormal", "sigma": 0.7}
        group["connection"] = {"to_venue": latency, "from_venue": latency}
        group["count"] = dice.randrange(1, 4)
    if dice.random() < 0.5:
        raw["shocks"] = [{"instrument": "bond", "at": f"{dice.randrange(5, 50)}s", "size": dice.uniform(-0.2, 0.1)}]
    return parse_scenario(raw)


def market_with(strategy: str) -> Scenario:
    """A minute of a small market in which agents of one strategy trade."""
    tested = {"name": "tested", "strategy": strategy, "count": 2, "cash": 1_000_000, "holdings": {"bond": 100}}
    return parse_scenario(
        {
            "name": strategy.rpartition(":")[2],
            "horizon": "60s",
            "instruments": [
                {
                    "name": "bond",
                    "tick_size": "0.01",
                    "lot_size": 1,
                    "initial_price": 1,
                    "fair_value": {"daily_volatility": 0.05, "news_interval": "10s", "news_noise_sd": 0.01},
                }
            ],
            "agents": [
                {**tested, "sees_fair_value": True, "params": _REQUIRED.get(strategy.rpartition(":")[2], {})},
                {"name": "dealer", "strategy": "strategies.fixed_spread:FixedSpreadDealer", "count": 2},
                {"name": "noise", "strategy": "strategies.zero_intelligence:ZeroIntelligenceTrader", "count": 3},
                {
                    "name": "clients",
                    "strategy": "strategies.liquidity:LiquidityTraders",
                    "params": {"rfq_share": 0.5, "rfq_dealers": 10},
                    "connection": {"to_venue": {"distribution": "lognormal", "median": "5ms", "sigma": 0.5}},
                },
            ],
        }
    )
