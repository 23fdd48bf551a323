"""Run a scenario and keep its log: in memory, or in a run directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias

from lob_sim.interactive.opening import dry_run, header_of
from lob_sim.interactive.simulation import Simulation
from lob_sim.log import Run
from lob_sim.rng import checked_seed
from lob_sim.scenario import Scenario, errors_name, load_scenario
from lob_sim.simulation.runner import PROGRESS_STEPS, Observer

__all__ = ["dry_run", "header_of", "opened_by", "run"]

Opening: TypeAlias = Callable[[Scenario, int | None, str | Path | None], Simulation]
"""Of a scenario, a seed and a folder for the log: the simulation that :func:`run` takes to its horizon."""
_opening: ContextVar[Opening] = ContextVar("opening", default=Simulation)


@contextmanager
def opened_by(opening: Opening) -> Iterator[None]:
    """Let :func:`run` begin with another simulation: a branch, which has its past behind it."""
    token = _opening.set(opening)
    try:
        yield
    finally:
        _opening.reset(token)


def run(
    scenario: Scenario | str | Path,
    seed: int | None = None,
    out: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    overlays: Sequence[str | Path] = (),
    observer: Observer | None = None,
) -> Run:
    """Run a scenario to its horizon and return its log.

    Args:
        scenario: A scenario, a file, or the name of a packaged one.
        seed: Non-negative; the scenario's own if not given. The same scenario and seed give the same log, byte
            for byte.
        out: Directory for the log, new or empty; without it the log is kept in memory.
        overrides: Changes as ``"path=value"``, when ``scenario`` is a file or a name.
        overlays: Overlay files, or names of packaged ones, put over it before them, likewise.
        observer: Shown the world at about 200 equal steps of simulated time.

    Returns:
        The log, whose tables are pandas DataFrames: ``run.trades``, ``run.orders``, ``run.table("belief")``, ...

    Raises:
        ScenarioError: The scenario does not hold; nothing has been written then.
        OutputError: ``out`` is not empty or cannot be written.
        StrategyError: A strategy raised; what was logged until then is in ``out``.
    """
    seed = None if seed is None else checked_seed(seed)
    if not isinstance(scenario, Scenario):
        with errors_name(scenario):
            return run(load_scenario(scenario, overrides, overlays=overlays), seed, out, observer=observer)
    with _opening.get()(scenario, seed, out) as simulation:
        steps = 1 if observer is None else PROGRESS_STEPS
        for step in range(1, steps + 1):
            simulation.run_until(max(simulation.now, scenario.horizon * step // steps))
            if observer is not None:
                observer(simulation.world, simulation.now)
        return simulation.finish()
