"""Integer units, and the only place where they meet decimal numbers.

Inside the simulator a price is an integer number of ticks, a quantity an integer number of lots, a time an
integer number of nanoseconds and cash an integer number of cash units. One cash unit is the greatest common
divisor of the values of one tick on one lot over all instruments of a market, so that every trade moves a whole
number of them and cash is conserved exactly, not to rounding. Decimal numbers appear in scenarios and reports alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from math import gcd, lcm
from typing import Annotated, TypeAlias

import msgspec

from lob_sim.errors import InputError

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
_DURATION_UNITS: dict[str, Ns] = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}


def parse_duration_ns(text: str | float) -> Ns:
    """Read a duration as people write it: ``"250ms"``, ``"1.5 s"``, ``"2h"``; a bare number is seconds.

    Raises:
        InputError: Not a non-negative duration, or not a whole number of nanoseconds.
    """
    expected = "expected a duration such as 250ms, 1.5s, 30min or 2h"
    raw = str(text).strip()
    number = raw.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = raw[len(number) :] or "s"
    if unit not in _DURATION_UNITS:
        raise InputError(f"{raw!r} has no known unit of time: {expected}")
    try:
        ns = Decimal(number.strip()) * _DURATION_UNITS[unit]
    except InvalidOperation:
        raise InputError(f"{raw!r} is not a duration: {expected}") from None
    if not ns.is_finite() or ns < 0 or ns != ns.to_integral_value():
        raise InputError(f"{raw!r} is not a whole, non-negative number of nanoseconds: {expected}")
    return int(ns)


def format_time(ts_ns: Ns) -> str:
    """Write a simulated time as ``h:mm:ss.ffffff`` (microseconds; the log keeps the nanoseconds)."""
    total_us, _ = divmod(ts_ns, 1_000)
    seconds, us = divmod(total_us, 1_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}.{us:06d}"


LARGEST_INT: int = 2**63 - 1
"""The largest whole number that a column of the log holds; the smallest is one below its negative."""
MOST_CASH: Cash = 1 << 62
"""Beyond this an amount is as good as unbounded: no market reaches it, and the log still holds it."""


def fits_log(value: object) -> bool:
    """Whether a value is a whole number, of Python's own type, that a column of the log holds."""
    return type(value) is int and -LARGEST_INT <= value + 1 <= LARGEST_INT + 1


def bounded_cash(amount: float) -> Cash:
    """A real amount in whole cash units, at most ``MOST_CASH`` either way."""
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

    def to_ticks(self, price: Decimal) -> Ticks:
        """Convert a decimal price exactly.

        Raises:
            InputError: The price is off the tick grid.
        """
        return _exact(price, self.tick_size, f"price {price} of {self.name}", f"a multiple of {self.tick_size}")

    def to_lots(self, amount: Decimal) -> Lots:
        """Convert a decimal amount exactly.

        Raises:
            InputError: The amount is not a whole number of lots.
        """
        return _exact(amount, self.lot_size, f"amount {amount} of {self.name}", f"a multiple of {self.lot_size}")

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
    """The market's unit of cash: ``size`` currency units of money each."""

    size: Decimal

    def to_cash(self, money: Decimal, what: str = "amount") -> Cash:
        """Convert money exactly.

        Raises:
            InputError: The amount is not a whole number of cash units.
        """
        return _exact(money, self.size, f"{what} {money}", f"a multiple of {self.size}")

    def money(self, cash: float) -> float:
        """Money in currency units, for display."""
        return cash * float(self.size)


def cash_unit_of(tick_lot_values: Sequence[Decimal]) -> tuple[CashUnit, tuple[int, ...]]:
    """Find the largest cash unit in which one tick on one lot of every instrument is a whole number.

    Args:
        tick_lot_values: For each instrument tick size × lot size / price_per, in currency units; positive.

    Returns:
        The unit, and each instrument's value of one tick on one lot in it.
    """
    fractions = [value.as_integer_ratio() for value in tick_lot_values]
    denominator = lcm(*(d for _, d in fractions))
    numerators = [n * (denominator // d) for n, d in fractions]
    common = gcd(*numerators)
    return CashUnit(Decimal(common) / Decimal(denominator)), tuple(n // common for n in numerators)


def _exact(value: Decimal, unit: Decimal, what: str, expected: str) -> int:
    if not value.is_finite():
        raise InputError(f"{what} is not a finite number: expected {expected}")
    quotient = value / unit
    whole = int(quotient)
    if whole != quotient or whole * unit != value:
        raise InputError(f"{what} is off the grid: expected {expected}")
    return whole
