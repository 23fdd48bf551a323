"""What a policy is worth: its returns against another's in the same markets, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import gymnasium
import msgspec
import numpy as np
from numpy.typing import ArrayLike

from lob_sim.errors import InputError
from lob_sim.interactive.simulation import Simulation
from lob_sim.rl.environment import Episode, MarketEnv, Observation
from lob_sim.rl.seeds import market_seed
from lob_sim.rng import checked_seed
from lob_sim.sweep import Estimate, bootstrap
from lob_sim.sweep.design import once_each
from lob_sim.units import checked_whole

Policy: TypeAlias = Callable[[Observation], ArrayLike]
"""Decides on an observation. One with a method ``reset`` has it called before each episode."""


class Shipped(msgspec.Struct, frozen=True):
    """A strategy that sits in the seat itself, as it would in any scenario.

    Attributes:
        strategy: As a scenario names it, ``"module:Class"``.
        params: Its parameters.
    """

    strategy: str
    params: Mapping[str, Any] = {}


class Evaluation(msgspec.Struct, frozen=True):
    """Returns of a policy and of a baseline, episode by episode.

    Attributes:
        policy: Mean return of the policy, with a 95 % interval, in the reward's unit.
        baseline: The same of the baseline.
        difference: Mean of the paired differences, policy less baseline.
        returns: Of the policy, by episode.
        baseline_returns: Of the baseline.
        seeds: The markets' seeds.
    """

    policy: Estimate
    baseline: Estimate
    difference: Estimate
    returns: tuple[float, ...]
    baseline_returns: tuple[float, ...]
    seeds: tuple[int, ...]

    def __str__(self) -> str:
        return (
            f"policy {self.policy}, baseline {self.baseline}, difference {self.difference} "
            f"over {len(self.seeds)} episodes"
        )


MOST_EPISODES = 1_000_000


def evaluate(
    policy: Policy | Shipped | str,
    env: gymnasium.Env[Any, Any],
    *,
    baseline: Policy | Shipped | str,
    episodes: int | Iterable[int] = 20,
) -> Evaluation:
    """Let a policy and a baseline each play the same markets.

    Args:
        policy: Decides on observations; or a shipped strategy, as :class:`Shipped` or by its name alone.
        env: The environment; its split says which seeds are used.
        baseline: The same.
        episodes: So many episodes, with the split's first seeds; or the indices of their seeds.

    Raises:
        InputError: The environment is none of this package, a strategy or a parameter does not exist, an action is out
            of bounds, fewer than two episodes are asked for, or one twice.
    """
    market = env.unwrapped
    if not isinstance(market, MarketEnv):
        raise InputError(f"expected an environment of lob_sim.rl, got {type(market).__name__}", "env")
    if isinstance(episodes, Iterable):
        indices = [checked_seed(index) for index in episodes]
    else:
        indices = list(range(checked_whole(episodes, "episodes", 0, MOST_EPISODES, "a number of episodes")))
    if len(indices) < 2:
        raise InputError(f"expected two or more, got {len(indices)}: one tells nothing of its error", "episodes")
    seeds = tuple(market_seed(market.split, index) for index in indices)
    once_each(seeds, "episodes")
    ours = np.array([episode_return(policy, market, index) for index in indices])
    theirs = np.array([episode_return(baseline, market, index) for index in indices])
    return Evaluation(
        bootstrap(ours),
        bootstrap(theirs),
        bootstrap(ours - theirs),
        tuple(ours.tolist()),
        tuple(theirs.tolist()),
        seeds,
    )


def episode_return(policy: Policy | Shipped | str, env: MarketEnv, index: int) -> float:
    """Sum of the rewards of one episode.

    Args:
        policy: As for :func:`evaluate`.
        env: The environment.
        index: Of the seed, among those of the environment's split.
    """
    if isinstance(policy, str | Shipped):
        return _native_return(Shipped(policy) if isinstance(policy, str) else policy, env, index)
    if callable(begin := getattr(policy, "reset", None)):
        begin()
    observation, _ = env.reset(seed=index)
    total, over = 0.0, False
    while not over:
        observation, reward, over, _, _ = env.step(policy(observation))
        total += reward
    return total


def _native_return(shipped: Shipped, env: MarketEnv, index: int) -> float:
    scenario = env.native(shipped.strategy, shipped.params)
    episode = Episode(Simulation(scenario, market_seed(env.split, index)), env)
    total, over = 0.0, False
    while not over:
        reward, over = episode.go_on(env.ends_when_flat)
        total += reward
    return total
