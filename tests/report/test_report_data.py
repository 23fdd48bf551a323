"""The numbers of the report are those of the log: every call is held against another way to the same number."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_runs import calm, crisis, fire_sale, funding_run, funds

from lob_sim import Run
from lob_sim.analysis import liquidity
from lob_sim.analysis.amplification import forced_volume_lots
from lob_sim.analysis.summary import crisis_metrics, dealer_absence, horizon_ns, of, shock_ns
from lob_sim.analysis.tables import ints
from lob_sim.report import data
from lob_sim.report.data.common import edges_ns
from lob_sim.report.data.liquidity import PARTS
from lob_sim.report.data.sheets import ASSETS, LIABILITIES
from lob_sim.units import MOST_CASH

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


def test_the_worst_trade_is_the_overshoot() -> None:
    run = crisis()
    metrics = crisis_metrics(run)
    found = []
    for i, instrument in enumerate(run.header.instruments):
        worst = data.worst_trade(run, i, shock_ns(run))
        found.append(0.0 if worst is None else float(worst["below_pct"]))
        assert found[-1] == pytest.approx(metrics[f"overshoot_pct.{instrument.name}"], rel=1e-12)
    assert max(found) > 0


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
    assert 1 - np.mean([share[0].mean() for share in shares]) == pytest.approx(absent, abs=1e-9)
    assert 1 - np.mean([(share[0] + share[2]).mean() for share in shares]) == pytest.approx(no_bid, abs=1e-9)
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
    shown = sum(lots for _, lots, _ in book.bids[:25]) + sum(lots for _, lots, _ in book.asks[:25])
    assert 0 < np.abs(depth.lots[:, k]).sum() <= shown
    best_row = int(np.argmin(np.abs(depth.prices - book.bids[0][0] * float(run.header.instruments[1].tick_size))))
    assert depth.lots[best_row, k] != 0


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
