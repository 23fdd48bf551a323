"""The page that puts runs side by side: single ones, or groups of several seeds each."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pandas as pd

from lob_sim.log import Run
from lob_sim.log.foreign import reads_logs
from lob_sim.log.manifest import COMPLETE
from lob_sim.report import headline
from lob_sim.report.data.common import currency, table_rows
from lob_sim.report.figures import market, parts, sheets
from lob_sim.report.panels.drawing import panel
from lob_sim.report.panels.figure import Cell, Panel, Trace, compact, label
from lob_sim.report.render import page
from lob_sim.report.run_page import settings

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
    "failures": ("failures, whole run", 1.0, ".1f"),
    "tier1_loss": ("fall of all Tier 1 ({currency} million)", 1e-6, ",.0f"),
    "recovery_s": ("last trade more than 0.2% off value (min after the shock)", 1 / 60, ".1f"),
}
"""Metric of :func:`lob_sim.analysis.summary.crisis_metrics` → what it is, its factor and its format."""


class MetricRow(NamedTuple):
    """One metric of all runs or groups: what each has, and what each adds to the first.

    Attributes:
        name: The metric.
        label: What it is, with its unit.
        values: Of each, in order.
        intervals: The 95% interval of each over seeds; empty texts for single runs.
        differences: From the first, of all others.
        difference_intervals: Theirs.
        clear: Whether the interval of each difference leaves out 0; never for single runs.
    """

    name: str
    label: str
    values: list[str]
    intervals: list[str]
    differences: list[str]
    difference_intervals: list[str]
    clear: list[bool]


@reads_logs
def compare_page(
    runs: Mapping[str, Run],
    links: Mapping[str, str],
    title: str = "",
    text: str = "",
    seeds: Mapping[str, pd.DataFrame] | None = None,
    table: pd.DataFrame | None = None,
) -> str:
    """The page of two or more runs, or of groups of runs.

    Args:
        runs: Label to run; differences are against the first. Of a group, the run that is drawn.
        links: Where the pages of single runs are, relative to this one, by label.
        title: Heading; the labels if empty.
        text: What is compared, in a sentence.
        seeds: Of groups of several seeds: label to metrics, a row per seed and a column per metric.
        table: ``lob_sim.sweep.compare_groups(seeds)``: their means and differences with intervals.
    """
    metrics = {name: headline.metrics_of(run) for name, run in runs.items()}
    money = currency(next(iter(runs.values())))
    panels = [_together(kind, runs) for kind in _FIGURES]
    if seeds is not None and table is not None:
        rows = group_rows(table, money)
        panels.insert(0, _over_seeds(seeds, table, money))
    else:
        rows = metric_rows(list(metrics.values()), money)
    drawn = [shown.key for shown in panels if shown.variants and shown.key != "over-seeds"]
    index = {"overview": "Overview", "metrics-part": "In numbers", "sides": "Side by side", "log": "These runs"}
    return page(
        "compare.html.j2",
        panels,
        _settings(runs),
        title=title or " · ".join(runs),
        text=text,
        sections=list(index.items()),
        runs=[
            {
                "name": name,
                "link": links.get(name, ""),
                "headline": headline.headline(run),
                "seed": run.header.seed_entropy,
                "seeds": [] if seeds is None else [str(seed) for seed in seeds[name].index],
                "digest": run.digest,
                "scenario": run.header.scenario.get("name", ""),
                "problems": [] if run.status == COMPLETE else run.condition(),
            }
            for name, run in runs.items()
        ],
        metrics=rows,
        drawn=drawn,
        is_grouped=seeds is not None,
        n_seeds=0 if seeds is None else min(len(frame) for frame in seeds.values()),
        is_one_seed=len({str(run.header.seed_entropy) for run in runs.values()}) == 1,
    )


def metric_rows(metrics: list[dict[str, float]], currency: str = "$") -> list[MetricRow]:
    """The table of metrics of single runs: one row for each of :data:`SHOWN` that some run has."""
    rows = []
    for name, (text, factor, form) in SHOWN.items():
        values = [factor * found.get(name, math.nan) for found in metrics]
        if all(math.isnan(value) for value in values):
            continue
        differences = [value - values[0] for value in values[1:]]
        no_values, no_differences = [""] * len(values), [""] * len(differences)
        rows.append(
            MetricRow(
                name,
                text.format(currency=currency),
                [_text(value, form) for value in values],
                no_values,
                [_text(difference, f"+{form}") for difference in differences],
                no_differences,
                [False] * len(differences),
            )
        )
    return rows


def group_rows(table: pd.DataFrame, currency: str = "$") -> list[MetricRow]:
    """The table of metrics of groups, from ``lob_sim.sweep.compare_groups``: one row for each of :data:`SHOWN`."""
    rows = []
    for name, (text, factor, form) in SHOWN.items():
        own = list(table_rows(table[table["metric"] == name]))
        if all(math.isnan(row.mean) for row in own):
            continue
        others, signed = own[1:], f"+{form}"
        rows.append(
            MetricRow(
                name,
                text.format(currency=currency),
                [_text(factor * row.mean, form) for row in own],
                [_interval(factor * row.low, factor * row.high, form) for row in own],
                [_text(factor * row.difference, signed) for row in others],
                [_interval(factor * row.difference_low, factor * row.difference_high, signed) for row in others],
                [row.difference_low > 0 or row.difference_high < 0 for row in others],
            )
        )
    return rows


def _text(value: float, form: str) -> str:
    return "–" if math.isnan(value) else _number(value, form)


def _interval(low: float, high: float, form: str) -> str:
    return "" if math.isnan(low) else f"{_number(low, form)} to {_number(high, form)}"


def _number(value: float, form: str) -> str:
    """A number in a format of :data:`SHOWN`; what is rounded to nothing has no minus."""
    sign, rest = ("+", form[1:]) if form.startswith("+") else ("", form)
    return format(value, f"{sign}z{rest}").replace("-", "−")


def _over_seeds(seeds: Mapping[str, pd.DataFrame], table: pd.DataFrame, currency: str) -> Panel:
    """Every seed of every group, and the means with their intervals: a figure for each metric."""
    names = [label(name) for name in seeds]
    variants = {}
    for metric, (text, factor, _) in SHOWN.items():
        own = table[table["metric"] == metric]
        if not own["mean"].notna().any():
            continue
        known = dict.fromkeys(seed for frame in seeds.values() for seed in frame.index)
        each: list[Trace] = [
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": label(f"seed {seed}"),
                "x": names,
                "y": compact([factor * _value(frame, seed, metric) for frame in seeds.values()]),
                "line": {"color": "@7", "width": 1},
                "marker": {"color": "@muted", "size": 4},
                "showlegend": False,
                "hovertemplate": label(f"seed {seed}") + ": %{y:.4~g}",
            }
            for seed in known
        ]
        means = factor * own["mean"].to_numpy()
        reach = {
            "array": compact(factor * own["high"].to_numpy() - means),
            "arrayminus": compact(means - factor * own["low"].to_numpy()),
        }
        mean: Trace = {
            "type": "scatter",
            "mode": "markers",
            "name": "mean with its 95% interval over seeds",
            "x": names,
            "y": compact(means),
            "error_y": {"type": "data", **reach, "color": "@0", "thickness": 2, "width": 8},
            "marker": {"color": "@0", "size": 11, "symbol": "diamond"},
            "hovertemplate": "mean %{y:.4~g}",
        }
        what = text.format(currency=currency)
        axes = {"xaxis": {"type": "category"}, "yaxis": {"title": {"text": label(what)}}}
        variants[what] = [Cell({"data": [*each, mean], "layout": axes})]
    return Panel(
        key="over-seeds",
        title="Every seed",
        text="A thin line is one seed in all groups: random numbers are the same along it. The diamond is the mean.",
        how="lob_sim.analysis.summary.crisis_metrics(run)",
        choice="metric",
        variants=variants,
        first=next(iter(variants), ""),
        height=300,
        wide=True,
    )


def _value(frame: pd.DataFrame, seed: Any, metric: str) -> float:
    return float(frame[metric][seed]) if seed in frame.index and metric in frame else math.nan


_CLOCK = ("day_ms", "session_ms", "first_ms")
"""What makes days, nights and times of day of a run's times: told of several runs where they have it in common."""


