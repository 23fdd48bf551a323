"""Plain data to typed values, strictly: what a scenario file or a plug-in's parameters say.

The data are TOML, or JSON, or what a Python caller wrote. msgspec does the
conversion; this module adds what people need: durations with units, enumerations by name, suggestions for
misspelt keys, and errors that say where.
"""

from __future__ import annotations

import math
import re
import types
import typing
from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from lob_sim.errors import InputError, PluginError, shown
from lob_sim.units import parse_duration_ns

T = TypeVar("T")
_AT_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?$", re.DOTALL)
_HALF = re.compile("[\ud800-\udfff]")
_STEP = re.compile(r"\.(?P<name>[^.\[]+)|\[(?P<index>\d+|\.\.\.)\]")

DEEPEST = 64
"""Tables and lists may stand in one another to this depth; what people write needs a tenth of it."""
_SINGLE = ("got str", "got int", "got float", "got bool")
_WHOLE_BITS = 63
_DECIMAL_EXPONENT = 30
_DECIMAL_DIGITS = 40
_LONGEST_GUESSED = 200


def convert_strict(raw: object, target: type[T], where: str, error_type: type[InputError] = PluginError) -> T:
    """Convert plain data (TOML, JSON) to a typed value.

    What msgspec does, and: an unknown key is answered with the nearest known one, an enumeration is named
    by its member in any case, a :data:`lob_sim.units.Duration` is written ``"250ms"`` or in seconds, and
    a number that is not finite is refused wherever it stands, as is one beyond what the log could hold. Members of
    lists are called by their ``name`` in errors, where they have one.

    Args:
        raw: The data.
        target: A struct or any other type that msgspec converts to.
        where: The place of ``raw``, put before the path of what is wrong.
        error_type: The class of the error to raise.

    Raises:
        InputError: Of class ``error_type``: names the path, what was expected and what was found.
    """
    refuse_depth(raw, where, error_type)
    prepared = _prepare(raw, target, where, error_type)
    try:
        return msgspec.convert(prepared, target)
    except msgspec.ValidationError as error:
        match = _AT_PATH.match(str(error))
        assert match is not None  # the pattern has no part that must be there
        what, path = match["what"].replace("`", ""), match["path"] or ""
        what = what[:1].lower() + what[1:]
        known, value = _value_at(raw, path)
        if known and what.startswith("expected") and ", got " not in what:
            what += f", got {value}"
        elif known and what.endswith(_SINGLE):
            what += f" {value}"
        raise error_type(what, _join(where, _named(raw, path))) from None
    except TypeError as error:
        raise PluginError(f"{target.__qualname__} has a field of a type that cannot be read: {error}", where) from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a clause of an error message; empty if none is near."""
    if len(name) > _LONGEST_GUESSED:  # Comparing takes the square of the length.
        return ""
    by_lower = {candidate.lower(): candidate for candidate in known}
    near = get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f", did you mean {by_lower[near[0]]!r}?" if near else ""


@lru_cache(maxsize=1_024)
def struct_fields(target: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """The fields of a struct, with their types resolved.

    Raises:
        PluginError: An annotation names something that is not to be seen from the struct's module.
    """
    try:
        return msgspec.structs.fields(target)
    except NameError as error:
        raise PluginError(
            f"an annotation cannot be resolved: {error}; name it at the top of the module",
            f"{target.__module__}:{target.__qualname__}",
        ) from error


def _join(where: str, path: str) -> str:
    if not where:
        return path.lstrip(".")
    if not path:
        return where.removesuffix(": ")
    # "market.toml: " ends the name of a file: what follows is the path inside it.
    return where + (path.lstrip(".") if where.endswith((" ", ":")) else path)


def _value_at(raw: object, path: str) -> tuple[bool, object]:
    """What the data say at a path of msgspec's; (False, None) where it leads through an unnamed key."""
    value: Any = raw
    for step in _STEP.finditer(path):
        try:
            value = value[step["name"]] if step["name"] else value[int(step["index"])]
        except (KeyError, IndexError, TypeError, ValueError):
            return False, None
    return True, shown(value)


def _named(raw: object, path: str) -> str:
    """A path of msgspec's with the members of lists called by their names."""
    named, value = "", raw
    for step in _STEP.finditer(path):
        entry: Any = None
        if step["name"]:
            named += step[0]
            entry = value.get(step["name"]) if isinstance(value, Mapping) else None
        elif isinstance(value, list | tuple) and step["index"].isdecimal():
            entry = value[int(step["index"])]
            named += _member(entry, int(step["index"]))
        else:
            named += step[0]
        value = entry
    return named


def _member(entry: object, index: int) -> str:
    """How a path goes on to a member of a list: by its name, or by its number where it has none."""
    name = entry.get("name") if isinstance(entry, Mapping) else None
    return f".{name}" if isinstance(name, str) and name and name.isprintable() else f"[{index}]"


def refuse_depth(raw: object, where: str, error_type: type[InputError]) -> None:
    """Refuse data that are nested so deeply that code which follows them down would run out of stack.

    Raises:
        InputError: Of class ``error_type``: they are nested more than :data:`DEEPEST` deep.
    """
    open_: list[tuple[object, int]] = [(raw, 0)]
    while open_:
        value, depth = open_.pop()
        if isinstance(value, Mapping | list | tuple):
            if depth >= DEEPEST:
                raise error_type(f"tables and lists are nested more than {DEEPEST} deep", where.rstrip(": "))
            children = value.values() if isinstance(value, Mapping) else value
            open_.extend((child, depth + 1) for child in children)


def marks_duration(meta: object) -> bool:
    """Whether a piece of an annotation's metadata is the mark of :data:`lob_sim.units.Duration`."""
    return isinstance(meta, msgspec.Meta) and (meta.extra or {}).get("unit") == "duration"


