"""LOBSTER files: a pair of a message and an orderbook file, read into arrays and written from them.

Format: "LOBSTER sample files readme" (2013), lobsterdata.com. A message row is time (seconds after midnight,
with up to nine decimals), type, order id, size, price (dollars times 10,000) and direction of the *resting*
order. The orderbook row of the same number is the visible book after it: ask price, ask size, bid price and
bid size of each level.
"""

from __future__ import annotations

import csv
import re
from decimal import Decimal, DecimalException
from enum import IntEnum
from math import gcd
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from numpy.typing import NDArray

from lob_sim.errors import DataError, shown
from lob_sim.log.schema import Int64

UNITS_PER_POINT = 10_000
"""LOBSTER's price units in one currency unit."""
NO_ASK, NO_BID = 9_999_999_999, -9_999_999_999
"""Prices of levels that do not exist; their sizes are 0."""
MAX_LEVELS = 50

_MESSAGE_COLUMNS = ("time", "type", "order_id", "size", "price", "direction")
_LONGEST_LINE = 100_000
_LONGEST_SHOWN = 40
_NAME = re.compile(r"\s*[A-Za-z_]")
"""How a cell of a header begins."""
_WHOLE = re.compile(r"-?[0-9]{1,30}")
_TIME = r"^(?P<seconds>\d{1,9})(?:\.(?P<decimals>\d{1,9})0*)?$"


class MessageType(IntEnum):
    """What a LOBSTER message says."""

    SUBMISSION = 1
    PARTIAL_CANCEL = 2
    DELETION = 3
    EXECUTION = 4
    HIDDEN_EXECUTION = 5
    CROSS_TRADE = 6
    """An auction's print; the orders that it filled leave by other messages."""
    HALT = 7
    """Price -1: trading halts; 0: quoting resumes; 1: trading resumes."""


class LobsterDay(msgspec.Struct, frozen=True):
    """A pair of files as arrays, one entry per row.

    Attributes:
        name: Name of the message file without its suffix.
        message_path: Where the messages came from, for errors.
        first_line: Line of the first message in its file: 2 after a header, else 1.
        ts_ns: Time after midnight.
        type: A :class:`MessageType` number.
        order_id: 0 for hidden orders.
        size: Shares.
        price: In units of 1/10,000 currency unit.
        direction: 1 for a resting buy order, -1 for a resting sell order.
        book: Shape (rows, levels, 4): ask price, ask size, bid price, bid size.
        tick: The tick in price units, of which all prices are multiples; 0 for the largest such.
    """

    name: str
    message_path: str
    first_line: int
    ts_ns: Int64
    type: Int64
    order_id: Int64
    size: Int64
    price: Int64
    direction: Int64
    book: Int64
    tick: int = 0

    @property
    def rows(self) -> int:
        """Number of messages."""
        return len(self.ts_ns)

    @property
    def levels(self) -> int:
        """Levels per side in the orderbook file."""
        return int(self.book.shape[1])

    def price_unit(self) -> int:
        """The tick that was given or, in LOBSTER's price units, the largest of which all prices are multiples.

        Raises:
            DataError: A price is no multiple of the tick that was given.
        """
        shown = self.book[:, :, (0, 2)][self.book[:, :, (1, 3)] > 0]
        # A cross of nothing, as files say it of an auction without trades, has no price.
        crossed = (self.type == MessageType.CROSS_TRADE) & (self.size > 0) & (self.price > 0)
        quoted = self.price[(self.type <= MessageType.HIDDEN_EXECUTION) | crossed]
        largest = gcd(*np.unique(np.concatenate((shown, quoted))).tolist()) or 1
        if self.tick and largest % self.tick:
            point = f"{Decimal(largest) / UNITS_PER_POINT:f}, the largest tick of which all prices are multiples"
            raise DataError(f"expected {point}, or a part of it", f"tick of {self.message_path}")
        return self.tick or largest

    def where(self, row: int) -> str:
        """File and line of a message."""
        return f"{self.message_path}:{row + self.first_line}"


