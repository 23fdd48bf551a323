"""Latency between an agent and the venues: how long a message travels, one way.

Messages on one connection never overtake each other, as on a TCP session: a random delay that would deliver a
message before its predecessor delivers it together with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import repeat

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
    median_ns = spec.median
    if spec.distribution == "constant":
        return repeat(median_ns).__next__
    if spec.distribution == "uniform":
        low_ns, width_ns = median_ns - spec.spread, 2 * spec.spread
        return lambda: low_ns + round(stream.uniform() * width_ns)
    sigma = spec.sigma
    if longest_ns is None:
        return lambda: round(median_ns * math.exp(sigma * stream.normal()))
    cut_ns = longest_ns
    return lambda: min(cut_ns, round(median_ns * math.exp(sigma * stream.normal())))
