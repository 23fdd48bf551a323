"""``lob-sim report``: pages of runs, of comparisons, of sweeps and of validations."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import pandas as pd
import typer

from lob_sim.analysis.calm_verdict import read_verdicts
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import DataError, InputError
from lob_sim.extras import need_extra
from lob_sim.log import open_run
from lob_sim.log.manifest import MANIFEST_NAME
from lob_sim.replay.backtest import traded_against
from lob_sim.sweep.folder import Sweep
from lob_sim.sweep.tables import curves, differences, known_metrics, maps, notes, short_paths, summarise

if TYPE_CHECKING:
    from lob_sim.report.sweep_page import SweepTables

PAGE = "report.html"
"""Name of the page of a run or a sweep in its folder."""
COMPARISON = "comparison.html"
_SWEEP = "sweep.json"
_MOST_METRICS = 40
"""Metrics, in order of name, that the page of a sweep has curves and maps of."""


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("report")(report_command)


def report_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="A run directory, or several to compare; a sweep's folder; a validation's JSON file."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"The page; {PAGE} in the run's or sweep's folder if not given, {COMPARISON} beside the first of "
            "several runs.",
        ),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TEXT",
            help="What to call a run, once for each, in their order; runs with one label are seeds of one group.",
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    calm: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Verdicts on the calm of markets, as `calm_facts --save` writes them."),
    ] = None,
) -> None:
    """Write one self-contained page that opens from disk: what happened, why, and every number behind it."""
    page = write_report(paths, out, label or (), calm)
    echo_lines([str(page)])
    if show:
        webbrowser.open(page.resolve().as_uri())


def write_report(
    paths: Sequence[Path], out: Path | None = None, labels: Sequence[str] = (), calm: Path | None = None
) -> Path:
    """Write the page that fits what the paths are.

    Args:
        paths: A run, several to compare, a sweep's folder, or the results of a validation.
        out: The page; in the run's or sweep's folder if not given.
        labels: What to call the runs, one each; those with the same label are seeds of one group.
        calm: A file of verdicts on the calm of markets; the page of a run says the one on its own.

    Raises:
        InputError: A path is nothing that has a page, several are not all runs, or the labels do not fit; ``calm`` is
            no file of verdicts, or given for something else than one run.
        MissingExtraError: What pages are made with is not installed.
        OutputError: The page cannot be written.
    """
    need_extra("report", "jinja2")
    from lob_sim.report.against_page import against_page
    from lob_sim.report.render import write_page
    from lob_sim.report.results_page import read_validation, validation_page
    from lob_sim.report.run_page import run_page
    from lob_sim.report.sweep_page import sweep_page

    path = paths[0]
    is_run = len(paths) == 1 and (path / MANIFEST_NAME).is_file()
    if calm is not None and not is_run:
        raise InputError("is for the page of one run", "--calm") if path.exists() else _nothing_known(path)
    if labels and len(labels) != len(paths):
        raise InputError(f"{len(labels)} given for {len(paths)} runs: expected one for each, in their order", "--label")
    if len(paths) > 1:
        target = out if out is not None else paths[0].resolve().parent / COMPARISON
        return write_page(_comparison(paths, target, labels), target)
    if is_run:
        run, target = open_run(path), out if out is not None else path / PAGE
        verdicts = read_verdicts(calm) if calm is not None else {}
        traded, name = traded_against(run), path.resolve().name
        if traded is not None:
            return write_page(against_page(traded, name), target)
        return write_page(run_page(run, name, labels[0] if labels else "", verdicts), target)
    if (path / _SWEEP).is_file():
        return write_page(sweep_page(sweep_tables(path)), out if out is not None else path / PAGE)
    if path.is_file() and path.suffix == ".json":
        text = validation_page(read_validation(path), path.parent)
        return write_page(text, out if out is not None else path.with_name(PAGE))
    raise _nothing_known(path)


def _nothing_known(path: Path) -> InputError:
    if not path.exists():
        return InputError("does not exist", str(path))
    kinds = f"a run directory (with {MANIFEST_NAME}), a sweep's folder (with {_SWEEP})"
    return DataError(f"expected {kinds} or the results of a validation (validation.json)", str(path))


def _comparison(paths: Sequence[Path], target: Path, labels: Sequence[str]) -> str:
    from lob_sim.report.compare_page import compare_page

    for path in paths:
        if not (path / MANIFEST_NAME).is_file():
            raise _nothing_known(path) if not path.exists() else DataError("is not a run directory", str(path))
    names = run_names(paths)
    members: dict[str, list[Path]] = {}
    for name, path in zip(labels or names, paths, strict=True):
        members.setdefault(name, []).append(path)
    links = {}
    for name, (first, *_) in members.items():
        if (first / PAGE).is_file():
            # Quoted, the name of a folder is no scheme that a browser would run.
            links[name] = quote(Path(os.path.relpath(first.resolve() / PAGE, target.resolve().parent)).as_posix())
    runs = {name: open_run(own[0]) for name, own in members.items()}
    if len(members) == len(paths):
        return compare_page(runs, links)
    from lob_sim.sweep.groups import compare_groups

    need_extra("sweep", "scipy")
    seeds = {name: _metrics_by_seed(name, own) for name, own in members.items()}
    return compare_page(runs, links, seeds=seeds, table=compare_groups(seeds))


def _metrics_by_seed(label: str, paths: Sequence[Path]) -> pd.DataFrame:
    """The metrics of the runs of one group, a row per seed.

    Raises:
        InputError: Two of them have the same seed, or are not of one scenario.
    """
    from lob_sim.report.headline import metrics_of

    rows: dict[Any, dict[str, float]] = {}
    market: dict[str, Any] | None = None
    for path in paths:
        found = open_run(path)
        own = {key: value for key, value in found.header.scenario.items() if key not in ("seed", "folder")}
        if market is not None and own != market:
            raise InputError(f"labelled {label!r}, is of another scenario than {paths[0]}", str(path))
        market = own
        seed = found.header.seed_entropy
        if seed in rows:
            raise InputError(f"labelled {label!r}, has seed {seed} like another run of that label", str(path))
        rows[seed] = metrics_of(found)
    return pd.DataFrame.from_dict(rows, orient="index")


def run_names(paths: Sequence[Path]) -> list[str]:
    """Names for runs: of their folders, with as many of the folders above as it takes to tell them apart.

    Raises:
        InputError: The same run is given twice.
    """
    whole = [path.resolve() for path in paths]
    twice = next((path for k, path in enumerate(whole) if path in whole[:k]), None)
    if twice is not None:
        raise InputError("is given twice: expected different runs", str(twice))
    n = 1
    while len({path.parts[-n:] for path in whole}) < len(whole):
        n += 1
    return ["/".join(path.parts[-n:]) for path in whole]


def sweep_tables(folder: Path, metrics: Sequence[str] = ()) -> SweepTables:
    """What the page and the figures of a sweep show.

    Args:
        folder: The sweep's folder.
        metrics: Which metrics are shown; the best known ones if none are given.

    Raises:
        InputError: No sweep in the folder, or a metric that it does not have.
        DataError: No run has finished yet.
    """
    from lob_sim.report.sweep_page import SweepTables

    sweep = Sweep(folder)
    frame = sweep.frame()
    every = [*known_metrics(frame, metrics), *known_metrics(frame, None)]
    computed = list(dict.fromkeys(every))[:_MOST_METRICS]
    axes = [axis.path for axis in sweep.manifest.design.axes]
    varied = [axis for axis in axes if frame[axis].nunique() > 1]
    sampled = sweep.manifest.design.kind != "grid"
    failed = frame.loc[frame["status"] == "failed", "error"].value_counts()
    return SweepTables(
        folder.resolve().name,
        notes(sweep, frame),
        short_paths(axes),
        summarise(frame),
        curves(frame, computed, varied, sampled),
        maps(frame, computed, [] if sampled else varied),
        differences(frame, computed, [] if sampled else varied),
        {str(error): int(n) for error, n in failed.items()},
        metrics,
        sampled,
    )
