"""Runs whose static figures the tests draw, and what they do to all figures."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from report_runs import ROOT

from lob_sim import load_scenario, run
from lob_sim.log import Run
from lob_sim.report.static import draw

FAILURES = ["horizon=8min", "shocks.0.at=30s", "shocks.0.size=-0.3"]


def of_experiment(name: str, overrides: list[str]) -> Run:
    return run(load_scenario(ROOT / "experiments" / f"{name}.toml", overrides), 1)


def drawn(run: Run, name: str) -> Figure:
    figure = draw(run, name)
    assert figure is not None
    return figure


def panels(figure: Figure) -> list[Any]:
    """Axes without colour bars."""
    return [axis for axis in figure.axes if axis.get_subplotspec() is not None and axis.get_label() != "<colorbar>"]
