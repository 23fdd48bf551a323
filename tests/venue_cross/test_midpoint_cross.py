"""The midpoint cross: its rules on commands and events, and its place in a market beside the two main venues."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim import run
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.book import MAX_QTY_LOTS
from lob_sim.errors import ScenarioError
from lob_sim.log.venues import venues_of
from lob_sim.messages import (
    CrossEntered,
    CrossFilled,
    CrossLeft,
    CrossPrint,
    CrossRejected,
    EnterCross,
    Event,
    LeaveCross,
    RejectReason,
    RunCross,
    Side,
)
from lob_sim.replay import verify
from lob_sim.scenario import Scenario, open_venues, parse_scenario, scenario_to_dict
from lob_sim.simulation.runner import simulate
from lob_sim.venue.midpoint_cross import MidpointCross

BUY, SELL = Side.BUY, Side.SELL
MINUTE = 60_000_000_000


def cross(*interests: tuple[int, Side, int, int], bid: int = 100, ask: int = 102) -> list[Event]:
    """Events of one cross of these interests (agent, side, lots, limit), each agent's with number 1."""
    venue = MidpointCross(0)
    for agent, side, lots, limit in interests:
        venue.process(EnterCross(0, agent, 1, side, lots, limit), 1)
    events = venue.process(RunCross(0, bid, ask), MINUTE)
    venue.check()
    return events


def fills(events: list[Event]) -> list[tuple[int, int, int]]:
    return [(e.agent_id, e.price_ticks, e.qty_lots) for e in events if isinstance(e, CrossFilled)]


# --- rules -----------------------------------------------------------------------------------------------------


def test_it_crosses_at_the_middle_and_the_earliest_first() -> None:
    events = cross((1, BUY, 4, 0), (2, BUY, 3, 0), (3, SELL, 5, 0))
    assert fills(events) == [(1, 101, 4), (2, 101, 1), (3, 101, 5)]
    assert events[-1] == CrossPrint(MINUTE, 0, 101, 5)


def test_the_rest_waits_for_the_next_cross() -> None:
    venue = MidpointCross(0)
    venue.process(EnterCross(0, 1, 1, BUY, 4), 0)
    venue.process(EnterCross(0, 2, 1, SELL, 1), 0)
    assert fills(venue.process(RunCross(0, 9, 11), MINUTE)) == [(1, 10, 1), (2, 10, 1)]
    assert venue.process(RunCross(0, 9, 11), 2 * MINUTE) == []
    venue.process(EnterCross(0, 3, 1, SELL, 9), 2 * MINUTE)
    assert fills(venue.process(RunCross(0, 10, 12), 3 * MINUTE)) == [(1, 11, 3), (3, 11, 3)]


@pytest.mark.parametrize(
    ("buying", "selling", "price"), [(5, 4, 11), (4, 5, 10), (4, 4, 10)], ids=["buyers", "sellers", "as many"]
)
def test_between_two_ticks_the_side_with_more_to_do_gives_way(buying: int, selling: int, price: int) -> None:
    events = cross((1, BUY, buying, 0), (2, SELL, selling, 0), bid=10, ask=11)
    assert {p for _, p, _ in fills(events)} == {price}


def test_nobody_trades_beyond_its_limit() -> None:
    assert fills(cross((1, BUY, 1, 100), (2, SELL, 1, 0))) == []
    assert fills(cross((1, BUY, 1, 101), (2, SELL, 1, 101))) == [(1, 101, 1), (2, 101, 1)]
    assert fills(cross((1, BUY, 1, 0), (2, SELL, 1, 102))) == []


@pytest.mark.parametrize(("bid", "ask"), [(0, 102), (100, 0), (0, 0)])
def test_without_a_two_sided_lit_book_nothing_crosses(bid: int, ask: int) -> None:
    assert cross((1, BUY, 1, 0), (2, SELL, 1, 0), bid=bid, ask=ask) == []


