"""What most strategies need: their instruments, a price to start from, two quotes kept in the book."""

from __future__ import annotations

from typing import Literal, TypeAlias

from lob_sim.agents.context import Context, TopOfBook, WorkingOrder
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError
from lob_sim.messages import Phase, Side, TimeInForce
from lob_sim.units import Lots, Ticks

_BUY = Side.BUY

PriceSource: TypeAlias = Literal["book", "fair_value"]
"""Where a strategy takes its mid price from: what it sees in the market, or the exogenous fair value."""


def traded_instruments(ctx: Context, names: tuple[str, ...]) -> tuple[int, ...]:
    """Numbers of the named instruments, in the order named; no names means every instrument of the market.

    Raises:
        InputError: The market has no instrument of that name, or it is named twice.
    """
    ids = {instrument.name: instrument.instrument_id for instrument in ctx.instruments}
    for n, name in enumerate(names):
        if name not in ids:
            expected = f"expected one of {', '.join(ids)}{did_you_mean(name, ids)}"
            raise InputError(f"there is no instrument {name!r}: {expected}", f"agent {ctx.name}")
        if name in names[:n]:
            raise InputError(f"instrument {name!r} is named twice: it would be traded twice", f"agent {ctx.name}")
    return tuple(ids[name] for name in names) if names else tuple(ids.values())


def visible_price_ticks(ctx: Context, instrument_id: int) -> float:
    """What anybody can see: the mid of a two-sided book, else the last lit trade, else the opening value."""
    top = ctx.top(instrument_id)
    bid_ticks, ask_ticks = top.bid_ticks, top.ask_ticks
    if bid_ticks > 0 and ask_ticks > 0:
        return (bid_ticks + ask_ticks) / 2
    return float(ctx.last_trade_ticks(instrument_id) or ctx.initial_ticks(instrument_id))


def mid_price_ticks(ctx: Context, instrument_id: int, source: PriceSource) -> float:
    """The mid price from ``source``.

    Raises:
        PermissionError: ``source`` is the fair value and this agent may not see it.
    """
    return ctx.fair_value(instrument_id) if source == "fair_value" else visible_price_ticks(ctx, instrument_id)


def is_continuous(ctx: Context, instrument_id: int) -> bool:
    """Whether an order that arrives now can trade at once."""
    return ctx.phase(instrument_id) is Phase.CONTINUOUS


def accepts_orders(ctx: Context, instrument_id: int) -> bool:
    """Whether the lit book takes orders: also in an auction or a halt, where they await the uncrossing."""
    return ctx.phase(instrument_id) is not Phase.CLOSED


def prices_of(top: TopOfBook) -> tuple[Ticks, Ticks]:
    """Best bid and best ask, without their sizes."""
    return top.bid_ticks, top.ask_ticks


def touch_ticks(top: TopOfBook, side: Side) -> tuple[Ticks, Lots]:
    """Price and size that a taker of ``side`` meets; (0, 0) when nobody quotes."""
    return (top.ask_ticks, top.ask_lots) if side is Side.BUY else (top.bid_ticks, top.bid_lots)


def take_towards(ctx: Context, instrument_id: int, target_lots: Lots, size_lots: Lots) -> None:
    """Take at most ``size_lots`` of what the touch displays, to bring the position nearer to its target."""
    under_way = sum(order.side * order.leaves_lots for order in ctx.orders(instrument_id).values())
    missing = target_lots - ctx.position(instrument_id) - under_way
    if missing == 0 or not accepts_orders(ctx, instrument_id):
        return
    side = Side.BUY if missing > 0 else Side.SELL
    price, displayed = touch_ticks(ctx.top(instrument_id), side)
    qty = min(abs(missing), size_lots, displayed)
    if qty > 0:
        ctx.place(instrument_id, side, qty, price, time_in_force=TimeInForce.IOC)


def threshold_direction(direction: int, signal: float, entry: float, exit_: float) -> int:
    """The side to be on, 1, -1 or 0: with a signal beyond ``entry``, and no more once it is below ``exit_``.

    Source: the entry and exit thresholds of Farmer and Joshi (2002), "The Price Dynamics of Common Trading Strategies".
    """
    if abs(signal) > entry:
        return 1 if signal > 0 else -1
    return 0 if direction * signal < exit_ else direction


