"""Pages of results that are tables of numbers rather than a run: sweeps and validation.

They are made from plain tables, so that whoever has some can have a page in the same style.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from lob_sim.errors import DataError
from lob_sim.files import read_ordinary, require_inside
from lob_sim.report.formatting import METRICS, metric_text
from lob_sim.report.panels.figure import Cell, Figure, Panel, Trace, compact, label
from lob_sim.report.render import page

_MOST_ROWS = 400
_STANDARD_ERRORS = 3.0
_AXIS_CHARACTERS = 36
_SETTINGS: Mapping[str, Any] = {"horizon_ms": 0, "shocks_ms": [], "agents": [], "instruments": [], "instrument": ""}


# --- sweeps --------------------------------------------------------------------------------------------------


def sweep_page(
    name: str,
    notes: Sequence[str],
    summary: pd.DataFrame,
    curves: pd.DataFrame,
    maps: pd.DataFrame,
    failures: Mapping[str, int],
) -> str:
    """The page of a sweep.

    Args:
        name: What to call it.
        notes: What was swept, a sentence each.
        summary: A row per point and metric: the parameters, ``metric``, ``mean``, ``low``, ``high``, ``n``, ``failed``.
        curves: A row per axis, value and metric: ``axis``, ``value``, ``metric``, ``mean``, ``low``, ``high``.
        maps: A row per pair of axes, their values and metric: ``x_axis``, ``y_axis``, ``x``, ``y``, ``metric``,
            ``mean``; empty with a single axis.
        failures: Error messages of failed runs, with their numbers.
    """
    panels = [*_curve_panels(_measured(curves)), *_map_panels(_measured(maps))]
    metrics = [str(metric) for metric in summary["metric"].unique()]
    return page(
        "sweep.html.j2",
        panels,
        dict(_SETTINGS),
        title=f"Sweep {name}",
        words=[(metric, words) for metric in metrics if (words := metric_text(metric)) != metric],
        notes=list(notes),
        columns=list(summary.columns),
        numbers=[name for name in summary.columns if pd.api.types.is_numeric_dtype(summary[name])],
        rows=[[_cell(value) for value in row] for row in summary.head(_MOST_ROWS).itertuples(index=False)],
        n_rows=len(summary),
        failures=dict(failures),
    )


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.5g}"
    return str(value)


def _measured(means: pd.DataFrame) -> pd.DataFrame:
    """The rows of metrics that some run has a value of."""
    known = means.loc[means["mean"].notna(), "metric"]
    return means[means["metric"].isin(known)]


def _most_telling(rows: pd.DataFrame) -> str:
    """The metric to show first: of those whose means differ the best known one."""
    names = list(rows["metric"].unique())
    varied = [name for name in names if rows.loc[rows["metric"] == name, "mean"].nunique() > 1]
    order = list(METRICS)
    return str(min(varied or names, key=lambda name: order.index(name) if name in order else len(order)))


def _curve_panels(curves: pd.DataFrame) -> list[Panel]:
    panels = []
    for k, (axis, rows) in enumerate(curves.groupby("axis", sort=False)):
        variants = {str(metric): [Cell(_curve(own, str(axis)))] for metric, own in rows.groupby("metric", sort=False)}
        panels.append(
            Panel(
                key=f"curve-{k}",
                title=f"Along {axis}",
                text="Means with their 95% intervals over seeds.",
                how="lob_sim.sweep.tables.summarise(sweep.frame())",
                choice="metric",
                variants=variants,
                first=_most_telling(rows),
                height=340,
            )
        )
    return panels


def _curve(rows: pd.DataFrame, axis: str) -> Figure:
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in rows["value"])
    x = list(rows["value"]) if numeric else [label(str(v)) for v in rows["value"]]
    low, high = compact(rows["low"]), compact(rows["high"])
    band: Trace = {
        "type": "scatter",
        "mode": "lines",
        "x": x + x[::-1],
        "y": high + low[::-1],
        "fill": "toself",
        "fillcolor": "@bid-pale",
        "line": {"width": 0},
        "hoverinfo": "skip",
        "name": "95% interval",
    }
    mean: Trace = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": x,
        "y": compact(rows["mean"]),
        "line": {"color": "@0", "width": 2},
        "name": "mean",
        "hovertemplate": "%{y:.5~g}",
    }
    metric = "<br>".join(map(label, textwrap.wrap(metric_text(str(rows["metric"].iloc[0])), _AXIS_CHARACTERS)))
    has_band = np.isfinite(rows[["low", "high"]].to_numpy(dtype=np.float64)).all()
    axes = {"xaxis": {"title": {"text": label(axis)}}, "yaxis": {"title": {"text": metric}}}
    return {"data": [band, mean] if has_band else [mean], "layout": axes}


def _map_panels(maps: pd.DataFrame) -> list[Panel]:
    panels = []
    for k, ((x_axis, y_axis), rows) in enumerate(maps.groupby(["x_axis", "y_axis"], sort=False)):
        variants = {}
        for metric, own in rows.groupby("metric", sort=False):
            table = own.pivot_table(index="y", columns="x", values="mean", sort=True)
            heat: Trace = {
                "type": "heatmap",
                "x": [label(str(v)) for v in table.columns],
                "y": [label(str(v)) for v in table.index],
                "z": [compact(row) for row in table.to_numpy()],
                "colorscale": "Viridis",
                "colorbar": {"title": {"text": label(str(metric))}, "thickness": 12},
                "hovertemplate": "%{x}, %{y}: %{z:.5~g}",
            }
            axes = {
                "xaxis": {"title": {"text": label(str(x_axis))}, "type": "category"},
                "yaxis": {"title": {"text": label(str(y_axis))}, "type": "category"},
            }
            variants[str(metric)] = [Cell({"data": [heat], "layout": axes})]
        panels.append(
            Panel(
                key=f"map-{k}",
                title=f"{x_axis} and {y_axis}",
                text="Means over seeds at every pair of values.",
                how="sweep.frame().groupby([x, y])[metric].mean()",
                choice="metric",
                variants=variants,
                first=_most_telling(rows),
                height=380,
            )
        )
    return panels


# --- validation ----------------------------------------------------------------------------------------------


class Claim(msgspec.Struct, frozen=True):
    """One claim of a validation, in the fields of :class:`lob_sim.experiment.Row`.

    Attributes:
        claim: What is claimed, with its unit.
        measured: What a run gave.
        reference: What it should be.
        standard_error: Of ``measured``; 0: exact.
        relation: ``=``, ``>``, ``<`` or ``≥``.
        slack: What rounding or a stated approximation accounts for.
        verdict: ``holds`` or ``fails``.
        source: By whose word.
        low: Lower end of an interval around ``measured``, where the verdict rests on one.
        high: Its upper end.
    """

    claim: str
    measured: float
    reference: float
    standard_error: float
    relation: str
    slack: float
    verdict: str
    source: str
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool:
        """The verdict."""
        return self.verdict == "holds"

    @property
    def used(self) -> float:
        """Distance from the reference as a share of what is allowed, three standard errors and the slack; signed. NaN
        for bounds, and where nothing is allowed."""
        allowed = _STANDARD_ERRORS * self.standard_error + self.slack
        return (self.measured - self.reference) / allowed if self.relation == "=" and allowed > 0 else float("nan")


class ClaimTable(msgspec.Struct, frozen=True):
    """What else an experiment has measured, as text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


