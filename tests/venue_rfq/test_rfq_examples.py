"""The RFQ venue, by example: whole lists of events."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

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
    Side,
    SubmitQuote,
    WalkAway,
)
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.transparency import Transparency, TransparencyRegime

DARK = TransparencyRegime()
OPEN = TransparencyRegime(Transparency.IMMEDIATE)
LATE = TransparencyRegime(Transparency.DELAYED, 50)
CLIENT, OTHER = 9, 8
A, B, C, STRANGER = 1, 2, 3, 4
TTL = 100
X = 7  # instrument


def venue(transparency: TransparencyRegime = DARK) -> RfqVenue:
    return RfqVenue(X, transparency=transparency, known_dealers=[A, B, C, OTHER], max_dealers=3)


def ask(
    side: int = 1,
    qty: int = 5,
    dealers: tuple[int, ...] = (A, B),
    ttl: int = TTL,
    client_rfq_id: int = 41,
    agent: int = CLIENT,
    parent: int = 0,
) -> RequestQuote:
    return RequestQuote(X, agent, client_rfq_id, side, qty, dealers, ttl, parent)


def quote(dealer: int, bid: int, ask_ticks: int, ttl: int = 50, rfq_id: int = 1) -> SubmitQuote:
    return SubmitQuote(X, dealer, rfq_id, bid, ask_ticks, ttl)


def take(quote_id: int, side: Side = Side.BUY, agent: int = CLIENT, rfq_id: int = 1) -> AcceptQuote:
    return AcceptQuote(X, agent, rfq_id, quote_id, side)


def opened(ts: int, rfq_id: int = 1, side: int = 1, client_rfq_id: int = 41) -> RfqOpened:
    return RfqOpened(ts, X, rfq_id, CLIENT, client_rfq_id, side, 5, (A, B), ts + TTL)


def quoted(ts: int, quote_id: int, dealer: int, bid: int, ask_ticks: int, until: int) -> RfqQuoted:
    return RfqQuoted(ts, X, 1, quote_id, CLIENT, dealer, bid, ask_ticks, until, 41)


def closed(ts: int, end: RfqEnd, rfq_id: int = 1, client_rfq_id: int = 41) -> RfqClosed:
    return RfqClosed(ts, X, rfq_id, CLIENT, client_rfq_id, end)


def refused(ts: int, agent: int, reason: RejectReason, rfq_id: int = 1, client: int = 0) -> RfqRejected:
    return RfqRejected(ts, X, rfq_id, agent, client, reason)


def play(v: RfqVenue, *script: tuple[int, Command]) -> list[Event]:
    events: list[Event] = []
    for ts, command in script:
        events += v.process(command, ts)
        v.check()
    return events


def test_ask_two_dealers_and_deal_at_the_chosen_price() -> None:
    v = venue()
    assert play(
        v,
        (10, ask(parent=77)),
        (20, quote(A, 0, 1003)),
        (30, quote(B, 0, 1002)),
        (40, take(2)),
    ) == [
        opened(10),
        quoted(20, 1, A, 0, 1003, 70),
        quoted(30, 2, B, 0, 1002, 80),
        RfqTraded(40, X, 1, 2, -1, CLIENT, B, Side.BUY, 1002, 5, 77),
        closed(40, RfqEnd.DEALT),
    ]
    assert v.next_due_ns() is None
    assert play(v, (200, ExpireRfqs(X))) == []


def test_first_price_and_not_the_best_one() -> None:
    traded = play(venue(), (0, ask()), (1, quote(A, 0, 1003)), (1, quote(B, 0, 1002)), (2, take(1)))[3]
    assert isinstance(traded, RfqTraded)
    assert (traded.dealer_id, traded.price_ticks) == (A, 1003)


def test_a_two_sided_request_is_dealt_on_either_side() -> None:
    for side, price in ((Side.BUY, 1003), (Side.SELL, 998)):
        events = play(venue(), (0, ask(side=0)), (1, quote(A, 998, 1003)), (2, take(1, side)))
        assert events == [
            opened(0, side=0),
            quoted(1, 1, A, 998, 1003, 51),
            RfqTraded(2, X, 1, 1, -1, CLIENT, A, side, price, 5, 0),
            closed(2, RfqEnd.DEALT),
        ]


def test_a_two_sided_request_may_be_answered_on_one_side() -> None:
    events = play(venue(), (0, ask(side=0)), (1, quote(A, 998, 0)), (2, take(1)), (3, take(1, Side.SELL)))
    assert events[2] == refused(2, CLIENT, RejectReason.INVALID_SIDE)
    assert events[3] == RfqTraded(3, X, 1, 1, -1, CLIENT, A, Side.SELL, 998, 5, 0)


def test_a_request_to_sell() -> None:
    events = play(venue(), (0, ask(side=-1)), (1, quote(A, 998, 0)), (2, take(1, Side.SELL)))
    assert events[2] == RfqTraded(2, X, 1, 1, -1, CLIENT, A, Side.SELL, 998, 5, 0)


def test_all_dealers_decline() -> None:
    toxic = DeclineReason.TOXIC_CLIENT
    assert play(
        venue(),
        (10, ask()),
        (20, DeclineQuote(X, B, 1, toxic)),
        (30, DeclineQuote(X, A, 1)),
        (40, quote(A, 0, 1003)),
    ) == [
        opened(10),
        RfqDeclined(20, X, 1, CLIENT, B, toxic, 41),
        RfqDeclined(30, X, 1, CLIENT, A, DeclineReason.NO_INTEREST, 41),
        closed(30, RfqEnd.ALL_DECLINED),
        refused(40, A, RejectReason.UNKNOWN_RFQ),
    ]


def test_a_decline_is_final() -> None:
    events = play(
        venue(),
        (0, ask()),
        (1, DeclineQuote(X, A, 1)),
        (2, quote(A, 0, 1003)),
        (3, DeclineQuote(X, A, 1)),
        (4, quote(B, 0, 1004)),
    )
    assert events[2:] == [
        refused(2, A, RejectReason.NOT_ASKED),
        refused(3, A, RejectReason.NOT_ASKED),
        quoted(4, 1, B, 0, 1004, 54),
    ]


def test_the_asker_walks_away() -> None:
    assert play(
        venue(),
        (0, ask()),
        (1, quote(A, 0, 1003)),
        (2, WalkAway(X, CLIENT, 1)),
        (3, take(1)),
        (4, WalkAway(X, CLIENT, 1)),
    )[2:] == [
        closed(2, RfqEnd.WALKED_AWAY),
        refused(3, CLIENT, RejectReason.UNKNOWN_RFQ),
        refused(4, CLIENT, RejectReason.UNKNOWN_RFQ),
    ]


def test_a_new_quote_replaces_the_dealers_earlier_one() -> None:
    assert play(venue(), (0, ask()), (1, quote(A, 0, 1003)), (2, quote(A, 0, 1001)), (3, take(1)), (4, take(2)))[
        1:
    ] == [
        quoted(1, 1, A, 0, 1003, 51),
        quoted(2, 2, A, 0, 1001, 52),
        refused(3, CLIENT, RejectReason.UNKNOWN_QUOTE),
        RfqTraded(4, X, 1, 2, -1, CLIENT, A, Side.BUY, 1001, 5, 0),
        closed(4, RfqEnd.DEALT),
    ]


def test_a_refused_replacement_leaves_the_quote_standing() -> None:
    events = play(venue(), (0, ask()), (1, quote(A, 0, 1003)), (2, quote(A, 0, -1)), (3, take(1)))
    assert events[2] == refused(2, A, RejectReason.INVALID_PRICE)
    assert isinstance(events[3], RfqTraded)


def test_a_firm_quote_cannot_be_withdrawn_until_it_lapses() -> None:
    assert play(venue(), (0, ask()), (1, quote(A, 0, 1003)), (50, DeclineQuote(X, A, 1)), (51, DeclineQuote(X, A, 1)))[
        2:
    ] == [
        refused(50, A, RejectReason.QUOTE_IS_FIRM),
        RfqDeclined(51, X, 1, CLIENT, A, DeclineReason.NO_INTEREST, 41),
    ]


# --- time ------------------------------------------------------------------------------------------------


def test_a_quote_lapses_exactly_at_its_time() -> None:
    just_before = play(venue(), (0, ask()), (10, quote(A, 0, 1003, ttl=20)), (29, take(1)))
    assert isinstance(just_before[2], RfqTraded)
    v = venue()
    assert play(v, (0, ask()), (10, quote(A, 0, 1003, ttl=20)), (30, take(1)))[2:] == [
        refused(30, CLIENT, RejectReason.UNKNOWN_QUOTE)
    ]
    # The request is still open, and the same dealer may quote again.
    assert play(v, (31, quote(A, 0, 1005)), (32, take(2)))[1:] == [
        RfqTraded(32, X, 1, 2, -1, CLIENT, A, Side.BUY, 1005, 5, 0),
        closed(32, RfqEnd.DEALT),
    ]


def test_a_quote_lapses_with_its_request() -> None:
    assert play(venue(), (0, ask()), (10, quote(A, 0, 1003, ttl=1000)))[1] == quoted(10, 1, A, 0, 1003, TTL)


@pytest.mark.parametrize("clock_first", [True, False])
def test_a_request_expires_exactly_at_its_time_whatever_comes_first(clock_first: bool) -> None:
    start = [(0, ask()), (10, quote(A, 0, 1003, ttl=1000))]
    just_before = play(venue(), *start, (TTL - 1, take(1)))
    assert isinstance(just_before[2], RfqTraded)
    last: list[tuple[int, Command]] = [(TTL, take(1)), (TTL, ExpireRfqs(X))]
    assert play(venue(), *start, *(reversed(last) if clock_first else last))[2:] == [
        closed(TTL, RfqEnd.EXPIRED),
        refused(TTL, CLIENT, RejectReason.UNKNOWN_RFQ),
    ]


def test_requests_expire_in_order_of_time_then_of_opening() -> None:
    v = venue()
    play(
        v,
        (0, ask(ttl=30, client_rfq_id=1)),
        (0, ask(ttl=20, client_rfq_id=2)),
        (10, ask(ttl=20, client_rfq_id=3)),
    )
    assert v.next_due_ns() == 20
    assert play(v, (19, ExpireRfqs(X))) == []
    assert play(v, (30, ExpireRfqs(X))) == [
        closed(30, RfqEnd.EXPIRED, 2, 2),
        closed(30, RfqEnd.EXPIRED, 1, 1),
        closed(30, RfqEnd.EXPIRED, 3, 3),
    ]
    assert v.next_due_ns() is None


def test_the_clock_follows_the_open_requests() -> None:
    v = venue()
    assert v.next_due_ns() is None
    play(v, (0, ask(ttl=30, client_rfq_id=1)), (0, ask(ttl=20, client_rfq_id=2)))
    assert v.next_due_ns() == 20
    play(v, (1, WalkAway(X, CLIENT, 2)))
    assert v.next_due_ns() == 30
    play(v, (1, WalkAway(X, CLIENT, 1)))
    assert v.next_due_ns() is None


# --- transparency ----------------------------------------------------------------------------------------


def deal(transparency: TransparencyRegime) -> tuple[RfqVenue, list[Event]]:
    v = venue(transparency)
    return v, play(v, (0, ask()), (10, quote(A, 0, 1003)), (20, take(1)))[2:]


def test_no_transparency_prints_nothing() -> None:
    v, events = deal(DARK)
    assert [type(e) for e in events] == [RfqTraded, RfqClosed]
    assert v.next_due_ns() is None
    assert play(v, (10**12, ExpireRfqs(X))) == []


def test_immediate_transparency_prints_with_the_trade() -> None:
    v, events = deal(OPEN)
    assert events[2:] == [RfqPrint(20, X, -1, 20, 1003, 5, Side.BUY)]
    assert v.next_due_ns() is None


def test_delayed_transparency_prints_when_due() -> None:
    v, events = deal(LATE)
    assert [type(e) for e in events] == [RfqTraded, RfqClosed]
    assert v.next_due_ns() == 70
    assert play(v, (69, ExpireRfqs(X))) == []
    assert play(v, (70, ExpireRfqs(X))) == [RfqPrint(70, X, -1, 20, 1003, 5, Side.BUY)]
    assert v.next_due_ns() is None


def test_a_print_names_no_agent() -> None:
    assert not [name for name in RfqPrint.__struct_fields__ if "agent" in name or "dealer" in name]


def test_the_clock_serves_requests_and_prints() -> None:
    v, _ = deal(LATE)
    play(v, (21, ask(ttl=10, client_rfq_id=42)), (22, ask(ttl=48, client_rfq_id=43)))
    assert v.next_due_ns() == 31
    assert play(v, (31, ExpireRfqs(X))) == [closed(31, RfqEnd.EXPIRED, 2, 42)]
    assert v.next_due_ns() == 70
    assert play(v, (70, ExpireRfqs(X))) == [
        closed(70, RfqEnd.EXPIRED, 3, 43),
        RfqPrint(70, X, -1, 20, 1003, 5, Side.BUY),
    ]


def test_trade_ids_count_down() -> None:
    v = venue(OPEN)
    events: list[Event] = []
    for i in (1, 2, 3):
        events += play(v, (i, ask(client_rfq_id=i)), (i, quote(A, 0, 1003, rfq_id=i)), (i, take(i, rfq_id=i)))
    assert [e.trade_id for e in events if isinstance(e, RfqTraded)] == [-1, -2, -3]
    assert [e.trade_id for e in events if isinstance(e, RfqPrint)] == [-1, -2, -3]


# --- refusals --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (ask(side=2), RejectReason.INVALID_SIDE),
        (ask(qty=0), RejectReason.INVALID_QTY),
        (ask(qty=-5), RejectReason.INVALID_QTY),
        (ask(qty=2**63), RejectReason.INVALID_QTY),
        (ask(qty=2**53 + 1), RejectReason.INVALID_QTY),
        (ask(qty=1.5), RejectReason.INVALID_QTY),  # type: ignore[arg-type]
        (ask(qty=True), RejectReason.INVALID_QTY),
        (ask(side=True), RejectReason.INVALID_SIDE),
        (ask(side=1.0), RejectReason.INVALID_SIDE),  # type: ignore[arg-type]
        (ask(ttl=math.nan), RejectReason.INVALID_FIELDS),  # type: ignore[arg-type]
        (ask(ttl=1e9), RejectReason.INVALID_FIELDS),  # type: ignore[arg-type]
        (ask(ttl=2**63), RejectReason.INVALID_FIELDS),
        (ask(dealers=(None,)), RejectReason.INVALID_FIELDS),  # type: ignore[arg-type]
        (ask(dealers=[A, B]), RejectReason.INVALID_FIELDS),  # type: ignore[arg-type]
        (ask(dealers=(A, 2**63)), RejectReason.INVALID_FIELDS),
        (ask(client_rfq_id=0), RejectReason.INVALID_FIELDS),
        (ask(parent=2**63), RejectReason.INVALID_FIELDS),
        (ask(ttl=0), RejectReason.INVALID_FIELDS),
        (ask(ttl=-1), RejectReason.INVALID_FIELDS),
        (ask(dealers=()), RejectReason.INVALID_FIELDS),
        (ask(dealers=(A, B, C, OTHER)), RejectReason.INVALID_FIELDS),
        (ask(dealers=(B, A)), RejectReason.INVALID_FIELDS),
        (ask(dealers=(A, A)), RejectReason.INVALID_FIELDS),
        (ask(dealers=(A, OTHER), agent=OTHER), RejectReason.INVALID_FIELDS),
        (ask(dealers=(A, STRANGER)), RejectReason.UNKNOWN_DEALER),
    ],
)
def test_a_refused_request_changes_nothing(request_: RequestQuote, reason: RejectReason) -> None:
    v = venue()
    assert play(v, (5, request_)) == [refused(5, request_.agent_id, reason, rfq_id=0, client=request_.client_rfq_id)]
    assert v.next_due_ns() is None
    # Neither its client id nor a number of the venue is spent.
    assert play(v, (5, ask())) == [opened(5)]


def test_a_client_id_is_used_once_per_agent() -> None:
    v = venue()
    play(v, (0, ask()), (1, WalkAway(X, CLIENT, 1)))
    assert play(v, (2, ask())) == [refused(2, CLIENT, RejectReason.DUPLICATE_ID, rfq_id=0, client=41)]
    assert isinstance(play(v, (3, ask(agent=OTHER)))[0], RfqOpened)


@pytest.mark.parametrize(
    ("side", "command", "reason"),
    [
        (1, quote(A, 0, 1003, rfq_id=2), RejectReason.UNKNOWN_RFQ),
        (1, quote(C, 0, 1003), RejectReason.NOT_ASKED),
        (1, quote(CLIENT, 0, 1003), RejectReason.NOT_ASKED),
        (1, quote(A, 0, 1003, ttl=0), RejectReason.INVALID_FIELDS),
        (1, quote(A, 0, 0), RejectReason.INVALID_PRICE),
        (1, quote(A, 0, -3), RejectReason.INVALID_PRICE),
        (1, quote(A, 998, 0), RejectReason.INVALID_SIDE),
        (1, quote(A, 998, 1003), RejectReason.INVALID_SIDE),
        (-1, quote(A, 0, 1003), RejectReason.INVALID_SIDE),
        (-1, quote(A, 998, 1003), RejectReason.INVALID_SIDE),
        (0, quote(A, 1003, 1003), RejectReason.INVALID_PRICE),
        (0, quote(A, 1004, 1003), RejectReason.INVALID_PRICE),
        (0, quote(A, -1, 1003), RejectReason.INVALID_PRICE),
        (1, DeclineQuote(X, A, 2), RejectReason.UNKNOWN_RFQ),
        (1, DeclineQuote(X, C, 1), RejectReason.NOT_ASKED),
        (1, WalkAway(X, CLIENT, 2), RejectReason.UNKNOWN_RFQ),
        (1, WalkAway(X, OTHER, 1), RejectReason.NOT_OWNER),
        (1, take(1, rfq_id=2), RejectReason.UNKNOWN_RFQ),
        (1, take(1, agent=OTHER), RejectReason.NOT_OWNER),
        (1, take(1, agent=B), RejectReason.NOT_OWNER),
        (1, take(2), RejectReason.UNKNOWN_QUOTE),
    ],
)
def test_a_refused_command_changes_nothing(side: int, command: Command, reason: RejectReason) -> None:
    bid, ask_ticks = (997, 0) if side == -1 else (0, 1009)
    follow_up: tuple[tuple[int, Command], ...] = (
        (7, quote(A, bid, ask_ticks)),
        (8, take(2, Side.SELL if side == -1 else Side.BUY)),
    )

    def run(extra: Callable[[RfqVenue], list[Event]]) -> tuple[list[Event], list[Event]]:
        v = venue(OPEN)
        play(v, (0, ask(side=side)), (1, quote(B, bid, ask_ticks)))
        return extra(v), play(v, *follow_up)

    answer, after = run(lambda v: play(v, (6, command)))
    rfq_id = command.rfq_id  # type: ignore[attr-defined]
    assert answer == [refused(6, command.agent_id, reason, rfq_id=rfq_id)]  # type: ignore[attr-defined]
    assert after == run(lambda v: [])[1]


def test_accepting_a_side_that_is_not_quoted_or_does_not_exist() -> None:
    for side in (Side.SELL, 0, 5):
        events = play(venue(), (0, ask()), (1, quote(A, 0, 1003)), (2, take(1, side)))  # type: ignore[arg-type]
        assert events[2] == refused(2, CLIENT, RejectReason.INVALID_SIDE)


def test_a_quote_of_another_request_is_unknown() -> None:
    v = venue()
    play(v, (0, ask()), (0, ask(client_rfq_id=42)), (1, quote(A, 0, 1003, rfq_id=1)))
    assert play(v, (2, take(1, rfq_id=2))) == [refused(2, CLIENT, RejectReason.UNKNOWN_QUOTE, rfq_id=2)]


def test_anybody_may_be_asked_when_no_dealers_are_named() -> None:
    v = RfqVenue(X, transparency=DARK)
    assert isinstance(v.process(ask(dealers=(A, STRANGER)), 0)[0], RfqOpened)


def test_defects_of_the_caller_crash() -> None:
    v = venue()
    v.process(ask(), 10)
    with pytest.raises(InvariantError, match="backwards"):
        v.process(ExpireRfqs(X), 9)
    with pytest.raises(InvariantError, match="instrument 7"):
        v.process(ExpireRfqs(X + 1), 10)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (quote(A, 0, 2**62), RejectReason.INVALID_PRICE),
        (quote(A, 0, 2**53 + 1), RejectReason.INVALID_PRICE),
        (quote(A, 0, 1003.0), RejectReason.INVALID_PRICE),  # type: ignore[arg-type]
        (quote(A, None, 1003), RejectReason.INVALID_PRICE),  # type: ignore[arg-type]
        (quote(A, 0, 1003, ttl=math.nan), RejectReason.INVALID_FIELDS),  # type: ignore[arg-type]
        (quote(A, 0, 1003, ttl=2**63 - 1), RejectReason.INVALID_FIELDS),  # ends after the log's last instant
        (DeclineQuote(X, A, 1, 9), RejectReason.INVALID_FIELDS),  # type: ignore[arg-type]
        (DeclineQuote(X, A, [1]), RejectReason.UNKNOWN_RFQ),  # type: ignore[arg-type]
        (quote(A, 0, 1003, rfq_id=True), RejectReason.UNKNOWN_RFQ),
        (take(1.0), RejectReason.UNKNOWN_QUOTE),  # type: ignore[arg-type]
        (take(1, side=True), RejectReason.INVALID_SIDE),  # type: ignore[arg-type]
        (take(1, side=5), RejectReason.INVALID_SIDE),  # type: ignore[arg-type]
        (WalkAway(X, CLIENT, None), RejectReason.UNKNOWN_RFQ),  # type: ignore[arg-type]
    ],
)
def test_what_no_number_of_the_log_is_or_is_too_large_is_refused_and_changes_nothing(
    answer: Command, reason: RejectReason
) -> None:
    v = venue()
    play(v, (1, ask()), (2, quote(B, 0, 1004, ttl=90)))
    (event,) = v.process(answer, 3)
    assert isinstance(event, RfqRejected)
    assert event.reason is reason
    # The control: the request and the quote stand, and the largest numbers deal.
    assert [type(e) for e in v.process(take(1), 4)] == [RfqTraded, RfqClosed]
    events = play(v, (5, ask(qty=2**53, client_rfq_id=42)), (6, quote(A, 0, 2**53, rfq_id=2)), (7, take(2, rfq_id=2)))
    (dealt,) = (e for e in events if isinstance(e, RfqTraded))
    assert (dealt.price_ticks, dealt.qty_lots) == (2**53, 2**53)


def test_an_id_that_the_log_cannot_hold_is_left_out_of_the_refusal() -> None:
    v = venue()
    (event,) = v.process(WalkAway(X, CLIENT, 2**63), 1)
    assert event == RfqRejected(1, X, 0, CLIENT, 0, RejectReason.UNKNOWN_RFQ)
    (event,) = v.process(ask(client_rfq_id=2**63), 1)
    assert event == RfqRejected(1, X, 0, CLIENT, 0, RejectReason.INVALID_FIELDS)
