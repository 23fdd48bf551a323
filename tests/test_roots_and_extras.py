"""Roots are found as scipy finds them, to the bit; an extra that is not installed is named."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import brentq

from lob_sim.errors import InvariantError, MissingExtraError
from lob_sim.extras import need_extra
from lob_sim.roots import brent_root

COEFFICIENT = st.floats(-3, 3)
SHAPES: tuple[Callable[[float, float, float, float], float], ...] = (
    lambda x, a, b, c: a * x**3 + b * x * x + c * x + 0.1,
    lambda x, a, b, c: math.exp(a * x) - 2 + b * x + c,
    lambda x, a, b, c: math.atan(x * 10**b) + c / 3,
    lambda x, a, b, c: a * (x - b) ** 9 + c * 1e-3,
)


@given(st.sampled_from(SHAPES), COEFFICIENT, COEFFICIENT, COEFFICIENT, st.floats(-5, 5), st.floats(-5, 5))
def test_the_root_has_the_bits_of_scipy(
    shape: Callable[[float, float, float, float], float], a: float, b: float, c: float, low: float, high: float
) -> None:
    def function(x: float) -> float:
        return shape(x, a, b, c)

    assume(function(low) * function(high) < 0)
    for xtol, rtol in ((1e-15, 1e-15), (1e-15, 1e-14), (1e-6, 1e-10)):
        try:
            expected = brentq(function, low, high, xtol=xtol, rtol=rtol)
        except RuntimeError:
            with pytest.raises(InvariantError, match="within"):
                brent_root(function, low, high, xtol, rtol)
        else:
            assert brent_root(function, low, high, xtol, rtol) == expected


def test_a_root_that_is_not_between_is_refused() -> None:
    with pytest.raises(InvariantError, match="signs are the same"):
        brent_root(lambda x: x * x + 1, -1, 1, 1e-12, 1e-12)
    assert brent_root(lambda x: x, 0.0, 1.0, 1e-12, 1e-12) == 0.0
    assert brent_root(lambda x: x - 1, 0.0, 1.0, 1e-12, 1e-12) == 1.0


def test_a_missing_extra_is_named() -> None:
    need_extra("report", "json", "math")
    with pytest.raises(MissingExtraError) as caught:
        need_extra("report", "json", "not_there_at_all")
    assert str(caught.value) == 'not_there_at_all not installed: expected pip install "lob-sim[report]"'
