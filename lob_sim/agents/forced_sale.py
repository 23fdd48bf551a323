"""How a desk works the sales that its limits demand: parent orders, child orders in the book, requests to dealers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import Inquiries, some_dealers
from lob_sim.agents.quoting import is_continuous
from lob_sim.balance.liquidation import BookView, ChildIntent, ChildVenue, LiquidationStrategy, ParentState
from lob_sim.balance.risk_manager import ChangeKind, ParentChange
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
_DEFAULT_URGENCY = 1.0


class Parent(msgspec.Struct):
    """A parent order at work."""

    parent_order_id: int
    state: ParentState
    reasons: str


class ForcedSales:
    """All parent orders of one agent.

    Args:
        strategy: Says what is due when, and where it goes.
        interval_ns: Time between two looks at the parent orders.
        rfq_dealers: Dealers asked in one request.
        rfq_patience_ns: How long their answers are waited for.
    """

    def __init__(
        self, strategy: LiquidationStrategy, interval_ns: Ns, rfq_dealers: int, rfq_patience_ns: Ns
    ) -> None:
        self.strategy = strategy
        self.parents: dict[int, Parent] = {}
        self._interval_ns = interval_ns
        self._rfq_dealers = rfq_dealers
        self._rfq_patience_ns = rfq_patience_ns
        self._inquiries = Inquiries()
        self._children: dict[int, tuple[int, Lots]] = {}
        self._requests: dict[int, tuple[int, Lots]] = {}
        self._marks: Sequence[Ticks] = ()
        self._volume: dict[int, Lots] = {}
        self._last_parent_id = 0
        self._awake = False

    @property
    def working(self) -> Mapping[int, Lots]:
        """Lots still to sell by instrument, for every open parent order."""
        return {i: parent.state.remaining_lots for i, parent in self.parents.items()}

    # --- what is to be sold -----------------------------------------------------------------------------------------
    def follow(
        self, ctx: Context, changes: Sequence[ParentChange], urgency: float, marks_ticks: Sequence[Ticks]
    ) -> None:
        """Bring the parent orders in line with the plan, and start working them.

        Args:
            ctx: The agent's context.
            changes: From :meth:`lob_sim.balance.risk_manager.RiskManager.update`.
            urgency: From 0 (patient) to 1 (now, at any price).
            marks_ticks: The agent's marks, against which prices are judged.
        """
        self._marks = marks_ticks
        for change in changes:
            if change.kind is ChangeKind.CANCEL:
                sold_out = ctx.position(change.instrument_id) <= 0
                self._close(ctx, change.instrument_id, ParentEnd.NOTHING_LEFT if sold_out else None)
            elif change.kind is ChangeKind.RESIZE:
                self._resize(ctx, change)
            else:
                self._open(ctx, change.instrument_id, change.lots, "+".join(change.reasons))
        for parent in self.parents.values():
            parent.state.urgency = urgency
        self._work(ctx)

    def liquidate(self, ctx: Context, lots: Sequence[Lots], marks_ticks: Sequence[Ticks]) -> None:
        """Sell everything that is held: the resolution of a failed dealer."""
        self._marks = marks_ticks
        for instrument_id, held in enumerate(lots):
            parent = self.parents.get(instrument_id)
            if parent is not None:
                parent.state.remaining_lots = max(0, held)
                if held <= 0:
                    self._close(ctx, instrument_id, ParentEnd.DONE)
            elif held > 0:
                self._open(ctx, instrument_id, held, "default")
                self.parents[instrument_id].state.urgency = _DEFAULT_URGENCY
        self._work(ctx)

    def close_all(self, ctx: Context, end: ParentEnd) -> None:
        """End every parent order."""
        for instrument_id in list(self.parents):
            self._close(ctx, instrument_id, end)

    # --- messages ----------------------------------------------------------------------------------------------------
    def on_wake(self, ctx: Context, tag: int) -> None:
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
        child = self._children.get(fill.client_order_id)
        if child is None:
            return False
        instrument_id, out = child
        self._returned(instrument_id, fill.qty_lots, sold=True)
        if fill.leaves_qty_lots:
            self._children[fill.client_order_id] = (instrument_id, out - fill.qty_lots)
        else:
            del self._children[fill.client_order_id]
        return True

    def on_cancel(self, event: OrderCanceled) -> None:
        """What was not sold is due again."""
        self._end_child(event.client_order_id)

    def on_reject(self, event: OrderRejected | RfqRejected) -> None:
        """A child order or a request was refused."""
        if isinstance(event, RfqRejected):
            self._inquiries.on_close(event)
            self._end_request(event.client_rfq_id)
        else:
            self._end_child(event.client_order_id)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        """A dealer answered."""
        self._inquiries.on_quote(ctx, quote)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """A dealer declined."""
        self._inquiries.on_decline(ctx, event)

    def on_rfq_trade(self, trade: RfqTraded) -> bool:
        """A request dealt; returns whether it was for a parent order."""
        if not trade.parent_order_id:
            return False
        self._returned(trade.instrument_id, trade.qty_lots, sold=True)
        return True

    def on_rfq_close(self, event: RfqClosed, dealt: bool) -> None:
        """A request ended: without a trade its lots are due again."""
        self._inquiries.on_close(event)
        if dealt:
            self._requests.pop(event.client_rfq_id, None)
        else:
            self._end_request(event.client_rfq_id)

    # --- parent orders ------------------------------------------------------------------------------------------------
    def _open(self, ctx: Context, instrument_id: int, lots: Lots, reasons: str) -> None:
        self._last_parent_id += 1
        parent_id = self._last_parent_id
        self._volume[instrument_id] = 0
        state = ParentState(instrument_id, lots, 0, 0, ctx.now_ns, 0.0)
        self.parents[instrument_id] = Parent(parent_id, state, reasons)
        ctx.log(ParentOrderOpened(ctx.now_ns, ctx.agent_id, instrument_id, parent_id, lots, reasons))

    def _resize(self, ctx: Context, change: ParentChange) -> None:
        parent = self.parents[change.instrument_id]
        parent.state.remaining_lots = change.lots
        parent.reasons = "+".join(change.reasons)
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

    def _close(self, ctx: Context, instrument_id: int, end: ParentEnd | None) -> None:
        parent = self.parents.pop(instrument_id)
        for client_order_id, (child_instrument, _) in self._children.items():
            if child_instrument == instrument_id:
                ctx.cancel(instrument_id, client_order_id)
        left = parent.state.remaining_lots
        if end is None:
            # The plan no longer asks for it: because it has been sold, or because the market came back.
            end = ParentEnd.NO_LONGER_NEEDED if left > 0 else ParentEnd.DONE
        ctx.log(
            ParentOrderClosed(ctx.now_ns, ctx.agent_id, instrument_id, parent.parent_order_id, left, end)
        )

    # --- child orders ---------------------------------------------------------------------------------------------------
    def _work(self, ctx: Context) -> None:
        if not self.parents or self._awake:
            return
        for instrument_id, parent in self.parents.items():
            book = self._book_view(ctx, instrument_id)
            for intent in self.strategy.decide(parent.state, book, ctx.now_ns):
                self._send(ctx, parent, intent)
            self._volume[instrument_id] = 0
        self._awake = True
        ctx.wake_in(self._interval_ns, WORK)

    def _book_view(self, ctx: Context, instrument_id: int) -> BookView:
        top = ctx.top(instrument_id)
        lit = top.bid_ticks > 0 and is_continuous(ctx, instrument_id)
        bids = ((top.bid_ticks, top.bid_lots),) if lit else ()
        return BookView(bids, top.ask_ticks, self._marks[instrument_id], self._volume.get(instrument_id, 0))

    def _send(self, ctx: Context, parent: Parent, intent: ChildIntent) -> None:
        instrument_id = parent.state.instrument_id
        if intent.venue is ChildVenue.LIT:
            sent = ctx.place(
                instrument_id,
                Side.SELL,
                intent.qty_lots,
                intent.price_ticks,
                time_in_force=TimeInForce.IOC,
                parent_order_id=parent.parent_order_id,
            )
            if sent:
                self._children[sent] = (instrument_id, intent.qty_lots)
        else:
            sent = self._inquiries.ask(
                ctx,
                instrument_id,
                Side.SELL,
                intent.qty_lots,
                intent.price_ticks,
                dealer_ids=some_dealers(ctx, self._rfq_dealers),
                patience_ns=self._rfq_patience_ns,
                parent_order_id=parent.parent_order_id,
            )
            if sent:
                self._requests[sent] = (instrument_id, intent.qty_lots)
        if sent:
            parent.state.working_lots += intent.qty_lots

    def _returned(self, instrument_id: int, lots: Lots, *, sold: bool) -> None:
        parent = self.parents.get(instrument_id)
        if parent is None:
            return
        state = parent.state
        state.working_lots = max(0, state.working_lots - lots)
        if sold:
            state.sold_lots += lots
            state.remaining_lots = max(0, state.remaining_lots - lots)

    def _end_child(self, client_order_id: int) -> None:
        child = self._children.pop(client_order_id, None)
        if child is not None:
            self._returned(*child, sold=False)

    def _end_request(self, client_rfq_id: int) -> None:
        request = self._requests.pop(client_rfq_id, None)
        if request is not None:
            self._returned(*request, sold=False)
