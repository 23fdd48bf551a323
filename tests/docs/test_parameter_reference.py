"""The reference of parameters is what the code gives, complete, and its ranges are those that are enforced."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from typer.testing import CliRunner

from lob_sim.cli.app import app
from lob_sim.cli.reference import (
    named_classes,
    parameter_reference,
    parameters,
    scenario_places,
    source_of,
    tables_below,
)
from lob_sim.errors import InputError
from lob_sim.plugin_params import params_type
from lob_sim.scenario import apply_overrides, load_scenario, parse_scenario, scenario_to_dict

PAGE = Path(__file__).resolve().parents[2] / "docs" / "parameters.md"
HEADINGS = re.findall(r"^## (.*)$", parameter_reference(), re.MULTILINE)


def documented() -> dict[str, tuple[type, type[msgspec.Struct]]]:
    """Everything with parameters: the class whose source counts, and the struct that is read."""
    found: dict[str, tuple[type, type[msgspec.Struct]]] = {p: (s, s) for s, p in scenario_places().items()}
    for heading in HEADINGS[1:-1]:
        for name, cls in named_classes(heading).items():
            struct = params_type(cls)
            found[name] = (cls, struct)
            found |= {inner.__name__: (inner, inner) for inner in tables_below(struct)}
    return found


def test_the_page_is_what_the_code_gives() -> None:
    told = "docs/parameters.md is not what the code gives: lob-sim list parameters > docs/parameters.md"
    assert PAGE.read_text(encoding="utf-8") == parameter_reference(), told
    assert CliRunner().invoke(app, ["list", "parameters"]).output == parameter_reference()


@pytest.mark.parametrize(("name", "entry"), documented().items(), ids=lambda x: x if isinstance(x, str) else "")
def test_nothing_is_left_out(name: str, entry: tuple[type, type[msgspec.Struct]]) -> None:
    cls, struct = entry
    assert source_of(cls), f"{name} has no source: a paragraph 'Source: ...' in its docstring"
    for parameter in parameters(struct):
        assert parameter.doc, f"{name}: {parameter.name} is not in the Attributes of its docstring"
        assert parameter.unit, f"{name}: {parameter.name} needs a unit: 'name (unit): ...' in its docstring"
        assert parameter.range
        assert f"| `{parameter.name}` |" in PAGE.read_text(encoding="utf-8")


def test_what_is_left_out_is_noticed() -> None:
    class Bare(msgspec.Struct):
        """Something.

        Attributes:
            told (apples): How many.
        """

        told: float = 1.0
        untold: float = 2.0

    told, untold = parameters(Bare)
    assert (told.unit, told.doc, told.default) == ("apples", "How many.", "1")
    assert (untold.unit, untold.doc) == ("", "")


class Example(msgspec.Struct):
    """An example.

    Attributes:
        share: A share.
        size_lots: A size.
        names: Names.
    """

    share: Annotated[float, msgspec.Meta(gt=0, le=1)]
    size_lots: Annotated[int, msgspec.Meta(ge=1)] = 3
    names: tuple[str, ...] = ("a", "b")


def test_units_ranges_and_defaults_are_read_off_the_code() -> None:
    rows = {row.name: (row.default, row.unit, row.range) for row in parameters(Example)}
    assert rows == {
        "share": ("", "fraction", "> 0, ≤ 1"),
        "size_lots": ("3", "lots", "≥ 1"),
        "names": ('["a", "b"]', "text", "list of: any text"),
    }


def decimals() -> list[tuple[str, str]]:
    """Scenario parameters that are decimal numbers: their bounds stand in the documentation and in the checks."""
    found = []
    for struct, place in scenario_places().items():
        for field, row in zip(msgspec.structs.fields(struct), parameters(struct), strict=True):
            if field.type is Decimal and row.range != "any":
                found.append((f"{place.strip('`')}.{field.name}", row.range))
    return found


@pytest.mark.parametrize(("path", "bound"), decimals())
def test_bounds_of_decimal_numbers_are_enforced(path: str, bound: str) -> None:
    raw: dict[str, Any] = scenario_to_dict(load_scenario("dealer_market"))
    raw["agents"][0]["balance_sheet"] = {}
    path = path.replace("instruments[]", "instruments.0").replace("agents[]", "agents.0")
    within, beyond = ("1", "0") if bound == "> 0" else ("0", "-1")
    if "balance_sheet" in path:  # where such a number does not have to fit a grid
        parse_scenario(apply_overrides(raw, [f"{path}={within}"]))
    with pytest.raises(InputError):
        parse_scenario(apply_overrides(raw, [f"{path}={beyond}"]))
