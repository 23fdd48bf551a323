"""Shapley values of the mechanisms: exact over four groups, finer by sampled orders of entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from experiments.spiral import cells
from experiments.spiral.claims import above
from experiments.spiral.factorial import OUTCOMES, THESIS
from lob_sim.experiment import ResultTable, Row
from lob_sim.scenario import Scenario
from lob_sim.sweep import Estimate, all_coalitions, bootstrap, sampled_orders, shapley, shapley_sampled
from lob_sim.sweep.measure import measure_crisis
from lob_sim.sweep.statistics import Coalition, coalitions_of

GROUPS: Mapping[str, tuple[str, ...]] = {
    "SLR": ("slr",),
    "VaR": ("var",),
    "funding": ("funding",),
    "information": cells.INFORMATION,
}
FINE: Mapping[str, tuple[str, ...]] = {
    name: (name,) for name in ("toxicity", "retreat", "prudent_marks", "slr", "var", "funding", "redemptions")
}
Attribution = dict[str, dict[str, Estimate]]
"""Outcome → player → Shapley value."""


def coalition_cells(
    scenario: Scenario, players: Mapping[str, tuple[str, ...]], coalitions: Iterable[Coalition]
) -> tuple[dict[str, Scenario], dict[Coalition, str]]:
    """The scenarios that have to be run, by name, and the one for each coalition.

    A switch that makes no difference to the scenario does not get runs of its own: with it on and off they are the
    same run, byte for byte.
    """
    matter = cells.mechanisms(scenario)
    scenarios: dict[str, Scenario] = {}
    cell_of: dict[Coalition, str] = {}
    for coalition in coalitions:
        off = [s for name, switches in players.items() if name not in coalition for s in switches if s in matter]
        name = "all on" if not off else "without " + ", ".join(sorted(off))
        scenarios.setdefault(name, cells.without(scenario, *off))
        cell_of[coalition] = name
    return scenarios, cell_of


def exact(seeds: int) -> tuple[Attribution, ResultTable, list[Row]]:
    """Exact Shapley values over the four groups, and the claim that information has a share in every outcome."""
    scenario = cells.flagship()
    scenarios, cell_of = coalition_cells(scenario, GROUPS, all_coalitions(GROUPS))
    frames = cells.run_scenarios(scenarios, seeds, "Shapley values", measure_crisis)
    shares: Attribution = {}
    rows = []
    for metric, text in OUTCOMES.items():
        values = {coalition: frames[name][metric].to_numpy() for coalition, name in cell_of.items()}
        samples = shapley(values)
        shares[text] = {name: bootstrap(samples[name]) for name in GROUPS}
        if metric == "overshoot_pct":
            rows.append(above("information's Shapley value of the overshoot (%)", samples["information"], 0.0, THESIS))
    return shares, _table("Shapley values, exact, mean [95 % interval] over seeds", shares, frames), rows


def fine(seeds: int, pairs: int) -> tuple[Attribution, ResultTable]:
    """Shapley values of every switch, from sampled orders of entry, each with its reverse.

    Their intervals are over seeds, given the orders; what the choice of orders adds is told apart.
    """
    scenario = cells.flagship()
    orders = sampled_orders(list(FINE), pairs)
    scenarios, cell_of = coalition_cells(scenario, FINE, coalitions_of(orders))
    frames = cells.run_scenarios(scenarios, seeds, "Shapley values, finer", measure_crisis)
    shares: Attribution = {}
    errors: dict[str, dict[str, float]] = {}
    for metric, text in OUTCOMES.items():
        values = {coalition: frames[name][metric].to_numpy() for coalition, name in cell_of.items()}
        found = shapley_sampled(values, orders)
        shares[text] = {name: bootstrap(np.asarray(found[name].value)) for name in FINE}
        errors[text] = {name: found[name].sampling_se for name in FINE}
    table = _table(f"Shapley values from {2 * pairs} orders of entry, mean [interval] over seeds", shares, frames)
    for text, of_orders in errors.items():
        table.rows.append([f"{text}: s.e. by the choice of orders", *of_orders.values()])
    return shares, table


def _table(title: str, shares: Attribution, frames: Mapping[str, pd.DataFrame]) -> ResultTable:
    players = list(next(iter(shares.values())))
    lines: list[list[str | float | Estimate]] = [
        [text, *(found[name] for name in players)] for text, found in shares.items()
    ]
    return ResultTable(f"{title} ({len(frames)} different scenarios)", ["outcome", *players], lines)
