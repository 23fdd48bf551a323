"""Liquidity of a lit book: what it costs to trade, how much is there, whether it is there, how fast it comes
back.

Spreads are whole spreads (buyer's price over seller's), in ticks. Sources: Huang & Stoll (1996, J. Financial
Economics 41) for effective and realised spread; Foucault, Pagano & Roell (2013, *Market Liquidity*, chapter
2).
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pandas as pd

from lob_sim.analysis import tables
from lob_sim.analysis.tables import (
    TOP_COLUMNS,
    TRADE_COLUMNS,
    Floats,
    Ints,
    all_finite,
    floats,
    held_for,
    ints,
    mean_of_known,
    none_infinite,
    require,
    row_at,
    same_length,
    series,
    whole_number,
)
from lob_sim.information.spread import UTICKS_PER_TICK
from lob_sim.log.tables import exact_sum
from lob_sim.units import MOST_NS, Lots, Ns


class LitState(msgspec.Struct, frozen=True):
    """Time-weighted averages of a lit book over a window.

    Attributes:
        presence: Share of the time in which both sides are quoted.
        bid_presence: Share of the time in which there is a bid.
        ask_presence: Share of the time in which there is an ask.
        quoted_spread_ticks: Mean of ask less bid while both are quoted; NaN if they never are.
        depth_lots: Mean over all the time of the mean of the two best sizes (an empty side has none).
    """

    presence: float
    bid_presence: float
    ask_presence: float
    quoted_spread_ticks: float
    depth_lots: float


def lit_state(top: pd.DataFrame, start_ns: Ns, end_ns: Ns) -> LitState:
    """Quoted spread, depth and quote presence over [start, end); before the first row the book counts as
    empty.

    Args:
        top: Top table.
        start_ns: Start of the window.
        end_ns: Its end, later.

    Raises:
        DataError: A column is missing, time goes back, or the window has no length.
    """
    require(top, TOP_COLUMNS, "top table")
    window = float(tables.window_ns(start_ns, end_ns))
    held = held_for(ints(top, "ts_event_ns"), start_ns, end_ns)
    bid, ask = ints(top, "bid_ticks"), ints(top, "ask_ticks")
    both = (bid > 0) & (ask > 0)
    quoted = float(held[both].sum())
    sizes = floats(top, "bid_lots") + floats(top, "ask_lots")
    return LitState(
        presence=quoted / window,
        bid_presence=float(held[bid > 0].sum()) / window,
        ask_presence=float(held[ask > 0].sum()) / window,
        quoted_spread_ticks=float((held * (ask - bid))[both].sum()) / quoted if quoted else math.nan,
        depth_lots=float((held * sizes).sum()) / (2 * window),
    )


def trade_spreads(trades: pd.DataFrame, top: pd.DataFrame, horizon_ns: Ns) -> pd.DataFrame:
    """Effective spread of each trade and its two parts, in whole ticks.

    With d the aggressor's sign, p the price, m the mid just before and m' the mid ``horizon_ns`` later:
    effective 2 d (p - m), realised 2 d (p - m'), impact 2 d (m' - m). Twice a mid is a whole number of
    ticks, so that effective = realised + impact holds exactly. The mid before is the last one that stood
    strictly before the trade's time, or, where the tables are a run's own (with ``cause_seq`` and ``seq``), before the
    command that traded.

    Args:
        trades: ``ts_event_ns``, ``price_ticks``, ``qty_lots``, ``aggressor_side``.
        top: Top table.
        horizon_ns: Time after which the price is taken to have settled.

    Returns:
        A row for each trade with a two-sided book before it and at its horizon (at most the last row of
        ``top``): ``ts_event_ns``, ``qty_lots``, ``effective_ticks``, ``realised_ticks``, ``impact_ticks``.

    Raises:
        DataError: A column is missing or time goes back, or ``horizon_ns`` is negative or no whole number.
    """
    require(trades, TRADE_COLUMNS, "trades")
    require(top, TOP_COLUMNS, "top table")
    horizon_ns = min(whole_number("spreads of trades", horizon_ns, 0, "ns of horizon"), MOST_NS)
    columns = ["ts_event_ns", "qty_lots", "effective_ticks", "realised_ticks", "impact_ticks"]
    if top.empty or trades.empty:
        return pd.DataFrame({column: np.array([], dtype=np.int64) for column in columns})
    times, top_times = ints(trades, "ts_event_ns"), ints(top, "ts_event_ns")
    if "cause_seq" in trades.columns and "seq" in top.columns:
        before = row_at(ints(top, "seq"), ints(trades, "cause_seq") - 1)
    else:
        before = row_at(top_times, times - 1)
    after = row_at(top_times, times + horizon_ns)
    bid, ask = ints(top, "bid_ticks"), ints(top, "ask_ticks")
    both = (bid > 0) & (ask > 0)
    usable = (before >= 0) & both[np.maximum(before, 0)] & (after >= 0) & both[np.maximum(after, 0)]
    usable &= times + horizon_ns <= top_times[-1]
    double_mid = bid + ask
    sign = ints(trades, "aggressor_side")[usable]
    double_price = 2 * ints(trades, "price_ticks")[usable]
    then, later = double_mid[before[usable]], double_mid[after[usable]]
    return pd.DataFrame(
        dict(
            zip(
                columns,
                (
                    times[usable],
                    ints(trades, "qty_lots")[usable],
                    sign * (double_price - then),
                    sign * (double_price - later),
                    sign * (later - then),
                ),
                strict=True,
            )
        )
    )


_PARTS = ("adverse", "inventory", "processing", "rounding")


def spread_parts(quotes: pd.DataFrame, start_ns: Ns, end_ns: Ns) -> pd.Series[float]:
    """What the dealers' lit spreads are made of: time-weighted mean of each part of ask less bid, in ticks.

    The mean is over agents and time in which an agent quotes both sides; each of its quotes stands until its
    next record. The parts are what the quoting agents logged and add up to their mean spread.

    Args:
        quotes: ``quote`` dataset of one instrument; records that answer a request (``rfq_id`` not 0) do not
            count.
        start_ns: Start of the window.
        end_ns: Its end.

    Returns:
        ``adverse``, ``inventory``, ``processing``, ``rounding`` and ``spread``; NaN if nobody quoted both
        sides.

    Raises:
        DataError: A column is missing, time goes back, or the window has no length.
    """
    tables.window_ns(start_ns, end_ns)
    columns = [f"{side}_{part}_uticks" for part in _PARTS for side in ("bid", "ask")]
    require(quotes, ("ts_event_ns", "agent_id", "rfq_id", "bid_ticks", "ask_ticks", *columns), "quotes")
    sums, quoted = np.zeros(len(_PARTS)), 0.0
    for _, of_agent in quotes[quotes["rfq_id"] == 0].groupby("agent_id", sort=True):
        both = (ints(of_agent, "bid_ticks") > 0) & (ints(of_agent, "ask_ticks") > 0)
        held = held_for(ints(of_agent, "ts_event_ns"), start_ns, end_ns) * both
        quoted += float(held.sum())
        for i, part in enumerate(_PARTS):
            whole = ints(of_agent, f"bid_{part}_uticks") + ints(of_agent, f"ask_{part}_uticks")
            sums[i] += float(held @ whole) / UTICKS_PER_TICK
    means = sums / quoted if quoted else np.full(len(_PARTS), math.nan)
    return pd.Series([*means, means.sum()], index=[*_PARTS, "spread"])


def volume_weighted(spreads: pd.DataFrame) -> pd.Series[float]:
    """Volume-weighted means of the columns of :func:`trade_spreads`; NaN if there is no trade."""
    columns = ["effective_ticks", "realised_ticks", "impact_ticks"]
    require(spreads, ("qty_lots", *columns), "spreads of trades")
    # As floats: products of ticks and lots, and their sums, may need more than 64 bits.
    weights = ints(spreads, "qty_lots").astype(np.float64)
    total = float(weights.sum())
    means = [float(ints(spreads, c) @ weights) / total if total else math.nan for c in columns]
    return pd.Series(means, index=columns)


def resilience_half_life_ns(ts_ns: Ints, values: Floats, shocks_ns: Ints, window_ns: Ns, points: int = 200) -> float:
    """Time in which half of the disturbance that a large order leaves in a liquidity measure is gone.

    An event study (Large 2007, J. Financial Markets 10; Foucault, Pagano & Roell 2013, section 9): the
    measure's path after each shock, as a difference from the value that stood just before, is averaged over
    the shocks; the half-life is when that mean path first falls to half of its value right after the shock,
    by linear interpolation.

    Args:
        ts_ns: Times at which the measure (spread, depth, mid times direction) changes, increasing.
        values: Its values from those times on.
        shocks_ns: Times of the large orders; those without a value before or without a full window are left
            out.
        window_ns: How long to look.
        points: Number of points of the mean path.

    Returns:
        Nanoseconds; NaN without a usable shock, a disturbance or the values that it takes, infinity if half is not
        gone within the window.

    Raises:
        DataError: There is not one value for each time, or the window or the number of points is not positive.
    """
    same_length("measure of liquidity", ts_ns, values)
    whole_number("resilience", points, 1, "points")
    window_ns = min(whole_number("resilience", window_ns, 1, "ns of window"), MOST_NS)
    (values,), (times,), (shocks,) = (series("resilience", given) for given in (values, ts_ns, shocks_ns))
    all_finite("resilience", times, shocks)
    ts_ns, shocks_ns = (np.asarray(given).astype(np.int64) for given in (ts_ns, shocks_ns))
    if not len(ts_ns):
        return math.nan
    usable = shocks_ns[(shocks_ns > ts_ns[0]) & (shocks_ns + window_ns <= ts_ns[-1])]
    if usable.size == 0:
        return math.nan
    offsets = np.linspace(0, window_ns, points + 1).astype(np.int64)
    # A value that is not finite has no difference from another.
    values = np.where(np.isfinite(values), values, np.nan)
    base = values[row_at(ts_ns, usable - 1)]
    paths = values[row_at(ts_ns, usable[:, None] + offsets[None, :])] - base[:, None]
    path = np.abs(paths.mean(axis=0))
    if path[0] == 0 or not np.isfinite(path).all():
        return math.nan
    below = np.flatnonzero(path <= path[0] / 2)
    if below.size == 0:
        return math.inf
    i = int(below[0])
    share = (path[i - 1] - path[0] / 2) / (path[i - 1] - path[i])
    return float(offsets[i - 1] + share * (offsets[i] - offsets[i - 1]))


def sale_impact_ticks(depth: pd.DataFrame, lots: Lots) -> Floats:
    """How far a market sale would walk down each book: from the best bid to the price at which its last lot sells.

    The marginal cost of immediacy that the cost of a round trip averages (Irvine, Benston & Kandel 2000, *Liquidity
    beyond the inside spread*).

    Args:
        depth: Table of :meth:`lob_sim.log.run.Run.depth`.
        lots: Size of the sale, at least 1.

    Returns:
        Ticks for each row, NaN where fewer lots are bid for within the table's levels.

    Raises:
        DataError: A column is missing, nothing is sold, or no whole number of lots.
    """
    lots = whole_number("sale", lots, 1, "lots")
    levels = range(1, sum(column.startswith("bid_ticks_") for column in depth.columns) + 1)
    columns = [[f"bid_{what}_{level}" for level in levels] for what in ("ticks", "lots")]
    require(depth, ("bid_ticks_1", *columns[0], *columns[1]), "depth table")
    prices, sizes = (np.column_stack([floats(depth, name) for name in names]) for names in columns)
    enough = sizes.cumsum(axis=1) >= lots
    last = prices[np.arange(len(prices)), enough.argmax(axis=1)]
    return np.where(enough.any(axis=1), prices[:, 0] - last, np.nan)


def lit_share(trades: pd.DataFrame, rfq_trades: pd.DataFrame) -> float:
    """Share of lots dealt that were dealt on the lit book; the rest was dealt on RFQ. NaN if nothing was
    dealt."""
    require(trades, ("qty_lots",), "trades")
    require(rfq_trades, ("qty_lots",), "RFQ trades")
    lit, rfq = (exact_sum(pd.Series(ints(table, "qty_lots"))) for table in (trades, rfq_trades))
    return lit / (lit + rfq) if lit + rfq else math.nan


def amihud(prices_ticks: Floats, volume_lots: Floats) -> float:
    """Mean of absolute return over volume, per lot (Amihud 2002, J. Financial Markets 5).

    Args:
        prices_ticks: Closing prices of T + 1 consecutive intervals.
        volume_lots: Volumes of the last T of them; intervals without volume are left out, as in the source.

    Returns:
        NaN without an interval that has volume and two positive prices.

    Raises:
        DataError: There is not one price more than there are volumes, or one is infinite.
    """
    (prices_ticks,), (volume_lots,) = series("prices and volumes", prices_ticks), series("volumes", volume_lots)
    same_length("prices and volumes", prices_ticks[1:], volume_lots)
    none_infinite("prices and volumes", prices_ticks, volume_lots)
    if not len(volume_lots):
        return math.nan
    before, after = prices_ticks[:-1], prices_ticks[1:]
    traded = (volume_lots > 0) & (before > 0) & (after > 0)
    returns = np.abs((after - before)[traded] / before[traded])
    return mean_of_known(returns / volume_lots[traded])