class Case(msgspec.Struct, frozen=True):
    """What came of one case of an experiment.

    Attributes:
        title: The question.
        command: What to type to get the same.
        rows: The claims.
        tables: What else was measured.
        error: Why it failed to run, or empty.
        figures: Pictures, relative to the file of the results.
    """

    title: str
    command: str
    rows: list[Claim] = []
    tables: list[ClaimTable] = []
    error: str = ""
    figures: list[str] = []


def read_validation(path: Path) -> list[Case]:
    """Read the results of a validation, as ``python -m experiments.validation.report`` keeps them.

    Raises:
        DataError: They cannot be read, or are something else.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Case])
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", str(path)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"does not hold the results of a validation: {error}", str(path)) from error


def validation_page(cases: Sequence[Case], folder: Path) -> str:
    """The page of a validation.

    Args:
        cases: The results.
        folder: What the names of their figures are relative to; figures that are not there are left out.
    """
    claims = [(claim, case.command) for case in cases for claim in case.rows]
    by_title: dict[str, list[Case]] = {}
    for case in cases:
        by_title.setdefault(case.title, []).append(case)
    return page(
        "validation.html.j2",
        [_distances([claim for claim, _ in claims])],
        dict(_SETTINGS),
        title="Validation",
        n_claims=len(claims),
        failing=[(claim, command) for claim, command in claims if not claim.holds],
        errors=[(case.command, case.error.splitlines()[0]) for case in cases if case.error],
        held=sum(claim.holds for claim, _ in claims),
        questions=[_question(title, asked, folder) for title, asked in by_title.items()],
    )


def _question(title: str, cases: Sequence[Case], folder: Path) -> dict[str, Any]:
    """What all cases of one question gave, for the template."""
    claims = [(claim, case.command) for case in cases for claim in case.rows]
    files = [(case.command, picture) for case in cases for file in case.figures if (picture := _picture(folder, file))]
    return {
        "title": title,
        "claims": claims,
        "held": sum(claim.holds for claim, _ in claims),
        "failed": any(case.error for case in cases),
        "tables": [(table, case.command) for case in cases for table in case.tables],
        "figures": [(command, base64.b64encode(picture).decode()) for command, picture in files],
    }


def _picture(folder: Path, file: str) -> bytes:
    """A picture beside the results; nothing where it is not there, or lies elsewhere than in the folder."""
    path = folder / file
    if ".." in Path(file).parts:
        return b""
    try:
        return read_ordinary(require_inside(folder, path))
    except (DataError, FileNotFoundError):
        return b""


def _distances(claims: Sequence[Claim]) -> Panel:
    """Every claim of equality, by how much of the allowed distance from its reference it uses."""
    measured = [claim for claim in claims if not np.isnan(claim.used)]
    traces: list[Trace] = []
    for holds, name, colour, symbol in ((True, "holds", "@good", "circle"), (False, "fails", "@bad", "x")):
        own = [(k, claim) for k, claim in enumerate(measured) if claim.holds is holds]
        if own:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name,
                    "x": [k + 1 for k, _ in own],
                    "y": compact([100 * claim.used for _, claim in own]),
                    "text": [label(claim.claim) for _, claim in own],
                    "marker": {"color": colour, "symbol": symbol, "size": 9},
                    "hovertemplate": "%{text}: %{y:.0f}% of the allowed distance",
                }
            )
    band = {"type": "rect", "xref": "paper", "yref": "y", "x0": 0, "x1": 1, "y0": -100, "y1": 100, "layer": "below"}
    shape = {**band, "fillcolor": "@bid-pale", "opacity": 0.5, "line": {"width": 0, "color": "@line"}}
    axes = {
        "xaxis": {"title": {"text": "claim of equality, in the order of the table"}},
        "yaxis": {"title": {"text": "share of the allowed distance (%)"}, "zeroline": True},
    }
    return Panel(
        key="distances",
        title="How far measured values are from what they should be",
        text="One mark for each claim of equality: how much of the distance that is allowed (three standard "
        "errors, and the stated rounding) it uses. Inside the band it holds. Bounds are in the table alone.",
        how="(measured − reference) / (3 standard errors + slack)",
        variants={"": [Cell({"data": traces, "layout": {**axes, "shapes": [shape]}})]} if traces else {},
        height=340,
        wide=True,
        empty="No claim is one of equality.",
    )
