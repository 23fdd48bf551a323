"""Parent orders by hand: what is out, what is withdrawn, what is set aside."""

from __future__ import annotations

from lob_sim.balance.liquidation import Immediate
from lob_sim.balance.resolution import ResolutionPolicy
from lob_sim.balance.risk_manager import ChangeKind, ParentChange
from lob_sim.desk.forced_sale import WORK, ForcedSales
from lob_sim.messages import (
    CancelOrder,
    NewOrder,
    OrderCanceled,
    OrderFilled,
    ParentEnd,
    ParentOrderClosed,
    Phase,
    RequestQuote,
    RfqClosed,
    RfqEnd,
    RfqOpened,
    RfqQuoted,
    RfqTraded,
    Side,
    WalkAway,
)
from lob_sim.messages import CancelReason as Reason
from lob_sim.testing import RecordingDeskContext, make_instrument

S = 1_000_000_000
MARK = [10_000]


def sales() -> tuple[ForcedSales, RecordingDeskContext]:
    ctx = RecordingDeskContext()
    ctx.positions = [100]
    forced = ForcedSales(Immediate(Immediate.Params()), ResolutionPolicy(), S, 60 * S, 3, S)
    return forced, ctx


def change(kind: ChangeKind, lots: int) -> list[ParentChange]:
    return [ParentChange(kind, 0, lots, ("slr",))]


def quote(number: int, bid: int) -> RfqQuoted:
    return RfqQuoted(0, 0, 55, 1, 0, 1, bid, 0, 10**12, number)


def request_out(forced: ForcedSales, ctx: RecordingDeskContext, lots: int) -> RequestQuote:
    """Open a parent order in a dark book: all of it is asked for."""
    forced.follow(ctx, change(ChangeKind.OPEN, lots), True, 0.0, MARK)
    (request,) = ctx.take_actions()
    assert isinstance(request, RequestQuote)
    number = request.client_rfq_id
    ctx.open_requests[0][55] = RfqOpened(0, 0, 55, 0, number, -1, lots, (1, 2, 3), 10**12)
    return request


def test_a_request_for_more_than_is_still_to_be_sold_is_withdrawn() -> None:
    forced, ctx = sales()
    request = request_out(forced, ctx, 20)
    forced.on_rfq_quote(ctx, quote(request.client_rfq_id, 9_999))
    forced.follow(ctx, change(ChangeKind.RESIZE, 5), True, 0.0, MARK)
    assert [type(a) for a in ctx.take_actions()] == [WalkAway]
    # Its patience over, nothing is dealt on the good quote that came before.
    forced.on_wake(ctx, request.client_rfq_id)
    assert ctx.take_actions() == []


def test_control_a_request_that_still_fits_is_dealt_on() -> None:
    forced, ctx = sales()
    request = request_out(forced, ctx, 20)
    forced.on_rfq_quote(ctx, quote(request.client_rfq_id, 9_999))
    forced.follow(ctx, change(ChangeKind.RESIZE, 25), True, 0.0, MARK)
    assert ctx.take_actions() == []
    forced.on_wake(ctx, request.client_rfq_id)
    assert [type(a).__name__ for a in ctx.take_actions()] == ["AcceptQuote"]


def test_a_cancelled_parent_withdraws_its_requests_even_before_anybody_answers() -> None:
    forced, ctx = sales()
    request_out(forced, ctx, 20)
    forced.follow(ctx, change(ChangeKind.CANCEL, 0), False, 0.0, MARK)
    assert [type(a) for a in ctx.take_actions()] == [WalkAway]
    (closed,) = [e for e in ctx.logged if isinstance(e, ParentOrderClosed)]
    assert (closed.end, closed.leaves_qty_lots) == (ParentEnd.NO_LONGER_NEEDED, 20)
    assert ctx.limits.lots_set_aside(0) == 0


def test_children_of_a_closed_parent_count_until_they_have_ended() -> None:
    forced, ctx = sales()
    ctx.set_top(9_999, 10_001, bid_lots=50)
    forced.follow(ctx, change(ChangeKind.OPEN, 20), True, 0.0, MARK)
    (child,) = ctx.take_actions()
    assert isinstance(child, NewOrder)
    forced.follow(ctx, change(ChangeKind.CANCEL, 0), False, 0.0, MARK)
    forced.follow(ctx, change(ChangeKind.OPEN, 30), True, 0.0, MARK)
    forced.on_wake(ctx, WORK)
    (second,) = ctx.take_actions()
    assert isinstance(second, NewOrder)
    assert second.qty_lots == 10  # 20 of the 30 may still be sold by the first child
    # The first child's fill is no progress of the new parent; its end frees what it did not sell.
    assert forced.on_fill(OrderFilled(0, 0, 0, child.client_order_id, 1, Side.SELL, 9_999, 15, 5, False, 1))
    assert forced.working == {0: 30}
    forced.on_cancel(OrderCanceled(0, 0, 0, child.client_order_id, 1, 5, 0, Reason.IOC_REMAINDER))
    forced.on_wake(ctx, WORK)
    (third,) = ctx.take_actions()
    assert isinstance(third, NewOrder)
    assert third.qty_lots == 20


