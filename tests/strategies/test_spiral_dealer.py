"""The flagship's dealer: when it leaves the lit book, whom it answers, what it lays off."""

from __future__ import annotations

from math import floor
from typing import Any

import msgspec
import pytest

from lob_sim.agents.context import Headroom
from lob_sim.information.retreat import UniformReservations, gaussian_elastic_half_spread
from lob_sim.messages import (
    DeclineQuote,
    DeclineReason,
    RequestQuote,
    RetreatRecord,
    ReturnRecord,
    RfqOpened,
    Side,
    SubmitQuote,
    WithdrawalCause,
)
from lob_sim.plugin_params import build_params
from lob_sim.scenario import SwitchSpec
from lob_sim.testing import RecordingContext, make_instrument
from lob_sim.units import MOST_CASH, NS_PER_S
from strategies.spiral_dealer import SpiralDealer

ROOMY = Headroom((1000,), 0.06, False, ())
CALM: dict[str, Any] = {
    "prior_sd_ticks": 10.0,
    "prior_alpha": 0.1,
    "learning_weight": 0.0,
    "processing_ticks": 1.0,
    "reservation_ticks": 14.0,
    "risk_aversion_per_tick_lot": 0.0,
    "size_lots": 4,
    "requote_interval": "1s",
    "layoff_lots": 20,
}


def dealer(ctx: RecordingContext, **params: Any) -> SpiralDealer:
    strategy = SpiralDealer(build_params(SpiralDealer, {**CALM, **params}, "test"))
    strategy.on_start(ctx)
    return strategy


def context(headroom: Headroom | None = ROOMY) -> RecordingContext:
    ctx = RecordingContext(initial_ticks=1000)
    ctx.headroom = headroom
    ctx.positions = [1000]
    return ctx


def sides(ctx: RecordingContext) -> set[Side]:
    return {order.side for order in ctx.orders(0).values()}


def causes(ctx: RecordingContext) -> list[WithdrawalCause]:
    return [record.cause for record in ctx.logged if isinstance(record, RetreatRecord)]


def look_again(strategy: SpiralDealer, ctx: RecordingContext, seconds: int = 1) -> None:
    ctx.now_ns += seconds * NS_PER_S
    strategy.on_wake(ctx, 0)


# --- the lit book -------------------------------------------------------------------------------------------


def test_it_quotes_what_breaks_even_against_elastic_flow() -> None:
    ctx = context()
    dealer(ctx, prior_sd_ticks=30.0)
    half = gaussian_elastic_half_spread(0.1, 30.0, 1.0, UniformReservations(14.0))
    assert half is not None
    bids = [order.price_ticks for order in ctx.orders(0).values() if order.side is Side.BUY]
    assert bids == [floor(1000 - half)]
    # Control: inelastic flow would have let it quote better.
    inelastic = RecordingContext(initial_ticks=1000)
    dealer(inelastic, prior_sd_ticks=30.0, reservation_ticks=1e6)
    assert [o.price_ticks for o in inelastic.orders(0).values() if o.side is Side.BUY] > bids


def test_fear_takes_both_sides_off_the_book_and_calm_brings_them_back_after_a_while() -> None:
    ctx = context()
    strategy = dealer(ctx)
    assert sides(ctx) == {Side.BUY, Side.SELL}
    strategy.views[0].belief.on_signal(1000.0, 1e9)
    strategy.views[0].belief._var = 400.0**2  # type: ignore[attr-defined]
    look_again(strategy, ctx)
    assert sides(ctx) == set()
    assert causes(ctx) == [WithdrawalCause.ADVERSE_SELECTION]
    strategy.views[0].belief._var = 5.0**2  # type: ignore[attr-defined]
    look_again(strategy, ctx)
    assert sides(ctx) == set(), "it stays away for its shortest time"
    look_again(strategy, ctx, seconds=60)
    assert sides(ctx) == {Side.BUY, Side.SELL}
    assert len([record for record in ctx.logged if isinstance(record, ReturnRecord)]) == 1


