"""The reference of all parameters as Markdown, from the code: ``lob-sim list parameters``.

What a parameter is stands in one place, the struct that reads it: name, type and bounds in the annotation, default,
and in the docstring its meaning, its unit where neither name nor type tells it, and the source of what it belongs to.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from lob_sim.agents.dealer.kinds import BELIEFS, INVENTORY_POLICIES, LIT_POLICIES, RFQ_POLICIES, TOXICITIES
from lob_sim.agents.strategy import Strategy
from lob_sim.balance.liquidation_sequence import LIQUIDATION_SEQUENCES
from lob_sim.convert import is_duration, struct_fields
from lob_sim.desk.building import CONSTRAINTS, LIQUIDATIONS, MARKINGS
from lob_sim.param_info import param_infos
from lob_sim.parts import KIND, Part, PartKinds, part_kinds
from lob_sim.plugin_params import params_type
from lob_sim.plugins import SHIPPED, find_plugins, load_class
from lob_sim.scenario import Scenario
from lob_sim.scenario.venues import VENUES

_INTRODUCTION = """\
# Parameters

Everything that a scenario may say, and everything that its parts may be told. This page is what

```sh
lob-sim list parameters
```

prints; a test compares the two.

- **Default**: empty where a value must be given. Defaults are choices of this program; [the model](model.md) says where
  the numbers of the flagship come from.
- **Unit**: a *time* is written `"250ms"`, `"1.5s"`, `"30min"`, `"2h"`, or as a number of seconds. *Currency units* are
  those of the scenario's amounts; *cash units* are whole numbers of the market's smallest amount of money.
- **Range**: what is accepted; anything else is an error that names the parameter.
- **Source**: of the mechanism that the parameters below it belong to.
- A **part** is a table with a `kind`, one of those listed or your own `"module:Class"`, and that class's parameters;
  without `kind` they are those of the default. A parameter of a part may also stand directly among the strategy's own,
  where only one of its parts has a parameter of that name.
