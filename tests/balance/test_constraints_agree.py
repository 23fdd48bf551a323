"""Closed forms against the defaults that only ask for headroom; a user's own constraint; capacity to buy."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from balance_helpers import BONDS, CONTEXT, PAR, bn, dealer_prime, lots_of, no_risk
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.balance.constraints import (
    UNLIMITED_LOTS,
    Constraint,
    FundingConstraint,
    InventoryConstraint,
    RiskWeightedConstraint,
    SlrConstraint,
    VarConstraint,
)
from lob_sim.balance.liquidation_sequence import MostLiquidFirst, ProRata
from lob_sim.balance.risk_manager import ChangeKind, RiskManager
from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetView
from lob_sim.errors import PluginError
from lob_sim.units import Lots


def views() -> st.SearchStrategy[SheetView]:
    def make(
        lots: list[int],
        marks: list[int],
        cash: int,
        debt: int,
        repo: list[float],
        haircuts: list[float],
        vols: list[float],
        rho: float,
        adjustment: int,
    ) -> SheetView:
        values = [q * m for q, m in zip(lots, marks, strict=True)]
        sheet = BalanceSheet(
            BONDS[:2],
            cash=cash,
            lots=lots,
            marks_ticks=marks,
            other_assets_cash=10**6,
            short_term_cash=debt,
            repo_cash=[int(r * v) for r, v in zip(repo, values, strict=True)],
            haircuts=haircuts,
        )
        sheet.mark(1, marks[1], adjustment)
        covariances = [[a * b * (1 if i == j else rho) for j, b in enumerate(vols)] for i, a in enumerate(vols)]
        return sheet.view(covariances)

    two: dict[str, Any] = {"min_size": 2, "max_size": 2}
    return st.builds(
        make,
        st.lists(st.integers(0, 5_000), **two),
        st.lists(st.integers(50, 20_000), **two),
        st.integers(0, 10**7),
        st.integers(0, 10**8),
        st.lists(st.floats(0, 1), **two),
        st.lists(st.floats(0.01, 1), **two),
        st.lists(st.floats(0.001, 0.1), **two),
        st.floats(-0.95, 0.95),
        st.integers(0, 40),
    )


CONTEXT_2 = type(CONTEXT)(BONDS[:2], CONTEXT.cash_unit)
constraints = st.one_of(
    st.builds(
        lambda m, e: SlrConstraint(SlrConstraint.Params(minimum=m, exempt=e), CONTEXT_2),
        st.floats(0.01, 0.5),
        st.sampled_from([(), ("treasuries",), ("reserves",), ("corporates", "reserves")]),
    ),
    st.builds(lambda x: VarConstraint(VarConstraint.Params(limit=x), CONTEXT_2), st.floats(0, 1e9)),
    st.just(FundingConstraint(FundingConstraint.Params(), CONTEXT_2)),
    st.builds(
        lambda m, w: RiskWeightedConstraint(
            RiskWeightedConstraint.Params(minimum=m, weights={"treasuries": w}, other_assets_weight=0.0), CONTEXT_2
        ),
        st.floats(0.01, 0.9),
        st.sampled_from([0.0, 0.2, 1.5]),
    ),
    st.builds(
        lambda x: InventoryConstraint(InventoryConstraint.Params(limits={"corporates": x * 1e6}), CONTEXT_2),
        st.integers(0, 5_000),
    ),
)


@settings(deadline=None, max_examples=200)
@given(views(), constraints, st.integers(0, 1))
def test_closed_form_sales_are_what_bisection_on_headroom_finds(
    view: SheetView, constraint: Constraint, instrument_id: int
) -> None:
    mine = constraint.sale_lots(view, instrument_id)
    reference = Constraint.sale_lots(constraint, view, instrument_id)
    if constraint.headroom(view) >= 0:
        assert mine == 0
    else:
        after, best = view.copy(), view.copy()
        after.sell(instrument_id, mine)
        best.sell(instrument_id, reference)
        if constraint.headroom(best) >= 0:
            assert constraint.headroom(after) >= 0
            assert abs(mine - reference) <= 1  # a root that is whole up to rounding may be taken on either side
        else:
            rounding = 1e-9 * abs(constraint.headroom(view))
            assert constraint.headroom(after) >= constraint.headroom(best) - rounding
    amount = constraint.repay_cash(view)
    assert abs(amount - Constraint.repay_cash(constraint, view)) <= 1 or constraint.headroom(view) >= 0


@settings(deadline=None, max_examples=200)
@given(views(), st.one_of(constraints), st.integers(0, 1))
def test_purchases_up_to_the_capacity_keep_the_limit(
    view: SheetView, constraint: Constraint, instrument_id: int
) -> None:
    lots = constraint.purchase_lots(view)[instrument_id]
    assert constraint.purchase_lots(view, constraint.headroom(view))[instrument_id] == lots
    if constraint.headroom(view) < 0:
        assert lots == 0
        return
    after = view.copy()
    after.buy(instrument_id, min(lots, 10**7))
    assert constraint.headroom(after) >= -1e-6 * after.assets_cash
    if not isinstance(constraint, FundingConstraint) and lots < UNLIMITED_LOTS:
        # Funding does not count on unsecured borrowing, which a purchase may use; the others are tight.
        beyond = view.copy()
        beyond.buy(instrument_id, lots + 2)
        assert constraint.headroom(beyond) < 0


class Concentration(Constraint):
    """A user's own: no instrument above a share of assets. Only headroom is defined."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        share: Annotated[float, msgspec.Meta(gt=0, le=1)]

    name = "concentration"

    def headroom(self, view: SheetView) -> float:
        largest = max(q * u for q, u in zip(view.lots, view.unit_cash, strict=True))
        return self.params.share * view.assets_cash - largest  # type: ignore[attr-defined]