def is_duration(annotation: Any) -> bool:
    """Whether a field so annotated is a :data:`lob_sim.units.Duration`, with or without further bounds."""
    return any(marks_duration(meta) for meta in getattr(annotation, "__metadata__", ()))


def _prepare(raw: Any, annotation: Any, where: str, error_type: type[InputError]) -> Any:
    """Rewrite what msgspec does not read by itself: durations, enumerations by name; refuse unknown keys."""
    if isinstance(raw, int | float | Decimal):
        _refuse_extremes(raw, where, error_type)
    for text in [raw] if isinstance(raw, str) else raw if isinstance(raw, Mapping) else ():
        _refuse_half_characters(text, where, error_type)
    if is_duration(annotation):
        return _duration(raw, where, error_type)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _prepare(raw, args[0], where, error_type)
    if origin in (typing.Union, types.UnionType):
        return _prepare(raw, _member_for(raw, args), where, error_type)
    if annotation is Decimal and isinstance(raw, str | int | float | Decimal) and not isinstance(raw, bool):
        return _decimal(raw, where, error_type)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _enum_value(raw, annotation, where, error_type)
    if origin is typing.Literal and raw not in args:
        raise error_type(f"expected one of {', '.join(map(str, args))}, got {shown(raw)}{_nearest(raw, args)}", where)
    if isinstance(raw, Mapping):
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            return _prepare_struct(raw, annotation, where, error_type)
        value_type = args[1] if len(args) == 2 else Any
        return {k: _prepare(v, value_type, _join(where, f".{k}"), error_type) for k, v in raw.items()}
    if isinstance(raw, list | tuple):
        fixed = origin is tuple and ... not in args
        types_ = list(args) if fixed and len(args) == len(raw) else [args[0] if args else Any] * len(raw)
        return [
            _prepare(v, t, _join(where, _member(v, i)), error_type)
            for i, (v, t) in enumerate(zip(raw, types_, strict=True))
        ]
    return raw


def _refuse_extremes(raw: float | Decimal, where: str, error_type: type[InputError]) -> None:
    if isinstance(raw, int):
        if raw.bit_length() > _WHOLE_BITS:
            raise error_type(f"expected a whole number below 2^{_WHOLE_BITS}, got {shown(raw)}", where)
    elif not (raw.is_finite() if isinstance(raw, Decimal) else math.isfinite(raw)):
        raise error_type(f"expected a finite number, got {shown(raw)}", where)


def _refuse_half_characters(text: object, where: str, error_type: type[InputError]) -> None:
    if isinstance(text, str) and _HALF.search(text):
        raise error_type(f"expected text, got half a character in {shown(text)}", where)


def _decimal(raw: str | float | Decimal, where: str, error_type: type[InputError]) -> Decimal:
    try:
        # As msgspec does: the shortest decimal that is this float, which is what was written.
        value = Decimal(str(raw) if isinstance(raw, float) else raw)
    except InvalidOperation:
        raise error_type(f"expected a number, got {shown(raw)}", where) from None
    _refuse_extremes(value, where, error_type)
    if (value and abs(value.adjusted()) > _DECIMAL_EXPONENT) or len(value.as_tuple().digits) > _DECIMAL_DIGITS:
        raise error_type(
            f"expected a number from 1e-{_DECIMAL_EXPONENT} to 1e{_DECIMAL_EXPONENT} of at most {_DECIMAL_DIGITS} "
            f"digits, got {shown(raw)}",
            where,
        )
    return value


def _prepare_struct(
    raw: Mapping[str, Any], target: type[msgspec.Struct], where: str, error_type: type[InputError]
) -> dict[str, Any]:
    by_key = {field.encode_name: field.type for field in struct_fields(target)}
    tag_field = target.__struct_config__.tag_field
    for key in raw:
        if key not in by_key and key != tag_field and target.__struct_config__.forbid_unknown_fields:
            raise error_type(f"unknown key {key!r}" + did_you_mean(key, by_key), _join(where, f".{key}"))
    return {k: _prepare(v, by_key.get(k, Any), _join(where, f".{k}"), error_type) for k, v in raw.items()}


def _member_for(raw: Any, members: tuple[Any, ...]) -> Any:
    """The member of a union that ``raw`` is meant as, as far as it matters here; else ``Any``."""
    candidates = [m for m in members if m is not type(None)]
    if raw is None or len(candidates) == 1:
        return Any if raw is None else candidates[0]
    for member in candidates:
        if isinstance(raw, Mapping) and isinstance(member, type) and issubclass(member, msgspec.Struct):
            config = member.__struct_config__
            if config.tag_field is None or raw.get(config.tag_field) == config.tag:
                return member
    return Any


def _duration(raw: Any, where: str, error_type: type[InputError]) -> int:
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        raise error_type(f"expected a duration such as 250ms, 1.5s, 30min or 2h, got {shown(raw)}", where)
    try:
        return parse_duration_ns(raw if isinstance(raw, str | int | float) else str(raw))
    except InputError as error:
        raise error_type(error.message, where) from None


def _enum_value(raw: Any, enum: type[Enum], where: str, error_type: type[InputError]) -> Any:
    if isinstance(raw, enum):
        return raw
    names = {member.name.lower(): member for member in enum}
    if isinstance(raw, str) and raw.lower().replace("-", "_") in names:
        return names[raw.lower().replace("-", "_")]
    raise error_type(f"expected one of {', '.join(names)}, got {shown(raw)}{_nearest(raw, names)}", where)


def _nearest(raw: Any, known: Iterable[Any]) -> str:
    return did_you_mean(raw, [str(name) for name in known]) if isinstance(raw, str) else ""
