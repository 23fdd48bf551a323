"""What the simulation needs of a log: two calls, in the order in which things happen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lob_sim.messages.base import Command, Event
from lob_sim.units import Ns


class Recorder(Protocol):
    """Takes messages in the order of the run's global sequence."""

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """One command as it arrived at its venue, then the events that it caused."""

    def record(self, event: Event) -> None:
        """An event outside the venues: a fair value, a belief, a breach."""
