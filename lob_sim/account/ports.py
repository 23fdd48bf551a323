"""What an agent's context needs of the market around it: a clock, a view and a way out.

The simulation implements these; so does anything else that strategies are to be put into, such as a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lob_sim.agents.context import SeenMarket
from lob_sim.messages import AgentMessage, Event
from lob_sim.units import Cash, Ns, Ticks


class Clock(Protocol):
    """Simulated time."""

    @property
    def now_ns(self) -> Ns:
        """Nanoseconds since the market opened."""


class MarketView(SeenMarket, Protocol):
    """The market as one agent sees it, and what is asked of it in the agent's name."""

    @property
    def n_agents(self) -> int:
        """How many agents there are."""

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
