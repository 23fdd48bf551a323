"""The live view: what a person sees in the terminal while a run goes on.

The view looks at the world between two steps of the run and never changes it, so that a run that is watched has the
log of one that is not. How often it looks is bounded by the clock on the wall, twice: by a number of looks a second,
and by a share of the time, whatever a look costs on this machine and terminal.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.text import Text

from lob_sim.messages import (
    Command,
    ConstraintBreached,
    DealerDefaulted,
    Event,
    FairValue,
    ParentOrderOpened,
    PhaseChanged,
    RetreatRecord,
    ReturnRecord,
)
from lob_sim.messages.recorder import Recorder
from lob_sim.report.live_tables import Screen
from lob_sim.simulation.world import World
from lob_sim.units import Ns

LOOKS_PER_S = 3.0
"""The most looks at the world in a second of wall time."""
MOST_SHARE = 0.04
"""The largest share of wall time that looking may take."""
_KEPT_EVENTS = 60
_QUOTING = (RetreatRecord, ReturnRecord)
_TOLD = (ConstraintBreached, ParentOrderOpened, DealerDefaulted)


class Listener:
    """A recorder that hands everything on to another, and remembers the last events that a person would be told.

    Args:
        inner: The log.

    Attributes:
        crisis: Shocks, breaches, forced sales, defaults and changes of phase (halts, auctions), oldest first.
        quoting: Dealers that left the lit book or came back, oldest first.
    """

    def __init__(self, inner: Recorder) -> None:
        self._inner = inner
        self.crisis: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self.quoting: deque[Event] = deque(maxlen=_KEPT_EVENTS)
        self._shelves = {**dict.fromkeys(_TOLD, self.crisis), **dict.fromkeys(_QUOTING, self.quoting)}

    @property
    def rows(self) -> int:
        """Rows logged so far; 0 for a log that does not count them."""
        return getattr(self._inner, "rows", 0)

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Hand on a command and its events."""
        self._inner.batch(ts_ns, command, events)
        for event in events:
            if type(event) is PhaseChanged:
                self.crisis.append(event)

    def record(self, event: Event) -> None:
        """Hand on an event that no command caused."""
        self._inner.record(event)
        shelf = self._shelves.get(type(event))
        if shelf is not None:
            shelf.append(event)
        elif type(event) is FairValue and event.is_shock:
            self.crisis.append(event)


class LiveView:
    """Shows a world on a terminal while it runs: a context manager, and an observer of the run.

    Args:
        world: Built and not yet run: its headroom now is what later headroom is compared with.
        console: A terminal.
        listener: What the world logs to.
        clock: Seconds of wall time.

    Attributes:
        looks: How often the view has looked at the world.
    """

    def __init__(
        self, world: World, console: Console, listener: Listener, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._listener = listener
        self.looks = 0
        self._screen = Screen(world, console)
        self._console = console
        self._clock = clock
        self._started_s = self._next_s = clock()
        self._live = Live(console=console, auto_refresh=False, vertical_overflow="crop")

    def __enter__(self) -> LiveView:
        self._live.start()
        self._look_if_due()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # What stays on the terminal is the market as the run left it; one that a defect left is not looked at.
            if error is None or isinstance(error, KeyboardInterrupt):
                self._look()
        finally:
            self._live.stop()

    def __call__(self, world: World, ts_ns: Ns) -> None:
        """Look at the world if a look is due."""
        self._look_if_due()

    def _look_if_due(self) -> None:
        now_s = self._clock()
        if now_s < self._next_s:
            return
        self._look()
        cost_s = self._clock() - now_s
        self._next_s = now_s + max(1 / LOOKS_PER_S, cost_s / MOST_SHARE)

    def _look(self) -> None:
        self.looks += 1
        self._live.update(self.picture(), refresh=True)

    def picture(self) -> Text:
        """The world as it is now, in as many lines as the terminal has."""
        elapsed_s = self._clock() - self._started_s
        return self._screen.picture(self._listener.rows, elapsed_s, self._listener.crisis, self._listener.quoting)
