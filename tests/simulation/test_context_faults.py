"""What a strategy may hand to its context, how it is stopped and what its errors say: inputs that once went wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from sim_helpers import MS, Idle, MemoryLog, Quoter, S, group, latency, run, scenario, strategy_of

from lob_sim import open_run
from lob_sim import run as run_market
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import ScenarioError, StrategyError
from lob_sim.log import MemoryRecorder, run_in_memory
from lob_sim.messages import (
    BeliefRecord,
    CancelOrder,
    DeclineQuote,
    DeclineReason,
    NewOrder,
    OrderType,
    ReplaceOrder,
    RequestQuote,
    RfqOpened,
    SelfTradePrevention,
    SheetDisclosed,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.replay.verification import verify
from lob_sim.running import header_of
from lob_sim.simulation import host as host_module
from lob_sim.simulation.pace import MOST_CALLS, WITHIN_NS
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.runner import advance, simulate
from lob_sim.simulation.world import World
from lob_sim.testing import RecordingContext

Action = Callable[[Context], object]


class Acts(Strategy):
    """Does one thing a millisecond after the opening; asked for a quote, does another."""

    action: ClassVar[Action]
    answers_rfqs = True
    answer: ClassVar[Callable[[Context, RfqOpened], object] | None] = None

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        type(self).action(ctx)

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        answer = type(self).answer
        if answer is not None:
            answer(ctx, request)


def acted(action: Any, *others: dict[str, Any]) -> MemoryLog:
    """The log of a market in which ``a-1`` has done something."""
    Acts.action = action
    return run(scenario([group("a", Acts), group("b", Quoter), *others], horizon="1s"))[0]


def refused(action: Any, *others: dict[str, Any]) -> StrategyError:
    """The error of an action, which must have left nothing on the log."""
    Acts.action = action
    log = MemoryLog()
    with pytest.raises(StrategyError) as caught:
        simulate(scenario([group("a", Acts), group("b", Quoter), *others], horizon="1s"), 1, log)
    error = caught.value
    assert (error.agent, error.hook, error.ts_ns) == ("a-1", "on_wake", MS)
    assert re.search(r"test_context_faults\.py:\d+$", error.where)
    assert error.where in str(error)
    assert [m for m in log.messages if getattr(m, "agent_id", None) == 0] == []
    return error


# --- what is logged is what was judged ---------------------------------------------------------------------


def test_one_for_a_side_and_numbers_for_other_enumerations_are_those_and_the_log_verifies() -> None:
    def action(ctx: Any) -> None:
        ctx.place(0, 1, 1, 100)
        ctx.place(np.int64(0), np.int8(-1), np.int64(2), np.int32(103), order_type=0, time_in_force=1, self_trade=0)
        ctx.place(0, -1, 1, 103, hidden=np.bool_(True), post_only=False, parent_order_id=np.uint8(4))

    Acts.action = action
    plan, memory = MarketPlan(scenario([group("a", Acts), group("b", Quoter)], horizon="1s")), MemoryRecorder()
    advance(World(plan, 1, memory))
    log = run_in_memory(memory, header_of(plan, 1))
    sent: list[Any] = [row.message for row in log.messages(NewOrder)]
    orders = [order for order in sent if order.agent_id == 0]
    assert [(o.side, o.qty_lots, o.price_ticks, o.time_in_force, o.self_trade, o.hidden) for o in orders] == [
        (Side.BUY, 1, 100, TimeInForce.GTC, SelfTradePrevention.CANCEL_MAKER, False),
        (Side.SELL, 2, 103, TimeInForce.IOC, SelfTradePrevention.NONE, False),
        (Side.SELL, 1, 103, TimeInForce.GTC, SelfTradePrevention.CANCEL_MAKER, True),
    ]
    assert log.counts["order_accepted"] == 5
    assert "order_rejected" not in log.counts
    assert verify(log).ok


def test_what_is_sent_is_of_exactly_the_types_of_its_fields() -> None:
    log = acted(lambda ctx: ctx.place(np.int64(0), 1, np.int64(1), 100, order_type=np.int8(0), post_only=np.bool_(0)))
    (order,) = [order for order in log.of(NewOrder) if order.agent_id == 0]
    kinds = [type(getattr(order, name)) for name in ("instrument_id", "side", "qty_lots", "order_type", "post_only")]
    assert kinds == [int, Side, int, OrderType, bool]


ORDERS: list[tuple[dict[str, Any], str]] = [
    ({"instrument_id": True}, "instrument_id is True; expected a whole number"),
    ({"instrument_id": 0.0}, "instrument_id is 0.0"),
    ({"instrument_id": 1}, "there is no instrument 1"),
    ({"side": 0}, "side is 0; expected one of Side.{BUY, SELL}"),
    ({"side": "buy"}, "side is 'buy'"),
    ({"side": True}, "side is True"),
    ({"side": OrderType.MARKET}, "side is <OrderType.MARKET: 1>"),
    ({"qty_lots": Side.BUY}, "qty_lots is <Side.BUY: 1>; expected a whole number"),
    ({"qty_lots": 2**63}, "qty_lots is 9223372036854775808; expected a whole number of at most 64 bits"),
    ({"qty_lots": 10**5000}, "qty_lots is of type int and cannot be shown"),
    ({"qty_lots": np.array([1, 2])}, "qty_lots is array([1, 2])"),
    ({"price_ticks": -(2**63) - 1}, "price_ticks is -9223372036854775809"),
    ({"price_ticks": float("nan")}, "price_ticks is nan"),
    ({"stop_price_ticks": True}, "stop_price_ticks is True"),
    ({"display_qty_lots": True}, "display_qty_lots is True"),
    ({"parent_order_id": True}, "parent_order_id is True"),
    ({"parent_order_id": 2**64}, "parent_order_id is"),
    ({"order_type": 9}, "order_type is 9; expected one of OrderType.{LIMIT, MARKET, STOP, STOP_LIMIT}"),
    ({"time_in_force": Side.BUY}, "time_in_force is <Side.BUY: 1>"),
    ({"self_trade": None}, "self_trade is None"),
    ({"hidden": 1}, "hidden is 1; expected True or False"),
    ({"post_only": "no"}, "post_only is 'no'"),
]


@pytest.mark.parametrize(("changed", "said"), ORDERS, ids=[said for _, said in ORDERS])
def test_an_order_that_no_venue_could_take_as_said_is_an_error_where_it_is_said(
    changed: dict[str, Any], said: str
) -> None:
    order: dict[str, Any] = {"instrument_id": 0, "side": Side.BUY, "qty_lots": 1, "price_ticks": 100} | changed
    assert said in refused(lambda ctx: ctx.place(**order)).cause
    # A context for unit tests says the same.
    with pytest.raises((TypeError, ValueError, IndexError, OverflowError), match=re.escape(said)):
        RecordingContext().place(**order)


def test_an_order_at_the_bounds_of_the_log_is_for_the_venue_to_judge() -> None:
    """The control: rejected, not an error."""
    log = acted(lambda ctx: [ctx.place(0, 1, n, 100) for n in (0, -1, 2**63 - 1, -(2**63))])
    assert [o.qty_lots for o in log.of(NewOrder) if o.agent_id == 0] == [0, -1, 2**63 - 1, -(2**63)]


NO_NUMBER: Any = "x"
OTHERS: list[tuple[Any, str]] = [
    (lambda ctx: ctx.cancel(0, 2**63), "client_order_id is 9223372036854775808"),
    (lambda ctx: ctx.cancel(True, 1), "instrument_id is True"),
    (lambda ctx: ctx.cancel_all(0, "buy"), "side is 'buy'"),
    (lambda ctx: ctx.cancel_all(-1), "there is no instrument -1"),
    (lambda ctx: ctx.reduce(0, 1, 2**63), "qty_lots is"),
    (lambda ctx: ctx.replace(0, 2**63, 1, 1), "client_order_id is"),
    (lambda ctx: ctx.replace(0, 1, 1, 1.0), "price_ticks is 1.0"),
    (lambda ctx: ctx.walk_away(0, 1.5), "rfq_id is 1.5; expected a whole number"),
    (lambda ctx: ctx.walk_away(0, 2**63), "rfq_id is"),
    (lambda ctx: ctx.request_quote(0, Side.BUY, 1, [None], MS), "one of dealer_ids is None"),
    (lambda ctx: ctx.request_quote(0, Side.BUY, 1, "12", MS), "dealer_ids is '12'"),
    (lambda ctx: ctx.request_quote(0, Side.BUY, 1, 1, MS), "dealer_ids is 1"),
    (lambda ctx: ctx.request_quote(0, "buy", 1, [1], MS), "side is 'buy'"),
    (lambda ctx: ctx.request_quote(0, 2, 1, [1], MS), "side is 2"),
    (lambda ctx: ctx.request_quote(0, None, 1, [1], float("nan")), "ttl_ns is nan; expected a whole number of nano"),
    (lambda ctx: ctx.request_quote(0, None, 1, [1], 2**63 - 1), "expected at most 4611686018427387904 nanoseconds"),
    (lambda ctx: ctx.request_quote(0, None, 2**63, [1], MS), "qty_lots is"),
    (lambda ctx: ctx.decline(None), "request is None; expected the RfqOpened that the hook was handed"),
    (lambda ctx: ctx.quote(5, 1, 2, MS), "request is 5"),
    (lambda ctx: ctx.accept((0, 1), Side.BUY), "quote is (0, 1); expected the RfqQuoted"),
    (lambda ctx: ctx.log(5), "5 is no observation"),
    (lambda ctx: ctx.log(Trade(MS, 0, 1, 100, 1, Side.BUY, 1, 2)), "is no observation"),
    (lambda ctx: ctx.log(BeliefRecord(0, 0, 0, 1.0, 1.0, 0.5, 0.1)), "expected the time of now, 1000000"),
    (lambda ctx: ctx.log(BeliefRecord(MS, 0, 2**63, 1.0, 1.0, 0.5, 0.1)), "BeliefRecord.instrument_id is"),
    (lambda ctx: ctx.log(BeliefRecord(MS, 0, 0, NO_NUMBER, 1.0, 0.5, 0.1)), "BeliefRecord.mean_ticks is 'x'"),
    (lambda ctx: ctx.tell(-1, SheetDisclosed(MS, 0, 1, 1, 1)), "there is no agent -1"),
    (lambda ctx: ctx.tell(1, BeliefRecord(MS, 0, 0, 1.0, 1.0, 0.5, 0.1)), "expected one derived from AgentMessage"),
    (lambda ctx: ctx.wake_in(MS, "tag"), "tag is 'tag'"),
]


@pytest.mark.parametrize(("action", "said"), OTHERS, ids=[said for _, said in OTHERS])
def test_a_call_that_makes_no_sense_is_an_error_that_names_agent_hook_time_and_line(action: Any, said: str) -> None:
    assert said in refused(action).cause


def test_an_observation_whose_numbers_are_numpys_is_logged_as_pythons() -> None:
    record = BeliefRecord(MS, np.int64(0), 0, 1, np.float64(2.0), 0.5, float("inf"))  # type: ignore[arg-type]
    (logged,) = acted(lambda ctx: ctx.log(record)).of(BeliefRecord)
    assert logged == BeliefRecord(MS, 0, 0, 1.0, 2.0, 0.5, float("inf"))
    assert [type(logged.agent_id), type(logged.mean_ticks), type(logged.sd_ticks)] == [int, float, float]


def test_dealers_may_be_an_array_and_a_wrong_one_is_for_the_venue_to_judge() -> None:
    log = acted(lambda ctx: [ctx.request_quote(0, 0, 1, np.array(ids), MS) for ids in ([1], [7])])
    assert [(m.side, m.dealer_ids) for m in log.of(RequestQuote)] == [(0, (1,)), (0, (7,))]
    assert len(log.of(RfqOpened)) == 1


class AsksOnce(Strategy):
    def on_start(self, ctx: Context) -> None:
        ctx.request_quote(0, Side.BUY, 1, [0], S)


@pytest.mark.parametrize(
    ("reason", "is_taken"), [(1, True), (DeclineReason.CAPACITY, True), (99, False), (True, False)]
)
def test_a_reason_to_decline_is_one_that_there_is(reason: Any, is_taken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    Acts.action = lambda ctx: None
    monkeypatch.setattr(Acts, "answer", lambda ctx, request: ctx.decline(request, reason))
    spec = scenario([group("a", Acts), group("z", AsksOnce)], horizon="1s")
    if is_taken:
        (declined,) = run(spec)[0].of(DeclineQuote)
        assert declined.reason is DeclineReason(reason)
    else:
        with pytest.raises(StrategyError, match=r"'a-1' failed in on_rfq_request .*reason is"):
            run(spec)


class GoesOn(Strategy):
    """Makes the same mistake in every way, and goes on as if nothing had happened."""

    def on_start(self, ctx: Context) -> None:
        wrong: Any = 1.5
        for action in (
            lambda: ctx.place(0, Side.BUY, 1, wrong),
            lambda: ctx.replace(0, 1, 1, wrong),
            lambda: ctx.request_quote(0, Side.BUY, 1, [wrong], S),
            lambda: ctx.cancel(0, wrong),
        ):
            with pytest.raises(TypeError):
                action()
        self.number = ctx.place(0, Side.BUY, 1, 99)


def test_after_an_error_that_a_strategy_catches_nothing_is_half_done() -> None:
    log, world = run(scenario([group("a", GoesOn)]))
    assert strategy_of(world, "a-1").number == 1
    assert len(log.of(NewOrder)) == 1
    assert not log.of(CancelOrder)
    assert list(world.hosts[0].account.orders[0]) == [1]


# --- time goes on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.5, 5.0, float("inf"), float("nan"), "5s", None, np.float64(2), True])
def test_a_delay_that_is_no_whole_number_of_nanoseconds_is_refused_and_the_unit_named(delay: Any) -> None:
    error = refused(lambda ctx: ctx.wake_in(delay))
    assert f"delay_ns is {delay!r}; expected a whole number of nanoseconds, for example 5 * NS_PER_S" in error.cause
    with pytest.raises(TypeError, match="whole number of nanoseconds"):
        RecordingContext().wake_in(delay)


class WakesAgain(Strategy):
    class Params(Strategy.Params, frozen=True, forbid_unknown_fields=True):
        delay_ns: int

    params: Params

    def on_start(self, ctx: Context) -> None:
        self.woken = 0
        ctx.wake_in(self.params.delay_ns)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.woken += 1
        ctx.wake_in(self.params.delay_ns)


def test_five_nanoseconds_for_five_seconds_stop_the_run_and_name_agent_and_line() -> None:
    spec = scenario([group("hasty", WakesAgain, params={"delay_ns": 5})], horizon="24h")
    with pytest.raises(
        StrategyError, match=r"'hasty-1' failed in on_wake .* was called 100,000 times within"
    ) as caught:
        run(spec)
    assert caught.value.ts_ns == 5 * MOST_CALLS
    assert re.search(r"test_context_faults\.py:\d+$", caught.value.where)


def test_an_agent_that_wakes_ten_times_as_fast_as_any_other_and_no_faster_runs_on() -> None:
    """The control: every ten microseconds."""
    delay_ns = 10 * WITHIN_NS // MOST_CALLS
    _, world = run(scenario([group("brisk", WakesAgain, params={"delay_ns": delay_ns})], horizon="1100ms"))
    assert strategy_of(world, "brisk-1").woken == 110_000 - 1 > MOST_CALLS


class Requotes(Strategy):
    """Answers every change of the book with another price, the changes that it makes itself included."""

    def on_book(self, ctx: Context, instrument_id: int) -> None:
        price = 99 if ctx.top(0).bid_ticks == 100 else 100
        own = next(iter(ctx.orders(0)), 0)
        if own:
            ctx.replace(0, own, 1, price)
        else:
            ctx.place(0, Side.BUY, 1, price)


class Outdoes(Strategy):
    """Sends the next order upon each fill, at once."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, 100)

    def on_fill(self, ctx: Context, fill: Any) -> None:
        ctx.place(0, fill.side, 1, 100)


