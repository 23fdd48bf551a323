"""The numbers of the report are those of the log: every call is held against another way to the same number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from report_runs import calm, crisis, fire_sale, funding_run, funds

from lob_sim import Run
from lob_sim.analysis import liquidity
from lob_sim.analysis.amplification import forced_volume_lots
from lob_sim.analysis.summary import crisis_metrics, dealer_absence, horizon_ns, of, shock_ns
from lob_sim.analysis.tables import ints
from lob_sim.log import MemoryRecorder, run_in_memory
from lob_sim.messages import Event, FairValue, Side, Trade
from lob_sim.report import data
from lob_sim.report.data import prices
from lob_sim.report.data.common import edges_ns
from lob_sim.report.data.liquidity import PARTS
from lob_sim.report.data.sheets import ASSETS, LIABILITIES
from lob_sim.report.headline import headline
from lob_sim.units import MOST_CASH, NS_PER_S

RUNS = (crisis, fire_sale, funds, funding_run)


# --- forced sales --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", RUNS)
def test_forced_sales_are_what_the_orders_of_parents_sold(make: Callable[[], Run]) -> None:
    run = make()
    sales = data.forced_sales(run)
    expected = forced_volume_lots(
        run.table("parent_order_opened"), run.table("new_order"), run.table("order_filled"), run.rfq_trades
    )
    assert sales["lots"].sum() == expected > 0
    assert sales["seq"].is_unique


def test_without_limits_nothing_is_sold_by_force() -> None:
    assert not len(data.forced_sales(calm()))


# --- prices --------------------------------------------------------------------------------------------------


def test_trades_are_the_lit_prints_and_the_rfq_trades() -> None:
    run = crisis()
    for i, instrument in enumerate(run.header.instruments):
        table = data.trades(run, i)
        lit, rfq = of(run.trades, i), of(run.rfq_trades, i)
        assert len(table) == len(lit) + len(rfq) > 100
        assert table["lots"].sum() == lit["qty_lots"].sum() + rfq["qty_lots"].sum()
        both = pd.concat([lit, rfq]).sort_values("seq")
        expected = [float(ticks * instrument.tick_size) for ticks in both["price_ticks"]]
        assert table["price"].to_list() == pytest.approx(expected, rel=1e-12)
        sold = set(data.forced_sales(run).query("instrument_id == @i")["trade_seq"])
        assert set(table[table["forced"]]["seq"]) == sold


def test_the_worst_trade_is_the_overshoot_where_it_is_below() -> None:
    run = crisis()
    metrics = crisis_metrics(run)
    found = []
    for i, instrument in enumerate(run.header.instruments):
        table = data.trades(run, i)
        table = table[table["ts_event_ns"] >= shock_ns(run)]
        worst = data.worst_off_pct(run, i, shock_ns(run))
        assert abs(worst) == table["below_pct"].abs().max()
        if worst < 0:
            found.append(-worst)
            assert found[-1] == pytest.approx(metrics[f"overshoot_pct.{instrument.name}"], rel=1e-12)
    assert max(found) > 0


def market_of(prices: list[tuple[int, int]], values: list[tuple[int, float]]) -> Run:
    """A log of one instrument: lit trades (second, ticks) and fair values (second, ticks)."""
    header = crisis().header
    recorder = MemoryRecorder()
    rows: list[tuple[int, Event]] = []
    for second, value in values:
        rows.append((second, FairValue(second * NS_PER_S, 0, value, False)))
    for k, (second, ticks) in enumerate(prices):
        rows.append((second, Trade(second * NS_PER_S, 0, k + 1, ticks, 1, Side.BUY, 1, 2)))
    for _, message in sorted(rows, key=lambda row: row[0]):
        recorder.record(message)
    return run_in_memory(recorder, msgspec.structs.replace(header, instruments=header.instruments[:1]))


def test_a_dislocation_above_fair_value_counts_like_one_below() -> None:
    """A price that stands while value falls from 1,000 to 900 ticks at 60 s is 11.1% above it until 180 s."""
    run = market_of([(10, 1000), (180, 891), (200, 900)], [(0, 1000.0), (60, 900.0), (300, 900.0)])
    above, below = data.dislocations(run)
    assert (above.sign, above.venue, above.peak_ns) == (1, "lit", 60 * NS_PER_S)
    assert above.peak_pct == pytest.approx(100 * (1000 / 900 - 1))
    assert above.lasted_ns == 120 * NS_PER_S
    assert above.area_pct_min == pytest.approx(above.peak_pct * 2)
    assert (below.sign, below.lasted_ns, below.peak_ns) == (-1, 20 * NS_PER_S, 180 * NS_PER_S)
    assert below.peak_pct == pytest.approx(1.0)
    # Control: without the fall there is nothing above.
    assert [d.sign for d in data.dislocations(market_of([(10, 1000), (180, 990)], [(0, 1000.0), (300, 1000.0)]))] == [
        -1
    ]


def test_a_quote_that_is_too_wide_is_no_market(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quotes of both sides are told apart by their width; with the wide ones they are those of dealer_absence."""
    run, too_wide = crisis(), data.STATES.index("too wide")
    narrow = data.quoting_share(run)
    assert narrow == pytest.approx(1 - dealer_absence(run, 0, horizon_ns(run))[0])
    monkeypatch.setattr(prices, "WIDEST_PCT", 0.1)
    # Of the other run it is kept what its dealers show at the width as shipped.
    run = Run(run.source)
    quotes = run.table("quote")
    states = pd.concat([data.quote_states(run, i).assign(instrument_id=i) for i in range(2)])
    both = states[states["state"].isin((0, too_wide))]
    said = both.merge(quotes[quotes["rfq_id"] == 0], on=["agent_id", "instrument_id", "ts_event_ns"])
    said = said.drop_duplicates(["agent_id", "instrument_id", "ts_event_ns"], keep="last")
    width_pct = 200 * (said["ask_ticks"] - said["bid_ticks"]) / (said["ask_ticks"] + said["bid_ticks"])
    assert ((width_pct > 0.1) == (said["state"] == too_wide)).all()
    assert set(said["state"]) == {0, too_wide}
    assert data.quoting_share(run) < narrow


