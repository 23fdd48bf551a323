"""The page that puts runs side by side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from lob_sim.log import Run
from lob_sim.log.manifest import COMPLETE
from lob_sim.log.run import reads_logs
from lob_sim.report import headline
from lob_sim.report.panels import market, people
from lob_sim.report.panels.figure import Cell, Panel
from lob_sim.report.render import page
from lob_sim.report.run_page import settings, worst_instrument

SHOWN: Mapping[str, tuple[str, float, str]] = {
    "overshoot_pct": ("worst price below fair value (%)", 1.0, ".2f"),
    "spread_pct": ("mean spread of the lit books (%)", 1.0, ".3f"),
    "lit_absence": ("a side of a lit book is empty (% of time)", 100.0, ".1f"),
    "quote_absence": ("dealers not quoting both sides (% of time)", 100.0, ".0f"),
    "bid_absence": ("dealers posting no bid (% of time)", 100.0, ".0f"),
    "retreats": ("withdrawals for fear of informed flow, whole run", 1.0, ",.0f"),
    "rfq_share": ("lots dealt by request for quote (%)", 100.0, ".0f"),
    "mark_dispersion_pct": ("disagreement of marks (% of value)", 1.0, ".3f"),
    "write_down_pct": ("marks below fair value, mean (%)", 1.0, ".3f"),
    "forced_lots": ("lots sold by force, whole run", 1.0, ",.0f"),
    "forced_sellers": ("balance sheets forced to sell", 1.0, ".0f"),
    "failures": ("failures, whole run", 1.0, ".0f"),
    "tier1_loss": ("fall of all Tier 1 ($ million)", 1e-6, ",.0f"),
    "recovery_s": ("last trade more than 0.2% off value (min after the shock)", 1 / 60, ".1f"),
}
"""Metric of :func:`lob_sim.analysis.summary.crisis_metrics` → what it is, its factor and its format."""


class MetricRow(NamedTuple):
    """One metric of all runs: values in the order of the runs, and what each adds to the first."""

    name: str
    label: str
    values: list[str]
    differences: list[str]


@reads_logs
def compare_page(runs: Mapping[str, Run], links: Mapping[str, str], title: str = "", text: str = "") -> str:
    """The page of two or more runs.

    Args:
        runs: Name to run; differences are against the first.
        links: Where the pages of single runs are, relative to this one, by name.
        title: Heading; the names if empty.
        text: What is compared, in a sentence.
    """
    metrics = {name: headline.metrics_of(run) for name, run in runs.items()}
    return page(
        "compare.html.j2",
        [_together(maker, runs) for maker in _MAKERS],
        _settings(runs),
        title=title or " · ".join(runs),
        text=text,
        runs=[
            {
                "name": name,
                "link": links.get(name, ""),
                "headline": headline.headline(run),
                "seed": run.header.seed_entropy,
                "digest": run.digest,
                "scenario": run.header.scenario.get("name", ""),
                "problems": [] if run.status == COMPLETE else run.condition(),
            }
            for name, run in runs.items()
        ],
        metrics=metric_rows(list(metrics.values())),
    )


def metric_rows(metrics: list[dict[str, float]]) -> list[MetricRow]:
    """The table of metrics: one row for each of :data:`SHOWN` that some run has."""
    rows = []
    for name, (text, factor, form) in SHOWN.items():
        values = [factor * found.get(name, math.nan) for found in metrics]
        if all(math.isnan(value) for value in values):
            continue
        differences = [value - values[0] for value in values[1:]]
        rows.append(
            MetricRow(
                name,
                text,
                ["–" if math.isnan(v) else format(v, form) for v in values],
                ["–" if math.isnan(d) else format(d, f"+{form}") for d in differences],
            )
        )
    return rows


def _settings(runs: Mapping[str, Run]) -> dict[str, Any]:
    each = [settings(run) for run in runs.values()]
    agents: dict[str, dict[str, Any]] = {}
    for one in each:
        for agent in one["agents"]:
            agents.setdefault(agent["name"], agent)
    return {
        "horizon_ms": max(one["horizon_ms"] for one in each),
        "shocks_ms": sorted({at for one in each for at in one["shocks_ms"]}),
        "agents": list(agents.values()),
        "instruments": list(dict.fromkeys(name for one in each for name in one["instruments"])),
        "instrument": worst_instrument(list(runs.values())[-1]),
    }


_MAKERS: tuple[Callable[[Run], Panel], ...] = (
    market.prices,
    market.book_spread,
    market.presence,
    people.forced_sales,
    people.headroom,
    people.capital,
    people.marks,
)
_SHARED = frozenset({"price", "book-spread", "forced", "headroom", "capital", "marks"})


def _together(maker: Callable[[Run], Panel], runs: Mapping[str, Run]) -> Panel:
    """One panel with a figure for each run, all with the same axes."""
    panels = {name: maker(run) for name, run in runs.items()}
    first = next(iter(panels.values()))
    variants: dict[str, list[Cell]] = {}
    for label in dict.fromkeys(label for panel in panels.values() for label in panel.variants):
        cells = [
            Cell(panel.variants[label][0].figure if label in panel.variants else _nothing(panel), name)
            for name, panel in panels.items()
        ]
        if first.key in _SHARED:
            _share_axes(cells)
        variants[label] = cells
    chosen = next((panel.first for panel in reversed(panels.values()) if panel.first in variants), "")
    return Panel(
        key=first.key,
        title=first.title,
        text=first.text,
        how=first.how,
        choice=first.choice,
        variants=variants,
        first=chosen,
        height=first.height - 60,
        wide=True,
        empty=first.empty,
    )


def _nothing(panel: Panel) -> dict[str, Any]:
    text = "<br>".join(textwrap.wrap(panel.empty, 44))
    note = {"text": text, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    return {"data": [], "layout": {"yaxis": {"visible": False}, "annotations": [{**note, "font": {"color": "@muted"}}]}}


def _share_axes(cells: list[Cell]) -> None:
    """Give the same y axes of all figures the same range, wide enough for each, where they have the same unit."""
    names = dict.fromkeys(name for cell in cells for name in cell.figure["layout"] if name.startswith("yaxis"))
    for name in names:
        axes = [cell.figure["layout"][name] for cell in cells if name in cell.figure["layout"]]
        axes = [axis for axis in axes if axis.get("visible", True)]
        units = {axis.get("title", {}).get("text") for axis in axes}
        if len(units) > 1 or any("range" in axis for axis in axes):
            continue
        values = np.concatenate([_values(cell.figure, name) for cell in cells])
        logarithmic = any(axis.get("type") == "log" for axis in axes)
        values = np.log10(values[values > 0]) if logarithmic else values
        if not values.size:
            continue
        low, high = float(values.min()), float(values.max())
        margin = 0.05 * (high - low) or 0.5
        for axis in axes:
            axis["range"] = [low - margin, high + margin]


def _values(figure: dict[str, Any], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    short = name.replace("axis", "")
    drawn = [np.asarray(t["y"], dtype=np.float64) for t in figure["data"] if t.get("yaxis", "y") == short]
    values = np.concatenate([*drawn, np.zeros(0)])
    finite: np.ndarray[Any, np.dtype[np.float64]] = values[np.isfinite(values)]
    return finite
