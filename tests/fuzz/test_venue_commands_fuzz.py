"""Anything in any field of any command: a venue answers with events or with a refusal, and never falls over."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Sequence
from enum import IntEnum
from random import Random
from typing import Any, get_type_hints

import msgspec
import numpy as np
import pytest
from fuzzing import both_lengths
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.errors import InputError
from lob_sim.log.blocks import encode_events
from lob_sim.log.schema import dataset_of
from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    Command,
    DeclineQuote,
    DeclineReason,
    Event,
    ExpireRfqs,
    NewOrder,
    OrderRejected,
    OrderType,
    Phase,
    ReduceOrder,
    ReplaceOrder,
    RequestQuote,
    RfqRejected,
    SelfTradePrevention,
    SetPhase,
    Side,
    SubmitQuote,
    TimeInForce,
    WalkAway,
)
from lob_sim.units import fits_log
from lob_sim.venue.bands import PriceBand
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.transparency import Transparency, TransparencyRegime

EDGES = [n + d for n in (0, 2**30, 2**31, 2**53, 2**62, 2**63, 2**64, -(2**53), -(2**63)) for d in (-1, 0, 1)]
INTS: st.SearchStrategy[Any] = st.sampled_from(EDGES) | st.integers() | st.integers(0, 120)
ANYTHING: st.SearchStrategy[Any] = (
    INTS
    | st.none()
    | st.booleans()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from([*Side, *OrderType, *DeclineReason])
    | st.lists(st.integers(0, 5) | st.none(), max_size=3)
    | st.lists(st.integers(-1, 5) | st.sampled_from(EDGES), max_size=4).map(tuple)
)
TRUSTED = ("instrument_id", "agent_id")
"""Fields that a venue does not judge: the market fills them in."""

Usual = dict[type[Command], Callable[[Random, int], dict[str, Any]]]
"""By kind of command: fields that make sense for the most part, given a source of chance and the command's number."""


def usual_order(rng: Random, number: int) -> dict[str, Any]:
    kind = rng.choice([OrderType.LIMIT] * 5 + list(OrderType))
    in_force = rng.choice([TimeInForce.GTC] * 4 + list(TimeInForce))
    special = rng.random() if in_force is TimeInForce.GTC else 1.0
    return {
        "client_order_id": number,
        "side": rng.choice(list(Side)),
        "qty_lots": rng.choice([*range(1, 9), 2**53]),
        "price_ticks": rng.randint(98, 102) if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else 0,
        "order_type": kind,
        "time_in_force": in_force,
        "stop_price_ticks": rng.randint(98, 102) if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else 0,
        "display_qty_lots": rng.choice([1, 2, 2**51]) if special < 0.2 else 0,
        "hidden": 0.2 <= special < 0.3,
        "post_only": 0.3 <= special < 0.4,
        "self_trade": rng.choice(list(SelfTradePrevention)),
    }


