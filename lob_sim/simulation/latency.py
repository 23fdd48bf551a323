"""Latency between an agent and the venues: how long a message travels, one way.

Messages on one connection never overtake each other, as on a TCP session: a random delay that would deliver a
message before its predecessor delivers it together with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from lob_sim.rng import Stream
from lob_sim.scenario import LatencySpec
from lob_sim.units import Ns

Delay = Callable[[], Ns]


def delay_source(spec: LatencySpec, stream: Stream, longest_ns: Ns | None = None) -> Delay:
    """A function that draws one delay in whole nanoseconds.

    Uniform: on ``median ± spread``. Lognormal: the given median and log standard deviation ``sigma``.

    Args:
        spec: The distribution.
        stream: Random numbers of this connection.
        longest_ns: Longer draws are cut to this.
    """
    if spec.distribution == "constant":
        # The cheapest callable there is that can be kept in a file: the method of a number that gives itself.
        return spec.median.__int__
    if spec.distribution == "uniform":
        return partial(_uniform_ns, spec.median - spec.spread, 2 * spec.spread, stream)
    if longest_ns is None:
        return partial(_lognormal_ns, spec.median, spec.sigma, stream)
    return partial(_cut_lognormal_ns, spec.median, spec.sigma, stream, longest_ns)


def _uniform_ns(low_ns: Ns, width_ns: Ns, stream: Stream) -> Ns:
    return low_ns + round(stream.uniform() * width_ns)


def _lognormal_ns(median_ns: Ns, sigma: float, stream: Stream) -> Ns:
    return round(median_ns * math.exp(sigma * stream.normal()))


def _cut_lognormal_ns(median_ns: Ns, sigma: float, stream: Stream, longest_ns: Ns) -> Ns:
    return min(longest_ns, round(median_ns * math.exp(sigma * stream.normal())))
