"""The clock: SimPy's event loop, fed with callbacks that carry a payload.

SimPy orders its heap by (time, priority, order of scheduling); with integer nanoseconds and components that
start in order of name, simultaneous events therefore have one order, the same in every process.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappush
from operator import attrgetter
from typing import Any, ClassVar, cast

import msgspec
import simpy
from simpy.events import NORMAL, URGENT, Event, EventPriority

from lob_sim.units import Ns

_BEFORE_ALL = EventPriority(-1)


class ScheduledCall(msgspec.Struct, gc=False):
    """A callback on SimPy's heap, a fifth of the cost of an :class:`simpy.events.Event`.

    SimPy's loop asks of an event only ``callbacks`` and ``_ok``. Messages never fail and nobody waits for
    them, so they need no more.
    """

    _ok: ClassVar[bool] = True
    callbacks: tuple[Callable[[ScheduledCall], None], ...] | None
    payload: Any


class Kernel(simpy.Environment):
    """Simulated time and what is due when."""

    _now: Ns

    def __init__(self) -> None:
        super().__init__(initial_time=0)

    now_ns = cast(Ns, property(attrgetter("_now")))
    """Simulated time. The rest of the simulation layer reads ``_now``, several times per order: a property costs
    several times as much."""

    def call_in(self, delay_ns: Ns, action: Callable[[ScheduledCall], None], payload: Any = None) -> None:
        """Call ``action(call)`` after ``delay_ns``; calls due at one time run in the order asked for."""
        # What Environment.schedule does, without a call of its own and for something that is not an Event.
        call: Any = ScheduledCall((action,), payload)
        heappush(self._queue, (self._now + delay_ns, NORMAL, next(self._eid), call))

    def call_first_in(self, delay_ns: Ns, action: Callable[[ScheduledCall], None], payload: Any = None) -> None:
        """Like :meth:`call_in`, ahead of all else due at that time: the exogenous world moves first."""
        self.schedule(cast(Event, ScheduledCall((action,), payload)), URGENT, delay_ns)

    def run_until(self, ts_ns: Ns) -> None:
        """Process everything due before ``ts_ns``, nothing due at it, and set the clock to it."""
        if ts_ns <= self.now_ns:
            return
        # SimPy's own stop ranks with urgent events, so that what else is urgent at that time would come
        # before or after it depending on when each was scheduled: a run in steps would differ from a run in one go.
        stop = Event(self)
        stop._ok, stop._value = True, None
        self.schedule(stop, _BEFORE_ALL, ts_ns - self.now_ns)
        self.run(until=stop)

    def drop_rest(self) -> None:
        """Forget what is due and will not happen any more.

        The garbage collector does not look into calls: those that stay would keep the whole world alive.
        """
        self._queue.clear()
