"""``lob-sim run`` and ``lob-sim check``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from lob_sim.calendar import time_text
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError, printable
from lob_sim.files import safe_name
from lob_sim.log import DirectoryRecorder, NullRecorder, Run, open_run
from lob_sim.report.live import Listener, LiveView
from lob_sim.running import dry_run, header_of, run
from lob_sim.scenario import Scenario, calendar_of, errors_name, load_scenario, without_foreign
from lob_sim.simulation.opening import OpeningSheet, opening_sheets
from lob_sim.simulation.plan import MarketPlan
from lob_sim.simulation.runner import advance
from lob_sim.simulation.world import World
from lob_sim.units import Ns, format_time

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change the scenario, for example agents.dealer.count=4."),
]

Overlays = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="OVERLAY", help="Put an overlay over it: a name or a file; may be given again."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("run")(run_command)
    app.command("check")(check_command)


def run_command(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a packaged one.")],
    seed: Annotated[int | None, typer.Option(min=0, help="Seed; the scenario's own if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run, new or empty.")] = None,
    overlays: Overlays = None,
    overrides: Overrides = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show books, dealers and events while it runs; needs a terminal.")
    ] = False,
) -> None:
    """Run a scenario and keep its log in a run directory."""
    loaded = load_scenario(scenario, overrides or (), overlays=overlays or ())
    chosen = loaded.seed if seed is None else seed
    folder = out if out is not None else default_folder(loaded.name, chosen)
    refuse_occupied(folder)
    console = Console()
    with errors_name(scenario):
        echo_lines(breach_warnings(scenario, loaded), err=True)
        if not console.is_terminal:
            run(loaded, chosen, folder)
            echo_lines([str(folder)])
            return
        result = (run_watched if watch else _run_with_bar)(loaded, chosen, folder, console)
    console.print(summary_table(result))
    console.print("log:", Text(printable(str(folder)), "bold"), soft_wrap=True)


def run_watched(scenario: Scenario, seed: int, folder: Path, console: Console) -> Run:
    """:func:`lob_sim.running.run` with the live view on a terminal; the log is the same."""
    dry_run(scenario)
    plan = MarketPlan(scenario)
    with DirectoryRecorder(folder, header_of(plan, seed)) as directory:
        listener = Listener(directory)
        world = World(plan, seed, listener)
        with LiveView(world, console, listener) as view:
            advance(world, view)
    return open_run(folder)


def _run_with_bar(scenario: Scenario, seed: int, folder: Path, console: Console) -> Run:
    started = time.perf_counter()
    with _progress(console) as progress:
        task = progress.add_task(escape(printable(scenario.name)), total=scenario.horizon, speed="")
        days = calendar_of(scenario)

        def show(world: World, ts_ns: Ns) -> None:
            rows = getattr(world.recorder, "rows", 0)
            speed = rows / max(1e-9, time.perf_counter() - started)
            progress.update(task, completed=ts_ns, speed=f"{time_text(ts_ns, days)}  {speed:,.0f} events/s")

        return run(scenario, seed, folder, observer=show)


def check_command(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a packaged one.")],
    overlays: Overlays = None,
    overrides: Overrides = None,
    plugins: Annotated[
        bool,
        typer.Option(
            "--plugins/--no-plugins",
            help="Whether to import the code that the scenario names outside lob_sim and its strategies.",
        ),
    ] = True,
) -> None:
    """Check a scenario without running it: everything in it, including every strategy and parameter.

    Prints the balance sheets at the opening, and how far they are from each of their limits.
    """
    loaded = load_scenario(scenario, overrides or (), overlays=overlays or ())
    left: tuple[str, ...] = ()
    if not plugins:
        loaded, left = without_foreign(loaded)
    with errors_name(scenario):
        world = dry_run(loaded)
    names = ", ".join(instrument.name for instrument in world.instruments)
    length = format_time(loaded.horizon)
    if (days := world.plan.calendar) is not None:
        night = format_time(days.night_ns)
        length = f"{loaded.horizon / days.day_ns:g} days of {format_time(days.day_ns)}, night of {night} included"
    lines = [f"{loaded.name}: {len(world.members)} agents trade {names} for {length}"]
    lines += sheet_lines(opening_sheets(world))
    echo_lines([*lines, *(f"not checked, because its code was not imported: {place}" for place in left)])


def sheet_lines(sheets: Sequence[OpeningSheet]) -> list[str]:
    """Opening balance sheets as a table in currency units, a row for each limit; none without sheets."""
    if not sheets:
        return []
    rows = [["group", "assets", "Tier 1", "limit", "headroom", ""]]
    for sheet in sheets:
        own = [sheet.group, f"{sheet.assets:,.0f}", f"{sheet.tier1:,.0f}"]
        for limit in sheet.limits or (None,):
            said = ["none", ""] if limit is None else [limit.name, f"{limit.headroom:,.0f}"]
            rows.append([*own, *said, "BREACHED" if limit in sheet.breached else ""])
            own = [""] * len(own)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    left = (0, 3, 5)
    return [
        "  ".join(f"{cell:{'<' if i in left else '>'}{widths[i]}}" for i, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def breach_warnings(source: str, scenario: Scenario) -> list[str]:
    """A line for every limit that is breached before anybody trades: that is allowed, and seldom meant."""
    if all(group.balance_sheet is None for group in scenario.agents):
        return []
    return [
        f"warning: {source}: agents.{sheet.group}.balance_sheet: {limit.name} is breached at the opening, "
        f"headroom {limit.headroom:,.0f}"
        for sheet in opening_sheets(World(scenario, scenario.seed, NullRecorder()))
        for limit in sheet.breached
    ]


def default_folder(name: str, seed: int) -> Path:
    """``out/NAME-seedN``, or the first of ``-2``, ``-3``, ... that is not there yet."""
    return free_folder(f"{name}-seed{seed}")


def free_folder(name: str) -> Path:
    """``out/NAME``, or the first of ``-2``, ``-3``, ... that is not there yet; in the name only what any disk takes."""
    base = Path("out") / safe_name(name.strip(".") or "run")
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
    """What happened, a row per instrument; a dash for what is not known."""
    from lob_sim.analysis.summary import summarise  # Needs pandas, which a check and a refused run do not.

    title = f"{result.header.scenario.get('name', 'run')}, seed {result.header.seed_entropy}"
    table = Table(title=Text(printable(title)))
    table.add_column("instrument")
    rows = summarise(result)
    for column in rows.columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, row in rows.iterrows():
        table.add_row(Text(printable(str(name))), *("–" if isnan(value) else f"{value:,.4g}" for value in row))
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
