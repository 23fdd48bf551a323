"""Integer units, and the only place where they meet decimal numbers.

Inside the simulator a price is an integer number of ticks, a quantity an integer number of lots, a time an
integer number of nanoseconds and cash an integer number of cash units. One cash unit is the greatest common
divisor of the values of one tick on one lot over all instruments of a market, so that every trade moves a whole
number of them and cash is conserved exactly, not to rounding. The unit itself is a fraction, because prices per 12
have no decimal one. Decimal numbers appear in scenarios and reports alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, DecimalException
from fractions import Fraction
from math import gcd, lcm
from operator import index
from typing import Annotated, TypeAlias

import msgspec

from lob_sim.errors import InputError, shown

Ns: TypeAlias = int
"""Simulated time or a duration, in nanoseconds."""
Duration: TypeAlias = Annotated[int, msgspec.Meta(extra={"unit": "duration"})]
"""Nanoseconds in Python; in a file ``"250ms"`` or a number of seconds (see :mod:`lob_sim.convert`)."""
Interval: TypeAlias = Annotated[int, msgspec.Meta(gt=0, extra={"unit": "duration"})]
"""A duration that may not be zero: the pause between two things that repeat."""
Ticks: TypeAlias = int
"""A price, in ticks of its instrument."""
Lots: TypeAlias = int
"""A quantity, in lots of its instrument; signed where it is a position."""
Cash: TypeAlias = int
"""An amount of money, in cash units of the market (see :class:`CashUnit`)."""

NS_PER_S: Ns = 1_000_000_000
NS_PER_MS: Ns = 1_000_000
MOST_NS: Ns = 1 << 62
"""The longest duration that can be read, 146 years: the sum of two still fits into the log."""
NEVER_NS: Ns = (1 << 63) - 1
"""A time later than any that there is."""
_CLOCK = re.compile(r"(\d{1,6}):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,9}))?)?", re.ASCII)
TIME_UNITS: dict[str, Ns] = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
"""Units in which durations are written, in nanoseconds."""
_DAYS = ("d", "day", "days")


def checked_whole(value: object, where: str, least: int = 0, most: int = MOST_NS, kind: str = "a whole number") -> int:
    """A whole number that a caller of the Python API gives, as Python's own; numpy's become one.

    Args:
        value: What was given.
        where: The argument, for errors.
        least: Smallest that is taken.
        most: Largest that is taken.
        kind: What was expected, for errors.

    Raises:
        InputError: It is something else, such as a truth value or a real number, or out of bounds.
    """
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or not least <= number <= most:
        bounds = f" from {least} to {most}" if number is not None else ""
        expected = f"expected {kind}{bounds}".removesuffix(",")
        raise InputError(f"{expected}, got {shown(value)}", where)
    return number


def checked_ns(value: object, where: str, least: Ns = 0) -> Ns:
    """A time or an interval that a caller of the Python API gives in nanoseconds.

    Raises:
        InputError: It is no whole number of them, or less than ``least``.
    """
    return checked_whole(value, where, least, MOST_NS, 'nanoseconds as a whole number, or text such as "10min",')


def parse_duration_ns(text: str | float) -> Ns:
    """Read a duration as people write it: ``"250ms"``, ``"1.5 s"``, ``"2h"``; a bare number is seconds.

    How long a day is only a calendar can say (:func:`lob_sim.calendar.parse_time_ns`).

    Raises:
        InputError: Not a non-negative duration, not a whole number of nanoseconds, or in days.
    """
    expected = "expected a duration such as 250ms, 1.5s, 30min or 2h"
    raw = str(text).strip()
    number = raw.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = raw[len(number) :] or "s"
    if unit in _DAYS:
        raise InputError(f"{shown(raw)} is in days: expected a [calendar], which says how long a day is, or hours")
    if unit not in TIME_UNITS:
        raise InputError(f"{shown(raw)} has no known unit of time: {expected}")
    try:
        ns = Decimal(number.strip()) * TIME_UNITS[unit]
    except DecimalException:
        raise InputError(f"{shown(raw)} is not a duration: {expected}") from None
    if ns.is_finite() and ns > MOST_NS:
        raise InputError(f"{shown(raw)} is longer than 146 years: {expected}")
    if not ns.is_finite() or ns < 0 or ns != ns.to_integral_value():
        raise InputError(f"{shown(raw)} is not a whole, non-negative number of nanoseconds: {expected}")
    return int(ns)


def parse_clock_ns(text: str) -> Ns | None:
    """Read a time as clocks show it, ``9:30:10`` or ``9:30:10.25`` or ``9:30``; None if it is none."""
    match = _CLOCK.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups(default="")
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return whole * NS_PER_S + int((fraction or "0").ljust(9, "0"))


def format_time(ts_ns: Ns, decimals: int = 6) -> str:
    """Write a time as ``h:mm:ss.ffffff``, or with fewer decimals of a second, or none; the rest is cut off."""
    seconds, rest = divmod(ts_ns * 10**decimals // NS_PER_S, 10**decimals)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" + (f".{rest:0{decimals}d}" if decimals else "")


LARGEST_INT: int = 2**63 - 1
"""The largest whole number that a column of the log holds; the smallest is one below its negative."""
MOST_CASH: Cash = 1 << 62
"""Beyond this an amount is as good as unbounded: no market reaches it, and the log still holds it."""


def fits_log(value: object) -> bool:
    """Whether a value is a whole number, of Python's own type, that a column of the log holds."""
    return type(value) is int and -LARGEST_INT <= value + 1 <= LARGEST_INT + 1


