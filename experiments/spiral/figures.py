"""The flagship's figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.analysis.summary import horizon_ns, of
from lob_sim.analysis.tables import Floats, Ints, floats, ints, value_at
from lob_sim.log import Run
from lob_sim.messages import WithdrawalCause
from lob_sim.report import data
from lob_sim.report.figures import market, parts
from lob_sim.report.static_drawing import draw_axis, time_axis
from lob_sim.report.static_style import VERMILION
from lob_sim.sweep import Estimate

_SHOWN_BEFORE_MIN = 5.0
"""Minutes before the shock that are drawn."""
_AWAY = (("for fear", "orange"), ("for limits", "blue"), ("failed", "ink"))
_SELLERS = ("dealers", "leveraged funds", "asset managers")
_BN = 1e9
_BINS, _LOOKS = 120, 20
"""Bins of time in which absences are averaged, and how often each is looked at."""


def crises(path: Path, runs: Mapping[str, Run], heading: str = "") -> None:
    """The same crisis, same seed, in several cells, a column each.

    From above: price against value where no shock hits, then where it does; the shocked bond's quoted spread; how many
    dealers have left its lit book, for fear and for limits; and what each class has sold under a constraint.

    Args:
        path: File to write.
        runs: Title → run.
        heading: Stands over all.
    """
    first = next(iter(runs.values()))
    names = [i.name for i in first.header.instruments]
    hit = shocked(first)
    order = [*(i for i in range(len(names)) if i != hit), hit]
    rows = len(order) + 3
    figure, axes = new_figure(rows, len(runs), sharex=True, sharey="row")
    figure.set_size_inches(4.6 * len(runs), 1.9 * rows + 0.6)
    for column, (title, run) in enumerate(runs.items()):
        axis = axes[:, column]
        axis[0].set_title(title, fontweight="bold", fontsize="medium")
        for k, i in enumerate(order):
            draw_axis(axis[k], run, market.price_axis(run, i))
        _spread(axis[-3], run, hit)
        _away(axis[-2], run, hit)
        _sold(axis[-1], run)
        time_axis(run, axis[-1])
    axes[-1, 0].set_xlim(left=-_SHOWN_BEFORE_MIN)
    left = axes[:, 0]
    for k, i in enumerate(order):
        left[k].set_ylabel(f"{names[i]}\nprice (points)")
    left[-3].set_ylabel(f"{names[hit]}: quoted\nspread (bp)")
    left[-2].set_ylabel(f"{names[hit]}: dealers\naway from the book")
    left[-1].set_ylabel("sold under a\nconstraint (bn)")
    for panel in (left[0], left[-2], left[-1]):
        panel.legend(fontsize="x-small", loc="best")
    figure.align_ylabels(left)
    if heading:
        figure.suptitle(heading, fontsize="medium")
    save(figure, path)


def shocked(run: Run) -> int:
    """The first instrument that a shock hits."""
    fair = run.table("fair_value")
    return int(fair[fair["is_shock"]]["instrument_id"].iloc[0])


def _spread(axis: Any, run: Run, instrument_id: int) -> None:
    shown = market.spread_axis(run, instrument_id)
    if shown is not None:
        draw_axis(axis, run, shown)


def away(run: Run, instrument_id: int, times_ns: Ints) -> Floats:
    """How many dealers are away from an instrument's lit book at each time: for fear, for limits, and failed.

    Returns:
        Shape (3, times).
    """
    retreats = of(run.table("retreat"), instrument_id).assign(back=False)
    returns = of(run.table("return"), instrument_id).assign(back=True)
    failed = run.table("dealer_defaulted").groupby("agent_id")["ts_event_ns"].min()
    count: Floats = np.zeros((3, times_ns.size))
    columns = ["seq", "ts_event_ns", "agent_id", "cause", "back"]
    moves = np.concatenate([table[columns].to_numpy(dtype=np.int64) for table in (retreats, returns)])
    moves = moves[moves[:, 0].argsort()]
    for agent_id in run.header.dealer_ids or ():
        own = moves[moves[:, 2] == agent_id]
        state = np.where(own[:, 4] == 1, 0, np.where(own[:, 3] <= WithdrawalCause.RISK_APPETITE, 1, 2)).astype(
            np.float64
        )
        path = np.nan_to_num(value_at(own[:, 1], state, times_ns)) if len(own) else np.zeros(times_ns.size)
        path = np.where(times_ns >= failed.get(agent_id, np.iinfo(np.int64).max), 3, path)
        count += np.array([path == k for k in (1, 2, 3)])
    return count


def _away(axis: Any, run: Run, instrument_id: int) -> None:
    """Means over bins of time, because dealers come and go within seconds."""
    looks = np.linspace(0, horizon_ns(run), _BINS * _LOOKS + 1).astype(np.int64)[:-1]
    counts = away(run, instrument_id, looks).reshape(len(_AWAY), _BINS, _LOOKS).mean(axis=2)
    layers = tuple(
        parts.Layer(name, number, parts.Look(colour))
        for number, (name, colour) in zip(counts, _AWAY, strict=True)
        if name != "failed" or number.any()
    )
    items = (parts.Stack(ts_ns=looks[::_LOOKS], layers=layers, unit=" dealers"),)
    draw_axis(axis, run, parts.Axis(title="away", items=items, ends=(0, len(run.header.dealer_ids or ()))))


def _sold(axis: Any, run: Run) -> None:
    sales = data.forced_sales(run)
    lot = np.array([float(i.lot_size) / float(i.price_per) for i in run.header.instruments])
    worth = floats(sales, "lots") * floats(sales, "price") * (lot[ints(sales, "instrument_id")] if len(sales) else 1.0)
    who = np.array([seller(run, int(agent_id)) for agent_id in sales["agent_id"]])
    times = ints(sales, "ts_event_ns")
    paths = {name: parts.running_sum(times[who == name], worth[who == name] / _BN) for name in _SELLERS}
    lines = tuple(parts.Line(name, paths[name], parts.nth_look(k)) for k, name in enumerate(paths))
    draw_axis(axis, run, parts.Axis(title="sold", items=lines))


def seller(run: Run, agent_id: int) -> str:
    """The class of whoever sells under a constraint."""
    if agent_id in (run.header.dealer_ids or ()):
        return _SELLERS[0]
    return _SELLERS[1] if "leveraged" in run.header.agents[agent_id].group else _SELLERS[2]


def bars(path: Path, estimates: Mapping[str, Estimate], what: str) -> None:
    """Estimates with their intervals.

    Args:
        path: File to write.
        estimates: By name.
        what: What is estimated.
    """
    figure, axis = new_figure()
    for k, found in enumerate(estimates.values()):
        axis.bar(k, found.value, color=COLOURS[k % len(COLOURS)])
        if np.isfinite([found.low, found.high]).all():
            reach = [[found.value - found.low], [found.high - found.value]]
            axis.errorbar(k, found.value, reach, color="black", capsize=4)
    axis.set_xticks(range(len(estimates)), list(estimates))
    axis.axhline(0.0, color=VERMILION, linewidth=0.8)
    axis.set_ylabel(f"{what} (95% intervals)", fontsize="small")
    save(figure, path)
