"""RFQ prices by class, capacity and suspicion."""

from __future__ import annotations

import msgspec
import pytest

from lob_sim.information.rfq import (
    DistressParams,
    DistressSuspicion,
    RequestTerms,
    RfqPricing,
    capacity_charge_ticks,
    price_inquiry,
)
from lob_sim.information.spread import SpreadDecomposition, zero_profit_k
from lob_sim.messages import DeclineReason, Side
from lob_sim.units import NS_PER_S

TERMS = RfqPricing(processing_ticks=0.5, capacity_charge_ticks=2.0, free_utilisation=0.7, risk_aversion=0.001)
BASE = RequestTerms(Side.BUY, 10, 1000.0, 4.0, 0.2, 0, 25.0, 0.3)


def quoted(**changes: object) -> SpreadDecomposition:
    answer = price_inquiry(msgspec.structs.replace(BASE, **changes), TERMS)
    assert isinstance(answer, SpreadDecomposition)
    return answer


def declined(**changes: object) -> DeclineReason:
    answer = price_inquiry(msgspec.structs.replace(BASE, **changes), TERMS)
    assert isinstance(answer, DeclineReason)
    return answer


def test_parts_of_a_plain_quote() -> None:
    quote = quoted()
    assert quote.adverse_uticks == round(4e6 * zero_profit_k(0.2))
    assert quote.inventory_uticks == round(1e6 * 0.001 * 25 * 5)
    assert quote.processing_uticks == 500_000


def test_a_more_toxic_class_pays_more_and_the_most_toxic_gets_nothing() -> None:
    assert quoted(alpha=0.5).price_ticks < quoted(alpha=0.0).price_ticks
    assert declined(alpha=0.95) is DeclineReason.TOXIC_CLIENT


def test_capacity_charge_is_a_hinge() -> None:
    assert capacity_charge_ticks(0.3, TERMS) == capacity_charge_ticks(0.7, TERMS) == 0
    assert capacity_charge_ticks(0.8, TERMS) == pytest.approx(1.0)
    assert capacity_charge_ticks(0.95, TERMS) == pytest.approx(10.0)


def test_capacity_binds_what_enlarges_the_position_and_not_what_reduces_it() -> None:
    assert declined(utilisation=1.0) is DeclineReason.CAPACITY
    assert quoted(utilisation=0.9).price_ticks < quoted(utilisation=0.5).price_ticks
    tight = quoted(side=Side.SELL, position_lots=50, utilisation=1.5)
    assert tight == quoted(side=Side.SELL, position_lots=50, utilisation=0.1)


def test_suspicion_lowers_the_bid_then_ends_it_and_leaves_the_ask() -> None:
    assert quoted(distress=0.5).price_ticks < quoted(distress=0.0).price_ticks
    assert declined(distress=0.9) is DeclineReason.SUSPECTED_DISTRESS
    assert quoted(side=Side.SELL, distress=0.9) == quoted(side=Side.SELL, distress=0.0)


def test_suspicion_is_bayes_rule_on_the_requests_seen() -> None:
    suspicion = DistressSuspicion(DistressParams(prior=0.1, sell_share_distressed=0.9))
    for _ in range(3):
        suspicion.on_request(0, 7, -1)
    suspicion.on_request(0, 7, 1)
    suspicion.on_request(0, 7, 0)
    distressed, healthy = 0.1 * 0.9**3 * 0.1, 0.9 * 0.5**4
    assert suspicion.probability(0, 7) == pytest.approx(distressed / (distressed + healthy))
    assert suspicion.probability(0, 8) == pytest.approx(0.1)


def test_balanced_requests_clear_and_one_sided_requests_convict() -> None:
    suspicion = DistressSuspicion(DistressParams())
    for _ in range(20):
        suspicion.on_request(0, 1, -1)
        suspicion.on_request(0, 2, -1)
        suspicion.on_request(0, 2, 1)
    assert suspicion.probability(0, 1) > 0.9
    assert suspicion.probability(0, 2) < 0.02


def test_refusals_to_buy_count_and_everything_is_forgotten_in_time() -> None:
    suspicion = DistressSuspicion(DistressParams(half_life_ns=60 * NS_PER_S))
    start = suspicion.probability(0, 1)
    for _ in range(10):
        suspicion.on_declined(0, 1)
    raised = suspicion.probability(0, 1)
    assert raised > 5 * start
    assert suspicion.probability(600 * NS_PER_S, 1) == pytest.approx(start, rel=0.02)
