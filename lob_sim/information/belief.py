"""What a dealer believes fair value to be.

The model of one trade (Glosten & Milgrom 1985, J. Financial Economics 14; Das 2005, Quantitative Finance 5):
with probability alpha the aggressor is informed and buys at p because V > p (sells because V < p); else it
buys or sells with probability one half each. Fair value wanders between trades with perceived volatility,
and public news is a Gaussian signal of it. These implementations stand behind one seam:

- :class:`GaussianBelief` keeps mean and standard deviation, and after each trade replaces the exact
  posterior, a mixture of the prior and a truncated Gaussian, by the Gaussian of the same first two moments.
- :class:`~lob_sim.information.density_belief.DensityBelief` keeps the whole density on a grid (Das 2005, section 3).
- :class:`MarketPrice` learns nothing: it takes the market's price for the value.

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
from typing import Annotated, Any, ClassVar

import msgspec

from lob_sim.errors import InputError
from lob_sim.information.volatility import PerceivedVolatility, VolatilityParams
from lob_sim.messages import BeliefRecord, Side
from lob_sim.parts import NoParams
from lob_sim.units import NS_PER_S, Duration, Interval, Ns, Ticks

MAX_ALPHA = 0.99
"""No flow is taken to be informed with a probability above this: at 1 a trade on the wrong side of every
plausible value would be impossible, and no belief could follow it."""

MIN_SD_TICKS = 1e-6
"""No belief is surer than this, a millionth of a tick: nothing that is priced in whole ticks tells such values apart,
and a standard deviation of zero would make every later observation impossible or meaningless."""

_TELLING_SDS = 4.0
"""A book wider than so many deviations of a belief encloses all that it holds possible: it tells nothing."""

_MIN_VAR = MIN_SD_TICKS**2
_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)


class Belief(ABC):
    """The seam: what one agent believes one instrument to be worth. A belief part of a dealer is a subclass.

    A subclass overrides the methods whose evidence it uses; the others do nothing, and what it leaves out costs a
    dealer no messages. Time only moves forward: :meth:`advance` before any observation; an earlier time changes
    nothing.

    Args:
        params: Its parameters.
        initial_ticks: Fair value when the market opened, which everybody knew.
    """

    __slots__ = ("params",)

    Params: ClassVar[type[msgspec.Struct]] = NoParams

    def __init__(self, params: msgspec.Struct, initial_ticks: float) -> None:
        self.params: Any = params

    @property
    @abstractmethod
    def mean_ticks(self) -> float:
        """Expected fair value, in ticks."""

    @property
    @abstractmethod
    def sd_ticks(self) -> float:
        """Standard deviation of fair value, in ticks; 0 for a belief that has no notion of its error."""

    @property
    def variance_rate(self) -> float:
        """Perceived variance of fair value per nanosecond, in ticks squared."""
        return 0.0

    @property
    def reads_spread(self) -> bool:
        """Whether :meth:`on_trade` is to be told the other side's price of lit trades, as the dealer last saw it."""
        return False

    @property
    def heeds_quotes(self) -> bool:
        """Whether :meth:`on_others_quotes` has any use for what others quote."""
        return False

    def advance(self, ts_ns: Ns) -> None:  # noqa: B027
        """Let time pass up to ``ts_ns``."""

    def on_mid(self, ts_ns: Ns, mid_ticks: float) -> None:  # noqa: B027
        """The market's price, as the dealer saw it before it quoted, is now ``mid_ticks``."""

    def on_lit_print(self, ts_ns: Ns, price_ticks: float) -> None:  # noqa: B027
        """A lit trade printed, perhaps one of several of one order, perhaps the dealer's own."""

    def on_trade(  # noqa: B027
        self, side: Side, price_ticks: float, alpha: float, opposite_ticks: float | None = None
    ) -> None:
        """Update on one aggressor's decision.

        Args:
            side: The aggressor's (on RFQ: the client's) side.
            price_ticks: Its price.
            alpha: Perceived probability that the aggressor is informed; clipped to [0, ``MAX_ALPHA``].
            opposite_ticks: What it would have got on the other side (for a buy, the bid at that time); None
                where nothing was quoted there or nobody knows (a one-sided request, a print).
        """

    def on_past_trade(self, side: Side, price_ticks: float, alpha: float, age_ns: Ns) -> None:  # noqa: B027
        """Update on a trade that was dealt ``age_ns`` ago: it tells of the value then, from which value has moved.

        What has moved since is Gaussian with the variance of perceived volatility over that time, so that an informed
        aggressor's buying at p has probability Phi((V - p) / sd of the move) given today's V.
        """

    def on_signal(self, signal_ticks: float, noise_sd_ticks: float) -> None:  # noqa: B027
        """Update on ``signal = V + noise`` with Gaussian noise of positive standard deviation (public
        news)."""

    def on_jump(self, change_ticks: float, noise_sd_ticks: float) -> None:  # noqa: B027
        """Update on news that value has jumped just now, by ``change_ticks`` but for an error of that deviation."""

    def on_others_quotes(self, elapsed_ns: Ns, bid_ticks: Ticks, ask_ticks: Ticks) -> None:  # noqa: B027
        """In a book where others quote too, these are the best prices; the dealer last looked ``elapsed_ns`` ago."""


