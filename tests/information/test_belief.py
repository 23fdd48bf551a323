"""The filters against numerical integration, against each other, and against simulated markets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from lob_sim.errors import InputError
from lob_sim.information.belief import (
    MIN_SD_TICKS,
    BayesianBelief,
    BayesianParams,
    BeliefLog,
    BeliefThinning,
    GaussianBelief,
)
from lob_sim.information.density_belief import DensityBelief
from lob_sim.information.spread import zero_profit_k
from lob_sim.information.volatility import VolatilityParams
from lob_sim.messages import Side
from lob_sim.rng import Stream
from lob_sim.units import NS_PER_S

STILL = VolatilityParams(prior_ticks_per_sqrt_s=1e-9, prior_weight=1)


def believing(
    kind: type[BayesianBelief], mean_ticks: float, sd_ticks: float, volatility: VolatilityParams
) -> BayesianBelief:
    """A belief of that kind with this mean and standard deviation."""
    return kind(kind.Params(prior_sd_ticks=sd_ticks, volatility=volatility), mean_ticks)


def posterior_moments(
    m: float, s: float, side: Side, price: float, alpha: float, opposite: float | None
) -> tuple[float, float]:
    """Mean and standard deviation of V after the trade, by adaptive quadrature of Bayes' rule."""

    def likelihood(v: float) -> float:
        beyond = side * (v - price) > 0
        if opposite is None:
            return (1 - alpha) / 2 + alpha * beyond
        against = side * (v - opposite) < 0
        return (1 - alpha + 2 * alpha * beyond) / 2 if beyond or against else 0.5

    points = sorted({price, opposite if opposite is not None else price})

    def moment(power: int) -> float:
        value, _ = integrate.quad(
            lambda v: likelihood(v) * (v - m) ** power * stats.norm.pdf(v, m, s), m - 12 * s, m + 12 * s,
            points=points, limit=200, epsabs=1e-13,
        )  # fmt: skip
        return float(value)

    total, first, second = moment(0), moment(1) / moment(0), moment(2) / moment(0)
    assert total > 0
    return m + first, math.sqrt(second - first**2)


CASES = [
    (side, offset, alpha, opposite)
    for side in (Side.BUY, Side.SELL)
    for offset, opposite in ((0.0, None), (0.7, None), (-1.5, None), (2.5, None), (0.4, -0.9), (1.5, 1.0))
    for alpha in (0.1, 0.5, 0.9)
]


@pytest.mark.parametrize(("side", "offset", "alpha", "opposite"), CASES)
def test_one_trade_agrees_with_numerical_integration(
    side: Side, offset: float, alpha: float, opposite: float | None
) -> None:
    m, s = 1000.0, 4.0
    price = m + side * offset * s
    other = None if opposite is None else m + side * opposite * s
    mean, sd = posterior_moments(m, s, side, price, alpha, other)
    exact = believing(GaussianBelief, m, s, STILL)
    exact.on_trade(side, price, alpha, other)
    assert exact.mean_ticks == pytest.approx(mean, abs=1e-6)
    assert exact.sd_ticks == pytest.approx(sd, abs=1e-6)
    grid = believing(DensityBelief, m, s, STILL)
    grid.on_trade(side, price, alpha, other)
    # Half a grid step of 0.05 s times the density at a boundary is the largest error a cell can make.
    assert grid.mean_ticks == pytest.approx(mean, abs=0.002 * s)
    assert grid.sd_ticks == pytest.approx(sd, abs=0.002 * s)


@pytest.mark.parametrize("age_s", [0, 1, 60, 3600])
@pytest.mark.parametrize(
    ("side", "offset", "alpha"), [(Side.BUY, 0.7, 0.5), (Side.SELL, -1.5, 0.9), (Side.BUY, 0, 0.1)]
)
def test_a_past_trade_agrees_with_numerical_integration(side: Side, offset: float, alpha: float, age_s: int) -> None:
    m, s, rate = 1000.0, 4.0, 0.5
    price, moved = m + side * offset * s, rate * math.sqrt(age_s)
    points = [price] if age_s < 10 else None

    def weight(v: float) -> float:
        away = side * (v - price)
        beyond = float(away > 0) if not moved else stats.norm.cdf(away / moved)
        return ((1 - alpha) / 2 + alpha * beyond) * stats.norm.pdf(v, m, s)

    total, first, second = (
        integrate.quad(lambda v: weight(v) * (v - m) ** n, m - 12 * s, m + 12 * s, points=points, limit=400)[0]  # noqa: B023
        for n in range(3)
    )
    mean, sd = m + first / total, math.sqrt(second / total - (first / total) ** 2)
    perceived = VolatilityParams(prior_ticks_per_sqrt_s=rate)
    exact, grid = believing(GaussianBelief, m, s, perceived), believing(DensityBelief, m, s, perceived)
    for belief, tolerance in ((exact, 1e-6), (grid, 0.002 * s)):
        belief.on_past_trade(side, price, alpha, age_s * NS_PER_S)
        assert belief.mean_ticks == pytest.approx(mean, abs=tolerance)
        assert belief.sd_ticks == pytest.approx(sd, abs=tolerance)


