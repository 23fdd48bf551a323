"""Pre-trade limits of one agent: it cannot sell what it does not hold, nor pay with cash that it lacks.

What a working order, an open request or a standing quote may still take is reserved until its owner knows
that it has ended. The owner's knowledge lags the venue's, always in the safe direction: a fill that is still
under way is both in the known position and in the reservation.
"""

from __future__ import annotations

from collections.abc import Hashable

import msgspec

from lob_sim.messages import Side
from lob_sim.units import Cash, Lots


class GuardPolicy(msgspec.Struct, frozen=True):
    """Which limits hold: ``may_short`` allows negative positions, ``may_overdraw`` negative cash."""

    may_short: bool = True
    may_overdraw: bool = True


class Guard:
    """Reservations of lots (for sells) and cash (for buys) against what the agent knows it has."""

    __slots__ = ("_policy", "_reserved", "buying_forbidden", "cash", "earmarked", "lots")

    def __init__(self, policy: GuardPolicy, n_instruments: int) -> None:
        self._policy = policy
        self._reserved: dict[Hashable, tuple[int, Lots, Cash]] = {}
        self.lots: list[Lots] = [0] * n_instruments
        self.earmarked: list[Lots] = [0] * n_instruments
        """Lots set aside for forced sales: nothing else may be sold out of them."""
        self.cash: Cash = 0
        self.buying_forbidden = False

    def admits(
        self, instrument_id: int, side: Side, qty_lots: Lots, cost: Cash | None, position: Lots, cash: Cash
    ) -> bool:
        """Whether one more commitment fits.

        Args:
            instrument_id: What is traded.
            side: Buy or sell.
            qty_lots: How many lots more than already reserved for this commitment.
            cost: The most that a buy may cost beyond what is reserved for it; ``None``: nothing bounds it.
            position: Known position.
            cash: Known cash.
        """
        if side is Side.SELL:
            committed = self.lots[instrument_id] + self.earmarked[instrument_id]
            return self._policy.may_short or committed + qty_lots <= position
        if self.buying_forbidden:
            return False
        return self._policy.may_overdraw or (cost is not None and self.cash + cost <= cash)

    def reserve(self, key: Hashable, instrument_id: int, lots: Lots, cash: Cash) -> None:
        """Set what is reserved under ``key`` (in place of what was)."""
        self.release(key)
        self._reserved[key] = (instrument_id, lots, cash)
        self.lots[instrument_id] += lots
        self.cash += cash

    def raise_to(self, key: Hashable, instrument_id: int, lots: Lots, cash: Cash) -> None:
        """Reserve at least this under ``key``, beside what is."""
        held_lots, held_cash = self.reserved(key)
        self.reserve(key, instrument_id, max(held_lots, lots), max(held_cash, cash))

    def reserved(self, key: Hashable) -> tuple[Lots, Cash]:
        """What is reserved under ``key``: lots to sell, cash to pay."""
        _, lots, cash = self._reserved.get(key, (0, 0, 0))
        return lots, cash

    def release(self, key: Hashable) -> None:
        """Nothing more can come of ``key``."""
        entry = self._reserved.pop(key, None)
        if entry is not None:
            instrument_id, lots, cash = entry
            self.lots[instrument_id] -= lots
            self.cash -= cash
