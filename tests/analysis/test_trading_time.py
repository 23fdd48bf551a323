"""Measures of a run with days: a closed night is no time; of a run that trades through, nothing is another number."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lob_sim import Run, load_scenario
from lob_sim import run as run_market
from lob_sim.analysis import dealer_absence, horizon_ns, lit_state, market_quality, of, shock_ns, summarise
from lob_sim.analysis.calm import calm_metrics, lit_time, mean_alpha, warm_up
from lob_sim.analysis.liquidity import trade_spreads, volume_weighted
from lob_sim.analysis.summary import crisis_metrics, lit_state_of
from lob_sim.analysis.tables import floats, held_for, ints, value_at
from lob_sim.analysis.trading_time import TradingTime, last_ns, trading_clock
from lob_sim.errors import DataError
from lob_sim.log import MemoryRecorder, run_in_memory
from lob_sim.messages import Phase
from lob_sim.replay.backtest import trade_against
from lob_sim.scenario import parse_scenario
from lob_sim.simulation.runner import simulate

S = 10**9
ROOT = Path(__file__).parents[2]
SESSIONS = [(0, 5 * S), (20 * S, 25 * S), (40 * S, 45 * S)]
NIGHTS = [(5 * S, 20 * S), (25 * S, 40 * S)]


def raw_market(**fields: Any) -> dict[str, Any]:
    bond = {
        "name": "bond",
        "tick_size": 1,
        "lot_size": 1,
        "initial_price": 1_000,
        "fair_value": {"daily_volatility": 0.03},
        **fields.pop("bond", {}),
    }
    dealer = "strategies.glosten_milgrom:GlostenMilgromDealer"
    return {
        "name": "days",
        "horizon": "60s",
        "calendar": {"day": "20s", "session": "5s"},
        "instruments": [bond],
        "agents": [
            {"name": "dealer", "strategy": dealer, "count": 4},
            {"name": "client", "strategy": "strategies.liquidity:LiquidityTraders", "params": {"mean_interval": "1s"}},
            {"name": "informed", "strategy": "strategies.informed:InformedTrader", "sees_fair_value": True},
        ],
        **fields,
    }


@cache
def market(horizon: str = "60s") -> Run:
    return run_market(parse_scenario(raw_market(horizon=horizon)), seed=1)


@cache
def through(name: str) -> Run:
    """Markets without days: the flagship through a short crisis, and dealers without balance sheets."""
    if name == "flagship":
        crisis = ["shocks.0.at=1min", "shocks.0.size=-0.06", "horizon=5min"]
        return run_market(ROOT / "experiments" / "first_market.toml", overrides=crisis)
    return run_market(load_scenario("dealer_market", ["horizon=6min"]))


# --- the clock --------------------------------------------------------------------------------------------------------


def test_the_clock_counts_the_time_that_is_traded() -> None:
    clock = TradingTime(((5, 20), (25, 40)))
    times = np.arange(60)
    trading = clock.is_trading(times)
    assert times[~trading].tolist() == [*range(5, 20), *range(25, 40)]
    # Trading time at t is the number of units before t that are traded.
    assert clock.at(times).tolist() == (np.cumsum(trading) - trading).tolist()
    assert [clock.at_one(t) for t in (0, 5, 12, 20, 22, 59)] == [0, 5, 5, 5, 7, 29]
    assert clock.grid(3, 42, 3).tolist() == [3, 21, 24]


def test_control_without_nights_the_clock_is_that_of_the_simulation() -> None:
    times, table = np.arange(60), market().trades
    clock = TradingTime()
    assert clock.at(times) is times
    assert clock.of(table) is table
    assert clock.during(table) is table
    assert clock.is_trading(times).all()
    assert clock.grid(3, 42, 3).tolist() == list(range(3, 42, 3))


def test_nights_are_those_of_the_calendar_and_the_last_ends_at_the_horizon() -> None:
    run = market()
    assert run.calendar is not None
    assert [list(night) for night in trading_clock(run).nights_ns] == [
        *([close, reopen] for close, reopen in run.calendar.nights_ns(45 * S)),
        [45 * S, 60 * S + 1],
    ]
    # No row is of the last night.
    assert run.manifest.last_ts_ns < 60 * S
    assert horizon_ns(run) == last_ns(run) + 1 == 60 * S + 1
    times = np.arange(0, 60 * S, S // 10)
    asleep = [run.calendar.is_night(int(ts_ns)) for ts_ns in times]
    assert (~trading_clock(run).is_trading(times)).tolist() == asleep
    assert trading_clock(run).at(times).tolist() == [run.calendar.traded_ns(int(ts_ns)) for ts_ns in times]


def test_a_run_that_did_not_end_goes_to_its_last_row() -> None:
    scenario, recorder = parse_scenario(raw_market()), MemoryRecorder()
    simulate(scenario, 1, recorder)
    header = market().header
    left, whole = (run_in_memory(recorder, header, status) for status in ("interrupted", "complete"))
    assert horizon_ns(left) == left.manifest.last_ts_ns + 1 < horizon_ns(whole) == 60 * S + 1


def test_nights_are_known_without_a_calendar_too() -> None:
    """The log of a newcomer's market says when its books were closed, and not why."""
    against = trade_against(market(), "strategies.buy_and_hold:BuyAndHold").run
    assert against.calendar is None
    assert trading_clock(against).nights_ns[:2] == trading_clock(market()).nights_ns[:2] == tuple(NIGHTS)
    assert summarise(against)["lit_presence"].iloc[0] == pytest.approx(summarise(market())["lit_presence"].iloc[0])


