"""Where the lit market closes, and how a dealer leaves and comes back."""

from __future__ import annotations

import pytest

from lob_sim.information.retreat import (
    Assessment,
    ExponentialReservations,
    RetreatParams,
    RetreatPolicy,
    UniformReservations,
    assess,
    elastic_half_spread,
    expected_loss_tick_lots,
    gaussian_half_spread,
)
from lob_sim.information.spread import zero_profit_k
from lob_sim.messages import WithdrawalCause


def binary(mu: float) -> float | None:
    """V = +-1: a flow of informed share a breaks even at a half-spread of a."""
    return elastic_half_spread(mu, lambda share: share, 0.0, UniformReservations(1.0))


@pytest.mark.parametrize("mu", [0.05, 0.2, 0.35, 0.45, 0.48])
def test_uniform_binary_case_has_its_closed_form(mu: float) -> None:
    assert binary(mu) == pytest.approx(mu / (1 - mu), abs=1e-5)


@pytest.mark.parametrize("mu", [0.5, 0.501, 0.6, 0.9, 1.0])
def test_uniform_binary_market_closes_at_one_half(mu: float) -> None:
    assert binary(mu) is None


def test_inelastic_flow_never_closes_and_pays_the_plain_zero_profit_spread() -> None:
    faithful = ExponentialReservations(1e12)
    for alpha in (0.0, 0.2, 0.5, 0.9):
        found = elastic_half_spread(alpha, gaussian_half_spread(4.0), 0.5, faithful)
        assert found == pytest.approx(0.5 + 4 * zero_profit_k(alpha), abs=1e-5)


def test_elastic_solution_satisfies_the_zero_profit_condition_and_is_wider_than_the_inelastic() -> None:
    reservations = ExponentialReservations(8.0)
    half = elastic_half_spread(0.2, gaussian_half_spread(5.0), 0.5, reservations)
    assert half is not None
    paying = 0.8 * reservations.share_paying(half)
    assert half == pytest.approx(0.5 + 5 * zero_profit_k(0.2 / (0.2 + paying)), rel=1e-6)
    assert half > 0.5 + 5 * zero_profit_k(0.2)
    assert elastic_half_spread(0.2, gaussian_half_spread(50.0), 0.5, reservations) is None


def test_expected_loss_grows_with_doubt_and_toxicity_and_vanishes_without() -> None:
    assert expected_loss_tick_lots(0.3, 5, 1, 10) > expected_loss_tick_lots(0.3, 3, 1, 10) > 0
    assert expected_loss_tick_lots(0.4, 5, 1, 10) > expected_loss_tick_lots(0.3, 5, 1, 10)
    assert expected_loss_tick_lots(0.0, 5, 1, 10) == expected_loss_tick_lots(0.3, 0, 1, 10) == 0


PARAMS = RetreatParams(
    min_share_paying=0.2, appetite_tick_lots=100, min_headroom_cash=50, return_ratio=0.5, min_dwell_ns=10
)
FINE = Assessment(3.0, 0.8, 10, 1000)


@pytest.mark.parametrize(
    ("bad", "nearly", "cause"),
    [
        (Assessment(None, 0.0, 10, 1000), Assessment(9.0, 0.3, 10, 1000), WithdrawalCause.ADVERSE_SELECTION),
        (Assessment(9.0, 0.19, 10, 1000), Assessment(9.0, 0.39, 10, 1000), WithdrawalCause.ADVERSE_SELECTION),
        (Assessment(3.0, 0.8, 101, 1000), Assessment(3.0, 0.8, 51, 1000), WithdrawalCause.RISK_APPETITE),
        (Assessment(3.0, 0.8, 10, 49), Assessment(3.0, 0.8, 10, 99), WithdrawalCause.CAPITAL),
    ],
)
def test_economic_causes_come_at_the_threshold_and_go_with_hysteresis(
    bad: Assessment, nearly: Assessment, cause: WithdrawalCause
) -> None:
    policy = RetreatPolicy(PARAMS)
    # The same state that does not bring a dealer back does not drive it out either.
    assert policy.decide(1, nearly) is None
    assert policy.decide(2, bad) is cause
    assert policy.since_ns == 2
    assert policy.decide(100, nearly) is cause
    assert policy.decide(101, FINE) is None
    assert policy.since_ns == 101


def test_minimum_dwell_holds_even_when_all_is_well() -> None:
    policy = RetreatPolicy(PARAMS)
    policy.decide(5, Assessment(3.0, 0.8, 101, 1000))
    assert policy.decide(14, FINE) is WithdrawalCause.RISK_APPETITE
    assert policy.decide(15, FINE) is None


def test_a_forced_sale_rules_at_once_and_ends_at_once() -> None:
    policy = RetreatPolicy(PARAMS)
    assert policy.decide(1, Assessment(None, 0, 10, 1000)) is WithdrawalCause.ADVERSE_SELECTION
    selling = Assessment(3.0, 0.8, 10, 1000, forced_sale=True)
    assert policy.decide(2, selling) is WithdrawalCause.FORCED_SALE
    assert policy.since_ns == 1  # still the same absence
    assert policy.decide(3, FINE) is None


def test_leaving_a_forced_sale_does_not_skip_an_economic_cause() -> None:
    policy = RetreatPolicy(PARAMS)
    policy.decide(1, Assessment(3.0, 0.8, 10, 1000, forced_sale=True))
    assert policy.decide(2, Assessment(3.0, 0.8, 10, 20)) is WithdrawalCause.CAPITAL


def test_assessment_of_calm_and_of_fear() -> None:
    reservations = ExponentialReservations(8.0)
    calm = assess(0.1, 2.0, 0.5, 10, 1000, reservations)
    assert calm.half_spread_ticks is not None
    assert calm.share_paying > 0.8
    fear = assess(0.5, 40.0, 0.5, 10, 1000, reservations)
    assert fear.half_spread_ticks is None
    assert fear.share_paying == 0
    assert fear.expected_loss_tick_lots > calm.expected_loss_tick_lots
    nothing = assess(0.0, 40.0, 0.5, 10, 1000, reservations)
    assert nothing.half_spread_ticks == 0.5
