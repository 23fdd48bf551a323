"""One named stream of random numbers per component.

A stream is keyed by the run's seed and the component's stable name, never by the order of creation: adding an
agent moves nobody else's draws, and two scenarios with the same seed share the draws of every component that
they have in common (common random numbers).

Scalar draws from numpy cost about a microsecond each. A stream therefore draws blocks, small at first and
doubling, so that a component which draws twice does not pay for a thousand. Each kind of draw has its own
generator: how often a component draws normals does not move its uniforms.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

_FIRST_BLOCK = 8
_LARGEST_BLOCK = 4096


def entropy_of(seed: int, name: str) -> tuple[int, ...]:
    """Entropy words for numpy's SeedSequence: the seed, and 128 bits of the name's SHA-256."""
    digest = hashlib.sha256(name.encode()).digest()
    return (seed, *(int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)))


class Stream:
    """Random numbers of one component.

    Args:
        seed: The run's seed, a non-negative integer.
        name: The component's stable name.

    Attributes:
        uniform: () -> float, uniform on [0, 1).
        normal: () -> float, standard normal.
        exponential: () -> float, exponential with mean 1.
    """

    __slots__ = ("exponential", "name", "normal", "seed", "uniform")

    uniform: Callable[[], float]
    normal: Callable[[], float]
    exponential: Callable[[], float]

    def __init__(self, seed: int, name: str) -> None:
        self.seed = seed
        self.name = name

    def __getattr__(self, kind: str) -> Callable[[], float]:
        # Asked for a kind of draw for the first time: most components use one kind, many use none.
        if kind not in _KINDS:
            raise AttributeError(f"a stream has no {kind!r}: it draws {', '.join(_KINDS)}")
        draw = chain.from_iterable(_blocks(self.generator(kind), _KINDS[kind])).__next__
        setattr(self, kind, draw)
        return draw

    def generator(self, kind: str) -> np.random.Generator:
        """A numpy generator of its own for draws of another kind; the same ``kind`` gives the same draws."""
        return np.random.Generator(np.random.PCG64(entropy_of(self.seed, f"{self.name}/{kind}")))

    def integer(self, low: int, high: int) -> int:
        """A uniform integer in [low, high), by scaling one uniform (bias below 2**-53 of the range)."""
        return low + int(self.uniform() * (high - low))

    def delay_ns(self, mean_ns: float) -> int:
        """An exponential waiting time with the given mean, in whole nanoseconds, at least 1."""
        return max(1, round(self.exponential() * mean_ns))

    def lognormal(self, median: float, sigma: float) -> float:
        """A lognormal draw with the given median and log standard deviation."""
        return median * math.exp(sigma * self.normal())


_KINDS: dict[str, Callable[[np.random.Generator, int], NDArray[np.float64]]] = {
    "uniform": lambda generator, size: generator.random(size),
    "normal": lambda generator, size: generator.standard_normal(size),
    "exponential": lambda generator, size: generator.standard_exponential(size),
}


def _blocks(
    generator: np.random.Generator, draw: Callable[[np.random.Generator, int], NDArray[np.float64]]
) -> Iterator[list[float]]:
    size = _FIRST_BLOCK
    while True:
        yield draw(generator, size).tolist()
        size = min(2 * size, _LARGEST_BLOCK)
