"""Branches: from one instant on a market goes on under other rules, limits or strategies, or with other luck.

What may change is what acts from the instant on. What has shaped the past (instruments, agents, names, endowments,
latencies) may not: it is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from lob_sim.desk.borrower import Lender
from lob_sim.errors import InputError, ScenarioError
from lob_sim.log import BranchEntry, Run, RunHeader
from lob_sim.log.schema import message_types
from lob_sim.messages import AgentCommand
from lob_sim.scenario import Scenario, apply_overrides, change_venues, parse_scenario, scenario_to_dict
from lob_sim.simulation.exogenous import jumps_of
from lob_sim.simulation.failures import made_strategy
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.world import World, desk_builder
from lob_sim.units import Ns, format_time

_SWITCHES = {
    "slr": {"limits"},
    "var": {"limits"},
    "funding": {"limits"},
    "prudent_marks": {"marking"},
    "retreat": set[str](),
}
"""Switches that act from one instant on, and the parts of every desk that are made of them."""
_SHEET = {
    "constraints": "limits",
    "liquidation_sequence": "limits",
    "marking": "marking",
    "marking_params": "marking",
    "liquidation": "liquidation",
    "liquidation_params": "liquidation",
}
"""Keys of a balance sheet that say how it is judged, marked and sold, and the parts of the desk that they make."""
MAY_CHANGE = (
    f"switches.{{{','.join(_SWITCHES)}}}",
    "instruments.NAME.lit.halt",
    "instruments.NAME.rfq",
    "agents.GROUP.strategy",
    "agents.GROUP.params",
    f"agents.GROUP.balance_sheet.{{{','.join(_SHEET)}}}",
    "shocks that are still to come",
)
"""Paths of the scenario that a branch may change."""


class Turn(NamedTuple):
    """What changes at a branch, checked.

    Attributes:
        entry: As the log tells it.
        plan: The market under the scenario as changed.
        paths: Where the two scenarios differ.
    """

    entry: BranchEntry
    plan: MarketPlan
    paths: tuple[tuple[str, ...], ...]


def turn_of(header: RunHeader, entry: BranchEntry) -> Turn:
    """Check what is to change in a run at an instant.

    Args:
        header: What is known of the run up to there.
        entry: What is to change.

    Raises:
        ScenarioError: A change does not hold, or is none that a branch can make; names it.
    """
    raw = header.scenario
    for before in header.branches:
        raw = apply_overrides(raw, before.changes)
    old = parse_scenario(raw, "branch: ")
    new = parse_scenario(apply_overrides(raw, entry.changes), "branch: ")
    paths = tuple(_differing(scenario_to_dict(old), scenario_to_dict(new), ()))
    for path in paths:
        _require_changeable(path, old, new, entry.from_ns)
    was, plan = MarketPlan(old), MarketPlan(new)
    for group in new.agents:
        _require_same_part(was.strategies[group.name][0], plan.strategies[group.name][0], group.name)
    if was.lenders != plan.lenders:
        raise ScenarioError("the terms of repo lenders cannot change: loans have been made on them", "branch: agents")
    return Turn(entry, plan, paths)


def apply_turn(world: World, turn: Turn) -> None:
    """Let a market go on otherwise from now on. Strategies that are new start, in order of ``agent_id``.

    Raises:
        ScenarioError: A limit, a marking or a liquidation does not hold.
        StrategyError: A new strategy raised.
    """
    plan, paths, scenario = turn.plan, turn.paths, turn.plan.scenario
    world.plan, world.scenario, world.members = plan, scenario, plan.members
    switched = {path[1] for path in paths if path[0] == "switches"}
    if switched:
        world.data.switches = scenario.switches
        for host in world.hosts:
            host.see_switches(scenario.switches)
    change_venues(world.market.venues, turn.entry.from_ns, scenario)
    _remake_desks(world, turn, switched)
    if any(path[0] == "shocks" for path in paths):
        world.exogenous.reschedule(jumps_of(scenario, plan.outside), turn.entry.from_ns)
    _replace_strategies(world, turn)


def _remake_desks(world: World, turn: Turn, switched: set[str]) -> None:
    builder = desk_builder(turn.plan)
    everywhere = set().union(*(_SWITCHES[name] for name in sorted(switched)))
    for agent_id, desk in world.desks.items():
        group = turn.plan.members[agent_id].group
        own = {_SHEET[p[3]] for p in turn.paths if p[:3] == ("agents", group.name, "balance_sheet")}
        if own | everywhere:
            assert group.balance_sheet is not None
            builder.remake(desk, group.balance_sheet, f"agents.{group.name}.balance_sheet", own | everywhere)


def _replace_strategies(world: World, turn: Turn) -> None:
    changed = {p[1] for p in turn.paths if p[0] == "agents" and p[2] in ("strategy", "params")}
    hosts = [host for host in world.hosts if host.group in changed]
    if not hosts:
        return
    for host in hosts:
        cls, params = turn.plan.strategies[host.group]
        strategy = made_strategy(cls, params, host.name, world.kernel.now_ns)
        host.replace_strategy(strategy)
        if host.agent_id in world.desks:
            world.desks[host.agent_id].follow_strategy(strategy)
    world.market.admit(world.hosts)
    world.exogenous.tell(world.hosts)
    for host in hosts:
        host.start_strategy()


def _require_changeable(path: tuple[str, ...], old: Scenario, new: Scenario, from_ns: Ns) -> None:
    match path:
        case ("switches", name) if name in _SWITCHES:
            return
        case ("switches", name):
            why = "is settled when the market opens"
        case ("instruments", _, "lit", "halt") | ("instruments", _, "rfq", *_):
            return
        case ("agents", _, "strategy") | ("agents", _, "params", *_):
            return
        case ("agents", _, "balance_sheet", key, *_) if key in _SHEET:
            return
        case ("shocks", *_):
            past = [[shock for shock in each.shocks if shock.at < from_ns] for each in (old, new)]
            if past[0] == past[1]:
                return
            why = f"that come before {format_time(from_ns)} are past"
        case _:
            why = "would have changed the past"
    raise ScenarioError(f"{why}: a branch cannot change it. It may change {'; '.join(MAY_CHANGE)}", ".".join(path))


def _require_same_part(old: type, new: type, group: str) -> None:
    where = f"agents.{group}.strategy"
    if old.answers_rfqs != new.answers_rfqs:  # type: ignore[attr-defined]
        raise ScenarioError("who may be asked for quotes is settled at the opening: a branch cannot change it", where)
    if issubclass(old, Lender) != issubclass(new, Lender):
        raise ScenarioError("who lends on repo is settled at the opening: a branch cannot change it", where)
    if new.listens and not old.listens:  # type: ignore[attr-defined]
        raise ScenarioError("an agent that has heard nothing so far cannot begin to: a branch cannot change it", where)


def _differing(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Paths at which plain data differ, members of lists by their names; a list without names is one thing."""
    old, new = _by_name(old), _by_name(new)
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            if key in old and key in new:
                yield from _differing(old[key], new[key], (*path, key))
            else:
                yield (*path, key)
    elif old != new:
        yield path


def _by_name(value: Any) -> Any:
    if isinstance(value, list) and value and all(isinstance(entry, dict) and "name" in entry for entry in value):
        return {entry["name"]: entry for entry in value}
    return value


def injected_agents(run: Run) -> list[str]:
    """Names of the agents of a logged run in whose name somebody outside has acted; imports the scenario's code.

    None where that cannot be built: whoever runs it will be told.
    """
    try:
        plan = MarketPlan(parse_scenario(run.header.scenario))
    except InputError:
        return []
    outside = [i for i, member in enumerate(plan.members) if plan.strategies[member.group.name][0].is_outside]
    kinds = [name for name, kind in message_types().items() if issubclass(kind, AgentCommand) and name in run.counts]
    if not outside or not kinds:
        return []
    acted = {agent_id for name in kinds for agent_id in run.arrow(name).column("agent_id").unique().to_pylist()}
    return [plan.members[i].name for i in outside if i in acted]