def named(rng: Random, number: int) -> dict[str, Any]:
    one, other = rng.randint(1, number), rng.choice([0, 0, 0, 1 + number // 2])
    return {"client_order_id": one, "order_id": other}


def usual_quote(rng: Random, number: int) -> dict[str, Any]:
    bid, ask = rng.randint(97, 100), rng.randint(100, 103)
    return {
        "rfq_id": rng.randint(1, 1 + number // 8),
        "bid_ticks": rng.choice([0, 0, bid]),
        "ask_ticks": rng.choice([0, ask, ask]),
        "ttl_ns": rng.randint(1, 60),
    }


LIT: Usual = {
    NewOrder: usual_order,
    CancelOrder: named,
    ReduceOrder: lambda rng, n: {"qty_lots": rng.randint(1, 9), **named(rng, n)},
    ReplaceOrder: lambda rng, n: {"qty_lots": rng.randint(1, 9), "price_ticks": rng.randint(98, 102), **named(rng, n)},
    SetPhase: lambda rng, _: {
        "phase": rng.choice([Phase.CONTINUOUS] * 4 + list(Phase)),
        "reference_price_ticks": rng.choice([0, 100]),
    },
}
RFQ: Usual = {
    RequestQuote: lambda rng, n: {
        "client_rfq_id": n,
        "side": rng.choice([0, 0, 0, 1, -1]),
        "qty_lots": rng.randint(1, 9),
        "dealer_ids": rng.choice([(1,), (2,), (1, 2), (1, 2, 3)]),
        "ttl_ns": rng.randint(1, 60),
    },
    SubmitQuote: usual_quote,
    DeclineQuote: lambda rng, n: {"rfq_id": rng.randint(1, 1 + n // 8), "reason": rng.choice(list(DeclineReason))},
    AcceptQuote: lambda rng, n: {
        "rfq_id": rng.randint(1, 1 + n // 8),
        "quote_id": rng.randint(1, 1 + n // 8),
        "side": rng.choice(list(Side)),
    },
    WalkAway: lambda rng, n: {"rfq_id": rng.randint(1, 1 + n // 8)},
    ExpireRfqs: lambda rng, n: {},
}
_OFTEN = (NewOrder, NewOrder, NewOrder, RequestQuote, SubmitQuote, SubmitQuote, AcceptQuote, AcceptQuote)


@st.composite
def commands(draw: st.DrawFn, usual: Usual, anything: st.SearchStrategy[Any]) -> list[Command]:
    """Commands with anything in some fields, among others that make something that there is to break.

    What makes sense is plain chance, so that there is a lively market; what does not is drawn, and shrunk.
    """
    rng = Random(draw(st.integers(0, 2**32)))
    kinds = [*usual, *(kind for kind in _OFTEN if kind in usual)]
    made: list[Command] = []
    spoils = draw(st.lists(st.booleans(), min_size=8, max_size=30))
    for number, is_spoilt in enumerate(spoils, 1):
        kind = rng.choice(kinds) if number > 1 else next(iter(usual))
        fields = usual[kind](rng, number)
        names = [name for name in kind.__struct_fields__ if name not in TRUSTED]
        if is_spoilt and names and rng.random() < 0.5:
            fields |= draw(st.dictionaries(st.sampled_from(names), anything, max_size=2))
        agent_id = rng.choice([1, 2, 3] if kind in (SubmitQuote, DeclineQuote) else [0, 0, 0, 1, 2])
        agent = {"agent_id": agent_id} if "agent_id" in kind.__struct_fields__ else {}
        made.append(kind(instrument_id=0, **agent, **fields))
    return made


def lit_venue() -> MatchingEngine:
    return MatchingEngine(0, price_band=PriceBand(2, 5), reference_price_ticks=100)


def rfq_venue() -> RfqVenue:
    return RfqVenue(0, transparency=TransparencyRegime(Transparency.DELAYED, 7), known_dealers=(1, 2, 3))


def answers(venue: Any, sequence: Sequence[Command]) -> list[list[Event]]:
    """What a venue says to each command; every event must fit the log, and a refusal must stand alone.

    The schedule is not an agent: nonsense in it is an input error.
    """
    found: list[list[Event]] = []
    said: list[Event] = []
    for ts_ns, command in enumerate(sequence, 1):
        try:
            events = venue.process(command, ts_ns)
        except InputError:
            assert isinstance(command, SetPhase)
            events = []
        venue.check()
        refused = [event for event in events if isinstance(event, OrderRejected | RfqRejected)]
        assert len(refused) <= 1
        assert not isinstance(command, NewOrder) or len(refused) == 0 or len(events) == 1
        said += events
        found.append(events)
    # All at once: to make columns takes as long for one event as for hundreds.
    numbers = np.arange(1, len(said) + 1)
    encode_events(said, numbers, np.zeros_like(numbers))
    return found


VENUES = pytest.mark.parametrize(("venue", "kinds"), [(lit_venue, LIT), (rfq_venue, RFQ)], ids=["lit", "rfq"])


@both_lengths
@VENUES
def test_anything_in_any_field_is_answered(length: settings, venue: Any, kinds: Any) -> None:
    @length
    @given(commands(kinds, ANYTHING))
    def check(sequence: list[Command]) -> None:
        answers(venue(), sequence)

    check()


@both_lengths
@VENUES
def test_any_whole_numbers_are_answered_and_what_the_log_holds_is_replayed_the_same(
    length: settings, venue: Any, kinds: Any
) -> None:
    @length
    @given(commands(kinds, INTS))
    def check(sequence: list[Command]) -> None:
        answers(venue(), sequence)
        logged = [command for command in map(as_sent, sequence) if on_the_log(command)]
        assert answers(venue(), logged) == answers(venue(), read_back(logged))

    check()


@both_lengths
def test_a_refused_command_changes_nothing(length: settings) -> None:
    @length
    @given(commands(LIT, ANYTHING), commands({NewOrder: usual_order}, ANYTHING))
    def check(sequence: list[Command], last: list[Command]) -> None:
        engine = lit_venue()
        answers(engine, sequence)
        untouched = copy.deepcopy(engine)
        refused = [c for c in last if isinstance(engine.process(c, 99)[0], OrderRejected)]
        # The control is the command that was taken: the other engine then needs it too.
        for command in (c for c in last if not any(c is r for r in refused)):
            untouched.process(command, 99)
        assert everything(engine) == everything(untouched)

    check()


def everything(engine: MatchingEngine) -> Any:
    book = engine.book
    queues = [
        [(o.client_order_id, o.price_ticks, o.open_lots) for o in side] for side in (book.bids, book.asks, book.stops)
    ]
    return queues, engine.phase, engine.reference_price_ticks, engine.last_trade_ticks


@functools.cache
def hints_of(kind: type[Command]) -> dict[str, Any]:
    return get_type_hints(kind)


def as_sent(command: Command) -> Command:
    """The command as a context sends it: a number that names a member of an enumeration is that member."""
    changes: dict[str, Any] = {}
    for name, hint in hints_of(type(command)).items():
        value = getattr(command, name, None)
        if isinstance(hint, type) and issubclass(hint, IntEnum) and value in list(hint):
            changes[name] = hint(value)
        elif hint is bool and value in (0, 1):
            changes[name] = bool(value)
    return msgspec.structs.replace(command, **changes)


def on_the_log(command: Command) -> bool:
    """Whether the log's columns hold a command."""
    hints = hints_of(type(command))
    for name in command.__struct_fields__:
        value, hint = getattr(command, name), hints[name]
        if hint is bool:
            fits = isinstance(value, bool)
        elif isinstance(hint, type) and issubclass(hint, IntEnum):
            fits = -128 <= value < 128
        elif hint is int:
            fits = fits_log(int(value))
        else:
            fits = isinstance(value, tuple) and all(map(fits_log, value))
        if not fits:
            return False
    return True


def read_back(commands: Sequence[Command]) -> list[Command]:
    """Commands from columns that were made of them, those of a kind at once, in their order."""
    read = list(commands)
    for kind in {type(command): None for command in commands}:
        at = [i for i, command in enumerate(commands) if type(command) is kind]
        dataset, ones = dataset_of(kind), np.ones(len(at), np.int64)
        columns = dataset.encode([commands[i] for i in at], ones, ones)
        for i, message in zip(at, dataset.decode(columns), strict=True):
            assert isinstance(message, Command)
            read[i] = message
    return read


def test_what_is_generated_is_dealt_in_and_refused_for_every_reason_that_a_field_can_give() -> None:
    """The negative control: commands that were all refused, or all good, would test nothing."""
    said: set[str] = set()

    @settings(max_examples=300, deadline=None, derandomize=True)
    @given(commands(LIT, ANYTHING), commands(RFQ, ANYTHING))
    def look(lit: list[Command], rfq: list[Command]) -> None:
        for venue, sequence in ((lit_venue(), lit), (rfq_venue(), rfq)):
            for events in answers(venue, sequence):
                for event in events:
                    said.add(type(event).__name__)
                    if isinstance(event, OrderRejected | RfqRejected):
                        said.add(f"{type(event).__name__} {event.reason.name}")

    look()
    fields = {"INVALID_SIDE", "INVALID_QTY", "INVALID_PRICE", "INVALID_FIELDS"}
    refused = {f"{kind} {reason}" for kind in ("OrderRejected", "RfqRejected") for reason in fields}
    assert {"Trade", "OrderReplaced", "OrderTriggered", "RfqQuoted", "RfqTraded", *refused} <= said
