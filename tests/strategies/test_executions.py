"""Execution strategies: schedules against their formulas, and what happens when the book is dark."""

from __future__ import annotations

from itertools import pairwise
from math import cosh, sinh
from typing import Any

import pytest

from lob_sim.errors import InputError
from lob_sim.messages import AcceptQuote, NewOrder, OrderFilled, RequestQuote, RfqQuoted, Side, Trade
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from lob_sim.units import NS_PER_S
from strategies.almgren_chriss import AlmgrenChrissTrader
from strategies.pov import PovTrader
from strategies.twap import TwapTrader
from strategies.vwap import VwapTrader


def started(cls: type[Any], ctx: RecordingContext, **params: object) -> Any:
    strategy = cls(build_params(cls, params, "test"))
    strategy.on_start(ctx)
    return strategy


def wake(strategy: Any, ctx: RecordingContext) -> list[NewOrder]:
    due = ctx.next_wake()
    assert due is not None
    strategy.on_wake(ctx, due[1])
    return [a for a in ctx.take_actions() if isinstance(a, NewOrder)]


def fill(strategy: Any, ctx: RecordingContext, order: NewOrder, qty: int) -> None:
    ctx.end_order(0, order.client_order_id)
    ctx.positions[0] += order.side * qty
    number = order.client_order_id
    strategy.on_fill(ctx, OrderFilled(0, 0, 0, number, 1, order.side, order.price_ticks, qty, 0, False, 1))


