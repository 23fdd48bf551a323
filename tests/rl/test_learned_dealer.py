"""The experiment of a learned dealer: its parts do what it says, and its verdict can fail."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments import learned_dealer as experiment
from experiments.learned_dealer import FIRST_MEAN, FIXED, NAMES, FewNumbers, Generation, Play
from lob_sim.rl import DealerEnv, episode_return, market_seed, split_of
from lob_sim.sweep.task import TaskSpec

SHORT = ("horizon=15s",)


def test_the_policy_widens_with_the_gap_and_leaves_at_a_wide_one() -> None:
    env = DealerEnv(overrides=SHORT)
    policy = FewNumbers([2.0, 0.1, 10.0, 0.5, 8.0], env)
    at = [field.name for field in env.observation_fields].index("bond.belief_gap")
    seen: Any = np.zeros(env.observation_space.shape, np.float32)
    for gap, expected in ((0, [2, 0.1, 10, 1]), (-4, [4, 0.1, 10, 1]), (7, [5.5, 0.1, 10, 1]), (9, [6.5, 0.1, 10, 0])):
        seen[at] = gap
        np.testing.assert_allclose(policy(seen), [expected])
    assert np.asarray(FewNumbers([900, 0.1, 900, 0, 1], env)(seen), np.float32) in env.action_space


def test_the_numbers_of_the_baseline_are_the_baseline() -> None:
    play = Play("evaluation", SHORT)
    same = TaskSpec({"half_spread": 2.0, "skew": 0.02, "size": 10.0, "widening": 0.0, "most_gap": 1e9}, 3)
    found = [play(asked)["return"] for asked in (same, TaskSpec({"fixed_half_spread": 2}, 3))]
    assert found[0] == found[1] == episode_return(FIXED, DealerEnv(overrides=SHORT, split="evaluation"), 3)


def test_the_search_moves_towards_what_did_best_in_markets_of_training(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def returns(play: Play, points: Any, seeds: int, first: int, title: str) -> Any:
        asked.append((first, seeds))
        # Best at half-spread 5, whatever the rest.
        return np.array([[-abs(np.log(point["half_spread"] / 5.0))] * seeds for point in points])

    monkeypatch.setattr(Play, "returns", returns)
    found = experiment.search(Play("training", SHORT), 12, 40, 3, 0)
    assert np.exp(found[-1].mean[0]) == pytest.approx(5.0, rel=0.1)
    assert asked == [(3 * k, 3) for k in range(12)]  # each generation has markets of its own
    assert (found[-1].sd >= 0.05).all()
    assert split_of(market_seed("training", 35)) == "training"


def test_one_that_has_learned_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = FIRST_MEAN.copy()
    nothing[NAMES.index("widening")], nothing[NAMES.index("most_gap")] = -50, 50
    monkeypatch.setattr(experiment, "search", lambda *_: [Generation(nothing, nothing, np.zeros(4))])
    outcome = experiment.run(generations=1, candidates=4, episodes=1, seeds=2, horizon="101s")
    (row,) = outcome.rows
    assert row.measured == pytest.approx(0.0, abs=1e-9)
    assert not outcome.holds
