"""What a midpoint cross takes, and what comes of it."""

from __future__ import annotations

from typing import ClassVar

from lob_sim.messages.base import AgentCommand, Command, Event, Exposure, Leg, RejectReason, Side
from lob_sim.units import Lots, Ns, Ticks


class EnterCross(AgentCommand, frozen=True, gc=False):
    """Leave hidden interest for the next crosses.

    Attributes:
        client_cross_id: The owner's own counter; never one that was accepted before.
        side: Buy or sell.
        qty_lots: Quantity, positive.
        limit_ticks: The worst price at which it may cross; 0 for none.
        ts_sent_ns: When it left the agent.
    """

    dataset: ClassVar[str] = "enter_cross"
    client_cross_id: int
    side: Side
    qty_lots: Lots
    limit_ticks: Ticks = 0
    ts_sent_ns: Ns = 0

    def exposure(self) -> Exposure:
        """All of it, at its limit; without one a purchase has no bound."""
        price_ticks = self.limit_ticks if self.limit_ticks > 0 else None
        return Exposure(("cross", self.client_cross_id), self.side, self.qty_lots, price_ticks)


class LeaveCross(AgentCommand, frozen=True, gc=False):
    """Take own interest out."""

    dataset: ClassVar[str] = "leave_cross"
    client_cross_id: int
    ts_sent_ns: Ns = 0


class RunCross(Command, frozen=True, gc=False):
    """The venue's clock: match what is there at the middle of the lit book; 0 for a side that nobody quotes."""

    dataset: ClassVar[str] = "run_cross"
    bid_ticks: Ticks
    ask_ticks: Ticks


class CrossEntered(Event, frozen=True, gc=False):
    """Interest was accepted; its owner alone is told."""

    dataset: ClassVar[str] = "cross_entered"
    hook: ClassVar[str] = "on_cross"
    instrument_id: int
    agent_id: int
    client_cross_id: int
    side: Side
    qty_lots: Lots
    limit_ticks: Ticks


class CrossRejected(Event, frozen=True, gc=False):
    """A command was refused and changed nothing."""

    dataset: ClassVar[str] = "cross_rejected"
    hook: ClassVar[str] = "on_cross"
    instrument_id: int
    agent_id: int
    client_cross_id: int
    reason: RejectReason

    def releases(self) -> tuple[tuple[str, int], Lots] | None:
        """Refused interest commits nobody; what was refused of another's number leaves the earlier one alone."""
        entered = self.reason not in (RejectReason.DUPLICATE_ID, RejectReason.UNKNOWN_ORDER)
        return (("cross", self.client_cross_id), 0) if entered else None


class CrossLeft(Event, frozen=True, gc=False):
    """Interest was taken out by its owner."""

    dataset: ClassVar[str] = "cross_left"
    hook: ClassVar[str] = "on_cross"
    instrument_id: int
    agent_id: int
    client_cross_id: int
    qty_lots: Lots

    def releases(self) -> tuple[tuple[str, int], Lots]:
        """All that was left of it."""
        return ("cross", self.client_cross_id), 0


class CrossFilled(Event, frozen=True, gc=False):
    """Interest crossed, some or all of it; its owner alone is told."""

    dataset: ClassVar[str] = "cross_filled"
    hook: ClassVar[str] = "on_cross"
    instrument_id: int
    agent_id: int
    client_cross_id: int
    side: Side
    price_ticks: Ticks
    qty_lots: Lots
    leaves_qty_lots: Lots

    def legs(self) -> tuple[Leg, ...]:
        """The owner's."""
        return (Leg(self.agent_id, self.side, self.price_ticks, self.qty_lots),)

    def releases(self) -> tuple[tuple[str, int], Lots]:
        """What has crossed."""
        return ("cross", self.client_cross_id), self.leaves_qty_lots


class CrossPrint(Event, frozen=True, gc=False):
    """What one cross has done, told to all: price and lots, and no names. No interest is ever shown."""

    dataset: ClassVar[str] = "cross_print"
    hook: ClassVar[str] = "on_cross_print"
    instrument_id: int
    price_ticks: Ticks
    qty_lots: Lots
