"""Latency: distributions, connections that keep order, and a market seen exactly one latency late."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from scipy import stats
from sim_helpers import MS, S, group, latency, run, scenario, strategy_of

from lob_sim.agents.context import Context, TopOfBook
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import NewOrder, OrderAccepted, OrderType, Side
from lob_sim.rng import Stream
from lob_sim.scenario import LatencySpec
from lob_sim.simulation.latency import delay_source
from lob_sim.simulation.market_data import History

N = 4000


def draws(spec: LatencySpec, longest_ns: int | None = None) -> list[int]:
    draw = delay_source(spec, Stream(7, "latency/test"), longest_ns)
    return [draw() for _ in range(N)]


def test_constant() -> None:
    assert set(draws(LatencySpec(median=3 * MS))) == {3 * MS}


def test_uniform_is_uniform_on_median_plus_minus_spread() -> None:
    sample = draws(LatencySpec(distribution="uniform", median=5 * MS, spread=2 * MS))
    assert min(sample) >= 3 * MS
    assert max(sample) <= 7 * MS
    assert stats.kstest(sample, "uniform", (3 * MS, 4 * MS)).pvalue > 1e-4
    # Negative control: a slightly wider law is told apart.
    assert stats.kstest(sample, "uniform", (3 * MS, 5 * MS)).pvalue < 1e-4


def test_lognormal_has_the_median_and_the_log_standard_deviation() -> None:
    logs = np.log(draws(LatencySpec(distribution="lognormal", median=5 * MS, sigma=0.5)))
    assert abs(logs.mean() - math.log(5 * MS)) < 4 * 0.5 / math.sqrt(N)
    assert abs(logs.std() - 0.5) < 4 * 0.5 / math.sqrt(2 * N)


def test_longest_cuts_random_delays() -> None:
    sample = draws(LatencySpec(distribution="lognormal", median=5 * MS, sigma=1.0), 6 * MS)
    assert max(sample) == 6 * MS
    assert min(sample) < 5 * MS
    assert all(type(delay) is int for delay in sample)


# --- what others see, and when -----------------------------------------------------------------------------


class Burst(Strategy):
    """Sends a numbered order at each of many close times: its quantity is the number."""

    def on_start(self, ctx: Context) -> None:
        self.sent: list[int] = []
        self.accepted: list[tuple[int, int]] = []
        ctx.wake_in(1)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if len(self.sent) < 200:
            self.sent.append(ctx.now_ns)
            ctx.place(0, Side.BUY, len(self.sent), 50)
            ctx.wake_in(MS // 10)

    def on_accept(self, ctx: Context, event: OrderAccepted) -> None:
        self.accepted.append((ctx.now_ns, event.qty_lots))


@pytest.mark.parametrize(
    "law",
    [
        {"distribution": "lognormal", "median": "2ms", "sigma": 1.0},
        {"distribution": "uniform", "median": "2ms", "spread": "2ms"},
        {"median": "2ms"},
    ],
)
def test_messages_on_one_connection_never_overtake_each_other(law: dict[str, object]) -> None:
    log, world = run(scenario([group("burst", Burst, connection={"to_venue": law, "from_venue": law})]))
    burst = strategy_of(world, "burst-1")
    arrivals = [(ts, m) for ts, m in log.entries if isinstance(m, NewOrder)]
    assert [m.qty_lots for _, m in arrivals] == list(range(1, 201))
    assert [m.ts_sent_ns for _, m in arrivals] == burst.sent
    assert [qty for _, qty in burst.accepted] == list(range(1, 201))
    up = [ts - m.ts_sent_ns for ts, m in arrivals]
    down = [seen - ts for (seen, _), (ts, _) in zip(burst.accepted, arrivals, strict=True)]
    if "distribution" in law:
        assert len(set(up)) > 5
        assert len(set(down)) > 5
        # Negative control: drawn delays alone, at these sending times, would overtake.
        free = delay_source(LatencySpec(distribution="lognormal", median=2 * MS, sigma=1.0), Stream(1, "free"))
        due = [ts + free() for ts in burst.sent]
        assert due != sorted(due)
    else:
        assert set(up) == set(down) == {2 * MS}


class Watcher(Strategy):
    """Looks at the market at every 100 microseconds and writes down what it sees."""

    def on_start(self, ctx: Context) -> None:
        self.seen: list[tuple[int, TopOfBook, int]] = []
        # Half a step off, so that no look falls on the instant of a change.
        ctx.wake_in(MS // 20)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.seen.append((ctx.now_ns, ctx.top(0), ctx.last_trade_ticks(0)))
        ctx.wake_in(MS // 10)


class Stepper(Strategy):
    """Raises its bid by one tick and sells one lot to it, every millisecond."""

    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 10, 50)
        ctx.wake_in(MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        order = next(iter(ctx.orders(0).values()))
        ctx.replace(0, order.client_order_id, 10, order.price_ticks + 1)
        ctx.wake_in(MS)


class Hitter(Strategy):
    """Sells one lot at the market every millisecond."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(MS // 3)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, Side.SELL, 1, order_type=OrderType.MARKET)
        ctx.wake_in(MS)


