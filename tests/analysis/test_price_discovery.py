"""Information shares with closed forms, dispersion and write-downs of tables that one can add up by hand."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest

from lob_sim.analysis.price_discovery import dispersion, excess_write_down, information_share
from lob_sim.errors import DataError


def error_corrected_pair(
    n: int, pull_first: float, pull_second: float, correlation: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Two prices, each drawn a share of the way to the other's last price, with unit-variance innovations."""
    rng = np.random.default_rng(seed)
    own, other = rng.normal(0, 1, (2, n))
    second_noise = correlation * own + math.sqrt(1 - correlation**2) * other
    first, second = np.zeros(n), np.zeros(n)
    for t in range(1, n):
        gap = first[t - 1] - second[t - 1]
        first[t] = first[t - 1] - pull_first * gap + own[t]
        second[t] = second[t - 1] + pull_second * gap + second_noise[t]
    return first, second


def over_seeds(pull_first: float, pull_second: float, correlation: float) -> np.ndarray:
    shares = [
        information_share(*error_corrected_pair(6000, pull_first, pull_second, correlation, seed), lags=2)
        for seed in range(12)
    ]
    return np.array([[share.lower, share.upper] for share in shares])


@pytest.mark.parametrize(
    ("pull_first", "pull_second", "correlation"),
    [(0.0, 0.3, 0.0), (0.3, 0.0, 0.0), (0.2, 0.2, 0.0), (0.1, 0.3, 0.0), (0.0, 0.3, 0.6), (0.1, 0.3, 0.5)],
)
def test_information_share_has_its_closed_form(pull_first: float, pull_second: float, correlation: float) -> None:
    # The common trend weighs the innovations as (pull_second, pull_first).
    a, b, rho = pull_second, pull_first, correlation
    total = a * a + b * b + 2 * rho * a * b
    upper = (a + rho * b) ** 2 / total
    lower = a * a * (1 - rho**2) / total
    bounds = over_seeds(pull_first, pull_second, correlation)
    se = bounds.std(axis=0, ddof=1) / math.sqrt(len(bounds))
    # Near a boundary the estimate, a square, errs upwards by its own variance: a loading's is about 1 / T.
    assert abs(bounds[:, 0].mean() - lower) < 3.5 * se[0] + 0.005
    assert abs(bounds[:, 1].mean() - upper) < 3.5 * se[1] + 0.005


def test_shares_of_the_two_prices_complement_each_other() -> None:
    first, second = error_corrected_pair(3000, 0.1, 0.3, 0.4, 1)
    one, other = information_share(first, second), information_share(second, first)
    assert one.lower + other.upper == pytest.approx(1)
    assert one.upper + other.lower == pytest.approx(1)
    assert one.lower <= one.middle <= one.upper


def test_shares_do_not_depend_on_how_far_apart_the_prices_stand() -> None:
    first, second = (np.round(1024 * x) / 1024 for x in error_corrected_pair(600, 0.3, 0.1, 0.2, seed=3))
    near = information_share(first, second)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        far = information_share(first + 2.0**40, second)
        # Two prices that keep their distance have no gap to close.
        assert math.isnan(information_share(first + 7, first).middle)
    assert (far.lower, far.upper) == pytest.approx((near.lower, near.upper), rel=1e-6)


def test_information_share_refuses_what_cannot_be_fitted() -> None:
    with pytest.raises(DataError, match="same length"):
        information_share(np.zeros(100), np.zeros(99))
    with pytest.raises(DataError, match="at least 70"):
        information_share(np.zeros(50), np.zeros(50), lags=5)


def test_dispersion_is_across_agents_of_what_each_last_said() -> None:
    beliefs = pd.DataFrame(
        {"ts_event_ns": [0, 10, 20, 30], "agent_id": [3, 1, 3, 2], "mean_ticks": [100.0, 104.0, 102.0, 109.0]}
    )
    found = dispersion(beliefs, "mean_ticks", np.array([5, 15, 25, 35]))
    np.testing.assert_allclose(
        found,
        [math.nan, *(float(np.std(x, ddof=1)) for x in ([100, 104], [102, 104], [102, 104, 109]))],
    )
    assert np.isnan(dispersion(beliefs.iloc[:0], "mean_ticks", np.array([5]))).all()


def test_excess_write_down_counts_long_positions_with_their_adjustment() -> None:
    marks = pd.DataFrame(
        {
            "ts_event_ns": [0, 0, 0, 50],
            "agent_id": [1, 2, 3, 1],
            "price_ticks": [100, 98, 50, 90],
            "adjustment_ticks": [0, 2, 9, 5],
            "lots": [10, 30, -20, 10],
        }
    )
    fair = pd.DataFrame({"ts_event_ns": [0], "value_ticks": [100.0]})
    found = excess_write_down(marks, fair, np.array([0, 50]))
    np.testing.assert_allclose(found, [30 * 4 / 4000, (30 * 4 + 10 * 15) / 4000])
    exact = marks.assign(price_ticks=100, adjustment_ticks=0)
    np.testing.assert_array_equal(excess_write_down(exact, fair, np.array([0, 50])), [0, 0])
    assert np.isnan(excess_write_down(marks, fair, np.array([-1]))).all()
