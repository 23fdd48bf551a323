"""The requests for quote that have not ended, by their numbers and by when they do."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

import msgspec

from lob_sim.errors import InvariantError
from lob_sim.messages import RequestQuote, Side
from lob_sim.units import Ns, Ticks

_BUY, _SELL = int(Side.BUY), int(Side.SELL)


class Quote(msgspec.Struct, frozen=True, gc=False):
    """A standing quote; 0 for a side that is not quoted."""

    quote_id: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    expires_ns: Ns


class Request(msgspec.Struct):
    """An open request; a dealer leaves ``undecided`` for good when it declines."""

    rfq_id: int
    asked: RequestQuote
    expires_ns: Ns
    undecided: set[int]
    quotes: dict[int, Quote]


class OpenRequests:
    """What is open at one venue, and which numbers its askers have used."""

    __slots__ = ("_client_ids", "_expiries", "_last_id", "_open")

    def __init__(self) -> None:
        self._open: dict[int, Request] = {}
        self._client_ids: set[tuple[int, int]] = set()
        # By time of expiry, then of opening. Requests that end earlier stay until they come up.
        self._expiries: list[tuple[Ns, int]] = []
        self._last_id = 0

    def open(self, asked: RequestQuote, now_ns: Ns) -> Request:
        """A new request, with the next number; O(log requests)."""
        self._client_ids.add((asked.agent_id, asked.client_rfq_id))
        self._last_id = rfq_id = self._last_id + 1
        request = Request(rfq_id, asked, now_ns + asked.ttl_ns, set(asked.dealer_ids), {})
        self._open[rfq_id] = request
        heappush(self._expiries, (request.expires_ns, rfq_id))
        return request

    def close(self, request: Request) -> None:
        """A request has ended."""
        del self._open[request.rfq_id]

    def knows(self, agent_id: int, client_rfq_id: int) -> bool:
        """Whether an asker has used a number before."""
        return (agent_id, client_rfq_id) in self._client_ids

    def named(self, rfq_id: object) -> Request | None:
        """The open request of a number, whatever it is."""
        return self._open.get(rfq_id) if type(rfq_id) is int else None

    def all(self) -> list[Request]:
        """Every open request, in order of opening."""
        return list(self._open.values())

    def over(self, now_ns: Ns) -> Iterator[Request]:
        """Those whose time has come, in order of that; each is to be closed before the next is asked for."""
        while self._expiries and self._expiries[0][0] <= now_ns:
            request = self._open.get(heappop(self._expiries)[1])
            if request is not None:
                yield request

    def next_expiry_ns(self) -> Ns | None:
        """When the next one ends by itself; amortised O(log requests)."""
        while self._expiries and self._expiries[0][1] not in self._open:
            heappop(self._expiries)
        return self._expiries[0][0] if self._expiries else None

    def check(self, now_ns: Ns, last_quote_id: int) -> None:
        """Assert every invariant; O(open requests × dealers).

        Raises:
            InvariantError: One does not hold; says which.
        """
        scheduled = set(self._expiries)
        for rfq_id, request in self._open.items():
            asked = request.asked
            _check_request(rfq_id, request, now_ns, last_quote_id)
            _must(0 < rfq_id <= self._last_id, f"request {rfq_id} has a wrong id")
            _must(self.knows(asked.agent_id, asked.client_rfq_id), f"request {rfq_id} has an unrecorded client id")
            _must((request.expires_ns, rfq_id) in scheduled, f"request {rfq_id} would never expire")
        quote_ids = [q.quote_id for r in self._open.values() for q in r.quotes.values()]
        _must(len(quote_ids) == len(set(quote_ids)), "two standing quotes share an id")


def _check_request(rfq_id: int, request: Request, now_ns: Ns, last_quote_id: int) -> None:
    what, asked = f"request {rfq_id}", request.asked
    _must(rfq_id == request.rfq_id, f"{what} has a wrong id")
    _must(request.expires_ns > now_ns, f"{what} is over but open")
    _must(bool(request.undecided), f"{what} is open though all dealers declined")
    _must(request.undecided <= set(asked.dealer_ids), f"{what} waits for a dealer that was not asked")
    _must(request.quotes.keys() <= request.undecided, f"{what} has a quote of a dealer that is out")
    for quote in request.quotes.values():
        prices = (quote.bid_ticks, quote.ask_ticks)
        _must(0 < quote.quote_id <= last_quote_id, f"{what} has a quote of a wrong id")
        _must(quote.expires_ns <= request.expires_ns, f"{what} has a quote that outlives it")
        _must(min(prices) >= 0 < max(prices), f"{what} has a quote without a price")
        _must(0 in prices or quote.bid_ticks < quote.ask_ticks, f"{what} has a crossed quote")
        _must(asked.side != _BUY or quote.bid_ticks == 0, f"{what} to buy has a bid")
        _must(asked.side != _SELL or quote.ask_ticks == 0, f"{what} to sell has an ask")


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise InvariantError(what)
