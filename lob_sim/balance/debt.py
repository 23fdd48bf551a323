"""The order in which money retires debt, in one place for exact sheets and for real-valued views of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Money = TypeVar("Money", int, float)


def retire(
    amount: Money, repo: list[Money], repo_limits: Sequence[Money], due: Money, short_term: Money, first: int
) -> tuple[Money, Money, Money]:
    """Pay debt with ``amount``, repo on the sold collateral first.

    The order is: repo on instrument ``first`` (none if -1) beyond what its collateral still carries, which is
    what the sold securities secured; funding that is due because lenders refuse to roll it; repo elsewhere
    beyond what its collateral carries (margin deficits); the rest of the repo on ``first``; short-term funding;
    other repo.

    Args:
        amount: Money to use, not negative, in cash units.
        repo: Loans by instrument; changed in place.
        repo_limits: What the collateral of each instrument carries (:func:`borrowable`).
        due: Funding that must be repaid now.
        short_term: Deposits and short-term funding.
        first: The instrument that was sold, or -1.

    Returns:
        What is left of ``amount`` when no debt remains, then the new ``due`` and ``short_term``.
    """
    if first >= 0:
        paid = min(amount, repo[first], max(repo[first] - repo_limits[first], 0))
        repo[first] -= paid
        amount -= paid
    paid = min(amount, due)
    due -= paid
    amount -= paid
    if amount > 0:
        for i, loan in enumerate(repo):
            deficit = loan - repo_limits[i]
            if deficit > 0:
                paid = min(amount, deficit, loan)
                repo[i] -= paid
                amount -= paid
    if first >= 0:
        paid = min(amount, repo[first])
        repo[first] -= paid
        amount -= paid
    paid = min(amount, short_term)
    short_term -= paid
    amount -= paid
    if amount > 0:
        for i, loan in enumerate(repo):
            paid = min(amount, loan)
            repo[i] -= paid
            amount -= paid
    return amount, due, short_term


def borrowable(value: float, loan: float, haircut: float, new_haircut: float) -> float:
    """What can be borrowed in all against a position, old and new loans together.

    Old loans keep their haircut; what they do not encumber carries new loans at the new haircut (1 where nobody
    lends any more). A position that no longer covers the old loans carries what they admit.

    Args:
        value: The position at its mark; nothing can be borrowed against a short one.
        loan: Outstanding loans against it.
        haircut: Haircut of the outstanding loans.
        new_haircut: Haircut of new loans.
    """
    if value <= 0:
        return 0.0
    if haircut == new_haircut or haircut >= 1 or value * (1 - haircut) <= loan:
        return (1 - haircut) * value
    return loan + (value - loan / (1 - haircut)) * (1 - new_haircut)