def test_auctions_and_halts_are_of_the_session() -> None:
    rules = {"opening_auction": "1s", "closing_auction": "1s", "price_band": 0.02, "halt": "1s"}
    run = run_market(parse_scenario(raw_market(bond={"lit": rules})), seed=1)
    seen = run.table("phase_changed")
    assert {int(p) for p in seen["phase"]} >= {Phase.CLOSED, Phase.AUCTION, Phase.CONTINUOUS, Phase.HALTED}
    assert trading_clock(run).nights_ns == trading_clock(market()).nights_ns
    halted = ints(seen[seen["phase"] == Phase.HALTED], "ts_event_ns")
    assert trading_clock(run).is_trading(halted).all()
    assert trading_clock(run).at_one(horizon_ns(run)) == 15 * S
    # A book counts in a halt as it stands, with days and without.
    quotes = of(run.quotes, 0)
    stood = lit_state_of(run, 0, int(halted[0]), int(halted[0]) + S // 2)
    assert stood == lit_state(quotes, int(halted[0]), int(halted[0]) + S // 2)
    without = raw_market(bond={"lit": rules})
    del without["calendar"]
    assert trading_clock(run_market(parse_scenario(without), seed=1)) == TradingTime()


# --- measures ---------------------------------------------------------------------------------------------------------


def test_time_weighted_measures_of_days_are_those_of_their_sessions() -> None:
    run = market()
    quotes = of(run.quotes, 0)
    states = [lit_state(quotes, *session) for session in SESSIONS]
    weights = [state.presence for state in states]
    spread = np.average([state.quoted_spread_ticks for state in states], weights=weights)
    found = summarise(run).loc["bond"]
    assert found["spread_ticks"] == pytest.approx(spread, rel=1e-9)
    assert found["lit_presence"] == pytest.approx(np.mean(weights), rel=1e-9)
    values = trading_clock(run).during(run.table("fair_value"))["value_ticks"].mean()
    assert crisis_metrics(run)["spread_pct"] == pytest.approx(100 * spread / values, rel=1e-9)
    assert calm_metrics(run, 0)["spread_ticks.bond"] == pytest.approx(spread, rel=1e-9)
    whole = dealer_absence(run, 0, horizon_ns(run))
    apart = np.mean([dealer_absence(run, *session) for session in SESSIONS], axis=0)
    assert whole == pytest.approx(apart, rel=1e-9)
    assert mean_alpha(run, 0, 0, 45 * S) == pytest.approx(mean_alpha(run, 0, 0, horizon_ns(run)), rel=1e-12)
    # The control: what rests over night would say something else, and is in none of it.
    assert abs(lit_state(quotes, 0, 45 * S).quoted_spread_ticks - spread) > 0.01
    assert 0.05 < whole[0] < 1


def test_a_window_of_a_night_alone_has_no_state() -> None:
    assert np.isnan(lit_state_of(market(), 0, 6 * S, 19 * S).presence)
    assert np.isnan(dealer_absence(market(), 6 * S, 19 * S)).all()
    assert np.isnan(mean_alpha(market(), 0, 6 * S, 19 * S))
    assert np.isnan(lit_time(of(market().quotes, 0), trading_clock(market()).grid(6 * S, 19 * S, S)))
    with pytest.raises(DataError, match="window"):
        lit_state_of(market(), 0, 6 * S, 6 * S)


def test_a_night_after_the_last_close_changes_no_measure() -> None:
    """The run to the last close, and the one that ends in the night after it."""
    close, night = market("45s"), market("60s")
    assert len(close.trades) == len(night.trades)
    assert summarise(close).to_numpy() == pytest.approx(summarise(night).to_numpy(), rel=1e-9, nan_ok=True)
    assert crisis_metrics(close) == pytest.approx(crisis_metrics(night), rel=1e-9, nan_ok=True)
    short, long = calm_metrics(close, 0), calm_metrics(night, 0)
    assert short == pytest.approx(long, rel=1e-9, nan_ok=True)


def test_a_recovery_over_nights_is_in_the_time_that_is_traded() -> None:
    shock = [{"instrument": "bond", "at": "4s", "size": -0.05}]
    run = run_market(parse_scenario(raw_market(shocks=shock)), seed=1)
    trades, fair = of(run.trades, 0), of(run.table("fair_value"), 0)
    times = ints(trades, "ts_event_ns")
    value = value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), times)
    last = times[(np.abs(floats(trades, "price_ticks") / value - 1) > 0.002) & (times >= 4 * S)].max()
    assert last > 20 * S  # after a night at least
    nights = sum(reopen - close for close, reopen in NIGHTS if reopen <= last)
    assert crisis_metrics(run)["recovery_s"] == pytest.approx((last - 4 * S - nights) / S, rel=1e-12)


