"""Prices of an instrument as people read them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from lob_sim.units import Instrument


@pytest.mark.parametrize(
    ("tick_size", "decimals"), [("0.01", 2), ("0.010", 2), ("0.25", 2), ("1", 0), ("10", 0), ("0.0078125", 7)]
)
def test_a_price_has_the_decimals_of_its_tick(tick_size: str, decimals: int) -> None:
    bond = Instrument(0, "bond", Decimal(tick_size), Decimal(1), Decimal(100), 1, 1)
    assert bond.price_decimals == decimals
    assert Decimal(f"{bond.price(3):.{decimals}f}") == 3 * bond.tick_size
