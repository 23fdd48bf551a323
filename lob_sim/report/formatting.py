"""Numbers as people write them: money, prices, times, counts."""

from __future__ import annotations

import math
from decimal import Decimal

from lob_sim.calendar import TradingCalendar
from lob_sim.units import NS_PER_S, Ns, format_time

_SCALES = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"), (1e3, " thousand"))


def number_text(value: float) -> str:
    """Three significant digits, and never an exponent for a large number."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"


def money_text(amount: float, currency: str = "$") -> str:
    """An amount in currency units: ``$1.25 million``, ``−$300``; ``EUR 1.25 million`` for what is called by letters."""
    if math.isnan(amount):
        return "an unknown amount"
    sign = "−" if amount < 0 else ""
    mark = f"{currency} " if currency[-1:].isalnum() else currency
    for size, name in _SCALES:
        if abs(amount) >= size:
            return f"{sign}{mark}{number_text(abs(amount) / size)}{name}"
    return f"{sign}{mark}{number_text(abs(amount))}"


def price_text(price: float, tick: float) -> str:
    """A price with as many decimals as its tick has."""
    exponent = Decimal(repr(tick)).normalize().as_tuple().exponent
    return f"{price:,.{max(0, -int(exponent))}f}"


def lots_text(lots: float) -> str:
    """``1 lot``, ``1,200 lots``."""
    return f"{lots:,.0f} lot{'' if lots == 1 else 's'}"


def count_text(n: int, thing: str) -> str:
    """``no dealer``, ``1 dealer``, ``7 dealers``."""
    return f"{n or 'no'} {thing}{'' if n == 1 else 's'}"


def short_time(ts_ns: Ns, decimals: int = 1, calendar: TradingCalendar | None = None) -> str:
    """A time since the start, or of day, as ``min:s``, or ``h:min:s`` from an hour on; ``day 3 min:s`` in days."""
    if calendar is not None:
        return f"day {calendar.day_of(ts_ns)} {short_time(ts_ns % calendar.day_ns, decimals)}"
    hours, _, rest = format_time(ts_ns, decimals).partition(":")
    return f"{hours}:{rest}" if hours != "0" else rest[rest.startswith("0") :]


def duration_text(duration_ns: float) -> str:
    """``40 min``, ``1 h 30 min``, ``12.5 s``."""
    seconds = duration_ns / NS_PER_S
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:.3g} min"
    hours, left = divmod(round(minutes), 60)
    return f"{hours} h {left} min" if left else f"{hours} h"


LIMITS = {
    "slr": "leverage limit (SLR)",
    "var": "value-at-risk limit",
    "funding": "funding limit",
    "inventory": "position limit",
}


def limit_text(name: str) -> str:
    """A constraint as people call it; a user's own by its name."""
    return LIMITS.get(name, name)


def list_text(parts: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
