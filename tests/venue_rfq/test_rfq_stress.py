"""The RFQ venue against an independent, naive one, and its invariant check against planted faults."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from lob_sim.convert import convert_strict
from lob_sim.errors import InputError, InvariantError
from lob_sim.messages import (
    AcceptQuote,
    Command,
    DeclineQuote,
    DeclineReason,
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
from lob_sim.venue.transparency import PrintQueue, Transparency, TransparencyRegime

AGENTS, DEALERS, MAX_DEALERS = range(8), (0, 1, 2, 3, 4), 3
LARGEST, WORD = 2**53, 2**63
NONSENSE: list[Any] = [None, 1.0, float("nan"), True, "7", [1], (), 0, -1, LARGEST + 1, WORD, -WORD - 1, 10**30]


def whole(value: object, low: int, high: int) -> bool:
    """Whether a value is a plain whole number from ``low`` to ``high``."""
    return type(value) is int and low <= value <= high


def word(value: Any) -> Any:
    """What an answer says of an id: the id, or 0 where it is no number of the log."""
    return value if whole(value, -WORD, WORD - 1) else 0


class NaiveVenue:
    """The rules once more, with dictionaries that only ever grow and a scan for every question."""

    def __init__(self, delay: int | None) -> None:
        self.delay = delay
        self.rfqs: list[dict[str, Any]] = []
        self.quotes: list[dict[Any, Any]] = []
        self.trades: list[dict[str, Any]] = []
        self.now = 0

    def is_open(self, number: Any) -> bool:
        return type(number) is int and 1 <= number <= len(self.rfqs) and self.rfqs[number - 1]["end"] is None

    def close(self, number: int, end: str) -> tuple[Any, ...]:
        rfq = self.rfqs[number - 1]
        rfq["end"] = end
        return ("closed", number, rfq["by"], rfq["client"], end)

    def next_due(self) -> int | None:
        times = [r["until"] for r in self.rfqs if r["end"] is None]
        times += [t["at"] + self.delay for t in self.trades if not t["printed"] and self.delay is not None]
        return min(times, default=None)

    def pass_time(self, now: int) -> list[tuple[Any, ...]]:
        self.now = now
        over = [(r["until"], n) for n, r in enumerate(self.rfqs, 1) if r["end"] is None and r["until"] <= now]
        return [self.close(n, "EXPIRED") for _, n in sorted(over)] + self.print_due()

    def print_due(self) -> list[tuple[Any, ...]]:
        out: list[tuple[Any, ...]] = []
        for number, trade in enumerate(self.trades, 1):
            if self.delay is not None and not trade["printed"] and trade["at"] + self.delay <= self.now:
                trade["printed"] = True
                out.append(("print", -number, trade["at"], trade["price"], trade["qty"], trade["side"]))
        return out

    def ask(self, c: RequestQuote) -> list[tuple[Any, ...]]:
        if type(c.side) not in (int, Side) or c.side not in (-1, 0, 1):
            return [("no", 0, c.agent_id, word(c.client_rfq_id), "INVALID_SIDE")]
        if not whole(c.qty_lots, 1, LARGEST):
            return [("no", 0, c.agent_id, word(c.client_rfq_id), "INVALID_QTY")]
        are_ids = isinstance(c.dealer_ids, tuple) and all(whole(d, -WORD, WORD - 1) for d in c.dealer_ids)
        if not are_ids or not whole(c.ttl_ns, 1, WORD - 1 - self.now):
            return [("no", 0, c.agent_id, word(c.client_rfq_id), "INVALID_FIELDS")]
        why = None
        if any(r["by"] == c.agent_id and r["client"] == c.client_rfq_id for r in self.rfqs):
            why = "DUPLICATE_ID"
        if [d for d in c.dealer_ids if d not in DEALERS]:
            why = "UNKNOWN_DEALER"
        if list(c.dealer_ids) != sorted(set(c.dealer_ids)) or c.agent_id in c.dealer_ids:
            why = "INVALID_FIELDS"
        if len(c.dealer_ids) < 1 or len(c.dealer_ids) > MAX_DEALERS:
            why = "INVALID_FIELDS"
        if not whole(c.client_rfq_id, 1, WORD - 1) or not whole(c.parent_order_id, -WORD, WORD - 1):
            why = "INVALID_FIELDS"
        if why:
            return [("no", 0, c.agent_id, word(c.client_rfq_id), why)]
        self.rfqs.append(
            {
                "by": c.agent_id,
                "client": c.client_rfq_id,
                "side": c.side,
                "qty": c.qty_lots,
                "asked": list(c.dealer_ids),
                "out": [],
                "until": self.now + c.ttl_ns,
                "parent": c.parent_order_id,
                "end": None,
            }
        )
        number = len(self.rfqs)
        return [
            (
                "opened",
                number,
                c.agent_id,
                c.client_rfq_id,
                c.side,
                c.qty_lots,
                c.dealer_ids,
                self.now + c.ttl_ns,
            )
        ]

    def live_quote(self, number: int, dealer: int) -> int | None:
        """Index of the dealer's last quote in a request, if it still stands."""
        own = [i for i, q in enumerate(self.quotes) if q["rfq"] == number and q["dealer"] == dealer]
        return own[-1] if own and self.quotes[own[-1]]["until"] > self.now else None

    def answer(self, c: SubmitQuote | DeclineQuote) -> list[tuple[Any, ...]]:
        if not self.is_open(c.rfq_id):
            return [("no", word(c.rfq_id), c.agent_id, 0, "UNKNOWN_RFQ")]
        rfq = self.rfqs[c.rfq_id - 1]
        if c.agent_id not in rfq["asked"] or c.agent_id in rfq["out"]:
            return [("no", c.rfq_id, c.agent_id, 0, "NOT_ASKED")]
        if isinstance(c, DeclineQuote):
            if type(c.reason) not in (int, DeclineReason) or c.reason not in (1, 2, 3, 4):
                return [("no", c.rfq_id, c.agent_id, 0, "INVALID_FIELDS")]
            if self.live_quote(c.rfq_id, c.agent_id) is not None:
                return [("no", c.rfq_id, c.agent_id, 0, "QUOTE_IS_FIRM")]
            rfq["out"].append(c.agent_id)
            out: list[tuple[Any, ...]] = [
                ("declined", c.rfq_id, rfq["by"], c.agent_id, DeclineReason(c.reason).name, rfq["client"])
            ]
            if len(rfq["out"]) == len(rfq["asked"]):
                out.append(self.close(c.rfq_id, "ALL_DECLINED"))
            return out
        if not whole(c.ttl_ns, 1, WORD - 1 - self.now):
            return [("no", c.rfq_id, c.agent_id, 0, "INVALID_FIELDS")]
        if not whole(c.bid_ticks, 0, LARGEST) or not whole(c.ask_ticks, 0, LARGEST):
            return [("no", c.rfq_id, c.agent_id, 0, "INVALID_PRICE")]
        why = None
        if c.bid_ticks > 0 and c.ask_ticks > 0 and c.ask_ticks - c.bid_ticks < 1:
            why = "INVALID_PRICE"
        if (rfq["side"] == 1 and c.bid_ticks > 0) or (rfq["side"] == -1 and c.ask_ticks > 0):
            why = "INVALID_SIDE"
        if c.bid_ticks == c.ask_ticks == 0:
            why = "INVALID_PRICE"
        if why:
            return [("no", c.rfq_id, c.agent_id, 0, why)]
        until = min(self.now + c.ttl_ns, rfq["until"])
        self.quotes.append({"rfq": c.rfq_id, "dealer": c.agent_id, 1: c.ask_ticks, -1: c.bid_ticks, "until": until})
        number = len(self.quotes)
        return [
            (
                "quoted",
                c.rfq_id,
                number,
                rfq["by"],
                c.agent_id,
                c.bid_ticks,
                c.ask_ticks,
                until,
                rfq["client"],
            )
        ]

    def decide(self, c: AcceptQuote | WalkAway) -> list[tuple[Any, ...]]:
        if not self.is_open(c.rfq_id):
            return [("no", word(c.rfq_id), c.agent_id, 0, "UNKNOWN_RFQ")]
        rfq = self.rfqs[c.rfq_id - 1]
        if c.agent_id != rfq["by"]:
            return [("no", c.rfq_id, c.agent_id, 0, "NOT_OWNER")]
        if isinstance(c, WalkAway):
            return [self.close(c.rfq_id, "WALKED_AWAY")]
        standing = [self.live_quote(c.rfq_id, d) for d in rfq["asked"] if d not in rfq["out"]]
        if not whole(c.quote_id, 1, len(self.quotes)) or c.quote_id - 1 not in standing:
            return [("no", c.rfq_id, c.agent_id, 0, "UNKNOWN_QUOTE")]
        quote = self.quotes[c.quote_id - 1]
        price = quote.get(int(c.side), 0) if type(c.side) in (int, Side) and c.side in (1, -1) else 0
        if not price:
            return [("no", c.rfq_id, c.agent_id, 0, "INVALID_SIDE")]
        self.trades.append({"at": self.now, "price": price, "qty": rfq["qty"], "side": int(c.side), "printed": False})
        traded = ("traded", c.rfq_id, c.quote_id, -len(self.trades), rfq["by"], quote["dealer"], int(c.side))
        end = self.close(c.rfq_id, "DEALT")
        return [(*traded, price, rfq["qty"], rfq["parent"]), end, *self.print_due()]

    def process(self, command: Command, now: int) -> list[tuple[Any, ...]]:
        out = self.pass_time(now)
        if isinstance(command, RequestQuote):
            out += self.ask(command)
        elif isinstance(command, SubmitQuote | DeclineQuote):
            out += self.answer(command)
        elif isinstance(command, AcceptQuote | WalkAway):
            out += self.decide(command)
        return out


