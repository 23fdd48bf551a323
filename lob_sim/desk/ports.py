"""What a desk may see and do beyond what a strategy may: its context has these on top."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lob_sim.agents.context import Context, Headroom
from lob_sim.units import Cash, Lots, Ticks


class InventoryPort(Protocol):
    """What a forced seller must know and do about the lots that the agent's other orders may sell."""

    def free_lots(self, instrument_id: int) -> Lots:
        """Lots held that no working order, request or quote may still sell."""

    def set_aside(self, instrument_id: int, qty_lots: Lots) -> None:
        """Keep lots (in place of those kept so far) that nothing but forced sales takes."""


class AgentPort(Protocol):
    """What a desk may do to its own agent."""

    def settlement_ticks(self, instrument_id: int) -> Ticks:
        """At what swaps and futures on an instrument settle now, which no strategy is told."""

    def draw_funding(self, amount: Cash) -> None:
        """Take up (or, if negative, pay back) cash from the world outside the market."""

    def forbid_buying(self, forbidden: bool) -> None:
        """Refuse, or again admit, every order and quote that buys."""

    def show_headroom(self, headroom: Headroom | Callable[[], Headroom]) -> None:
        """What ``ctx.headroom`` says from now on, or what works it out when it is first asked for."""

    def silence(self) -> None:
        """The dealer has failed: its strategy hears nothing more."""


class DeskContext(Context, InventoryPort, AgentPort, Protocol):
    """The context of a component that manages its agent (see :class:`lob_sim.agents.strategy.Component`)."""
