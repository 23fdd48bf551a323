"""Fair values move by themselves, shocks come on time, and news travels to those who listen."""

from __future__ import annotations

from typing import Any

import pytest
from sim_helpers import MS, Idle, MemoryLog, S, group, instrument, latency, run, scenario, strategy_of
from spammer import Spammer

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import ScenarioError
from lob_sim.messages import Announcement, FairValue, News
from lob_sim.scenario import Scenario

LAW = {
    "daily_volatility": 0.02,
    "common_loading": 0.6,
    "jumps_per_day": 2000.0,
    "jump_sd": 0.01,
    "news_interval": "2s",
    "news_noise_sd": 0.002,
}
AGENTS = [group("idle", Idle)]


def world_of(
    agents: list[dict[str, Any]] | None = None, names: tuple[str, ...] = ("bond", "note"), **fields: Any
) -> Scenario:
    instruments = [instrument(name, 1000, fair_value=LAW) for name in names]
    return scenario(AGENTS if agents is None else agents, instruments, horizon="60s", **fields)


def path(spec: Scenario, name: str, seed: int = 1) -> list[tuple[Any, ...]]:
    """Everything exogenous that happened to one instrument."""
    log, world = run(spec, seed)
    number = next(i.instrument_id for i in world.instruments if i.name == name)
    found: list[tuple[Any, ...]] = []
    for message in log.messages:
        if isinstance(message, FairValue) and message.instrument_id == number:
            found.append((message.ts_event_ns, message.value_ticks, message.is_shock))
        elif isinstance(message, News) and message.instrument_id == number:
            found.append((message.ts_event_ns, message.signal_ticks))
    return found


def test_the_path_depends_on_the_seed_and_the_instruments_name_alone() -> None:
    plain = path(world_of(), "bond")
    assert len(plain) > 80
    busy = [group(name, Spammer, params={"until": "2s"}, sees_fair_value=name == "t") for name in "st"]
    assert path(world_of(busy), "bond") == plain
    assert path(world_of(names=("bond", "a", "zz")), "bond") == plain
    assert path(world_of(names=("note", "bond")), "bond") == plain
    # Negative controls.
    assert path(world_of(), "bond", seed=2) != plain
    assert path(world_of(), "note") != plain


def test_it_starts_at_the_initial_price() -> None:
    assert path(world_of(), "bond")[0] == (0, 1000.0, False)


@pytest.mark.parametrize("at", ["0s", "10s", "12.345s", "59.999999999s"])
def test_a_shock_comes_at_its_time_and_moves_its_instrument_by_its_size(at: str) -> None:
    shock = {"instrument": "bond", "at": at, "size": -0.04}
    plain, shocked = path(world_of(), "bond"), path(world_of(shocks=[shock]), "bond")
    marks = [entry for entry in shocked if entry[-1] is True]
    (mark,) = marks
    assert mark[0] == round(float(at[:-1]) * S)
    before = [e for e in shocked if len(e) == 3 and e[0] <= mark[0] and e is not mark][-1]
    assert mark[1] == pytest.approx(before[1] * 0.96, rel=1e-12)
    # Nothing else has changed: later values are those without it, times 0.96.
    values = [e for e in shocked if len(e) == 3 and e is not mark]
    plain_values = [e for e in plain if len(e) == 3]
    assert [e[0] for e in values] == [e[0] for e in plain_values]
    for value, other in zip(values, plain_values, strict=True):
        factor = 0.96 if shocked.index(value) > shocked.index(mark) else 1.0
        assert value[1] == pytest.approx(other[1] * factor, rel=1e-12)
    assert path(world_of(shocks=[shock]), "note") == path(world_of(), "note")


def test_shocks_at_one_time_compound_in_whatever_order_they_are_declared() -> None:
    shocks = [{"instrument": "bond", "at": "10s", "size": size} for size in (-0.1, 0.05, -0.02)]
    assert path(world_of(shocks=shocks), "bond") == path(world_of(shocks=shocks[::-1]), "bond")


class Listens(Strategy):
    def on_start(self, ctx: Context) -> None:
        self.heard: list[tuple[int, News]] = []

    def on_news(self, ctx: Context, news: News) -> None:
        self.heard.append((ctx.now_ns, news))


