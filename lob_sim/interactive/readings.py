"""What a market is at this instant, in human units: books, agents and balance sheets, to read and not to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Generic, NamedTuple, TypeVar

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.messages import Event, Phase, Side
from lob_sim.simulation.world import World

T = TypeVar("T")


class Level(NamedTuple):
    """One displayed price of a lit book.

    Attributes:
        price: Price points.
        amount: Displayed amount, in shares or face value.
        orders: Number of displayed orders.
    """

    price: float
    amount: float
    orders: int


class BookReading(NamedTuple):
    """A lit book and its market at an instant, as the venue knows it.

    Attributes:
        name: The instrument.
        instrument_id: Its number, as in commands.
        phase: Trading phase.
        bids: Displayed levels, best first.
        asks: The same for the other side.
        last_trade: Price of the last lit trade, None before the first.
        fair_value: The exogenous fair value, in price points.
    """

    name: str
    instrument_id: int
    phase: Phase
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_trade: float | None
    fair_value: float

    @property
    def bid(self) -> float | None:
        """Best displayed bid; None if there is none."""
        return self.bids[0].price if self.bids else None

    @property
    def ask(self) -> float | None:
        """Best displayed ask; None if there is none."""
        return self.asks[0].price if self.asks else None

    @property
    def mid(self) -> float | None:
        """Middle of the two; None where a side is empty."""
        return (self.bids[0].price + self.asks[0].price) / 2 if self.bids and self.asks else None


class OrderReading(NamedTuple):
    """An order that an agent believes to be working.

    Attributes:
        instrument: The instrument.
        client_order_id: The agent's own number of it.
        side: Buy or sell.
        price: Limit price in points; 0 for none.
        amount: Open amount.
    """

    instrument: str
    client_order_id: int
    side: Side
    price: float
    amount: float


class AgentReading(NamedTuple):
    """An agent at an instant.

    Attributes:
        name: Stable name.
        agent_id: Its number, as in commands.
        group: Its group.
        strategy: Its strategy's class.
        cash: What it owns by the settlement ledger, in currency units.
        positions: By instrument, settled, in shares or face value.
        orders: What it believes to be working: answers that are under way have not reached it.
        heard: Of an agent outside, what the venues have answered so far, oldest first; empty for others.
        is_silenced: Whether it has failed, so that its strategy hears nothing any more.
    """

    name: str
    agent_id: int
    group: str
    strategy: str
    cash: float
    positions: Mapping[str, float]
    orders: tuple[OrderReading, ...]
    heard: tuple[Event, ...]
    is_silenced: bool


class SheetReading(NamedTuple):
    """A balance sheet at an instant, at its own marks, in currency units.

    Attributes:
        name: The agent.
        group: Its group.
        cash: Cash and reserves.
        assets: All assets.
        debt: All that is owed.
        tier1: Tier 1 capital.
        positions: By instrument, in shares or face value.
        marks: By instrument, in price points.
        headroom: Distance from each limit that is on, by its name; negative where it is breached. Of several limits of
            one name the nearest.
        is_selling: Whether a forced sale is at work.
        has_defaulted: Whether it has defaulted.
    """

    name: str
    group: str
    cash: float
    assets: float
    debt: float
    tier1: float
    positions: Mapping[str, float]
    marks: Mapping[str, float]
    headroom: Mapping[str, float]
    is_selling: bool
    has_defaulted: bool

    @property
    def leverage(self) -> float:
        """Assets over Tier 1; infinite where that is not positive."""
        return self.assets / self.tier1 if self.tier1 > 0 else float("inf")


class Readings(Mapping[str, T], Generic[T]):
    """Readings by name, each made when it is asked for: a copy of how things are then.

    Args:
        kind: What they are, for errors.
        places: By name, where each is.
        read: Makes a reading of such a place.
    """

    def __init__(self, kind: str, places: Mapping[str, int], read: Callable[[int], T]) -> None:
        self._kind, self._places, self._read = kind, places, read

    def __getitem__(self, name: str) -> T:
        if name not in self._places:
            known = list(self._places)
            there = f"; there are: {', '.join(known[:20])}{', ...' if len(known) > 20 else ''}" if known else ""
            raise UnknownNameError(f"no {self._kind} is named {name!r}{did_you_mean(name, known)}{there}")
        return self._read(self._places[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, name: object) -> bool:
        return name in self._places


class UnknownNameError(InputError, KeyError):
    """No book, agent or balance sheet has the name; a mapping's ``get`` takes it for a missing key."""


def read_books(world: World, levels: int = 10) -> Readings[BookReading]:
    """The lit books, by instrument, with so many displayed levels a side."""

    def read(i: int) -> BookReading:
        instrument, engine = world.instruments[i], world.market.venues.books[i]
        bids, asks = (_levels(world, i, side) for side in engine.book.depth(levels))
        last = engine.last_trade_ticks
        return BookReading(
            instrument.name,
            i,
            engine.phase,
            bids,
            asks,
            instrument.price(last) if last else None,
            instrument.price(world.data.fair_values[i]),
        )

    return Readings("instrument", {instrument.name: instrument.instrument_id for instrument in world.instruments}, read)


def _levels(world: World, instrument_id: int, side: Sequence[tuple[int, int, int]]) -> tuple[Level, ...]:
    instrument = world.instruments[instrument_id]
    return tuple(Level(instrument.price(ticks), instrument.amount(lots), n) for ticks, lots, n in side)


def read_agents(world: World) -> Readings[AgentReading]:
    """The agents, by name."""

    def read(agent_id: int) -> AgentReading:
        host, ledger = world.hosts[agent_id], world.ledger
        strategy = host.components[-1]
        orders = tuple(
            OrderReading(
                i.name, order.client_order_id, order.side, i.price(order.price_ticks), i.amount(order.leaves_lots)
            )
            for i, working in zip(world.instruments, host.account.orders, strict=True)
            for order in working.values()
        )
        return AgentReading(
            host.name,
            agent_id,
            host.group,
            world.members[agent_id].group.strategy,
            world.cash_unit.money(ledger.cash[agent_id]),
            _amounts(world, ledger.positions[agent_id]),
            orders,
            tuple(getattr(strategy, "heard", ())),
            host.silenced,
        )

    return Readings("agent", {host.name: host.agent_id for host in world.hosts}, read)


def read_sheets(world: World) -> Readings[SheetReading]:
    """The balance sheets, by the name of the agent."""

    def read(agent_id: int) -> SheetReading:
        desk, host, money = world.desks[agent_id], world.hosts[agent_id], world.cash_unit.money
        sheet = desk.sheet
        view = sheet.view(desk.volatility.covariances)
        headroom: dict[str, float] = {}
        for constraint in desk.risk.constraints:
            found = money(constraint.headroom(view))
            headroom[constraint.name] = min(found, headroom.get(constraint.name, found))
        return SheetReading(
            host.name,
            host.group,
            money(sheet.cash),
            money(sheet.assets_cash),
            money(sheet.debt_cash),
            money(sheet.tier1_cash),
            _amounts(world, sheet.lots),
            MappingProxyType({i.name: i.price(sheet.marks_ticks[i.instrument_id]) for i in world.instruments}),
            MappingProxyType(headroom),
            bool(desk.sales.parents),
            desk.defaulted,
        )

    return Readings("balance sheet", {world.hosts[i].name: i for i in world.desks}, read)


def _amounts(world: World, lots: Sequence[int]) -> Mapping[str, float]:
    return MappingProxyType({i.name: i.amount(lots[i.instrument_id]) for i in world.instruments})