WORDS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    RfqOpened: lambda e: (
        "opened", e.rfq_id, e.agent_id, e.client_rfq_id, e.side, e.qty_lots, e.dealer_ids, e.expires_ns,
    ),
    RfqQuoted: lambda e: (
        "quoted", e.rfq_id, e.quote_id, e.agent_id, e.dealer_id, e.bid_ticks, e.ask_ticks, e.expires_ns,
        e.client_rfq_id,
    ),
    RfqDeclined: lambda e: ("declined", e.rfq_id, e.agent_id, e.dealer_id, e.reason.name, e.client_rfq_id),
    RfqTraded: lambda e: (
        "traded", e.rfq_id, e.quote_id, e.trade_id, e.agent_id, e.dealer_id, int(e.side), e.price_ticks,
        e.qty_lots, e.parent_order_id,
    ),
    RfqClosed: lambda e: ("closed", e.rfq_id, e.agent_id, e.client_rfq_id, RfqEnd(e.end).name),
    RfqRejected: lambda e: ("no", e.rfq_id, e.agent_id, e.client_rfq_id, RejectReason(e.reason).name),
    RfqPrint: lambda e: ("print", e.trade_id, e.ts_trade_ns, e.price_ticks, e.qty_lots, int(e.side)),
}  # fmt: skip