def read_lobster(
    message_path: str | Path, orderbook_path: str | Path | None = None, tick: Decimal | str | None = None
) -> LobsterDay:
    """Read a message file and its orderbook file, with or without header rows, with or without quotation marks.

    Args:
        message_path: The message file.
        orderbook_path: The orderbook file; if left out, the one with ``_orderbook_`` for ``_message_`` in its
            name.
        tick: The instrument's tick in currency units; the largest of which all prices are multiples if left out, which
            in a short or one-sided file may be larger than the market's.

    Raises:
        DataError: A file or row is malformed: names file and line, and says what was expected.
    """
    messages = Path(message_path)
    books = (
        Path(orderbook_path)
        if orderbook_path
        else messages.with_name(messages.name.replace("_message_", "_orderbook_"))
    )
    if books == messages:
        raise DataError("has no _message_ in its name: expected the orderbook file to be named too", str(messages))
    n_columns, header = _shape(messages)
    if not len(_MESSAGE_COLUMNS) <= n_columns <= len(_MESSAGE_COLUMNS) + 1:
        raise DataError(f"has {n_columns} columns; expected 6, or 7 with a note", f"{messages}:1")
    columns = _columns(messages, n_columns, header, text=(0, *range(len(_MESSAGE_COLUMNS), n_columns)))
    ts_ns = _times(columns[0], messages, header)
    kind, order_id, size, price, direction = (column.to_numpy() for column in columns[1:6])
    _check_messages(ts_ns, kind, size, price, direction, messages, header)
    book = _read_book(books)
    if len(book) != len(ts_ns):
        raise DataError(f"has {len(book)} rows; the message file has {len(ts_ns)}", str(books))
    units = 0 if tick is None else _tick_units(tick)
    day = LobsterDay(
        messages.stem, str(messages), header + 1, ts_ns, kind, order_id, size, price, direction, book, units
    )
    day.price_unit()
    return day


def _tick_units(tick: Decimal | str) -> int:
    try:
        units = Decimal(tick) * UNITS_PER_POINT
        if units.is_finite() and units > 0 and units == units.to_integral_value():
            return int(units)
    except DecimalException:
        pass
    smallest = f"{Decimal(1) / UNITS_PER_POINT:f}"
    raise DataError(f"expected a positive multiple of {smallest}, for example 0.01", f"tick {shown(tick)}")


def _shape(path: Path) -> tuple[int, int]:
    """Number of columns, and 1 if the first row is a header."""
    try:
        # What spreadsheets put before the first character of a file is taken off, as of any table.
        with path.open(encoding="utf-8-sig") as file:
            first = file.readline(_LONGEST_LINE).strip()
        first.encode("ascii")
    except (OSError, UnicodeError) as error:
        raise DataError(f"cannot be read: {error}", str(path)) from None
    if not first:
        raise DataError("is empty; expected comma-separated rows", f"{path}:1")
    cells = _cells(first)
    return len(cells), int(all(_NAME.match(cell) for cell in cells))


def _cells(row: str) -> list[str]:
    return next(csv.reader([row]), []) or [""]


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= _LONGEST_SHOWN else f"{cell[:_LONGEST_SHOWN]}...")


