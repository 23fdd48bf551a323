"""How an overlay comes into an episode: at the moment of decision by a branch, else from the start, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from experiments.policy.episodes import Episode
from lob_sim.calendar import parse_time_ns
from lob_sim.errors import ScenarioError
from lob_sim.interactive.branching import turn_of
from lob_sim.interactive.opening import header_of
from lob_sim.log import BranchEntry
from lob_sim.scenario import (
    Overlay,
    Scenario,
    apply_overlays,
    apply_overrides,
    calendar_of,
    load_overlay,
    overlay_changes,
    packaged_overlays,
    parse_scenario,
    scenario_to_dict,
)
from lob_sim.scenario.toml_text import toml_value
from lob_sim.simulation.plan import MarketPlan
from lob_sim.units import Ns

NO_POLICY = "calm"
"""An overlay that takes the crisis away is no policy."""
_ASLEEP = {"strategy": "strategies.buy_and_hold:BuyAndHold", "params": {}}
"""What a group does that a branch is to wake: nothing."""
_OPENS_LATER = "StandingRepoFacility"
"""Runs from the start on, but opens when it is told to: at the moment of decision."""
_BY_STRATEGY = {
    "SpiralDealer": "dealers",
    "HoStollDealer": "trading firms",
    "MomentumTrader": "trading firms",
    "LeveragedFund": "leveraged funds",
    "LdiFund": "LDI funds",
    "BuyAndHold": "asset managers",
    "LiquidityTraders": "clients",
    "ScheduledFlow": "those who must trade",
    "SlowCapital": "slow capital",
    "ValueInvestor": "slow capital",
    "CentralBankPurchases": "central bank",
    "StandingRepoFacility": "central bank",
    "RepoLending": "repo lenders",
}
PUBLIC = "central bank"
OTHERS = "others"
CLASSES = (*dict.fromkeys(_BY_STRATEGY.values()), "arbitrageurs", OTHERS)
"""Who may gain or lose, in the order in which they are told."""


class Way(msgspec.Struct, frozen=True):
    """How an overlay comes into an episode.

    Attributes:
        overlay: Its name.
        kind: ``branch``: at the moment of decision, on the common past; ``start``: from the start; ``none``: it does
            not apply.
        why: Why not by a branch, or why it does not apply.
        changes: What a branch changes.
        scenario: The whole scenario, for one from the start.
    """

    overlay: str
    kind: Literal["branch", "start", "none"]
    why: str = ""
    changes: tuple[str, ...] = ()
    scenario: dict[str, Any] | None = None


class Plan(msgspec.Struct, frozen=True):
    """An episode with the ways of overlays into it.

    Attributes:
        episode: Which.
        plain: The episode in which nobody does anything.
        base: The same with groups in it that do nothing, for branches to wake.
        at_ns: The moment of decision.
        classes: Group → class, for all groups that anybody brings.
        ways: In the order asked for.
    """

    episode: Episode
    plain: dict[str, Any]
    base: dict[str, Any]
    at_ns: Ns
    classes: dict[str, str]
    ways: tuple[Way, ...]


def policies() -> list[str]:
    """Packaged overlays that somebody could decide on."""
    return [name for name in packaged_overlays() if name != NO_POLICY]


def plan_episode(episode: Episode, overlays: Sequence[str], overrides: Sequence[str] = ()) -> Plan:
    """Find out how each overlay can come into an episode.

    Args:
        episode: The episode.
        overlays: Names of packaged overlays.
        overrides: Further changes of the episode.
    """
    scenario = episode.untreated(overrides)
    plain = scenario_to_dict(scenario)
    at_ns = parse_time_ns(episode.at, calendar_of(scenario))
    loaded = [load_overlay(name) for name in overlays]
    base = plain
    for overlay in loaded:
        woken = _with_sleepers(base, overlay)
        if woken is not None and not _refusal(woken, _wake(woken, overlay), at_ns):
            base = woken
    ways = tuple(_way(plain, base, overlay, at_ns) for overlay in loaded)
    groups = {group["name"]: group for way in ways for group in (way.scenario or {}).get("agents", ())}
    groups |= {group["name"]: group for group in scenario_to_dict(episode.as_it_was(overrides))["agents"]}
    groups |= {group["name"]: group for group in base["agents"]}
    groups |= {group["name"]: group for overlay in loaded for group in overlay.agents if "strategy" in group}
    return Plan(episode, plain, base, at_ns, _classes(episode, groups), ways)


def has_threshold(plan: Plan) -> bool:
    """Whether an episode has one shock, whose size a threshold can be of, and a calm before it."""
    return len(plan.plain["shocks"]) == 1


def _way(plain: Mapping[str, Any], base: Mapping[str, Any], overlay: Overlay, at_ns: Ns) -> Way:
    try:
        after = _opening_later(apply_overlays(plain, [overlay]), at_ns)
        checked = parse_scenario(after, "")
        MarketPlan(checked)
    except ScenarioError as error:
        return Way(overlay.name, "none", _told(error, overlay.name))
    if _same(checked, plain):
        return Way(overlay.name, "none", "the market has it already")
    try:
        changes = _wake(base, overlay)
        why = _refusal(base, changes, at_ns)
    except ScenarioError as error:
        woken = _with_sleepers(base, overlay)
        why = _told(error, overlay.name) if woken is None else _refusal(woken, _wake(woken, overlay), at_ns)
    if why:
        return Way(overlay.name, "start", why, scenario=scenario_to_dict(checked))
    return Way(overlay.name, "branch", changes=changes)


def _opening_later(plain: dict[str, Any], at_ns: Ns) -> dict[str, Any]:
    """The scenario with every standing facility closed until the moment of decision."""
    agents = [
        {**group, "params": {**group.get("params", {}), "start": f"{at_ns}ns"}}
        if str(group["strategy"]).endswith(f":{_OPENS_LATER}")
        else group
        for group in plain["agents"]
    ]
    return {**plain, "agents": agents}


def _same(scenario: Scenario, plain: Mapping[str, Any]) -> bool:
    return {**scenario_to_dict(scenario), "overlays": None} == {**plain, "overlays": None}


def _told(error: ScenarioError, name: str) -> str:
    """The reason, without the overlay's name, which stands beside it."""
    where = (error.where or "").removeprefix(f"{name}: ")
    return f"{where}: {error.message}" if where else error.message


