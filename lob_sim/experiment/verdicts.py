"""What is claimed, what was measured, and whether the claim holds.

A verdict is never a matter of taste: a difference of at most three standard errors, or an identity that holds
but for a rounding whose size is known.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from lob_sim.analysis.claims import STANDARD_ERRORS, Relation, Row


def agrees(
    claim: str, measured: float, reference: float, standard_error: float, source: str, slack: float = 0.0
) -> Row:
    """The measured value is the reference, but for sampling error and ``slack``."""
    off = abs(measured - reference)
    # Written so that a NaN, or a standard error of 0 where there was nothing to measure, does not pass.
    holds = standard_error > 0 and off <= STANDARD_ERRORS * standard_error + slack
    return _row(claim, measured, reference, standard_error, "=", slack, holds, source)


def identical(claim: str, measured: float, reference: float, source: str, slack: float = 0.0) -> Row:
    """The measured value is the reference exactly, but for a rounding of at most ``slack``."""
    return _row(claim, measured, reference, 0.0, "=", slack, abs(measured - reference) <= slack, source)


def exceeds(claim: str, measured: float, bound: float, standard_error: float, source: str) -> Row:
    """The measured value lies above the bound by more than sampling error."""
    holds = standard_error >= 0 and measured - STANDARD_ERRORS * standard_error > bound
    return _row(claim, measured, bound, standard_error, ">", 0.0, holds, source)


def stays_below(claim: str, measured: float, bound: float, standard_error: float, source: str) -> Row:
    """The measured value lies below the bound by more than sampling error."""
    holds = standard_error >= 0 and measured + STANDARD_ERRORS * standard_error < bound
    return _row(claim, measured, bound, standard_error, "<", 0.0, holds, source)


def _row(
    claim: str,
    measured: float,
    reference: float,
    standard_error: float,
    relation: Relation,
    slack: float,
    holds: bool,
    source: str,
) -> Row:
    verdict: Literal["holds", "fails"] = "holds" if holds else "fails"
    numbers = (float(measured), float(reference), float(standard_error))
    return Row(claim, *numbers, relation, float(slack), verdict, source)


class Mean(msgspec.Struct, frozen=True):
    """A mean with its standard error."""

    value: float
    se: float


def mean_of(values: ArrayLike) -> Mean:
    """Mean and standard error of independent observations, at least two."""
    sample = np.asarray(values, dtype=np.float64)
    return Mean(float(sample.mean()), float(sample.std(ddof=1) / np.sqrt(sample.size)))


def sd_of(values: ArrayLike) -> Mean:
    """Standard deviation of independent observations and its standard error, whatever their distribution.

    The standard error is that of the jackknife, which needs no fourth moment of a normal distribution.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = sample.size
    deviations = sample - sample.mean()
    total = float(deviations @ deviations)
    without = np.sqrt(np.maximum(0.0, total - deviations**2 * n / (n - 1)) / (n - 2))
    return Mean(float(np.sqrt(total / (n - 1))), float(np.sqrt((n - 1) / n * np.sum((without - without.mean()) ** 2))))


def ratio_of(above: ArrayLike, below: ArrayLike) -> Mean:
    """Ratio of two means over the same observations, with its standard error by the delta method."""
    x, y = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    ratio = float(x.mean() / y.mean())
    rest = x - ratio * y
    return Mean(ratio, float(rest.std(ddof=1) / np.sqrt(x.size) / abs(y.mean())))