@pytest.mark.parametrize("down_ns", [0, 1, 250_000, 3 * MS, 12 * S])
def test_an_agent_sees_the_market_exactly_one_latency_late(down_ns: int) -> None:
    horizon = "13s" if down_ns > S else "100ms"
    agents = [
        group("stepper", Stepper),
        group("hitter", Hitter),
        group("now", Watcher),
        group("late", Watcher, connection=latency(down=f"{down_ns}ns")),
    ]
    if down_ns > S:
        # One change now and then suffices where the delay is long.
        agents[0]["connection"] = agents[1]["connection"] = latency()
    _, world = run(scenario(agents, horizon=horizon))
    now = {ts: (top, last) for ts, top, last in strategy_of(world, "now-1").seen}
    late = strategy_of(world, "late-1").seen
    compared = 0
    for ts, top, last in late:
        then = ts - down_ns
        if then in now:
            assert (top, last) == now[then]
            compared += 1
        elif then < 0:
            assert top == TopOfBook(0, 0, 0, 0, 0)
    if down_ns % (MS // 10) == 0:
        assert compared > 500
        assert len({top.bid_ticks for _, top, _ in late}) > 20


class Notified(Strategy):
    def on_start(self, ctx: Context) -> None:
        self.seen: list[tuple[int, TopOfBook]] = []

    def on_book(self, ctx: Context, instrument_id: int) -> None:
        self.seen.append((ctx.now_ns, ctx.top(instrument_id)))


def test_a_notice_of_the_book_comes_one_latency_after_the_change_and_shows_it() -> None:
    agents = [group("stepper", Stepper), group("w", Notified, connection=latency(down="700us"))]
    _, world = run(scenario(agents, horizon="50ms"))
    seen = strategy_of(world, "w-1").seen
    assert len(seen) > 40
    assert all(now - top.ts_event_ns == 700_000 for now, top in seen)
    assert [top.bid_ticks for _, top in seen] == list(range(50, 50 + len(seen)))


# --- history -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_history_is_what_a_list_of_all_changes_says(seed: int) -> None:
    dice = random.Random(seed)
    retention = dice.choice([0, 50, 5_000, 10**9])
    history: History[int] = History(-1, retention)
    changes: list[tuple[int, int]] = [(-1, -1)]
    now = 0
    for value in range(12_000):
        now += dice.choice([0, 0, 1, 3, 20])
        history.set(now, value)
        changes.append((now, value))
        if value % 50 == 0:
            for back in (0, 1, dice.randint(0, retention), retention):
                then = now - back
                expected = next(v for ts, v in reversed(changes) if ts <= then or ts == -1)
                assert history.at(then) == expected
    assert history.current == 11_999
    if retention < 10_000:
        assert len(history._times) < 12_000  # what nobody may ask for was forgotten


def test_history_before_the_first_change_is_the_initial_value() -> None:
    history: History[str] = History("opening", 10)
    assert history.at(0) == "opening"
    history.set(5, "later")
    assert [history.at(ts) for ts in (-100, 4, 5, 6)] == ["opening", "opening", "later", "later"]


# --- simultaneous arrivals ---------------------------------------------------------------------------------


class OneOrder(Strategy):
    def on_start(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, 50)


def test_simultaneous_arrivals_come_in_order_of_name_however_declared() -> None:
    names = ["delta", "alpha", "charlie", "bravo"]

    def arrivals(order: list[str]) -> list[str]:
        log, world = run(scenario([group(n, OneOrder, count=3, connection=latency("1ms")) for n in order]))
        return [world.hosts[m.agent_id].name for m in log.of(NewOrder)]

    expected = [f"{n}-{i}" for n in sorted(names) for i in (1, 2, 3)]
    assert arrivals(names) == arrivals(names[::-1]) == expected