class Asks(Strategy):
    """Asks again whenever it is declined."""

    def on_start(self, ctx: Context) -> None:
        ctx.request_quote(0, Side.BUY, 1, ctx.dealers, S)

    def on_rfq_decline(self, ctx: Context, event: Any) -> None:
        ctx.request_quote(0, Side.BUY, 1, ctx.dealers, S)


class Declines(Strategy):
    answers_rfqs = True

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.decline(request)


class Writes(Strategy):
    def on_start(self, ctx: Context) -> None:
        ctx.tell(0, SheetDisclosed(ctx.now_ns, 0, 1, 1, 1))

    def on_message(self, ctx: Context, event: Any) -> None:
        ctx.tell(0, SheetDisclosed(ctx.now_ns, 0, 1, 1, 1))


ENDLESS: list[tuple[list[dict[str, Any]], str]] = [
    ([group("a", Requotes), group("z", Quoter)], r"'a-1' failed in on_book"),
    ([group("a", Outdoes), group("z", Outdoes), group("y", Quoter)], ""),
    ([group("a", Asks), group("z", Declines)], r"'(a|z)-1' failed in on_rfq_(decline|request)"),
    ([group("a", Writes)], r"'a-1' failed in on_message"),
    ([group("t", "strategies.twap:TwapTrader", params={"duration": "1ns"})], r"'t-1' failed in on_wake"),
    ([group("q", "strategies.fixed_spread:FixedSpreadDealer", params={"requote_interval": "1ns"})], r"'q-1' failed in"),
]