def test_twap_sells_equal_slices_at_equal_times() -> None:
    ctx = RecordingContext()
    ctx.set_top(99, 101)
    twap = started(TwapTrader, ctx, parent_lots=100, start=5, duration=40, slices=4)
    sent = []
    for _ in range(4):
        (order,) = wake(twap, ctx)
        fill(twap, ctx, order, order.qty_lots)
        sent.append((ctx.now_ns // NS_PER_S, order.side, order.qty_lots, order.price_ticks))
    assert sent == [(t, Side.SELL, 25, 99) for t in (5, 15, 25, 35)]
    assert wake(twap, ctx) == []
    assert ctx.wakes == []
    assert ctx.positions == [-100]


def test_what_the_touch_does_not_hold_waits_for_the_next_slice() -> None:
    ctx = RecordingContext()
    ctx.set_top(99, 101, ask_lots=10)
    twap = started(TwapTrader, ctx, side="buy", parent_lots=40, duration=4, slices=2)
    (order,) = wake(twap, ctx)
    assert (order.side, order.qty_lots, order.price_ticks) == (Side.BUY, 10, 101)
    assert order.parent_order_id
    fill(twap, ctx, order, 6)  # somebody else was faster with the rest
    ctx.set_top(99, 101)
    (order,) = wake(twap, ctx)
    assert order.qty_lots == 34
    fill(twap, ctx, order, 30)
    (order,) = wake(twap, ctx)  # beyond the planned end
    assert order.qty_lots == 4


def test_lots_under_way_are_not_sent_twice() -> None:
    ctx = RecordingContext()
    ctx.set_top(99, 101)
    twap = started(TwapTrader, ctx, parent_lots=40, duration=4, slices=2)
    assert [o.qty_lots for o in wake(twap, ctx)] == [20]
    assert [o.qty_lots for o in wake(twap, ctx)] == [20]
    assert wake(twap, ctx) == []


def test_dark_book_sends_the_slice_to_dealers() -> None:
    ctx = RecordingContext(dealers=(4, 5))
    ctx.set_top(ask_ticks=101)
    twap = started(TwapTrader, ctx, parent_lots=40, duration=4, slices=2, rfq_dealers=2)
    due = ctx.next_wake()
    assert due is not None
    twap.on_wake(ctx, due[1])
    (request,) = ctx.take_actions()
    assert isinstance(request, RequestQuote)
    assert (request.side, request.qty_lots, request.dealer_ids) == (Side.SELL, 20, (4, 5))
    for quote_id, bid in ((1, 80), (2, 90)):
        twap.on_rfq_quote(ctx, RfqQuoted(0, 0, 9, quote_id, 0, 4, bid, 0, 10**12, request.client_rfq_id))
    (deal,) = ctx.take_actions()
    assert isinstance(deal, AcceptQuote)
    assert (deal.quote_id, deal.side) == (2, Side.SELL)


def test_dark_book_without_dealers_means_waiting() -> None:
    ctx = RecordingContext(dealers=())
    twap = started(TwapTrader, ctx)
    assert wake(twap, ctx) == []
    assert len(ctx.wakes) == 1


def test_vwap_follows_the_volume_profile() -> None:
    vwap = started(VwapTrader, RecordingContext(), parent_lots=120, slices=6, volume_profile=[3, 1, 2])
    assert [vwap.due_lots(i) for i in range(6)] == [30, 60, 70, 80, 100, 120]
    flat = started(VwapTrader, RecordingContext(), parent_lots=120, slices=6, volume_profile=[1])
    assert [flat.due_lots(i) for i in range(6)] == [20, 40, 60, 80, 100, 120]


def test_pov_takes_its_share_of_what_the_market_trades() -> None:
    ctx = RecordingContext()
    ctx.set_top(99, 101)
    pov = started(PovTrader, ctx, parent_lots=1000, participation=0.2, duration=10, slices=10)
    assert wake(pov, ctx) == []  # nothing has traded
    for _ in range(3):
        pov.on_trade(ctx, Trade(0, 0, 1, 100, 80, Side.BUY, 1, 2))
        (order,) = wake(pov, ctx)
        assert order.qty_lots == 20
        fill(pov, ctx, order, 20)
        pov.on_trade(ctx, Trade(0, 0, 2, 99, 20, Side.SELL, 1, 3))  # its own trade on the tape
    assert pov.executed_lots / pov.market_lots == pytest.approx(0.2)
    assert wake(pov, ctx) == []


@pytest.mark.parametrize("risk_aversion", [1e-6, 1e-3, 0.1])
def test_almgren_chriss_schedule_is_the_optimal_one(risk_aversion: float) -> None:
    trader = started(
        AlmgrenChrissTrader, RecordingContext(), parent_lots=100_000, slices=20, duration=100,
        risk_aversion_per_tick_lot=risk_aversion, volatility_ticks_per_sqrt_s=2.0,
        temporary_impact_tick_s_per_lot=3.0, permanent_impact_ticks_per_lot=0.1,
    )  # fmt: skip
    tau, kappa = 5.0, trader.kappa_per_s
    eta = 3.0 - 0.1 * tau / 2
    assert 2 / tau**2 * (cosh(kappa * tau) - 1) == pytest.approx(risk_aversion * 4 / eta, rel=1e-6)
    held = [trader.remaining_lots(j) for j in range(21)]
    assert held[0] == pytest.approx(100_000)
    assert held[20] == 0
    assert held[7] == pytest.approx(100_000 * sinh(kappa * 65) / sinh(kappa * 100), rel=1e-9)

    def cost(path: list[float]) -> float:
        sales = [a - b for a, b in pairwise(path)]
        impact = eta / tau * sum(n * n for n in sales)
        return impact + risk_aversion * 4 * tau * sum(x * x for x in path[1:])

    # Cost is convex in the path, so that no small change of any step may lower it.
    for j in range(1, 20):
        for change in (-1.0, 1.0):
            other = held.copy()
            other[j] += change
            assert cost(other) > cost(held)


def test_almgren_chriss_hurries_with_risk_aversion_and_is_twap_without() -> None:
    def halfway(risk: float) -> int:
        params = {"parent_lots": 1000, "slices": 20, "risk_aversion_per_tick_lot": risk}
        done: int = started(AlmgrenChrissTrader, RecordingContext(), **params).due_lots(9)
        return done

    done = [halfway(risk) for risk in (1e-12, 1e-4, 1e-2, 1e4)]
    assert done[0] == 500
    assert done == sorted(done)
    assert done[-1] == 1000


def test_almgren_chriss_refuses_impacts_without_an_optimum() -> None:
    with pytest.raises(InputError, match="temporary_impact"):
        started(AlmgrenChrissTrader, RecordingContext(), temporary_impact_tick_s_per_lot=1e-6)
