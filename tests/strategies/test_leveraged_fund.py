"""A leveraged fund: it trades price towards value, as far as capital carries it."""

from __future__ import annotations

from typing import Any

import pytest

from lob_sim.agents.context import Headroom
from lob_sim.messages import NewOrder, Phase, Side
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from strategies.leveraged_fund import LeveragedFund

PARAMS: dict[str, Any] = {
    "noise_sd_ticks": 0.0,
    "margin_ticks": 1.0,
    "size_lots": 50,
    "tolerance_lots_per_tick": 10.0,
    "max_position_lots": 30,
}


def fund(ctx: RecordingContext, **params: Any) -> LeveragedFund:
    strategy = LeveragedFund(build_params(LeveragedFund, {**PARAMS, **params}, "test"))
    strategy.on_start(ctx)
    return strategy


def look(strategy: LeveragedFund, ctx: RecordingContext, value: float) -> list[tuple[Side, int, int]]:
    """What it sends when it sees a value with the book at 95 to 105; its orders are taken to have traded nothing."""
    ctx.fair_values = [value]
    ctx.set_top(95, 105)
    strategy.on_wake(ctx, 0)
    sent = [(a.side, a.qty_lots, a.price_ticks) for a in ctx.take_actions() if isinstance(a, NewOrder)]
    for order in list(ctx.orders(0)):
        ctx.cancel(0, order)
        ctx.take_actions()
    ctx._orders[0].clear()
    return sent


def headroom(lots: int, *binding: str) -> Headroom:
    return Headroom((lots,), 0.1, bool(binding), binding)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (106.0, []),  # one tick above the ask, which is the margin
        (108.0, [(Side.BUY, 20, 105)]),  # two ticks beyond it, at ten lots a tick
        (120.0, [(Side.BUY, 30, 105)]),  # its position limit
        (100.0, []),
        (92.5, [(Side.SELL, 15, 95)]),
    ],
)
def test_it_wants_its_tolerance_times_the_mispricing(value: float, expected: list[object]) -> None:
    ctx = RecordingContext(initial_ticks=100)
    assert look(fund(ctx), ctx, value) == expected


def test_what_it_holds_lowers_what_the_next_lot_is_worth_to_it_and_it_goes_back() -> None:
    ctx = RecordingContext(initial_ticks=100)
    strategy = fund(ctx)
    ctx.positions[0] = 20
    assert look(strategy, ctx, 108.0) == []
    assert look(strategy, ctx, 109.0) == [(Side.BUY, 10, 105)]
    # At a value of 95.5 its reservation price is 93.5, and it sells half a tick's worth of what it holds.
    assert look(strategy, ctx, 95.5) == [(Side.SELL, 5, 95)]


def test_it_trades_around_what_it_opens_with_and_sells_no_more_than_it_has() -> None:
    ctx = RecordingContext(initial_ticks=100)
    ctx.positions[0] = 12
    strategy = fund(ctx)
    ctx.headroom = headroom(1_000)
    assert look(strategy, ctx, 80.0) == [(Side.SELL, 12, 95)]
    # Control: without a balance sheet it may go short, as far as its limit.
    ctx.headroom = None
    assert look(strategy, ctx, 80.0) == [(Side.SELL, 30, 95)]


def test_capital_that_is_lost_takes_its_capacity() -> None:
    ctx = RecordingContext(initial_ticks=100)
    strategy = fund(ctx)
    ctx.headroom = headroom(400)
    assert look(strategy, ctx, 108.0) == [(Side.BUY, 20, 105)]
    ctx.headroom = headroom(200)
    assert look(strategy, ctx, 108.0) == [(Side.BUY, 10, 105)]
    assert look(strategy, ctx, 120.0) == [(Side.BUY, 15, 105)]
    ctx.headroom = headroom(4)
    assert look(strategy, ctx, 120.0) == []
    # Having lost capacity it wants to hold less of what it has bought.
    ctx.positions[0] = 20
    ctx.headroom = headroom(100)
    assert look(strategy, ctx, 100.0) == [(Side.SELL, 5, 95)]
    ctx.headroom = headroom(400)
    assert look(strategy, ctx, 100.0) == []


def test_a_limit_that_binds_leaves_everything_to_the_desk() -> None:
    ctx = RecordingContext(initial_ticks=100)
    strategy = fund(ctx)
    ctx.headroom = headroom(400)
    look(strategy, ctx, 100.0)
    ctx.headroom = headroom(0, "var")
    assert look(strategy, ctx, 120.0) == []
    assert look(strategy, ctx, 80.0) == []


def test_it_waits_in_a_closed_market() -> None:
    ctx = RecordingContext(initial_ticks=100)
    strategy = fund(ctx)
    ctx.phases[0] = Phase.CLOSED
    assert look(strategy, ctx, 120.0) == []
