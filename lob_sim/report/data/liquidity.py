"""Liquidity of the lit book: its spread and what it is made of, its depth, and how much is dealt elsewhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from lob_sim.analysis.summary import lit_quotes, of
from lob_sim.analysis.tables import Floats, Ints, floats, ints
from lob_sim.analysis.trading_time import trading_clock
from lob_sim.information.spread import UTICKS_PER_TICK
from lob_sim.log import Run
from lob_sim.report.data.common import edges_ns, end_ns, tick_size
from lob_sim.report.data.prices import mean_in_bins, touch

PARTS = ("adverse", "inventory", "processing", "rounding")
"""Parts of a dealer's spread, in the names of the log."""
_DEPTH_LEVELS = 25


def quoted_spread(run: Run, instrument_id: int) -> pd.DataFrame:
    """Ask less bid of the lit book: ``ts_event_ns``, ``spread`` in points, ``spread_bp`` in basis points of the mid;
    NaN while a side is empty. From :func:`lob_sim.report.data.touch`."""
    top = touch(run, instrument_id)
    spread = top["ask"] - top["bid"]
    middle = (top["ask"] + top["bid"]) / 2
    return pd.DataFrame({"ts_event_ns": top["ts_event_ns"], "spread": spread, "spread_bp": 1e4 * spread / middle})


def spread_parts(run: Run, instrument_id: int, bins: int = 60) -> pd.DataFrame:
    """What the dealers' lit spreads are made of, bin by bin: ``start_ns``, :data:`PARTS` and ``spread`` in points.

    Each row is :func:`lob_sim.analysis.liquidity.spread_parts` over its bin: the mean over dealers and time in which a
    dealer quotes both sides, closed nights left out; NaN where none does.
    """
    starts, clock = edges_ns(run, bins), trading_clock(run)
    edges = clock.at(starts)
    sums, quoted = np.zeros((len(PARTS), bins)), np.zeros(bins)
    for _, own in lit_quotes(run, instrument_id).groupby("agent_id", sort=True):
        times = ints(clock.of(own), "ts_event_ns")
        both = ((ints(own, "bid_ticks") > 0) & (ints(own, "ask_ticks") > 0)).astype(np.float64)
        quoted += mean_in_bins(times, both, edges)
        for k, part in enumerate(PARTS):
            whole = (floats(own, f"bid_{part}_uticks") + floats(own, f"ask_{part}_uticks")) / UTICKS_PER_TICK
            sums[k] += mean_in_bins(times, both * whole, edges)
    somebody = quoted > 1e-12
    means = np.where(somebody, sums / np.where(somebody, quoted, 1.0), np.nan) * tick_size(run, instrument_id)
    table = pd.DataFrame({"start_ns": starts[:-1], **dict(zip(PARTS, means, strict=True))})
    return table.assign(spread=means.sum(axis=0))


def dealt(run: Run, instrument_id: int, bins: int = 60) -> pd.DataFrame:
    """Lots dealt in each bin of time: ``start_ns``, ``lit_lots``, ``rfq_lots``, ``rfq_share`` (NaN if none)."""
    edges = edges_ns(run, bins)
    lots = {}
    for name, table in (("lit", of(run.trades, instrument_id)), ("rfq", of(run.rfq_trades, instrument_id))):
        lots[name] = np.histogram(ints(table, "ts_event_ns"), edges, weights=floats(table, "qty_lots"))[0]
    total = lots["lit"] + lots["rfq"]
    share = np.where(total > 0, lots["rfq"] / np.where(total > 0, total, 1), np.nan)
    columns = {f"{name}_lots": value.astype(np.int64) for name, value in lots.items()}
    return pd.DataFrame({"start_ns": edges[:-1], **columns, "rfq_share": share})


class DepthMap(NamedTuple):
    """Displayed lots by time and price.

    Attributes:
        ts_ns: Times of the columns.
        prices: Middles of the rows, in points.
        step: Height of a row, in points.
        bid_lots: Displayed bids, shape (rows, columns).
        ask_lots: Displayed asks, the same.
        beyond_lots: Lots displayed outside the rows, all columns together.
    """

    ts_ns: Ints
    prices: Floats
    step: float
    bid_lots: Floats
    ask_lots: Floats
    beyond_lots: int


def depth_map(run: Run, instrument_id: int, columns: int = 240, rows: int = 90) -> DepthMap | None:
    """The book's depth at ``columns`` equally spaced moments, its 25 best levels a side, in ``rows`` bands of price.

    The bands cover the touch (:func:`lob_sim.report.data.touch`) over the run, with a margin of an eighth of its range
    on each side. None if the book has never had an order. From :meth:`lob_sim.log.Run.depth`.
    """
    top = touch(run, instrument_id)
    known = top[["bid", "ask"]].to_numpy()
    if not len(top) or np.isnan(known).all() or not end_ns(run):
        return None
    tick = tick_size(run, instrument_id)
    depth = run.depth(instrument_id, levels=_DEPTH_LEVELS, every=max(1, end_ns(run) // columns))
    low, high = np.nanmin(known) / tick, np.nanmax(known) / tick
    margin = max(10.0, (high - low) / 8)
    low, high = max(0.0, low - margin), high + margin
    # A band is a whole number of ticks, so that no band has more prices than another.
    height = max(1, int(np.ceil((high - low) / rows)))
    first = int(low) // height * height
    n_bands = int((high - first) // height) + 1
    lots = {side: np.zeros((n_bands, len(depth))) for side in ("bid", "ask")}
    beyond = 0
    for side, shown in lots.items():
        for level in range(1, _DEPTH_LEVELS + 1):
            ticks, qty = ints(depth, f"{side}_ticks_{level}"), ints(depth, f"{side}_lots_{level}")
            band = (ticks - first) // height
            inside = (ticks > 0) & (band >= 0) & (band < n_bands)
            np.add.at(shown, (band[inside], np.flatnonzero(inside)), qty[inside])
            beyond += int(qty[(ticks > 0) & ~inside].sum())
    middles: Floats = (first + height * np.arange(n_bands) + (height - 1) / 2) * np.float64(tick)
    return DepthMap(ints(depth, "ts_event_ns"), middles, height * tick, lots["bid"], lots["ask"], beyond)
