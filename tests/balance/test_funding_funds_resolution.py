"""Repo lenders and their ladder, funds and their redemptions, default and who bears it."""

from __future__ import annotations

import math

import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, dealer_prime, lots_of, no_risk
from hypothesis import given
from hypothesis import strategies as st

from lob_sim.balance.constraints import FundingConstraint
from lob_sim.balance.fund import FlowRule, Fund
from lob_sim.balance.funding import (
    UNSECURED,
    HaircutSchedule,
    LoanLadder,
    RepoLender,
    amounts_called,
)
from lob_sim.balance.liquidation_sequence import MostLiquidFirst
from lob_sim.balance.resolution import (
    ResolutionPolicy,
    attribute_losses,
    default_event,
    split_exactly,
)
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.errors import InvariantError, PluginError

DAY = 86_400_000_000_000


def funding_manager() -> RiskManager:
    return RiskManager(
        [FundingConstraint(FundingConstraint.Params(), CONTEXT)],
        MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT),
    )


# --- lenders -----------------------------------------------------------------------------------------------


def test_haircuts_rise_with_volatility_and_leverage_above_their_references_up_to_a_cap() -> None:
    schedule = HaircutSchedule(
        base=0.02,
        per_volatility=3.0,
        reference_volatility=0.01,
        per_leverage=0.001,
        reference_leverage=20.0,
        maximum=0.3,
    )
    assert schedule.haircut(0.01, 20) == 0.02
    assert schedule.haircut(0.0, 5) == 0.02
    assert schedule.haircut(0.02, 20) == pytest.approx(0.05)
    assert schedule.haircut(0.02, 30) == pytest.approx(0.06)
    assert schedule.haircut(1.0, 30) == 0.3
    assert schedule.haircut(0.01, math.inf) == 0.3
    flat = HaircutSchedule(base=0.02)
    assert flat.haircut(1.0, 90) == 0.02


def lender(**params: object) -> RepoLender:
    schedules = {"treasuries": HaircutSchedule(base=0.02, per_volatility=3.0, reference_volatility=0.01)}
    return RepoLender(RepoLender.Params(schedules=schedules, **params), CONTEXT)  # type: ignore[arg-type]


def test_rolling_refusing_and_the_lenders_own_limit() -> None:
    ladder = LoanLadder()
    repo = lender(limit=100e9, refuse_above_leverage=40.0)
    assert repo.lend(bn(90), 20.0) == bn(90)
    assert repo.lend(bn(90), 20.0) == bn(10)
    repo.repaid(bn(10))
    loan = ladder.add(1, 0, bn(90), 0.02, DAY)
    rolled = repo.roll(loan, 0.02, 20.0)
    assert (rolled.rolled_cash, rolled.refused_cash) == (bn(90), 0)
    assert rolled.haircut == pytest.approx(0.05)
    assert repo.lend(1, 41.0) == 0
    refused = repo.roll(loan, 0.01, 41.0)
    assert (refused.rolled_cash, refused.refused_cash, repo.lent_cash) == (0, bn(90), 0)
    assert repo.haircut(1, 0.0, 1.0) == 1.0  # no schedule, no lending
    smaller = lender(limit=50e9)
    smaller.lent_cash = bn(90)
    over = smaller.roll(loan, 0.01, 20.0)
    assert (over.rolled_cash, over.refused_cash) == (bn(50), bn(40))
    with pytest.raises(PluginError, match="gold"):
        RepoLender(RepoLender.Params(schedules={"gold": HaircutSchedule(base=0.1)}), CONTEXT)


