"""How many inputs a generated test tries: a hundred in every run of the tests, a thousand behind ``validate``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

_CHECKS = [
    HealthCheck.too_slow,
    HealthCheck.function_scoped_fixture,
    HealthCheck.data_too_large,
    HealthCheck.filter_too_much,
]
BRIEF = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=_CHECKS)
LONG = settings(max_examples=1_000, deadline=None, derandomize=True, suppress_health_check=_CHECKS)

both_lengths: Callable[..., Any] = pytest.mark.parametrize(
    "length",
    [
        pytest.param(BRIEF, id="brief"),
        pytest.param(LONG, id="long", marks=[pytest.mark.validate, pytest.mark.timeout(3_600)]),
    ],
)
