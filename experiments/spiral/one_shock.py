"""One shock in two hundred seeds: who spirals at it in each cell, and in calm.

A size of shock at which most seeds spiral with everything on, and hardly any with fear alone, with limits alone and in
calm, would tell the whole thesis by itself. What would be wanted of it is written down here before the runs; whether
the scenario's own shock does it is measured. Seeds begin at 301, which neither calibration, map nor threshold has used.

Expected, before the first run: half of the seeds with both and a third with limits alone, as the threshold's 24 seeds
have it, so that the shock does *not* do what is wanted; that fear adds .17, about [.11, .23]; nothing without limits
and nothing in calm.

Learnt: 59 % [52, 66] with both, 52 % [46, 59] with limits alone, none elsewhere. Fear adds .07, less than half of what
24 seeds had: they were kind to it. Whether it adds any is not told by the word for a spiral that was chosen (McNemar's
exact test: 28 seeds against 15), and is by some others. What is told without such a word, and was looked at afterwards:
with fear the worst price is .18 points of value deeper [.11, .26].
"""

from __future__ import annotations

import numpy as np

from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER, Runs
from experiments.spiral.threshold import (
    CALM,
    FEW,
    MANY,
    ORDER,
    OTHER_RMS,
    SHOWN,
    SPIRAL_RMS,
    Spirals,
    missing_of_rule,
    own_size_pct,
    run_sizes,
)
from lob_sim.analysis.tables import Bools
from lob_sim.experiment import ResultTable, Row
from lob_sim.experiment.over_seeds import more_often, paired_difference, share
from lob_sim.scenario import Scenario
from lob_sim.sweep import Estimate, bootstrap

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


def fear_adds(found: Spirals, errors: float = SPIRAL_RMS) -> tuple[Estimate, float]:
    """Share of spirals with everything on less that with limits alone, and the p-value of the difference.

    Args:
        found: The runs.
        errors: So many calm errors below value is a spiral.
    """
    return paired_difference(found.started(BOTH, errors)[0], found.started(CONSTRAINTS_ALONE, errors)[0])


def fear_deepens(found: Spirals) -> Estimate:
    """By how much the worst price is further below value with everything on than with limits alone, in per cent."""
    return bootstrap(found.at_own_size(BOTH) - found.at_own_size(CONSTRAINTS_ALONE))


def shock_rows(found: Spirals) -> list[Row]:
    """What is claimed at a scenario's own shock."""
    there = started(found)
    return [
        more_often(
            "fear adds spirals where limits are on (share of seeds)", there[BOTH], there[CONSTRAINTS_ALONE], _WANTED
        ),
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
            "What fear adds where limits are on, by what is a spiral (p: McNemar's exact test)",
            ["calm errors below value", "per cent", "fear adds (share of seeds)", "p"],
            [[f"{errors:g}", _pct(found, errors), *fear_adds(found, errors)] for errors in OTHER_RMS],
        ),
        ResultTable(
            f"How much deeper the worst price is with fear; the seed that is drawn: the median of everything on, at "
            f"{found.at_pct:g} %, by its worst price",
            ["deeper with fear (% of value)", "seed", "worst price below value (%)"],
            [[fear_deepens(found), drawn, float(worst[drawn - found.first_seed])]],
        ),
    ]


def _pct(found: Spirals, errors: float) -> float:
    return found.bound_pct * errors / SPIRAL_RMS


def interval(seeds: Bools) -> str:
    """Wilson's interval of a share, in words."""
    told = share("", seeds, 0.0, "")
    return f"[{told.low:.0%}, {told.high:.0%}]"


def in_words(found: Spirals) -> str:
    """The shares with their intervals, and what fear adds: by this word for a spiral, by others, and to the fall."""
    there = started(found)
    told = [
        f"{there[cell].mean():.0%} {interval(there[cell])} with {SHOWN[cell]}" for cell in (BOTH, CONSTRAINTS_ALONE)
    ]
    for cell in (INFORMATION_ALONE, NEITHER, CALM):
        some = f"{there[cell].mean():.1%}" if there[cell].any() else "none"
        told.append(f"{some} {'in calm' if cell == CALM else f'with {SHOWN[cell]}'}")
    others = [f"{_adds(found, errors)} by {_pct(found, errors):.1f}%" for errors in OTHER_RMS if errors != SPIRAL_RMS]
    return (
        f"{', '.join(told)}; fear adds {_adds(found, SPIRAL_RMS)}. By other words for a spiral it adds "
        f"{', '.join(others)}; the worst price is {_span(fear_deepens(found))} points of value deeper with it"
    )


def _adds(found: Spirals, errors: float) -> str:
    adds, chance = fear_adds(found, errors)
    return f"{_span(adds)} ({f'p = {chance:.2f}' if chance >= _LEAST_SHOWN else f'p < {_LEAST_SHOWN}'})"


def _span(found: Estimate) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


_LEAST_SHOWN = 0.01
