"""``lob-sim sweep`` and ``lob-sim sweep-report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from lob_sim.cli.reporting import PAGE, sweep_tables
from lob_sim.cli.running import Overlays, Overrides
from lob_sim.cli.terminal import echo_lines
from lob_sim.extras import need_extra
from lob_sim.sweep.commands import SweepOptions, sweep, sweep_report

MEASURE = "lob_sim.sweep.measure:measure_crisis"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("sweep")(sweep_command)
    app.command("sweep-report")(report_command)


def sweep_command(
    source: Annotated[str, typer.Argument(help="A scenario (file or packaged name), or a sweep file.")],
    out: Annotated[Path, typer.Option(help="The sweep's folder.")],
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=VALUES", help="An axis: path=a,b,c or path=lo:hi:n (lo:hi when sampled)."),
    ] = None,
    overlays: Overlays = None,
    overrides: Overrides = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds per point.")] = None,
    design: Annotated[str | None, typer.Option(help="grid, sobol or lhs.")] = None,
    n: Annotated[int | None, typer.Option(min=1, help="Points of a sampled design.")] = None,
    root_seed: Annotated[int | None, typer.Option(min=0, help="Root of all seeds.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Run on dask.distributed: a scheduler's address, or local.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; by default one per core.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the sweep that the folder holds.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="With --resume, repeat failed runs.")] = False,
    keep_logs: Annotated[bool, typer.Option("--keep-logs", help="Keep every run's event log.")] = False,
    run_seconds: Annotated[
        float | None, typer.Option(help="Wall time of a run, past which it is ended and counts as failed.")
    ] = None,
    run_megabytes: Annotated[
        float | None, typer.Option(help="Memory of a run's process, past which it is ended and counts as failed.")
    ] = None,
    branch_at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Points differ from this instant on: the past is run once for each seed."),
    ] = None,
    measure: Annotated[str, typer.Option(metavar="MODULE:FUNCTION", help="What to measure in each run.")] = MEASURE,
) -> None:
    """Run a scenario at many points of its parameter space, with many seeds at each; exit code 1 if a run failed."""
    options = SweepOptions(
        over=over or (),
        overrides=overrides or (),
        overlays=overlays or (),
        seeds=seeds,
        design=design,
        n=n,
        root_seed=root_seed,
        cluster=cluster,
        workers=workers,
        resume=resume,
        retry_failed=retry_failed,
        keep_logs=keep_logs,
        run_seconds=run_seconds,
        run_megabytes=run_megabytes,
        branch_at=branch_at,
    )
    # A user's own measure lies where the user is, as it would for python -m; worker processes inherit the path.
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    failed = sweep(source, out, options, measure, Console()).frame()["status"].eq("failed")
    if failed.any():
        typer.echo(f"error: {failed.sum()} of {len(failed)} runs failed; {out} has why", err=True)
        raise typer.Exit(1)


def report_command(
    directory: Annotated[Path, typer.Argument(help="The sweep's folder.")],
    metric: Annotated[
        list[str] | None, typer.Option(help="Show this metric, not the best known ones; may be given again.")
    ] = None,
) -> None:
    """Show a sweep's summary, complete or not; write figures for a paper (PDF, SVG, PNG), summary.csv and its page."""
    need_extra("report", "jinja2", "matplotlib")
    from lob_sim.report.render import write_page
    from lob_sim.report.sweep_page import sweep_page, write_sweep_figures

    figures = sweep_report(directory, metric or (), Console())
    tables = sweep_tables(directory, metric or ())
    write_sweep_figures(tables, figures)
    page = write_page(sweep_page(tables), directory / PAGE)
    echo_lines([f"figures and summary.csv: {figures}", f"page: {page}"])
