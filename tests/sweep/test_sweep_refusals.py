"""Samples and designs from which nothing can be learnt are refused, by the name of what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lob_sim.errors import InputError
from lob_sim.sweep import (
    Estimate,
    all_coalitions,
    bootstrap,
    compare_groups,
    contrasts,
    paired_difference,
    parse_axis,
    point_means,
    sampled_orders,
    samples,
    shapley,
    shapley_sampled,
    sobol_indices,
    sobol_points,
)
from lob_sim.sweep.tables import curves, differences, maps, summarise


def runs(seeds: list[int]) -> pd.DataFrame:
    """Two points of an axis ``x``, with these seeds each."""
    rows = [
        {"point": p, "seed": seed, "status": "ok", "x": x, "y": x + 0.1 * seed * seed}
        for p, x in enumerate((1, 2))
        for seed in seeds
    ]
    frame = pd.DataFrame(rows)
    frame.attrs |= {"parameters": ["x"], "metrics": ["y"]}
    return frame


@pytest.mark.parametrize(
    "made",
    [
        lambda frame: samples(frame, "y", 0),
        lambda frame: paired_difference(frame, "y", 1, 0),
        lambda frame: point_means(frame, "y"),
        summarise,
        lambda frame: curves(frame, ["y"], ["x"], sampled=False),
        lambda frame: curves(frame, ["y"], ["x"], sampled=True),
        lambda frame: maps(frame, ["y"], ["x", "point"]),
        lambda frame: differences(frame, ["y"], ["x"]),
        lambda frame: compare_groups({"a": frame[frame["point"] == 0].set_index("seed")[["y"]]}),
    ],
)
def test_a_seed_twice_is_no_second_observation(made) -> None:
    with pytest.raises(InputError, match="seed 2 is there twice"):
        made(runs([1, 2, 3, 2]))
    found = made(runs([1, 2, 3]))  # The control.
    assert found.n == 3 if isinstance(found, Estimate) else len(found)


AXES = [parse_axis("a=0:1"), parse_axis("b=0:1")]
GAME = {coalition: float(len(coalition)) for coalition in all_coalitions("ab")}
TEXT = pd.DataFrame({"y": ["one", "two"]}, index=[1, 2])


@pytest.mark.parametrize(
    ("told", "made"),
    [
        ("groups: no group", lambda: compare_groups({})),
        ("group 'a', metric 'y': a value is no number", lambda: compare_groups({"a": TEXT})),
        ("column 'y': a value is no number", lambda: point_means(runs([1, 2]).assign(y="one"), "y")),
        ("metric 'y': a value is no number", lambda: differences(runs([1, 2]).assign(y="one"), ["y"], ["x"])),
        ("bootstrap: a value is no number", lambda: bootstrap(["one", "two"])),
        ("orders: 0 orders", lambda: shapley_sampled(GAME, [])),
        ("orders: 3 orders", lambda: shapley_sampled(GAME, [("a", "b"), ("b", "a"), ("a", "b")])),
        ("orders: expected orders of the same players", lambda: shapley_sampled(GAME, [("a", "b"), ("b",)])),
        ("pairs: 2.0 pairs of orders: expected an integer", lambda: sampled_orders("ab", 2.0)),  # type: ignore[arg-type]
        ("axes: no axes", lambda: sobol_points([], 4)),
        ("axes: no axes", lambda: sobol_indices([], [1.0, 2.0])),
        ("n: 2.0 base points: expected an integer", lambda: sobol_points(AXES, 2.0)),  # type: ignore[arg-type]
        ("level: level 1.5", lambda: sobol_indices(AXES, range(8), level=1.5)),
        ("outputs: a value is no number", lambda: sobol_indices(AXES, ["one"] * 8)),
    ],
)
def test_what_cannot_be_used_is_told_by_its_name(told: str, made: Callable[[], Any]) -> None:
    with pytest.raises(InputError, match=told):
        made()


@pytest.mark.parametrize("method", [contrasts, shapley, lambda v: shapley_sampled(v, [("a", "b"), ("b", "a")])])
def test_values_over_different_seeds_are_not_spread_over_each_other(method: Callable[..., Any]) -> None:
    whole: dict[frozenset[str], Any] = {coalition: np.array([1.0, 2.0]) for coalition in GAME}
    for other in (np.array([1.0]), 1.0, np.array([1.0, 2.0, 3.0])):
        with pytest.raises(InputError, match="expected numbers, or arrays over the same seeds"):
            method(whole | {frozenset("a"): other})
    assert method(whole)  # The control.


@pytest.mark.parametrize(("n", "is_known"), [(1, False), (2, False), (4, False), (8, True), (16, True)])
def test_sobol_indices_of_few_points_have_no_interval(n: int, is_known: bool) -> None:
    outputs = [float(point["a"]) + 0.3 * float(point["b"]) ** 2 for point in sobol_points(AXES, n, seed=3)]
    found = sobol_indices(AXES, outputs)
    assert found[["S1_conf", "ST_conf"]].notna().to_numpy().all() == is_known
    assert found[["S1_conf", "ST_conf"]].notna().to_numpy().any() == is_known
    assert found["ST"].notna().all()