@pytest.mark.parametrize("kind", [GaussianBelief, DensityBelief])
def test_a_signal_combines_precisions(kind: type[BayesianBelief]) -> None:
    belief = believing(kind, 100.0, 3.0, STILL)
    belief.on_signal(110.0, 4.0)
    assert belief.mean_ticks == pytest.approx(100 + 10 * 9 / 25, abs=1e-3)
    assert belief.sd_ticks == pytest.approx(3 * 4 / 5, abs=1e-3)


@pytest.mark.parametrize("kind", [GaussianBelief, DensityBelief])
def test_time_widens_by_perceived_variance_and_never_narrows(kind: type[BayesianBelief]) -> None:
    belief = believing(kind, 100.0, 3.0, VolatilityParams(prior_ticks_per_sqrt_s=0.5, prior_weight=1))
    belief.advance(64 * NS_PER_S)
    # Laying the grid out anew interpolates, which may add a quarter of a squared grid step of 0.15.
    assert belief.sd_ticks == pytest.approx(math.sqrt(9 + 16), abs=1e-3)
    wide = belief.sd_ticks
    belief.advance(10 * NS_PER_S)
    assert belief.sd_ticks == wide
    for second in range(65, 3000):
        belief.advance(second * NS_PER_S)
    assert belief.sd_ticks == pytest.approx(math.sqrt(9 + 0.25 * 2999), rel=2e-3)


def test_uninformed_flow_teaches_nothing_and_a_buy_raises_the_mean_a_sell_lowers_it() -> None:
    belief = believing(GaussianBelief, 100.0, 3.0, STILL)
    belief.on_trade(Side.BUY, 101, 0.0)
    assert (belief.mean_ticks, belief.sd_ticks) == (100.0, 3.0)
    belief.on_trade(Side.BUY, 101, 0.4)
    raised = belief.mean_ticks
    assert raised > 100
    belief.on_trade(Side.SELL, 99, 0.4)
    assert belief.mean_ticks < raised


def test_textbook_update_at_the_zero_profit_quote_is_its_own_price_and_leaves_the_deviation() -> None:
    for alpha in (0.05, 0.3, 0.7):
        belief = believing(GaussianBelief, 100.0, 3.0, STILL)
        ask = 100 + 3 * zero_profit_k(alpha)
        belief.on_trade(Side.BUY, ask, alpha)
        assert belief.mean_ticks == pytest.approx(ask, abs=1e-9)  # zero profit: the ask is E[V | buy]
        assert belief.sd_ticks == pytest.approx(3, abs=1e-9)
        told = believing(GaussianBelief, 100.0, 3.0, STILL)
        told.on_trade(Side.BUY, ask, alpha, 200 - ask)
        assert told.sd_ticks < 3 * (1 - 0.2 * alpha**2)


def test_both_implementations_follow_the_same_market() -> None:
    volatility = VolatilityParams(prior_ticks_per_sqrt_s=0.4)
    pair = (believing(GaussianBelief, 1000.0, 5.0, volatility), believing(DensityBelief, 1000.0, 5.0, volatility))
    random = Stream(1, "test/agree")
    gaps, ratios, value = [], [], 1000.0
    for second in range(1, 2001):
        value += 0.4 * random.normal()
        for belief in pair:
            belief.advance(second * NS_PER_S)
        if second % 200 == 0:
            signal = value + 10 * random.normal()
            for belief in pair:
                belief.on_signal(signal, 10)
        if second % 3 == 0:
            bid, ask = pair[0].mean_ticks - 2, pair[0].mean_ticks + 2
            buys = value > ask if random.uniform() < 0.3 and not bid < value < ask else random.uniform() < 0.5
            side, price, other = (Side.BUY, ask, bid) if buys else (Side.SELL, bid, ask)
            for belief in pair:
                belief.on_trade(side, price, 0.3, other)
            gaps.append((pair[0].mean_ticks - pair[1].mean_ticks) / pair[1].sd_ticks)
            ratios.append(pair[0].sd_ticks / pair[1].sd_ticks)
    # The Gaussian's approximation error stays a small part of the uncertainty itself.
    assert math.sqrt(np.mean(np.square(gaps))) < 0.25
    assert 0.85 < np.mean(ratios) < 1.15


