from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sweep_tasks import bridge, failing, noisy

from lob_sim.errors import InputError
from lob_sim.sweep import (
    Axis,
    Serial,
    all_coalitions,
    bootstrap,
    coalition_points,
    coalition_values,
    contrasts,
    paired_difference,
    point_means,
    run_many,
    sampled_orders,
    samples,
    shapley,
    shapley_sampled,
    sobol_indices,
    sobol_points,
)
from lob_sim.sweep.coalitions import coalitions_of

PLAYERS = ("a", "b", "c", "d")
games = st.lists(st.builds(Fraction, st.integers(-5000, 5000), st.integers(1, 50)), min_size=16, max_size=16).map(
    lambda values: dict(zip(all_coalitions(PLAYERS), values, strict=True))
)


def set_of(*names: str) -> frozenset[str]:
    return frozenset(names)


# --- Shapley values ----------------------------------------------------------------------------------------


@given(games)
def test_shapley_is_efficient_exactly(game) -> None:
    assert sum(shapley(game).values()) == game[set_of(*PLAYERS)] - game[set_of()]


@given(games)
def test_shapley_is_the_mean_marginal_contribution_over_all_orders(game) -> None:
    total = dict.fromkeys(PLAYERS, Fraction(0))
    for order in itertools.permutations(PLAYERS):
        for i, player in enumerate(order):
            total[player] += game[frozenset(order[: i + 1])] - game[frozenset(order[:i])]
    assert shapley(game) == {player: value / 24 for player, value in total.items()}


@given(games)
def test_shapley_of_symmetric_players_is_equal_exactly(game) -> None:
    swap = {"a": "b", "b": "a"}
    even = {c: game[c] + game[frozenset(swap.get(p, p) for p in c)] for c in game}
    found = shapley(even)
    assert found["a"] == found["b"]


@given(games)
def test_shapley_of_a_dummy_is_what_it_adds_exactly(game) -> None:
    added = Fraction(7, 3)
    dummy = {c: game[c - {"d"}] + (added if "d" in c else 0) for c in game}
    assert shapley(dummy)["d"] == added


@given(games, games)
def test_shapley_is_additive_exactly(first, second) -> None:
    both = shapley({c: first[c] + second[c] for c in first})
    assert both == {p: shapley(first)[p] + shapley(second)[p] for p in PLAYERS}


def test_shapley_of_the_glove_game() -> None:
    # One left glove, two right ones; a pair is worth 1 (Shapley 1953's classic): 2/3, 1/6, 1/6.
    game = {c: Fraction(int("l" in c and bool(c & {"r", "s"}))) for c in all_coalitions("lrs")}
    assert shapley(game) == {"l": Fraction(2, 3), "r": Fraction(1, 6), "s": Fraction(1, 6)}


def test_shapley_works_seed_by_seed() -> None:
    rng = np.random.default_rng(0)
    game = {c: rng.standard_normal(5) for c in all_coalitions("ab")}
    whole = shapley(game)
    for i in range(5):
        assert {p: v[i] for p, v in whole.items()} == shapley({c: x[i] for c, x in game.items()})


def test_missing_coalition_is_named() -> None:
    game = dict.fromkeys(all_coalitions("ab"), 1)
    del game[set_of("b")]
    for method in (shapley, contrasts):
        with pytest.raises(InputError, match=r"\[\['b'\]\]"):
            method(game)
    with pytest.raises(InputError, match=r"\[\['b'\]\]"):
        shapley_sampled(game, [("b", "a"), ("a", "b")])


@given(games, st.integers(0, 1000))
def test_sampled_shapley_is_efficient_exactly_for_any_orders(game, seed: int) -> None:
    found = shapley_sampled(game, sampled_orders(PLAYERS, 3, seed))
    assert sum(s.value for s in found.values()) == game[set_of(*PLAYERS)] - game[set_of()]


def test_sampled_shapley_over_all_orders_is_the_exact_one() -> None:
    rng = np.random.default_rng(1)
    game = {c: Fraction(int(rng.integers(-50, 50))) for c in all_coalitions(PLAYERS)}
    forward = [order for order in itertools.permutations(PLAYERS) if order < order[::-1]]
    orders = [o for order in forward for o in (order, order[::-1])]
    assert {p: s.value for p, s in shapley_sampled(game, orders).items()} == shapley(game)


def test_sampling_error_of_sampled_shapley_covers_the_exact_value() -> None:
    rng = np.random.default_rng(2)
    players = "abcdef"
    game = {c: float(rng.standard_normal()) for c in all_coalitions(players)}
    exact = shapley(game)
    z = [
        (s.value - exact[p]) / s.sampling_se
        for seed in range(200)
        for p, s in shapley_sampled(game, sampled_orders(players, 30, seed)).items()
    ]
    # 200 independent samples of six dependent players: the share's error is at most that of 200 draws.
    assert abs(np.mean(np.abs(z) < stats.t.ppf(0.975, 29)) - 0.95) < 3 * math.sqrt(0.05 * 0.95 / 200)


