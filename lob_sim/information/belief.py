"""What a dealer believes fair value to be.

The model of one trade (Glosten & Milgrom 1985, J. Financial Economics 14; Das 2005, Quantitative Finance 5):
with probability alpha the aggressor is informed and buys at p because V > p (sells because V < p); else it
buys or sells with probability one half each. Fair value wanders between trades with perceived volatility,
and public news is a Gaussian signal of it. Two implementations stand behind one seam:

- :class:`GaussianBelief` keeps mean and standard deviation, and after each trade replaces the exact
  posterior, a mixture of the prior and a truncated Gaussian, by the Gaussian of the same first two moments.
- :class:`DensityBelief` keeps the whole density on a grid (Das 2005, section 3).

Two readings of a trade. Knowing only the price that was paid, "somebody bought at p" is an event of
probability (1 - alpha) / 2 + alpha P(V > p): the textbook update. It also says that value is probably not
inside the spread, and a dealer that never hears of those who looked at the spread and stayed away only ever
gets that half of the story. At the zero-profit quote m + s k(alpha) the textbook update leaves s exactly as
it was, so that without news s can only grow. Where the other side's price is known as well, the update uses
the side alone, given that there was a trade: P(buy | trade, V) is (1 + alpha) / 2 above the ask, 1/2 inside
and (1 - alpha) / 2 below the bid. That is a partial likelihood: it claims nothing about how often people
stay away, and s shrinks on average.

What counts as one observation. A trade's size does not enter here: what large or repeated orders say about
the aggressor is the toxicity estimator's matter, and arrives as alpha. One aggressive order that sweeps
several resting orders prints several trades with one ``taker_order_id``; it is one decision and must be
handed over once, at its last price. A dealer's own lit fills are on the tape and must not be counted twice.
An RFQ trade enters with the client's side and the alpha of that client's class; a print of somebody else's
RFQ trade with the alpha of RFQ flow at large.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from lob_sim.errors import InputError
from lob_sim.information.volatility import PerceivedVolatility, VolatilityParams
from lob_sim.messages import BeliefRecord, Side
from lob_sim.units import NS_PER_S, Interval, Ns

MAX_ALPHA = 0.99
"""No flow is taken to be informed with a probability above this: at 1 a trade on the wrong side of every
plausible value would be impossible, and no belief could follow it."""

MIN_SD_TICKS = 1e-6
"""No belief is surer than this, a millionth of a tick: nothing that is priced in whole ticks tells such values apart,
and a standard deviation of zero would make every later observation impossible or meaningless."""

_MIN_VAR = MIN_SD_TICKS**2
_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


class Belief(ABC):
    """The seam: a belief about one instrument's fair value, held by one agent.

    Time only moves forward: :meth:`advance` before any observation; an earlier time changes nothing.

    Args:
        mean_ticks: Mean at ``ts_ns``.
        sd_ticks: Standard deviation at ``ts_ns``, positive; never less than :data:`MIN_SD_TICKS`, then and later.
        volatility: How perceived volatility is learnt.
        ts_ns: Time at which the belief starts.

    Raises:
        InputError: The standard deviation is not positive.
    """

    __slots__ = ("_ts_ns", "volatility")

    def __init__(self, mean_ticks: float, sd_ticks: float, volatility: VolatilityParams, ts_ns: Ns = 0) -> None:
        if not 0 < sd_ticks < math.inf:
            raise InputError(f"{sd_ticks}: expected a positive number of ticks", "sd_ticks")
        self.volatility = PerceivedVolatility(volatility)
        self.volatility.observe(ts_ns, mean_ticks)
        self._ts_ns = ts_ns

    @property
    @abstractmethod
    def mean_ticks(self) -> float:
        """Expected fair value, in ticks."""

    @property
    @abstractmethod
    def sd_ticks(self) -> float:
        """Standard deviation of fair value, in ticks."""

    @abstractmethod
    def widen(self, dt_ns: Ns) -> None:
        """Let fair value wander for ``dt_ns`` at the perceived volatility."""

    @abstractmethod
    def on_trade(self, side: Side, price_ticks: float, alpha: float, opposite_ticks: float | None = None) -> None:
        """Update on one aggressor's decision.

        Args:
            side: The aggressor's (on RFQ: the client's) side.
            price_ticks: Its price.
            alpha: Perceived probability that the aggressor is informed; clipped to [0, ``MAX_ALPHA``].
            opposite_ticks: What it would have got on the other side (for a buy, the bid at that time); None
                where nothing was quoted there or nobody knows (a one-sided request, a print).
        """

    @abstractmethod
    def on_past_trade(self, side: Side, price_ticks: float, alpha: float, age_ns: Ns) -> None:
        """Update on a trade that was dealt ``age_ns`` ago: it tells of the value then, from which value has moved.

        What has moved since is Gaussian with the variance of perceived volatility over that time, so that an informed
        aggressor's buying at p has probability Phi((V - p) / sd of the move) given today's V.
        """

    @abstractmethod
    def on_signal(self, signal_ticks: float, noise_sd_ticks: float) -> None:
        """Update on ``signal = V + noise`` with Gaussian noise of positive standard deviation (public
        news)."""

    @abstractmethod
    def probability_informed(self, side: Side, price_ticks: float, alpha: float) -> float:
        """Probability that an aggressor on ``side`` at ``price_ticks`` is informed, before any update on
        it."""

    def advance(self, ts_ns: Ns) -> None:
        """Let time pass up to ``ts_ns``: the belief widens, and at the end of a stretch volatility is
        learnt."""
        dt_ns = ts_ns - self._ts_ns
        if dt_ns <= 0:
            return
        self._ts_ns = ts_ns
        self.widen(dt_ns)
        if self.volatility.is_due(ts_ns):
            self.volatility.observe(ts_ns, self.mean_ticks)


class GaussianBelief(Belief):
    """Mean and variance, with the moment-matched update; constant time, about a microsecond an observation.

    For a buy at p, with a = (p - m) / s and P = (1 - alpha) / 2 + alpha (1 - Phi(a)):
    ``E[V] = m + alpha s phi(a) / P`` and ``E[(V - m)^2] = s^2 (1 + alpha a phi(a) / P)``. With the bid known
    too and b = (bid - m) / s: P = 1 + alpha (1 - Phi(a) - Phi(b)), ``E[V] = m + alpha s (phi(a) + phi(b)) /
    P`` and ``E[(V - m)^2] = s^2 (1 + alpha (a phi(a) + b phi(b)) / P)``. A sell is the mirror image of a buy.
    """

    __slots__ = ("_mean", "_var")

    def __init__(self, mean_ticks: float, sd_ticks: float, volatility: VolatilityParams, ts_ns: Ns = 0) -> None:
        super().__init__(mean_ticks, sd_ticks, volatility, ts_ns)
        self._mean = mean_ticks
        self._var = max(_MIN_VAR, sd_ticks * sd_ticks)

    @property
    def mean_ticks(self) -> float:
        """Expected fair value, in ticks."""
        return self._mean

    @property
    def sd_ticks(self) -> float:
        """Standard deviation of fair value, in ticks."""
        return math.sqrt(self._var)

    def widen(self, dt_ns: Ns) -> None:
        """Add the variance of ``dt_ns`` of perceived volatility."""
        self._var += self.volatility.variance_rate * dt_ns

    def on_trade(self, side: Side, price_ticks: float, alpha: float, opposite_ticks: float | None = None) -> None:
        """Match the posterior's first two moments."""
        alpha = min(max(alpha, 0.0), MAX_ALPHA)
        sd = math.sqrt(self._var)
        # A sell at p for V is a buy at -p for -V: work on the buyer's side of the mirror.
        a = side * (price_ticks - self._mean) / sd
        density = _INV_SQRT_2PI * math.exp(-0.5 * a * a)
        above = 0.5 * math.erfc(a * _SQRT_HALF)
        if opposite_ticks is None:
            weight = alpha / (0.5 * (1 - alpha) + alpha * above)
            pull = weight * density
            second = 1 + weight * a * density
        else:
            b = side * (opposite_ticks - self._mean) / sd
            below_density = _INV_SQRT_2PI * math.exp(-0.5 * b * b)
            weight = alpha / (1 + alpha * (above - 0.5 * math.erfc(-b * _SQRT_HALF)))
            pull = weight * (density + below_density)
            second = 1 + weight * (a * density + b * below_density)
        self._mean += side * sd * pull
        self.volatility.expect(self._var * pull * pull)
        self._var = max(_MIN_VAR, self._var * (second - pull * pull))

    def on_past_trade(self, side: Side, price_ticks: float, alpha: float, age_ns: Ns) -> None:
        """Match the posterior's first two moments."""
        alpha = min(max(alpha, 0.0), MAX_ALPHA)
        then_var = self._var + self.volatility.variance_rate * age_ns
        then_sd = math.sqrt(then_var)
        a = side * (price_ticks - self._mean) / then_sd
        density = _INV_SQRT_2PI * math.exp(-0.5 * a * a)
        pull = alpha * density / (0.5 * (1 - alpha) + alpha * 0.5 * math.erfc(a * _SQRT_HALF))
        # Value now and value then have the covariance of what was uncertain then already.
        move = self._var / then_sd * pull
        self._mean += side * move
        self.volatility.expect(move * move)
        self._var = max(_MIN_VAR, self._var + self._var * self._var / then_var * (a * pull - pull * pull))

    def on_signal(self, signal_ticks: float, noise_sd_ticks: float) -> None:
        """Combine two Gaussians."""
        gain = self._var / (self._var + noise_sd_ticks * noise_sd_ticks)
        self.volatility.expect(gain * self._var)
        self._mean += gain * (signal_ticks - self._mean)
        self._var = max(_MIN_VAR, self._var * (1 - gain))

    def probability_informed(self, side: Side, price_ticks: float, alpha: float) -> float:
        """Bayes' rule for the aggressor's kind."""
        a = side * (price_ticks - self._mean) / math.sqrt(self._var)
        informed = min(max(alpha, 0.0), MAX_ALPHA) * 0.5 * math.erfc(a * _SQRT_HALF)
        return informed / (informed + 0.5 * (1 - min(max(alpha, 0.0), MAX_ALPHA)))


