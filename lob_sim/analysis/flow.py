"""Toxicity of order flow as an outside observer measures it: VPIN and PIN."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from lob_sim.analysis.tables import Floats, Ints, all_finite, series, whole_number
from lob_sim.errors import DataError
from lob_sim.extras import need_extra

_MOST = 10_000_000
"""Days or buckets beyond which the unit of one was meant to be another."""


def vpin_null(n: int) -> float:
    """What VPIN shows of pure noise: E[abs(imbalance)] of ``n`` unit trades a bucket with independent fair
    signs.

    C(n, n/2) / 2^n for even n (.112 at 50); for odd n the mean absolute sum is that of n + 1.

    Raises:
        DataError: ``n`` is below 1, or no integer.
    """
    n = whole_number("VPIN", n, 1, "trades a bucket")
    even = n + n % 2
    return even / n * (math.comb(even, even // 2) / (1 << even))


def vpin(qty_lots: Ints, aggressor_side: Ints, bucket_lots: int) -> Floats:
    """Absolute order-flow imbalance of each complete volume bucket, as a share of the bucket.

    Easley, Lopez de Prado & O'Hara (2012, Review of Financial Studies 25), with the aggressor's true side in
    place of bulk classification. A trade that overfills a bucket is split. VPIN is the mean over the last n
    buckets; its value under pure noise is not 0, see :func:`vpin_null`.

    Args:
        qty_lots: Size of each trade, shape (T,).
        aggressor_side: +1 or -1.
        bucket_lots: Volume of a bucket.

    Returns:
        One value in [0, 1] a bucket; what is left over at the end is dropped.

    Raises:
        DataError: A bucket has no volume or no whole number of lots, a size is negative, a side neither +1 nor -1, or
            there is not one side for each size.
    """
    lots, sides = series("VPIN", qty_lots, aggressor_side)  # as floats: sums of 64-bit integers may overflow
    all_finite("VPIN", lots, sides)
    bucket_lots = whole_number("VPIN", bucket_lots, 1, "lots a bucket")
    if (lots < 0).any():
        raise DataError("a size is negative: expected 0 or more lots", "VPIN")
    if not (np.abs(sides) == 1).all():
        raise DataError("expected sides of +1 and -1", "VPIN")
    volume = np.concatenate([[0], np.cumsum(lots)])
    signed = np.concatenate([[0], np.cumsum(lots * sides)])
    if volume[-1] > _MOST * bucket_lots:
        raise DataError(f"buckets of {bucket_lots} lots: expected at most {_MOST} of them", "VPIN")
    # Cumulated signed volume is linear in cumulated volume within a trade: reading it off at multiples
    # splits trades.
    edges = np.arange(volume[-1] // bucket_lots + 1) * bucket_lots
    bucket_flow: Floats = np.diff(np.interp(edges, volume, signed))
    return np.abs(bucket_flow) / bucket_lots


class PinEstimate(msgspec.Struct, frozen=True):
    """The fitted sequential-trade model.

    Attributes:
        event: Probability that a day has an information event.
        bad: Probability that the event is bad news.
        informed: Rate of informed orders on an event day (mu).
        buys: Rate of uninformed buys a day.
        sells: Rate of uninformed sells a day.
        log_likelihood: At the maximum.
    """

    event: float
    bad: float
    informed: float
    buys: float
    sells: float
    log_likelihood: float

    @property
    def pin(self) -> float:
        """Probability of informed trading: a mu / (a mu + eps_b + eps_s)."""
        return self.event * self.informed / (self.event * self.informed + self.buys + self.sells)


def pin_log_likelihood(
    buys: Floats,
    sells: Floats,
    event: float,
    bad: float,
    informed: float,
    rate_buys: float,
    rate_sells: float,
) -> float:
    """Log likelihood of daily counts of buys and sells (Easley, Kiefer, O'Hara & Paperman 1996, J. Finance
    51, eq. 3).

    The three kinds of day are added in logarithms: the factorisation that keeps large counts from overflowing
    (Lin & Ke 2011, J. Financial Markets 14).

    Raises:
        DataError: A probability is not between 0 and 1, a rate of uninformed orders not positive, that of informed
            ones negative; a count is negative or not finite, or there is not one of each a day.
    """
    buys, sells = _counts(buys, sells)
    if not (0 <= event <= 1 and 0 <= bad <= 1 and 0 < rate_buys < math.inf and 0 < rate_sells < math.inf):
        raise DataError("expected probabilities in [0, 1] and positive rates", "PIN")
    if not 0 <= informed < math.inf:
        raise DataError(f"{informed} informed orders a day: expected 0 or more", "PIN")
    none = buys * math.log(rate_buys) + sells * math.log(rate_sells)
    good_news = buys * math.log1p(informed / rate_buys) - informed
    bad_news = sells * math.log1p(informed / rate_sells) - informed
    with np.errstate(divide="ignore"):
        kinds = np.log([1 - event, event * (1 - bad), event * bad])
    need_extra("sweep", "scipy")
    from scipy.special import gammaln, logsumexp

    days = logsumexp([kinds[0] + 0 * none, kinds[1] + good_news, kinds[2] + bad_news], axis=0)
    constant = none - rate_buys - rate_sells - gammaln(buys + 1) - gammaln(sells + 1)
    return float(np.sum(days + constant))


def pin(buys: Floats, sells: Floats) -> PinEstimate:
    """Fit the model of Easley et al. (1996) by maximum likelihood.

    The likelihood has several maxima: it is climbed from the grid of starts of Yan & Zhang (2012, J. Banking
    & Finance 36), and the best summit is kept.

    Args:
        buys: Number of buys a day, shape (days,).
        sells: Number of sells a day.

    Raises:
        DataError: Fewer than two days, a side without any trade, or counts that are none.
    """
    buys, sells = _counts(buys, sells)
    if buys.size < 2 or buys.sum() == 0 or sells.sum() == 0:
        raise DataError("expected at least two days with some buys and some sells", "PIN")

    need_extra("sweep", "scipy")
    from scipy import optimize

    def cost(x: Floats) -> float:
        event, bad = 1 / (1 + np.exp(-x[:2]))
        return -pin_log_likelihood(buys, sells, float(event), float(bad), *(float(r) for r in np.exp(x[2:])))

    starts = sorted(_starts(float(buys.mean()), float(sells.mean())), key=lambda start: cost(np.array(start)))
    if not starts:
        raise DataError("buys and sells are too far apart for any start of the climb", "PIN")
    bounds = [(-12, 12)] * 2 + [(-12, 25)] * 3
    fits = [optimize.minimize(cost, start, method="L-BFGS-B", bounds=bounds) for start in starts[:_CLIMBS]]
    best = min(fits, key=lambda fit: float(fit.fun))
    event, bad = 1 / (1 + np.exp(-best.x[:2]))
    informed, rate_buys, rate_sells = np.exp(best.x[2:])
    return PinEstimate(float(event), float(bad), float(informed), float(rate_buys), float(rate_sells), -float(best.fun))


def _counts(buys: Any, sells: Any) -> tuple[Floats, Floats]:
    buys, sells = series("PIN", buys, sells)
    all_finite("PIN", buys, sells)
    if (buys < 0).any() or (sells < 0).any():
        raise DataError("a count of trades is negative", "PIN")
    return buys, sells


def _starts(mean_buys: float, mean_sells: float) -> list[tuple[float, ...]]:
    # Means: buys = eps_b + a (1 - d) mu, sells = eps_s + a d mu.
    starts = []
    for event in (0.2, 0.5, 0.8):
        for bad in (0.2, 0.5, 0.8):
            for share in (0.2, 0.5, 0.8):
                rate_buys = share * mean_buys
                informed = (mean_buys - rate_buys) / (event * (1 - bad))
                rate_sells = mean_sells - event * bad * informed
                if rate_sells > 0:
                    logs = (math.log(rate) for rate in (informed, rate_buys, rate_sells))
                    starts.append((_logit(event), _logit(bad), *logs))
    return starts


_CLIMBS = 5


def _logit(p: float) -> float:
    return math.log(p / (1 - p))
