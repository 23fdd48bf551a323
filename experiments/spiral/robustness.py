"""One free parameter at a time by ±25 %: does the interaction keep its sign?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from experiments.spiral import cells
from experiments.spiral.factorial import THESIS, interaction
from lob_sim.errors import InputError
from lob_sim.experiment import ResultTable, Row
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep import Estimate, bootstrap
from lob_sim.sweep.measure import measure_crisis
from lob_sim.units import parse_duration_ns

STEP = 0.25
Change = Callable[[Scenario, float], Scenario]

_SHEET = ("liquidation_params", "work_interval", "marking_params")
_SHARES = ("depth_share", "learning_weight", "headroom_reserve", "rfq_share")
"""Parameters that may not exceed 1."""
FREE: Mapping[str, str] = {
    "SpiralDealer: lit_policy.reservation_ticks": "both",
    "SpiralDealer: toxicity.prior_alpha": "both",
    "SpiralDealer: toxicity.learning_weight": "information",
    "SpiralDealer: toxicity.imbalance.bucket_lots": "information",
    "SpiralDealer: toxicity.imbalance.memory_buckets": "information",
    "SpiralDealer: toxicity.imbalance.half_life_ns": "information",
    "SpiralDealer: toxicity.imbalance.noise_margin_se": "information",
    "SpiralDealer: inventory_policy.headroom_reserve": "constraints",
    "SpiralDealer: inventory_policy.max_inventory_lots": "both",
    "balance sheet: liquidation_params.depth_share": "constraints",
    "balance sheet: liquidation_params.max_rfq_lots": "constraints",
    "balance sheet: marking_params.max_spread": "both",
    "var: limit": "constraints",
    "RepoLending: refuse_above_leverage": "constraints",
    "RepoLending: schedules.treasury.per_volatility": "constraints",
    "RepoLending: schedules.corporate.per_volatility": "constraints",
    "InformedTrader: mean_interval": "both",
    "InformedTrader: margin_ticks": "both",
    "InformedTrader: noise_sd_ticks": "both",
    "InformedTrader: max_position_lots": "both",
    "LiquidityTraders: mean_interval": "both",
    "LiquidityTraders: max_reservation_ticks": "both",
    "LiquidityTraders: rfq_share": "both",
    "SlowCapital: mean_interval": "both",
    "SlowCapital: margin_ticks": "both",
    "SlowCapital: concession_ticks_per_lot": "both",
    "SlowCapital: capital_half_life": "both",
}
"""The parameters that no source or target fixes, and without which mechanisms each is never read: ``both`` is read in
every cell, ``information`` only in cells with that, ``constraints`` only in cells with those."""
HEADROOM, SHOCK = "capital headroom", "size of the shock"
AS_IT_IS = "as it is"


def free_parameters(scenario: Scenario) -> dict[str, Change]:
    """The capital headroom, the shock and every parameter of ``FREE``, with what scales it in all groups at once.

    Raises:
        InputError: The scenario does not set one of them.
    """
    found: dict[str, Change] = {
        HEADROOM: cells.with_headroom,
        SHOCK: lambda s, factor: cells.shocked(s, s.shocks[0].size * factor),
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
    missing = [label for label in FREE if label not in paths]
    if missing:
        raise InputError(f"the scenario does not set {', '.join(missing)}", str(cells.SCENARIO))
    return found | {label: _scaling(paths[label]) for label in FREE}


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


def reading_cells(label: str) -> tuple[str, ...]:
    """The cells of the factorial in which a parameter makes a difference."""
    which = "constraints" if label == HEADROOM else FREE.get(label, "both")
    alone = {
        "information": (cells.INFORMATION_ALONE,),
        "constraints": (cells.CONSTRAINTS_ALONE,),
        "both": (cells.NEITHER, cells.INFORMATION_ALONE, cells.CONSTRAINTS_ALONE),
    }
    return (*alone[which], cells.BOTH)


def robustness_rows(seeds: int, step: float = STEP) -> tuple[ResultTable, list[Row]]:
    """The interaction on the overshoot under each change, and for how many of them it keeps its sign.

    The sign is that of the mean over a few seeds, whose interval is told beside it: a change that is said to lose it
    may have lost it by chance.
    """
    scenario = cells.flagship()
    base = cells.factorial(scenario)
    scenarios = {f"{AS_IT_IS} | {cell}": switched for cell, switched in base.items()}
    changes: dict[str, dict[str, str]] = {AS_IT_IS: {cell: f"{AS_IT_IS} | {cell}" for cell in base}}
    for label, change in free_parameters(scenario).items():
        for factor in (1 - step, 1 + step):
            name, changed = f"{label} × {factor:g}", change(scenario, factor)
            if changed == scenario:  # a quantity of one lot cannot be less, a share of 1 no more
                continue
            changes[name] = dict(changes[AS_IT_IS])
            for cell in reading_cells(label):
                changes[name][cell] = f"{name} | {cell}"
                scenarios[changes[name][cell]] = cells.factorial(changed)[cell]
    frames = cells.run_scenarios(scenarios, seeds, "robustness", measure_crisis)
    found = {
        name: bootstrap(interaction({cell: frames[run] for cell, run in runs.items()}, "overshoot_pct"))
        for name, runs in changes.items()
    }
    lines: list[list[Any]] = [[name, at, _sign(at)] for name, at in found.items()]
    kept = [at.value > 0 for name, at in found.items() if name != AS_IT_IS]
    claim = f"changes of a parameter by ±{step:.0%} that leave overshoot's mean interaction over {seeds} seeds positive"
    verdict = Row(claim, float(sum(kept)), float(len(kept)), 0.0, "=", 0.0, _holds(all(kept)), THESIS)
    return ResultTable("Interaction on the overshoot (%)", ["change", "interaction", "sign"], lines), [verdict]


def _sign(found: Estimate) -> str:
    if found.value <= 0:
        return "lost"
    return "kept" if found.low > 0 else "kept, interval on both sides"


def _holds(holds: bool) -> Any:
    return "holds" if holds else "fails"
