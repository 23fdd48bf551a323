"""Reading what a user says of banks: TOML, strictly typed, with errors that name the field."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from lob_sim.balance.view import SheetContext
from lob_sim.convert import convert_strict
from lob_sim.errors import DataError
from lob_sim.units import CashUnit, Instrument

T = TypeVar("T")
Amount = Annotated[float, msgspec.Meta(ge=0)]
"""Money, 0 or more, in any unit that the file uses throughout."""
LARGEST_LOTS = 1e15
"""Balance sheets are cut into so many lots that one of them is next to nothing, and all are exact as floats."""


def read(path: Path, target: type[T]) -> T:
    """Read a TOML file as a struct.

    Raises:
        DataError: The file cannot be read, or a field is missing, unknown, of another type or out of range.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", str(path)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"is not valid TOML: {error}", str(path)) from None
    return convert_strict(raw, target, f"{path}: ", DataError)


def check_names(names: Iterable[str], where: str) -> None:
    """No name twice, and at least one.

    Raises:
        DataError: One is there twice, or none is.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise DataError(f"{name!r} is there twice: expected different names", where)
        seen.add(name)
    if not seen:
        raise DataError("none is given: expected at least one", where)


def finite(amount: float, where: str) -> float:
    """The number.

    Raises:
        DataError: It is infinite.
    """
    if not math.isfinite(amount):
        raise DataError(f"expected a finite number, got {amount}", where)
    return amount


def scale_of(largest: float) -> float:
    """Lots per unit of money, a power of ten, so that the largest sheet has 1e14 to 1e15 of them."""
    return 10.0 ** math.floor(math.log10(LARGEST_LOTS / largest)) if largest > 0 else 1.0


def context(names: Iterable[str]) -> SheetContext:
    """Instruments at a price of 1 whose lot is the unit of cash, for constraints and sale orders."""
    instruments = tuple(Instrument(i, name, *(Decimal(1),) * 3, i + 1, 1) for i, name in enumerate(names))
    return SheetContext(instruments, CashUnit(Decimal(1)))
