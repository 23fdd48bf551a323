"""``lob-sim replay``, ``rerun``, ``diff`` and ``export``: what can be done with a run directory."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lob_sim.calendar import parse_time_ns
from lob_sim.cli.running import Overlays, Overrides, default_folder, refuse_occupied
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError
from lob_sim.feeds.export import FORMATS, export_run
from lob_sim.files import own_folder
from lob_sim.interactive.branching import injected_agents
from lob_sim.interactive.simulation import Simulation
from lob_sim.log import Run, RunHeader, open_run
from lob_sim.log.diff import diff as compare
from lob_sim.log.manifest import COMPLETE, read_manifest
from lob_sim.log.venues import venues_of
from lob_sim.replay import verify
from lob_sim.replay.backtest import HISTORIC
from lob_sim.replay.describe import describe_book, describe_diff, describe_verification
from lob_sim.running import run
from lob_sim.scenario import changed_scenario, scenario_to_dict
from lob_sim.units import format_time

RunPath = Annotated[Path, typer.Argument(help="A run directory.")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("replay")(replay_command)
    app.command("rerun")(rerun_command)
    app.command("diff")(diff_command)
    app.command("export")(export_command)


def replay_command(
    path: RunPath,
    check: Annotated[
        bool, typer.Option("--verify", help="Drive fresh venues with the logged commands and compare every event.")
    ] = False,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Print the books at this time: 12min, 90.5s, or 9:30:10."),
    ] = None,
    levels: Annotated[int, typer.Option(min=1, help="Levels of the books to print.")] = 10,
    instrument: Annotated[str | None, typer.Option(help="Only this instrument's book.")] = None,
    plugins: Annotated[
        bool, typer.Option("--plugins", help="Import venues that the run names and that are not of this package.")
    ] = False,
) -> None:
    """Verify a log by replaying it (exit code 1 at the first difference), or print the books at a time.

    Without either, and for every run that is not complete, say what there is and what is missing. No code that the run
    names is imported, unless --plugins is given.
    """
    if plugins:
        # Their messages must be known before the log can be read.
        venues_of(read_manifest(path).header, plugins=True)
    logged = open_run(path)
    if at is not None:
        _require_within(logged, at)
        names = [instrument] if instrument is not None else [i.name for i in logged.header.instruments]
        for name in names:
            echo_lines(describe_book(logged.book(name, at=at), levels, logged.clock))
    ok = True
    if check:
        found = verify(logged, partial(venues_of, plugins=plugins))
        ok = found.ok
        echo_lines(describe_verification(found))
    if logged.status != COMPLETE or (at is None and not check):
        echo_lines(logged.condition())
    if not ok:
        raise typer.Exit(1)


def _require_within(logged: Run, at: str) -> None:
    """See that a time is not beyond the horizon, of a run that comes from a scenario and so has one."""
    horizon = logged.header.scenario.get("horizon")
    if horizon is not None:
        horizon_ns = parse_time_ns(str(horizon), logged.calendar)
        if logged.time_ns(at) > horizon_ns:
            raise InputError(f"is beyond the horizon, {format_time(horizon_ns)}", f"--at {at}")


def repeatable(path: Path) -> RunHeader:
    """What is known of a run that its scenario and seed make again.

    Raises:
        InputError: They do not: it comes from no scenario, or somebody outside the simulation has acted in it.
    """
    logged = open_run(path)
    header = logged.header
    if not header.scenario:
        raise InputError("this log comes from no scenario: it cannot be run again", str(path))
    if any(entry.kind == HISTORIC for entry in header.agents):
        raise InputError("somebody traded against a log here: use lob-sim against with that log again", str(path))
    outside = injected_agents(logged)
    if outside:
        names = ", ".join(outside)
        raise InputError(f"commands came from outside the simulation, by {names}: nothing would repeat them", str(path))
    return header


def rerun_command(
    path: RunPath,
    out: Annotated[Path | None, typer.Option(help="Folder for the new run, new or empty.")] = None,
    overlays: Overlays = None,
    overrides: Overrides = None,
) -> None:
    """Run the same scenario with the same seed again, with changes if any are given.

    Without changes the log is the same again; if it is not, that is said, with what is known to be another than then,
    and the exit code is 1.
    """
    header = repeatable(path)
    scenario = changed_scenario(header.scenario, overlays or (), overrides or (), f"{path}: scenario")
    folder = out if out is not None else default_folder(f"{scenario.name}-rerun", header.seed_entropy)
    refuse_occupied(folder)
    if not header.branches:
        run(scenario, header.seed_entropy, folder)
    else:
        header = msgspec.structs.replace(header, scenario=scenario_to_dict(scenario))
        with Simulation.again(header, folder) as simulation:
            simulation.finish()
    echo_lines([str(folder)])
    first, again = open_run(path), open_run(folder)
    others = other_program(first, again)
    if overlays or overrides:
        echo_lines(others, err=True)
    elif first.status == COMPLETE and first.digest != again.digest:
        told = f"the log is not that of {path} again: see lob-sim diff {path} {folder}"
        echo_lines([told, *(others or ["the program itself may be another"])], err=True)
        raise typer.Exit(1)


def other_program(first: Run, again: Run) -> list[str]:
    """Which packages and plug-ins that two runs have in common are not the same in both, in words."""
    there, here = first.manifest.packages, again.manifest.packages
    return [
        f"warning: {name} was {there[name]} then and is {here[name]} now"
        for name in sorted(there.keys() & here.keys())
        if there[name] != here[name]
    ]


def diff_command(first: RunPath, second: Annotated[Path, typer.Argument(help="Another run directory.")]) -> None:
    """Say where two runs first part, and how inputs and outcomes differ (exit code 1 if the logs do)."""
    found = compare(open_run(first), open_run(second))
    echo_lines(describe_diff(found))
    if not found.same:
        raise typer.Exit(1)


def export_command(
    path: RunPath,
    to: Annotated[str, typer.Option("--format", help=f"One of: {', '.join(FORMATS)}.")] = "parquet",
    out: Annotated[Path | None, typer.Option(help="Folder for the files; RUN/export-FORMAT if not given.")] = None,
) -> None:
    """Write a run for other tools."""
    folder = out if out is not None else own_folder(path, f"export-{to}")
    echo_lines(map(str, export_run(open_run(path), folder, to)))
