"""How large must a shock be for a spiral to start, and do limits and fear of informed flow lower that together?

The whole system in one market (``whole_system.toml``): dealers of four strengths, leveraged funds, asset managers with
redemptions, repo lenders and slow capital deal in Treasuries and corporate bonds, on a lit book and by request for
quote. Corporates lose part of their value, and everybody hears of it at once. Two kinds of mechanism can be switched
without touching a random stream: the information feedback (dealers learn from flow how much of it is informed, leave
the lit book, and mark prudently what has no lit price), which is fear, and the balance-sheet constraints (leverage,
value at risk, funding), which are limits. What is switched off leaves a market in equilibrium: a dealer that does not
learn goes by the α of calm.

A *spiral* is a price of the instrument that no shock hits a hundred times the calm root mean square of mid less value
below value. That is fixed beforehand, in units of calm: about 1 %. Slow capital bids from 40 calm errors down, so that
a price there says no more than that dealers were away for a moment; for a hundred, what was sold into its bids must
have cost it the patience of some thirty lots each. The number was not chosen blindly: first looks with a slightly
different program had used 2 % and 0.9 %, and had shown two modes, below 1 % and above 3 %. Those looks were at seeds 1
to 12, which calibration had used too; the seeds here begin at 101, which nobody had looked at.

Expected, from these first looks (6 to 12 seeds a size): with limits alone the midpoint is at a shock of 5.4 %
[5.1, 5.7], and fear moves it by 0.30 points [0.17, 0.43], or 0.33 [0.18, 0.50] by the other definition. With fear
alone, or with neither, prices of Treasuries stay within 0.04 % of value at the sizes looked at: fear by itself starts
nothing, and where there are limits it lowers what they withstand, which is an interaction. What is *not* expected is a
size of shock at which at least 80 % of seeds spiral with everything on and at most 10 % with either kind alone: a shift
of 0.3 is smaller than the width of the curves. A table looks for one, and nothing is claimed of it.

Learnt (24 seeds, ``docs/spirals.json``), after slow capital had been given the size of the market and dealers show less
as they know less: midpoints are 5.8 [5.5, 6.2] with limits alone and 5.3 [4.9, 5.8] with fear too. Fear lowers the
threshold by 0.49 points [0.18, 0.79], more than was expected, and their interaction, as an area, is 0.38 [0.12, 0.63].
Without limits nothing spirals up to 8.5 %. By a narrower word for a spiral (0.7 %) the shift is 0.33 [-0.01, 0.68], by
wider ones 0.62, 0.38 and 0.36 [-0.20, 0.91]: its sign does not hang on the word, whether 24 seeds tell it does. No size
has 80 % with both and 10 % with limits alone. At the scenario's own shock 200 other seeds make fear add 7 % of the
seeds [0, 13], where these 24 have 17 %: the shift is likelier to be at the low end of its interval.

Parts, each with what is expected of it in its module under ``experiments/spiral``:

- ``threshold``: share of spirals against size as a logistic curve in each cell of {fear} × {limits}, the shifts of its
  midpoint by either, and their interaction (24 seeds);
- ``own``: the scenario's own shock in many seeds: spirals in each cell and in calm (200 seeds);
- ``table``: a functioning market against a stressed one, every cell of the essay's table measured (24 seeds);
- ``shapley``: what leverage limit, VaR, funding and information each have of the threshold (16 seeds);
- ``controls``: nobody informed, infinite depth, nothing held in common, α fixed, order permuted (12 seeds);
- ``map``: where the interaction is positive, over every calibration that ``experiments.history_matching`` has kept, by
  informed share, dealers' headroom and arbitrage capital (6 seeds).

``--out FOLDER`` keeps results of runs as they come, so that the same command goes on where it was stopped.
``python -m experiments.information_spiral publish`` runs the threshold and the own shock, and writes
``docs/spirals.json``, its two figures and README's table; ``... publish-shapley`` runs the coalitions that these have
not, and writes ``docs/shapley.json``, its figure and the table in ``docs/model.md``; ``... demo --out out/demo`` runs
the seed that is drawn in all four cells, and leaves a figure, a table, pages and logs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from experiments.history_matching import KEPT
from experiments.spiral import attribution, cells, complements, controls, figures, one_shock, thesis, threshold
from experiments.spiral.cells import Runs
from experiments.spiral.demo import demo
from experiments.spiral.record import (
    HISTORY,
    ROOT,
    Record,
    confirmed,
    load_map,
    load_record,
    load_shapley,
    median_runs,
    publish,
    publish_map,
    publish_shapley,
)
from experiments.spiral.threshold import FIRST_SEED, parse_sizes
from lob_sim.errors import InputError, LobSimError, printable
from lob_sim.experiment import Experiment, Outcome, in_processes, show
from lob_sim.interrupts import end_by_sigterm_as_by_ctrl_c
from lob_sim.scenario import Scenario
from lob_sim.sweep.executors import available_cores
from lob_sim.units import parse_duration_ns

SIZES = "4.5,5.5,6.5,7.5,8.5"
_AROUND = "4.5,5.5,6.5"
_COARSE = "3.5,4.5,5.5,7"


class Part(StrEnum):
    """Parts of the experiment."""

    threshold = "threshold"
    own = "own"
    table = "table"
    shapley = "shapley"
    controls = "controls"
    map = "map"


_SEEDS = {
    Part.threshold: 24,
    Part.own: one_shock.SEEDS,
    Part.table: 24,
    Part.shapley: 16,
    Part.controls: 12,
    Part.map: 2,
}
_PART_SIZES = {Part.threshold: SIZES, Part.shapley: _AROUND, Part.map: _COARSE}


def run(
    part: Annotated[Part, typer.Option(help="What to run.")] = Part.threshold,
    seeds: Annotated[int, typer.Option(min=0, help="Seeds of each cell (at each size); 0: the part's own.")] = 0,
    sizes: Annotated[str, typer.Option(help="Falls of value in per cent, with commas; empty: the part's own.")] = "",
    at: Annotated[str, typer.Option(help="When the shock comes.")] = "10min",
    horizon: Annotated[str, typer.Option(help="Simulated time.")] = "40min",
    out: Annotated[str, typer.Option(help="Folder for results as they come; given again, the part goes on.")] = "",
    history: Annotated[str, typer.Option(help="For the map: folder of experiments.history_matching.")] = "out/history",
    calibrations: Annotated[int, typer.Option(min=1, help="For the map: at most so many of those kept.")] = 1000,
    calibration: Annotated[
        int, typer.Option(help="For the map: this one of those kept alone, in seeds that have not chosen it; -1: all.")
    ] = -1,
) -> Outcome:
    """Run a part of the experiment."""
    number = seeds or _SEEDS[part]
    if number < 2:
        raise InputError(f"{number} seeds: expected at least 2", "--seeds")
    asked = parse_sizes(sizes or _PART_SIZES.get(part, SIZES))
    scenario = _flagship(at, horizon)
    runs = Runs(number, FIRST_SEED, Path(out) if out else None)
    if part is Part.table:
        by_cell = cells.run_scenarios(thesis.cells_of(scenario), runs, "table")
        table, rows = thesis.thesis_table(by_cell)
        rows += thesis.absorbed_rows(by_cell, -scenario.shocks[0].size)
        return Outcome(rows, tables=[table])
    if part is Part.shapley:
        shares, tables, rows = attribution.attribute(attribution.run_coalitions(scenario, asked, runs))
        return Outcome(rows, lambda path: figures.bars(path, shares, "Shapley value (% of value)"), tables)
    if part is Part.controls:
        return Outcome(controls.control_rows(scenario, runs))
    if part is Part.own:
        there = one_shock.run_own(scenario, msgspec.structs.replace(runs, first=one_shock.FIRST_SEED))
        return Outcome(one_shock.shock_rows(there), tables=one_shock.shock_tables(there))
    if part is Part.map:
        kept = complements.kept_calibrations(Path(history), scenario, calibrations)
        if calibration >= 0:
            kept = [one for one in kept if one.number == calibration]
            runs = msgspec.structs.replace(runs, first=complements.FRESH_SEED)
            if not kept:
                raise InputError(f"{calibration} is not among those kept", "--calibration")
        mapped = complements.run_map(scenario, kept, asked, runs)
        rows, tables = complements.map_rows(mapped), complements.map_tables(mapped)
        return Outcome(rows, lambda path: complements.draw_map(path, mapped), tables)
    found = threshold.run_sizes(scenario, asked, runs)
    rows, tables = threshold.threshold_rows(found), threshold.threshold_tables(found)
    return Outcome(rows, lambda path: threshold.draw_curves(path, found), tables)


def _flagship(at: str, horizon: str) -> Scenario:
    parse_duration_ns(at)
    parse_duration_ns(horizon)
    return cells.flagship([f"shocks.0.at={at!r}", f"horizon={horizon!r}"])


EXPERIMENT = Experiment(
    "information_spiral",
    run,
    quick={"seeds": 2, "sizes": "5,8", "at": "30s", "horizon": "80s"},
    # Fewer seeds and sizes than each part has by itself, which together take two hours of one core.
    cases=[
        {"part": Part.threshold, "seeds": 16, "sizes": "4.5,5.5,6.5"},
        {"part": Part.table, "seeds": 12},
        {"part": Part.controls, "seeds": 8},
    ],
)


# --- what is shown -------------------------------------------------------------------------------------------------


def _demo(
    out: Annotated[Path, typer.Option(help="Folder for the figure, the table and the logs.")] = Path("out/demo"),
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
) -> None:
    """The seed that is drawn in the four cells, a figure, a table and pages."""
    demo(out, workers)


def _publish(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each cell at each size.")] = 24,
    own_seeds: Annotated[int, typer.Option(min=2, help="Seeds of each cell at its own shock.")] = one_shock.SEEDS,
    sizes: Annotated[str, typer.Option(help="Falls of value in per cent, with commas.")] = SIZES,
    out: Annotated[Path, typer.Option(help="Folder for results as they come.")] = Path("out/spirals"),
    redraw: Annotated[
        bool, typer.Option(help="Run one seed of each alone: write all else by what is recorded.")
    ] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
) -> None:
    """Run the threshold and the own shock in full; write docs/spirals.json, its figures and README's table."""
    asked = parse_sizes(sizes)
    with in_processes(workers or available_cores()):
        scenario, runs = cells.flagship(), None
        if redraw:
            kept = load_record()
            runs = median_runs(kept.own)
            kept = Record(confirmed(kept.sizes, median_runs(kept.sizes)), confirmed(kept.own, runs))
        else:
            kept = Record(
                threshold.run_sizes(scenario, asked, Runs(seeds, FIRST_SEED, out / "sizes")),
                one_shock.run_own(scenario, Runs(own_seeds, one_shock.FIRST_SEED, out / "own")),
            )
    for path in publish(kept, runs=runs):
        typer.echo(path)


