"""The cells of the flagship: the whole system with mechanisms switched, shocks and capital scaled, members left out.

A cell is a complete scenario. All cells share their seeds, and no switch touches a random stream, so that cells are
compared seed by seed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from experiments.spiral.common_past import Past, pasts_of
from experiments.spiral.measure import measure_spiral
from experiments.validation.fingerprint import fingerprint
from lob_sim.errors import InputError
from lob_sim.experiment import processes, require_ok, run_cells
from lob_sim.scenario import (
    AgentGroupSpec,
    BalanceSheetSpec,
    Scenario,
    load_scenario,
    open_market,
    parse_scenario,
    scenario_to_dict,
)
from lob_sim.sweep import Axis, Design, SweepPlan, progress_bar, run_sweep
from lob_sim.sweep.scenario_task import Measure
from lob_sim.sweep.task import Task, TaskResult, TaskSpec
from lob_sim.units import exact_text

SCENARIO = Path(__file__).parent.parent / "whole_system.toml"
FIRST_MARKET = Path(__file__).parent.parent / "first_market.toml"
"""The market with which this program began. Its calm is not in order, so that no claim about a crisis rests on it; what
is asked of a dealer's parts is asked in it."""
INFORMATION = ("toxicity", "retreat", "prudent_marks")
"""The switches of the information feedback."""
CONSTRAINTS = ("slr", "var", "funding")
"""The switches of the balance-sheet constraints. Redemptions belong to neither: they concern funds."""
NEITHER, INFORMATION_ALONE, CONSTRAINTS_ALONE, BOTH = ("neither", "information alone", "constraints alone", "both")


def flagship(overrides: Sequence[str] = ()) -> Scenario:
    """The flagship's scenario, with changes as ``"path=value"``."""
    return load_scenario(SCENARIO, overrides)


def first_market(overrides: Sequence[str] = ()) -> Scenario:
    """The scenario of the first market, with changes as ``"path=value"``."""
    return load_scenario(FIRST_MARKET, overrides)


# --- scenarios from scenarios --------------------------------------------------------------------------------


def without(scenario: Scenario, *switches: str) -> Scenario:
    """The scenario with mechanisms switched off."""
    off = dict.fromkeys(switches, False)
    return msgspec.structs.replace(scenario, switches=msgspec.structs.replace(scenario.switches, **off))


def calm(scenario: Scenario) -> Scenario:
    """The scenario without its shocks."""
    return msgspec.structs.replace(scenario, shocks=[])


def shocked(scenario: Scenario, size: float) -> Scenario:
    """The scenario with its first shock of another size, and the others in proportion.

    Args:
        scenario: Has a shock that is not 0.
        size: Relative change of fair value, above -1.
    """
    factor = size / scenario.shocks[0].size
    shocks = [msgspec.structs.replace(shock, size=shock.size * factor) for shock in scenario.shocks]
    return msgspec.structs.replace(scenario, shocks=shocks)


def factorial(scenario: Scenario) -> dict[str, Scenario]:
    """The four cells of {information feedback} × {balance-sheet constraints}."""
    return {
        NEITHER: without(scenario, *INFORMATION, *CONSTRAINTS),
        INFORMATION_ALONE: without(scenario, *CONSTRAINTS),
        CONSTRAINTS_ALONE: without(scenario, *INFORMATION),
        BOTH: scenario,
    }


def with_group(scenario: Scenario, name: str, group: AgentGroupSpec | None) -> Scenario:
    """The scenario with one group of agents replaced, or left out."""
    agents = [group if old.name == name else old for old in scenario.agents]
    return msgspec.structs.replace(scenario, agents=[member for member in agents if member is not None])


def with_params(scenario: Scenario, strategy: str, **params: Any) -> Scenario:
    """The scenario with parameters set in every group whose strategy's class has that name.

    The name of a part's parameter is a dotted path, ``toxicity.prior_alpha``; the part's other parameters stay.
    """

    def changed(group: AgentGroupSpec) -> AgentGroupSpec:
        found = group.params
        for path, value in params.items():
            found = _with(found, path, value)
        return msgspec.structs.replace(group, params=found)

    agents = [changed(group) if class_of(group) == strategy else group for group in scenario.agents]
    return msgspec.structs.replace(scenario, agents=agents)


