"""Post-trade transparency: whether and when the public learns of a trade made by request for quote."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

import msgspec

from lob_sim.errors import InputError, InvariantError
from lob_sim.messages import RfqPrint, RfqTraded
from lob_sim.units import Duration, Ns


class Transparency(IntEnum):
    """When an RFQ trade is made public."""

    NONE = 0
    DELAYED = 1
    """After a fixed time, as TRACE allows for."""
    IMMEDIATE = 2


class TransparencyRegime(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The rule for one instrument's RFQ trades.

    Attributes:
        kind: Never, after a delay, or at once.
        delay_ns: Time from trade to print; positive for delayed, else 0. Called ``delay`` in files.

    Raises:
        InputError: ``delay_ns`` does not fit ``kind``.
    """

    kind: Transparency = Transparency.NONE
    delay_ns: Duration = msgspec.field(default=0, name="delay")

    def __post_init__(self) -> None:
        if (self.delay_ns > 0) is not (self.kind is Transparency.DELAYED) or self.delay_ns < 0:
            raise InputError(
                "expected a positive delay with delayed transparency, and none otherwise: got "
                f"{self.kind.name.lower()} with {self.delay_ns} ns",
                "transparency",
            )


class PrintQueue:
    """Holds trades until the regime lets them be published.

    What is still held at the end of a run is never published: its time would have come after the last instant
    that is simulated, and to publish it earlier would break the regime. The private side of the trade, which is
    no secret from the reader of a log, is there in any case.

    A print names no agents. One delay for all trades keeps the queue in order of time, so every operation
    takes constant time per trade.
    """

    __slots__ = ("_held", "_regime")

    def __init__(self, regime: TransparencyRegime) -> None:
        self._regime = regime
        self._held: deque[RfqTraded] = deque()

    def add(self, trade: RfqTraded) -> list[RfqPrint]:
        """Take in a trade; returns its print if it is to be published at once."""
        if self._regime.kind is Transparency.IMMEDIATE:
            return [_print_of(trade, trade.ts_event_ns)]
        if self._regime.kind is Transparency.DELAYED:
            self._held.append(trade)
        return []

    def due(self, ts_ns: Ns) -> list[RfqPrint]:
        """Release, in order of trading, everything that is to be public by ``ts_ns`` (inclusive)."""
        latest_ns = ts_ns - self._regime.delay_ns
        released = []
        while self._held and self._held[0].ts_event_ns <= latest_ns:
            released.append(_print_of(self._held.popleft(), ts_ns))
        return released

    def next_due_ns(self) -> Ns | None:
        """When the next held print is to be published; ``None`` if none is held."""
        return self._held[0].ts_event_ns + self._regime.delay_ns if self._held else None

    def check(self) -> None:
        """Assert the invariants; O(held prints).

        Raises:
            InvariantError: Prints are held out of order, or under a regime that holds none.
        """
        times = [trade.ts_event_ns for trade in self._held]
        if times != sorted(times):
            raise InvariantError("RFQ prints are held out of order of time")
        if times and self._regime.kind is not Transparency.DELAYED:
            raise InvariantError(f"RFQ prints are held under transparency {self._regime.kind.name}")


def _print_of(trade: RfqTraded, ts_ns: Ns) -> RfqPrint:
    return RfqPrint(
        ts_event_ns=ts_ns,
        instrument_id=trade.instrument_id,
        trade_id=trade.trade_id,
        ts_trade_ns=trade.ts_event_ns,
        price_ticks=trade.price_ticks,
        qty_lots=trade.qty_lots,
        side=trade.side,
    )
