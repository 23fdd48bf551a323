"""What an agent's commitments may still take, and what is set aside: one register of lots and cash."""

from __future__ import annotations

from collections.abc import Hashable

from lob_sim.units import Cash, Lots


class Reservations:
    """Reservations of lots (for sells) and cash (for buys), each under a key of whoever has made it.

    Args:
        n_instruments: How many instruments there are.

    Attributes:
        lots: By instrument, lots that commitments may still sell, and those set aside for forced sales.
        cash: Cash units that commitments may still cost.
    """

    __slots__ = ("_reserved", "cash", "lots")

    def __init__(self, n_instruments: int) -> None:
        self._reserved: dict[Hashable, tuple[int, Lots, Cash]] = {}
        self.lots: list[Lots] = [0] * n_instruments
        self.cash: Cash = 0

    def reserve(self, key: Hashable, instrument_id: int, lots: Lots, cash: Cash) -> None:
        """Set what is reserved under ``key`` (in place of what was)."""
        self.release(key)
        self._reserved[key] = (instrument_id, lots, cash)
        self.lots[instrument_id] += lots
        self.cash += cash

    def reserved(self, key: Hashable) -> tuple[Lots, Cash]:
        """What is reserved under ``key``: lots to sell, cash to pay."""
        _, lots, cash = self._reserved.get(key, (0, 0, 0))
        return lots, cash

    def raise_to(self, key: Hashable, instrument_id: int, lots: Lots, cash: Cash) -> None:
        """Reserve at least this under ``key``, beside what is."""
        held_lots, held_cash = self.reserved(key)
        self.reserve(key, instrument_id, max(held_lots, lots), max(held_cash, cash))

    def release(self, key: Hashable) -> None:
        """Nothing more can come of ``key``."""
        entry = self._reserved.pop(key, None)
        if entry is not None:
            instrument_id, lots, cash = entry
            self.lots[instrument_id] -= lots
            self.cash -= cash

    def release_to(self, key: Hashable, left_lots: Lots) -> None:
        """So many lots are left of what ``key`` stands for: cash goes with them."""
        instrument_id, lots, cash = self._reserved.get(key, (0, 0, 0))
        self.reserve(key, instrument_id, min(lots, left_lots), cash * left_lots // max(lots, 1) if lots else 0)

    def set_aside(self, instrument_id: int, lots: Lots) -> None:
        """Keep lots for forced sales (in place of those kept so far): nothing else may be sold out of them."""
        self.reserve(_set_aside_for_sale(instrument_id), instrument_id, lots, 0)

    def lots_set_aside(self, instrument_id: int) -> Lots:
        """Lots that are kept for forced sales."""
        return self.reserved(_set_aside_for_sale(instrument_id))[0]


def _set_aside_for_sale(instrument_id: int) -> Hashable:
    """The key under which lots are set aside for forced sales of an instrument."""
    return ("forced sale", instrument_id)
