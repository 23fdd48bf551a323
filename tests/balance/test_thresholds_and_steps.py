"""Limits with a target beyond them, value at risk in proportion to capital, and markets that clear once a step."""

from __future__ import annotations

import math

import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, dealer_prime, lots_of, no_risk
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.balance.constraints import (
    CapitalVarConstraint,
    SlrConstraint,
    ThresholdLeverageConstraint,
    VarConstraint,
)
from lob_sim.balance.constraints.base import UNLIMITED_LOTS
from lob_sim.balance.liquidation_sequence import CashThenProRata, LiquidationSequence, MostLiquidFirst, ProRata
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.view import SheetView
from lob_sim.errors import InputError, PluginError
from lob_sim.stress_test.cascade import CascadeMember
from lob_sim.stress_test.step_market import LinearStepImpact, NoStepImpact, PsiImpact, ShareSoldImpact, StepMarket
from lob_sim.stress_test.steps import run_steps


def threshold(minimum: float = 0.05, target: float = 0.06) -> ThresholdLeverageConstraint:
    return ThresholdLeverageConstraint(ThresholdLeverageConstraint.Params(minimum=minimum, target=target), CONTEXT)


def manager(constraint: SlrConstraint, order: type[LiquidationSequence] = MostLiquidFirst) -> RiskManager:
    return RiskManager([constraint], order(order.Params(), CONTEXT))


def shocked_prime(fall_ticks: int) -> SheetView:
    sheet = dealer_prime()
    sheet.mark(1, PAR - fall_ticks)
    return sheet.view(no_risk())


def test_nothing_happens_at_the_minimum_and_the_target_is_restored_below_it() -> None:
    # Tier 1 is 25 of 500: exactly 5 %.
    assert manager(threshold()).plan(shocked_prime(0)).sales == ()
    plan = manager(threshold()).plan(shocked_prime(100))
    # Corporates lose 1.5: 23.5 must carry 498.5 - x at 6 %.
    expected = 498.5 - 23.5 / 0.06
    (breach,) = plan.breaches
    assert breach.constraint == "leverage_threshold"
    assert breach.headroom_cash == pytest.approx(bn(23.5 / 0.05 - 498.5), rel=1e-9)
    assert breach.required_cash == pytest.approx(bn(expected), rel=1e-9)
    (sale,) = plan.sales
    assert sale.lots == math.ceil(bn(expected) / PAR - 1e-9)
    assert sale.reasons == ("leverage_threshold",)


@pytest.mark.parametrize("order", [MostLiquidFirst, ProRata, CashThenProRata])
def test_every_sale_order_goes_to_the_target(order: type[LiquidationSequence]) -> None:
    view = shocked_prime(300)
    plan = manager(threshold(), order).plan(view)
    view.repay(plan.repay_cash)
    for sale in plan.sales:
        view.sell(sale.instrument_id, sale.lots)
    assert plan.uncured == ()
    assert view.tier1_cash / view.assets_cash == pytest.approx(0.06, rel=5e-6)
    assert (plan.repay_cash > 0) is (order is CashThenProRata)


def test_a_goal_once_pursued_stands_until_it_is_reached() -> None:
    view = shocked_prime(100)
    risk = manager(threshold())
    (first,) = risk.plan(view).sales
    half = first.lots // 2
    view.sell(0, half)
    assert view.tier1_cash / view.assets_cash > 0.05
    assert risk.plan(view).sales == ()
    (rest,) = risk.plan(view, ("leverage_threshold",)).sales
    assert rest.lots == first.lots - half
    view.sell(0, rest.lots)
    assert risk.plan(view, ("leverage_threshold",)).breaches == ()


def test_a_constraint_without_a_target_is_its_own_goal() -> None:
    slr = SlrConstraint(SlrConstraint.Params(minimum=0.05), CONTEXT)
    assert slr.restoration_target is slr
    assert threshold(0.05, 0.05).restoration_target is not None
    view = shocked_prime(100)
    assert manager(slr).plan(view, ("slr",)) == manager(slr).plan(view)
    same = manager(threshold(0.05, 0.05)).plan(view)
    assert [s.lots for s in same.sales] == [s.lots for s in manager(slr).plan(view).sales]


