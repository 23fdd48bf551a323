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
from operator import index, length_hint
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lob_sim.errors import InputError, shown

_FIRST_BLOCK = 8
_LARGEST_BLOCK = 4096


def checked_seed(seed: object) -> int:
    """A seed as Python's own whole number; numpy's become one.

    Raises:
        InputError: It is no whole number, or negative.
    """
    try:
        number = index(seed)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0 or isinstance(seed, bool):
        raise InputError(f"expected a whole number, 0 or more, got {shown(seed)}", "seed")
    return number


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

    __slots__ = ("_blocks", "exponential", "name", "normal", "seed", "uniform")

    uniform: Callable[[], float]
    normal: Callable[[], float]
    exponential: Callable[[], float]

    def __init__(self, seed: int, name: str) -> None:
        self.seed = seed
        self.name = name
        self._blocks: dict[str, _Blocks] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return restored_stream, (self.seed, self.name, {kind: b.state() for kind, b in self._blocks.items()})

    def __getattr__(self, kind: str) -> Callable[[], float]:
        # Asked for a kind of draw for the first time: most components use one kind, many use none.
        if kind not in _KINDS:
            raise AttributeError(f"a stream has no {kind!r}: it draws {', '.join(_KINDS)}")
        return self._draw_from(kind, _Blocks(kind, self.generator(kind)))

    def _draw_from(self, kind: str, blocks: _Blocks) -> Callable[[], float]:
        self._blocks[kind] = blocks
        draw = chain.from_iterable(blocks).__next__
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
        delay_ns = round(self.exponential() * mean_ns)
        return delay_ns if delay_ns > 0 else 1

    def lognormal(self, median: float, sigma: float) -> float:
        """A lognormal draw with the given median and log standard deviation."""
        return median * math.exp(sigma * self.normal())


def restored_stream(seed: int, name: str, drawn: dict[str, tuple[np.random.Generator, int, list[float]]]) -> Stream:
    """A stream that goes on where one stood that was kept; whoever loads it may put a fresh one in its place."""
    stream = Stream(seed, name)
    for kind, state in drawn.items():
        stream._draw_from(kind, _Blocks(kind, *state))
    return stream


_KINDS = {"uniform": "random", "normal": "standard_normal", "exponential": "standard_exponential"}
"""The kinds of draw, and numpy's name of each."""


class _Blocks:
    """Blocks of one kind of draw, each as an iterator that knows how much of it is left.

    Args:
        kind: The kind of draw.
        generator: Where blocks come from.
        size: Size of the next block.
        left: What comes before it.
    """

    def __init__(
        self, kind: str, generator: np.random.Generator, size: int = _FIRST_BLOCK, left: list[float] | None = None
    ) -> None:
        self._generator = generator
        self._draw: Callable[[int], NDArray[np.float64]] = getattr(generator, _KINDS[kind])
        self._size = size
        self._block = left or []
        # The chain over the blocks takes an iterator as it is, so that what the chain has taken is seen here.
        self._current = iter(self._block)
        self._has_left = left is not None

    def __iter__(self) -> Iterator[Iterator[float]]:
        return self

    def __next__(self) -> Iterator[float]:
        if self._has_left:
            self._has_left = False
            return self._current
        self._block = self._draw(self._size).tolist()
        self._size = min(2 * self._size, _LARGEST_BLOCK)
        self._current = iter(self._block)
        return self._current

    def state(self) -> tuple[np.random.Generator, int, list[float]]:
        """The arguments that make one which goes on from here."""
        left = length_hint(self._current)
        return self._generator, self._size, self._block[len(self._block) - left :]