def _with_sleepers(base: Mapping[str, Any], overlay: Overlay) -> dict[str, Any] | None:
    """The scenario with an overlay's own groups in it, asleep; None if it has none that are new."""
    there = {group["name"] for group in base["agents"]}
    if not overlay.agents or any(group["name"] in there for group in overlay.agents):
        return None
    try:
        after = apply_overlays(base, [overlay])
        after = scenario_to_dict(parse_scenario(after, ""))
    except ScenarioError:
        return None
    added = [group | _ASLEEP for group in after["agents"] if group["name"] not in there]
    return {**base, "agents": [*base["agents"], *added]}


def _wake(base: Mapping[str, Any], overlay: Overlay) -> tuple[str, ...]:
    """What a branch of the base changes for an overlay: its groups wake up, its values are set.

    Raises:
        ScenarioError: It changes what no branch can.
    """
    asleep = {group["name"] for group in base["agents"] if group["strategy"] == _ASLEEP["strategy"]}
    own = [group for group in overlay.agents if group["name"] in asleep]
    if not own:
        return overlay_changes(base, [overlay])
    after = apply_overlays(base, [overlay])
    awake = {group["name"]: group for group in after["agents"]}
    changes = [
        f"agents.{group['name']}.{key}={toml_value(awake[group['name']].get(key, {}))}"
        for group in own
        for key in ("strategy", "params")
    ]
    rest = msgspec.structs.replace(overlay, agents=[])
    return (*changes, *overlay_changes(base, [rest]))


def _refusal(base: Mapping[str, Any], changes: Sequence[str], at_ns: Ns) -> str:
    """Why a branch cannot change this; empty if it can."""
    try:
        scenario = parse_scenario(dict(base), "")
        turn_of(header_of(MarketPlan(scenario), scenario.seed), BranchEntry(at_ns, changes=tuple(changes)))
    except ScenarioError as error:
        return f"{error.where}: {error.message}".partition(": a branch cannot change it")[0]
    return ""


def resized(plain: Mapping[str, Any], size: float) -> str:
    """A scenario's shocks with the first of a size and the others in proportion, as an override."""
    factor = size / plain["shocks"][0]["size"]
    return f"shocks={toml_value([{**shock, 'size': shock['size'] * factor} for shock in plain['shocks']])}"


def with_changes(plain: Mapping[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """A scenario with overrides, as plain data."""
    return apply_overrides(dict(plain), changes)


def _classes(episode: Episode, groups: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    found = {}
    for name, group in groups.items():
        strategy = str(group["strategy"]).rpartition(":")[2]
        found[name] = episode.classes.get(name) or _BY_STRATEGY.get(strategy, OTHERS)
    return found
