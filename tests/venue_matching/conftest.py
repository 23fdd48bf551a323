"""The engine that every example of a rule starts with."""

from __future__ import annotations

import pytest
from worded_engine import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
