"""Whether quoting on the lit book still pays: when a dealer leaves, why, and when it comes back.

Uninformed traders are elastic: each has a private reservation value, and pays a half-spread h only if that
value is beyond h. Widening against informed flow therefore drives out the flow that was to pay for it, and
the zero-profit condition ``h = s k(alpha(h)) + c`` with ``alpha(h) = alpha / (alpha + (1 - alpha) G(h))``,
where G(h) is the share of uninformed traders who still deal at h, may have no solution: the lit market
closes (Glosten & Milgrom 1985, section 4; Bhattacharya & Spiegel 1991, Review of Financial Studies 4). For V
= +-1 and reservation values uniform on [0, 1] the half-spread is mu / (1 - mu) and closure comes at mu = 1/2.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated

import msgspec

from lob_sim.information.spread import expected_excess, zero_profit_k
from lob_sim.messages import WithdrawalCause
from lob_sim.units import NEVER_NS, NS_PER_S, Duration, Ns


class ReservationValues(ABC):
    """The distribution of what uninformed traders would pay, in ticks off fair value."""

    @abstractmethod
    def share_paying(self, half_spread_ticks: float) -> float:
        """Share of uninformed traders who still deal at this half-spread; 1 at 0, falling."""

    @abstractmethod
    def density(self, half_spread_ticks: float) -> float:
        """How fast that share falls there, per tick, not negative."""

    def share_and_density(self, half_spread_ticks: float) -> tuple[float, float]:
        """Both at once, as every step of a search for the half-spread needs them."""
        return self.share_paying(half_spread_ticks), self.density(half_spread_ticks)


class UniformReservations(ReservationValues):
    """Reservation values uniform on [0, ``most_ticks``]: nobody pays more."""

    def __init__(self, most_ticks: float) -> None:
        self._most = most_ticks

    def share_paying(self, half_spread_ticks: float) -> float:
        """Linear, from 1 to 0."""
        share = 1 - half_spread_ticks / self._most
        return 0.0 if share < 0 else 1.0 if share > 1 else share

    def density(self, half_spread_ticks: float) -> float:
        """Constant up to the most that anybody pays."""
        return 1 / self._most if 0 <= half_spread_ticks < self._most else 0.0

    def share_and_density(self, half_spread_ticks: float) -> tuple[float, float]:
        """Without the calls where somebody would pay."""
        most = self._most
        if 0 <= half_spread_ticks < most:
            return 1 - half_spread_ticks / most, 1 / most
        return self.share_paying(half_spread_ticks), self.density(half_spread_ticks)


class ExponentialReservations(ReservationValues):
    """Exponential reservation values: a few would pay almost anything."""

    def __init__(self, mean_ticks: float) -> None:
        self._mean = mean_ticks

    def share_paying(self, half_spread_ticks: float) -> float:
        """Falls by 1/e every ``mean_ticks``."""
        return math.exp(-max(0.0, half_spread_ticks) / self._mean)

    def density(self, half_spread_ticks: float) -> float:
        """The share over the mean."""
        return self.share_paying(half_spread_ticks) / self._mean if half_spread_ticks >= 0 else 0.0


def gaussian_half_spread(sd_ticks: float) -> Callable[[float], float]:
    """Zero-profit half-spread against a flow of given informed share, under a Gaussian belief: s k(alpha)."""
    return lambda alpha: sd_ticks * zero_profit_k(alpha)


def elastic_half_spread(
    alpha: float,
    half_spread_of: Callable[[float], float],
    cost_ticks: float,
    reservations: ReservationValues,
) -> float | None:
    """The smallest half-spread, in ticks, that earns nothing against elastic flow; None where there is none.

    From below the iteration h -> half_spread_of(alpha(h)) + c only rises, so it ends at the smallest
    solution, or runs to where next to no uninformed trader is left.

    Args:
        alpha: Share of informed traders among all who would deal at no spread at all, in [0, 1].
        half_spread_of: Zero-profit half-spread against a flow of a given informed share, rising in that
            share: :func:`gaussian_half_spread`, or the identity for V = +-1.
        cost_ticks: Processing cost per lot.
        reservations: What uninformed traders would pay.
    """
    half_spread = cost_ticks
    for _ in range(_MOST_ITERATIONS):
        paying = (1 - alpha) * reservations.share_paying(half_spread)
        informed = alpha / (alpha + paying) if alpha > 0 else 0.0
        if informed > _CLOSED_ABOVE or paying == 0:
            return None
        wider = cost_ticks + half_spread_of(informed)
        if wider - half_spread <= 1e-7 * wider:
            return wider
        half_spread = wider
    # Still creeping: so close to where the market closes that the difference cannot matter to anybody.
    return None


def gaussian_elastic_half_spread(
    alpha: float, sd_ticks: float, cost_ticks: float, reservations: ReservationValues
) -> float | None:
    """:func:`elastic_half_spread` for a Gaussian belief, by Newton's method: dealers ask at every requote.

    In deviations x = (h - c) / s the condition is that what informed traders gain,
    ``alpha E[max(0, Z - x)]``, equals what the others pay, ``(1 - alpha) / 2 G(c + s x) x``. The difference
    falls from a positive value at 0 and is convex as far as the smallest root, so Newton's steps from 0
    never pass it; where there is none they run past the minimum, and the market is closed.
    """
    if alpha <= 0 or sd_ticks <= 0:
        return cost_ticks if reservations.share_paying(cost_ticks) > 0 else None
    x, uninformed = 0.0, 0.5 * (1 - alpha)
    share_and_density, erfc, exp = reservations.share_and_density, math.erfc, math.exp
    for _ in range(_MOST_NEWTON_STEPS):
        half_spread = cost_ticks + sd_ticks * x
        share, density = share_and_density(half_spread)
        paying = uninformed * share
        if paying <= 0 or alpha > _CLOSED_ABOVE * (alpha + 2 * paying):
            return None
        tail = 0.5 * erfc(x * _SQRT_HALF)
        loss = alpha * (_INV_SQRT_2PI * exp(-0.5 * x * x) - x * tail) - paying * x
        lost_flow = uninformed * density * sd_ticks * x
        slope = lost_flow - paying - alpha * tail
        if slope >= 0:
            return None
        step = -loss / slope
        x += step
        if step <= _NEWTON_TOLERANCE * x:
            return cost_ticks + sd_ticks * x
    return None


_SQRT_HALF = math.sqrt(0.5)
_INV_SQRT_2PI = 1 / math.sqrt(2 * math.pi)
_NEWTON_TOLERANCE = 1e-9
_MOST_NEWTON_STEPS = 100
_CLOSED_ABOVE = 0.98
"""A flow of which more than this share is informed supports no lit market."""
_MOST_ITERATIONS = 1000


def expected_loss_tick_lots(alpha: float, sd_ticks: float, half_spread_ticks: float, qty_lots: int) -> float:
    """Expected loss, in ticks times lots, to an aggressor on one quoted side: alpha E[max(0, V - m - h)] per
    lot."""
    if sd_ticks <= 0:
        return 0.0
    return qty_lots * alpha * sd_ticks * expected_excess(half_spread_ticks / sd_ticks)


class RetreatParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dealer's terms for staying in the lit book.

    Source: Glosten and Milgrom (1985), section 4, and Bhattacharya and Spiegel (1991), "Insiders, Outsiders, and
    Market Breakdowns", on the closing of a market; the hysteresis is a choice of this program.

    Attributes:
        min_share_paying: It leaves when fewer uninformed traders than this share would pay what it needs.
        appetite_tick_lots: It leaves when the expected loss on its quoted size is above this.
        min_headroom_cash: It leaves when its free headroom lets it buy less of the instrument than this, in cash units.
        return_ratio (factor): It returns when every measure is better than its threshold by this factor: loss at most
            the threshold times it; share and headroom at least the threshold divided by it.
        min_dwell_ns: Shortest time away.
    """

    min_share_paying: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    appetite_tick_lots: Annotated[float, msgspec.Meta(gt=0)]
    min_headroom_cash: Annotated[int, msgspec.Meta(ge=0)] = 0
    return_ratio: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.7
    min_dwell_ns: Duration = 10 * NS_PER_S


