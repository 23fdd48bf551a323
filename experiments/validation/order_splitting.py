"""Lillo, Mike and Farmer's theory of order splitting, without an approximation, and what is needed to test it.

N metaorders are at work, each trade belongs to one of them, at random, with chance ``share``, and otherwise to nobody;
a metaorder of L lots is L trades of one sign. Two trades at distance l have the same parent if the first is one, if the
second is of the same slot, and if the parent had more lots left than its slot has traded in between; then their signs
are equal, else independent. With P(L ≥ n) = n^-α that falls off as l^-(α - 1).

Source: Lillo, Mike and Farmer (2005), Physical Review E 71, 066122, section III; Lillo and Farmer (2004), Studies in
Nonlinear Dynamics and Econometrics 8, for the measurements."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from lob_sim.analysis.tables import Floats
from lob_sim.experiment import Mean

NEAR, FAR = (10, 20), (100, 200)
"""Ranges of lags, ten times apart, between whose means the exponent is measured."""
_EXPONENTS = (1.02, 4.0)
"""Between these α is looked for."""


def more_left(tail_exponent: float, max_lots: int) -> Floats:
    """P(a metaorder that has just traded has at least r lots left), for r = 1, 2, ..., ``max_lots`` - 1.

    A size is met in proportion to itself, anywhere between its first and its last lot.
    """
    at_least = np.arange(1.0, max_lots + 1) ** -tail_exponent
    beyond: Floats = np.cumsum(at_least[::-1])[::-1]
    shares: Floats = beyond[1:] / beyond[0]
    return shares


def sign_memory(
    lags: Sequence[int], tail_exponent: float, max_lots: int, metaorders: int, share: float = 1.0
) -> Floats:
    """Autocorrelation of the signs of trades at each lag."""
    return share**2 / metaorders * (_in_between(lags, share / metaorders) @ _padded(tail_exponent, max_lots, lags))


def exponent(memory: Floats) -> float:
    """γ of l^-γ, from the autocorrelations at lags 1, 2, ..., by the means over :data:`NEAR` and :data:`FAR`."""
    near, far = (float(memory[a - 1 : b].mean()) for a, b in (NEAR, FAR))
    return float(np.log(near / far) / np.log(FAR[0] / NEAR[0])) if near > 0 and far > 0 else float("nan")


def fitted_exponent(memory: Floats, max_lots: int, metaorders: int, share: float) -> float:
    """γ = α - 1 of the theory's curve nearest to autocorrelations at lags 1, 2, ..., by least squares."""
    lags = range(1, memory.size + 1)
    between = share**2 / metaorders * _in_between(lags, share / metaorders)

    def distance(tail_exponent: float) -> float:
        return float(np.sum((memory - between @ _padded(tail_exponent, max_lots, lags)) ** 2))

    return float(minimize_scalar(distance, bounds=_EXPONENTS, method="bounded").x) - 1


def jackknife(samples: Floats, statistic: Callable[[Floats], float]) -> Mean:
    """A statistic of the mean over independent runs, and its standard error by leaving out one run at a time.

    Args:
        samples: Shape (runs, ...).
        statistic: Takes the mean over runs.
    """
    runs, total = len(samples), samples.sum(axis=0)
    without = np.array([statistic((total - one) / (runs - 1)) for one in samples])
    error = np.sqrt((runs - 1) / runs * np.sum((without - without.mean()) ** 2))
    return Mean(statistic(total / runs), float(error))


def _in_between(lags: Sequence[int], chance: float) -> Floats:
    """Probability that a slot trades k times between two trades at each lag; shape (lags, largest lag)."""
    counts = np.arange(max(lags))
    return np.asarray(binom.pmf(counts[None, :], np.array(lags)[:, None] - 1, chance), dtype=np.float64)


def _padded(tail_exponent: float, max_lots: int, lags: Sequence[int]) -> Floats:
    found = more_left(tail_exponent, max_lots)[: max(lags)]
    return np.pad(found, (0, max(lags) - found.size))