def _with(params: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    return {**params, name: _with(params.get(name, {}), rest, value) if rest else value}


def class_of(group: AgentGroupSpec) -> str:
    """Name of the class of a group's strategy."""
    return group.strategy.rpartition(":")[2]


# --- capital -------------------------------------------------------------------------------------------------


class Capital(msgspec.Struct, frozen=True):
    """What a group's leverage limit leaves each of its members, in currency units.

    Attributes:
        assets: Cash, holdings at their initial prices, and other assets.
        required: Tier 1 that the limit demands of that.
        headroom: Tier 1 beyond it.
        shock_loss: What the scenario's shocks by themselves take from the headroom: the loss, less the Tier 1 that
            the assets lost need no longer carry.
    """

    assets: Decimal
    required: Decimal
    headroom: Decimal
    shock_loss: Decimal


def leverage_groups(scenario: Scenario) -> dict[str, AgentGroupSpec]:
    """The groups that have a leverage limit, by name."""
    return {
        group.name: group
        for group in scenario.agents
        if group.balance_sheet is not None and _minimum(group.balance_sheet) is not None
    }


def capital(scenario: Scenario, group: AgentGroupSpec) -> Capital:
    """The opening capital of a group's members.

    Raises:
        InputError: The group has no leverage limit.
    """
    sheet = group.balance_sheet
    minimum = _minimum(sheet) if sheet is not None else None
    if sheet is None or minimum is None:
        raise InputError(f"group {group.name!r} has no leverage limit: expected a constraint of kind slr", "agents")
    held = holdings(scenario, group)
    assets = group.cash + sum(held.values(), Decimal(0)) + sheet.other_assets
    tier1 = assets - sheet.short_term_funding - sum(sheet.repo.values(), Decimal(0))
    fall = sum((-Decimal(repr(shock.size)) * held[shock.instrument] for shock in scenario.shocks), Decimal(0))
    return Capital(assets, minimum * assets, tier1 - minimum * assets, (1 - minimum) * fall)


def holdings(scenario: Scenario, group: AgentGroupSpec) -> dict[str, Decimal]:
    """Value of what a member of a group holds of each instrument at its initial price, in currency units."""
    return {
        i.name: group.holdings.get(i.name, Decimal(0)) * i.initial_price / i.price_per for i in scenario.instruments
    }


def with_headroom(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with the Tier 1 headroom of every dealer that has a leverage limit multiplied.

    Assets stay as they are; short-term funding changes, to the nearest unit of cash.

    Args:
        scenario: The scenario.
        factor: 0: every dealer stands at its minimum; 1: as it is.
    """
    unit = open_market(scenario)[1].size
    for name, group in leverage_groups(scenario).items():
        now, sheet = capital(scenario, group), group.balance_sheet
        assert sheet is not None
        tier1 = now.required + Decimal(repr(factor)) * now.headroom
        funding = now.assets - tier1 - sum(sheet.repo.values(), Decimal(0))
        nearest = Decimal(exact_text(round(Fraction(funding) / unit) * unit))
        changed = msgspec.structs.replace(sheet, short_term_funding=nearest)
        scenario = with_group(scenario, name, msgspec.structs.replace(group, balance_sheet=changed))
    return scenario


def _minimum(sheet: BalanceSheetSpec) -> Decimal | None:
    for constraint in sheet.constraints:
        if constraint.kind == "slr":
            return Decimal(repr(constraint.params.get("minimum", 0.05)))
    return None


def mechanisms(scenario: Scenario) -> frozenset[str]:
    """The switches that make a difference to this scenario: nobody has what the others switch off."""
    sheets = [group.balance_sheet for group in scenario.agents if group.balance_sheet is not None]
    kinds = {constraint.kind for sheet in sheets for constraint in sheet.constraints}
    found = {*INFORMATION, *(kinds & {"slr", "var", "funding"})}
    if any(class_of(group) in ("RepoLending", "StandingRepoFacility") for group in scenario.agents):
        found.add("funding")
    if any(sheet.redemptions is not None for sheet in sheets):
        found.add("redemptions")
    return frozenset(found)


# --- running -------------------------------------------------------------------------------------------------


class CellTask(msgspec.Struct, frozen=True):
    """A task whose only parameter, ``cell``, names a scenario.

    Attributes:
        cells: Scenarios by name, as plain data.
        measure: What to do with one.
        pasts: What some have in common with others, by name.
    """

    cells: dict[str, dict[str, Any]]
    measure: Measure
    pasts: dict[str, Past] = {}

    def __call__(self, spec: TaskSpec) -> TaskResult:
        """Do one run."""
        name = str(spec.overrides["cell"])
        scenario = parse_scenario(self.cells[name], f"cell {name}: ")
        if name in self.pasts:
            return self.pasts[name].measured(scenario, spec, self.measure)
        return self.measure(scenario, spec.seed, spec.out)


def cell_task(cells: Mapping[str, Scenario], measure: Measure = measure_spiral, pasts: Path | None = None) -> CellTask:
    """A task for these cells; its points are ``{"cell": name}``.

    Args:
        cells: Scenarios by name.
        measure: What to do with one.
        pasts: Folder of this task alone for what cells have in common before their shocks, which is simulated once for
            each seed then. None: every run begins at the start.
    """
    plain = {name: scenario_to_dict(scenario) for name, scenario in cells.items()}
    return CellTask(plain, measure, {} if pasts is None else pasts_of(cells, pasts))


class Runs(msgspec.Struct, frozen=True):
    """How many runs there are of each cell, and where their results are kept.

    Attributes:
        seeds: Number of seeds.
        first: The first of them; they are in a row.
        folder: A sweep's folder, in which what is done stays done if the command is stopped and given again. None: no
            results are kept.
    """

    seeds: int
    first: int = 1
    folder: Path | None = None


def run_scenarios(
    cells: Mapping[str, Scenario], runs: Runs | int, title: str, measure: Measure = measure_spiral
) -> dict[str, pd.DataFrame]:
    """Run every cell with some seeds in a row, or with seeds 1 .. n, and show how far it is.

    Returns:
        Metrics of each cell, a row a seed, indexed by seed.

    Raises:
        LobSimError: A run failed.
        InputError: The folder holds the results of something else.
    """
    asked = runs if isinstance(runs, Runs) else Runs(runs)
    with tempfile.TemporaryDirectory() as pasts:
        task = cell_task(cells, measure, Path(pasts))
        described = [task.cells, fingerprint(measure.__module__)]
        frame = run_axes(task, [Axis("cell", tuple(cells))], asked, title, described)
    return {name: frame[frame["cell"] == name].set_index("seed") for name in cells}


def run_axes(task: Task, axes: Sequence[Axis], runs: Runs, title: str, described: Any) -> pd.DataFrame:
    """Do a task at every point of a grid with some seeds in a row: a row a run, with the point and ``seed``.

    Args:
        task: The task.
        axes: The grid's axes.
        runs: How many, and where they are kept.
        title: What is shown while they run.
        described: As plain data, all that results depend on but the package: a folder whose is another is refused.

    Raises:
        LobSimError: A run failed.
        InputError: The folder holds the results of something else.
    """
    if runs.folder is None:
        return run_cells(task, Design(tuple(axes)).points(), runs.seeds, title, runs.first)
    numbers = Axis(_NUMBER, tuple(range(runs.first, runs.first + runs.seeds)))
    plan = SweepPlan(
        task=_Numbered(task),
        design=Design((*axes, numbers)),
        seeds=1,
        scenario=described,
    )
    with progress_bar(title) as progress, processes() as executor:
        resume = (runs.folder / "sweep.json").is_file()
        sweep = run_sweep(plan, runs.folder, executor=executor, resume=resume, progress=progress)
    frame = require_ok(sweep.frame())
    return frame.drop(columns="seed").rename(columns={_NUMBER: "seed"})


_NUMBER = "number"


class _Numbered(msgspec.Struct, frozen=True):
    """A task whose seed is a parameter: a sweep chooses its seeds itself, and these are to be in a row."""

    task: Any

    def __call__(self, spec: TaskSpec) -> TaskResult:
        point = {name: value for name, value in spec.overrides.items() if name != _NUMBER}
        found: TaskResult = self.task(TaskSpec(point, int(spec.overrides[_NUMBER]), spec.out))
        return found
