"""``lob-sim import sheets``: a market of the balance sheets of a spreadsheet."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path

from lob_sim.cli.running import sheet_lines
from lob_sim.cli.terminal import echo_lines
from lob_sim.errors import InputError
from lob_sim.feeds.sheets import read_sheets, scenario_of_sheets
from lob_sim.files import write_file
from lob_sim.running import dry_run
from lob_sim.scenario import errors_name, find_scenario, parse_scenario, read_scenario, toml_document
from lob_sim.simulation.opening import opening_sheets


def import_sheets(table: Path, out: Path | None, into: str, sheet: str, scale: str) -> None:
    """Write a scenario with the sheets of a table, and show them with their headroom.

    Args:
        table: The table.
        out: The scenario file; beside the present folder's files, named after the table, if not given.
        into: The market whose sheets they replace.
        sheet: The workbook's sheet.
        scale: Factor on every amount, as text.

    Raises:
        InputError: The table does not hold, or there is a file of that name already.
    """
    try:
        factor = Decimal(scale)
    except InvalidOperation:
        factor = Decimal(0)
    if not (factor.is_finite() and factor > 0):
        raise InputError("expected a positive number", f"--scale {scale}")
    target = out if out is not None else Path(f"{table.stem}.toml")
    if target.exists() or target.is_symlink():
        raise InputError("is there already: expected the name of a new file", f"--out {target}")
    base = read_scenario(find_scenario(into), into)
    made, notes = scenario_of_sheets(read_sheets(table, sheet), base, into, target.stem, factor)
    with errors_name(table):
        world = dry_run(parse_scenario({**made, "folder": str(target.resolve().parent)}))
    header = f"# Made of {table.name} by `lob-sim import sheets`, into {into}.\n"
    write_file(target, (header + toml_document(made)).encode())
    echo_lines([*notes, *sheet_lines(opening_sheets(world)), str(target)])
