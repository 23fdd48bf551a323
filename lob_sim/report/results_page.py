"""The page of a validation: every claim with its reference, its measured value and its verdict."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lob_sim.analysis.claims import Row
from lob_sim.errors import DataError
from lob_sim.files import read_ordinary, require_inside
from lob_sim.report.panels.figure import Cell, Panel, Trace, compact, label
from lob_sim.report.render import page

NO_TIME: Mapping[str, Any] = {"horizon_ms": 0, "shocks_ms": [], "agents": [], "instruments": [], "instrument": ""}
"""Settings of a page that is not about a run."""


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
    rows: list[Row] = []
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
        dict(NO_TIME),
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


def _distances(claims: Sequence[Row]) -> Panel:
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
