"""What the parts of a scenario must be to one another: names exist, amounts are on the grid, times fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction

from lob_sim.book import MAX_PRICE_TICKS
from lob_sim.convert import did_you_mean
from lob_sim.errors import InputError, ScenarioError
from lob_sim.scenario.agent_specs import AgentGroupSpec
from lob_sim.scenario.instrument_specs import InstrumentSpec
from lob_sim.scenario.sheet_specs import BalanceSheetSpec
from lob_sim.scenario.specs import Scenario
from lob_sim.units import MOST_CASH, NS_PER_MS, Cash, CashUnit, Instrument, Ticks, exact_text


def check_scenario(
    scenario: Scenario,
    instruments: Sequence[Instrument],
    unit: CashUnit,
    initial_ticks: Sequence[Ticks],
    where: str = "",
) -> None:
    """Check everything that no single table can check by itself.

    Args:
        scenario: What is checked; its own tables are each well formed.
        instruments: Its instruments.
        unit: Its unit of cash.
        initial_ticks: Their initial prices.
        where: Put before the field in errors.

    Raises:
        ScenarioError: Names the field and says what was expected.
    """
    unique_names((spec.name for spec in scenario.instruments), f"{where}instruments")
    unique_names((spec.name for spec in scenario.agents), f"{where}agents")
    _check_agents_names(scenario.agents, where)
    names = [instrument.name for instrument in instruments]
    lot_values = []
    for instrument, ticks in zip(instruments, initial_ticks, strict=True):
        lot_values.append(_lot_value(instrument, ticks, f"{where}instruments.{instrument.name}"))
    for spec in scenario.instruments:
        _check_rules(spec, scenario, f"{where}instruments.{spec.name}")
    _check_days(scenario, where)
    _check_swaps(scenario, names, where)
    for group in scenario.agents:
        _check_group(group, names, f"{where}agents.{group.name}")
        _check_amounts(group, instruments, lot_values, unit, f"{where}agents.{group.name}")
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


def _check_agents_names(groups: Sequence[AgentGroupSpec], where: str) -> None:
    """No group is called as a member of another is: a log is asked for agents and groups by name alike."""
    members = {group.name: group.count for group in groups}
    for group in groups:
        other, _, number = group.name.rpartition("-")
        is_number = number.isascii() and number.isdigit() and len(number) < 10 and not number.startswith("0")
        if is_number and int(number) <= members.get(other, 0):
            told = f"{group.name!r} is an agent of the group {other!r} already: expected another name"
            raise ScenarioError(told, f"{where}agents.{group.name}.name")


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
    trading_ns = scenario.horizon if scenario.calendar is None else min(scenario.horizon, scenario.calendar.session)
    if lit.opening_auction + lit.closing_auction >= trading_ns:
        raise ScenarioError("the auctions leave no time to trade", f"{where}.lit")
    if lit.price_band and not lit.halt:
        raise ScenarioError("expected a positive duration with a price_band", f"{where}.lit.halt")
    if bool(rfq.delay) is not (rfq.transparency == "delayed"):
        raise ScenarioError(
            "expected a positive duration with delayed transparency, and none otherwise", f"{where}.rfq.delay"
        )


def _check_swaps(scenario: Scenario, instruments: Sequence[str], where: str) -> None:
    holders = [f"{g.name}-{i}" for g in scenario.agents if g.balance_sheet for i in range(1, g.count + 1)]
    margins: dict[str, tuple[float, ...]] = {}
    for n, swap in enumerate(scenario.swaps):
        place = f"{where}swaps[{n}]"
        known_name(swap.instrument, instruments, "instrument", f"{place}.instrument")
        known_name(swap.long, holders, "agent with a balance sheet", f"{place}.long")
        known_name(swap.short, holders, "agent with a balance sheet", f"{place}.short")
        if margins.setdefault(swap.instrument, swap.margin) != swap.margin:
            raise ScenarioError(f"expected the margin of the other swaps on {swap.instrument}", place)
    if scenario.clearing is not None and not scenario.swaps:
        raise ScenarioError("expected swaps, which it is to clear", f"{where}clearing")


def _check_days(scenario: Scenario, where: str) -> None:
    calendar = scenario.calendar
    if calendar is None:
        return
    days = -(-scenario.horizon // calendar.day)
    if calendar.dates and len(calendar.dates) < days:
        raise ScenarioError(
            f"expected none, or one for each of the {days} days of the horizon, got {len(calendar.dates)}",
            f"{where}calendar.dates",
        )
    most = calendar.day // NS_PER_MS
    for spec in scenario.instruments:
        if spec.fair_value.jumps_per_day > most:
            raise ScenarioError(
                f"expected at most one in a millisecond, {most} in a day of the calendar",
                f"{where}instruments.{spec.name}.fair_value.jumps_per_day",
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
        unique_names((entry.instrument for entry in sheet.derivatives), f"{where}.balance_sheet.derivatives")
        for i, entry in enumerate(sheet.derivatives):
            known_name(
                entry.instrument, instruments, "instrument", f"{where}.balance_sheet.derivatives[{i}].instrument"
            )
    for table, keys in named.items():
        for key in keys:
            known_name(key, instruments, "instrument", f"{where}.{table}.{key}")


def _lot_value(instrument: Instrument, initial_ticks: Ticks, where: str) -> Cash:
    """One lot at its initial price, in cash units."""
    if not 0 < initial_ticks <= MAX_PRICE_TICKS:
        raise ScenarioError(
            f"expected a price of at most {MAX_PRICE_TICKS} ticks, got {initial_ticks}: the tick is too small",
            f"{where}.initial_price",
        )
    value = instrument.value(initial_ticks, 1)
    if value > MOST_CASH:
        raise ScenarioError(
            f"expected a lot worth at most 2^62 units of cash of {instrument.cash_unit} each, got {value}: the ticks "
            "and lots of the instruments are too far apart",
            where,
        )
    return value


def _check_amounts(
    group: AgentGroupSpec, instruments: Sequence[Instrument], lot_values: Sequence[Cash], unit: CashUnit, where: str
) -> None:
    """Every amount is a whole number of lots or of cash units; none is negative that may not become so."""
    sheet = group.balance_sheet
    scale = Fraction(sheet.scale if sheet is not None else 1)
    may_short = group.may_short and sheet is None
    held: dict[str, Cash] = {}
    for instrument, lot_value in zip(instruments, lot_values, strict=True):
        holding = group.holdings.get(instrument.name, Decimal(0))
        place = f"{where}.holdings.{instrument.name}"
        lots = _whole(instrument.to_lots, holding, scale, place)
        if lots < 0 and not may_short:
            raise ScenarioError(f"expected 0 or more where positions may not be short, got {holding}", place)
        held[instrument.name] = _bounded(lots * lot_value, holding, place)
    cash = _bounded(_whole(unit.to_cash, group.cash, scale, f"{where}.cash"), group.cash, f"{where}.cash")
    if cash < 0 and not group.may_overdraw:
        raise ScenarioError(f"expected 0 or more where may_overdraw is false, got {group.cash}", f"{where}.cash")
    if sheet is not None:
        _check_sheet(sheet, cash, held, unit, f"{where}.balance_sheet")


def _check_sheet(sheet: BalanceSheetSpec, cash: Cash, held: Mapping[str, Cash], unit: CashUnit, where: str) -> None:
    """The sheet balances, at a Tier 1 that lets it open; loans are covered by what they are against."""

    def amount(written: Decimal, field: str) -> Cash:
        place = f"{where}.{field}"
        return _bounded(_whole(unit.to_cash, written, Fraction(sheet.scale), place), written, place)

    repo = 0
    for name, written in sheet.repo.items():
        loan = amount(written, f"repo.{name}")
        if loan > max(0, held[name]):
            raise ScenarioError(
                f"expected at most what is held of it, worth {_money(held[name], unit)}, got {_money(loan, unit)}",
                f"{where}.repo.{name}",
            )
        repo += loan
    assets = cash + sum(held.values()) + amount(sheet.other_assets, "other_assets")
    tier1 = assets - amount(sheet.short_term_funding, "short_term_funding") - repo
    terms = f"assets of {_money(assets, unit)} less debts of {_money(assets - tier1, unit)}"
    if sheet.tier1 is not None and Fraction(sheet.tier1) * Fraction(sheet.scale) != tier1 * unit.size:
        stated = exact_text(Fraction(sheet.tier1) * Fraction(sheet.scale))
        raise ScenarioError(f"expected {_money(tier1, unit)}, which is {terms}, got {stated}", f"{where}.tier1")
    # A fund never fails: the claims on it are those of its owners. A sheet with nothing on it owes nobody anything.
    insolvent = tier1 <= 0 < assets - tier1 and sheet.redemptions is None
    if insolvent and not sheet.allow_insolvent:
        raise ScenarioError(
            f"insolvent at the opening: Tier 1 is {_money(tier1, unit)}, {terms}; allow_insolvent = true lets it open",
            f"{where}.short_term_funding",
        )


def _money(cash: Cash, unit: CashUnit) -> str:
    amount = cash * unit.size
    return f"{amount.numerator:,}" if amount.denominator == 1 else exact_text(amount)


def _bounded(cash: Cash, written: Decimal, where: str) -> Cash:
    if abs(cash) > MOST_CASH:
        raise ScenarioError(f"is more than 2^62 units of cash, which is all that a log holds: {written}", where)
    return cash


def _whole(convert: Callable[[Fraction], int], amount: Decimal, scale: Fraction, where: str) -> int:
    if not amount.is_finite():
        raise ScenarioError(f"expected a finite number, got {amount}", where)
    try:
        return convert(Fraction(amount) * scale)
    except InputError as error:
        raise ScenarioError(error.message, where) from None
