"""What each mechanism has of the threshold: exact Shapley values over SLR, VaR, funding and information.

The value of a coalition is the area under its curve of the share of spirals, over a few sizes of shock around the
midpoint of everything on. That is how far it lowers the mean threshold within these sizes, in per cent of value, and
it is linear in the seeds, which a midpoint is not: the values of the four add up, seed by seed, to the area with
everything on less that with nothing on. What a mechanism does to thresholds beyond the sizes is not counted.

Expected, before the first run. With information alone, or nothing, no spiral: the area of every coalition without a
limit is 0, so that information can only act beside limits. Funds sell for VaR (their limits bind at jumps of 4.4 and
9 % of corporates) and dealers a, b and c for SLR at 5 %: VaR is expected to have the largest value, SLR the next.
Funding is the smallest of the constraints, since haircuts of calm rise little within half an hour. Information is
expected at about a third of 0.3 to 0.4 (it acts only once limits are on): 0.05 to 0.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from experiments.spiral import cells
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER, Runs
from experiments.spiral.measure import measure_threshold
from experiments.spiral.threshold import SPIRAL_RMS, Spirals, area, spared_instrument
from lob_sim.analysis.tables import Bools
from lob_sim.errors import InputError
from lob_sim.experiment import ResultTable, Row
from lob_sim.experiment.over_seeds import above, within
from lob_sim.scenario import Scenario
from lob_sim.sweep import Estimate, all_coalitions, bootstrap, shapley
from lob_sim.sweep.coalitions import Coalition

GROUPS: Mapping[str, tuple[str, ...]] = {
    "SLR": ("slr",),
    "VaR": ("var",),
    "funding": ("funding",),
    "information": cells.INFORMATION,
}
_LIMITS = ("SLR", "VaR", "funding")
_FACTORIAL: Mapping[Coalition, str] = {
    frozenset(): NEITHER,
    frozenset({"information"}): INFORMATION_ALONE,
    frozenset(_LIMITS): CONSTRAINTS_ALONE,
    frozenset(GROUPS): BOTH,
}
"""Coalitions that are cells of the threshold."""
_SOURCE = "the thesis"
_CALM = "calm"
_NONE = 1e-9


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


def attribute(
    scenario: Scenario, sizes: Sequence[float], runs: Runs, known: Spirals | None = None
) -> tuple[dict[str, Estimate], list[ResultTable], list[Row]]:
    """Shapley values over the four groups, the area of every coalition, and what is claimed of them.

    Args:
        scenario: The whole system.
        sizes: Falls of value in per cent, ascending.
        runs: Seeds of each coalition at each size.
        known: The threshold of this scenario at these sizes, with these seeds among its own: its runs are not done
            again.
    """
    scenarios, cell_of = coalition_cells(scenario, GROUPS, all_coalitions(GROUPS))
    started = {} if known is None else _known_runs(known, sizes, runs, cell_of)
    x = np.array(sizes)
    spared = spared_instrument(scenario)
    asked = {
        f"{name} | {size:g}": cells.shocked(cell, -size / 100)
        for name, cell in scenarios.items()
        if name not in started
        for size in sizes
    }
    if known is None:
        asked = {_CALM: cells.calm(scenario)} | asked
    frames = cells.run_scenarios(asked, runs, "Shapley values", measure_threshold)
    bound = known.bound_pct if known else SPIRAL_RMS * float(frames[_CALM][f"rms_pct.{spared}"].mean())
    started |= {
        name: np.array([frames[f"{name} | {size:g}"][f"worst_pct.{spared}"] > bound for size in sizes])
        for name in scenarios
        if name not in started
    }
    areas = {coalition: area(x, started[name].T.astype(np.float64)) for coalition, name in cell_of.items()}
    samples = shapley(areas)
    shares = {name: bootstrap(samples[name]) for name in GROUPS}
    everything, nothing = areas[frozenset(GROUPS)], areas[frozenset()]
    rows = [
        above("information's Shapley value of the mean threshold (% of value)", samples["information"], 0.0, _SOURCE),
        above("the three limits' together (% of value)", sum(samples[n] for n in _LIMITS), 0.0, _SOURCE),
        within(
            "values add up to the area with everything on less that with nothing on",
            sum(samples.values()) - (everything - nothing),
            0.0,
            _NONE,
            "Shapley 1953, efficiency",
        ),
    ]
    shown = f"{sizes[0]:g} to {sizes[-1]:g} %"
    values = ResultTable(
        f"Shapley values of the mean threshold within {shown} (% of value)", list(GROUPS), [list(shares.values())]
    )
    lines = [
        [", ".join(sorted(c)) or "nothing", bootstrap(areas[c]), *started[n].mean(axis=1)] for c, n in cell_of.items()
    ]
    curves = ResultTable(
        "Area under the curve of the share of spirals (% of value), and the shares",
        ["on", "area", *(f"{size:g} %" for size in sizes)],
        lines,
    )
    return shares, [values, curves], rows


def _known_runs(
    known: Spirals, sizes: Sequence[float], runs: Runs, cell_of: Mapping[Coalition, str]
) -> dict[str, Bools]:
    """In which runs of a threshold a spiral started, by the cell's name here, of the seeds asked for."""
    skipped = runs.first - known.first_seed
    if list(sizes) != known.sizes or skipped < 0 or skipped + runs.seeds > len(known.calm_rms_pct):
        raise InputError("the threshold is of other sizes, or has not all of the seeds", "Shapley values")
    seeds = slice(skipped, skipped + runs.seeds)
    return {cell_of[coalition]: known.started(cell)[:, seeds] for coalition, cell in _FACTORIAL.items()}