def test_a_target_below_the_minimum_is_refused() -> None:
    with pytest.raises(PluginError, match="below minimum"):
        threshold(0.05, 0.04)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.2, 3.0), st.floats(0.001, 0.2), st.integers(1, 400))
def test_value_at_risk_in_proportion_to_capital(share: float, volatility: float, fall_ticks: int) -> None:
    covariances = [[volatility**2 if i == j == 0 else 0.0 for j in range(3)] for i in range(3)]
    view = shocked_prime(fall_ticks)
    view.covariances = covariances
    capital = CapitalVarConstraint(CapitalVarConstraint.Params(share=share), CONTEXT)
    limit = share * view.tier1_cash
    fixed = VarConstraint(VarConstraint.Params(limit=limit * 100), CONTEXT)  # a cash unit is 100 of currency
    assert capital.headroom(view) == pytest.approx(fixed.headroom(view), rel=1e-9, abs=1e-3)
    assert capital.required_reduction(view) == pytest.approx(fixed.required_reduction(view), rel=1e-9, abs=1e-3)
    assert capital.sale_lots(view, 0) == pytest.approx(fixed.sale_lots(view, 0), abs=1)
    assert capital.purchase_lots(view)[0] == pytest.approx(fixed.purchase_lots(view)[0], rel=1e-9, abs=1)
    assert capital.repay_cash(view) == 0


def test_without_capital_everything_at_risk_must_go() -> None:
    view = shocked_prime(400)
    view.tier1_cash = -1.0
    view.covariances = [[1e-4, 0, 0], [0, 0, 0], [0, 0, 0]]
    capital = CapitalVarConstraint(CapitalVarConstraint.Params(), CONTEXT)
    assert capital.required_reduction(view) == pytest.approx(view.inventory_cash)


# --- markets that clear once a step --------------------------------------------------------------------------


def test_impacts_of_a_step() -> None:
    assert NoStepImpact().after(3.0, 1e9) == 3.0
    assert LinearStepImpact(1e-3).after(2.0, 50.0) == pytest.approx(2.0 * (1 - 1e-3 * 100))
    assert LinearStepImpact(1.0).after(2.0, 50.0) == 0.0
    beta = ShareSoldImpact.beta(0.05, 0.05)
    assert ShareSoldImpact(beta, 1_000.0).after(1.0, 50.0) == pytest.approx(0.95)
    assert ShareSoldImpact(beta, 1_000.0).after(2.0, 100.0) == pytest.approx(2 * 0.95**2)
    psi = (1 - 0.6 / 0.9) * (1 - math.exp(-90.0 / 300.0))
    assert PsiImpact(0.6, 300.0).after(0.9, 100.0) == pytest.approx(0.9 * (1 - psi))
    assert PsiImpact(0.6, 300.0).after(0.5, 100.0) == 0.5


@pytest.mark.parametrize("settlement", [0.0, 0.5, 1.0])
def test_where_a_step_settles(settlement: float) -> None:
    market = StepMarket([2.0, 1.0], [LinearStepImpact(1e-3), NoStepImpact()], settlement)
    assert market.sell(0, 50.0) == pytest.approx(50 * (2.0 - settlement * 0.2))
    assert market.unit_cash(0) == pytest.approx(1.8)
    assert market.sell(1, 7.0) == 7.0


def test_step_markets_refuse_what_is_none() -> None:
    for make in (
        lambda: LinearStepImpact(-1.0),
        lambda: ShareSoldImpact(math.inf, 1.0),
        lambda: ShareSoldImpact(1.0, 0.0),
        lambda: ShareSoldImpact.beta(1.0, 0.05),
        lambda: PsiImpact(0.5, 0.0),
        lambda: StepMarket([1.0], []),
        lambda: StepMarket([1.0], [NoStepImpact()], 2.0),
    ):
        with pytest.raises(InputError):
            make()


# --- steps ---------------------------------------------------------------------------------------------------


def bank(name: str, cash: int, bonds: int, loan: int, other_debt: int) -> CascadeMember:
    """A bank with bonds of one kind, in billions, that delevers below 5 % to 6 %."""
    view = SheetView(
        cash=bn(cash),
        lots=[float(lots_of(bonds)), 0.0, 0.0],
        unit_cash=[float(PAR)] * 3,
        adjustment_unit_cash=[0.0] * 3,
        other_assets_cash=0.0,
        short_term_cash=bn(loan),
        due_cash=0.0,
        repo_cash=[0.0] * 3,
        tier1_cash=bn(cash + bonds - loan - other_debt),
        haircuts=[0.0] * 3,
        covariances=no_risk(),
    )
    return CascadeMember(name, view, manager(threshold(), CashThenProRata))


