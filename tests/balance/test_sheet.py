"""The balance sheet: its identity, its entries, and what random markets cannot make it do."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import msgspec
import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, bond, dealer_prime, lots_of, no_risk
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.balance.constraints import (
    Constraint,
    FundingConstraint,
    InventoryConstraint,
    SlrConstraint,
    VarConstraint,
)
from lob_sim.balance.liquidation_sequence import LIQUIDATION_SEQUENCES, ProRata
from lob_sim.balance.risk_manager import RiskManager, Sale
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.errors import InputError, InvariantError
from lob_sim.messages import SheetCause
from lob_sim.units import CashUnit


def test_dealer_prime_by_line() -> None:
    sheet = dealer_prime()
    assert (sheet.assets_cash, sheet.liabilities_cash, sheet.tier1_cash) == (bn(500), bn(475), bn(25))
    record = sheet.record(7, 3, SheetCause.OPENING)
    assert record.cash + record.inventory_cash + record.other_assets_cash == (
        record.short_term_cash
        + record.due_cash
        + record.repo_cash
        + record.short_cash
        + record.adjustment_cash
        + record.tier1_cash
    )
    assert (record.ts_event_ns, record.agent_id, record.instrument_id) == (7, 3, -1)


def test_a_trade_away_from_the_mark_is_a_gain_or_loss_at_once() -> None:
    sheet = dealer_prime()
    sheet.buy(0, 10, PAR + 3)
    assert sheet.tier1_cash == bn(25) - 30
    sheet.sell(0, 10, PAR + 5)
    assert sheet.tier1_cash == bn(25) - 30 + 50
    sheet.check()


def test_purchases_are_paid_from_cash_then_repo_then_short_term_funding() -> None:
    sheet = BalanceSheet(BONDS, cash=4_000, lots=[0, 0, 0], marks_ticks=[100] * 3, haircuts=[0.1] * 3)
    assert sheet.buy(0, 30, 100) == 0
    assert (sheet.cash, sheet.debt_cash) == (1_000, 0)
    # 3,000 more: 1,000 from cash, 2,000 by repo, which the new collateral carries up to 2,700.
    assert sheet.buy(0, 30, 100) == 2_000
    assert (sheet.cash, sheet.repo_cash[0], sheet.short_term_cash) == (0, 2_000, 0)
    assert sheet.buy(1, 10, 100) == 1_000
    assert (sheet.repo_cash[1], sheet.short_term_cash) == (900, 100)
    sheet.check()


def test_proceeds_retire_repo_on_the_sold_collateral_first() -> None:
    sheet = BalanceSheet(
        BONDS,
        cash=0,
        lots=[50, 50, 0],
        marks_ticks=[100] * 3,
        short_term_cash=1_000,
        repo_cash=[1_500, 2_000, 0],
    )
    assert sheet.sell(0, 20, 100, Proceeds.RETIRE_DEBT) == 2_000
    assert (sheet.repo_cash[0], sheet.repo_cash[1], sheet.short_term_cash) == (0, 2_000, 500)
    assert sheet.sell(0, 20, 100, Proceeds.RETIRE_DEBT) == 2_000
    assert (sheet.repo_cash[1], sheet.short_term_cash) == (500, 0)
    assert sheet.sell(0, 10, 100, Proceeds.RETIRE_DEBT) == 500  # no debt is left: the rest is cash
    assert (sheet.debt_cash, sheet.cash) == (0, 500)
    sheet.check()


def test_what_is_due_and_margin_deficits_come_before_other_funding() -> None:
    sheet = BalanceSheet(
        BONDS,
        cash=0,
        lots=[100, 50, 0],
        marks_ticks=[100] * 3,
        short_term_cash=3_000,
        repo_cash=[0, 4_500, 0],
        haircuts=[0.0, 0.2, 0.0],
    )
    sheet.refuse_roll(1_000)
    assert (sheet.short_term_cash, sheet.due_cash) == (2_000, 1_000)
    sheet.sell(0, 12, 100, Proceeds.RETIRE_DEBT)
    assert (sheet.due_cash, sheet.repo_cash[1], sheet.short_term_cash) == (0, 4_300, 2_000)
    sheet.sell(0, 8, 100, Proceeds.RETIRE_DEBT)
    # Collateral of 5,000 carries 4,000: the deficit of 300 goes first.
    assert (sheet.repo_cash[1], sheet.short_term_cash) == (4_000, 1_500)
    sheet.check()


def test_ordinary_sales_rebuild_the_working_cash_and_delevering_lowers_it() -> None:
    sheet = BalanceSheet(BONDS, cash=1_000, lots=[50, 0, 0], marks_ticks=[100] * 3, short_term_cash=4_000)
    sheet.buy(0, 8, 100)
    assert sheet.sell(0, 8, 100) == 0
    assert (sheet.cash, sheet.short_term_cash) == (1_000, 4_000)  # a round trip changes nothing
    assert sheet.sell(0, 5, 100) == 500
    assert sheet.delever_with_cash(600) == 600
    assert (sheet.cash, sheet.cash_target) == (400, 400)


def test_prudent_adjustment_lowers_tier1_and_leaves_the_exposure() -> None:
    sheet = dealer_prime()
    slr = SlrConstraint(SlrConstraint.Params(), CONTEXT)
    exposure = slr.exposure(sheet.view(no_risk()))
    assert sheet.mark(1, PAR, 64) == -64 * lots_of(150)
    assert sheet.adjustment_cash == bn(150 * 0.0064)
    assert sheet.tier1_cash == bn(25) - sheet.adjustment_cash
    assert slr.exposure(sheet.view(no_risk())) == exposure
    sheet.check()
    # Sold at the prudent price, the adjustment has become the loss; sold at the mark, it comes back.
    before = sheet.tier1_cash
    sheet.sell(1, 100, PAR - 64)
    assert sheet.tier1_cash == before
    sheet.sell(1, 100, PAR)
    assert sheet.tier1_cash == before + 6_400
    sheet.check()
    assert sheet.mark(1, PAR, 0) == 64 * (lots_of(150) - 200)


def test_short_positions_are_a_liability_and_forbidden_by_default() -> None:
    sheet = BalanceSheet(BONDS, cash=0, lots=[5, 0, 0], marks_ticks=[100] * 3, may_short=True)
    sheet.sell(0, 8, 100)
    assert (sheet.cash, sheet.short_cash, sheet.tier1_cash) == (800, 300, 500)
    assert sheet.mark(0, 110) == -30
    sheet.check()
    with pytest.raises(InvariantError):
        dealer_prime().sell(2, 1, PAR)


def test_the_check_can_fail() -> None:
    sheet = dealer_prime()
    sheet.cash += 1
    with pytest.raises(InvariantError, match="exceed"):
        sheet.check()


def test_bad_sheets_are_refused() -> None:
    good = {"cash": 0, "lots": [1, 1, 1], "marks_ticks": [1, 1, 1]}
    bads = (
        {"cash": -1},
        {"lots": [1, 1]},
        {"lots": [-1, 0, 0]},
        {"marks_ticks": [0, 1, 1]},
        {"haircuts": [2, 0, 0]},
    )
    for bad in bads:
        with pytest.raises(InputError):
            BalanceSheet(BONDS, **{**good, **bad})  # type: ignore[arg-type]


# --- random balance sheets and shocks ----------------------------------------------------------------------

amounts = st.one_of(st.just(0), st.integers(0, 10**6))
prices = st.integers(1, 20_000)


@st.composite
def sheets(draw: st.DrawFn) -> tuple[BalanceSheet, SheetContext]:
    """Balance sheets of one to three instruments: solvent or not, with assets or without."""
    n = draw(st.integers(1, 3))
    instruments = tuple(
        bond(i, "abc"[i], rank=draw(st.integers(1, 3)), tick_value=draw(st.integers(1, 7))) for i in range(n)
    )
    lots = [draw(st.one_of(st.just(0), st.integers(1, 3), st.integers(0, 10**5))) for _ in range(n)]
    marks = [draw(prices) for _ in range(n)]
    values = [m * q * i.cash_per_tick_lot for m, q, i in zip(marks, lots, instruments, strict=True)]
    sheet = BalanceSheet(
        instruments,
        cash=draw(amounts),
        lots=lots,
        marks_ticks=marks,
        other_assets_cash=draw(amounts),
        short_term_cash=draw(st.integers(0, 2 * sum(values) + 10**6)),
        repo_cash=[draw(st.integers(0, v)) for v in values],
        haircuts=[draw(st.floats(0, 1)) for _ in range(n)],
    )
    return sheet, SheetContext(instruments, CashUnit(Fraction(BONDS[0].lot_size) / 10_000))


@settings(deadline=None, max_examples=200)
@given(st.data(), sheets())
def test_forced_sales_of_any_sheet_under_any_shock(
    data: st.DataObject, drawn: tuple[BalanceSheet, SheetContext]
) -> None:
    sheet, context = drawn
    n = len(sheet.lots)
    limits = {i.name: data.draw(st.floats(0, 1e8)) for i in context.instruments[: data.draw(st.integers(0, n))]}
    constraints: list[Constraint] = [
        SlrConstraint(SlrConstraint.Params(minimum=data.draw(st.floats(0.001, 1))), context),
        VarConstraint(VarConstraint.Params(limit=data.draw(st.one_of(st.just(0.0), st.floats(0, 1e12)))), context),
        FundingConstraint(FundingConstraint.Params(), context),
        InventoryConstraint(InventoryConstraint.Params(limits=limits), context),
    ]
    vols = [data.draw(st.floats(0, 0.5)) for _ in range(n)]
    rho = data.draw(st.floats(-0.4, 1))
    covariances = [[a * b * (1 if i == j else rho) for j, b in enumerate(vols)] for i, a in enumerate(vols)]
    order = LIQUIDATION_SEQUENCES[data.draw(st.sampled_from(sorted(LIQUIDATION_SEQUENCES)))]
    manager = RiskManager(constraints, order(order.Params(), context))
    for _ in range(3):
        mark = data.draw(prices)
        sheet.mark(data.draw(st.integers(0, n - 1)), mark, data.draw(st.integers(0, min(5, mark - 1))))
        if data.draw(st.booleans()):
            sheet.refuse_roll(data.draw(amounts), data.draw(st.integers(-1, n - 1)))
        sheet.write_down(data.draw(amounts))
        sheet.check()
        held = list(sheet.lots)
        before = sheet.view(covariances)
        plan = manager.plan(before)
        assert 0 <= plan.repay_cash <= sheet.cash
        sheet.delever_with_cash(plan.repay_cash)
        for sale in plan.sales:
            assert 0 < sale.lots <= held[sale.instrument_id]
            assert sale.reasons
            price = sheet.marks_ticks[sale.instrument_id] - sheet.adjustments_ticks[sale.instrument_id]
            sheet.sell(sale.instrument_id, sale.lots, price, Proceeds.RETIRE_DEBT)
            sheet.check()
        assert all(q >= 0 for q in sheet.lots)
        assert len({s.instrument_id for s in plan.sales}) == len(plan.sales)
        still = _after(manager, before, plan.repay_cash, plan.sales)
        assert still == set(plan.uncured)
        if plan.sales and not plan.uncured and not issubclass(order, ProRata):
            last = plan.sales[-1]
            less = msgspec.structs.replace(last, lots=last.lots - 1)
            assert _after(manager, before, plan.repay_cash, (*plan.sales[:-1], less))  # one lot less would not do
        if not plan.breaches:
            assert plan.sales == ()
            assert plan.repay_cash == 0


def _after(manager: RiskManager, view: SheetView, repay: int, sales: Sequence[Sale]) -> set[str]:
    """Constraints that bind once a plan is carried out at prudent values."""
    state = view.copy()
    state.repay(repay)
    for sale in sales:
        state.sell(sale.instrument_id, sale.lots)
    return {c.name for c in manager.constraints if c.headroom(state) < 0}