def _columns(path: Path, n_columns: int, header: int, text: tuple[int, ...] = ()) -> list[pa.ChunkedArray]:
    names = [str(i) for i in range(n_columns)]
    types = {name: pa.string() if i in text else pa.int64() for i, name in enumerate(names)}
    try:
        table = pa_csv.read_csv(
            path,
            pa_csv.ReadOptions(column_names=names, skip_rows=header),
            pa_csv.ParseOptions(ignore_empty_lines=False),
            pa_csv.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
    except (pa.ArrowException, OSError) as error:
        _find_malformed(path, n_columns, header, text)
        raise DataError(f"cannot be read: {' '.join(str(error).split())}", str(path)) from None
    return list(table.columns)


def _find_malformed(path: Path, n_columns: int, header: int, text: tuple[int, ...]) -> None:
    """Say which line it was that could not be read."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line, row in enumerate(file, 1):
            if line <= header:
                continue
            cells = _cells(row.rstrip("\r\n"))
            if len(cells) != n_columns:
                raise DataError(f"has {len(cells)} columns; expected {n_columns}", f"{path}:{line}")
            for i, cell in enumerate(cells):
                if i not in text and not (_WHOLE.fullmatch(cell) and abs(int(cell)) < 2**63):
                    raise DataError(f"column {i + 1} is {_shown(cell)}; expected a whole number", f"{path}:{line}")


def _times(column: pa.ChunkedArray, path: Path, header: int) -> Int64:
    parts = pc.extract_regex(column.combine_chunks(), _TIME)
    bad = np.flatnonzero(parts.is_null().to_numpy(zero_copy_only=False))
    if len(bad):
        raise DataError(
            f"the time is {_shown(column[int(bad[0])].as_py())}; "
            "expected seconds after midnight, with at most nine decimals",
            f"{path}:{bad[0] + 1 + header}",
        )
    seconds = parts.field("seconds").cast(pa.int64()).to_numpy()
    decimals = pc.utf8_rpad(pc.fill_null(parts.field("decimals"), ""), 9, "0").cast(pa.int64()).to_numpy()
    ts_ns: Int64 = seconds * 1_000_000_000 + decimals
    return ts_ns


def _check_messages(
    ts_ns: Int64, kind: Int64, size: Int64, price: Int64, direction: Int64, path: Path, header: int
) -> None:
    on_order = kind <= MessageType.HIDDEN_EXECUTION
    rules: list[tuple[NDArray[np.bool_], str, Int64]] = [
        ((kind >= 1) & (kind <= 7), "type is {}; expected 1 to 7", kind),
        (
            (direction == 1) | (direction == -1) | (~on_order & (direction == 0)),
            "direction is {}; expected 1 or -1",
            direction,
        ),
        (~on_order | (size > 0), "size is {}; expected a positive number", size),
        (~on_order | (price > 0), "price is {}; expected a positive number", price),
        (
            (kind != MessageType.HALT) | (np.abs(price) <= 1),
            "price of a halt is {}; expected -1, 0 or 1",
            price,
        ),
        (np.diff(ts_ns, prepend=0) >= 0, "time is {} ns after midnight, before that of the row above", ts_ns),
    ]
    for holds, what, values in rules:
        bad = np.flatnonzero(~holds)
        if len(bad):
            raise DataError("the " + what.format(values[bad[0]]), f"{path}:{bad[0] + 1 + header}")


def _read_book(path: Path) -> Int64:
    n_columns, header = _shape(path)
    if n_columns % 4 or not 4 <= n_columns <= 4 * MAX_LEVELS:
        raise DataError(f"has {n_columns} columns; expected four per level, at most 50 levels", f"{path}:1")
    columns = _columns(path, n_columns, header)
    book = np.stack([column.to_numpy() for column in columns], axis=1).reshape(-1, n_columns // 4, 4)
    there = book[:, :, (1, 3)] > 0
    if (book[:, :, (1, 3)] < 0).any():
        bad = int(np.argwhere(book[:, :, (1, 3)] < 0)[0, 0])
        raise DataError("has a negative size", f"{path}:{bad + 1 + header}")
    for side, sign in ((0, 1), (1, -1)):
        prices = sign * book[:, :, 2 * side]
        disorder = (np.diff(prices, axis=1) <= 0) & there[:, 1:, side]
        gap = there[:, 1:, side] & ~there[:, :-1, side]
        if (disorder | gap).any():
            bad = int(np.argwhere(disorder | gap)[0, 0])
            what = "ask" if side == 0 else "bid"
            raise DataError(f"has {what} levels that are not in order of price", f"{path}:{bad + 1 + header}")
    return book
