"""Run every experiment with all of its cases, in parallel, and write the results to ``docs/validation.md``.

    python -m experiments.validation.report [--quick] [--only NAME] [--workers N]

An experiment is found by being there: any module beside this one, or one folder up, with an ``EXPERIMENT``.
Nothing in the report is typed by hand: every line is a row that a run returned. Results are kept beside the report,
in ``validation.json``, as soon as they are there; ``--only`` renews those of the experiments that it names.
The same is written as a page, which ``lob-sim report docs/validation.json`` makes again.
"""

from __future__ import annotations

import importlib
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import as_completed
from math import inf
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from experiments.validation.fingerprint import ROOT, fingerprint
from lob_sim.errors import DataError, InputError, MissingDataError
from lob_sim.experiment import Experiment, ResultTable, Row
from lob_sim.files import write_file
from lob_sim.report.render import write_page
from lob_sim.report.results_page import read_validation, validation_page
from lob_sim.sweep.executors import Processes, available_cores

PAGE = Path("out/validation/report.html")
PACKAGES = ("experiments", "experiments.validation")


class Job(msgspec.Struct, frozen=True):
    """One case of one experiment.

    Attributes:
        module: The experiment's module.
        case: Number of the case; -1 for the quick version.
        figure: Where its figure goes, from the report's folder.
    """

    module: str
    case: int
    figure: str


class Result(msgspec.Struct, frozen=True):
    """What came of a job.

    Attributes:
        job: Which.
        title: The experiment's question.
        command: What to type to get the same.
        parameters: All that the experiment was told, by default or not: with others the results are others.
        rows: The claims; empty where the run failed.
        tables: What else was measured, as text.
        error: Why it failed, or empty.
        figures: What was drawn, from the report's folder.
        took_s: Wall time in seconds.
        skipped: What it needs that is not here, or empty.
        program: :func:`.fingerprint.fingerprint` of the program that gave it.
    """

    job: Job
    title: str
    command: str
    rows: list[Row]
    tables: list[ResultTable]
    error: str
    figures: list[str]
    took_s: float
    skipped: str = ""
    parameters: dict[str, str] = {}
    program: str = ""

    @property
    def holds(self) -> bool:
        """Whether it ran and every claim holds, or it could not run for want of data."""
        return bool(self.skipped) or (bool(self.rows) and all(row.holds for row in self.rows))

    @property
    def verdict(self) -> str:
        """The same in a word, or why it failed to run."""
        if self.skipped:
            return "skipped"
        return "holds" if self.holds else self.error.partition("\n")[0] or "FAILS"


def experiment_modules() -> list[str]:
    """Names of the modules that have an experiment."""
    found = []
    for package in PACKAGES:
        folder = ROOT.joinpath(*package.split("."))
        for path in sorted(folder.glob("*.py")):
            if "\nEXPERIMENT = " in path.read_text(encoding="utf-8"):
                found.append(f"{package}.{path.stem}")
    return found


def load(module: str) -> Experiment:
    """The experiment of a module."""
    experiment = importlib.import_module(module).EXPERIMENT
    assert isinstance(experiment, Experiment)
    return experiment


def command_of(job: Job) -> tuple[str, dict[str, Any]]:
    """What to type to get the same, and the same as parameters."""
    experiment = load(job.module)
    case: dict[str, Any] = experiment.quick if job.case < 0 else experiment.cases[job.case]
    return f"python -m {job.module} {experiment.options(case)}".strip(), case


def parameters_of(job: Job) -> dict[str, str]:
    """All parameters of a job as text; files by their place in the project."""
    experiment = load(job.module)
    case = experiment.quick if job.case < 0 else experiment.cases[job.case]
    found = experiment.parameters(case)
    return {
        name: value.relative_to(ROOT).as_posix() if isinstance(value, Path) else str(value)
        for name, value in found.items()
    }


