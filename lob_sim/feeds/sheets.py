"""Balance sheets from a spreadsheet: a row for each dealer or fund, in money, which must add up.

========================== =========================================================================================
column                     what stands in it
========================== =========================================================================================
name                       the institution's stable name
like                       the group of the market whose strategy, limits and habits it has
unit                       what one stands for in its row: ``one``, ``thousand``, ``million``, ``billion`` or a number
cash, other_assets         money; other assets are not traded
holdings.INSTRUMENT        what it holds of it, at the opening price; empty for nothing
assets                     the sum of those
short_term_funding         deposits and short-term funding
repo.INSTRUMENT            loans against what it holds of it; empty for none
liabilities                the sum of those
tier1                      assets less liabilities; of a fund its net asset value
count                      optional: number of institutions with this sheet each; 1
haircut.INSTRUMENT         optional: repo haircut at the opening, a fraction; empty for that of the group
slr_minimum                optional: its leverage limit, a fraction; empty for none
var_limit                  optional: its value-at-risk limit, money; empty for none
========================== =========================================================================================

Without an optional column what it says is that of the group that the institution is like. Holdings and repo are the
institution's own alone, for they must add up.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from lob_sim.convert import did_you_mean
from lob_sim.errors import DataError, ScenarioError
from lob_sim.scenario import merged, open_market, parse_scenario
from lob_sim.tabular import Row, read_rows
from lob_sim.units import exact_text

_UNITS = {"one": 1, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_REQUIRED = ("name", "like", "unit", "cash", "other_assets", "assets", "short_term_funding", "liabilities", "tier1")
_OPTIONAL = ("holdings.*", "repo.*", "count", "haircut.*", "slr_minimum", "var_limit")
_MOST_MEMBERS = 1_000_000


class Sheet(msgspec.Struct, frozen=True):
    """One row: a balance sheet in currency units that adds up.

    Attributes:
        row: Where it stands, for errors.
        name: Of the institution.
        like: The group that it is like.
        count: How many there are.
        cash: Cash and reserves.
        other_assets: Not traded.
        short_term_funding: Deposits and short-term funding.
        tier1: Assets less liabilities.
        holdings: Values by instrument.
        repo: Loans by instrument.
        haircuts: By instrument, as fractions; of the others they are those of the group that it is like.
        limits: Params of the limits that the table has columns for, by kind; None where this one has no such limit.
    """

    row: Row
    name: str
    like: str
    count: int
    cash: Fraction
    other_assets: Fraction
    short_term_funding: Fraction
    tier1: Fraction
    holdings: Mapping[str, Fraction]
    repo: Mapping[str, Fraction]
    haircuts: Mapping[str, float]
    limits: Mapping[str, Mapping[str, float] | None]


def read_sheets(path: Path, sheet: str = "") -> list[Sheet]:
    """Read a table of balance sheets.

    Args:
        path: A ``.csv``, ``.xlsx`` or ``.parquet`` file, with the columns of this module.
        sheet: Of a workbook the sheet; its first if empty.

    Raises:
        DataError: A row does not hold or does not add up; names file and line.
        MissingExtraError: A workbook needs the extra ``data``.
    """
    rows = read_rows(path, str(path), _REQUIRED, _OPTIONAL, sheet)
    if not rows:
        raise DataError("has no rows", str(path))
    sheets = [_sheet(row, row.columns) for row in rows]
    for i, made in enumerate(sheets):
        if any(other.name == made.name for other in sheets[:i]):
            raise made.row.error(f"the name {made.name!r} is used twice", "name")
    return sheets


def scenario_of_sheets(
    sheets: Sequence[Sheet], base: Mapping[str, Any], into: str, name: str, scale: Decimal = Decimal(1)
) -> tuple[dict[str, Any], list[str]]:
    """A market with these balance sheets in the place of its own.

    Holdings become whole lots, and all else whole units of cash: what is left over stands under other assets, so that
    Tier 1 is what was stated, to a unit of cash.

    Args:
        sheets: As read.
        base: The market, as from :func:`lob_sim.scenario.read_scenario`; its groups without sheets stay.
        into: What it is called in errors.
        name: Name of the scenario that is made.
        scale: Factor on every amount.

    Returns:
        The scenario's plain data, not yet checked, and a line for each sheet in which something was rounded.

    Raises:
        DataError: A sheet names a group or an instrument that the market does not have, or borrows more than it holds.
        ScenarioError: The market itself does not hold.
    """
    instruments, unit, initial_ticks = open_market(parse_scenario(base, f"{into}: "))
    lots = {
        i.name: _Lot(Fraction(i.value(ticks, 1)) * unit.size, Fraction(i.lot_size))
        for i, ticks in zip(instruments, initial_ticks, strict=True)
    }
    models = {group["name"]: group for group in base["agents"] if "balance_sheet" in group}
    if not models:
        raise ScenarioError("has no group with a balance sheet that others could be like", into)
    kept = [group for group in base["agents"] if group["name"] not in models]
    groups, notes = [], []
    for sheet in sheets:
        _check_names(sheet, models, lots)
        if any(group["name"] == sheet.name for group in kept):
            raise sheet.row.error(f"{into} has a group without a sheet of this name", "name")
        own, rounding = _on_the_grid(sheet, Fraction(scale), lots, unit.size)
        if rounding:
            notes.append(f"{sheet.row.where}: {sheet.name}: other assets take {_money(rounding)} by rounding")
        groups.append(_group(models[sheet.like], own, sheet, scale))
    # Its knobs were made for groups that are gone, and for ranges that these sheets need not lie in.
    rest = {key: value for key, value in copy.deepcopy(dict(base)).items() if key != "knobs"}
    return {**rest, "name": name, "agents": [*groups, *kept]}, notes


class _Lot(NamedTuple):
    """One lot of an instrument: its value at the opening price, in currency units, and its amount."""

    value: Fraction
    size: Fraction


def _on_the_grid(
    sheet: Sheet, scale: Fraction, lots: Mapping[str, _Lot], cash_unit: Fraction
) -> tuple[dict[str, Any], Fraction]:
    """What a group says of its own with this sheet, and by how much its other assets are not what was stated."""
    numbers = {name: value * scale // lots[name].value for name, value in sheet.holdings.items()}
    held = {name: n * lots[name].value for name, n in numbers.items()}
    repo = {name: round(loan * scale / cash_unit) * cash_unit for name, loan in sheet.repo.items()}
    for name, loan in repo.items():
        most = held.get(name, Fraction(0))
        if loan > most:
            told = f"expected at most what it holds of it in whole lots, {_money(most)}, got {_money(loan)}"
            raise sheet.row.error(told, f"repo.{name}")
    cash, funding, tier1 = (
        round(amount * scale / cash_unit) * cash_unit for amount in (sheet.cash, sheet.short_term_funding, sheet.tier1)
    )
    other = tier1 + funding + sum(repo.values()) - cash - sum(held.values())
    if other < 0:
        raise sheet.row.error(f"rounding to whole units of cash makes it {_money(other)}", "other_assets")
    own = {
        "name": sheet.name,
        "count": sheet.count,
        "cash": _number(cash),
        "holdings": {name: _number(n * lots[name].size) for name, n in numbers.items()},
        "balance_sheet": {
            "other_assets": _number(other),
            "short_term_funding": _number(funding),
            "tier1": _number(tier1),
            "repo": {name: _number(loan) for name, loan in repo.items()},
        },
    }
    return own, other - sheet.other_assets * scale


def _sheet(row: Row, columns: Sequence[str]) -> Sheet:
    unit = _unit(row)

    def money(column: str) -> Fraction:
        amount = Fraction(row.number(column)) * unit
        if amount < 0 and column != "tier1":
            raise row.error(f"expected 0 or more, got {row.text(column)}", column)
        return amount

    def by_instrument(prefix: str) -> dict[str, Fraction]:
        return {c.removeprefix(prefix): money(c) for c in columns if c.startswith(prefix) and c in row.cells}

    holdings, repo = by_instrument("holdings."), by_instrument("repo.")
    made = Sheet(
        row,
        row.text("name"),
        row.text("like"),
        _count(row),
        money("cash"),
        money("other_assets"),
        money("short_term_funding"),
        money("tier1"),
        holdings,
        repo,
        _haircuts(row, columns),
        _limits(row, columns, unit),
    )
    assets = made.cash + made.other_assets + sum(holdings.values())
    debts = made.short_term_funding + sum(repo.values())
    for column, stands, terms in (
        ("assets", assets, "cash, other assets and holdings"),
        ("liabilities", debts, "short-term funding and repo"),
        ("tier1", assets - debts, "assets less liabilities"),
    ):
        if money(column) != stands:
            raise row.error(f"does not reconcile: {terms} are {_money(stands / unit)}, got {row.text(column)}", column)
    return made


def _unit(row: Row) -> Fraction:
    text = row.text("unit").lower()
    if text in _UNITS:
        return Fraction(_UNITS[text])
    try:
        number = row.number("unit")
    except DataError:
        number = Decimal(0)
    if number <= 0:
        near = did_you_mean(text, _UNITS)
        raise row.error(f"expected one of {', '.join(_UNITS)}, or a positive number, got {text!r}{near}", "unit")
    return Fraction(number)


def _count(row: Row) -> int:
    if "count" not in row.cells:
        return 1
    number = row.number("count")
    if number != int(number) or not 1 <= number <= _MOST_MEMBERS:
        raise row.error(f"expected a whole number from 1 to {_MOST_MEMBERS:,}, got {number}", "count")
    return int(number)


def _fraction(row: Row, column: str) -> float:
    number = row.number(column)
    if not 0 <= number <= 1:
        raise row.error(f"expected a fraction from 0 to 1, got {number}", column)
    return float(number)


def _haircuts(row: Row, columns: Sequence[str]) -> dict[str, float]:
    named = [column for column in columns if column.startswith("haircut.")]
    return {c.removeprefix("haircut."): _fraction(row, c) for c in named if c in row.cells}


def _limits(row: Row, columns: Sequence[str], unit: Fraction) -> dict[str, Mapping[str, float] | None]:
    found: dict[str, Mapping[str, float] | None] = {}
    if "slr_minimum" in columns:
        found["slr"] = {"minimum": _fraction(row, "slr_minimum")} if "slr_minimum" in row.cells else None
    if "var_limit" in columns:
        found["var"] = {"limit": float(Fraction(row.number("var_limit")) * unit)} if "var_limit" in row.cells else None
    return found


def _check_names(sheet: Sheet, models: Mapping[str, Any], instruments: Mapping[str, object]) -> None:
    if sheet.like not in models:
        near = did_you_mean(sheet.like, models)
        told = f"no group with a balance sheet named {sheet.like!r}{near}; there are: {', '.join(models)}"
        raise sheet.row.error(told, "like")
    named = {"holdings": sheet.holdings, "repo": sheet.repo, "haircut": sheet.haircuts}
    for prefix, amounts in named.items():
        for name in amounts:
            if name not in instruments:
                near = did_you_mean(name, instruments)
                told = f"no instrument named {name!r}{near}; there are: {', '.join(instruments)}"
                raise sheet.row.error(told, f"{prefix}.{name}")


def _group(model: Mapping[str, Any], own: dict[str, Any], sheet: Sheet, scale: Decimal) -> dict[str, Any]:
    """The group that it is like, with its own amounts, and those limits that the table speaks of."""
    stripped = copy.deepcopy(dict(model))
    stripped["holdings"] = {}
    for key in ("repo", "scale", "allow_insolvent"):
        stripped["balance_sheet"].pop(key, None)
    if sheet.haircuts:
        stripped["balance_sheet"]["haircuts"] = {**stripped["balance_sheet"].get("haircuts", {}), **sheet.haircuts}
    constraints = list(stripped["balance_sheet"].get("constraints", ()))
    for kind, params in sheet.limits.items():
        place = next((i for i, limit in enumerate(constraints) if limit["kind"] == kind), len(constraints))
        told = dict(params) if params is not None else None
        if told is not None and "limit" in told:
            told["limit"] *= float(scale)
        former = constraints[place : place + 1]
        merged_params = {**former[0].get("params", {}), **told} if former and told else told
        constraints[place : place + 1] = [] if told is None else [{"kind": kind, "params": merged_params}]
    if constraints or "constraints" in stripped["balance_sheet"]:
        stripped["balance_sheet"]["constraints"] = constraints
    return merged(stripped, own)


def _number(amount: Fraction) -> int | Decimal:
    return amount.numerator if amount.denominator == 1 else Decimal(exact_text(amount))


def _money(amount: Fraction) -> str:
    return f"{amount.numerator:,}" if amount.denominator == 1 else exact_text(amount)
