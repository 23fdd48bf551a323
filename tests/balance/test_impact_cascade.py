"""Fire sales with price impact: roots of the worked example, rounds, spirals, and their negative controls."""

from __future__ import annotations

import math

import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, dealer_prime, lots_of, no_risk
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.balance.constraints import FundingConstraint, SlrConstraint
from lob_sim.balance.liquidation_sequence import MostLiquidFirst, ProRata
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetView
from lob_sim.errors import InputError
from lob_sim.stress_test.cascade import CascadeMember, cure, run_cascade
from lob_sim.stress_test.impact import (
    ImpactCurve,
    LinearImpact,
    NoImpact,
    ParametricMarket,
)
from lob_sim.stress_test.vulnerability import aggregate_vulnerability


def slr_manager(minimum: float = 0.05) -> RiskManager:
    constraint = SlrConstraint(SlrConstraint.Params(minimum=minimum), CONTEXT)
    return RiskManager([constraint], MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT))


def shocked_prime(fall_ticks: int = 400) -> SheetView:
    sheet = dealer_prime()
    sheet.mark(1, PAR - fall_ticks)
    return sheet.view(no_risk())


def market_for(view: SheetView, curves: list[ImpactCurve]) -> ParametricMarket:
    return ParametricMarket(view.unit_cash, curves)


def closed_form_sale(depth: float, t: float, e1: float, a1: float, lam: float) -> float:
    """Smaller root of E(x) = λ·A(x), written as a quadratic in x."""
    a = (0.5 - lam) / depth
    b = -t / depth + lam + lam * t / depth
    c = e1 - lam * a1
    return (-b + math.sqrt(b * b - 4 * a * c)) / (2 * a)


@pytest.mark.parametrize(("depth", "printed"), [(20_000, 131.18), (10_000, 150.84), (5_000, 193.67)])
def test_dealer_prime_with_linear_impact(depth: float, printed: float) -> None:
    view = shocked_prime()
    result = cure(view, slr_manager(), market_for(view, [LinearImpact(bn(depth)), NoImpact(), NoImpact()]))
    sold = result.lots[0] * PAR / bn(1)
    assert sold == pytest.approx(closed_form_sale(depth, 200, 19, 494, 0.05), rel=1e-9)
    assert sold == pytest.approx(printed, abs=0.005)
    assert result.lots[1] == 0
    assert result.cured


@settings(deadline=None, max_examples=50)
@given(st.floats(4_700, 1e6), st.floats(0.5, 4.2))
def test_roots_at_any_depth_and_shock(depth: float, fall_percent: float) -> None:
    fall_ticks = round(fall_percent * 100)
    loss = 150 * fall_ticks / PAR
    view = shocked_prime(fall_ticks)
    market = market_for(view, [LinearImpact(bn(depth)), NoImpact(), NoImpact()])
    result = cure(view, slr_manager(), market)
    critical = 200**2 / (2 * (25 - loss - 0.05 * (500 - loss - 200)))
    if critical < 0 or depth < critical:
        assert result.lots[0] == lots_of(200)
        return
    expected = closed_form_sale(depth, 200, 25 - loss, 500 - loss, 0.05)
    assert result.lots[0] * PAR / bn(1) == pytest.approx(expected, rel=1e-9)


def test_below_the_critical_depth_the_sale_spills_into_the_next_asset() -> None:
    critical = 200**2 / (2 * (19 - 0.05 * (494 - 200)))
    assert critical == pytest.approx(4651.16, abs=0.005)
    for depth, spills in ((critical * (1 + 1e-6), False), (critical * (1 - 1e-6), True), (2_000, True)):
        view = shocked_prime()
        market = market_for(view, [LinearImpact(bn(depth)), NoImpact(), NoImpact()])
        result = cure(view, slr_manager(), market)
        assert (result.lots[1] > 0) is spills
        assert (result.lots[0] == lots_of(200)) is spills
        assert result.cured
        if spills:
            # Treasuries all sold at the average; corporates without impact close what is missing.
            psi = 200 / depth
            e, a = 19 - 200 * psi / 2, 494 - 200
            assert result.lots[1] * 9_600 / bn(1) == pytest.approx(a - e / 0.05, rel=1e-9, abs=1e-8)


