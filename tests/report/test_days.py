"""Pages and figures of a run that has trading days speak of them."""

from __future__ import annotations

import pytest
from report_runs import payload, unpacked

from lob_sim import Run, run
from lob_sim.replay.backtest import trade_against
from lob_sim.replay.verification import verify
from lob_sim.report.formatting import short_time
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
