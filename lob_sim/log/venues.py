"""The venues of a logged run, made anew, to be driven with its commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from lob_sim.log.manifest import RunHeader
from lob_sim.messages import Command, Event
from lob_sim.scenario import instrument_specs, open_market, parse_scenario
from lob_sim.simulation.market import LIT_COMMANDS, RFQ_COMMANDS
from lob_sim.simulation.world import build_engine, build_rfq_venue
from lob_sim.units import Ns
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.transparency import TransparencyRegime


class Venues:
    """The lit book and the RFQ venue of every instrument.

    Args:
        books: Matching engines by ``instrument_id``.
        rfqs: RFQ venues by ``instrument_id``.
    """

    def __init__(self, books: tuple[MatchingEngine, ...], rfqs: tuple[RfqVenue, ...]) -> None:
        self.books = books
        self.rfqs = rfqs
        self._by_command: dict[type[Command], tuple[Any, ...]] = {
            **dict.fromkeys(LIT_COMMANDS, books),
            **dict.fromkeys(RFQ_COMMANDS, rfqs),
        }

    def process(self, command: Any, ts_ns: Ns) -> list[Event]:
        """Hand a command to its venue."""
        venue = self._by_command[type(command)][command.instrument_id]
        events: list[Event] = venue.process(command, ts_ns)
        return events


VenueFactory: TypeAlias = Callable[[RunHeader], Venues]


def venues_of(header: RunHeader) -> Venues:
    """The venues as they were when the run began.

    Those of a log that comes from no scenario are plain: continuous trading, no price bands, no public RFQ
    prints.

    Raises:
        InputError: The scenario in the manifest is not one that this version reads.
    """
    if not header.scenario:
        n = len(header.instruments)
        return Venues(
            tuple(MatchingEngine(i) for i in range(n)),
            tuple(RfqVenue(i, transparency=TransparencyRegime()) for i in range(n)),
        )
    scenario = parse_scenario(header.scenario, "manifest.json: scenario.")
    specs = list(enumerate(instrument_specs(scenario)))
    _, _, initial_ticks = open_market(scenario)
    return Venues(
        tuple(build_engine(i, spec, initial_ticks[i]) for i, spec in specs),
        tuple(build_rfq_venue(i, spec, header.dealer_ids or ()) for i, spec in specs),
    )
