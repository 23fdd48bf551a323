"""Sweeps of a scenario: overrides by parameter path, checked before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from lob_sim.errors import InputError, ScenarioError
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict, set_path
from lob_sim.sources import plugin_sources
from lob_sim.sweep.design import Design
from lob_sim.sweep.folder import SweepPlan
from lob_sim.sweep.task import TaskResult, TaskSpec, Value, load_task, task_name

Measure: TypeAlias = Callable[[Scenario, int, str | None], TaskResult]
"""Runs a scenario with a seed, keeps the log in a directory if one is named, and gives metrics and digest."""


class ScenarioTask(msgspec.Struct, frozen=True):
    """A task (see :mod:`lob_sim.sweep.task`) that runs one scenario with overrides.

    The scenario travels with it as plain data: a worker on another machine needs no scenario file. It does
    need the files of plug-ins that the scenario names by file, at the same path.

    Attributes:
        scenario: As from :func:`lob_sim.scenario.scenario_to_dict`.
        measure: What to do with it; a function at the top level of a module.
    """

    scenario: dict[str, Any]
    measure: Measure

    def __call__(self, spec: TaskSpec) -> TaskResult:
        """Do one run.

        Raises:
            LobSimError: Whatever the scenario or its run raises.
        """
        return self.measure(self.at(spec.overrides), spec.seed, spec.out)

    def at(self, overrides: Mapping[str, Value]) -> Scenario:
        """The scenario with overrides, checked as a file would be.

        Raises:
            ScenarioError: An unknown path (suggests the nearest) or a value that a scenario may not have;
                names the option.
        """
        raw = msgspec.to_builtins(self.scenario)
        where = "--over "
        for path, value in overrides.items():
            set_path(raw, path, value, f"{where}{path}")
        return parse_scenario(raw, where)

    def validate(self, overrides: Mapping[str, Value]) -> None:
        """Refuse overrides that :meth:`at` refuses, naming the point: the combination may be what is wrong.

        Raises:
            ScenarioError: As of :meth:`at`.
        """
        try:
            self.at(overrides)
        except InputError as error:
            point = ", ".join(f"{path}={value}" for path, value in overrides.items())
            text = f"{error.message} (at the point {point or 'without overrides'})"
            raise ScenarioError(text, error.where) from None


def plan_scenario_sweep(
    scenario: Scenario,
    design: Design,
    seeds: int,
    measure: str | Measure,
    keep_logs: bool = False,
) -> tuple[SweepPlan, ScenarioTask]:
    """Plan a sweep of a scenario for :func:`lob_sim.sweep.run_sweep`.

    Args:
        scenario: What is run.
        design: The points; its paths are the scenario's.
        seeds: Number of seeds per point.
        measure: Runs the scenario and measures it; a function or ``"module:function"``.
        keep_logs: Whether each run keeps its full event log.

    Returns:
        The plan, and its task, whose ``validate`` is for ``run_sweep``.
    """
    found: Any = load_task(measure)  # type: ignore[arg-type]
    task = ScenarioTask(scenario_to_dict(scenario), found)
    # Where the file lay is no part of what is computed; what the plug-ins beside it say is.
    described = {key: value for key, value in task.scenario.items() if key != "folder"}
    # Points may name others than the scenario does.
    named = {**task.scenario, "points": [design.fixed, *(axis.values for axis in design.axes)]}
    described["plug-in sources"] = plugin_sources(named)
    described["measure"] = task_name(found)
    plan = SweepPlan(task=task, design=design, seeds=seeds, scenario=described, keep_logs=keep_logs)
    return plan, task
