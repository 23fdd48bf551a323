"""The fair-value process has the law that its parameters state, and nobody's presence moves another's
path."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lob_sim.errors import ScenarioError
from lob_sim.information.fair_value import TRADING_DAY_NS, FairValueParams, FairValueProcess, ScheduledJump
from lob_sim.messages import FairValue, News
from lob_sim.units import NS_PER_S

HOUR_NS = 3600 * NS_PER_S


def final_logs(params: list[FairValueParams], runs: int, step_ns: int, until_ns: int) -> np.ndarray:
    names = [f"i{n}" for n in range(len(params))]
    rows = []
    for seed in range(runs):
        process = FairValueProcess(names, params, seed, step_ns)
        process.advance(until_ns)
        rows.append([math.log(process.value_ticks(i) / p.initial_ticks) for i, p in enumerate(params)])
    return np.array(rows)


@pytest.mark.parametrize("step_ns", [HOUR_NS, 7 * HOUR_NS // 4, 30 * 60 * NS_PER_S])
def test_diffusion_has_its_volatility_on_any_grid(step_ns: int) -> None:
    runs = 3000
    horizon_ns = 7 * HOUR_NS
    logs = final_logs([FairValueParams(initial_ticks=10_000, daily_volatility=0.3)], runs, step_ns, horizon_ns)
    variance = 0.3**2 * horizon_ns / TRADING_DAY_NS
    assert abs(logs.var(ddof=1) / variance - 1) < 4 * math.sqrt(2 / runs)
    # Six standard errors from no drift at all: the log falls so that the value does not rise.
    assert abs(logs.mean() + variance / 2) < 4 * math.sqrt(variance / runs)


def test_value_is_a_martingale_with_jumps_and_without_drift() -> None:
    runs = 4000
    params = FairValueParams(initial_ticks=10_000, daily_volatility=0.1, jumps_per_day=4, jump_sd=0.2)
    factors = np.exp(final_logs([params], runs, HOUR_NS, TRADING_DAY_NS)[:, 0])
    assert abs(factors.mean() - 1) < 4 * factors.std(ddof=1) / math.sqrt(runs)
    # The jumps are there: a diffusion alone would have a fifth of this variance.
    expected = math.exp(0.1**2 + 4 * (math.exp(0.2**2) - 1)) - 1
    assert factors.var() == pytest.approx(expected, rel=0.25)
    assert expected > 5 * (math.exp(0.1**2) - 1)


def test_correlation_is_the_product_of_loadings() -> None:
    runs = 3000
    params = [
        FairValueParams(initial_ticks=10_000, daily_volatility=0.01, common_loading=0.8),
        FairValueParams(initial_ticks=20_000, daily_volatility=0.02, common_loading=0.5),
        FairValueParams(initial_ticks=20_000, daily_volatility=0.02),
    ]
    correlations = np.corrcoef(final_logs(params, runs, 2 * HOUR_NS, TRADING_DAY_NS).T)
    assert abs(math.atanh(correlations[0, 1]) - math.atanh(0.4)) < 4 / math.sqrt(runs)
    assert abs(math.atanh(correlations[0, 2])) < 4 / math.sqrt(runs)


def test_news_is_value_plus_noise_of_the_stated_size_at_poisson_times() -> None:
    interval_ns = 60 * NS_PER_S
    params = FairValueParams(initial_ticks=10_000, news_interval_ns=interval_ns, news_noise_sd=0.002)
    events = FairValueProcess(["a"], [params], seed=5).advance(2000 * interval_ns)
    news = [event for event in events if isinstance(event, News)]
    errors = np.array([event.signal_ticks - 10_000 for event in news])
    assert {event.noise_sd_ticks for event in news} == {20.0}
    assert abs(len(news) - 2000) < 4 * math.sqrt(2000)
    assert abs(errors.mean()) < 4 * 20 / math.sqrt(len(news))
    assert abs(errors.var() / 400 - 1) < 4 * math.sqrt(2 / len(news))
    gaps = np.diff([event.ts_event_ns for event in news]) / interval_ns
    assert abs(gaps.std() / gaps.mean() - 1) < 0.15  # an exponential's coefficient of variation is 1; a clock's is 0


def test_scheduled_jump_is_exact_and_marked_and_news_at_that_time_speaks_of_it() -> None:
    params = FairValueParams(initial_ticks=10_000)
    process = FairValueProcess(
        ["a", "b"], [params, params], 1, jumps=[ScheduledJump(ts_ns=77, instrument="b", size=-0.04)]
    )
    assert process.next_ts_ns == 77
    assert process.advance(76) == []
    assert process.advance(77) == [FairValue(77, 1, 9600.0, True)]
    assert process.value_ticks(0) == 10_000
    assert process.value_ticks(1) == 9600


def test_path_does_not_depend_on_how_often_it_is_asked_nor_on_other_instruments() -> None:
    params = FairValueParams(
        initial_ticks=10_000, daily_volatility=0.02, common_loading=0.6, jumps_per_day=50, jump_sd=0.01,
        news_interval_ns=60 * NS_PER_S,
    )  # fmt: skip
    alone = FairValueProcess(["b"], [params], 3)
    at_once = alone.advance(HOUR_NS)
    piecewise = FairValueProcess(["b"], [params], 3)
    events = [event for ts in range(0, HOUR_NS + 1, 7 * NS_PER_S) for event in piecewise.advance(ts)]
    events += piecewise.advance(HOUR_NS)
    assert events == at_once
    pair = FairValueProcess(["a", "b"], [params, params], 3)
    pair.advance(HOUR_NS)
    assert pair.value_ticks(1) == alone.value_ticks(0)
    assert pair.value_ticks(0) != pair.value_ticks(1)


def test_a_shock_leaves_every_other_draw_where_it_was() -> None:
    params = FairValueParams(initial_ticks=10_000, daily_volatility=0.02, jumps_per_day=20, jump_sd=0.01)
    calm = FairValueProcess(["a"], [params], 9)
    hit = FairValueProcess(["a"], [params], 9, jumps=[ScheduledJump(ts_ns=HOUR_NS // 2, instrument="a", size=-0.1)])
    calm.advance(HOUR_NS)
    hit.advance(HOUR_NS)
    assert hit.value_ticks(0) == pytest.approx(0.9 * calm.value_ticks(0), rel=1e-12)


def test_bad_input_is_named() -> None:
    params = FairValueParams(initial_ticks=10_000)
    with pytest.raises(ScenarioError, match="no instrument 'c'"):
        FairValueProcess(["a"], [params], 1, jumps=[ScheduledJump(ts_ns=1, instrument="c", size=0.1)])
    with pytest.raises(ScenarioError, match="1 laws for 2 instruments"):
        FairValueProcess(["a", "b"], [params], 1)
