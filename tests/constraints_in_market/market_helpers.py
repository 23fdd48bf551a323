"""A small market with balance sheets, and a recorder that audits it at every event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from lob_sim.desk.desk import Desk
from lob_sim.messages import BalanceSheetRecord, Command, Event, SheetCause
from lob_sim.scenario import Scenario, parse_scenario
from lob_sim.simulation.world import World

E = TypeVar("E", bound=Event)


class Auditor:
    """Keeps every event and checks the books at each of them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.commands: list[Command] = []
        self.world: World | None = None

    def batch(self, ts_ns: int, command: Command, events: Sequence[Event]) -> None:
        self.commands.append(command)
        self.events.extend(events)

    def record(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, BalanceSheetRecord) and self.world is not None:
            self.audit(event)

    def audit(self, event: BalanceSheetRecord) -> None:
        """The sheet that was logged holds together and agrees with the agent's books and the ledger."""
        assert self.world is not None
        assets = event.cash + event.inventory_cash + event.other_assets_cash
        debts = event.short_term_cash + event.due_cash + event.repo_cash + event.short_cash
        assert assets == debts + event.adjustment_cash + event.tier1_cash
        desk = desk_of(self.world, event.agent_id)
        account = self.world.hosts[event.agent_id].account
        desk.sheet.check()
        assert desk.sheet.cash == account.cash
        assert desk.sheet.lots == account.positions
        assert min(desk.sheet.lots) >= 0
        if desk.borrower is not None and event.cause is not SheetCause.OPENING:
            for i, repo in enumerate(desk.sheet.repo_cash):
                assert desk.borrower.ladder.outstanding(i) == repo
        self.world.ledger.check()

    def of(self, *types: type[E]) -> list[E]:
        """Events of these types, in order."""
        return [event for event in self.events if isinstance(event, types)]


def desk_of(world: World, agent_id: int) -> Desk:
    """The desk of an agent."""
    return world.desks[agent_id]


def agent_id(world: World, name: str) -> int:
    """An agent's number."""
    return next(i for i, member in enumerate(world.members) if member.name == name)


def run(scenario: Scenario, seed: int = 1) -> tuple[World, Auditor]:
    """Run a scenario under audit."""
    auditor = Auditor()
    world = World(scenario, seed, auditor)
    auditor.world = world
    world.start()
    world.kernel.run_until(scenario.horizon)
    world.finish()
    return world, auditor


def bond(name: str, rank: int, **more: Any) -> dict[str, Any]:
    """A bond at par with lots of a million."""
    return {
        "name": name,
        "tick_size": "0.01",
        "lot_size": 1_000_000,
        "price_per": 100,
        "initial_price": 100,
        "liquidity_rank": rank,
        "rfq": {"transparency": "immediate"},
        **more,
    }


def maker(size_lots: int = 1_000, lean: float = 0.0, **more: Any) -> dict[str, Any]:
    """Two makers who know fair value, quote a tick around it, and move by ``lean`` ticks a lot that they hold."""
    return {
        "name": "maker",
        "strategy": "strategies.ho_stoll:HoStollDealer",
        "count": 2,
        "sees_fair_value": True,
        "params": {
            "mid": "fair_value",
            "choke_fee_ticks": 2.0,
            "risk_price_ticks_per_lot": 2 * lean,
            "size_lots": size_lots,
            "max_inventory_lots": 10**6,
            "requote_interval": "100ms",
        },
        **more,
    }


DEEP = maker()
"""Makers who buy any amount at a tick below fair value."""


def market(*groups: dict[str, Any], **more: Any) -> Scenario:
    """A market in two bonds and the given groups."""
    raw = {
        "name": "test",
        "horizon": "10min",
        "instruments": [bond("treasury", 1), bond("corporate", 2)],
        "agents": list(groups),
        **more,
    }
    return parse_scenario(raw)


def dealer(name: str, sheet: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A group of one dealer with a balance sheet."""
    return {
        "name": name,
        "strategy": "strategies.buy_and_hold:BuyAndHold",
        "connection": {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}},
        "balance_sheet": {"constraints": [{"kind": "slr", "params": {"minimum": 0.05}}], **sheet},
        **more,
    }


def shock(at: str, size: float, instrument: str = "corporate") -> dict[str, Any]:
    """A jump of fair value."""
    return {"instrument": instrument, "at": at, "size": size}
