"""VPIN's null, and PIN recovered from simulated days."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from lob_sim.analysis.flow import pin, pin_log_likelihood, vpin, vpin_null


def test_vpin_of_noise_has_its_null_and_of_one_sided_flow_is_one() -> None:
    rng = np.random.default_rng(1)
    values = vpin(np.ones(200_000, dtype=np.int64), rng.choice([-1, 1], 200_000), 50)
    assert vpin_null(50) == pytest.approx(0.112275, abs=1e-6)
    assert abs(values.mean() - vpin_null(50)) < 4 * values.std() / math.sqrt(values.size)
    assert (vpin(np.ones(500, dtype=np.int64), np.full(500, -1), 50) == 1).all()


def test_vpin_null_of_an_odd_bucket_is_counted_out() -> None:
    for n in (2, 5, 6, 9):
        heads = np.arange(n + 1)
        exact = float(np.abs(2 * heads - n) @ stats.binom.pmf(heads, n, 0.5)) / n
        assert vpin_null(n) == pytest.approx(exact)


def test_vpin_splits_a_trade_that_overfills_its_bucket() -> None:
    # 6 buys and 4 of the 9 sells fill the first bucket; the second holds 5 sells and 5 buys; the last 3 are
    # left over.
    values = vpin(np.array([6, 9, 8]), np.array([1, -1, 1]), 10)
    np.testing.assert_allclose(values, [0.2, 0.0])


def days(n: int, event: float, bad: float, informed: float, rate: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    news = rng.random(n) < event
    down = rng.random(n) < bad
    return (
        rng.poisson(rate + informed * (news & ~down)).astype(float),
        rng.poisson(rate + informed * (news & down)).astype(float),
    )


def test_likelihood_is_the_mixture_of_poissons() -> None:
    buys, sells = np.array([3.0, 12.0, 4.0]), np.array([5.0, 4.0, 15.0])
    mixture = (
        0.6 * stats.poisson.pmf(buys, 5) * stats.poisson.pmf(sells, 4)
        + 0.4 * 0.7 * stats.poisson.pmf(buys, 13) * stats.poisson.pmf(sells, 4)
        + 0.4 * 0.3 * stats.poisson.pmf(buys, 5) * stats.poisson.pmf(sells, 12)
    )
    assert pin_log_likelihood(buys, sells, 0.4, 0.3, 8, 5, 4) == pytest.approx(np.log(mixture).sum())


@pytest.mark.parametrize("rate", [40.0, 4000.0])
def test_pin_is_recovered(rate: float) -> None:
    """Counts of thousands a day overflow the likelihood as printed; the factorised one does not mind."""
    event, bad, informed = 0.4, 0.5, rate / 2
    expected = event * informed / (event * informed + 2 * rate)
    found = [pin(*days(250, event, bad, informed, rate, seed)) for seed in range(4)]
    pins = np.array([fit.pin for fit in found])
    assert abs(pins.mean() - expected) < 3.5 * pins.std(ddof=1) / math.sqrt(len(pins)) + 1e-4
    assert np.mean([fit.informed for fit in found]) == pytest.approx(informed, rel=0.1)
    assert np.mean([fit.event for fit in found]) == pytest.approx(event, abs=4 * math.sqrt(0.24 / 1000))


def test_likelihood_tells_information_from_none() -> None:
    """Three parameters more than two Poissons: under the null twice the gain passes 16.3 once in a thousand
    times."""
    for event in (0.0, 0.4):
        for seed in range(2):
            buys, sells = days(250, event, 0.5, 20, 40, seed)
            without = stats.poisson.logpmf(buys, buys.mean()).sum() + stats.poisson.logpmf(sells, sells.mean()).sum()
            gain = 2 * (pin(buys, sells).log_likelihood - without)
            assert -1e-6 < gain < 16.3 if event == 0 else gain > 100
