"""Does a market in which nothing happens look like a market: does price follow value, who trades, and who earns?

Prices are paths on a regular grid of one value a second unless said otherwise. Changes are not centred: fair value is
a martingale by construction, and a price that drifts away from it should show. What a ratio is made of is returned
beside it, so that samples can be pooled over seeds before dividing: a ratio of means is less biased than a mean of
ratios.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import pandas as pd

from lob_sim.analysis.liquidity import trade_spreads
from lob_sim.analysis.summary import horizon_ns, lit_state_of, of
from lob_sim.analysis.tables import (
    Bools,
    Floats,
    Ints,
    floats,
    held_for,
    ints,
    mean_of_known,
    same_length,
    series,
    value_at,
    whole_number,
    window_ns,
)
from lob_sim.analysis.trading_time import trading_clock
from lob_sim.log import Run
from lob_sim.units import NS_PER_S, Lots, Ns

SHORT_S, LONG_S = 10, 300
"""Steps of the variance ratio, and of the comparison of price with value (the longer one), in seconds."""
REALISED_NS: Ns = 60 * NS_PER_S
"""Time after which the price that a trade has made is taken to have settled."""
DEPTH_NS: Ns = 10 * NS_PER_S
"""Interval at which depth is looked at."""
_FIRST_LEVELS = 100
"""Levels a side that are looked at first at most; of a deeper book twice as many then, and so on."""
_USUAL_SPREADS = 5.0
"""A book wider than so many of its median spreads is not a market: somebody far away is all that is left in it."""

_QUIET = partial(np.errstate, invalid="ignore", over="ignore", divide="ignore")
"""Infinite prices have no changes: NaN, and no warning."""


# --- paths -----------------------------------------------------------------------------------------------------


@_QUIET()
def changes(path: Floats, steps: int) -> Floats:
    """All overlapping changes over so many steps; NaN where one begins or ends where nothing is known.

    Raises:
        InputError: Less than one step, no whole number of them, or a path that is no series of numbers.
    """
    (path,), steps = series("path", path), whole_number("changes", steps, 1, "steps")
    found: Floats = path[steps:] - path[:-steps]
    return found


@_QUIET()
def mean_square_change(path: Floats, steps: int) -> float:
    """Mean square of the changes over so many steps, not centred; NaN without any."""
    moved = changes(path, steps)
    known = moved[~np.isnan(moved)]
    return float(np.mean(known**2)) if known.size else np.nan


@_QUIET()
def variance_ratio(path: Floats, short: int, long: int) -> float:
    """Variance of changes over ``short`` steps against that over ``long`` ones, per step: 1 for a random walk.

    Above 1 short moves are taken back (bounce, noise); below 1 they go on (price is late). Lo and MacKinlay (1988),
    "Stock Market Prices Do Not Follow Random Walks", Review of Financial Studies 1, upside down.
    """
    per_short, per_long = (mean_square_change(path, steps) / steps for steps in (short, long))
    return per_short / per_long if per_long else np.nan


@_QUIET()
def correlation_of_changes(first: Floats, second: Floats, steps: int) -> float:
    """Correlation, not centred, of the overlapping changes of two paths over so many steps; NaN if one never moves.

    Raises:
        InputError: The paths differ in length, or less than one step.
    """
    same_length("paths", first, second)
    one, other = changes(first, steps), changes(second, steps)
    known = ~(np.isnan(one) | np.isnan(other))
    one, other = one[known], other[known]
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale else np.nan


@_QUIET()
def rms_distance(price: Floats, value: Floats) -> float:
    """Root mean square of the distance of a price from value, over the times at which both are known; NaN without any.

    Raises:
        InputError: They differ in length.
    """
    price, value = series("price and value", price, value)
    apart = price - value
    return float(np.sqrt(mean_of_known(apart**2)))


def lit_time(top: pd.DataFrame, grid_ns: Ints) -> float:
    """Share of the times at which both sides are quoted, no wider than five of the median spreads of such times.

    Orders that rest far from value, as those of slow capital, are there when every dealer has left. NaN without a time.
    """
    if not len(grid_ns):
        return np.nan
    bid, ask = (value_at(ints(top, "ts_event_ns"), floats(top, f"{side}_ticks"), grid_ns) for side in ("bid", "ask"))
    both = (bid > 0) & (ask > 0)
    if not both.any():
        return 0.0
    return float(np.mean(both & (ask - bid <= _USUAL_SPREADS * np.median((ask - bid)[both]))))


def sign_autocorrelation(signs: Ints, lag: int = 1) -> float:
    """Mean product of the signs of two orders ``lag`` orders apart, less the square of the mean sign.

    Lillo and Farmer (2004), "The Long Memory of the Efficient Market". NaN with too few orders, or of one sign.

    Raises:
        InputError: ``lag`` is less than 1, or no whole number, or the signs are no series of numbers.
    """
    lag = whole_number("autocorrelation of signs", lag, 1, "orders of lag")
    (x,) = series("signs", signs)
    if x.size <= lag or x.std() == 0:
        return np.nan
    mean = x.mean()
    return float(np.mean((x[lag:] - mean) * (x[:-lag] - mean)) / x.var())


# --- who trades ------------------------------------------------------------------------------------------------


def knowing_groups(run: Run) -> frozenset[str]:
    """Groups of agents that know fair value, by the scenario on the log."""
    return frozenset(g["name"] for g in run.header.scenario["agents"] if g.get("sees_fair_value", False))


def taken(run: Run, instrument_id: int) -> pd.DataFrame:
    """Aggressive orders in the lit book that traded, in order of time, a row each.

    Columns: ``ts_event_ns``, ``order_id``, ``agent_id``, ``side``, ``qty_lots``.
    """
    fills = of(run.table("order_filled"), instrument_id)
    fills = fills[~fills["is_maker"]]
    orders = fills.groupby("order_id", sort=False).agg(
        {"ts_event_ns": "first", "agent_id": "first", "side": "first", "qty_lots": "sum"}
    )
    return orders.reset_index()


def is_member(run: Run, agent_ids: pd.Series[int], groups: Iterable[str]) -> Bools:
    """Whether each agent belongs to one of the groups."""
    wanted = frozenset(groups)
    members = [a.agent_id for a in run.header.agents if a.group in wanted]
    found: Bools = agent_ids.isin(members).to_numpy(dtype=np.bool_)
    return found


_GAINS = ["agent_id", "instrument_id", "qty_lots", "gain_tick_lots"]


def dealing_gains(run: Run, start_ns: Ns) -> pd.DataFrame:
    """What each dealer's trades have brought against fair value at their time: a row a trade and dealer.

    Columns: ``agent_id``, ``instrument_id``, ``qty_lots``, ``gain_tick_lots``, without a trade too. A position is worth
    no less in the mean later, value being a martingale and positions being taken without knowledge of its future: the
    gain at the time of the trade has the mean of the final profit, without the noise of what is held.
    """
    dealers = list(run.header.dealer_ids or ())
    fills, rfq = run.table("order_filled"), run.rfq_trades
    columns = ["ts_event_ns", "instrument_id", "agent_id", "side", "price_ticks", "qty_lots"]
    answered = rfq[columns].assign(agent_id=rfq["dealer_id"], side=-rfq["side"].astype(int))
    trades = pd.concat([fills[columns], rfq[columns], answered])
    trades = trades[trades["agent_id"].isin(dealers) & (trades["ts_event_ns"] >= start_ns)]
    whole = []
    for i, rows in trades.groupby("instrument_id", sort=True):
        fair = of(run.table("fair_value"), int(str(i)))
        value = value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), ints(rows, "ts_event_ns"))
        gain = ints(rows, "side") * (value - floats(rows, "price_ticks")) * ints(rows, "qty_lots")
        whole.append(rows.assign(gain_tick_lots=gain)[_GAINS])
    return pd.concat(whole) if whole else pd.DataFrame(columns=_GAINS)


def mean_alpha(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> float:
    """Share of lit flow that dealers take to be informed: mean over dealers and trading time of the ``belief`` dataset.

    NaN where no dealer believes anything, or the window has no trading time.

    Raises:
        DataError: The window has no length.
    """
    window_ns(start_ns, end_ns)
    clock = trading_clock(run)
    beliefs = clock.of(of(run.table("belief"), instrument_id))
    total, time = 0.0, 0.0
    for _, rows in beliefs.groupby("agent_id", sort=True):
        held = held_for(ints(rows, "ts_event_ns"), clock.at_one(start_ns), clock.at_one(end_ns))
        total += float(held @ floats(rows, "alpha"))
        time += float(held.sum())
    return total / time if time else np.nan


# --- a run -----------------------------------------------------------------------------------------------------


def calm_metrics(run: Run, start_ns: Ns) -> dict[str, float]:
    """The calm of a run as flat numbers, from ``start_ns`` on; for each instrument ``….NAME``.

    ``rms_ticks``: of lit mid less value. ``spread_ticks``, ``spread_bp``: quoted, time-weighted. ``lit``: share of the
    time with both sides, not much wider than usual (:func:`lit_time`). ``comove``: correlation of 300 s changes of mid
    and value. ``short_ticks2`` and ``long_ticks2``: mean squares of changes of the mid over 10 and 300 s, per second;
    ``value_short_ticks2`` and ``value_long_ticks2`` those of value. ``informed_lots``, ``taken_lots``: what those who
    know value take of the lit book, and what everybody takes. ``alpha``: dealers' mean. ``effective``, ``impact``,
    ``realised``: tick-lots of whole spread paid by all who took; ``others_realised``, ``others_lots``: realised spread
    on those who do not know value. ``depth``: lots displayed within one mean spread of the mid, both sides;
    ``depth_currency`` at the mid. ``signs``: autocorrelation of the signs of one aggressive order and the next. For
    each group of dealers ``gain.GROUP`` (tick-lots against value, at the time of the trade) and ``dealt.GROUP`` (lots).
    ``forced_orders``: parent orders under a constraint in the whole run.

    Time is trading time (:mod:`lob_sim.analysis.trading_time`), in which the realised spread settles too: after a trade
    before the close, in the next session. A change from one session to another is over simulated time, in which value
    moves at night as by day; one that begins or ends at night is left out.
    """
    end_ns = horizon_ns(run)
    metrics: dict[str, float] = {}
    for instrument in run.header.instruments:
        i, name = instrument.instrument_id, instrument.name
        found = _price_metrics(run, i, start_ns, end_ns) | _flow_metrics(run, i, start_ns, end_ns)
        found["depth"] = depth_within_spread(run, i, start_ns, found["spread_ticks"])
        middle = found.pop("mid_ticks")
        found["depth_currency"] = found["depth"] * float(instrument.cash_per_tick_lot) * middle * _unit(run)
        metrics |= {f"{key}.{name}": float(value) for key, value in found.items()}
    gains = dealing_gains(run, start_ns)
    group_of = {a.agent_id: a.group for a in run.header.agents}
    groups = gains["agent_id"].map(group_of)
    for group in dict.fromkeys(group_of[i] for i in run.header.dealer_ids or ()):
        rows = gains[groups == group]
        metrics[f"gain.{group}"] = float(rows["gain_tick_lots"].sum()) if len(rows) else 0.0
        metrics[f"dealt.{group}"] = float(rows["qty_lots"].sum())
    metrics["forced_orders"] = float(len(run.table("parent_order_opened")))
    return metrics


def _unit(run: Run) -> float:
    first = run.header.instruments[0]
    return float(first.tick_size * first.lot_size / first.price_per) / first.cash_per_tick_lot


def _price_metrics(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> dict[str, float]:
    grid = np.arange(start_ns, end_ns, NS_PER_S, dtype=np.int64)
    top = of(run.quotes, instrument_id)
    state = lit_state_of(run, instrument_id, start_ns, end_ns)
    both = top[(top["bid_ticks"] > 0) & (top["ask_ticks"] > 0)]
    mid = value_at(ints(both, "ts_event_ns"), (floats(both, "bid_ticks") + floats(both, "ask_ticks")) / 2, grid)
    fair = of(run.table("fair_value"), instrument_id)
    value = value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), grid)
    trading = trading_clock(run).is_trading(grid)
    mid[~trading], value[~trading] = np.nan, np.nan
    middle = float(np.nanmean(mid)) if not np.isnan(mid).all() else np.nan
    return {
        "mid_ticks": middle,
        "rms_ticks": rms_distance(mid, value),
        "spread_ticks": state.quoted_spread_ticks,
        "spread_bp": 10_000 * state.quoted_spread_ticks / middle,
        "lit": lit_time(top, grid[trading]),
        "comove": correlation_of_changes(mid, value, LONG_S),
        "short_ticks2": mean_square_change(mid, SHORT_S) / SHORT_S,
        "long_ticks2": mean_square_change(mid, LONG_S) / LONG_S,
        "value_short_ticks2": mean_square_change(value, SHORT_S) / SHORT_S,
        "value_long_ticks2": mean_square_change(value, LONG_S) / LONG_S,
    }


def _flow_metrics(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> dict[str, float]:
    orders = taken(run, instrument_id)
    orders = orders[orders["ts_event_ns"] >= start_ns]
    knows = is_member(run, orders["agent_id"], knowing_groups(run))
    lots = floats(orders, "qty_lots")
    trades = of(run.trades, instrument_id)
    time = trading_clock(run)
    trades = time.of(trades[trades["ts_event_ns"] >= start_ns])
    top = time.of(of(run.quotes, instrument_id))
    spreads = trade_spreads(trades, top, REALISED_NS)
    uninformed = orders[~knows]["order_id"]
    others = trade_spreads(trades[trades["taker_order_id"].isin(uninformed)], top, REALISED_NS)
    return {
        "informed_lots": float(lots[knows].sum()),
        "taken_lots": float(lots.sum()),
        "alpha": mean_alpha(run, instrument_id, start_ns, end_ns),
        "effective": _tick_lots(spreads, "effective_ticks"),
        "impact": _tick_lots(spreads, "impact_ticks"),
        "realised": _tick_lots(spreads, "realised_ticks"),
        "others_realised": _tick_lots(others, "realised_ticks"),
        "others_lots": float(others["qty_lots"].sum()),
        "signs": sign_autocorrelation(ints(orders, "side")),
    }


def _tick_lots(spreads: pd.DataFrame, column: str) -> float:
    return float(floats(spreads, column) @ floats(spreads, "qty_lots"))


def depth_within_spread(run: Run, instrument_id: int, start_ns: Ns, spread_ticks: float) -> Lots | float:
    """Lots displayed at most ``spread_ticks`` off the mid, mean over trading time; none while it is dark."""
    if np.isnan(spread_ticks):
        return np.nan
    # Prices are whole ticks: no more levels than ticks are within the bound, and one is seen that is not.
    levels = min(int(np.clip(spread_ticks, 0, _FIRST_LEVELS)) + 2, _FIRST_LEVELS)
    while True:
        depth = run.depth(instrument_id, levels=levels, every=DEPTH_NS)
        depth = trading_clock(run).during(depth[depth["ts_event_ns"] >= start_ns])
        if depth.empty:
            return np.nan
        lots, is_all = _near(depth, levels, spread_ticks)
        if is_all:
            return float(lots.mean())
        levels *= 2


def _near(depth: pd.DataFrame, levels: int, spread_ticks: float) -> tuple[Floats, bool]:
    """Lots near the mid at each time, and whether the last of the levels is nowhere among them: there may be more."""
    bid, ask = floats(depth, "bid_ticks_1"), floats(depth, "ask_ticks_1")
    mid, lit = (bid + ask) / 2, (bid > 0) & (ask > 0)
    total, is_all = np.zeros(len(depth)), True
    for side in ("bid", "ask"):
        for k in range(1, levels + 1):
            price: Floats = floats(depth, f"{side}_ticks_{k}")
            near = (price > 0) & (np.abs(price - mid) <= spread_ticks) & lit
            total += np.where(near, floats(depth, f"{side}_lots_{k}"), 0.0)
        is_all = is_all and not near.any()
    return total, is_all


def warm_up(horizon: Ns, at_most: Ns = 300 * NS_PER_S) -> Ns:
    """Opening beliefs are wide on purpose: what is said of calm begins after this (or a quarter of a short run)."""
    return min(at_most, horizon // 4)