def _publish_shapley(
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each coalition at each size.")] = _SEEDS[Part.shapley],
    sizes: Annotated[
        str, typer.Option(help="Falls of value in per cent, with commas; of docs/spirals.json.")
    ] = _AROUND,
    out: Annotated[Path, typer.Option(help="Folder for results as they come.")] = Path("out/coalitions"),
    redraw: Annotated[bool, typer.Option(help="Run one seed alone: tell and draw what is recorded.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
) -> None:
    """Run coalitions that docs/spirals.json has not; write docs/shapley.json, its figure, a table in docs/model.md."""
    asked = parse_sizes(sizes)
    known = load_shapley() if redraw else load_record().sizes
    found = known = confirmed(known, median_runs(known))
    if not redraw:
        with in_processes(workers or available_cores()):
            found = attribution.run_coalitions(cells.flagship(), asked, Runs(seeds, FIRST_SEED, out), known)
    _, tables, rows = attribution.attribute(found)
    show("What each mechanism has of the threshold", Outcome(rows, None, tables))
    for path in publish_shapley(found):
        typer.echo(path)


def _publish_map(
    history: Annotated[Path, typer.Option(help="Folder of experiments.history_matching.")] = Path("out/history"),
    out: Annotated[Path, typer.Option(help="Folder for results as they come.")] = Path("out/map"),
    seeds: Annotated[int, typer.Option(min=2, help="Seeds of each cell at each size.")] = _SEEDS[Part.map],
    sizes: Annotated[str, typer.Option(help="Falls of value in per cent, with commas.")] = _COARSE,
    calibrations: Annotated[int, typer.Option(min=1, help="At most so many of those kept.")] = 1000,
    redraw: Annotated[bool, typer.Option(help="Run nothing: tell and draw what is recorded.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
) -> None:
    """Run the map over all kept calibrations and write docs/map.json, docs/history.json and the figure."""
    asked, scenario = parse_sizes(sizes), cells.flagship()
    if redraw:
        mapped, matched = load_map(), ROOT / HISTORY
    else:
        kept, matched = complements.kept_calibrations(history, scenario, calibrations), history / KEPT
        with in_processes(workers or available_cores()):
            mapped = complements.run_map(scenario, kept, asked, Runs(seeds, FIRST_SEED, out))
    show(
        "Where fear and limits feed each other",
        Outcome(complements.map_rows(mapped), None, complements.map_tables(mapped)),
    )
    for path in publish_map(mapped, matched):
        typer.echo(path)


_COMMANDS: Mapping[str, Callable[..., None]] = {
    "demo": _demo,
    "publish": _publish,
    "publish-shapley": _publish_shapley,
    "publish-map": _publish_map,
}


def main(arguments: list[str]) -> None:
    """The command line."""
    command = _COMMANDS.get(arguments[0]) if arguments else None
    if command is None:
        EXPERIMENT.main(arguments)
        return
    end_by_sigterm_as_by_ctrl_c()
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(command)
    try:
        app(arguments[1:], prog_name=f"information_spiral {arguments[0]}")
    except LobSimError as error:
        typer.echo(printable(f"error: {error}"), err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
