"""From a TOML file to a checked :class:`Scenario`, and back to plain data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from lob_sim._checkout import scenarios_beside
from lob_sim.calendar import TradingCalendar, without_days
from lob_sim.convert import convert_strict, did_you_mean, is_duration, refuse_depth, struct_fields
from lob_sim.errors import InputError, ScenarioError, shown
from lob_sim.plugins import SHIPPED, lies_with_shipped
from lob_sim.scenario.base import Spec
from lob_sim.scenario.calendar_spec import CalendarSpec
from lob_sim.scenario.checks import check_scenario
from lob_sim.scenario.inherit import resolve_likes
from lob_sim.scenario.instrument_specs import InstrumentSpec
from lob_sim.scenario.knobs import check_knobs
from lob_sim.scenario.outside import with_checksums
from lob_sim.scenario.overlays import apply_overlays, load_overlay
from lob_sim.scenario.overrides import apply_overrides, unreadable
from lob_sim.scenario.specs import Scenario
from lob_sim.units import CashUnit, Instrument, Ticks, cash_unit_of, tick_lot_value

_UNSAID = frozenset(
    {"calendar", "clearing", "derivatives", "files", "knobs", "overlays", "sponsor", "swaps", "variation_interval"}
)
"""Keys that plain data leave out where they are at their default, so that what says nothing of them stays as it was."""
_PACKAGED = resources.files("lob_sim") / "scenarios"


def load_scenario(
    source: str | Path, overrides: Sequence[str] = (), *, overlays: Sequence[str | Path] = ()
) -> Scenario:
    """Read a scenario file, or one that comes with the package, by its name.

    Args:
        source: Path of a TOML file, or the name of a packaged scenario (see :func:`packaged_scenarios`).
        overrides: Changes as ``"path=value"``, for example ``"agents.dealer.count=4"``; members of lists are
            addressed by their ``name`` or index, values are written as in TOML (a bare word is a string).
        overlays: Overlay files, or names of packaged ones, put over it in this order and before the overrides.

    Raises:
        ScenarioError: Names file and field, and says what was expected.
    """
    path = find_scenario(source)
    raw = read_scenario(path, str(source))
    check_knobs(raw, f"{source}: ")
    raw["folder"] = str(path.resolve().parent if raw.get("files") else _plugin_folder(path))
    if overlays:
        # An overlay finds times in nanoseconds: those in days are of the days that the market is to have.
        days = [override for override in overrides if override.partition("=")[0].partition(".")[0] == "calendar"]
        plain = scenario_to_dict(parse_scenario(apply_overrides(raw, days), f"{source}: "))
        return changed_scenario(plain, overlays, overrides, str(source))
    return with_checksums(parse_scenario(apply_overrides(raw, overrides), f"{source}: "), f"{source}: ")


def read_scenario(path: Path, source: str) -> dict[str, Any]:
    """What a scenario file says, every group in full, nothing of it checked.

    Args:
        path: The file.
        source: What it is called in errors.

    Raises:
        ScenarioError: It cannot be read, or a group is like none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ScenarioError(f"cannot be read: {error.strerror}", source) from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"is not UTF-8 text: {error.reason}", source) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"is not valid TOML: {error}", source) from None
    except (ValueError, RecursionError) as error:
        raise ScenarioError(f"cannot be read: {unreadable(error)}", source) from None
    refuse_depth(raw, source, ScenarioError)
    for key in ("folder", "overlays"):
        if key in raw:
            raise ScenarioError(f"unknown key {key!r}", f"{source}: {key}")
    return resolve_likes(raw, f"{source}: ")


def changed_scenario(
    plain: dict[str, Any], overlays: Sequence[str | Path], overrides: Sequence[str], source: str
) -> Scenario:
    """A scenario with overlays over it, and then overrides.

    Args:
        plain: The scenario as from :func:`scenario_to_dict`.
        overlays: Overlay files, or names of packaged ones.
        overrides: Changes as ``"path=value"``.
        source: What the scenario is called in errors.

    Raises:
        ScenarioError: An overlay cannot be read or does not fit, or what comes out does not hold.
    """
    found = [load_overlay(overlay) for overlay in overlays]
    changed = apply_overrides(apply_overlays(plain, found), overrides)
    with_them = f" with {', '.join(overlay.name for overlay in found)}" if found else ""
    return with_checksums(parse_scenario(changed, f"{source}{with_them}: "), f"{source}: ")


def _plugin_folder(path: Path) -> Path:
    """Where a scenario's own strategies are looked for: beside its file, and of a packaged one in the present folder.

    Not where a folder ``strategies`` of somebody's own lies in that: the packaged scenarios mean the shipped ones.
    """
    beside = path.resolve().parent
    if beside != Path(str(_PACKAGED)).resolve():
        return beside
    try:
        here = Path.cwd()
    except OSError:  # It has been removed.
        return beside
    own = here / SHIPPED
    return beside if own.exists() and not lies_with_shipped(own) else here


@contextmanager
def errors_name(source: str | Path) -> Iterator[None]:
    """Put the file before the place in errors that come up only when what it says is built.

    Args:
        source: The file, as its user knows it.
    """
    try:
        yield
    except InputError as error:
        if error.where.startswith(str(source)):
            raise
        raise type(error)(error.message, f"{source}: {error.where}" if error.where else str(source)) from None


