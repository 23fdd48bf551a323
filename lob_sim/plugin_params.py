"""The typed parameters of a plug-in.

They are a nested struct, which is also their documentation::

    class MyDealer(Dealer):
        \"\"\"Quotes around its belief.\"\"\"

        class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
            \"\"\"Parameters.

            Attributes:
                half_spread_ticks: Distance of each quote from the belief.
                pause: Time between two looks at the market.
            \"\"\"

            half_spread_ticks: Annotated[float, msgspec.Meta(gt=0)] = 2.0
            pause: Duration = 250_000_000
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lob_sim.convert import convert_strict, did_you_mean, struct_fields
from lob_sim.errors import PluginError
from lob_sim.param_info import ParamInfo, param_infos
from lob_sim.parts import KIND, NoParams, Part, PartKinds, part_kinds
from lob_sim.plugins import load_class, spec_of


class PluginInfo(msgspec.Struct, frozen=True):
    """What ``lob-sim list`` shows of one plug-in; ``parts`` are those that it has by default, by their place."""

    spec: str
    summary: str
    params: tuple[ParamInfo, ...]
    parts: Mapping[str, PluginInfo] = {}


def params_type(cls: type) -> type[msgspec.Struct]:
    """The typed parameter struct of a plug-in: its nested or inherited ``Params``, or :class:`NoParams`.

    Raises:
        PluginError: ``Params`` is not a frozen struct that forbids unknown fields.
    """
    params = getattr(cls, "Params", NoParams)
    is_struct = isinstance(params, type) and issubclass(params, msgspec.Struct)
    if not is_struct or not (params.__struct_config__.frozen and params.__struct_config__.forbid_unknown_fields):
        raise PluginError(
            "Params must be a class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True)",
            f"plug-in {spec_of(cls)!r}",
        )
    return params


def build_params(cls: type, raw: Mapping[str, object], where: str, search_path: Path | None = None) -> Any:
    """Build a plug-in's parameters from what a file says.

    A parameter that is a part (:mod:`lob_sim.parts`) is a table with a ``kind``. A parameter of a part may also stand
    directly among the plug-in's own, where only one of its parts has a parameter of that name.

    Args:
        cls: The plug-in.
        raw: As read from a file: numbers (``Decimal`` or ``float``), strings, booleans, lists, tables.
        where: The place, for errors, for example ``market.toml: agents.dealers.params``.
        search_path: Folder of the file, where classes of parts are looked for; the current folder if not given.

    Raises:
        PluginError: Names the path of the first parameter that is unknown, missing or of the wrong type or
            range, and lists the parameters that there are.
    """
    target = params_type(cls)
    try:
        if isinstance(raw, Mapping) and any(part_kinds(field.type) for field in struct_fields(target)):
            raw = _with_parts(target, raw, where, search_path)
        return convert_strict(raw, target, where, PluginError)
    except PluginError as error:
        if ". Parameters of " in error.message:  # of a part, which has said so already
            raise
        available = "; ".join(map(str, param_infos(target))) or "none"
        raise PluginError(f"{error.message}. Parameters of {cls.__name__}: {available}", error.where) from None


def _with_parts(
    target: type[msgspec.Struct], raw: Mapping[str, object], where: str, search_path: Path | None
) -> dict[str, object]:
    """The same with every part built, and with no parameter of a part left among the plug-in's own."""
    fields = {field.encode_name: field for field in struct_fields(target)}
    places = {name: kinds for name, field in fields.items() if (kinds := part_kinds(field.type))}
    tables = {name: _table_of_part(raw.get(name, {}), kinds, f"{where}.{name}") for name, kinds in places.items()}
    classes = {
        name: _class_of_part(tables[name].pop(KIND, None), fields[name].default, kinds, f"{where}.{name}", search_path)
        for name, kinds in places.items()
        if name in raw or fields[name].default is not msgspec.NODEFAULT
    }
    known = {name: {f.encode_name for f in struct_fields(params_type(cls))} for name, cls in classes.items()}
    loose = {key: [name for name in classes if key in known[name]] for key in raw if key not in fields}
    for key, having in loose.items():
        if not having:
            for name, cls in classes.items():
                default = fields[name].default
                if isinstance(default, Part) and key in default.params.__struct_fields__:
                    told = f"{key} is a parameter of {default.cls.__name__}, but {name} is {cls.__name__}"
                    raise PluginError(told, f"{where}.{key}")
            near = did_you_mean(key, [*fields, *(name for names in known.values() for name in names)])
            raise PluginError(f"unknown key {key!r}{near}", f"{where}.{key}")
        if len(having) > 1 or key in tables[having[0]]:
            raise PluginError(
                f"{key} is a parameter of {' and '.join(having)}: expected it there, once", f"{where}.{key}"
            )
        tables[having[0]][key] = raw[key]
    result = {key: value for key, value in raw.items() if key in fields and key not in places}
    for name, cls in classes.items():
        try:
            result[name] = Part(cls, build_params(cls, tables[name], f"{where}.{name}", search_path))
        except PluginError as error:
            inside = error.where.removeprefix(f"{where}.{name}.")
            stands_outside = inside.partition(".")[0].partition("[")[0] in loose
            raise PluginError(error.message, f"{where}.{inside}" if stands_outside else error.where) from None
    return result


def _table_of_part(raw: object, kinds: PartKinds, where: str) -> dict[str, object]:
    """A copy of a part's table."""
    if not isinstance(raw, Mapping):
        raise PluginError(f'expected a table such as {{ {KIND} = "{next(iter(kinds.names))}" }}, got {raw!r}', where)
    return dict(raw)


def _class_of_part(kind: object, default: object, kinds: PartKinds, where: str, search_path: Path | None) -> type[Any]:
    """The class that ``kind`` names; without one, that of the default."""
    if kind is None and isinstance(default, Part):
        return default.cls
    if not isinstance(kind, str) or (kind not in kinds.names and ":" not in kind):
        near = did_you_mean(kind, kinds.names) if isinstance(kind, str) else ""
        expected = f'expected one of {", ".join(kinds.names)} or "module:Class", got {kind!r}{near}'
        raise PluginError(expected, f"{where}.{KIND}")
    try:
        return load_class(kinds.names.get(kind, kind), kinds.base, search_path)
    except PluginError as error:
        raise PluginError(error.message, f"{where}.{KIND}") from error


def describe(cls: type) -> PluginInfo:
    """First line of a plug-in's docstring, its parameters with types, defaults and documentation, and its parts."""
    summary = (inspect.cleandoc(cls.__doc__ or "")).partition("\n")[0]
    target = params_type(cls)
    parts = {f.encode_name: describe(f.default.cls) for f in struct_fields(target) if isinstance(f.default, Part)}
    return PluginInfo(spec_of(cls), summary, param_infos(target), parts)
