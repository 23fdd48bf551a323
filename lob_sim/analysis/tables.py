"""What all measures need of their inputs: columns that are there, and the state that stood at a time.

Inputs are pandas tables with the column names of :mod:`lob_sim.messages`, of one instrument and in order of
time. A *top table* has a row for each change of the best prices: ``ts_event_ns``, ``bid_ticks``,
``bid_lots``, ``ask_ticks``, ``ask_lots``; an empty side has price 0 and size 0.

What is not there cannot be measured: of a table without rows, or of data that do not vary where a measure lives of
variation, a measure is NaN. Input that contradicts itself is a :class:`~lob_sim.errors.DataError`.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lob_sim.errors import DataError
from lob_sim.units import Ns

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

TOP_COLUMNS = ("ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots")
TRADE_COLUMNS = ("ts_event_ns", "price_ticks", "qty_lots", "aggressor_side")


def require(table: pd.DataFrame, columns: tuple[str, ...], what: str) -> None:
    """Check a table before it is used.

    Raises:
        DataError: A column is missing, or ``ts_event_ns`` goes back.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise DataError(f"no column {missing[0]!r}: expected {', '.join(columns)}", what)
    if "ts_event_ns" in columns and not table["ts_event_ns"].is_monotonic_increasing:
        raise DataError("ts_event_ns goes back: expected one instrument in order of time", what)


def ints(table: pd.DataFrame, column: str) -> Ints:
    """A column as 64-bit integers.

    Raises:
        DataError: There is no such column, or a value is missing or no integer.
    """
    if column not in table.columns:
        raise DataError(f"no column {column!r}", "table")
    values = table[column]
    if values.dtype.kind not in "iub":
        numbers = floats(table, column)
        if not (np.isfinite(numbers).all() and (numbers == np.floor(numbers)).all()):
            raise DataError("a value is missing or is no integer", f"column {column}")
    return values.to_numpy(dtype=np.int64)


def floats(table: pd.DataFrame, column: str) -> Floats:
    """A column as 64-bit floats; what is missing is NaN.

    Raises:
        DataError: There is no such column, or a value is no number or infinite.
    """
    if column not in table.columns:
        raise DataError(f"no column {column!r}", "table")
    try:
        values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise DataError("a value is no number", f"column {column}") from error
    none_infinite(f"column {column}", values)
    return values


def none_infinite(what: str, *arrays: Any) -> None:
    """Check numbers of which some may be missing.

    Raises:
        DataError: One is infinite.
    """
    if any(np.isinf(array).any() for array in arrays):
        raise DataError("a value is infinite", what)


def same_length(what: str, *arrays: Any) -> None:
    """Check that arrays belong together.

    Raises:
        DataError: They differ in length, or have more than one dimension.
    """
    shapes = [np.shape(array) for array in arrays]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise DataError(f"shapes {shapes}: expected one-dimensional arrays of one length", what)


def series(what: str, *arrays: Any) -> tuple[Floats, ...]:
    """What a measure is given, arrays or lists, as arrays of floats of one length.

    Raises:
        DataError: One is not of numbers, they differ in length, or have more than one dimension.
    """
    try:
        found = tuple(np.asarray(array, dtype=np.float64) for array in arrays)
    except (TypeError, ValueError) as error:
        raise DataError("a value is no number: expected one-dimensional arrays", what) from error
    same_length(what, *found)
    return found


def whole_number(what: str, value: Any, least: int, of: str) -> int:
    """A number of something.

    Raises:
        DataError: It is no integer, or less than ``least``.
    """
    try:
        number = operator.index(value)
    except TypeError as error:
        raise DataError(f"{value!r} {of}: expected an integer", what) from error
    if number < least:
        raise DataError(f"{number} {of}: expected {least} or more", what)
    return number


def all_finite(what: str, *arrays: Any) -> None:
    """Check numbers that a fit cannot do without.

    Raises:
        DataError: One is not finite.
    """
    if not all(np.isfinite(array).all() for array in arrays):
        raise DataError("a value is missing or not finite", what)


def window_ns(start_ns: Ns, end_ns: Ns) -> Ns:
    """Length of the window from ``start_ns`` to ``end_ns``.

    Raises:
        DataError: It ends where or before it begins, or one of the two is no time.
    """
    if not end_ns > start_ns:
        raise DataError(f"from {start_ns} to {end_ns}: expected an end after the start", "window")
    return end_ns - start_ns


def mean_of_known(values: Any) -> float:
    """Mean of the values that are no NaN; NaN if there is none."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.mean()) if known.size else math.nan


def worst_of_known(values: Any) -> float:
    """Largest of the values that are no NaN; NaN if there is none."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return float(known.max()) if known.size else math.nan


def row_at(ts_ns: Ints, when_ns: Ints) -> Ints:
    """For each time in ``when_ns`` the last row at or before it, -1 where there is none."""
    return np.searchsorted(ts_ns, when_ns, side="right") - 1


def value_at(ts_ns: Ints, values: Floats, when_ns: Ints) -> Floats:
    """The value that stood at each time, NaN before the first.

    Raises:
        DataError: There is not one value for each time.
    """
    if len(ts_ns) != len(values):
        raise DataError(f"{len(values)} values at {len(ts_ns)} times: expected one each", "series")
    rows = row_at(ts_ns, when_ns)
    if not len(values):
        return np.full(np.shape(rows), np.nan)
    return np.where(rows >= 0, values[np.maximum(rows, 0)], np.nan)


def held_for(ts_ns: Ints, start_ns: Ns, end_ns: Ns) -> Floats:
    """How long each row's state stood within [start, end), in nanoseconds."""
    ends = np.append(ts_ns[1:], end_ns)
    held: Floats = np.clip(np.clip(ends, start_ns, end_ns) - np.clip(ts_ns, start_ns, end_ns), 0, None).astype(
        np.float64
    )
    return held