def find_scenario(source: str | Path) -> Path:
    """The file that ``source`` names.

    Raises:
        ScenarioError: Neither a file nor the name of a packaged scenario; suggests the nearest name.
    """
    if not isinstance(source, str | PathLike):
        raise ScenarioError("expected a scenario, a file, or the name of a packaged one", shown(source))
    path = Path(source)
    with suppress(OSError):  # A name that is too long to be one.
        if path.is_file():
            return path
    packaged = packaged_scenarios()
    if str(source) in packaged:
        return packaged[str(source)]
    known = [*packaged, *(str(p) for p in sorted(path.parent.glob("*.toml")))]
    raise ScenarioError(
        "no such file or packaged scenario"
        + did_you_mean(str(source), known)
        + f"; packaged: {', '.join(packaged) or 'none'}",
        str(source),
    )


def packaged_scenarios() -> dict[str, Path]:
    """Scenarios that come with the package, by name."""
    files = [Path(str(entry)) for entry in _PACKAGED.iterdir() if entry.name.endswith(".toml")]
    beside = scenarios_beside()
    if beside is not None:
        files += beside.glob("*.toml")
    return {file.stem: file for file in sorted(files, key=lambda file: file.name)}


def parse_scenario(raw: object, where: str = "") -> Scenario:
    """Make a checked scenario of plain data.

    Args:
        raw: As from TOML or :func:`scenario_to_dict`.
        where: Put before the field in errors, for example ``"market.toml: "``.

    Raises:
        ScenarioError: Names the field and says what was expected.
    """
    scenario = convert_strict(_in_time(raw, where), Scenario, where, ScenarioError)
    check_scenario(scenario, *open_market(scenario, where), where)
    return scenario


class _Days(Spec, frozen=True, kw_only=True):
    """Of a scenario only how long its days are, which the rest of it may speak of."""

    calendar: CalendarSpec


def calendar_of(scenario: Scenario) -> TradingCalendar | None:
    """The scenario's trading days; ``None`` where the market trades through."""
    spec = scenario.calendar
    return None if spec is None else TradingCalendar(spec.day, spec.session, spec.dates)


def calendar_in(raw: object, where: str = "") -> TradingCalendar | None:
    """The trading days of a scenario's plain data, whatever else is in it.

    Raises:
        ScenarioError: The calendar does not hold.
    """
    if not isinstance(raw, dict) or raw.get("calendar") is None:
        return None
    spec = convert_strict({"calendar": raw["calendar"]}, _Days, where, ScenarioError).calendar
    return TradingCalendar(spec.day, spec.session, spec.dates)


def _in_time(raw: object, where: str) -> object:
    """The same with every time that is given in days as a length of simulated time."""
    days = calendar_in(raw, where)
    if days is None:
        return raw
    assert isinstance(raw, dict)
    refuse_depth(raw, where, ScenarioError)
    rest = {key: value for key, value in raw.items() if key != "calendar"}
    try:
        return {**without_days(rest, days), "calendar": raw["calendar"]}
    except InputError as error:
        raise ScenarioError(error.message, f"{where}{error.where}") from None


def scenario_to_dict(scenario: Scenario) -> dict[str, Any]:
    """Plain data from which :func:`parse_scenario` makes the same scenario again; durations are text."""
    plain = _plain(scenario)
    assert isinstance(plain, dict)
    return plain


def instrument_specs(scenario: Scenario) -> list[InstrumentSpec]:
    """The instruments in the order of ``instrument_id``: by name."""
    return sorted(scenario.instruments, key=lambda spec: spec.name)


def open_market(scenario: Scenario, where: str = "") -> tuple[tuple[Instrument, ...], CashUnit, tuple[Ticks, ...]]:
    """The scenario's instruments in order of name, the unit of cash, and the initial prices in ticks.

    Raises:
        ScenarioError: An initial price is off the grid.
    """
    specs = instrument_specs(scenario)
    unit, values = cash_unit_of([tick_lot_value(s.tick_size, s.lot_size, s.price_per) for s in specs])
    instruments = tuple(
        Instrument(i, s.name, s.tick_size, s.lot_size, s.price_per, s.liquidity_rank, value)
        for i, (s, value) in enumerate(zip(specs, values, strict=True))
    )
    return (
        instruments,
        unit,
        tuple(_initial_ticks(i, s, where) for i, s in zip(instruments, specs, strict=True)),
    )


def _initial_ticks(instrument: Instrument, spec: InstrumentSpec, where: str) -> Ticks:
    try:
        return instrument.to_ticks(spec.initial_price)
    except InputError as error:
        raise ScenarioError(error.message, f"{where}instruments.{spec.name}.initial_price") from None


def _plain(value: object) -> object:
    if isinstance(value, msgspec.Struct):
        return {
            field.name: f"{getattr(value, field.name)}ns"
            if is_duration(field.type)
            else _plain(getattr(value, field.name))
            for field in struct_fields(type(value))
            if field.name not in _UNSAID or getattr(value, field.name) not in (None, [], (), field.default)
        }
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return msgspec.to_builtins(value)
