"""The venues of a logged run, made anew, to be driven with its commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from lob_sim.log.header import RunHeader
from lob_sim.scenario import Scenario, apply_overrides, change_venues, open_venues, parse_scenario
from lob_sim.units import Ns
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
    scenarios = scenarios_of(header)
    venues = open_venues(scenarios[0][1], header.dealer_ids or (), plugins=plugins)
    for from_ns, scenario in scenarios[1:]:
        change_venues(venues, from_ns, scenario)
    return venues


def scenarios_of(header: RunHeader) -> list[tuple[Ns, Scenario]]:
    """What the scenario of a run was from when on: one from 0, and one more for each branch.

    Raises:
        InputError: One is not such that this version reads it.
    """
    raw = header.scenario
    found = [(0, parse_scenario(raw, "manifest.json: scenario."))]
    for n, branch in enumerate(header.branches):
        raw = apply_overrides(raw, branch.changes)
        found.append((branch.from_ns, parse_scenario(raw, f"manifest.json: branches[{n}]: scenario.")))
    return found
