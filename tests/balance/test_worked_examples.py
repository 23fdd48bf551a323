"""The worked examples of dealers' constraints, against closed forms, also at inputs that nobody listed."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, dealer_prime, lots_of, no_risk
from hypothesis import given
from hypothesis import strategies as st

from lob_sim.balance.constraints import FundingConstraint, SlrConstraint, VarConstraint
from lob_sim.balance.liquidation_sequence import CashFirst, LiquidationSequence, MostLiquidFirst, ProRata
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet, Proceeds

TREASURIES, CORPORATES, OTHER = 0, 1, 2


def slr(minimum: float = 0.05, exempt: tuple[str, ...] = ()) -> SlrConstraint:
    return SlrConstraint(SlrConstraint.Params(minimum=minimum, exempt=exempt), CONTEXT)


def var(limit: float) -> VarConstraint:
    return VarConstraint(VarConstraint.Params(limit=limit), CONTEXT)


def funding() -> FundingConstraint:
    return FundingConstraint(FundingConstraint.Params(), CONTEXT)


def manager(*constraints: object, order: type[LiquidationSequence] = MostLiquidFirst) -> RiskManager:
    return RiskManager(constraints, order(order.Params(), CONTEXT))  # type: ignore[arg-type]


def shocked_prime() -> BalanceSheet:
    sheet = dealer_prime()
    sheet.mark(CORPORATES, 9_600)
    return sheet


# --- SLR ---------------------------------------------------------------------------------------------------


def test_dealer_prime_is_exactly_at_its_minimum() -> None:
    view = dealer_prime().view(no_risk())
    assert slr().ratio(view) == 0.05
    assert slr().headroom(view) == 0
    assert manager(slr()).plan(view).sales == ()


def test_four_percent_on_corporates_costs_19_times_the_loss() -> None:
    sheet = shocked_prime()
    view = sheet.view(no_risk())
    loss = bn(6)
    assert sheet.tier1_cash == bn(19)
    assert sheet.assets_cash == bn(494)
    assert slr().ratio(view) == pytest.approx(19 / 494, rel=1e-12)
    assert slr().required_reduction(view) == 19 * loss == bn(114)


def test_proceeds_that_retire_debt_cure_and_proceeds_kept_as_cash_do_not() -> None:
    for proceeds, ratio, funding_left in (
        (Proceeds.RETIRE_DEBT, 0.05, bn(361)),
        (Proceeds.KEEP_AS_CASH, 19 / 494, bn(475)),
    ):
        sheet = shocked_prime()
        (sale,) = manager(slr()).plan(sheet.view(no_risk())).sales
        assert (sale.instrument_id, sale.lots, sale.reasons) == (TREASURIES, lots_of(114), ("slr",))
        sheet.sell(sale.instrument_id, sale.lots, PAR, proceeds)
        sheet.check()
        assert slr().ratio(sheet.view(no_risk())) == pytest.approx(ratio, rel=1e-12)
        assert sheet.debt_cash == funding_left


def test_a_plan_for_proceeds_kept_as_cash_sells_nothing_because_nothing_helps() -> None:
    view = shocked_prime().view(no_risk())
    view.retires_debt = False
    plan = manager(slr()).plan(view)
    assert plan.sales == ()
    assert plan.uncured == ("slr",)


def test_cash_first_sells_only_64() -> None:
    sheet = shocked_prime()
    plan = manager(slr(), order=CashFirst).plan(sheet.view(no_risk()))
    assert plan.repay_cash == bn(50)
    assert [(s.instrument_id, s.lots) for s in plan.sales] == [(TREASURIES, lots_of(64))]
    sheet.delever_with_cash(plan.repay_cash)
    sheet.sell(TREASURIES, plan.sales[0].lots, PAR, Proceeds.RETIRE_DEBT)
    assert (sheet.cash, sheet.debt_cash) == (0, bn(361))
    assert slr().ratio(sheet.view(no_risk())) == 0.05


def test_pro_rata_sells_by_value_even_when_a_bond_is_not_at_par() -> None:
    # 114 out of 200 + 144: each is cut by 114/344 of its lots, within one lot.
    plan = manager(slr(), order=ProRata).plan(shocked_prime().view(no_risk()))
    by_id = {s.instrument_id: s.lots for s in plan.sales}
    cut = Fraction(114, 344)
    assert abs(by_id[TREASURIES] - cut * lots_of(200)) <= 1
    assert abs(by_id[CORPORATES] - cut * lots_of(150)) <= 1


def test_adrian_shin_active_balance_sheet() -> None:
    # Assets 100 at leverage 10 rise by 1: leverage 9.18, and 9 must be bought to be back at 10.
    sheet = BalanceSheet(BONDS, cash=0, lots=[lots_of(100), 0, 0], marks_ticks=[PAR] * 3, short_term_cash=bn(90))
    sheet.mark(TREASURIES, 10_100)
    view = sheet.view(no_risk())
    constraint = slr(0.1)
    assert sheet.assets_cash / sheet.tier1_cash == pytest.approx(101 / 11)
    assert constraint.headroom(view) == bn(9)
    assert constraint.purchase_lots(view)[TREASURIES] == bn(9) // 10_100


@given(
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.integers(1, 30_000),
    st.integers(1, 30_000),
    st.integers(1, 2_000),
    st.integers(0, 2_000),
)
def test_slr_sale_is_the_closed_form_for_any_balance_sheet(
    lots_a: int,
    lots_b: int,
    cash: int,
    other: int,
    mark_a: int,
    mark_b: int,
    minimum_bp: int,
    fall_permille: int,
) -> None:
    minimum = minimum_bp / 10_000
    value = cash + other + lots_a * mark_a + lots_b * mark_b
    debt = value - value * minimum_bp // 10_000
    sheet = BalanceSheet(
        BONDS,
        cash=cash,
        lots=[lots_a, lots_b, 0],
        marks_ticks=[mark_a, mark_b, 1],
        other_assets_cash=other,
        short_term_cash=debt,
    )
    sheet.mark(1, max(1, mark_b * (1_000 - min(fall_permille, 999)) // 1_000))
    plan = manager(slr(minimum)).plan(sheet.view(no_risk()))
    excess = sheet.assets_cash - Fraction(sheet.tier1_cash) / Fraction(minimum_bp, 10_000)
    sold_a = min(lots_a, max(0, math.ceil(excess / mark_a)))
    rest = excess - sold_a * mark_a
    sold_b = min(lots_b, max(0, math.ceil(rest / sheet.marks_ticks[1])))
    planned = {s.instrument_id: s.lots for s in plan.sales}
    assert planned == {i: n for i, n in ((0, sold_a), (1, sold_b)) if n}


def test_exempting_treasuries_and_reserves_makes_room_and_moves_the_sale() -> None:
    view = shocked_prime().view(no_risk())
    exempt = slr(exempt=("treasuries", "reserves"))
    assert exempt.exposure(view) == bn(244)
    assert manager(exempt).plan(view).sales == ()
    only_treasuries = slr(0.08, exempt=("treasuries",))  # 19/0.08 = 237.5 against 294
    (sale,) = manager(only_treasuries).plan(view).sales
    assert sale.instrument_id == CORPORATES
    assert sale.lots == math.ceil(Fraction(bn(56.5), 9_600))


# --- VaR ---------------------------------------------------------------------------------------------------


def book_with_var(var_money: float, position_bn: float = 1.0) -> tuple[BalanceSheet, float]:
    """A book of corporates and the volatility at which its VaR is the given amount of money."""
    sheet = BalanceSheet(BONDS, cash=0, lots=[0, lots_of(position_bn), 0], marks_ticks=[PAR] * 3)
    return sheet, var_money / (position_bn * 1e9) / 2.3263478740408408  # the 99% quantile, from tables


def single_covariance(sigma: float) -> list[list[float]]:
    return [[0.0] * 3, [0.0, sigma * sigma, 0.0], [0.0] * 3]


@pytest.mark.parametrize(("fall", "cut"), [(0, 0.25), (400, 0.21875)])
def test_doubled_volatility_forces_the_published_cut(fall: int, cut: float) -> None:
    sheet, sigma = book_with_var(10e6)
    constraint = var(15e6)
    calm = sheet.view(single_covariance(sigma))
    assert constraint.value_at_risk(calm) * 100 == pytest.approx(10e6, rel=1e-9)
    assert manager(constraint).plan(calm).sales == ()
    sheet.mark(CORPORATES, PAR - fall)
    view = sheet.view(single_covariance(2 * sigma))
    assert constraint.required_reduction(view) / sheet.inventory_cash == pytest.approx(cut, rel=1e-9)
    for order in (MostLiquidFirst, ProRata):
        (sale,) = manager(constraint, order=order).plan(view).sales
        assert sale.lots == math.ceil(cut * lots_of(1))


@pytest.mark.parametrize("lots", [8, 1_000, 32_000, 99_999_992])
@pytest.mark.parametrize("sigma", [0.0123, 0.07, 1 / 3])
def test_a_cut_that_is_a_whole_number_of_lots_is_not_rounded_up(lots: int, sigma: float) -> None:
    sheet = BalanceSheet(BONDS, cash=0, lots=[0, lots, 0], marks_ticks=[PAR, 9_999, PAR])
    view = sheet.view(single_covariance(sigma))
    limit = 0.625 * 2.3263478740408408 * sigma * lots * 9_999 * 100
    (sale,) = manager(var(limit)).plan(view).sales
    assert sale.lots == lots * 3 // 8


@given(st.floats(0.01, 0.4), st.integers(1, 10**12), st.floats(-0.95, 0.95))
def test_a_limit_of_zero_leaves_nothing_of_the_only_position(sigma: float, lots: int, rho: float) -> None:
    constraint = var(0.0)
    alone = BalanceSheet(BONDS, cash=0, lots=[0, lots, 0], marks_ticks=[PAR, 9_600, PAR])
    assert constraint.sale_lots(alone.view(single_covariance(sigma)), CORPORATES) == lots
    # Beside another position the best is its hedge; where correlation is positive, that is to hold none.
    both = BalanceSheet(BONDS, cash=0, lots=[1_000, lots, 0], marks_ticks=[PAR, 9_600, PAR])
    view = both.view([[1e-4, rho * sigma / 100, 0.0], [rho * sigma / 100, sigma * sigma, 0.0], [0.0] * 3])
    best = max(0.0, -rho * 0.01 * 1_000 * PAR / (sigma * 9_600))
    assert constraint.sale_lots(view, CORPORATES) == pytest.approx(max(0.0, lots - best), rel=1e-9, abs=1)


vols, sizes = st.floats(1e-4, 0.2), st.integers(1, 10**6)


@given(vols, vols, st.floats(-0.95, 0.95), sizes, sizes, st.floats(0.05, 0.999))
def test_var_of_two_assets_is_cut_to_its_limit_and_no_further(
    s1: float, s2: float, rho: float, n1: int, n2: int, share: float
) -> None:
    sheet = BalanceSheet(BONDS[:2], cash=0, lots=[n1, n2], marks_ticks=[PAR, 8_000])
    cov = [[s1 * s1, rho * s1 * s2], [rho * s1 * s2, s2 * s2]]
    view = sheet.view(cov)
    full = _var_of_two(s1, s2, rho, [n1, n2])
    constraint = VarConstraint(
        VarConstraint.Params(limit=share * full * 100), type(CONTEXT)(BONDS[:2], CONTEXT.cash_unit)
    )
    assert constraint.value_at_risk(view) == pytest.approx(full, rel=1e-9)
    trial = view.copy()
    for i in (0, 1):
        lots = constraint.sale_lots(trial, i)
        assert 0 <= lots <= trial.lots[i]
        if lots:
            less = trial.copy()
            less.sell(i, lots - 1)
            assert constraint.headroom(less) < 0  # one lot less would not do
        trial.sell(i, lots)
    pro_rata = RiskManager([constraint], ProRata(ProRata.Params(), constraint.context)).plan(view)
    assert pro_rata.uncured == ()
    sold = {s.instrument_id: s.lots for s in pro_rata.sales}
    after = [n1 - sold.get(0, 0), n2 - sold.get(1, 0)]
    assert _var_of_two(s1, s2, rho, after) <= share * full * (1 + 1e-9)
    # There is an instrument of which one lot less would not do.
    assert any(
        sold.get(i, 0) and _var_of_two(s1, s2, rho, [n + (k == i) for k, n in enumerate(after)]) > share * full
        for i in (0, 1)
    )
    if min(n1, n2) > 1_000:
        for i, n in enumerate((n1, n2)):
            assert sold.get(i, 0) / n == pytest.approx(1 - share, abs=2e-3)


def _var_of_two(s1: float, s2: float, rho: float, lots: list[int]) -> float:
    x, y = s1 * lots[0] * PAR, s2 * lots[1] * 8_000
    return 2.3263478740408408 * math.sqrt(max(0.0, x * x + y * y + 2 * rho * x * y))


def test_a_hedge_is_not_sold_beyond_what_lowers_var() -> None:
    # Perfectly negatively correlated equal positions: VaR 0; any sale of one of them raises it.
    sheet = BalanceSheet(BONDS[:2], cash=0, lots=[100, 150], marks_ticks=[PAR, PAR])
    constraint = VarConstraint(VarConstraint.Params(limit=0), type(CONTEXT)(BONDS[:2], CONTEXT.cash_unit))
    view = sheet.view([[1e-4, -1e-4], [-1e-4, 1e-4]])
    assert constraint.sale_lots(view, 0) == 0
    assert constraint.sale_lots(view, 1) == 50
    # At correlation -1/2 the least risk is at half the other position, and the limit is out of reach.
    view = sheet.view([[1e-4, -0.5e-4], [-0.5e-4, 1e-4]])
    assert constraint.sale_lots(view, 1) == 100


# --- funding -----------------------------------------------------------------------------------------------


def levered(position: float, haircut: float) -> BalanceSheet:
    """A position financed by repo at the haircut, own funds for the rest and nothing else."""
    return BalanceSheet(
        BONDS,
        cash=0,
        lots=[lots_of(position), 0, 0],
        marks_ticks=[PAR] * 3,
        repo_cash=[round(bn(position) * (1 - haircut)), 0, 0],
        haircuts=[haircut, 0, 0],
    )


def test_haircut_from_2_to_5_percent_forces_a_sale_of_60_percent_or_a_call_of_6() -> None:
    sheet = levered(200, 0.02)
    assert funding().headroom(sheet.view(no_risk())) == 0
    sheet.haircuts[0] = 0.05
    view = sheet.view(no_risk())
    assert view.repo_cash[0] - view.repo_limits()[0] == pytest.approx(bn(6), rel=1e-9)
    assert funding().required_reduction(view) == pytest.approx(bn(120), rel=1e-9)
    (sale,) = manager(funding()).plan(view).sales
    assert sale.lots == lots_of(120)
    sheet.sell(0, sale.lots, PAR, Proceeds.RETIRE_DEBT)
    assert sheet.value(0) * 0.05 == sheet.tier1_cash == bn(4)


def test_a_call_met_from_outside_funds_needs_no_sale() -> None:
    sheet = levered(200, 0.02)
    sheet.haircuts[0] = 0.05
    sheet.borrow(bn(6))  # six of new unsecured funding, pledged to the lender
    assert manager(funding()).plan(sheet.view(no_risk())).sales == ()


@given(st.integers(1, 300), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_haircut_shock_closed_form_for_any_haircuts(position: int, before: float, rise: float) -> None:
    sheet = levered(position, before)
    own = sheet.tier1_cash
    after = min(1.0, before + rise)
    sheet.haircuts[0] = after
    plan = manager(funding()).plan(sheet.view(no_risk()))
    # Own funds of x·before carry x·before/after: the rest goes, whatever the position.
    assert plan.sales[0].lots == pytest.approx(lots_of(position) - own / after / PAR, rel=1e-9, abs=1)


def test_refusal_to_roll_forces_the_sale_of_what_is_due_when_nobody_else_lends() -> None:
    sheet = BalanceSheet(
        BONDS,
        cash=bn(3),
        lots=[lots_of(50), 0, 0],
        marks_ticks=[PAR] * 3,
        short_term_cash=bn(40),
        haircuts=[1.0, 1.0, 1.0],
    )
    assert manager(funding()).plan(sheet.view(no_risk())).sales == ()
    sheet.refuse_roll(bn(10))
    (sale,) = manager(funding()).plan(sheet.view(no_risk())).sales
    assert sale.lots == lots_of(7)
    sheet.haircuts[0] = 0.5  # somebody lends against Treasuries: no sale
    assert manager(funding()).plan(sheet.view(no_risk())).sales == ()
