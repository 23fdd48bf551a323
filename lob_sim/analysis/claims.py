"""A claim, what was measured, and its verdict."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Relation: TypeAlias = Literal["=", ">", "<", "≥"]
"""Of a measured value to its reference: equal, or beyond it by more than sampling error; ``≥``: not below, as it is."""

STANDARD_ERRORS = 3.0
"""How many standard errors a measured value may be off."""


class Row(msgspec.Struct, frozen=True):
    """One claim and what became of it.

    Attributes:
        claim: What is claimed, with its unit.
        measured: What the run gave.
        reference: What it should be, or the bound that it should respect.
        standard_error: Of ``measured`` (and of ``reference``, where that too is a sample's); 0: exact.
        relation: How ``measured`` should stand to ``reference``.
        slack: Difference that rounding, or a stated approximation, accounts for.
        verdict: ``holds`` or ``fails``.
        source: Where the reference comes from.
        low: Lower end of an interval around ``measured``, where the verdict rests on one.
        high: Its upper end.
    """

    claim: str
    measured: float
    reference: float
    standard_error: float
    relation: Relation
    slack: float
    verdict: Literal["holds", "fails"]
    source: str
    low: float | None = None
    high: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the claim holds."""
        return self.verdict == "holds"

    @property
    def used(self) -> float:
        """Distance from the reference as a share of what is allowed, three standard errors and the slack; signed. NaN
        for bounds, and where nothing is allowed."""
        allowed = STANDARD_ERRORS * self.standard_error + self.slack
        return (self.measured - self.reference) / allowed if self.relation == "=" and allowed > 0 else float("nan")
