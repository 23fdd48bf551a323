"""The times of a run as people say them."""

from __future__ import annotations

from typing import NamedTuple

from lob_sim.calendar import TradingCalendar, parse_time_ns, time_text
from lob_sim.errors import DataError
from lob_sim.units import MOST_NS, Ns, checked_ns, parse_clock_ns


class RunTimes(NamedTuple):
    """From the nanoseconds of a log to its times of day or trading days, and back.

    Attributes:
        calendar: Its trading days, where it has any.
        first_ns: Time of day at time 0; 0 where the log knows of none, or has days of its own.
    """

    calendar: TradingCalendar | None
    first_ns: Ns

    def ns(self, at: Ns | str) -> Ns:
        """See :meth:`lob_sim.log.run.Run.time_ns`."""
        if not isinstance(at, str):
            return checked_ns(at, "time", -MOST_NS)
        clock_ns = parse_clock_ns(at) if self.calendar is None else None
        if clock_ns is None:
            return parse_time_ns(at, self.calendar)
        if clock_ns < self.first_ns:
            raise DataError(f"is before the log begins, at {self.text(0)}", f"time {at}")
        return clock_ns - self.first_ns

    def text(self, ts_ns: Ns) -> str:
        """See :meth:`lob_sim.log.run.Run.clock`."""
        return time_text(ts_ns + self.first_ns, self.calendar)
