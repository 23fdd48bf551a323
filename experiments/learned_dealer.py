"""Does a dealer whose few numbers were learned beat the fixed-spread dealer in markets that it has never seen?

The dealer's seat of ``learning_market`` is driven through the environment ``lob_sim/Dealer-v0``. The policy has five
numbers: half-spread, skew per lot, size, how much wider it quotes for each tick between what it believes and what the
book shows, and at how wide a gap it leaves. They are found by the cross-entropy method (Rubinstein 1999): a normal
distribution over their logarithms, from which candidates are drawn; the best of them in the training markets, the same
for all candidates of a generation, make the next distribution. The fixed-spread dealer (Demsetz 1968) is the shipped
one with its defaults, in the same seat and paid by the same formula.

Expected, before the first run: the learned dealer earns more on the seeds of evaluation, because the baseline's terms
were chosen for no market in particular. How much of that is due to the two numbers with which it heeds the book is
open; so is what it does under stress, a fall of value of 1 % that it was not trained on: what is learned where nothing
happens need not do where something does. The claim is the first alone, and on unseen seeds.

Learnt, on 100 unseen seeds: the claim holds, by 15.2 [9.4, 21.0] thousand an episode on the baseline's 51.6. It learned
to quote a little tighter (1.8 ticks), in smaller size (4 lots), to lean less (0.007 ticks a lot), to widen by 0.06
ticks a tick of gap, and to leave at 13 ticks. Both lose heavily under the stress, the learned dealer less: by 117
[40, 194] thousand on a loss of 1,008. No other search seed was tried.

Beside the baseline is reported the fixed-spread dealer whose half-spread did best of five others on the training seeds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import typer
from numpy.typing import NDArray

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.experiment import Experiment, Outcome, ResultTable, exceeds, mean_of, run_cells
from lob_sim.rl import DealerEnv, Shipped, Split, episode_return
from lob_sim.sweep import bootstrap
from lob_sim.sweep.task import TaskSpec, Value

Floats = NDArray[np.float64]
FIXED = "strategies.fixed_spread:FixedSpreadDealer"
NAMES = ("half_spread", "skew", "size", "widening", "most_gap")
FIRST_MEAN = np.log([2.0, 0.02, 10.0, 0.1, 10.0])
"""Where the search begins: the baseline's own terms, and little heed of the book."""
FIRST_SD = np.array([0.6, 1.0, 0.6, 1.0, 1.0])
LEAST_SD = 0.05
HALF_SPREADS = (1, 3, 4, 5, 6)
"""Of fixed-spread dealers other than that with the defaults."""
STRESS = "shocks=[{instrument='bond', at='100s', size=-0.01}]"


class FewNumbers:
    """The policy.

    Args:
        numbers: In the order of ``NAMES``: half-spread in ticks, skew in ticks a lot, size in lots, widening in ticks a
            tick of gap between belief and visible price, and the gap in ticks from which on it is away.
        env: The environment that it decides in.
    """

    def __init__(self, numbers: Sequence[float], env: DealerEnv) -> None:
        self._numbers = tuple(numbers)
        self._gap = [field.name.rpartition(".")[2] for field in env.observation_fields].index("belief_gap")
        space: Any = env.action_space
        self._low, self._high = space.low.astype(np.float64), space.high.astype(np.float64)

    def __call__(self, observation: NDArray[np.float32]) -> Floats:
        """Terms for what is observed."""
        half_spread, skew, size, widening, most_gap = self._numbers
        gap = abs(float(observation[self._gap]))
        wanted = [[half_spread + widening * gap, skew, size, float(gap < most_gap)]]
        return np.clip(wanted, self._low, self._high)


class Play(msgspec.Struct, frozen=True):
    """A task: one episode, of the policy or of a fixed-spread dealer.

    Attributes:
        split: Whose seeds.
        overrides: Of the scenario.
    """

    split: Split
    overrides: tuple[str, ...]

    def __call__(self, spec: TaskSpec) -> Mapping[str, float]:
        """Its return, in thousands of currency units."""
        env = DealerEnv(overrides=self.overrides, split=self.split)
        given: Any = spec.overrides
        if "fixed_half_spread" in given:
            dealer = Shipped(FIXED, {"half_spread_ticks": given["fixed_half_spread"]})
            return {"return": episode_return(dealer, env, spec.seed)}
        policy = FewNumbers([given[name] for name in NAMES], env)
        return {"return": episode_return(policy, env, spec.seed)}

    def returns(
        self, points: Sequence[Mapping[str, Value]], seeds: int, first: int, title: str | None = None
    ) -> Floats:
        """Returns by point and seed."""
        frame = run_cells(self, points, seeds, title, first)
        found: Floats = frame["return"].to_numpy(np.float64).reshape(len(points), seeds)
        return found


