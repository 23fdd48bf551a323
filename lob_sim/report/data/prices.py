"""Prices: fair value, trades, the touch, and who quotes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import Floats, Ints, floats, ints, value_at
from lob_sim.analysis.trading_time import trading_clock
from lob_sim.log import Run
from lob_sim.report.data.common import edges_ns, end_ns, fair_at, once_per_run, tick_size, watched
from lob_sim.report.data.sheets import forced_sales
from lob_sim.units import NS_PER_S, Ns

STATES = ("both sides", "asks only", "bids only", "RFQ only", "failed", "too wide")
"""What a dealer shows in the lit book; ``too wide``: both sides, but more than :data:`WIDEST_PCT` apart."""
TOO_WIDE = STATES.index("too wide")
WIDEST_PCT = 1.0
"""Width in per cent of its middle from which on a quote of both sides is no market: whoever must trade now cannot at
anything like the price. Makers' obligations of exchanges end at such widths, in a bond at some points."""


@once_per_run
def fair_value(run: Run, instrument_id: int) -> pd.DataFrame:
    """Exogenous fair value: ``ts_event_ns``, ``price`` in price points, ``is_shock``. Empty if the log has none."""
    fair = of(run.table("fair_value"), instrument_id)
    price = floats(fair, "value_ticks") * tick_size(run, instrument_id)
    return pd.DataFrame({"ts_event_ns": fair["ts_event_ns"], "price": price, "is_shock": fair["is_shock"]})


@once_per_run
def trades(run: Run, instrument_id: int) -> pd.DataFrame:
    """Every trade of an instrument in order of ``seq``, on the lit book and by request for quote.

    Columns: ``ts_event_ns``, ``seq``, ``venue`` (``lit`` or ``rfq``), ``price`` in points, ``lots``, ``side`` of who
    started it (the aggressor, or the asker), ``forced`` (a sale under a constraint), ``below_pct``: how far the price
    is below fair value, in per cent of that (NaN where there is none).
    """
    lit, rfq = of(run.trades, instrument_id), of(run.rfq_trades, instrument_id)
    both = pd.concat(
        [
            lit[["ts_event_ns", "seq", "price_ticks", "qty_lots"]].assign(side=lit["aggressor_side"], venue="lit"),
            rfq[["ts_event_ns", "seq", "price_ticks", "qty_lots", "side"]].assign(venue="rfq"),
        ]
    ).sort_values("seq", ignore_index=True)
    forced = forced_sales(run)
    both["forced"] = both["seq"].isin(set(forced["trade_seq"]))
    ticks = floats(both, "price_ticks")
    both["below_pct"] = 100 * (1 - ticks / fair_at(run, instrument_id, ints(both, "ts_event_ns")))
    both["price"] = ticks * tick_size(run, instrument_id)
    both["lots"] = both["qty_lots"]
    return both[["ts_event_ns", "seq", "venue", "price", "lots", "side", "forced", "below_pct"]]


def worst_trade(run: Run, instrument_id: int, start_ns: Ns = 0, until_ns: Ns | None = None) -> pd.Series | None:
    """The trade furthest from fair value, above or below, of a window, as a row of :func:`trades`; None without one."""
    table = trades(run, instrument_id)
    table = table[(table["ts_event_ns"] >= start_ns) & table["below_pct"].notna()]
    table = table if until_ns is None else table[table["ts_event_ns"] < until_ns]
    return table.iloc[int(np.argmax(np.abs(floats(table, "below_pct"))))] if len(table) else None


def worst_off_pct(run: Run, instrument_id: int, start_ns: Ns = 0, until_ns: Ns | None = None) -> float:
    """How far the worst trade of a window is above fair value, or if negative below it, in per cent of that; NaN
    without a trade."""
    worst = worst_trade(run, instrument_id, start_ns, until_ns)
    return np.nan if worst is None else -float(worst["below_pct"])


class Dislocation(NamedTuple):
    """How far and for how long the price of an instrument stood on one side of fair value.

    Attributes:
        instrument_id: The instrument.
        venue: ``lit`` or ``rfq``: whose last trades these are.
        sign: 1 above fair value, -1 below.
        peak_pct: Furthest distance of the last price, in per cent of fair value.
        peak_ns: When that was first reached.
        lasted_ns: Trading time for which the last price was at least half of ``peak_pct`` away, on that side, all
            together.
        area_pct_min: Distance added up over time, in per cent times minutes: what says how much of a drama it was.
    """

    instrument_id: int
    venue: str
    sign: int
    peak_pct: float
    peak_ns: Ns
    lasted_ns: Ns
    area_pct_min: float


