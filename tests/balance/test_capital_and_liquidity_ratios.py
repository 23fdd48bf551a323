"""The risk-weighted capital ratio and the liquidity coverage ratio, against their worked examples and closed forms."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, dealer_prime, lots_of, no_risk
from hypothesis import given
from hypothesis import strategies as st

from lob_sim.balance.constraints import LiquidityCoverageConstraint, RiskWeightedConstraint
from lob_sim.balance.liquidation_sequence import MostLiquidFirst
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.desk.building import CONSTRAINTS
from lob_sim.errors import PluginError

TREASURIES, CORPORATES = 0, 1


def capital(minimum: float = 0.125, **weights: float) -> RiskWeightedConstraint:
    given_weights = {"treasuries": 0.0, "corporates": 0.5, **weights}
    return RiskWeightedConstraint(RiskWeightedConstraint.Params(minimum=minimum, weights=given_weights), CONTEXT)


def coverage(runoff: float = 0.6, **params: Any) -> LiquidityCoverageConstraint:
    own = {"levels": {"treasuries": "1"}, "short_term_runoff": runoff, **params}
    return LiquidityCoverageConstraint(LiquidityCoverageConstraint.Params(**own), CONTEXT)


def after_the_loss() -> BalanceSheet:
    sheet = dealer_prime()
    sheet.mark(CORPORATES, 9_600)
    return sheet


# --- risk-weighted ratio ---------------------------------------------------------------------------------------------


def test_the_loss_costs_weighted_assets_of_which_corporates_alone_can_be_sold() -> None:
    view = after_the_loss().view(no_risk())
    limit = capital()
    assert limit.risk_weighted_assets(view) == bn(172)
    # Tier 1 of 19 at 12.5% carries 152.
    assert limit.headroom(view) == -bn(20)
    assert limit.sale_lots(view, TREASURIES) == 0
    assert limit.sale_lots(view, CORPORATES) == lots_of(40, 9_600) + (lots_of(40, 9_600) * 9_600 < bn(40))
    assert limit.repay_cash(view) == 0
    plan = RiskManager([limit], MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT)).plan(view)
    assert [(sale.instrument_id, sale.lots) for sale in plan.sales] == [(CORPORATES, limit.sale_lots(view, CORPORATES))]
    # The control: before the loss, and with a minimum that it leaves room for, nothing is to be done.
    assert limit.headroom(dealer_prime().view(no_risk())) == bn(25)
    assert capital(0.11).headroom(view) > 0


@pytest.mark.parametrize("proceeds", list(Proceeds))
def test_the_sale_restores_the_ratio_whatever_becomes_of_the_money(proceeds: Proceeds) -> None:
    sheet, limit = after_the_loss(), capital()
    lots = limit.sale_lots(sheet.view(no_risk()), CORPORATES)
    sheet.sell(CORPORATES, lots - 1, 9_600, proceeds)
    assert limit.headroom(sheet.view(no_risk())) < 0
    sheet.sell(CORPORATES, 1, 9_600, proceeds)
    assert 0 <= limit.headroom(sheet.view(no_risk())) < 9_600


@given(st.integers(0, 10**7), st.integers(1, 20_000), st.sampled_from([0.045, 0.085, 0.105, 0.3]))
def test_headroom_has_the_sign_of_the_exact_ratio(lots: int, mark: int, minimum: float) -> None:
    sheet = BalanceSheet(
        BONDS, cash=0, lots=[0, lots, 0], marks_ticks=[PAR, mark, PAR], short_term_cash=lots * mark // 2
    )
    view = sheet.view(no_risk())
    exact = Fraction(sheet.tier1_cash) - Fraction(repr(minimum)) * Fraction(1, 2) * lots * mark
    headroom = capital(minimum).headroom(view)
    assert (headroom > 0) - (headroom < 0) == (exact > 0) - (exact < 0)


def test_value_to_sell_in_proportion_is_the_excess_over_the_average_weight() -> None:
    view = after_the_loss().view(no_risk())
    assert capital().required_reduction(view) == pytest.approx(bn(20) * 344 / 72, rel=1e-12)
    # All of it where that is not enough.
    assert capital(1.0).required_reduction(view) == bn(344)


# --- liquidity coverage ----------------------------------------------------------------------------------------------


def test_an_outflow_that_grows_by_half_is_met_by_selling_what_is_not_liquid() -> None:
    view, limit = dealer_prime().view(no_risk()), coverage()
    assert limit.liquid_assets(view) == bn(250)
    assert limit.net_outflows(view) == bn(285)
    assert limit.headroom(view) == -bn(35)
    # Each unit of proceeds retires a unit of funding, of which 0.6 would have gone.
    assert limit.sale_lots(view, CORPORATES) == -(-lots_of(35) * 10 // 6)
    assert limit.sale_lots(view, TREASURIES) == 0
    assert limit.repay_cash(view) == 0
    # The control: at 40% there are 60 to spare.
    assert coverage(0.4).headroom(view) == bn(60)


def test_repo_encumbers_its_collateral_and_runs_off_by_its_level() -> None:
    sheet = BalanceSheet(
        BONDS,
        cash=bn(50),
        lots=[lots_of(200), lots_of(150), 0],
        marks_ticks=[PAR] * 3,
        repo_cash=[bn(98), bn(95), 0],
        haircuts=[0.02, 0.05, 0.0],
        short_term_cash=bn(100),
    )
    view, limit = sheet.view(no_risk()), coverage(0.4)
    # 98 at 2% encumber 100 of 200 Treasuries; repo on them is renewed, on corporates not.
    assert limit.liquid_assets(view) == pytest.approx(bn(150), rel=1e-12)
    assert limit.net_outflows(view) == pytest.approx(bn(95 + 40), rel=1e-12)
    sheet.refuse_roll(bn(10))
    assert limit.net_outflows(sheet.view(no_risk())) == pytest.approx(bn(95 + 36 + 10), rel=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "third", "liquid"),
    [
        (100, 0, 0, 100),
        (100, 40, 0, 134),  # 34 after the haircut, below 2/3 of 100
        (60, 100, 0, 100),  # 85 after the haircut, of which 40 count: 40% of 100
        (85, 0, 40, 100),  # 20 after the haircut, of which 15 count: 15% of 100
        (60, 40, 40, 100),  # 34 and 20: at most 40 together
        (0, 100, 100, 0),  # with nothing of level 1 nothing else counts
    ],
)
def test_levels_have_haircuts_and_caps(first: int, second: int, third: int, liquid: int) -> None:
    sheet = BalanceSheet(
        BONDS, cash=bn(first), lots=[0, lots_of(second), lots_of(third)], marks_ticks=[PAR] * 3, short_term_cash=0
    )
    limit = coverage(levels={"treasuries": "1", "corporates": "2A", "other": "2B"})
    assert limit.liquid_assets(sheet.view(no_risk())) == pytest.approx(bn(liquid), rel=1e-12)


def test_inflows_count_up_to_three_quarters_of_outflows() -> None:
    view = dealer_prime().view(no_risk())
    assert coverage(0.4, inflow_rate=0.5).net_outflows(view) == bn(190 - 50)
    assert coverage(0.1, inflow_rate=0.5).net_outflows(view) == pytest.approx(bn(47.5 / 4), rel=1e-12)


def test_a_scenario_names_both_and_unknown_instruments_are_refused() -> None:
    assert CONSTRAINTS["risk_weighted"] is RiskWeightedConstraint
    assert CONSTRAINTS["liquidity_coverage"] is LiquidityCoverageConstraint
    with pytest.raises(PluginError, match="gold"):
        capital(gold=1.0)
    with pytest.raises(PluginError, match="gold"):
        coverage(levels={"gold": "1"})
