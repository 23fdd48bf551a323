"""Global sensitivity: how much of an outcome's variance each parameter accounts for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lob_sim.errors import InputError
from lob_sim.extras import need_extra
from lob_sim.sweep.design import Axis, Point


def sobol_points(axes: Sequence[Axis], n: int, seed: int = 0) -> list[Point]:
    """The design for :func:`sobol_indices`: n·(d + 2) points (Saltelli 2010), through SALib.

    Args:
        axes: Inputs, taken as independent and uniform.
        n: Base sample size, a power of two.
        seed: Of the scrambling.

    Raises:
        InputError: ``n`` is no power of two: the sequence would lose its balance.
    """
    need_extra("sweep", "SALib")
    from SALib.sample import sobol

    if n < 1 or n & (n - 1):
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
        One row per path: ``S1``, ``S1_conf``, ``ST``, ``ST_conf``; the confidence columns are half-widths.

    Raises:
        InputError: The number of outputs does not fit, or they are all equal (no variance to share out).
    """
    need_extra("sweep", "SALib")
    from SALib.analyze import sobol

    y = np.asarray(outputs, dtype=np.float64)
    if y.size == 0 or y.size % (len(axes) + 2) or not np.isfinite(y).all():
        expected = f"expected a finite one for each of n·{len(axes) + 2} points"
        raise InputError(f"{y.size} outputs: {expected}", "outputs")
    if (y == y[0]).all():
        raise InputError("all outputs are equal: there is no variance to attribute", "outputs")
    # SALib takes a seed of 0 for none.
    found = sobol.analyze(_problem(axes), y, calc_second_order=False, conf_level=level, seed=seed + 1)
    columns = ("S1", "S1_conf", "ST", "ST_conf")
    return pd.DataFrame({name: found[name] for name in columns}, index=[axis.path for axis in axes])


def _problem(axes: Sequence[Axis]) -> dict[str, Any]:
    return {"num_vars": len(axes), "names": [axis.path for axis in axes], "bounds": [[0.0, 1.0]] * len(axes)}
