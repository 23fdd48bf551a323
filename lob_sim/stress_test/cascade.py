"""The classical fire-sale stress test, on the same balance sheets, constraints and liquidation sequences.

Two instruments: :func:`cure` finds how much one balance sheet must sell when it knows its own price impact,
in real numbers; :func:`run_cascade` lets many sell in rounds at prices that all of them then mark to
(Greenwood, Landier and Thesmar 2015; Cont and Schaanning 2017). The order book replaces the formula by other
people's orders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from lob_sim.balance.constraints.base import ROUNDING
from lob_sim.balance.liquidation_sequence import CASH, Stage
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.view import SheetView
from lob_sim.errors import InputError
from lob_sim.roots import brent_root
from lob_sim.stress_test.impact import ParametricMarket, SaleMarket
from lob_sim.units import Lots

_SCAN_POINTS = 256


class Cure(msgspec.Struct, frozen=True):
    """What one balance sheet must sell, its own impact included.

    Attributes:
        repay_cash: Cash used to retire debt, in cash units.
        lots: Lots to sell by instrument, real-valued.
        cured: Whether all constraints are met in the end.
        view: The balance sheet in the end.
    """

    repay_cash: float
    lots: tuple[float, ...]
    cured: bool
    view: SheetView


def cure(view: SheetView, manager: RiskManager, market: ParametricMarket) -> Cure:
    """Smallest sales, in the manager's liquidation sequence, that meet every constraint at the prices they leave.

    The view's marks must be the market's prices. A stage that cannot cure is sold out before the next begins.
    """
    state = view.copy()
    lots = [0.0] * len(view.lots)
    repaid = 0.0
    for stage in manager.order.stages(view):
        # A root is found to rounding; what is missing by that must not set off the next stage, whose first sales may
        # cost more than they free.
        if manager_headroom(manager, state) >= -ROUNDING * view.assets_cash:
            break
        if stage == (CASH,):
            amount = float(max(c.repay_cash(state) for c in manager.constraints))
            state.repay(amount)
            repaid += amount
            continue
        share = _smallest_share(manager, state, market, stage)
        held = {i: share * max(0.0, state.lots[i]) for i in stage}
        state = _after(state, market, held)
        for i, n in held.items():
            market.sell(i, n)
            lots[i] += n
    return Cure(repaid, tuple(lots), manager_headroom(manager, state) >= -1e-9 * view.assets_cash, state)


def manager_headroom(manager: RiskManager, view: SheetView) -> float:
    """Least headroom over all constraints; infinite without any."""
    return min((c.headroom(view) for c in manager.constraints), default=float("inf"))


def _smallest_share(manager: RiskManager, view: SheetView, market: ParametricMarket, stage: Stage) -> float:
    def headroom(share: float) -> float:
        held = {i: share * max(0.0, view.lots[i]) for i in stage}
        return manager_headroom(manager, _after(view, market, held))

    # Headroom need not rise all the way (a sale may first cost more by impact than it frees), so the first
    # crossing is bracketed before it is solved for.
    before, nothing = 0.0, ROUNDING * view.assets_cash
    for k in range(1, _SCAN_POINTS + 1):
        share = k / _SCAN_POINTS
        value = headroom(share)
        if value > nothing:
            return brent_root(headroom, before, share, xtol=1e-15, rtol=1e-15)
        if value >= -nothing:
            return _beginning(lambda x: headroom(x) >= -nothing, before, share)
        before = share
    return 1.0


def _beginning(reached: Callable[[float], bool], before: float, share: float) -> float:
    # Headroom is level at zero from where the last debt is paid: the least that reaches it is asked for.
    while before < (middle := (before + share) / 2) < share:
        before, share = (before, middle) if reached(middle) else (middle, share)
    return share


def _after(view: SheetView, market: ParametricMarket, sold: dict[int, float]) -> SheetView:
    state = view.copy()
    for i, n in sold.items():
        proceeds, unit = market.quote(i, n)
        state.mark(i, unit)
        state.sell(i, n, proceeds)
    return state


class CascadeMember(msgspec.Struct):
    """One balance sheet in a cascade. Its marks follow the market's prices.

    Attributes:
        name: Stable name.
        view: The balance sheet; changed as the cascade proceeds.
        manager: Its constraints and liquidation sequence.
    """

    name: str
    view: SheetView
    manager: RiskManager


class Round(msgspec.Struct, frozen=True):
    """One round: who sold what at which prices.

    Attributes:
        sold: Lots by member and instrument.
        reasons: By member, what asked for the sales: constraints, or ``default``.
        unit_cash: Value of one lot by instrument after the round.
        tier1_cash: Tier 1 by member after the round.
    """

    sold: tuple[tuple[Lots, ...], ...]
    reasons: tuple[tuple[str, ...], ...]
    unit_cash: tuple[float, ...]
    tier1_cash: tuple[float, ...]


class CascadeResult(msgspec.Struct, frozen=True):
    """A finished cascade.

    Attributes:
        names: Members, in the order in which rounds list them.
        rounds: What happened.
        settled: Whether it ended because nobody had anything to sell, and not by the bound on rounds.
    """

    names: tuple[str, ...]
    rounds: tuple[Round, ...]
    settled: bool

    def first_sale_round(self, name: str) -> int | None:
        """Round (from 1) in which a member first sold, or None when it never did."""
        member = self.names.index(name)
        return next((k for k, r in enumerate(self.rounds, 1) if any(r.sold[member])), None)

    def total_sold(self, name: str) -> tuple[Lots, ...]:
        """Lots that a member sold by instrument, over all rounds."""
        member = self.names.index(name)
        columns = zip(*(r.sold[member] for r in self.rounds), strict=True)
        return tuple(sum(column) for column in columns)


def run_cascade(
    members: Sequence[CascadeMember],
    market: SaleMarket,
    *,
    max_rounds: int = 1_000,
    refresh: Callable[[SheetView], None] | None = None,
) -> CascadeResult:
    """Let every member react to the prices that the last round left, until nobody has anything to sell.

    In a round all plan at the same prices, nobody anticipating impact; the sum of their sales is executed and
    each gets the average price. A member whose Tier 1 is zero or less sells everything it holds.
    Deterministic, and independent of the order of the members but for the last bits of sums.

    Args:
        members: Balance sheets; changed in place.
        market: Where they sell; its prices become everybody's marks at the start.
        max_rounds: Bound on rounds.
        refresh: Called on each view after it is marked, to set what follows prices (haircuts, covariances).
    """
    if max_rounds < 1 or len({m.name for m in members}) != len(members):
        raise InputError("a cascade needs at least one round and members with different names")
    _mark_all(members, market, refresh)
    rounds: list[Round] = []
    for _ in range(max_rounds):
        wanted, reasons = zip(*(_wanted(m) for m in members), strict=True) if members else ((), ())
        if not any(any(w) for w in wanted):
            return CascadeResult(tuple(m.name for m in members), tuple(rounds), True)
        totals = [sum(column) for column in zip(*wanted, strict=True)]
        average = [market.sell(i, n) / n if n else 0.0 for i, n in enumerate(totals)]
        _mark_all(members, market, None)
        for member, lots in zip(members, wanted, strict=True):
            for i, n in enumerate(lots):
                if n:
                    member.view.sell(i, n, n * average[i])
            if refresh:
                refresh(member.view)
        units = tuple(market.unit_cash(i) for i in range(len(totals)))
        rounds.append(Round(wanted, reasons, units, tuple(m.view.tier1_cash for m in members)))
    return CascadeResult(tuple(m.name for m in members), tuple(rounds), False)


def _mark_all(
    members: Sequence[CascadeMember], market: SaleMarket, refresh: Callable[[SheetView], None] | None
) -> None:
    for member in members:
        for i in range(len(member.view.lots)):
            member.view.mark(i, market.unit_cash(i))
        if refresh:
            refresh(member.view)


def _wanted(member: CascadeMember) -> tuple[tuple[Lots, ...], tuple[str, ...]]:
    view = member.view
    if view.tier1_cash <= 0 < sum(max(0.0, q) for q in view.lots):
        return tuple(max(0, int(q)) for q in view.lots), ("default",)
    plan = member.manager.plan(view)
    if plan.repay_cash:
        view.repay(plan.repay_cash)
    lots = [0] * len(view.lots)
    for sale in plan.sales:
        lots[sale.instrument_id] = sale.lots
    return tuple(lots), tuple(b.constraint for b in plan.breaches) if plan.sales else ()