@pytest.mark.parametrize("depth", [500, 5_000, 123_456])
def test_where_no_debt_is_allowed_the_sale_ends_with_the_debt(depth: float) -> None:
    # Headroom is minus the debt: it is level at zero from x·(1 - x/2·depth) = debt on, and no more need be sold.
    sheet = BalanceSheet(BONDS, cash=0, lots=[lots_of(200), 0, 0], marks_ticks=[PAR] * 3, short_term_cash=bn(100))
    view = sheet.view(no_risk())
    result = cure(view, slr_manager(1.0), market_for(view, [LinearImpact(bn(depth)), NoImpact(), NoImpact()]))
    expected = depth * (1 - math.sqrt(1 - 2 * 100 / depth))
    assert result.lots[0] * PAR / bn(1) == pytest.approx(expected, rel=1e-9)
    assert result.cured


def test_without_impact_the_sale_is_the_one_at_marks() -> None:
    view = shocked_prime()
    result = cure(view, slr_manager(), market_for(view, [NoImpact()] * 3))
    assert result.lots[0] * PAR == pytest.approx(bn(114), rel=1e-12)


def test_rounds_end_at_the_same_root_within_a_lot_a_round() -> None:
    view = shocked_prime()
    market = market_for(view, [LinearImpact(bn(10_000)), NoImpact(), NoImpact()])
    result = run_cascade([CascadeMember("prime", view, slr_manager())], market)
    assert result.settled
    root = closed_form_sale(10_000, 200, 19, 494, 0.05) * bn(1) / PAR
    assert result.total_sold("prime")[0] == pytest.approx(root, abs=len(result.rounds))
    assert view.tier1_cash / view.assets_cash == pytest.approx(0.05, rel=1e-6)


# --- curves ------------------------------------------------------------------------------------------------

CURVES: list[ImpactCurve] = [
    NoImpact(),
    LinearImpact(1_000.0),
]


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: type(c).__name__)
def test_proceeds_are_the_integral_of_the_price(curve: ImpactCurve) -> None:
    steps = 20_000
    for volume in (1.0, 50.0, 400.0, 900.0):
        h = volume / steps
        midpoint = math.fsum(curve.fraction((k + 0.5) * h) for k in range(steps)) * h
        assert curve.proceeds(volume) == pytest.approx(midpoint, rel=1e-7)


@pytest.mark.parametrize("curve", CURVES, ids=lambda c: type(c).__name__)
def test_cutting_a_sale_into_pieces_changes_nothing(curve: ImpactCurve) -> None:
    whole, pieces = ParametricMarket([2.0], [curve]), ParametricMarket([2.0], [curve])
    proceeds = sum(pieces.sell(0, n) for n in (10.0, 90.0, 100.0))
    assert proceeds == pytest.approx(whole.sell(0, 200.0), rel=1e-12)
    assert pieces.unit_cash(0) == pytest.approx(whole.unit_cash(0), rel=1e-12)


def test_curves_refuse_what_is_no_depth() -> None:
    for make in (
        lambda: LinearImpact(0.0),
        lambda: LinearImpact(math.nan),
    ):
        with pytest.raises(InputError):
            make()


# --- cascades ----------------------------------------------------------------------------------------------


