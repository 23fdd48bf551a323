"""The clock: SimPy's event loop, fed with callbacks that carry a payload.

SimPy orders its heap by (time, priority, order of scheduling); with integer nanoseconds and components that
start in order of name, simultaneous events therefore have one order, the same in every process.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from operator import attrgetter
from typing import Any, ClassVar, cast

import msgspec
import simpy
from simpy.events import NORMAL, URGENT, Event, EventPriority

from lob_sim.units import Ns


class ScheduledCall(msgspec.Struct, gc=False):
    """A callback on SimPy's heap, a fifth of the cost of an :class:`simpy.events.Event`.

    SimPy's loop asks of an event only ``callbacks`` and ``_ok``. Messages never fail and nobody waits for
    them, so they need no more.
    """

    _ok: ClassVar[bool] = True
    callbacks: tuple[Callable[[ScheduledCall], None], ...] | None
    payload: Any


def _set_now(kernel: Kernel, now_ns: Ns) -> None:
    kernel.now_ns = now_ns


class Kernel(simpy.Environment):
    """Simulated time and what is due when.

    Attributes:
        now_ns: Simulated time.
    """

    now_ns: Ns
    # SimPy reads and writes the clock by this name. It is read a dozen times per order by the other one, which
    # therefore is the plain attribute: a property costs several times as much.
    _now = cast(Ns, property(attrgetter("now_ns"), _set_now))

    def __init__(self) -> None:
        super().__init__(initial_time=0)

    def __reduce__(self) -> tuple[Any, ...]:
        # SimPy's environment holds a counter and bound classes, which no file can.
        number = next(self._eid)
        self._eid = count(number)
        return Kernel, (), (self.now_ns, self._queue, number)

    def __setstate__(self, state: tuple[Ns, list[tuple[Any, EventPriority, int, Event]], int]) -> None:
        self.now_ns, self._queue, number = state
        self._eid = count(number)

    def call_in(self, delay_ns: Ns, action: Callable[[ScheduledCall], None], payload: Any = None) -> None:
        """Call ``action(call)`` after ``delay_ns``; calls due at one time run in the order asked for."""
        # What Environment.schedule does, without a call of its own and for something that is not an Event.
        call: Any = ScheduledCall((action,), payload)
        heappush(self._queue, (self.now_ns + delay_ns, NORMAL, next(self._eid), call))

    def call_first_in(self, delay_ns: Ns, action: Callable[[ScheduledCall], None], payload: Any = None) -> None:
        """Like :meth:`call_in`, ahead of all else due at that time: the exogenous world moves first."""
        self.schedule(cast(Event, ScheduledCall((action,), payload)), URGENT, delay_ns)

    def run_until(self, ts_ns: Ns) -> None:
        """Process everything due before ``ts_ns``, nothing due at it, and set the clock to it."""
        if ts_ns <= self.now_ns:
            return
        # Environment.run and its step, for calls, which never fail, and without a stop on the heap: SimPy's ranks with
        # urgent events, and what else is urgent at that time would come before or after it, by when each was scheduled.
        queue: Any = self._queue
        while queue and queue[0][0] < ts_ns:
            self.now_ns, _, _, call = heappop(queue)
            for action in call.callbacks:
                action(call)
        self.now_ns = ts_ns

    @property
    def next_ns(self) -> Ns | None:
        """When something is due next; None if nothing is."""
        return cast(Ns, self._queue[0][0]) if self._queue else None

    def step_instant(self, before_ns: Ns) -> bool:
        """Process everything due at the next time at which anything is, what is added for that time included.

        Returns:
            Whether there was such a time before ``before_ns``; nothing has been done else.
        """
        queue = self._queue
        if not queue or queue[0][0] >= before_ns:
            return False
        ts_ns = queue[0][0]
        while queue and queue[0][0] == ts_ns:
            self.step()
        return True

    def forget(self, action: Callable[[ScheduledCall], None], component: int | None = None) -> None:
        """Let calls of ``action`` that are due come to nothing; of a component alone, where their payload begins with
        its number."""
        for entry in self._queue:
            call: Any = entry[3]
            is_one = isinstance(call, ScheduledCall) and call.callbacks == (action,)
            if is_one and (component is None or call.payload[0] == component):
                call.callbacks = ()

    def drop_rest(self) -> None:
        """Forget what is due and will not happen any more.

        The garbage collector does not look into calls: those that stay would keep the whole world alive.
        """
        self._queue.clear()
