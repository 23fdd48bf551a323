"""Sheets in which one cash unit is a round number of currency units."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from lob_sim.balance.sheet import BalanceSheet
from lob_sim.balance.view import SheetContext
from lob_sim.units import CashUnit, Instrument

BN = 10**9
UNIT = 100  # currency units in a cash unit: one tick (0.01 of par 100) on a lot of 1 million face


def bond(instrument_id: int, name: str, rank: int | None = None, tick_value: int = 1) -> Instrument:
    return Instrument(
        instrument_id,
        name,
        Decimal("0.01"),
        Decimal(1_000_000) * tick_value,
        Decimal(100),
        instrument_id + 1 if rank is None else rank,
        tick_value,
    )


BONDS = (bond(0, "treasuries"), bond(1, "corporates"), bond(2, "other"))
CONTEXT = SheetContext(BONDS, CashUnit(Fraction(UNIT)))
PAR = 10_000  # 100.00 in ticks


def bn(amount: float) -> int:
    """Billions of currency in cash units."""
    return round(amount * BN / UNIT)


def lots_of(billions: float, price_ticks: int = PAR) -> int:
    """Lots worth so many billions at a price."""
    return round(bn(billions) / price_ticks)


def dealer_prime() -> BalanceSheet:
    """The worked example: cash 50, Treasuries 200, corporates 150, other 100; funding 475; Tier 1 25."""
    return BalanceSheet(
        BONDS,
        cash=bn(50),
        lots=[lots_of(200), lots_of(150), 0],
        marks_ticks=[PAR, PAR, PAR],
        other_assets_cash=bn(100),
        short_term_cash=bn(475),
    )


def no_risk(n: int = 3) -> list[list[float]]:
    return [[0.0] * n for _ in range(n)]
