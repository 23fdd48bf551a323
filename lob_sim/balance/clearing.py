"""Swaps between agents: netted and mutualised by a central counterparty, or each with its own counterparty.

Source: netting as in Duffie and Zhu (2011), "Does a central clearing counterparty reduce counterparty risk?"; the order
in which losses are borne as in CPMI-IOSCO (2014), *Recovery of financial market infrastructures*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lob_sim.balance.derivatives import CENTRAL
from lob_sim.balance.resolution import split_exactly
from lob_sim.units import Cash, Lots


class SwapTrade(msgspec.Struct, frozen=True):
    """A swap between two agents; the first gains when the price rises."""

    instrument_id: int
    long_id: int
    short_id: int
    lots: Lots


def positions_of(agent_id: int, trades: Sequence[SwapTrade], cleared: bool) -> dict[tuple[int, int], Lots]:
    """One agent's positions by instrument and counterparty: netted with each, or with the central counterparty alone.

    Args:
        agent_id: The agent.
        trades: All swaps.
        cleared: Whether a central counterparty has stepped into every one.

    Returns:
        Lots by instrument and counterparty, signed; none of zero.
    """
    found: dict[tuple[int, int], Lots] = {}
    for trade in trades:
        for own, other, sign in ((trade.long_id, trade.short_id, 1), (trade.short_id, trade.long_id, -1)):
            if own == agent_id:
                key = (trade.instrument_id, CENTRAL if cleared else other)
                found[key] = found.get(key, 0) + sign * trade.lots
    return {key: lots for key, lots in sorted(found.items()) if lots}


class Waterfall(msgspec.Struct, frozen=True):
    """Who bears a loss that a failed member's margin did not cover, in this order.

    Attributes:
        defaulter_cash: Its own contribution to the default fund.
        own_capital_cash: The central counterparty's own capital.
        contributions_cash: What the survivors' contributions lose, by member.
        assessed_cash: What they are asked for beyond, by member.
        uncovered_cash: What nobody bears but those outside.
    """

    defaulter_cash: Cash
    own_capital_cash: Cash
    contributions_cash: Mapping[int, Cash]
    assessed_cash: Mapping[int, Cash]
    uncovered_cash: Cash


class CentralCounterparty:
    """The default fund of a central counterparty, and its own capital.

    Args:
        own_capital_cash: Its own capital, which comes before the survivors' contributions.
        assessment: The most that survivors are asked for beyond, in all, as a multiple of their contributions.

    Attributes:
        contributions_cash: What is left of the members' contributions, by ``agent_id``.
    """

    def __init__(self, own_capital_cash: Cash, assessment: float) -> None:
        self.own_capital_cash = own_capital_cash
        self.contributions_cash: dict[int, Cash] = {}
        self._assessment = assessment
        self._assessable_cash: dict[int, Cash] = {}

    def join(self, agent_id: int, contribution_cash: Cash) -> None:
        """A member has paid its contribution in."""
        self.contributions_cash[agent_id] = contribution_cash
        self._assessable_cash[agent_id] = int(self._assessment * contribution_cash)

    def absorb(self, agent_id: int, loss_cash: Cash) -> Waterfall:
        """A member has failed, with a loss beyond its margin; survivors bear theirs in proportion.

        Args:
            agent_id: The member, which is one no longer.
            loss_cash: The loss, not negative.
        """
        left = loss_cash
        own = min(left, self.contributions_cash.pop(agent_id, 0))
        self._assessable_cash.pop(agent_id, None)
        left -= own
        capital = min(left, self.own_capital_cash)
        self.own_capital_cash -= capital
        left -= capital
        contributed = _shared(left, self.contributions_cash)
        left -= sum(contributed.values())
        assessed = _shared(left, self._assessable_cash)
        left -= sum(assessed.values())
        return Waterfall(own, capital, contributed, assessed, left)


def _shared(loss_cash: Cash, among: dict[int, Cash]) -> dict[int, Cash]:
    """Take a loss, as far as it goes, in proportion to amounts, which fall by it; whole cash units."""
    members = sorted(among)
    borne = min(loss_cash, sum(among.values()))
    shares = dict(zip(members, split_exactly(borne, [among[k] for k in members]), strict=True)) if borne else {}
    for member, share in shares.items():
        among[member] -= share
    return {member: share for member, share in shares.items() if share}
