"""What the parts of a scenario must be to one another: names exist, amounts are on the grid, times fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, ScenarioError
from lob_sim.scenario.specs import AgentGroupSpec, InstrumentSpec, Scenario
from lob_sim.units import CashUnit, Instrument


def check_scenario(scenario: Scenario, instruments: Sequence[Instrument], unit: CashUnit, where: str = "") -> None:
    """Check everything that no single table can check by itself.

    Args:
        scenario: What is checked; its own tables are each well formed.
        instruments: Its instruments.
        unit: Its unit of cash.
        where: Put before the field in errors.

    Raises:
        ScenarioError: Names the field and says what was expected.
    """
    names = [instrument.name for instrument in instruments]
    for spec in scenario.instruments:
        _check_rules(spec, scenario, f"{where}instruments.{spec.name}")
    for group in scenario.agents:
        _check_group(group, names, f"{where}agents.{group.name}")
        _check_amounts(group, instruments, unit, f"{where}agents.{group.name}")
    for i, shock in enumerate(scenario.shocks):
        known_name(shock.instrument, names, "instrument", f"{where}shocks[{i}].instrument")
        if shock.at >= scenario.horizon:
            raise ScenarioError("expected a time before the horizon", f"{where}shocks[{i}].at")


def unique_names(names: Iterable[str], where: str) -> None:
    """Assert that no name is used twice.

    Raises:
        ScenarioError: One is.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ScenarioError(f"the name {name!r} is used twice", where)
        seen.add(name)


def known_name(name: str, known: Sequence[str], kind: str, where: str) -> None:
    """Assert that a name is that of something in the scenario.

    Raises:
        ScenarioError: It is not; suggests the nearest one that is.
    """
    if name not in known:
        raise ScenarioError(
            f"no {kind} named {name!r}" + did_you_mean(name, known) + f"; there are: {', '.join(known)}",
            where,
        )


def _check_rules(spec: InstrumentSpec, scenario: Scenario, where: str) -> None:
    lit, rfq = spec.lit, spec.rfq
    if spec.fair_value.news_interval and not spec.fair_value.news_noise_sd:
        raise ScenarioError("expected a positive number where there is news", f"{where}.fair_value.news_noise_sd")
    if lit.opening_auction + lit.closing_auction >= scenario.horizon:
        raise ScenarioError("the auctions leave no time to trade", f"{where}.lit")
    if lit.price_band and not lit.halt:
        raise ScenarioError("expected a positive duration with a price_band", f"{where}.lit.halt")
    if bool(rfq.delay) is not (rfq.transparency == "delayed"):
        raise ScenarioError(
            "expected a positive duration with delayed transparency, and none otherwise", f"{where}.rfq.delay"
        )


def _check_group(group: AgentGroupSpec, instruments: Sequence[str], where: str) -> None:
    connection = group.connection
    for side, latency in (("to_venue", connection.to_venue), ("from_venue", connection.from_venue)):
        if latency.distribution == "uniform" and latency.spread > latency.median:
            raise ScenarioError("expected at most the median", f"{where}.connection.{side}.spread")
    named = {"holdings": list(group.holdings)}
    sheet = group.balance_sheet
    if sheet is not None:
        named |= {
            "balance_sheet.repo": list(sheet.repo),
            "balance_sheet.haircuts": list(sheet.haircuts),
            "balance_sheet.opening_volatility": list(sheet.opening_volatility),
        }
    for table, keys in named.items():
        for key in keys:
            known_name(key, instruments, "instrument", f"{where}.{table}.{key}")


def _check_amounts(group: AgentGroupSpec, instruments: Sequence[Instrument], unit: CashUnit, where: str) -> None:
    """Every amount is a whole number of lots or of cash units; none is negative that may not become so."""
    sheet = group.balance_sheet
    scale = sheet.scale if sheet is not None else Decimal(1)
    may_short = group.may_short and sheet is None
    for instrument in instruments:
        holding = group.holdings.get(instrument.name, Decimal(0))
        place = f"{where}.holdings.{instrument.name}"
        if _whole(instrument.to_lots, holding * scale, place) < 0 and not may_short:
            raise ScenarioError(f"expected 0 or more where positions may not be short, got {holding}", place)
    if _whole(unit.to_cash, group.cash * scale, f"{where}.cash") < 0 and not group.may_overdraw:
        raise ScenarioError(f"expected 0 or more where may_overdraw is false, got {group.cash}", f"{where}.cash")
    if sheet is not None:
        amounts = {"other_assets": sheet.other_assets, "short_term_funding": sheet.short_term_funding}
        amounts |= {f"repo.{name}": loan for name, loan in sheet.repo.items()}
        for field, amount in amounts.items():
            _whole(unit.to_cash, amount * scale, f"{where}.balance_sheet.{field}")


def _whole(convert: Callable[[Decimal], int], amount: Decimal, where: str) -> int:
    try:
        return convert(amount)
    except InputError as error:
        raise ScenarioError(error.message, where) from None
