"""The venues of a logged run, made anew, to be driven with its commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lob_sim.log.manifest import RunHeader
from lob_sim.scenario import open_venues, parse_scenario
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.transparency import TransparencyRegime
from lob_sim.venue.venues import Venues

VenueFactory: TypeAlias = Callable[[RunHeader], Venues]


def venues_of(header: RunHeader, *, plugins: bool = False) -> Venues:
    """The venues as they were when the run began.

    Those of a log that comes from no scenario are plain: continuous trading, no price bands, no public RFQ
    prints.

    Args:
        header: Of the run.
        plugins: Whether venues that are not of this package may be loaded, which runs their code.

    Raises:
        InputError: The scenario in the manifest is not one that this version reads, or names a venue that may not be
            loaded.
    """
    if not header.scenario:
        return Venues(
            [
                (MatchingEngine(i), RfqVenue(i, transparency=TransparencyRegime()))
                for i in range(len(header.instruments))
            ]
        )
    scenario = parse_scenario(header.scenario, "manifest.json: scenario.")
    return open_venues(scenario, header.dealer_ids or (), plugins=plugins)
