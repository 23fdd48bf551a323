"""A root of a function of one variable, without a library for it."""

from __future__ import annotations

import math
from collections.abc import Callable

from lob_sim.errors import InvariantError

_MAX_STEPS = 100


def brent_root(function: Callable[[float], float], low: float, high: float, xtol: float, rtol: float) -> float:
    """A root between two points at which a function has opposite signs, by Brent's method.

    Inverse quadratic interpolation where it shrinks the bracket fast enough, bisection where it does not: never
    slower than bisection by much, and a step or two from the end mostly far faster. The order of operations is
    that of ``scipy.optimize.brentq``, so that both give the same bits.

    Source: Brent (1973), "Algorithms for Minimization without Derivatives", chapter 4.

    Args:
        function: Continuous.
        low: One end.
        high: The other end.
        xtol: Absolute tolerance of the root.
        rtol: Relative tolerance of the root.

    Raises:
        InvariantError: The function has the same sign at both ends, or there is no end to the search.
    """
    before, best = low, high
    f_before, f_best = function(before), function(best)
    if f_before == 0:
        return before
    if f_best == 0:
        return best
    if (f_before < 0) == (f_best < 0):
        raise InvariantError(f"no root between {low} and {high} is known of: the signs are the same")
    # The root lies between ``best`` and ``other``; ``last_step`` and ``step`` are the two newest steps.
    other = f_other = last_step = step = 0.0
    for _ in range(_MAX_STEPS):
        if f_before != 0 and f_best != 0 and (f_before < 0) != (f_best < 0):
            other, f_other = before, f_before
            last_step = step = best - before
        if abs(f_other) < abs(f_best):
            before, best, other = best, other, best
            f_before, f_best, f_other = f_best, f_other, f_best
        tolerance = (xtol + rtol * abs(best)) / 2
        half = (other - best) / 2
        if f_best == 0 or abs(half) < tolerance:
            return best
        if abs(last_step) > tolerance and abs(f_best) < abs(f_before):
            try:
                if before == other:
                    trial = -f_best * (best - before) / (f_best - f_before)
                else:
                    d_before = (f_before - f_best) / (before - best)
                    d_other = (f_other - f_best) / (other - best)
                    scale = d_other * d_before * (f_other - f_before)
                    trial = -f_best * (f_other * d_other - f_before * d_before) / scale
            except ZeroDivisionError:  # values so small that their products vanish: no step is taken from them
                trial = math.inf
            is_short = 2 * abs(trial) < min(abs(last_step), 3 * abs(half) - tolerance)
            last_step, step = (step, trial) if is_short else (half, half)
        else:
            last_step = step = half
        before, f_before = best, f_best
        best += step if abs(step) > tolerance else (tolerance if half > 0 else -tolerance)
        f_best = function(best)
    raise InvariantError(f"no root between {low} and {high} within {_MAX_STEPS} steps")
