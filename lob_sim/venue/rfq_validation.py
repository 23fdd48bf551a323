"""Whether commands of the RFQ venue are well formed: what can be said of each by itself when it arrives."""

from __future__ import annotations

from itertools import pairwise

from lob_sim.book import MAX_PRICE_TICKS
from lob_sim.messages import RejectReason, RequestQuote, Side, SubmitQuote
from lob_sim.units import LARGEST_INT, Ns, fits_log
from lob_sim.venue.validation import qty_reject_reason

_BUY, _SELL, _TWO_SIDED = int(Side.BUY), int(Side.SELL), 0
_SIDES = frozenset((_BUY, _SELL, _TWO_SIDED))


def request_reject_reason(command: RequestQuote, now_ns: Ns, max_dealers: int) -> RejectReason | None:
    """The first flaw of a request's fields, in this order: side, quantity, time to live, ids, dealers."""
    dealers = command.dealer_ids
    if not is_number(command.side) or command.side not in _SIDES:
        return RejectReason.INVALID_SIDE
    if qty_reject_reason(command.qty_lots) is not None:
        return RejectReason.INVALID_QTY
    if not _is_time_to_live(command.ttl_ns, now_ns):
        return RejectReason.INVALID_FIELDS
    if not fits_log(command.client_rfq_id) or command.client_rfq_id <= 0 or not fits_log(command.parent_order_id):
        return RejectReason.INVALID_FIELDS
    if type(dealers) is not tuple or not 0 < len(dealers) <= max_dealers:
        return RejectReason.INVALID_FIELDS
    if not all(map(fits_log, dealers)):
        return RejectReason.INVALID_FIELDS
    if any(a >= b for a, b in pairwise(dealers)) or command.agent_id in dealers:
        return RejectReason.INVALID_FIELDS
    return None


def quote_reject_reason(command: SubmitQuote, now_ns: Ns, asked_side: int) -> RejectReason | None:
    """The first flaw of a quote's fields, given the side that was asked for, 0 for both."""
    bid_ticks, ask_ticks = command.bid_ticks, command.ask_ticks
    if not _is_time_to_live(command.ttl_ns, now_ns):
        return RejectReason.INVALID_FIELDS
    if not _is_quoted_price(bid_ticks) or not _is_quoted_price(ask_ticks) or not (bid_ticks or ask_ticks):
        return RejectReason.INVALID_PRICE
    if (asked_side == _BUY and bid_ticks) or (asked_side == _SELL and ask_ticks):
        return RejectReason.INVALID_SIDE
    if bid_ticks and ask_ticks and bid_ticks >= ask_ticks:
        return RejectReason.INVALID_PRICE
    return None


def is_number(value: object) -> bool:
    """Whether something is a number as an enumeration's members are; ``True`` is not, though it equals 1."""
    return isinstance(value, int) and not isinstance(value, bool)


def _is_time_to_live(ttl_ns: object, now_ns: Ns) -> bool:
    """Whether something may stand so long; its end must fit the log."""
    return type(ttl_ns) is int and 0 < ttl_ns <= LARGEST_INT - now_ns


def _is_quoted_price(ticks: object) -> bool:
    """Whether a price can be quoted; 0 is that of a side that is not."""
    return type(ticks) is int and 0 <= ticks <= MAX_PRICE_TICKS