def _settings(runs: Mapping[str, Run]) -> dict[str, Any]:
    each = [settings(run) for run in runs.values()]
    agents: dict[str, dict[str, Any]] = {}
    for one in each:
        for agent in one["agents"]:
            agents.setdefault(agent["name"], agent)
    shared = {key: each[0][key] for key in _CLOCK if len({one[key] for one in each}) == 1}
    return shared | {
        "horizon_ms": max(one["horizon_ms"] for one in each),
        "shocks_ms": sorted({at for one in each for at in one["shocks_ms"]}),
        "agents": list(agents.values()),
        "instruments": list(dict.fromkeys(name for one in each for name in one["instruments"])),
        "instrument": headline.worst_instrument(list(runs.values())[-1]),
    }


_FIGURES = (
    market.PRICE,
    market.BOOK_SPREAD,
    market.PRESENCE,
    sheets.FORCED,
    sheets.HEADROOM,
    sheets.CAPITAL,
    sheets.MARKS,
)
_SHARED = frozenset({"price", "book-spread", "forced", "headroom", "capital", "marks"})


def _together(kind: parts.FigureKind, runs: Mapping[str, Run]) -> Panel:
    """One panel with a figure for each run, all with the same axes."""
    panels = {name: panel(run, kind) for name, run in runs.items()}
    first = next(iter(panels.values()))
    variants: dict[str, list[Cell]] = {}
    for variant in dict.fromkeys(key for own in panels.values() for key in own.variants):
        cells = [
            Cell(own.variants[variant][0].figure if variant in own.variants else _nothing(own), name)
            for name, own in panels.items()
        ]
        if first.key in _SHARED:
            share_axes(cells)
        variants[variant] = cells
    chosen = next((own.first for own in reversed(panels.values()) if own.first in variants), "")
    return msgspec.structs.replace(first, variants=variants, first=chosen, height=first.height - 60, wide=True)