def test_a_users_constraint_needs_only_headroom() -> None:
    manager = RiskManager(
        [Concentration(Concentration.Params(share=0.35), CONTEXT)],
        MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT),
    )
    plan = manager.plan(dealer_prime().view(no_risk()))
    # 200 - x = 0.35·(500 - x) at x = 25/0.65; selling all would leave corporates above the share.
    assert plan.sales[0].lots == -(-lots_of(25) * 100 // 65)
    assert plan.sales[0].reasons == ("concentration",)
    assert manager.purchase_lots(dealer_prime().view(no_risk()))[0] == 0


class AtMostFive(InventoryConstraint):
    """A user's own, with room of its own, that does not ask for the headroom which is known."""

    def purchase_lots(self, view: SheetView) -> list[Lots]:  # type: ignore[override]
        return [min(5, lots) for lots in super().purchase_lots(view)]


def test_a_constraint_is_handed_the_headroom_that_is_known_if_it_asks_for_it() -> None:
    view = dealer_prime().view(no_risk())
    params = InventoryConstraint.Params(limits={})
    order = MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT)
    own = RiskManager([AtMostFive(params, CONTEXT)], order)
    assert set(own.purchase_lots(view)) == set(own.purchase_lots(view, own.headroom(view))) == {5}
    slr = RiskManager([SlrConstraint(SlrConstraint.Params(), CONTEXT)], order)
    assert slr.purchase_lots(view, slr.headroom(view)) == slr.purchase_lots(view)
    assert set(slr.purchase_lots(view, (-1.0,))) == {0}  # control: it goes by what it is handed


def test_the_union_of_what_binds_and_its_reasons() -> None:
    sheet = dealer_prime()
    sheet.mark(1, 9_600)
    slr = SlrConstraint(SlrConstraint.Params(), CONTEXT)
    limit = InventoryConstraint(InventoryConstraint.Params(limits={"treasuries": 50e9}), CONTEXT)
    order = MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT)
    (sale,) = RiskManager([slr, limit], order).plan(sheet.view(no_risk())).sales
    assert sale.lots == lots_of(150)  # the larger of 114 and 150, not their sum
    assert sale.reasons == ("slr", "inventory")
    (alone,) = RiskManager([slr], order).plan(sheet.view(no_risk())).sales
    assert alone.lots == lots_of(114)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_union_pro_rata_is_the_larger_cut(reverse: bool) -> None:
    sheet = dealer_prime()
    sheet.mark(1, 9_600)
    slr = SlrConstraint(SlrConstraint.Params(), CONTEXT)
    limit = InventoryConstraint(InventoryConstraint.Params(limits={"treasuries": 50e9}), CONTEXT)
    both = [limit, slr] if reverse else [slr, limit]
    plan = RiskManager(both, ProRata(ProRata.Params(), CONTEXT)).plan(sheet.view(no_risk()))
    # Treasuries must fall by three quarters, the SLR alone asks for 114/344.
    assert [s.lots for s in plan.sales] == [lots_of(150), pytest.approx(lots_of(112.5), abs=1)]
    assert plan.uncured == ()


def test_parents_follow_prices_and_are_cancelled_when_they_recover() -> None:
    manager = RiskManager(
        [SlrConstraint(SlrConstraint.Params(), CONTEXT)], MostLiquidFirst(MostLiquidFirst.Params(), CONTEXT)
    )
    sheet = dealer_prime()
    working: dict[int, int] = {}

    def step() -> list[tuple[ChangeKind, int, int]]:
        changes = manager.update(manager.plan(sheet.view(no_risk())), working)
        for change in changes:
            working[change.instrument_id] = change.lots
            if change.kind is ChangeKind.CANCEL:
                del working[change.instrument_id]
        return [(c.kind, c.instrument_id, c.lots) for c in changes]

    assert step() == []
    sheet.mark(1, 9_600)
    assert step() == [(ChangeKind.OPEN, 0, lots_of(114))]
    assert step() == []
    sheet.mark(1, 9_800)  # half the loss: (497 - 22/0.05) = 57
    assert step() == [(ChangeKind.RESIZE, 0, lots_of(57))]
    sheet.mark(1, PAR)
    assert step() == [(ChangeKind.CANCEL, 0, 0)]
    sheet.mark(1, 9_000)  # 15 lost: 485 - 10/0.05 = 285: Treasuries are not enough
    assert step() == [(ChangeKind.OPEN, 0, lots_of(200)), (ChangeKind.OPEN, 1, -(-bn(85) // 9_000))]


def test_bad_parameters_name_the_place() -> None:
    with pytest.raises(PluginError, match="slr"):
        SlrConstraint(SlrConstraint.Params(minimum=0.0), CONTEXT)
    with pytest.raises(PluginError, match="treasurys"):
        SlrConstraint(SlrConstraint.Params(exempt=("treasurys",)), CONTEXT)
    with pytest.raises(PluginError, match="var"):
        VarConstraint(VarConstraint.Params(limit=float("nan")), CONTEXT)
    with pytest.raises(PluginError, match="gold"):
        InventoryConstraint(InventoryConstraint.Params(limits={"gold": 1.0}), CONTEXT)
    with pytest.raises(PluginError, match=r"limits.treasuries: limit is inf: expected a finite number"):
        InventoryConstraint(InventoryConstraint.Params(limits={"treasuries": float("inf")}), CONTEXT)
