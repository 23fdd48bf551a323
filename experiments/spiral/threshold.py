"""The threshold: in what share of seeds a spiral starts, against the size of the shock, cell by cell.

Where a spiral has started prices run until slow capital stops them, so that how far they fall saturates and does not
tell who amplified. Whether one starts does not saturate: the share of seeds in which it does is a logistic curve in the
size of the shock, and what a mechanism does is the shift of its midpoint.

Midpoints are of logistic curves by Firth's penalised likelihood (1993), which has an estimate also where shares jump
from 0 to 1; one that lies beyond the sizes counts as the last of them, so that a shift is a bound: so much or more.
The interaction is told as an area between curves, which is a shift of the mean threshold within the range of sizes and
is linear in the seeds. Intervals are Student's on paired seeds, for midpoints around a bootstrap's standard error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy.stats import binomtest

from experiments.drawing import COLOURS, new_figure, save
from experiments.spiral import cells
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER, Runs
from experiments.spiral.measure import measure_threshold
from experiments.validation.fingerprint import fingerprint
from lob_sim.analysis.tables import Bools, Floats
from lob_sim.errors import InputError
from lob_sim.experiment import ResultTable, Row
from lob_sim.experiment.over_seeds import above, curve_above, share
from lob_sim.scenario import Scenario
from lob_sim.sweep import Estimate, bootstrap

SPIRAL_RMS = 100.0
"""A price so many calm errors below value is a spiral."""
OTHER_RMS = (75.0, SPIRAL_RMS, 150.0, 200.0, 300.0)
"""By which other definitions the shift is told. Where prices stop between these, who amplified depends on the word."""
MANY, FEW = 0.8, 0.1
"""What a default shock should do: spiral in so many seeds with everything on, and in so few with either kind alone."""
CALM = "calm"
ORDER = (NEITHER, INFORMATION_ALONE, CONSTRAINTS_ALONE, BOTH)
SHOWN = {
    NEITHER: "neither",
    INFORMATION_ALONE: "fear alone",
    CONSTRAINTS_ALONE: "limits alone",
    BOTH: "fear and limits",
}
"""What the cells are called where nobody has read of cells."""
FIRST_SEED = 101
"""Calibration and first looks used the seeds before."""
_FIRST_LOOK = "first looks at other seeds"
_STEPS, _PRECISION = 50, 1e-7


# --- the curve -----------------------------------------------------------------------------------------------------


def fitted(sizes: Floats, shares: Floats, seeds: int) -> tuple[float, float]:
    """Level and slope of the logistic curve through these shares, by Firth's penalised likelihood.

    Args:
        sizes: At least two, ascending, evenly spaced or not.
        shares: Share of the seeds at each.
        seeds: How many there were at each.
    """
    return _fitted(tuple(sizes.tolist()), tuple(shares.tolist()), seeds)


@lru_cache(maxsize=20_000)
def _fitted(at: tuple[float, ...], found: tuple[float, ...], seeds: int) -> tuple[float, float]:
    # Every bootstrap draws the same seeds, so that midpoints and shifts ask for the same curves again and again.
    sizes, shares = np.array(at), np.array(found)
    centre, scale = float(sizes.mean()), float(sizes[-1] - sizes[0]) / 2
    z = (sizes - centre) / scale
    level = slope = 0.0
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(level + slope * z, -30, 30)))
        weight = seeds * chance * (1 - chance)
        # Fisher information, 2 by 2, and how much each size counts in the fit.
        a, b, c = float(weight.sum()), float(weight @ z), float(weight @ z**2)
        determinant = a * c - b * b
        leverage = weight * (c - 2 * b * z + a * z**2) / determinant
        score = seeds * (shares - chance) + leverage * (0.5 - chance)
        u, v = float(score.sum()), float(score @ z)
        up, steeper = (c * u - b * v) / determinant, (a * v - b * u) / determinant
        longest = max(abs(up), abs(steeper))
        damped = min(1.0, 2.0 / longest) if longest else 0.0
        level, slope = level + damped * up, slope + damped * steeper
        if longest < _PRECISION:
            break
    return level - slope * centre / scale, slope / scale


def midpoint(sizes: Floats, shares: Floats, seeds: int) -> float:
    """Where a logistic curve through these shares is one half.

    Args:
        sizes: At least two, ascending, evenly spaced or not.
        shares: Share of the seeds at each.
        seeds: How many there were at each.

    Returns:
        The midpoint, held to the sizes; at one of their ends where shares do not rise.
    """
    low, high = sizes[0], sizes[-1]
    if shares.max() <= 0 or shares.min() >= 1:
        return float(low if shares[0] > 0 else high)
    level, slope = fitted(sizes, shares, seeds)
    if slope <= _PRECISION:
        return float(low if shares.mean() > 0.5 else high)
    return float(np.clip(-level / slope, low, high))


def area(sizes: Floats, shares: Floats) -> Any:
    """Area under curves of shares by the trapezoid rule, over the last axis, in the unit of the sizes."""
    widths = np.diff(sizes)
    return shares @ (np.append(widths, 0.0) + np.append(0.0, widths)) / 2


# --- runs ----------------------------------------------------------------------------------------------------------


class Spirals(msgspec.Struct, frozen=True):
    """The worst prices of the instrument that no shock hits, in per cent below value.

    Attributes:
        program: Fingerprint of the program that gave them.
        at_pct: The scenario's own fall of value in per cent.
        sizes: Falls of value in per cent, ascending.
        first_seed: The first of the seeds, which are in a row.
        calm_rms_pct: Calm root mean square of mid less value, by seed.
        worst_pct: For each cell, size by size, by seed.
        calm_worst_pct: The same without a shock, by seed.
        confirmed_by: Fingerprint of a later program, which gave the same where it was asked a few of the runs again;
            empty for none.
    """

    program: str
    at_pct: float
    sizes: list[float]
    first_seed: int
    calm_rms_pct: list[float]
    worst_pct: dict[str, list[list[float]]]
    calm_worst_pct: list[float]
    confirmed_by: str = ""

    @property
    def bound_pct(self) -> float:
        """What is a spiral."""
        return SPIRAL_RMS * float(np.mean(self.calm_rms_pct))

    @property
    def x(self) -> Floats:
        """The sizes."""
        return np.array(self.sizes)

    def started(self, cell: str, errors: float = SPIRAL_RMS) -> Bools:
        """In which runs of a cell a spiral started, shape (sizes, seeds); by another number of calm errors if asked."""
        return np.array(self.worst_pct[cell]) > self.bound_pct * errors / SPIRAL_RMS

    @property
    def calm(self) -> Bools:
        """In which calm runs one did."""
        return np.array(self.calm_worst_pct) > self.bound_pct

    def at_own_size(self, cell: str) -> Floats:
        """The worst prices of a cell at the scenario's own shock (the nearest size), by seed."""
        return np.array(self.worst_pct[cell][int(np.abs(self.x - self.at_pct).argmin())])

    def median_seed(self, cell: str = BOTH) -> int:
        """The seed whose worst price is the median of its cell at the scenario's own shock; of two, the worse."""
        worst = self.at_own_size(cell)
        return self.first_seed + int(np.argsort(worst, kind="stable")[worst.size // 2])


def spared_instrument(scenario: Scenario) -> str:
    """The one instrument that no shock hits.

    Raises:
        InputError: There is none, or several.
    """
    hit = {shock.instrument for shock in scenario.shocks}
    spared = [spec.name for spec in scenario.instruments if spec.name not in hit]
    if len(spared) != 1:
        raise InputError(f"{len(spared)} instruments that no shock hits: expected one", scenario.name)
    return spared[0]


def own_size_pct(scenario: Scenario) -> float:
    """The fall of value in the scenario's own shock, in per cent."""
    return round(-100 * scenario.shocks[0].size, 6)


def run_sizes(scenario: Scenario, sizes: Sequence[float], runs: Runs) -> Spirals:
    """Run the factorial at every size (per cent), and the calm."""
    spared = spared_instrument(scenario)
    scenarios = {CALM: cells.calm(scenario)} | {
        f"{name}, {size:g}": cells.shocked(cell, -size / 100)
        for name, cell in cells.factorial(scenario).items()
        for size in sizes
    }
    frames = cells.run_scenarios(scenarios, runs, "threshold", measure_threshold)
    worst = {name: plain(frame[f"worst_pct.{spared}"]) for name, frame in frames.items()}
    return Spirals(
        fingerprint(cells.__name__),
        own_size_pct(scenario),
        list(sizes),
        runs.first,
        plain(frames[CALM][f"rms_pct.{spared}"]),
        {name: [worst[f"{name}, {size:g}"] for size in sizes] for name in ORDER},
        worst[CALM],
    )


def plain(column: Any) -> list[float]:
    """Measures as they are kept: a millionth of a per cent of the price is beyond what is told."""
    return [round(float(value), 6) for value in column]


def missing_of_rule(shares: Mapping[str, Floats]) -> Floats:
    """How far shocks are from what a default shock should do: :data:`MANY` of the seeds spiral with everything on, and
    at most :data:`FEW` with either kind alone.

    Args:
        shares: Share of the seeds with a spiral, cell by cell, at each size.

    Returns:
        At each size the larger of what is missing of the one and what is too much of the other; 0 or less where a shock
        does it.
    """
    alone = np.maximum(shares[CONSTRAINTS_ALONE], shares[INFORMATION_ALONE])
    found: Floats = np.maximum(MANY - shares[BOTH], alone - FEW)
    return found


# --- what is claimed -----------------------------------------------------------------------------------------------


def threshold_rows(found: Spirals) -> list[Row]:
    """The claims."""
    x, started = found.x, {cell: found.started(cell) for cell in ORDER}
    unlimited = ~(started[NEITHER].any(axis=0) | started[INFORMATION_ALONE].any(axis=0))
    return [
        _shift(
            "information, where limits are on: midpoint without it less midpoint with it (% of value)",
            x,
            started[CONSTRAINTS_ALONE],
            started[BOTH],
        ),
        _shift(
            "constraints, where information is on: midpoint without them less midpoint with them (% of value; or more)",
            x,
            started[INFORMATION_ALONE],
            started[BOTH],
        ),
        above("interaction: area between the curves (% of value)", interaction_area(x, started), 0.0, _FIRST_LOOK),
        share("no spiral at any size while nothing is constrained (share of seeds)", unlimited, 0.98, _FIRST_LOOK),
        share("no spiral in calm, everything on (share of seeds)", ~found.calm, 0.98, "calm is calm"),
    ]


def interaction_area(sizes: Floats, started: Mapping[str, Bools]) -> Floats:
    """Area of both less either alone plus neither, seed by seed, in per cent of value: by how much the two together
    lower the mean threshold beyond what each does.

    Args:
        sizes: Sizes in per cent.
        started: For each cell, shape (sizes, seeds).
    """
    contrast = (started[BOTH].astype(float) - started[CONSTRAINTS_ALONE]) - (
        started[INFORMATION_ALONE].astype(float) - started[NEITHER]
    )
    found: Floats = area(sizes, contrast.T)
    return found


def _shift(claim: str, x: Floats, without: Bools, with_it: Bools) -> Row:
    curves, k = np.concatenate([without, with_it]).T.astype(np.float64), x.size
    n = len(curves)
    return curve_above(
        claim, curves, lambda mean: midpoint(x, mean[:k], n) - midpoint(x, mean[k:], n), 0.0, _FIRST_LOOK
    )


def midpoints(found: Spirals) -> dict[str, Estimate]:
    """Midpoint of each cell's curve, in per cent of value; one beyond the sizes is at their end."""
    estimates = {}
    for cell in ORDER:
        curves = found.started(cell).T.astype(np.float64)
        n = len(curves)
        row = curve_above(cell, curves, lambda mean, n=n: midpoint(found.x, mean, n), 0.0, "")  # type: ignore[misc]
        assert row.low is not None
        assert row.high is not None
        estimates[cell] = Estimate(row.measured, row.low, row.high, n, 0.95)
    return estimates


def shifts_by_definition(found: Spirals) -> dict[float, Row]:
    """By how much fear lowers the midpoint where limits are on, by other numbers of calm errors that are a spiral."""
    return {
        errors: _shift("", found.x, found.started(CONSTRAINTS_ALONE, errors), found.started(BOTH, errors))
        for errors in OTHER_RMS
    }


def threshold_tables(found: Spirals) -> list[ResultTable]:
    """Midpoints and shares, whether any size does what a default shock should, other definitions."""
    shares = {cell: found.started(cell).mean(axis=1) for cell in ORDER}
    lines: list[list[Any]] = [[cell, middle, *shares[cell]] for cell, middle in midpoints(found).items()]
    three = (BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE)
    asked = [
        [f"{size:g} %", *(shares[cell][k] for cell in three), "yes" if missing <= 0 else "no"]
        for k, (size, missing) in enumerate(zip(found.x, missing_of_rule(shares), strict=True))
    ]
    calm = bootstrap(np.array(found.calm_rms_pct))
    return [
        ResultTable(
            f"Share of seeds with a spiral ({SPIRAL_RMS:g} calm errors of {calm} %), by fall of value; midpoint (%)",
            ["cell", "midpoint", *(f"{size:g} %" for size in found.x)],
            lines,
        ),
        ResultTable(
            f"Does a shock spiral in {MANY:.0%} with everything on and in {FEW:.0%} with either kind alone?",
            ["fall of value", *three, "does it"],
            asked,
        ),
        ResultTable(
            "By how much fear lowers the midpoint where limits are on (% of value), by what is a spiral",
            ["calm errors below value", "per cent", "shift"],
            [
                [f"{errors:g}", found.bound_pct * errors / SPIRAL_RMS, told_shift(row)]
                for errors, row in shifts_by_definition(found).items()
            ],
        ),
    ]


def told_shift(row: Row) -> str:
    """A shift and its interval in words."""
    return f"{row.measured:.2f} [{row.low:.2f}, {row.high:.2f}]"


def draw_curves(path: Path, found: Spirals) -> None:
    """Shares against sizes, the logistic curve through each cell's, and Wilson's intervals."""
    figure, axis = new_figure()
    figure.set_size_inches(6.4, 4.2)
    n = len(found.calm_rms_pct)
    fine = np.linspace(found.sizes[0], found.sizes[-1], 200)
    for k, (cell, colour) in enumerate(zip(ORDER, COLOURS, strict=False)):
        started = found.started(cell)
        shares = started.mean(axis=1)
        spans = [binomtest(int(row.sum()), n).proportion_ci(method="wilson") for row in started]
        reach = [
            [max(0.0, share - span.low) for share, span in zip(shares, spans, strict=True)],
            [max(0.0, span.high - share) for share, span in zip(shares, spans, strict=True)],
        ]
        shifted = found.x + 0.015 * (k - 1.5)
        axis.errorbar(shifted, shares, reach, fmt="o", markersize=4, color=colour, capsize=2, linewidth=0.8)
        level, slope = fitted(found.x, shares, n)
        # Where no seed spirals, or all do, nothing is known of a curve.
        known = 0 < shares.mean() < 1
        curve = 1 / (1 + np.exp(-(level + slope * fine))) if known else np.full(fine.size, shares.mean())
        axis.plot(fine, curve, color=colour, label=SHOWN[cell])
    axis.axvline(found.at_pct, color="#666666", linewidth=0.8, linestyle=":")
    axis.set_xlabel("fall of corporate bonds' value (%)")
    axis.set_ylabel("share of seeds with a spiral in Treasuries")
    axis.set_ylim(-0.03, 1.03)
    axis.set_title(f"{n} seeds a point, 95% intervals; dotted: the scenario's own shock", fontsize="small")
    axis.legend(fontsize="small")
    save(figure, path)


def parse_sizes(text: str) -> list[float]:
    """``"5,5.5,6"`` as sizes in per cent.

    Raises:
        InputError: There are not at least two that ascend, above 0 and below 100.
    """
    try:
        found = [float(word) for word in text.split(",")]
    except ValueError:
        found = []
    if len(found) < 2 or not found[0] > 0 or not found[-1] < 100 or found != sorted(set(found)):
        raise InputError(f"{text!r}: expected two or more ascending numbers between 0 and 100, with commas", "--sizes")
    return found