def dislocations(run: Run, start_ns: Ns = 0) -> list[Dislocation]:
    """Of each instrument, venue and side of fair value, how far and how long the last price was there; largest first.

    The last price stands until the next trade on its venue, fair value until it moves. A price that a shock has left
    behind for an instant is far away and soon gone: the order is by distance times time. At a price of before the
    start nobody has dealt since, and it counts for nothing. Nor does a closed night, in which nobody can deal.

    Args:
        run: The run.
        start_ns: From when on, to the end of the run.
    """
    found = []
    for i in range(len(run.header.instruments)):
        table = trades(run, i)
        for venue in ("lit", "rfq"):
            own = table[(table["venue"] == venue) & (table["ts_event_ns"] >= start_ns)]
            found += _sides(run, i, venue, own.drop_duplicates("ts_event_ns", keep="last"), start_ns)
    return sorted(found, key=lambda d: -d.area_pct_min)


def _sides(run: Run, i: int, venue: str, own: pd.DataFrame, start_ns: Ns) -> list[Dislocation]:
    last_ns, fair, clock = end_ns(run), fair_value(run, i), trading_clock(run)
    if not len(own) or not len(fair):
        return []
    begins = np.append(clock.opens_ns, start_ns)
    changes = np.concatenate([ints(own, "ts_event_ns"), ints(fair, "ts_event_ns"), begins])
    times = np.unique(changes[(changes >= start_ns) & (changes <= last_ns) & clock.is_trading(changes)])
    price = value_at(ints(own, "ts_event_ns"), floats(own, "price"), times)
    value = value_at(ints(fair, "ts_event_ns"), floats(fair, "price"), times)
    off, held_ns = 100 * (price / value - 1), np.diff(clock.at(np.append(times, last_ns)))
    found = []
    for sign in (1, -1):
        distance = np.nan_to_num(np.maximum(sign * off, 0.0))
        peak = float(distance.max(initial=0.0))
        if peak > 0:
            lasted = int(held_ns[distance >= peak / 2].sum())
            peak_ns = int(times[int(np.argmax(distance))])
            area = float((distance * held_ns).sum()) / (60 * NS_PER_S)
            found.append(Dislocation(i, venue, sign, peak, peak_ns, lasted, area))
    return found


@once_per_run
def touch(run: Run, instrument_id: int) -> pd.DataFrame:
    """Best displayed bid and ask of the lit book: ``ts_event_ns``, ``bid``, ``ask`` in points; NaN for an empty side,
    and for both in a closed night, whatever rests over it.

    A row for each moment in which either changed (``run.quotes``, the last state of an instant). Empty where rows of
    the log are missing: no book after them can be known.
    """
    top = pd.DataFrame() if run.gaps or not len(run.quotes) else of(run.quotes, instrument_id)
    if not len(top):
        return pd.DataFrame({"ts_event_ns": np.zeros(0, np.int64), "bid": np.zeros(0), "ask": np.zeros(0)})
    top = top.drop_duplicates("ts_event_ns", keep="last")
    tick, clock, times = tick_size(run, instrument_id), trading_clock(run), ints(top, "ts_event_ns")
    moments = np.unique(np.concatenate([times, clock.closes_ns, clock.opens_ns]))
    moments = moments[(moments >= times[0]) & (moments <= end_ns(run))]
    table = pd.DataFrame({"ts_event_ns": moments})
    for side in ("bid", "ask"):
        ticks = np.where(clock.is_trading(moments), value_at(times, floats(top, f"{side}_ticks"), moments), 0.0)
        table[side] = np.where(ticks > 0, ticks * tick, np.nan)
    # NaN differs from NaN: compare what stands for an empty side.
    plain = table[["bid", "ask"]].fillna(0.0)
    moved = (plain != plain.shift()).any(axis=1)
    return table[moved].reset_index(drop=True)


