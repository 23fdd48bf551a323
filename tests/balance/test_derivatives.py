"""Swaps and futures on a balance sheet: exact cash, margins, hedges, and what limits make of them."""

from __future__ import annotations

import pytest
from balance_helpers import BONDS, CONTEXT, PAR, no_risk
from hypothesis import given
from hypothesis import strategies as st

from lob_sim.balance.constraints import FundingConstraint, VarConstraint
from lob_sim.balance.derivatives import DerivativePosition, Derivatives, InitialMargin
from lob_sim.balance.sheet import BalanceSheet, Proceeds

BOND, OTHER, _ = range(3)
TICKS = [1, 1, 1]


def book(lots: int, rate: float = 0.0, hedge_ratio: float = 0.0, **margin: float) -> Derivatives:
    position = DerivativePosition(BOND, lots, InitialMargin(rate, **margin), hedge_ratio)
    return Derivatives([position], [PAR] * 3, TICKS)


def sheet(derivatives: Derivatives, cash: int = 1_000_000, bonds: int = 0, **fields: object) -> BalanceSheet:
    return BalanceSheet(
        BONDS,
        cash=cash,
        lots=[bonds, 0, 0],
        marks_ticks=[PAR] * 3,
        derivatives=derivatives,
        **fields,  # type: ignore[arg-type]
    )


def test_a_loss_is_in_tier_1_at_once_and_in_cash_when_it_is_settled() -> None:
    derivatives = book(100)
    held = sheet(derivatives)
    assert held.mark_derivatives([PAR - 200, PAR, PAR]) == -20_000
    assert (held.tier1_cash, held.cash, held.short_cash) == (980_000, 1_000_000, 20_000)
    held.check()
    assert held.take_margin(derivatives.settle()) == 0
    assert (held.tier1_cash, held.cash, held.short_cash) == (980_000, 980_000, 0)
    held.check()
    # The control: what is sold short gains as much.
    other = sheet(book(-100))
    assert other.mark_derivatives([PAR - 200, PAR, PAR]) == 20_000
    assert (other.tier1_cash, other.untraded_cash) == (1_020_000, 20_000)
    other.check()


def test_what_cash_does_not_cover_is_due() -> None:
    derivatives = book(100)
    held = sheet(derivatives, cash=5_000)
    held.mark_derivatives([PAR - 200, PAR, PAR])
    assert held.take_margin(derivatives.settle()) == 15_000
    assert (held.cash, held.due_cash, held.tier1_cash) == (0, 15_000, -15_000)
    held.check()


def test_initial_margin_rises_with_volatility_and_comes_back() -> None:
    derivatives = book(100, 0.02, per_volatility=10.0, reference_volatility=0.001, maximum=0.05)
    held = sheet(derivatives)
    assert derivatives.posted_cash == 20_000
    assert (held.cash, held.untraded_cash, held.tier1_cash) == (980_000, 20_000, 1_000_000)
    # 2% + 10·(0.2% - 0.1%) = 3% of a million.
    assert derivatives.margin_call([0.002, 0.0, 0.0]) == 10_000
    held.take_margin(-10_000)
    assert (held.cash, held.untraded_cash, held.tier1_cash) == (970_000, 30_000, 1_000_000)
    held.check()
    assert derivatives.margin_call([0.1, 0.0, 0.0]) == 20_000  # at most 5%
    assert derivatives.margin_call([0.0, 0.0, 0.0]) == -30_000
    # The control: a rate that does not follow volatility calls nothing.
    assert book(100, 0.02).margin_call([0.1, 0.1, 0.1]) == 0


@given(st.lists(st.tuples(st.integers(1, 20_000), st.integers(-50, 50), st.floats(0, 0.05)), max_size=20))
def test_the_sheet_balances_and_settlements_add_up_to_the_moves(path: list[tuple[int, int, float]]) -> None:
    derivatives = book(10, 0.02, hedge_ratio=-1.0, per_volatility=5.0)
    held = sheet(derivatives, cash=10**9, bonds=1_000)
    lots, price, gained = 10, PAR, 0
    for mark, bought, volatility in path:
        gained += lots * (mark - price)
        price = mark
        held.mark_derivatives([mark, PAR, PAR])
        held.take_margin(derivatives.settle() - derivatives.margin_call([volatility] * 3))
        if bought > 0:
            held.buy(BOND, bought, PAR)
        else:
            held.sell(BOND, min(-bought, held.lots[BOND]), PAR)
        held.hedge(BOND, bought)
        lots -= bought
        held.check()
    assert held.tier1_cash == 10**9 + 1_000 * PAR + gained
    held.take_margin(derivatives.close())
    held.check()
    assert derivatives.posted_cash == derivatives.accrued_cash == 0


