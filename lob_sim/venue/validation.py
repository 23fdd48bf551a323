"""What a new order must look like, whatever the state of the book."""

from __future__ import annotations

from lob_sim.book import MAX_PRICE_TICKS, MAX_QTY_LOTS, MAX_SLICES
from lob_sim.messages import NewOrder, OrderType, RejectReason, SelfTradePrevention, Side, TimeInForce
from lob_sim.units import LARGEST_INT, Lots, Ticks

# Members of an enumeration as module constants: reading them through the class costs a lookup each time.
_BUY, _SELL = Side.BUY, Side.SELL
_LIMIT, _MARKET, _STOP, _STOP_LIMIT = OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT
_GTC = TimeInForce.GTC
_NO_PREVENTION = SelfTradePrevention.NONE
_ZERO = 0


def reject_reason(command: NewOrder, step_ticks: Ticks) -> RejectReason | None:
    """Why an order can never be accepted, or None. The first flaw counts: side, quantity, prices, others.

    Args:
        command: The order; its fields may hold anything, but for the two that are the venue's, ``agent_id``
            and ``instrument_id``.
        step_ticks: The price grid.
    """
    side = command.side
    if side is not _BUY and side is not _SELL:
        return RejectReason.INVALID_SIDE
    qty_lots = command.qty_lots
    if type(qty_lots) is not int or not 0 < qty_lots <= MAX_QTY_LOTS:
        return RejectReason.INVALID_QTY
    order_type, price_ticks = command.order_type, command.price_ticks
    if order_type is _LIMIT or order_type is _STOP_LIMIT:
        if type(price_ticks) is not int or not 0 < price_ticks <= MAX_PRICE_TICKS:
            return RejectReason.INVALID_PRICE
        if step_ticks != 1 and price_ticks % step_ticks:
            return RejectReason.OFF_GRID
    elif type(price_ticks) is not int or price_ticks:
        return RejectReason.INVALID_PRICE
    client_order_id = command.client_order_id
    if type(client_order_id) is not int or not 0 < client_order_id <= LARGEST_INT:
        return RejectReason.INVALID_FIELDS
    # Identity with 0 is the quick way to see a default; whatever else stands there is checked by value.
    if (
        command.time_in_force is _GTC
        and command.hidden is False
        and command.post_only is False
        and command.display_qty_lots is _ZERO
        and command.stop_price_ticks is _ZERO
        and command.self_trade is _NO_PREVENTION
        and (order_type is _LIMIT or order_type is _MARKET)
    ):
        return None
    return _instructions_reject_reason(command, step_ticks)


def price_reject_reason(price_ticks: object, step_ticks: Ticks) -> RejectReason | None:
    """Why a price can never be a limit or a trigger, or None."""
    if type(price_ticks) is not int or not 0 < price_ticks <= MAX_PRICE_TICKS:
        return RejectReason.INVALID_PRICE
    if step_ticks != 1 and price_ticks % step_ticks:
        return RejectReason.OFF_GRID
    return None


def qty_reject_reason(qty_lots: object) -> RejectReason | None:
    """Why a quantity can never be an order's or a request's, or None."""
    return None if type(qty_lots) is int and 0 < qty_lots <= MAX_QTY_LOTS else RejectReason.INVALID_QTY


def has_too_many_slices(qty_lots: Lots, display_lots: Lots) -> bool:
    """Whether an iceberg shows less than its share.

    Every slice trades, and is told to both owners, by itself. The bound is what keeps one command from making
    events, and using time, without end.
    """
    return 0 < display_lots * MAX_SLICES < qty_lots


def _instructions_reject_reason(command: NewOrder, step_ticks: Ticks) -> RejectReason | None:
    """The rest of the checks, for an order that asks for more than a plain limit or market order."""
    order_type, time_in_force = command.order_type, command.time_in_force
    if not isinstance(order_type, OrderType) or not isinstance(time_in_force, TimeInForce):
        return RejectReason.INVALID_FIELDS
    if not isinstance(command.self_trade, SelfTradePrevention):
        return RejectReason.INVALID_FIELDS
    if type(command.hidden) is not bool or type(command.post_only) is not bool:
        return RejectReason.INVALID_FIELDS
    if order_type is _STOP or order_type is _STOP_LIMIT:
        flaw = price_reject_reason(command.stop_price_ticks, step_ticks)
        if flaw is not None:
            return flaw
    elif type(command.stop_price_ticks) is not int or command.stop_price_ticks:
        return RejectReason.INVALID_PRICE
    display_lots = command.display_qty_lots
    if type(display_lots) is not int or not 0 <= display_lots <= MAX_QTY_LOTS:
        return RejectReason.INVALID_QTY
    if has_too_many_slices(command.qty_lots, display_lots):
        return RejectReason.INVALID_QTY
    can_rest = time_in_force is _GTC and (order_type is _LIMIT or order_type is _STOP_LIMIT)
    wants_to_rest = command.hidden or command.post_only or display_lots > 0
    if wants_to_rest and not can_rest:
        return RejectReason.INVALID_FIELDS
    if (command.hidden and display_lots) or (command.post_only and order_type is _STOP_LIMIT):
        return RejectReason.INVALID_FIELDS
    return None
