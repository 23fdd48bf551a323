"""Whatever stands in one place of a scenario: a market that opens, or one line that names file and field."""

from __future__ import annotations

import copy
import math
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fuzzing import both_lengths
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.errors import InputError
from lob_sim.running import dry_run
from lob_sim.scenario import errors_name, load_scenario, parse_scenario, scenario_to_dict

ROOT = Path(__file__).parents[2]
FILES = [*sorted((ROOT / "experiments").glob("*.toml")), ROOT / "tests/golden/market.toml"]
SOURCES = ["dealer_market", *map(str, FILES)]
PLAIN = {source: scenario_to_dict(load_scenario(source)) for source in SOURCES}
FILE = "market.toml"
STUCK_S = 60
"""A rehearsal takes a tenth of a second; one that is not done by then never will be."""


def nested(depth: int, table: bool) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value} if table else [value]
    return value


EXTREMES: list[Any] = [
    math.nan, math.inf, -math.inf, Decimal("nan"), Decimal("sNaN"), Decimal("inf"), Decimal("1e1000000"),
    Decimal("1e-1000000"), "1e1000000", "sNaN", "-inf", "nan", 1e308, -1e308, 1e-308, -1e-308, 5e-324, 1e30, 1e-30,
    10**5000, -(10**5000), 2**62, 2**63, -(2**63), 2**64, 2**31, 0, 0.0, -0.0, -1, -0.5, 1, 0.5, 3, True, False, None,
    "", " ", "x", "0", "0s", "1ns", "1e30s", "-1s", "99999999999d", "a\x1b[2Jb", "a\nb", "\x00", "\ud800", "\u202e",
    "x" * 10_000, "..", "/", "a:b", ".:X", "/:X", "\x00:X", "a..b:X", "/.py:X", "strategies.:X", [], {}, [[]],
    [{}], {"": 0}, {"\x1b": 1}, {"bond": math.inf}, {"corporate": math.nan}, [math.inf], {"x": {"y": math.nan}},
    nested(63, True), nested(2_000, True), nested(100_000, True), nested(100_000, False), b"bytes", 1j, object(),
]  # fmt: skip


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below ``value``, tables and lists among them."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from leaves(entry, (*path, key))
    elif isinstance(value, list):
        for i, entry in enumerate(value):
            yield from leaves(entry, (*path, i))


PLACES = [(source, path) for source in SOURCES for path in leaves(PLAIN[source])]


def changed(source: str, path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(PLAIN[source])
    node: Any = raw
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return raw


@contextmanager
def no_hang() -> Iterator[None]:
    def give_up(*_: object) -> None:
        raise TimeoutError("the scenario neither opens nor is refused")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(STUCK_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(raw: object) -> str:
    """``opens``, or the line with which the scenario is refused; anything else is an error of its own."""
    try:
        with no_hang(), errors_name(FILE):
            dry_run(parse_scenario(raw, f"{FILE}: "))
    except InputError as error:
        return str(error)
    return "opens"


@both_lengths
def test_any_value_in_any_place_opens_or_is_refused_by_name(length: settings) -> None:
    @length
    @given(st.sampled_from(PLACES), st.sampled_from(EXTREMES))
    def check(place: tuple[str, tuple[Any, ...]], value: Any) -> None:
        said = outcome(changed(*place, value))
        assert said == "opens" or said.startswith(f"{FILE}: ")

    check()


def test_the_generator_finds_values_that_open_and_values_that_are_refused() -> None:
    """The control of the check above: it tells the two apart, and lets no other error pass."""
    assert outcome(PLAIN["dealer_market"]) == "opens"
    assert outcome(changed("dealer_market", ("agents", 0, "count"), 0)).startswith(f"{FILE}: agents.")
    assert len(PLACES) > 500
    with pytest.raises(AttributeError):
        outcome(Undecided())


class Undecided(dict[str, Any]):
    """Data that fail when they are read."""

    def items(self) -> Any:
        raise AttributeError


CHANGES = [
    ("horizon", "1e1000000"), ("seed", "-1"), ("agents.dealer.connection.to_venue.median", "-1"), ("agents", "{}"),
    ("instruments.treasury.fair_value.jumps_per_day", "1e300"), ("shocks.9.size", "0"), ("description", "\udcff"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), CHANGES)
def test_the_command_line_ends_with_code_2_and_one_line(path: str, value: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "lob_sim.cli", "check", "dealer_market", "--set", f"{path}={value}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=STUCK_S, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith(("error: dealer_market: ", f"error: --set {path}"))
    assert done.stderr.rstrip("\n").isprintable()
