"""Which calibrations of the whole system have a calm in order? A Sobol design over all that no source fixes.

History matching (Craig, Goldstein, Seheult and Smith 1997; in economics Grazzini and Richiardi 2015) in waves, the
cheap one first. What a point breaks of :mod:`experiments.calm_facts` rules it out; what is not ruled out is kept.

1. *One short run of every point.* A single run has no interval, so that its noise is taken from elsewhere: the scenario
   itself is run with some seeds, and a fact rules a point out where its statistic is beyond its bounds by more than
   ``IMPLAUSIBLE`` of the standard deviations found there. (Three is the rule for one statistic, whatever its
   distribution, as long as it has one mode: Pukelsheim 1994. Here are two dozen of them.)
2. *More and longer runs of what is left.* A fact rules a point out where the whole interval over its seeds is out of
   bounds.
3. *Three times as many runs, as long as calm is judged by elsewhere*, of what is left then, by the same rule. Four
   seeds rule out little: of a market whose dealers leave the book now and then, four may show nothing of it.

How many survive is a result, and so is which fact rules out most.

A factorial compares what is kept with the same markets without fear, which must be markets too. So the calm of each
is run without the information feedback as well, as often and as long as in the last wave, and judged by the same rule;
what breaks a fact there stays kept, is named, and is no part of the map. (Without limits nothing is run: in the calm of
what is kept they force nobody.) Expected before the first such run: four in five break nothing, since α is right by
construction and spreads of the scenario itself are the same to a tenth of a tick; those that break something do so by
spreads or by the share that knows value. Learnt: 24 of 25 break nothing, and No. 170 the corporate's variance ratio.

What dealers believe of flow is no axis: to draw it apart from the flow there is would be to make mistaken dealers, and
nearly every market would be ruled out by that. A sweep before the waves measures the informed share of every point, and
each wave that of what it leaves; dealers of the next go by what was measured
(:func:`experiments.spiral.free_parameters.right_beliefs`). The axes and their ranges are stated there too.

``python -m experiments.history_matching out/history --points 256`` runs, or with ``--resume`` goes on; it leaves the
sweeps of its waves and ``kept.json`` in the folder. ``... out/fearless --of docs/history.json`` asks the calm without
fear alone, of what that file has kept, and writes it there.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import pandas as pd
import typer

from experiments.calm_facts import (
    SPREADS,
    Fact,
    broken,
    calm_rows,
    instrument_facts,
    market_facts,
    measure_calm,
    parse_spreads,
)
from experiments.spiral import cells
from experiments.spiral.free_parameters import BELIEFS, FIRST_BELIEFS, FREE, at, right_beliefs
from experiments.spiral.stored import read_stored
from lob_sim.errors import DataError, InputError, LobSimError
from lob_sim.files import write_file
from lob_sim.running import dry_run
from lob_sim.scenario import InstrumentSpec, Scenario, load_scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep import Axis, Design, SweepPlan, progress_bar, run_sweep
from lob_sim.sweep.design import Point
from lob_sim.sweep.executors import open_executor
from lob_sim.sweep.folder import program_versions
from lob_sim.sweep.task import TaskResult, TaskSpec
from lob_sim.units import parse_duration_ns

SCENARIO = Path(__file__).parent / "whole_system.toml"


class CalmTask(msgspec.Struct, frozen=True):
    """The calm of one scenario at a point, whose number is the override; it travels as plain data."""

    scenario: dict[str, Any]
    points: dict[str, Point]

    def __call__(self, spec: TaskSpec) -> TaskResult:
        """Do one run."""
        base = parse_scenario(msgspec.to_builtins(self.scenario), "history matching: ")
        number = int(spec.overrides[CALIBRATION])
        return measure_calm(base if number == ITSELF else at(base, self.points[str(number)]), spec.seed, spec.out)


CALIBRATION, ITSELF = "calibration", -1
"""Name of the override, and the number that stands for the scenario as it is."""
CLOSEST = "wave3"
"""Folder of the wave whose runs are the most and the longest."""
_WITHOUT_FEAR = "without_fear"
"""Folder of the calm of what is kept without the information feedback."""


def sobol(points: int) -> Design:
    """The design over every free parameter."""
    return Design(tuple(Axis(label, (), free.low, free.high) for label, free in FREE.items()), "sobol", points)


def plan(scenario: Scenario, points: Mapping[int, Point], seeds: int, horizon: str) -> SweepPlan:
    """The sweep of one wave: points by their number in the design, the scenario without its shocks.

    The number ``ITSELF`` stands for the scenario as it is, whatever its point.
    """
    quiet = msgspec.structs.replace(cells.calm(scenario), horizon=parse_duration_ns(horizon))
    plain, named = scenario_to_dict(quiet), {str(number): point for number, point in points.items()}
    described = {key: value for key, value in plain.items() if key != "folder"} | {"points": named}
    chosen = Design((Axis(CALIBRATION, tuple(points)),))
    return SweepPlan(task=CalmTask(plain, named), design=chosen, seeds=seeds, scenario=described)


# --- what is kept ------------------------------------------------------------------------------------------------


IMPLAUSIBLE = 4.0
"""So many standard deviations of a single run out of its bounds, and a fact rules a point out."""
_YARDSTICK = 12
"""Seeds of the scenario itself from which these deviations are taken."""
KEPT = "kept.json"
"""File of what has survived, in the folder."""
Breaks = dict[int, list[str]]
"""What each point breaks, by its number in the design: nothing, if the list is empty."""


class Wave(msgspec.Struct, frozen=True):
    """What one wave has done.

    Attributes:
        asked: How many points were run.
        left: How many of them are not ruled out.
        breaks: For each fact, how many break it.
    """

    asked: int
    left: int
    breaks: dict[str, int]


class Kept(msgspec.Struct, frozen=True):
    """What has survived.

    Attributes:
        points: The points, by number in the design.
        asked: How many points the design has.
        waves: What each wave has ruled out.
        shown: Those of which every fact is shown to hold by the last wave: its whole interval is within its bounds.
        without_fear: What the calm of each breaks without the information feedback; an empty list: nothing.
        program: What the waves were run with: versions, and digests of the source.
        program_without_fear: What the runs without fear were run with, where they were made later.
    """

    points: dict[int, Point]
    asked: int
    waves: list[Wave]
    shown: list[int] = []
    without_fear: Breaks = {}
    program: dict[str, str] = {}
    program_without_fear: dict[str, str] = {}


def load_kept(path: Path) -> Kept:
    """What a history matching has kept.

    Raises:
        InputError: There is no such file, or nothing was kept.
        DataError: It is something else, or has parameters that are not drawn here.
    """
    kept = read_stored(path, Kept, "python -m experiments.history_matching")
    for number, point in kept.points.items():
        if unknown := [label for label in point if label not in FREE and label not in BELIEFS]:
            raise DataError(
                f"has a parameter {unknown[0]!r}: expected those of this history matching", f"{path}: points.{number}"
            )
    if not kept.points:
        raise InputError("has kept no calibration", str(path))
    return kept


def first_look(frame: pd.DataFrame, yardstick: pd.DataFrame, instruments: list[InstrumentSpec]) -> Breaks:
    """Judge points by one run each, against the noise of single runs of the scenario itself."""
    bounds = parse_spreads(SPREADS, [])
    facts = [fact for spec in instruments for fact in instrument_facts(spec.name, bounds.get(spec.name))]
    facts += market_facts(yardstick, instruments)
    runs = [yardstick.iloc[[k]] for k in range(len(yardstick))]
    noise = {fact.text: float(np.std([fact.statistic(run) for run in runs], ddof=1)) for fact in facts}

    def judged(run: pd.DataFrame) -> list[str]:
        return [fact.text for fact in facts if _is_implausible(fact, fact.statistic(run), noise[fact.text])]

    return _by_point(frame, judged)


def _is_implausible(fact: Fact, found: float, noise: float) -> bool:
    reach = IMPLAUSIBLE * noise
    # Written so that a NaN breaks it, except where the scenario itself has none to compare with.
    return not (np.isnan(reach) or fact.low - reach <= found <= fact.high + reach)


def closer_look(frame: pd.DataFrame, instruments: list[InstrumentSpec]) -> Breaks:
    """Judge points by several runs each: the whole interval of a fact is out of bounds."""
    return _by_point(frame, lambda runs: broken(runs, instruments, parse_spreads(SPREADS, [])))


def not_shown(frame: pd.DataFrame, instruments: list[InstrumentSpec]) -> Breaks:
    """What several runs of each point do not show to hold."""
    bounds = parse_spreads(SPREADS, [])
    return _by_point(frame, lambda runs: [row.claim for row in calm_rows(runs, instruments, bounds) if not row.holds])


def _by_point(frame: pd.DataFrame, judged: Callable[[pd.DataFrame], list[str]]) -> Breaks:
    found: Breaks = {}
    for number, rows in frame.groupby(CALIBRATION, sort=True):
        fine = bool((rows["status"] == "ok").all())
        found[int(str(number))] = judged(rows.reset_index(drop=True)) if fine else ["a run failed"]
    return found


def wave(breaks: Breaks) -> Wave:
    """A wave in numbers."""
    counts = Counter(text for found in breaks.values() for text in found)
    return Wave(len(breaks), sum(not found for found in breaks.values()), dict(counts.most_common()))


def corrected(points: Mapping[int, Point], calm: pd.DataFrame, instruments: list[InstrumentSpec]) -> dict[int, Point]:
    """Points with beliefs that go by their calm runs; of failed ones nothing is known."""
    fine = {int(str(number)): rows for number, rows in calm[calm["status"] == "ok"].groupby(CALIBRATION)}
    return {
        number: right_beliefs(point, fine[number], instruments) if number in fine else point
        for number, point in points.items()
    }


class Sweeps(msgspec.Struct, frozen=True):
    """Where the sweeps of a history matching are, and how they are run.

    Attributes:
        folder: Each has its own below it.
        workers: Processes; 0 is one per core.
        resume: Whether to go on with what is there.
        cluster: A dask scheduler's address, or ``"local"``; ``None`` for processes of this machine.
    """

    folder: Path
    workers: int
    resume: bool
    cluster: str | None = None

    def run(self, name: str, base: Scenario, points: Mapping[int, Point], seeds: int, horizon: str) -> pd.DataFrame:
        """The table of one of them."""
        folder = self.folder / name
        # A wave that was not begun before the sweep stopped has no folder to go on with.
        with progress_bar(name) as progress, open_executor(self.cluster, self.workers or None) as executor:
            sweep = run_sweep(
                plan(base, points, seeds, horizon),
                folder,
                executor=executor,
                resume=self.resume and folder.exists(),
                validate=lambda point: void(dry_run(_scenario_of(base, points, point))),
                progress=progress,
            )
        return sweep.frame()


class Effort(msgspec.Struct, frozen=True):
    """Runs of each point, and their simulated time."""

    seeds: int
    horizon: str


def match(base: Scenario, asked: int, sweeps: Sweeps, efforts: Sequence[Effort]) -> Kept:
    """Draw the design and ask in waves.

    Args:
        base: The scenario, with or without its shocks.
        asked: Points of the design.
        sweeps: Where its runs go.
        efforts: Of the first wave, the second and the third.
    """
    first, *closer = efforts
    made = {number: point | FIRST_BELIEFS for number, point in enumerate(sobol(asked).points())}
    yardstick = sweeps.run("yardstick", base, {ITSELF: {}}, _YARDSTICK, first.horizon)
    made = corrected(made, sweeps.run("beliefs", base, made, first.seeds, first.horizon), base.instruments)
    runs = sweeps.run("wave1", base, made, first.seeds, first.horizon)
    found = first_look(runs, yardstick, base.instruments)
    waves, left = [wave(found)], _not_ruled_out(found)
    for name, effort in zip(("wave2", CLOSEST), closer, strict=True):
        if left:
            made |= corrected({number: made[number] for number in left}, runs, base.instruments)
            runs = sweeps.run(name, base, {number: made[number] for number in left}, effort.seeds, effort.horizon)
            found = closer_look(runs, base.instruments)
            waves.append(wave(found))
            left = _not_ruled_out(found)
    shown = _not_ruled_out(not_shown(runs, base.instruments))
    kept = {number: made[number] for number in left}
    without_fear = breaks_without_fear(base, kept, sweeps, closer[-1])
    return Kept(kept, asked, waves, shown, without_fear, _program())


def _program() -> dict[str, str]:
    return program_versions(CalmTask({}, {}))


def breaks_without_fear(base: Scenario, kept: Mapping[int, Point], sweeps: Sweeps, effort: Effort) -> Breaks:
    """What the calm of each breaks without the information feedback."""
    if not kept:
        return {}
    fearless = cells.without(base, *cells.INFORMATION)
    return closer_look(sweeps.run(_WITHOUT_FEAR, fearless, kept, effort.seeds, effort.horizon), base.instruments)


_FEWEST = 3


def history_matching(
    out: Annotated[Path, typer.Argument(help="Folder of the sweeps.")],
    scenario: Annotated[Path, typer.Option(help="Scenario file.")] = SCENARIO,
    points: Annotated[int, typer.Option(min=1, help="Points of the design; a power of two keeps it balanced.")] = 256,
    seeds: Annotated[int, typer.Option(min=_FEWEST, help="Seeds of each point that the first wave leaves.")] = 4,
    horizon: Annotated[str, typer.Option(help="Simulated time of their runs.")] = "20min",
    last_seeds: Annotated[int, typer.Option(min=_FEWEST, help="Seeds of each point that is left then.")] = 12,
    last_horizon: Annotated[str, typer.Option(help="Simulated time of their runs.")] = "40min",
    first_horizon: Annotated[str, typer.Option(help="Simulated time of a run of the first wave.")] = "8min",
    workers: Annotated[int, typer.Option(min=0, help="Processes; 0 is one per core.")] = 0,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on dask.distributed: a scheduler's address, or local.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the sweeps in the folder.")] = False,
    of: Annotated[
        Path | None, typer.Option(help="What was kept before: its calm without fear alone is asked, and written there.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A version that takes seconds.")] = False,
) -> None:
    """Run the design, and say what is not ruled out."""
    if quick:
        points, seeds, last_seeds = 2, _FEWEST, _FEWEST
        first_horizon, horizon, last_horizon = "1min", "2min", "2min"
    base, sweeps = load_scenario(scenario), Sweeps(out, workers, resume, cluster)
    efforts = [Effort(1, first_horizon), Effort(seeds, horizon), Effort(last_seeds, last_horizon)]
    for effort in efforts:
        parse_duration_ns(effort.horizon)
    if of is None:
        found = match(base, points, sweeps, efforts)
        _save(found, out / KEPT)
        _tell_waves(found)
    else:
        before = load_kept(of)
        without_fear = breaks_without_fear(base, before.points, sweeps, efforts[-1])
        found = msgspec.structs.replace(before, without_fear=without_fear, program_without_fear=_program())
        _save(found, of)
    _tell("without fear", wave(found.without_fear))


def _tell_waves(found: Kept) -> None:
    typer.echo(f"{len(found.points)} of {found.asked} calibrations are not ruled out; {KEPT} has them")
    typer.echo(f"every fact is shown to hold of {', '.join(str(number) for number in found.shown) or 'none'}")
    for k, done in enumerate(found.waves, 1):
        _tell(f"wave {k}", done)


def _save(kept: Kept, path: Path) -> None:
    write_file(path, msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")


def _tell(name: str, done: Wave) -> None:
    typer.echo(f"{name}: {done.left} of {done.asked} left")
    for text, count in done.breaks.items():
        typer.echo(f"  {count / done.asked:6.1%} break: {text}")


def _not_ruled_out(breaks: Breaks) -> list[int]:
    return [number for number, found in breaks.items() if not found]


def _scenario_of(base: Scenario, points: Mapping[int, Point], point: Point) -> Scenario:
    number = int(point[CALIBRATION])
    return base if number == ITSELF else at(base, points[number])


def void(_: object) -> None:
    """Take something and give nothing: what is called to see whether it raises."""


def main(arguments: list[str]) -> None:
    """The command line: exit code 2 for bad input, 1 where a run cannot be done."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=__doc__)(history_matching)
    try:
        app(arguments, prog_name="history_matching")
    except LobSimError as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2 if isinstance(error, InputError) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