def random_command(rng: random.Random, naive: NaiveVenue) -> Command:
    """Mostly sensible commands about open requests, with every kind of nonsense mixed in."""
    kind = rng.choices(["ask", "quote", "decline", "accept", "walk", "clock"], [15, 40, 20, 20, 3, 6])[0]
    agent = rng.choice(AGENTS)
    number = max(0, len(naive.rfqs) - rng.randrange(4)) + (rng.random() < 0.02)
    live = [n for n in range(1, len(naive.rfqs) + 1) if naive.is_open(n)]
    if live and rng.random() < 0.8:
        number = rng.choice(live)
    elif not live and rng.random() < 0.7:
        kind = "ask"
    rfq = naive.rfqs[number - 1] if 1 <= number <= len(naive.rfqs) else None
    if kind == "ask" or (rfq is None and kind != "clock"):
        dealers: tuple[int, ...] = tuple(
            sorted(rng.sample(range(6), rng.choice([0, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4])))
        )
        if rng.random() < 0.9:
            dealers = tuple(d for d in dealers if d != agent and d in DEALERS)
        if rng.random() < 0.03:
            dealers = dealers[::-1] + dealers[:1]
        client = len(naive.rfqs) + 1
        if rng.random() < 0.05:
            client = next((r["client"] for r in naive.rfqs if r["by"] == agent), client)
        qty, ttl = rng.choice([0, -1, *range(1, 40)]), rng.choice([0, -2, *range(20, 90)])
        side = rng.choice([1] * 10 + [-1] * 10 + [0] * 6 + [2])
        return RequestQuote(0, agent, client, side, qty, dealers, ttl, rng.choice([0, 5]))
    if kind == "clock" or rfq is None:
        return ExpireRfqs(0)
    if kind in ("quote", "decline"):
        dealer = rng.choice(rfq["asked"]) if rng.random() < 0.95 else agent
        if kind == "decline":
            return DeclineQuote(0, dealer, number, rng.choice(list(DeclineReason)))
        mid = rng.randrange(995, 1005)
        bid, ask = mid - rng.randrange(-1, 4), mid + rng.randrange(-1, 4)
        if rng.random() < 0.9:
            bid, ask = (0, ask) if rfq["side"] == 1 else (bid, 0) if rfq["side"] == -1 else (bid, ask)
        if rng.random() < 0.1:
            bid, ask = rng.choice([(0, ask), (bid, 0), (0, 0), (-bid, ask), (0, -ask)])
        return SubmitQuote(0, dealer, number, bid, ask, rng.choice([0, -1, *range(1, 30)]))
    owner = rfq["by"] if rng.random() < 0.95 else agent
    if kind == "walk":
        return WalkAway(0, owner, number)
    mine = [i for i, q in enumerate(naive.quotes, 1) if q["rfq"] == number]
    quote_id = rng.choice(mine) if mine and rng.random() < 0.95 else len(naive.quotes) + rng.randrange(-5, 2)
    side = rfq["side"] if rfq["side"] and rng.random() < 0.95 else rng.choice([1, -1])
    return AcceptQuote(0, owner, number, quote_id, Side(1 if side > 0 else -1))


