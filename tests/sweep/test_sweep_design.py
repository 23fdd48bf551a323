from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_tasks import noisy

from lob_sim.errors import InputError
from lob_sim.sweep import Axis, Design, load_sweep_file, parse_axis, run_seeds
from lob_sim.sweep.runner import plan_runs


def test_axis_lists_values_as_toml_writes_them() -> None:
    assert parse_axis("a.b=1,2.5,true,none,'x y'") == Axis("a.b", (1, 2.5, True, "none", "x y"))
    assert parse_axis("a=strategies.zi:Trader").values == ("strategies.zi:Trader",)


def test_axis_range_with_levels_is_inclusive_and_keeps_whole_numbers_whole() -> None:
    assert parse_axis("a=2:8:4").choices == (2, 4, 6, 8)
    assert all(type(v) is int for v in parse_axis("a=2:8:4").choices)
    assert parse_axis("a=0:1:5").choices == (0.0, 0.25, 0.5, 0.75, 1.0)
    assert parse_axis("a=0.0:2.0:3").choices == (0.0, 1.0, 2.0)
    assert all(type(v) is float for v in parse_axis("a=0.0:2.0:3").choices)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "path=a,b,c"),
        ("=1", "path=a,b,c"),
        ("a=", "path=a,b,c"),
        ("a=1,,2", "empty value"),
        ("a=1,1", "twice"),
        ("a=2:1:3", "lo < hi"),
        ("a=0:inf:3", "finite"),
        ("a=0:1:1", "2 or more"),
        ("a=0:1:2.5", "whole number"),
    ],
)
def test_bad_axis_says_what_was_expected(text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        parse_axis(text)


def test_grid_is_the_product_with_the_last_axis_fastest() -> None:
    design = Design((Axis("a", (1, 2)), Axis("b", ("x", "y", "z"))), fixed={"c": 7})
    expected = [{"c": 7, "a": a, "b": b} for a, b in itertools.product((1, 2), "xyz")]
    assert design.points() == expected
    assert Design(fixed={"c": 7}).points() == [{"c": 7}]


def test_lhs_hits_every_stratum_once_and_sobol_every_cell() -> None:
    axes = (Axis("a", (), 0.0, 1.0), Axis("b", (), 10.0, 20.0))
    lhs = Design(axes, "lhs", 16).points()
    assert sorted(int(16 * float(p["a"])) for p in lhs) == list(range(16))
    assert sorted(int(1.6 * (float(p["b"]) - 10)) for p in lhs) == list(range(16))
    sobol = Design(axes, "sobol", 16).points()
    cells = {(int(4 * float(p["a"])), int(0.4 * (float(p["b"]) - 10))) for p in sobol}
    assert len(cells) == 16  # A scrambled (0, 4, 2)-net in base 2 has one point in each of the 4 × 4 cells.


def test_sobol_points_do_not_depend_on_their_number_but_on_the_root() -> None:
    axes = (Axis("a", (), 0.0, 1.0), Axis("b", (), 0.0, 1.0))
    assert Design(axes, "sobol", 10).points() == Design(axes, "sobol", 64).points()[:10]
    assert Design(axes, "sobol", 10).points() != Design(axes, "sobol", 10, root_seed=1).points()


def test_sampled_levels_are_equally_frequent() -> None:
    points = Design((parse_axis("a=1:4:4"), parse_axis("b=x,y")), "sobol", 64).points()
    assert [sum(p["a"] == level for p in points) for level in (1, 2, 3, 4)] == [16] * 4
    assert [sum(p["b"] == level for p in points) for level in "xy"] == [32] * 2


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        (Design((Axis("a", (1, 2)), Axis("a", (3, 4)))), "a is set more than once"),
        (Design((Axis("a", (1, 2)),), fixed={"a": 3}), "a is set more than once"),
        (Design((Axis("a", (), 0.0, 1.0),)), "levels"),
        (Design((Axis("a", (1, 2)),), n=8), "belongs to sobol"),
        (Design((Axis("a", (1, 2)),), "lhs"), "n = 0"),
        (Design((), "lhs", 8), "at least one axis"),
        (Design(tuple(Axis(f"a{i}", (), 0, 99, 100) for i in range(4))), "expected at most"),
    ],
)
def test_bad_design_says_what_was_expected(design: Design, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        design.points()


@given(st.integers(0, 2**40), st.integers(1, 30), st.integers(1, 30))
def test_seed_of_a_replicate_does_not_depend_on_how_many_there_are(root: int, m: int, n: int) -> None:
    shared = min(m, n)
    assert run_seeds(m, root)[:shared] == run_seeds(n, root)[:shared]
    assert all(0 <= seed < 2**63 for seed in run_seeds(n, root))


def test_seeds_differ_between_replicates_and_roots() -> None:
    assert len({seed for root in range(20) for seed in run_seeds(100, root)}) == 2000


def test_seeds_are_numpys() -> None:
    word = np.random.SeedSequence(5, spawn_key=(3,)).generate_state(1, np.uint64)[0]
    assert run_seeds(4, 5)[3] == int(word) // 2


def test_points_share_their_seeds_and_are_done_replicate_by_replicate() -> None:
    runs = plan_runs([{"x": 1}, {"x": 2}], [11, 12, 13])
    assert [(r.point, r.replicate) for r in runs] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert [r.run for r in runs] == [0, 3, 1, 4, 2, 5]
    assert all(r.spec.seed == 11 + r.replicate for r in runs)
    assert noisy(runs[0].spec)["noise"] == noisy(runs[1].spec)["noise"]


def test_same_seed_twice_is_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        plan_runs([{}], [1, 1])


def test_sweep_file(tmp_path) -> None:
    file = tmp_path / "s.toml"
    file.write_text(
        """
        scenario = "market"
        design = "lhs"
        n = 8
        seeds = 20
        root_seed = 4
        [over]
        "agents.dealers.count" = [2, 4]
        "shocks.0.size" = { low = -0.1, high = -0.01 }
        "agents.dealers.gamma" = { low = 1, high = 3, levels = 3 }
        [fixed]
        "horizon" = "1h"
        """
    )
    found = load_sweep_file(file)
    assert (found.scenario, found.seeds) == ("market", 20)
    assert found.to_design() == Design(
        (
            Axis("agents.dealers.count", (2, 4)),
            Axis("shocks.0.size", (), -0.1, -0.01),
            Axis("agents.dealers.gamma", (), 1, 3, 3),
        ),
        "lhs",
        8,
        4,
        {"horizon": "1h"},
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scenario = 1", "s.toml.*Expected `str`"),
        ("design = 'grid'", "s.toml.*scenario"),
        ("scenario = 'm'\nseed = 3", "s.toml.*seed"),
        ("scenario = 'm'\ndesign = 'random'", "s.toml.*random"),
        ("scenario = 'm'\n[over]\na = {low = 2, high = 1}", "s.toml: axis a.*lo < hi"),
        ("scenario = ", "s.toml"),
    ],
)
def test_bad_sweep_file_names_file_and_field(tmp_path, text: str, expected: str) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(InputError, match=expected):
        load_sweep_file(tmp_path / "s.toml")


def test_missing_sweep_file(tmp_path) -> None:
    with pytest.raises(InputError, match=r"none\.toml.*cannot be read"):
        load_sweep_file(tmp_path / "none.toml")
