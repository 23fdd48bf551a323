"""What agents' hosts and the market know of each other."""

from __future__ import annotations

from typing import Protocol

from lob_sim.messages import AgentMessage, Event
from lob_sim.simulation.kernel import ScheduledCall
from lob_sim.units import Cash, Ns


class Recipient(Protocol):
    """An agent, as the market knows it."""

    @property
    def agent_id(self) -> int:
        """Its number."""

    @property
    def watches_book(self) -> bool:
        """Whether it wants to be told of every change of a top of book."""

    def hears(self, kind: type[Event]) -> bool:
        """Whether it has a hook for a type of message."""

    def deliver(self, event: Event) -> None:
        """A message leaves a venue for it."""

    def notify_book(self, instrument_id: int) -> None:
        """The top of a book has changed."""

    def expect_message(self, message: AgentMessage, travelled_ns: Ns) -> None:
        """A message of another agent is on its way to it."""


class MarketPort(Protocol):
    """The market, as an agent's host knows it."""

    def receive(self, call: ScheduledCall) -> None:
        """Commands of one agent arrive."""

    def forward(self, agent_id: int, message: AgentMessage, travelled_ns: Ns) -> None:
        """A message for another agent has left."""

    def draw_funding(self, agent_id: int, amount: Cash) -> None:
        """Cash moves between an agent and the world outside the market."""
