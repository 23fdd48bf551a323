"""Tables that put several datasets together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

from lob_sim.units import Ns

_AGENTS = ("agent_id", "borrower_id", "dealer_id", "lender_id")
"""Columns that say who."""
_KEY = ["instrument_id", "order_id"]
_FROM_COMMAND = [
    "order_type",
    "time_in_force",
    "stop_price_ticks",
    "display_qty_lots",
    "hidden",
    "post_only",
    "parent_order_id",
    "ts_sent_ns",
]


def exact_sum(values: pd.Series) -> int:
    """The sum of whole numbers of 64 bits, which itself may need more."""
    whole = values.to_numpy(np.int64)
    return (int((whole >> 32).sum()) << 32) + int((whole & 0xFFFFFFFF).sum())


def _products(prices: pd.Series, lots: pd.Series) -> pd.Series:
    """Price × quantity, row by row, in a type that holds even the sum of all."""
    fits = float(prices.to_numpy(np.float64) @ lots.to_numpy(np.float64)) < 2**62
    return prices * lots if fits else prices.astype(object) * lots.astype(object)


def order_table(table: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    """The life of every accepted order.

    Columns are those of ``order_accepted`` (``seq`` and ``ts_event_ns`` are those of acceptance, price and
    quantity as entered), what the command said besides, and

    - ``n_fills``, ``filled_lots``, ``filled_ticks_lots`` (sum of price × quantity, exact: Python's integers where
      64 bits do not hold it), ``average_fill_ticks``;
    - ``canceled_lots``: what left without trading; ``n_replaced``: how often price or quantity was replaced;
    - ``end``: ``filled``, ``canceled`` or ``open``; ``ts_end_ns``: when, -1 while open.

    Args:
        table: Gives a dataset by name.
    """
    accepted = table("order_accepted")
    orders = accepted.merge(
        table("new_order")[["seq", *_FROM_COMMAND]].rename(columns={"seq": "cause_seq"}),
        on="cause_seq",
        how="left",
        validate="many_to_one",
    )
    fills = table("order_filled")
    fills = fills.assign(filled_ticks_lots=_products(fills["price_ticks"], fills["qty_lots"]))
    filled = fills.groupby(_KEY).agg(
        n_fills=("seq", "size"),
        filled_lots=("qty_lots", "sum"),
        filled_ticks_lots=("filled_ticks_lots", "sum"),
    )
    canceled = table("order_canceled").groupby(_KEY).agg(canceled_lots=("qty_lots", "sum"))
    replaced = table("order_replaced").groupby(_KEY).agg(n_replaced=("seq", "size"))
    for sums in (filled, canceled, replaced):
        orders = orders.join(sums, on=_KEY)
    counts = ["n_fills", "filled_lots", "canceled_lots", "n_replaced"]
    orders[counts] = orders[counts].fillna(0).astype(np.int64)
    values = orders["filled_ticks_lots"]
    orders["filled_ticks_lots"] = values.fillna(0).astype(fills["filled_ticks_lots"].dtype)
    orders["average_fill_ticks"] = values.astype(np.float64) / orders["filled_lots"].replace(0, np.nan)
    orders = orders.join(_ends(table), on=_KEY)
    orders["end"] = orders["end"].fillna("open")
    orders["ts_end_ns"] = orders["ts_end_ns"].fillna(-1).astype(np.int64)
    return orders


def _ends(table: Callable[[str], pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    fills, cancels = table("order_filled"), table("order_canceled")
    last = [
        fills[fills["leaves_qty_lots"] == 0].assign(end="filled"),
        cancels[cancels["leaves_qty_lots"] == 0].assign(end="canceled"),
    ]
    ends = pd.concat([frame[["seq", *_KEY, "ts_event_ns", "end"]] for frame in last])
    ends = ends.sort_values("seq").drop_duplicates(_KEY, keep="last")
    return ends.rename(columns={"ts_event_ns": "ts_end_ns"}).set_index(_KEY)[["ts_end_ns", "end"]]


def in_currency(table: pd.DataFrame, unit: Fraction) -> pd.DataFrame:
    """A table with its columns of cash (``cash`` and ``*_cash``) as floats in currency units, without ``_cash``.

    Args:
        table: A table.
        unit: Currency units in one unit of cash.
    """
    import pandas as pd

    columns = {
        name: table[name].to_numpy(np.float64) * float(unit) if _is_cash(name) else table[name]
        for name in map(str, table.columns)
    }
    return pd.DataFrame({name.removesuffix("_cash"): column for name, column in columns.items()}, index=table.index)


def _is_cash(name: str) -> bool:
    return name == "cash" or name.endswith("_cash")


def with_names(table: pd.DataFrame, agents: Sequence[str], instruments: Sequence[str]) -> pd.DataFrame:
    """A table with a name behind each number of an agent or instrument, empty for a number that stands for none.

    Args:
        table: A table.
        agents: Names of the agents, by number.
        instruments: Names of the instruments, by number.
    """
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    for name in map(str, table.columns):
        columns[name] = table[name]
        names = instruments if name == "instrument_id" else agents if name in _AGENTS else None
        if names is not None:
            columns[name.removesuffix("_id")] = table[name].map(dict(enumerate(names))).fillna("").astype(object)
    return pd.DataFrame(columns, index=table.index)


def with_days(table: pd.DataFrame, day_ns: Ns | None) -> pd.DataFrame:
    """A table with the number of the day behind ``ts_event_ns``; without a length of days all of it is day 1."""
    if "ts_event_ns" not in table:
        return table
    found = table.copy()
    days = table["ts_event_ns"] // day_ns + 1 if day_ns is not None else 1
    found.insert(list(table.columns).index("ts_event_ns") + 1, "day", days)
    return found
