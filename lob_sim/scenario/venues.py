"""The venues of a scenario: one way to make them, for the market that runs and for a replay of its log."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, ScenarioError
from lob_sim.messages import Phase
from lob_sim.plugin_params import build_params
from lob_sim.plugins import load_class
from lob_sim.scenario.instrument_specs import InstrumentSpec, LitSpec, VenueSpec
from lob_sim.scenario.loading import instrument_specs, open_market
from lob_sim.scenario.specs import Scenario
from lob_sim.units import Ns, Ticks
from lob_sim.venue.bands import PriceBand
from lob_sim.venue.base import Venue
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.midpoint_cross import MidpointCross
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.transparency import Transparency, TransparencyRegime
from lob_sim.venue.venues import Venues

VENUES: Mapping[str, type[Venue]] = {"midpoint_cross": MidpointCross}
"""Venues of this package that a scenario may add to its instruments, by their short names."""


def open_venues(
    scenario: Scenario, dealer_ids: Collection[int], *, plugins: bool = True, timetable: bool = True
) -> Venues:
    """Fresh venues of every instrument: its lit book, its RFQ venue, and what the scenario adds.

    Args:
        scenario: The market.
        dealer_ids: Agents that may be asked for quotes.
        plugins: Whether venues that are not of this package may be loaded, which runs their code.
        timetable: Whether the books begin batch auctions by themselves; else somebody else says what phase they are in.

    Raises:
        ScenarioError: Names the field that does not hold.
    """
    _, _, initial_ticks = open_market(scenario)
    specs = instrument_specs(scenario)
    venues: list[list[Venue]] = [
        [_lit_book(i, spec, initial_ticks[i], timetable), _rfq_venue(i, spec, dealer_ids)]
        for i, spec in enumerate(specs)
    ]
    names = [spec.name for spec in specs]
    for n, entry in enumerate(scenario.venues):
        where = f"venues[{n}]"
        cls = _venue_class(entry, scenario.folder, plugins, where)
        try:
            params = build_params(cls, entry.params, f"{where}.params")
        except InputError as error:
            raise ScenarioError(error.message, error.where) from None
        for i in _dealt_in(entry, names, where):
            venue: Venue = cls(i, params)  # type: ignore[call-arg]
            taken = {command for other in venues[i] for command in type(other).commands}
            if not taken.isdisjoint(cls.commands):
                raise ScenarioError(f"{names[i]} has a venue already that takes its commands", f"{where}.kind")
            venues[i].append(venue)
    return Venues(venues)


def opening_phase(lit: LitSpec) -> Phase:
    """The phase in which a book starts."""
    return Phase.AUCTION if lit.opening_auction or lit.batch_interval else Phase.CONTINUOUS


def _venue_class(entry: VenueSpec, folder: str, plugins: bool, where: str) -> type[Venue]:
    if entry.kind in VENUES:
        return VENUES[entry.kind]
    if ":" not in entry.kind:
        raise ScenarioError(
            f'expected one of {", ".join(VENUES)} or "module:Class", got {entry.kind!r}'
            f"{did_you_mean(entry.kind, list(VENUES))}",
            f"{where}.kind",
        )
    if not plugins:
        raise ScenarioError(
            f"{entry.kind} is not of this package, and its code is not run without being told", f"{where}.kind"
        )
    try:
        return load_class(entry.kind, Venue, Path(folder) if folder else None)
    except InputError as error:
        raise ScenarioError(error.message, f"{where}.kind") from error


def _dealt_in(entry: VenueSpec, names: Sequence[str], where: str) -> list[int]:
    for name in entry.instruments:
        if name not in names:
            known = f"; there are: {', '.join(names)}"
            raise ScenarioError(
                f"no instrument named {name!r}{did_you_mean(name, names)}{known}", f"{where}.instruments"
            )
    return [i for i, name in enumerate(names) if not entry.instruments or name in entry.instruments]


def _lit_book(instrument_id: int, spec: InstrumentSpec, initial_ticks: Ticks, timetable: bool) -> MatchingEngine:
    lit = spec.lit
    band = (
        PriceBand(width_ticks=max(1, round(lit.price_band * initial_ticks)), halt_ns=lit.halt)
        if lit.price_band
        else None
    )
    return MatchingEngine(
        instrument_id,
        phase=opening_phase(lit),
        price_band=band,
        reference_price_ticks=initial_ticks,
        in_batches=timetable and lit.batch_interval > 0,
    )


def _rfq_venue(instrument_id: int, spec: InstrumentSpec, dealer_ids: Collection[int]) -> RfqVenue:
    return RfqVenue(instrument_id, transparency=_regime(spec), known_dealers=dealer_ids)


def _regime(spec: InstrumentSpec) -> TransparencyRegime:
    return TransparencyRegime(Transparency[spec.rfq.transparency.upper()], spec.rfq.delay)


def change_venues(venues: Venues, from_ns: Ns, scenario: Scenario) -> None:
    """Let venues follow the rules of another scenario from some time on, as far as they can: a branch's."""
    for engine, rfq, spec in zip(venues.books, venues.rfqs, instrument_specs(scenario), strict=True):
        engine.change_halt(from_ns, spec.lit.halt)
        rfq.change_transparency(from_ns, _regime(spec))
