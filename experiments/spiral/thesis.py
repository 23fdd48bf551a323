"""The table of the thesis: each characteristic of a functioning market against a stressed one, measured.

Functioning is the whole system with nothing constrained and nobody afraid, stressed the same with everything on, both
at the scenario's own shock and with the same seeds. Beside it stands a small shock with everything on, which a market
whose calm is in order absorbs.

Expected, before the run: signs as the essay has them (``stressed`` below). How large depends on how many seeds spiral
at that shock, about half; so that prices (overshoot of some 2.5 % in the mean: half of the seeds by 5 %, half by
nothing) and forced sales must be told from 0 by 24 seeds, and the spread of both books by about a factor of five, since
in the shocked bond nearly every dealer leaves at once. Of what is least sure: that dealers follow flow (they buy from
forced sellers until limits bind) and that the information share of the lit book falls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
import numpy as np
import pandas as pd

from experiments.spiral import cells
from experiments.spiral.cells import BOTH, NEITHER
from experiments.spiral.measure import DEPTH_WITHIN, SMALL_SALE_LOTS
from lob_sim.experiment import ResultTable, Row, identical
from lob_sim.experiment.over_seeds import above, below, share
from lob_sim.scenario import Scenario
from lob_sim.sweep import bootstrap
from lob_sim.sweep.statistics import Floats

THESIS = "the thesis"
OUTCOMES: Mapping[str, str] = {
    "overshoot_pct": "overshoot below fair value (%)",
    "spread_pct": "quoted spread (%)",
    "quote_absence": "lit quote absence (share of dealer-time)",
    "mark_dispersion_pct": "dispersion of marks (%)",
    "failures": "failures",
}
"""The outcomes of a crisis, with what they are."""
_LEFT = 0.1
"""Of a shock that is absorbed less than this part is left at the end as a deviation from the new value."""
SMALL = "small shock"
SMALL_SIZE = 0.005


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


def difference(by_cell: Mapping[str, pd.DataFrame], metric: str, treated: str, control: str) -> Floats:
    """A metric in one cell less that in another, seed by seed."""
    found: Floats = (by_cell[treated][metric] - by_cell[control][metric]).to_numpy(dtype=np.float64)
    return found


# --- the table of the thesis -----------------------------------------------------------------------------------


def cells_of(scenario: Scenario) -> dict[str, Scenario]:
    """What the table compares."""
    four = cells.factorial(scenario)
    return {NEITHER: four[NEITHER], BOTH: four[BOTH], SMALL: cells.shocked(scenario, -SMALL_SIZE)}


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


# --- what is absorbed ---------------------------------------------------------------------------------------------


def absorbed_rows(by_cell: Mapping[str, pd.DataFrame], shock: float) -> list[Row]:
    """A small shock is absorbed with everything on, a large one while nothing is constrained; stressed is the control.

    Args:
        by_cell: The cells, and :data:`SMALL`.
        shock: The scenario's own fall of value, as a fraction.
    """
    rows = absorbed(
        f"small shock ({SMALL_SIZE:.1%}), all on", by_cell[SMALL]["residual_pct"], SMALL_SIZE, by_cell[SMALL]
    )
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