def test_they_part_where_the_posterior_is_far_from_gaussian() -> None:
    """A run of almost surely informed buys at one price truncates the density there; two moments cannot say
    so."""
    gauss, grid = believing(GaussianBelief, 100.0, 4.0, STILL), believing(DensityBelief, 100.0, 4.0, STILL)
    for _ in range(6):
        gauss.on_trade(Side.BUY, 106, 0.95)
        grid.on_trade(Side.BUY, 106, 0.95)
    # All but certain that V > 106: the mean of a normal beyond 1.5 deviations.
    truncated = 100 + 4 * stats.norm.pdf(1.5) / stats.norm.sf(1.5)
    # Half a grid step: the place of a cliff is not known better than the grid.
    assert grid.mean_ticks == pytest.approx(truncated, abs=0.1)
    assert abs(gauss.mean_ticks - truncated) > 0.1 * grid.sd_ticks


def follow_market(
    true_ticks: float, prior_ticks: float, alpha: float, perceived: float, seed: int, hours: int = 4
) -> tuple[float, float, float]:
    """One dealer quotes its zero-profit spread to flow of known composition.

    Returns:
        Share of the time that value is within two deviations; mean squared error in perceived variances; the
        mean of log perceived over true volatility after the first hour.
    """
    random = Stream(seed, "test/follow")
    belief = believing(GaussianBelief, 10_000.0, 4.0, VolatilityParams(prior_ticks_per_sqrt_s=prior_ticks))
    value, covered, squared, logs = 10_000.0, 0, 0.0, []
    seconds = hours * 3600
    k = zero_profit_k(perceived)
    for second in range(1, seconds + 1):
        value += true_ticks * random.normal()
        belief.advance(second * NS_PER_S)
        if random.uniform() < 1 / 300:
            belief.on_signal(value + 20 * random.normal(), 20)
        half = belief.sd_ticks * k + 1
        bid, ask = belief.mean_ticks - half, belief.mean_ticks + half
        informed = random.uniform() < alpha
        if random.uniform() < 0.5 and not (informed and bid <= value <= ask):
            buys = value > ask if informed else random.uniform() < 0.5
            side, price, other = (Side.BUY, ask, bid) if buys else (Side.SELL, bid, ask)
            belief.on_trade(side, price, perceived, other)
        error = (value - belief.mean_ticks) / belief.sd_ticks
        covered += abs(error) < 2
        squared += error * error
        if second > 3600:
            logs.append(math.log(belief.volatility.ticks_per_sqrt_s / true_ticks))
    return covered / seconds, squared / seconds, float(np.mean(logs))


def test_the_filter_is_calibrated_when_its_alpha_is_right() -> None:
    runs = [follow_market(0.5, 0.5, 0.3, 0.3, seed) for seed in range(6)]
    coverage = np.array([run[0] for run in runs])
    # A Gaussian would be covered 95.4% of the time; what the moment match and the learnt volatility cost is
    # stated: 5%.
    assert coverage.mean() > 0.954 - 0.05 - 3 * coverage.std(ddof=1) / math.sqrt(len(runs))
    assert coverage.mean() < 0.99
    assert 0.6 < np.mean([run[1] for run in runs]) < 1.6


def test_a_filter_that_takes_noise_for_information_is_not_calibrated() -> None:
    coverage = [follow_market(0.5, 0.5, 0.0, 0.5, seed, hours=2)[0] for seed in range(4)]
    assert np.mean(coverage) < 0.6


@pytest.mark.parametrize("wrong_by", [0.4, 2.5])
def test_volatility_is_learnt_from_a_wrong_start(wrong_by: float) -> None:
    logs = [follow_market(0.6, 0.6 * wrong_by, 0.35, 0.35, seed)[2] for seed in range(6)]
    # Most of the way, on the log scale, from where it started; the prior keeps its stated small weight.
    assert abs(np.mean(logs)) < 0.6 * abs(math.log(wrong_by))


