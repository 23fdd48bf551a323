"""A run in a few numbers: a table by instrument for people, flat metrics for sweeps and experiments.

Everything is computed from the log and is recomputable from it by the calls named in each docstring. Time is trading
time throughout (:mod:`lob_sim.analysis.trading_time`): of a run with days, closed nights are no part of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lob_sim.analysis.amplification import failures, forced_volume_lots, overshoot, tier1_loss_cash
from lob_sim.analysis.liquidity import LitState, lit_share, lit_state
from lob_sim.analysis.tables import (
    Floats,
    Ints,
    floats,
    held_for,
    ints,
    mean_of_known,
    require,
    value_at,
    window_ns,
    worst_of_known,
)
from lob_sim.analysis.trading_time import last_ns, trading_clock
from lob_sim.log import Run
from lob_sim.log.tables import exact_sum
from lob_sim.units import NS_PER_S, Ns

_GRID_NS: Ns = NS_PER_S
_RECOVERY_TOLERANCE = 0.002


def summarise(run: Run) -> pd.DataFrame:
    """What happened in a run, a row per instrument.

    Columns: lit trades, volume in lots (lit and RFQ), share of it dealt on RFQ, time-weighted quoted spread in
    ticks, share of the trading time with both sides of the lit book quoted, worst price below fair value after the
    first shock (or ever) in per cent, and lots sold by force. What a run has no record of (a fair value, quotes on both
    sides, a trade after the shock) is NaN.
    """
    start_ns, end_ns = shock_ns(run), horizon_ns(run)
    rows = []
    for instrument in run.header.instruments:
        i = instrument.instrument_id
        trades, rfq = of(run.trades, i), of(run.rfq_trades, i)
        state = lit_state_of(run, i, 0, end_ns)
        rows.append(
            {
                "trades": len(trades),
                "volume_lots": exact_sum(trades["qty_lots"]) + exact_sum(rfq["qty_lots"]),
                "rfq_share": 1 - lit_share(trades, rfq),
                "spread_ticks": state.quoted_spread_ticks,
                "lit_presence": state.presence,
                "overshoot_pct": 100 * overshoot(_prices(run, i), of(run.table("fair_value"), i), start_ns, end_ns),
                "forced_lots": _forced_lots(run, i),
            }
        )
    return pd.DataFrame(rows, index=pd.Index([i.name for i in run.header.instruments], name="instrument"))


def crisis_metrics(run: Run) -> dict[str, float]:
    """The outcome of a crisis as flat numbers, over the time after the first shock.

    ``overshoot_pct``: worst lit or RFQ price below fair value, the worst instrument, in per cent of value;
    ``overshoot_pct.NAME`` each. ``spread_pct``: time-weighted quoted spread of the lit book, mean over
    instruments, in per cent of fair value. ``lit_absence``: share of the time in which a lit book lacks a side.
    ``quote_absence``: share of dealer-time without both sides quoted in the lit book; ``bid_absence``: the same for
    bids. ``retreats``: withdrawals for fear of informed flow, in the whole run, as are
    ``forced_lots`` and ``failures``. ``mark_dispersion_pct``: mean over time of the
    standard deviation across agents of their prudent marks. ``write_down_pct``: mean over time and agents of fair
    value less prudent mark. ``rfq_share``: of lots. ``forced_lots`` and ``forced_sellers``. ``failures``.
    ``tier1_loss``: fall of all agents' Tier 1, in currency units. ``recovery_s``: until the last trade, in any
    instrument, more than 0.2% off fair value, in seconds of trading: a night in between counts for nothing, and a shock
    at night as one at the close. ``calm_forced_lots`` and ``calm_quote_absence`` are of the time
    before the shock, NaN where there is none. What a run has no record of is NaN: what is measured against fair value
    without fair values, or of prices without a trade after the shock, dealers' quotes and marks without dealers.
    """
    start_ns, end_ns = shock_ns(run), horizon_ns(run)
    names = [i.name for i in run.header.instruments]
    ids = range(len(names))
    fair = [of(run.table("fair_value"), i) for i in ids]
    over = [100 * overshoot(_prices(run, i), fair[i], start_ns, end_ns) for i in ids]
    states = [lit_state_of(run, i, start_ns, end_ns) for i in ids]
    means = [mean_of_known(floats(trading_clock(run).during(f), "value_ticks")) for f in fair]
    dispersion, write_down = _marks_against(run, fair, start_ns, end_ns)
    quote_absence, bid_absence = dealer_absence(run, start_ns, end_ns)
    parents = run.table("parent_order_opened")
    before, after = parents[parents["ts_event_ns"] < start_ns], parents[parents["ts_event_ns"] >= start_ns]
    metrics = {
        "overshoot_pct": worst_of_known(over),
        **{f"overshoot_pct.{name}": value for name, value in zip(names, over, strict=True)},
        "spread_pct": mean_of_known([100 * s.quoted_spread_ticks / m for s, m in zip(states, means, strict=True)]),
        "lit_absence": mean_of_known([1 - s.presence for s in states]),
        "quote_absence": quote_absence,
        "bid_absence": bid_absence,
        "retreats": float(fear_withdrawals(run)),
        "mark_dispersion_pct": dispersion,
        "write_down_pct": write_down,
        "rfq_share": 1 - lit_share(_since(run.trades, start_ns), _since(run.rfq_trades, start_ns)),
        "forced_lots": float(sum(_forced_lots(run, i) for i in ids)),
        "forced_sellers": float(after["agent_id"].nunique()),
        "failures": float(failures(run.table("dealer_defaulted"))),
        "tier1_loss": _tier1_loss(run, start_ns, end_ns),
        "recovery_s": worst_of_known([_recovery_s(run, i, fair[i], start_ns) for i in ids]),
        "calm_forced_lots": float(exact_sum(before["qty_lots"])) if start_ns else math.nan,
        "calm_quote_absence": dealer_absence(run, 0, start_ns)[0] if start_ns else math.nan,
    }
    return {name: float(value) for name, value in metrics.items()}


_FEAR = 2
"""Withdrawal causes up to this number are fear of informed flow (adverse selection, risk appetite)."""


def shock_ns(run: Run) -> Ns:
    """Time of the first scheduled shock; 0 when there is none."""
    shocks = run.table("fair_value")
    times = ints(shocks, "ts_event_ns")[ints(shocks, "is_shock") > 0]
    return int(times.min()) if len(times) else 0


def horizon_ns(run: Run) -> Ns:
    """End of the run: of its last row, or of a calendar's horizon (:func:`lob_sim.analysis.trading_time.last_ns`)."""
    return last_ns(run) + 1