@pytest.mark.parametrize(
    ("sd", "budget", "lots"),
    [(4.0, 20.0, 4), (5.0, 20.0, 4), (6.0, 20.0, 3), (10.0, 20.0, 2), (30.0, 20.0, 1), (30.0, 0.0, 4)],
)
def test_it_shows_less_the_less_it_knows_and_always_a_lot(sd: float, budget: float, lots: int) -> None:
    ctx = context()
    dealer(ctx, prior_sd_ticks=sd, risk_budget_tick_lots=budget)
    assert {order.leaves_lots for order in ctx.orders(0).values()} == {lots}


def test_without_the_switch_it_shows_as_much_whatever_it_knows() -> None:
    ctx = context()
    ctx.switches = SwitchSpec(retreat=False)
    dealer(ctx, prior_sd_ticks=30.0, risk_budget_tick_lots=20.0)
    assert {order.leaves_lots for order in ctx.orders(0).values()} == {4}


def test_without_the_switch_it_stays_whatever_it_fears() -> None:
    ctx = context()
    ctx.switches = SwitchSpec(retreat=False)
    strategy = dealer(ctx)
    strategy.views[0].belief._var = 400.0**2  # type: ignore[attr-defined]
    look_again(strategy, ctx)
    assert sides(ctx) == {Side.BUY, Side.SELL}
    assert causes(ctx) == []


def test_a_limit_that_binds_takes_the_bid_alone() -> None:
    ctx = context()
    strategy = dealer(ctx)
    ctx.headroom = Headroom((0,), 0.04, True, ("slr",))
    look_again(strategy, ctx)
    assert sides(ctx) == {Side.SELL}
    assert causes(ctx) == [WithdrawalCause.FORCED_SALE]


@pytest.mark.parametrize(("free_lots", "bid_lots"), [(502, 2), (500, 0), (600, 4)])
def test_it_buys_only_with_headroom_beyond_its_reserve(free_lots: int, bid_lots: int) -> None:
    ctx = context()
    strategy = dealer(ctx, headroom_reserve=0.5)
    ctx.headroom = Headroom((free_lots,), 0.055, False, ())
    look_again(strategy, ctx)
    assert sum(order.leaves_lots for order in ctx.orders(0).values() if order.side is Side.BUY) == bid_lots


def test_a_dealer_that_has_left_for_want_of_capital_bids_nothing_while_it_is_away() -> None:
    ctx = context()
    strategy = dealer(ctx, headroom_reserve=0.5, retreat={"appetite_tick_lots": 1000.0, "min_dwell_ns": "30s"})
    ctx.headroom = Headroom((499,), 0.055, False, ())
    look_again(strategy, ctx)
    ctx.headroom = Headroom((600,), 0.055, False, ())
    for _ in range(10):  # there is room again, but it has said that it is away
        look_again(strategy, ctx)
        assert sides(ctx) == {Side.SELL}
    look_again(strategy, ctx, 30)
    assert sides(ctx) == {Side.BUY, Side.SELL}
    assert causes(ctx) == [WithdrawalCause.CAPITAL]


def test_a_dealer_with_a_balance_sheet_offers_no_more_than_it_holds() -> None:
    ctx = context()
    ctx.positions = [2]
    dealer(ctx)
    assert sum(order.leaves_lots for order in ctx.orders(0).values() if order.side is Side.SELL) == 2
    free = context(None)
    dealer(free)
    assert sum(order.leaves_lots for order in free.orders(0).values() if order.side is Side.SELL) == 4


