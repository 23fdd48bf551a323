"""What the flagship measures of a run: the crisis metrics, and a number for every cell of the thesis' table.

Windows begin at the first shock (at the start, in a calm run) and end with the run. A *mid* is that of the displayed
lit book while both sides are quoted, and its *deviation* its distance from fair value, in per cent of that.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from lob_sim.analysis.calm import rms_distance, warm_up
from lob_sim.analysis.liquidity import lit_state, sale_impact_ticks, spread_parts
from lob_sim.analysis.price_discovery import information_share
from lob_sim.analysis.spread_models import kyle_lambda
from lob_sim.analysis.summary import crisis_metrics, horizon_ns, lit_quotes, of, shock_ns
from lob_sim.analysis.tables import Bools, Floats, Ints, floats, ints, value_at
from lob_sim.log import Run
from lob_sim.running import run
from lob_sim.scenario import Scenario
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Lots, Ns

STEP_NS: Ns = 30 * NS_PER_S
"""Interval of flows."""
CHEAP = 0.001
"""A price is low when it is at least so far below fair value, as a fraction of it."""
SETTLING_NS: Ns = 60 * NS_PER_S
"""After a shock prices move because value did; what is said of their own motion begins so much later."""
LAST_NS: Ns = 300 * NS_PER_S
"""End of the run, over which the residual deviation is taken."""
WARM_UP_NS: Ns = 300 * NS_PER_S
"""Opening beliefs are wide on purpose; whether the spread is stationary is asked from here on (or from a quarter)."""
DEPTH_WITHIN = 0.001
"""Bids count as depth when they are at most so far below fair value, as a fraction of it."""
SMALL_SALE_LOTS: Lots = 5
"""A small order: more than a client or one dealer's quote has (3 and 4 lots), so that it can move the price."""
_IMPACT_NS: Ns = 10 * NS_PER_S
_DEPTH_LEVELS = 10
_DISCOVERY_STEP_S = 10
_FEWEST_PRICES = 70


