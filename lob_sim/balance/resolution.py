"""Default and resolution: Tier 1 of zero or less, the liquidation of the book, and who bears the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec

from lob_sim.balance.sheet import BalanceSheet
from lob_sim.errors import InvariantError
from lob_sim.messages import DealerDefaulted, LossAttributed
from lob_sim.units import Cash, Duration, Ns

SHAREHOLDERS = "shareholders"
REPO_LENDERS = "repo_lenders"
SHORT_TERM_CREDITORS = "short_term_creditors"


class ResolutionPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What becomes of a defaulted book.

    Attributes:
        horizon: Time over which it is sold; 0 sells it at once.
    """

    horizon: Annotated[Duration, msgspec.Meta(ge=0)] = 0

    def due_lots(self, total_lots: int, sold_lots: int, elapsed_ns: Ns) -> int:
        """Lots of one position to sell now, on a straight line to the end of the horizon."""
        target = total_lots if elapsed_ns >= self.horizon else -(-total_lots * elapsed_ns // self.horizon)
        return max(0, min(total_lots, target) - sold_lots)


def default_event(sheet: BalanceSheet, ts_event_ns: Ns, agent_id: int) -> DealerDefaulted | None:
    """The default for the log if Tier 1 is zero or less, else None."""
    if not sheet.insolvent:
        return None
    return DealerDefaulted(ts_event_ns, agent_id, sheet.tier1_cash, sheet.assets_cash, sheet.liabilities_cash)


def attribute_losses(
    sheet: BalanceSheet, opening_tier1_cash: Cash, ts_event_ns: Ns, agent_id: int
) -> list[LossAttributed]:
    """Who bears the loss, in order: shareholders, then creditors by rank.

    Repo lenders have their collateral; what it does not cover ranks with the unsecured creditors, who share
    what is left in proportion. The shares are whole cash units and add up exactly: shareholders' losses are
    opening Tier 1 less what is left of equity, creditors' losses are liabilities less assets.

    Args:
        sheet: The sheet as it stands, usually after the liquidation.
        opening_tier1_cash: Tier 1 before the losses.
        ts_event_ns: Simulated time.
        agent_id: The defaulted dealer.
    """
    equity = sheet.assets_cash - sheet.liabilities_cash
    losses = [(SHAREHOLDERS, -1, opening_tier1_cash - max(0, equity))]
    values = [max(0, sheet.value(i)) for i in range(len(sheet.lots))]
    uncovered = [max(0, loan - value) for loan, value in zip(sheet.repo_cash, values, strict=True)]
    unsecured = sheet.short_term_cash + sheet.due_cash + sheet.short_cash
    shares = split_exactly(max(0, -equity), [unsecured, *uncovered])
    losses.append((SHORT_TERM_CREDITORS, -1, shares[0]))
    losses += [(REPO_LENDERS, i, share) for i, share in enumerate(shares[1:])]
    return [LossAttributed(ts_event_ns, agent_id, who, i, loss) for who, i, loss in losses if loss > 0]


def split_exactly(amount: Cash, weights: Sequence[Cash]) -> list[Cash]:
    """Split an amount in proportion to weights into whole units that add up; largest remainders first.

    Raises:
        InvariantError: There is something to split and nobody to bear it.
    """
    total = sum(weights)
    if total == 0:
        if amount:
            raise InvariantError(f"a loss of {amount} without anybody to bear it")
        return [0] * len(weights)
    shares = [amount * w // total for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(amount * weights[i] % total), i))
    for i in by_remainder[: amount - sum(shares)]:
        shares[i] += 1
    return shares
