"""``lob-sim import`` and ``against``: markets of the past, to be read and to be traded in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lob_sim.cli.running import default_folder, free_folder, refuse_occupied
from lob_sim.cli.sheets import import_sheets
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError
from lob_sim.feeds.lobster import read_lobster
from lob_sim.feeds.lobster_replay import header_of_day, import_lobster
from lob_sim.log import DirectoryRecorder
from lob_sim.replay.backtest import trade_against
from lob_sim.replay.describe import describe_flow, describe_lobster, describe_newcomer
from lob_sim.scenario import parse_value
from lob_sim.units import parse_duration_ns

Tick = Annotated[
    str | None,
    typer.Option(help="Tick of a LOBSTER file, for example 0.01; the largest that its prices fit if not given."),
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("import")(import_command)
    app.command("against")(against_command)


def import_command(
    messages: Annotated[
        Path,
        typer.Argument(
            metavar="MESSAGE_FILE|sheets",
            help="A LOBSTER message file, whose orderbook file lies beside it; or the word sheets.",
        ),
    ],
    table: Annotated[
        Path | None,
        typer.Argument(metavar="[TABLE]", help="After sheets: balance sheets, a .csv, .xlsx or .parquet file."),
    ] = None,
    orderbook: Annotated[
        Path | None, typer.Option(help="The orderbook file, if its name does not follow from the other.")
    ] = None,
    tick: Tick = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the run, new or empty; of sheets, a new scenario file.")
    ] = None,
    into: Annotated[
        str, typer.Option(metavar="SCENARIO", help="Of sheets: the market whose sheets they replace, a file or a name.")
    ] = "whole_system",
    sheet: Annotated[str, typer.Option(help="Of sheets: the workbook's sheet; its first if not given.")] = "",
    scale: Annotated[str, typer.Option(help="Of sheets: a factor on every amount.")] = "1",
) -> None:
    """Replay a LOBSTER day through our book, keep it as a run, and compare (exit code 1 unless all is exact).

    ``import sheets TABLE --out FILE`` makes a scenario of balance sheets instead, and shows them.
    """
    if str(messages) == "sheets" and table is not None:
        import_sheets(table, out, into, sheet, scale)
        return
    if table is not None:
        raise InputError("expected the word sheets before a table of balance sheets", str(messages))
    day = read_lobster(messages, orderbook, tick)
    folder = out if out is not None else free_folder(messages.stem)
    refuse_occupied(folder)
    with DirectoryRecorder(folder, header_of_day(day)) as recorder:
        report = import_lobster(day, recorder)
    echo_lines([*describe_lobster(report), str(folder)])
    if not report.exact:
        raise typer.Exit(1)


def against_command(
    source: Annotated[Path, typer.Argument(metavar="RUN_OR_MESSAGE_FILE", help="A run directory or a LOBSTER day.")],
    strategy: Annotated[str, typer.Option(metavar="MODULE:CLASS", help="The newcomer's strategy.")],
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of it; may be given again.")
    ] = None,
    instrument: Annotated[str | None, typer.Option(help="Repeat only this instrument's book.")] = None,
    latency: Annotated[str, typer.Option(help="Between the newcomer and the venues, each way.")] = "0s",
    tick: Tick = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the newcomer's random numbers.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for the run, new or empty.")] = None,
) -> None:
    """Let a strategy trade in a recorded market: what it made of it, and what history could then not repeat."""
    folder = out if out is not None else default_folder("against", seed)
    refuse_occupied(folder)
    params = {}
    for each in param or ():
        name, equals, text = each.partition("=")
        if not equals or not name.strip():
            raise InputError("expected name=value, for example half_spread_ticks=2", f"--param {each}")
        params[name.strip()] = parse_value(text.strip(), f"--param {each}")
    latency_ns = parse_duration_ns(latency)
    result = trade_against(
        source, strategy, params, seed, folder, instrument=instrument, latency_ns=latency_ns, tick=tick
    )
    echo_lines([*describe_newcomer(result), *describe_flow(result.report), str(folder)])
