"""Working a parent order off in slices: the common part of TWAP, VWAP, POV and Almgren–Chriss execution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import AsksForQuotes, Inquiries, some_dealers
from lob_sim.agents.quoting import accepts_orders, touch_ticks, traded_instruments
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    OrderFilled,
    RfqTraded,
    Side,
    TimeInForce,
)
from lob_sim.units import NS_PER_S, Duration, Interval, Lots, Ns

_SLICE = 0
OWN_PARENTS = 1 << 32
"""Strategies number their parent orders from here on: below are the forced sales of the agent's desk."""


class SlicedExecution(AsksForQuotes, Strategy, ABC):
    """Sends, at the start of each slice, what the schedule wants done by the end of it and is not.

    A slice takes from the lit book at the touch, and no more than is displayed there; what is missing waits
    for the next slice, also beyond the planned end, until the parent order is done. When nobody quotes its
    side of the book it asks dealers. A subclass says how many lots are due.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """The parent order.

        Attributes:
            instrument: Name of the instrument; empty means the market's first.
            side: Whether the parent order buys or sells.
            parent_lots: Its size.
            start: When the first slice is sent, counted from the opening of the market.
            duration: Time from the first slice to the planned end.
            slices: Number of equal steps that ``duration`` is cut into.
            rfq_dealers: Number of dealers asked when the book is dark; 0 means that it waits.
            rfq_patience: How long it waits for their answers.
        """

        instrument: str = ""
        side: Literal["buy", "sell"] = "sell"
        parent_lots: Annotated[int, msgspec.Meta(ge=1)] = 100
        start: Duration = 0
        duration: Interval = 600 * NS_PER_S
        slices: Annotated[int, msgspec.Meta(ge=1)] = 20
        rfq_dealers: Annotated[int, msgspec.Meta(ge=0)] = 3
        rfq_patience: Interval = NS_PER_S

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_id = 0
        self.executed_lots = 0
        self.slice_index = 0
        self.inquiries = Inquiries()

    @abstractmethod
    def due_lots(self, slice_index: int) -> Lots:
        """Lots of the parent order to be done by the end of slice ``slice_index``, counted from 0."""

    def on_start(self, ctx: Context) -> None:
        """Wait for the first slice."""
        names = (self.params.instrument,) if self.params.instrument else ()
        self.instrument_id = traded_instruments(ctx, names)[0]
        ctx.wake_in(max(1, self.params.start), _SLICE)

    def on_wake(self, ctx: Context, tag: int) -> None:
        """Send one slice, or decide on a dealer's answer."""
        p = self.params
        if tag != _SLICE:
            self.inquiries.on_patience_over(ctx, tag)
            return
        if self.executed_lots >= p.parent_lots:
            return
        due = min(self.due_lots(self.slice_index), p.parent_lots)
        self.slice_index += 1
        ctx.wake_in(max(1, p.duration // p.slices), _SLICE)
        under_way = sum(order.leaves_lots for order in ctx.orders(self.instrument_id).values())
        missing = due - self.executed_lots - under_way
        if missing > 0 and not self.inquiries.open:
            side = Side.BUY if p.side == "buy" else Side.SELL
            take_or_ask(ctx, self.inquiries, self.instrument_id, side, missing, p.rfq_dealers, p.rfq_patience)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        """Count what is done in the lit book."""
        self.executed_lots += fill.qty_lots

    def on_rfq_trade(self, ctx: Context, trade: RfqTraded) -> None:
        """Count what is done with dealers."""
        self.executed_lots += trade.qty_lots


def take_or_ask(
    ctx: Context, inquiries: Inquiries, instrument_id: int, side: Side, qty_lots: Lots, dealers: int, patience_ns: Ns
) -> None:
    """Take at the touch, no more than is displayed there; where nobody quotes that side, ask some dealers, if any."""
    touch, displayed = touch_ticks(ctx.top(instrument_id), side)
    if touch and accepts_orders(ctx, instrument_id):
        lots = min(qty_lots, displayed)
        ctx.place(instrument_id, side, lots, touch, time_in_force=TimeInForce.IOC, parent_order_id=OWN_PARENTS)
    elif not touch and dealers:
        inquiries.ask(
            ctx,
            instrument_id,
            side,
            qty_lots,
            None,
            dealer_ids=some_dealers(ctx, dealers),
            patience_ns=patience_ns,
            parent_order_id=OWN_PARENTS,
        )
