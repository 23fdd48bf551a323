"""The clock: SimPy's event loop, fed with callbacks that carry a payload.

SimPy orders its heap by (time, priority, order of scheduling); with integer nanoseconds and components that
start in order of name, simultaneous events therefore have one order, the same in every process.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import simpy
from simpy.events import URGENT, Event

from lob_sim.units import Ns


class Notice:
    """A callback on SimPy's heap, a third of the cost of an :class:`simpy.events.Event`.

    SimPy's loop asks of an event only ``callbacks`` and ``_ok``. Messages never fail and nobody waits for
    them, so they need no more.
    """

    __slots__ = ("callbacks", "payload")
    _ok = True

    def __init__(self, action: Callable[[Notice], None], payload: Any) -> None:
        self.callbacks: tuple[Callable[[Notice], None], ...] | None = (action,)
        self.payload = payload


class Kernel:
    """Simulated time and what is due when."""

    __slots__ = ("_env", "_schedule")

    def __init__(self) -> None:
        self._env = simpy.Environment(initial_time=0)
        self._schedule = self._env.schedule

    @property
    def now_ns(self) -> Ns:
        """Simulated time."""
        return cast(int, self._env._now)

    def call_in(self, delay_ns: Ns, action: Callable[[Notice], None], payload: Any = None) -> None:
        """Call ``action(notice)`` after ``delay_ns``; calls due at the same time run in the order asked for."""
        self._schedule(cast(Event, Notice(action, payload)), 1, delay_ns)

    def call_first_in(self, delay_ns: Ns, action: Callable[[Notice], None], payload: Any = None) -> None:
        """Like :meth:`call_in`, ahead of everything else due at that time (the exogenous world moves first)."""
        self._schedule(cast(Event, Notice(action, payload)), URGENT, delay_ns)

    def run_until(self, ts_ns: Ns) -> None:
        """Process everything due before ``ts_ns`` and set the clock to it."""
        if ts_ns > self._env.now:
            self._env.run(until=ts_ns)
