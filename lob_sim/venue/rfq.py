"""The request-for-quote venue of one instrument: disclosed, firm quotes, first price.

Rules where venues differ, decided here:

- A request is one-sided or two-sided, for one quantity, and names its dealers. It trades at most once, all of
  the quantity, at the price of the quote that the asker picks (first price; not necessarily the best one).
- Last look is not modelled: an accepted quote trades, the dealer has no say any more.
- A quote is firm until it lapses. Its dealer may replace it by another, which ends the earlier one, but not
  withdraw it. A dealer that has declined is out of the request for good.
- A one-sided request is answered on that side alone; a two-sided one on either side or both.
- Times to live end exclusively: something that expires at t can no longer be used at t, whatever the order in
  which a command and the venue's clock arrive at that instant, because every command first ends what is over.
  A lapsed quote leaves its request open, and its dealer may quote again.
- Quantities and prices have the bounds of the lit book's orders, and ids and times those of the log's numbers:
  whatever else a command holds is refused, with a reason. A side and a reason to decline go by their number.
- When every dealer has declined, the request ends.
- Where there are trading days, a close ends every open request as its time would, and none opens until the next open.
- Trade ids count down from -1: within an instrument they never meet those of the lit book, which count up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec

from lob_sim.errors import InvariantError
from lob_sim.messages import (
    AcceptQuote,
    Command,
    DeclineQuote,
    DeclineReason,
    Event,
    ExpireRfqs,
    RejectReason,
    RequestQuote,
    RfqClosed,
    RfqDeclined,
    RfqEnd,
    RfqOpened,
    RfqPrint,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    SetRfqSession,
    Side,
    SubmitQuote,
    WalkAway,
)
from lob_sim.units import Ns, fits_log
from lob_sim.venue.base import DisplayedTop, Venue
from lob_sim.venue.open_requests import OpenRequests, Quote, Request
from lob_sim.venue.rfq_validation import is_number, quote_reject_reason, request_reject_reason
from lob_sim.venue.transparency import PrintQueue, TransparencyRegime

_BUY, _SELL = int(Side.BUY), int(Side.SELL)
_DECLINE_REASONS = frozenset(map(int, DeclineReason))
_MAX_DEALERS = 64


class RfqVenue(Venue):
    """Requests for quote in one instrument: commands in, events out; no clock, no randomness, no I/O.

    Args:
        instrument_id: The instrument; a command for another one is a defect of the caller.
        transparency: Who learns of the trades, and when.
        known_dealers: Agents that may be asked; ``None`` if anybody may be (all-to-all trading).
        max_dealers: Most dealers that one request may name.
    """

    commands = (RequestQuote, SubmitQuote, DeclineQuote, AcceptQuote, WalkAway, ExpireRfqs, SetRfqSession)
    public = (RfqPrint,)
    __slots__ = (
        "_closed",
        "_handlers",
        "_instrument_id",
        "_is_open",
        "_known_dealers",
        "_last_quote_id",
        "_last_trade_id",
        "_max_dealers",
        "_now_ns",
        "_prints",
        "_requests",
    )

    def __init__(
        self,
        instrument_id: int,
        *,
        transparency: TransparencyRegime,
        known_dealers: Collection[int] | None = None,
        max_dealers: int = _MAX_DEALERS,
    ) -> None:
        self._instrument_id = instrument_id
        self._known_dealers = None if known_dealers is None else frozenset(known_dealers)
        self._max_dealers = max_dealers
        self._prints = PrintQueue(transparency)
        self._requests = OpenRequests()
        # Who had been asked in what the last command ended.
        self._closed: dict[int, tuple[int, ...]] = {}
        self._last_quote_id = 0
        self._last_trade_id = 0
        self._now_ns: Ns = 0
        self._is_open = True
        self._handlers: dict[type[Command], Callable[[Any], list[Event]]] = {
            RequestQuote: self._request,
            SubmitQuote: self._quote,
            DeclineQuote: self._decline,
            AcceptQuote: self._accept,
            WalkAway: self._walk_away,
            ExpireRfqs: _nothing_more,
            SetRfqSession: self._set_session,
        }

    def change_transparency(self, from_ns: Ns, transparency: TransparencyRegime) -> None:
        """From some time on trades are published otherwise; those made before, as they were to be."""
        self._prints.change(from_ns, transparency)

    def process(self, command: Command, ts_ns: Ns) -> list[Event]:
        """Process one command that arrives at ``ts_ns``.

        What has become due by then comes first: ends of requests, then prints. A refused command is answered
        by :class:`~lob_sim.messages.RfqRejected` and has no other effect; ``client_rfq_id`` there is that of
        a refused request, 0 otherwise.

        Complexity: O(log r) for r requests not yet past their time, plus O(d) for d dealers in a request.

        Raises:
            InvariantError: A command of another instrument, or time running backwards.
        """
        if command.instrument_id != self._instrument_id:
            raise InvariantError(f"{command} went to the RFQ venue of instrument {self._instrument_id}")
        if ts_ns < self._now_ns:
            raise InvariantError(f"time ran backwards at the RFQ venue: {ts_ns} after {self._now_ns}")
        self._now_ns = ts_ns
        self._closed.clear()
        events = self._end_what_is_over()
        events += self._handlers[type(command)](command)
        return events

    def next_due_ns(self) -> Ns | None:
        """When the venue's clock must come next: a request ends or a print is due; ``None`` if neither.

        The clock is :class:`~lob_sim.messages.ExpireRfqs`. Lapsing quotes need none. Complexity: amortised
        O(log r).
        """
        next_print_ns, next_expiry_ns = self._prints.next_due_ns(), self._requests.next_expiry_ns()
        if next_expiry_ns is None or next_print_ns is None:
            return next_print_ns if next_expiry_ns is None else next_expiry_ns
        return min(next_expiry_ns, next_print_ns)

    def clock_command(self, ts_ns: Ns, top: DisplayedTop) -> ExpireRfqs:
        """End what is over and publish what is due."""
        return ExpireRfqs(self._instrument_id)

    def recipients(self, event: Any) -> Iterable[tuple[int, Event]]:
        """Asker and dealers, each what RFQ discloses to it; complexity O(dealers asked)."""
        kind = type(event)
        if kind is RfqOpened:
            return [(agent_id, event) for agent_id in (event.agent_id, *event.dealer_ids)]
        if kind is RfqClosed:
            # Dealers whose quotes lost learn that the request is over.
            return [(agent_id, event) for agent_id in (event.agent_id, *self._closed[event.rfq_id])]
        if kind is RfqTraded:
            return ((event.agent_id, event), (event.dealer_id, event))
        if kind is RfqDeclined:
            # The asker learns that the dealer declined, and not why.
            return ((event.agent_id, msgspec.structs.replace(event, reason=DeclineReason.NO_INTEREST)),)
        return ((event.agent_id, event),)

    # --- commands ------------------------------------------------------------------------------------------

    def _request(self, command: RequestQuote) -> list[Event]:
        reason = self._fault_of_request(command)
        if reason is not None:
            return self._reject(command, 0, reason, command.client_rfq_id)
        opened = self._requests.open(command, self._now_ns)
        return [
            RfqOpened(
                ts_event_ns=self._now_ns,
                instrument_id=self._instrument_id,
                rfq_id=opened.rfq_id,
                agent_id=command.agent_id,
                client_rfq_id=command.client_rfq_id,
                side=int(command.side),
                qty_lots=command.qty_lots,
                dealer_ids=command.dealer_ids,
                expires_ns=opened.expires_ns,
            )
        ]

    def _quote(self, command: SubmitQuote) -> list[Event]:
        request = self._requests.named(command.rfq_id)
        if request is None:
            return self._reject(command, command.rfq_id, RejectReason.UNKNOWN_RFQ)
        if command.agent_id not in request.undecided:
            return self._reject(command, command.rfq_id, RejectReason.NOT_ASKED)
        reason = quote_reject_reason(command, self._now_ns, request.asked.side)
        if reason is not None:
            return self._reject(command, command.rfq_id, reason)
        self._last_quote_id += 1
        quote = Quote(
            self._last_quote_id,
            command.bid_ticks,
            command.ask_ticks,
            min(self._now_ns + command.ttl_ns, request.expires_ns),
        )
        request.quotes[command.agent_id] = quote
        return [
            RfqQuoted(
                ts_event_ns=self._now_ns,
                instrument_id=self._instrument_id,
                rfq_id=request.rfq_id,
                quote_id=quote.quote_id,
                agent_id=request.asked.agent_id,
                dealer_id=command.agent_id,
                bid_ticks=quote.bid_ticks,
                ask_ticks=quote.ask_ticks,
                expires_ns=quote.expires_ns,
                client_rfq_id=request.asked.client_rfq_id,
            )
        ]

    def _decline(self, command: DeclineQuote) -> list[Event]:
        request = self._requests.named(command.rfq_id)
        if request is None:
            return self._reject(command, command.rfq_id, RejectReason.UNKNOWN_RFQ)
        if command.agent_id not in request.undecided:
            return self._reject(command, command.rfq_id, RejectReason.NOT_ASKED)
        if not is_number(command.reason) or command.reason not in _DECLINE_REASONS:
            return self._reject(command, command.rfq_id, RejectReason.INVALID_FIELDS)
        standing = request.quotes.get(command.agent_id)
        if standing is not None and self._now_ns < standing.expires_ns:
            return self._reject(command, command.rfq_id, RejectReason.QUOTE_IS_FIRM)
        request.undecided.remove(command.agent_id)
        request.quotes.pop(command.agent_id, None)
        declined = RfqDeclined(
            ts_event_ns=self._now_ns,
            instrument_id=self._instrument_id,
            rfq_id=request.rfq_id,
            agent_id=request.asked.agent_id,
            dealer_id=command.agent_id,
            reason=DeclineReason(command.reason),
            client_rfq_id=request.asked.client_rfq_id,
        )
        if request.undecided:
            return [declined]
        return [declined, self._close(request, RfqEnd.ALL_DECLINED)]

    def _accept(self, command: AcceptQuote) -> list[Event]:
        request = self._requests.named(command.rfq_id)
        if request is None:
            return self._reject(command, command.rfq_id, RejectReason.UNKNOWN_RFQ)
        asked = request.asked
        if command.agent_id != asked.agent_id:
            return self._reject(command, command.rfq_id, RejectReason.NOT_OWNER)
        quote_id = command.quote_id if type(command.quote_id) is int else 0
        found = [(d, q) for d, q in request.quotes.items() if q.quote_id == quote_id]
        if not found or self._now_ns >= found[0][1].expires_ns:
            return self._reject(command, command.rfq_id, RejectReason.UNKNOWN_QUOTE)
        dealer_id, quote = found[0]
        side = int(command.side) if is_number(command.side) else 0
        price_ticks = {_BUY: quote.ask_ticks, _SELL: quote.bid_ticks}.get(side, 0)
        if not price_ticks:  # an unknown side, or one that the dealer does not quote
            return self._reject(command, command.rfq_id, RejectReason.INVALID_SIDE)
        self._last_trade_id -= 1
        trade = RfqTraded(
            ts_event_ns=self._now_ns,
            instrument_id=self._instrument_id,
            rfq_id=request.rfq_id,
            quote_id=quote.quote_id,
            trade_id=self._last_trade_id,
            agent_id=asked.agent_id,
            dealer_id=dealer_id,
            side=Side(side),
            price_ticks=price_ticks,
            qty_lots=asked.qty_lots,
            parent_order_id=asked.parent_order_id,
        )
        return [trade, self._close(request, RfqEnd.DEALT), *self._prints.add(trade)]

    def _walk_away(self, command: WalkAway) -> list[Event]:
        request = self._requests.named(command.rfq_id)
        if request is None:
            return self._reject(command, command.rfq_id, RejectReason.UNKNOWN_RFQ)
        if command.agent_id != request.asked.agent_id:
            return self._reject(command, command.rfq_id, RejectReason.NOT_OWNER)
        return [self._close(request, RfqEnd.WALKED_AWAY)]

    def _set_session(self, command: SetRfqSession) -> list[Event]:
        self._is_open = command.is_open
        if command.is_open:
            return []
        return [self._close(request, RfqEnd.EXPIRED) for request in self._requests.all()]

    # --- parts ---------------------------------------------------------------------------------------------

    def _end_what_is_over(self) -> list[Event]:
        events: list[Event] = [self._close(request, RfqEnd.EXPIRED) for request in self._requests.over(self._now_ns)]
        events += self._prints.due(self._now_ns)
        return events

    def _fault_of_request(self, command: RequestQuote) -> RejectReason | None:
        """Why a request is refused; its own fields come first."""
        if not self._is_open:
            return RejectReason.SESSION_CLOSED
        flaw = request_reject_reason(command, self._now_ns, self._max_dealers)
        if flaw is not None:
            return flaw
        if self._known_dealers is not None and not self._known_dealers.issuperset(command.dealer_ids):
            return RejectReason.UNKNOWN_DEALER
        if self._requests.knows(command.agent_id, command.client_rfq_id):
            return RejectReason.DUPLICATE_ID
        return None

    def _close(self, request: Request, end: RfqEnd) -> RfqClosed:
        self._requests.close(request)
        self._closed[request.rfq_id] = request.asked.dealer_ids
        return RfqClosed(
            ts_event_ns=self._now_ns,
            instrument_id=self._instrument_id,
            rfq_id=request.rfq_id,
            agent_id=request.asked.agent_id,
            client_rfq_id=request.asked.client_rfq_id,
            end=end,
        )

    def _reject(
        self,
        command: RequestQuote | SubmitQuote | DeclineQuote | AcceptQuote | WalkAway,
        rfq_id: int,
        reason: RejectReason,
        client_rfq_id: int = 0,
    ) -> list[Event]:
        # The log has whole numbers of 64 bits here, so whatever else the command holds is left out.
        return [
            RfqRejected(
                ts_event_ns=self._now_ns,
                instrument_id=self._instrument_id,
                rfq_id=rfq_id if fits_log(rfq_id) else 0,
                agent_id=command.agent_id,
                client_rfq_id=client_rfq_id if fits_log(client_rfq_id) else 0,
                reason=reason,
            )
        ]

    # --- invariants ----------------------------------------------------------------------------------------

    def check(self) -> None:
        """Assert every invariant; O(open requests × dealers).

        Raises:
            InvariantError: One does not hold; says which.
        """
        self._prints.check()
        self._requests.check(self._now_ns, self._last_quote_id)


def _nothing_more(command: ExpireRfqs) -> list[Event]:
    # The clock does nothing but what every command does first.
    return []
