"""Public market data of one book: what the tape and the top of the book were at any recent time.

Agents see the market as it was one latency ago. Instead of sending every change to every agent, the market
keeps a short history and an agent that looks is shown the state as of its own, earlier time: looking costs a
binary search, and a market that nobody looks at costs nothing.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Generic, TypeVar

from lob_sim.units import Ns

T = TypeVar("T")
_TRIM_AT = 4096


class History(Generic[T]):
    """A value that changes at increasing times, remembered as far back as the slowest reader looks.

    Args:
        initial: The value before the first change.
        retention_ns: How far back anybody may look.
    """

    __slots__ = ("_retention_ns", "_times", "_trim_at", "_values", "current")

    def __init__(self, initial: T, retention_ns: Ns) -> None:
        self.current = initial
        self._times: list[Ns] = [-1]
        self._values: list[T] = [initial]
        self._retention_ns = retention_ns
        self._trim_at = _TRIM_AT

    def set(self, ts_ns: Ns, value: T) -> None:
        """Record a change; amortised O(1)."""
        self.current = value
        times = self._times
        times.append(ts_ns)
        self._values.append(value)
        if len(times) > self._trim_at:
            # Keep the last change at or before the oldest time that may still be asked for.
            keep = max(0, bisect_right(times, ts_ns - self._retention_ns) - 1)
            del times[:keep]
            del self._values[:keep]
            self._trim_at = max(_TRIM_AT, 2 * len(times))

    def at(self, ts_ns: Ns) -> T:
        """The value as of ``ts_ns``, changes at that very time included; O(log n)."""
        if ts_ns >= self._times[-1]:
            return self.current
        return self._values[max(0, bisect_right(self._times, ts_ns) - 1)]
