"""What cells have in common before their first shock, simulated once for each seed.

Cells that differ in nothing but shocks are one market until the first of these, and branches of it from then on: each
run's log is, byte for byte, that of a run from the start.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lob_sim import Simulation
from lob_sim.running import opened_by
from lob_sim.scenario import Scenario, scenario_to_dict
from lob_sim.scenario.toml_text import toml_value
from lob_sim.sweep.branch_task import BranchTask
from lob_sim.sweep.scenario_task import Measure
from lob_sim.sweep.task import TaskResult, TaskSpec
from lob_sim.units import Ns


class Past(msgspec.Struct, frozen=True):
    """The market of some cells until their first shock.

    Attributes:
        scenario: One of them, as plain data.
        until_ns: The last instant before that shock.
        folder: For its states, by seed: what is in it is loaded, and so may run.
    """

    scenario: dict[str, Any]
    until_ns: Ns
    folder: str

    def measured(self, scenario: Scenario, spec: TaskSpec, measure: Measure) -> TaskResult:
        """Measure a cell whose run, if the measure asks for no other, goes on from here."""
        state = BranchTask(self.scenario, measure, self.until_ns, self.folder).past(TaskSpec({}, spec.seed))
        shocks = f"shocks={toml_value(scenario_to_dict(scenario)['shocks'])}"

        def opened(asked: Scenario, seed: int | None, out: str | Path | None) -> Simulation:
            if (asked, seed) == (scenario, spec.seed):
                return Simulation.of(state, out, changes=[shocks])
            return Simulation(asked, seed, out)

        with opened_by(opened):
            return measure(scenario, spec.seed, spec.out)


def pasts_of(cells: Mapping[str, Scenario], folder: Path) -> dict[str, Past]:
    """The pasts that two cells or more have in common, by cell.

    Args:
        cells: Scenarios by name.
        folder: Of these cells alone, there as long as they are run.
    """
    alike: list[tuple[Scenario, list[str]]] = []
    for name, scenario in cells.items():
        quiet = msgspec.structs.replace(scenario, shocks=[])
        names = next((names for other, names in alike if other == quiet), None)
        if names is None:
            alike.append((quiet, [name]))
        else:
            names.append(name)
    found: dict[str, Past] = {}
    for number, (_, names) in enumerate(alike):
        until_ns = min((shock.at for name in names for shock in cells[name].shocks), default=0) - 1
        if len(names) > 1 and until_ns > 0:
            own = folder / str(number)
            own.mkdir()
            found |= dict.fromkeys(names, Past(scenario_to_dict(cells[names[0]]), until_ns, str(own)))
    return found
