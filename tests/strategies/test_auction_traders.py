"""Traders of call markets and double auctions: Gode and Sunder, ZIP, Kyle's insider."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest

from lob_sim.messages import (
    NewOrder,
    OrderFilled,
    OrderType,
    ReplaceOrder,
    Side,
    Trade,
)
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from strategies.gode_sunder import GodeSunderTrader
from strategies.kyle_insider import KyleInsider, trading_intensities
from strategies.zip_trader import ZipTrader


def started(cls: type[Any], ctx: RecordingContext, **params: object) -> Any:
    strategy = cls(build_params(cls, params, "test"))
    strategy.on_start(ctx)
    return strategy


def orders_of(ctx: RecordingContext) -> list[tuple[Side, int, int]]:
    return [(a.side, a.qty_lots, a.price_ticks) for a in ctx.take_actions() if isinstance(a, NewOrder)]


def wake(strategy: Any, ctx: RecordingContext, times: int = 1) -> None:
    for _ in range(times):
        due = ctx.next_wake()
        assert due is not None
        strategy.on_wake(ctx, due[1])


# --- Gode and Sunder, ZIP -----------------------------------------------------------------------------------


def fill(ctx: RecordingContext, trader: Any, side: Side) -> None:
    number = next(iter(ctx.orders(0)))
    ctx.end_order(0, number)
    trader.on_fill(ctx, OrderFilled(0, 0, 0, number, 1, side, 100, 1, 0, True, 1))


@pytest.mark.parametrize("constrained", [True, False])
@pytest.mark.parametrize(("role", "low", "high"), [("buyer", 1, 120), ("seller", 120, 200)])
def test_gode_sunder_offers_are_uniform_within_the_budget(role: str, low: int, high: int, constrained: bool) -> None:
    if not constrained:
        low, high = 1, 200
    ctx, n = RecordingContext(), 3000
    trader = started(GodeSunderTrader, ctx, role=role, values_ticks=[120], constrained=constrained)
    wake(trader, ctx, n)
    prices = [a.price_ticks for a in ctx.actions if isinstance(a, NewOrder | ReplaceOrder)]
    assert (min(prices), max(prices)) == (low, high)
    sd = (high - low) / sqrt(12)
    assert sum(prices) / n == pytest.approx((low + high) / 2, abs=3 * sd / sqrt(n))


def test_gode_sunder_uses_up_its_units_in_order_and_stops() -> None:
    ctx = RecordingContext()
    trader = started(GodeSunderTrader, ctx, role="buyer", values_ticks=[100, 1])
    wake(trader, ctx)
    fill(ctx, trader, Side.BUY)
    ctx.take_actions()
    wake(trader, ctx)
    assert orders_of(ctx) == [(Side.BUY, 1, 1)]
    fill(ctx, trader, Side.BUY)
    wake(trader, ctx)
    assert ctx.actions == []
    assert ctx.wakes == []


@pytest.mark.parametrize(("role", "sign"), [("buyer", -1), ("seller", 1)])
def test_zip_margin_rises_with_good_prices_and_falls_when_outdone(role: str, sign: int) -> None:
    ctx = RecordingContext()
    trader = started(ZipTrader, ctx, role=role, values_ticks=[100], initial_margin=0.2)
    own_side, first = trader.side, trader.price_ticks
    assert first == pytest.approx(100 + sign * 20)
    # Somebody dealt at a price still better for this trader than its own: it asked too little.
    trader.on_trade(ctx, Trade(0, 0, 1, round(100 + sign * 60), 1, own_side.opposite, 1, 2))
    raised = trader.price_ticks
    assert sign * (raised - first) > 0
    # A competitor accepted a worse price: it asked too much; but never beyond its limit.
    for _ in range(50):
        trader.on_trade(ctx, Trade(0, 0, 1, round(100 - sign * 30), 1, own_side, 1, 2))
    assert trader.price_ticks == pytest.approx(100)
    # The negative control: a worse price that the other side accepted says nothing.
    before = trader.price_ticks
    trader.on_trade(ctx, Trade(0, 0, 1, round(100 - sign * 30), 1, own_side.opposite, 1, 2))
    assert trader.price_ticks == before


def test_zip_gives_way_to_a_better_quote_only_once() -> None:
    ctx = RecordingContext()
    trader = started(ZipTrader, ctx, role="seller", values_ticks=[100], initial_margin=0.3)
    ctx.set_top(ask_ticks=110)
    trader.on_book(ctx, 0)
    lowered = trader.price_ticks
    assert lowered < 130
    trader.on_book(ctx, 0)
    assert trader.price_ticks == lowered


# --- Kyle's insider -----------------------------------------------------------------------------------------


def test_kyle_single_auction() -> None:
    assert trading_intensities(1, 100.0, 1000.0) == pytest.approx((10.0,))
    ctx = RecordingContext(initial_ticks=1000)
    insider = started(KyleInsider, ctx, value_sd_ticks=100, noise_sd_lots=1000)
    ctx.fair_values = [970.0]
    wake(insider, ctx)
    (order,) = ctx.take_actions()
    assert isinstance(order, NewOrder)
    assert (order.side, order.qty_lots, order.order_type) == (Side.SELL, 300, OrderType.MARKET)


@pytest.mark.parametrize("auctions", [2, 4, 20])
def test_kyle_sequential_equilibrium_holds_its_conditions(auctions: int) -> None:
    value_sd, noise_sd = 3.0, 5.0
    noise_variance = noise_sd**2 / auctions
    variance, slopes = value_sd**2, []
    intensities = trading_intensities(auctions, value_sd, noise_sd)
    for intensity in intensities:
        # The market maker's regression of value on flow, forwards through the auctions.
        slope = intensity * variance / (intensity**2 * variance + noise_variance)
        variance *= 1 - intensity * slope
        slopes.append(slope)
    # The insider's first-order condition, backwards; Kyle (1985), theorem 2.
    alpha = 0.0
    for intensity, slope in zip(reversed(intensities), reversed(slopes), strict=True):
        assert intensity == pytest.approx((1 - 2 * alpha * slope) / (2 * slope * (1 - alpha * slope)), rel=1e-9)
        alpha = 1 / (4 * slope * (1 - alpha * slope))
    assert variance < value_sd**2 / 2


def test_kyle_insider_trades_once_per_auction_and_follows_the_price() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    insider = started(KyleInsider, ctx, auctions=2, interval=60, value_sd_ticks=100, noise_sd_lots=1000)
    ctx.fair_values = [1100.0]
    wake(insider, ctx)
    ctx.last_trades = [1100]  # the price has reached the value: nothing is left to trade on
    wake(insider, ctx)
    assert len(ctx.take_actions()) == 1
    assert ctx.wakes == []
