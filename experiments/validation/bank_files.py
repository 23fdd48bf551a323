"""What users say of banks, read from TOML with errors that name the field, and put on the program's balance sheets."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

from lob_sim.balance.view import SheetContext, SheetView
from lob_sim.convert import convert_strict, did_you_mean
from lob_sim.errors import DataError
from lob_sim.units import CashUnit, Instrument

T = TypeVar("T")
LARGEST_AMOUNT = 1e100
"""Sums and products of this size are still finite."""
Amount = Annotated[float, msgspec.Meta(ge=0, le=LARGEST_AMOUNT)]
"""Money, 0 or more, in any unit that the file uses throughout."""
PositiveAmount = Annotated[float, msgspec.Meta(gt=0, le=LARGEST_AMOUNT)]
"""The same, more than 0."""
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


def amounts_of(held: Mapping[str, float], names: Sequence[str], kind: str, where: str) -> list[float]:
    """What a bank holds of each of the assets that there are, in the order of ``names``.

    Args:
        held: By name, as the file says.
        names: Of all assets.
        kind: What the file calls one.
        where: File and field.

    Raises:
        DataError: There is no asset of a name, or an amount is infinite.
    """
    for name, amount in held.items():
        if name not in names:
            raise DataError(f"no {kind} named {name!r}{did_you_mean(name, names)}", where)
        finite(amount, f"{where}.{name}")
    return [held.get(name, 0.0) for name in names]


def scale_of(largest: float) -> float:
    """Lots per unit of money, a power of ten, so that the largest sheet has 1e14 to 1e15 of them."""
    return 10.0 ** math.floor(math.log10(LARGEST_LOTS / largest)) if largest > 0 else 1.0


def context(names: Iterable[str]) -> SheetContext:
    """Instruments at a price of 1 whose lot is the unit of cash, for constraints and liquidation sequences."""
    instruments = tuple(Instrument(i, name, *(Decimal(1),) * 3, i + 1, 1) for i, name in enumerate(names))
    return SheetContext(instruments, CashUnit(Fraction(1)))


def sheet(
    lots: Sequence[float], equity: float, *, cash: float = 0.0, other_assets: float = 0.0, loan: float | None = None
) -> SheetView:
    """A balance sheet of instruments at a price of 1.

    Args:
        lots: Position in each.
        equity: Tier 1.
        cash: Reserves.
        other_assets: Not traded.
        loan: Short-term debt; by default all that equity does not finance.
    """
    n = len(lots)
    assets = cash + float(sum(lots)) + other_assets
    return SheetView(
        cash=cash,
        lots=[float(q) for q in lots],
        unit_cash=[1.0] * n,
        adjustment_unit_cash=[0.0] * n,
        other_assets_cash=other_assets,
        short_term_cash=max(0.0, assets - equity) if loan is None else loan,
        due_cash=0.0,
        repo_cash=[0.0] * n,
        tier1_cash=equity,
        haircuts=[0.0] * n,
        covariances=[[0.0] * n for _ in range(n)],
    )
