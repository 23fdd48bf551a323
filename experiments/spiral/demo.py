"""The flagship in a minute: four cells, a few seeds, one page, one figure and one table."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import msgspec
import pandas as pd
from rich.console import Console
from rich.table import Table

from experiments.spiral import cells, figures
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from experiments.spiral.factorial import interaction
from lob_sim.errors import LobSimError
from lob_sim.files import safe_name, write_file
from lob_sim.log import open_run
from lob_sim.report.compare_page import compare_page
from lob_sim.report.render import write_page
from lob_sim.report.run_page import run_page
from lob_sim.scenario import Scenario
from lob_sim.sweep import Processes, bootstrap
from lob_sim.sweep.progress import Meter, format_eta
from lob_sim.sweep.results import to_frame
from lob_sim.sweep.runner import iter_runs, plan_runs
from lob_sim.sweep.task import PlannedRun, Value

SHOWN: Mapping[str, tuple[str, float, str]] = {
    "overshoot_pct": ("worst price below value (%)", 1.0, ".2f"),
    "spread_pct": ("quoted spread (%)", 1.0, ".3f"),
    "quote_absence": ("dealers not quoting (% of time)", 100.0, ".0f"),
    "mark_dispersion_pct": ("disagreement of marks (%)", 1.0, ".3f"),
    "forced_lots": ("forced sales (lots)", 1.0, ".0f"),
    "forced_sellers": ("dealers forced to sell", 1.0, ".1f"),
    "failures": ("dealers that failed", 1.0, ".1f"),
    "recovery_s": ("time to recovery (min)", 1 / 60, ".1f"),
}
"""Metric → what it is, its factor and its format."""
_FIGURED = {NEITHER: "nothing constrains, nobody fears", BOTH: "balance-sheet limits and fear of informed flow"}
_COMPARED = (
    "Every random number is the same. What differs is whether dealers fear informed flow (learn from it, leave the lit "
    "book, mark prudently) and whether limits on leverage, value at risk and funding bind. Seed 1."
)
PAGE = "report.html"
_WIDTH = 120
_COLUMNS = (NEITHER, INFORMATION_ALONE, CONSTRAINTS_ALONE, BOTH)


def demo(out: Path, seeds: int = 4, workers: int = 0) -> None:
    """Run the four cells and leave their pages in a folder: ``report.html`` compares them and leads to those of each.

    Beside it are ``spiral.png``, ``table.txt``, ``result.json`` and the four logs of seed 1.

    Args:
        out: The folder; what an earlier demo left in it is replaced.
        seeds: Number of seeds of each cell.
        workers: Processes; 0 is one per core.

    Raises:
        LobSimError: A run failed.
    """
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)
    logs = out / "runs"
    for cell in _COLUMNS:
        shutil.rmtree(logs / _folder(cell), ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    scenario = cells.flagship()
    console.print(f"{scenario.description}\nThe same crisis four times with {seeds} seeds: {', '.join(_COLUMNS)}.")
    by_cell = _run(cells.factorial(scenario), seeds, workers, logs, console)
    console.print("drawing ...")
    kept = {cell: logs / _folder(cell) for cell in _COLUMNS}
    with Processes(workers or None) as executor:
        pages = [executor.submit(_write_page, cell, folder) for cell, folder in kept.items()]
        drawn = {_FIGURED[cell]: open_run(kept[cell]) for cell in _FIGURED}
        figures.side_by_side(out / "spiral.png", drawn)
        for finished in pages:
            finished.result()
    table = _table(by_cell, seeds)
    text = StringIO()
    Console(file=text, width=_WIDTH).print(table)
    write_file(out / "table.txt", text.getvalue().encode())
    means = {cell: {m: bootstrap(frame[m]) for m in SHOWN} for cell, frame in by_cell.items()}
    write_file(out / "result.json", msgspec.json.format(msgspec.json.encode({"seeds": seeds, "cells": means})))
    # A table in a pipe is not cut to the width of a terminal that is not there.
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)
    links = {cell: f"runs/{_folder(cell)}/{PAGE}" for cell in _COLUMNS}
    runs = {cell: open_run(folder) for cell, folder in kept.items()}
    page = write_page(compare_page(runs, links, "The same crisis, four times", _COMPARED), out / PAGE)
    console.print(f"{out}/spiral.png shows the first and the last column, seed 1; the four logs are in {logs}")
    print(f"The four side by side, and a page of each: {page}")


def _write_page(cell: str, folder: Path) -> None:
    write_page(run_page(open_run(folder), cell), folder / PAGE)


def _folder(cell: str) -> str:
    return safe_name(cell)


def _run(
    scenarios: Mapping[str, Scenario], seeds: int, workers: int, logs: Path, console: Console
) -> dict[str, pd.DataFrame]:
    points: list[dict[str, Value]] = [{"cell": name} for name in scenarios]
    runs = [_kept(run, logs) for run in plan_runs(points, range(1, seeds + 1))]
    meter, records = Meter(len(runs)), []
    with Processes(workers or None) as executor:
        for batch in iter_runs(cells.cell_task(scenarios), runs, executor):
            records += batch
            for failed in (record for record in batch if not record.ok):
                raise LobSimError(f"a run failed: {failed.error}\n{failed.trace}")
            if batch:
                state = meter.add(len(batch), 0)
                console.print(f"  {state.done} of {state.total} runs, {format_eta(state.eta_s)} to go")
    frame = to_frame(records, points)
    return {name: frame[frame["cell"] == name].set_index("seed") for name in scenarios}


def _kept(run: PlannedRun, logs: Path) -> PlannedRun:
    """The run, with its log kept if it is one that is shown."""
    cell = str(run.spec.overrides["cell"])
    if run.spec.seed != 1:
        return run
    spec = msgspec.structs.replace(run.spec, out=str(logs / _folder(cell)))
    return msgspec.structs.replace(run, spec=spec)


def _table(by_cell: Mapping[str, pd.DataFrame], seeds: int) -> Table:
    table = Table(
        title=f"What amplifies the shock? Means over {seeds} seeds; the interaction with its 95 % interval.",
        title_justify="left",
        caption="information: dealers learn from flow, leave the lit book, mark prudently; constraints: leverage, VaR\n"
        "and funding limits bind; interaction: what both together do beyond the sum of what each does alone",
        caption_justify="left",
    )
    for column in ("after the shock", *_COLUMNS, "interaction"):
        table.add_column(column, justify="left" if column == "after the shock" else "right")
    for metric, (text, factor, form) in SHOWN.items():
        means = [format(factor * float(by_cell[cell][metric].mean()), form) for cell in _COLUMNS]
        table.add_row(text, *means, _interaction(by_cell, metric, factor, form))
    return table


def _interaction(by_cell: Mapping[str, pd.DataFrame], metric: str, factor: float, form: str) -> str:
    found = bootstrap(factor * interaction(by_cell, metric))
    low, high = format(found.low, form), format(found.high, form)
    return f"{found.value:+{form}} \\[{low}, {high}]"