def lit_state_of(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> LitState:
    """:func:`lob_sim.analysis.liquidity.lit_state` of a lit book over the trading time of [start, end).

    All NaN where the window is of a night alone.

    Raises:
        DataError: The window has no length.
    """
    window_ns(start_ns, end_ns)
    time = trading_clock(run)
    start, end = time.at_one(start_ns), time.at_one(end_ns)
    if start == end:
        return LitState(math.nan, math.nan, math.nan, math.nan, math.nan)
    return lit_state(time.of(of(run.quotes, instrument_id)), start, end)


def of(table: pd.DataFrame, instrument_id: int) -> pd.DataFrame:
    """The rows of one instrument.

    Raises:
        DataError: There is no column ``instrument_id``.
    """
    require(table, ("instrument_id",), "table")
    return table[table["instrument_id"] == instrument_id]


def lit_quotes(run: Run, instrument_id: int) -> pd.DataFrame:
    """The ``quote`` records of one lit book, and for each dealer that failed a last one, of nothing, at that time.

    A dealer in default is silent: its own last record would else stand for the rest of the run.
    """
    quotes = of(run.table("quote"), instrument_id)
    quotes = quotes[quotes["rfq_id"] == 0]
    defaulted = run.table("dealer_defaulted").groupby("agent_id")["ts_event_ns"].min()
    for agent_id, ts_ns in defaulted.items():
        own = quotes["agent_id"] == agent_id
        last = quotes[own].tail(1)
        gone = last.assign(**{c: 0 for c in last.columns if c.endswith("ticks")}, ts_event_ns=ts_ns)
        quotes = pd.concat([quotes[~own | (quotes["ts_event_ns"] < ts_ns)], gone])
    return quotes.sort_values("ts_event_ns", kind="stable", ignore_index=True)


def fear_withdrawals(run: Run) -> int:
    """How often a dealer has left an instrument's lit book for fear of informed flow, or past its appetite for it.

    From the ``retreat`` and ``return`` datasets: an absence lasts until the dealer's next return to that book, its
    causes may change while it lasts, and it counts once if fear is among them.
    """
    retreats, returns = run.table("retreat"), run.table("return")
    feared = retreats[retreats["cause"] <= _FEAR]
    absences = set()
    for (agent_id, instrument_id), rows in feared.groupby(["agent_id", "instrument_id"], sort=True):
        own = returns[(returns["agent_id"] == agent_id) & (returns["instrument_id"] == instrument_id)]
        ended = np.searchsorted(ints(own, "seq"), ints(rows, "seq"))
        absences |= {(agent_id, instrument_id, int(k)) for k in ended}
    return len(absences)


def dealer_absence(run: Run, start_ns: Ns, end_ns: Ns) -> tuple[float, float]:
    """Share of dealer-time in [start, end) in which a dealer does not quote both sides; and in which it does not bid.

    From the ``quote`` dataset: each record of the lit book (``rfq_id`` 0) stands until the dealer's next one in
    the instrument; a dealer that has defaulted quotes nothing. Time is trading time. NaN when nobody records quotes, or
    the window is of a night alone.

    Raises:
        DataError: The window has no length.
    """
    quotes = run.table("quote")
    quotes = quotes[quotes["rfq_id"] == 0]
    defaulted = run.table("dealer_defaulted").groupby("agent_id")["ts_event_ns"].min()
    window_ns(start_ns, end_ns)
    time = trading_clock(run)
    start, end = time.at_one(start_ns), time.at_one(end_ns)
    window = float(end - start) or math.nan
    both_missing, bid_missing = [], []
    for (agent_id, _), rows in quotes.groupby(["agent_id", "instrument_id"], sort=True):
        gone_ns = min(end_ns, int(defaulted.get(agent_id, end_ns)))
        held = held_for(ints(time.of(rows), "ts_event_ns"), start, max(start, time.at_one(gone_ns)))
        bids, asks = ints(rows, "bid_ticks") > 0, ints(rows, "ask_ticks") > 0
        both_missing.append(1 - float(held[bids & asks].sum()) / window)
        bid_missing.append(1 - float(held[bids].sum()) / window)
    if not both_missing:
        return math.nan, math.nan
    return float(np.mean(both_missing)), float(np.mean(bid_missing))


def _prices(run: Run, instrument_id: int) -> pd.DataFrame:
    columns = ["ts_event_ns", "price_ticks"]
    both = [of(run.trades, instrument_id)[columns], of(run.rfq_trades, instrument_id)[columns]]
    return pd.concat(both).sort_values("ts_event_ns", kind="stable", ignore_index=True)


def _since(table: pd.DataFrame, start_ns: Ns) -> pd.DataFrame:
    return table[table["ts_event_ns"] >= start_ns]


def _forced_lots(run: Run, instrument_id: int) -> int:
    return forced_volume_lots(
        of(run.table("parent_order_opened"), instrument_id),
        of(run.table("new_order"), instrument_id),
        of(run.table("order_filled"), instrument_id),
        of(run.rfq_trades, instrument_id),
    )


def _marks_against(run: Run, fair: Sequence[pd.DataFrame], start_ns: Ns, end_ns: Ns) -> tuple[float, float]:
    """Dispersion of prudent marks across agents, and mean write-down below fair value, in per cent of value."""
    marks = run.table("mark")
    grid = trading_clock(run).grid(start_ns, end_ns, _GRID_NS)
    dispersions, write_downs = [], []
    for i, values in enumerate(fair):
        prudent: list[Floats] = []
        for _, rows in of(marks, i).groupby("agent_id", sort=True):
            price = floats(rows, "price_ticks") - floats(rows, "adjustment_ticks")
            prudent.append(value_at(ints(rows, "ts_event_ns"), price, grid))
        if not prudent:
            continue
        value = value_at(ints(values, "ts_event_ns"), floats(values, "value_ticks"), grid)
        paths = 100 * np.array(prudent) / value
        known = ~np.isnan(paths).any(axis=0)
        if known.any():
            dispersions.append(float(paths[:, known].std(axis=0).mean()))
            write_downs.append(float((100 - paths[:, known]).mean()))
    if not dispersions:
        return math.nan, math.nan
    return float(np.mean(dispersions)), float(np.mean(write_downs))


def _tier1_loss(run: Run, start_ns: Ns, end_ns: Ns) -> float:
    sheets = run.table("balance_sheet")
    if not len(sheets):
        return math.nan
    return float(sum(tier1_loss_cash(sheets, start_ns, end_ns).values())) * float(run.header.money_unit)


def _recovery_s(run: Run, instrument_id: int, fair: pd.DataFrame, start_ns: Ns) -> float:
    prices = _since(_prices(run, instrument_id), start_ns)
    times: Ints = ints(prices, "ts_event_ns")
    value = value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), times)
    off = np.abs(floats(prices, "price_ticks") / np.where(value > 0, value, np.nan) - 1)
    if np.isnan(off).all():
        return math.nan
    away, time = off > _RECOVERY_TOLERANCE, trading_clock(run)
    return (time.at_one(int(times[away][-1])) - time.at_one(start_ns)) / NS_PER_S if away.any() else 0.0
