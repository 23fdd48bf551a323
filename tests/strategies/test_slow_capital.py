"""Slow capital: bids far below value, deeper for what it has absorbed, with its own cash alone."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lob_sim.messages import Announcement, OrderFilled, Side
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from lob_sim.units import NS_PER_S
from strategies.slow_capital import SlowCapital

PARAMS: dict[str, Any] = {
    "margin_ticks": 50.0,
    "concession_ticks_per_lot": 4.0,
    "noise_sd_ticks": 0.0,
    "learning_weight": 0.5,
    "size_lots": 5,
    "capital_half_life": "600s",
}


def started(ctx: RecordingContext, **params: Any) -> SlowCapital:
    strategy = SlowCapital(build_params(SlowCapital, {**PARAMS, **params}, "test"))
    strategy.on_start(ctx)
    return strategy


def bid(ctx: RecordingContext) -> tuple[int, int] | None:
    found = [(o.price_ticks, o.leaves_lots) for o in ctx.orders(0).values() if o.side is Side.BUY]
    return found[0] if found else None


def buys(strategy: SlowCapital, ctx: RecordingContext, lots: int) -> None:
    ctx.positions[0] += lots
    fill = OrderFilled(ctx.now_ns, 0, ctx.agent_id, 1, 1, Side.BUY, 950, lots, 5, True, 1)
    strategy.on_fill(ctx, fill)


def test_it_bids_its_margin_below_value_and_offers_only_what_it_holds() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    started(ctx)
    assert bid(ctx) == (950, 5)
    assert {o.side for o in ctx.orders(0).values()} == {Side.BUY}
    ctx = RecordingContext(initial_ticks=1000)
    ctx.positions[0] = 3
    started(ctx)
    assert {(o.side, o.price_ticks, o.leaves_lots) for o in ctx.orders(0).values()} == {
        (Side.BUY, 950, 5),
        (Side.SELL, 1050, 3),
    }


def test_what_it_absorbs_lowers_its_bid_and_new_capital_brings_it_back() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    strategy = started(ctx)
    buys(strategy, ctx, 10)
    assert bid(ctx) == (910, 5)
    ctx.now_ns = 600 * NS_PER_S
    strategy.on_wake(ctx, 0)
    assert bid(ctx) == (930, 5), "half of the concession is gone after a half-life"


def test_it_asks_no_concession_where_it_has_none_to_ask() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    strategy = started(ctx, concession_ticks_per_lot=0.0)
    buys(strategy, ctx, 10)
    assert bid(ctx) == (950, 5)


@pytest.mark.parametrize(("looks", "price"), [(0, 950), (1, 900), (2, 875)])
def test_it_is_slow_to_learn_of_a_fall(looks: int, price: int) -> None:
    ctx = RecordingContext(initial_ticks=1000)
    strategy = started(ctx)
    assert ctx.fair_values is not None
    ctx.fair_values[0] = 900.0
    for _ in range(looks):
        strategy.on_wake(ctx, 0)
    assert bid(ctx) == (price, 5)


@pytest.mark.parametrize(("lots_worth", "lots"), [(0, None), (3, 3), (100, 5)])
def test_it_pays_with_its_own_cash_and_keeps_half_for_orders_elsewhere(lots_worth: int, lots: int | None) -> None:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.cash = 2 * lots_worth * ctx.instruments[0].value(950, 1)
    started(ctx)
    assert bid(ctx) == ((950, lots) if lots else None)


def test_it_hears_an_announcement_and_moves_its_bid() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    strategy = started(ctx)
    strategy.on_announcement(ctx, Announcement(0, 0, -40.0, 10.0))
    assert bid(ctx) == (910, 5)


def test_capital_comes_the_faster_the_more_there_is_to_earn() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    strategy = started(ctx, attention_ticks=40.0)
    buys(strategy, ctx, 10)
    assert bid(ctx) == (910, 5)
    # Twice as fast at first, then ever less so: the equation by small steps.
    left, steps = 10.0, 60_000
    for _ in range(steps):
        left -= 600 / steps * math.log(2) / 600 * left * (1 + left * 4.0 / 40.0)
    ctx.now_ns = 600 * NS_PER_S
    strategy.on_wake(ctx, 0)
    assert strategy.absorbed_lots[0] == pytest.approx(left, rel=1e-4)
    assert left < 5.0
    assert bid(ctx) == (math.floor(950 - 4.0 * left), 5)


def test_how_often_it_is_looked_at_makes_no_difference_to_what_has_arrived() -> None:
    once, often = RecordingContext(initial_ticks=1000), RecordingContext(initial_ticks=1000)
    left = []
    for ctx, looks in ((once, 1), (often, 30)):
        strategy = started(ctx, attention_ticks=40.0)
        buys(strategy, ctx, 10)
        for k in range(looks):
            ctx.now_ns = 600 * NS_PER_S * (k + 1) // looks
            strategy.on_wake(ctx, 0)
        left.append(strategy.absorbed_lots[0])
    assert left[0] == pytest.approx(left[1], rel=1e-9)
