"""The time in which a market trades: simulated time without its closed nights.

A night is no time at all: nobody can trade or quote in it, and the orders that rest over it are shown to nobody. Every
measure that is weighted by time, or that lasts, goes by the clock of this module, which stands still from a close to
the next open. An auction and a halt, by price bands or by rule, are of the session: a halted market is one in which
time passes and nothing can be had at once, and its book counts as it stands.

Without closed nights the clock is that of the simulation, and every measure what it is on that.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from lob_sim.analysis.tables import Bools, Ints, ints
from lob_sim.calendar import parse_time_ns
from lob_sim.log import Run
from lob_sim.log.manifest import COMPLETE
from lob_sim.messages import Phase
from lob_sim.units import Ns

if TYPE_CHECKING:
    import pandas as pd


class TradingTime(msgspec.Struct, frozen=True, dict=True):
    """A clock that stands still at night.

    Attributes:
        nights_ns: Close and next open of each night, in order of time; the last may end with the run.
    """

    nights_ns: tuple[tuple[Ns, Ns], ...] = ()

    @cached_property
    def closes_ns(self) -> Ints:
        """When each night begins."""
        return np.array([close for close, _ in self.nights_ns], dtype=np.int64)

    @cached_property
    def opens_ns(self) -> Ints:
        """When each ends."""
        return np.array([reopen for _, reopen in self.nights_ns], dtype=np.int64)

    @cached_property
    def _slept_ns(self) -> Ints:
        """Length of all nights before each, and of all together."""
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(self.opens_ns - self.closes_ns)])

    def at(self, ts_ns: Ints) -> Ints:
        """What the clock shows at times of the simulation: trading time since the start, in nanoseconds."""
        if not self.nights_ns:
            return ts_ns
        begun = np.searchsorted(self.closes_ns, ts_ns, side="right")
        last = np.maximum(begun - 1, 0)
        slept = self._slept_ns[last] + np.minimum(ts_ns, self.opens_ns[last]) - self.closes_ns[last]
        shown: Ints = ts_ns - np.where(begun > 0, slept, 0)
        return shown

    def at_one(self, ts_ns: Ns) -> Ns:
        """The same of one time."""
        return int(self.at(np.array([ts_ns], np.int64))[0])

    def is_trading(self, ts_ns: Ints) -> Bools:
        """Whether each time is of a session: not from a close on, and before the next open."""
        if not self.nights_ns:
            return np.ones(np.shape(ts_ns), np.bool_)
        begun = np.searchsorted(self.closes_ns, ts_ns, side="right")
        found: Bools = begun == np.searchsorted(self.opens_ns, ts_ns, side="right")
        return found

    def of(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table with its ``ts_event_ns`` on this clock; what happened at night has the time of the close."""
        return table.assign(ts_event_ns=self.at(ints(table, "ts_event_ns"))) if self.nights_ns else table

    def during(self, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of a table that are not of a night; their times stay."""
        return table[self.is_trading(ints(table, "ts_event_ns"))] if self.nights_ns else table

    def grid(self, start_ns: Ns, end_ns: Ns, step_ns: Ns) -> Ints:
        """Times of the simulation from ``start_ns``, ``step_ns`` apart, before ``end_ns``, those of nights left out."""
        times = np.arange(start_ns, end_ns, step_ns, dtype=np.int64)
        return times[self.is_trading(times)] if self.nights_ns else times


def trading_clock(run: Run) -> TradingTime:
    """The clock of a run, from its ``phase_changed`` dataset: it stands still while all of its lit books are closed.

    With a calendar these are its nights, the last until :func:`last_ns`. The close of a run without nights, in its very
    last instant, begins none.
    """
    changes = run.table("phase_changed")
    n_books, end_ns = len(run.header.instruments), last_ns(run) + 1
    closed: set[int] = set()
    nights: list[tuple[Ns, Ns]] = []
    close_ns = -1
    columns = (ints(changes, column).tolist() for column in ("ts_event_ns", "instrument_id", "phase"))
    for ts_ns, instrument_id, phase in zip(*columns, strict=True):
        if phase == Phase.CLOSED:
            closed.add(instrument_id)
            close_ns = ts_ns if close_ns < 0 and len(closed) == n_books else close_ns
            continue
        closed.discard(instrument_id)
        if close_ns >= 0:
            nights += [(close_ns, ts_ns)] if ts_ns > close_ns else []
            close_ns = -1
    if close_ns >= 0 and (nights or close_ns < end_ns - 1):
        nights.append((close_ns, end_ns))
    return TradingTime(tuple(nights))


def last_ns(run: Run) -> Ns:
    """The last instant of a run: of its last row or, where it has a calendar and is complete, its horizon.

    A horizon that falls into a night writes no row: the last one is then what was under way at the close.
    """
    last = int(run.manifest.last_ts_ns)
    if run.calendar is None or run.status != COMPLETE:
        return last
    return max(last, parse_time_ns(run.header.scenario.get("horizon", 0), run.calendar))