def test_nothing_seen_leaves_perceived_volatility_and_pure_noise_does_not_run_away() -> None:
    quiet = believing(GaussianBelief, 100.0, 2.0, VolatilityParams(prior_ticks_per_sqrt_s=0.5))
    for minute in range(1, 1000):
        quiet.advance(minute * 60 * NS_PER_S)
    assert quiet.volatility.ticks_per_sqrt_s == pytest.approx(0.5, rel=1e-9)
    ends = []
    for seed in range(20):
        random = Stream(seed, "test/noise")
        belief = believing(GaussianBelief, 1000.0, 2.0, VolatilityParams(prior_ticks_per_sqrt_s=0.5))
        for second in range(1, 3 * 3600):
            belief.advance(second * NS_PER_S)
            side = Side.BUY if random.uniform() < 0.5 else Side.SELL
            m, half = belief.mean_ticks, belief.sd_ticks * zero_profit_k(0.3)
            belief.on_trade(side, m + side * half, 0.3, m - side * half)
        ends.append(math.log(belief.volatility.ticks_per_sqrt_s / 0.5))
    # Neutral: no drift up (3 SE), and nobody at the ceiling of 8 times the prior.
    assert np.mean(ends) < 3 * np.std(ends, ddof=1) / math.sqrt(len(ends))
    assert max(ends) < math.log(8)


def after_jump(size_ticks: float, seed: int) -> tuple[float, float]:
    """Highest perceived volatility in the ten minutes after a jump, and the error half an hour after it in
    deviations."""
    random = Stream(seed, "test/jump")
    belief = believing(GaussianBelief, 10_000.0, 4.0, VolatilityParams(prior_ticks_per_sqrt_s=0.5))
    value, most = 10_000.0, 0.0
    for second in range(1, 3800):
        value += 0.5 * random.normal() + (size_ticks if second == 2000 else 0)
        belief.advance(second * NS_PER_S)
        half = belief.sd_ticks * zero_profit_k(0.3) + 1
        bid, ask = belief.mean_ticks - half, belief.mean_ticks + half
        informed = random.uniform() < 0.3
        buys = value > ask if informed else random.uniform() < 0.5
        if not (informed and bid <= value <= ask):
            belief.on_trade(Side.BUY if buys else Side.SELL, ask if buys else bid, 0.3, bid if buys else ask)
        if 2000 < second <= 2600:
            most = max(most, belief.volatility.ticks_per_sqrt_s)
    return most, (value - belief.mean_ticks) / belief.sd_ticks


def test_a_jump_raises_perceived_volatility_and_is_followed() -> None:
    pairs = [(after_jump(-100, seed), after_jump(0, seed)) for seed in range(8)]
    log_ratios = np.array([math.log(jumped[0] / calm[0]) for jumped, calm in pairs])
    assert log_ratios.mean() > 3 * log_ratios.std(ddof=1) / math.sqrt(len(pairs))
    assert math.exp(log_ratios.mean()) > 1.5
    errors = np.array([jumped[1] for jumped, _ in pairs])
    assert math.sqrt(np.mean(errors**2)) < 2


def test_thinning_logs_what_moves_and_once_an_interval() -> None:
    belief = believing(GaussianBelief, 100.0, 2.0, STILL)
    log = BeliefLog(BeliefThinning(mean_sds=0.5, sd_ratio=0.1, interval_ns=1000))
    first = log.record(1, 4, 2, belief, 0.2)
    assert first is not None
    assert (first.agent_id, first.instrument_id, first.mean_ticks, first.alpha) == (4, 2, 100.0, 0.2)
    assert log.record(2, 4, 2, belief, 0.2) is None
    belief.on_signal(104.0, 2.0)
    assert log.record(3, 4, 2, belief, 0.2) is not None
    assert log.record(900, 4, 2, belief, 0.2) is None
    assert log.record(1003, 4, 2, belief, 0.2) is not None


def test_a_belief_without_doubt_is_refused() -> None:
    with pytest.raises(InputError, match="sd_ticks"):
        believing(GaussianBelief, 100.0, 0.0, STILL)


@pytest.mark.parametrize("kind", [GaussianBelief, DensityBelief])
def test_extreme_observations_leave_a_finite_belief(kind: type[BayesianBelief]) -> None:
    belief = believing(kind, 100.0, 1.0, STILL)
    for price in (1.0, 100.0, 100_000.0):
        for side in (Side.BUY, Side.SELL):
            belief.on_trade(side, price, 1.0)
            belief.on_trade(side, price, 1.0, price - side)
    belief.on_signal(5000.0, 0.5)
    assert math.isfinite(belief.mean_ticks)
    assert 0 < belief.sd_ticks < 1e4


