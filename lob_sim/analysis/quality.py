"""The quality of a market in the textbook measures, a row per instrument."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from lob_sim.analysis.flow import vpin, vpin_null
from lob_sim.analysis.liquidity import amihud, resilience_half_life_ns, trade_spreads, volume_weighted
from lob_sim.analysis.price_discovery import excess_write_down
from lob_sim.analysis.summary import horizon_ns, of
from lob_sim.analysis.tables import floats, ints, mean_of_known, value_at
from lob_sim.analysis.trading_time import trading_clock
from lob_sim.log import Run
from lob_sim.log.tables import exact_sum
from lob_sim.units import MOST_NS, NS_PER_S, Ns, checked_whole

_GRID_NS: Ns = NS_PER_S
_SHORTEST_NS: Ns = 1_000_000
_BUCKETS = 50
"""Volume buckets of VPIN over the whole run, as the source has them in a day."""
_LARGE = 0.9
"""Quantile of size from which on a trade counts as large."""


def market_quality(run: Run, settle_ns: Ns = 5 * NS_PER_S, interval_ns: Ns = 60 * NS_PER_S) -> pd.DataFrame:
    """Measures of the lit books over the whole run, and of marks, a row per instrument; NaN for what is not known.

    Columns: ``effective_ticks``, ``realised_ticks`` and ``impact_ticks``, volume-weighted (:func:`.trade_spreads`);
    ``amihud``, absolute return over lots; ``resilience_s``, half-life of what a trade among the largest tenth does to
    the quoted spread; ``vpin``, mean over 50 volume buckets, and ``vpin_null``, what it would be of as many unit trades
    with fair signs; ``write_down_pct``, mean over time of :func:`.excess_write_down`, in per cent of fair value.
    Time is trading time (:mod:`lob_sim.analysis.trading_time`): what a trade before the close does settles in the next
    session.

    Args:
        run: The run.
        settle_ns: When a trade's price impact is taken, and six times that is how long resilience is looked for.
        interval_ns: Intervals of Amihud's measure, a millisecond at least.

    Raises:
        InputError: ``settle_ns`` is not positive, or ``interval_ns`` is shorter than that; one is no time.
    """
    kind = "a whole number of nanoseconds"
    settle_ns = checked_whole(settle_ns, "settle_ns", 1, MOST_NS, kind)
    interval_ns = checked_whole(interval_ns, "interval_ns", _SHORTEST_NS, MOST_NS, kind)
    time, end_ns = trading_clock(run), horizon_ns(run)
    grid_ns = time.grid(0, end_ns, _GRID_NS)
    rows = []
    for i in range(len(run.header.instruments)):
        trades, quotes = time.of(of(run.trades, i)), time.of(of(run.quotes, i))
        spreads = volume_weighted(trade_spreads(trades, quotes, settle_ns))
        marks = of(run.table("mark"), i)
        rows.append(
            {
                **{str(name): float(value) for name, value in spreads.items()},
                "amihud": _amihud(trades, time.at_one(end_ns), interval_ns),
                "resilience_s": _resilience_ns(trades, quotes, 6 * settle_ns) / NS_PER_S,
                **_imbalance(trades),
                "write_down_pct": 100
                * mean_of_known(excess_write_down(marks, of(run.table("fair_value"), i), grid_ns)),
            }
        )
    return pd.DataFrame(rows, index=pd.Index([i.name for i in run.header.instruments], name="instrument"))


def _amihud(trades: pd.DataFrame, end_ns: Ns, interval_ns: Ns) -> float:
    # A trade at the very end of an interval, such as an auction's, is of that interval: its price closes it.
    edges, times = np.arange(0, end_ns + interval_ns, interval_ns, dtype=np.int64), ints(trades, "ts_event_ns")
    closes = np.nan_to_num(value_at(times, floats(trades, "price_ticks"), edges))
    dealt_lots = np.nan_to_num(value_at(times, floats(trades, "qty_lots").cumsum(), edges))
    return amihud(closes, np.diff(dealt_lots))


def _resilience_ns(trades: pd.DataFrame, quotes: pd.DataFrame, window_ns: Ns) -> float:
    if trades.empty:
        return math.nan
    shown = quotes[(quotes["bid_ticks"] > 0) & (quotes["ask_ticks"] > 0)]
    lots = floats(trades, "qty_lots")
    large = np.unique(ints(trades, "ts_event_ns")[lots >= np.quantile(lots, _LARGE)])
    spread = floats(shown, "ask_ticks") - floats(shown, "bid_ticks")
    return resilience_half_life_ns(ints(shown, "ts_event_ns"), spread, large, window_ns)


def _imbalance(trades: pd.DataFrame) -> dict[str, float]:
    bucket_lots = exact_sum(trades["qty_lots"]) // _BUCKETS
    if not bucket_lots:
        return {"vpin": math.nan, "vpin_null": math.nan}
    found = vpin(ints(trades, "qty_lots"), ints(trades, "aggressor_side"), bucket_lots)
    return {"vpin": mean_of_known(found), "vpin_null": vpin_null(max(1, len(trades) // _BUCKETS))}
