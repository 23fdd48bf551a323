"""The seam of venues: what the market, and a replay of it, ask of whatever takes commands.

A venue is pure: it takes a command and returns what happened, and knows no clock, no chance and no files. A new one is
one class with its messages; nothing in the simulation or the log knows it by name (``docs/extending/venue.md``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, TypeAlias

from lob_sim.messages import Command, Event
from lob_sim.units import Lots, Ns, Ticks

DisplayedTop: TypeAlias = tuple[Ticks, Lots, Ticks, Lots]
"""Best displayed bid and offer of the instrument's lit book, price and lots each; 0 for an empty side."""


class Venue(ABC):
    """One venue of one instrument.

    Attributes:
        commands: Every type of command that it takes, its own clock's included.
        public: Types of event that everybody hears who wants to: prints, changes of phase. Any other event is told to
            whom :meth:`recipients` says.
    """

    __slots__ = ()
    commands: ClassVar[tuple[type[Command], ...]] = ()
    public: ClassVar[tuple[type[Event], ...]] = ()

    @abstractmethod
    def process(self, command: Command, ts_ns: Ns) -> list[Event]:
        """Process one command of :attr:`commands` for this instrument; returns what happened, in order.

        Whatever an agent put into the command gives events, a reject among them, and no error.

        Args:
            command: The command.
            ts_ns: The venue's time, never before that of the last call.
        """

    def next_due_ns(self) -> Ns | None:
        """When its clock must come next, asked after every command; ``None`` if nothing is due by itself."""
        return None

    def clock_command(self, ts_ns: Ns, top: DisplayedTop) -> Command | None:
        """What its clock asks of it at a time that :meth:`next_due_ns` has named; ``None`` if nothing any more.

        The command goes on the log, so that a replay needs neither the clock nor the other venues.

        Args:
            ts_ns: The time.
            top: What the lit book of the instrument displays at that time; nothing while it is closed.
        """
        return None

    def recipients(self, event: Event) -> Iterable[tuple[int, Event]]:
        """Who is told of an event of the last command that is not public, by ``agent_id``, and what each is told of it.

        The agent that the event names hears all of it, unless the venue says otherwise.
        """
        return ((event.agent_id, event),)  # type: ignore[attr-defined]

    def check(self) -> None:  # noqa: B027  # most have nothing to assert
        """Assert its invariants.

        Raises:
            InvariantError: One does not hold; says which.
        """