def test_news_reaches_those_who_listen_after_their_latency() -> None:
    agents = [
        group("fast", Listens),
        group("slow", Listens, connection=latency(down="250ms")),
        group("deaf", Idle),
    ]
    log, world = run(world_of(agents))
    published = [news for news in log.of(News) if news.ts_event_ns + 250 * MS <= 60 * S]
    assert len(published) > 20
    for name, delay in (("fast-1", 0), ("slow-1", 250 * MS)):
        heard = strategy_of(world, name).heard
        assert [news for _, news in heard][: len(published)] == published
        assert {ts - news.ts_event_ns for ts, news in heard} == {delay}


class Informed(Strategy):
    def on_start(self, ctx: Context) -> None:
        self.seen: list[tuple[int, float]] = []
        ctx.wake_in(S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.seen.append((ctx.now_ns, ctx.fair_value(0)))
        ctx.wake_in(S)


def test_those_who_see_fair_value_see_the_one_of_this_very_time() -> None:
    """The world moves ahead of everything else that is due at the same time."""
    log, world = run(world_of([group("i", Informed, sees_fair_value=True)]))
    values = [(v.ts_event_ns, v.value_ticks) for v in log.of(FairValue) if v.instrument_id == 0]
    seen = strategy_of(world, "i-1").seen
    assert len(seen) == 59
    for ts_ns, value in seen:
        assert value == [v for ts, v in values if ts <= ts_ns][-1]


def test_a_market_without_any_law_has_a_constant_fair_value() -> None:
    log, _ = run(scenario(AGENTS))
    assert isinstance(log, MemoryLog)
    assert [v.value_ticks for v in log.of(FairValue)] == [100.0]


class Hears(Strategy):
    def on_start(self, ctx: Context) -> None:
        self.heard: list[tuple[int, Announcement]] = []

    def on_announcement(self, ctx: Context, announcement: Announcement) -> None:
        self.heard.append((ctx.now_ns, announcement))


def announced(**fields: Any) -> dict[str, Any]:
    return {"instrument": "bond", "at": "10s", "size": -0.04, "announced": True, **fields}


def test_an_announced_shock_is_heard_at_once_and_moves_nothing_else() -> None:
    agents = [group("near", Hears), group("far", Hears, connection=latency(down="250ms")), group("deaf", Idle)]
    plain = path(world_of(agents, shocks=[{"instrument": "bond", "at": "10s", "size": -0.04}]), "bond")
    spec = world_of(agents, shocks=[announced(noise=0.01)])
    assert path(spec, "bond") == plain
    log, world = run(spec)
    (said,) = log.of(Announcement)
    values = [v for v in log.of(FairValue) if v.instrument_id == said.instrument_id]
    shock = next(k for k, v in enumerate(values) if v.is_shock)
    change = values[shock].value_ticks - values[shock - 1].value_ticks
    assert said.ts_event_ns == values[shock].ts_event_ns == 10 * S
    assert said.noise_sd_ticks == 0.01 * 1000
    assert said.change_ticks != change
    assert abs(said.change_ticks - change) < 5 * said.noise_sd_ticks
    for name, delay in (("near-1", 0), ("far-1", 250 * MS)):
        assert strategy_of(world, name).heard == [(10 * S + delay, said)]


def test_without_noise_the_announcement_is_the_change_and_unannounced_there_is_none() -> None:
    log, _ = run(world_of(shocks=[announced()]))
    (said,) = log.of(Announcement)
    values = [v for v in log.of(FairValue) if v.instrument_id == said.instrument_id]
    shock = next(k for k, v in enumerate(values) if v.is_shock)
    assert said.change_ticks == values[shock].value_ticks - values[shock - 1].value_ticks
    log, _ = run(world_of(shocks=[announced(announced=False)]))
    assert log.of(Announcement) == []


def test_noise_without_an_announcement_is_refused() -> None:
    with pytest.raises(ScenarioError, match="noise: expected 0 where nothing is announced"):
        world_of(shocks=[announced(announced=False, noise=0.01)])
