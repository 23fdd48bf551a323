"""``lob-sim branch``: a run as it was up to an instant, and otherwise from there on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lob_sim.calendar import parse_time_ns
from lob_sim.cli.logs import other_program, repeatable
from lob_sim.cli.running import Overlays, Overrides, default_folder, refuse_occupied
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError
from lob_sim.interactive.branching import MAY_CHANGE
from lob_sim.interactive.simulation import Simulation, State
from lob_sim.log import BranchEntry, open_run
from lob_sim.scenario import calendar_in, calendar_of, load_overlay, overlay_changes, parse_scenario
from lob_sim.units import format_time


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("branch", epilog=f"May change: {'; '.join(MAY_CHANGE)}.")(branch_command)


def branch_command(
    path: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="A run directory, whose past is run again.")
    ] = None,
    at: Annotated[str, typer.Option(help="The instant, for example 10min; of a state, its own if not given.")] = "",
    overlays: Overlays = None,
    overrides: Overrides = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all streams of random numbers from there on.")] = None,
    state: Annotated[
        Path | None, typer.Option(help="A state that was kept, instead of RUN. Loading it runs what is in it.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run, new or empty.")] = None,
) -> None:
    """Run on from an instant of a run with changes from there on; the log has the past in it."""
    if (path is None) == (state is None):
        raise InputError("expected a run directory or --state FILE, and not both", "branch")
    if state is not None:
        kept = State.read(state)
        header = kept.header.run
        if at and parse_time_ns(at, calendar_in(header.scenario)) != kept.header.now_ns:
            raise InputError(f"this state is of another instant, {kept.header.now_ns} ns", f"--at {at}")
    else:
        assert path is not None
        if not at:
            raise InputError("expected the instant, for example --at 10min", "branch")
        header = repeatable(path)
    folder = out if out is not None else default_folder(f"{header.scenario['name']}-branch", header.seed_entropy)
    refuse_occupied(folder)
    found = [load_overlay(overlay) for overlay in overlays or ()]
    changes = (*overlay_changes(header.scenario, found), *(overrides or ()))
    if state is not None:
        simulation = Simulation.of(kept, folder, changes=changes, seed=seed)
    else:
        scenario = parse_scenario(header.scenario, f"{path}: scenario.")
        at_ns, horizon_ns = parse_time_ns(at, calendar_of(scenario)), scenario.horizon
        if at_ns > horizon_ns:
            raise InputError(f"is beyond the horizon, {format_time(horizon_ns)}", f"--at {at}")
        entry = BranchEntry(at_ns, False, changes, seed)
        branches = (*header.branches, entry) if entry.changes or seed is not None else header.branches
        parent = path if branches != header.branches else None
        simulation = Simulation.again(msgspec.structs.replace(header, branches=branches), folder, parent)
    with simulation:
        child = simulation.finish()
    echo_lines([str(folder)])
    if path is not None:
        echo_lines(other_program(open_run(path), child), err=True)