def spoilt(rng: random.Random, command: Command) -> Command:
    """The command with anything at all in one of its fields, but for those that are the venue's own."""
    fields = [f for f in command.__struct_fields__ if f not in ("instrument_id", "agent_id", "ts_sent_ns")]
    if not fields or rng.random() < 0.98:
        return command
    return msgspec.structs.replace(command, **{rng.choice(fields): rng.choice(NONSENSE)})


REGIMES = {
    None: TransparencyRegime(),
    0: TransparencyRegime(Transparency.IMMEDIATE),
    40: TransparencyRegime(Transparency.DELAYED, 40),
}


def stress(seed: int, delay: int | None, operations: int) -> Counter[str]:
    rng = random.Random(seed)
    venue = RfqVenue(0, transparency=REGIMES[delay], known_dealers=DEALERS, max_dealers=MAX_DEALERS)
    naive = NaiveVenue(delay)
    seen: Counter[str] = Counter()
    now = 0
    for step in range(operations):
        now += rng.choice([0, 0, 1, 2])
        due = naive.next_due()
        if due is not None and rng.random() < 0.05:
            now = max(now, due)  # meet the exact instants at which something ends
        command = spoilt(rng, random_command(rng, naive))
        expected = naive.process(command, now)
        events = venue.process(command, now)
        assert [WORDS[type(e)](e) for e in events] == expected, (seed, step, command)
        assert all(e.ts_event_ns == now and e.instrument_id == 0 for e in events)  # type: ignore[attr-defined]
        assert venue.next_due_ns() == naive.next_due(), (seed, step, command)
        venue.check()
        seen.update(f"{e[0]} {e[4]}" if e[0] in ("no", "closed") else e[0] for e in expected)
    return seen