def test_the_ladder_repays_the_nearest_maturity_first_and_gives_a_run_its_clock() -> None:
    ladder = LoanLadder()
    ladder.add(1, 0, 300, 0.10, 7 * DAY)
    ladder.add(1, 0, 100, 0.02, DAY)
    ladder.add(2, UNSECURED, 500, 0.0, 2 * DAY)
    assert [x.maturity_ns for x in ladder.loans] == [DAY, 2 * DAY, 7 * DAY]
    # 100 at 2% and 300 at 10%: collateral of 100/0.98 + 300/0.9 for 400.
    assert ladder.haircut(0, 0.5) == pytest.approx(1 - 400 / (100 / 0.98 + 300 / 0.9))
    assert ladder.haircut(1, 0.5) == 0.5
    ladder.repay(0, 150)
    assert [(x.maturity_ns, x.amount_cash) for x in ladder.loans] == [(2 * DAY, 500), (7 * DAY, 250)]
    assert (ladder.outstanding(0), ladder.outstanding(UNSECURED)) == (250, 500)
    with pytest.raises(InvariantError):
        ladder.add(1, 0, 0, 0.0, DAY)


def test_the_ladder_follows_the_sheet() -> None:
    sheet = BalanceSheet(
        BONDS,
        cash=0,
        lots=[100, 0, 0],
        marks_ticks=[100] * 3,
        short_term_cash=2_000,
        repo_cash=[7_000, 0, 0],
        haircuts=[0.1, 0.1, 0.1],
    )
    ladder = LoanLadder()
    ladder.match(sheet, 9, sheet.haircuts, DAY)
    assert (ladder.outstanding(0), ladder.outstanding(UNSECURED)) == (7_000, 2_000)
    sheet.buy(1, 10, 100)
    sheet.sell(0, 80, 100, Proceeds.RETIRE_DEBT)
    ladder.match(sheet, 9, sheet.haircuts, 2 * DAY)
    for i in range(3):
        assert ladder.outstanding(i) == sheet.repo_cash[i]
    assert ladder.outstanding(UNSECURED) == sheet.short_term_cash


def test_margin_calls_are_paid_from_cash_and_what_is_unpaid_must_be_sold_for() -> None:
    sheet = BalanceSheet(
        BONDS,
        cash=bn(2),
        lots=[lots_of(200), 0, 0],
        marks_ticks=[PAR] * 3,
        repo_cash=[bn(196), 0, 0],
        haircuts=[0.02, 0.02, 0.02],
    )
    assert amounts_called(sheet) == {}
    sheet.haircuts[0] = 0.05
    assert amounts_called(sheet) == {0: bn(6)}
    # What stays unpaid is negative headroom, for which the risk manager sells.
    assert sheet.repay(sheet.cash) == bn(2)
    assert (sheet.cash, amounts_called(sheet)) == (0, {0: bn(4)})
    # Own funds of 6 carry 120 at 5%.
    (sale,) = funding_manager().plan(sheet.view(no_risk())).sales
    assert sale.lots == lots_of(80)


def fund(rule: FlowRule, cash: float = 5.0) -> Fund:
    return Fund(BalanceSheet(BONDS, cash=bn(cash), lots=[0, lots_of(95), 0], marks_ticks=[PAR] * 3), rule)


