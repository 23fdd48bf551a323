"""Run a scenario and keep its log: in memory, or in a run directory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lob_sim.errors import StrategyError
from lob_sim.log import (
    AgentEntry,
    DirectoryRecorder,
    MemoryRecorder,
    NullRecorder,
    Run,
    RunHeader,
    open_run,
    run_in_memory,
)
from lob_sim.scenario import Scenario, errors_name, load_scenario, scenario_to_dict
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.runner import Observer, advance
from lob_sim.simulation.world import World


def run(
    scenario: Scenario | str | Path,
    seed: int | None = None,
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    observer: Observer | None = None,
) -> Run:
    """Run a scenario to its horizon and return its log.

    Args:
        scenario: A scenario, a file, or the name of a packaged one.
        seed: Non-negative; the scenario's own if not given. The same scenario and seed give the same log, byte
            for byte.
        out: Directory for the log, new or empty; without it the log is kept in memory.
        overrides: Changes as ``"path=value"``, when ``scenario`` is a file or a name.
        observer: Shown the world at about 200 equal steps of simulated time.

    Returns:
        The log, whose tables are pandas DataFrames: ``run.trades``, ``run.orders``, ``run.table("belief")``, ...

    Raises:
        ScenarioError: The scenario does not hold; nothing has been written then.
        OutputError: ``out`` is not empty or cannot be written.
        StrategyError: A strategy raised; what was logged until then is in ``out``.
    """
    if not isinstance(scenario, Scenario):
        with errors_name(scenario):
            return run(load_scenario(scenario, overrides), seed, out, observer=observer)
    if out is not None:
        dry_run(scenario)
    plan = MarketPlan(scenario)
    chosen = scenario.seed if seed is None else seed
    header = header_of(plan, chosen)
    if out is None:
        memory = MemoryRecorder()
        advance(World(plan, chosen, memory), observer)
        return run_in_memory(memory, header)
    with DirectoryRecorder(out, header) as directory:
        advance(World(plan, chosen, directory), observer)
    return open_run(out)


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
