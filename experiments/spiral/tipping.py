"""The tipping curve: overshoot against the size of the shock, for several capital headrooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from experiments.spiral import cells
from experiments.spiral.claims import curve_above
from experiments.spiral.factorial import THESIS
from lob_sim.experiment import ResultTable, Row
from lob_sim.sweep import bootstrap
from lob_sim.sweep.measure import measure_crisis

Floats = NDArray[np.float64]

SIZES = (0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08)
"""Falls of fair value: so far that a threshold under twice the headroom is well inside."""
FACTORS = (0.5, 1.0, 1.5, 2.0)
"""Multiples of the headroom that the scenario gives its dealers."""
STEEPER = 3.0
"""How many times steeper than before it a curve must be after a threshold to have one."""


class Hinge(msgspec.Struct, frozen=True):
    """The best fit of a line with one kink.

    Attributes:
        at: Where the kink is.
        before: Slope before it.
        after: Slope after it.
        unexplained: Sum of squared residuals as a share of that of the best straight line.
    """

    at: float
    before: float
    after: float
    unexplained: float


def fit_hinge(x: Floats, y: Floats) -> Hinge:
    """Fit a + b·x + c·max(0, x − t) by least squares, with t at the inner points of x or half way between two."""
    inner = np.sort(np.concatenate([x[1:-1], (x[1:-2] + x[2:-1]) / 2]))
    line = np.column_stack([np.ones_like(x), x])
    straight = float(((y - line @ np.linalg.lstsq(line, y)[0]) ** 2).sum())
    best = Hinge(float(x[0]), 0.0, 0.0, np.inf)
    for knot in inner.tolist():
        terms = np.column_stack([line, np.maximum(0.0, x - knot)])
        fitted = np.linalg.lstsq(terms, y)[0]
        rest = float(((y - terms @ fitted) ** 2).sum())
        unexplained = rest / straight if straight else 1.0
        if unexplained < best.unexplained:
            best = Hinge(knot, float(fitted[1]), float(fitted[1] + fitted[2]), unexplained)
    return best


class Tipping(msgspec.Struct, frozen=True):
    """Overshoots in per cent.

    Attributes:
        sizes: Falls of fair value, as fractions.
        factors: Multiples of headroom.
        samples: Shape (factors, sizes, seeds).
        control: With nothing on, shape (sizes, seeds): without limits headroom makes no difference.
    """

    sizes: list[float]
    factors: list[float]
    samples: Any
    control: Any

    @property
    def mean(self) -> Floats:
        """Shape (factors, sizes)."""
        found: Floats = self.samples.mean(axis=2)
        return found


def run_tipping(seeds: int, sizes: Sequence[float] = SIZES, factors: Sequence[float] = FACTORS) -> Tipping:
    """Run the grid with everything on, and the control: the same shocks with nothing on."""
    scenario = cells.flagship()
    control = cells.factorial(scenario)[cells.NEITHER]
    scenarios = {
        f"headroom x {factor:g}, fall {size:g}": cells.shocked(cells.with_headroom(scenario, factor), -size)
        for factor in factors
        for size in sizes
    } | {f"nothing on, fall {size:g}": cells.shocked(control, -size) for size in sizes}
    frames = cells.run_scenarios(scenarios, seeds, "tipping", measure_crisis)
    samples = np.array([frame["overshoot_pct"].to_numpy() for frame in frames.values()])
    curves = samples.reshape(len(factors) + 1, len(sizes), seeds)
    return Tipping(list(sizes), list(factors), curves[:-1], curves[-1])


def tipping_rows(found: Tipping) -> tuple[ResultTable, list[Row]]:
    """A threshold: after the kink the curve is several times steeper than before it, and it takes the mechanisms.

    The kink is sought anew in every bootstrap sample, so that choosing it is part of the error. What is told apart is
    a curve with a threshold from one that is about straight: nine sizes do not tell a kink from a smooth curve that
    bends as sharply (the cube of the shock, say). The control has the same shocks with nothing on.

    It is claimed of the headroom that the scenario gives and of more. With half of it the curve leaves its foot at the
    second size and bends over again before the last, which is two kinks: that this is not claimed was decided when the
    grid had been seen. So was its range: a first one ended at a fall of 6 %, where twice the headroom has its
    threshold, and told no slope after it (0.3 [-0.3, 0.8]).
    """
    x = 100 * np.array(found.sizes)
    curves = [(f"× {factor:g}", samples) for factor, samples in zip(found.factors, found.samples, strict=True)]
    lines: list[list[Any]] = []
    for name, samples in [*curves, ("nothing on", found.control)]:
        hinge = fit_hinge(x, samples.mean(axis=1))
        estimates = [bootstrap(sample) for sample in samples]
        lines.append([name, *estimates, hinge.at, hinge.before, hinge.after, hinge.unexplained])
    rows = []
    for factor, (name, samples) in zip(found.factors, curves, strict=True):
        if factor < 1:
            continue
        rows += [
            curve_above(
                f"headroom {name}: slope after the threshold less {STEEPER:g} × that before (% per %)",
                samples.T,
                lambda curve: _excess_slope(x, curve),
                0.0,
                THESIS,
            ),
            curve_above(
                f"headroom {name}: that excess less the same with nothing on (% per %)",
                np.concatenate([samples, found.control]).T,
                lambda both: _excess_slope(x, both[: x.size]) - _excess_slope(x, both[x.size :]),
                0.0,
                "negative control",
            ),
        ]
    columns = ["headroom", *(f"{size:g} %" for size in x), "threshold (%)", "slope before", "after", "SSE / line's"]
    return ResultTable("Overshoot below fair value (%) by fall of fair value", columns, lines), rows


def _excess_slope(x: Floats, curve: Floats) -> float:
    hinge = fit_hinge(x, curve)
    return hinge.after - STEEPER * max(0.0, hinge.before)
