"""The flagship's figures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.drawing import COLOURS, new_figure, save
from lob_sim.balance.constraints import SlrConstraint
from lob_sim.log import Run
from lob_sim.report import data
from lob_sim.report import static_panels as panels
from lob_sim.report import static_sheets as sheets
from lob_sim.sweep import Estimate

_SHOWN_BEFORE_MIN = 5.0
"""Minutes before the shock that are drawn."""


def side_by_side(path: Path, runs: Mapping[str, Run]) -> None:
    """The same crisis, same seed, in several cells: prices, who quotes, spread, forced sales.

    Args:
        path: File to write.
        runs: Title → run; the last decides whose quotes are shown.
    """
    first, last = next(iter(runs.values())), list(runs.values())[-1]
    shown = panels.worst_instrument(last)
    names = [i.name for i in first.header.instruments]
    rows = len(names) + 3
    figure, axes = new_figure(rows, len(runs), sharex=True, sharey="row")
    figure.set_size_inches(6.4 * len(runs), 2.3 * rows)
    for column, (title, run) in enumerate(runs.items()):
        axis = axes[:, column]
        axis[0].set_title(title, fontweight="bold")
        for i in range(len(names)):
            panels.price(axis[i], run, i)
        panels.quotes(axis[len(names)], run, shown)
        panels.quoted_spread(axis[-2], run)
        sheets.forced_volume(axis[-1], run)
        panels.time_axis(run, axis[-1])
    axes[-1, 0].set_xlim(left=-_SHOWN_BEFORE_MIN)
    left = axes[:, 0]
    for i, name in enumerate(names):
        left[i].set_ylabel(f"{name}\nprice (points)")
    left[len(names)].set_ylabel(f"dealers' lit quotes\nin {names[shown]}")
    left[-2].set_ylabel("quoted spread\n(basis points)")
    left[-1].set_ylabel("forced sales\n(lots, cumulated)")
    for panel in (left[0], left[-2], left[-1]):
        panel.legend(fontsize="x-small")
    _name_states(axes[len(names), -1])
    figure.align_ylabels(axes[:, 0])
    save(figure, path)


def one_run(path: Path, run: Run) -> None:
    """Everything about one crisis: prices, spread and its parts, quotes, α and s, headroom, forced sales, marks."""
    shown = panels.worst_instrument(run)
    names = [i.name for i in run.header.instruments]
    room = data.headroom(run)
    leverage = room[room["constraint"] == SlrConstraint.name]
    parts: list[tuple[str, Callable[[Any], None]]] = [
        *((f"{name}: price (points)", partial(panels.price, run=run, instrument_id=i)) for i, name in enumerate(names)),
        (f"who quotes where: {names[shown]}", partial(panels.quotes, run=run, instrument_id=shown)),
        ("quoted spread of the lit book (basis points)", partial(panels.quoted_spread, run=run)),
        (
            f"parts of a dealer's lit spread in {names[shown]} (ticks)",
            partial(panels.spread_parts, run=run, instrument_id=shown),
        ),
        (
            f"α, perceived share of informed flow in {names[shown]}",
            partial(panels.belief, run=run, instrument_id=shown, column="alpha"),
        ),
        (
            f"s of the belief in {names[shown]} (points)",
            partial(panels.belief, run=run, instrument_id=shown, column="sd"),
        ),
        ("headroom under the leverage limit", partial(sheets.headroom, run=run, table=leverage)),
        ("forced sales (lots, cumulated)", partial(sheets.forced_volume, run=run)),
        (
            f"prudent marks less fair value in {names[shown]} (%)",
            partial(sheets.marks, run=run, instrument_id=shown),
        ),
    ]
    rows = -(-len(parts) // 2)
    figure, axes = new_figure(rows, 2, sharex=True)
    figure.set_size_inches(14, 2.7 * rows)
    for axis, (title, draw) in zip(axes.ravel(), parts, strict=False):
        draw(axis)
        axis.set_title(title)
        if axis.get_legend_handles_labels()[1]:
            axis.legend(fontsize="x-small", ncols=2)
    _name_states(axes.ravel()[len(names)])
    for axis in axes.ravel()[len(parts) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        panels.time_axis(run, axis)
    axes[-1, 0].set_xlim(left=-_SHOWN_BEFORE_MIN)
    save(figure, path)


def bars(path: Path, groups: Mapping[str, Mapping[str, Estimate]], what: str) -> None:
    """Estimates with intervals, a panel a metric.

    Args:
        path: File to write.
        groups: Metric → name → estimate.
        what: What is estimated of each metric.
    """
    figure, axes = new_figure(1, len(groups))
    figure.set_size_inches(3.3 * len(groups), 3.6)
    for axis, (metric, estimates) in zip(np.atleast_1d(axes), groups.items(), strict=True):
        for k, (_, found) in enumerate(estimates.items()):
            axis.bar(k, found.value, color=COLOURS[k % len(COLOURS)])
            if np.isfinite([found.low, found.high]).all():
                reach = [[found.value - found.low], [found.high - found.value]]
                axis.errorbar(k, found.value, reach, color="black", capsize=4)
        axis.set_xticks(range(len(estimates)), list(estimates), rotation=30, ha="right", fontsize="small")
        axis.axhline(0.0, color="black", linewidth=0.8)
        axis.set_title(metric, fontsize="small")
        if not any(found.value for found in estimates.values()):
            axis.set(ylim=(-1, 1), yticks=[0])
            axis.text(0.5, 0.56, "0 throughout", transform=axis.transAxes, ha="center", fontsize="small")
    figure.supylabel(f"{what} (95% intervals)", fontsize="small")
    save(figure, path)


def heat_map(path: Path, sizes: list[float], factors: list[float], mean: np.ndarray[Any, Any]) -> None:
    """Overshoot against shock size and capital headroom.

    Args:
        path: File to write.
        sizes: Shock sizes, as positive fractions.
        factors: Multiples of the scenario's headroom.
        mean: Mean overshoot in per cent, shape (factors, sizes).
    """
    figure, (left, right) = new_figure(1, 2)
    figure.set_size_inches(12, 4.2)
    left.grid(visible=False)
    image = left.imshow(mean, origin="lower", aspect="auto", cmap="inferno")
    left.set_xticks(range(len(sizes)), [f"{100 * size:g}" for size in sizes])
    left.set_yticks(range(len(factors)), [f"{factor:g}" for factor in factors])
    left.set(xlabel="fall of fair value (%)", ylabel="headroom (multiple of the scenario's)")
    for (row, column), value in np.ndenumerate(mean):
        dark = value < 0.6 * mean.max()
        left.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize="x-small", color="w" if dark else "k")
    figure.colorbar(image, ax=left, label="overshoot below fair value (%)")
    for k, (factor, curve) in enumerate(zip(factors, mean, strict=True)):
        right.plot(
            [100 * s for s in sizes], curve, "o-", color=COLOURS[k % len(COLOURS)], label=f"headroom × {factor:g}"
        )
    right.set(xlabel="fall of fair value (%)", ylabel="overshoot below fair value (%)")
    right.legend(fontsize="small")
    save(figure, path)


def _name_states(axis: Any) -> None:
    axis.legend(handles=panels.state_patches(), loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize="x-small")