@pytest.mark.parametrize(("agents", "said"), ENDLESS, ids=[said or "ends" for _, said in ENDLESS])
def test_whatever_keeps_time_from_going_on_stops_the_run_and_names_the_agent(
    agents: list[dict[str, Any]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "MOST_CALLS", 2_000)
    spec = scenario(agents, horizon="1h")
    if not said:
        run(spec)  # the control: it ends when the other side has nothing left
        return
    with pytest.raises(StrategyError, match=f"{said}.* was called 2,000 times within .* nanoseconds"):
        run(spec)


def test_with_latency_the_same_strategies_run_on() -> None:
    """The control: requoting at every change of the book is no fault where answers take time."""
    agents = [group("a", Requotes, connection=latency("1ms", "1ms")), group("z", Quoter)]
    log, _ = run(scenario(agents, horizon="5s"))
    assert len(log.of(ReplaceOrder)) > 1_000


# --- hooks that nobody calls -------------------------------------------------------------------------------


def build_error(strategy: type[Strategy]) -> ScenarioError:
    with pytest.raises(ScenarioError) as caught:
        World(scenario([group("g", strategy)]), 1, MemoryLog())
    assert caught.value.where == "agents.g.strategy"
    return caught.value


def named(name: str, **members: Any) -> type[Strategy]:
    """A strategy that scenarios can name."""
    cls = type(name, (Strategy,), members)
    cls.__module__ = __name__
    globals()[name] = cls
    return cls


def _waiting(self: Strategy, ctx: Context, tag: int) -> Any:
    yield


async def _coroutine(self: Strategy, ctx: Context, tag: int) -> None: ...


HOOKS: list[tuple[dict[str, Any], str]] = [
    ({"on_wakeup": lambda self, ctx, tag: None}, "on_wakeup is no hook.*did you mean 'on_wake'"),
    ({"on_trade_print": lambda self, ctx, trade: None}, "on_trade_print is no hook.*did you mean 'on_(trade|print)'"),
    ({"on_fills": lambda self, ctx, fill: None}, "on_fills is no hook.*did you mean 'on_fill'"),
    ({"on_wake": lambda self, ctx: None}, r"on_wake cannot be called as on_wake\(self, ctx"),
    ({"on_fill": lambda self, ctx, fill, more: None}, "on_fill cannot be called as"),
    ({"on_wake": staticmethod(lambda ctx, tag: None)}, "on_wake is a static method"),
    ({"on_wake": _waiting}, "on_wake waits"),
    ({"on_wake": _coroutine}, "on_wake waits"),
    ({"on_wake": 5}, "on_wake is 5; expected a method"),
    ({"deferred_hooks": frozenset({"on_trades"})}, "deferred_hooks has 'on_trades'.*did you mean 'on_trade'"),
]


@pytest.mark.parametrize(("members", "said"), HOOKS, ids=[said for _, said in HOOKS])
def test_a_hook_that_nobody_would_call_is_refused_with_the_nearest_name(members: dict[str, Any], said: str) -> None:
    assert re.search(said, build_error(named("Misspelt", **members)).message)


def test_hooks_with_defaults_and_private_helpers_are_fine() -> None:
    def on_wake(self: Strategy, ctx: Context, tag: int = 0, more: int = 0) -> None: ...

    def on_fill(self: Strategy, *args: Any) -> None: ...

    members = {"on_wake": on_wake, "on_fill": on_fill, "_on_anything": on_fill, "once": 5}
    world = World(scenario([group("g", named("Sound", **members))]), 1, MemoryLog())
    assert [type(host.components[-1]).__name__ for host in world.hosts] == ["Sound"]


# --- errors in a user's own file ---------------------------------------------------------------------------

PLUGIN = """from lob_sim.agents.strategy import Strategy
from lob_sim.messages import Side


class Mine(Strategy):
    def on_start(self, ctx):
        ctx.wake_in(1_000_000)

    def on_wake(self, ctx, tag):
        ctx.place(0, Side.BUY, 1, 99)
        self.price(ctx)

    def price(self, ctx):
        return {expression}
"""
MARKET = """name = "mine"
horizon = "1s"

[[instruments]]
name = "bond"
tick_size = 1
lot_size = 1
initial_price = 100

[[agents]]
name = "mine"
strategy = "mine.py:Mine"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a user, who works in it."""
    (tmp_path / "mine.toml").write_text(MARKET, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("1 / ctx.position(0)", "ZeroDivisionError"),
        ("ctx.place(0, Side.BUY, 1.5, 99)", "TypeError: qty_lots is 1.5"),
        ("max(int(c) for c in 'x')", "ValueError"),
        ("__import__('json').loads('{')", "JSONDecodeError"),
    ],
)
def test_an_exception_names_the_last_line_of_the_authors_file_and_the_manifest_keeps_the_traceback(
    expression: str, cause: str, folder: Path
) -> None:
    (folder / "mine.py").write_text(PLUGIN.format(expression=expression), "utf-8")
    with pytest.raises(StrategyError) as caught:
        run_market("mine.toml", out="run")
    said = str(caught.value)
    assert said.startswith("agent 'mine-1' failed in on_wake at t=0.001000000 s: ")
    assert cause in said
    assert said.endswith(" (mine.py:14)")
    manifest = open_run("run").manifest
    assert manifest.status == "failed"
    assert manifest.error == f"StrategyError: {said}"
    assert "Traceback" in manifest.traceback
    assert 'mine.py", line 11, in on_wake' in manifest.traceback
    assert 'mine.py", line 14, in price' in manifest.traceback


