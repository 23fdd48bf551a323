"""The table of textbook measures agrees with its parts, and says nothing where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lob_sim import InputError, Run, load_scenario, run
from lob_sim.analysis import market_quality, of, trade_spreads
from lob_sim.log import MemoryRecorder, RunHeader, run_in_memory
from lob_sim.units import NS_PER_S


@pytest.fixture(scope="module")
def market() -> Run:
    return run(load_scenario("dealer_market", ["horizon=11min"]))


def test_the_parts_of_the_spread_add_up_and_are_those_of_the_trades(market: Run) -> None:
    table = market_quality(market)
    assert table["effective_ticks"].to_numpy() == pytest.approx(
        (table["realised_ticks"] + table["impact_ticks"]).to_numpy()
    )
    for i, name in enumerate(table.index):
        trades = trade_spreads(of(market.trades, i), of(market.quotes, i), 5 * NS_PER_S)
        expected = np.average(trades["effective_ticks"], weights=trades["qty_lots"])
        assert table.loc[name, "effective_ticks"] == pytest.approx(expected)
        assert expected > 0
    later = market_quality(market, settle_ns=20 * NS_PER_S)
    assert (later["impact_ticks"] != table["impact_ticks"]).all()


def test_measures_are_in_their_ranges(market: Run) -> None:
    table = market_quality(market)
    assert ((table["vpin"] > 0) & (table["vpin"] <= 1)).all()
    assert (table["vpin_null"] > 0).all()
    assert (table["amihud"] > 0).all()


def test_what_an_auction_deals_at_the_end_of_an_interval_is_of_the_interval_that_its_price_closes() -> None:
    market = run(load_scenario("dealer_market", ["horizon=4min", "instruments.corporate.lit.batch_interval=5s"]))
    trades = of(market.trades, 0)
    assert (trades["ts_event_ns"] % (5 * NS_PER_S) == 0).all()
    # Intervals of (0, 5 s], (5 s, 10 s], and so on: each has the batch at its end.
    batches = trades.groupby("ts_event_ns").agg(price=("price_ticks", "last"), lots=("qty_lots", "sum"))
    expected = (batches["price"].pct_change().abs() / batches["lots"]).iloc[1:].mean()
    found = market_quality(market, interval_ns=5 * NS_PER_S).loc["corporate", "amihud"]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("time", [0, -1, 1.5, float("nan"), "5s", None])
@pytest.mark.parametrize("argument", ["settle_ns", "interval_ns"])
def test_what_is_no_time_is_refused(argument: str, time: Any, market: Run) -> None:
    with pytest.raises(InputError, match=rf"{argument}: expected a whole number of nanoseconds[^,]*, got"):
        market_quality(market, **{argument: time})
    longest = market_quality(market, **{argument: 1 << 62})
    assert len(longest) == len(market.header.instruments)


def test_a_run_in_which_nothing_happened_has_no_quality(market: Run) -> None:
    empty = run_in_memory(MemoryRecorder(), RunHeader(instruments=market.header.instruments))
    assert market_quality(empty).isna().all(axis=None)
