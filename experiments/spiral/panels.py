"""Panels of the flagship's figures: each draws one view of one run into an axis.

Times are minutes since the first shock (since the start, in a calm run).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import BoundaryNorm, ListedColormap

from experiments.drawing import COLOURS
from experiments.spiral.measure import fair_values, forced_sales
from lob_sim.analysis.summary import horizon_ns, of, shock_ns
from lob_sim.analysis.tables import Floats, Ints, floats, ints, row_at, value_at
from lob_sim.information.spread import UTICKS_PER_TICK
from lob_sim.log import Run
from lob_sim.messages import ParentEnd
from lob_sim.units import NS_PER_S, Ns

MINUTE_NS: Ns = 60 * NS_PER_S
STATES = ("both sides", "asks only", "bids only", "RFQ only", "failed")
_STATE_COLOURS = (COLOURS[2], COLOURS[4], COLOURS[5], "#D0D0D0", COLOURS[6])
_GRID_NS: Ns = 5 * NS_PER_S


def grid(run: Run, start_ns: Ns = 0) -> Ints:
    """Times at which panels look at a run."""
    return np.arange(start_ns, horizon_ns(run), _GRID_NS, dtype=np.int64)


def minutes(run: Run, ts_ns: Ints) -> Floats:
    """Times as minutes since the first shock."""
    return (ts_ns - shock_ns(run)) / MINUTE_NS


def worst_instrument(run: Run) -> int:
    """The instrument that traded furthest below fair value after the shock."""
    depths = []
    for i in range(len(run.header.instruments)):
        falls = [0.0]
        for table in (of(run.trades, i), of(run.rfq_trades, i)):
            times = ints(table, "ts_event_ns")
            after = times >= shock_ns(run)
            falls += (1 - floats(table, "price_ticks") / fair_values(run, i, times))[after].tolist()
        depths.append(max(falls))
    return int(np.argmax(depths))


def price(axis: Any, run: Run, instrument_id: int) -> None:
    """Fair value, and lit and RFQ trades around it, in per cent of the initial fair value."""
    times = grid(run)
    fair = fair_values(run, instrument_id, times)
    lit, rfq = of(run.trades, instrument_id), of(run.rfq_trades, instrument_id)
    for table, style, colour, label in ((lit, ".", COLOURS[0], "lit trade"), (rfq, "x", COLOURS[1], "RFQ trade")):
        when = minutes(run, ints(table, "ts_event_ns"))
        shown = 100 * floats(table, "price_ticks") / fair[0]
        axis.plot(when, shown, style, color=colour, markersize=3.5, alpha=0.7, label=label)
    axis.plot(minutes(run, times), 100 * fair / fair[0], color=COLOURS[6], linewidth=1.2, label="fair value")


def presence_states(run: Run, instrument_id: int, times: Ints) -> Ints:
    """Index into :data:`STATES` for each dealer (rows) and time (columns)."""
    quotes = of(run.table("quote"), instrument_id)
    quotes = quotes[quotes["rfq_id"] == 0]
    defaults = run.table("dealer_defaulted").groupby("agent_id")["ts_event_ns"].min()
    rows = []
    for dealer in run.header.dealer_ids:
        own = quotes[quotes["agent_id"] == dealer]
        bid, ask = (
            np.nan_to_num(value_at(ints(own, "ts_event_ns"), floats(own, f"{side}_ticks"), times)) > 0
            for side in ("bid", "ask")
        )
        state = np.where(bid & ask, 0, np.where(ask, 1, np.where(bid, 2, 3)))
        rows.append(np.where(times >= defaults.get(dealer, horizon_ns(run)), 4, state))
    return np.array(rows, dtype=np.int64)


def presence(axis: Any, run: Run, instrument_id: int) -> Any:
    """Who quotes where, a strip a dealer; returns the mesh for a colour bar."""
    times = grid(run)
    states = presence_states(run, instrument_id, times)
    edges = minutes(run, np.append(times, times[-1] + _GRID_NS))
    colours = ListedColormap(list(_STATE_COLOURS))
    norm = BoundaryNorm(np.arange(-0.5, len(STATES)), len(STATES))
    mesh = axis.pcolormesh(edges, np.arange(len(states) + 1), states, cmap=colours, norm=norm, rasterized=True)
    names = [run.header.agents[i].name.removeprefix("dealer_") for i in run.header.dealer_ids]
    axis.set_yticks(np.arange(len(names)) + 0.5, names, fontsize="x-small")
    axis.grid(visible=False)
    axis.invert_yaxis()
    return mesh


def spread(axis: Any, run: Run) -> None:
    """Quoted spread of each lit book, in per cent of fair value, where both sides are quoted."""
    for i, instrument in enumerate(run.header.instruments):
        top, times = of(run.quotes, i), grid(run)
        rows = np.maximum(row_at(ints(top, "ts_event_ns"), times), 0)
        bid, ask = floats(top, "bid_ticks")[rows], floats(top, "ask_ticks")[rows]
        wide = np.where((bid > 0) & (ask > 0), 100 * (ask - bid) / fair_values(run, i, times), np.nan)
        axis.plot(minutes(run, times), wide, color=COLOURS[i], linewidth=0.9, label=instrument.name)
    axis.set_yscale("log")


def spread_parts(axis: Any, run: Run, instrument_id: int) -> None:
    """Median over dealers that quote both sides of each part of their spread, stacked, in ticks."""
    quotes = of(run.table("quote"), instrument_id)
    quotes, times = quotes[quotes["rfq_id"] == 0], grid(run)
    parts: dict[str, list[Floats]] = {name: [] for name in ("adverse", "inventory", "processing")}
    for _, own in quotes.groupby("agent_id", sort=True):
        quoted = (ints(own, "bid_ticks") > 0) & (ints(own, "ask_ticks") > 0)
        for name, paths in parts.items():
            whole = (floats(own, f"bid_{name}_uticks") + floats(own, f"ask_{name}_uticks")) / UTICKS_PER_TICK
            paths.append(value_at(ints(own, "ts_event_ns"), np.where(quoted, whole, np.nan), times))
    somebody = ~np.isnan(np.array(parts["adverse"])).all(axis=0)
    stacked = []
    for paths in parts.values():
        middle = np.zeros(times.size)
        middle[somebody] = np.nanmedian(np.array(paths)[:, somebody], axis=0)
        stacked.append(middle)
    axis.stackplot(minutes(run, times), stacked, labels=list(parts), colors=[COLOURS[1], COLOURS[0], "#B0B0B0"])


def belief(axis: Any, run: Run, instrument_id: int, column: str) -> None:
    """What dealers believe: ``alpha`` or ``sd_ticks``, each dealer and the median."""
    table, times = of(run.table("belief"), instrument_id), grid(run)
    paths = []
    for _, own in table.groupby("agent_id", sort=True):
        paths.append(value_at(ints(own, "ts_event_ns"), floats(own, column), times))
        axis.plot(minutes(run, times), paths[-1], color=COLOURS[5], linewidth=0.5, alpha=0.7)
    axis.plot(minutes(run, times), np.nanmedian(np.array(paths), axis=0), color=COLOURS[0], linewidth=1.4)


def headroom(axis: Any, run: Run, minimum: float) -> None:
    """Each dealer's leverage ratio less its minimum, in percentage points; breaches of other limits as ticks."""
    sheets, times = run.table("balance_sheet"), grid(run)
    breaches = run.table("constraint_breached")
    groups = list(dict.fromkeys(run.header.agents[i].group for i in run.header.dealer_ids))
    for dealer in run.header.dealer_ids:
        own = sheets[sheets["agent_id"] == dealer]
        assets = floats(own, "cash") + floats(own, "inventory_cash") + floats(own, "other_assets_cash")
        ratio = value_at(ints(own, "ts_event_ns"), floats(own, "tier1_cash") / np.maximum(assets, 1.0), times)
        group = run.header.agents[dealer].group
        colour = COLOURS[groups.index(group) % len(COLOURS)]
        first = run.header.agents[dealer].name.endswith("-1")
        axis.plot(
            minutes(run, times), 100 * (ratio - minimum), color=colour, linewidth=0.9, label=group if first else None
        )
    others = breaches[breaches["constraint"] != "slr"]
    for k, (name, rows) in enumerate(others.groupby("constraint", sort=True)):
        at = minutes(run, ints(rows, "ts_event_ns"))
        axis.plot(at, np.full(at.size, -0.05 * (k + 1)), "|", color=COLOURS[6], label=f"{name} breached")
    axis.axhline(0.0, color="grey", linewidth=0.8, linestyle=":")


