"""Toxicity: nothing from noise, the right share from information, and back to nothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from lob_sim.errors import InputError
from lob_sim.information.toxicity import CombinedToxicity, FixedParams, FixedToxicity, ToxicityByClass
from lob_sim.information.toxicity_estimators import ImbalanceParams, ImbalanceToxicity, MarkoutParams, MarkoutToxicity
from lob_sim.messages import Side
from lob_sim.rng import Stream
from lob_sim.units import NS_PER_S

LONG = ImbalanceParams(bucket_lots=50, memory_buckets=1e6, noise_margin_se=0)


def send_flow(
    estimator: ImbalanceToxicity,
    alpha: float,
    buckets: int,
    random: Stream,
    size: Callable[[], int],
    bucket: int,
) -> None:
    """Flow in which a share ``alpha`` of trades is on one side, drawn anew for each bucket."""
    for _ in range(buckets):
        direction = Side.BUY if random.uniform() < 0.5 else Side.SELL
        filled = 0
        while filled < bucket:
            noise = Side.BUY if random.uniform() < 0.5 else Side.SELL
            qty = size()
            estimator.on_trade(0, direction if random.uniform() < alpha else noise, qty)
            filled += qty


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("sizes", ["unit", "mixed"])
def test_imbalance_recovers_the_informed_share_without_bias(alpha: float, sizes: str) -> None:
    estimates = []
    for seed in range(40):
        random = Stream(seed, f"test/{alpha}/{sizes}")
        estimator = ImbalanceToxicity(LONG)
        size = (lambda: 1) if sizes == "unit" else (lambda random=random: random.integer(1, 8))
        send_flow(estimator, alpha, 60, random, size, 50)
        estimates.append(estimator.alpha_squared)
    se = np.std(estimates, ddof=1) / math.sqrt(len(estimates))
    assert abs(np.mean(estimates) - alpha**2) < 3.5 * se


def test_plain_vpin_is_biased_where_this_is_not() -> None:
    """The negative control: mean absolute imbalance of the same pure noise is C(N, N/2) / 2^N, far from
    nothing."""
    random = Stream(1, "test/vpin")
    imbalances = [abs(sum(1 if random.uniform() < 0.5 else -1 for _ in range(50))) / 50 for _ in range(4000)]
    null = math.comb(50, 25) / 2**50
    assert null == pytest.approx(0.1123, abs=1e-4)
    assert abs(np.mean(imbalances) - null) < 4 * np.std(imbalances) / math.sqrt(len(imbalances))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (1, 2, 3), (5, 1, 1, 2)])
def test_mean_and_stated_error_of_noise_are_exact(sizes: tuple[int, ...]) -> None:
    """Over all signs that balanced flow can take."""
    squares, stated = [], set()
    for signs in itertools.product(Side, repeat=len(sizes)):
        estimator = ImbalanceToxicity(ImbalanceParams(bucket_lots=sum(sizes)))
        for side, qty in zip(signs, sizes, strict=True):
            estimator.on_trade(0, side, qty)
        squares.append(estimator.alpha_squared)
        stated.add(estimator.null_se)
    assert np.mean(squares) == pytest.approx(0, abs=1e-12)
    assert len(stated) == 1
    assert stated.pop() == pytest.approx(np.std(squares))


def test_stated_error_shrinks_with_memory_as_the_estimate_does() -> None:
    squares, stated = [], []
    for seed in range(400):
        random = Stream(seed, "test/null-se")
        estimator = ImbalanceToxicity(ImbalanceParams(bucket_lots=40, memory_buckets=5))
        send_flow(estimator, 0, 30, random, partial(random.integer, 1, 5), 40)
        squares.append(estimator.alpha_squared)
        stated.append(estimator.null_se)
    # The standard deviation of 400 draws is known to 1 / sqrt(800), more for a skewed law.
    assert np.std(squares) / np.mean(stated) == pytest.approx(1, abs=0.2)


def test_alpha_comes_back_to_zero_when_flow_is_balanced_again() -> None:
    random = Stream(4, "test/return")
    estimator = ImbalanceToxicity(ImbalanceParams(bucket_lots=50, memory_buckets=5))
    send_flow(estimator, 0.7, 20, random, lambda: 1, 50)
    assert estimator.alpha(0) > 0.5
    calm = []
    for _ in range(100):
        send_flow(estimator, 0.0, 1, random, lambda: 1, 50)
        calm.append(estimator.alpha(0))
    assert np.mean(calm[40:]) < 0.08
    assert min(calm[40:]) == 0


def test_evidence_ages_without_flow() -> None:
    estimator = ImbalanceToxicity(ImbalanceParams(bucket_lots=10, half_life_ns=60 * NS_PER_S))
    for _ in range(100):
        estimator.on_trade(0, Side.SELL, 1)
    fresh = estimator.alpha(0)
    assert fresh > 0.8
    assert estimator.alpha(120 * NS_PER_S) == pytest.approx(fresh / 4)


def follow_fills(alpha: float, fills: int, seed: int, params: MarkoutParams) -> MarkoutToxicity:
    """Fills at random times of a random walk; a share ``alpha`` of aggressors knows where it will be at the
    horizon."""
    random = Stream(seed, f"test/markout/{alpha}")
    horizon = params.horizons_ns[0] // NS_PER_S
    path = np.cumsum([random.normal() for _ in range(fills * 3 + horizon + 1)])
    estimator = MarkoutToxicity(params)
    for second in range(len(path) - horizon):
        now_ns = second * NS_PER_S
        estimator.on_mid(now_ns, float(path[second]))
        if second % 3 == 0:
            up = path[second + horizon] > path[second] if random.uniform() < alpha else random.uniform() < 0.5
            estimator.on_fill(now_ns, Side.BUY if up else Side.SELL, float(path[second]))
    return estimator


@pytest.mark.parametrize("alpha", [0.0, 0.2, 0.5])
def test_markouts_recover_the_informed_share(alpha: float) -> None:
    params = MarkoutParams(horizons_ns=(5 * NS_PER_S,), memory_fills=1e6)
    raw = [follow_fills(alpha, 300, seed, params).raw_alpha for seed in range(40)]
    assert abs(np.mean(raw) - alpha) < 3.5 * np.std(raw, ddof=1) / math.sqrt(len(raw))


def self_confirming(from_before: bool, seed: int) -> float:
    """Pure noise deals with a dealer that moves its price with every fill."""
    random = Stream(seed, "test/own-reaction")
    estimator = MarkoutToxicity(MarkoutParams(horizons_ns=(5 * NS_PER_S,), memory_fills=1e6))
    price = 100.0
    for second in range(1, 1500):
        now_ns = second * NS_PER_S
        estimator.on_mid(now_ns, price)
        side = Side.BUY if random.uniform() < 0.5 else Side.SELL
        before = price
        price += side
        estimator.on_fill(now_ns, side, before if from_before else price)
        estimator.on_mid(now_ns, price)
    return estimator.raw_alpha


def test_a_dealers_own_reaction_is_no_evidence() -> None:
    fair = np.array([self_confirming(False, seed) for seed in range(30)])
    fooled = np.array([self_confirming(True, seed) for seed in range(30)])
    assert abs(fair.mean()) < 3.5 * fair.std(ddof=1) / math.sqrt(30)
    # From before its reaction, noise looks informed: one sure step of five, over the mean absolute sum of
    # five steps.
    assert abs(fooled.mean() - 1 / 1.875) < 0.05


def test_markout_looks_at_the_price_that_stood_at_the_horizon() -> None:
    estimator = MarkoutToxicity(MarkoutParams(horizons_ns=(10, 20)))
    estimator.on_mid(0, 100.0)
    estimator.on_fill(0, Side.SELL, 100.0)
    estimator.on_mid(9, 98.0)
    assert estimator.raw_alpha == 0  # not due yet
    estimator.on_mid(11, 150.0)  # the first horizon saw 98: a sell before a fall
    assert estimator.raw_alpha == 1
    estimator.on_mid(25, 90.0)  # the second saw 150: a sell before a rise
    assert estimator.raw_alpha == 0


def test_a_fill_that_is_not_due_waits_while_an_older_one_is_judged() -> None:
    estimator = MarkoutToxicity(MarkoutParams(horizons_ns=(10,)))
    estimator.on_mid(0, 100.0)
    estimator.on_fill(0, Side.BUY, 100.0)
    estimator.on_fill(4, Side.BUY, 100.0)
    estimator.on_mid(8, 101.0)
    estimator.on_mid(11, 90.0)
    assert estimator.raw_alpha == 1
    estimator.on_mid(15, 90.0)
    assert estimator.raw_alpha < 0


def test_markout_of_uninformed_fills_reads_zero_never_negative_and_ages() -> None:
    estimator = MarkoutToxicity(MarkoutParams(horizons_ns=(10,), half_life_ns=100))
    estimator.on_mid(0, 100.0)
    estimator.on_fill(0, Side.BUY, 100.0)
    estimator.on_mid(5, 90.0)
    estimator.on_mid(20, 90.0)
    assert estimator.raw_alpha == -1
    assert estimator.alpha(20) == 0
    estimator.on_fill(20, Side.SELL, 90.0)
    estimator.on_fill(20, Side.SELL, 90.0)
    estimator.on_mid(25, 70.0)
    estimator.on_mid(40, 70.0)
    assert estimator.alpha(30) > 0
    assert estimator.alpha(130) == pytest.approx(estimator.alpha(30) / 2)


def test_combination_is_the_weighted_mean_and_tells_every_part() -> None:
    imbalance = ImbalanceToxicity(ImbalanceParams(bucket_lots=10))
    markout = MarkoutToxicity(MarkoutParams(horizons_ns=(10,)))
    combined = CombinedToxicity([(imbalance, 1.0), (markout, 1.0), (FixedToxicity(FixedParams(0.2)), 2.0)])
    assert combined.alpha(0) == pytest.approx(0.1)
    for _ in range(30):
        combined.on_trade(0, Side.BUY, 1)
    combined.on_mid(0, 100.0)
    combined.on_fill(0, Side.BUY, 100.0)
    combined.on_mid(5, 101.0)
    combined.on_mid(20, 101.0)
    assert markout.alpha(10) == 1
    assert combined.alpha(10) == pytest.approx(0.25 * imbalance.alpha(10) + 0.25 + 0.1)
    assert imbalance.alpha(10) > 0.8
    for weights in ([], [(imbalance, 0.0)], [(imbalance, 2.0), (markout, -1.0)]):
        with pytest.raises(InputError, match="weights"):
            CombinedToxicity(weights)


def test_classes_are_judged_apart() -> None:
    by_class = ToxicityByClass(lambda: ImbalanceToxicity(ImbalanceParams(bucket_lots=10)))
    for _ in range(5):
        for i in range(10):
            by_class.of("hedge funds").on_trade(0, Side.SELL, 1)
            by_class.of("insurers").on_trade(0, Side.SELL if i % 2 else Side.BUY, 1)
    assert by_class.of("hedge funds").alpha(0) > 0.7
    assert by_class.of("insurers").alpha(0) == 0
