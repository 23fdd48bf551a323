"""How fast a dealer thinks that fair value moves: learnt from how far its own belief has had to travel.

If the filter is right, the moves of a belief's mean are uncorrelated. Over a stretch of time H,
``E[(m_end - m_start)^2]`` is then the sum of the moves' expected squares, and a filter that has settled
takes in by its updates as much variance as it adds by widening, v H. So

    v + ((m_end - m_start)^2 - sum of the moves' expected squares) / H

estimates the variance rate v of fair value. A belief that lags behind value moves the same way again and
again, which raises the estimate; one that overreacts moves to and fro, which lowers it; a stretch in which
nothing was seen leaves it. This is the whiteness test of adaptive filtering (Mehra 1970, IEEE Trans.
Automatic Control 15, 175-184), taken over stretches of many observations. News counts with the square that
the filter expected of it, so that one great surprise already raises v; a trade counts with its own square,
because a trade's sign alone moves m by an amount that does not depend on v.

Two guards keep it from running away. Against flow that is pure noise and moves the very quotes at which it
trades the estimate is neutral, hence a random walk: a small weight on the prior in every stretch pulls it
back. And it stays within a stated ratio of the prior.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from lob_sim.units import NS_PER_S, Interval, Ns


class VolatilityParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How perceived volatility is learnt.

    Source: Mehra (1970), "On the Identification of Variances and Adaptive Kalman Filtering".

    Attributes:
        prior_ticks_per_sqrt_s: What the dealer thinks to begin with, in ticks per square root of a second,
            positive.
        stretch_ns: Length of the stretches compared; long against the time the belief needs to follow value.
        half_life_ns: After this time a past stretch counts half.
        prior_weight: Weight of the prior in each stretch, in [0, 1]; 1 never learns.
        max_ratio (factor): The estimate stays between the prior divided by this and the prior times this; at least 1.
    """

    prior_ticks_per_sqrt_s: Annotated[float, msgspec.Meta(gt=0, le=1e9)]
    stretch_ns: Interval = 60 * NS_PER_S
    half_life_ns: Interval = 600 * NS_PER_S
    prior_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    max_ratio: Annotated[float, msgspec.Meta(ge=1, le=1e6)] = 8.0


class PerceivedVolatility:
    """The learner behind a belief; see the module's text for the estimator.

    Attributes:
        variance_rate: Perceived variance of fair value per nanosecond, in ticks squared.
    """

    __slots__ = (
        "_ceiling", "_decay", "_due_ns", "_expected", "_floor", "_params", "_prior", "_start_mean",
        "_start_ns", "variance_rate",
    )  # fmt: skip

    def __init__(self, params: VolatilityParams) -> None:
        self._params = params
        self._prior = params.prior_ticks_per_sqrt_s**2 / NS_PER_S
        self._floor = self._prior / params.max_ratio**2
        self._ceiling = self._prior * params.max_ratio**2
        self._decay = math.log(2) / params.half_life_ns
        self._start_ns = -1
        self._due_ns = -1
        self._start_mean = 0.0
        self._expected = 0.0
        self.variance_rate = self._prior

    @property
    def ticks_per_sqrt_s(self) -> float:
        """The estimate as a standard deviation, in ticks per square root of a second."""
        return math.sqrt(self.variance_rate * NS_PER_S)

    def is_due(self, ts_ns: Ns) -> bool:
        """Whether a stretch is complete, so that :meth:`observe` should be told where the belief stands."""
        return ts_ns >= self._due_ns

    def expect(self, squared_ticks2: float) -> None:
        """Add the expected square of one move of the belief's mean, in ticks squared."""
        self._expected += squared_ticks2

    def displace(self, move_ticks: float) -> None:
        """The belief's mean has moved for a reason that says nothing of volatility: the stretch goes on from there."""
        self._start_mean += move_ticks

    def observe(self, ts_ns: Ns, mean_ticks: float) -> None:
        """End a stretch with the belief as it stands at ``ts_ns``, update the estimate, and begin the
        next."""
        if self._start_ns >= 0:
            elapsed_ns = ts_ns - self._start_ns
            surprise = ((mean_ticks - self._start_mean) ** 2 - self._expected) / elapsed_ns
            weight = self._params.prior_weight
            fresh = weight * self._prior + (1 - weight) * (self.variance_rate + surprise)
            gain = 1 - math.exp(-self._decay * elapsed_ns)
            rate = self.variance_rate + gain * (fresh - self.variance_rate)
            self.variance_rate = min(max(rate, self._floor), self._ceiling)
        self._start_ns = ts_ns
        self._due_ns = ts_ns + self._params.stretch_ns
        self._start_mean = mean_ticks
        self._expected = 0.0
