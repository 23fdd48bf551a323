"""Spread models recover what was put into the prices, and nothing where nothing was put."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from lob_sim.analysis.spread_models import huang_stoll, kyle_lambda, roll_spread


def test_roll_recovers_the_bounce() -> None:
    estimates = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        value = 1000 + np.cumsum(rng.normal(0, 0.5, 4000))
        estimates.append(roll_spread(value + 2.0 * rng.choice([-1, 1], 4000)))
    assert abs(np.mean(estimates) - 4) < 4 * np.std(estimates, ddof=1) / math.sqrt(30) + 0.01


def test_roll_has_no_spread_to_show_for_a_trend_or_two_prices() -> None:
    assert math.isnan(roll_spread(np.cumsum(np.array([1.0, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3, 4]))))
    assert math.isnan(roll_spread(np.array([1.0, 2.0])))
    # Of three there is a single pair of changes, whose covariance is 0 whatever the prices are.
    assert math.isnan(roll_spread(np.array([1.0, 2.0, 1.0])))
    assert roll_spread(np.array([1.0, 2.0, 1.0, 2.0])) == 2.0
    assert str(roll_spread(np.array([1.0, 2.0, 3.0, 4.0]))) == "0.0"


@pytest.mark.parametrize("far", [0.0, 1e6, 1e9, 1e12])
@pytest.mark.parametrize("lags", [0, 1])
def test_kyle_lambda_is_the_same_however_large_the_mean_flow(far: float, lags: int) -> None:
    flow = far + np.arange(6.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert kyle_lambda(2 * flow, flow, lags).value == pytest.approx(2.0, rel=1e-9)
        bent = np.array([0.0, 2, 5, 5, 8, 10])
        found, near = kyle_lambda(bent, flow, lags), kyle_lambda(bent, flow - far, lags)
        assert (found.value, found.se) == pytest.approx((near.value, near.se), rel=1e-9)
        assert math.isnan(kyle_lambda(bent, np.full(6, far), lags).value)


@pytest.mark.parametrize("impact", [0.0, 0.03])
def test_kyle_lambda_recovers_the_impact(impact: float) -> None:
    rng = np.random.default_rng(3)
    flow = rng.normal(0, 100, 3000)
    found = kyle_lambda(impact * flow + rng.normal(0, 2, 3000), flow, lags=2)
    assert abs(found.value - impact) < 3.5 * found.se
    assert found.se == pytest.approx(2 / (100 * math.sqrt(3000)), rel=0.15)
    assert found.n == 3000


def test_kyle_standard_error_covers() -> None:
    hits = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        flow = rng.normal(0, 10, 300)
        found = kyle_lambda(0.1 * flow + rng.normal(0, 1, 300), flow)
        hits += abs(found.value - 0.1) < 1.96 * found.se
    assert abs(hits / 200 - 0.95) < 4 * math.sqrt(0.95 * 0.05 / 200)


def chain(rng: np.random.Generator, n: int, reversal: float) -> np.ndarray:
    flips = np.where(rng.random(n) < reversal, -1.0, 1.0)
    return np.cumprod(flips)


@pytest.mark.parametrize(("adverse", "inventory"), [(0.4, 0.2), (0.0, 0.5), (0.5, 0.0), (0.0, 0.0)])
def test_huang_stoll_recovers_the_components(adverse: float, inventory: float) -> None:
    rng = np.random.default_rng(4)
    n, reversal = 40_000, 0.75
    signs = chain(rng, n, reversal)
    spreads = rng.choice([4.0, 6.0], n)
    half = spreads / 2 * signs
    moves = np.zeros(n)
    moves[2:] = (adverse + inventory) * half[1:-1] - adverse * (1 - 2 * reversal) * half[:-2]
    mids = 1000 + np.cumsum(moves + rng.normal(0, 0.5, n))
    found = huang_stoll(mids, signs, spreads)
    assert abs(found.adverse - adverse) < 3.5 * found.adverse_se
    assert abs(found.adverse + found.inventory - adverse - inventory) < 3.5 * found.combined_se
    assert found.adverse + found.inventory + found.processing == pytest.approx(1)
    assert found.reversal == pytest.approx(reversal, abs=4 * math.sqrt(0.75 * 0.25 / n))
    assert found.adverse_se < 0.02


def test_huang_stoll_cannot_tell_them_apart_when_signs_are_independent() -> None:
    rng = np.random.default_rng(5)
    n = 5000
    signs = chain(rng, n, 0.5)
    mids = 1000 + np.cumsum(np.concatenate([[0.0], 0.5 * signs[:-1]]) + rng.normal(0, 0.5, n))
    found = huang_stoll(mids, signs, np.full(n, 2.0))
    assert found.combined_se < 0.02
    assert found.adverse_se > 0.1