def flat_market(price: float) -> StepMarket:
    return StepMarket([price * PAR, float(PAR), float(PAR)], [NoStepImpact()] * len(BONDS))


def test_proceeds_pay_debt_a_step_after_the_sale_was_decided() -> None:
    solvency = SlrConstraint(SlrConstraint.Params(minimum=0.03), CONTEXT)
    # Bonds lose 3 of 96: 4 of 97 is 4.12 %; at 6 % it carries 66.67, so 30.33 must go: 4 by cash, 26.33 by sale.
    steps = run_steps([bank("a", 4, 96, 50, 43)], flat_market(1 - 3 / 96), solvency, 3)
    needed = 97 - 4 / 0.06
    assert [s.paid_cash[0] / bn(1) for s in steps] == pytest.approx([4, needed - 4, 0], abs=1e-3)
    price = PAR * (1 - 3 / 96)
    assert steps[0].for_sale[0][0] * price / bn(1) == pytest.approx(needed - 4, abs=1e-3)  # a lot
    assert steps[0].cleared[0] == (0, 0, 0)
    assert steps[1].cleared[0] == steps[0].for_sale[0]
    last = steps[-1].views[0]
    assert last.tier1_cash / last.assets_cash == pytest.approx(0.06, rel=5e-6)


def test_a_defaulted_bank_is_sold_one_step_later_and_stays_in_default() -> None:
    solvency = SlrConstraint(SlrConstraint.Params(minimum=0.03), CONTEXT)
    steps = run_steps([bank("a", 4, 96, 50, 48), bank("b", 4, 96, 40, 40)], flat_market(1.0), solvency, 3)
    assert [s.defaulted for s in steps] == [(True, False)] * 3
    assert [s.cleared[0][0] for s in steps] == [0, lots_of(96), 0]
    assert steps[-1].views[0].cash == pytest.approx(bn(100))
    assert steps[-1].views[0].short_term_cash == bn(50)
    assert all(not any(lots) for s in steps for lots in (s.cleared[1], s.for_sale[1]))


def test_debt_that_cannot_be_repaid_leaves_proceeds_as_cash() -> None:
    solvency = SlrConstraint(SlrConstraint.Params(minimum=0.01), CONTEXT)
    steps = run_steps([bank("a", 0, 100, 2, 94)], flat_market(1.0), solvency, 4)
    assert sum(s.paid_cash[0] for s in steps) == pytest.approx(bn(2))
    assert steps[-1].views[0].cash > bn(20)
    assert steps[-1].views[0].tier1_cash == pytest.approx(bn(4))


def test_steps_need_names_and_a_number() -> None:
    solvency = SlrConstraint(SlrConstraint.Params(minimum=0.03), CONTEXT)
    for members, steps in (([bank("a", 1, 1, 0, 0)], 0), ([bank("a", 1, 1, 0, 0), bank("a", 1, 1, 0, 0)], 1)):
        with pytest.raises(InputError):
            run_steps(members, flat_market(1.0), solvency, steps)


@pytest.mark.parametrize("params", [{"limit": 1e308}, {"limit": 1e9, "horizon_intervals": 1e-320}])
def test_a_limit_beyond_what_numbers_hold_admits_any_purchase(params: dict[str, float]) -> None:
    risk = [[1e-4 if i == j else 0.0 for j in range(3)] for i in range(3)]
    sheet = dealer_prime().view(risk)
    beyond = VarConstraint(VarConstraint.Params(**params), CONTEXT)
    assert beyond.purchase_lots(sheet) == [UNLIMITED_LOTS] * 3
    assert [beyond.sale_lots(sheet, i) for i in range(3)] == [0, 0, 0]
    # The control: a limit that binds admits some lots of what is held, and no more.
    at_limit = VarConstraint(VarConstraint.Params(limit=beyond.value_at_risk(sheet) * 300), CONTEXT)
    assert at_limit.purchase_lots(sheet) != [UNLIMITED_LOTS] * 3