class Generation(msgspec.Struct, frozen=True):
    """What a generation of the search found: the distribution after it, and its candidates' mean returns."""

    mean: Floats
    sd: Floats
    scores: Floats


def search(play: Play, generations: int, candidates: int, episodes: int, seed: int) -> list[Generation]:
    """The cross-entropy method: the best fifth of each generation make the next.

    Every generation has markets of its own, which all of its candidates play.
    """
    random = np.random.default_rng(seed)
    mean, sd = FIRST_MEAN, FIRST_SD
    found: list[Generation] = []
    for k in range(generations):
        drawn = mean + sd * random.standard_normal((candidates, len(NAMES)))
        points = [_point(numbers) for numbers in drawn]
        scores = play.returns(points, episodes, k * episodes, f"generation {k + 1} of {generations}").mean(axis=1)
        best = drawn[np.argsort(-scores, kind="stable")[: max(2, candidates // 5)]]
        mean, sd = best.mean(axis=0), np.maximum(best.std(axis=0), LEAST_SD)
        found.append(Generation(mean, sd, scores))
    return found


def run(
    generations: Annotated[int, typer.Option(min=1, help="Generations of the search.")] = 8,
    candidates: Annotated[int, typer.Option(min=4, help="Candidates of each.")] = 24,
    episodes: Annotated[int, typer.Option(min=1, help="Training markets that each plays.")] = 6,
    seeds: Annotated[int, typer.Option(min=2, help="Unseen markets in which it is judged.")] = 100,
    horizon: Annotated[
        str, typer.Option(help="Length of an episode; the shock of the stress comes at 2.5 min.")
    ] = "5min",
    search_seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
) -> Outcome:
    """Train on the seeds of training, judge on those of evaluation, look at those of stress."""
    calm = (f"horizon={horizon}",)
    found = search(Play("training", calm), generations, candidates, episodes, search_seed)
    learned = _point(found[-1].mean)
    fixed = [{"fixed_half_spread": half} for half in HALF_SPREADS]
    trained = Play("training", calm).returns(fixed, generations * episodes, 0, "fixed spreads").mean(axis=1)
    best = fixed[int(np.argmax(trained))]
    points: list[Mapping[str, Value]] = [learned, {"fixed_half_spread": 2}, best]
    judged = {
        "unseen": Play("evaluation", calm).returns(points, seeds, 0, "evaluation"),
        "stress": Play("stress", (*calm, STRESS)).returns(points, seeds, 0, "stress"),
    }
    ours, theirs, _ = judged["unseen"]
    gain = mean_of(ours - theirs)
    row = exceeds(
        "learned less fixed spread, unseen seeds (thousands of currency units an episode)",
        gain.value,
        0.0,
        gain.se,
        "cross-entropy method, Rubinstein (1999)",
    )
    numbers = ResultTable("What was learned", list(NAMES), [[float(learned[name]) for name in NAMES]])
    return Outcome([row], lambda path: _draw(path, found, judged["unseen"]), [_table(judged, best), numbers])


def _point(logs: Floats) -> dict[str, Value]:
    return dict(zip(NAMES, np.exp(logs).tolist(), strict=True))


def _table(judged: Mapping[str, Floats], best: Mapping[str, Value]) -> ResultTable:
    harder = f"fixed at {best['fixed_half_spread']}"
    columns = ["markets", "learned", "fixed at 2", harder, "learned less fixed at 2", f"learned less {harder}"]
    lines: list[list[Any]] = [
        [name, *map(bootstrap, returns), bootstrap(returns[0] - returns[1]), bootstrap(returns[0] - returns[2])]
        for name, returns in judged.items()
    ]
    return ResultTable("Returns (thousands of currency units an episode): mean [95 % interval]", columns, lines)


def _draw(path: Path, found: Sequence[Generation], unseen: Floats) -> None:
    figure, (left, right) = new_figure(1, 2)
    for k, generation in enumerate(found):
        left.scatter(np.full_like(generation.scores, k + 1), generation.scores, s=8, color=COLOURS[0], alpha=0.5)
    left.plot(range(1, len(found) + 1), [g.scores.mean() for g in found], color=COLOURS[0])
    left.set_xlabel("generation")
    left.set_title("Return of candidates, training seeds (thousands)", fontsize="small")
    right.scatter(unseen[1], unseen[0], s=10, color=COLOURS[1])
    ends = [float(unseen[:2].min()), float(unseen[:2].max())]
    right.plot(ends, ends, color="grey", linewidth=0.8)
    right.set_xlabel("fixed-spread dealer")
    right.set_ylabel("learned dealer")
    right.set_title("Returns in the same unseen markets (thousands)", fontsize="small")
    save(figure, path)


EXPERIMENT = Experiment(
    "learned_dealer",
    run,
    quick={"generations": 3, "candidates": 12, "episodes": 3, "seeds": 24, "horizon": "2min"},
)
main = EXPERIMENT.main

if __name__ == "__main__":
    main()