class DensityBelief(Belief):
    """The whole density on a grid of 401 values over ten standard deviations either side; about 20
    microseconds an observation.

    Widening is held back until it amounts to a visible part of a grid step, then diffused explicitly. The
    grid is laid out anew when the density outgrows it, becomes too narrow for it, or drifts off its centre.
    """

    __slots__ = ("_density", "_grid", "_held_var", "_mean", "_step", "_var")

    _HALF_POINTS = 200
    _REACH_SDS = 10.0

    def __init__(self, mean_ticks: float, sd_ticks: float, volatility: VolatilityParams, ts_ns: Ns = 0) -> None:
        super().__init__(mean_ticks, sd_ticks, volatility, ts_ns)
        self._held_var = 0.0
        sd_ticks = max(sd_ticks, MIN_SD_TICKS)
        self._lay_out(mean_ticks, sd_ticks)
        self._mean, self._var = mean_ticks, sd_ticks**2
        self._density: NDArray[np.float64] = np.exp(-0.5 * ((self._grid - mean_ticks) / sd_ticks) ** 2)
        self._settle()

    @property
    def mean_ticks(self) -> float:
        """Expected fair value, in ticks."""
        return self._mean

    @property
    def sd_ticks(self) -> float:
        """Standard deviation of fair value, in ticks."""
        return math.sqrt(self._var + self._held_var)

    def widen(self, dt_ns: Ns) -> None:
        """Hold back the variance of ``dt_ns``, and diffuse what is held once it matters."""
        self._held_var += self.volatility.variance_rate * dt_ns
        if self._held_var > 0.05 * self._step**2:
            self._diffuse()

    def on_trade(self, side: Side, price_ticks: float, alpha: float, opposite_ticks: float | None = None) -> None:
        """Multiply by the likelihood; a grid cell that holds a price counts in the proportion that is beyond
        it."""
        alpha = min(max(alpha, 0.0), MAX_ALPHA)
        before = self._mean
        beyond = self._beyond(side, price_ticks)
        if opposite_ticks is None:
            self._density *= 0.5 * (1 - alpha) + alpha * beyond
        else:
            self._density *= 1 + alpha * (beyond - self._beyond(side.opposite, opposite_ticks))
        self._settle()
        self.volatility.expect((self._mean - before) ** 2)

    def on_past_trade(self, side: Side, price_ticks: float, alpha: float, age_ns: Ns) -> None:
        """Multiply by the likelihood, blurred by what value has moved since."""
        alpha = min(max(alpha, 0.0), MAX_ALPHA)
        moved_sd = math.sqrt(self.volatility.variance_rate * age_ns)
        if moved_sd < self._step:
            self.on_trade(side, price_ticks, alpha)
            return
        before = self._mean
        away = side * (price_ticks - self._grid) / moved_sd
        beyond = np.array([0.5 * math.erfc(z * _SQRT_HALF) for z in away.tolist()])
        self._density *= 0.5 * (1 - alpha) + alpha * beyond
        self._settle()
        self.volatility.expect((self._mean - before) ** 2)

    def on_signal(self, signal_ticks: float, noise_sd_ticks: float) -> None:
        """Multiply by the signal's likelihood, on a grid moved to where the posterior will be."""
        self._diffuse()
        gain = self._var / (self._var + noise_sd_ticks * noise_sd_ticks)
        self.volatility.expect(gain * self._var)
        mean, sd = self._mean + gain * (signal_ticks - self._mean), math.sqrt(self._var * (1 - gain))
        self._regrid(mean, math.sqrt(self._var))
        # The signal is never taken to be finer than the belief may become.
        exponent = -0.5 * ((self._grid - signal_ticks) / max(noise_sd_ticks, MIN_SD_TICKS)) ** 2
        self._density *= np.exp(exponent - exponent.max())
        self._settle(mean, sd)

    def probability_informed(self, side: Side, price_ticks: float, alpha: float) -> float:
        """Bayes' rule for the aggressor's kind."""
        alpha = min(max(alpha, 0.0), MAX_ALPHA)
        informed = alpha * float(self._density @ self._beyond(side, price_ticks))
        return informed / (informed + 0.5 * (1 - alpha))

    def _beyond(self, side: Side, price_ticks: float) -> NDArray[np.float64]:
        # Share of each grid cell in which an informed trader would take this side at this price.
        return np.clip(0.5 + side * (self._grid - price_ticks) / self._step, 0.0, 1.0)

    def _lay_out(self, centre: float, sd: float) -> None:
        self._step = self._REACH_SDS * sd / self._HALF_POINTS
        self._grid: NDArray[np.float64] = centre + self._step * np.arange(
            -self._HALF_POINTS, self._HALF_POINTS + 1, dtype=np.float64
        )

    def _settle(self, mean: float | None = None, sd: float | None = None) -> None:
        """Make the density sum to one, and find its moments; one that has vanished becomes Gaussian with these."""
        total = float(self._density.sum())
        if not total > 0:
            mean = self._mean if mean is None else mean
            sd = max(MIN_SD_TICKS, math.sqrt(self._var) if sd is None else sd)
            self._lay_out(mean, sd)
            self._density = np.exp(-0.5 * ((self._grid - mean) / sd) ** 2)
            total = float(self._density.sum())
        self._density /= total
        self._mean = float(self._density @ self._grid)
        self._var = max(_MIN_VAR, float(self._density @ (self._grid - self._mean) ** 2))
        sd = math.sqrt(self._var)
        reach = self._step * self._HALF_POINTS
        centre = float(self._grid[self._HALF_POINTS])
        if not 5 * sd < reach < 20 * sd or abs(self._mean - centre) > 0.3 * reach:
            self._regrid(self._mean, sd)

    def _regrid(self, centre: float, sd: float) -> None:
        grid, density, step = self._grid, self._density, self._step
        self._lay_out(centre, sd)
        moved: NDArray[np.float64] = np.interp(self._grid, grid, density, left=0.0, right=0.0) * self._step / step
        total = float(moved.sum())
        if total < 1e-12:
            # Next to nothing of the density is where the observation says value must be: only the moments
            # survive.
            moved = np.exp(-0.5 * ((self._grid - self._mean) / sd) ** 2) + 1e-300
            total = float(moved.sum())
        self._density = moved / total

    def _diffuse(self) -> None:
        # A three-point kernel has exactly the wanted variance as long as it moves at most a third of the
        # mass each way.
        steps = max(1, math.ceil(self._held_var / (0.6 * self._step**2)))
        if steps > 20:
            sd = math.sqrt(self._var + self._held_var)
            self._regrid(self._mean, sd)
            steps = max(1, math.ceil(self._held_var / (0.6 * self._step**2)))
        share = self._held_var / (2 * steps * self._step**2)
        for _ in range(steps):
            spread = (1 - 2 * share) * self._density
            spread[1:] += share * self._density[:-1]
            spread[:-1] += share * self._density[1:]
            self._density = spread
        self._held_var = 0.0
        self._settle()


