"""Zero-profit spreads, and decompositions that add up to the last micro-tick."""

from __future__ import annotations

import math
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from lob_sim.errors import InputError
from lob_sim.information.belief import MAX_ALPHA
from lob_sim.information.spread import (
    UTICKS_PER_TICK,
    decompose,
    decompose_quote,
    expected_excess,
    inventory_ticks,
    zero_profit_k,
)
from lob_sim.messages import Side


def solve_k(alpha: float) -> float:
    return float(
        optimize.brentq(
            lambda k: alpha * stats.norm.pdf(k) - k * (alpha * stats.norm.sf(k) + (1 - alpha) / 2),
            0,
            5,
            xtol=1e-14,
        )
    )


@pytest.mark.parametrize(("alpha", "published"), [(0.1, 0.080044), (0.3, 0.246607), (0.5, 0.436327)])
def test_published_values(alpha: float, published: float) -> None:
    assert round(zero_profit_k(alpha), 6) == published


@pytest.mark.parametrize("alpha", [0.0, 1e-9, 0.0123, 0.25, 0.4999, 0.77, 0.9, 0.97, 0.985, 0.98999, MAX_ALPHA])
def test_agrees_with_a_bracketing_solver(alpha: float) -> None:
    assert zero_profit_k(alpha) == pytest.approx(solve_k(alpha), abs=1e-9)


@given(st.floats(0, 0.98), st.floats(1e-4, 0.01))
def test_rises_with_alpha(alpha: float, more: float) -> None:
    assert zero_profit_k(alpha) < zero_profit_k(alpha + more)


def test_is_clipped_outside_its_range() -> None:
    assert zero_profit_k(-1) == 0
    assert zero_profit_k(2) == zero_profit_k(MAX_ALPHA)


def test_expected_excess_is_the_integral() -> None:
    for k in (-1.0, 0.0, 0.8, 3.0):
        by_integration = stats.norm.expect(partial(lambda k, z: max(0, z - k), k))
        assert expected_excess(k) == pytest.approx(by_integration, abs=1e-7)


def test_inventory_cost_is_the_difference_of_quadratic_costs() -> None:
    gamma, variance = 0.003, 25.0
    for position in (-40, 0, 7):
        for side in Side:
            for qty in (1, 10):
                after = position + side * qty
                cost = gamma / 2 * variance * (after**2 - position**2) / qty
                assert inventory_ticks(side, qty, position, gamma, variance) == pytest.approx(cost)
    # A long dealer wants to sell: it shades its ask down and its bid down by the same.
    assert inventory_ticks(Side.SELL, 1, 40, gamma, variance) < 0 < inventory_ticks(Side.BUY, 1, 40, gamma, variance)


PART = st.floats(-1e4, 1e4, allow_nan=False)


@given(st.floats(2e4, 1e6), PART, PART, PART, st.sampled_from(list(Side)))
def test_parts_sum_exactly_and_rounding_is_less_than_a_tick_away_from_value(
    mean: float, adverse: float, inventory: float, processing: float, side: Side
) -> None:
    quote = decompose(side, mean, adverse, inventory, processing)
    parts = quote.adverse_uticks + quote.inventory_uticks + quote.processing_uticks + quote.rounding_uticks
    distance = quote.mean_uticks - quote.price_ticks * UTICKS_PER_TICK
    assert parts == quote.half_spread_uticks == side * distance
    if quote.price_ticks > 1:
        assert 0 <= quote.rounding_uticks < UTICKS_PER_TICK
    wanted = mean - side * (adverse + inventory + processing)
    assert abs(quote.price_ticks - wanted) < 1 + 1e-5 or quote.price_ticks == 1


@given(st.floats(1, 1e6), st.floats(0, 50), PART, PART, st.floats(0, 10))
def test_a_quote_never_crosses_itself_and_both_sides_add_up(
    mean: float, adverse: float, bid_inventory: float, ask_inventory: float, processing: float
) -> None:
    bid, ask = decompose_quote(mean, adverse, bid_inventory, ask_inventory, processing)
    assert 1 <= bid.price_ticks < ask.price_ticks
    # Each side is what it would be alone, the ask above an own bid.
    assert bid == decompose(Side.BUY, mean, adverse, bid_inventory, processing)
    assert ask == decompose(Side.SELL, mean, adverse, ask_inventory, processing, bid.price_ticks + 1)
    for quote in (bid, ask):
        parts = quote.adverse_uticks + quote.inventory_uticks + quote.processing_uticks + quote.rounding_uticks
        assert parts == quote.half_spread_uticks


def test_no_information_no_inventory_leaves_tick_and_processing_cost() -> None:
    bid, ask = decompose_quote(100.0, 5 * zero_profit_k(0.0), 0.0, 0.0, 0.6)
    assert (bid.price_ticks, ask.price_ticks) == (99, 101)
    assert (bid.adverse_uticks, ask.adverse_uticks) == (0, 0)
    assert bid.rounding_uticks == 400_000


def test_a_part_without_a_number_is_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        decompose(Side.BUY, 100.0, math.inf, 0.0, 0.0)
    for place in range(5):
        for wrong in (math.inf, math.nan):
            parts = [100.0, 1.0, 0.0, 0.0, 0.5]
            parts[place] = wrong
            with pytest.raises(InputError, match="finite"):
                decompose_quote(*parts)
    assert decompose_quote(100.0, 1.0, 0.0, 0.0, 0.5)[0].price_ticks == 98
