"""Streams of commands, and plain venues driven with them: what tests of the log have for a simulation."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from lob_sim.log.header import AgentEntry, RunHeader
from lob_sim.log.venues import venues_of
from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    Command,
    ConstraintBreached,
    DeclineQuote,
    ExpireRfqs,
    FairValue,
    NewOrder,
    OrderRejected,
    OrderType,
    Phase,
    ReduceOrder,
    RejectReason,
    ReplaceOrder,
    RequestQuote,
    SelfTradePrevention,
    SetPhase,
    Side,
    SubmitQuote,
    TimeInForce,
    WalkAway,
)
from lob_sim.units import Instrument
from lob_sim.venue.venues import Venues

N_AGENTS = 6
START_TICKS = 10_000


def header(n_instruments: int = 1, seed: int = 1) -> RunHeader:
    """A run of no scenario: plain venues."""
    instruments = tuple(
        Instrument(i, name, Decimal("0.01"), Decimal(1), Decimal(1), i + 1, 1)
        for i, name in enumerate(("BOND", "CORP", "BILL")[:n_instruments])
    )
    agents = tuple(AgentEntry(i, f"noise-{i + 1}", "noise", "strategies.noise:Noise") for i in range(N_AGENTS))
    return RunHeader({}, seed, agents, instruments)


def mixed_stream(seed: int, n: int, n_instruments: int = 1, auctions: bool = True) -> Iterator[tuple[int, Command]]:
    """At least ``n`` commands of every type, good and bad ones, at increasing times with ties."""
    rng = random.Random(seed)
    ts_ns, sent = 0, [0] * N_AGENTS
    collecting = [False] * n_instruments
    rfqs = [0] * n_instruments
    for _ in range(n):
        ts_ns += rng.choice((0, 1, 1_000, 250_000_000))
        i, agent = rng.randrange(n_instruments), rng.randrange(N_AGENTS)
        what = rng.random()
        if what < 0.55:
            sent[agent] += 1
            yield ts_ns, new_order(rng, i, agent, sent[agent])
        elif what < 0.90:
            yield ts_ns, change_of(rng, i, agent, sent[agent])
        elif what < 0.92 and auctions:
            collecting[i] = not collecting[i]
            yield ts_ns, SetPhase(i, Phase.AUCTION if collecting[i] else Phase.CONTINUOUS)
        else:
            rfqs[i] += 1
            for command in inquiry(rng, i, rfqs[i]):
                yield ts_ns, command


def new_order(rng: random.Random, i: int, agent: int, client_order_id: int) -> NewOrder:
    """An order of some kind near the starting price; one in fifty is malformed."""
    side = rng.choice((Side.BUY, Side.SELL))
    price = START_TICKS + rng.randint(-12, 12) - 4 * side
    qty = rng.randint(1, 50) if rng.random() < 0.98 else rng.choice((0, -5))
    kind: dict[str, Any] = rng.choice(
        (
            {}, {}, {}, {}, {},
            {"order_type": OrderType.MARKET, "price_ticks": 0},
            {"time_in_force": TimeInForce.IOC},
            {"time_in_force": TimeInForce.FOK},
            {"display_qty_lots": 3},
            {"hidden": True},
            {"post_only": True},
            {"order_type": OrderType.STOP, "price_ticks": 0, "stop_price_ticks": price + 6 * side},
            {"order_type": OrderType.STOP_LIMIT, "stop_price_ticks": price},
            {"self_trade": rng.choice(list(SelfTradePrevention))},
            {"parent_order_id": 7},
        )
    )  # fmt: skip
    fields: dict[str, Any] = {"price_ticks": price, **kind}
    return NewOrder(i, agent, client_order_id, side, qty, **fields)


def change_of(rng: random.Random, i: int, agent: int, sent: int) -> Command:
    """A cancel, reduce or replace of one of the agent's last orders, which may be gone or never have been."""
    which = max(1, sent - rng.randrange(12))
    what = rng.random()
    if what < 0.6:
        return CancelOrder(i, agent, client_order_id=which)
    if what < 0.8:
        return ReduceOrder(i, agent, rng.randint(1, 20), client_order_id=which)
    return ReplaceOrder(i, agent, rng.randint(1, 50), START_TICKS + rng.randint(-12, 12), client_order_id=which)


def inquiry(rng: random.Random, i: int, nth: int) -> list[Command]:
    """The nth request for quote of an instrument, to its end, with a few commands that must be refused."""
    request = RequestQuote(i, 0, nth, rng.choice((-1, 0, 1)), 10, (1, 2), 10**9)
    bid = 0 if request.side == Side.BUY else START_TICKS - 2
    ask = 0 if request.side == Side.SELL else START_TICKS + 2
    quote = SubmitQuote(i, 1, nth, bid, ask, 10**9)
    accept = AcceptQuote(i, 0, nth, nth, Side.BUY if ask else Side.SELL)
    refused = rng.choice((SubmitQuote(i, 3, nth, bid, ask, 1), WalkAway(i, 4, nth), request))
    end = rng.choice((accept, accept, WalkAway(i, 0, nth), ExpireRfqs(i)))
    return [request, quote, DeclineQuote(i, 2, nth), refused, end]


def drive(recorder: Any, stream: Iterable[tuple[int, Command]], head: RunHeader) -> Venues:
    """Feed a stream to fresh venues and log everything, with observations of the outside world in between."""
    venues = venues_of(head)
    for k, (ts_ns, command) in enumerate(stream):
        recorder.batch(ts_ns, command, venues.process(command, ts_ns))
        if k % 10 == 0:
            recorder.record(FairValue(ts_ns, 0, START_TICKS + 0.1 * k, k % 100 == 0))
        if k % 37 == 0:
            recorder.record(ConstraintBreached(ts_ns, k % N_AGENTS, "slr", -k, 2 * k))
        if k % 41 == 0:
            recorder.record(OrderRejected(ts_ns, 0, k % N_AGENTS, k, 0, RejectReason.INVALID_FIELDS))
    return venues


def cheap_stream(n: int) -> Iterator[tuple[int, Command]]:
    """A long plain stream that costs little to make: limit orders, cancels and a few market orders."""
    rng = random.Random(5)
    for k in range(1, n + 1):
        side = Side.BUY if rng.random() < 0.5 else Side.SELL
        if k % 10 in (1, 3, 5, 7, 9):
            yield 1000 * k, NewOrder(0, 1, k, side, 10, START_TICKS - side * rng.randint(1, 20))
        elif k % 10 == 0:
            yield 1000 * k, NewOrder(0, 2, k, side, 8, order_type=OrderType.MARKET)
        else:
            yield (
                1000 * k,
                CancelOrder(0, 1, client_order_id=max(1, k - 2 * rng.randint(1, 1000) + (k % 2 == 0))),
            )


def use_small_blocks(patch: Any, rows: int) -> None:
    """Let a block have this many rows, so that a short stream makes many of them."""
    for module in ("log.directory", "log.recorder", "log.source", "replay.verification"):
        patch.setattr(f"lob_sim.{module}.BLOCK_ROWS", rows)
