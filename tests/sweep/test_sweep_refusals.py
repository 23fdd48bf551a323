"""Samples and designs from which nothing can be learnt are refused, by the name of what is wrong."""

from __future__ import annotations

import pandas as pd
import pytest

from lob_sim.errors import InputError
from lob_sim.sweep import Estimate, compare_groups, paired_difference, point_means, samples
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
