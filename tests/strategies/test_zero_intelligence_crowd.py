"""A crowd of zero-intelligence traders as one agent: its rates, its cancels, its trades with itself."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from typing import Any

import pytest
from scipy.stats import chisquare

from lob_sim.messages import CancelOrder, NewOrder, OrderType, SelfTradePrevention
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from lob_sim.units import NS_PER_S
from strategies.zero_intelligence import ZeroIntelligenceTrader

RATES = {"limit_orders_per_s": 2.0, "market_orders_per_s": 0.5, "cancels_per_order_s": 0.1}


def started(ctx: RecordingContext, **params: object) -> ZeroIntelligenceTrader:
    trader = ZeroIntelligenceTrader(build_params(ZeroIntelligenceTrader, params, "test"))
    ctx.set_top(9_990, 10_010)
    trader.on_start(ctx)
    return trader


def wake_until(trader: ZeroIntelligenceTrader, ctx: RecordingContext, end_ns: int) -> list[Any]:
    while ctx.now_ns < end_ns:
        due = ctx.next_wake()
        assert due is not None
        trader.on_wake(ctx, due[1])
    return list(ctx.take_actions())


def limits_in(actions: list[Any]) -> list[NewOrder]:
    return [a for a in actions if isinstance(a, NewOrder) and a.order_type is OrderType.LIMIT]


@pytest.mark.parametrize("params", [{}, {"interval": "250ms"}, {"interval": "3s"}])
def test_a_crowd_has_the_rates_of_its_traders_together(params: dict[str, object]) -> None:
    ctx, traders, seconds = RecordingContext(initial_ticks=10_000), 20, 300
    crowd = started(ctx, traders=traders, **RATES, **params)
    actions = wake_until(crowd, ctx, seconds * NS_PER_S)
    limits, others = limits_in(actions), [a for a in actions if isinstance(a, NewOrder)]
    expected = traders * 2.0 * seconds
    assert len(limits) == pytest.approx(expected, abs=4 * sqrt(expected))
    # All orders work until they are cancelled here: 50 a second that live 10 s make 500.
    resting = len(others) - sum(isinstance(a, CancelOrder) for a in actions)
    assert resting == pytest.approx(500, abs=4 * sqrt(500))


def test_with_an_interval_everything_is_sent_at_its_end() -> None:
    ctx = RecordingContext(initial_ticks=10_000)
    crowd = started(ctx, traders=20, interval="250ms", **RATES)
    times = {a.ts_sent_ns for a in wake_until(crowd, ctx, 20 * NS_PER_S)}
    assert len(times) > 60
    assert all(ts_ns % (NS_PER_S // 4) == 0 for ts_ns in times)


def test_without_an_interval_no_two_orders_are_sent_together() -> None:
    ctx = RecordingContext(initial_ticks=10_000)
    actions = wake_until(started(ctx, traders=20, **RATES), ctx, 20 * NS_PER_S)
    assert len({a.ts_sent_ns for a in actions}) == len(actions) > 1_000


def test_a_crowd_trades_with_itself_and_a_single_trader_does_not() -> None:
    modes = []
    for traders in (1, 2):
        ctx = RecordingContext(initial_ticks=10_000)
        limits = limits_in(wake_until(started(ctx, traders=traders), ctx, 100 * NS_PER_S))
        modes.append({order.self_trade for order in limits})
    assert modes == [{SelfTradePrevention.CANCEL_MAKER}, {SelfTradePrevention.NONE}]


def test_every_working_order_is_as_likely_to_be_cancelled() -> None:
    """Some orders end otherwise, unknown to the list that is drawn from: the others share the cancels equally."""
    n_orders, n_ended, rounds = 10, 4, 3_000
    hits: Counter[int] = Counter()
    ctx = RecordingContext(initial_ticks=10_000)
    trader = started(ctx, traders=2)
    for _ in range(rounds):
        trader.placed.clear()
        for number in list(ctx.orders(0)):
            ctx.end_order(0, number)
        for _ in range(n_orders):
            trader._place_limit(ctx)
        numbers = list(ctx.orders(0))
        for number in numbers[:n_ended]:
            ctx.end_order(0, number)
        ctx.take_actions()
        trader._cancel(ctx, 0.0)
        (cancel,) = ctx.take_actions()
        assert isinstance(cancel, CancelOrder)
        hits[numbers.index(cancel.client_order_id)] += 1
    assert set(hits) == set(range(n_ended, n_orders))
    assert chisquare([hits[i] for i in range(n_ended, n_orders)]).pvalue > 1e-4
