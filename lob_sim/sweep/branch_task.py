"""Sweeps that branch: what all points have in common up to an instant is run once for each seed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from lob_sim.errors import InputError, ScenarioError
from lob_sim.extras import need_extra
from lob_sim.interactive.branching import turn_of
from lob_sim.interactive.opening import header_of
from lob_sim.interactive.simulation import Simulation, State
from lob_sim.log import BranchEntry
from lob_sim.running import opened_by
from lob_sim.scenario import Scenario, apply_overrides, parse_scenario
from lob_sim.simulation.plan import MarketPlan
from lob_sim.sweep.scenario_task import Measure
from lob_sim.sweep.task import TaskResult, TaskSpec, Value
from lob_sim.units import Ns, format_time


class BranchTask(msgspec.Struct, frozen=True):
    """A task whose points are branches of one market.

    ``lob_sim.run`` of the point's scenario, which the measure calls, goes on from the past with the point's changes.

    Attributes:
        scenario: What all points have in common, as from :func:`lob_sim.scenario.scenario_to_dict`.
        measure: What to do with each; a function at the top level of a module.
        at_ns: The instant.
        pasts: A folder of this sweep alone, for the states of its seeds: what is in it is loaded, and so may run.
    """

    scenario: dict[str, Any]
    measure: Measure
    at_ns: Ns
    pasts: str

    def __call__(self, spec: TaskSpec) -> TaskResult:
        """Do one run.

        Raises:
            LobSimError: Whatever the scenario or its run raises.
        """
        state = self.past(spec)
        changes = changes_of(spec.overrides)

        def open_branch(scenario: Scenario, seed: int | None, out: str | Path | None) -> Simulation:
            return Simulation.of(state, out, changes=changes)

        scenario = parse_scenario(apply_overrides(self.scenario, changes), "--over ")
        with opened_by(open_branch):
            return self.measure(scenario, spec.seed, spec.out)

    def validate(self, overrides: Mapping[str, Value]) -> None:
        """Refuse a point that no branch can be.

        Raises:
            ScenarioError: Names the parameter.
        """
        base = self._base()
        if self.at_ns > base.horizon:
            told = f"is beyond the horizon, {format_time(base.horizon)}"
            raise ScenarioError(told, f"--branch-at {format_time(self.at_ns)}")
        changes = changes_of(overrides)
        try:
            turn_of(header_of(MarketPlan(base), base.seed), BranchEntry(self.at_ns, changes=changes))
        except InputError as error:
            raise ScenarioError(f"{error.message} (at the point {', '.join(changes)})", error.where) from None

    def _base(self) -> Scenario:
        return parse_scenario(msgspec.to_builtins(self.scenario), "scenario.")

    def past(self, spec: TaskSpec) -> State:
        """The market of a seed at the instant: made by the first worker that needs it, while others wait."""
        need_extra("sweep", "filelock")
        from filelock import FileLock

        kept = Path(self.pasts) / f"{spec.seed}.state"
        with FileLock(f"{kept}.lock"):
            if not kept.exists():
                self._make_past(spec).save(kept)
        return State.read(kept)

    def _make_past(self, spec: TaskSpec) -> State:
        out = None if spec.out is None else Path(spec.out).parent / f"past-{spec.seed}"
        if out is not None:
            # Only an interrupted sweep can have left it; it is made again as it was.
            with suppress(FileNotFoundError):
                shutil.rmtree(out)
        with Simulation(self._base(), spec.seed, out) as simulation:
            simulation.run_until(self.at_ns)
            return simulation.state()


def changes_of(overrides: Mapping[str, Value]) -> tuple[str, ...]:
    """Overrides as a branch takes changes."""
    return tuple(f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in overrides.items())
