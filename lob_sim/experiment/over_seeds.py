"""Verdicts that rest on intervals over seeds, where those of :mod:`~lob_sim.experiment.verdicts` rest on three errors.

It needs the extra ``sweep``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from scipy.special import ndtri
from scipy.stats import binomtest

from lob_sim.analysis.claims import Relation, Row
from lob_sim.sweep.statistics import Estimate, bootstrap, t_half_width

_LEVEL = 0.05


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
    """The share of seeds in which something holds is at least so much, by the seeds that there are.

    Wilson's interval is told and judges nothing: see :func:`shown_share` for what the seeds show.
    """
    found, seeds = _share_of(holds)
    return _row(claim, found, at_least, "≥", 0.0, found.value >= at_least, seeds, source)


def shown_share(claim: str, holds: Any, at_least: float, source: str) -> Row:
    """The share of seeds in which something holds is shown to be more than so much: all of Wilson's interval is.

    To show 95 % takes 73 seeds in each of which it holds.
    """
    found, seeds = _share_of(holds)
    return _row(claim, found, at_least, ">", 0.0, found.low > at_least, seeds, source)


def _share_of(holds: Any) -> tuple[Estimate, Any]:
    seeds = np.asarray(holds, dtype=bool)
    return Estimate(float(seeds.mean()), *wilson(int(seeds.sum()), seeds.size), seeds.size, 0.95), seeds


def wilson(k: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share of k in n, as SciPy has it, which finds the p-value of a test besides."""
    share, z = k / n, float(ndtri(1 - _LEVEL / 2))
    whole = 2 * (n + z**2)
    centre, reach = (2 * n * share + z**2) / whole, z / whole * math.sqrt(4 * n * share * (1 - share) + z**2)
    return centre - reach if k > 0 else 0.0, centre + reach if k < n else 1.0


def paired_difference(here: Any, there: Any) -> tuple[Estimate, float]:
    """By how much more often something happens here than there, in the same seeds.

    Args:
        here: Whether it does, by seed.
        there: The same elsewhere, in the same seeds.

    Returns:
        The difference of the shares with a 95 % interval (method 10 of Newcombe 1998, "Improved Confidence Intervals
        for the Difference between Binomial Proportions Based on Paired Data"), and the two-sided p-value of the exact
        test on the seeds that differ (McNemar 1947, "Note on the Sampling Error of the Difference between Correlated
        Proportions").
    """
    one, two = np.asarray(here, dtype=bool), np.asarray(there, dtype=bool)
    n, both, neither = one.size, int((one & two).sum()), int((~one & ~two).sum())
    here_only, there_only = int((one & ~two).sum()), int((two & ~one).sum())
    (first_low, first_high), (second_low, second_high) = (wilson(int(x.sum()), n) for x in (one, two))
    p, q = float(one.mean()), float(two.mean())
    # Seeds are alike in both, as far as they are: with the continuity correction where they are positively so.
    cross = both * neither - here_only * there_only
    margins = float(one.sum()) * float((~one).sum()) * float(two.sum()) * float((~two).sum())
    likeness = (max(cross - n / 2, 0) if cross > 0 else cross) / math.sqrt(margins) if margins else 0.0

    def reach(up: float, down: float) -> float:
        return math.sqrt(max(0.0, up * up - 2 * likeness * up * down + down * down))

    more, differing = (here_only - there_only) / n, here_only + there_only
    low = more - reach(p - first_low, second_high - q)
    high = more + reach(first_high - p, q - second_low)
    chance = float(binomtest(here_only, differing).pvalue) if differing else 1.0
    return Estimate(more, low, high, n, 0.95), chance


def more_often(claim: str, here: Any, there: Any, source: str) -> Row:
    """Something happens more often here than there in the same seeds, by McNemar's exact test at 5 %."""
    found, chance = paired_difference(here, there)
    differences = np.asarray(here, dtype=float) - np.asarray(there, dtype=float)
    return _row(claim, found, 0.0, ">", 0.0, found.value > 0 and chance < _LEVEL, differences, source)


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
