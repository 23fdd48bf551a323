"""From a scenario and a seed to a market that is ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import count
from pathlib import Path

import msgspec

from lob_sim.agents.desk import Desk
from lob_sim.agents.repo_lender import RepoLending
from lob_sim.agents.strategy import Strategy
from lob_sim.balance.view import SheetContext
from lob_sim.errors import InputError, ScenarioError
from lob_sim.plugins import build_params, load_class
from lob_sim.rng import Stream
from lob_sim.scenario import AgentGroupSpec, InstrumentSpec, Scenario, check_scenario, instrument_specs, open_market
from lob_sim.simulation.desks import DeskBuilder, borrower_of
from lob_sim.simulation.exogenous import Exogenous, fair_values
from lob_sim.simulation.guard import Guard, GuardPolicy
from lob_sim.simulation.hooks import hook_fault
from lob_sim.simulation.host import AgentHost, Connection
from lob_sim.simulation.kernel import Kernel
from lob_sim.simulation.latency import delay_source
from lob_sim.simulation.ledger import Ledger
from lob_sim.simulation.market import Market
from lob_sim.simulation.own_books import OwnBooks
from lob_sim.simulation.recorder import Recorder
from lob_sim.simulation.sessions import Timetable, opening_phase
from lob_sim.units import Cash, CashUnit, Instrument, Lots, Ns, Ticks
from lob_sim.venue.bands import PriceBand
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.transparency import Transparency, TransparencyRegime

_LONGEST_VIEW_NS: Ns = 10_000_000_000
"""A lognormal latency of market data is cut to this, or to ten times its median if that is longer."""


class Member(msgspec.Struct, frozen=True):
    """One agent before the market opens.

    Attributes:
        name: Stable name, unique in the run.
        group: Its group in the scenario.
        cash: Endowment in cash units.
        lots: Endowment in lots by instrument.
    """

    name: str
    group: AgentGroupSpec
    cash: Cash
    lots: tuple[Lots, ...]


class World:
    """A market with its agents, opened and not yet run.

    Args:
        scenario: What to build.
        seed: The run's seed.
        recorder: The log.

    Raises:
        InputError: Something in the scenario does not hold: a strategy, a parameter, an amount off the grid.
    """

    def __init__(self, scenario: Scenario, seed: int, recorder: Recorder) -> None:
        self.scenario = scenario
        self.seed = seed
        self.instruments, self.cash_unit, initial_ticks = open_market(scenario)
        check_scenario(scenario, self.instruments, self.cash_unit, initial_ticks)
        self.members = enrol(scenario, self.instruments, self.cash_unit)
        self.kernel = Kernel()
        specs = instrument_specs(scenario)
        self._desks = DeskBuilder(
            SheetContext(self.instruments, self.cash_unit), initial_ticks, scenario.switches, scenario.folder
        )
        plugins = {group.name: load_strategy(group, scenario.folder) for group in scenario.agents}
        components = [self._build_components(member, *plugins[member.group.name]) for member in self.members]
        self.dealer_ids = tuple(i for i, parts in enumerate(components) if any(c.answers_rfqs for c in parts))
        self.market = Market(
            self.kernel,
            recorder,
            self.instruments,
            initial_ticks,
            [build_engine(i, spec, ticks) for i, (spec, ticks) in enumerate(zip(specs, initial_ticks, strict=True))],
            [build_rfq_venue(i, spec, self.dealer_ids) for i, spec in enumerate(specs)],
            Ledger(self.instruments, [m.cash for m in self.members], [m.lots for m in self.members]),
            max((_longest_view_ns(group) for group in scenario.agents), default=0),
            scenario.switches,
        )
        self._introduce_lenders(components)
        self.market.admit([self._build_host(i, parts) for i, parts in enumerate(components)])
        self.exogenous = Exogenous(self.market, fair_values(scenario, seed, initial_ticks))
        self.timetables = [
            Timetable(self.kernel, self.market, i, spec.lit, scenario.horizon) for i, spec in enumerate(specs)
        ]

    def start(self) -> None:
        """Open the market: every agent starts, in order of ``agent_id``."""
        self.exogenous.start()
        for host in self.market.hosts:
            host.start()

    def finish(self) -> None:
        """Close the market at the horizon.

        What would come later does not: messages still under way do not arrive, requests for quote stay open, and
        delayed prints that are not due are not published.
        """
        for timetable in self.timetables:
            timetable.close()
        for host in self.market.hosts:
            host.finish()
        self.market.ledger.check()

    def _build_components(
        self, member: Member, strategy_class: type[Strategy], params: msgspec.Struct
    ) -> tuple[Strategy, ...]:
        group = member.group
        strategy = strategy_class(params)
        if group.balance_sheet is None:
            return (strategy,)
        where = f"agents.{group.name}.balance_sheet"
        # The desk comes first: it books a fill before the strategy hears of it.
        return (self._desks.build(group.balance_sheet, member.cash, member.lots, strategy, where), strategy)

    def _introduce_lenders(self, components: Sequence[tuple[Strategy, ...]]) -> None:
        """Tell every dealer with a balance sheet whom it borrows from."""
        lenders = {i: c for i, parts in enumerate(components) for c in parts if isinstance(c, RepoLending)}
        groups = {i: self.members[i].group.name for i in lenders}
        for member, parts in zip(self.members, components, strict=True):
            spec = member.group.balance_sheet
            for part in parts:
                if isinstance(part, Desk) and spec is not None:
                    where = f"agents.{member.group.name}.balance_sheet"
                    part.borrower = borrower_of(spec, lenders, groups, where)

    def _build_host(self, agent_id: int, components: tuple[Strategy, ...]) -> AgentHost:
        member = self.members[agent_id]
        group = member.group
        tick_values = tuple(i.cash_per_tick_lot for i in self.instruments)
        constrained = group.balance_sheet is not None
        policy = GuardPolicy(group.may_short and not constrained, group.may_overdraw)
        guard = None if policy == GuardPolicy() else Guard(policy, len(self.instruments))
        host = AgentHost(
            self.market,
            agent_id,
            member.name,
            group.name,
            components,
            OwnBooks(agent_id, member.lots, member.cash, tick_values, guard),
            self._connect(member),
            [Stream(self.seed, f"agent/{member.name}/{role}") for role in roles(components)],
            group.sees_fair_value,
        )
        for component in components:
            if isinstance(component, Desk):
                component.controls = host
        return host

    def _connect(self, member: Member) -> Connection:
        spec, name = member.group.connection, member.name
        return Connection(
            delay_source(spec.to_venue, Stream(self.seed, f"latency/{name}/up")),
            delay_source(spec.from_venue, Stream(self.seed, f"latency/{name}/down")),
            delay_source(spec.from_venue, Stream(self.seed, f"latency/{name}/view"), _longest_view_ns(member.group)),
            delay_source(spec.to_venue, Stream(self.seed, f"latency/{name}/letter-up")),
            delay_source(spec.from_venue, Stream(self.seed, f"latency/{name}/letter-down")),
        )


def roles(components: Sequence[Strategy]) -> list[str]:
    """A name for each component of an agent, whatever else the agent has: ``desk``, and ``0``, ``1`` ... the rest."""
    numbers = count()
    return ["desk" if isinstance(component, Desk) else str(next(numbers)) for component in components]


def enrol(scenario: Scenario, instruments: tuple[Instrument, ...], unit: CashUnit) -> list[Member]:
    """Every agent of a checked scenario, in the order of ``agent_id``: by group name, then by number in the group."""
    members: list[Member] = []
    for group in sorted(scenario.agents, key=lambda group: group.name):
        scale = Fraction(group.balance_sheet.scale if group.balance_sheet is not None else 1)
        cash = unit.to_cash(Fraction(group.cash) * scale)
        lots = tuple(i.to_lots(Fraction(group.holdings.get(i.name, 0)) * scale) for i in instruments)
        # A name never depends on how many others there are: adding an agent must not rename, and so reseed,
        # the rest.
        members += [Member(f"{group.name}-{i}", group, cash, lots) for i in range(1, group.count + 1)]
    return members


def load_strategy(group: AgentGroupSpec, folder: str) -> tuple[type[Strategy], msgspec.Struct]:
    """A group's strategy, and its parameters, which are immutable and so common to its members.

    Raises:
        ScenarioError: Names group and field.
    """
    where = f"agents.{group.name}"
    try:
        strategy = load_class(group.strategy, Strategy, Path(folder) if folder else None)
    except InputError as error:
        raise ScenarioError(error.message, f"{where}.strategy") from error
    if fault := hook_fault(strategy):
        raise ScenarioError(f"{group.strategy}: {fault}", f"{where}.strategy")
    try:
        params: msgspec.Struct = build_params(strategy, group.params, f"{where}.params")
    except InputError as error:
        raise ScenarioError(error.message, error.where) from error
    return strategy, params


def _longest_view_ns(group: AgentGroupSpec) -> Ns:
    """How far back the market data may be that an agent of the group sees."""
    spec = group.connection.from_venue
    return spec.median + spec.spread if spec.distribution != "lognormal" else max(_LONGEST_VIEW_NS, 10 * spec.median)


def build_engine(instrument_id: int, spec: InstrumentSpec, initial_ticks: Ticks) -> MatchingEngine:
    """One instrument's order book."""
    lit = spec.lit
    band = (
        PriceBand(width_ticks=max(1, round(lit.price_band * initial_ticks)), halt_ns=lit.halt)
        if lit.price_band
        else None
    )
    return MatchingEngine(instrument_id, phase=opening_phase(lit), price_band=band, reference_price_ticks=initial_ticks)


def build_rfq_venue(instrument_id: int, spec: InstrumentSpec, dealer_ids: Sequence[int]) -> RfqVenue:
    """One instrument's RFQ venue.

    Raises:
        InputError: Transparency and delay do not fit together.
    """
    regime = TransparencyRegime(Transparency[spec.rfq.transparency.upper()], spec.rfq.delay)
    return RfqVenue(instrument_id, transparency=regime, known_dealers=dealer_ids)
