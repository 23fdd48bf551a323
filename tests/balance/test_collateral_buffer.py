"""The collateral buffer of a liability-driven fund: the worked example in closed form, with bonds and with swaps."""

from __future__ import annotations

import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, lots_of, no_risk
from hypothesis import given
from hypothesis import strategies as st

from lob_sim.balance.constraints import CollateralBufferConstraint
from lob_sim.balance.derivatives import DerivativePosition, Derivatives, InitialMargin
from lob_sim.balance.liquidation_sequence import MostLiquidFirst
from lob_sim.balance.risk_manager import RiskManager
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.errors import PluginError

GILTS, YEARS, HAIRCUT = 0, 20.0, 0.02


def buffer(minimum: float = 0.015, target: float | None = None) -> CollateralBufferConstraint:
    params = CollateralBufferConstraint.Params(durations={"treasuries": YEARS}, minimum=minimum, target=target)
    return CollateralBufferConstraint(params, CONTEXT)


def ldi(fall: float = 0.0) -> BalanceSheet:
    """Gilts of 200 on 100 of repo: leverage of 2. They have fallen by so much."""
    sheet = BalanceSheet(
        BONDS,
        cash=0,
        lots=[lots_of(200), 0, 0],
        marks_ticks=[PAR] * 3,
        repo_cash=[bn(100), 0, 0],
        haircuts=[HAIRCUT, 0.0, 0.0],
    )
    sheet.mark(GILTS, round(PAR * (1 - fall)))
    return sheet


def test_the_buffer_is_free_collateral_over_duration_times_exposure() -> None:
    view = ldi().view(no_risk())
    # 200 at 2% carry 196, of which 100 are borrowed; 20 years on 200 lose 40 for each percentage point.
    assert buffer().buffer(view) == pytest.approx(96 / 4_000, rel=1e-12)
    assert buffer().headroom(view) == pytest.approx(bn(96 - 60), rel=1e-12)
    # 130 basis points later: gilts 148, net assets 48, leverage 3.1, 45.04 to pledge against 2,960.
    later = ldi(0.26).view(no_risk())
    assert later.assets_cash / later.tier1_cash == pytest.approx(148 / 48)
    assert buffer().buffer(later) == pytest.approx(45.04 / 2_960, rel=1e-12)
    assert buffer().sale_lots(later, GILTS) == 0


@pytest.mark.parametrize("target", [0.015, 0.02, 0.024])
def test_below_the_minimum_it_sells_until_the_target_is_restored(target: float) -> None:
    sheet = ldi(0.28)  # 140 basis points: 144 of gilts, 41.12 to pledge, and 43.2 needed
    view, limit = sheet.view(no_risk()), buffer(target=target)
    assert limit.headroom(view) == pytest.approx(bn(41.12 - 43.2), rel=1e-9)
    plan = RiskManager([limit], MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT)).plan(view)
    # x frees x·(h + duration·target): its haircut, and the loss that it can no longer make.
    needed = (target * YEARS * 144 - 41.12) / (HAIRCUT + YEARS * target)
    price = sheet.marks_ticks[GILTS]
    assert plan.sales[0].lots == pytest.approx(lots_of(needed, price), abs=1.001)
    assert limit.required_reduction(view) == pytest.approx(bn(needed), rel=1e-9)
    sheet.sell(GILTS, plan.sales[0].lots, price, Proceeds.RETIRE_DEBT)
    assert limit.restoration_target.headroom(sheet.view(no_risk())) >= 0
    assert limit.restoration_target.buffer(sheet.view(no_risk())) == pytest.approx(target, rel=1e-4)


@given(st.floats(0.001, 0.03), st.floats(0.0, 0.4), st.floats(0.0, 1.0))
def test_a_sale_frees_what_the_closed_form_says(minimum: float, fall: float, share: float) -> None:
    limit, sheet = buffer(minimum), ldi(fall)
    before = limit.headroom(sheet.view(no_risk()))
    trial = sheet.view(no_risk())
    lots = int(share * lots_of(50))
    trial.sell(GILTS, lots)
    freed = lots * sheet.marks_ticks[GILTS] * (HAIRCUT + YEARS * minimum)
    assert limit.headroom(trial) - before == pytest.approx(freed, abs=1e-6 * bn(200))


def test_purchases_leave_the_target() -> None:
    view = ldi().view(no_risk())
    # 96 - 0.02·4,000 = 16 to spare; a unit needs its haircut and what it may lose, 0.02 + 0.4.
    assert buffer(target=0.02).purchase_lots(view)[GILTS] == int(bn(16) / 0.42 / PAR)
    assert buffer(target=0.03).purchase_lots(view) == [0, 0, 0]


def test_swaps_are_exposure_that_a_sale_of_gilts_does_not_end() -> None:
    def with_swaps(lots: int) -> BalanceSheet:
        swaps = Derivatives([DerivativePosition(GILTS, lots, InitialMargin())], [PAR] * 3, [1] * 3)
        gilts = {"lots": [lots_of(100), 0, 0], "marks_ticks": [PAR] * 3, "haircuts": [HAIRCUT, 0.0, 0.0]}
        return BalanceSheet(BONDS, cash=0, derivatives=swaps, **gilts)  # type: ignore[arg-type]

    # The same exposure of 200 on net assets of 100, half of it by swaps: 98 to pledge.
    view = with_swaps(lots_of(100)).view(no_risk())
    assert buffer().buffer(view) == pytest.approx(98 / 4_000, rel=1e-12)
    # The control: without swaps it stands twice as much.
    assert buffer().buffer(with_swaps(0).view(no_risk())) == pytest.approx(98 / 2_000, rel=1e-12)


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(PluginError, match="target"):
        buffer(0.02, 0.01)
    with pytest.raises(PluginError, match="gold"):
        CollateralBufferConstraint(CollateralBufferConstraint.Params(durations={"gold": 1.0}, minimum=0.01), CONTEXT)