def assert_same(seeds: range, operations: int) -> None:
    """Both venues say the same under every regime, and everything that a venue can say is said often."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        for delay in REGIMES:
            seen += stress(seed, delay, operations)
    reasons = [
        "INVALID_QTY", "INVALID_PRICE", "DUPLICATE_ID", "NOT_OWNER", "INVALID_SIDE", "INVALID_FIELDS",
        "UNKNOWN_RFQ", "UNKNOWN_QUOTE", "NOT_ASKED", "UNKNOWN_DEALER", "QUOTE_IS_FIRM",
    ]  # fmt: skip
    kinds = ["opened", "quoted", "declined", "traded", "print", *(f"no {r}" for r in reasons)]
    kinds += [f"closed {end.name}" for end in RfqEnd]
    assert {kind: seen[kind] for kind in kinds if seen[kind] < 20} == {}
    assert set(seen) == set(kinds)


def test_stress_against_a_naive_venue() -> None:
    assert_same(range(12), 700)


@pytest.mark.validate
def test_long_stress_against_a_naive_venue() -> None:
    assert_same(range(1000, 1200), 1000)


# --- the invariant check can fail ------------------------------------------------------------------------


def busy_venue() -> RfqVenue:
    venue = RfqVenue(0, transparency=REGIMES[40])
    venue.process(RequestQuote(0, 9, 1, 1, 5, (1, 2), 100), 0)
    venue.process(RequestQuote(0, 9, 2, 0, 5, (1, 2), 100), 0)
    venue.process(SubmitQuote(0, 1, 1, 0, 1003, 50), 1)
    venue.process(SubmitQuote(0, 1, 2, 998, 1003, 50), 1)
    for i in (3, 4):
        venue.process(RequestQuote(0, 9, i, 1, 5, (1,), 100), i)
        venue.process(SubmitQuote(0, 1, i, 0, 1003, 50), i)
        venue.process(AcceptQuote(0, 9, i, i, Side.BUY), i)
    venue.check()
    return venue


def change_quote(venue: RfqVenue, rfq_id: int, **changes: int) -> None:
    quotes = venue._requests._open[rfq_id].quotes
    quotes[1] = msgspec.structs.replace(quotes[1], **changes)


FAULTS: dict[str, Callable[[RfqVenue], object]] = {
    "never expire": lambda v: v._requests._expiries.clear(),
    "over but open": lambda v: setattr(v, "_now_ns", 100),
    "wrong id": lambda v: setattr(v._requests, "_last_id", 1),
    "unrecorded client id": lambda v: v._requests._client_ids.clear(),
    "all dealers declined": lambda v: v._requests._open[1].undecided.clear(),
    "was not asked": lambda v: v._requests._open[1].undecided.add(7),
    "dealer that is out": lambda v: v._requests._open[1].undecided.remove(1),
    "quote of a wrong id": lambda v: change_quote(v, 1, quote_id=99),
    "share an id": lambda v: change_quote(v, 1, quote_id=2),
    "outlives it": lambda v: change_quote(v, 1, expires_ns=101),
    "without a price": lambda v: change_quote(v, 1, ask_ticks=0),
    "to buy has a bid": lambda v: change_quote(v, 1, bid_ticks=5),
    "crossed": lambda v: change_quote(v, 2, bid_ticks=1003),
    "out of order": lambda v: v._prints._held.rotate(1),
    "held under transparency IMMEDIATE": lambda v: setattr(v._prints, "_regime", REGIMES[0]),
}


@pytest.mark.parametrize("message", FAULTS)
def test_check_finds_a_planted_fault(message: str) -> None:
    venue = busy_venue()
    FAULTS[message](venue)
    with pytest.raises(InvariantError, match=message):
        venue.check()


# --- the regime ------------------------------------------------------------------------------------------


def traded(ts: int, trade_id: int) -> RfqTraded:
    return RfqTraded(ts, 0, 1, 1, trade_id, 9, 1, Side.SELL, 1000 + trade_id, 5, 0)


def test_print_queue_releases_in_order_and_inclusively() -> None:
    queue = PrintQueue(REGIMES[40])
    assert [queue.add(traded(t, i)) for i, t in enumerate((10, 10, 20))] == [[], [], []]
    assert queue.next_due_ns() == 50
    assert queue.due(49) == []
    assert queue.due(55) == [RfqPrint(55, 0, i, 10, 1000 + i, 5, Side.SELL) for i in (0, 1)]
    assert queue.next_due_ns() == 60
    assert queue.due(60) == [RfqPrint(60, 0, 2, 20, 1002, 5, Side.SELL)]
    assert queue.next_due_ns() is None


def test_regime_of_a_file() -> None:
    read = convert_strict({"kind": "delayed", "delay": "15min"}, TransparencyRegime, "m.toml: ")
    assert read == TransparencyRegime(Transparency.DELAYED, 15 * 60 * 10**9)
    assert convert_strict({}, TransparencyRegime, "") == TransparencyRegime()


@pytest.mark.parametrize(
    ("kind", "delay"),
    [
        (Transparency.NONE, 1),
        (Transparency.IMMEDIATE, 1),
        (Transparency.DELAYED, 0),
        (Transparency.DELAYED, -1),
        (Transparency.NONE, -1),
    ],
)
def test_a_delay_that_does_not_fit_is_refused(kind: Transparency, delay: int) -> None:
    with pytest.raises(InputError, match="expected a positive delay with delayed transparency"):
        TransparencyRegime(kind, delay)
