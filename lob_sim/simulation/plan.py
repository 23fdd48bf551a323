"""From a scenario to what is built of it: everything that can be known, and can be wrong, before anything exists."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import msgspec

from lob_sim.agents.strategy import Strategy
from lob_sim.calendar import TradingCalendar
from lob_sim.desk.borrower import Lender, LenderTerms
from lob_sim.errors import InputError, ScenarioError
from lob_sim.plugin_params import build_params
from lob_sim.plugins import load_class
from lob_sim.scenario import (
    AgentGroupSpec,
    OutsideRow,
    Scenario,
    calendar_of,
    check_scenario,
    open_market,
    read_outside,
    with_checksums,
)
from lob_sim.simulation.hooks import hook_fault
from lob_sim.units import Cash, CashUnit, Instrument, Lots, Ns

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


class MarketPlan:
    """A scenario with its instruments, its agents by number, and the classes that they are made of.

    Args:
        scenario: What to build.

    Attributes:
        scenario: The same.
        instruments: What is traded, by ``instrument_id``.
        cash_unit: The unit of cash.
        initial_ticks: Initial fair values.
        members: The agents, by ``agent_id``.
        outside: What the scenario's files say.
        strategies: By group, the strategy's class and its parameters, which its members share.

    Raises:
        InputError: Something in the scenario does not hold: a strategy, a parameter, an amount off the grid.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario = with_checksums(scenario)
        self.instruments, self.cash_unit, self.initial_ticks = open_market(scenario)
        check_scenario(scenario, self.instruments, self.cash_unit, self.initial_ticks)
        self.members = create_agents(scenario, self.instruments, self.cash_unit)
        self.outside = read_outside(scenario, calendar_of(scenario))
        self.strategies = {group.name: load_strategy(group, scenario.folder) for group in scenario.agents}
        for name, rows in self.outside.flows.items():
            self.strategies[name] = with_flow(scenario, name, self.strategies[name], rows)

    @cached_property
    def calendar(self) -> TradingCalendar | None:
        """Its trading days; ``None`` where the market trades through."""
        return calendar_of(self.scenario)

    @cached_property
    def dealer_ids(self) -> tuple[int, ...]:
        """Agents that may be asked for quotes."""
        return tuple(i for i, m in enumerate(self.members) if self.strategies[m.group.name][0].answers_rfqs)

    @cached_property
    def lenders(self) -> dict[int, tuple[str, LenderTerms]]:
        """Repo lenders by ``agent_id``: their group, and what borrowers know of them."""
        found = {}
        for agent_id, member in enumerate(self.members):
            cls, params = self.strategies[member.group.name]
            if issubclass(cls, Lender):
                found[agent_id] = (member.group.name, cls.terms(agent_id, params))
        return found

    @cached_property
    def longest_view_ns(self) -> Ns:
        """How far back the slowest agent looks at market data."""
        return max((longest_view_ns(group) for group in self.scenario.agents), default=0)


def create_agents(scenario: Scenario, instruments: tuple[Instrument, ...], unit: CashUnit) -> list[Member]:
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
    where, search_path = f"agents.{group.name}", Path(folder) if folder else None
    try:
        strategy = load_class(group.strategy, Strategy, search_path)
    except InputError as error:
        raise ScenarioError(error.message, f"{where}.strategy") from error
    if fault := hook_fault(strategy):
        raise ScenarioError(f"{group.strategy}: {fault}", f"{where}.strategy")
    try:
        params: msgspec.Struct = build_params(strategy, group.params, f"{where}.params", search_path)
    except InputError as error:
        raise ScenarioError(error.message, error.where) from error
    return strategy, params


def with_flow(
    scenario: Scenario, name: str, strategy: tuple[type[Strategy], msgspec.Struct], rows: Sequence[OutsideRow]
) -> tuple[type[Strategy], msgspec.Struct]:
    """A group's strategy, told what a file says that the group buys and sells.

    Raises:
        ScenarioError: It takes no flow, or has one of its own, or there are several agents in the group.
    """
    cls, params = strategy
    where = f"agents.{name}"
    if "flow" not in params.__struct_fields__:
        told = f"a file says what {name} buys and sells, and {cls.__name__} takes no flow"
        raise ScenarioError(f"{told}; strategies.scheduled_flow:ScheduledFlow does", f"{where}.strategy")
    if params.flow:  # type: ignore[attr-defined]
        raise ScenarioError("expected none beside a file that says it", f"{where}.params.flow")
    if any(group.name == name and group.count != 1 for group in scenario.agents):
        raise ScenarioError("expected 1 where a file says what the class buys and sells", f"{where}.count")
    flow = [{"at": f"{row.ts_ns}ns", "instrument": row.instrument, "amount": row.number} for row in rows]
    told_params = build_params(cls, {"flow": flow}, f"{where}.params")
    return cls, msgspec.structs.replace(params, flow=told_params.flow)


def longest_view_ns(group: AgentGroupSpec) -> Ns:
    """How far back the market data may be that an agent of the group sees."""
    spec = group.connection.from_venue
    return spec.median + spec.spread if spec.distribution != "lognormal" else max(_LONGEST_VIEW_NS, 10 * spec.median)
