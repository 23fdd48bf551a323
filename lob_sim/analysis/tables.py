"""What all measures need of their inputs: columns that are there, and the state that stood at a time.

Inputs are pandas tables with the column names of :mod:`lob_sim.messages`, of one instrument and in order of
time. A *top table* has a row for each change of the best prices: ``ts_event_ns``, ``bid_ticks``,
``bid_lots``, ``ask_ticks``, ``ask_lots``; an empty side has price 0 and size 0.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lob_sim.errors import DataError
from lob_sim.units import Ns

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
    """A column as 64-bit integers."""
    return table[column].to_numpy(dtype=np.int64)


def floats(table: pd.DataFrame, column: str) -> Floats:
    """A column as 64-bit floats."""
    return table[column].to_numpy(dtype=np.float64)


def row_at(ts_ns: Ints, when_ns: Ints) -> Ints:
    """For each time in ``when_ns`` the last row at or before it, -1 where there is none."""
    return np.searchsorted(ts_ns, when_ns, side="right") - 1


def value_at(ts_ns: Ints, values: Floats, when_ns: Ints) -> Floats:
    """The value that stood at each time, NaN before the first."""
    rows = row_at(ts_ns, when_ns)
    return np.where(rows >= 0, values[np.maximum(rows, 0)], np.nan)


def held_for(ts_ns: Ints, start_ns: Ns, end_ns: Ns) -> Floats:
    """How long each row's state stood within [start, end), in nanoseconds."""
    ends = np.append(ts_ns[1:], end_ns)
    held: Floats = np.clip(np.clip(ends, start_ns, end_ns) - np.clip(ts_ns, start_ns, end_ns), 0, None).astype(
        np.float64
    )
    return held