def test_a_trade_settles_in_the_time_that_is_traded() -> None:
    """Within a session as ever; over a night, at the mid that stands so much of it later, after the open."""
    run, settle_ns = market(), 2 * S
    top, trades = of(run.quotes, 0), of(run.trades, 0)
    times = ints(trades, "ts_event_ns")
    over = [(times >= close - settle_ns) & (times < close) for close, _ in NIGHTS]
    later = times + settle_ns + 15 * S * (over[0] | over[1])
    usable = later < 45 * S
    trades, later = trades[usable], later[usable]
    mid = value_at(ints(top, "ts_event_ns"), floats(top, "bid_ticks") + floats(top, "ask_ticks"), later)
    sign, price, lots = (floats(trades, name) for name in ("aggressor_side", "price_ticks", "qty_lots"))
    expected = np.average(sign * (2 * price - mid), weights=lots)
    assert market_quality(run, settle_ns=settle_ns).loc["bond", "realised_ticks"] == pytest.approx(expected, rel=1e-9)
    # The control: the closed book says something else.
    closed = volume_weighted(trade_spreads(of(run.trades, 0), top, settle_ns))["realised_ticks"]
    assert abs(closed - expected) > 0.01


# --- without days -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["flagship", "dealers"])
def test_of_a_run_that_trades_through_no_number_is_another(name: str) -> None:
    """Digit for digit, against the definitions on the simulation's own time."""
    run = through(name)
    assert trading_clock(run) == TradingTime()
    assert Phase.CLOSED in set(run.table("phase_changed")["phase"])  # it closes, in its last instant
    start, end = shock_ns(run), run.manifest.last_ts_ns + 1
    assert horizon_ns(run) == end
    crisis, quality = crisis_metrics(run), market_quality(run)
    warm = warm_up(end)
    calm = calm_metrics(run, warm)
    absent = []
    for instrument in run.header.instruments:
        i, each = instrument.instrument_id, instrument.name
        quotes = of(run.quotes, i)
        state = lit_state(quotes, 0, end)
        assert summarise(run).loc[each, "spread_ticks"] == state.quoted_spread_ticks
        assert summarise(run).loc[each, "lit_presence"] == state.presence
        absent.append(1 - lit_state(quotes, start, end).presence)
        assert calm[f"spread_ticks.{each}"] == lit_state(quotes, warm, end).quoted_spread_ticks
        assert calm[f"lit.{each}"] == lit_time(quotes, np.arange(warm, end, S))
        spreads = volume_weighted(trade_spreads(of(run.trades, i), quotes, 5 * S))
        assert all(quality.loc[each, str(column)] == mean for column, mean in spreads.items())
    assert crisis["lit_absence"] == np.mean(absent)
    quotes = run.table("quote")
    own = quotes[quotes["rfq_id"] == 0].groupby(["agent_id", "instrument_id"])
    gone = dict(run.table("dealer_defaulted").groupby("agent_id")["ts_event_ns"].min())
    shares = []
    for (agent_id, _), rows in own:
        held = held_for(ints(rows, "ts_event_ns"), start, max(start, min(end, int(gone.get(agent_id, end)))))
        both = (ints(rows, "bid_ticks") > 0) & (ints(rows, "ask_ticks") > 0)
        shares.append(1 - float(held[both].sum()) / (end - start))
    assert crisis["quote_absence"] == np.mean(shares)