"""

_HEADINGS: Mapping[str, str] = {
    "Strategies": "Named in `agents[].strategy`; their parameters go into `agents[].params`.",
    "Beliefs": "What a dealer takes an instrument to be worth: the `kind` of its `belief`.",
    "Toxicity": "How a dealer judges what share of flow is informed: the `kind` of its `toxicity`.",
    "Lit policies": "What a dealer shows in the lit book: the `kind` of its `lit_policy`.",
    "RFQ policies": "What a dealer answers when asked for a quote: the `kind` of its `rfq_policy`.",
    "Inventory policies": "What a dealer may hold, and charges for that: the `kind` of its `inventory_policy`.",
    "Limits": "Named in `agents[].balance_sheet.constraints[].kind`; their parameters go into its `params`.",
    "Sale orders": "Named in `agents[].balance_sheet.liquidation_sequence`.",
    "Liquidation": "Named in `agents[].balance_sheet.liquidation`; their parameters go into `liquidation_params`.",
    "Marking": "Named in `agents[].balance_sheet.marking`; their parameters go into `marking_params`.",
    "Venues": "Named in `venues[].kind`; their parameters go into its `params`.",
}

_PARTS: Mapping[str, PartKinds] = {
    "Beliefs": BELIEFS,
    "Toxicity": TOXICITIES,
    "Lit policies": LIT_POLICIES,
    "RFQ policies": RFQ_POLICIES,
    "Inventory policies": INVENTORY_POLICIES,
}
"""The parts of a dealer, by heading."""

_SUFFIX_UNITS: Sequence[tuple[str, str]] = (
    ("_tick_s_per_lot", "ticks·s/lot"),
    ("_ticks_per_sqrt_s", "ticks/√s"),
    ("_ticks_per_lot", "ticks/lot"),
    ("_per_tick_lot", "1/(tick·lot)"),
    ("_per_order_s", "1/(order·s)"),
    ("_orders_per_s", "orders/s"),
    ("_per_tick", "1/tick"),
    ("_per_s", "1/s"),
    ("_per_day", "1/day"),
    ("_tick_lots", "ticks·lots"),
    ("_ticks", "ticks"),
    ("_lots", "lots"),
    ("_cash", "cash units"),
    ("_sds", "standard deviations"),
    ("_se", "standard errors"),
)
_BOUNDS = (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))


class Parameter(msgspec.Struct, frozen=True):
    """One row of the reference, as Markdown but for the default, which is as a scenario file would say it."""

    name: str
    default: str
    unit: str
    range: str
    doc: str


def parameter_reference() -> str:
    """The whole page."""
    places = scenario_places()
    shared: dict[type[msgspec.Struct], None] = {}
    lines = [_INTRODUCTION, "## Scenario\n"]
    for struct, place in places.items():
        lines += _section(place, struct, struct)
    for heading, text in _HEADINGS.items():
        lines += [f"## {heading}\n", f"{text}\n"]
        for name, cls in named_classes(heading).items():
            struct = params_type(cls)
            lines += _section(f"`{name}`", cls, struct)
            shared |= dict.fromkeys(inner for inner in tables_below(struct) if inner not in places)
    lines += ["## Inner tables\n", "Tables that parameters of the above consist of.\n"]
    for struct in sorted(shared, key=lambda each: each.__name__):
        lines += _section(f"`{struct.__name__}`", struct, struct)
    return "\n".join(lines).rstrip() + "\n"


def named_classes(heading: str) -> Mapping[str, type[Any]]:
    """The classes under one heading, by the names that a scenario gives them."""
    known: Mapping[str, Mapping[str, type[Any]]] = {
        "Limits": CONSTRAINTS,
        "Sale orders": LIQUIDATION_SEQUENCES,
        "Liquidation": LIQUIDATIONS,
        "Marking": MARKINGS,
        "Venues": VENUES,
    }
    if heading in known:
        return known[heading]
    if heading in _PARTS:
        kinds = _PARTS[heading]
        return {name: load_class(spec, kinds.base) for name, spec in kinds.names.items()}
    return {spec: load_class(spec, Strategy) for spec in find_plugins(SHIPPED, Strategy)}


def scenario_places() -> dict[type[msgspec.Struct], str]:
    """Every table of a scenario with its place, from the outside in."""
    places: dict[type[msgspec.Struct], str] = {}
    waiting: list[tuple[type[msgspec.Struct], str]] = [(Scenario, "")]
    while waiting:
        struct, path = waiting.pop(0)
        if struct in places:
            continue
        places[struct] = f"`{path}`" if path else "Top level"
        for field in struct_fields(struct):
            for inner in _structs_in(field.type):
                listed = "[]" if typing.get_origin(_bare(field.type)) is list else ""
                waiting.append((inner, f"{path}.{field.name}{listed}".lstrip(".")))
    return places


def parameters(struct: type[msgspec.Struct]) -> tuple[Parameter, ...]:
    """The rows of one struct, in their order."""
    return tuple(
        Parameter(
            info.name,
            _default(field),
            info.unit or _unit(field.name, field.type),
            _range(field.type, info.doc),
            re.sub(r":\w+:`~?\.?([^`]*)`", r"`\1`", info.doc.replace("``", "`")),
        )
        for field, info in zip(struct_fields(struct), param_infos(struct), strict=True)
    )


def source_of(cls: type) -> str:
    """The ``Source:`` paragraph of a class, of what it inherits from or is nested in, or of its module."""
    for candidate in cls.__mro__:
        text = _source_in(candidate.__dict__.get("__doc__"))
        if text:
            return text
    module = inspect.getmodule(cls)
    return _source_in(module.__doc__ if module else None)


def _source_in(doc: str | None) -> str:
    found = re.search(r"^Sources?: (.*?)(?:\n\n|\Z)", inspect.cleandoc(doc or ""), re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""


def _section(title: str, cls: type, struct: type[msgspec.Struct]) -> list[str]:
    summary = inspect.cleandoc(cls.__doc__ or "").partition("\n")[0].replace("``", "`")
    lines = [f"### {title}\n", f"{summary}\n", f"Source: {source_of(cls).replace('``', '`')}\n"]
    rows = parameters(struct)
    if not rows:
        return [*lines, "It has no parameters.\n"]
    lines += ["| parameter | default | unit | range | meaning |", "|---|---|---|---|---|"]
    for row in rows:
        cells = (f"`{row.name}`", f"`{row.default}`" if row.default else "", row.unit, row.range, row.doc)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return _toml(field.default_factory(), field.type)
    return "" if field.default is msgspec.NODEFAULT else _toml(field.default, field.type)


def _toml(value: Any, annotation: Any) -> str:
    """A value as a scenario file would say it; a table by what it changes of its own defaults."""
    if value is None:
        return "none"
    if isinstance(value, Part) and (kinds := part_kinds(annotation)):
        return f'{{ {KIND} = "{kinds.name_of(value.cls)}" }}'
    if isinstance(value, bool | str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, msgspec.Struct):
        changed = [
            f"{f.name} = {_toml(getattr(value, f.name), f.type)}"
            for f in struct_fields(type(value))
            if f.default is msgspec.NODEFAULT or getattr(value, f.name) != f.default
        ]
        return f"{{ {', '.join(changed)} }}" if changed else "{}"
    if isinstance(value, list | tuple):
        inner = typing.get_args(_bare(annotation))[0]
        return f"[{', '.join(_toml(each, inner) for each in value)}]"
    if is_duration(annotation):
        return f'"{Decimal(value) / 1_000_000_000:f}s"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unit(name: str, annotation: Any) -> str:
    """The unit that a type or a name tells; empty where it must be documented."""
    bare = _bare(annotation)
    if part_kinds(annotation):
        return "part"
    if is_duration(annotation):
        return "time"
    origin, args = typing.get_origin(bare), typing.get_args(bare)
    if bare is bool:
        return "yes or no"
    if bare is str:
        return "text"
    if origin is typing.Literal:
        return "choice"
    if any(True for _ in _structs_in(bare)):
        return "table"
    if origin in (tuple, list):
        return _unit(name, args[0])
    for suffix, unit in _SUFFIX_UNITS:
        if f"_{name}".endswith(suffix):
            return unit
    if bare is int:
        return "number"
    if origin is dict:
        return "table" if args[1] is Any else _unit(name, args[1])
    return "fraction" if bare is float and _is_fraction(annotation) else ""


def _is_fraction(annotation: Any) -> bool:
    metas = [m for m in _metadata(annotation) if isinstance(m, msgspec.Meta)]
    low = [bound for m in metas for bound in (m.gt, m.ge) if bound is not None]
    high = [bound for m in metas for bound in (m.lt, m.le) if bound is not None]
    return bool(low and high) and max(low) >= 0 and min(high) <= 1


def _range(annotation: Any, doc: str = "") -> str:
    """What is accepted: by the type, and for decimal numbers, which have no bounds there, by the documentation."""
    for heading, kinds in _PARTS.items():
        if part_kinds(annotation) is kinds:
            return f"[{heading}](#{_anchor(heading)})"
    bare = _bare(annotation)
    origin, args = typing.get_origin(bare), typing.get_args(bare)
    if origin is typing.Literal:
        return ", ".join(f"`{a}`" for a in args)
    inner = list(_structs_in(bare))
    if inner:
        links = ", ".join(_link(s) for s in inner)
        if origin is dict:
            return f"by name: {links}"
        return f"list of {links}" if origin in (list, tuple) else links
    if origin in (tuple, list):
        return f"list of: {_range(args[0])}"
    if origin is dict:
        return f"by name: {_range(args[1], doc)}" if args[1] is not Any else "any"
    if bare is bool:
        return "`true`, `false`"
    metas = [m for m in _metadata(annotation) if isinstance(m, msgspec.Meta)]
    bounds = [f"{sign} {getattr(m, a):g}" for m in metas for a, sign in _BOUNDS if getattr(m, a) is not None]
    lengths = [f"at most {m.max_length} characters" for m in metas if m.max_length is not None]
    if not bounds and (is_duration(annotation) or (bare is Decimal and "not negative" in doc)):
        return "≥ 0"
    if bare is Decimal and "ositive" in doc:
        return "> 0"
    return ", ".join([*bounds, *lengths]) or ("any text" if bare is str else "any")


def _link(struct: type[msgspec.Struct]) -> str:
    place = scenario_places().get(struct)
    title = place if place is not None else f"`{struct.__name__}`"
    return f"[{title}](#{_anchor(title)})"


def _anchor(title: str) -> str:
    """The anchor of a heading, as Markdown makes it."""
    plain = re.sub(r"[^\w\s-]", "", title).strip().lower()
    return re.sub(r"[-\s]+", "-", plain)


def tables_below(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The structs that a struct's fields consist of, and theirs."""
    for field in struct_fields(struct):
        for inner in _structs_in(field.type):
            yield inner
            yield from tables_below(inner)


def _structs_in(annotation: Any) -> Iterator[type[msgspec.Struct]]:
    if part_kinds(annotation):
        return
    bare = _bare(annotation)
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        yield bare
        return
    for arg in typing.get_args(bare):
        yield from _structs_in(arg)


def _bare(annotation: Any) -> Any:
    while typing.get_origin(annotation) is typing.Annotated:
        annotation = typing.get_args(annotation)[0]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = [a for a in typing.get_args(annotation) if a is not type(None)]
        return _bare(members[0]) if len(members) == 1 else annotation
    return annotation


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())