def do(job: Job, folder: Path) -> Result:
    """Run one case in this process and draw its figure, under the report's folder."""
    started = time.perf_counter()
    experiment = load(job.module)
    command, case = command_of(job)
    rows: list[Row] = []
    tables: list[ResultTable] = []
    figures: list[str] = []
    error = skipped = ""
    try:
        outcome = experiment.run(**case)
        rows, tables = outcome.rows, [as_shown(measured) for measured in outcome.tables]
        if outcome.draw is not None:
            mpl.use("agg")
            target = folder / job.figure
            # An experiment with several figures puts the others beside the first; of an earlier run there may be more.
            beside = f"{target.stem}_*{target.suffix}"
            for former in target.parent.glob(beside):
                former.unlink()
            outcome.draw(target)
            plt.close("all")
            drawn = [target, *sorted(target.parent.glob(beside))]
            figures = [path.relative_to(folder).as_posix() for path in drawn]
    except MissingDataError as missing:
        skipped = missing.message
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
        traceback.print_exc()
    took_s = time.perf_counter() - started
    told_with = (parameters_of(job), fingerprint(job.module))
    return Result(job, experiment.title, command, rows, tables, error, figures, took_s, skipped, *told_with)


def as_shown(measured: ResultTable) -> ResultTable:
    """A table with its cells as text."""
    rows = [[f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in row] for row in measured.rows]
    return ResultTable(measured.title, measured.columns, rows)


