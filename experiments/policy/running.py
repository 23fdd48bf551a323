"""The runs of the policy lab: what an episode's policies have in common is simulated once for each seed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from experiments.policy.measure import Lens, policy_metrics
from experiments.policy.ways import Plan, resized, with_changes
from experiments.spiral.cells import Runs, run_axes
from experiments.validation.fingerprint import fingerprint
from lob_sim import Simulation
from lob_sim.running import run as run_once
from lob_sim.scenario import parse_scenario, scenario_to_dict
from lob_sim.sweep import Axis
from lob_sim.sweep.branch_task import BranchTask
from lob_sim.sweep.task import TaskResult, TaskSpec

NOTHING = "nothing"
"""The cell in which nobody does anything: a branch that changes nothing."""
UNBRANCHED = "nothing, in one go"
"""The same market run from the start without a branch, and without the groups that wait for one: a control."""
AS_IT_WAS = "as it was"
"""The episode with what was done at the time."""


FIRST_SEED = 301
"""Episodes were chosen, and their claims measured, with seeds before it."""


class Cell(msgspec.Struct, frozen=True):
    """One market of an episode.

    Attributes:
        scenario: The common past's, for a branch; else its own.
        branches: Whether it is a branch.
        changes: What the branch changes.
    """

    scenario: dict[str, Any]
    branches: bool
    changes: tuple[str, ...] = ()


class LabTask(msgspec.Struct, frozen=True):
    """A task whose only parameter, ``cell``, names a market of one episode.

    Attributes:
        cells: By name.
        lens: What is looked at.
        pasts: Folder of the pasts of this episode alone, by seed: what is in it is loaded, and so may run.
    """

    cells: dict[str, Cell]
    lens: Lens
    pasts: str

    def __call__(self, spec: TaskSpec) -> TaskResult:
        """Do one run."""
        name = str(spec.overrides["cell"])
        cell = self.cells[name]
        if cell.branches:
            past = BranchTask(cell.scenario, _unused, self.lens.at_ns, self.pasts).past(TaskSpec({}, spec.seed))
            run = Simulation.of(past, changes=cell.changes).finish()
        else:
            run = run_once(parse_scenario(cell.scenario, f"{name}: "), spec.seed)
        return TaskResult(policy_metrics(run, self.lens), run.digest)


def _unused(*_: Any) -> TaskResult:
    raise AssertionError("a past is not measured")


def cells_of(plan: Plan, sizes: Sequence[float] = (), overrides: Sequence[str] = ()) -> dict[str, Cell]:
    """The markets of an episode, by name: without a policy, with each, and all of these at further sizes of shock."""
    found = {NOTHING: Cell(plan.base, True), UNBRANCHED: Cell(plan.plain, False)}
    if plan.episode.done:
        found[AS_IT_WAS] = Cell(scenario_to_dict(plan.episode.as_it_was(overrides)), False)
    treated = {NOTHING: Cell(plan.base, True)}
    for way in plan.ways:
        if way.kind == "branch":
            treated[way.overlay] = Cell(plan.base, True, way.changes)
        elif way.scenario is not None:
            treated[way.overlay] = Cell(way.scenario, False)
    for size in sizes:
        for name, cell in treated.items():
            shocks = resized(plan.plain, -size / 100)
            changed = (
                msgspec.structs.replace(cell, changes=(*cell.changes, shocks))
                if cell.branches
                else Cell(with_changes(cell.scenario, [shocks]), False)
            )
            found[sized(name, size)] = changed
    return found | treated


def sized(name: str, size: float) -> str:
    """Name of a cell at another size of shock, in per cent."""
    return f"{name} at {size:g}%"


def run_episode(
    plan: Plan, seeds: int, out: Path | None, sizes: Sequence[float] = (), overrides: Sequence[str] = ()
) -> dict[str, pd.DataFrame]:
    """Run all markets of an episode with seeds from 301 on.

    Args:
        plan: The episode and its policies.
        seeds: How many.
        out: Folder in which what is done stays done; None keeps nothing.
        sizes: Further sizes of the first shock, in per cent of value.
        overrides: Further changes of the episode.

    Returns:
        Metrics of each market, a row a seed, indexed by seed.

    Raises:
        LobSimError: A run failed.
        InputError: The folder holds the results of something else.
    """
    cells = cells_of(plan, sizes, overrides)
    name = plan.episode.name
    lens = Lens(plan.at_ns, plan.episode.instrument, plan.episode.side, plan.classes)
    described: Mapping[str, Any] = {
        "cells": {key: _anywhere(cell) for key, cell in cells.items()},
        "lens": msgspec.to_builtins(lens),
        "program": fingerprint(policy_metrics.__module__),
    }
    with _pasts(None if out is None else out / f"{name}.pasts") as pasts:
        task = LabTask(cells, lens, str(pasts))
        runs = Runs(seeds, FIRST_SEED, None if out is None else out / name)
        frame = run_axes(task, [Axis("cell", tuple(cells))], runs, name, described)
    return {cell: frame[frame["cell"] == cell].set_index("seed").sort_index() for cell in cells}


def _anywhere(cell: Cell) -> dict[str, Any]:
    """A cell as plain data, wherever this checkout lies."""
    plain: dict[str, Any] = msgspec.to_builtins(cell)
    return {**plain, "scenario": {**plain["scenario"], "folder": ""}}


@contextmanager
def _pasts(folder: Path | None) -> Iterator[Path]:
    """A folder for the common pasts; gone when all is done, kept when it is not, to go on from."""
    if folder is None:
        with tempfile.TemporaryDirectory() as made:
            yield Path(made)
        return
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
