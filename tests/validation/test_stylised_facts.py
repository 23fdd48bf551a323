"""Stylised facts: the mechanisms in a quick version, the measures on series of known make, and what must fail."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from verdicts import failing

from experiments.validation import stylised_facts
from experiments.validation.order_splitting import (
    exponent,
    fitted_exponent,
    jackknife,
    more_left,
    sign_memory,
)
from experiments.validation.stylised_facts import judge, judge_impact, run_markets
from experiments.validation.stylised_markets import (
    CALM,
    CRISIS,
    LAGS,
    MAX_LOTS,
    METAORDERS,
    SIZES,
    WALL,
    ZERO,
    constant_impact_market,
    impact_markets,
    measure,
    measure_mids,
    memory_of,
    wall_market,
    zero_market,
)
from lob_sim.agents.context import Context
from lob_sim.experiment import mean_of
from strategies.metaorder_flow import MetaorderFlow

QUICK = stylised_facts.EXPERIMENT.quick
ALPHA = 1.5


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    markets = {ZERO: zero_market(QUICK["minutes"]), WALL: wall_market(ALPHA, QUICK["trades"])}
    return run_markets(markets, measure, QUICK["seeds"], "test")


# --- markets -------------------------------------------------------------------------------------------------


def test_splitters_remember_as_the_theory_says_and_zero_intelligence_does_not(frames: dict[str, pd.DataFrame]) -> None:
    rows = judge(frames, ALPHA)
    assert {row.claim.partition(":")[0] for row in rows} == {ZERO, WALL}
    assert failing(rows) == set()


def test_zero_intelligence_fails_the_memory_tests(frames: dict[str, pd.DataFrame]) -> None:
    failed = failing(judge({CRISIS: frames[ZERO], WALL: frames[ZERO].assign(share=1.0)}, ALPHA))
    assert {claim for claim in failed if "signs" in claim or "absolute" in claim} == {
        "crisis: autocorrelation of absolute returns, 1 to 2 min apart",
        "crisis: autocorrelation of signs, lags 1 to 10",
        "crisis: autocorrelation of signs, lags 11 to 50",
        "wall: autocorrelation of signs, lags 1 to 10",
        "wall: autocorrelation of signs, lags 11 to 50",
        "wall: exponent γ of the signs' memory",
    }


def test_another_exponent_of_sizes_is_noticed(frames: dict[str, pd.DataFrame]) -> None:
    assert "wall: autocorrelation of signs, lags 11 to 50" in failing(judge({WALL: frames[WALL]}, 1.9))


def test_splitters_that_draw_a_side_for_every_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    right = MetaorderFlow.on_wake

    def wrong(self: MetaorderFlow, ctx: Context, tag: int) -> None:
        for order in self.at_work:
            order.side = self._new(ctx, 1).side
        right(self, ctx, tag)

    monkeypatch.setattr(MetaorderFlow, "on_wake", wrong)
    frames = run_markets({WALL: wall_market(ALPHA, 1000)}, measure, 4, "test")
    assert len(failing(judge(frames, ALPHA))) == 3


def test_constant_impact_is_proportional_and_so_not_concave() -> None:
    impacts = stylised_facts.impacts_of(constant_impact_market(), 2)
    assert impacts[SIZES[0]].tolist() == [40.0 * SIZES[0]] * 2
    assert failing(stylised_facts.judge_constant_impact(impacts)) == set()
    more, concave = judge_impact(impacts)
    assert more.holds
    assert not concave.holds


def test_the_first_lots_of_a_large_metaorder_are_a_small_one() -> None:
    small, large = (
        measure_mids(impact_markets(constant_impact_market(), lots)["with"], 1, None).metrics for lots in (32, 64)
    )
    assert set(small) < set(large)
    assert small["mid_32"] == large["mid_32"] > 1_000_000


# --- theory --------------------------------------------------------------------------------------------------


def signs_without_engine(
    rng: np.random.Generator, trades: int, metaorders: int, share: float, largest: int
) -> np.ndarray:
    """The theory's order flow in a few lines, met at work."""
    at_least = np.arange(1.0, largest + 1) ** -ALPHA
    left = 1 + rng.choice(largest, metaorders, p=at_least / at_least.sum())
    sides = rng.choice([-1.0, 1.0], metaorders)
    signs = rng.choice([-1.0, 1.0], trades)
    for t in np.flatnonzero(rng.random(trades) < share):
        slot = rng.integers(metaorders)
        signs[t] = sides[slot]
        left[slot] -= 1
        if not left[slot]:
            left[slot] = min(largest, int((1 - rng.random()) ** (-1 / ALPHA)))
            sides[slot] = rng.choice([-1.0, 1.0])
    return signs


