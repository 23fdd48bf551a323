"""Liquidity measures on markets whose answer is known by construction."""

from __future__ import annotations

import math
from decimal import Decimal

import msgspec
import numpy as np
import pandas as pd
import pytest

from lob_sim.analysis.liquidity import (
    amihud,
    lit_share,
    lit_state,
    resilience_half_life_ns,
    sale_impact_ticks,
    spread_parts,
    trade_spreads,
    volume_weighted,
)
from lob_sim.errors import DataError
from lob_sim.information.spread import decompose_quote
from lob_sim.log import MemoryRecorder, run_in_memory
from lob_sim.log.header import AgentEntry, RunHeader
from lob_sim.messages import NewOrder, QuoteRecord, Side
from lob_sim.units import Instrument
from lob_sim.venue.matching import MatchingEngine


def top_table(*rows: tuple[int, int, int, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"])


def trade_table(*rows: tuple[int, int, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["ts_event_ns", "price_ticks", "qty_lots", "aggressor_side"])


def test_lit_state_weighs_by_time() -> None:
    top = top_table((10, 99, 5, 101, 7), (20, 98, 4, 102, 4), (40, 0, 0, 102, 4), (70, 97, 1, 103, 1))
    state = lit_state(top, 0, 100)
    assert state.presence == pytest.approx(0.6)  # [10, 40) and [70, 100)
    assert state.bid_presence == pytest.approx(0.6)
    assert state.ask_presence == pytest.approx(0.9)
    assert state.quoted_spread_ticks == pytest.approx((10 * 2 + 20 * 4 + 30 * 6) / 60)
    assert state.depth_lots == pytest.approx((10 * 6 + 20 * 4 + 30 * 2 + 30 * 1) / 100)
    inner = lit_state(top, 15, 25)
    assert inner.quoted_spread_ticks == pytest.approx(3)
    assert inner.presence == 1


def test_lit_state_of_a_dark_market() -> None:
    dark = lit_state(top_table((10, 0, 0, 0, 0)), 0, 100)
    assert dark.presence == 0
    assert dark.depth_lots == 0
    assert math.isnan(dark.quoted_spread_ticks)
    assert lit_state(top_table(), 0, 100).presence == 0


def test_spread_of_one_trade() -> None:
    top = top_table((0, 99, 1, 102, 1), (50, 100, 1, 103, 1), (100, 101, 1, 104, 1), (500, 101, 1, 104, 1))
    # A buy at 102 against a mid of 100.5, 101.5 just after, 102.5 at the horizon.
    spreads = trade_spreads(trade_table((50, 102, 3, 1)), top, 60)
    assert spreads.iloc[0].tolist() == [50, 3, 3, -1, 4]
    # What the mid will be after the table ends nobody knows.
    assert len(trade_spreads(trade_table((50, 102, 3, 1), (450, 102, 3, 1)), top, 60)) == 1


def test_identity_is_exact_on_a_random_market() -> None:
    rng = np.random.default_rng(1)
    n = 5000
    bid = 1000 + np.cumsum(rng.integers(-1, 2, n))
    top = pd.DataFrame(
        {
            "ts_event_ns": np.arange(n) * 10,
            "bid_ticks": np.where(rng.random(n) < 0.05, 0, bid),
            "bid_lots": 1,
            "ask_ticks": bid + rng.integers(1, 5, n),
            "ask_lots": 1,
        }
    )
    sides = rng.choice([-1, 1], n)
    trades = pd.DataFrame(
        {
            "ts_event_ns": np.sort(rng.integers(0, n * 10, n)),
            "price_ticks": bid + sides,
            "qty_lots": rng.integers(1, 9, n),
            "aggressor_side": sides,
        }
    )
    spreads = trade_spreads(trades, top, 300)
    assert 0.85 * n < len(spreads) < 0.95 * n  # both ends of a trade need a two-sided book: 0.95 squared
    assert (spreads.effective_ticks == spreads.realised_ticks + spreads.impact_ticks).all()


def test_the_command_that_traded_decides_where_times_are_equal() -> None:
    # A top bears the number of the command after which it stood.
    top = top_table((0, 99, 1, 101, 1), (50, 97, 1, 99, 1), (90, 97, 1, 99, 1)).assign(seq=[1, 4, 9])
    trades = trade_table((50, 101, 1, 1), (50, 99, 1, 1)).assign(seq=[5, 8], cause_seq=[4, 7])
    assert trade_spreads(trades, top, 10).effective_ticks.tolist() == [2, 2]


def test_the_mid_before_a_trade_is_that_of_the_book_it_met() -> None:
    bond = Instrument(0, "bond", Decimal(1), Decimal(1), Decimal(1), 1, 1)
    memory, engine = MemoryRecorder(), MatchingEngine(0)
    orders = [(Side.SELL, 102), (Side.SELL, 112), (Side.BUY, 98), (Side.BUY, 102), (Side.BUY, 99)]
    for n, (side, price_ticks) in enumerate(orders, 1):
        command = NewOrder(0, n, 1, side, 10, price_ticks)
        memory.batch(100 * n, command, engine.process(command, 100 * n))
    met = run_in_memory(memory, RunHeader({}, 1, tuple(AgentEntry(n, f"a{n}", "a", "") for n in range(6)), (bond,)))
    spreads = trade_spreads(met.trades, met.quotes, 50)
    assert spreads[["effective_ticks", "impact_ticks"]].values.tolist() == [[4, 10]]
    # Without the log's numbering, times alone say the same here.
    plain = trade_spreads(met.trades.drop(columns="cause_seq"), met.quotes, 50)
    assert plain.equals(spreads)


def test_dealer_against_noise_earns_its_spread_and_against_information_nothing() -> None:
    """In the first market the mid stays; in the second it moves by the half-spread with every trade."""
    n, rng = 400, np.random.default_rng(2)
    sides = rng.choice([-1, 1], n)
    for informative in (0, 1):
        mids = 1000 + 2 * informative * np.concatenate([[0], np.cumsum(sides)])
        top = pd.DataFrame(
            {
                "ts_event_ns": np.arange(n + 1) * 100,
                "bid_ticks": mids - 2,
                "bid_lots": 1,
                "ask_ticks": mids + 2,
                "ask_lots": 1,
            }
        )
        trades = pd.DataFrame(
            {"ts_event_ns": np.arange(n) * 100 + 50, "price_ticks": mids[:-1] + 2 * sides, "qty_lots": 1,
             "aggressor_side": sides}
        )  # fmt: skip
        means = volume_weighted(trade_spreads(trades, top, 50))
        assert means.tolist() == [4, 4 * (1 - informative), 4 * informative]


def test_half_life_of_an_exponential_recovery() -> None:
    shocks = np.array([10_000, 60_000, 110_000])
    ts = np.arange(0, 200_000, 10)
    spread = np.full(ts.size, 4.0)
    for shock in shocks:
        since = ts - shock
        spread += np.where(since >= 0, 6 * np.exp2(-np.maximum(since, 0) / 3000), 0)
    half_life = resilience_half_life_ns(ts, spread, shocks, 40_000, points=400)
    # Each shock starts on the last 0.01% of the one before; the path is read every 100 ns.
    assert half_life == pytest.approx(3000, abs=60)


def test_half_life_where_nothing_recovers_or_nothing_was_disturbed() -> None:
    ts = np.arange(0, 1000, 10)
    stuck = np.where(ts >= 500, 9.0, 4.0)
    shocks = np.array([500])
    assert resilience_half_life_ns(ts, stuck, shocks, 400) == math.inf
    assert math.isnan(resilience_half_life_ns(ts, np.full(ts.size, 4.0), shocks, 400))
    assert math.isnan(resilience_half_life_ns(ts, stuck, np.array([900]), 400))


def test_a_sale_walks_down_the_book_that_is_there() -> None:
    books = pd.DataFrame(
        {
            "bid_ticks_1": [100, 100, 100, 0],
            "bid_lots_1": [3, 5, 2, 0],
            "bid_ticks_2": [99, 99, 96, 0],
            "bid_lots_2": [1, 1, 2, 0],
            "bid_ticks_3": [90, 90, 0, 0],
            "bid_lots_3": [9, 9, 0, 0],
        }
    )
    assert sale_impact_ticks(books, 1).tolist()[:3] == [0, 0, 0]
    np.testing.assert_array_equal(sale_impact_ticks(books, 4), [1, 0, 4, math.nan])
    np.testing.assert_array_equal(sale_impact_ticks(books, 5), [10, 0, math.nan, math.nan])
    with pytest.raises(DataError, match="bid_ticks_1"):
        sale_impact_ticks(pd.DataFrame({"ask_ticks_1": [1]}), 1)


def test_volume_weighted_means_of_large_lots_and_prices_do_not_overflow() -> None:
    lots, middle = 2**53, 2**40
    top = top_table((0, middle - 1, 1, middle + 1, 1), (100, middle - 1, 1, middle + 1, 1))
    trades = trade_table((10, middle + 2_000, lots, 1), (20, middle + 2_000, lots, 1))
    means = volume_weighted(trade_spreads(trades, top, 50))
    assert means.to_dict() == {"effective_ticks": 4_000.0, "realised_ticks": 4_000.0, "impact_ticks": 0.0}
    # Not the sum of lots alone: a thousand such trades are more lots than 64 bits hold.
    many = trade_table(*[(10, middle + 2_000, lots, 1)] * 2_000)
    assert volume_weighted(trade_spreads(many, top, 50))["effective_ticks"] == 4_000.0


def test_shares_and_amihud() -> None:
    assert lit_share(trade_table((0, 1, 30, 1)), pd.DataFrame({"qty_lots": [10]})) == 0.75
    assert math.isnan(lit_share(trade_table(), pd.DataFrame({"qty_lots": []})))
    prices, volumes = np.array([100.0, 110.0, 99.0, 99.0]), np.array([10.0, 50.0, 0.0])
    assert amihud(prices, volumes) == pytest.approx((0.1 / 10 + 0.1 / 50) / 2)
    assert math.isnan(amihud(prices, np.zeros(3)))


def quote_record(ts_ns: int, agent_id: int, mean_ticks: float, adverse_ticks: float, rfq_id: int = 0) -> QuoteRecord:
    bid, ask = decompose_quote(mean_ticks, adverse_ticks, 0.3, -0.3, 0.5)
    parts = [(q.adverse_uticks, q.inventory_uticks, q.processing_uticks, q.rounding_uticks) for q in (bid, ask)]
    return QuoteRecord(
        ts_ns, agent_id, 0, rfq_id, bid.price_ticks, ask.price_ticks, bid.mean_uticks, *parts[0], *parts[1]
    )


def test_spread_parts_add_up_to_the_mean_quoted_spread() -> None:
    dark = QuoteRecord(60, 1, 0, 0, *([0] * 11))
    records = [
        quote_record(0, 1, 100.2, 2.0),
        quote_record(10, 2, 101.7, 5.0),
        quote_record(20, 1, 100.9, 4.0),
        quote_record(30, 1, 50.0, 30.0, rfq_id=8),
        dark,
    ]
    quotes = pd.DataFrame([msgspec.structs.asdict(record) for record in records])
    parts = spread_parts(quotes, 0, 100)
    # Agent 1 quotes for 20 and 40, then is dark; agent 2 for 90.
    widths = [record.ask_ticks - record.bid_ticks for record in records]
    assert parts["spread"] == pytest.approx((20 * widths[0] + 40 * widths[2] + 90 * widths[1]) / 150)
    assert parts["adverse"] == pytest.approx(2 * (20 * 2 + 40 * 4 + 90 * 5) / 150)
    assert parts["inventory"] == pytest.approx(0)
    assert parts["processing"] == pytest.approx(1)
    assert parts[:4].sum() == pytest.approx(parts["spread"])
    assert spread_parts(quotes[quotes.rfq_id > 0], 0, 100).isna().all()


def test_bad_tables_are_named() -> None:
    with pytest.raises(DataError, match="top table: no column 'bid_lots'"):
        lit_state(top_table().drop(columns="bid_lots"), 0, 1)
    with pytest.raises(DataError, match="trades: ts_event_ns goes back"):
        trade_spreads(trade_table((5, 1, 1, 1), (4, 1, 1, 1)), top_table(), 1)