def table(results: list[Result], missing: Sequence[str] = (), older: Sequence[str] = ()) -> str:
    """The report as Markdown.

    Args:
        results: What there is.
        missing: Commands of what there is no result of.
        older: Commands of what was last run with another program than today's.
    """
    rows = [row for result in results for row in result.rows]
    held = sum(row.holds for row in rows)
    lines = [
        "# Validation",
        "",
        "Written by `python -m experiments.validation.report` (`make validate`); every line is what a run",
        "gave. A value agrees if it is within three standard errors of its reference; an exact one, if it is",
        "equal to it but for the stated rounding. `>` and `<` say that it lies beyond a bound by more than three",
        "standard errors. Where an interval is given, it is of 95%, and the verdict is by it; but `≥` is said of the",
        "measured value alone.",
        "",
        f"**{held} of {len(rows)} claims hold**, in {len(results)} cases"
        f" of {len({result.job.module for result in results})} experiments.",
        *(["", f"Not run yet: {_listed(missing)}."] if missing else []),
        *(["", f"Run before the program was last changed: {_listed(older)}."] if older else []),
        "",
        "| claim | source | reference | measured | verdict | command |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        command = f"`{result.command}`"
        if result.skipped:
            lines.append(_line([result.title, "", "", result.skipped, "not run", command]))
        if result.error:
            cells = [result.title, "", "", result.error.splitlines()[0], "**failed to run**", command]
            lines.append(_line(cells))
        for row in result.rows:
            verdict = row.verdict if row.holds else f"**{row.verdict}**"
            lines.append(_line([row.claim, row.source, _reference(row), _measured(row), verdict, command]))
    lines += ["", "## Tables and figures", ""]
    for result in results:
        for measured in result.tables:
            lines += [f"### {measured.title}", "", f"`{result.command}`", "", _line(measured.columns)]
            lines += [_line(["---"] * len(measured.columns)), *(_line(row) for row in measured.rows), ""]
        if result.figures:
            lines += [f"### {result.title}", "", f"`{result.command}`", ""]
            for figure in result.figures:
                lines += [f"![{result.title}]({figure})", ""]
    return "\n".join(lines).rstrip() + "\n"


def _listed(commands: Sequence[str]) -> str:
    return ", ".join(f"`{command}`" for command in commands)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _reference(row: Row) -> str:
    slack = f" ± {row.slack:.2g}" if row.slack else ""
    return f"{row.relation} {row.reference:.6g}{slack}"


def _measured(row: Row) -> str:
    if row.low is not None and row.high is not None:
        return f"{row.measured:.6g} [{row.low:.4g}, {row.high:.4g}]"
    return f"{row.measured:.6g} ± {row.standard_error:.2g}" if row.standard_error else f"{row.measured:.6g} (exact)"


def plan(only: list[str], quick: bool) -> list[Job]:
    """The jobs.

    Raises:
        InputError: An experiment is asked for that does not exist.
    """
    modules = experiment_modules()
    names = {module.rpartition(".")[2]: module for module in modules}
    unknown = sorted(set(only) - set(names))
    if unknown:
        raise InputError(f"no experiment {unknown[0]!r}: expected one of {', '.join(sorted(names))}", "--only")
    jobs = []
    for name, module in names.items():
        if not only or name in only:
            for case in [-1] if quick else range(len(load(module).cases)):
                suffix = "" if case < 1 else f"-{case + 1}"
                jobs.append(Job(module, case, f"figures/validation/{name}{suffix}.png"))
    return jobs


def run_all(jobs: list[Job], workers: int, folder: Path, keep: Callable[[Result], None]) -> None:
    """Do jobs in parallel, with progress, and hand over each result when it is there."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Processes(workers) as executor, Progress(*columns, console=console) as progress:
        bar = progress.add_task("experiments", total=len(jobs))
        for future in as_completed([executor.submit(do, job, folder) for job in jobs]):
            result = future.result()
            keep(result)
            told = f"{result.took_s:6.1f} s  {result.verdict:6}  {result.command}"
            progress.console.print(told, highlight=False, soft_wrap=True)
            progress.advance(bar)


class Kept:
    """The results so far: a report, and the same beside it as JSON.

    Args:
        page: The report.
        jobs: Everything that there is to do, in the order of the report.
        renewed: What is done anew; results of it are forgotten, unless it cannot be done here.

    Raises:
        DataError: What is beside the report is something else.
    """

    def __init__(self, page: Path, jobs: list[Job], renewed: list[Job]) -> None:
        self.page, self.store = page, page.with_suffix(".json")
        self.jobs = jobs
        try:
            stored = msgspec.json.decode(self.store.read_bytes(), type=list[Result]) if self.store.exists() else []
        except msgspec.DecodeError as error:
            raise DataError(f"does not hold the results of a validation: {error}", str(self.store)) from None
        self.before = {r.job: r for r in stored if r.job in jobs and r.parameters == parameters_of(r.job)}
        self.results = {job: result for job, result in self.before.items() if job not in renewed}

    def longest_first(self, jobs: list[Job]) -> list[Job]:
        """Jobs by how long they took before, that no worker be left with a long one; those not known are long."""
        took = {job: result.took_s for job, result in self.before.items()}
        return sorted(jobs, key=lambda job: -took.get(job, inf))

    def add(self, result: Result) -> None:
        """Keep one more."""
        self.results[result.job] = self.before.get(result.job, result) if result.skipped else result
        found = [self.results[job] for job in self.jobs if job in self.results]
        self.page.parent.mkdir(parents=True, exist_ok=True)
        write_file(self.store, msgspec.json.format(msgspec.json.encode(found), indent=1))
        missing = [command_of(job)[0] for job in self.jobs if job not in self.results]
        older = [result.command for result in found if result.program != fingerprint(result.job.module)]
        write_file(self.page, table(found, missing, older).encode())


def report(
    only: Annotated[list[str] | None, typer.Option("--only", help="An experiment's name; repeatable.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The versions that take seconds.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 is one per core.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="Where the report goes.")] = ROOT / "docs" / "validation.md",
    page: Annotated[Path, typer.Option("--page", help="Where the same goes as a page.")] = ROOT / PAGE,
) -> None:
    """Run the experiments and write the report; exit code 1 if a claim fails or a run does."""
    try:
        jobs = plan(only or [], quick)
        kept = Kept(out, plan([], quick), jobs)
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    run_all(kept.longest_first(jobs), workers or available_cores(), out.parent, kept.add)
    written = write_page(validation_page(read_validation(kept.store), out.parent), page)
    typer.echo(f"the same as a page with its figures: {written}")
    failing = [result.command for result in kept.results.values() if not result.holds]
    typer.echo(f"{out}: {len(kept.results) - len(failing)} of {len(kept.results)} cases hold")
    raise typer.Exit(1 if failing else 0)


if __name__ == "__main__":
    typer.run(report)
