"""What is measured of one crisis for its comparison with published ones.

*Calm* is the time from the end of the warm-up to the shock, *stress* ten minutes after it, which stand for the days of
a crisis: in half an hour of this market its whole course is run. Prices are means of a minute's trades, weighted by
lots, so that no single trade decides. Numbers are per seed; ratios are taken of sums over seeds.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd

from experiments.spiral.measure import all_flows, dealer_purchases, fair_values, mids
from lob_sim.analysis.calm import warm_up
from lob_sim.analysis.liquidity import lit_state
from lob_sim.analysis.summary import of
from lob_sim.analysis.tables import Bools, Floats, Ints, floats, ints, value_at
from lob_sim.log import Run
from lob_sim.running import run as run_once
from lob_sim.scenario import Scenario
from lob_sim.sweep.task import TaskResult
from lob_sim.units import NS_PER_S, Ns

MINUTE_NS: Ns = 60 * NS_PER_S
NEAR = 0.001
"""Displayed lots count as depth when they are at most so far from the mid, as a fraction of it."""
CLIENTS = "liquidity"
"""The group whose costs are measured."""
_LEVELS = 10
_DEPTH_NS: Ns = 10 * NS_PER_S


class Times(msgspec.Struct, frozen=True):
    """Windows of a run, in nanoseconds.

    Attributes:
        warm: Calm begins.
        shock: It ends, and stress begins.
        bank: A bank that buys the safe asset begins to, where there is one.
        stress: Stress ends, and a backstop of the worst asset begins where there is one.
        recovered: What the bank has done is said of the time until here.
        later: The same of the backstop.
        end: The run's.
    """

    warm: Ns
    shock: Ns
    bank: Ns
    stress: Ns
    recovered: Ns
    later: Ns
    end: Ns


def times_of(scenario: Scenario) -> Times:
    """The windows of a scenario with a shock: stress is 10 minutes, or a third of what is left of a short run.

    The bank comes when six tenths of it are over: a spiral is deepest then, and a later bank finds prices that have
    come back by themselves.
    """
    shock, end = min(s.at for s in scenario.shocks), scenario.horizon
    step = min(10 * MINUTE_NS, (end - shock) // 3)
    bank = shock + step * 6 // 10
    return Times(min(warm_up(end), shock // 2), shock, bank, shock + step, bank + step, shock + 2 * step, end)


class MeasureFacts(msgspec.Struct, frozen=True):
    """A measure of a run over given windows (a calm run has no shock that could say them)."""

    times: Times

    def __call__(self, scenario: Scenario, seed: int, out: str | None) -> TaskResult:
        """Run the scenario and measure it."""
        finished = run_once(scenario, seed, out)
        return TaskResult(fact_metrics(finished, self.times), finished.digest)


def fact_metrics(run: Run, times: Times) -> dict[str, float]:
    """Everything that the crisis facts are made of, flat, by instrument.

    ``calm_spread``, ``start_spread`` (from the shock to ``bank``), ``stress_spread``, ``late_spread`` (the half of a
    stress before ``recovered``) and ``peak_spread`` (the worst of the stretches of that length): time-weighted, in bp
    of the mid's level. ``calm_depth``, ``crisis_depth``: lots within 0.1 % of the mid, from the shock to the end.
    ``worst_bp``: the worst minute below value after the shock; ``start_bp`` and ``later_bp``: the last minute with
    trades before ``bank`` and ``recovered``; ``mean_bp``: the mean from ``stress`` on. ``bought`` and ``bought_later``:
    dealers' net purchases in lots in stress, and from there to ``later``. ``calm_`` and ``stress_`` each: ``cost`` and
    ``lots`` (clients' cost of immediacy times lots, in bp, and the lots: :func:`half_distance`), and what
    :func:`request_costs` says.
    """
    flows = all_flows(run, times.warm)
    clients = [a.agent_id for a in run.header.agents if a.group == CLIENTS]
    found: dict[str, float] = {}
    for instrument in run.header.instruments:
        i = instrument.instrument_id
        own = flows[(flows["instrument_id"] == i) & flows["agent_id"].isin(clients)]
        metrics = _spreads(run, i, times) | _depths(run, i, times) | _shortfalls(run, i, times)
        when, lots = dealer_purchases(run, i)
        metrics["bought"] = float(lots[(when >= times.shock) & (when < times.stress)].sum())
        metrics["bought_later"] = float(lots[(when >= times.stress) & (when < times.later)].sum())
        for name, start, end in (("calm", times.warm, times.shock), ("stress", times.shock, times.stress)):
            rows = own[(own["ts_event_ns"] >= start) & (own["ts_event_ns"] < end)]
            columns = ints(rows, "ts_event_ns"), ints(rows, "side"), floats(rows, "cost_bp"), floats(rows, "qty_lots")
            metrics[f"{name}_cost"], metrics[f"{name}_lots"] = half_distance(*columns)
            metrics |= {f"{name}_{k}": v for k, v in request_costs(run, i, clients, start, end).items()}
        found |= {f"{key}.{instrument.name}": value for key, value in metrics.items()}
    return found


def half_distance(when: Ints, side: Ints, cost_bp: Floats, weight: Floats) -> tuple[float, float]:
    """What dealing at once costs: half the distance between the prices, relative to value, of those who buy and sell.

    Where price is off value both are, which is no part of it: what one side pays the other gains. The two are compared
    within a minute, so that it is no part of it either if price comes nearer to value after one side has dealt.

    Args:
        when: Times in nanoseconds.
        side: 1 for who buys, -1 for who sells.
        cost_bp: What each pays beyond value.
        weight: Of each, for example its lots.

    Returns:
        The cost times the weight of the minutes in which both sides have dealt, and that weight: a mean over seeds is
        the quotient of their sums. Both are 0 where there is no such minute, so that nothing is known.
    """
    table = pd.DataFrame({"minute": when // MINUTE_NS, "side": side, "cost": cost_bp * weight, "weight": weight})
    known = table[table["weight"] > 0]
    weights, costs = (known.pivot_table(name, "minute", "side", "sum").dropna() for name in ("weight", "cost"))
    if weights.shape[1] < 2:
        return 0.0, 0.0
    of_minute = weights.sum(axis=1)
    return float(((costs / weights).mean(axis=1) * of_minute).sum()), float(of_minute.sum())


def _spreads(run: Run, i: int, times: Times) -> dict[str, float]:
    top = of(run.quotes, i)
    level = float(fair_values(run, i, np.array([times.warm]))[0])

    def spread(start: Ns, end: Ns) -> float:
        return 10_000 * lit_state(top, start, end).quoted_spread_ticks / level

    step = (times.stress - times.shock) // 2
    parts = [spread(start, start + step) for start in range(times.shock, times.end - step + 1, step)]
    known = [part for part in parts if not np.isnan(part)]
    return {
        "calm_spread": spread(times.warm, times.shock),
        "start_spread": spread(times.shock, times.bank),
        "stress_spread": spread(times.shock, times.stress),
        "late_spread": spread(times.recovered - step, times.recovered),
        "peak_spread": max(known, default=np.nan),
    }


def _depths(run: Run, i: int, times: Times) -> dict[str, float]:
    depth = run.depth(i, levels=_LEVELS, every=_DEPTH_NS)
    when = ints(depth, "ts_event_ns")
    mid = mids(run, i, when)
    near: Floats = np.zeros(when.size)
    for k in range(1, _LEVELS + 1):
        for side in ("bid", "ask"):
            price = floats(depth, f"{side}_ticks_{k}")
            near += np.where(np.abs(price - mid) <= NEAR * mid, floats(depth, f"{side}_lots_{k}"), 0.0)
    calm, crisis = (when >= times.warm) & (when < times.shock), when >= times.shock
    return {"calm_depth": _mean(near, calm), "crisis_depth": _mean(near, crisis)}


def _mean(values: Floats, chosen: Bools) -> float:
    return float(values[chosen].mean()) if chosen.any() else np.nan


def _shortfalls(run: Run, i: int, times: Times) -> dict[str, float]:
    columns = ["ts_event_ns", "price_ticks", "qty_lots"]
    dealt = pd.concat([of(run.trades, i)[columns], of(run.rfq_trades, i)[columns]])
    when, lots = ints(dealt, "ts_event_ns"), floats(dealt, "qty_lots")
    order = np.argsort(when, kind="stable")
    when, lots = when[order], lots[order]
    below = 10_000 * (1 - floats(dealt, "price_ticks")[order] / fair_values(run, i, when))
    minute = (when - times.shock) // MINUTE_NS
    sums = pd.DataFrame({"minute": minute, "lots": lots, "below": below * lots}).groupby("minute").sum()
    path = sums["below"] / sums["lots"]
    after = path[path.index >= 0]

    def last(at: Ns) -> float:
        before = path[path.index < (at - times.shock) // MINUTE_NS]
        return float(before.iloc[-1]) if len(before) else 0.0

    late = after[after.index >= (times.stress - times.shock) // MINUTE_NS]
    return {
        "worst_bp": max(0.0, float(after.max())) if len(after) else 0.0,
        "start_bp": last(times.bank),
        "later_bp": last(times.recovered),
        "mean_bp": float(late.mean()) if len(late) else 0.0,
    }


def request_costs(run: Run, i: int, clients: list[int], start_ns: Ns, end_ns: Ns) -> dict[str, float]:
    """What clients' requests of a window cost, in bp, with those that failed and without.

    A request that was dealt costs what was paid. One that failed costs what its client was offered and did not take:
    the best quote, or where nobody quoted the lit book's other side. ``asked``: requests; ``dealt``: of these, those
    that were. ``dealt_cost`` and ``dealt_priced``: :func:`half_distance` of these; ``true_cost`` and ``true_priced``:
    of all that have a price, dealt or not.
    """
    opened = of(run.table("rfq_opened"), i)
    opened = opened[opened["agent_id"].isin(clients) & opened["ts_event_ns"].between(start_ns, end_ns - 1)]
    opened = opened[opened["side"] != 0].reset_index(drop=True)
    dealt = of(run.rfq_trades, i).drop_duplicates("rfq_id").set_index("rfq_id")["price_ticks"]
    paid = opened["rfq_id"].map(dealt).to_numpy(dtype=np.float64)
    side = ints(opened, "side")
    quotes = of(run.table("rfq_quoted"), i)
    best = [quotes[quotes[f"{s}_ticks"] > 0].groupby("rfq_id")[f"{s}_ticks"] for s in ("bid", "ask")]
    bids, asks = (opened["rfq_id"].map(found).to_numpy(dtype=np.float64) for found in (best[0].max(), best[1].min()))
    when, top = ints(opened, "ts_event_ns"), of(run.quotes, i)
    touch = [_touch(top, s, when) for s in ("bid", "ask")]
    offered = np.where(side > 0, np.where(asks > 0, asks, touch[1]), np.where(bids > 0, bids, touch[0]))
    price = np.where(paid > 0, paid, offered)
    cost = 10_000 * side * (price / fair_values(run, i, when) - 1) if len(opened) else np.zeros(0)
    told = {"asked": float(len(opened)), "dealt": float((paid > 0).sum())}
    for name, chosen in (("dealt", paid > 0), ("true", ~np.isnan(price))):
        weight = np.ones(int(chosen.sum()))
        told[f"{name}_cost"], told[f"{name}_priced"] = half_distance(when[chosen], side[chosen], cost[chosen], weight)
    return told


def _touch(top: pd.DataFrame, side: str, when: Ints) -> Floats:
    ticks = floats(top, f"{side}_ticks")
    return value_at(ints(top, "ts_event_ns"), np.where(ticks > 0, ticks, np.nan), when)
