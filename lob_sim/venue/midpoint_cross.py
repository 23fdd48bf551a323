"""A midpoint cross: hidden interest, matched at set times in the middle of the lit book.

Interest waits unseen until the next cross and after it, until it is done or its owner takes it out. At each multiple of
the interval whatever is willing to trade at the middle of the best lit bid and offer does, the earliest interest first;
without a two-sided lit book nothing crosses. Prices are on the grid of ticks: where the middle lies between two ticks
the side with more to do gives way, and with as much on both sides the sellers do, so that nobody gains by being large.
The cross is anonymous: an agent's own interest on both sides may meet.

Source: crossing networks such as POSIT (Hendershott and Mendelson 2000, "Crossing Networks and Dealer Markets"); the
price is that of another market, which the cross itself does not move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from lob_sim.book import MAX_PRICE_TICKS, MAX_QTY_LOTS
from lob_sim.errors import InvariantError
from lob_sim.messages import (
    Command,
    CrossEntered,
    CrossFilled,
    CrossLeft,
    CrossPrint,
    CrossRejected,
    EnterCross,
    Event,
    LeaveCross,
    RejectReason,
    RunCross,
    Side,
)
from lob_sim.units import NS_PER_S, Interval, Lots, Ns, Ticks
from lob_sim.venue.base import DisplayedTop, Venue


class _Interest(msgspec.Struct):
    """What one agent wants to do, and how much of it is left."""

    entered: EnterCross
    leaves_lots: Lots


class MidpointCross(Venue):
    """Hidden interest in one instrument.

    Args:
        instrument_id: The instrument.
        params: How often it crosses.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters of a cross.

        Attributes:
            interval: Time between two crosses; they come at its multiples.
        """

        interval: Interval = 60 * NS_PER_S

    commands = (EnterCross, LeaveCross, RunCross)
    public = (CrossPrint,)
    __slots__ = ("_entered_ids", "_handlers", "_instrument_id", "_interest", "_interval_ns", "_next_due_ns")

    def __init__(self, instrument_id: int, params: Params | None = None) -> None:
        self._instrument_id = instrument_id
        self._interval_ns: Ns = (params or self.Params()).interval
        self._next_due_ns: Ns = self._interval_ns
        # In order of arrival, which is the order in which a side is served.
        self._interest: dict[tuple[int, int], _Interest] = {}
        self._entered_ids: set[tuple[int, int]] = set()
        self._handlers: dict[type[Command], Callable[[Any, Ns], list[Event]]] = {
            EnterCross: self._enter,
            LeaveCross: self._leave,
            RunCross: self._run,
        }

    def process(self, command: Command, ts_ns: Ns) -> list[Event]:
        """Take interest in or out, or cross; O(1) but for a cross, which is O(n) for n interests."""
        return self._handlers[type(command)](command, ts_ns)

    def next_due_ns(self) -> Ns:
        """The next multiple of the interval."""
        return self._next_due_ns

    def clock_command(self, ts_ns: Ns, top: DisplayedTop) -> RunCross:
        """Cross at the middle of the lit book as it is displayed."""
        return RunCross(self._instrument_id, bid_ticks=top[0], ask_ticks=top[2])

    def _enter(self, command: EnterCross, ts_ns: Ns) -> list[Event]:
        key = (command.agent_id, command.client_cross_id)
        reason = None
        if command.side not in (Side.BUY, Side.SELL):
            reason = RejectReason.INVALID_SIDE
        elif not 0 < command.qty_lots <= MAX_QTY_LOTS:
            reason = RejectReason.INVALID_QTY
        elif not 0 <= command.limit_ticks <= MAX_PRICE_TICKS:
            reason = RejectReason.INVALID_PRICE
        elif key in self._entered_ids:
            reason = RejectReason.DUPLICATE_ID
        if reason is not None:
            return [CrossRejected(ts_ns, self._instrument_id, *key, reason)]
        self._entered_ids.add(key)
        self._interest[key] = _Interest(command, command.qty_lots)
        side, qty_lots, limit_ticks = Side(command.side), command.qty_lots, command.limit_ticks
        return [CrossEntered(ts_ns, self._instrument_id, *key, side, qty_lots, limit_ticks)]

    def _leave(self, command: LeaveCross, ts_ns: Ns) -> list[Event]:
        key = (command.agent_id, command.client_cross_id)
        interest = self._interest.pop(key, None)
        if interest is None:
            return [CrossRejected(ts_ns, self._instrument_id, *key, RejectReason.UNKNOWN_ORDER)]
        return [CrossLeft(ts_ns, self._instrument_id, *key, interest.leaves_lots)]

    def _run(self, command: RunCross, ts_ns: Ns) -> list[Event]:
        self._next_due_ns = (ts_ns // self._interval_ns + 1) * self._interval_ns
        if not 0 < command.bid_ticks < command.ask_ticks:
            return []
        price_ticks = self._price(command.bid_ticks + command.ask_ticks)
        willing = {side: self._willing(side, price_ticks) for side in (Side.BUY, Side.SELL)}
        volume = min(sum(x.leaves_lots for x in those) for those in willing.values())
        if not volume:
            return []
        events: list[Event] = []
        for those in willing.values():
            events += self._fill(those, volume, price_ticks, ts_ns)
        return [*events, CrossPrint(ts_ns, self._instrument_id, price_ticks, volume)]

    def _price(self, twice_the_mid: int) -> Ticks:
        """The middle on the grid; the side with more to do at either of its neighbours gives way."""
        low, odd = divmod(twice_the_mid, 2)
        if not odd:
            return low
        buying = sum(x.leaves_lots for x in self._willing(Side.BUY, low))
        selling = sum(x.leaves_lots for x in self._willing(Side.SELL, low + 1))
        return low + 1 if buying > selling else low

    def _willing(self, side: Side, price_ticks: Ticks) -> list[_Interest]:
        return [
            interest
            for interest in self._interest.values()
            if interest.entered.side == side
            and (not interest.entered.limit_ticks or side * (interest.entered.limit_ticks - price_ticks) >= 0)
        ]

    def _fill(self, those: list[_Interest], volume: Lots, price_ticks: Ticks, ts_ns: Ns) -> list[Event]:
        events: list[Event] = []
        for interest in those:
            lots = min(volume, interest.leaves_lots)
            if not lots:
                break
            volume -= lots
            interest.leaves_lots -= lots
            entered = interest.entered
            key = (entered.agent_id, entered.client_cross_id)
            if not interest.leaves_lots:
                del self._interest[key]
            side, leaves_lots = Side(entered.side), interest.leaves_lots
            events.append(CrossFilled(ts_ns, self._instrument_id, *key, side, price_ticks, lots, leaves_lots))
        return events

    def check(self) -> None:
        """Assert that what waits has something left, and was accepted once; O(n)."""
        for key, interest in self._interest.items():
            if not 0 < interest.leaves_lots <= interest.entered.qty_lots or key not in self._entered_ids:
                raise InvariantError(f"interest {key} has {interest.leaves_lots} lots left")