def test_what_no_limit_bounds_still_fits_the_log() -> None:
    ctx = context()
    ctx.headroom = Headroom((1 << 40,), 0.06, False, ())
    strategy = dealer(ctx)
    ctx.instruments = (msgspec.structs.replace(ctx.instruments[0], cash_per_tick_lot=10**9),)
    strategy.views[0].belief._var = 400.0**2  # type: ignore[attr-defined]
    look_again(strategy, ctx)
    (record,) = [r for r in ctx.logged if isinstance(r, RetreatRecord)]
    assert record.headroom_cash == MOST_CASH


# --- request for quote --------------------------------------------------------------------------------------


def ask_to_sell(strategy: SpiralDealer, ctx: RecordingContext, asker: int, qty_lots: int = 4) -> Any:
    ctx.take_actions()
    strategy.on_rfq_request(ctx, RfqOpened(ctx.now_ns, 0, 7, asker, 1, int(Side.SELL), qty_lots, (0,), 10 * NS_PER_S))
    (answer,) = ctx.take_actions()
    return answer


def test_a_dealer_who_keeps_selling_gets_a_lower_bid_and_then_none() -> None:
    ctx = context()
    strategy = dealer(ctx)
    answers = [ask_to_sell(strategy, ctx, asker=2) for _ in range(12)]
    bids = [answer.bid_ticks for answer in answers if isinstance(answer, SubmitQuote)]
    assert bids[-1] < bids[0]
    assert bids == sorted(bids, reverse=True)
    last = answers[-1]
    assert isinstance(last, DeclineQuote)
    assert last.reason is DeclineReason.SUSPECTED_DISTRESS


def test_it_answers_only_in_what_it_deals_in() -> None:
    ctx = RecordingContext(initial_ticks=1000, instruments=[make_instrument(0, "a"), make_instrument(1, "b")])
    ctx.headroom = Headroom((1000, 1000), 0.06, False, ())
    strategy = dealer(ctx, instruments=["b"])
    answer = ask_to_sell(strategy, ctx, asker=9)
    assert isinstance(answer, DeclineQuote)
    assert answer.reason is DeclineReason.NO_INTEREST


def test_a_client_who_keeps_selling_is_not_suspected() -> None:
    ctx = context()
    strategy = dealer(ctx)
    answers = [ask_to_sell(strategy, ctx, asker=9) for _ in range(12)]
    assert {answer.bid_ticks for answer in answers} == {answers[0].bid_ticks}


def test_it_declines_to_buy_more_than_it_has_room_for() -> None:
    ctx = context(Headroom((10,), 0.052, False, ()))
    strategy = dealer(ctx, headroom_reserve=0.0)
    answer = ask_to_sell(strategy, ctx, asker=9, qty_lots=11)
    assert isinstance(answer, DeclineQuote)
    assert answer.reason is DeclineReason.CAPACITY
    assert isinstance(ask_to_sell(strategy, ctx, asker=9, qty_lots=2), SubmitQuote)


def test_scarce_capacity_is_charged_for() -> None:
    bids = []
    for free in (1000, 120):
        ctx = context()
        strategy = dealer(ctx, headroom_reserve=0.0)
        ctx.headroom = Headroom((free,), 0.055, False, ())
        bids.append(ask_to_sell(strategy, ctx, asker=9).bid_ticks)
    assert bids[1] < bids[0]


# --- laying off ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("position", "side", "qty"), [(23, Side.SELL, 3), (-40, Side.BUY, 4), (20, None, 0)])
def test_it_offers_other_dealers_what_it_has_taken_on_beyond_its_limit(position: int, side: Side, qty: int) -> None:
    ctx = context()
    ctx.positions = [0]
    strategy = dealer(ctx)
    ctx.positions[0] = position
    ctx.take_actions()
    look_again(strategy, ctx, seconds=20)
    requests = [action for action in ctx.take_actions() if isinstance(action, RequestQuote)]
    assert [(request.side, request.qty_lots) for request in requests] == ([(side, qty)] if side else [])
    assert all(set(request.dealer_ids) <= set(ctx.dealers) for request in requests)
