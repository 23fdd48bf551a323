"""What order flow looks like, measured on LOBSTER files: of an exchange, or of a run of ours that was exported.

Everything is measured at the touch, so that files of different depth can be compared: a row counts when it changes the
best prices or their sizes, or is an execution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from lob_sim.analysis.tables import Floats, Ints, held_for
from lob_sim.feeds.lobster import LobsterDay, MessageType
from lob_sim.units import NS_PER_S, Ns

SIGN_LAGS = ((1, 1), (2, 10), (11, 50))
"""Ranges of distances, in trades, over which the memory of signs is averaged."""
_FEWEST = 4
"""An autocorrelation needs a sample of at least so many times its lag."""

STATISTICS: Mapping[str, str] = {
    "spread_ticks": "quoted spread (ticks)",
    "spread_bp": "quoted spread (basis points of the mid)",
    "depth": "depth at the touch (mean trades)",
    "order_size": "size of a limit order (mean trades)",
    "order_size_cv": "size of a limit order: s.d. / mean",
    "trade_size_cv": "size of a trade: s.d. / mean",
    "messages_per_trade": "messages per trade",
    "gap_s": "time between messages (s)",
    "gap_cv": "time between messages: s.d. / mean",
    "trade_gap_s": "time between trades (s)",
    "trade_gap_cv": "time between trades: s.d. / mean",
    "canceled": "quantity cancelled / quantity submitted",
    "sign_1": "autocorrelation of signs, lag 1",
    **{f"sign_{a}": f"autocorrelation of signs, lags {a} to {b}" for a, b in SIGN_LAGS[1:]},
}
"""Names and meanings of the statistics."""


def autocorrelation(values: Floats, lags: Sequence[int]) -> Floats:
    """E[x_t·x_{t+lag}] / E[x_t²], for a series whose mean is known to be 0; NaN where the series is too short.

    Without the sample's own mean taken off the estimate has no bias, however long the memory (with it the bias of a
    sample of n is that of the variance of its mean, which long memory makes large).
    """
    square = float(values @ values) / values.size if values.size else 0.0
    found = [
        float(values[:-lag] @ values[lag:]) / (values.size - lag) / square
        if values.size >= _FEWEST * lag and square
        else math.nan
        for lag in lags
    ]
    return np.array(found)


def at_touch(day: LobsterDay) -> LobsterDay:
    """The day as its level-1 files would tell it."""
    book = day.book[:, :1]
    changed = np.append(True, (np.diff(book[:, 0], axis=0) != 0).any(axis=1))
    keep = changed | np.isin(day.type, (MessageType.EXECUTION, MessageType.HIDDEN_EXECUTION))
    return _rows(msgspec.structs.replace(day, book=book), keep)


def between(day: LobsterDay, start_ns: Ns, end_ns: Ns) -> LobsterDay:
    """The rows of [start, end)."""
    return _rows(day, (day.ts_ns >= start_ns) & (day.ts_ns < end_ns))


def _rows(day: LobsterDay, keep: np.ndarray) -> LobsterDay:
    columns = ("ts_ns", "type", "order_id", "size", "price", "direction", "book")
    return msgspec.structs.replace(day, **{name: getattr(day, name)[keep] for name in columns})


def displayed_tick(day: LobsterDay) -> int:
    """The largest tick, in LOBSTER's price units, of which all displayed prices are multiples.

    Hidden orders may trade between ticks, so that :meth:`~lob_sim.feeds.lobster.LobsterDay.price_unit` can be half of
    it.
    """
    shown = day.book[:, :, (0, 2)][day.book[:, :, (1, 3)] > 0]
    return math.gcd(*np.unique(shown).tolist()) or 1


def trades_of(day: LobsterDay) -> tuple[Ints, Ints, Ints]:
    """Time, size and sign (+1: a buyer came) of each trade.

    Executions of one moment on one side, one after the other in the file, are one incoming order's.
    """
    executed = np.isin(day.type, (MessageType.EXECUTION, MessageType.HIDDEN_EXECUTION))
    ts_ns, size, side = day.ts_ns[executed], day.size[executed], -day.direction[executed]
    if not ts_ns.size:
        return ts_ns, size, side
    first = np.flatnonzero(np.append(True, (np.diff(ts_ns) != 0) | (np.diff(side) != 0)))
    return ts_ns[first], np.add.reduceat(size, first), side[first]


def statistics(day: LobsterDay, start_ns: Ns, end_ns: Ns) -> dict[str, float]:
    """The :data:`STATISTICS` of a stretch of a day; NaN where there is nothing to measure.

    Args:
        day: As from :func:`at_touch`.
        start_ns: Start of the stretch.
        end_ns: Its end.
    """
    tick = displayed_tick(day)
    held = held_for(day.ts_ns, start_ns, end_ns)
    touch = day.book[:, 0].astype(np.float64)
    both = (touch[:, 1] > 0) & (touch[:, 3] > 0)
    held, touch = held[both], touch[both]
    spread, mid = touch[:, 0] - touch[:, 2], (touch[:, 0] + touch[:, 2]) / 2
    part = between(day, start_ns, end_ns)
    times, sizes, signs = trades_of(part)
    orders = part.size[part.type == MessageType.SUBMISSION].astype(np.float64)
    gone = part.size[np.isin(part.type, (MessageType.PARTIAL_CANCEL, MessageType.DELETION))]
    trade = float(sizes.mean()) if sizes.size else math.nan
    gap_s, gap_cv = _mean_and_cv(np.diff(part.ts_ns) / NS_PER_S)
    trade_gap_s, trade_gap_cv = _mean_and_cv(np.diff(times) / NS_PER_S)
    memory = autocorrelation(signs.astype(np.float64), range(1, SIGN_LAGS[-1][1] + 1))
    order_size, order_size_cv = _mean_and_cv(orders)
    return {
        "spread_ticks": _ratio(float(held @ spread), float(held.sum()) * tick),
        "spread_bp": _ratio(10_000 * float(held @ (spread / mid)), float(held.sum())),
        "depth": _ratio(float(held @ (touch[:, 1] + touch[:, 3])) / 2, float(held.sum()) * trade),
        "order_size": order_size / trade,
        "order_size_cv": order_size_cv,
        "trade_size_cv": _mean_and_cv(sizes.astype(np.float64))[1],
        "messages_per_trade": _ratio(part.rows, sizes.size),
        "gap_s": gap_s,
        "gap_cv": gap_cv,
        "trade_gap_s": trade_gap_s,
        "trade_gap_cv": trade_gap_cv,
        "canceled": _ratio(float(gone.sum()), float(orders.sum())),
        **{f"sign_{a}": float(memory[a - 1 : b].mean()) for a, b in SIGN_LAGS},
    }


def _mean_and_cv(values: Floats) -> tuple[float, float]:
    if not values.size:
        return math.nan, math.nan
    mean = float(values.mean())
    return mean, _ratio(float(values.std(ddof=1)), mean) if values.size > 1 else math.nan


def _ratio(above: float, below: float) -> float:
    return above / below if below else math.nan