def chain(depth_bn: float, *, d_headroom: float = 0.0028) -> tuple[list[CascadeMember], ParametricMarket]:
    """A alone holds corporates, all but one hold Treasuries, each with more headroom than the one before."""
    holdings = {"a": (100, 60, 0), "b": (100, 0, 0), "c": (100, 0, 0), "d": (100, 0, 0), "alone": (0, 0, 100)}
    ratios = {"a": 0.0505, "b": 0.0505, "c": 0.0525, "d": 0.05 + d_headroom, "alone": 0.0501}
    members = []
    for name, amounts in holdings.items():
        total = bn(sum(amounts)) + bn(100)
        sheet = BalanceSheet(
            BONDS,
            cash=0,
            lots=[lots_of(x) for x in amounts],
            marks_ticks=[PAR] * 3,
            other_assets_cash=bn(100),
            short_term_cash=round(total * (1 - ratios[name])),
        )
        sheet.mark(1, 9_600)
        members.append(CascadeMember(name, sheet.view(no_risk()), slr_manager()))
    curve = LinearImpact(bn(depth_bn)) if depth_bn else NoImpact()
    return members, ParametricMarket([PAR, 9_600, PAR], [curve, NoImpact(), curve])


def test_contagion_travels_down_the_chain_and_stops_where_it_should() -> None:
    members, market = chain(10_000)
    result = run_cascade(members, market)
    first = {m.name: result.first_sale_round(m.name) for m in members}
    a, b, c, d = first["a"], first["b"], first["c"], first["d"]
    assert a == 1
    assert b is not None
    assert c is not None
    assert d is not None
    assert a < b < c < d
    assert first["alone"] is None
    assert result.settled


def test_headroom_at_the_end_of_the_chain_and_infinite_depth_stop_contagion() -> None:
    members, market = chain(10_000, d_headroom=0.5)
    assert run_cascade(members, market).first_sale_round("d") is None
    members, market = chain(0)
    result = run_cascade(members, market)
    assert [m.name for m in members if result.first_sale_round(m.name)] == ["a"]


def test_the_order_of_members_does_not_matter() -> None:
    members, market = chain(10_000)
    forward = run_cascade(members, market)
    members, market = chain(10_000)
    backward = run_cascade(members[::-1], market)
    for name in forward.names:
        assert forward.total_sold(name) == backward.total_sold(name)


def test_an_insolvent_member_sells_everything_once() -> None:
    members, market = chain(10_000)
    members[0].view.tier1_cash = -1.0
    result = run_cascade(members, market)
    assert result.total_sold("a") == (lots_of(100), lots_of(60), 0)
    assert result.rounds[0].reasons[0] == ("default",)


def test_aggregate_vulnerability_is_one_round_of_a_small_shock() -> None:
    # Large enough for a lot not to matter.
    depths = [bn(5_000_000), bn(8_000_000), bn(3_000_000)]
    amounts = [(10_000, 5_000, 5_000), (3_000, 10_000, 1_000), (1_000, 1_000, 6_000)]
    leverage = [20.0, 12.0, 16.0]
    shock = [0.0, 1e-4, 2e-4]
    members = []
    for k, row in enumerate(amounts):
        lots = [lots_of(x) for x in row]
        total = sum(lots) * PAR
        minimum = 1 / (1 + leverage[k])
        debt = total - total * minimum
        view = SheetView(
            0.0,
            list(map(float, lots)),
            [float(PAR)] * 3,
            [0.0] * 3,
            0.0,
            debt,
            0.0,
            [0.0] * 3,
            total - debt,
            [0.0] * 3,
            no_risk(),
        )
        for i in range(3):
            view.mark(i, PAR * (1 - shock[i]))
        manager = RiskManager(
            [SlrConstraint(SlrConstraint.Params(minimum=minimum), CONTEXT)],
            ProRata(ProRata.Params(), CONTEXT),
        )
        members.append(CascadeMember(f"bank{k}", view, manager))
    market = ParametricMarket([PAR * (1 - s) for s in shock], [LinearImpact(d) for d in depths])
    before = [market.unit_cash(i) for i in range(3)]
    result = run_cascade(members, market, max_rounds=1)
    falls = [b - u for b, u in zip(before, result.rounds[0].unit_cash, strict=True)]
    # Everybody's holdings before the sale, revalued once, over equity before the shock.
    loss = sum(lots_of(row[i]) * falls[i] for row in amounts for i in range(3))
    totals = [bn(sum(row)) for row in amounts]
    equity = sum(t / (1 + b) for t, b in zip(totals, leverage, strict=True))
    expected, parts = aggregate_vulnerability(
        totals, leverage, [[x / sum(row) for x in row] for row in amounts], [1 / d for d in depths], shock
    )
    assert loss / equity == pytest.approx(expected, rel=2e-3)
    assert sum(parts) == pytest.approx(expected)


