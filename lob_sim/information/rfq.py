"""What to quote a client of a known class, and whether to deal with a dealer who may be in distress.

On RFQ a dealer knows who asks. It prices by that class's own toxicity, by the inventory risk of the
requested size and by what is left of its own capacity: the charge is nothing up to a threshold of
utilisation and grows without bound as capacity runs out (the hinge of Duffie et al. 2023, Federal Reserve
Bank of New York Staff Report 1070).

A dealer who sells because it must keeps asking on one side. :class:`DistressSuspicion` turns that into a
probability; the asked dealer lowers its bid for it or declines: the inter-dealer freeze. A forced seller is
not informed of fair value, but the buyer cannot tell the two apart and has more of the same to come, so the
suspicion adds to alpha.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from lob_sim.information.spread import SpreadDecomposition, decompose, inventory_ticks, zero_profit_k
from lob_sim.messages import DeclineReason, Side
from lob_sim.units import NS_PER_S, Interval, Lots, Ns


class RfqPricing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dealer's terms on RFQ.

    Source: the charge for scarce capacity, Duffie, Fleming, Keane, Nelson, Shachar and Van Tassel (2023), "Dealer
    Capacity and U.S. Treasury Market Functionality"; the inventory part, Stoll (1978).

    Attributes:
        processing_ticks: Cost of processing a request, per lot.
        risk_aversion (1/(tick·lot)): Per tick and lot; see :func:`lob_sim.information.spread.inventory_ticks`.
        capacity_charge_ticks: Scale of the charge for scarce capacity.
        free_utilisation: Share of capacity up to which there is no charge.
        max_alpha: A class whose flow is more toxic than this gets no quote.
        max_distress (probability): A dealer suspected of distress with a higher probability gets no bid.
    """

    processing_ticks: Annotated[float, msgspec.Meta(ge=0)] = 0.5
    risk_aversion: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    capacity_charge_ticks: Annotated[float, msgspec.Meta(ge=0)] = 1.0
    free_utilisation: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.7
    max_alpha: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.9
    max_distress: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.8


class RequestTerms(msgspec.Struct, frozen=True, gc=False):
    """One side of a request as the asked dealer sees it.

    Attributes:
        side: The dealer's side: BUY if the client would sell.
        qty_lots: Requested size.
        mean_ticks: The dealer's belief.
        sd_ticks: Its standard deviation.
        alpha: Toxicity of the client's class.
        position_lots: The dealer's position before.
        holding_variance_ticks2: Variance of fair value over the time that the position is expected to be
            held.
        utilisation: Share of the dealer's capacity in use if it deals; above 1 there is no room.
        distress: Probability that the client is a dealer in distress.
    """

    side: Side
    qty_lots: Lots
    mean_ticks: float
    sd_ticks: float
    alpha: float
    position_lots: Lots
    holding_variance_ticks2: float
    utilisation: float
    distress: float = 0.0


def price_inquiry(inquiry: RequestTerms, terms: RfqPricing) -> SpreadDecomposition | DeclineReason:
    """The price of one side, with its parts, or the reason to decline.

    Capacity is charged, and refused, only where the trade makes the position larger; suspicion counts only
    where the client sells. The capacity charge is part of ``inventory_uticks``.
    """
    side, position = inquiry.side, inquiry.position_lots
    enlarges = abs(position + side * inquiry.qty_lots) > abs(position)
    if enlarges and inquiry.utilisation >= 1:
        return DeclineReason.CAPACITY
    distress = inquiry.distress if side is Side.BUY else 0.0
    if distress > terms.max_distress:
        return DeclineReason.SUSPECTED_DISTRESS
    if inquiry.alpha > terms.max_alpha:
        return DeclineReason.TOXIC_CLIENT
    alpha = 1 - (1 - inquiry.alpha) * (1 - distress)
    inventory = inventory_ticks(side, inquiry.qty_lots, position, terms.risk_aversion, inquiry.holding_variance_ticks2)
    if enlarges:
        inventory += capacity_charge_ticks(inquiry.utilisation, terms)
    return decompose(
        side, inquiry.mean_ticks, inquiry.sd_ticks * zero_profit_k(alpha), inventory, terms.processing_ticks
    )


def capacity_charge_ticks(utilisation: float, terms: RfqPricing) -> float:
    """Charge per lot for scarce balance sheet: scale times (u - free) / (1 - u) above the free share, for u
    below 1."""
    return terms.capacity_charge_ticks * max(0.0, utilisation - terms.free_utilisation) / (1 - utilisation)


class DistressParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a dealer comes to suspect another.

    Source: Bayes' rule in log-odds, as in Wald (1945), "Sequential Tests of Statistical Hypotheses"; the ageing of
    the evidence is a choice of this program.

    Attributes:
        prior (probability): Probability of distress of a dealer of whom nothing has been seen.
        sell_share_distressed: Share of sells among the requests of a dealer in distress; a healthy dealer's
            is one half.
        decline_likelihood_ratio (factor): How much more often a distressed dealer declines to buy than a healthy one.
        half_life_ns: Suspicion falls back to the prior, halving its log-odds distance, without new evidence.
    """

    prior: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.02
    sell_share_distressed: Annotated[float, msgspec.Meta(gt=0.5, lt=1)] = 0.95
    decline_likelihood_ratio: Annotated[float, msgspec.Meta(ge=1)] = 1.5
    half_life_ns: Interval = 600 * NS_PER_S


class DistressSuspicion:
    """One dealer's probability, for each other dealer, that it is selling because it must.

    Bayes in log-odds: a request to sell adds ln(share / (1/2)), a request to buy ln((1 - share) / (1/2)), a
    refusal to buy ln(likelihood ratio); a two-sided request says nothing.
    """

    def __init__(self, params: DistressParams) -> None:
        self._prior = math.log(params.prior / (1 - params.prior))
        self._sell = math.log(2 * params.sell_share_distressed)
        self._buy = math.log(2 * (1 - params.sell_share_distressed))
        self._decline = math.log(params.decline_likelihood_ratio)
        self._half_life_ns = params.half_life_ns
        self._evidence: dict[int, tuple[Ns, float]] = {}

    def on_request(self, ts_ns: Ns, dealer_id: int, side: int) -> None:
        """A dealer asks for a quote; ``side`` is the asker's as a number, 0 for two-sided."""
        if side:
            self._add(ts_ns, dealer_id, self._sell if side < 0 else self._buy)

    def on_declined(self, ts_ns: Ns, dealer_id: int) -> None:
        """A dealer declined to buy when asked."""
        self._add(ts_ns, dealer_id, self._decline)

    def probability(self, ts_ns: Ns, dealer_id: int) -> float:
        """Probability that this dealer is in distress."""
        return 1 / (1 + math.exp(-self._prior - self._aged(ts_ns, dealer_id)))

    def _add(self, ts_ns: Ns, dealer_id: int, log_ratio: float) -> None:
        # Held within what can be undone: a hundred requests in a row are hardly worth more than ten.
        total = self._aged(ts_ns, dealer_id) + log_ratio
        self._evidence[dealer_id] = (ts_ns, min(max(total, -_MOST_EVIDENCE), _MOST_EVIDENCE))

    def _aged(self, ts_ns: Ns, dealer_id: int) -> float:
        then_ns, evidence = self._evidence.get(dealer_id, (ts_ns, 0.0))
        return evidence * math.exp2(-max(0, ts_ns - then_ns) / self._half_life_ns)


_MOST_EVIDENCE = 10.0
