"""Values, jumps, volatility and flow from files beside a scenario: what the world outside does to a market.

Each file is a table (CSV or Parquet) with a row for each time and instrument, in order of time:

========== ===================================== ==================================================================
kind        columns                              meaning
========== ===================================== ==================================================================
values      time, instrument, value              fair value from then on, in price points
jumps       time, instrument, size               fair value jumps by this fraction, as a shock of the scenario does
volatility  time, instrument, daily_volatility   standard deviation of the log return over a day, from then on
flow        time, class, instrument, amount      what a class of agents buys, net, until its next row
========== ===================================== ==================================================================

A time is written as in a scenario, ``10min``, or in seconds; where there is a calendar also as ``day 3``,
``day 3 02:15``, or by a date of the calendar, ``2020-03-11`` or ``2020-03-11 close``. It lies before the
horizon, at which only a flow may end.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path, PurePosixPath

import msgspec

from lob_sim.calendar import TradingCalendar, parse_time_ns, time_text
from lob_sim.convert import did_you_mean
from lob_sim.errors import DataError, InputError, ScenarioError
from lob_sim.scenario.outside_specs import FileSpec
from lob_sim.scenario.specs import Scenario
from lob_sim.tabular import Row, read_rows
from lob_sim.units import Ns

_LARGEST_VOLATILITY = 10
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_COLUMNS = {
    "values": ("time", "instrument", "value"),
    "jumps": ("time", "instrument", "size"),
    "volatility": ("time", "instrument", "daily_volatility"),
    "flow": ("time", "class", "instrument", "amount"),
}


class OutsideRow(msgspec.Struct, frozen=True):
    """One row of a file, checked.

    Attributes:
        ts_ns: When.
        instrument: Which.
        number: What stands in the last column, in its unit.
        group: The class of agents, of a flow.
        announced: Whether everybody hears of it at once.
        noise: Standard deviation of the error in what they hear, as a fraction of the initial value.
    """

    ts_ns: Ns
    instrument: str
    number: Decimal
    group: str = ""
    announced: bool = False
    noise: float = 0.0


class Outside(msgspec.Struct, frozen=True):
    """Everything that the files of a scenario say, each in order of time; flows by the class that trades."""

    values: tuple[OutsideRow, ...] = ()
    jumps: tuple[OutsideRow, ...] = ()
    volatility: tuple[OutsideRow, ...] = ()
    flows: Mapping[str, tuple[OutsideRow, ...]] = {}


def with_checksums(scenario: Scenario, where: str = "") -> Scenario:
    """The scenario with the checksum of every file that it names.

    Raises:
        DataError: A file is not there, or is not the one whose checksum the scenario has.
        ScenarioError: A path leads out of the scenario's folder.
    """
    files = []
    for i, spec in enumerate(scenario.files):
        path = _path_of(scenario, spec, f"{where}files[{i}].path")
        try:
            found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", f"{where}{spec.path}") from None
        if found is None:
            raise DataError("does not exist" if not path.exists() else "is no ordinary file", f"{where}{spec.path}")
        if spec.sha256 not in ("", found):
            told = f"has changed: expected the file with the SHA-256 {spec.sha256[:16]}..., got {found[:16]}..."
            raise DataError(told, f"{where}{spec.path}")
        files.append(msgspec.structs.replace(spec, sha256=found))
    return msgspec.structs.replace(scenario, files=files) if files else scenario


def read_outside(scenario: Scenario, calendar: TradingCalendar | None = None) -> Outside:
    """Read and check the files of a scenario.

    Args:
        scenario: Names them.
        calendar: Its trading days.

    Raises:
        DataError: A file or row does not hold; names file and line.
    """
    found: dict[str, list[OutsideRow]] = {kind: [] for kind in _COLUMNS}
    for i, spec in enumerate(scenario.files):
        where = f"files[{i}].path"
        rows = read_rows(_path_of(scenario, spec, where), spec.path, _COLUMNS[spec.kind])
        if not rows:
            raise DataError("has no rows", spec.path)
        made = _FileCheck(scenario, spec, calendar).rows(rows)
        there = {(row.group, row.instrument) for row in made}
        for row in found[spec.kind]:
            if (row.group, row.instrument) in there:
                of = f"{row.group} in {row.instrument}" if row.group else row.instrument
                raise ScenarioError(f"{of} has {spec.kind} from another file already", where)
        found[spec.kind] += made
    flows: dict[str, list[OutsideRow]] = {}
    for row in found["flow"]:
        flows.setdefault(row.group, []).append(row)
    values, jumps, volatility = (_in_order(found[kind]) for kind in ("values", "jumps", "volatility"))
    return Outside(values, jumps, volatility, {name: _in_order(rows) for name, rows in flows.items()})


def _in_order(rows: list[OutsideRow]) -> tuple[OutsideRow, ...]:
    return tuple(sorted(rows, key=lambda row: row.ts_ns))


def _path_of(scenario: Scenario, spec: FileSpec, where: str) -> Path:
    plain = PurePosixPath(spec.path)
    if plain.is_absolute() or ".." in plain.parts or "\\" in spec.path or ":" in spec.path or not plain.name:
        raise ScenarioError(f"expected the path of a file in the scenario's folder, got {spec.path!r}", where)
    return Path(scenario.folder or ".") / plain


class _FileCheck:
    """The rows of one file: each by itself, and as they follow each other."""

    def __init__(self, scenario: Scenario, spec: FileSpec, calendar: TradingCalendar | None) -> None:
        self._spec = spec
        self._calendar = calendar
        self._horizon_ns = scenario.horizon
        self._prices = {i.name: i.initial_price for i in scenario.instruments}
        self._groups = [group.name for group in scenario.agents]
        self._last_ns: Ns = 0
        self._seen: dict[tuple[str, str], Ns] = {}
        checks: Mapping[str, Callable[[Row, OutsideRow], None]] = {
            "values": self._check_value,
            "jumps": self._check_jump,
            "volatility": self._check_volatility,
            "flow": self._check_flow,
        }
        self._check = checks[spec.kind]

    def rows(self, rows: list[Row]) -> list[OutsideRow]:
        """All of them, checked.

        Raises:
            DataError: Names file and line.
        """
        column = _COLUMNS[self._spec.kind][-1]
        found = []
        for row in rows:
            made = OutsideRow(
                self._time(row),
                row.text("instrument"),
                row.number(column),
                row.text("class") if self._spec.kind == "flow" else "",
                self._spec.announced,
                self._spec.noise,
            )
            self._check_order(row, made)
            self._check(row, made)
            found.append(made)
        if self._spec.kind == "values":
            self._check_gaps(rows, found)
        if self._spec.kind == "flow":
            self._check_ends(rows, found)
        return found

    def _time(self, row: Row) -> Ns:
        text = row.text("time")
        date, _, when = text.partition(" ")
        if self._calendar is not None and date in self._calendar.dates:
            text = f"day {self._calendar.dates.index(date) + 1} {when}".strip()
        elif _DATE.fullmatch(date):
            there_are = f"; there are: {', '.join(self._calendar.dates)}" if self._calendar is not None else ""
            raise row.error(f"{date} is no date of the calendar{there_are}", "time")
        try:
            return parse_time_ns(text, self._calendar)
        except InputError as error:
            if isinstance(error, DataError):
                raise
            raise row.error(error.message, "time") from None

    def _check_order(self, row: Row, made: OutsideRow) -> None:
        if made.instrument not in self._prices:
            near = did_you_mean(made.instrument, self._prices)
            known = ", ".join(self._prices)
            raise row.error(f"no instrument named {made.instrument!r}{near}; there are: {known}", "instrument")
        if made.ts_ns < self._last_ns:
            raise row.error("is before the row above it: expected rows in order of time", "time")
        # A flow may end with the market: its row says no more than that.
        ends_flow = made.ts_ns == self._horizon_ns and self._spec.kind == "flow" and made.number == 0
        if made.ts_ns >= self._horizon_ns and not ends_flow:
            horizon = time_text(self._horizon_ns, self._calendar)
            raise row.error(f"expected a time before the horizon, {horizon}, got {row.text('time')}", "time")
        who = (made.group, made.instrument)
        if self._seen.get(who) == made.ts_ns:
            raise row.error(f"{made.instrument} has a row of this time already", "time")
        self._last_ns = self._seen[who] = made.ts_ns

    def _check_value(self, row: Row, made: OutsideRow) -> None:
        if made.number <= 0:
            raise row.error(f"expected a positive number, got {made.number}", "value")
        initial = self._prices[made.instrument]
        if made.ts_ns == 0 and made.number != initial:
            raise row.error(f"expected the initial price, {initial}, at time 0, got {made.number}", "value")

    def _check_jump(self, row: Row, made: OutsideRow) -> None:
        if made.number <= -1:
            raise row.error(f"expected more than -1, got {made.number}", "size")

    def _check_volatility(self, row: Row, made: OutsideRow) -> None:
        if not 0 <= made.number <= _LARGEST_VOLATILITY:
            raise row.error(f"expected 0 to {_LARGEST_VOLATILITY}, got {made.number}", "daily_volatility")

    def _check_flow(self, row: Row, made: OutsideRow) -> None:
        if made.group not in self._groups:
            near = did_you_mean(made.group, self._groups)
            raise row.error(f"no class named {made.group!r}{near}; there are: {', '.join(self._groups)}", "class")

    def _check_gaps(self, rows: list[Row], found: list[OutsideRow]) -> None:
        """Whoever has a value at one time has one at every time of the file."""
        names = dict.fromkeys(made.instrument for made in found)
        at: dict[Ns, tuple[Row, set[str]]] = {}
        for row, made in zip(rows, found, strict=True):
            at.setdefault(made.ts_ns, (row, set()))[1].add(made.instrument)
        for row, there in at.values():
            for name in names:
                if name not in there:
                    raise row.error(f"a gap: no value of {name} at {row.text('time')}", "time")

    def _check_ends(self, rows: list[Row], found: list[OutsideRow]) -> None:
        last = {(made.group, made.instrument): (row, made) for row, made in zip(rows, found, strict=True)}
        for row, made in last.values():
            if made.number:
                told = f"expected 0 in the last row of {made.group} in {made.instrument}, which ends the flow before it"
                raise row.error(f"{told}, got {made.number}", "amount")
