"""How a desk works the sales that its limits demand: parent orders, children in the book, requests."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import msgspec

from lob_sim.agents.inquiries import Inquiries, some_dealers
from lob_sim.agents.quoting import accepts_orders, is_continuous
from lob_sim.balance.liquidation import BookView, ChildIntent, ChildVenue, LiquidationStrategy, ParentState
from lob_sim.balance.resolution import ResolutionPolicy
from lob_sim.balance.risk_manager import ChangeKind, ParentChange
from lob_sim.desk.ports import DeskContext
from lob_sim.messages import (
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    ParentEnd,
    ParentOrderChanged,
    ParentOrderClosed,
    ParentOrderOpened,
    RfqClosed,
    RfqDeclined,
    RfqEnd,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.units import Lots, Ns, Ticks

WORK = -1
"""Wake-up tag for working parent orders; positive tags are client RFQ ids (see :class:`Inquiries`)."""
DEFAULT = "default"
"""The reason of a parent order that liquidates a failed dealer."""


class Parent(msgspec.Struct):
    """A parent order at work."""

    parent_order_id: int
    state: ParentState
    reasons: str


class WorkingChild(msgspec.Struct):
    """Lots in one child order or request that is not known to have ended."""

    venue: ChildVenue
    instrument_id: int
    parent_order_id: int
    qty_lots: Lots


class ForcedSales:
    """All parent orders of one agent.

    Args:
        strategy: Says what is due when, and where it goes.
        resolution: Over which time the book of a failed dealer is sold.
        interval_ns: Time between two looks at the parent orders.
        patience_ns: A parent order that has been open for so long is worked with full urgency.
        rfq_dealers: Dealers asked in one request.
        rfq_patience_ns: How long their answers are waited for.
    """

    def __init__(
        self,
        strategy: LiquidationStrategy,
        resolution: ResolutionPolicy,
        interval_ns: Ns,
        patience_ns: Ns,
        rfq_dealers: int,
        rfq_patience_ns: Ns,
    ) -> None:
        self.strategy = strategy
        self.parents: dict[int, Parent] = {}
        self._resolution = resolution
        self._interval_ns = interval_ns
        self._patience_ns = patience_ns
        self._rfq_dealers = rfq_dealers
        self._rfq_patience_ns = rfq_patience_ns
        self._inquiries = Inquiries()
        # Child orders and requests by client id, which they share, oldest first.
        self._out: dict[int, WorkingChild] = {}
        self._marks: Sequence[Ticks] = ()
        self._volume: dict[int, Lots] = {}
        self._last_parent_id = 0
        self._awake = False

    @property
    def working(self) -> Mapping[int, Lots]:
        """Lots still to sell by instrument, for every open parent order."""
        return {i: parent.state.remaining_lots for i, parent in self.parents.items()}

    # --- what is to be sold -------------------------------------------------------------------------------
    def follow(
        self,
        ctx: DeskContext,
        changes: Sequence[ParentChange],
        breached: bool,
        urgency: float,
        marks_ticks: Sequence[Ticks],
    ) -> None:
        """Bring the parent orders in line with the plan, and start working them.

        Args:
            ctx: The agent's context.
            changes: From :meth:`lob_sim.balance.risk_manager.RiskManager.update`.
            breached: Whether a limit binds.
            urgency: Urgency of the breach, from 0 (patient) to 1 (now, at any price); waiting adds to it.
            marks_ticks: The agent's marks, against which prices are judged.
        """
        self._marks = marks_ticks
        for change in changes:
            if change.kind is ChangeKind.CANCEL:
                self._close(ctx, change.instrument_id, self._end_of(ctx, change.instrument_id, breached))
            elif change.kind is ChangeKind.RESIZE:
                self._resize(ctx, change)
            else:
                self._open(ctx, change.instrument_id, change.lots, "+".join(change.reasons))
        for parent in self.parents.values():
            waited = (ctx.now_ns - parent.state.started_ns) / self._patience_ns
            parent.state.urgency = min(1.0, max(urgency, waited))
        self._work(ctx)

    def liquidate(self, ctx: DeskContext, lots: Sequence[Lots], marks_ticks: Sequence[Ticks]) -> None:
        """Sell everything that is held: the resolution of a failed dealer."""
        self._marks = marks_ticks
        for instrument_id, held in enumerate(lots):
            parent = self.parents.get(instrument_id)
            if parent is None and held > 0:
                self._open(ctx, instrument_id, held, DEFAULT)
            elif parent is not None:
                parent.state.remaining_lots = held
                if held <= 0:
                    self._close(ctx, instrument_id, ParentEnd.DONE)
        self._work(ctx)

    def close_all(self, ctx: DeskContext, end: ParentEnd) -> None:
        """End every parent order."""
        for instrument_id in list(self.parents):
            self._close(ctx, instrument_id, end)

    # --- messages -----------------------------------------------------------------------------------------
    def on_wake(self, ctx: DeskContext, tag: int) -> None:
        """Time to look at the parent orders, or a request's patience is over."""
        if tag > 0:
            self._inquiries.on_patience_over(ctx, tag)
            return
        self._awake = False
        self._work(ctx)

    def on_trade(self, trade: Trade) -> None:
        """Volume printed in the lit book."""
        self._volume[trade.instrument_id] = self._volume.get(trade.instrument_id, 0) + trade.qty_lots

    def on_fill(self, fill: OrderFilled) -> bool:
        """An own order traded; returns whether it was a child order."""
        child = self._out.get(fill.client_order_id)
        if child is None:
            return False
        self._sold(child, fill.qty_lots)
        if fill.leaves_qty_lots == 0:
            del self._out[fill.client_order_id]
        return True

    def on_cancel(self, event: OrderCanceled) -> None:
        """What was not sold is due again."""
        if event.leaves_qty_lots == 0:
            self._out.pop(event.client_order_id, None)

    def on_reject(self, ctx: DeskContext, event: OrderRejected | RfqRejected) -> None:
        """A child order or a request was refused."""
        if isinstance(event, RfqRejected):
            self._inquiries.on_close(ctx, event)
            self._out.pop(event.client_rfq_id, None)
        else:
            self._out.pop(event.client_order_id, None)

    def on_rfq_quote(self, ctx: DeskContext, quote: RfqQuoted) -> None:
        """A dealer answered."""
        self._inquiries.on_quote(ctx, quote)

    def on_rfq_decline(self, ctx: DeskContext, event: RfqDeclined) -> None:
        """A dealer declined."""
        self._inquiries.on_decline(ctx, event)

    def on_rfq_trade(self, trade: RfqTraded) -> bool:
        """An own request dealt; returns whether it was for a parent order."""
        for client_id, request in self._out.items():
            inquiry = self._inquiries.open.get(client_id)
            # Every instrument has a venue of its own, and each counts its requests from 1.
            numbers = None if inquiry is None else (inquiry.instrument_id, inquiry.rfq_id)
            if numbers == (trade.instrument_id, trade.rfq_id):
                self._sold(request, trade.qty_lots)
                del self._out[client_id]
                return True
        return False

    def on_rfq_close(self, ctx: DeskContext, event: RfqClosed) -> None:
        """A request ended: what it did not sell is due again."""
        if self._inquiries.on_close(ctx, event) and event.end is not RfqEnd.DEALT:
            self._out.pop(event.client_rfq_id, None)

    # --- parent orders ------------------------------------------------------------------------------------
    def _open(self, ctx: DeskContext, instrument_id: int, lots: Lots, reasons: str) -> None:
        self._last_parent_id += 1
        parent_id = self._last_parent_id
        self._volume[instrument_id] = 0
        state = ParentState(instrument_id, lots, 0, 0, ctx.now_ns, 0.0)
        self.parents[instrument_id] = Parent(parent_id, state, reasons)
        ctx.log(ParentOrderOpened(ctx.now_ns, ctx.agent_id, instrument_id, parent_id, lots, reasons))

    def _resize(self, ctx: DeskContext, change: ParentChange) -> None:
        parent = self.parents[change.instrument_id]
        parent.state.remaining_lots = change.lots
        parent.reasons = "+".join(change.reasons)
        self._withdraw(ctx, change.instrument_id, self._out_lots(change.instrument_id) - change.lots)
        ctx.log(
            ParentOrderChanged(
                ctx.now_ns,
                ctx.agent_id,
                change.instrument_id,
                parent.parent_order_id,
                change.lots,
                parent.reasons,
            )
        )

    def _end_of(self, ctx: DeskContext, instrument_id: int, breached: bool) -> ParentEnd:
        """Why the plan no longer asks for a parent order."""
        if self.parents[instrument_id].state.remaining_lots == 0 and not breached:
            return ParentEnd.DONE
        if ctx.position(instrument_id) <= 0:
            return ParentEnd.NOTHING_LEFT
        return ParentEnd.NO_LONGER_NEEDED

    def _close(self, ctx: DeskContext, instrument_id: int, end: ParentEnd) -> None:
        parent = self.parents.pop(instrument_id)
        self._withdraw(ctx, instrument_id, self._out_lots(instrument_id))
        ctx.set_aside(instrument_id, 0)
        left = parent.state.remaining_lots
        ctx.log(ParentOrderClosed(ctx.now_ns, ctx.agent_id, instrument_id, parent.parent_order_id, left, end))

    def _withdraw(self, ctx: DeskContext, instrument_id: int, too_many_lots: Lots) -> None:
        """Take back what would sell more than is still to be sold: requests, then child orders, the newest first.

        Child orders are immediate-or-cancel: they have ended before a cancel could arrive, but where an auction
        collects them.
        """
        newest_first = [(n, out) for n, out in reversed(self._out.items()) if out.instrument_id == instrument_id]
        for client_rfq_id, request in newest_first:
            if too_many_lots <= 0:
                return
            if self._inquiries.withdraw(ctx, client_rfq_id):
                too_many_lots -= request.qty_lots
        if is_continuous(ctx, instrument_id):
            return
        for client_order_id, child in newest_first:
            if too_many_lots <= 0:
                return
            order = ctx.orders(instrument_id).get(client_order_id)
            if order is not None and not order.cancel_sent:
                ctx.cancel(instrument_id, client_order_id)
                too_many_lots -= child.qty_lots

    # --- child orders -------------------------------------------------------------------------------------
    def _work(self, ctx: DeskContext) -> None:
        if not self.parents or self._awake:
            return
        for instrument_id, parent in self.parents.items():
            parent.state.working_lots = self._out_lots(instrument_id)
            for intent in self._intents(ctx, parent):
                self._send(ctx, parent, intent)
            self._volume[instrument_id] = 0
            self._set_aside(ctx, parent)
        self._awake = True
        ctx.wake_in(self._interval_ns, WORK)

    def _intents(self, ctx: DeskContext, parent: Parent) -> list[ChildIntent]:
        state = parent.state
        book = self._book_view(ctx, state.instrument_id)
        if parent.reasons != DEFAULT:
            return self.strategy.decide(msgspec.structs.replace(state), book, ctx.now_ns)
        under_way = state.sold_lots + state.working_lots
        total = state.sold_lots + state.remaining_lots
        due = self._resolution.due_lots(total, under_way, ctx.now_ns - state.started_ns)
        return self.strategy.route(due, book, 1.0)

    def _book_view(self, ctx: DeskContext, instrument_id: int) -> BookView:
        top = ctx.top(instrument_id)
        lit = top.bid_ticks > 0 and accepts_orders(ctx, instrument_id)
        bids = ((top.bid_ticks, top.bid_lots),) if lit else ()
        return BookView(
            bids,
            top.ask_ticks,
            self._marks[instrument_id],
            self._volume.get(instrument_id, 0),
            not is_continuous(ctx, instrument_id),
            self._out_lots(instrument_id, (ChildVenue.LIT,)),
        )

    def _send(self, ctx: DeskContext, parent: Parent, intent: ChildIntent) -> None:
        """Send one child order or request, of what no other order may still sell."""
        instrument_id, parent_id = parent.state.instrument_id, parent.parent_order_id
        qty = min(intent.qty_lots, ctx.free_lots(instrument_id))
        if qty <= 0:
            return
        if intent.venue is ChildVenue.LIT:
            sent = ctx.place(
                instrument_id,
                Side.SELL,
                qty,
                intent.price_ticks,
                time_in_force=TimeInForce.IOC,
                parent_order_id=parent_id,
            )
        else:
            sent = self._inquiries.ask(
                ctx,
                instrument_id,
                Side.SELL,
                qty,
                intent.price_ticks,
                dealer_ids=some_dealers(ctx, self._rfq_dealers),
                patience_ns=self._rfq_patience_ns,
                parent_order_id=parent_id,
            )
        if sent:
            self._out[sent] = WorkingChild(intent.venue, instrument_id, parent_id, qty)

    def _set_aside(self, ctx: DeskContext, parent: Parent) -> None:
        """Keep what is still to be sold from the agent's own quotes, which give way if they must."""
        instrument_id = parent.state.instrument_id
        needed = max(0, parent.state.remaining_lots - self._out_lots(instrument_id))
        if ctx.free_lots(instrument_id) < needed:
            for order in list(ctx.orders(instrument_id).values()):
                if order.side is Side.SELL and not order.parent_order_id and not order.cancel_sent:
                    ctx.cancel(instrument_id, order.client_order_id)
        ctx.set_aside(instrument_id, needed)

    def _out_lots(self, instrument_id: int, venues: Container[ChildVenue] = tuple(ChildVenue)) -> Lots:
        outs = self._out.values()
        return sum(out.qty_lots for out in outs if out.instrument_id == instrument_id and out.venue in venues)

    def _sold(self, out: WorkingChild, lots: Lots) -> None:
        out.qty_lots -= lots
        parent = self.parents.get(out.instrument_id)
        if parent is not None and parent.parent_order_id == out.parent_order_id:
            parent.state.sold_lots += lots
            parent.state.remaining_lots = max(0, parent.state.remaining_lots - lots)
