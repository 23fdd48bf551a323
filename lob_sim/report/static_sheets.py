"""Panels of static figures about balance sheets: limits, forced sales, marks, funding, funds, failures.

Times are minutes since the first shock, money is in currency units with the scale that the axis names.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lob_sim.analysis.tables import Floats, Ints, floats, ints, value_at
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report.data.common import at_end, end_ns
from lob_sim.report.static_panels import each_and_median, fill_style, grid, line_style, minutes
from lob_sim.report.static_style import BLACK, VERMILION, named

_SCALES = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand"))
_BEARERS = {
    "shareholders": "shareholders",
    "repo_lenders": "repo lenders",
    "short_term_creditors": "short-term creditors",
}


def scale_of(amounts: Floats) -> tuple[float, str]:
    """The unit in which the largest amount is a number of one to three digits: its size and its name."""
    largest = float(np.nanmax(np.abs(amounts), initial=0.0))
    return next(((size, name) for size, name in _SCALES if largest >= size), (1.0, "currency units"))


def headroom(axis: Any, run: Run, table: pd.DataFrame) -> None:
    """Headroom of every balance sheet under one limit, a style for each group; breached below the line at 0.

    Args:
        axis: Where to draw.
        run: The run.
        table: The rows of one constraint of :func:`lob_sim.report.data.headroom`; what is infinite is no limit, and is
            not drawn.
    """
    table = table[np.isfinite(table["headroom"])]
    size, unit = scale_of(floats(table, "headroom"))
    table = table.assign(headroom=floats(table, "headroom") / size)
    groups: list[str] = []
    for agent_id, own in table.groupby("agent_id", sort=True):
        shown = at_end(data.thin(own, "headroom"), run)
        group = run.header.agents[int(str(agent_id))].group
        label = None if group in groups else named(group)
        groups += [group] if label else []
        style = {**line_style(groups.index(group)), "linewidth": 0.8, "drawstyle": "steps-post", "label": label}
        axis.plot(minutes(run, ints(shown, "ts_event_ns")), floats(shown, "headroom"), **style)
    axis.axhline(0.0, color=BLACK, linewidth=0.8)
    axis.set_ylabel(f"headroom\n({unit})")


def forced_volume(axis: Any, run: Run) -> None:
    """Lots sold under a constraint, cumulated, a line for each instrument; failures as crosses on the time axis."""
    sales = data.forced_sales(run)
    for i, instrument in enumerate(run.header.instruments):
        own = sales[sales["instrument_id"] == i]
        steps(axis, run, ints(own, "ts_event_ns"), floats(own, "lots"), label=named(instrument.name), **line_style(i))
    failed = minutes(run, ints(data.failures(run), "ts_event_ns"))
    if failed.size:
        axis.plot(failed, 0 * failed, "X", color=BLACK, markersize=4, clip_on=False, zorder=5, label="failure")


def steps(axis: Any, run: Run, ts_ns: Ints, amounts: Floats, **style: Any) -> None:
    """The running sum of amounts over the whole run, from nothing at its start."""
    when = minutes(run, np.concatenate([[0], ts_ns, [end_ns(run)]]).astype(np.int64))
    total = np.concatenate([[0.0], np.cumsum(amounts), [amounts.sum()]])
    axis.plot(when, total, drawstyle="steps-post", **style)


def marks(axis: Any, run: Run, instrument_id: int) -> None:
    """Each prudent mark against fair value, in per cent of that, and their median."""
    table, times = data.marks(run, instrument_id), grid(run)
    fair = data.fair_value(run, instrument_id)
    value = value_at(ints(fair, "ts_event_ns"), floats(fair, "price"), times) if len(fair) else times * np.nan
    paths = [
        100 * (value_at(ints(own, "ts_event_ns"), floats(own, "prudent"), times) / value - 1)
        for _, own in table.groupby("agent_id", sort=True)
    ]
    each_and_median(axis, minutes(run, times), paths, "holder")
    axis.axhline(0.0, color=VERMILION, linewidth=0.8, linestyle="--", label="fair value")


def adjustments(axis: Any, run: Run) -> None:
    """Prudent valuation adjustments of all balance sheets together: what uncertain marks take out of Tier 1."""
    total = added_up(run, data.balance_sheets(run), "adjustment")
    size, unit = scale_of(total)
    axis.plot(minutes(run, grid(run)), total / size, color=BLACK)
    axis.set_ylabel(f"valuation adjustments\n({unit})")


def added_up(run: Run, table: pd.DataFrame, column: str) -> Floats:
    """The sum over agents of what stands in a column, at each time of the grid."""
    times, total = grid(run), np.zeros(grid(run).size)
    for _, own in table.groupby("agent_id", sort=True):
        total += np.nan_to_num(value_at(ints(own, "ts_event_ns"), floats(own, column), times))
    return total


def haircuts(axis: Any, run: Run) -> None:
    """The lowest haircut on new loans, mean over borrowers, a line for each instrument that somebody lends on."""
    times = grid(run)
    for i, instrument in enumerate(run.header.instruments):
        table = data.haircuts(run, i)
        if not len(table):
            continue
        paths = [
            value_at(ints(own, "ts_event_ns"), floats(own, "haircut_pct"), times)
            for _, own in table.groupby("agent_id", sort=True)
        ]
        known = ~np.isnan(np.array(paths)).all(axis=0)
        mean = np.full(times.size, np.nan)
        mean[known] = np.nanmean(np.array(paths)[:, known], axis=0)
        axis.plot(minutes(run, times), mean, label=named(instrument.name), **line_style(i))


def borrowing(axis: Any, run: Run) -> None:
    """What all balance sheets together owe, by kind of debt."""
    table, when = data.borrowing(run), minutes(run, grid(run))
    totals = {kind: added_up(run, table, kind) for kind in ("repo", "short_term", "due")}
    size, unit = scale_of(np.concatenate(list(totals.values())))
    for k, (kind, total) in enumerate(totals.items()):
        axis.plot(when, total / size, label=kind.replace("_", " "), **line_style(k))
    axis.set_ylabel(f"debt\n({unit})")


def squeezes(axis: Any, run: Run) -> None:
    """Margin calls and loans that were not rolled, cumulated numbers."""
    table = data.squeezes(run)
    for k, (kind, own) in enumerate(table.groupby("kind", sort=True)):
        times = ints(own, "ts_event_ns")
        steps(axis, run, times, np.ones(times.size), label=str(kind), **line_style(k))


def net_asset_values(axis: Any, run: Run) -> None:
    """Net asset value of each fund, in per cent of what it was at the start."""
    table, times = data.fund_values(run), grid(run)
    for k, (agent_id, own) in enumerate(table.groupby("agent_id", sort=True)):
        path = value_at(ints(own, "ts_event_ns"), floats(own, "nav"), times)
        label = named(run.header.agents[int(str(agent_id))].name)
        axis.plot(minutes(run, times), 100 * path / floats(own, "nav")[0], label=label, **line_style(k))


def redemptions(axis: Any, run: Run) -> None:
    """What investors have asked back from each fund, cumulated."""
    table = data.redemptions(run)
    size, unit = scale_of(np.array([own.sum() for _, own in table.groupby("agent_id")["redeemed"]]))
    for k, agent_id in enumerate(sorted(set(data.fund_values(run)["agent_id"]))):
        own = table[table["agent_id"] == agent_id]
        label = named(run.header.agents[int(agent_id)].name)
        steps(axis, run, ints(own, "ts_event_ns"), floats(own, "redeemed") / size, label=label, **line_style(k))
    axis.set_ylabel(f"redeemed, cumulated\n({unit})")


def failed_so_far(axis: Any, run: Run) -> None:
    """Number of dealers that have failed."""
    times = np.sort(ints(data.failures(run), "ts_event_ns"))
    steps(axis, run, times, np.ones(times.size), color=BLACK)


def losses(axis: Any, run: Run) -> None:
    """What each failure cost whom, a bar for each dealer in order of failure."""
    table = data.failures(run)
    size, unit = scale_of(table[list(_BEARERS)].sum(axis=1).to_numpy(np.float64))
    below, places = np.zeros(len(table)), np.arange(len(table))
    for k, (bearer, label) in enumerate(_BEARERS.items()):
        amounts = floats(table, bearer) / size
        colour, hatch = fill_style(k)
        style = {"color": colour, "hatch": hatch, "edgecolor": "#333333", "linewidth": 0.4}
        axis.bar(places, amounts, 0.7, below, label=label, **style)
        below = below + amounts
    names = [named(run.header.agents[int(i)].name) for i in table["agent_id"]]
    axis.set_xticks(places, names, rotation=45, ha="right")
    axis.set_ylabel(f"loss ({unit})")
