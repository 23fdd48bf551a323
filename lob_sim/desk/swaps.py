"""The swaps of a scenario: whose they are, and the central counterparty that clears them if there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lob_sim.balance.clearing import CentralCounterparty, SwapTrade, positions_of
from lob_sim.balance.derivatives import DerivativePosition, InitialMargin
from lob_sim.units import Cash


class Swaps:
    """Makes the agents' positions in swaps with each other.

    Args:
        trades: All swaps.
        margins: Initial margin of the swaps on an instrument, by ``instrument_id``.
        house: The central counterparty; ``None`` where each swap is between two agents.
        default_fund: Contribution to its default fund, as a share of a member's initial margin.
    """

    def __init__(
        self,
        trades: Sequence[SwapTrade],
        margins: Mapping[int, InitialMargin],
        house: CentralCounterparty | None,
        default_fund: float,
    ) -> None:
        self.house = house
        self._trades = tuple(trades)
        self._margins = dict(margins)
        self._default_fund = default_fund

    def positions(self, agent_id: int) -> list[DerivativePosition]:
        """One agent's positions, new ones each time."""
        found = positions_of(agent_id, self._trades, self.house is not None)
        return [
            DerivativePosition(i, lots, self._margins[i], counterparty_id=other) for (i, other), lots in found.items()
        ]

    def contribute(self, agent_id: int, margin_cash: Cash) -> Cash:
        """Make an agent a member; returns what it pays into the default fund."""
        if self.house is None:
            return 0
        contribution = int(self._default_fund * margin_cash)
        self.house.join(agent_id, contribution)
        return contribution
