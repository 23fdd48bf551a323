"""Groups of agents that are like another: ``like = "dealer_a"`` and only what differs."""

from __future__ import annotations

import copy
from typing import Any

from lob_sim.convert import did_you_mean
from lob_sim.errors import ScenarioError


def resolve_likes(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Replace every group that says ``like`` by the group it names with its own keys over it, table by table.

    A table with a ``kind`` of its own stands for itself: parameters of another kind would not fit it.

    A group can be like one that stands before it in the file, and that may itself be like another.

    Raises:
        ScenarioError: No group of that name stands before it.
    """
    groups = raw.get("agents")
    if not isinstance(groups, list):
        return raw
    known: dict[str, dict[str, Any]] = {}
    resolved = []
    for group in groups:
        if isinstance(group, dict) and "like" in group:
            own = {key: value for key, value in group.items() if key != "like"}
            model = group["like"]
            if not isinstance(model, str) or model not in known:
                near = did_you_mean(model, known) if isinstance(model, str) else ""
                raise ScenarioError(
                    f"no group of this name stands before it{near}",
                    f"{where}agents.{group.get('name', '?')}.like",
                )
            group = merged(known[model], own)
        resolved.append(group)
        if isinstance(group, dict) and isinstance(group.get("name"), str):
            known[group["name"]] = group
    return {**raw, "agents": resolved}


def merged(model: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A copy of a model group with a group's own keys over it, table by table."""
    result = copy.deepcopy(model)
    for key, value in own.items():
        inherited = result.get(key)
        if (
            isinstance(value, dict)
            and isinstance(inherited, dict)
            and value.get("kind") in (None, inherited.get("kind"))
        ):
            result[key] = merged(inherited, value)
        else:
            result[key] = value
    return result
