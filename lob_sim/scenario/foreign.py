"""A scenario without the code that it names outside this package: what can be checked before anybody is trusted."""

from __future__ import annotations

from pathlib import Path

import msgspec

from lob_sim.plugins import is_shipped
from lob_sim.scenario.agent_specs import AgentGroupSpec
from lob_sim.scenario.sheet_specs import BalanceSheetSpec
from lob_sim.scenario.specs import Scenario

_STAND_IN = "strategies.buy_and_hold:BuyAndHold"
_POLICIES = {"liquidation_sequence": "", "liquidation": "liquidation_params", "marking": "marking_params"}


def without_foreign(scenario: Scenario) -> tuple[Scenario, tuple[str, ...]]:
    """Replace every plug-in of somebody else's by one of the package that does nothing, or by the default.

    Returns:
        The scenario, and the fields that named what has been replaced.
    """
    left: list[str] = []
    folder = Path(scenario.folder) if scenario.folder else None
    groups = [_group(group, folder, left) for group in scenario.agents]
    foreign = [i for i, venue in enumerate(scenario.venues) if _is_foreign(venue.kind, folder)]
    left += [f"venues[{i}].kind" for i in foreign]
    venues = [venue for i, venue in enumerate(scenario.venues) if i not in foreign]
    silent = {place.split(".")[1] for place in left if place.endswith(".strategy")}
    # A group whose strategy is not looked at may or may not lend.
    groups = [_without_lenders(group, silent) for group in groups]
    return msgspec.structs.replace(scenario, agents=groups, venues=venues), tuple(left)


def _group(group: AgentGroupSpec, folder: Path | None, left: list[str]) -> AgentGroupSpec:
    where = f"agents.{group.name}"
    if not is_shipped(group.strategy, folder):
        left.append(f"{where}.strategy")
        group = msgspec.structs.replace(group, strategy=_STAND_IN, params={})
    parts = [name for name, value in group.params.items() if _is_foreign(_kind_of(value), folder)]
    if parts:
        left += [f"{where}.params.{name}.kind" for name in parts]
        kept = {name: value for name, value in group.params.items() if name not in parts}
        group = msgspec.structs.replace(group, params=kept)
    if group.balance_sheet is None:
        return group
    return msgspec.structs.replace(
        group, balance_sheet=_sheet(group.balance_sheet, f"{where}.balance_sheet", folder, left)
    )


def _sheet(sheet: BalanceSheetSpec, where: str, folder: Path | None, left: list[str]) -> BalanceSheetSpec:
    kept = []
    for i, constraint in enumerate(sheet.constraints):
        if _is_foreign(constraint.kind, folder):
            left.append(f"{where}.constraints[{i}].kind")
        else:
            kept.append(constraint)
    sheet = msgspec.structs.replace(sheet, constraints=kept)
    plain = BalanceSheetSpec()
    for field, params in _POLICIES.items():
        if _is_foreign(getattr(sheet, field), folder):
            left.append(f"{where}.{field}")
            changes = {name: getattr(plain, name) for name in (field, params) if name}
            sheet = msgspec.structs.replace(sheet, **changes)
    return sheet


def _without_lenders(group: AgentGroupSpec, silent: set[str]) -> AgentGroupSpec:
    sheet = group.balance_sheet
    if sheet is None or not silent.intersection(sheet.lenders):
        return group
    lenders = [name for name in sheet.lenders if name not in silent]
    return msgspec.structs.replace(group, balance_sheet=msgspec.structs.replace(sheet, lenders=lenders))


def _kind_of(value: object) -> str:
    """The class that a part of a strategy names; empty if it names none."""
    kind = value.get("kind") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def _is_foreign(name: str, folder: Path | None) -> bool:
    return ":" in name and not is_shipped(name, folder)