def test_the_touch_is_the_top_of_the_replayed_book() -> None:
    run = crisis()
    touch = data.touch(run, 1)
    tick = float(run.header.instruments[1].tick_size)
    rows: list[Any] = list(touch.iloc[:: max(1, len(touch) // 20)].itertuples())
    for row in rows:
        book = run.book(1, at=int(row.ts_event_ns))
        for side, levels in ((row.bid, book.bids), (row.ask, book.asks)):
            assert side == pytest.approx(levels[0][0] * tick) if levels else math.isnan(side)


def test_shares_of_presence_are_those_of_dealer_absence() -> None:
    run = crisis()
    shares = [share for i in range(2) for share in data.presence(run, i, 50).values()]
    assert all(share.sum(axis=0) == pytest.approx(1.0) for share in shares)
    absent, no_bid = dealer_absence(run, 0, horizon_ns(run))
    both = [share[0] + share[data.STATES.index("too wide")] for share in shares]
    assert 1 - np.mean(both) == pytest.approx(absent, abs=1e-9)
    assert 1 - np.mean([b + share[2] for b, share in zip(both, shares, strict=True)]) == pytest.approx(no_bid, abs=1e-9)
    assert data.quoting_share(run) == pytest.approx(np.mean([share[0].mean() for share in shares]), abs=1e-9)
    assert absent > 0.01


def test_the_number_of_dealers_quoting_is_that_of_their_states() -> None:
    run = crisis()
    states, quoting = data.quote_states(run, 0), data.quoting(run, 0)
    for ts_ns, n in quoting[["ts_event_ns", "dealers"]].itertuples(index=False):
        last = states[states["ts_event_ns"] <= ts_ns].groupby("agent_id")["state"].last()
        assert n == (last == 0).sum()


# --- liquidity -----------------------------------------------------------------------------------------------


def test_parts_of_the_spread_are_those_of_the_analysis_bin_by_bin() -> None:
    run = crisis()
    parts, edges = data.spread_parts(run, 0, 12), edges_ns(run, 12)
    for k in range(12):
        expected = liquidity.spread_parts(of(run.table("quote"), 0), int(edges[k]), int(edges[k + 1]))
        tick = float(run.header.instruments[0].tick_size)
        for name in (*PARTS, "spread"):
            assert parts[name].iloc[k] == pytest.approx(expected[name] * tick, rel=1e-9, nan_ok=True)


def test_lots_dealt_add_up() -> None:
    run = crisis()
    for i in range(2):
        table = data.dealt(run, i)
        assert table["lit_lots"].sum() == of(run.trades, i)["qty_lots"].sum()
        assert table["rfq_lots"].sum() == of(run.rfq_trades, i)["qty_lots"].sum()


def test_the_depth_map_holds_what_the_book_shows() -> None:
    run = crisis()
    depth = data.depth_map(run, 1, columns=20)
    assert depth is not None
    k = 13
    book = run.book(1, at=int(depth.ts_ns[k]))
    for lots, levels in ((depth.bid_lots, book.bids), (depth.ask_lots, book.asks)):
        assert (lots >= 0).all()
        assert 0 < lots[:, k].sum() <= sum(shown for _, shown, _ in levels[:25])
    best_row = int(np.argmin(np.abs(depth.prices - book.bids[0][0] * float(run.header.instruments[1].tick_size))))
    assert depth.bid_lots[best_row, k] >= book.bids[0][1]


def test_the_spread_is_ask_less_bid_and_a_gap_without_either() -> None:
    spread, touch = data.quoted_spread(crisis(), 0), data.touch(crisis(), 0)
    assert (spread["spread"].isna() == (touch["bid"].isna() | touch["ask"].isna())).all()
    known = spread["spread"].notna()
    assert (spread["spread"][known] > 0).all()


# --- balance sheets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", RUNS)
def test_balance_sheets_balance(make: Callable[[], Run]) -> None:
    sheets = data.balance_sheets(make())
    assert len(sheets) > 10
    assets = sheets[list(ASSETS)].sum(axis=1)
    assert assets.to_numpy() == pytest.approx(sheets[list(LIABILITIES)].sum(axis=1).to_numpy())


@pytest.mark.parametrize("make", RUNS)
def test_headroom_is_that_of_the_log_and_below_nought_at_a_breach(make: Callable[[], Run]) -> None:
    run = make()
    shown, logged = data.headroom(run), run.table("headroom")
    limits = logged[logged["headroom_cash"] < MOST_CASH]
    assert np.isfinite(shown["headroom"]).sum() == len(limits) > 0
    assert shown["headroom"][np.isfinite(shown["headroom"])].sum() == pytest.approx(
        limits["headroom_cash"].sum() * float(run.header.money_unit)
    )
    breaches = run.table("constraint_breached", money=True)
    said = breaches.merge(shown, on=["ts_event_ns", "agent_id", "constraint"], suffixes=("", "_shown"))
    near = np.isclose(said["headroom"], said["headroom_shown"])
    assert said[near].drop_duplicates("seq").shape[0] == len(breaches) > 0
    assert (said[near]["headroom_shown"] < 0).all()


def test_headroom_is_empty_without_limits() -> None:
    assert not len(data.headroom(calm()))


# --- marks, funding, funds -----------------------------------------------------------------------------------


def test_marks_less_adjustments_are_prudent_and_known_by_source() -> None:
    run = crisis()
    table = data.marks(run, 0)
    assert len(table) == len(of(run.table("mark"), 0)) > 0
    assert (table["mark"] - table["adjustment"]).to_numpy() == pytest.approx(table["prudent"].to_numpy())
    assert set(table[table["adjustment"] > 0]["source"]) <= {"RFQ print", "own belief"}


def test_haircuts_are_the_lowest_that_anybody_offers() -> None:
    run = crisis()
    table = data.haircuts(run, 0)
    assert table["agent_id"].nunique() == 9
    said = pd.concat([of(run.table(name), 0)["haircut"] for name in ("haircut_changed", "loan_borrowed")])
    assert table["haircut_pct"].min() == pytest.approx(100 * said.min())
    assert not len(data.haircuts(calm(), 0))


def test_redemptions_and_values_of_funds() -> None:
    run = funds()
    asked, unit = run.table("redemption"), float(run.header.money_unit)
    assert data.redemptions(run)["redeemed"].sum() == pytest.approx(asked["redeemed_cash"].sum() * unit)
    values = data.fund_values(run)
    assert set(values["agent_id"]) == set(asked["agent_id"])
    assert not len(data.fund_values(crisis()))


def test_squeezes_are_refusals_and_calls() -> None:
    run = funding_run()
    table = data.squeezes(run)["kind"].value_counts()
    assert table["loan not rolled"] == run.counts["loan_refused"]
    assert table.get("margin call", 0) == run.counts.get("margin_called", 0)


# --- thinning ------------------------------------------------------------------------------------------------


def test_thinning_keeps_every_extreme_and_both_ends() -> None:
    rng = np.random.default_rng(1)
    table = pd.DataFrame({"ts_event_ns": np.arange(10_000) * 7, "y": rng.normal(size=10_000)})
    table.loc[4_321, "y"] = 99.0
    table.loc[777, "y"] = -99.0
    table.loc[5_000:5_010, "y"] = np.nan
    thin = data.thin(table, "y", 50)
    assert len(thin) <= 5 * 50
    assert thin["ts_event_ns"].is_monotonic_increasing
    assert {0, 777, 4_321, 9_999} <= set(thin.index)
    assert thin["y"].isna().any()
    nth = (ints(table, "ts_event_ns") * 50) // (7 * 9_999 + 1)
    for k in range(50):
        whole, kept = table["y"][nth == k], thin["y"][nth[thin.index] == k]
        assert (whole.min(), whole.max()) == (kept.min(), kept.max())


def test_a_short_table_is_not_thinned() -> None:
    table = pd.DataFrame({"ts_event_ns": np.arange(200), "y": 1.0})
    assert data.thin(table, "y", 50) is table


def test_a_price_at_which_nobody_has_dealt_since_the_shock_is_no_dislocation() -> None:
    shocked = market_of([(1, 10_000), (70, 9_500)], [(0, 10_000.0), (60, 9_500.0)])
    assert prices.dislocations(shocked, 60 * NS_PER_S) == []
    # Control: one trade at the former price after the shock, and it stands until the next.
    dealt = market_of([(1, 10_000), (61, 10_000), (70, 9_500)], [(0, 10_000.0), (60, 9_500.0)])
    (one,) = prices.dislocations(dealt, 60 * NS_PER_S)
    assert (one.sign, one.lasted_ns) == (1, 9 * NS_PER_S)
    assert one.peak_pct == pytest.approx(100 * (10_000 / 9_500 - 1))


def test_a_headline_says_how_soon_prices_came_after_a_shock() -> None:
    soon = market_of([(1, 10_000), (61, 10_000), (62, 9_500)], [(0, 10_000.0), (60, 9_500.0), (600, 9_500.0)])
    # The price of the first second stands when value falls at 60 s, and until the trade at 62 s.
    assert "5.26% from fair value, and more than half of that lasted 2 s at most" in headline(soon)
    # Controls: a price that stays away is a drama of its own, and one that never was away needs no time.
    late = market_of([(1, 10_000), (61, 10_000), (162, 9_500)], [(0, 10_000.0), (60, 9_500.0), (600, 9_500.0)])
    assert "lasted" not in headline(late)
    calm = market_of([(1, 10_000), (61, 10_001)], [(0, 10_000.0), (600, 10_000.0)])
    assert "no trade was more than 0.01% from fair value." in headline(calm).lower()