def test_refusals() -> None:
    venue = MidpointCross(0)
    assert isinstance(venue.process(EnterCross(0, 1, 1, BUY, 1), 0)[0], CrossEntered)

    def reason(command: Any) -> RejectReason:
        (rejected,) = venue.process(command, 0)
        assert isinstance(rejected, CrossRejected)
        return rejected.reason

    assert reason(EnterCross(0, 1, 1, BUY, 1)) is RejectReason.DUPLICATE_ID
    assert reason(EnterCross(0, 1, 2, BUY, 0)) is RejectReason.INVALID_QTY
    assert reason(EnterCross(0, 1, 2, BUY, MAX_QTY_LOTS + 1)) is RejectReason.INVALID_QTY
    assert reason(EnterCross(0, 1, 2, 3, 1)) is RejectReason.INVALID_SIDE  # type: ignore[arg-type]
    assert reason(EnterCross(0, 1, 2, BUY, 1, -1)) is RejectReason.INVALID_PRICE
    assert reason(LeaveCross(0, 2, 1)) is RejectReason.UNKNOWN_ORDER
    assert venue.process(LeaveCross(0, 1, 1), 5) == [CrossLeft(5, 0, 1, 1, 1)]
    assert reason(LeaveCross(0, 1, 1)) is RejectReason.UNKNOWN_ORDER


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 9), st.integers(0, 12)), max_size=8),
    st.integers(1, 11),
    st.integers(1, 3),
)
def test_both_sides_of_a_cross_are_equal_and_within_the_touch(
    interests: list[tuple[Side, int, int]], bid: int, spread: int
) -> None:
    events = cross(*((k, *terms) for k, terms in enumerate(interests)), bid=bid, ask=bid + spread)
    legs = [leg for event in events for leg in event.legs()]
    assert sum(leg.side * leg.qty_lots for leg in legs) == 0
    assert all(bid <= leg.price_ticks <= bid + spread for leg in legs)
    for leg in legs:
        _, lots, limit = interests[leg.agent_id]
        assert leg.qty_lots <= lots
        assert not limit or leg.side * (limit - leg.price_ticks) >= 0


# --- in a market -----------------------------------------------------------------------------------------------


class Crosser(Strategy):
    """Leaves interest on either side at random times, and keeps what it hears."""

    def __init__(self, params: Any = None) -> None:
        super().__init__(params)
        self.heard: list[Event] = []
        self.refused = 0

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(ctx.random.delay_ns(10_000_000_000))

    def on_wake(self, ctx: Context, tag: int) -> None:
        side = BUY if ctx.random.uniform() < 0.5 else SELL
        command = EnterCross(0, ctx.agent_id, ctx.take_id(), side, ctx.random.integer(1, 6), ts_sent_ns=ctx.now_ns)
        self.refused += not ctx.send(command)
        ctx.wake_in(ctx.random.delay_ns(10_000_000_000))

    def on_cross(self, ctx: Context, event: Event) -> None:
        self.heard.append(event)

    def on_cross_print(self, ctx: Context, event: CrossPrint) -> None:
        self.heard.append(event)


def market(**crosser: Any) -> Scenario:
    return parse_scenario(
        {
            "name": "cross",
            "horizon": "20min",
            "venues": [{"kind": "midpoint_cross", "params": {"interval": "30s"}, "instruments": ["a"]}],
            "instruments": [
                {
                    "name": name,
                    "tick_size": "0.01",
                    "lot_size": 1,
                    "initial_price": 100,
                    "fair_value": {"daily_volatility": 0.02},
                }
                for name in ("a", "b")
            ],
            "agents": [
                {"name": "maker", "strategy": "strategies.fixed_spread:FixedSpreadDealer"},
                {"name": "crosser", "strategy": f"{__name__}:Crosser", "count": 5, **crosser},
            ],
        }
    )


def test_a_market_with_a_cross_is_logged_replayed_and_verified() -> None:
    logged = run(market())
    assert verify(logged).ok
    runs, filled, printed = (logged.table(name) for name in ("run_cross", "cross_filled", "cross_print"))
    assert runs["ts_event_ns"].tolist() == [30_000_000_000 * k for k in range(1, 40)]
    assert filled["qty_lots"].sum() == 2 * printed["qty_lots"].sum() > 0
    # What crosses does so between the best lit prices of that moment.
    quoted = runs.merge(printed, on="ts_event_ns")
    assert (quoted["price_ticks"] >= quoted["bid_ticks"]).all()
    assert (quoted["price_ticks"] <= quoted["ask_ticks"]).all()


def test_control_a_log_whose_cross_was_tampered_with_is_not_verified() -> None:
    logged = run(market())

    class Generous(MidpointCross):
        __slots__ = ()

        def _price(self, twice_the_mid: int) -> int:
            return super()._price(twice_the_mid) + 1

    venues = venues_of(logged.header)
    for _, venue in venues:
        if isinstance(venue, MidpointCross):
            venue.__class__ = Generous
    assert not verify(logged, lambda header: venues).ok


