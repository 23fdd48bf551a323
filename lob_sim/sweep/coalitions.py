"""What each mechanism contributes: factorial contrasts and Shapley values, seed by seed.

::

    points = coalition_points({"balance": {"slr.on": False}, "information": {"retreat.on": False}})
    frame = run_many(task, list(points.values()), seeds=200)
    values = coalition_values(frame, "overshoot", list(points))
    interaction = bootstrap(contrasts(values)[frozenset({"balance", "information"})])
    shares = {name: bootstrap(per_seed) for name, per_seed in shapley(values).items()}
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np
import pandas as pd

from lob_sim.analysis.tables import whole_number
from lob_sim.errors import InputError
from lob_sim.sweep.design import Point
from lob_sim.sweep.statistics import Floats, samples
from lob_sim.sweep.task import Value

Coalition: TypeAlias = frozenset[str]


def all_coalitions(players: Iterable[str]) -> list[Coalition]:
    """All subsets, smallest first, in the order of the players."""
    names = list(players)
    return [frozenset(c) for size in range(len(names) + 1) for c in itertools.combinations(names, size)]


def coalition_points(
    off: Mapping[str, Mapping[str, Value]],
    coalitions: Iterable[Coalition] | None = None,
    fixed: Mapping[str, Value] | None = None,
) -> dict[Coalition, Point]:
    """The point at which exactly the mechanisms of a coalition are on, for each coalition.

    Args:
        off: Mechanism → the overrides that switch it off; on is how the scenario has it.
        coalitions: Which; by default all 2**k.
        fixed: Overrides of every point.
    """
    wanted = all_coalitions(off) if coalitions is None else list(coalitions)
    return {
        coalition: {
            **(fixed or {}),
            **{path: value for name in off if name not in coalition for path, value in off[name].items()},
        }
        for coalition in wanted
    }


def coalition_values(frame: pd.DataFrame, metric: str, coalitions: Sequence[Coalition]) -> dict[Coalition, Floats]:
    """A metric's samples for each coalition, aligned by seed.

    Args:
        frame: Rows of :func:`lob_sim.sweep.run_many` over the coalitions' points, in this order.
        metric: Column.
        coalitions: Coalition of point 0, 1, …

    Returns:
        Arrays of one length: the seeds for which every coalition's run succeeded, in increasing order.

    Raises:
        InputError: As of :func:`samples`; or no seed succeeded everywhere.
    """
    columns = {coalition: samples(frame, metric, i) for i, coalition in enumerate(coalitions)}
    whole = pd.concat(list(columns.values()), axis=1, join="inner").sort_index()
    if whole.empty:
        raise InputError(f"no seed succeeded with {metric} at all {len(coalitions)} points", "results")
    return {c: whole.iloc[:, i].to_numpy(dtype=np.float64) for i, c in enumerate(columns)}


def contrasts(values: Mapping[Coalition, Any]) -> dict[Coalition, Any]:
    """Contrasts of a full two-level factorial, one per non-empty set of factors.

    The contrast of {A} is the effect of switching A on; that of {A, B} is the difference between A's effect
    with B on and with B off (in a 2×2: v(AB) − v(A) − v(B) + v(∅)); and so on; each is the mean over the
    levels of all other factors.

    Args:
        values: Value of every subset of the factors: numbers, or arrays over seeds.

    Raises:
        InputError: A subset is missing, or arrays are of different lengths.
    """
    players = _players_of(values)
    result: dict[Coalition, Any] = {}
    for chosen in all_coalitions(players)[1:]:
        total: Any = 0
        for coalition in all_coalitions(players):
            sign = -1 if len(chosen - coalition) % 2 else 1
            total = total + sign * values[coalition]
        result[chosen] = total / 2 ** (len(players) - len(chosen))
    return result


def shapley(values: Mapping[Coalition, Any]) -> dict[str, Any]:
    """Exact Shapley values (Shapley 1953): each player's mean marginal contribution over all orders of entry.

    The sums have integer weights and are divided once at the end, so that integers, fractions and equal
    floating-point values keep efficiency, symmetry and the dummy axiom exactly.

    Args:
        values: Value of every subset of the players: numbers, or arrays over seeds.

    Raises:
        InputError: A subset is missing, or arrays are of different lengths.
    """
    players = _players_of(values)
    n = len(players)
    result: dict[str, Any] = {}
    for player in players:
        total: Any = 0
        for rest in all_coalitions(p for p in players if p != player):
            weight = math.factorial(len(rest)) * math.factorial(n - 1 - len(rest))
            total = total + weight * (values[rest | {player}] - values[rest])
        result[player] = total / math.factorial(n)
    return result


def _players_of(values: Mapping[Coalition, Any]) -> list[str]:
    players = sorted(frozenset().union(*values))
    missing = [sorted(c) for c in all_coalitions(players) if c not in values]
    if missing or not players:
        raise InputError(f"no value for the coalitions {missing[:5]}: expected all 2**{len(players)}", "values")
    _check_shapes(values)
    return players


def _check_shapes(values: Mapping[Coalition, Any]) -> None:
    """Values of different shapes would be spread over each other, and a seed be taken for all."""
    shapes = {np.shape(value) for value in values.values()}
    if len(shapes) > 1:
        raise InputError(
            f"values of shapes {sorted(shapes)}: expected numbers, or arrays over the same seeds", "values"
        )


class ShapleySample(msgspec.Struct, frozen=True):
    """A Shapley value estimated from sampled orders.

    Attributes:
        value: The estimate; an array over seeds where the values are.
        sampling_se: Standard error, from the choice of orders alone, of the estimate's mean over seeds; NaN
            with fewer than two pairs of orders.
    """

    value: Any
    sampling_se: float


def sampled_orders(players: Sequence[str], pairs: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Random orders of entry, each followed by its reverse: antithetic pairs lower the variance.

    Raises:
        InputError: ``pairs`` is below 1, or no integer.
    """
    pairs = whole_number("pairs", pairs, 1, "pairs of orders")
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    orders: list[tuple[str, ...]] = []
    for _ in range(pairs):
        order = tuple(players[i] for i in rng.permutation(len(players)))
        orders += [order, order[::-1]]
    return orders


