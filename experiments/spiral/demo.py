"""The flagship in a minute: one seed, four cells, one page, one figure and one table."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from experiments.spiral import cells, figures
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from experiments.spiral.record import DRAWN, heading, likeness, load_record, title
from experiments.spiral.threshold import SHOWN, Spirals
from lob_sim.errors import LobSimError
from lob_sim.files import safe_name, write_file
from lob_sim.log import open_run
from lob_sim.report.compare_page import compare_page
from lob_sim.report.render import write_page
from lob_sim.report.run_page import run_page
from lob_sim.scenario import Scenario
from lob_sim.sweep import Processes
from lob_sim.sweep.progress import Meter, format_eta
from lob_sim.sweep.runner import iter_runs, plan_runs
from lob_sim.sweep.task import PlannedRun, Value

MEASURED: Mapping[str, tuple[str, float, str]] = {
    "contagion_pct": ("worst Treasury price below value (%)", 1.0, ".2f"),
    "spread_pct": ("quoted spread, both books (%)", 1.0, ".3f"),
    "quote_absence": ("dealers not quoting (% of time)", 100.0, ".0f"),
    "retreats": ("times a dealer left for fear", 1.0, ".0f"),
    "forced_lots": ("forced sales (lots)", 1.0, ".0f"),
    "forced_sellers": ("forced to sell (dealers and funds)", 1.0, ".0f"),
    "failures": ("failures", 1.0, ".0f"),
    "recovery_s": ("time to recovery (min)", 1 / 60, ".1f"),
}
"""Metric → what it is, its factor and its format."""
PAGE = "report.html"
_WIDTH = 120
_COLUMNS = (NEITHER, INFORMATION_ALONE, CONSTRAINTS_ALONE, BOTH)


def demo(out: Path, workers: int = 0) -> None:
    """Run one seed in the four cells and leave their pages in a folder: ``report.html`` compares them.

    The seed is the median of the recorded ones with everything on, by its worst Treasury price. Beside the page are
    ``spiral.png``, ``table.txt``, ``result.json`` and the four logs.

    Args:
        out: The folder; what an earlier demo left in it is replaced.
        workers: Processes; 0 is one per core.

    Raises:
        LobSimError: A run failed.
    """
    record = load_record()
    found = record.own
    console = Console(stderr=True, width=None if sys.stderr.isatty() else _WIDTH)
    logs = out / "runs"
    for cell in _COLUMNS:
        shutil.rmtree(logs / _folder(cell), ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    scenario = cells.flagship()
    console.print(f"{scenario.description}\n{heading(found)}. The same crisis four times.")
    measured = _run(cells.factorial(scenario), found.median_seed(), workers, logs, console)
    if not record.is_of_this_program:
        console.print("(docs/spirals.json is of an earlier program: shares and median may be others by now)")
    console.print("drawing ...")
    kept = {cell: logs / _folder(cell) for cell in _COLUMNS}
    with Processes(workers or None) as executor:
        pages = [executor.submit(_write_page, cell, folder) for cell, folder in kept.items()]
        figures.crises(out / "spiral.png", {title(found, cell): open_run(kept[cell]) for cell in DRAWN}, heading(found))
        for finished in pages:
            finished.result()
    table = _table(measured, found)
    text = StringIO()
    Console(file=text, width=_WIDTH).print(table)
    write_file(out / "table.txt", text.getvalue().encode())
    told = {"seed": found.median_seed(), "cells": measured, "of all seeds": {c: likeness(found, c) for c in _COLUMNS}}
    write_file(out / "result.json", msgspec.json.format(msgspec.json.encode(told)))
    # A table in a pipe is not cut to the width of a terminal that is not there.
    Console(width=None if sys.stdout.isatty() else _WIDTH).print(table)
    links = {SHOWN[cell]: f"runs/{_folder(cell)}/{PAGE}" for cell in _COLUMNS}
    runs = {SHOWN[cell]: open_run(folder) for cell, folder in kept.items()}
    page = write_page(compare_page(runs, links, "The same crisis, four times", _compared(found)), out / PAGE)
    console.print(f"{out}/spiral.png shows three of the four; the four logs are in {logs}")
    print(f"The four side by side, and a page of each: {page}")


def _compared(found: Spirals) -> str:
    return (
        "Every random number is the same. What differs is whether dealers fear informed flow (learn from it, leave the "
        "lit book, mark prudently) and whether limits on leverage, value at risk and funding bind. "
        f"{heading(found)}; of all, " + ", ".join(f"{SHOWN[c]}: {likeness(found, c)}" for c in _COLUMNS) + "."
    )


def _write_page(cell: str, folder: Path) -> None:
    write_page(run_page(open_run(folder), SHOWN[cell]), folder / PAGE)


def _folder(cell: str) -> str:
    return safe_name(cell)


def _run(
    scenarios: Mapping[str, Scenario], seed: int, workers: int, logs: Path, console: Console
) -> dict[str, dict[str, float]]:
    points: list[dict[str, Value]] = [{"cell": name} for name in scenarios]
    runs = [_kept(run, logs) for run in plan_runs(points, [seed])]
    meter, measured = Meter(len(runs)), {}
    with Processes(workers or None) as executor:
        for batch in iter_runs(cells.cell_task(scenarios), runs, executor):
            for record in batch:
                if not record.ok:
                    raise LobSimError(f"a run failed: {record.error}\n{record.trace}")
                measured[str(points[record.point]["cell"])] = dict(record.metrics)
            if batch:
                state = meter.add(len(batch), 0)
                console.print(f"  {state.done} of {state.total} runs, {format_eta(state.eta_s)} to go")
    return {name: measured[name] for name in scenarios}


def _kept(run: PlannedRun, logs: Path) -> PlannedRun:
    spec = msgspec.structs.replace(run.spec, out=str(logs / _folder(str(run.spec.overrides["cell"]))))
    return msgspec.structs.replace(run, spec=spec)


def _table(measured: Mapping[str, Mapping[str, float]], found: Spirals) -> Table:
    table = Table(
        title=heading(found),
        title_justify="left",
        caption="fear: dealers learn from flow, leave the lit book, mark prudently; limits: leverage, value at risk\n"
        f"and funding limits bind; a spiral: a Treasury price more than {found.bound_pct:.2f}% below value",
        caption_justify="left",
    )
    for column in ("after the shock", *(SHOWN[cell] for cell in _COLUMNS)):
        table.add_column(column, justify="left" if column == "after the shock" else "right")
    for metric, (text, factor, form) in MEASURED.items():
        table.add_row(text, *(format(factor * measured[cell][metric], form) for cell in _COLUMNS))
    table.add_row("of all recorded seeds", *(likeness(found, cell) for cell in _COLUMNS), style="bold")
    return table
