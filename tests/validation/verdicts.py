"""What tests ask of claims."""

from __future__ import annotations

from lob_sim.experiment import Row


def failing(rows: list[Row]) -> set[str]:
    """The claims that do not hold."""
    return {row.claim for row in rows if not row.holds}


def assert_turned(rows: list[Row], *parts: str) -> None:
    """Each part of a claim belongs to at least one claim that fails."""
    failed = failing(rows)
    for part in parts:
        assert any(part in claim for claim in failed), f"{part!r} still holds; failing: {sorted(failed)}"
