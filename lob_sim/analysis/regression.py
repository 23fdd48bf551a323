"""Regressors as a least-squares fit takes them: on one scale, so that no digit is lost where a series is far from 0."""

from __future__ import annotations

import numpy as np

from lob_sim.analysis.tables import Floats


def scaled(regressors: Floats, has_constant: bool) -> tuple[Floats, Floats]:
    """Columns in units of their largest value, after their mean is taken off where the model has a constant.

    Slopes times the unit are what they were, and so are their standard errors; the constant is another.

    Args:
        regressors: Shape (observations, regressors), one or more of each.
        has_constant: Whether the model has a constant, which becomes the first column.

    Returns:
        The columns, and the unit of each regressor (0 of one that does not vary).
    """
    with np.errstate(over="ignore", invalid="ignore"):
        # The first value goes before the mean does: the mean of what is far from 0 is known to fewer digits.
        centred = regressors - regressors[0] if has_constant else regressors
        centred = centred - centred.mean(axis=0) if has_constant else centred
        units = np.abs(centred).max(axis=0)
        columns = centred / np.where(units > 0, units, 1.0)
    return (np.column_stack([np.ones(len(columns)), columns]) if has_constant else columns), units


def is_of_full_rank(columns: Floats) -> bool:
    """Whether columns of :func:`scaled` have one fit alone; what is not finite has none."""
    return bool(np.isfinite(columns).all()) and int(np.linalg.matrix_rank(columns)) == columns.shape[1]
