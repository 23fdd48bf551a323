"""What is done with a market is let go of: notices on the heap are not looked into by the garbage collector."""

from __future__ import annotations

import gc
import weakref

import pytest
from sim_helpers import Idle, MemoryLog, group, scenario

from lob_sim.agents.context import Context
from lob_sim.errors import StrategyError
from lob_sim.running import dry_run
from lob_sim.scenario import load_scenario
from lob_sim.simulation.runner import advance
from lob_sim.simulation.world import World


class Breaks(Idle):
    """Raises a second after the opening, with a wake-up still due."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(10**9)
        ctx.wake_in(2 * 10**9)

    def on_wake(self, ctx: Context, tag: int) -> None:
        raise RuntimeError("broken")


def test_a_market_that_was_only_dry_rund_is_let_go_of() -> None:
    market = weakref.ref(dry_run(load_scenario("dealer_market", ["horizon=2min"])).market)
    gc.collect()
    assert market() is None


def test_so_is_one_whose_run_has_failed() -> None:
    world = World(scenario([group("breaks", Breaks)]), 1, MemoryLog())
    market = weakref.ref(world.market)
    with pytest.raises(StrategyError):
        advance(world)
    del world
    gc.collect()
    assert market() is None