def test_sampled_orders_come_in_antithetic_pairs_and_need_few_coalitions() -> None:
    orders = sampled_orders(PLAYERS, 5, 3)
    assert all(orders[i + 1] == orders[i][::-1] for i in range(0, 10, 2))
    assert orders == sampled_orders(PLAYERS, 5, 3) != sampled_orders(PLAYERS, 5, 4)
    assert coalitions_of([("a", "b"), ("b", "a")]) == [set_of(), set_of("a"), set_of("a", "b"), set_of("b")]
    with pytest.raises(InputError, match="1 or more"):
        sampled_orders(PLAYERS, 0)


# --- factorial contrasts -----------------------------------------------------------------------------------


def test_interaction_of_a_two_by_two() -> None:
    values = {set_of(): 1, set_of("a"): 4, set_of("b"): 6, set_of("a", "b"): 20}
    found = contrasts(values)
    assert found[set_of("a", "b")] == 20 - 4 - 6 + 1
    assert found[set_of("a")] == ((4 - 1) + (20 - 6)) / 2
    assert found[set_of("b")] == ((6 - 1) + (20 - 4)) / 2


def test_additive_effects_have_no_interaction() -> None:
    effect = {"a": 1, "b": 10, "c": 100}
    found = contrasts({c: sum(effect[p] for p in c) for c in all_coalitions(effect)})
    assert {tuple(sorted(c)): v for c, v in found.items() if v} == {("a",): 1, ("b",): 10, ("c",): 100}


def test_two_by_two_from_runs_removes_the_common_noise() -> None:
    points = coalition_points({"a": {"a.on": False}, "b": {"b.on": False}}, fixed={"size": 2})
    assert points[set_of("a")] == {"size": 2, "b.on": False}
    assert points[set_of("a", "b")] == {"size": 2}
    frame = run_many(bridge, list(points.values()), 20, Serial())
    values = coalition_values(frame, "loss", list(points))
    assert values[set_of()].std() > 5  # The noise is there,
    interaction = bootstrap(contrasts(values)[set_of("a", "b")])
    assert interaction.value == pytest.approx(3.0, abs=1e-12)  # and gone from the contrast.
    assert interaction.high - interaction.low < 1e-12
    shares = shapley(values)
    assert np.allclose(shares["a"], 2.5, atol=1e-12)


def test_coalition_values_are_aligned_by_seed_and_drop_what_failed() -> None:
    frame = run_many(noisy, [{"x": 0}, {"x": 1}], 6, Serial())
    shuffled = frame.sample(frac=1.0, random_state=1)
    shuffled.loc[shuffled["run"] == 2, "status"] = "failed"
    values = coalition_values(shuffled, "y", [set_of(), set_of("x")])
    assert len(values[set_of()]) == 5
    assert np.allclose(values[set_of("x")] - values[set_of()], 2.0, atol=1e-12)
    shuffled["status"] = "failed"
    with pytest.raises(InputError, match="0 points"):
        coalition_values(shuffled, "y", [set_of(), set_of("x")])


# --- paired differences and intervals ----------------------------------------------------------------------


def test_paired_difference_under_common_random_numbers() -> None:
    frame = run_many(noisy, [{"x": 0.0}, {"x": 0.5}], 30, Serial())
    paired = paired_difference(frame, "y", {"x": 0.5}, {"x": 0.0})
    assert paired.value == pytest.approx(1.0, abs=1e-12)
    assert paired.n == 30
    assert paired.high - paired.low < 1e-12
    unpaired = samples(frame, "y", 1).mean() - samples(frame, "y", 0).to_numpy()[::-1]
    assert unpaired.std() > 0.5  # Without the pairing the noise would be in the way.


def test_paired_difference_uses_complete_pairs() -> None:
    frame = run_many(noisy, [{"x": 0}, {"x": 1}], 10, Serial())
    frame.loc[[3, 14], "status"] = "failed"
    assert paired_difference(frame, "y", 1, 0).n == 8


def test_samples_must_single_out_a_point() -> None:
    frame = run_many(noisy, [{"x": 0, "z": 1}, {"x": 1, "z": 1}], 3, Serial())
    with pytest.raises(InputError, match="2 points"):
        samples(frame, "y", {"z": 1})
    with pytest.raises(InputError, match="0 points"):
        samples(frame, "y", {"x": 7})
    with pytest.raises(InputError, match=r"'nois'.*did you mean 'noise'"):
        samples(frame, "nois", 0)