@once_per_run
def quote_states(run: Run, instrument_id: int) -> pd.DataFrame:
    """What each dealer shows in the lit book: ``agent_id``, ``ts_event_ns`` from when on, ``state``, index into
    :data:`STATES`.

    From the ``quote`` records of the lit book (``rfq_id`` 0), each of which stands until the dealer's next one, and
    ``dealer_defaulted``. Before its first record a dealer shows nothing.
    """
    quotes = of(run.table("quote"), instrument_id)
    quotes = quotes[quotes["rfq_id"] == 0]
    defaults = run.table("dealer_defaulted").groupby("agent_id")["ts_event_ns"].min()
    frames = []
    for agent_id, own in quotes.groupby("agent_id", sort=True):
        bids, asks = ints(own, "bid_ticks"), ints(own, "ask_ticks")
        bid, ask = bids > 0, asks > 0
        # Twice the width against the sum of both: a quote of whole ticks is compared without a division.
        both = np.where(200 * (asks - bids) > WIDEST_PCT * (asks + bids), TOO_WIDE, 0)
        state = np.where(bid & ask, both, np.where(ask, 1, np.where(bid, 2, 3)))
        path = pd.DataFrame({"agent_id": agent_id, "ts_event_ns": ints(own, "ts_event_ns"), "state": state})
        start = pd.DataFrame({"agent_id": [agent_id], "ts_event_ns": [0], "state": [3]})
        frames += [start] if len(path) and path["ts_event_ns"].iloc[0] > 0 else []
        if agent_id in defaults.index:
            failed_ns = int(defaults[agent_id])
            path = path[path["ts_event_ns"] < failed_ns]
            end = pd.DataFrame({"agent_id": [agent_id], "ts_event_ns": [failed_ns], "state": [4]})
            path = pd.concat([path, end])
        frames.append(path[path["state"] != path["state"].shift()])
    if not frames:
        return pd.DataFrame({"agent_id": [], "ts_event_ns": [], "state": []}, dtype=np.int64)
    return pd.concat(frames, ignore_index=True)


def presence(run: Run, instrument_id: int, bins: int) -> dict[int, Floats]:
    """Share of each bin of time that each dealer spends in each of :data:`STATES`.

    Args:
        run: The run.
        instrument_id: The instrument.
        bins: Number of equal bins over the run.

    Returns:
        Agent to shares, shape (states, bins); only agents that log their quotes, the columns of each sum to 1.
    """
    edges, states = edges_ns(run, bins), quote_states(run, instrument_id).groupby("agent_id", sort=True)
    return {int(str(i)): state_shares(ints(own, "ts_event_ns"), floats(own, "state"), edges) for i, own in states}


def state_shares(ts_ns: Ints, state: Floats, edges: Ints) -> Floats:
    """Share of each bin of time that an agent spends in each of :data:`STATES`, shape (states, bins)."""
    return np.array([mean_in_bins(ts_ns, (state == k).astype(np.float64), edges) for k in range(len(STATES))])


def quoting(run: Run, instrument_id: int) -> pd.DataFrame:
    """Number of dealers that quote both sides of the lit book, not too wide: ``ts_event_ns``, ``dealers``; of those in
    :func:`quote_states`."""
    states = quote_states(run, instrument_id)
    states["both"] = (states["state"] == 0).astype(np.int64)
    states["change"] = states.groupby("agent_id")["both"].diff().fillna(states["both"]).astype(np.int64)
    total = states.groupby("ts_event_ns")["change"].sum().sort_index().cumsum()
    return pd.DataFrame({"ts_event_ns": total.index.to_numpy(np.int64), "dealers": total.to_numpy(np.int64)})


def quoting_share(run: Run, start_ns: Ns = 0, until_ns: Ns | None = None) -> float:
    """Share of dealer-time in [start, until) in which a dealer quotes both sides of a lit book, no wider than
    :data:`WIDEST_PCT`, closed nights left out; NaN where nobody logs quotes or the window has no trading time.

    The mean over dealers and instruments, as :func:`lob_sim.analysis.summary.dealer_absence` is of quotes of any width.
    """
    stop_ns = end_ns(run) + 1 if until_ns is None else until_ns
    clock = trading_clock(run)
    edges = clock.at(np.array([start_ns, stop_ns], np.int64))
    if edges[1] <= edges[0]:
        return float("nan")
    shares = [
        mean_in_bins(ints(clock.of(own), "ts_event_ns"), (ints(own, "state") == 0).astype(np.float64), edges)[0]
        for i in range(len(run.header.instruments))
        for _, own in quote_states(run, i).groupby("agent_id", sort=True)
    ]
    return float(np.mean(shares)) if shares else float("nan")


def mean_in_bins(ts_ns: Ints, values: Floats, edges: Ints) -> Floats:
    """Time-weighted mean over each bin of a path that keeps each value until the next; 0 before the first, and in a bin
    without time."""
    whole = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(ts_ns))]) if ts_ns.size else np.zeros(0)
    rows = np.searchsorted(ts_ns, edges, side="right") - 1
    at = np.maximum(rows, 0)
    integral = np.where(rows >= 0, whole[at] + values[at] * (edges - ts_ns[at]), 0.0) if ts_ns.size else 0.0 * edges
    lengths = np.diff(edges)
    means: Floats = np.where(lengths > 0, np.diff(integral) / np.maximum(lengths, 1), 0.0)
    return means


def dealers_shown(run: Run, instrument_id: int) -> list[int]:
    """Numbers of the agents that log what they quote in an instrument, in order."""
    quoted = set(quote_states(run, instrument_id)["agent_id"])
    return [agent.agent_id for agent in watched(run) if agent.agent_id in quoted]
