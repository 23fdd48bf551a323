"""What a component is shown: the market as late as its latency, its agent's affairs as its messages have told them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lob_sim.agents.context import Headroom, Switches, TopOfBook, WorkingOrder
from lob_sim.messages import Phase, RfqOpened
from lob_sim.rng import Stream
from lob_sim.simulation.own_books import OwnBooks
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks

if TYPE_CHECKING:
    from lob_sim.simulation.host import AgentHost
    from lob_sim.simulation.market import Market


class AgentView:
    """The half of :class:`~lob_sim.agents.context.Context` that changes nothing.

    Of its agent's orders and requests a strategy is shown what it has sent, a desk all.
    """

    __slots__ = (
        "_affairs",
        "_books",
        "_host",
        "_is_desk",
        "_kernel",
        "_market",
        "_orders",
        "_requests",
        "agent_id",
        "name",
        "random",
    )

    def __init__(self, host: AgentHost, market: Market, random: Stream, is_desk: bool) -> None:
        self._host = host
        self._market = market
        self._kernel = market.kernel
        self._books: OwnBooks = host.books
        self._is_desk = is_desk
        affairs = self._affairs = host.books.affairs
        self._orders = host.books.orders if is_desk or affairs is None else affairs.orders
        self._requests = host.books.requests if is_desk or affairs is None else affairs.requests
        self.agent_id = host.agent_id
        self.name = host.name
        self.random = random

    @property
    def now_ns(self) -> Ns:
        return self._kernel._now

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self._market.instruments

    @property
    def switches(self) -> Switches:
        return self._market.switches

    @property
    def dealers(self) -> tuple[int, ...]:
        return self._host.dealers

    @property
    def cash(self) -> Cash:
        return self._books.cash

    @property
    def headroom(self) -> Headroom | None:
        return self._host.headroom

    def initial_ticks(self, instrument_id: int) -> Ticks:
        return self._market.initial_ticks[instrument_id]

    def top(self, instrument_id: int) -> TopOfBook:
        return self._market.tops[instrument_id].at(self._host.view_ns())

    def last_trade_ticks(self, instrument_id: int) -> Ticks:
        return self._market.last_trades[instrument_id].at(self._host.view_ns())

    def phase(self, instrument_id: int) -> Phase:
        return self._market.phases[instrument_id].at(self._host.view_ns())

    def group_of(self, agent_id: int) -> str:
        return self._market.group_of(agent_id)

    def fair_value(self, instrument_id: int) -> float:
        if not self._host.sees_fair_value:
            raise PermissionError(f"{self.name} does not see fair value: its group lacks sees_fair_value")
        return self._market.fair_values[instrument_id]

    def position(self, instrument_id: int) -> Lots:
        return self._books.positions[instrument_id]

    def orders(self, instrument_id: int) -> Mapping[int, WorkingOrder]:
        return self._orders[instrument_id]

    def requests(self, instrument_id: int) -> Mapping[int, RfqOpened]:
        return self._requests[instrument_id]
