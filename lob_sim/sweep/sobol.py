"""Global sensitivity: how much of an outcome's variance each parameter accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import whole_number
from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.sweep.design import Axis, Point
from lob_sim.sweep.statistics import numbers

FEWEST_FOR_WIDTHS = 8
"""Base points below which resampling does not tell an index's error: nominal 95 % intervals of a total index cover it
in 0 % of samples of one base point, 63 % of two, 85 % of four and 93 % of eight."""


def sobol_points(axes: Sequence[Axis], n: int, seed: int = 0) -> list[Point]:
    """The design for :func:`sobol_indices`: n·(d + 2) points (Saltelli 2010), through SALib.

    Args:
        axes: Inputs, taken as independent and uniform.
        n: Base sample size, a power of two.
        seed: Of the scrambling.

    Raises:
        InputError: There are no axes, or ``n`` is no power of two: the sequence would lose its balance.
    """
    _check_axes(axes)
    n = whole_number("n", n, 1, "base points")
    need_extra("sweep", "SALib")
    from SALib.sample import sobol

    if n & (n - 1):
        raise InputError(f"a base sample of {n}: expected a power of two", "n")
    unit = sobol.sample(_problem(axes), n, calc_second_order=False, seed=seed)
    return [{axis.path: axis.at(float(u)) for axis, u in zip(axes, row, strict=True)} for row in unit]


def sobol_indices(axes: Sequence[Axis], outputs: Any, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """First-order and total Sobol indices, through SALib.

    Args:
        axes: As given to :func:`sobol_points`.
        outputs: The model's output at each of its points, in order (:func:`point_means`).
        level: Coverage of the confidence half-widths.
        seed: Of their resampling.

    Returns:
        One row per path: ``S1``, ``S1_conf``, ``ST``, ``ST_conf``; the confidence columns are half-widths, NaN of a
        base sample of fewer than :data:`FEWEST_FOR_WIDTHS`.

    Raises:
        InputError: There are no axes, the number of outputs does not fit, one is no finite number, or they are all
            equal (no variance to share out); the level is not between 0 and 1.
    """
    _check_axes(axes)
    if not 0 < level < 1:
        raise InputError(f"level {level}: expected a coverage between 0 and 1", "level")
    need_extra("sweep", "SALib")
    from SALib.analyze import sobol

    y = numbers(outputs, "outputs")
    if y.ndim != 1 or y.size == 0 or y.size % (len(axes) + 2) or not np.isfinite(y).all():
        expected = f"expected a finite one for each of n·{len(axes) + 2} points"
        raise InputError(f"{y.size} outputs: {expected}", "outputs")
    if (y == y[0]).all():
        raise InputError("all outputs are equal: there is no variance to attribute", "outputs")
    # SALib takes a seed of 0 for none.
    found = sobol.analyze(_problem(axes), y, calc_second_order=False, conf_level=level, seed=seed + 1)
    columns = ("S1", "S1_conf", "ST", "ST_conf")
    table = pd.DataFrame({name: found[name] for name in columns}, index=[axis.path for axis in axes])
    if y.size // (len(axes) + 2) < FEWEST_FOR_WIDTHS:
        table[["S1_conf", "ST_conf"]] = np.nan
    return table


def _check_axes(axes: Sequence[Axis]) -> None:
    if not axes:
        raise InputError("no axes: expected one or more", "axes")


def _problem(axes: Sequence[Axis]) -> dict[str, Any]:
    return {"num_vars": len(axes), "names": [axis.path for axis in axes], "bounds": [[0.0, 1.0]] * len(axes)}