def test_fills_settle_and_are_known_to_their_owners_alone() -> None:
    scenario = market()
    world = simulate(scenario, 1, _Nothing())
    crossers = [host for host in world.hosts if host.group == "crosser"]
    for host in crossers:
        strategy = host.components[-1]
        assert isinstance(strategy, Crosser)
        own = [e for e in strategy.heard if not isinstance(e, CrossPrint)]
        assert {e.agent_id for e in own} == {host.agent_id}  # type: ignore[attr-defined]
        moved = sum(e.side * e.qty_lots for e in own if isinstance(e, CrossFilled))
        assert host.account.positions == world.ledger.positions[host.agent_id] == [moved, 0]
        assert host.account.cash == world.ledger.cash[host.agent_id]
        assert any(isinstance(e, CrossPrint) for e in strategy.heard)
    assert any(host.account.positions != [0, 0] for host in crossers)


def test_who_may_not_short_sells_no_more_than_it_holds_and_frees_what_has_left() -> None:
    world = simulate(market(may_short=False, holdings={"a": 7}), 1, _Nothing())
    crossers = [host for host in world.hosts if host.group == "crosser"]
    assert sum(host.components[-1].refused for host in crossers) > 0  # type: ignore[attr-defined]
    for host in crossers:
        assert world.ledger.positions[host.agent_id][0] >= 0
        waiting = {}
        for event in host.components[-1].heard:  # type: ignore[attr-defined]
            if isinstance(event, CrossEntered) and event.side is SELL:
                waiting[event.client_cross_id] = event.qty_lots
            elif isinstance(event, CrossFilled) and event.side is SELL:
                waiting[event.client_cross_id] = event.leaves_qty_lots
        assert host.account.limits.lots[0] == sum(waiting.values())  # type: ignore[union-attr]


class _Nothing:
    def batch(self, ts_ns: int, command: Any, events: Any) -> None:
        """Keep nothing."""

    def record(self, event: Event) -> None:
        """Keep nothing."""


@pytest.mark.parametrize(
    ("venue", "where", "what"),
    [
        ({"kind": "midpoint_crss"}, "venues[0].kind", "midpoint_cross"),
        ({"kind": "midpoint_cross", "params": {"intervall": "1s"}}, "venues[0].params", "interval"),
        ({"kind": "midpoint_cross", "instruments": ["c"]}, "venues[0].instruments", "there are: a, b"),
        ({"kind": "nowhere:Venue"}, "venues[0].kind", "nowhere"),
    ],
)
def test_what_is_wrong_with_a_venue_is_said_with_its_place(venue: dict[str, Any], where: str, what: str) -> None:
    raw = scenario_to_dict(market()) | {"venues": [venue]}
    with pytest.raises(ScenarioError, match=what) as caught:
        open_venues(parse_scenario(raw), ())
    assert caught.value.where.startswith(where)


def test_two_venues_of_one_kind_are_refused() -> None:
    raw = scenario_to_dict(market())
    raw["venues"] = [*raw["venues"], *raw["venues"]]
    with pytest.raises(ScenarioError, match="has a venue already"):
        open_venues(parse_scenario(raw), ())


def test_a_venue_that_is_not_of_the_package_is_not_loaded_for_a_replay() -> None:
    raw = scenario_to_dict(market()) | {"venues": [{"kind": f"{__name__}:Mine"}]}
    scenario = parse_scenario(raw)
    with pytest.raises(ScenarioError, match="not of this package"):
        open_venues(scenario, (), plugins=False)
    assert open_venues(scenario, ())  # the control: it can be loaded


class Mine(MidpointCross):
    """A venue of a user's own."""


def test_the_command_line_verifies_a_users_own_venue_when_it_is_told_to(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from lob_sim.venue.midpoint_cross import MidpointCross\n\n\nclass Mine(MidpointCross):\n    pass\n", "utf-8"
    )
    (tmp_path / "market.toml").write_text(
        """
name = "mine"
horizon = "2min"
[[venues]]
kind = "mine:Mine"
[[instruments]]
name = "share"
tick_size = 0.01
lot_size = 1
initial_price = 100
[[agents]]
name = "maker"
strategy = "strategies.fixed_spread:FixedSpreadDealer"
""",
        "utf-8",
    )

    def lob_sim(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "lob_sim.cli", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert lob_sim("run", "market.toml", "--out", "r").returncode == 0
    refused = lob_sim("replay", "r", "--verify")
    assert refused.returncode == 2
    assert "mine:Mine is not of this package" in " ".join(refused.stderr.split())
    assert "Traceback" not in refused.stderr
    assert lob_sim("replay", "r", "--verify", "--plugins").returncode == 0
