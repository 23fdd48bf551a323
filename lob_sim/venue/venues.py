"""All venues of a market, and which of them takes a command."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lob_sim.errors import InvariantError
from lob_sim.messages import Command, Event
from lob_sim.units import Ns
from lob_sim.venue.base import Venue
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue


class Venues:
    """The venues of every instrument.

    Args:
        by_instrument: By ``instrument_id``, the venues in which the instrument is dealt: its lit book, its venue for
            requests, and what else there is.

    Attributes:
        books: The lit books by ``instrument_id``.
        rfqs: The RFQ venues by ``instrument_id``.

    Raises:
        InvariantError: Two venues of an instrument take the same type of command.
    """

    def __init__(self, by_instrument: Sequence[Sequence[Venue]]) -> None:
        self._by_instrument = tuple(tuple(venues) for venues in by_instrument)
        self.books = tuple(v for venues in self._by_instrument for v in venues if isinstance(v, MatchingEngine))
        self.rfqs = tuple(v for venues in self._by_instrument for v in venues if isinstance(v, RfqVenue))
        self._by_command: dict[type[Command], list[Venue | None]] = {}
        for instrument_id, venues in enumerate(self._by_instrument):
            for venue in venues:
                for command in type(venue).commands:
                    takers = self._by_command.setdefault(command, [None] * len(self._by_instrument))
                    if takers[instrument_id] is not None:
                        raise InvariantError(f"two venues of instrument {instrument_id} take {command.__name__}")
                    takers[instrument_id] = venue

    def __iter__(self) -> Iterator[tuple[int, Venue]]:
        """Every venue with its instrument, in order of instrument."""
        return ((i, venue) for i, venues in enumerate(self._by_instrument) for venue in venues)

    def takers(self, command: type[Command]) -> Sequence[Venue | None]:
        """By ``instrument_id``, the venue that takes a type of command; empty if none does."""
        return self._by_command.get(command, ())

    def process(self, command: Command, ts_ns: Ns) -> list[Event]:
        """Hand a command to its venue.

        Raises:
            InvariantError: The instrument has no venue that takes it.
        """
        takers = self._by_command.get(type(command))
        venue = takers[command.instrument_id] if takers is not None else None
        if venue is None:
            raise InvariantError(f"instrument {command.instrument_id} has no venue that takes {command}")
        return venue.process(command, ts_ns)
