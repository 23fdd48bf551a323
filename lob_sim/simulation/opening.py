"""What balance sheets look like before anybody has traded: assets, Tier 1, and the distance from every limit."""

from __future__ import annotations

import msgspec

from lob_sim.simulation.world import World


class OpeningLimit(msgspec.Struct, frozen=True):
    """One limit at the opening: its name, and the headroom in currency units, negative where it is breached."""

    name: str
    headroom: float


class OpeningSheet(msgspec.Struct, frozen=True):
    """The balance sheet with which every member of a group opens.

    Attributes:
        group: The group.
        assets: At opening marks, in currency units.
        tier1: In currency units.
        limits: In the scenario's order; limits that a switch turns off are not among them.
    """

    group: str
    assets: float
    tier1: float
    limits: tuple[OpeningLimit, ...]

    @property
    def breached(self) -> tuple[OpeningLimit, ...]:
        """Limits that do not hold at the opening."""
        return tuple(limit for limit in self.limits if limit.headroom < 0)


def opening_sheets(world: World) -> list[OpeningSheet]:
    """The opening balance sheets of a market that has not run, one for each group that has them, by name."""
    found: dict[str, OpeningSheet] = {}
    money = world.cash_unit.money
    for agent_id, desk in world.desks.items():
        member = world.members[agent_id]
        if member.group.name in found:
            continue
        view = desk.sheet.view(desk.volatility.covariances)
        limits = tuple(OpeningLimit(c.name, money(c.headroom(view))) for c in desk.risk.constraints)
        sheet = OpeningSheet(member.group.name, money(view.assets_cash), money(view.tier1_cash), limits)
        found[member.group.name] = sheet
    return list(found.values())
