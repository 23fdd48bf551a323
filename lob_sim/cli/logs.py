"""``lob-sim replay``, ``rerun``, ``diff`` and ``export``: what can be done with a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lob_sim.cli.running import Overrides, default_folder, refuse_occupied
from lob_sim.errors import InputError
from lob_sim.log import LogRow, Run, open_run, verify
from lob_sim.log.book_index import BookSnapshot
from lob_sim.log.diff import Change
from lob_sim.log.diff import diff as compare
from lob_sim.log.export import export_run
from lob_sim.log.manifest import COMPLETE
from lob_sim.running import run
from lob_sim.scenario import apply_overrides, parse_scenario
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
        str | None, typer.Option("--at", metavar="TIME", help="Print the books at this time, for example 12min or 90.5s.")
    ] = None,
    levels: Annotated[int, typer.Option(min=1, help="Levels of the books to print.")] = 10,
    instrument: Annotated[str | None, typer.Option(help="Only this instrument's book.")] = None,
) -> None:
    """Verify a log by replaying it (exit code 1 at the first difference), or print the books at a time."""
    if not check and at is None:
        raise InputError("expected --verify or --at TIME", "replay")
    logged = open_run(path)
    if at is not None:
        names = [instrument] if instrument is not None else [i.name for i in logged.header.instruments]
        for name in names:
            _print_book(logged.book(name, at=at), levels)
    if check:
        _verify(logged)


def rerun_command(
    path: RunPath,
    out: Annotated[Path | None, typer.Option(help="Folder for the new run, new or empty.")] = None,
    overrides: Overrides = None,
) -> None:
    """Run the same scenario with the same seed again, with changes if any are given."""
    logged = open_run(path)
    header = logged.header
    if not header.scenario:
        raise InputError("this log comes from no scenario: it cannot be run again", str(path))
    scenario = parse_scenario(apply_overrides(header.scenario, overrides or ()), f"{path}: scenario.")
    folder = out if out is not None else default_folder(f"{scenario.name}-rerun", header.seed_entropy)
    refuse_occupied(folder)
    run(scenario, header.seed_entropy, folder)
    typer.echo(str(folder))


def diff_command(
    first: RunPath, second: Annotated[Path, typer.Argument(help="Another run directory.")]
) -> None:
    """Say where two runs first part, and how their inputs and outcomes differ (exit code 1 if they do)."""
    found = compare(open_run(first), open_run(second))
    _print_changes("inputs", found.inputs)
    if found.same:
        typer.echo(f"the same {found.same_rows} rows")
        return
    typer.echo(f"the same {found.same_rows} rows, then:")
    for row in found.context:
        typer.echo(f"    {_row_text(row)}")
    for path, row in ((first, found.first), (second, found.second)):
        typer.echo(f"  {path}: {_row_text(row) if row is not None else 'no more rows'}")
    _print_changes("outcomes", found.summaries)
    raise typer.Exit(1)


def export_command(
    path: RunPath,
    to: Annotated[str, typer.Option("--format", help="lobster, csv or parquet.")] = "parquet",
    out: Annotated[Path | None, typer.Option(help="Folder for the files; RUN/export-FORMAT if not given.")] = None,
) -> None:
    """Write a run for other tools."""
    for file in export_run(open_run(path), out if out is not None else path / f"export-{to}", to):
        typer.echo(str(file))


def _verify(logged: Run) -> None:
    found = verify(logged)
    for problem in found.problems:
        typer.echo(f"problem: {problem}", err=True)
    if found.difference is not None:
        typer.echo(str(found.difference), err=True)
    counted = f"{found.commands} commands, {found.events} events compared, {found.rows} rows"
    if not found.ok:
        typer.echo(f"NOT as it was written: {counted}", err=True)
        raise typer.Exit(1)
    typer.echo(f"verified: {counted}, run {found.status}")
    if found.status != COMPLETE:
        for line in logged.condition():
            typer.echo(line)


def _print_book(book: BookSnapshot, levels: int) -> None:
    typer.echo(f"{book.instrument.name} at {format_time(book.ts_ns)} (row {book.seq}), {book.phase.name.lower()}")
    typer.echo(f"{'orders':>8} {'bid lots':>10} {'bid':>12}   {'ask':<12} {'ask lots':<10} {'orders':<8}")
    for k in range(min(levels, max(len(book.bids), len(book.asks)))):
        left, right = " " * 32, ""
        if k < len(book.bids):
            price, lots, orders = book.bids[k]
            left = f"{orders:>8} {lots:>10} {book.instrument.price(price):>12.6g}"
        if k < len(book.asks):
            price, lots, orders = book.asks[k]
            right = f"{book.instrument.price(price):<12.6g} {lots:<10} {orders:<8}"
        typer.echo(f"{left}   {right}".rstrip())


def _row_text(row: LogRow) -> str:
    return f"row {row.seq} at {format_time(row.ts_ns)}: {row.message}"


def _print_changes(title: str, changes: tuple[Change, ...]) -> None:
    if changes:
        typer.echo(f"{title}:")
    for change in changes:
        typer.echo(f"  {change}")
