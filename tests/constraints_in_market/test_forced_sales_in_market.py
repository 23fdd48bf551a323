"""A dealer's limits in the running market: what it sells, how, and how that ends."""

from __future__ import annotations

from typing import Any

import pytest
from market_helpers import DEEP, Auditor, agent_id, dealer, desk_of, maker, market, run, shock

from lob_sim.messages import (
    ConstraintBreached,
    ConstraintCured,
    DealerDefaulted,
    LossAttributed,
    MarkRecord,
    NewOrder,
    OrderFilled,
    ParentEnd,
    ParentOrderClosed,
    ParentOrderOpened,
    RequestQuote,
    RfqTraded,
    Side,
)
from lob_sim.simulation.world import World

M = 1_000_000
LOT_CASH = 10_000  # cash units of a lot at par: one tick on one lot is one
# Assets 1,000; Tier 1 52: room for a loss of 2 before the ratio is 5 %.
SHEET: dict[str, Any] = {"other_assets": 100 * M, "short_term_funding": 948 * M}
ASSETS: dict[str, Any] = {"cash": 100 * M, "holdings": {"treasury": 400 * M, "corporate": 400 * M}}
INFORMED: dict[str, Any] = {
    "name": "informed",
    "strategy": "strategies.informed:InformedTrader",
    "sees_fair_value": True,
    "params": {"mean_interval": "500ms", "size_lots": 5},
}


def sales(log: Auditor, number: int) -> list[tuple[int, int, int, int]]:
    """(time, instrument, lots, price) of every sale of an agent."""
    traded: list[Any] = log.of(OrderFilled, RfqTraded)
    found = [
        (e.ts_event_ns, e.instrument_id, e.qty_lots, e.price_ticks)
        for e in traded
        if e.agent_id == number and e.side is Side.SELL
    ]
    return sorted(found)


def sold(world: World, log: Auditor, name: str = "prime-1") -> dict[str, int]:
    """Lots sold by instrument."""
    number = agent_id(world, name)
    return {i.name: sum(q for _, k, q, _ in sales(log, number) if k == i.instrument_id) for i in world.instruments}


