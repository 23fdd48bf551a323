"""The same scenario and seed give the same log, whatever process, hash seed, or order of declaration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sim_helpers import MS, Idle, MemoryLog, group, instrument, latency, run, scenario
from test_conservation import stress_scenario

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import FairValue, NewOrder, Side
from lob_sim.scenario import Scenario, load_scenario, parse_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.simulation.world import World

SHORT = ["horizon=2min", "agents.liquidity.count=2"]


def packaged() -> Scenario:
    return load_scenario("dealer_market", SHORT)


def digest(spec: Scenario, seed: int = 1) -> str:
    log = MemoryLog()
    simulate(spec, seed, log)
    assert len(log.entries) > 1_000
    return log.digest()


def test_same_seed_same_log_and_another_seed_another() -> None:
    spec = packaged()
    assert digest(spec) == digest(spec)
    assert digest(spec) != digest(spec, seed=2)


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_same_log_in_a_fresh_process_under_another_hash_seed(hash_seed: str) -> None:
    program = (
        "import test_sim_determinism as t\n"
        "print(t.digest(t.packaged()))\n"
        "print(t.digest(t.stress_scenario(seconds=0.5), 3))\n"
    )
    folder = str(Path(__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join([folder, os.getcwd()])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [digest(packaged()), digest(stress_scenario(seconds=0.5), 3)]


@pytest.mark.parametrize("which", ["packaged", "stress"])
def test_the_order_of_declaration_does_not_matter(which: str) -> None:
    spec = packaged() if which == "packaged" else stress_scenario(seconds=0.5)
    raw = scenario_to_dict(spec)
    for table in ("agents", "instruments", "shocks"):
        raw[table] = raw[table][::-1]
    for entry in raw["agents"]:
        entry["holdings"] = dict(reversed(entry["holdings"].items()))
        entry["params"] = dict(reversed(entry["params"].items()))
    reversed_spec = parse_scenario(raw)
    assert reversed_spec.agents != spec.agents
    assert digest(reversed_spec) == digest(spec)


def test_being_watched_changes_nothing_not_even_at_the_horizon() -> None:
    """The fair value moves at whole seconds, the horizon included: it must be on both logs or on neither."""
    spec = packaged()
    log, seen = MemoryLog(), []
    simulate(spec, 1, log, lambda world, ts_ns: seen.append(ts_ns))
    assert log.digest() == digest(spec)
    assert seen[-1] == spec.horizon
    assert len(seen) == 200
    assert max(event.ts_event_ns for event in log.of(FairValue)) < spec.horizon


# --- one stream per component ------------------------------------------------------------------------------


class Loner(Strategy):
    """Trades in one instrument of its own at random, and so shows its draws on the log."""

    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        instrument_id: int = 0

    params: Params

    def on_start(self, ctx: Context) -> None:
        self.on_wake(ctx, 0)

    def on_wake(self, ctx: Context, tag: int) -> None:
        instrument_id = ctx.random.integer(0, len(ctx.instruments)) if self.params.instrument_id < 0 else 0
        ctx.place(instrument_id, Side.BUY, ctx.random.integer(1, 100), 1 + int(50 + 5 * ctx.random.normal()))
        ctx.wake_in(ctx.random.delay_ns(5 * MS))


RANDOM_LATENCY = {
    "to_venue": {"distribution": "lognormal", "median": "3ms", "sigma": 0.7},
    "from_venue": {"distribution": "uniform", "median": "3ms", "spread": "2ms"},
}


def sent_by(spec: Scenario, *names: str) -> dict[str, list[Any]]:
    """What each of the agents sent and when it arrived, without agents' and orders' numbers."""
    log, world = run(spec)
    number = {host.name: host.agent_id for host in world.hosts}
    return {
        name: [
            (ts, m.side, m.qty_lots, m.price_ticks, m.ts_sent_ns)
            for ts, m in log.entries
            if isinstance(m, NewOrder) and m.agent_id == number[name]
        ]
        for name in names
    }


def loners(count: int = 2, others: tuple[dict[str, Any], ...] = (), **fields: Any) -> Scenario:
    agents = [group("loner", Loner, count=count, connection=RANDOM_LATENCY, **fields), *others]
    return scenario(agents, horizon="1s")


@pytest.mark.parametrize(
    "changed",
    [
        loners(others=(group("another", Idle, count=5),)),
        loners(others=(group("zero", Loner, connection=RANDOM_LATENCY),)),
        loners(count=12),
        loners(others=(group("a", "strategies.fixed_spread:FixedSpreadDealer", connection=latency("1ms")),)),
    ],
    ids=["idle agents before it", "an active agent after it", "more members", "a dealer before it"],
)
def test_adding_an_agent_moves_nobody_elses_draws(changed: Scenario) -> None:
    plain = sent_by(loners(), "loner-1", "loner-2")
    assert len(plain["loner-1"]) > 100
    assert sent_by(changed, "loner-1", "loner-2") == plain
    # Negative controls: two members differ, and so does one that is called otherwise.
    assert plain["loner-1"] != plain["loner-2"]
    renamed = scenario([group("other", Loner, connection=RANDOM_LATENCY)], horizon="1s")
    assert sent_by(renamed, "other-1")["other-1"] != plain["loner-1"]


def test_a_switch_leaves_every_stream_alone() -> None:
    spec = packaged()
    raw = scenario_to_dict(spec)
    raw["switches"]["slr"] = False  # nobody here has a balance sheet
    assert digest(parse_scenario(raw)) == digest(spec)


def test_adding_an_instrument_leaves_the_others_alone() -> None:
    one = sent_by(loners(), "loner-1")
    two = scenario(
        [group("loner", Loner, count=2, connection=RANDOM_LATENCY)],
        [instrument(), instrument("zzz", 50, fair_value={"daily_volatility": 0.01})],
        horizon="1s",
    )
    assert sent_by(two, "loner-1") == one


def test_a_balance_sheet_leaves_its_owners_draws_alone() -> None:
    with_sheets = load_scenario("dealer_market", SHORT)
    plain = scenario_to_dict(with_sheets)
    sheet = {"constraints": [{"kind": "slr", "params": {"minimum": 0.01}}]}
    draws = []
    for balance_sheet in (None, sheet):
        agents = [{**group, "balance_sheet": balance_sheet} for group in plain["agents"]]
        world = World(parse_scenario({**plain, "agents": agents}), 1, MemoryLog())
        # The strategy is the last of an agent's components; a desk comes before it.
        draws.append([host._contexts[-1].random.uniform() for host in world.hosts])
        assert [len(host.components) for host in world.hosts] == [1 + (balance_sheet is not None)] * len(draws[0])
    assert draws[0] == draws[1]
    assert len(set(draws[0])) == len(draws[0])
