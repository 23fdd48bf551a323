"""Execution of a metaorder as somebody outside says, slice by slice: a learning agent, for one."""

from __future__ import annotations

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.execution import OWN_PARENTS, SlicedExecution
from lob_sim.agents.inquiries import some_dealers
from lob_sim.agents.quoting import accepts_orders, touch_ticks
from lob_sim.messages import Side
from lob_sim.units import Lots


class DrivenExecution(SlicedExecution):
    """Works a parent order as somebody outside says, a slice at a time; told nothing, it does nothing.

    At the start of each slice it takes from the lit book at the touch what should be done by the slice's end and
    is not, lets as much rest at its own side's best price as it is told to, and asks dealers for as much as it is
    told to. What rests or is asked for is under way, and is not taken as well.

    Source: the schedule of Bertsimas and Lo (1998), "Optimal Control of Execution Costs", with the decisions left open.

    Attributes:
        target_lots: Lots of the parent order to be done, or under way, by the end of the slice.
        rest_lots: Lots to rest in the lit book.
        ask_lots: Lots to ask dealers for.
    """

    is_outside = True

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.target_lots = self.rest_lots = self.ask_lots = 0

    @property
    def side(self) -> Side:
        """The side of the parent order."""
        return Side.BUY if self.params.side == "buy" else Side.SELL

    def due_lots(self, slice_index: int) -> Lots:
        """What it was told."""
        return self.target_lots

    def on_wake(self, ctx: Context, tag: int) -> None:
        """Send one slice, or decide on a dealer's answer."""
        is_slice = tag == 0 and self.executed_lots < self.params.parent_lots
        if is_slice:
            self._rest(ctx)
        super().on_wake(ctx, tag)
        if is_slice and self.ask_lots and not self.inquiries.open and self.params.rfq_dealers:
            self._ask(ctx)

    def _open_lots(self, ctx: Context) -> Lots:
        """Lots of the parent order that are neither done nor under way."""
        under_way = sum(order.leaves_lots for order in ctx.orders(self.instrument_id).values())
        return self.params.parent_lots - self.executed_lots - under_way

    def _rest(self, ctx: Context) -> None:
        """Make what rests be what should: one order at the best price of its own side."""
        i, side = self.instrument_id, self.side
        price, _ = touch_ticks(ctx.top(i), Side.SELL if side is Side.BUY else Side.BUY)
        at_work = [order for order in ctx.orders(i).values() if not order.cancel_sent]
        kept = at_work[0] if at_work else None
        qty = min(self.rest_lots, self._open_lots(ctx) + (kept.leaves_lots if kept else 0))
        if kept is not None and (qty <= 0 or not price):
            ctx.cancel(i, kept.client_order_id)
        elif kept is not None and (kept.price_ticks, kept.leaves_lots) != (price, qty):
            ctx.replace(i, kept.client_order_id, qty, price)
        elif kept is None and qty > 0 and price and accepts_orders(ctx, i):
            ctx.place(i, side, qty, price, post_only=True, parent_order_id=OWN_PARENTS)

    def _ask(self, ctx: Context) -> None:
        p, qty = self.params, min(self.ask_lots, self._open_lots(ctx))
        if qty > 0:
            self.inquiries.ask(
                ctx,
                self.instrument_id,
                self.side,
                qty,
                None,
                dealer_ids=some_dealers(ctx, p.rfq_dealers),
                patience_ns=p.rfq_patience,
                parent_order_id=OWN_PARENTS,
            )