class Assessment(msgspec.Struct, frozen=True, gc=False):
    """How a dealer stands at the moment of a decision.

    Attributes:
        half_spread_ticks: What :func:`elastic_half_spread` found, or None.
        share_paying: Share of uninformed traders who would pay it; 0 where the market is closed.
        expected_loss_tick_lots: Expected loss on the quoted size.
        headroom_cash: What free headroom under its limits lets it buy of the instrument, in cash units.
        forced_sale: It is selling under a constraint.
    """

    half_spread_ticks: float | None
    share_paying: float
    expected_loss_tick_lots: float
    headroom_cash: int
    forced_sale: bool = False


class RetreatPolicy:
    """Decides, with hysteresis, whether one dealer quotes both sides of one instrument's lit book.

    A forced sale rules at once and ends at once; the three economic causes take effect at once, and
    are over only when every measure is better than its threshold by ``return_ratio`` and ``min_dwell_ns``
    has passed.

    Attributes:
        cause: What keeps the dealer away, or None while it quotes.
        since_ns: Since when it has been away, or quoting.
    """

    __slots__ = ("_params", "cause", "since_ns")

    def __init__(self, params: RetreatParams, ts_ns: Ns = 0) -> None:
        self._params = params
        self.cause: WithdrawalCause | None = None
        self.since_ns = ts_ns

    def decide(self, ts_ns: Ns, now: Assessment) -> WithdrawalCause | None:
        """Take the decision at ``ts_ns``, and return what keeps the dealer away, or None."""
        cause = WithdrawalCause.FORCED_SALE if now.forced_sale else self._economic_cause(now, 1.0)
        if cause is None and self.cause not in (None, WithdrawalCause.FORCED_SALE):
            waiting = ts_ns - self.since_ns < self._params.min_dwell_ns
            if waiting or self._economic_cause(now, self._params.return_ratio) is not None:
                cause = self.cause
        if (cause is None) is not (self.cause is None):
            self.since_ns = ts_ns
        self.cause = cause
        return cause

    def stands_until_ns(self, ts_ns: Ns) -> Ns:
        """When time alone may change a decision taken at ``ts_ns``: with the shortest time away over, if it waits."""
        if self.cause in (None, WithdrawalCause.FORCED_SALE):
            return NEVER_NS
        back_ns = self.since_ns + self._params.min_dwell_ns
        return back_ns if ts_ns < back_ns else NEVER_NS

    def _economic_cause(self, now: Assessment, ratio: float) -> WithdrawalCause | None:
        params = self._params
        if now.headroom_cash * ratio < params.min_headroom_cash:
            return WithdrawalCause.CAPITAL
        if now.half_spread_ticks is None or now.share_paying * ratio < params.min_share_paying:
            return WithdrawalCause.ADVERSE_SELECTION
        if now.expected_loss_tick_lots > params.appetite_tick_lots * ratio:
            return WithdrawalCause.RISK_APPETITE
        return None


def assess(
    alpha: float,
    sd_ticks: float,
    cost_ticks: float,
    qty_lots: int,
    headroom_cash: int,
    reservations: ReservationValues,
    forced_sale: bool = False,
) -> Assessment:
    """Measure how a dealer with a Gaussian belief stands; see :class:`Assessment` for the measures."""
    needed = gaussian_elastic_half_spread(alpha, sd_ticks, cost_ticks, reservations)
    at = needed if needed is not None else cost_ticks + sd_ticks * zero_profit_k(alpha)
    return Assessment(
        needed,
        0.0 if needed is None else reservations.share_paying(needed),
        expected_loss_tick_lots(alpha, sd_ticks, at, qty_lots),
        headroom_cash,
        forced_sale,
    )
