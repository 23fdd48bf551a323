"""Trading days: when a market is open, which day a time belongs to, and times as people say them.

Simulated time goes on through the nights. A model day is any length of it, trading and night together; how long each
is says how much of a day's variance comes while nobody trades, because rates are per day of simulated time.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from lob_sim.errors import InputError, shown
from lob_sim.units import MOST_NS, NS_PER_S, Ns, format_time, parse_duration_ns

_DAYS = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(?:d|day|days)\s*")
_INSTANT = re.compile(r"\s*day\s+(\d{1,9})(?:\s+(.+?))?\s*")
_CLOCK = re.compile(r"(\d{1,6}):([0-5]\d)(?::([0-5]\d(?:\.\d{1,9})?))?")
_PROSE = frozenset({"name", "description", "folder", "like", "group", "kind", "strategy"})
"""Keys of a scenario whose text is never a time."""


class TradingCalendar(msgspec.Struct, frozen=True):
    """Days of equal length, counted from 1; the first opens at time 0.

    Attributes:
        day_ns: From one open to the next.
        session_ns: From a day's open to its close, its auctions included; less than ``day_ns``.
        dates: What the days are called, the first first; may be fewer than there are days.
    """

    day_ns: Ns
    session_ns: Ns
    dates: tuple[str, ...] = ()

    @property
    def night_ns(self) -> Ns:
        """From a close to the next open."""
        return self.day_ns - self.session_ns

    def day_of(self, ts_ns: Ns) -> int:
        """The day of a time; its night belongs to it."""
        return ts_ns // self.day_ns + 1

    def opens_ns(self, day: int) -> Ns:
        """When a day opens."""
        return (day - 1) * self.day_ns

    def closes_ns(self, day: int) -> Ns:
        """When a day's trading ends."""
        return self.opens_ns(day) + self.session_ns

    def is_night(self, ts_ns: Ns) -> bool:
        """Whether nobody trades: from the close on, and before the next open."""
        return ts_ns % self.day_ns >= self.session_ns

    def nights_ns(self, end_ns: Ns) -> list[tuple[Ns, Ns]]:
        """Close and next open of every night that begins before a time."""
        days = range(1, self.day_of(end_ns) + 1)
        return [(self.closes_ns(day), self.opens_ns(day + 1)) for day in days if self.closes_ns(day) < end_ns]

    def traded_ns(self, ts_ns: Ns) -> Ns:
        """How much of the time up to some time is of sessions, and not of nights."""
        return ts_ns // self.day_ns * self.session_ns + min(ts_ns % self.day_ns, self.session_ns)

    def awake_ns(self, ts_ns: Ns) -> Ns:
        """The time itself or, at night, the next open."""
        return self.opens_ns(self.day_of(ts_ns) + 1) if self.is_night(ts_ns) else ts_ns

    def maturity_ns(self, now_ns: Ns, delay_ns: Ns) -> Ns:
        """When a loan of so long falls due: at the open of the day it leads to, and of the next one at the earliest."""
        return self.opens_ns(max(self.day_of(now_ns) + 1, self.day_of(now_ns + delay_ns)))

    def text(self, ts_ns: Ns, decimals: int = 6) -> str:
        """A time as people say it: ``day 3 2:15:00.000000``, counted from the day's open."""
        return f"day {self.day_of(ts_ns)} {format_time(ts_ns % self.day_ns, decimals)}"

    def label(self, day: int) -> str:
        """A day's date or, where it has none, its number."""
        return self.dates[day - 1] if day <= len(self.dates) else f"day {day}"


def time_text(ts_ns: Ns, calendar: TradingCalendar | None = None, decimals: int = 6) -> str:
    """A time with its day where there are days."""
    return format_time(ts_ns, decimals) if calendar is None else calendar.text(ts_ns, decimals)


def parse_time_ns(text: str | float, calendar: TradingCalendar | None = None) -> Ns:
    """Read a time or a duration: one with a unit, ``"10 days"``, ``"day 3"``, ``"day 3 02:15"``, ``"day 3 close"``.

    ``day 3`` is its open, as ``day 3 open`` is; a clock time is in hours and minutes after that.

    Raises:
        InputError: It is none, or speaks of days where there is no calendar.
    """
    if not isinstance(text, str):
        return parse_duration_ns(text)
    days, instant = _DAYS.fullmatch(text), _INSTANT.fullmatch(text)
    if days is None and instant is None:
        return parse_duration_ns(text)
    if calendar is None:
        raise InputError(f"{shown(text)} is in days: expected a [calendar], which says how long a day is")
    if days is not None:
        ns = Decimal(days[1]) * calendar.day_ns
        if ns != ns.to_integral_value() or ns > MOST_NS:
            raise InputError(f"{shown(text)} is not a whole number of nanoseconds below 146 years")
        return int(ns)
    assert instant is not None
    return _instant_ns(text, int(instant[1]), instant[2] or "open", calendar)


def _instant_ns(text: str, day: int, when: str, calendar: TradingCalendar) -> Ns:
    clock = _CLOCK.fullmatch(when)
    if day < 1 or (clock is None and when not in ("open", "close")):
        raise InputError(f'{shown(text)} is no time of a day: expected "day 3 02:15", "day 3 open" or "day 3 close"')
    if clock is None:
        return calendar.opens_ns(day) if when == "open" else calendar.closes_ns(day)
    seconds = (int(clock[1]) * 60 + int(clock[2])) * 60 + Decimal(clock[3] or 0)
    since_open_ns = int(seconds * NS_PER_S)
    if since_open_ns >= calendar.day_ns:
        raise InputError(f"{shown(text)} is beyond the end of the day, {format_time(calendar.day_ns)} after its open")
    return calendar.opens_ns(day) + since_open_ns


def without_days(raw: Any, calendar: TradingCalendar, where: str = "") -> Any:
    """Plain data of a scenario with every text that is a time in days in nanoseconds instead.

    Raises:
        InputError: A time of a day that the day does not have; names the field.
    """
    if isinstance(raw, dict):
        return {
            key: value if key in _PROSE else without_days(value, calendar, f"{where}.{key}" if where else str(key))
            for key, value in raw.items()
        }
    if isinstance(raw, list):
        return [
            without_days(value, calendar, f"{where}.{value['name']}" if _has_name(value) else f"{where}[{i}]")
            for i, value in enumerate(raw)
        ]
    if isinstance(raw, str) and (_DAYS.fullmatch(raw) or _INSTANT.fullmatch(raw)):
        try:
            return f"{parse_time_ns(raw, calendar)}ns"
        except InputError as error:
            raise InputError(error.message, where) from None
    return raw


def _has_name(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)