# --- a basis trade ---
def basis_trade(margin: float = 0.03, haircut: float = 0.02, equity: int = 500_000) -> BalanceSheet:
    """1,000 bonds worth 10 million on repo at the haircut, and as many futures sold against them."""
    value = 1_000 * PAR
    loan = int((1 - haircut) * value)
    derivatives = book(-1_000, margin, hedge_ratio=-1.0)
    return sheet(derivatives, equity - (value - loan), 1_000, repo_cash=[loan, 0, 0], haircuts=[haircut, 0.0, 0.0])


FUNDING = FundingConstraint(FundingConstraint.Params(), CONTEXT)


def test_leverage_of_a_basis_trade_is_the_inverse_of_haircut_and_margin() -> None:
    held = basis_trade()
    assert held.tier1_cash == 500_000
    # Equity of 500,000 carries 500,000 / (2% + 3%) = 10 million: there is nothing to spare.
    assert FUNDING.headroom(held.view(no_risk())) == 0
    assert FUNDING.headroom(basis_trade(margin=0.02).view(no_risk())) == 100_000
    assert FUNDING.purchase_lots(basis_trade(margin=0.02).view(no_risk()))[BOND] == 250  # 100,000 over 4% of 10,000


@pytest.mark.parametrize("margin", [0.04, 0.05, 0.08])
def test_a_margin_that_rises_forces_the_share_that_the_closed_form_says(margin: float) -> None:
    derivatives = basis_trade().derivatives
    held = basis_trade()
    assert derivatives is not None
    assert held.derivatives is not None
    held.derivatives.positions[0].margin = InitialMargin(margin)
    called = held.derivatives.margin_call([0.0] * 3)
    assert called == pytest.approx((margin - 0.03) * 10_000_000, abs=1)
    held.take_margin(-called)
    view = held.view(no_risk())
    # (h + m)·V = E: of V, 1 - (h + m)/(h + m′) must go.
    lots = FUNDING.sale_lots(view, BOND)
    assert lots == pytest.approx(1_000 * (1 - 0.05 / (0.02 + margin)), abs=1.001)
    # Sold at the mark, bonds retire their repo and the futures against them give their margin back.
    held.sell(BOND, lots, PAR, Proceeds.RETIRE_DEBT)
    held.hedge(BOND, -lots)
    held.repay(min(held.due_cash, held.cash))
    held.check()
    assert held.derivatives.positions[0].lots == -held.lots[BOND]
    assert 0 <= FUNDING.headroom(held.view(no_risk())) <= (0.02 + margin) * PAR + 1
    # The control: futures that stayed would keep their margin, and more would have to go.
    held = basis_trade()
    assert held.derivatives is not None
    held.derivatives.positions[0].margin, held.derivatives.positions[0].hedge_ratio = InitialMargin(margin), 0.0
    held.take_margin(-held.derivatives.margin_call([0.0] * 3))
    assert FUNDING.sale_lots(held.view(no_risk()), BOND) > lots


def test_a_basis_that_widens_costs_its_width_while_the_hedge_stands_still() -> None:
    held = basis_trade()
    # The bond falls by 1% where value does not: no variation margin, and a loss of 1% of 10 million.
    held.mark(BOND, PAR - 100)
    assert held.mark_derivatives([PAR] * 3) == 0
    assert held.tier1_cash == 400_000
    # The control: when value falls with it the future pays for the loss.
    held.mark_derivatives([PAR - 100, PAR, PAR])
    assert held.tier1_cash == 500_000


def test_value_at_risk_nets_a_hedge_and_counts_an_exposure() -> None:
    covariances = [[0.0001, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    limit = VarConstraint(VarConstraint.Params(limit=1e6), CONTEXT)
    assert limit.value_at_risk(basis_trade().view(covariances)) == 0
    assert limit.sale_lots(basis_trade().view(covariances), BOND) == 0
    swaps = limit.value_at_risk(sheet(book(1_000)).view(covariances))
    bonds = limit.value_at_risk(sheet(book(0), bonds=1_000).view(covariances))
    assert swaps == pytest.approx(bonds) == pytest.approx(2.3263478740408408 * 0.01 * 10_000_000)