def measure_spiral(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run the scenario and measure it: :func:`spiral_metrics`."""
    finished = run(scenario, seed, out)
    return TaskResult(spiral_metrics(finished), finished.digest)


def spiral_metrics(run: Run) -> dict[str, float]:
    """:func:`lob_sim.analysis.summary.crisis_metrics` and the rest of the thesis' table, flat.

    ``contagion_pct``: overshoot of the worst instrument that no shock hits. ``residual_pct``: mean deviation below fair
    value over the last five minutes, the worst instrument. ``half_life_s``: from the worst deviation of the mid until
    half of it is gone, the worst instrument (the rest of the run if it never is). ``lit_discovery``: Hasbrouck's
    information share of the lit mid against the last RFQ price. Flow is by who started a trade: the aggressor of a lit
    trade, the asker on RFQ. ``bought_into_sales_lots``: dealers' net purchases in the 30 s intervals in which the flow
    of others is net selling. ``dealer_follow``: correlation of their net purchases with the flow of others; -1: they
    lean against the wind, positive: they are procyclical. ``flow_when_cheap_lots``: net flow of all, forced sales
    included, in intervals that begin with the mid 0.1% or more below fair value; positive: lower prices attract buyers.
    ``client_rfq_share``: part of what others than dealers start that is dealt on RFQ. ``no_dealer_quotes``: share of
    the time in which no dealer bids, or none asks, on the lit book, mean over instruments. ``impact_bp_per_lot``:
    Kyle's λ over 10 s intervals where no shock hits; elsewhere it is that of flow which carries price to its new
    value. ``small_sale_bp``: what a market sale of 5 lots would move the price, by the bids on display.
    ``bid_depth_lots``: displayed within 0.1% below fair value. ``spread_early_pct`` and ``spread_late_pct``: of the two
    halves of the time after a warm-up.
    ``adverse_ticks`` and ``dealer_spread_ticks``: a dealer's mean quoted spread and its part for informed flow.
    ``cost_bp.GROUP``: what a group paid, a lot, beyond fair value. ``forced_sellers.GROUP``.
    """
    metrics = crisis_metrics(run)
    metrics |= _price_metrics(run, metrics)
    metrics |= _dealer_metrics(run)
    metrics |= _liquidity_metrics(run)
    metrics |= trading_costs_bp(run)
    parents = run.table("parent_order_opened")
    for group in dict.fromkeys(run.header.agents[i].group for i in run.header.dealer_ids or ()):
        members = [a.agent_id for a in run.header.agents if a.group == group]
        metrics[f"forced_sellers.{group}"] = float(parents[parents["agent_id"].isin(members)]["agent_id"].nunique())
    return metrics


def measure_threshold(scenario: Scenario, seed: int, out: str | None) -> TaskResult:
    """Run the scenario and measure it: :func:`threshold_metrics`."""
    finished = run(scenario, seed, out)
    return TaskResult(threshold_metrics(finished), finished.digest)


def threshold_metrics(run: Run) -> dict[str, float]:
    """For each instrument the worst price below value, its own spread, and the root mean square of mid less value.

    ``worst_pct.NAME``, ``own_spread_pct.NAME`` and ``rms_pct.NAME`` are in per cent of value, the first two over the
    time after the shock, the last after the warm-up.
    """
    metrics = crisis_metrics(run)
    end_ns = horizon_ns(run)
    grid = np.arange(warm_up(end_ns), end_ns, NS_PER_S, dtype=np.int64)
    found: dict[str, float] = {}
    for instrument in run.header.instruments:
        i, name = instrument.instrument_id, instrument.name
        value = fair_values(run, i, grid)
        found[f"worst_pct.{name}"] = metrics[f"overshoot_pct.{name}"]
        found[f"own_spread_pct.{name}"] = _spread_pct(run, i, shock_ns(run), end_ns)
        found[f"rms_pct.{name}"] = 100 * rms_distance(mids(run, i, grid) / value, np.ones_like(value))
    return found


# --- prices --------------------------------------------------------------------------------------------------


def mids(run: Run, instrument_id: int, grid_ns: Ints) -> Floats:
    """The last two-sided mid at or before each time, in ticks; NaN before the first."""
    top = of(run.quotes, instrument_id)
    top = top[(top["bid_ticks"] > 0) & (top["ask_ticks"] > 0)]
    return value_at(ints(top, "ts_event_ns"), (floats(top, "bid_ticks") + floats(top, "ask_ticks")) / 2, grid_ns)


def fair_values(run: Run, instrument_id: int, grid_ns: Ints) -> Floats:
    """Fair value at each time, in ticks."""
    fair = of(run.table("fair_value"), instrument_id)
    return value_at(ints(fair, "ts_event_ns"), floats(fair, "value_ticks"), grid_ns)


def _deviations(run: Run, instrument_id: int, grid_ns: Ints) -> Floats:
    deviation = 100 * (mids(run, instrument_id, grid_ns) / fair_values(run, instrument_id, grid_ns) - 1)
    # A book that has never been two-sided has no price that could deviate.
    return np.nan_to_num(deviation)


def _spared(run: Run) -> list[int]:
    """The instruments whose value no shock hits."""
    fair = run.table("fair_value")
    hit = set(fair[fair["is_shock"]]["instrument_id"])
    return [i.instrument_id for i in run.header.instruments if i.instrument_id not in hit]


def _price_metrics(run: Run, overshoots: dict[str, float]) -> dict[str, float]:
    start_ns, end_ns = shock_ns(run), horizon_ns(run)
    seconds = np.arange(start_ns, end_ns, NS_PER_S, dtype=np.int64)
    residual, half_life, lit = [], [], []
    for i in range(len(run.header.instruments)):
        deviation = _deviations(run, i, seconds)
        residual.append(-float(deviation[seconds >= end_ns - LAST_NS].mean()))
        half_life.append(_half_life_s(deviation[seconds >= _settled(start_ns, end_ns)]))
        lit.append(_lit_discovery(run, i, seconds[seconds >= _settled(start_ns, end_ns)]))
    spared = [overshoots[f"overshoot_pct.{run.header.instruments[i].name}"] for i in _spared(run)]
    return {
        "contagion_pct": float(np.max(spared)) if spared else 0.0,
        "residual_pct": max(residual),
        "half_life_s": max(half_life),
        "lit_discovery": float(np.mean(lit)),
    }


def _settled(start_ns: Ns, end_ns: Ns) -> Ns:
    """When prices after a shock move by themselves: a minute later, or a quarter of a short run."""
    return start_ns + min(SETTLING_NS, (end_ns - start_ns) // 4)


def _lit_discovery(run: Run, instrument_id: int, seconds: Ints) -> float:
    """Information share of the lit mid; 1/2 where one of the two prices never moves, and nothing can be told."""
    every = seconds[::_DISCOVERY_STEP_S]
    rfq = of(run.rfq_trades, instrument_id)
    asked: Floats = np.full(len(every), np.nan)
    if len(rfq):
        asked = value_at(ints(rfq, "ts_event_ns"), floats(rfq, "price_ticks"), every)
    lit = mids(run, instrument_id, every)
    known = ~(np.isnan(asked) | np.isnan(lit))
    asked, lit = asked[known], lit[known]
    if asked.size < _FEWEST_PRICES or not (np.ptp(asked) and np.ptp(lit)):
        return 0.5
    return information_share(lit, asked).middle


def _half_life_s(deviation: Floats) -> float:
    """Seconds from the lowest of a path of one value a second until it has come half way back to 0."""
    worst = int(deviation.argmin())
    back = np.flatnonzero(deviation[worst:] >= deviation[worst] / 2)
    return float(back[0] if back.size else deviation.size - worst)


# --- dealers -------------------------------------------------------------------------------------------------


def dealer_purchases(run: Run, instrument_id: int) -> tuple[Ints, Ints]:
    """Times and signed lots of all dealers' trades in one instrument, in order of time; among dealers they cancel."""
    dealers = list(run.header.dealer_ids or ())
    fills = of(run.table("order_filled"), instrument_id)
    fills = fills[fills["agent_id"].isin(dealers)]
    rfq = of(run.rfq_trades, instrument_id)
    asked, answered = rfq[rfq["agent_id"].isin(dealers)], rfq[rfq["dealer_id"].isin(dealers)]
    times = np.concatenate([ints(t, "ts_event_ns") for t in (fills, asked, answered)])
    parts = [sign * ints(t, "side") * ints(t, "qty_lots") for t, sign in ((fills, 1), (asked, 1), (answered, -1))]
    order = np.argsort(times, kind="stable")
    return times[order], np.concatenate(parts)[order]


def started_flow(run: Run, instrument_id: int) -> tuple[Ints, Ints, Bools]:
    """Every trade by who started it, the aggressor or the asker of a request: time, signed lots, whether a dealer."""
    fills, rfq = of(run.table("order_filled"), instrument_id), of(run.rfq_trades, instrument_id)
    started = [fills[~fills["is_maker"]], rfq]
    times, sides, lots, agents = (
        np.concatenate([ints(table, column) for table in started])
        for column in ("ts_event_ns", "side", "qty_lots", "agent_id")
    )
    order = np.argsort(times, kind="stable")
    return times[order], (sides * lots)[order], np.isin(agents, list(run.header.dealer_ids or ()))[order]


def _dealer_metrics(run: Run) -> dict[str, float]:
    edges = np.arange(shock_ns(run), horizon_ns(run), STEP_NS, dtype=np.int64)
    bought, started, others, deviation = [], [], [], []
    for i in range(len(run.header.instruments)):
        times, lots, by_dealer = started_flow(run, i)
        started.append(np.histogram(times, edges, weights=lots)[0])
        # A dealer's forced sale is no answer to itself.
        others.append(np.histogram(times[~by_dealer], edges, weights=lots[~by_dealer])[0])
        times, lots = dealer_purchases(run, i)
        bought.append(np.histogram(times, edges, weights=lots)[0])
        deviation.append(_deviations(run, i, edges[:-1]))
    purchases, flow = np.array(bought), np.array(others)
    fills, rfq, start_ns = run.table("order_filled"), run.rfq_trades, shock_ns(run)
    taken = fills[~fills["is_maker"]]
    on_book, on_rfq = (
        int(t[(t["ts_event_ns"] >= start_ns) & ~t["agent_id"].isin(run.header.dealer_ids or ())]["qty_lots"].sum())
        for t in (taken, rfq)
    )
    varied = purchases.std() > 0 and flow.std() > 0
    return {
        "bought_into_sales_lots": float(purchases[flow < 0].sum()),
        "dealer_follow": float(np.corrcoef(purchases.ravel(), flow.ravel())[0, 1]) if varied else 0.0,
        "flow_when_cheap_lots": float(np.array(started)[np.array(deviation) <= -100 * CHEAP].sum()),
        "client_rfq_share": on_rfq / max(1, on_rfq + on_book),
    }


# --- liquidity -----------------------------------------------------------------------------------------------


def _liquidity_metrics(run: Run) -> dict[str, float]:
    start_ns, end_ns = shock_ns(run), horizon_ns(run)
    warm_ns = start_ns + min(WARM_UP_NS, (end_ns - start_ns) // 4)
    middle_ns = (warm_ns + end_ns) // 2
    rows = []
    spared = _spared(run)
    for i in range(len(run.header.instruments)):
        depth = _depth(run, i, start_ns)
        parts = spread_parts(lit_quotes(run, i), start_ns, end_ns)
        rows.append(
            {
                "impact_bp_per_lot": _impact_bp(run, i, _settled(start_ns, end_ns), end_ns) if i in spared else np.nan,
                "small_sale_bp": _small_sale_bp(run, i, depth),
                "no_dealer_quotes": _no_dealer_quotes(run, i, start_ns, end_ns),
                "bid_depth_lots": _bid_depth(run, i, depth),
                "spread_early_pct": _spread_pct(run, i, warm_ns, middle_ns),
                "spread_late_pct": _spread_pct(run, i, middle_ns, end_ns),
                "adverse_ticks": float(parts["adverse"]),
                "dealer_spread_ticks": float(parts["spread"]),
            }
        )
    return {str(name): float(value) for name, value in pd.DataFrame(rows).mean().items()}


def _no_dealer_quotes(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> float:
    seconds = np.arange(start_ns + NS_PER_S, end_ns, NS_PER_S, dtype=np.int64)
    quotes = of(run.table("quote"), instrument_id)
    defaults = run.table("dealer_defaulted").groupby("agent_id")["ts_event_ns"].min()
    there = {"bid": np.zeros(seconds.size, dtype=bool), "ask": np.zeros(seconds.size, dtype=bool)}
    for agent_id, own in quotes[quotes["rfq_id"] == 0].groupby("agent_id", sort=True):
        alive = seconds < defaults.get(agent_id, end_ns)
        for side, quoted in there.items():
            # Before its first record a dealer quotes nothing; a comparison with NaN says so.
            quoted |= alive & (value_at(ints(own, "ts_event_ns"), floats(own, f"{side}_ticks"), seconds) > 0)
    return 1 - float((there["bid"] & there["ask"]).mean())


def _spread_pct(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> float:
    spread = lit_state(of(run.quotes, instrument_id), start_ns, end_ns).quoted_spread_ticks
    return 100 * spread / float(fair_values(run, instrument_id, np.array([start_ns]))[0])


def _impact_bp(run: Run, instrument_id: int, start_ns: Ns, end_ns: Ns) -> float:
    edges = np.arange(start_ns, end_ns, _IMPACT_NS, dtype=np.int64)
    trades = of(run.trades, instrument_id)
    signed = ints(trades, "aggressor_side") * ints(trades, "qty_lots")
    flow = np.histogram(ints(trades, "ts_event_ns"), edges, weights=signed)[0]
    if not flow.any():
        return 0.0
    return kyle_lambda(100 * np.diff(_deviations(run, instrument_id, edges)), flow).value


def _depth(run: Run, instrument_id: int, start_ns: Ns) -> pd.DataFrame:
    depth = run.depth(instrument_id, levels=_DEPTH_LEVELS, every=STEP_NS)
    return depth[depth["ts_event_ns"] >= start_ns]


def _small_sale_bp(run: Run, instrument_id: int, depth: pd.DataFrame) -> float:
    """Mean over the times at which so much is bid for; NaN if it never is."""
    fair = fair_values(run, instrument_id, ints(depth, "ts_event_ns"))
    impact = 10_000 * sale_impact_ticks(depth, SMALL_SALE_LOTS) / fair
    return float(pd.Series(impact).mean())


def _bid_depth(run: Run, instrument_id: int, depth: pd.DataFrame) -> float:
    floor = fair_values(run, instrument_id, ints(depth, "ts_event_ns")) * (1 - DEPTH_WITHIN)
    levels = range(1, _DEPTH_LEVELS + 1)
    near = [(floats(depth, f"bid_ticks_{k}") >= floor) * floats(depth, f"bid_lots_{k}") for k in levels]
    return float(np.sum(near, axis=0).mean())


# --- who pays ------------------------------------------------------------------------------------------------


def trading_costs_bp(run: Run) -> dict[str, float]:
    """What each group paid for a lot beyond fair value at that moment, in basis points, after the shock.

    ``cost_bp.GROUP`` for every group that traded, as volume-weighted mean over buying and selling; a negative cost is a
    gain. ``cost_bp.forced`` is of sales under a constraint, 0 without any.
    """
    flows = all_flows(run, shock_ns(run))
    group_of = {a.agent_id: a.group for a in run.header.agents}
    costs = {f"cost_bp.{group}": 0.0 for group in dict.fromkeys(group_of.values())}
    for group, rows in flows.groupby(flows["agent_id"].map(group_of), sort=True):
        costs[f"cost_bp.{group}"] = _mean_cost(rows)
    costs["cost_bp.forced"] = _mean_cost(flows[flows["forced"]])
    return costs


def _mean_cost(rows: pd.DataFrame) -> float:
    lots = floats(rows, "qty_lots")
    return float(floats(rows, "cost_bp") @ lots / lots.sum()) if lots.sum() else 0.0


def all_flows(run: Run, start_ns: Ns) -> pd.DataFrame:
    """Every agent's trades from a time on: a row for each side of each trade.

    ``cost_bp`` is what it cost beyond fair value at that moment, in basis points; ``forced`` whether it was a sale
    under a constraint.
    """
    columns = ["ts_event_ns", "instrument_id", "agent_id", "side", "price_ticks", "qty_lots"]
    parents = run.table("parent_order_opened")[["agent_id", "parent_order_id"]].drop_duplicates()
    keys = set(zip(parents["agent_id"], parents["parent_order_id"], strict=True))
    orders = run.table("new_order")
    orders = orders[orders["parent_order_id"] > 0]
    parent_of = dict(
        zip(zip(orders["agent_id"], orders["client_order_id"], strict=True), orders["parent_order_id"], strict=True)
    )
    fills, rfq = run.table("order_filled"), run.rfq_trades
    lit = fills[columns].copy()
    ids = zip(fills["agent_id"], fills["client_order_id"], strict=True)
    lit["forced"] = [(agent, parent_of.get((agent, order), 0)) in keys for agent, order in ids]
    asked = rfq[columns].copy()
    asked["forced"] = [pair in keys for pair in zip(rfq["agent_id"], rfq["parent_order_id"], strict=True)]
    answered = rfq[columns].assign(agent_id=rfq["dealer_id"], side=-rfq["side"].astype(int), forced=False)
    flows = pd.concat([lit, asked, answered]).sort_values("ts_event_ns", kind="stable")
    flows = flows[flows["ts_event_ns"] >= start_ns]
    whole = []
    for i, rows in flows.groupby("instrument_id", sort=True):
        fair = fair_values(run, int(str(i)), ints(rows, "ts_event_ns"))
        side, price = ints(rows, "side"), floats(rows, "price_ticks")
        whole.append(rows.assign(cost_bp=10_000 * side * (price / fair - 1)))
    return pd.concat(whole) if whole else flows.assign(cost_bp=0.0)