def test_point_means() -> None:
    frame = run_many(failing, [{"x": 1}, {"x": 3}], 4, Serial())
    assert point_means(frame, "y")[1] - point_means(frame, "y")[0] == pytest.approx(4.0)
    with pytest.raises(InputError, match=r"points \[1\]"):
        point_means(run_many(failing, [{"x": 1}, {"x": 2}], 4, Serial()), "y")


def test_bootstrap_width_is_that_of_the_standard_error() -> None:
    x = np.random.default_rng(6).standard_normal(400)
    found = bootstrap(x)
    half = 1.96 * x.std() / math.sqrt(len(x))
    assert found.low == pytest.approx(x.mean() - half, abs=0.1 * half)
    assert found.high == pytest.approx(x.mean() + half, abs=0.1 * half)


def test_bca_moves_with_the_skewness() -> None:
    x = np.random.default_rng(7).exponential(size=40)
    found = bootstrap(x, spread)
    assert found.high - found.value > found.value - found.low


def spread(x: np.ndarray, axis: int) -> np.ndarray:
    return x.std(axis=axis, ddof=1)


def test_bootstrap_of_what_varies_too_little() -> None:
    assert bootstrap([2.0, 2.0, 2.0]).low == 2.0 == bootstrap([2.0, 2.0, 2.0]).high
    alone = bootstrap([2.0])
    assert (alone.value, alone.n) == (2.0, 1)
    assert math.isnan(alone.low)
    odd = bootstrap([0.0] * 20 + [1.0], np.median)  # BCa is undefined: no deletion moves the median.
    assert (odd.value, math.isnan(odd.low), math.isnan(odd.high)) == (0.0, True, True)


def test_bootstrap_is_reproducible_and_its_seed_matters() -> None:
    x = np.random.default_rng(8).standard_normal(30)
    assert bootstrap(x, spread) == bootstrap(x, spread)
    assert bootstrap(x, spread, seed=1) != bootstrap(x, spread)
    assert bootstrap(x, seed=1) == bootstrap(x)  # Nothing is drawn for a mean.


@pytest.mark.parametrize("bad", [[], [1.0, math.nan], [1.0, math.inf], [[1.0, 2.0]]])
def test_bootstrap_refuses_what_is_no_sample(bad) -> None:
    with pytest.raises(InputError, match="finite observations"):
        bootstrap(bad)


# --- Sobol indices -----------------------------------------------------------------------------------------

ISHIGAMI_AXES = tuple(Axis(name, (), -math.pi, math.pi) for name in ("x1", "x2", "x3"))


def ishigami(points) -> np.ndarray:
    x = pd.DataFrame(points)
    return (np.sin(x["x1"]) + 7 * np.sin(x["x2"]) ** 2 + 0.1 * x["x3"] ** 4 * np.sin(x["x1"])).to_numpy()


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 100))
def test_sobol_indices_of_the_ishigami_function(seed: int) -> None:
    points = sobol_points(ISHIGAMI_AXES, 2048, seed)
    assert len(points) == 2048 * 5
    found = sobol_indices(ISHIGAMI_AXES, ishigami(points), seed=seed).astype(float).to_dict("index")
    # Ishigami and Homma (1990), a = 7, b = 0.1, in closed form.
    variance = 49 / 8 + 0.1 * math.pi**4 / 5 + 0.01 * math.pi**8 / 18 + 0.5
    v1, v2 = 0.5 * (1 + 0.1 * math.pi**4 / 5) ** 2, 49 / 8
    v13 = 0.01 * math.pi**8 * (1 / 18 - 1 / 50)
    first = {"x1": v1 / variance, "x2": v2 / variance, "x3": 0.0}
    total = {"x1": (v1 + v13) / variance, "x2": v2 / variance, "x3": v13 / variance}
    for name in first:
        # Twice the half-width of 95 %: four standard errors.
        assert abs(found[name]["S1"] - first[name]) < 2 * found[name]["S1_conf"] + 1e-9
        assert abs(found[name]["ST"] - total[name]) < 2 * found[name]["ST_conf"] + 1e-9
        assert found[name]["ST_conf"] < 0.1


def test_sobol_indices_refuse_what_they_cannot_use() -> None:
    with pytest.raises(InputError, match="power of two"):
        sobol_points(ISHIGAMI_AXES, 100)
    with pytest.raises(InputError, match=r"n·5 points"):
        sobol_indices(ISHIGAMI_AXES, np.arange(12.0))
    with pytest.raises(InputError, match="no variance"):
        sobol_indices(ISHIGAMI_AXES, np.ones(20))


def test_sobol_indices_are_reproducible() -> None:
    points = sobol_points(ISHIGAMI_AXES, 64)
    assert points == sobol_points(ISHIGAMI_AXES, 64)
    y = ishigami(points)
    pd.testing.assert_frame_equal(sobol_indices(ISHIGAMI_AXES, y), sobol_indices(ISHIGAMI_AXES, y))