def update_quotes(
    ctx: Context, instrument_id: int, bid_ticks: Ticks, bid_lots: Lots, ask_ticks: Ticks, ask_lots: Lots
) -> None:
    """Make the agent's resting quotes be these two, with as few commands as possible.

    An unchanged quote is left alone and keeps its place in the queue; a changed one is replaced. A side with
    zero lots or a price below one tick is withdrawn. Children of parent orders are not quotes and stay.
    """
    if not accepts_orders(ctx, instrument_id):
        return
    bid, ask = _quotes_at_work(ctx, instrument_id)
    if _stand(bid, ask, bid_ticks, bid_lots, ask_ticks, ask_lots):
        return
    # When both move up the ask must leave first, or the new bid would meet the agent's own old ask.
    if ask is not None and bid_ticks >= ask.price_ticks:
        _update_quote(ctx, instrument_id, Side.SELL, ask, ask_ticks, ask_lots)
        _update_quote(ctx, instrument_id, Side.BUY, bid, bid_ticks, bid_lots)
    else:
        _update_quote(ctx, instrument_id, Side.BUY, bid, bid_ticks, bid_lots)
        _update_quote(ctx, instrument_id, Side.SELL, ask, ask_ticks, ask_lots)


def quotes_stand(
    ctx: Context, instrument_id: int, bid_ticks: Ticks, bid_lots: Lots, ask_ticks: Ticks, ask_lots: Lots
) -> bool:
    """Whether the agent's resting quotes are these two, as far as it knows and has said."""
    bid, ask = _quotes_at_work(ctx, instrument_id)
    return _stand(bid, ask, bid_ticks, bid_lots, ask_ticks, ask_lots)


def _stand(
    bid: WorkingOrder | None,
    ask: WorkingOrder | None,
    bid_ticks: Ticks,
    bid_lots: Lots,
    ask_ticks: Ticks,
    ask_lots: Lots,
) -> bool:
    return _stands(bid, bid_ticks, bid_lots) and _stands(ask, ask_ticks, ask_lots)


def _stands(order: WorkingOrder | None, price_ticks: Ticks, qty_lots: Lots) -> bool:
    if order is None:
        return not (qty_lots > 0 and price_ticks > 0)
    return order.leaves_lots == qty_lots and order.price_ticks == price_ticks


def _quotes_at_work(ctx: Context, instrument_id: int) -> tuple[WorkingOrder | None, WorkingOrder | None]:
    bid = ask = None
    surplus: tuple[WorkingOrder, ...] = ()
    for order in ctx.orders(instrument_id).values():
        if order.cancel_sent or order.parent_order_id:
            continue
        if order.side is _BUY:
            if bid is None:
                bid = order
                continue
        elif ask is None:
            ask = order
            continue
        surplus = (*surplus, order)
    for order in surplus:
        ctx.cancel(instrument_id, order.client_order_id)
    return bid, ask


def _update_quote(
    ctx: Context,
    instrument_id: int,
    side: Side,
    order: WorkingOrder | None,
    price_ticks: Ticks,
    qty_lots: Lots,
) -> None:
    wanted = qty_lots > 0 and price_ticks > 0
    if order is None:
        if wanted:
            ctx.place(instrument_id, side, qty_lots, price_ticks)
    elif not wanted:
        ctx.cancel(instrument_id, order.client_order_id)
    elif order.price_ticks != price_ticks or order.leaves_lots != qty_lots:
        ctx.replace(instrument_id, order.client_order_id, qty_lots, price_ticks)


def make_passive(ctx: Context, instrument_id: int, bid_ticks: Ticks, ask_ticks: Ticks) -> tuple[Ticks, Ticks]:
    """Move quotes back so that neither takes what another agent displays: a market maker provides liquidity.

    The agent's own displayed quotes are not in the way: they move too.
    """
    top = ctx.top(instrument_id)
    takes, gives = 0 < top.ask_ticks <= bid_ticks, 0 < ask_ticks <= top.bid_ticks
    if not takes and not gives:
        return bid_ticks, ask_ticks if ask_ticks > bid_ticks else bid_ticks + 1
    own_bid, own_ask = _quotes_at_work(ctx, instrument_id)
    if takes and not _is_all_of(own_ask, top.ask_ticks, top.ask_lots):
        bid_ticks = top.ask_ticks - 1
    if gives and not _is_all_of(own_bid, top.bid_ticks, top.bid_lots):
        ask_ticks = top.bid_ticks + 1
    return bid_ticks, max(ask_ticks, bid_ticks + 1)


def others_quotes(ctx: Context, instrument_id: int) -> TopOfBook | None:
    """The top of a two-sided book in which somebody else stands at one of the best prices at least; else None."""
    top = ctx.top(instrument_id)
    if not top.is_two_sided:
        return None
    bid, ask = _quotes_at_work(ctx, instrument_id)
    alone = _is_all_of(bid, top.bid_ticks, top.bid_lots) and _is_all_of(ask, top.ask_ticks, top.ask_lots)
    return None if alone else top


def _is_all_of(order: WorkingOrder | None, price_ticks: Ticks, displayed_lots: Lots) -> bool:
    return order is not None and order.price_ticks == price_ticks and order.leaves_lots >= displayed_lots