# --- Brunnermeier and Pedersen's spirals -------------------------------------------------------------------

LOTS, PRICE, MARGIN = 1_000_000, 10_000.0, 500.0


def price_effect(slope: float, margin_slope: float, loss: float) -> tuple[float, SheetView]:
    """Price change after a loss of own funds, for a speculator at its limit m·x = W.

    ``slope`` is the outside demand 2/γσ² in lots per unit of price; the margin in money is
    m(p) = MARGIN + margin_slope·(p - PRICE).
    """
    repo = [LOTS * (PRICE - MARGIN)]
    view = SheetView(0, [LOTS], [PRICE], [0], 0, 0, 0, repo, LOTS * MARGIN, [MARGIN / PRICE], [[0]])
    view.due_cash += loss
    view.tier1_cash -= loss
    context = type(CONTEXT)(BONDS[:1], CONTEXT.cash_unit)
    manager = RiskManager(
        [FundingConstraint(FundingConstraint.Params(), context)],
        MostLiquidFirst(MostLiquidFirst.Params(), context),
    )

    def margins(v: SheetView) -> None:
        v.haircuts[0] = (MARGIN + margin_slope * (v.unit_cash[0] - PRICE)) / v.unit_cash[0]

    market = ParametricMarket([PRICE], [LinearImpact(slope * PRICE * PRICE)])
    result = run_cascade([CascadeMember("speculator", view, manager)], market, refresh=margins, max_rounds=2_000)
    assert result.settled
    return market.unit_cash(0) - PRICE, view


@pytest.mark.parametrize("slope", [6_000.0, 10_000.0, 40_000.0])
@pytest.mark.parametrize("margin_slope", [0.0, -0.5, -0.9, 0.3])
def test_spiral_multipliers(slope: float, margin_slope: float) -> None:
    # dp/dη = 1 / [(2/γσ²)·m + m′·x − x₀]: the last two terms are the margin and the loss spiral.
    denominator = slope * MARGIN + margin_slope * LOTS - LOTS
    assert denominator > 0
    fall = 1.0  # a ten-thousandth of the price: the linear regime
    change, _ = price_effect(slope, margin_slope, fall * denominator)
    assert change == pytest.approx(-fall, rel=0.02)


def test_each_spiral_makes_the_fall_larger() -> None:
    loss = 1e6
    no_spiral = -loss / (10_000.0 * MARGIN)
    loss_spiral, _ = price_effect(10_000.0, 0.0, loss)
    both, _ = price_effect(10_000.0, -0.5, loss)
    assert both < loss_spiral < no_spiral < 0
    assert price_effect(10_000.0, -0.5, 0.0)[0] == 0


@pytest.mark.parametrize("slope", [1_500.0, 1_900.0, 900.0])
def test_past_the_threshold_the_smallest_loss_is_a_jump(slope: float) -> None:
    # (2/γσ²)·m < x₀: sold along the demand curve, y lots solve y²/2s + y(m - x₀/s) = η, which does not vanish
    # with η; nothing is left when y is beyond the position.
    loss = 1e5
    excess = LOTS / slope - MARGIN
    jump = min(float(LOTS), slope * (excess + math.sqrt(excess * excess + 2 * loss / slope)))
    change, view = price_effect(slope, 0.0, loss)
    assert LOTS - view.lots[0] == pytest.approx(jump, rel=1e-4)
    assert change == pytest.approx(-jump / slope, rel=1e-4)
    assert jump > 0.09 * LOTS