def test_it_sends_no_more_than_is_free_cancels_its_quotes_and_sets_the_rest_aside() -> None:
    forced, ctx = sales()
    quoted = ctx.place(0, Side.SELL, 95, 10_100)
    ctx.take_actions()
    ctx.set_top(9_999, 10_001, bid_lots=500)
    forced.follow(ctx, change(ChangeKind.OPEN, 60), True, 0.0, MARK)
    order, cancel = ctx.take_actions()
    assert isinstance(order, NewOrder)
    assert order.qty_lots == 5
    assert cancel.client_order_id == quoted  # type: ignore[attr-defined]
    assert ctx.limits.lots_set_aside(0) == 55


def test_waiting_makes_a_sale_urgent() -> None:
    forced, ctx = sales()
    forced.follow(ctx, change(ChangeKind.OPEN, 20), True, 0.1, MARK)
    assert forced.parents[0].state.urgency == 0.1
    ctx.now_ns = 30 * S
    forced.follow(ctx, [], True, 0.1, MARK)
    assert forced.parents[0].state.urgency == 0.5
    ctx.now_ns = 90 * S
    forced.follow(ctx, [], True, 0.1, MARK)
    assert forced.parents[0].state.urgency == 1.0


def test_ends_of_a_parent_order() -> None:
    for sold, held, breached, end in (
        (20, 80, False, ParentEnd.DONE),
        (20, 0, False, ParentEnd.DONE),
        (20, 0, True, ParentEnd.NOTHING_LEFT),
        (5, 95, False, ParentEnd.NO_LONGER_NEEDED),
    ):
        forced, ctx = sales()
        ctx.set_top(9_999, 10_001, bid_lots=50)
        forced.follow(ctx, change(ChangeKind.OPEN, 20), True, 0.0, MARK)
        (child,) = ctx.take_actions()
        assert isinstance(child, NewOrder)
        number = child.client_order_id
        forced.on_fill(OrderFilled(0, 0, 0, number, 1, Side.SELL, 9_999, sold, 20 - sold, False, 1))
        ctx.positions = [held]
        forced.follow(ctx, change(ChangeKind.CANCEL, 0), breached, 0.0, MARK)
        (closed,) = [e for e in ctx.logged if isinstance(e, ParentOrderClosed)]
        assert closed.end is end


def both_asked() -> tuple[ForcedSales, RecordingDeskContext]:
    """Parent orders in two instruments, one request out for each, and both venues call theirs number 7."""
    forced = ForcedSales(Immediate(Immediate.Params()), ResolutionPolicy(), S, 60 * S, 3, S)
    ctx = RecordingDeskContext(instruments=[make_instrument(0, "a"), make_instrument(1, "b")])
    ctx.positions = [100, 100]
    opened = [ParentChange(ChangeKind.OPEN, i, 20, ("slr",)) for i in (0, 1)]
    forced.follow(ctx, opened, True, 0.0, MARK * 2)
    for i, request in enumerate(ctx.take_actions()):
        assert isinstance(request, RequestQuote)
        forced.on_rfq_quote(ctx, RfqQuoted(0, i, 7, 1, 0, 1, 9_999, 0, 10**12, request.client_rfq_id))
    return forced, ctx


def test_a_deal_belongs_to_the_request_of_its_own_instrument() -> None:
    forced, ctx = both_asked()
    assert forced.on_rfq_trade(RfqTraded(0, 1, 7, 1, 1, ctx.agent_id, 1, Side.SELL, 9_999, 20, 0))
    assert forced.working == {0: 20, 1: 0}


def test_the_end_of_anothers_request_with_the_same_number_ends_nothing() -> None:
    forced, ctx = sales()
    number = request_out(forced, ctx, 20).client_rfq_id
    forced.on_rfq_quote(ctx, quote(number, 9_999))
    forced.on_rfq_close(ctx, RfqClosed(0, 0, 56, 99, number, RfqEnd.DEALT))
    assert forced.on_rfq_trade(RfqTraded(0, 0, 55, 1, 1, ctx.agent_id, 1, Side.SELL, 9_999, 20, 0))
    assert forced.working == {0: 0}


def test_a_seller_sends_its_orders_into_an_auction_and_takes_them_back() -> None:
    forced, ctx = sales()
    ctx.set_top(9_999, 10_001, bid_lots=100)
    ctx.phases[0] = Phase.AUCTION
    forced.follow(ctx, change(ChangeKind.OPEN, 20), True, 0.0, MARK)
    (child,) = ctx.take_actions()
    assert isinstance(child, NewOrder)
    assert child.qty_lots == 20
    forced.follow(ctx, change(ChangeKind.CANCEL, 0), False, 0.0, MARK)
    (cancel,) = ctx.take_actions()
    assert isinstance(cancel, CancelOrder)
    assert cancel.client_order_id == child.client_order_id
