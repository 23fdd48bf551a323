"""The classical stress test in which deleveraging takes time: what is put up for sale clears at the next step.

In a step, in this order:

1. who defaulted in the step before puts everything that it holds up for sale;
2. the market clears all that is for sale: prices move, everybody marks, sellers are paid in cash;
3. who is solvent looks at its sheet: it defaults, or, if a limit binds, pays debt with cash as its liquidation sequence
   says and puts the rest up for sale.

So proceeds retire debt a step after the sale was decided, and a defaulted sheet is sold a step after its default.

Source: the fire-sale part of Farmer, Kleinnijenhuis, Nahai-Williamson and Wetzer (2020), *Foundations of system-wide
stress testing with heterogeneous institutions*, Bank of England Staff Working Paper 861.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lob_sim.balance.constraints.base import Constraint
from lob_sim.balance.view import SheetView
from lob_sim.errors import InputError
from lob_sim.stress_test.cascade import CascadeMember
from lob_sim.stress_test.impact import SaleMarket
from lob_sim.units import Lots


class Step(msgspec.Struct, frozen=True):
    """The system after a step; tuples are by member, those within them by instrument.

    Attributes:
        cleared: Lots that changed hands in the step.
        unit_cash: Value of one lot by instrument.
        defaulted: Who is in default.
        paid_cash: Debt that was paid in the step.
        for_sale: Lots put up for sale in the step, which clear in the next.
        views: Copies of the balance sheets.
    """

    cleared: tuple[tuple[Lots, ...], ...]
    unit_cash: tuple[float, ...]
    defaulted: tuple[bool, ...]
    paid_cash: tuple[float, ...]
    for_sale: tuple[tuple[Lots, ...], ...]
    views: tuple[SheetView, ...]


def run_steps(members: Sequence[CascadeMember], market: SaleMarket, solvency: Constraint, steps: int) -> list[Step]:
    """Let balance sheets delever step by step. Deterministic, and the same in any order of the members.

    Args:
        members: Balance sheets; changed in place. Proceeds stay cash until the next step, so ``retires_debt`` of
            their views is set to false.
        market: Where they sell; its prices become everybody's marks at the start.
        solvency: The limit below which a sheet is in default.
        steps: How many.

    Raises:
        InputError: Fewer than one step, or two members of one name.
    """
    if steps < 1 or len({m.name for m in members}) != len(members):
        raise InputError("a stress test needs at least one step and members with different names")
    width = len(members[0].view.lots) if members else 0
    nothing: tuple[Lots, ...] = (0,) * width
    for_sale = [nothing for _ in members]
    defaulted = [False for _ in members]
    liquidated = [False for _ in members]
    history: list[Step] = []
    for member in members:
        member.view.retires_debt = False
    _mark(members, market, width)
    for _ in range(steps):
        for k, member in enumerate(members):
            if defaulted[k] and not liquidated[k]:
                liquidated[k] = True
                for_sale[k] = tuple(max(0, int(q)) for q in member.view.lots)
        cleared = tuple(for_sale)
        _clear(members, market, cleared)
        paid = [0.0 for _ in members]
        for k, member in enumerate(members):
            for_sale[k] = nothing
            defaulted[k] = defaulted[k] or solvency.headroom(member.view) < 0
            if not defaulted[k]:
                paid[k], for_sale[k] = _act(member)
        units = tuple(market.unit_cash(i) for i in range(width))
        views = tuple(m.view.copy() for m in members)
        history.append(Step(cleared, units, tuple(defaulted), tuple(paid), tuple(for_sale), views))
    return history


def _mark(members: Sequence[CascadeMember], market: SaleMarket, width: int) -> None:
    for member in members:
        for i in range(width):
            member.view.mark(i, market.unit_cash(i))


def _clear(members: Sequence[CascadeMember], market: SaleMarket, cleared: Sequence[tuple[Lots, ...]]) -> None:
    totals = [sum(column) for column in zip(*cleared, strict=True)]
    average = [market.sell(i, n) / n if n else 0.0 for i, n in enumerate(totals)]
    _mark(members, market, len(totals))
    for member, lots in zip(members, cleared, strict=True):
        for i, n in enumerate(lots):
            if n:
                member.view.sell(i, n, n * average[i])


def _act(member: CascadeMember) -> tuple[float, tuple[Lots, ...]]:
    """Pay debt and put up for sale what the limits demand; returns what was paid and what is for sale."""
    view = member.view
    # The plan is made as if proceeds retired debt at once, and any liability could be retired: what cannot be stays
    # cash, and is found to be of no help at the next step.
    intended = view.copy()
    intended.retires_debt = True
    intended.short_term_cash += max(0.0, view.assets_cash - view.tier1_cash - view.debt_cash)
    plan = member.manager.plan(intended)
    debt = view.debt_cash
    view.repay(min(plan.repay_cash, max(0.0, view.cash)))
    lots = [0] * len(view.lots)
    for sale in plan.sales:
        lots[sale.instrument_id] = sale.lots
    return debt - view.debt_cash, tuple(lots)