class BeliefThinning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which beliefs go on the log: a stated rule, so that a gap on the log has a known meaning.

    Source: a choice of this program.

    Attributes:
        mean_sds: A move of the mean by more than this many standard deviations is logged.
        sd_ratio (fraction): A change of the standard deviation by more than this fraction is logged.
        interval_ns: At least one record in each such interval in which the belief is looked at.
    """

    mean_sds: Annotated[float, msgspec.Meta(gt=0)] = 0.5
    sd_ratio: Annotated[float, msgspec.Meta(gt=0)] = 0.1
    interval_ns: Interval = 60 * NS_PER_S


class BeliefLog:
    """Decides, for one belief, which states are worth a record."""

    __slots__ = ("_mean", "_sd", "_thinning", "_ts_ns")

    def __init__(self, thinning: BeliefThinning) -> None:
        self._thinning = thinning
        self._ts_ns = -1
        self._mean = 0.0
        self._sd = 0.0

    def record(self, ts_ns: Ns, agent_id: int, instrument_id: int, belief: Belief, alpha: float) -> BeliefRecord | None:
        """The record to log now, or None."""
        mean, sd = belief.mean_ticks, belief.sd_ticks
        rule = self._thinning
        if (
            self._ts_ns >= 0
            and ts_ns - self._ts_ns < rule.interval_ns
            and abs(mean - self._mean) <= rule.mean_sds * self._sd
            and abs(sd - self._sd) <= rule.sd_ratio * self._sd
        ):
            return None
        self._ts_ns, self._mean, self._sd = ts_ns, mean, sd
        return BeliefRecord(ts_ns, agent_id, instrument_id, mean, sd, alpha, belief.volatility.ticks_per_sqrt_s)
