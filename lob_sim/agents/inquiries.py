"""The asking side of request-for-quote: ask, wait, deal with the best answer or walk away."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lob_sim.agents.context import Context
from lob_sim.messages import OrderRejected, RfqClosed, RfqDeclined, RfqQuoted, RfqRejected, Side
from lob_sim.units import Lots, Ns, Ticks

_TTL_IN_PATIENCES = 4
"""Requests outlive their asker's patience, so that its decision still finds them open at the venue."""


class Inquiry(msgspec.Struct):
    """One open request.

    Attributes:
        side: The asker's side.
        limit_ticks: The worst price at which it would deal; ``None`` for any price.
        unanswered: Dealers that have not answered yet.
        best: The best quote within the limit so far.
        rfq_id: The venue's number, 0 until the first answer tells it.
        decided: Whether the asker has dealt or walked away.
    """

    instrument_id: int
    side: Side
    limit_ticks: Ticks | None
    unanswered: int
    best: RfqQuoted | None = None
    rfq_id: int = 0
    decided: bool = False


class Inquiries:
    """All open requests of one agent; the strategy hands its RFQ hooks on to the methods of the same names.

    An inquiry is decided when every dealer has answered, or when the asker's patience ends: a wake-up whose
    tag is the client RFQ id, which is always positive, so that a strategy keeps tags of 0 and below for
    itself.
    """

    def __init__(self) -> None:
        self.open: dict[int, Inquiry] = {}

    def ask(
        self,
        ctx: Context,
        instrument_id: int,
        side: Side,
        qty_lots: Lots,
        limit_ticks: Ticks | None,
        *,
        dealer_ids: Sequence[int],
        patience_ns: Ns,
        parent_order_id: int = 0,
    ) -> int:
        """Send a request; returns its client RFQ id, or 0 when there is nobody to ask or it was refused."""
        if not dealer_ids:
            return 0
        request = ctx.request_quote(
            instrument_id, side, qty_lots, dealer_ids, _TTL_IN_PATIENCES * patience_ns, parent_order_id
        )
        if request:
            self.open[request] = Inquiry(instrument_id, side, limit_ticks, len(dealer_ids))
            ctx.wake_in(patience_ns, request)
        return request

    def on_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        """Keep the best quote within the limit."""
        inquiry = self.open.get(quote.client_rfq_id)
        if inquiry is None:
            return
        inquiry.rfq_id = quote.rfq_id
        price = _price(quote, inquiry.side)
        limit = inquiry.limit_ticks
        if price and (limit is None or inquiry.side * (limit - price) >= 0):
            best = inquiry.best
            if best is None or inquiry.side * (_price(best, inquiry.side) - price) > 0:
                inquiry.best = quote
        self._answered(ctx, quote.client_rfq_id, inquiry)

    def on_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """One dealer less to wait for."""
        inquiry = self.open.get(event.client_rfq_id)
        if inquiry is not None:
            inquiry.rfq_id = event.rfq_id
            self._answered(ctx, event.client_rfq_id, inquiry)

    def on_patience_over(self, ctx: Context, client_rfq_id: int) -> None:
        """Decide on what there is."""
        inquiry = self.open.get(client_rfq_id)
        if inquiry is not None:
            self._decide(ctx, client_rfq_id, inquiry)

    def withdraw(self, ctx: Context, client_rfq_id: int) -> bool:
        """Walk away from a request whatever the answers; returns whether it was still undecided."""
        inquiry = self.open.get(client_rfq_id)
        if inquiry is None or inquiry.decided:
            return False
        inquiry.best = None
        self._decide(ctx, client_rfq_id, inquiry)
        return True

    def on_close(self, ctx: Context, event: RfqClosed | RfqRejected) -> bool:
        """Forget the request: dealt, walked away from, expired or refused.

        Returns:
            Whether it was this agent's: who was asked hears of the end of others' requests too, by others' numbers.
        """
        is_own = event.agent_id == ctx.agent_id
        if is_own:
            self.open.pop(event.client_rfq_id, None)
        return is_own

    def _answered(self, ctx: Context, client_rfq_id: int, inquiry: Inquiry) -> None:
        inquiry.unanswered -= 1
        if inquiry.unanswered == 0:
            self._decide(ctx, client_rfq_id, inquiry)

    def _decide(self, ctx: Context, client_rfq_id: int, inquiry: Inquiry) -> None:
        if inquiry.decided:
            return
        inquiry.decided = True
        best = inquiry.best
        if best is not None and best.expires_ns > ctx.now_ns:
            ctx.accept(best, inquiry.side)
        elif rfq_id := inquiry.rfq_id or _venue_number(ctx, inquiry.instrument_id, client_rfq_id):
            ctx.walk_away(inquiry.instrument_id, rfq_id)


class AsksForQuotes:
    """The RFQ hooks of whatever asks for quotes, a strategy or a part of a dealer; stands before its base class.

    It has :class:`Inquiries` in ``inquiries``, asks through them, and tells them in ``on_wake`` when patience is over.
    """

    inquiries: Inquiries

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        """A dealer has answered."""
        self.inquiries.on_quote(ctx, quote)

    def on_rfq_decline(self, ctx: Context, event: RfqDeclined) -> None:
        """A dealer has declined."""
        self.inquiries.on_decline(ctx, event)

    def on_rfq_close(self, ctx: Context, event: RfqClosed) -> None:
        """A request has ended."""
        self.inquiries.on_close(ctx, event)

    def on_reject(self, ctx: Context, event: OrderRejected | RfqRejected) -> None:
        """A request was refused."""
        if isinstance(event, RfqRejected):
            self.inquiries.on_close(ctx, event)


def some_dealers(ctx: Context, count: int) -> tuple[int, ...]:
    """``count`` different dealers at random, in increasing order; all of them if there are fewer."""
    dealers = list(ctx.dealers)
    for i in range(min(count, len(dealers))):  # the first steps of a Fisher–Yates shuffle
        j = ctx.random.integer(i, len(dealers))
        dealers[i], dealers[j] = dealers[j], dealers[i]
    return tuple(sorted(dealers[:count]))


def _venue_number(ctx: Context, instrument_id: int, client_rfq_id: int) -> int:
    """The venue's number of a request that nobody has answered yet; 0 when it is not known to be open."""
    opened = ctx.requests(instrument_id).items()
    return next((rfq_id for rfq_id, request in opened if request.client_rfq_id == client_rfq_id), 0)


def _price(quote: RfqQuoted, side: Side) -> Ticks:
    return quote.ask_ticks if side is Side.BUY else quote.bid_ticks
