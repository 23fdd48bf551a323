"""One free parameter at a time by ±25 %: does the interaction keep its sign?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from experiments.spiral import cells
from experiments.spiral.factorial import THESIS, interaction
from lob_sim.errors import InputError
from lob_sim.experiment import ResultTable, Row
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep import bootstrap
from lob_sim.units import parse_duration_ns

STEP = 0.25
Change = Callable[[Scenario, float], Scenario]

_SHEET = ("liquidation_params", "work_interval", "marking_params")
_FAIR_VALUE = ("daily_volatility", "common_loading", "news_interval", "news_noise_sd")
_SHARES = ("depth_share", "learning_weight", "headroom_reserve", "rfq_share", "common_loading")
"""Parameters that may not exceed 1."""


def free_parameters(scenario: Scenario) -> dict[str, Change]:
    """Every number of the scenario that no target fixes, with what scales it in all groups of one strategy at once.

    Fixed are the sizes of balance sheets, the regulatory minimum and opening values. A parameter that the scenario
    leaves to its default is left out: its default is the strategy's business.
    """
    found: dict[str, Change] = {
        "capital headroom": cells.with_headroom,
        "size of the shock": lambda s, factor: cells.shocked(s, s.shocks[0].size * factor),
    }
    plain = scenario_to_dict(scenario)
    paths: dict[str, list[str]] = {}
    for k, group in enumerate(scenario.agents):
        own = plain["agents"][k]
        for leaf in _numbers(own["params"]):
            paths.setdefault(f"{cells.class_of(group)}: {leaf}", []).append(f"agents.{k}.params.{leaf}")
        sheet = own["balance_sheet"] or {}
        for leaf in _numbers({name: sheet[name] for name in _SHEET if name in sheet}):
            paths.setdefault(f"balance sheet: {leaf}", []).append(f"agents.{k}.balance_sheet.{leaf}")
        for c, constraint in enumerate(sheet.get("constraints", [])):
            for leaf in _numbers(constraint["params"]) if constraint["kind"] != "slr" else ():
                where = f"agents.{k}.balance_sheet.constraints.{c}.params.{leaf}"
                paths.setdefault(f"{constraint['kind']}: {leaf}", []).append(where)
    for k, instrument in enumerate(plain["instruments"]):
        for leaf in _numbers({name: instrument["fair_value"][name] for name in _FAIR_VALUE}):
            paths.setdefault(f"fair value: {leaf}", []).append(f"instruments.{k}.fair_value.{leaf}")
    return found | {label: _scaling(where) for label, where in paths.items()}


def _numbers(node: Any, prefix: str = "") -> Iterator[str]:
    """Dotted paths of everything in plain data that is a number other than 0, or a duration."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _numbers(value, f"{prefix}.{key}" if prefix else key)
    elif isinstance(node, str):
        try:
            if parse_duration_ns(node):
                yield prefix
        except InputError:
            return
    elif isinstance(node, int | float) and not isinstance(node, bool) and node:
        yield prefix


def scaled(value: Any, factor: float, at_most: float = float("inf")) -> Any:
    """A number or a duration times a factor; whole numbers stay whole and at least 1, and move by 1 or more."""
    if isinstance(value, str):
        return f"{round(parse_duration_ns(value) * factor)}ns"
    if isinstance(value, int):
        moved = round(value * factor)
        return max(1, moved if moved != value else value + (1 if factor > 1 else -1))
    return min(at_most, value * factor)


def _scaling(paths: list[str]) -> Change:
    return lambda scenario, factor: _scale(scenario, paths, factor)


def _scale(scenario: Scenario, paths: list[str], factor: float) -> Scenario:
    plain = msgspec.to_builtins(scenario_to_dict(scenario))
    for path in paths:
        parent, _, key = path.rpartition(".")
        node = _find(plain, parent)
        node[key] = scaled(node[key], factor, 1.0 if key in _SHARES else float("inf"))
    return parse_scenario(plain, "robustness: ")


def _find(plain: Any, path: str) -> Any:
    """What stands at a dotted path."""
    for part in path.split("."):
        plain = plain[int(part)] if isinstance(plain, list) else plain[part]
    return plain


def robustness_rows(seeds: int, step: float = STEP) -> tuple[ResultTable, list[Row]]:
    """The interaction on the overshoot under each change, and for how many of them it keeps its sign."""
    scenario = cells.flagship()
    scenarios: dict[str, Scenario] = {}
    changes = []
    for label, change in free_parameters(scenario).items():
        for factor in (1 - step, 1 + step):
            name, changed = f"{label} × {factor:g}", change(scenario, factor)
            if changed == scenario:  # a quantity of one lot cannot be less
                continue
            changes.append(name)
            for cell, switched in cells.factorial(changed).items():
                scenarios[f"{name} | {cell}"] = switched
    frames = cells.run_scenarios(scenarios, seeds, "robustness")
    lines: list[list[Any]] = []
    kept = 0
    for name in changes:
        by_cell = {cell: frames[f"{name} | {cell}"] for cell in cells.factorial(scenario)}
        found = bootstrap(interaction(by_cell, "overshoot_pct"))
        kept += found.value > 0
        lines.append([name, found, "kept" if found.value > 0 else "lost"])
    claim = f"changes of one parameter by ±{step:.0%} under which the interaction on overshoot stays positive"
    verdict = Row(claim, float(kept), float(len(changes)), 0.0, "=", 0.0, _holds(kept == len(changes)), THESIS)
    return ResultTable("Interaction on the overshoot (%)", ["change", "interaction", "sign"], lines), [verdict]


def _holds(holds: bool) -> Any:
    return "holds" if holds else "fails"
