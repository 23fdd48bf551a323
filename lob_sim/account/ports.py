"""What an agent's context needs of the market around it: a clock, a view and a way out.

The simulation implements these; so does anything else that strategies are to be put into, such as a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lob_sim.agents.context import Switches, TopOfBook
from lob_sim.calendar import TradingCalendar
from lob_sim.messages import AgentMessage, Event, Phase
from lob_sim.units import Cash, Instrument, Ns, Ticks


class Clock(Protocol):
    """Simulated time."""

    @property
    def now_ns(self) -> Ns:
        """Nanoseconds since the market opened."""


class MarketView(Protocol):
    """The market as one agent sees it, which is as late as its latency."""

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """What is traded, by ``instrument_id``."""

    @property
    def switches(self) -> Switches:
        """Mechanisms that are on."""

    @property
    def calendar(self) -> TradingCalendar | None:
        """The trading days; ``None`` where the market trades through."""

    @property
    def dealers(self) -> tuple[int, ...]:
        """Agents that can be asked for quotes, without this one."""

    @property
    def n_agents(self) -> int:
        """How many agents there are."""

    def initial_ticks(self, instrument_id: int) -> Ticks:
        """Fair value when the market opened."""

    def top(self, instrument_id: int) -> TopOfBook:
        """Best displayed prices of the lit book."""

    def last_trade_ticks(self, instrument_id: int) -> Ticks:
        """Price of the last lit trade, or 0."""

    def phase(self, instrument_id: int) -> Phase:
        """Trading phase of the lit book."""

    def group_of(self, agent_id: int) -> str:
        """The name of an agent's group."""

    def fair_value(self, instrument_id: int) -> float:
        """The exogenous fair value in ticks.

        Raises:
            PermissionError: This agent has no such knowledge.
        """

    def settlement_ticks(self, instrument_id: int) -> Ticks:
        """At what swaps and futures on an instrument settle now: its fair value, in whole ticks."""

    def takes(self, command: type) -> Sequence[bool]:
        """By instrument, whether a venue beside lit book and requests takes a type of command from agents."""


class Mailbox(Protocol):
    """Where what an agent's components say goes; commands go into the account's outbox."""

    def record(self, event: Event) -> None:
        """Put an event on the log."""

    def tell(self, agent_id: int, message: AgentMessage) -> None:
        """Send a message to another agent."""

    def wake_in(self, component: int, delay_ns: Ns, tag: int) -> None:
        """Ask for a component's ``on_wake(tag)``."""

    def draw_funding(self, amount: Cash) -> None:
        """Move cash between the agent and the world outside the market."""

    def silence(self) -> None:
        """Only components that survive the agent's default hear anything from now on."""
