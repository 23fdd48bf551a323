"""From a scenario and a seed to a market that is ready to run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from lob_sim.account.account import AgentAccount
from lob_sim.account.pre_trade import PreTradePolicy
from lob_sim.agents.strategy import Component
from lob_sim.balance.clearing import CentralCounterparty, SwapTrade
from lob_sim.balance.derivatives import InitialMargin
from lob_sim.balance.view import SheetContext
from lob_sim.desk.building import DeskBuilder
from lob_sim.desk.desk import Desk
from lob_sim.desk.swaps import Swaps
from lob_sim.errors import InputError, ScenarioError
from lob_sim.messages.recorder import Recorder
from lob_sim.rng import Stream, checked_seed
from lob_sim.scenario import Scenario, instrument_specs, open_venues
from lob_sim.simulation.exogenous import Exogenous, fair_values
from lob_sim.simulation.failures import made_strategy
from lob_sim.simulation.host import AgentHost, Connection, DeafHost
from lob_sim.simulation.kernel import Kernel
from lob_sim.simulation.latency import delay_source
from lob_sim.simulation.ledger import Ledger
from lob_sim.simulation.market import Market
from lob_sim.simulation.market_data import AgentView, MarketData
from lob_sim.simulation.plan import MarketPlan, Member, longest_view_ns
from lob_sim.simulation.sessions import Timetable
from lob_sim.simulation.trading_days import TradingDays


class World:
    """A market with its agents, opened and not yet run.

    Args:
        scenario: What to build, or a plan of it.
        seed: The run's seed.
        recorder: The log.
        timetable: Whether the books follow the scenario's timetable; else somebody else says what phase they are in.

    Attributes:
        hosts: The agents, by ``agent_id``.
        desks: The desks of agents with a balance sheet, by ``agent_id``.

    Raises:
        InputError: Something in the scenario does not hold: a strategy, a parameter, an amount off the grid.
    """

    def __init__(
        self, scenario: Scenario | MarketPlan, seed: int, recorder: Recorder, *, timetable: bool = True
    ) -> None:
        self.plan = plan = scenario if isinstance(scenario, MarketPlan) else MarketPlan(scenario)
        self.scenario = plan.scenario
        self.seed = seed = checked_seed(seed)
        self.instruments = plan.instruments
        self.cash_unit = plan.cash_unit
        self.members = plan.members
        self.kernel = Kernel()
        self.recorder = recorder
        venues = open_venues(self.scenario, plan.dealer_ids, timetable=timetable)
        groups = [member.group.name for member in plan.members]
        self.data = MarketData(
            plan.instruments,
            plan.initial_ticks,
            venues,
            groups,
            plan.dealer_ids,
            self.scenario.switches,
            plan.longest_view_ns,
            plan.calendar,
        )
        self.ledger = Ledger(plan.instruments, [m.cash for m in plan.members], [m.lots for m in plan.members])
        self.market = Market(self.kernel, recorder, venues, self.data, self.ledger)
        self._builder = desk_builder(plan)
        self.desks: dict[int, Desk] = {}
        self.hosts = tuple(self._build_host(i, member) for i, member in enumerate(plan.members))
        self.market.admit(self.hosts)
        process = fair_values(self.scenario, seed, plan.initial_ticks, plan.outside)
        self.exogenous = Exogenous(self.kernel, recorder, self.data, self.hosts, process)
        days, horizon_ns = plan.calendar, self.scenario.horizon
        closes_ns = horizon_ns if days is None else min(horizon_ns, days.session_ns)
        self.timetables = [
            Timetable(self.kernel, self.market, i, spec.lit, closes_ns)
            for i, spec in enumerate(instrument_specs(self.scenario) if timetable else ())
        ]
        if days is not None and timetable:
            self.trading_days = TradingDays(self.kernel, self.market, days, self.timetables, self.hosts, horizon_ns)

    def start(self) -> None:
        """Open the market: every agent starts, in order of ``agent_id``."""
        self.market.start()
        self.exogenous.start()
        for host in self.hosts:
            host.start()

    def finish(self) -> None:
        """Close the market at the horizon.

        What would come later does not: messages still under way do not arrive, requests for quote stay open, and
        delayed prints that are not due are not published.
        """
        for timetable in self.timetables:
            timetable.close()
        for host in self.hosts:
            host.finish()
        self.ledger.check()

    def _build_components(self, agent_id: int, member: Member) -> tuple[Component[Any], ...]:
        group = member.group
        strategy_class, params = self.plan.strategies[group.name]
        strategy = made_strategy(strategy_class, params, member.name, self.kernel.now_ns)
        if group.balance_sheet is None:
            return (strategy,)
        where = f"agents.{group.name}.balance_sheet"
        # The desk comes first: it books a fill before the strategy hears of it.
        desk = self._builder.build(group.balance_sheet, member.cash, member.lots, strategy, where, agent_id)
        self.desks[agent_id] = desk
        return (desk, strategy)

    def _build_host(self, agent_id: int, member: Member) -> AgentHost:
        group = member.group
        constrained = group.balance_sheet is not None
        policy = PreTradePolicy(group.may_short and not constrained, group.may_overdraw)
        components = self._build_components(agent_id, member)
        host_type = AgentHost if any(component.listens for component in components) else DeafHost
        return host_type(
            self.kernel,
            self.recorder,
            self.market,
            member.name,
            group.name,
            components,
            AgentAccount(
                agent_id,
                self.instruments,
                member.lots,
                member.cash,
                policy,
                [component.manages_agent for component in components],
            ),
            self._connect(member),
            AgentView(
                self.data,
                self.kernel,
                delay_source(
                    group.connection.from_venue,
                    Stream(self.seed, f"latency/{member.name}/view"),
                    longest_view_ns(group),
                ),
                agent_id,
                member.name,
                group.sees_fair_value,
            ),
            [Stream(self.seed, f"agent/{member.name}/{role}") for role in roles(components)],
        )

    def _connect(self, member: Member) -> Connection:
        spec, name = member.group.connection, member.name
        return Connection(
            delay_source(spec.to_venue, Stream(self.seed, f"latency/{name}/up")),
            delay_source(spec.from_venue, Stream(self.seed, f"latency/{name}/down")),
            delay_source(spec.to_venue, Stream(self.seed, f"latency/{name}/letter-up")),
            delay_source(spec.from_venue, Stream(self.seed, f"latency/{name}/letter-down")),
        )


def desk_builder(plan: MarketPlan) -> DeskBuilder:
    """What makes the desks of a plan."""
    context = SheetContext(plan.instruments, plan.cash_unit)
    scenario = plan.scenario
    swaps = swaps_of(plan)
    return DeskBuilder(context, plan.initial_ticks, scenario.switches, scenario.folder, plan.lenders, swaps)


def swaps_of(plan: MarketPlan) -> Swaps | None:
    """The swaps between the agents of a plan, ``None`` without any.

    Raises:
        ScenarioError: An amount is off the grid.
    """
    if not plan.scenario.swaps:
        return None
    agents = {member.name: agent_id for agent_id, member in enumerate(plan.members)}
    instruments = {instrument.name: instrument for instrument in plan.instruments}
    trades, margins = [], {}
    for n, spec in enumerate(plan.scenario.swaps):
        instrument = instruments[spec.instrument]
        try:
            lots = instrument.to_lots(spec.amount)
        except InputError as error:
            raise ScenarioError(error.message, f"swaps[{n}].amount") from None
        trades.append(SwapTrade(instrument.instrument_id, agents[spec.long], agents[spec.short], lots))
        margins[instrument.instrument_id] = InitialMargin(*spec.margin)
    clearing = plan.scenario.clearing
    if clearing is None:
        return Swaps(trades, margins, None, 0.0)
    capital = int(clearing.own_capital / float(plan.cash_unit.size))
    return Swaps(trades, margins, CentralCounterparty(capital, clearing.assessment), clearing.default_fund)


def roles(components: Sequence[Component[Any]]) -> list[str]:
    """A name for each component of an agent, whatever else the agent has: its role, or ``0``, ``1`` ... without one."""
    numbers = count()
    return [component.role or str(next(numbers)) for component in components]
