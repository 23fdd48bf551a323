"""One free parameter at a time by ±25 %: does the interaction keep its sign?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from experiments.spiral import cells
from experiments.spiral.factorial import THESIS, interaction
from lob_sim.experiment import ResultTable, Row
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep import bootstrap
from lob_sim.units import parse_duration_ns

STEP = 0.25
Change = Callable[[Scenario, float], Scenario]

_PARAMS: Mapping[str, tuple[str, ...]] = {
    "SpiralDealer": (
        "size_lots",
        "max_inventory_lots",
        "reservation_ticks",
        "prior_alpha",
        "learning_weight",
        "imbalance.bucket_lots",
        "imbalance.memory_buckets",
        "imbalance.half_life_ns",
        "prior_sd_ticks",
        "volatility.prior_ticks_per_sqrt_s",
        "processing_ticks",
        "headroom_reserve",
    ),
    "InformedTrader": ("mean_interval", "margin_ticks", "noise_sd_ticks", "size_lots", "max_position_lots"),
    "LiquidityTraders": ("mean_interval", "max_size_lots", "max_reservation_ticks", "rfq_share"),
    "SlowCapital": (
        "mean_interval",
        "size_lots",
        "margin_ticks",
        "concession_ticks_per_lot",
        "capital_half_life",
        "noise_sd_ticks",
    ),
}
_SHEET = ("liquidation_params.depth_share", "work_interval", "marking_params.lit_fresh", "marking_params.max_spread")
_FAIR_VALUE = ("daily_volatility", "common_loading", "news_interval", "news_noise_sd")
_SHARES = ("depth_share", "learning_weight", "headroom_reserve", "rfq_share", "common_loading")
"""Parameters that may not exceed 1."""


def free_parameters(scenario: Scenario) -> dict[str, Change]:
    """Every number of the scenario that no target fixes, with what scales it.

    A parameter that the scenario leaves to its default is left out: its default is the strategy's business.
    """
    found: dict[str, Change] = {
        "capital headroom": cells.with_headroom,
        "size of the shock": lambda s, factor: cells.shocked(s, s.shocks[0].size * factor),
    }
    plain = scenario_to_dict(scenario)
    for strategy, names in _PARAMS.items():
        groups = [k for k, group in enumerate(scenario.agents) if cells.class_of(group) == strategy]
        for name in names:
            _add(found, plain, f"{strategy}: {name}", [f"agents.{k}.params.{name}" for k in groups])
    sheets = [k for k, group in enumerate(scenario.agents) if group.balance_sheet is not None]
    for name in _SHEET:
        _add(found, plain, f"balance sheet: {name}", [f"agents.{k}.balance_sheet.{name}" for k in sheets])
    for name in _FAIR_VALUE:
        paths = [f"instruments.{k}.fair_value.{name}" for k in range(len(scenario.instruments))]
        _add(found, plain, f"fair value: {name}", paths)
    return found


def scaled(value: Any, factor: float, at_most: float = float("inf")) -> Any:
    """A number or a duration times a factor; whole numbers stay whole and at least 1, and move by 1 or more."""
    if isinstance(value, str):
        return f"{round(parse_duration_ns(value) * factor)}ns"
    if isinstance(value, int):
        moved = round(value * factor)
        return max(1, moved if moved != value else value + (1 if factor > 1 else -1))
    return min(at_most, value * factor)


def _add(found: dict[str, Change], plain: dict[str, Any], label: str, paths: list[str]) -> None:
    there = [path for path in paths if _find(plain, path) is not None]
    if there:
        found[label] = lambda scenario, factor: _scale(scenario, there, factor)


def _scale(scenario: Scenario, paths: list[str], factor: float) -> Scenario:
    plain = msgspec.to_builtins(scenario_to_dict(scenario))
    for path in paths:
        parent, _, key = path.rpartition(".")
        node = _find(plain, parent)
        node[key] = scaled(node[key], factor, 1.0 if key in _SHARES else float("inf"))
    return parse_scenario(plain, "robustness: ")


def _find(plain: Any, path: str) -> Any:
    """What stands at a dotted path, or None."""
    for part in path.split("."):
        if isinstance(plain, list):
            plain = plain[int(part)]
        else:
            plain = plain.get(part)
        if plain is None:
            return None
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
