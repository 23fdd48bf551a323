"""One shock in two hundred seeds: who spirals at it in each cell, and in calm.

A size of shock at which most seeds spiral with everything on, and hardly any with fear alone, with limits alone and in
calm, would tell the whole thesis by itself. What would be wanted of it is written down here before the runs; whether
the scenario's own shock does it is measured. Seeds begin at 301, which neither calibration, map nor threshold has used.

Expected, before the first run: half of the seeds with both and a third with limits alone, as the threshold's 24 seeds
have it, so that the shock does *not* do what is wanted; that fear adds .17, about [.11, .23]; nothing without limits
and nothing in calm.

Learnt: 59 % [52, 66] with both, 52 % [46, 59] with limits alone, none elsewhere. Fear adds .07 [.00, .13], less than
half of what 24 seeds had: they were kind to it. By what is worse than a spiral, twice as far below value, it adds .13.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER, Runs
from experiments.spiral.threshold import (
    CALM,
    FEW,
    MANY,
    ORDER,
    SHOWN,
    Spirals,
    missing_of_rule,
    own_size_pct,
    run_sizes,
)
from lob_sim.analysis.tables import Bools
from lob_sim.experiment import ResultTable, Row
from lob_sim.experiment.over_seeds import above, share
from lob_sim.scenario import Scenario
from lob_sim.sweep import bootstrap

FIRST_SEED, SEEDS = 301, 200
IN_CALM = 0.02
"""In so many seeds at most should there be a spiral without a shock."""
_WANTED = "stated before the first run"


def run_own(scenario: Scenario, runs: Runs) -> Spirals:
    """Run the factorial at the scenario's own shock, and the calm."""
    return run_sizes(scenario, [own_size_pct(scenario)], runs)


def started(found: Spirals) -> dict[str, Bools]:
    """In which seeds a spiral started, in each cell and in calm."""
    return {cell: found.started(cell)[0] for cell in ORDER} | {CALM: found.calm}


def fear_adds(found: Spirals) -> Any:
    """Spirals with everything on less those with limits alone, seed by seed."""
    there = started(found)
    return there[BOTH].astype(float) - there[CONSTRAINTS_ALONE].astype(float)


def shock_rows(found: Spirals) -> list[Row]:
    """What is claimed at a scenario's own shock."""
    there = started(found)
    return [
        above("fear adds spirals where limits are on (share of seeds)", fear_adds(found), 0.0, _WANTED),
        share("no spiral with fear alone (share of seeds)", ~there[INFORMATION_ALONE], 1 - FEW, _WANTED),
        share("no spiral with neither (share of seeds)", ~there[NEITHER], 1 - FEW, _WANTED),
        share("no spiral in calm, everything on (share of seeds)", ~there[CALM], 1 - IN_CALM, _WANTED),
    ]


def does_what_is_wanted(found: Spirals) -> bool:
    """Whether a spiral is the rule with everything on, and rare with either kind alone and in calm."""
    shares = {cell: np.array([seeds.mean()]) for cell, seeds in started(found).items()}
    return bool(missing_of_rule(shares)[0] <= 0) and float(shares[CALM][0]) <= IN_CALM


def shock_tables(found: Spirals) -> list[ResultTable]:
    """Shares cell by cell, and the seed that is drawn."""
    there, drawn = started(found), found.median_seed()
    worst = found.at_own_size(BOTH)
    return [
        ResultTable(
            f"Share of {worst.size} seeds with a spiral (more than {found.bound_pct:.2f} % below value), at a fall of "
            f"{found.at_pct:g} %; is it {MANY:.0%} with everything on, {FEW:.0%} with either alone, {IN_CALM:.0%} in "
            f"calm at most? {'yes' if does_what_is_wanted(found) else 'no'}",
            ["cell", "share", "95 % interval"],
            [[SHOWN.get(cell, cell), float(seeds.mean()), interval(seeds)] for cell, seeds in there.items()],
        ),
        ResultTable(
            f"What fear adds where limits are on, and the seed that is drawn: the median of everything on, at "
            f"{found.at_pct:g} %, by its worst price",
            ["fear adds (share of seeds)", "seed", "worst price below value (%)"],
            [[bootstrap(fear_adds(found)), drawn, float(worst[drawn - found.first_seed])]],
        ),
    ]


def interval(seeds: Bools) -> str:
    """Wilson's interval of a share, in words."""
    told = share("", seeds, 0.0, "")
    return f"[{told.low:.0%}, {told.high:.0%}]"


def in_words(found: Spirals) -> str:
    """The shares with their intervals, and what fear adds."""
    there, adds = started(found), bootstrap(fear_adds(found))
    told = [
        f"{there[cell].mean():.0%} {interval(there[cell])} with {SHOWN[cell]}" for cell in (BOTH, CONSTRAINTS_ALONE)
    ]
    for cell in (INFORMATION_ALONE, NEITHER, CALM):
        some = f"{there[cell].mean():.1%}" if there[cell].any() else "none"
        told.append(f"{some} {'in calm' if cell == CALM else f'with {SHOWN[cell]}'}")
    return f"{', '.join(told)}; fear adds {adds.value:.2f} [{adds.low:.2f}, {adds.high:.2f}]"