def bounded_cash(amount: float) -> Cash:
    """A real amount in whole cash units, at most ``MOST_CASH`` either way."""
    if -MOST_CASH <= amount <= MOST_CASH:
        return round(amount)
    return round(max(-MOST_CASH, min(MOST_CASH, amount)))


class Instrument(msgspec.Struct, frozen=True, gc=False):
    """What is traded, and how its decimal prices and amounts become integers.

    Attributes:
        instrument_id: Index in the market, from 0, in order of name.
        name: Stable name, as in the scenario.
        tick_size: Price of one tick, in price points (0.01 is a cent, or a basis point of par).
        lot_size: Amount of one lot: shares, or currency units of face value.
        price_per: The amount to which the quoted price refers: 1 for shares, 100 for bonds in percent of par.
        liquidity_rank: 1 is the most liquid: the order in which a deleveraging dealer sells.
        cash_per_tick_lot: Value of one tick on one lot, in cash units of the market.
    """

    instrument_id: int
    name: str
    tick_size: Decimal
    lot_size: Decimal
    price_per: Decimal
    liquidity_rank: int
    cash_per_tick_lot: int

    @property
    def price_decimals(self) -> int:
        """Decimals that a price on the tick grid can have."""
        return max(0, -int(self.tick_size.normalize().as_tuple().exponent))

    @property
    def tick_value(self) -> Fraction:
        """Value of one tick on one lot, in currency units."""
        return tick_lot_value(self.tick_size, self.lot_size, self.price_per)

    @property
    def cash_unit(self) -> CashUnit:
        """The unit of cash of the market that it is traded on."""
        return CashUnit(self.tick_value / self.cash_per_tick_lot)

    def to_ticks(self, price: Decimal | Fraction) -> Ticks:
        """Convert a price exactly.

        Raises:
            InputError: The price is off the tick grid.
        """
        return _exact(price, self.tick_size, "price", f" of {self.name}", f"a multiple of {self.tick_size}")

    def to_lots(self, amount: Decimal | Fraction) -> Lots:
        """Convert an amount exactly.

        Raises:
            InputError: The amount is not a whole number of lots.
        """
        return _exact(amount, self.lot_size, "amount", f" of {self.name}", f"a multiple of {self.lot_size}")

    def price(self, ticks: float) -> float:
        """Price in points, for display; a fractional number of ticks is allowed (a mid, a mean)."""
        return ticks * float(self.tick_size)

    def amount(self, lots: float) -> float:
        """Amount in shares or face value, for display."""
        return lots * float(self.lot_size)

    def value(self, price_ticks: Ticks, qty_lots: Lots) -> Cash:
        """Value of ``qty_lots`` (signed) at ``price_ticks``, in cash units, exact."""
        return price_ticks * qty_lots * self.cash_per_tick_lot


class CashUnit(msgspec.Struct, frozen=True, gc=False):
    """The market's unit of cash: ``size`` currency units of money each, exactly. As text: ``1/1200``, ``500``."""

    size: Fraction

    def __str__(self) -> str:
        return str(self.size)

    def to_cash(self, money: Decimal | Fraction, what: str = "amount") -> Cash:
        """Convert money exactly.

        Raises:
            InputError: The amount is not a whole number of cash units.
        """
        return _exact(money, self.size, what, "", f"a multiple of {exact_text(self.size)}")

    def money(self, cash: float) -> float:
        """Money in currency units, for display."""
        return cash * float(self.size)


def tick_lot_value(tick_size: Decimal, lot_size: Decimal, price_per: Decimal) -> Fraction:
    """Value of one tick on one lot, in currency units, exact; see :class:`Instrument` for the arguments."""
    return Fraction(tick_size) * Fraction(lot_size) / Fraction(price_per)


def cash_unit_of(tick_lot_values: Sequence[Fraction]) -> tuple[CashUnit, tuple[int, ...]]:
    """Find the largest cash unit in which one tick on one lot of every instrument is a whole number.

    Args:
        tick_lot_values: For each instrument :func:`tick_lot_value`; positive.

    Returns:
        The unit, and each instrument's value of one tick on one lot in it.
    """
    denominator = lcm(*(value.denominator for value in tick_lot_values))
    numerators = [value.numerator * (denominator // value.denominator) for value in tick_lot_values]
    common = gcd(*numerators)
    return CashUnit(Fraction(common, denominator)), tuple(n // common for n in numerators)


def exact_text(value: Decimal | Fraction) -> str:
    """A number as people write it where decimals can say it exactly, else as a fraction."""
    if isinstance(value, Decimal):
        return str(value)
    digits = max(_multiplicity(value.denominator, 2), _multiplicity(value.denominator, 5))
    whole = value * 10**digits
    return str(value) if whole.denominator != 1 else f"{Decimal(f'{whole.numerator}e-{digits}'):f}"


def _multiplicity(number: int, prime: int) -> int:
    n = 0
    while number % prime == 0:
        number //= prime
        n += 1
    return n


def _exact(value: Decimal | Fraction, unit: Decimal | Fraction, what: str, of: str, expected: str) -> int:
    if isinstance(value, Decimal) and not value.is_finite():
        raise InputError(f"{what} {value}{of} is not a finite number: expected {expected}")
    quotient = Fraction(value) / Fraction(unit)
    if quotient.denominator != 1:
        raise InputError(f"{what} {exact_text(value)}{of} is off the grid: expected {expected}")
    return quotient.numerator
