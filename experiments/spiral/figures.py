"""The flagship's figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.drawing import COLOURS, new_figure, save
from experiments.spiral import panels
from experiments.spiral.panels import STATES
from lob_sim.log import Run
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
        mesh = panels.presence(axis[len(names)], run, shown)
        panels.spread(axis[-2], run)
        panels.forced_volume(axis[-1], run)
        axis[-1].set(xlabel="minutes since the shock", xlim=(-_SHOWN_BEFORE_MIN, None))
        for panel in axis:
            panel.axvline(0.0, color="grey", linewidth=0.8, linestyle=":")
    # The strips share their axis over the row: the second inversion has undone the first.
    axes[len(names), 0].set_ylim(len(last.header.dealer_ids), 0)
    left = axes[:, 0]
    for i, name in enumerate(names):
        left[i].set_ylabel(f"{name}\n% of value before")
    left[len(names)].set_ylabel(f"dealers' lit quotes\nin {names[shown]}")
    left[-2].set_ylabel("quoted spread (%)")
    left[-1].set_ylabel("forced sales\n(lots, cumulated)")
    for panel in (left[0], left[-2], left[-1]):
        panel.legend(fontsize="x-small")
    _name_states(figure, mesh, axes[len(names), -1])
    figure.align_ylabels(axes[:, 0])
    save(figure, path)


def one_run(path: Path, run: Run, minimum: float) -> None:
    """Everything about one crisis: prices, spread and its parts, quotes, α and s, headroom, forced sales, marks."""
    shown = panels.worst_instrument(run)
    names = [i.name for i in run.header.instruments]
    extra = len(names) - 1
    figure, axes = new_figure(5 + extra // 2, 2, sharex=True)
    figure.set_size_inches(14, 2.7 * (5 + extra // 2))
    flat = iter(axes.ravel())
    for i, name in enumerate(names):
        axis = next(flat)
        panels.price(axis, run, i)
        axis.set_title(f"{name}: price (% of value before)")
        axis.legend(fontsize="x-small")
    axis = next(flat)
    _name_states(figure, panels.presence(axis, run, shown), axis)
    axis.set_title(f"who quotes where: {names[shown]}")
    axis = next(flat)
    panels.spread(axis, run)
    axis.set_title("quoted spread of the lit book (%)")
    axis.legend(fontsize="x-small")
    axis = next(flat)
    panels.spread_parts(axis, run, shown)
    axis.set_title(f"parts of a dealer's lit spread in {names[shown]} (ticks; median)")
    axis.legend(fontsize="x-small")
    for column, title in (("alpha", "α, perceived share of informed flow"), ("sd_ticks", "s of the belief (ticks)")):
        axis = next(flat)
        panels.belief(axis, run, shown, column)
        axis.set_title(f"{title} in {names[shown]}")
    axis = next(flat)
    panels.headroom(axis, run, minimum)
    axis.set_title("leverage ratio above its minimum (percentage points)")
    axis.legend(fontsize="x-small", ncols=2)
    axis = next(flat)
    panels.forced_volume(axis, run)
    axis.set_title("forced sales (lots, cumulated)")
    axis.legend(fontsize="x-small")
    axis = next(flat)
    panels.marks(axis, run, shown)
    axis.set_title(f"prudent marks less fair value in {names[shown]} (%)")
    for axis in flat:
        axis.set_visible(False)
    for axis in axes.ravel():
        axis.axvline(0.0, color="grey", linewidth=0.8, linestyle=":")
    for axis in axes[-1]:
        axis.set(xlabel="minutes since the shock", xlim=(-_SHOWN_BEFORE_MIN, None))
    save(figure, path)


def bars(path: Path, groups: Mapping[str, Mapping[str, Estimate]]) -> None:
    """Estimates with intervals, a panel a metric.

    Args:
        path: File to write.
        groups: Metric → name → estimate.
    """
    figure, axes = new_figure(1, len(groups))
    figure.set_size_inches(3.3 * len(groups), 3.6)
    for axis, (metric, estimates) in zip(np.atleast_1d(axes), groups.items(), strict=True):
        for k, (_, found) in enumerate(estimates.items()):
            axis.bar(k, found.value, color=COLOURS[k % len(COLOURS)])
            if np.isfinite([found.low, found.high]).all():
                # A BCa interval of a skewed sample may leave its own mean outside.
                reach = [[max(0.0, found.value - found.low)], [max(0.0, found.high - found.value)]]
                axis.errorbar(k, found.value, reach, color="black", capsize=4)
        axis.set_xticks(range(len(estimates)), list(estimates), rotation=30, ha="right", fontsize="small")
        axis.axhline(0.0, color="black", linewidth=0.8)
        axis.set_title(metric, fontsize="small")
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


def _name_states(figure: Any, mesh: Any, axis: Any) -> None:
    bar = figure.colorbar(mesh, ax=axis, ticks=range(len(STATES)), pad=0.01)
    bar.ax.set_yticklabels(STATES, fontsize="x-small")
