"""Prices: fair value, trades, the touch, and who quotes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import Floats, Ints, floats, ints
from lob_sim.log import Run
from lob_sim.report.data.common import edges_ns, fair_at, tick_size, watched
from lob_sim.report.data.sheets import forced_sales

STATES = ("both sides", "asks only", "bids only", "RFQ only", "failed")
"""What a dealer shows in the lit book."""


def fair_value(run: Run, instrument_id: int) -> pd.DataFrame:
    """Exogenous fair value: ``ts_event_ns``, ``price`` in price points, ``is_shock``. Empty if the log has none."""
    fair = of(run.table("fair_value"), instrument_id)
    price = floats(fair, "value_ticks") * tick_size(run, instrument_id)
    return pd.DataFrame({"ts_event_ns": fair["ts_event_ns"], "price": price, "is_shock": fair["is_shock"]})


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


def worst_trade(run: Run, instrument_id: int, start_ns: int = 0) -> pd.Series | None:
    """The trade furthest below fair value from a time on, as a row of :func:`trades`; None if none is below."""
    table = trades(run, instrument_id)
    table = table[(table["ts_event_ns"] >= start_ns) & (table["below_pct"] > 0)]
    return table.iloc[int(np.argmax(floats(table, "below_pct")))] if len(table) else None


def worst_below_pct(run: Run, instrument_id: int, start_ns: int = 0) -> float:
    """How far the worst trade from a time on is below fair value, in per cent of that; 0 if none is below."""
    worst = worst_trade(run, instrument_id, start_ns)
    return 0.0 if worst is None else float(worst["below_pct"])


def touch(run: Run, instrument_id: int) -> pd.DataFrame:
    """Best displayed bid and ask of the lit book: ``ts_event_ns``, ``bid``, ``ask`` in points; NaN for an empty side.

    A row for each moment in which either changed (``run.quotes``, the last state of an instant). Empty where rows of
    the log are missing: no book after them can be known.
    """
    top = pd.DataFrame() if run.gaps or not len(run.quotes) else of(run.quotes, instrument_id)
    if not len(top):
        return pd.DataFrame({"ts_event_ns": np.zeros(0, np.int64), "bid": np.zeros(0), "ask": np.zeros(0)})
    top = top.drop_duplicates("ts_event_ns", keep="last")
    tick = tick_size(run, instrument_id)
    table = pd.DataFrame({"ts_event_ns": top["ts_event_ns"]})
    for side in ("bid", "ask"):
        ticks = floats(top, f"{side}_ticks")
        table[side] = np.where(ticks > 0, ticks * tick, np.nan)
    # NaN differs from NaN: compare what stands for an empty side.
    plain = table[["bid", "ask"]].fillna(0.0)
    moved = (plain != plain.shift()).any(axis=1)
    return table[moved].reset_index(drop=True)


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
        bid, ask = ints(own, "bid_ticks") > 0, ints(own, "ask_ticks") > 0
        state = np.where(bid & ask, 0, np.where(ask, 1, np.where(bid, 2, 3)))
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
    edges = edges_ns(run, bins)
    shares: dict[int, Floats] = {}
    for agent_id, own in quote_states(run, instrument_id).groupby("agent_id", sort=True):
        state = ints(own, "state")
        paths = [mean_in_bins(ints(own, "ts_event_ns"), (state == k).astype(np.float64), edges) for k in range(5)]
        shares[int(str(agent_id))] = np.array(paths)
    return shares


def quoting(run: Run, instrument_id: int) -> pd.DataFrame:
    """Number of dealers that quote both sides of the lit book: ``ts_event_ns``, ``dealers``; of those in
    :func:`quote_states`."""
    states = quote_states(run, instrument_id)
    states["both"] = (states["state"] == 0).astype(np.int64)
    states["change"] = states.groupby("agent_id")["both"].diff().fillna(states["both"]).astype(np.int64)
    total = states.groupby("ts_event_ns")["change"].sum().sort_index().cumsum()
    return pd.DataFrame({"ts_event_ns": total.index.to_numpy(np.int64), "dealers": total.to_numpy(np.int64)})


def mean_in_bins(ts_ns: Ints, values: Floats, edges: Ints) -> Floats:
    """Time-weighted mean over each bin of a path that keeps each value until the next; 0 before the first."""
    whole = np.concatenate([[0.0], np.cumsum(values[:-1] * np.diff(ts_ns))]) if ts_ns.size else np.zeros(0)
    rows = np.searchsorted(ts_ns, edges, side="right") - 1
    at = np.maximum(rows, 0)
    integral = np.where(rows >= 0, whole[at] + values[at] * (edges - ts_ns[at]), 0.0) if ts_ns.size else 0.0 * edges
    means: Floats = np.diff(integral) / np.diff(edges)
    return means


def dealers_shown(run: Run, instrument_id: int) -> list[int]:
    """Numbers of the agents that log what they quote in an instrument, in order."""
    quoted = set(quote_states(run, instrument_id)["agent_id"])
    return [agent.agent_id for agent in watched(run) if agent.agent_id in quoted]