def _nothing(shown: Panel) -> dict[str, Any]:
    text = "<br>".join(textwrap.wrap(shown.empty, 44))
    note = {"text": text, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5, "showarrow": False}
    return {"data": [], "layout": {"yaxis": {"visible": False}, "annotations": [{**note, "font": {"color": "@muted"}}]}}


def share_axes(cells: list[Cell]) -> None:
    """Give the same y axes of all figures the same range, wide enough for each, where they have the same unit."""
    names = dict.fromkeys(name for cell in cells for name in cell.figure["layout"] if name.startswith("yaxis"))
    for name in names:
        axes = [cell.figure["layout"][name] for cell in cells if name in cell.figure["layout"]]
        axes = [axis for axis in axes if axis.get("visible", True)]
        units = {axis.get("title", {}).get("text") for axis in axes}
        if len(units) > 1:
            continue
        # An axis that shows a part of its lines: all show what any of them does.
        spans = [tuple(axis["range"]) for axis in axes if "range" in axis]
        cut = [cell.figure for cell in cells if "range" in cell.figure["layout"].get(name, {})]
        whole = [cell.figure for cell in cells if "range" not in cell.figure["layout"].get(name, {})]
        values = np.concatenate([*(_values(figure, name) for figure in whole), np.zeros(0)])
        logarithmic = any(axis.get("type") == "log" for axis in axes)
        values = np.log10(values[values > 0]) if logarithmic else values
        if values.size:
            low, high = float(values.min()), float(values.max())
            margin = 0.05 * (high - low) or 0.5
            spans.append((low - margin, high + margin))
        for axis in axes if spans else ():
            axis["range"] = [min(low for low, _ in spans), max(high for _, high in spans)]
        for figure in cut:
            # What went beyond its own axis may be within this one.
            if _values(figure, name).max(initial=-np.inf) <= max(high for _, high in spans):
                figure["layout"]["annotations"] = []


def _values(figure: dict[str, Any], name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    short = name.replace("axis", "")
    drawn = [np.asarray(t["y"], dtype=np.float64) for t in figure["data"] if t.get("yaxis", "y") == short]
    values = np.concatenate([*drawn, np.zeros(0)])
    finite: np.ndarray[Any, np.dtype[np.float64]] = values[np.isfinite(values)]
    return finite
