"""The functioning/stressed table, the 2×2 factorial with its interaction, and the claims that rest on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from experiments.spiral import cells
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from experiments.spiral.claims import above, below, share, within
from experiments.spiral.measure import DEPTH_WITHIN, SMALL_SALE_LOTS
from lob_sim.experiment import ResultTable, Row, identical
from lob_sim.sweep import Estimate, bootstrap, contrasts
from lob_sim.sweep.statistics import Coalition, Floats

THESIS = "the thesis"
OUTCOMES: Mapping[str, str] = {
    "overshoot_pct": "overshoot below fair value (%)",
    "spread_pct": "quoted spread (%)",
    "quote_absence": "lit quote absence (share of dealer-time)",
    "mark_dispersion_pct": "dispersion of marks (%)",
    "failures": "failures",
}
"""The outcomes of the factorial and of the attribution, with what they are."""
_LEFT = 0.1
"""Of a shock that is absorbed less than this part is left at the end as a deviation from the new value."""
_INTERACTING = ("overshoot_pct", "spread_pct", "quote_absence")
_WORSE = (*_INTERACTING, "mark_dispersion_pct")
_COALITIONS: Mapping[str, Coalition] = {
    NEITHER: frozenset(),
    INFORMATION_ALONE: frozenset({"information"}),
    CONSTRAINTS_ALONE: frozenset({"constraints"}),
    BOTH: frozenset({"information", "constraints"}),
}


class Characteristic(msgspec.Struct, frozen=True):
    """One measured cell of the thesis' table.

    Attributes:
        row: Row of the table.
        metric: Column of the results.
        text: What it is.
        stressed: Whether the thesis has it higher or lower in the stressed market, or, where effects oppose each other,
            either.
    """

    row: str
    metric: str
    text: str
    stressed: Literal["higher", "lower", "either"]


CHARACTERISTICS = (
    Characteristic("price shocks", "overshoot_pct", "worst price below fair value (%)", "higher"),
    Characteristic("price shocks", "residual_pct", "mid below fair value in the last 5 min (%)", "higher"),
    Characteristic("price shocks", "contagion_pct", "the same where value did not fall (%)", "higher"),
    Characteristic("dealer behaviour", "bought_into_sales_lots", "dealers' net purchases when others sell", "lower"),
    Characteristic("dealer behaviour", "dealer_follow", "correlation of their purchases with others' flow", "higher"),
    Characteristic("liquidity", "spread_pct", "quoted spread (%)", "higher"),
    Characteristic("liquidity", "bid_depth_lots", f"bids within {DEPTH_WITHIN:.1%} below value (lots)", "lower"),
    Characteristic("liquidity", "small_sale_bp", f"impact of a sale of {SMALL_SALE_LOTS} lots (bp)", "higher"),
    Characteristic("liquidity", "impact_bp_per_lot", "Kyle's λ where value did not fall (bp a lot)", "higher"),
    Characteristic("liquidity", "half_life_s", "resilience: half-life of the worst fall (s)", "higher"),
    Characteristic("feedback", "flow_when_cheap_lots", "net flow of all while price is below value (lots)", "lower"),
    Characteristic("feedback", "forced_lots", "sold under a constraint (lots)", "higher"),
    Characteristic("information", "quote_absence", "lit quote absence (share of dealer-time)", "higher"),
    Characteristic("information", "no_dealer_quotes", "time without a dealer's bid or ask (share)", "higher"),
    Characteristic("information", "client_rfq_share", "share of clients' volume dealt on RFQ", "either"),
    Characteristic("information", "lit_discovery", "information share of the lit book", "lower"),
    Characteristic("information", "mark_dispersion_pct", "dispersion of marks (%)", "higher"),
)


def interaction(by_cell: Mapping[str, pd.DataFrame], metric: str) -> Floats:
    """Both − information alone − constraints alone + neither, seed by seed."""
    values = {coalition: by_cell[cell][metric].to_numpy() for cell, coalition in _COALITIONS.items()}
    found: Floats = contrasts(values)[_COALITIONS[BOTH]]
    return found


def difference(by_cell: Mapping[str, pd.DataFrame], metric: str, treated: str, control: str) -> Floats:
    """A metric in one cell less that in another, seed by seed."""
    found: Floats = (by_cell[treated][metric] - by_cell[control][metric]).to_numpy(dtype=np.float64)
    return found


# --- the table of the thesis -----------------------------------------------------------------------------------


def thesis_table(by_cell: Mapping[str, pd.DataFrame]) -> tuple[ResultTable, list[Row]]:
    """Functioning (nothing on) against stressed (everything on), and a claim for every line whose sign is predicted.

    The RFQ share has none: clients who find no lit quote ask dealers, others who find it too wide stay away.
    """
    lines, rows = [], []
    for c in CHARACTERISTICS:
        functioning, stressed = (bootstrap(by_cell[cell][c.metric]) for cell in (NEITHER, BOTH))
        sample = difference(by_cell, c.metric, BOTH, NEITHER)
        lines.append([c.row, c.text, functioning, stressed, bootstrap(sample)])
        if c.stressed == "either":
            continue
        judge = above if c.stressed == "higher" else below
        rows.append(judge(f"{c.row}: {c.text}: {c.stressed} when stressed", sample, 0.0, THESIS))
    columns = ["characteristic", "measure", "functioning (neither)", "stressed (both)", "difference, paired"]
    return ResultTable("The market characteristics, mean [95 % interval] over seeds", columns, lines), rows


# --- the factorial -----------------------------------------------------------------------------------------------


def factorial_table(by_cell: Mapping[str, pd.DataFrame]) -> ResultTable:
    """The four cells and the interaction for every outcome."""
    lines: list[list[str | Estimate]] = []
    for metric, text in OUTCOMES.items():
        means = [bootstrap(by_cell[cell][metric]) for cell in _COALITIONS]
        lines.append([text, *means, bootstrap(interaction(by_cell, metric))])
    columns = ["outcome", *_COALITIONS, "interaction"]
    return ResultTable("{information feedback} × {balance-sheet constraints}", columns, lines)


def factorial_effects(by_cell: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Estimate]]:
    """Outcome → what each factor does alone, what both do together, and the interaction, over neither."""
    found = {}
    for metric, text in OUTCOMES.items():
        effects = {cell: difference(by_cell, metric, cell, NEITHER) for cell in list(_COALITIONS)[1:]}
        effects["interaction"] = interaction(by_cell, metric)
        found[text] = {name: bootstrap(sample) for name, sample in effects.items()}
    return found


def factorial_rows(by_cell: Mapping[str, pd.DataFrame]) -> list[Row]:
    """Everything on is worse than nothing on, and the whole is more than the sum of its parts."""
    rows = [
        above(f"{OUTCOMES[m]}: both less neither", difference(by_cell, m, BOTH, NEITHER), 0.0, THESIS) for m in _WORSE
    ]
    rows += [above(f"{OUTCOMES[m]}: interaction", interaction(by_cell, m), 0.0, THESIS) for m in _INTERACTING]
    shock = -cells.flagship().shocks[0].size
    rows += absorbed("large shock, nothing constrained", by_cell[NEITHER]["residual_pct"], shock, by_cell[NEITHER])
    stressed, *_ = absorbed("", by_cell[BOTH]["residual_pct"], shock, by_cell[BOTH])
    control = "large shock, all on: the same is not claimed (1 is yes)"
    return [*rows, identical(control, float(not stressed.holds), 1.0, THESIS)]


def absorbed(case: str, left: pd.Series[float], shock: float, frame: pd.DataFrame) -> list[Row]:
    """A shock is absorbed: at the end the price is close to the new value, by the size of the shock; and nobody fails.

    Args:
        case: Name of the case.
        left: How far the mid is below value in the last minutes, by seed, in per cent.
        shock: Fall of value, as a fraction.
        frame: Metrics of the case.
    """
    bound = 100 * _LEFT * shock
    return [
        below(f"{case}: mid below value at the end, less than a tenth of the shock (%)", left, bound, THESIS),
        share(f"{case}: share of seeds without a failure", frame["failures"] == 0, 0.95, THESIS),
    ]


# --- calm and small shocks ---------------------------------------------------------------------------------------

_SMALL = -0.005
_DRIFT = 0.1
"""Part of the mean spread by which the halves of a calm run may differ and count as equal."""


def calm_rows(seeds: int, small_seeds: int) -> tuple[ResultTable, list[Row]]:
    """Without a shock nothing happens, with everything on; and a small shock is absorbed.

    Args:
        seeds: Of calm.
        small_seeds: Of the small shock.
    """
    scenario = cells.flagship()
    quiet = cells.run_scenarios({"calm": cells.calm(scenario)}, seeds, "calm")["calm"]
    small = cells.run_scenarios({"small": cells.shocked(scenario, _SMALL)}, small_seeds, "small shock")["small"]
    spread = quiet["spread_pct"]
    beyond_calm = small["residual_pct"] - quiet["residual_pct"].loc[small.index]
    rows = [
        share("calm: share of seeds without a forced sale", quiet["forced_lots"] == 0, 0.95, THESIS),
        above(
            "calm: share of the time with dealers on both sides of the book",
            1 - quiet["no_dealer_quotes"],
            0.99,
            THESIS,
        ),
        within(
            "calm: spread of the second half less that of the first (%)",
            quiet["spread_late_pct"] - quiet["spread_early_pct"],
            0.0,
            _DRIFT * float(spread.mean()),
            f"stationary, within {_DRIFT:.0%}",
        ),
        *absorbed(f"small shock ({_SMALL:.1%}), beyond calm", beyond_calm, -_SMALL, small),
    ]
    metrics = {**OUTCOMES, "forced_lots": "sold under a constraint (lots)", "residual_pct": "residual deviation (%)"}
    lines = [[text, bootstrap(quiet[m]), bootstrap(small[m])] for m, text in metrics.items()]
    return ResultTable("Everything on", ["outcome", "no shock", f"shock of {_SMALL:.1%}"], lines), rows