@pytest.mark.parametrize("kind", [GaussianBelief, DensityBelief])
@pytest.mark.parametrize("noise", [0.0, 1e-300, 1e-12, 1e-6])
def test_news_next_to_certain_leaves_a_belief_that_can_still_learn(kind: type[BayesianBelief], noise: float) -> None:
    belief = believing(kind, 10_000.0, 5.0, VolatilityParams(prior_ticks_per_sqrt_s=1e-200))
    for ts, signal in enumerate((10_001.0, 10_001.0, 9_990.0)):
        belief.advance((ts + 1) * NS_PER_S)
        belief.on_signal(signal, noise)
        belief.on_trade(Side.BUY, 10_010.0, 0.3, 10_000.0)
        belief.on_past_trade(Side.SELL, 9_000.0, 0.3, NS_PER_S)
        assert math.isfinite(belief.mean_ticks)
        assert MIN_SD_TICKS <= belief.sd_ticks <= 5.0


@pytest.mark.parametrize(("signal", "noise"), [(10_501.0, 0.5), (20_000.0, 0.5), (9_000.0, 1e-9), (10_000.5, 1e-12)])
def test_a_density_that_vanishes_where_news_points_falls_back_to_its_moments(signal: float, noise: float) -> None:
    law = VolatilityParams(prior_ticks_per_sqrt_s=2.0)
    density, gaussian = (believing(kind, 10_000.0, 5.0, law) for kind in (DensityBelief, GaussianBelief))
    for belief in (density, gaussian):
        belief.advance(300 * NS_PER_S)
        belief.on_signal(signal, noise)
    # Two Gaussians combine exactly; the grid that the density is laid on resolves an eighth of a prior deviation.
    assert density.mean_ticks == pytest.approx(gaussian.mean_ticks, abs=35 / 8)
    assert 0 < density.sd_ticks < 35 / 8


@pytest.mark.parametrize("kind", [GaussianBelief, DensityBelief])
def test_a_jump_of_known_time_moves_the_mean_and_adds_the_variance_of_what_is_not_known(
    kind: type[BayesianBelief],
) -> None:
    belief = believing(kind, 1000.0, 3.0, STILL)
    belief.on_jump(-50.0, 4.0)
    assert belief.mean_ticks == pytest.approx(950.0, abs=1e-6)
    assert belief.sd_ticks == pytest.approx(5.0, rel=1e-3)
    belief.on_jump(10.0, 0.0)
    assert (belief.mean_ticks, belief.sd_ticks) == pytest.approx((960.0, 5.0), rel=1e-3)


def test_a_jump_that_is_announced_says_nothing_of_volatility_and_one_that_is_not_does() -> None:
    wandering = VolatilityParams(prior_ticks_per_sqrt_s=0.5)
    told, found_out, plain = (believing(GaussianBelief, 1000.0, 3.0, wandering) for _ in "abc")
    told.on_jump(-50.0, 0.0)
    found_out.shift(-50.0)
    for belief in (told, found_out, plain):
        belief.advance(60 * NS_PER_S)
    assert told.volatility.variance_rate == plain.volatility.variance_rate
    assert found_out.volatility.variance_rate > 1.5 * plain.volatility.variance_rate


@pytest.mark.parametrize("kind", [GaussianBelief, DensityBelief])
def test_what_others_quote_moves_the_mean_by_time_and_makes_nobody_surer(kind: type[BayesianBelief]) -> None:
    def after(*looks: tuple[int, int, int], half_life_s: int = 10) -> BayesianBelief:
        params = BayesianParams(prior_sd_ticks=3.0, volatility=STILL, consensus_half_life=half_life_s * NS_PER_S)
        belief = kind(params, 1000.0)
        for seconds, bid, ask in looks:
            belief.on_others_quotes(seconds * NS_PER_S, bid, ask)
        return belief

    once = after((10, 1002, 1006))
    assert (once.mean_ticks, once.sd_ticks) == pytest.approx((1002.0, 3.0), rel=1e-9)
    assert after((5, 1002, 1006), (5, 1002, 1006)).mean_ticks == pytest.approx(1002.0, rel=1e-9)
    # Wider than four deviations it tells nothing, and without a half-life nothing does.
    assert after((10, 1002, 1014)).mean_ticks == pytest.approx(1004.0)
    assert after((10, 1002, 1015)).mean_ticks == pytest.approx(1000.0)
    deaf = after((10, 1002, 1006), half_life_s=0)
    assert deaf.mean_ticks == pytest.approx(1000.0)
    assert (deaf.heeds_quotes, once.heeds_quotes) == (False, True)