def test_theory_against_its_own_order_flow() -> None:
    rng, lags, largest = np.random.default_rng(5), (1, 3, 10, 40), 300
    runs = [signs_without_engine(rng, 3_000, 3, 0.6, largest) for _ in range(60)]
    theory = sign_memory(lags, ALPHA, largest, 3, 0.6)
    for lag, foretold in zip(lags, theory, strict=True):
        found = mean_of([np.mean(signs[:-lag] * signs[lag:]) for signs in runs])
        assert abs(found.value - foretold) < 4 * found.se


def test_one_metaorder_at_a_time_remembers_as_long_as_it_lasts() -> None:
    left = more_left(ALPHA, 1_000)
    assert sign_memory([1, 7, 999], ALPHA, 1_000, 1, 1.0) == pytest.approx(left[[0, 6, 998]])
    # Two lots at most: of the lots traded 1 in 1 + 2 * 2^-α... is the first of a pair.
    assert more_left(ALPHA, 2)[0] == pytest.approx(2**-ALPHA / (1 + 2**-ALPHA))


@pytest.mark.parametrize("alpha", [1.3, 1.5, 1.7])
def test_exponents_are_read_off_the_theory(alpha: float) -> None:
    memory = sign_memory(LAGS, alpha, MAX_LOTS, METAORDERS, 0.5)
    assert fitted_exponent(memory, MAX_LOTS, METAORDERS, 0.5) == pytest.approx(alpha - 1, abs=1e-4)
    steep = np.arange(1.0, 201.0) ** -(alpha - 1)
    assert exponent(steep) == pytest.approx(alpha - 1, abs=0.01)


def test_jackknife_of_a_mean_has_its_standard_error() -> None:
    sample = np.random.default_rng(2).normal(size=(30, 1))
    found, right = jackknife(sample, lambda mean: float(mean[0])), mean_of(sample[:, 0])
    assert (found.value, found.se) == pytest.approx((right.value, right.se))


# --- returns -------------------------------------------------------------------------------------------------


def clustered(rng: np.random.Generator, n: int) -> np.ndarray:
    """Returns whose volatility is high for a hundred steps, then low for as many; ends of blocks do not matter."""
    return np.where(np.arange(n) // 100 % 2, 3.0, 1.0) * rng.normal(size=n)


def sample_of(make: object, seeds: int = 30, n: int = 400) -> pd.DataFrame:
    assert callable(make)
    others = {"fair_kurtosis": 3.0, "share": 0.5} | {f"sign_{lag}": 0.0 for lag in LAGS}
    return pd.DataFrame([memory_of(make(np.random.default_rng(seed), n)) | others for seed in range(seeds)])


def test_gaussian_returns_show_no_fact_but_the_absence_of_memory() -> None:
    frame = sample_of(lambda rng, n: rng.normal(size=n))
    assert abs(mean_of(frame["kurtosis"]).value - 3) < 0.15
    for fact in ("linear", "linear_near", "absolute", "absolute_near"):
        found = mean_of(frame[fact])
        assert abs(found.value) < 4 * found.se
    failed = failing(judge({CALM: frame, CRISIS: frame}, ALPHA))
    assert "calm: kurtosis of 10 s returns less fair value's" in failed
    assert "crisis: autocorrelation of absolute returns, 1 to 2 min apart" in failed
    assert "calm: autocorrelation of returns, 1 to 2 min apart" not in failed


def test_clusters_of_volatility_and_trends_are_seen() -> None:
    failed = failing(judge({CRISIS: sample_of(clustered)}, ALPHA))
    assert not any("absolute" in claim or "kurtosis" in claim for claim in failed)
    trending = sample_of(lambda rng, n: rng.normal(size=n) + 0.7 * np.sin(np.arange(n) / 40))
    assert "calm: autocorrelation of returns, 1 to 2 min apart" in failing(judge({CALM: trending}, ALPHA))
