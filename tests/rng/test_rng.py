"""Streams of random numbers: named, independent, and what they say they are."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from lob_sim import rng
from lob_sim.rng import Stream, entropy_of

N = 20_000
KINDS = ("uniform", "normal", "exponential")


def draws(stream: Stream, kind: str, n: int = N) -> list[float]:
    draw: Callable[[], float] = getattr(stream, kind)
    return [draw() for _ in range(n)]


def test_seed_and_name_make_the_stream() -> None:
    first = draws(Stream(1, "agent/dealer-1/0"), "uniform", 100)
    assert draws(Stream(1, "agent/dealer-1/0"), "uniform", 100) == first
    for other in (Stream(2, "agent/dealer-1/0"), Stream(1, "agent/dealer-1/1"), Stream(1, "agent/dealer-10")):
        assert not set(draws(other, "uniform", 100)) & set(first)


def test_streams_do_not_depend_on_one_another_or_on_the_order_of_creation() -> None:
    expected = {name: draws(Stream(5, name), "normal", 50) for name in ("a", "b", "c")}
    streams = {name: Stream(5, name) for name in ("c", "a", "b")}
    mixed: dict[str, list[float]] = {name: [] for name in streams}
    for i in range(50):
        for name in sorted(streams, key=lambda n: hash((n, i))):
            mixed[name].append(streams[name].normal())
    assert mixed == expected


def test_a_kind_of_draw_does_not_move_the_others() -> None:
    for kind in KINDS:
        alone = draws(Stream(3, "x"), kind, 200)
        stream, mixed = Stream(3, "x"), []
        for i in range(200):
            for other in KINDS:
                if other != kind:
                    draws(stream, other, i % 3)
            mixed.append(getattr(stream, kind)())
        assert mixed == alone
    first = {Stream(3, "x").generator(kind).random() for kind in (*KINDS, "shuffle")}
    assert len(first) == 4, "every kind has a generator of its own"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("first", "largest"), [(1, 1), (1, 4096), (7, 50), (4096, 4096)])
def test_the_sizes_of_blocks_do_not_change_the_values(
    monkeypatch: pytest.MonkeyPatch, kind: str, first: int, largest: int
) -> None:
    expected = draws(Stream(11, "blocks"), kind, 10_000)
    monkeypatch.setattr(rng, "_FIRST_BLOCK", first)
    monkeypatch.setattr(rng, "_LARGEST_BLOCK", largest)
    assert draws(Stream(11, "blocks"), kind, 10_000) == expected


def test_a_fresh_process_draws_the_same() -> None:
    code = "from lob_sim.rng import Stream; s = Stream(4, 'p'); print([s.uniform() for _ in range(20)])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == str(draws(Stream(4, "p"), "uniform", 20))


def test_entropy_separates_seed_and_name() -> None:
    entropies = {entropy_of(seed, name) for seed in range(20) for name in ("", "1", "11", "a", "a/b", "ab")}
    assert len(entropies) == 120
    assert all(word >= 0 for entropy in entropies for word in entropy)


# --- distributions: limits are 4.4 standard errors, one false alarm in 100,000 -----------------------------

LIMIT = 4.4


@pytest.mark.parametrize(
    ("kind", "mean", "variance", "fourth", "law"),
    [
        ("uniform", 0.5, 1 / 12, 1 / 80, stats.uniform()),
        ("normal", 0.0, 1.0, 3.0, stats.norm()),
        ("exponential", 1.0, 1.0, 9.0, stats.expon()),
    ],
)
def test_moments_and_law(kind: str, mean: float, variance: float, fourth: float, law: object) -> None:
    sample = np.array(draws(Stream(9, "law"), kind))
    assert abs(sample.mean() - mean) < LIMIT * math.sqrt(variance / N)
    assert abs(((sample - mean) ** 2).mean() - variance) < LIMIT * math.sqrt((fourth - variance**2) / N)
    assert stats.kstest(sample, law.cdf).pvalue > 1e-5  # type: ignore[attr-defined]
    # Successive draws are uncorrelated, also across the edges of blocks.
    lag = np.array([(a - mean) * (b - mean) for a, b in pairwise(sample)])
    assert abs(lag.mean()) < LIMIT * variance / math.sqrt(N)


def test_many_streams_are_uncorrelated_and_uniform_across_names() -> None:
    matrix = np.array([draws(Stream(1, f"agent/zi-{i}/0"), "uniform", 8) for i in range(1, 3001)])
    assert stats.kstest(matrix[:, 0], "uniform").pvalue > 1e-5
    neighbours = (matrix[:-1, 0] - 0.5) * (matrix[1:, 0] - 0.5)
    assert abs(neighbours.mean()) < LIMIT / 12 / math.sqrt(len(neighbours))


def test_the_limits_can_be_broken() -> None:
    """Negative control: a normal with 5% too large a standard deviation does not pass."""
    sample = 1.05 * np.array(draws(Stream(9, "law"), "normal"))
    assert abs((sample**2).mean() - 1) > LIMIT * math.sqrt(2 / N)


def test_derived_draws() -> None:
    stream = Stream(2, "derived")
    integers = [stream.integer(-3, 4) for _ in range(N)]
    assert set(integers) == set(range(-3, 4))
    counts = [integers.count(value) for value in range(-3, 4)]
    assert stats.chisquare(counts).pvalue > 1e-5
    delays = [stream.delay_ns(500.0) for _ in range(N)]
    assert all(type(delay) is int and delay >= 1 for delay in delays)
    assert abs(np.mean(delays) - 500) < LIMIT * 500 / math.sqrt(N) + 0.5
    assert stream.delay_ns(0.0) == 1
    logs = np.log([stream.lognormal(7.0, 0.3) for _ in range(N)])
    assert abs(logs.mean() - math.log(7)) < LIMIT * 0.3 / math.sqrt(N)
    assert abs(logs.std() - 0.3) < LIMIT * 0.3 / math.sqrt(2 * N)


def test_a_generator_of_another_kind_is_its_own() -> None:
    stream = Stream(6, "g")
    before = draws(Stream(6, "g"), "uniform", 20)
    stream.generator("shuffle").permutation(100)
    assert draws(stream, "uniform", 20) == before
    assert list(stream.generator("shuffle").random(5)) == list(Stream(6, "g").generator("shuffle").random(5))