def forced_volume(axis: Any, run: Run) -> None:
    """Cumulated sales under a constraint, lots, by instrument."""
    end = float(minutes(run, np.array([horizon_ns(run)]))[0])
    for i, instrument in enumerate(run.header.instruments):
        times, lots = forced_sales(run, i)
        when = np.concatenate([minutes(run, np.zeros(1, np.int64)), minutes(run, times), [end]])
        sold = np.concatenate([[0], np.cumsum(lots), [lots.sum()]])
        axis.step(when, sold, where="post", color=COLOURS[i], label=instrument.name)
    closed = run.table("parent_order_closed")
    failed = closed[closed["end"] == int(ParentEnd.DEFAULTED)]
    for at in minutes(run, ints(failed, "ts_event_ns")).tolist():
        axis.axvline(at, color=COLOURS[6], linewidth=0.8, linestyle="--")


def marks(axis: Any, run: Run, instrument_id: int) -> None:
    """Each dealer's prudent mark against fair value, in per cent."""
    table, times = of(run.table("mark"), instrument_id), grid(run)
    fair = fair_values(run, instrument_id, times)
    for _, own in table.groupby("agent_id", sort=True):
        carried = floats(own, "price_ticks") - floats(own, "adjustment_ticks")
        path = value_at(ints(own, "ts_event_ns"), carried, times)
        axis.plot(minutes(run, times), 100 * (path / fair - 1), color=COLOURS[5], linewidth=0.7, alpha=0.8)
    axis.axhline(0.0, color=COLOURS[6], linewidth=1.0)
