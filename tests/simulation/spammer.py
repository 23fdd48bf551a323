"""A strategy that does everything a strategy can do, at random, sensible or not."""

from __future__ import annotations

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    OrderType,
    RfqOpened,
    RfqQuoted,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from lob_sim.units import Duration

MS = 1_000_000
_TYPES = (OrderType.LIMIT,) * 6 + (OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT)


class Spammer(Strategy):
    """Places, replaces, reduces, cancels, asks for quotes and answers, with bad values mixed in."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """``until``: when it falls silent."""

        until: Duration = 10**18

    params: Params
    answers_rfqs = True

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(1 + ctx.random.integer(0, MS))

    def on_wake(self, ctx: Context, tag: int) -> None:
        if ctx.now_ns > self.params.until:
            return
        for _ in range(ctx.random.integer(1, 5)):
            self._act(ctx, ctx.random.integer(0, len(ctx.instruments)))
        ctx.wake_in(ctx.random.delay_ns(2 * MS))

    def _act(self, ctx: Context, instrument_id: int) -> None:
        point, orders = ctx.random.uniform(), list(ctx.orders(instrument_id))
        if point < 0.45 or not orders:
            self._place(ctx, instrument_id)
            return
        # Mostly an own live order, now and then one that was never sent.
        chosen = orders[ctx.random.integer(0, len(orders))] if ctx.random.uniform() < 0.95 else 10**6
        if point < 0.70:
            ctx.replace(instrument_id, chosen, self._qty(ctx), self._price(ctx, instrument_id))
        elif point < 0.78:
            ctx.reduce(instrument_id, chosen, self._qty(ctx))
        elif point < 0.85:
            ctx.cancel(instrument_id, chosen)
        elif point < 0.87:
            ctx.cancel_all(instrument_id)
        else:
            self._ask(ctx, instrument_id)

    def _place(self, ctx: Context, instrument_id: int) -> None:
        uniform = ctx.random.uniform
        kind = _TYPES[ctx.random.integer(0, len(_TYPES))]
        has_limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        has_stop = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
        ctx.place(
            instrument_id,
            Side.BUY if uniform() < 0.5 else Side.SELL,
            self._qty(ctx),
            self._price(ctx, instrument_id) if has_limit or uniform() < 0.05 else 0,
            order_type=kind,
            time_in_force=TimeInForce(int(1.3 * uniform() * 2)),
            stop_price_ticks=self._price(ctx, instrument_id) if has_stop else 0,
            display_qty_lots=int(1.2 * uniform()),
            hidden=uniform() < 0.05,
            post_only=uniform() < 0.05,
            self_trade=SelfTradePrevention(int(5 * uniform())),
        )

    def _ask(self, ctx: Context, instrument_id: int) -> None:
        side = (Side.BUY, Side.SELL, None)[ctx.random.integer(0, 3)]
        ctx.request_quote(instrument_id, side, self._qty(ctx), ctx.dealers[:5], 20 * MS)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        for _ in range(ctx.random.integer(0, 4)):
            if ctx.random.uniform() < 0.2:
                ctx.decline(request)
                continue
            bid = self._price(ctx, request.instrument_id) if request.side != Side.BUY else 0
            ask = bid + ctx.random.integer(-1, 4) if bid else self._price(ctx, request.instrument_id)
            ctx.quote(request, bid, ask if request.side != Side.SELL else 0, ctx.random.integer(-1, 10) * MS)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        for _ in range(ctx.random.integer(0, 3)):
            if ctx.random.uniform() < 0.1:
                ctx.walk_away(quote.instrument_id, quote.rfq_id)
            else:
                ctx.accept(quote, Side.BUY if ctx.random.uniform() < 0.5 else Side.SELL)

    def _qty(self, ctx: Context) -> int:
        return ctx.random.integer(1, 12) if ctx.random.uniform() < 0.97 else ctx.random.integer(-300, 300)

    def _price(self, ctx: Context, instrument_id: int) -> int:
        if ctx.random.uniform() < 0.02:
            return ctx.random.integer(-200, 200)
        return ctx.initial_ticks(instrument_id) + ctx.random.integer(-6, 7)
