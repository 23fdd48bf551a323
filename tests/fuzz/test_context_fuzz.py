"""What is live is what is logged: whatever a strategy hands to its context is judged as logged, or is its error.

A strategy in a small market calls methods of its context with any values at all. Each call sends a command whose
fields are exactly what a venue takes, or raises before anything is done. So a run whose strategy goes on after its
errors verifies by replay; and a run that ends in one says whose it is, where and when, and its log up to then verifies.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest
from fuzzing import both_lengths
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import StrategyError
from lob_sim.log import DirectoryRecorder, MemoryRecorder, Run, open_run, run_in_memory
from lob_sim.log.manifest import COMPLETE, FAILED
from lob_sim.messages import (
    BeliefRecord,
    CancelReason,
    Command,
    DeclineReason,
    EnterCross,
    Event,
    LeaveCross,
    LoanRolled,
    Message,
    NewOrder,
    OrderRefused,
    OrderType,
    ParentEnd,
    ParentOrderOpened,
    QuoteRecord,
    RfqOpened,
    RfqQuoted,
    RunCross,
    SelfTradePrevention,
    SheetDisclosed,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.messages.recorder import Recorder
from lob_sim.replay.verification import verify
from lob_sim.running import header_of
from lob_sim.scenario import Scenario, parse_scenario
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.runner import advance
from lob_sim.simulation.world import World
from lob_sim.units import NS_PER_S

MS = 1_000_000
NAME = "fuzzer-1"
EXPECTED = (TypeError, ValueError, OverflowError, IndexError, PermissionError)
"""What the context raises; anything else is a defect of it."""


class Known(Enum):
    """Stands for something that the strategy knows when it acts."""

    ORDER = "an own working order"
    REQUEST = "the request last heard of"
    QUOTE = "the quote last heard of"
    RFQ = "the number of the request last heard of"
    DEALERS = "everybody who can be asked"


class Call(NamedTuple):
    """One call of a method."""

    method: str
    args: tuple[Any, ...]
    options: dict[str, Any]


class Fuzzer(Strategy):
    """Makes the calls of its script one after the other: each time it wakes, is asked for a quote or is quoted."""

    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        goes_on: bool

    params: Params
    answers_rfqs = True
    script: ClassVar[Sequence[Call]] = ()

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.calls = list(reversed(self.script))
        self.request: RfqOpened | None = None
        self.quoted: RfqQuoted | None = None
        self.refused = 0

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 5, 97)
        ctx.place(0, Side.SELL, 5, 103)
        ctx.request_quote(0, Side.SELL, 2, ctx.dealers, NS_PER_S)
        ctx.wake_in(20 * MS, -1)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag == -1:
            ctx.wake_in(20 * MS, -1)
        self.act(ctx)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        self.request = request
        self.act(ctx)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        self.quoted = quote
        self.act(ctx)

    def act(self, ctx: Context) -> None:
        if not self.calls:
            return
        call = self.calls[-1]
        about = call.args[0]
        if (about is Known.REQUEST and self.request is None) or (about is Known.QUOTE and self.quoted is None):
            return
        self.calls.pop()
        args = [self.known(ctx, value) for value in call.args]
        options = {name: self.known(ctx, value) for name, value in call.options.items()}
        if not self.params.goes_on:
            getattr(ctx, call.method)(*args, **options)
            return
        try:
            getattr(ctx, call.method)(*args, **options)
        except EXPECTED:
            self.refused += 1

    def known(self, ctx: Context, value: Any) -> Any:
        if value is Known.ORDER:
            return next(iter(ctx.orders(0)), 1)
        if value is Known.RFQ:
            return 1 if self.quoted is None else self.quoted.rfq_id
        if value is Known.DEALERS:
            return ctx.dealers
        if value is Known.REQUEST:
            return self.request
        return self.quoted if value is Known.QUOTE else at(value, ctx.now_ns)


def at(value: Any, now_ns: int) -> Any:
    """An observation of now, if it says that it is."""
    says = getattr(value, "ts_event_ns", None) if isinstance(value, Message) else None
    # An array, of which a made-up message may consist, is equal to nothing as a whole.
    is_due = isinstance(says, int) and says == -1
    return msgspec.structs.replace(value, ts_event_ns=now_ns) if is_due else value


class Checker:
    """A recorder that asserts of every command that each field is of exactly its type, and hands all on."""

    def __init__(self, recorder: Recorder) -> None:
        self.batched, self.record = recorder.batch, recorder.record

    def batch(self, ts_ns: int, command: Command, events: Sequence[Event]) -> None:
        hints = get_type_hints(type(command))
        for name, value in zip(command.__struct_fields__, msgspec.structs.astuple(command), strict=True):
            expected = hints[name]
            if get_origin(expected) is tuple:
                assert {tuple, *map(type, value)} <= {type(value), int}, (name, command)
            else:
                assert type(value) is expected, (name, command)
        self.batched(ts_ns, command, events)


# --- any value at all --------------------------------------------------------------------------------------

ME = 3
"""The agent that is driven: after two dealers and a client."""
EDGES = [0, -1, 2, 3, 4, 5, 7, 2**31, 2**53, 2**53 + 1, 2**62, 2**62 + 1, 2**63 - 1, -(2**63)]
BEYOND = [2**63, -(2**63) - 1, 2**64, 10**30, -(10**30), 10**5_000]
ODD: list[Any] = [
    True, False, None, 1.0, 0.5, float("nan"), float("inf"), -0.0, "1", "buy", "", b"1", 1j, Decimal(1), Fraction(1, 2),
    (), (1,), [1], {}, {1: 2}, object(), int, np.bool_(True), np.float64(2.0), np.int8(1), np.int64(3), np.uint8(3),
    np.uint64(2**63), np.array(2), np.array([1, 2]), np.array(1.5), np.str_("1"), np.datetime64(5, "ns"),
    Side.BUY, OrderType.STOP, TimeInForce.IOC, DeclineReason.CAPACITY, CancelReason.BY_OWNER, ParentEnd.DONE,
]  # fmt: skip
WILD = st.one_of(st.sampled_from(EDGES), st.sampled_from(BEYOND), st.sampled_from(ODD), st.integers(), st.floats())


def mostly(*valid: Any) -> st.SearchStrategy[Any]:
    """One of the valid values, or as often anything."""
    return st.one_of(st.sampled_from(valid), st.sampled_from(valid), WILD)


INSTRUMENTS = mostly(0, 0, np.int64(0), 1, -1)
SIDES = mostly(Side.BUY, Side.SELL, 1, -1, np.int8(-1))
LOTS = mostly(1, 2, 5, np.int64(3))
PRICES = mostly(95, 99, 100, 101, 105, np.int32(100), 0)
ORDERS = mostly(Known.ORDER, 1, 2, 99)
DEALERS = st.one_of(st.just(Known.DEALERS), st.lists(mostly(0, 1, 2, 3), max_size=4), WILD)
TIMES = mostly(1, 20 * MS, np.int64(MS), NS_PER_S)
COMMANDS = st.one_of(
    st.builds(EnterCross, INSTRUMENTS, mostly(ME), mostly(1, 2, 3), SIDES, LOTS, PRICES, mostly(0)),
    st.builds(LeaveCross, INSTRUMENTS, mostly(ME), mostly(1, 2, 3), mostly(0)),
    st.builds(NewOrder, INSTRUMENTS, mostly(ME), mostly(1, 2, 3), SIDES, LOTS, PRICES),
    st.just(RunCross(0, 99, 101)),
    WILD,
)
OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "order_type": mostly(*OrderType, 1),
    "time_in_force": mostly(*TimeInForce, np.int64(1)),
    "stop_price_ticks": mostly(0, 99, 101),
    "display_qty_lots": mostly(0, 1),
    "hidden": mostly(True, False, np.bool_(True)),
    "post_only": mostly(True, False),
    "self_trade": mostly(*SelfTradePrevention, 2),
    "parent_order_id": mostly(0, 1, 1 << 32),
}
BOOKS = {"ts_event_ns": -1, "agent_id": 0, "instrument_id": 0}
EVENTS = st.one_of(
    st.builds(BeliefRecord, mostly(-1), mostly(0), mostly(0), WILD, mostly(1.0), mostly(0.5, 1), WILD),
    st.builds(ParentOrderOpened, mostly(-1), mostly(0), mostly(0), mostly(1), LOTS, mostly("slr", "\ud800")),
    st.builds(SheetDisclosed, mostly(-1), mostly(0), mostly(0), mostly(5), WILD),
    st.builds(QuoteRecord, mostly(-1), *[mostly(0)] * 14),
    st.builds(LoanRolled, mostly(-1), mostly(0), mostly(0), mostly(0), mostly(1), WILD, mostly(0.1), mostly(0)),
    st.just(Trade(-1, 0, 1, 100, 5, Side.BUY, 1, 2)),
    st.just(OrderRefused(-1, 0, 0, Side.BUY, 1, 1, 0)),
    WILD,
)


def call(method: str, *args: st.SearchStrategy[Any], **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Call]:
    optional = st.fixed_dictionaries({}, optional=options)
    return st.builds(Call, st.just(method), st.tuples(*args), optional)


def forged(kind: type[Message], field: str) -> st.SearchStrategy[Any]:
    """A message that nobody has sent, with anything in one field."""
    numbers = {**dict.fromkeys(kind.__struct_fields__, 1), "instrument_id": 0}
    return WILD.map(lambda value: kind(**{**numbers, field: value}))


REQUESTS = st.one_of(
    st.just(Known.REQUEST), *(forged(RfqOpened, f) for f in ("instrument_id", "rfq_id", "qty_lots")), WILD
)
QUOTES = st.one_of(st.just(Known.QUOTE), *(forged(RfqQuoted, f) for f in ("instrument_id", "rfq_id", "quote_id")), WILD)
CALLS: dict[str, st.SearchStrategy[Call]] = {
    "place": call("place", INSTRUMENTS, SIDES, LOTS, PRICES, **OPTIONS),
    "cancel": call("cancel", INSTRUMENTS, ORDERS),
    "cancel_all": call("cancel_all", INSTRUMENTS, side=mostly(None, Side.BUY)),
    "reduce": call("reduce", INSTRUMENTS, ORDERS, LOTS),
    "replace": call("replace", INSTRUMENTS, ORDERS, LOTS, PRICES),
    "request_quote": call(
        "request_quote", INSTRUMENTS, mostly(None, *Side), LOTS, DEALERS, TIMES, parent_order_id=mostly(0)
    ),
    "quote": call("quote", REQUESTS, PRICES, PRICES, TIMES),
    "decline": call("decline", REQUESTS, reason=mostly(*DeclineReason)),
    "send": call("send", COMMANDS),
    "accept": call("accept", QUOTES, SIDES),
    "walk_away": call("walk_away", INSTRUMENTS, mostly(Known.RFQ)),
    "wake_in": call("wake_in", TIMES, tag=mostly(0, 3)),
    "tell": call("tell", mostly(2, 99), EVENTS),
    "log": call("log", EVENTS),
}
SCRIPTS = st.lists(st.one_of(*CALLS.values()), min_size=1, max_size=25)
SHEET = {
    "short_term_funding": 99_700,
    "constraints": [{"kind": "slr", "params": {"minimum": 0.03}}],
    "mark_interval": "100ms",
    "work_interval": "50ms",
    "rfq_patience": "50ms",
}


def market(*, goes_on: bool, with_sheet: bool) -> Scenario:
    """Two dealers, clients who ask and take, and the fuzzer, who holds a hundred lots; its desk, if any, must sell."""
    fuzzer = {
        "name": "fuzzer",
        "strategy": f"{__name__}:Fuzzer",
        "params": {"goes_on": goes_on},
        "connection": {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}},
        "cash": 90_000,
        "holdings": {"bond": 100},
        **({"balance_sheet": SHEET} if with_sheet else {}),
    }
    clients = {"traders": 10, "mean_interval": "2s", "rfq_share": 0.5, "rfq_patience": "100ms"}
    return parse_scenario(
        {
            "name": "fuzz",
            "horizon": "1s",
            "venues": [{"kind": "midpoint_cross", "params": {"interval": "100ms"}}],
            "instruments": [{"name": "bond", "tick_size": 1, "lot_size": 1, "initial_price": 100}],
            "agents": [
                {"name": "dealer", "strategy": "strategies.fixed_spread:FixedSpreadDealer", "count": 2},
                {"name": "client", "strategy": "strategies.liquidity:LiquidityTraders", "params": clients},
                fuzzer,
            ],
        }
    )


def run_script(
    script: Sequence[Call], *, goes_on: bool, with_sheet: bool, folder: Path | None = None
) -> tuple[Run, StrategyError | None]:
    """Run the market with a script and check its log; returns it with the error that has ended it, if any has."""
    Fuzzer.script = script
    plan = MarketPlan(market(goes_on=goes_on, with_sheet=with_sheet))
    header = header_of(plan, 1)
    failure, memory = None, MemoryRecorder()
    try:
        if folder is None:
            advance(World(plan, 1, Checker(memory)))
        else:
            with DirectoryRecorder(folder, header) as directory:
                advance(World(plan, 1, Checker(directory)))
    except StrategyError as error:
        failure = error
    log = run_in_memory(memory, header) if folder is None else open_run(folder)
    verification = verify(log)
    assert verification.ok, verification
    assert verification.commands >= 5
    return log, failure


@pytest.mark.timeout(1_800)
@both_lengths
def test_a_strategy_that_goes_on_after_its_errors_leaves_a_log_that_verifies(length: settings) -> None:
    @length
    @given(SCRIPTS, st.booleans())
    def check(script: list[Call], with_sheet: bool) -> None:
        _, error = run_script(script, goes_on=True, with_sheet=with_sheet)
        assert error is None

    check()


@pytest.mark.timeout(1_800)
@both_lengths
def test_an_error_says_whose_it_is_and_where_and_the_log_up_to_it_verifies(length: settings) -> None:
    @length
    @given(SCRIPTS, st.booleans())
    def check(script: list[Call], with_sheet: bool) -> None:
        _, error = run_script(script, goes_on=False, with_sheet=with_sheet)
        if error is not None:
            assert error.agent == NAME
            assert error.hook in ("on_wake", "on_rfq_request", "on_rfq_quote")
            assert 0 < error.ts_ns < NS_PER_S
            assert isinstance(error.__cause__, EXPECTED)
            assert re.search(r"test_context_fuzz\.py:\d+$", error.where)

    check()


GOOD_AND_BAD: list[tuple[Call, Call]] = [
    (Call("place", (0, -1, np.int64(2), 101), {"order_type": 0}), Call("place", (0, Side.BUY, True, 99), {})),
    (Call("cancel", (0, 99), {}), Call("cancel", (0, 2**63), {})),
    (Call("cancel_all", (0,), {"side": 1}), Call("cancel_all", (0,), {"side": OrderType.MARKET})),
    (Call("reduce", (0, Known.ORDER, 1), {}), Call("reduce", (1, Known.ORDER, 1), {})),
    (Call("replace", (0, Known.ORDER, 2, 96), {}), Call("replace", (0, Known.ORDER, 2, 96.0), {})),
    (
        Call("request_quote", (0, None, 1, np.array([1, 2]), MS), {}),
        Call("request_quote", (0, None, 1, [None], MS), {}),
    ),
    (Call("quote", (Known.REQUEST, 90, 0, MS), {}), Call("quote", (Known.REQUEST, 90, 0, float("nan")), {})),
    (Call("decline", (Known.REQUEST,), {"reason": 1}), Call("decline", (Known.QUOTE,), {})),
    (
        Call("send", (EnterCross(0, ME, 9, Side.BUY, 1),), {}),
        Call("send", (EnterCross(0, ME + 1, 9, Side.BUY, 1),), {}),
    ),
    (Call("accept", (Known.QUOTE, -1), {}), Call("accept", (Known.QUOTE, 0), {})),
    (Call("walk_away", (0, Known.RFQ), {}), Call("walk_away", (0, 1.5), {})),
    (Call("wake_in", (MS,), {}), Call("wake_in", (0.5,), {})),
    (Call("tell", (1, SheetDisclosed(-1, 0, 1, 5, 5)), {}), Call("tell", (-1, SheetDisclosed(-1, 0, 1, 5, 5)), {})),
    (Call("log", (BeliefRecord(-1, 0, 0, 1, np.float64(2), 0.5, 0.1),), {}), Call("log", (5,), {})),
]


@pytest.mark.parametrize("good_and_bad", GOOD_AND_BAD, ids=lambda pair: pair[0].method)
def test_of_every_method_one_call_is_taken_and_one_refused(good_and_bad: tuple[Call, Call], tmp_path: Path) -> None:
    """The control: neither branch of the two tests above is empty, whatever the method."""
    for made, name in zip(good_and_bad, ("good", "bad"), strict=True):
        log, error = run_script([made], goes_on=False, with_sheet=False, folder=tmp_path / name)
        assert (error is None) == (name == "good"), error
        assert log.status == (COMPLETE if error is None else FAILED)
        if error is not None:
            assert str(error) in log.manifest.error
            assert "test_context_fuzz.py" in log.manifest.traceback


def test_with_a_balance_sheet_the_desk_sells_beside_the_strategy() -> None:
    """The control of the sheet."""
    log, _ = run_script([], goes_on=True, with_sheet=True)
    assert log.counts["parent_order_opened"] > 0
    assert len(log.table("order_filled").query("agent_id == 3 and side == -1")) > 2


def test_every_action_of_the_context_is_tried() -> None:
    tried = {pair[0].method for pair in GOOD_AND_BAD}
    assert tried == set(CALLS)
    views = {
        "take_id",
        "top",
        "phase",
        "position",
        "orders",
        "requests",
        "initial_ticks",
        "last_trade_ticks",
        "fair_value",
        "group_of",
    }
    methods = {name for name, value in vars(Context).items() if callable(value) and not name.startswith("_")}
    assert methods - views == tried