def prime(sheet: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return dealer("prime", {"liquidation": "immediate", **SHEET, **(sheet or {})}, **(ASSETS | more))


def test_it_sells_what_the_leverage_limit_wants_and_not_a_lot_more() -> None:
    world, log = run(market(DEEP, prime(), shocks=[shock("1min", -0.02)]))
    # Corporates lose 8: Tier 1 44, assets 992, so 112 must go; each lot is sold a tick below its mark.
    number = agent_id(world, "prime-1")
    amounts = sold(world, log)
    required, cost = 112 * 100, 0.01 / 100 / 0.05
    assert amounts["corporate"] == 0
    assert required / 100 <= amounts["treasury"] <= required / 100 * (1 + cost) + 1
    (opened,), (closed,) = log.of(ParentOrderOpened), log.of(ParentOrderClosed)
    assert (opened.qty_lots, opened.reasons, closed.end, closed.leaves_qty_lots) == (112, "slr", ParentEnd.DONE, 0)
    (breached,), (cured,) = log.of(ConstraintBreached), log.of(ConstraintCured)
    assert (breached.constraint, breached.headroom_cash) == ("slr", -112 * LOT_CASH)
    assert 0 <= cured.headroom_cash < LOT_CASH
    assert desk_of(world, number).sheet.tier1_cash > 0


def test_what_is_left_of_a_position_is_marked_when_some_of_it_is_sold() -> None:
    # Marks are scheduled too far apart to matter: after the first only own sales move them.
    sheet = {"mark_interval": "50s", "liquidation_params": {"max_rfq_lots": 10}}
    scenario = market(maker(size_lots=10, lean=0.5), prime(sheet), shocks=[shock("1min", -0.02)])
    world, log = run(scenario)
    number = agent_id(world, "prime-1")
    treasury = next(i.instrument_id for i in world.instruments if i.name == "treasury")
    sold_at = {at for at, instrument_id, *_ in sales(log, number) if instrument_id == treasury}
    marks = [e for e in log.of(MarkRecord) if e.agent_id == number and e.instrument_id == treasury]
    assert len(sold_at) > 5
    # A message arrives a millisecond after its event.
    assert len({e.ts_event_ns - M for e in marks} & sold_at) > 5
    assert marks[-1].price_ticks < marks[0].price_ticks


def test_negative_controls_no_shock_no_limit_no_sale() -> None:
    for changes in ({}, {"shocks": [shock("1min", -0.02)], "switches": {"slr": False}}):
        world, log = run(market(DEEP, prime(), **changes))
        assert sold(world, log) == {"treasury": 0, "corporate": 0}
        assert not log.of(ConstraintBreached, ParentOrderOpened)


def test_cash_first_retires_debt_and_sells_the_rest() -> None:
    world, log = run(market(DEEP, prime({"liquidation_sequence": "cash_first"}), shocks=[shock("1min", -0.02)]))
    assert sold(world, log)["treasury"] in (12, 13)
    assert desk_of(world, agent_id(world, "prime-1")).sheet.cash == 0
    # A smaller loss is cured with cash alone: assets 994, Tier 1 46, 74 to go.
    world, log = run(market(DEEP, prime({"liquidation_sequence": "cash_first"}), shocks=[shock("1min", -0.015)]))
    assert sold(world, log) == {"treasury": 0, "corporate": 0}
    assert desk_of(world, agent_id(world, "prime-1")).sheet.cash == 26 * M // 100
    assert log.of(ConstraintCured)


def test_pro_rata_sells_of_everything() -> None:
    world, log = run(market(DEEP, prime({"liquidation_sequence": "pro_rata"}), shocks=[shock("1min", -0.02)]))
    amounts = sold(world, log)
    assert amounts["treasury"] == pytest.approx(amounts["corporate"], abs=1)
    assert amounts["treasury"] * 1.0 + amounts["corporate"] * 0.98 == pytest.approx(112, abs=2)


def test_a_recovery_ends_the_sale() -> None:
    slow = prime({"liquidation": "twap", "liquidation_params": {"horizon": "10min"}, "sale_patience": "1h"})
    shocks = [shock("1min", -0.02), shock("2min", 0.03)]
    world, log = run(market(DEEP, slow, shocks=shocks))
    (closed,) = log.of(ParentOrderClosed)
    assert closed.end is ParentEnd.NO_LONGER_NEEDED
    assert closed.leaves_qty_lots > 0
    assert 0 < sold(world, log)["treasury"] < 112
    # Control: without the recovery the sale goes on to its end.
    world, log = run(market(DEEP, slow, shocks=shocks[:1], horizon="15min"))
    assert [e.end for e in log.of(ParentOrderClosed)] == [ParentEnd.DONE]
    assert sold(world, log)["treasury"] >= 112


def test_when_nothing_is_left_it_has_sold_what_it_held_and_not_more() -> None:
    # Assets 1,800 and Tier 1 92; a loss of 60 demands 1,100, and there are 740 to sell.
    sheet = {"other_assets": 900 * M, "short_term_funding": 1_708 * M}
    world, log = run(market(DEEP, prime(sheet), shocks=[shock("1min", -0.15)]))
    assert sold(world, log) == {"treasury": 400, "corporate": 400}
    assert [e.end for e in log.of(ParentOrderClosed)] == [ParentEnd.NOTHING_LEFT] * 2
    assert not log.of(DealerDefaulted, ConstraintCured)


def test_default_liquidates_the_book_and_says_who_lost_what() -> None:
    group = prime({"repo": {"corporate": 380 * M}, "short_term_funding": 568 * M})
    group["strategy"] = "strategies.fixed_spread:FixedSpreadDealer"
    world, log = run(market(DEEP, INFORMED, group, shocks=[shock("1min", -0.2)]))
    number = agent_id(world, "prime-1")
    (default,) = log.of(DealerDefaulted)
    assert default.tier1_cash <= 0
    assert not any(desk_of(world, number).sheet.lots)
    ends = [e.end for e in log.of(ParentOrderClosed)]
    assert set(ends) <= {ParentEnd.DEFAULTED, ParentEnd.DONE}
    losses = {(e.bearer, e.instrument_id): e.loss_cash for e in log.of(LossAttributed)}
    sheet = desk_of(world, number).sheet
    assert losses["shareholders", -1] == 52 * LOT_CASH
    creditors = sum(loss for (who, _), loss in losses.items() if who != "shareholders")
    assert creditors == sheet.liabilities_cash - sheet.assets_cash > 0
    # It is silent: no order of its own but the liquidation's, and the market goes on without it.
    after = [c for c in log.commands if isinstance(c, NewOrder) and c.agent_id == number]
    assert all(c.parent_order_id for c in after if c.ts_sent_ns > default.ts_event_ns)
    assert any(isinstance(c, NewOrder) and c.agent_id != number for c in log.commands)


def test_a_resolution_over_a_horizon_takes_its_time() -> None:
    times = {}
    for horizon in ("0s", "2min"):
        group = prime({"resolution_horizon": horizon})
        world, log = run(market(DEEP, group, shocks=[shock("1min", -0.2)]))
        at = [t for t, *_ in sales(log, agent_id(world, "prime-1"))]
        times[horizon] = (at[-1] - at[0]) / 1e9
        assert not any(desk_of(world, agent_id(world, "prime-1")).sheet.lots)
    assert times["0s"] < 5
    assert 110 < times["2min"] < 125


def test_an_unfinished_resolution_is_told_at_the_horizon() -> None:
    world, log = run(market(DEEP, prime({"resolution_horizon": "1h"}), shocks=[shock("1min", -0.2)]))
    assert any(desk_of(world, agent_id(world, "prime-1")).sheet.lots)
    assert sum(e.bearer == "shareholders" for e in log.of(LossAttributed)) == 1


RFQ_ONLY: dict[str, Any] = {
    "name": "rfq_dealer",
    "strategy": "strategies.rfq_dealer:RfqDealer",
    "count": 3,
    "params": {"cost_scale_ticks": 4.0},
}


@pytest.mark.parametrize("liquidation", ["immediate", "twap", "participation", "book_watching"])
def test_in_a_dark_book_it_asks_dealers(liquidation: str) -> None:
    # Nobody quotes in the lit book. The mark is what it can see: so it is brought to its limit by a small one.
    sheet = {
        "liquidation": liquidation,
        "sale_patience": "1min",
        "constraints": [{"kind": "inventory", "params": {"limits": {"treasury": 380 * M}}}],
    }
    world, log = run(market(RFQ_ONLY, prime(sheet)))
    number = agent_id(world, "prime-1")
    assert any(isinstance(c, RequestQuote) and c.agent_id == number for c in log.commands)
    assert not [e for e in log.of(OrderFilled) if e.agent_id == number]
    assert sold(world, log)["treasury"] == 20
    assert [e.end for e in log.of(ParentOrderClosed)] == [ParentEnd.DONE]


def test_its_own_quotes_give_way_to_a_forced_sale() -> None:
    # The quoting strategy offers all that the dealer has at a price that nobody takes.
    group = prime({"constraints": [{"kind": "inventory", "params": {"limits": {"treasury": 0}}}]})
    group["strategy"] = "strategies.fixed_spread:FixedSpreadDealer"
    group["params"] = {"half_spread_ticks": 500, "size_lots": 400, "max_inventory_lots": 1_000}
    world, log = run(market(DEEP, group))
    assert sold(world, log)["treasury"] == 400
    assert [e.end for e in log.of(ParentOrderClosed)] == [ParentEnd.DONE]


def test_while_it_sells_it_buys_nothing() -> None:
    group = prime({"liquidation": "twap", "liquidation_params": {"horizon": "5min"}, "sale_patience": "1h"})
    group["strategy"] = "strategies.fixed_spread:FixedSpreadDealer"
    group["params"] = {"half_spread_ticks": 1, "size_lots": 5}
    world, log = run(market(maker(size_lots=30, lean=0.01), INFORMED, group, shocks=[shock("1min", -0.02)]))
    number = agent_id(world, "prime-1")
    (breach, *_), closed = log.of(ConstraintBreached), log.of(ParentOrderClosed)
    until = closed[0].ts_event_ns if closed else 600 * 10**9
    during = [
        c
        for c in log.commands
        if isinstance(c, NewOrder) and c.agent_id == number and breach.ts_event_ns < c.ts_sent_ns < until
    ]
    assert during
    assert all(c.side is Side.SELL for c in during)


def test_urgency_makes_the_same_breach_go_faster() -> None:
    took = {}
    for patience in ("10s", "10min"):
        sheet = {
            "liquidation": "book_watching",
            "liquidation_params": {"depth_share": 0.05},
            "sale_patience": patience,
            "constraints": [{"kind": "inventory", "params": {"limits": {"treasury": 380 * M}}}],
        }
        world, log = run(market(maker(size_lots=2), prime(sheet)))
        at = [t for t, *_ in sales(log, agent_id(world, "prime-1"))]
        took[patience] = at[-1] - at[0]
    assert took["10s"] < took["10min"]
