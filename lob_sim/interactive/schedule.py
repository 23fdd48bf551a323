"""When a simulation under one's hands stops, and who is shown it then."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Generic, TypeVar

from lob_sim.calendar import TradingCalendar, parse_time_ns, time_text
from lob_sim.errors import InputError
from lob_sim.units import MOST_NS, Ns, checked_ns, format_time

T = TypeVar("T")


class Looks(Generic[T]):
    """Callbacks that are shown something at their instants: in order of time, and of asking among equals.

    Attributes:
        is_looking: Whether a callback is being called.
    """

    def __init__(self) -> None:
        self.is_looking = False
        self._due: list[tuple[Ns, int, Ns, Callable[[T], None]]] = []
        self._n_asked = 0

    @property
    def next_ns(self) -> Ns | None:
        """When the next is due; ``None`` if none is."""
        return self._due[0][0] if self._due else None

    def add(self, at_ns: Ns, every_ns: Ns, callback: Callable[[T], None]) -> None:
        """Let a callback look at an instant, and every so often from there on; 0 for once."""
        self._n_asked += 1
        heappush(self._due, (at_ns, self._n_asked, every_ns, callback))

    def look(self, shown: T) -> None:
        """Call the next."""
        at_ns, _, every_ns, callback = heappop(self._due)
        if every_ns:
            self.add(at_ns + every_ns, every_ns, callback)
        self.is_looking = True
        try:
            callback(shown)
        finally:
            self.is_looking = False


def span_ns(at: Ns | str, days: TradingCalendar | None) -> Ns:
    """A time or an interval.

    Raises:
        InputError: It is neither nanoseconds nor text that says one.
    """
    if isinstance(at, str):
        return parse_time_ns(at, days)
    return checked_ns(at, "instant", -MOST_NS)


def instant_ns(at: Ns | str, now_ns: Ns, horizon_ns: Ns, days: TradingCalendar | None) -> Ns:
    """An instant that is still to come.

    Raises:
        InputError: It is no time, past, or beyond the horizon.
    """
    at_ns = span_ns(at, days)
    if at_ns < now_ns:
        raise InputError(f"{time_text(at_ns, days)} is past: it is {time_text(now_ns, days)}", "instant")
    if at_ns > horizon_ns:
        raise InputError(f"{time_text(at_ns, days)} is beyond the horizon, {format_time(horizon_ns)}", "instant")
    return at_ns
