"""Tables that people make: CSV, Parquet and Excel files, read row by row, strictly, with the line in every error."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lob_sim.convert import did_you_mean
from lob_sim.errors import DataError, shown
from lob_sim.extras import need_extra

MOST_ROWS = 5_000_000
_MOST_DIGITS, _LARGEST_EXPONENT = 40, 30
_WIDTHS: Mapping[str, type[np.floating[Any]]] = {"float": np.float32, "halffloat": np.float16}
"""Types of Parquet columns that hold fewer digits than a number of Python's."""


class Row(msgspec.Struct, frozen=True):
    """One row of a table.

    Attributes:
        where: File and line, or file and row, as its user knows it.
        cells: What stands in it, by column; cells that are empty are not there.
        columns: The table's columns.
    """

    where: str
    cells: Mapping[str, object]
    columns: tuple[str, ...] = ()

    def error(self, message: str, column: str = "") -> DataError:
        """What is wrong with the row, or with one cell of it."""
        return DataError(message, f"{self.where}: {column}" if column else self.where)

    def text(self, column: str) -> str:
        """A cell as text, a number in it to 15 digits: what a workbook's formulas leave in the last bits is not meant.

        Raises:
            DataError: It is empty.
        """
        if column not in self.cells:
            raise self.error("is empty: expected a value", column)
        cell = self.cells[column]
        return f"{cell:.15g}" if isinstance(cell, float) else str(cell).strip()

    def number(self, column: str) -> Decimal:
        """A cell as a finite number, exactly as :meth:`text` has it.

        Raises:
            DataError: It is empty or something else.
        """
        text = self.text(column)
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = Decimal("nan")
        # Cells of a workbook or a Parquet file may be of a type whose text looks like a number.
        if not value.is_finite() or "_" in text or isinstance(self.cells[column], bool):
            raise self.error(f"expected a number, got {shown(text)}", column)
        if (value and abs(value.adjusted()) > _LARGEST_EXPONENT) or len(value.as_tuple().digits) > _MOST_DIGITS:
            raise self.error(f"expected a number of at most {_MOST_DIGITS} digits, got {shown(text)}", column)
        return value


def read_rows(
    path: Path, name: str, required: Sequence[str], optional: Collection[str] = (), sheet: str = ""
) -> list[Row]:
    """Read a table with a header row.

    Args:
        path: A ``.csv`` file in UTF-8, a ``.parquet`` file, or a ``.xlsx`` workbook (needs the extra ``data``).
        name: What the file is called in errors.
        required: Columns that must be there.
        optional: Columns that may be; ``"prefix.*"`` stands for any that begin so.
        sheet: Of a workbook the sheet that is read; its first if empty.

    Raises:
        DataError: It cannot be read, or its header is not as expected; names file and line.
    """
    kind = path.suffix.lower()
    readers = {".csv": _csv_rows, ".parquet": _parquet_rows, ".xlsx": _excel_rows}
    if kind not in readers:
        raise DataError(f"expected a file that ends in {', '.join(readers)}", name)
    if sheet and kind != ".xlsx":
        raise DataError("expected no sheet: that is no workbook", name)
    if not path.is_file():
        raise DataError("does not exist" if not path.exists() else "is no ordinary file", name)
    try:
        rows = _excel_rows(path, name, sheet) if kind == ".xlsx" else readers[kind](path, name)
        return list(_with_header(rows, name, required, optional))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", name) from None


def _with_header(
    rows: Iterator[tuple[str, Sequence[object]]], name: str, required: Sequence[str], optional: Collection[str]
) -> Iterator[Row]:
    where, first = next(rows, (name, ()))
    header = [str(cell).strip() if cell is not None else "" for cell in first]
    while header and not header[-1]:
        header.pop()
    _check_header(header, where, required, optional)
    for n, (where, cells) in enumerate(rows):
        if n >= MOST_ROWS:
            raise DataError(f"expected at most {MOST_ROWS:,} rows", name)
        if all(_is_empty(cell) for cell in cells):
            continue
        if len(cells) < len(header) or not all(_is_empty(cell) for cell in cells[len(header) :]):
            raise DataError(f"expected {len(header)} cells, got {len(cells)}", where)
        pairs = zip(header, cells, strict=False)
        yield Row(where, {column: cell for column, cell in pairs if not _is_empty(cell)}, tuple(header))


def _check_header(header: list[str], where: str, required: Sequence[str], optional: Collection[str]) -> None:
    told = f"expected a header with the columns {', '.join(required)}"
    if not header:
        raise DataError(f"is empty: {told}", where)
    known = [*required, *optional]
    prefixes = tuple(column[:-1] for column in known if column.endswith(".*"))
    for i, column in enumerate(header):
        if column in header[:i]:
            raise DataError(f"the column {column!r} is there twice", where)
        if column not in known and not (prefixes and column.startswith(prefixes)):
            raise DataError(
                f"unknown column {shown(column)}{did_you_mean(column, known)}; there are: {', '.join(known)}", where
            )
    missing = [column for column in required if column not in header]
    if missing:
        raise DataError(f"has no column {missing[0]!r}: {told}", where)


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _csv_rows(path: Path, name: str) -> Iterator[tuple[str, Sequence[object]]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"is not UTF-8 text: {error.reason}", name) from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            yield f"{name}:{reader.line_num}", row
    except csv.Error as error:
        raise DataError(f"is not CSV: {error}", f"{name}:{reader.line_num}") from None


def _parquet_rows(path: Path, name: str) -> Iterator[tuple[str, Sequence[object]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, ValueError) as error:
        raise DataError(f"is not Parquet: {str(error).splitlines()[0]}", name) from None
    yield name, table.column_names
    columns = [_as_meant(column.to_pylist(), _WIDTHS.get(str(column.type))) for column in table.columns]
    yield from _numbered(name, zip(*columns, strict=True), 1)


def _as_meant(cells: list[Any], width: type[np.floating[Any]] | None) -> list[Any]:
    """Numbers of a narrow column as the shortest decimals that its width tells apart: 99.1, not 99.0999984741211."""
    return cells if width is None else [None if cell is None else float(str(width(cell))) for cell in cells]


def _excel_rows(path: Path, name: str, sheet: str = "") -> Iterator[tuple[str, Sequence[object]]]:
    need_extra("data", "openpyxl")
    from openpyxl import load_workbook

    try:
        book: Any = load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # Whatever a broken archive makes it raise.
        raise DataError(
            f"is not an Excel workbook: {str(error).splitlines()[0] if str(error) else error!r}", name
        ) from None
    try:
        if sheet and sheet not in book.sheetnames:
            near = did_you_mean(sheet, book.sheetnames)
            raise DataError(f"has no sheet {sheet!r}{near}; there are: {', '.join(book.sheetnames)}", name)
        chosen = book[sheet] if sheet else book.worksheets[0]
        yield from _numbered(f"{name}: {chosen.title}", chosen.iter_rows(values_only=True), 1)
    finally:
        book.close()


def _numbered(name: str, rows: Iterable[Sequence[object]], first: int) -> Iterator[tuple[str, Sequence[object]]]:
    for n, row in enumerate(rows, first):
        yield f"{name} row {n}", row
