"""The fields of a struct of parameters as a person reads them: types, bounds, defaults, and what the docstring says."""

from __future__ import annotations

import inspect
import re
import types
import typing
from decimal import Decimal
from enum import Enum
from typing import Any

import msgspec

from lob_sim.convert import is_duration, marks_duration, struct_fields
from lob_sim.parts import Part, part_kinds


class ParamInfo(msgspec.Struct, frozen=True):
    """One parameter as a person reads it; ``default`` is empty where a value must be given.

    ``unit`` is what the documentation puts in brackets after the name, and empty where it puts nothing.
    """

    name: str
    type: str
    default: str
    doc: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.type}, " + (f"default {self.default})" if self.default else "required)")


def param_infos(target: type[msgspec.Struct]) -> tuple[ParamInfo, ...]:
    """The fields of a struct with types, defaults and documentation, in their order."""
    docs = _attribute_docs(target)
    return tuple(
        ParamInfo(field.encode_name, _type_text(field.type), _default_text(field), *docs.get(field.name, ("", "")))
        for field in struct_fields(target)
    )


def _attribute_docs(target: type) -> dict[str, tuple[str, str]]:
    """Text and unit from the ``Attributes:`` sections of a class and its bases; the class itself wins."""
    docs: dict[str, tuple[str, str]] = {}
    for cls in reversed(target.__mro__):
        _, _, section = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("Attributes:\n")
        name = ""
        for line in section.splitlines():
            entry = re.match(r"^    (\w+)(?: \((.*?)\))?: *(.*)$", line)
            if entry:
                name = entry[1]
                docs[name] = (entry[3], entry[2] or "")
            elif name and line.startswith("     "):
                text, unit = docs[name]
                docs[name] = (f"{text} {line.strip()}".strip(), unit)
            elif line.strip():
                break
    return docs


def _default_text(field: msgspec.structs.FieldInfo) -> str:
    if field.default is not msgspec.NODEFAULT:
        value = field.default
    elif field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    else:
        return ""
    if isinstance(value, Part):
        kinds = part_kinds(field.type)
        return kinds.name_of(value.cls) if kinds else repr(value)
    if isinstance(value, Enum):
        return value.name.lower()
    if isinstance(value, int) and is_duration(field.type):
        return f"{Decimal(value) / 1_000_000_000:f}s"
    return str(value) if isinstance(value, Decimal) else repr(value)


def _type_text(annotation: Any) -> str:
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if kinds := part_kinds(annotation):
        return f"part: {' | '.join(kinds.names)} | module:Class"
    if origin is typing.Annotated:
        text = "duration" if is_duration(annotation) else _type_text(args[0])
        signs = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))
        metas = [m for m in args[1:] if isinstance(m, msgspec.Meta) and not marks_duration(m)]
        bounds = [f"{s} {getattr(m, a):g}" for m in metas for a, s in signs if getattr(m, a) is not None]
        return f"{text} {' and '.join(bounds)}" if bounds else text
    if origin in (typing.Union, types.UnionType):
        return " or ".join("none" if a is type(None) else _type_text(a) for a in args)
    if origin is typing.Literal:
        return " | ".join(map(repr, args))
    if origin is not None:
        inner = ", ".join(_type_text(a) for a in args if a is not ...)
        return f"{'list' if origin is tuple and ... in args else origin.__name__} of {inner}"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return " | ".join(member.name.lower() for member in annotation)
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return "table {" + ", ".join(map(str, param_infos(annotation))) + "}"
    return str(getattr(annotation, "__name__", annotation))
