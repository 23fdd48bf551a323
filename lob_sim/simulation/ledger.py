"""Who owns what: the settlement ledger of the market.

Trades settle at the venue's time of execution. Every entry is double: what one account gains another loses,
so cash and securities are conserved exactly, at every event.
"""

from __future__ import annotations

from collections.abc import Sequence

from lob_sim.errors import InvariantError
from lob_sim.messages import Side
from lob_sim.units import Cash, Instrument, Lots, Ticks

EXTERNAL = -1
"""The account of everybody outside the market: repo lenders' funds, fund investors, depositors.

Agents' numbers start at 0."""


class Ledger:
    """Cash and positions by agent.

    Attributes:
        cash: Cash by ``agent_id``; the last entry is the outside world's.
        positions: Lots by ``agent_id`` and ``instrument_id``.
    """

    __slots__ = ("_tick_values", "_total_cash", "_total_lots", "cash", "positions")

    def __init__(
        self,
        instruments: Sequence[Instrument],
        cash: Sequence[Cash],
        positions: Sequence[Sequence[Lots]],
    ) -> None:
        self._tick_values = [i.cash_per_tick_lot for i in instruments]
        self.cash: list[Cash] = [*cash, 0]
        self.positions: list[list[Lots]] = [list(p) for p in positions] + [[0] * len(instruments)]
        self._total_cash = sum(self.cash)
        self._total_lots = self._lots_by_instrument()

    def settle(self, agent_id: int, instrument_id: int, side: Side, price_ticks: Ticks, qty_lots: Lots) -> None:
        """One side of a trade; the caller settles the other side at the same event."""
        value = price_ticks * qty_lots * self._tick_values[instrument_id]
        if side is Side.BUY:
            self.positions[agent_id][instrument_id] += qty_lots
            self.cash[agent_id] -= value
        else:
            self.positions[agent_id][instrument_id] -= qty_lots
            self.cash[agent_id] += value

    def transfer(self, payer: int, payee: int, amount: Cash) -> None:
        """Move cash between accounts; a negative amount moves it the other way."""
        self.cash[payer] -= amount
        self.cash[payee] += amount

    def check(self) -> None:
        """Assert that no cash and no security has appeared or vanished; O(agents × instruments).

        Raises:
            InvariantError: Something was created or destroyed.
        """
        if sum(self.cash) != self._total_cash:
            raise InvariantError(f"cash is not conserved: {sum(self.cash)} != {self._total_cash}")
        if self._lots_by_instrument() != self._total_lots:
            raise InvariantError(f"securities are not conserved: {self._lots_by_instrument()} != {self._total_lots}")

    def _lots_by_instrument(self) -> list[Lots]:
        return [sum(column) for column in zip(*self.positions, strict=True)]
