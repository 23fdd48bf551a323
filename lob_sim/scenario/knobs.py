"""Knobs: numbers that a scenario offers to be turned, read and written in the unit in which people think of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import msgspec

from lob_sim.convert import convert_strict
from lob_sim.errors import InputError, ScenarioError, shown
from lob_sim.scenario.base import Spec, require
from lob_sim.scenario.overrides import value_at
from lob_sim.units import TIME_UNITS, exact_text, parse_duration_ns


class KnobSpec(Spec, frozen=True, kw_only=True):
    """A number of the scenario that a person may turn in the explorer; the market itself does not change by it.

    Source: a choice of this program.

    Attributes:
        path: Where the number stands, as in an override: ``shocks.0.size``. The file must say it.
        label: What it is called, in words.
        low (its unit): The least that can be chosen.
        high (its unit): The most.
        unit: What is shown behind the number. A unit of time (``ns``, ``us``, ``ms``, ``s``, ``min``, ``h``) where a
            duration stands there, and only there; with ``%`` a fraction is shown times a hundred; else any text.
    """

    path: Annotated[str, msgspec.Meta(min_length=1)]
    label: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    low: float
    high: float
    unit: Annotated[str, msgspec.Meta(max_length=40)] = ""

    def __post_init__(self) -> None:
        for field in ("path", "label", "unit"):
            text = getattr(self, field)
            require(text.isprintable(), field, "a text without control characters", text)
        require(self.low < self.high, "high", f"more than low, {self.low:g}", self.high)


def check_knobs(raw: Mapping[str, Any], where: str = "") -> None:
    """Check what a scenario file says of its knobs: each leads to a number of the file, and its range holds that.

    It is asked of the file alone: an override may go beyond a range, and an overlay take away what a knob turns.

    Args:
        raw: What the file says, every group in full.
        where: Put before the field in errors.

    Raises:
        ScenarioError: Names the knob's field and says what was expected.
    """
    knobs = convert_strict(raw.get("knobs", []), list[KnobSpec], f"{where}knobs", ScenarioError)
    seen: set[str] = set()
    for i, knob in enumerate(knobs):
        own = f"{where}knobs[{i}]"
        if knob.path in seen:
            raise ScenarioError(f"{knob.path} has a knob already", f"{own}.path")
        seen.add(knob.path)
        value = knob_value(knob, raw, own)
        if not Decimal(str(knob.low)) <= value <= Decimal(str(knob.high)):
            told = f"expected a range that holds the file's own value, {exact_text(value)}"
            raise ScenarioError(f"{told}, got {knob.low:g} to {knob.high:g}", own)


def knob_value(knob: KnobSpec, raw: Mapping[str, Any], where: str = "knob") -> Decimal:
    """Where a knob stands, in its unit.

    Args:
        knob: The knob.
        raw: A scenario's plain data.
        where: Put before the field in errors.

    Raises:
        ScenarioError: Its path leads to nothing, or to something else than a number, or its unit is of another kind.
    """
    there = value_at(raw, knob.path, f"{where}.path")
    if isinstance(there, str) and there[:1].isdecimal() and there[-1:].isalpha():
        if knob.unit not in TIME_UNITS:
            expected = f"expected a unit of time ({', '.join(TIME_UNITS)}), because a duration stands at {knob.path}"
            raise ScenarioError(f"{expected}, got {shown(knob.unit)}", f"{where}.unit")
        try:
            return Decimal(parse_duration_ns(there)) / TIME_UNITS[knob.unit]
        except InputError as error:
            raise ScenarioError(error.message, f"{where}.path: {knob.path}") from None
    try:
        number = None if isinstance(there, bool | list | dict) else Decimal(str(there))
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite():
        raise ScenarioError(f"expected the path of a number, {knob.path} is {shown(there)}", f"{where}.path")
    if knob.unit in TIME_UNITS:
        expected = f"expected no unit of time, because {knob.path} is no duration"
        raise ScenarioError(f"{expected}, got {knob.unit!r}", f"{where}.unit")
    return number * 100 if knob.unit == "%" else number


def knob_override(knob: KnobSpec, value: Decimal) -> str:
    """The override that puts a knob somewhere, ``path=value``.

    Args:
        knob: The knob.
        value: In the knob's unit.
    """
    number = value / 100 if knob.unit == "%" else value
    return f"{knob.path}={number.normalize():f}{knob.unit if knob.unit in TIME_UNITS else ''}"


def fitting_knobs(knobs: Sequence[KnobSpec], raw: Mapping[str, Any]) -> list[tuple[KnobSpec, Decimal]]:
    """The knobs that there is something to turn for, and where each stands.

    Args:
        knobs: A scenario's knobs.
        raw: Its plain data, whatever has changed it.
    """
    found = []
    for knob in knobs:
        try:
            found.append((knob, knob_value(knob, raw)))
        except ScenarioError:
            continue
    return found
