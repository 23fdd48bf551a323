"""Verdicts that rest on intervals over seeds, where those of :mod:`~lob_sim.experiment.verdicts` rest on three errors.

It needs the extra ``sweep``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy.stats import binomtest

from lob_sim.analysis.claims import Relation, Row
from lob_sim.sweep.statistics import Estimate, bootstrap, t_half_width


def above(claim: str, sample: Any, bound: float, source: str) -> Row:
    """The mean over seeds exceeds the bound, and so does all of its 95 % interval."""
    found = bootstrap(sample)
    return _row(claim, found, bound, ">", 0.0, found.low > bound, sample, source)


def below(claim: str, sample: Any, bound: float, source: str) -> Row:
    """The mean over seeds is under the bound, and so is all of its 95 % interval."""
    found = bootstrap(sample)
    return _row(claim, found, bound, "<", 0.0, found.high < bound, sample, source)


def within(claim: str, sample: Any, reference: float, slack: float, source: str) -> Row:
    """The 95 % interval of the mean lies within reference ± slack: what is off is shown to be less than that."""
    found = bootstrap(sample)
    holds = found.low >= reference - slack and found.high <= reference + slack
    return _row(claim, found, reference, "=", slack, holds, sample, source)


def share(claim: str, holds: Any, at_least: float, source: str) -> Row:
    """The share of seeds in which something holds is at least so much. Wilson's interval is told and judges nothing."""
    seeds = np.asarray(holds, dtype=bool)
    value, n = float(seeds.mean()), seeds.size
    interval = binomtest(int(seeds.sum()), n).proportion_ci(method="wilson")
    found = Estimate(value, float(interval.low), float(interval.high), n, 0.95)
    return _row(claim, found, at_least, "≥", 0.0, value >= at_least, seeds, source)


def curve_above(
    claim: str, samples: np.ndarray[Any, Any], statistic: Callable[[Any], float], bound: float, source: str
) -> Row:
    """A statistic of a whole curve exceeds a bound, and so does all of its 95 % interval.

    The standard error is that of a bootstrap over seeds, the interval Student's around it, as if the statistic were
    linear in the seeds' curves: of one that is, it is the t-interval itself.

    Args:
        claim: What is claimed.
        samples: Shape (seeds, points of the curve).
        statistic: Takes the mean curve, shape (points,), and does all that depends on the sample anew.
        bound: The bound.
        source: By whose word.
    """
    rng = np.random.default_rng(0)
    n = len(samples)
    drawn = [statistic(samples[rng.integers(0, n, n)].mean(axis=0)) for _ in range(1_000)]
    # Resampling n seeds understates a variance by the factor (n - 1) / n.
    error = float(np.std(drawn)) * math.sqrt(n / (n - 1)) if n > 1 else math.nan
    value, half = statistic(samples.mean(axis=0)), t_half_width(error, n)
    found = Estimate(value, value - half, value + half, n, 0.95)
    verdict: Literal["holds", "fails"] = "holds" if found.low > bound else "fails"
    return Row(claim, value, bound, error, ">", 0.0, verdict, source, found.low, found.high)


def _row(
    claim: str,
    found: Estimate,
    reference: float,
    relation: Relation,
    slack: float,
    holds: bool,
    sample: Any,
    source: str,
) -> Row:
    x = np.asarray(sample, dtype=np.float64)
    error = float(x.std(ddof=1) / np.sqrt(x.size)) if x.size > 1 else float("nan")
    verdict: Literal["holds", "fails"] = "holds" if holds else "fails"
    return Row(claim, found.value, reference, error, relation, slack, verdict, source, found.low, found.high)
