"""``lob-sim run`` and ``lob-sim check``."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from lob_sim.analysis.summary import summarise
from lob_sim.errors import InputError
from lob_sim.log import DirectoryRecorder, NullRecorder, Run, open_run
from lob_sim.report.live import LiveView
from lob_sim.running import header_of, rehearse, run
from lob_sim.scenario import Scenario, errors_name, load_scenario
from lob_sim.simulation.runner import advance
from lob_sim.simulation.world import World
from lob_sim.units import Ns, format_time

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change the scenario, for example agents.dealer.count=4."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("run")(run_command)
    app.command("check")(check_command)


def run_command(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a packaged one.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; the scenario's own if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run, new or empty.")] = None,
    overrides: Overrides = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show books, dealers and events while it runs; needs a terminal.")
    ] = False,
) -> None:
    """Run a scenario and keep its log in a run directory."""
    loaded = load_scenario(scenario, overrides or ())
    chosen = loaded.seed if seed is None else seed
    folder = out if out is not None else default_folder(loaded.name, chosen)
    refuse_occupied(folder)
    console = Console()
    with errors_name(scenario):
        if not console.is_terminal:
            run(loaded, chosen, folder)
            typer.echo(str(folder))
            return
        result = (run_watched if watch else _run_with_bar)(loaded, chosen, folder, console)
    console.print(summary_table(result))
    console.print("log:", Text(str(folder), "bold"), soft_wrap=True)


def run_watched(scenario: Scenario, seed: int, folder: Path, console: Console) -> Run:
    """:func:`lob_sim.running.run` with the live view on a terminal; the log is the same."""
    rehearse(scenario)
    world = World(scenario, seed, NullRecorder())
    with DirectoryRecorder(folder, header_of(world)) as directory, LiveView(world, console, directory) as view:
        world.market.recorder = view.listener
        advance(world, view)
    return open_run(folder)


def _run_with_bar(scenario: Scenario, seed: int, folder: Path, console: Console) -> Run:
    started = time.perf_counter()
    with _progress(console) as progress:
        task = progress.add_task(escape(scenario.name), total=scenario.horizon, speed="")

        def show(world: World, ts_ns: Ns) -> None:
            rows = getattr(world.market.recorder, "rows", 0)
            speed = rows / max(1e-9, time.perf_counter() - started)
            progress.update(task, completed=ts_ns, speed=f"{format_time(ts_ns)}  {speed:,.0f} events/s")

        return run(scenario, seed, folder, observer=show)


def check_command(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a packaged one.")],
    overrides: Overrides = None,
) -> None:
    """Check a scenario without running it: everything in it, including every strategy and parameter."""
    loaded = load_scenario(scenario, overrides or ())
    with errors_name(scenario):
        world = rehearse(loaded)
    names = ", ".join(instrument.name for instrument in world.instruments)
    typer.echo(f"{loaded.name}: {len(world.members)} agents trade {names} for {format_time(loaded.horizon)}")


def default_folder(name: str, seed: int) -> Path:
    """``out/NAME-seedN``, or the first of ``-2``, ``-3``, ... that is not there yet."""
    return free_folder(f"{name}-seed{seed}")


def free_folder(name: str) -> Path:
    """``out/NAME``, or the first of ``-2``, ``-3``, ... that is not there yet; in the name only what any disk takes."""
    base = Path("out") / (re.sub(r"[^\w.-]+", "_", name).strip(".") or "run")
    folder, n = base, 1
    while folder.exists():
        n += 1
        folder = base.with_name(f"{base.name}-{n}")
    return folder


def refuse_occupied(folder: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        InputError: It does, or it is a file.
    """
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError("the folder is not empty: expected a new or empty one", f"--out {folder}")
    if folder.exists() and not folder.is_dir():
        raise InputError("is a file: expected a folder", f"--out {folder}")


def summary_table(result: Run) -> Table:
    """What happened, a row per instrument."""
    table = Table(title=Text(f"{result.header.scenario.get('name', 'run')}, seed {result.header.seed_entropy}"))
    table.add_column("instrument")
    rows = summarise(result)
    for column in rows.columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, row in rows.iterrows():
        table.add_row(Text(str(name)), *(f"{value:,.4g}" for value in row))
    return table


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
