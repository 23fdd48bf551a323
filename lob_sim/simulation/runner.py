"""Run a scenario: the one function behind the command line, the experiments and the sweeps."""

from __future__ import annotations

from typing import Protocol

from lob_sim.messages.recorder import Recorder
from lob_sim.scenario import Scenario
from lob_sim.simulation.world import World
from lob_sim.units import Ns

PROGRESS_STEPS = 200
"""Steps of simulated time at whose ends an observer is shown the world."""


class Observer(Protocol):
    """Is shown the world at regular simulated times while a run goes on; must not change it."""

    def __call__(self, world: World, ts_ns: Ns) -> None:
        """Look at the world as it is at ``ts_ns``."""


def simulate(scenario: Scenario, seed: int, recorder: Recorder, observer: Observer | None = None) -> World:
    """Build the scenario's market and run it to its horizon.

    Args:
        scenario: What to run.
        seed: Non-negative; the same scenario and seed give the same log, byte for byte.
        recorder: Where messages go. It is not closed here: what was logged before an error is the caller's.
        observer: Called about 200 times, at equal steps of simulated time.

    Returns:
        The world as it stands at the horizon.

    Raises:
        InputError: The scenario does not hold.
        StrategyError: A strategy raised.
        InvariantError: Cash or securities were not conserved.
    """
    return advance(World(scenario, seed, recorder), observer)


def advance(world: World, observer: Observer | None = None) -> World:
    """Run a world that has been built to its horizon; see :func:`simulate`."""
    horizon_ns = world.scenario.horizon
    try:
        world.start()
        steps = 1 if observer is None else PROGRESS_STEPS
        for step in range(1, steps + 1):
            world.kernel.run_until(horizon_ns * step // steps)
            if observer is not None:
                observer(world, world.kernel.now_ns)
        world.finish()
    finally:
        world.kernel.drop_rest()
    return world
