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
    takes constant time per trade, unless the regime has changed.
    """

    __slots__ = ("_held", "_later", "_regime")

    def __init__(self, regime: TransparencyRegime) -> None:
        self._regime = regime
        self._later: tuple[tuple[Ns, TransparencyRegime], ...] = ()
        self._held: deque[RfqTraded] = deque()

    def change(self, from_ns: Ns, regime: TransparencyRegime) -> None:
        """From some time on trades are made under another regime; those made before are published as was due."""
        self._later = (*self._later, (from_ns, regime))

    def _regime_of(self, trade: RfqTraded) -> TransparencyRegime:
        return next((r for from_ns, r in reversed(self._later) if trade.ts_event_ns >= from_ns), self._regime)

    def _due_ns(self, trade: RfqTraded) -> Ns:
        return trade.ts_event_ns + self._regime_of(trade).delay_ns

    def add(self, trade: RfqTraded) -> list[RfqPrint]:
        """Take in a trade; returns its print if it is to be published at once."""
        kind = self._regime_of(trade).kind
        if kind is Transparency.IMMEDIATE:
            return [_print_of(trade, trade.ts_event_ns)]
        if kind is Transparency.DELAYED:
            self._held.append(trade)
            if self._later:
                # Under a shorter delay it may be due before some that were made earlier.
                self._held = deque(sorted(self._held, key=self._due_ns))
        return []

    def due(self, ts_ns: Ns) -> list[RfqPrint]:
        """Release, in the order in which it is due, everything that is to be public by ``ts_ns`` (inclusive)."""
        released = []
        while self._held and self._due_ns(self._held[0]) <= ts_ns:
            released.append(_print_of(self._held.popleft(), ts_ns))
        return released

    def next_due_ns(self) -> Ns | None:
        """When the next held print is to be published; ``None`` if none is held."""
        return self._due_ns(self._held[0]) if self._held else None

    def check(self) -> None:
        """Assert the invariants; O(held prints).

        Raises:
            InvariantError: Prints are held out of order, or under a regime that holds none.
        """
        times = [self._due_ns(trade) for trade in self._held]
        if times != sorted(times):
            raise InvariantError("RFQ prints are held out of order of time")
        for trade in self._held:
            kind = self._regime_of(trade).kind
            if kind is not Transparency.DELAYED:
                raise InvariantError(f"RFQ prints are held under transparency {kind.name}")


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
