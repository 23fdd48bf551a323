"""Order splitting: the sizes, the signs and the pieces of metaorders."""

from __future__ import annotations

from collections import Counter
from math import sqrt

import numpy as np
import pytest
from scipy.stats import chisquare

from lob_sim.agents.execution import OWN_PARENTS
from lob_sim.messages import CancelReason, NewOrder, OrderCanceled, OrderFilled, Side, TimeInForce
from lob_sim.plugin_params import build_params
from lob_sim.testing import RecordingContext
from strategies.metaorder_flow import MetaorderFlow


def started(ctx: RecordingContext, **params: object) -> MetaorderFlow:
    flow = MetaorderFlow(build_params(MetaorderFlow, params, "test"))
    ctx.set_top(9_990, 10_010)
    flow.on_start(ctx)
    return flow


def wake(flow: MetaorderFlow, ctx: RecordingContext) -> list[NewOrder]:
    due = ctx.next_wake()
    assert due is not None
    flow.on_wake(ctx, due[1])
    return [action for action in ctx.take_actions() if isinstance(action, NewOrder)]


def fill(flow: MetaorderFlow, ctx: RecordingContext, order: NewOrder) -> None:
    ctx.end_order(0, order.client_order_id)
    flow.on_fill(ctx, OrderFilled(0, 0, 0, order.client_order_id, 1, order.side, order.price_ticks, 1, 0, False, 1))


def test_pieces_are_single_lots_at_the_touch_and_keep_the_side_of_their_parent() -> None:
    ctx = RecordingContext()
    flow = started(ctx, metaorders=3, max_lots=50)
    sides: dict[int, set[Side]] = {}
    for _ in range(400):
        (order,) = wake(flow, ctx)
        assert (order.qty_lots, order.time_in_force) == (1, TimeInForce.IOC)
        assert order.price_ticks == (10_010 if order.side is Side.BUY else 9_990)
        sides.setdefault(order.parent_order_id, set()).add(order.side)
        fill(flow, ctx, order)
        assert len(flow.at_work) == 3
    assert all(len(of_parent) == 1 for of_parent in sides.values())
    assert {side for of_parent in sides.values() for side in of_parent} == {Side.BUY, Side.SELL}


def test_sizes_follow_the_power_law_up_to_the_largest() -> None:
    ctx = RecordingContext()
    exponent, largest, parents = 1.5, 20, 4_000
    flow = started(ctx, metaorders=1, tail_exponent=exponent, max_lots=largest)
    lots: Counter[int] = Counter()
    while flow.begun <= OWN_PARENTS + parents:
        (order,) = wake(flow, ctx)
        fill(flow, ctx, order)
        lots[order.parent_order_id] += 1
    # The first was met at work; the last has only begun.
    sizes = Counter(lots[OWN_PARENTS + number] for number in range(2, parents + 1))
    at_least = np.append(np.arange(1.0, largest + 1) ** -exponent, 0.0)
    expected = -np.diff(at_least) * (parents - 1)
    assert max(sizes) <= largest
    assert chisquare([sizes[n] for n in range(1, largest + 1)], expected).pvalue > 1e-3


def test_metaorders_that_are_met_at_work_are_the_large_ones_half_done() -> None:
    exponent, largest, runs = 1.5, 20, 3_000
    found = Counter(
        started(RecordingContext(seed=seed), metaorders=1, tail_exponent=exponent, max_lots=largest)
        .at_work[0]
        .left_lots
        for seed in range(runs)
    )
    at_least = np.arange(1.0, largest + 1) ** -exponent
    expected = at_least / at_least.sum() * runs
    assert chisquare([found[n] for n in range(1, largest + 1)], expected).pvalue > 1e-3


def test_a_piece_that_found_nothing_is_sent_again() -> None:
    ctx = RecordingContext()
    flow = started(ctx, metaorders=1)
    flow.at_work[0].left_lots = 1
    (order,) = wake(flow, ctx)
    assert wake(flow, ctx) == []  # its only lot is under way
    ctx.end_order(0, order.client_order_id)
    flow.on_cancel(ctx, OrderCanceled(0, 0, 0, order.client_order_id, 1, 1, 0, CancelReason.IOC_REMAINDER))
    (again,) = wake(flow, ctx)
    assert again.parent_order_id == order.parent_order_id
    fill(flow, ctx, again)
    assert flow.at_work[0].number == order.parent_order_id + 1


def test_it_waits_while_nobody_quotes_its_side() -> None:
    ctx = RecordingContext()
    flow = started(ctx, metaorders=1)
    empty = {"bid_ticks": 9_990} if flow.at_work[0].side is Side.BUY else {"ask_ticks": 10_010}
    ctx.set_top(**empty)
    assert wake(flow, ctx) == []
    ctx.set_top(9_990, 10_010)
    assert len(wake(flow, ctx)) == 1


def test_a_refused_piece_is_not_under_way() -> None:
    ctx = RecordingContext()
    flow = started(ctx, metaorders=1)
    ctx.refuse_orders = True
    assert wake(flow, ctx) == []
    assert flow.at_work[0].under_way_lots == 0


@pytest.mark.parametrize("metaorders", [2, 5])
def test_every_metaorder_is_as_likely_to_trade(metaorders: int) -> None:
    ctx, trades = RecordingContext(), 2_000
    flow = started(ctx, metaorders=metaorders)
    for order in flow.at_work:
        order.left_lots = 10_000
    pieces = Counter(wake(flow, ctx)[0].parent_order_id for _ in range(trades))
    share = 1 / metaorders
    assert len(pieces) == metaorders
    error = sqrt(trades * share * (1 - share))
    assert all(abs(count - trades * share) < 4 * error for count in pieces.values())
