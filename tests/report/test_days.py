"""Pages and figures of a run that has trading days speak of them."""

from __future__ import annotations

import math

import pytest
from report_runs import payload, unpacked

from lob_sim import Run, run
from lob_sim.replay.backtest import trade_against
from lob_sim.replay.verification import verify
from lob_sim.report.data import Dislocation, dislocations, quoting_share, spread_parts, touch
from lob_sim.report.data.common import end_ns
from lob_sim.report.formatting import short_time
from lob_sim.report.headline import facts, headline, metrics_of
from lob_sim.report.replay_viewer import replay_viewer
from lob_sim.report.run_page import run_page
from lob_sim.report.static_drawing import minutes
from lob_sim.scenario import parse_scenario

S = 1_000_000_000


def market(**fields: object) -> Run:
    raw = {
        "name": "days",
        "horizon": "240s",
        "instruments": [
            {
                "name": "bond",
                "tick_size": 1,
                "lot_size": 1,
                "initial_price": 1_000,
                "fair_value": {"daily_volatility": 0.01},
            }
        ],
        "shocks": [{"instrument": "bond", "at": "150s", "size": -0.05}],
        "agents": [
            {"name": "dealer", "strategy": "strategies.fixed_spread:FixedSpreadDealer", "count": 2},
            {"name": "client", "strategy": "strategies.liquidity:LiquidityTraders", "params": {"mean_interval": "2s"}},
        ],
    }
    return run(parse_scenario(raw | fields), seed=2)


@pytest.fixture(scope="module")
def with_days() -> Run:
    return market(calendar={"day": "120s", "session": "100s"})


def test_a_page_says_the_day_of_every_time_and_shades_the_nights(with_days: Run) -> None:
    page = run_page(with_days, "days")
    assert "of fair value at day 2 0:30" in page
    assert payload(page)["day_ms"] == 120_000.0
    assert unpacked(str(replay_viewer(with_days)), 'class="replay-data"')["day_ns"] == 120_000_000_000
    # The control: a run without days says nothing of them.
    page = run_page(market(), "through")
    assert "of fair value at 2:30" in page
    assert "at day 2" not in page


def test_the_axis_of_a_figure_is_in_days(with_days: Run) -> None:
    ts = with_days.table("trade")["ts_event_ns"].to_numpy()
    days = minutes(with_days, ts)
    assert set(days.astype(int)) == {1, 2}
    # Nothing trades in the last sixth of a day.
    assert (days % 1 <= 100 / 120).all()
    assert short_time(150 * S, 0, with_days.calendar) == "day 2 0:30"


def test_a_newcomer_may_trade_against_days_and_nights_of_the_past(with_days: Run) -> None:
    against = trade_against(with_days, "strategies.buy_and_hold:BuyAndHold")
    assert verify(against.run).ok
    old, new = (r.table("trade")[["ts_event_ns", "price_ticks", "qty_lots"]] for r in (with_days, against.run))
    assert old.equals(new)


def test_figures_behind_the_headline_leave_nights_out() -> None:
    """Of the session alone and of session and night: the same market, as far as anybody could trade."""
    days = {"day": "120s", "session": "100s"}
    until_close, over_night = (market(calendar=days, horizon=horizon, shocks=[]) for horizon in ("100s", "119s"))
    assert until_close.table("trade").equals(over_night.table("trade"))
    assert end_ns(over_night) == 119 * S > over_night.manifest.last_ts_ns
    told = [{fact.label: fact.value for fact in facts(each, metrics_of(each))} for each in (until_close, over_night)]
    assert told[0] == pytest.approx(told[1], rel=1e-6)
    assert headline(until_close) == headline(over_night)


def test_a_price_that_nobody_can_deal_at_is_no_drama() -> None:
    """Value falls by 5% at night: nothing, until the open; and as much while the market trades."""

    days = {"day": "120s", "session": "100s"}

    def dramas(*shocks: dict[str, object]) -> list[Dislocation]:
        return dislocations(market(calendar=days, horizon="119s", shocks=list(shocks)))

    shock = {"instrument": "bond", "size": -0.05}
    assert dramas(shock | {"at": "110s"}) == dramas() != []
    assert dramas(shock | {"at": "80s"}) != dramas()


def test_the_share_of_quoting_is_that_of_the_sessions() -> None:
    agents = [
        {"name": "dealer", "strategy": "strategies.glosten_milgrom:GlostenMilgromDealer", "count": 2},
        {"name": "client", "strategy": "strategies.liquidity:LiquidityTraders", "params": {"mean_interval": "2s"}},
    ]
    run = market(calendar={"day": "120s", "session": "100s"}, agents=agents, shocks=[])
    assert math.isnan(quoting_share(run, 100 * S, 120 * S))
    evening, morning = quoting_share(run, 0, 100 * S), quoting_share(run, 120 * S, 220 * S)
    assert 0 < quoting_share(run) < 1
    assert quoting_share(run) == pytest.approx((evening + morning) / 2, rel=1e-9)
    table = spread_parts(run, 0, 24)
    asleep = (table["start_ns"] >= 100 * S) & (table["start_ns"] < 119 * S)
    assert table[asleep]["spread"].isna().all()
    assert table[~asleep]["spread"].notna().any()


def test_the_touch_is_dark_in_a_closed_night(with_days: Run) -> None:
    shown = touch(with_days, 0).set_index("ts_event_ns")
    night = shown[(shown.index >= 100 * S) & (shown.index < 120 * S)]
    assert night.index.tolist() == [100 * S]
    assert night.isna().all(axis=None)
    # The control: orders do rest over it, and are back with the open.
    resting = with_days.book(at="110s")
    assert resting.bids
    assert resting.asks
    assert shown.loc[120 * S].notna().all()
