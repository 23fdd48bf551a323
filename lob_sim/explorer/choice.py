"""What a person has chosen: a scenario, overlays, knobs, a seed; and the command and the file that say the same."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from math import floor, log10
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from lob_sim.errors import ScenarioError, printable
from lob_sim.scenario import (
    KnobSpec,
    Scenario,
    fitting_knobs,
    knob_override,
    load_scenario,
    packaged_overlays,
    parse_scenario,
    scenario_to_dict,
    toml_document,
)
from lob_sim.units import TIME_UNITS, exact_text

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?")
_NANOSECONDS = re.compile(r"[0-9]{1,19}ns")
_STEPS = 200
_MOST_SEED = 2**53
"""The largest whole number that a browser holds."""


class Choice(msgspec.Struct, frozen=True):
    """What is to be run.

    Attributes:
        scenario: A file, or the name of a packaged scenario.
        overlays: Names of packaged overlays, in their order.
        values: Where knobs were put, in their units, by path; the others stand where the scenario has them.
        seed: The seed; None for the scenario's own.
    """

    scenario: str
    overlays: tuple[str, ...] = ()
    values: tuple[tuple[str, Decimal], ...] = ()
    seed: int | None = None

    def query(self) -> str:
        """The choice as the query of an address."""
        pairs = [("scenario", self.scenario), *(("with", name) for name in self.overlays)]
        pairs += [("set", f"{path}={exact_text(value)}") for path, value in self.values]
        return urlencode([*pairs, *([("seed", str(self.seed))] if self.seed is not None else [])])


class Knob(msgspec.Struct, frozen=True):
    """A knob as it is shown, in its unit.

    Attributes:
        spec: What the scenario says of it.
        own: Where it stands by itself.
        low: The least; the scenario's, unless it stands below that.
        high: The most.
        step: Of its slider.
        is_whole: Whether it takes whole numbers alone.
    """

    spec: KnobSpec
    own: Decimal
    low: Decimal
    high: Decimal
    step: Decimal
    is_whole: bool

    def put(self, value: float | Decimal) -> Decimal:
        """The nearest value that it can take."""
        try:
            number = min(max(round(Decimal(str(value)), 9), self.low), self.high)
        except InvalidOperation:
            return self.own
        return number.to_integral_value() if self.is_whole else Decimal(f"{number.normalize():f}")


class Offer(msgspec.Struct, frozen=True):
    """A scenario with the chosen overlays over it, before any knob is turned.

    Attributes:
        scenario: The scenario.
        knobs: What can be turned.
    """

    scenario: Scenario
    knobs: tuple[Knob, ...]


def offer(choice: Choice) -> Offer:
    """What there is to be turned.

    Raises:
        ScenarioError: The scenario cannot be read, or an overlay does not fit it.
    """
    scenario = load_scenario(choice.scenario, overlays=choice.overlays)
    found = fitting_knobs(scenario.knobs, scenario_to_dict(scenario))
    return Offer(scenario, tuple(_knob(spec, own) for spec, own in found))


def _knob(spec: KnobSpec, own: Decimal) -> Knob:
    low, high = (Decimal(str(end)) for end in (spec.low, spec.high))
    low, high = min(low, own), max(high, own)
    is_whole = spec.unit not in ("%", *TIME_UNITS) and all(n == n.to_integral_value() for n in (low, high, own))
    return Knob(spec, own, low, high, _step(float(high - low), is_whole), is_whole)


def _step(width: float, is_whole: bool) -> Decimal:
    """A round number of which some 100 to 200 are the width."""
    size = floor(log10(width / _STEPS))
    step = next(Decimal(n).scaleb(size) for n in (1, 2, 5, 10) if float(Decimal(n).scaleb(size)) >= width / _STEPS)
    return max(step, Decimal(1)) if is_whole else step


def command_of(choice: Choice, overrides: Sequence[str], seed: int) -> str:
    """The command that runs the same, as a shell takes it."""
    words = ["lob-sim", "run", "--seed", str(seed)]
    for overlay in choice.overlays:
        words += ["--with", overlay]
    for override in overrides:
        words += ["--set", override]
    # A file may be called like an option.
    return shlex.join([*words, *(["--"] if choice.scenario.startswith("-") else []), choice.scenario])


class Plan(msgspec.Struct, frozen=True):
    """All that is known of a run before it begins.

    Attributes:
        title: The scenario's name.
        seed: Its seed.
        overlays: Over it, in their order.
        overrides: What differs from the scenario with its overlays.
        changes: The same in words.
        command: The command that runs the same.
        toml: The scenario file that says the same, whole.
        source: A file, or the name of a packaged scenario; empty where that is not known any more.
    """

    title: str
    seed: int
    overlays: tuple[str, ...]
    overrides: tuple[str, ...]
    changes: tuple[str, ...]
    command: str
    toml: str
    source: str = ""


def planned(choice: Choice, offered: Offer) -> Plan:
    """What a choice comes to.

    Args:
        choice: The choice.
        offered: What it turns.

    Raises:
        ScenarioError: The scenario does not hold with it.
    """
    chosen = dict(choice.values)
    put = [(knob, knob.put(chosen[knob.spec.path])) for knob in offered.knobs if knob.spec.path in chosen]
    moved = [(knob.spec, value) for knob, value in put if value != knob.own]
    overrides = tuple(knob_override(spec, value) for spec, value in moved)
    seed = offered.scenario.seed if choice.seed is None else choice.seed
    command = command_of(choice, overrides, seed)
    scenario = load_scenario(choice.scenario, overrides, overlays=choice.overlays)
    return Plan(
        offered.scenario.name,
        seed,
        choice.overlays,
        overrides,
        tuple(_words(spec, value) for spec, value in moved),
        command,
        toml_of(scenario_to_dict(scenario), seed, command),
        choice.scenario,
    )


def _words(spec: KnobSpec, value: Decimal) -> str:
    return f"{spec.label} {value.normalize():f}{'' if spec.unit in ('%', '') else ' '}{spec.unit}"


def toml_of(plain: Mapping[str, Any], seed: int, command: str) -> str:
    """A scenario file that says the same as plain data and a seed.

    Args:
        plain: As from :func:`lob_sim.scenario.scenario_to_dict`.
        seed: The seed.
        command: What it stands for, said in its first line.
    """
    own = {key: value for key, value in plain.items() if key not in ("folder", "overlays")}
    said = _said({**own, "seed": seed})
    readable = _readable(said)
    if not _is_same(readable, said):
        readable = said
    return f"# What `{printable(command)}` runs.\n{toml_document(readable)}"


def _said(value: Any) -> Any:
    """Plain data without what is None, which TOML cannot say and a scenario need not."""
    if isinstance(value, Mapping):
        return {key: _said(entry) for key, entry in value.items() if entry is not None}
    return [_said(entry) for entry in value] if isinstance(value, list | tuple) else value


def _is_same(readable: Any, said: Any) -> bool:
    """Whether two ways to write a scenario say the same: what looks like a duration may be somebody's name."""
    try:
        return scenario_to_dict(parse_scenario(readable)) == scenario_to_dict(parse_scenario(said))
    except ScenarioError:
        return False