class PointBelief(Belief):
    """One number, without a notion of its error; what moves it is for a subclass to say."""

    __slots__ = ("_mid",)

    def __init__(self, params: Any, initial_ticks: float) -> None:
        super().__init__(params, initial_ticks)
        self._mid = initial_ticks

    @property
    def mean_ticks(self) -> float:
        """The number, in ticks."""
        return self._mid

    @property
    def sd_ticks(self) -> float:
        """Not known."""
        return 0.0


class MarketPrice(PointBelief):
    """Takes the market's own price for the value.

    Source: a choice of this program: the mid price that formulas for quotes start from.
    """

    __slots__ = ()

    def on_mid(self, ts_ns: Ns, mid_ticks: float) -> None:
        """Follow it."""
        self._mid = mid_ticks


class BayesianParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a belief starts from.

    Attributes:
        prior_sd_ticks: Standard deviation of the belief at the opening, around the opening value; never less than
            :data:`MIN_SD_TICKS`, then and later.
        volatility: How perceived volatility is learnt.
        reads_spread: Read a lit trade as the choice of a side, given the spread at the last look, and not as an event
            whose absence would have told something too. The belief then becomes surer with every trade; else trades at
            its dealer's own quotes leave it as unsure as it was, and only news makes it surer.
        consensus_half_life: Time in which the mean gives way half of the way to the middle of the lit book, where
            others quote too, without becoming surer; 0: it goes by trades and news alone, and dealers whose private
            trades have led them apart stay apart.
    """

    prior_sd_ticks: Annotated[float, msgspec.Meta(gt=0)] = 10.0
    volatility: VolatilityParams = VolatilityParams(prior_ticks_per_sqrt_s=0.5)
    reads_spread: bool = False
    consensus_half_life: Duration = 0


class BayesianBelief(Belief):
    """What beliefs that update by Bayes' rule have in common: a clock, and perceived volatility.

    Args:
        params: Its parameters.
        initial_ticks: Mean at ``ts_ns``.
        ts_ns: Time at which the belief starts.

    Raises:
        InputError: The standard deviation is not positive.
    """

    __slots__ = ("_ts_ns", "volatility")

    Params = BayesianParams

    def __init__(self, params: BayesianParams, initial_ticks: float, ts_ns: Ns = 0) -> None:
        super().__init__(params, initial_ticks)
        if not 0 < params.prior_sd_ticks < math.inf:
            raise InputError(f"{params.prior_sd_ticks}: expected a positive number of ticks", "prior_sd_ticks")
        self.volatility = PerceivedVolatility(params.volatility)
        self.volatility.observe(ts_ns, initial_ticks)
        self._ts_ns = ts_ns

    @property
    def variance_rate(self) -> float:
        """Perceived variance of fair value per nanosecond, in ticks squared."""
        return self.volatility.variance_rate

    @property
    def reads_spread(self) -> bool:
        """As its parameter says."""
        return bool(self.params.reads_spread)

    @property
    def heeds_quotes(self) -> bool:
        """Where quotes are given a half-life."""
        return bool(self.params.consensus_half_life > 0)

    @abstractmethod
    def widen(self, dt_ns: Ns) -> None:
        """Let fair value wander for ``dt_ns`` at the perceived volatility."""

    @abstractmethod
    def shift(self, move_ticks: float, noise_sd_ticks: float = 0.0) -> None:
        """Move the whole belief by ``move_ticks``, and add the variance of what is not known of the move."""

    def on_jump(self, change_ticks: float, noise_sd_ticks: float) -> None:
        """Add the change to the mean and the error's variance to the variance.

        That is Bayes' rule where nothing was known of the jump's size beforehand: what was known of the old value is
        still known. A jump whose time is known tells nothing of how fast value wanders.
        """
        self.shift(change_ticks, noise_sd_ticks)
        self.volatility.displace(change_ticks)

    def on_others_quotes(self, elapsed_ns: Ns, bid_ticks: Ticks, ask_ticks: Ticks) -> None:
        """Let the mean give way to the middle, unless the book is so wide that it tells nothing."""
        half_life_ns = self.params.consensus_half_life
        if half_life_ns > 0 and ask_ticks - bid_ticks <= _TELLING_SDS * self.sd_ticks:
            part = 1 - 0.5 ** (elapsed_ns / half_life_ns)
            self.lean(part * ((bid_ticks + ask_ticks) / 2 - self.mean_ticks))

    def lean(self, move_ticks: float) -> None:
        """Let the mean give way by ``move_ticks`` to what others say, without becoming surer of anything."""
        self.shift(move_ticks)
        self.volatility.expect(move_ticks * move_ticks)

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


class GaussianBelief(BayesianBelief):
    """Mean and variance, with the moment-matched update; constant time, about a microsecond an observation.

    For a buy at p, with a = (p - m) / s and P = (1 - alpha) / 2 + alpha (1 - Phi(a)):
    ``E[V] = m + alpha s phi(a) / P`` and ``E[(V - m)^2] = s^2 (1 + alpha a phi(a) / P)``. With the bid known
    too and b = (bid - m) / s: P = 1 + alpha (1 - Phi(a) - Phi(b)), ``E[V] = m + alpha s (phi(a) + phi(b)) /
    P`` and ``E[(V - m)^2] = s^2 (1 + alpha (a phi(a) + b phi(b)) / P)``. A sell is the mirror image of a buy.

    Source: Glosten and Milgrom (1985), "Bid, Ask and Transaction Prices in a Specialist Market with Heterogeneously
    Informed Traders"; Gaussian belief: Das (2005), "A Learning Market-Maker in the Glosten–Milgrom Model".
    """

    __slots__ = ("_mean", "_var")

    def __init__(self, params: BayesianParams, initial_ticks: float, ts_ns: Ns = 0) -> None:
        super().__init__(params, initial_ticks, ts_ns)
        self._mean = initial_ticks
        self._var = max(_MIN_VAR, params.prior_sd_ticks * params.prior_sd_ticks)

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

    def shift(self, move_ticks: float, noise_sd_ticks: float = 0.0) -> None:
        """Add to the mean and to the variance."""
        self._mean += move_ticks
        self._var += noise_sd_ticks * noise_sd_ticks


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
        volatility = math.sqrt(belief.variance_rate * NS_PER_S)
        return BeliefRecord(ts_ns, agent_id, instrument_id, mean, sd, alpha, volatility)
