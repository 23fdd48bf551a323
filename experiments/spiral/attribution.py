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

Learnt, with 16 seeds (``docs/shapley.json``): SLR 0.58 [0.37, 0.80], funding 0.29 [0.19, 0.39], information 0.10
[0.01, 0.19], VaR 0.06 [-0.01, 0.13]. The order of the limits was expected otherwise. None of them starts a spiral by
itself, nor do VaR and funding together without SLR.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from experiments.spiral import cells
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER, Runs
from experiments.spiral.measure import measure_threshold
from experiments.spiral.threshold import Spirals, area, own_size_pct, plain, spared_instrument
from experiments.validation.fingerprint import fingerprint
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


def run_coalitions(scenario: Scenario, sizes: Sequence[float], runs: Runs, known: Spirals | None = None) -> Spirals:
    """Run every coalition at every size; cells of the threshold bear their names, others those of what is on.

    Args:
        scenario: The whole system.
        sizes: Falls of value in per cent, ascending.
        runs: Seeds of each coalition at each size.
        known: The threshold of this scenario at these sizes and more, with these seeds among its own: its runs are not
            done again.

    Raises:
        InputError: What is known has not these sizes or seeds.
    """
    scenarios, cell_of = coalition_cells(scenario, GROUPS, all_coalitions(GROUPS))
    spared = spared_instrument(scenario)
    worst: dict[str, list[list[float]]] = {}
    if known is not None:
        known = _part(known, sizes, runs)
        worst = {cell_of[coalition]: known.worst_pct[cell] for coalition, cell in _FACTORIAL.items()}
    asked = {
        f"{name} | {size:g}": cells.shocked(cell, -size / 100)
        for name, cell in scenarios.items()
        if name not in worst
        for size in sizes
    }
    if known is None:
        asked = {_CALM: cells.calm(scenario)} | asked
    frames = cells.run_scenarios(asked, runs, "Shapley values", measure_threshold)
    worst |= {
        name: [plain(frames[f"{name} | {size:g}"][f"worst_pct.{spared}"]) for size in sizes]
        for name in scenarios
        if name not in worst
    }
    return Spirals(
        fingerprint(cells.__name__),
        own_size_pct(scenario),
        list(sizes),
        runs.first,
        known.calm_rms_pct if known else plain(frames[_CALM][f"rms_pct.{spared}"]),
        {cell_name(coalition): worst[name] for coalition, name in cell_of.items()},
        known.calm_worst_pct if known else plain(frames[_CALM][f"worst_pct.{spared}"]),
    )


def cell_name(coalition: Coalition) -> str:
    """What its runs are filed under."""
    return _FACTORIAL.get(coalition, ", ".join(sorted(coalition)))


def _part(known: Spirals, sizes: Sequence[float], runs: Runs) -> Spirals:
    skipped = runs.first - known.first_seed
    if not set(sizes) <= set(known.sizes) or skipped < 0 or skipped + runs.seeds > len(known.calm_rms_pct):
        raise InputError("the threshold has not all of the sizes, or of the seeds", "Shapley values")
    places, seeds = [known.sizes.index(size) for size in sizes], slice(skipped, skipped + runs.seeds)
    return msgspec.structs.replace(
        known,
        sizes=list(sizes),
        first_seed=runs.first,
        calm_rms_pct=known.calm_rms_pct[seeds],
        worst_pct={cell: [worst[k][seeds] for k in places] for cell, worst in known.worst_pct.items()},
        calm_worst_pct=known.calm_worst_pct[seeds],
    )


def attribute(found: Spirals) -> tuple[dict[str, Estimate], list[ResultTable], list[Row]]:
    """Shapley values over the four groups, the area of every coalition, and what is claimed of them.

    Args:
        found: From :func:`run_coalitions`.
    """
    coalitions = all_coalitions(GROUPS)
    started = {coalition: found.started(cell_name(coalition)) for coalition in coalitions}
    areas = {coalition: area(found.x, there.T.astype(np.float64)) for coalition, there in started.items()}
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
    shown = f"{found.sizes[0]:g} to {found.sizes[-1]:g} %"
    values = ResultTable(
        f"Shapley values of the mean threshold within {shown} (% of value)", list(GROUPS), [list(shares.values())]
    )
    lines = [[", ".join(sorted(c)) or "nothing", bootstrap(areas[c]), *started[c].mean(axis=1)] for c in coalitions]
    curves = ResultTable(
        "Area under the curve of the share of spirals (% of value), and the shares",
        ["on", "area", *(f"{size:g} %" for size in found.sizes)],
        lines,
    )
    return shares, [values, curves], rows
