"""Before a run: whether it can begin, and what is known of it."""

from __future__ import annotations

from contextlib import suppress

from lob_sim.errors import StrategyError
from lob_sim.log import AgentEntry, NullRecorder, RunHeader
from lob_sim.scenario import Scenario, scenario_to_dict
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.world import World


def dry_run(scenario: Scenario) -> World:
    """Build the market and let its agents start, and stop there: bad input shows before anything is written.

    Returns:
        The market at time 0.

    Raises:
        InputError: Something that the scenario says does not hold.
    """
    world = World(scenario, scenario.seed, NullRecorder())
    # What goes wrong in a strategy's own code belongs on the log of the run itself.
    with suppress(StrategyError):
        world.start()
    world.kernel.drop_rest()
    return world


def header_of(plan: MarketPlan, seed: int) -> RunHeader:
    """What is known of a run before it begins."""
    return RunHeader(
        scenario_to_dict(plan.scenario),
        seed,
        tuple(
            AgentEntry(i, member.name, member.group.name, member.group.strategy)
            for i, member in enumerate(plan.members)
        ),
        plan.instruments,
        plan.dealer_ids,
        str(plan.cash_unit),
    )