def test_the_command_line_says_the_same_in_one_line(folder: Path) -> None:
    (folder / "mine.py").write_text(PLUGIN.format(expression="ctx.wake_in(0.5)"), "utf-8")
    command = [sys.executable, "-m", "lob_sim.cli", "run", "mine.toml", "--out", "run"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    said = " ".join(done.stderr.split())
    assert done.returncode != 0
    assert "Traceback" not in said
    assert "agent 'mine-1' failed in on_wake at t=0.001000000 s: TypeError: delay_ns is 0.5; expected" in said
    assert "(mine.py:14)" in said


def test_a_run_that_does_not_fail_keeps_no_traceback(tmp_path: Path) -> None:
    """The control."""
    manifest = run_market(scenario([group("i", Idle)]), out=tmp_path / "run").manifest
    assert (manifest.error, manifest.traceback) == ("", "")


class Unspeakable(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise RuntimeError("no words")


def _raise() -> None:
    raise Unspeakable


def test_an_error_that_cannot_be_shown_is_named_by_its_class() -> None:
    assert refused(lambda ctx: _raise()).cause == "Unspeakable"


@pytest.mark.parametrize(
    "read", ["top", "last_trade_ticks", "phase", "initial_ticks", "position", "orders", "requests", "fair_value"]
)
@pytest.mark.parametrize("number", [-1, 10**6])
def test_no_instrument_is_counted_from_the_end(read: str, number: int) -> None:
    error = refused(lambda ctx: getattr(ctx, read)(number))
    assert "a-1" in str(error)
    assert "IndexError" in str(error) or "PermissionError" in str(error)
    # Control: the number that is there is read.
    if read != "fair_value":
        acted(lambda ctx: getattr(ctx, read)(0))