def _readable(value: Any) -> Any:
    """Plain data with durations in the largest unit of which they are a whole number."""
    if isinstance(value, Mapping):
        return {key: _readable(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_readable(entry) for entry in value]
    if not isinstance(value, str) or not _NANOSECONDS.fullmatch(value):
        return value
    ns = int(value[:-2])
    unit, size = max(((u, n) for u, n in TIME_UNITS.items() if ns % n == 0), key=lambda pair: pair[1])
    return f"{ns // size}{unit}" if ns else "0s"


def choice_of(query: str, scenarios: Sequence[str]) -> Choice:
    """The choice that the query of an address makes; what it says amiss is left out.

    Args:
        query: As :meth:`Choice.query` writes it, or anything.
        scenarios: What may be chosen, the first where nothing is: no address opens another file.
    """
    pairs = parse_qsl(query, max_num_fields=500)
    scenario = next((value for key, value in pairs if key == "scenario" and value in scenarios), scenarios[0])
    known = packaged_overlays()
    overlays = tuple(dict.fromkeys(value for key, value in pairs if key == "with" and value in known))
    values = {}
    for key, value in pairs:
        path, equals, number = value.rpartition("=")
        if key == "set" and equals and _NUMBER.fullmatch(number):
            values[path] = Decimal(number)
    seeds = [value for key, value in pairs if key == "seed"]
    return Choice(scenario, overlays, tuple(values.items()), checked_seed_text(seeds[-1]) if seeds else None)


def checked_seed_text(text: str) -> int | None:
    """A seed that was typed; None if it is none."""
    return int(text) if text.isdecimal() and len(text) < 17 and int(text) <= _MOST_SEED else None