def test_redemptions_follow_losses_and_the_buffer_pays_first() -> None:
    one = fund(FlowRule(beta=2.0))
    assert one.redeem(1, 0) is None
    one.sheet.mark(1, 9_600)  # 3.8 lost of 100
    event = one.redeem(2, 0)
    assert event is not None
    redeemed = 2 * 0.038 * 96.2
    assert event.redeemed_cash == pytest.approx(bn(redeemed), abs=1)
    assert event.nav_cash == bn(96.2)
    assert event.from_buffer_cash == bn(5)
    assert event.to_raise_cash == event.redeemed_cash - bn(5)
    one.sheet.check()
    (sale,) = funding_manager().plan(one.sheet.view(no_risk())).sales
    assert sale.instrument_id == 1
    assert sale.lots == -(-event.to_raise_cash // 9_600)
    nav = one.nav_cash
    one.sheet.sell(1, sale.lots, 9_600, Proceeds.RETIRE_DEBT)
    assert (one.sheet.due_cash, one.nav_cash) == (0, nav)
    assert funding_manager().plan(one.sheet.view(no_risk())).sales == ()
    assert one.redeem(3, 0) is None  # no new loss, no new redemption


def test_gains_and_a_zero_beta_bring_no_redemptions_and_a_large_beta_takes_everything_at_most() -> None:
    gaining = fund(FlowRule(beta=5.0))
    gaining.sheet.mark(1, PAR + 100)
    assert gaining.redeem(1, 0) is None
    patient = fund(FlowRule(beta=0.0))
    patient.sheet.mark(1, 5_000)
    assert patient.redeem(1, 0) is None
    run = fund(FlowRule(beta=1e6))
    run.sheet.mark(1, 9_990)
    event = run.redeem(1, 0)
    assert event is not None
    assert event.redeemed_cash == event.nav_cash
    assert run.nav_cash == 0
    assert run.redeem(2, 0) is None


def test_swing_pricing_is_off_by_default_and_leaves_the_loss_with_those_who_leave() -> None:
    paid = {}
    for factor in (0.0, 0.03):
        one = fund(FlowRule(beta=2.0, swing_factor=factor, swing_threshold=0.01))
        one.sheet.mark(1, 9_600)
        event = one.redeem(1, 0)
        assert event is not None
        paid[factor] = event.redeemed_cash
    assert FlowRule().swing_factor == 0
    assert paid[0.03] == pytest.approx(0.97 * paid[0.0], abs=1)
    small = fund(FlowRule(beta=0.1, swing_factor=0.03, swing_threshold=0.01))
    small.sheet.mark(1, 9_600)
    event = small.redeem(1, 0)
    assert event is not None
    assert event.redeemed_cash == pytest.approx(bn(0.1 * 0.038 * 96.2), abs=1)  # below the threshold


# --- default -----------------------------------------------------------------------------------------------


def test_default_is_tier1_of_zero_or_less() -> None:
    sheet = dealer_prime()
    sheet.write_down(bn(25) - 1)
    assert default_event(sheet, 5, 2) is None
    sheet.write_down(1)
    event = default_event(sheet, 5, 2)
    assert event is not None
    assert (event.tier1_cash, event.assets_cash, event.liabilities_cash) == (0, bn(475), bn(475))


def test_at_once_or_over_a_horizon() -> None:
    assert ResolutionPolicy().due_lots(100, 0, 0) == 100
    slow = ResolutionPolicy(horizon=10)
    assert [slow.due_lots(100, sold, t) for t, sold in ((0, 0), (1, 0), (5, 20), (5, 60), (20, 60))] == [
        0,
        10,
        30,
        0,
        40,
    ]


def test_losses_go_to_shareholders_first_then_to_uncovered_creditors_in_proportion() -> None:
    sheet = BalanceSheet(
        BONDS,
        cash=0,
        lots=[100, 100, 0],
        marks_ticks=[100] * 3,
        short_term_cash=9_000,
        repo_cash=[0, 9_000, 0],
    )
    opening = sheet.tier1_cash
    assert opening == 2_000
    sheet.mark(1, 70)  # repo of 9,000 on 7,000: 2,000 uncovered
    assert sheet.tier1_cash == -1_000
    losses = {(x.bearer, x.instrument_id): x.loss_cash for x in attribute_losses(sheet, opening, 1, 0)}
    # 1,000 short of 9,000 + 2,000 of unsecured claims: largest remainder takes the odd unit.
    assert losses == {
        ("shareholders", -1): 2_000,
        ("short_term_creditors", -1): 818,
        ("repo_lenders", 1): 182,
    }
    assert sum(losses.values()) == opening - sheet.tier1_cash


@given(st.integers(0, 10**12), st.lists(st.integers(0, 10**9), min_size=1, max_size=6))
def test_splits_add_up_and_are_within_a_unit_of_the_proportion(amount: int, weights: list[int]) -> None:
    total = sum(weights)
    if total == 0:
        if amount:
            with pytest.raises(InvariantError):
                split_exactly(amount, weights)
        return
    shares = split_exactly(amount, weights)
    assert sum(shares) == amount
    assert all(abs(s * total - amount * w) < total for s, w in zip(shares, weights, strict=True))
