"""Parts: plug-ins that the parameters of another plug-in name, each with parameters of its own.

A parameter whose type is a :data:`PartKinds` annotation is a table in a scenario::

    toxicity = { kind = "my_file:MyEstimator", half_life = "2min" }

``kind`` is a short name or ``"module:Class"``; the other keys are that class's parameters. Without a ``kind`` they are
those of the part that the dealer has by default. How it is read stands in :func:`lob_sim.plugin_params.build_params`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, get_args, get_origin

import msgspec

KIND = "kind"
"""The key of a part's table that names its class; no part has a parameter of this name."""


class NoParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The parameters of a class that has none."""


class PartKinds(msgspec.Struct, frozen=True):
    """What may stand in one place: the second half of the annotation ``Annotated[Part, PartKinds(...)]``.

    Attributes:
        base: What a part must be a subclass of.
        names: Short names of the shipped ones, each with its ``"module:Class"``.
    """

    base: type
    names: Mapping[str, str]

    def name_of(self, cls: type) -> str:
        """The short name of a class, or its ``"module:Class"`` where it has none."""
        spec = f"{cls.__module__}:{cls.__qualname__}"
        return next((name for name, known in self.names.items() if known == spec), spec)


class Part(msgspec.Struct, frozen=True):
    """A class that was chosen for a place, and its parameters."""

    cls: type[Any]
    params: msgspec.Struct

    def make(self, *args: object) -> Any:
        """A fresh part: the class called with its parameters and ``args``."""
        return self.cls(self.params, *args)

    def __repr__(self) -> str:
        return f"{self.cls.__name__}({self.params!r})"


def part(cls: type[Any]) -> Part:
    """A class with the defaults of its parameters: what a place holds where a scenario says nothing."""
    return Part(cls, cls.Params())


def part_kinds(annotation: Any) -> PartKinds | None:
    """What may stand in a place with this annotation; ``None`` where it is no place for a part."""
    if get_origin(annotation) is not Annotated:
        return None
    return next((meta for meta in get_args(annotation)[1:] if isinstance(meta, PartKinds)), None)


def is_overridden(cls: type, base: type, *names: str) -> bool:
    """Whether a class defines one of these methods itself, rather than inheriting the base's, which does nothing."""
    return any(getattr(cls, name) is not getattr(base, name) for name in names)
