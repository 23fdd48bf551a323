"""A policy is compared with another in the same markets, and with shipped strategies as they would be themselves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import lob_sim.rl as rl
from lob_sim import InputError

FIXED = "strategies.fixed_spread:FixedSpreadDealer"


@pytest.fixture
def env() -> Any:
    return gymnasium.make("lob_sim/Dealer-v0", overrides=("horizon=30s",), split="evaluation")


class Constant:
    def __init__(self, half_spread: float) -> None:
        self.begun = 0
        self.action = np.array([[half_spread, 0.02, 10, 1]])

    def reset(self) -> None:
        self.begun += 1

    def __call__(self, observation: Any) -> Any:
        return self.action


def test_a_policy_that_is_the_baseline_differs_by_nothing(env: Any) -> None:
    policy = Constant(2)
    found = rl.evaluate(policy, env, baseline=FIXED, episodes=3)
    assert policy.begun == 3
    assert found.returns == found.baseline_returns
    assert (found.difference.value, found.difference.low, found.difference.high) == (0, 0, 0)
    assert len(set(found.returns)) == 3
    assert [rl.split_of(seed) for seed in found.seeds] == ["evaluation"] * 3


def test_differences_are_paired(env: Any) -> None:
    found = rl.evaluate(Constant(3), env, baseline=rl.Shipped(FIXED, {"half_spread_ticks": 6}), episodes=[4, 7, 9])
    gaps = np.subtract(found.returns, found.baseline_returns)
    assert found.difference.value == pytest.approx(gaps.mean())
    # Student's t with two degrees of freedom.
    reach = 4.302652729911275 * gaps.std(ddof=1) / np.sqrt(3)
    assert found.difference.high - found.difference.low == pytest.approx(2 * reach)
    assert found.seeds == tuple(rl.market_seed("evaluation", index) for index in (4, 7, 9))
    assert found.policy.value - found.baseline.value == pytest.approx(found.difference.value)
    assert "over 3 episodes" in str(found)


def test_two_shipped_strategies_can_be_compared(env: Any) -> None:
    two: Any = np.int64(2)
    other = rl.evaluate("strategies.buy_and_hold:BuyAndHold", env, baseline=FIXED, episodes=two)
    assert other.returns == (0.0, 0.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"baseline": "strategies.no_such:Dealer"}, "no_such"),
        ({"baseline": rl.Shipped(FIXED, {"half_spred_ticks": 1})}, "half_spread_ticks"),
        ({"baseline": FIXED, "episodes": 1}, "expected two or more, got 1"),
        ({"baseline": FIXED, "episodes": [0, 1, 2] * 10}, "episodes: seed 1 is there twice"),
        ({"baseline": FIXED, "episodes": 2.0}, "episodes: expected a number of episodes, got 2.0"),
        ({"baseline": FIXED, "episodes": True}, "episodes: expected a number of episodes, got True"),
        ({"baseline": FIXED, "episodes": 10**12}, "episodes: expected a number of episodes from 0 to"),
        ({"baseline": FIXED, "episodes": [3, -1]}, "seed: expected a whole number, 0 or more"),
    ],
)
def test_what_cannot_be_compared_is_told(given: dict[str, Any], told: str, env: Any) -> None:
    with pytest.raises(InputError, match=told):
        rl.evaluate(Constant(2), env, **given)


def test_another_environment_is_refused() -> None:
    with pytest.raises(InputError, match=r"env: expected an environment of lob_sim\.rl"):
        rl.evaluate(Constant(2), gymnasium.make("CartPole-v1"), baseline=FIXED)


def test_the_recipe_of_the_page_on_learning_is_python() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/learning.md").read_text(encoding="utf-8")
    (recipe,) = re.findall(r'^```python title="train_ppo.py"\n(.*?)^```$', page, re.DOTALL | re.MULTILINE)
    compile(recipe, "train_ppo.py", "exec")