def coalitions_of(orders: Iterable[Sequence[str]]) -> list[Coalition]:
    """The coalitions that the orders pass through, each once: all that has to be run."""
    seen = {frozenset(order[:size]): None for order in orders for size in range(len(order) + 1)}
    return list(seen)


def shapley_sampled(values: Mapping[Coalition, Any], orders: Sequence[tuple[str, ...]]) -> dict[str, ShapleySample]:
    """Shapley values from sampled orders (Castro, Gómez and Tejada 2009); efficient for any sample of orders.

    Args:
        values: Value of every coalition of :func:`coalitions_of`.
        orders: As from :func:`sampled_orders`: antithetic pairs side by side.

    Raises:
        InputError: A coalition's value is missing, or arrays are of different lengths; there are no orders, an odd
            number of them, or orders of different players.
    """
    if not orders or len(orders) % 2:
        raise InputError(f"{len(orders)} orders: expected pairs of them, one or more", "orders")
    if any(len(order) != len(set(order)) or set(order) != set(orders[0]) for order in orders):
        raise InputError("expected orders of the same players, each once", "orders")
    missing = [sorted(c) for c in coalitions_of(orders) if c not in values]
    if missing:
        raise InputError(f"no value for the coalitions {missing[:5]}", "values")
    _check_shapes(values)
    marginal: dict[str, list[Any]] = {player: [] for player in sorted(orders[0])}
    for order in orders:
        for i, player in enumerate(order):
            marginal[player].append(values[frozenset(order[: i + 1])] - values[frozenset(order[:i])])
    return {player: _shapley_sample(parts) for player, parts in marginal.items()}


def _shapley_sample(parts: Sequence[Any]) -> ShapleySample:
    means = np.array([float(np.mean(part)) for part in parts])
    pair_means = means.reshape(-1, 2).mean(axis=1)
    se = float(pair_means.std(ddof=1) / math.sqrt(len(pair_means))) if len(pair_means) > 1 else math.nan
    return ShapleySample(sum(parts) / len(parts), se)
