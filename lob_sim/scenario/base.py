"""What every table of a scenario is, and how one that does not hold says so."""

from __future__ import annotations

from typing import Annotated

import msgspec

from lob_sim.errors import shown

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=80)]


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The root of everything that a scenario is made of: immutable, and unknown keys are refused."""


def require(holds: bool, field: str, expected: str, value: object) -> None:
    """msgspec turns a ValueError from ``__post_init__`` into an error that says where the struct stands."""
    if not holds:
        raise ValueError(f"{field}: expected {expected}, got {shown(value)}")


def require_name(name: str) -> None:
    """A name is printed, and is on one line."""
    require(name.isprintable(), "name", "a name without control characters", name)
