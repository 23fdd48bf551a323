"""Traders: what makes them trade, how much, and what does not."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from lob_sim.agents.execution import OWN_PARENTS
from lob_sim.errors import InputError
from lob_sim.messages import (
    AcceptQuote,
    Announcement,
    CancelOrder,
    DeclineReason,
    NewOrder,
    OrderType,
    Phase,
    RequestQuote,
    RfqClosed,
    RfqDeclined,
    RfqEnd,
    RfqQuoted,
    Side,
    TimeInForce,
    WalkAway,
)
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from lob_sim.units import NS_PER_S
from strategies.informed import InformedTrader
from strategies.liquidity import LiquidityTraders
from strategies.mean_reversion import MeanReversionTrader
from strategies.momentum import MomentumTrader
from strategies.value_investor import ValueInvestor
from strategies.zero_intelligence import ZeroIntelligenceTrader


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


# --- informed trader ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fair_value", "expected"),
    [
        (108.0, []),  # 3 ticks above the ask, which is the margin
        (108.1, [(Side.BUY, 4, 105)]),
        (100.0, []),
        (92.0, []),
        (91.9, [(Side.SELL, 5, 95)]),
    ],
)
def test_informed_trades_only_beyond_its_margin(fair_value: float, expected: list[object]) -> None:
    ctx = RecordingContext(initial_ticks=100)
    informed = started(InformedTrader, ctx, margin_ticks=3, noise_sd_ticks=0, size_lots=5)
    ctx.set_top(95, 105, bid_lots=9, ask_lots=4)
    ctx.fair_values = [fair_value]
    wake(informed, ctx)
    assert orders_of(ctx) == expected


def test_informed_does_nothing_in_a_closed_market_and_stops_at_its_position_limit() -> None:
    ctx = RecordingContext(initial_ticks=100)
    informed = started(InformedTrader, ctx, noise_sd_ticks=0, max_position_lots=7, size_lots=5)
    ctx.set_top(95, 105)
    ctx.fair_values, ctx.phases = [200.0], [Phase.CLOSED]
    wake(informed, ctx)
    assert orders_of(ctx) == []
    ctx.phases, ctx.positions = [Phase.CONTINUOUS], [4]
    wake(informed, ctx)
    assert orders_of(ctx) == [(Side.BUY, 3, 105)]


def test_informed_without_knowledge_is_an_error() -> None:
    ctx = RecordingContext(sees_fair_value=False)
    informed = started(InformedTrader, ctx)
    with pytest.raises(PermissionError):
        wake(informed, ctx)


def test_unknown_instrument_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'bond'"):
        started(InformedTrader, RecordingContext(), instruments=["bonds"])


def test_informed_arrives_as_a_poisson_process() -> None:
    ctx, n = RecordingContext(), 4000
    informed = started(InformedTrader, ctx, mean_interval=2)
    wake(informed, ctx, n)
    assert ctx.now_ns / NS_PER_S == pytest.approx(2 * n, abs=3 * 2 * sqrt(n))


# --- liquidity traders --------------------------------------------------------------------------------------


@pytest.mark.parametrize("half_spread", [2, 5, 8])
def test_liquidity_is_as_elastic_as_its_reservation_values(half_spread: int) -> None:
    ctx, n, top = RecordingContext(initial_ticks=1000), 4000, 10.0
    traders = started(LiquidityTraders, ctx, max_reservation_ticks=top, rfq_dealers=0)
    ctx.set_top(1000 - half_spread, 1000 + half_spread)
    wake(traders, ctx, n)
    orders = [a for a in ctx.take_actions() if isinstance(a, NewOrder)]
    share = 1 - half_spread / top
    assert len(orders) / n == pytest.approx(share, abs=3 * sqrt(share * (1 - share) / n))
    assert all(a.time_in_force is TimeInForce.IOC for a in orders)
    buys = sum(a.side is Side.BUY for a in orders)
    assert buys == pytest.approx(len(orders) / 2, abs=3 * sqrt(len(orders)) / 2)


def test_liquidity_goes_home_when_the_spread_is_beyond_all_reservation_values() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    traders = started(LiquidityTraders, ctx, max_reservation_ticks=10, rfq_dealers=3)
    ctx.set_top(980, 1020)
    wake(traders, ctx, 300)
    assert ctx.take_actions() == []


def test_population_arrives_at_the_sum_of_its_rates() -> None:
    ctx, n = RecordingContext(), 3000
    traders = started(LiquidityTraders, ctx, traders=50, mean_interval=100, rfq_dealers=0)
    wake(traders, ctx, n)
    assert ctx.now_ns / NS_PER_S == pytest.approx(2 * n, abs=3 * 2 * sqrt(n))


def test_liquidity_asks_dealers_when_its_side_is_dark_and_deals_within_its_value() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    traders = started(LiquidityTraders, ctx, max_reservation_ticks=10, rfq_dealers=2)
    wake(traders, ctx)
    (request,) = ctx.take_actions()
    assert isinstance(request, RequestQuote)
    assert len(request.dealer_ids) == 2
    inquiry = traders.inquiries.open[request.client_rfq_id]
    assert abs(inquiry.limit_ticks - 1000) <= 10
    bad = 1000 + 11 * inquiry.side
    good = inquiry.limit_ticks
    for quote_id, price in ((1, bad), (2, good)):
        quote = RfqQuoted(0, 0, 55, quote_id, 0, quote_id, price, price, 10**12, request.client_rfq_id)
        traders.on_rfq_quote(ctx, quote)
    (deal,) = ctx.take_actions()
    assert isinstance(deal, AcceptQuote)
    assert (deal.quote_id, deal.side) == (2, inquiry.side)
    traders.on_rfq_close(ctx, RfqClosed(0, 0, 55, 0, request.client_rfq_id, RfqEnd.DEALT))
    assert traders.inquiries.open == {}


def test_liquidity_walks_away_from_quotes_beyond_its_value_when_its_patience_ends() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    traders = started(LiquidityTraders, ctx, max_reservation_ticks=10, rfq_dealers=3)
    wake(traders, ctx)
    (request,) = ctx.take_actions()
    assert isinstance(request, RequestQuote)
    client_rfq_id = request.client_rfq_id
    traders.on_rfq_quote(ctx, RfqQuoted(0, 0, 55, 1, 0, 1, 900, 1100, 10**12, client_rfq_id))
    traders.on_rfq_decline(ctx, RfqDeclined(0, 0, 55, 0, 2, DeclineReason.CAPACITY, client_rfq_id))
    assert ctx.take_actions() == []
    traders.on_wake(ctx, client_rfq_id)
    assert [type(a) for a in ctx.take_actions()] == [WalkAway]


# --- value investor -----------------------------------------------------------------------------------------

VALUE: dict[str, object] = {
    "margin_ticks": 10, "noise_sd_ticks": 0, "learning_weight": 1, "size_lots": 20, "rfq_dealers": 2,
}  # fmt: skip


@pytest.mark.parametrize(
    ("fair_value", "expected"),
    [(114.9, []), (115.0, [(Side.BUY, 20, 105)]), (85.0, [(Side.SELL, 20, 95)]), (85.1, [])],
)
def test_value_investor_trades_beyond_its_margin(fair_value: float, expected: list[object]) -> None:
    ctx = RecordingContext(initial_ticks=100)
    ctx.positions = [50]
    investor = started(ValueInvestor, ctx, **VALUE)
    ctx.set_top(95, 105)
    ctx.fair_values = [fair_value]
    wake(investor, ctx)
    assert orders_of(ctx) == expected


def test_value_investor_spends_only_its_cash_and_sells_only_what_it_holds() -> None:
    ctx = RecordingContext(initial_ticks=100)
    ctx.cash, ctx.positions = 350, [7]
    investor = started(ValueInvestor, ctx, **VALUE)
    ctx.set_top(95, 105)
    ctx.fair_values = [117.0]  # its limit is 107, at which 350 buys three lots
    wake(investor, ctx)
    assert orders_of(ctx) == [(Side.BUY, 3, 107)]
    ctx.fair_values = [50.0]
    wake(investor, ctx)
    assert orders_of(ctx) == []  # not before the first order has ended
    ctx.end_order(0, 1)
    wake(investor, ctx)
    assert orders_of(ctx) == [(Side.SELL, 7, 60)]
    ctx.end_order(0, 2)
    ctx.cash, ctx.positions = 0, [0]
    wake(investor, ctx)
    assert orders_of(ctx) == []


def test_value_investor_is_slow() -> None:
    ctx = RecordingContext(initial_ticks=100)
    investor = started(ValueInvestor, ctx, **{**VALUE, "learning_weight": 0.25, "rfq_dealers": 0})
    ctx.fair_values = [200.0]
    wake(investor, ctx, 2)
    assert investor.value_ticks[0] == pytest.approx(200 - 100 * 0.75**2)


def test_value_investor_hears_an_announcement() -> None:
    ctx = RecordingContext(initial_ticks=100)
    investor = started(ValueInvestor, ctx, **VALUE)
    investor.on_announcement(ctx, Announcement(0, 0, -40.0, 5.0))
    assert investor.value_ticks[0] == 60.0


def test_value_investor_asks_dealers_when_nobody_offers() -> None:
    ctx = RecordingContext(initial_ticks=100)
    investor = started(ValueInvestor, ctx, **VALUE)
    ctx.set_top(bid_ticks=95)
    ctx.fair_values = [130.0]
    wake(investor, ctx)
    (request,) = ctx.take_actions()
    assert isinstance(request, RequestQuote)
    assert (request.side, request.qty_lots) == (Side.BUY, 20)


# --- zero intelligence --------------------------------------------------------------------------------------


def test_zero_intelligence_order_flow_has_its_rates() -> None:
    ctx, n = RecordingContext(initial_ticks=10_000), 20_000
    rates = {"limit_orders_per_s": 2.0, "market_orders_per_s": 0.5, "cancels_per_order_s": 0.1}
    trader = started(ZeroIntelligenceTrader, ctx, **rates, price_range_ticks=20)
    ctx.set_top(9_990, 10_010)
    wake(trader, ctx, n)
    seconds = ctx.now_ns / NS_PER_S
    limits = [a for a in ctx.actions if isinstance(a, NewOrder) and a.order_type is OrderType.LIMIT]
    markets = [a for a in ctx.actions if isinstance(a, NewOrder) and a.order_type is OrderType.MARKET]
    cancels = [a for a in ctx.actions if isinstance(a, CancelOrder)]
    assert len(limits) / seconds == pytest.approx(2.0, abs=3 * sqrt(2.0 / seconds))
    # Without fills, market orders included as forever working, orders come at 2.5/s and live 10 s: 25 rest.
    assert len(markets) / seconds == pytest.approx(0.5, abs=3 * sqrt(0.5 / seconds))
    assert len(limits) + len(markets) - len(cancels) == pytest.approx(25, abs=4 * 5)
    prices = {side: [a.price_ticks for a in limits if a.side is side] for side in Side}
    assert (min(prices[Side.BUY]), max(prices[Side.BUY])) == (9_990, 10_009)
    assert (min(prices[Side.SELL]), max(prices[Side.SELL])) == (9_991, 10_010)


def test_zero_intelligence_needs_no_quotes() -> None:
    ctx = RecordingContext(initial_ticks=5)
    trader = started(ZeroIntelligenceTrader, ctx, price_range_ticks=50)
    wake(trader, ctx, 500)
    prices = [a.price_ticks for a in ctx.actions if isinstance(a, NewOrder) if a.price_ticks]
    assert min(prices) == 1
    assert max(prices) > 5


# --- trend followers and mean reversion ---------------------------------------------------------------------


def follow(cls: type[Any], path: list[int], **params: object) -> list[list[tuple[Side, int, int]]]:
    ctx = RecordingContext(initial_ticks=path[0])
    trader = started(cls, ctx, look_interval=1, size_lots=5, position_lots=5, **params)
    done = []
    for price in path:
        ctx.set_top(price - 1, price + 1)
        wake(trader, ctx)
        sent = orders_of(ctx)
        for side, qty, _ in sent:
            ctx.positions[0] += side * qty
            ctx.end_order(0, next(iter(ctx.orders(0))))
        done.append(sent)
    return done


def test_momentum_buys_what_rises_and_leaves_when_it_stops() -> None:
    path = [100, 104, 110, 113, 113, 113, 113]
    sent = follow(MomentumTrader, path, lag_looks=2, entry_ticks=5, exit_ticks=2)
    assert sent[:2] == [[], []]  # no trend is known before the lag
    assert sent[2] == [(Side.BUY, 5, 111)]
    assert sent[3:5] == [[], []]
    assert sent[5] == [(Side.SELL, 5, 112)]
    assert sent[6] == []


def test_momentum_sits_still_in_a_flat_market() -> None:
    assert not any(follow(MomentumTrader, [100, 103, 99, 102, 100, 101], lag_looks=2, entry_ticks=5))


def test_mean_reversion_buys_what_has_fallen_and_leaves_when_it_is_back() -> None:
    path = [100, 100, 90, 90, 96, 99]
    sent = follow(MeanReversionTrader, path, memory=1e6, entry_ticks=8, exit_ticks=2)
    assert sent[:2] == [[], []]
    assert sent[2] == [(Side.BUY, 5, 91)]
    assert sent[3:5] == [[], []]
    assert sent[5] == [(Side.SELL, 5, 98)]


# --- liquidity traders who quote ------------------------------------------------------------------------------


def arrivals(count: int, **params: object) -> tuple[RecordingContext, LiquidityTraders]:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.set_top(990, 1011)
    strategy = started(LiquidityTraders, ctx, rfq_dealers=0, max_reservation_ticks=50, **params)
    wake(strategy, ctx, count)
    return ctx, strategy


def test_clients_who_quote_rest_at_the_visible_price_on_their_side_and_give_up() -> None:
    ctx, strategy = arrivals(60, quoting_share=1.0, quoting_patience="1h")
    placed = [a for a in ctx.take_actions() if isinstance(a, NewOrder)]
    assert len(placed) == 60
    assert all(a.post_only and a.time_in_force is TimeInForce.GTC for a in placed)
    assert {(a.side, a.price_ticks) for a in placed} == {(Side.BUY, 1000), (Side.SELL, 1001)}
    filled = placed[0]
    ctx.end_order(0, filled.client_order_id)
    for order in placed:
        strategy.on_wake(ctx, -order.client_order_id)
    cancelled = [a.client_order_id for a in ctx.take_actions() if isinstance(a, CancelOrder)]
    assert cancelled == [a.client_order_id for a in placed[1:]]


def test_clients_who_may_not_quote_only_take() -> None:
    ctx, _ = arrivals(40)
    assert {a.time_in_force for a in ctx.take_actions() if isinstance(a, NewOrder)} == {TimeInForce.IOC}


# --- liquidity traders who split ------------------------------------------------------------------------------


def splitter(**params: object) -> tuple[RecordingContext, Any]:
    ctx = RecordingContext(initial_ticks=1000)
    strategy = started(
        LiquidityTraders, ctx, rfq_dealers=0, max_reservation_ticks=50, max_size_lots=9, child_lots=2, **params
    )
    ctx.set_top(999, 1001)
    return ctx, strategy


def test_a_large_order_goes_in_pieces_of_one_side_that_add_up() -> None:
    ctx, traders = splitter(mean_interval=10_000, child_interval=1)
    wake(traders, ctx, 2_000)
    orders = [a for a in ctx.take_actions() if isinstance(a, NewOrder)]
    parents: dict[int, list[NewOrder]] = {}
    for order in orders:
        if order.parent_order_id:
            parents.setdefault(order.parent_order_id, []).append(order)
        else:
            assert order.qty_lots <= 2
    done = [pieces for number, pieces in parents.items() if number - OWN_PARENTS not in traders.parents]
    assert len(done) > 200
    for pieces in done:
        assert len({p.side for p in pieces}) == 1
        assert all(p.qty_lots <= 2 for p in pieces)
    # Half-spread 1 of 50: a fiftieth of parents goes home at once; whoever trades, trades all (the touch stays).
    assert {sum(p.qty_lots for p in pieces) for pieces in done} == set(range(3, 10))


def test_pieces_follow_each_other_and_whole_orders_do_not() -> None:
    def alike(child_lots: int) -> float:
        ctx, traders = splitter(mean_interval=10_000, child_interval=1)
        traders.params = build_params(
            LiquidityTraders,
            {
                "rfq_dealers": 0,
                "max_reservation_ticks": 50,
                "max_size_lots": 9,
                "child_lots": child_lots,
                "mean_interval": 10_000,
                "child_interval": 1,
            },
            "test",
        )
        wake(traders, ctx, 3_000)
        signs = [int(a.side) for a in ctx.take_actions() if isinstance(a, NewOrder)]
        return float(np.mean(np.multiply(signs[1:], signs[:-1])))

    assert alike(2) > 0.4
    assert abs(alike(0)) < 4 / sqrt(3_000)


def test_a_piece_whose_price_is_beyond_the_private_value_is_not_sent() -> None:
    ctx, traders = splitter(mean_interval=10_000, child_interval=1)
    while not traders.parents:
        wake(traders, ctx)
    (parent,) = traders.parents.values()
    ctx.take_actions()
    away = 60 + int(parent.premium_ticks)
    ctx.set_top(1000 - away, 1000 + away)
    while traders.parents:
        number = next(iter(traders.parents))
        traders._send_child(ctx, number)
    assert ctx.take_actions() == []


def test_pieces_ask_dealers_when_their_side_goes_dark() -> None:
    ctx = RecordingContext(initial_ticks=1000)
    traders = started(LiquidityTraders, ctx, max_reservation_ticks=50, max_size_lots=9, child_lots=2, rfq_dealers=2)
    ctx.set_top(999, 1001)
    while not traders.parents:
        wake(traders, ctx)
    ctx.take_actions()
    ctx.set_top(0, 0)
    traders._send_child(ctx, next(iter(traders.parents)))
    (request,) = ctx.take_actions()
    assert isinstance(request, RequestQuote)
    assert request.qty_lots <= 2
