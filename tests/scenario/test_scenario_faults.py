"""Inputs that once gave a wrong market, a traceback or no answer at all, each with what is right."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lob_sim import run
from lob_sim.errors import InputError, ScenarioError
from lob_sim.log import NullRecorder
from lob_sim.plugins import is_shipped
from lob_sim.running import dry_run
from lob_sim.scenario import apply_overrides, load_scenario, open_market, parse_scenario, parse_value, without_foreign
from lob_sim.simulation.opening import opening_sheets
from lob_sim.simulation.world import World
from lob_sim.units import Instrument, cash_unit_of, exact_text, parse_duration_ns, tick_lot_value

FLAGSHIP = Path(__file__).parents[2] / "experiments/first_market.toml"
DEALER = "strategies.buy_and_hold:BuyAndHold"


def instrument(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "tick_size": "0.01", "lot_size": 1, "initial_price": 100, **more}


def market(*agents: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "m", "horizon": "1s", "instruments": [instrument("bond")], "agents": [*agents], **more}


def dealer(sheet: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "dealer", "strategy": DEALER, "cash": 100, "holdings": {"bond": 9}, "balance_sheet": sheet, **more}


# --- the unit of cash --------------------------------------------------------------------------------------


def test_prices_per_12_and_per_1_have_a_unit_of_a_twelve_hundredth() -> None:
    raw = market(dealer({"other_assets": 5}, holdings={"bond": 9, "dozen": 12}))
    raw["instruments"].append(instrument("dozen", price_per=12))
    scenario = parse_scenario(raw)
    instruments, unit, _ = open_market(scenario)
    assert unit.size == Fraction(1, 1200)
    assert str(unit) == "1/1200"
    assert [i.cash_per_tick_lot for i in instruments] == [12, 1]
    assert [i.cash_unit for i in instruments] == [unit, unit]
    assert unit.to_cash(Decimal("1.5")) == 1800
    assert unit.to_cash(Fraction(1, 3)) == 400
    with pytest.raises(InputError, match=r"amount 0\.001 is off the grid: expected a multiple of 1/1200"):
        unit.to_cash(Decimal("0.001"))
    sheet = run(scenario, 1).table("balance_sheet").iloc[0]
    # 100 of cash, 9 bonds at 100, 12 at 100 for a dozen, and 5: to the last unit.
    assert sheet["tier1_cash"] == (100 + 900 + 100 + 5) * 1200


@pytest.mark.parametrize(("value", "text"), [("0.5", "0.5"), ("500", "500"), ("1/1200", "1/1200"), ("-7/8", "-0.875"),
                                             (f"{10**40 + 1}/10", f"{10**39}.1")])  # fmt: skip
def test_fractions_are_written_as_decimals_where_these_are_exact(value: str, text: str) -> None:
    assert exact_text(Fraction(value)) == text


def test_amounts_of_many_digits_are_not_rounded() -> None:
    unit, (value,) = cash_unit_of([tick_lot_value(Decimal("1e-20"), Decimal(1), Decimal(1))])
    assert value == 1
    assert (
        unit.to_cash(Decimal("12345678901234567890.12345678901234567891")) == 1234567890123456789012345678901234567891
    )
    one = Instrument(0, "b", Decimal("1e-20"), Decimal(1), Decimal(1), 1, 1)
    assert one.to_ticks(Decimal("1234567890.00000000000000000001")) == 123456789000000000000000000001


# --- paths of overrides ------------------------------------------------------------------------------------


def named_by_numbers() -> dict[str, Any]:
    raw = market(*({"name": name, "strategy": DEALER} for name in ("2", "1", "0")))
    raw["instruments"] = [instrument("1"), instrument("0")]
    raw["shocks"] = [{"instrument": "0", "at": 0, "size": 0.1}]
    return raw


def test_a_name_that_is_a_number_comes_before_the_index() -> None:
    raw = apply_overrides(named_by_numbers(), ["agents.2.count=7", "instruments.0.tick_size=0.5", "shocks.0.size=0.2"])
    assert {a["name"]: a.get("count", 1) for a in raw["agents"]} == {"2": 7, "1": 1, "0": 1}
    assert {i["name"]: i["tick_size"] for i in raw["instruments"]} == {"1": "0.01", "0": 0.5}
    assert raw["shocks"][0]["size"] == 0.2
    # Where nothing is called so, a number is an index.
    raw["agents"] = raw["agents"][:2]
    assert [a.get("count") for a in apply_overrides(raw, ["agents.0.count=9"])["agents"]] == [9, None]


def test_a_misspelt_key_is_answered_with_the_name_of_the_group() -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario("dealer_market", ["agents.dealer.cuont=3"])
    assert caught.value.where == "dealer_market: agents.dealer.cuont"
    assert "did you mean 'count'" in caught.value.message


@pytest.mark.parametrize("path", ["agents." + "9" * 5000, "agents.x", ".".join(["a"] * 5000)])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ScenarioError):
        parse_scenario(apply_overrides(named_by_numbers(), [f"{path}.count=1"]))


# --- balance sheets at the opening -------------------------------------------------------------------------


def test_insolvency_at_the_opening_is_refused_unless_allowed_by_name() -> None:
    change = "agents.dealer_a.balance_sheet.short_term_funding=2_500_000_000"
    with pytest.raises(ScenarioError, match="insolvent at the opening: Tier 1 is -880,000,000") as caught:
        load_scenario(FLAGSHIP, [change])
    assert caught.value.where == f"{FLAGSHIP}: agents.dealer_a.balance_sheet.short_term_funding"
    allowed = load_scenario(FLAGSHIP, [change, "agents.dealer_a.balance_sheet.allow_insolvent=true"])
    sheet = opening_sheets(World(allowed, 1, NullRecorder()))[0]
    assert (sheet.group, sheet.tier1) == ("dealer_a", -880_000_000)
    # One unit of Tier 1 is enough, none is not.
    assert parse_scenario(market(dealer({"short_term_funding": "999.99"})))
    with pytest.raises(ScenarioError, match="Tier 1 is 0"):
        parse_scenario(market(dealer({"short_term_funding": 1000})))


def test_repo_above_its_collateral_is_refused() -> None:
    assert parse_scenario(market(dealer({"repo": {"bond": 900}})))
    with pytest.raises(ScenarioError, match=r"expected at most what is held of it, worth 900, got 900\.01") as caught:
        parse_scenario(market(dealer({"repo": {"bond": "900.01"}})))
    assert caught.value.where == "agents.dealer.balance_sheet.repo.bond"


@pytest.mark.parametrize("scale", [1, 3])
def test_a_stated_tier_1_reconciles_exactly(scale: int) -> None:
    sheet = {"short_term_funding": 300, "other_assets": "0.01", "scale": scale}
    assert parse_scenario(market(dealer({**sheet, "tier1": "700.01"})))
    with pytest.raises(ScenarioError, match="expected") as caught:
        parse_scenario(market(dealer({**sheet, "tier1": 700})))
    assert caught.value.where == "agents.dealer.balance_sheet.tier1"


def test_headroom_at_the_opening_is_that_of_the_limits_definition() -> None:
    limits = [{"kind": "slr", "params": {"minimum": 0.5}}, {"kind": "funding"}]
    scenario = parse_scenario(market(dealer({"short_term_funding": 600, "constraints": limits})))
    (sheet,) = opening_sheets(World(scenario, 1, NullRecorder()))
    assert (sheet.assets, sheet.tier1) == (1000, 400)
    # 400 of Tier 1 carries 800 at a half; own funds without haircuts are cash and all of the bonds.
    assert [(limit.name, limit.headroom) for limit in sheet.limits] == [("slr", -200), ("funding", 1000)]
    assert [limit.name for limit in sheet.breached] == ["slr"]


# --- what no scenario may say ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count", "is_taken"),
    [("lt-1", 1, True), ("lt-3", 3, True), ("lt-3", 2, False), ("lt-0", 2, False), ("lt-01", 2, False)],
)
def test_no_group_is_named_like_an_agent_of_another(name: str, count: int, is_taken: bool, tmp_path: Path) -> None:
    text = 'name = "m"\nhorizon = "1s"\n[[instruments]]\nname = "bond"\ntick_size = 0.01\nlot_size = 1\n'
    text += "initial_price = 100\n"
    for each, members in (("lt", count), (name, 1)):
        text += f'[[agents]]\nname = "{each}"\ncount = {members}\nstrategy = "{DEALER}"\n'
    file = tmp_path / "m.toml"
    file.write_text(text)
    if not is_taken:
        assert len(load_scenario(file).agents) == 2
        return
    with pytest.raises(ScenarioError, match=f"'{name}' is an agent of the group 'lt' already") as caught:
        load_scenario(file)
    assert caught.value.where == f"{file}: agents.{name}.name"


@pytest.mark.parametrize("nothing", [None, 3, 1.5, [], b"first_market"])
def test_what_is_no_scenario_is_told(nothing: Any) -> None:
    with pytest.raises(InputError, match="expected a scenario, a file, or the name of a packaged one"):
        run(nothing)


@pytest.mark.parametrize("where", ["name", "instruments", "agents"])
@pytest.mark.parametrize("name", ["a\x1b[2Jb", "a\nb", "\x00", "a\u202eb", "a\x9bb"])
def test_control_characters_in_names_are_refused(where: str, name: str) -> None:
    raw = market({"name": "g", "strategy": DEALER})
    if where == "name":
        raw["name"] = name
    else:
        raw[where][0]["name"] = name
    with pytest.raises(ScenarioError, match="without control characters"):
        parse_scenario(raw)


@pytest.mark.parametrize("number", [float("inf"), float("-inf"), float("nan"), Decimal("sNaN")])
@pytest.mark.parametrize(
    ("change", "path"),
    [
        (lambda x: {"balance_sheet": {"opening_volatility": {"bond": x}}}, "balance_sheet.opening_volatility.bond"),
        (lambda x: {"params": {"a": [{"b": x}]}}, "params.a[0].b"),
        (lambda x: {"params": {"a": {"name": "c", "b": x}}}, "params.a.b"),
        (lambda x: {"params": {"a": [{"name": "c", "b": x}]}}, "params.a.c.b"),
        (lambda x: {"holdings": {"bond": x}}, "holdings.bond"),
    ],
)
def test_numbers_that_are_not_finite_are_refused_with_their_path(number: Any, change: Any, path: str) -> None:
    with pytest.raises(ScenarioError, match="expected a finite number") as caught:
        parse_scenario(market({"name": "g", "strategy": DEALER, **change(number)}))
    assert caught.value.where == f"agents.g.{path}"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('tick_size = "1e1000000"', "instruments.bond.tick_size"),
        ('tick_size = "sNaN"', "instruments.bond.tick_size"),
        ("tick_size = 1e-308", "instruments.bond.tick_size"),
        ("tick_size = 1e-29", "instruments.bond.initial_price"),
        (f"liquidity_rank = {'9' * 5000}", "too many digits"),
        (f"liquidity_rank = 0x{'f' * 5000}", "instruments.bond.liquidity_rank"),
        ("lit = { halt = '1e1000000s' }", "instruments.bond.lit.halt"),
        (f"lit = {'[' * 100_000}{']' * 100_000}", "nested"),
        (f"lit.{'.'.join(['a'] * 5_000)} = 1", "nested"),
        ("fair_value = { jumps_per_day = 1e300 }", "instruments.bond.fair_value.jumps_per_day"),
    ],
)
def test_extreme_numbers_and_depths_in_a_file_are_refused_on_one_line(text: str, named: str, tmp_path: Path) -> None:
    known = {"tick_size": "0.01", "lot_size": "1", "initial_price": "100"}
    rest = "".join(f"{key} = {value}\n" for key, value in known.items() if not text.startswith(key))
    path = tmp_path / "market.toml"
    path.write_text(f'name = "m"\nhorizon = "1s"\n[[instruments]]\nname = "bond"\n{text}\n{rest}', encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert named in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_plain_data_too_deep_are_refused_where_times_are_given_in_days_too() -> None:
    """Times of days are looked for everywhere in a scenario that has a calendar."""
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    raw = market({"name": "g", "strategy": DEALER, "params": {"deep": deep}})
    for calendar in ({}, {"calendar": {"day": "10min", "session": "5min"}}):
        with pytest.raises(ScenarioError, match="nested"):
            parse_scenario(raw | calendar)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "market.toml"
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ScenarioError, match="is not UTF-8 text"):
        load_scenario(path)


@pytest.mark.parametrize("text", ["9" * 5000, "[" * 100_000])
def test_values_of_overrides_that_no_reader_takes_are_refused(text: str) -> None:
    with pytest.raises(ScenarioError):
        parse_value(text, "--set x")


def test_a_rate_of_jumps_next_to_nothing_means_none() -> None:
    raw = market()
    raw["instruments"][0]["fair_value"] = {"jumps_per_day": 1e-308, "jump_sd": 0.1}
    assert len(run(parse_scenario(raw), 1).table("fair_value")) == 1  # The value at the start.
    # The control: a rate of many a second jumps.
    raw["instruments"][0]["fair_value"]["jumps_per_day"] = 2_880_000
    assert len(run(parse_scenario(raw), 1).table("fair_value")) > 10


@pytest.mark.parametrize("text", ["1e1000000", "1e999999h", "sNaN", "1e300s", "4800000h"])
def test_durations_beyond_all_time_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a duration"):
        parse_duration_ns(text)


def test_a_module_that_ends_the_program_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("raise SystemExit(0)\n", encoding="utf-8")
    raw = {**market({"name": "g", "strategy": "ends:X"}), "folder": str(tmp_path)}
    with pytest.raises(ScenarioError, match="cannot be imported: SystemExit"):
        dry_run(parse_scenario(raw))


# --- somebody else's scenario ------------------------------------------------------------------------------


def test_without_foreign_code_everything_else_is_still_checked(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text("raise RuntimeError('imported')\n", encoding="utf-8")
    sheet = {"constraints": [{"kind": "theirs:Limit"}, {"kind": "slr"}], "marking": "theirs.py:Marks"}
    raw = {**market(dealer(sheet), {"name": "g", "strategy": "theirs:X", "params": {"a": 1}}), "folder": str(tmp_path)}
    with pytest.raises(ScenarioError, match="imported"):
        dry_run(parse_scenario(raw))
    trusted, left = without_foreign(parse_scenario(raw))
    assert left == ("agents.dealer.balance_sheet.constraints[0].kind", "agents.dealer.balance_sheet.marking",
                    "agents.g.strategy")  # fmt: skip
    (opened,) = opening_sheets(dry_run(trusted))
    assert [limit.name for limit in opened.limits] == ["slr"]
    # A wrong parameter of what is not foreign is still found.
    raw["agents"][0]["balance_sheet"]["constraints"][1]["params"] = {"minimum": 2}
    with pytest.raises(InputError, match="minimum"):
        dry_run(without_foreign(parse_scenario(raw))[0])


def test_a_folder_that_bears_the_name_of_a_package_is_not_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_shipped(DEALER)
    assert not is_shipped("strategies.theirs:X")
    assert not is_shipped("json.decoder:JSONDecoder")
    assert not is_shipped("lob_sim.cli.__main__:X")
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies/__init__.py").write_text("", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "strategies")
    # Not even the folder that bears its name makes a strategy of that name somebody else's: the shipped one is found.
    assert is_shipped(DEALER)
    # Beside the scenario a file of that name is found first, and is somebody else's.
    theirs = tmp_path.joinpath(*DEALER.partition(":")[0].split(".")).with_suffix(".py")
    theirs.write_text("", encoding="utf-8")
    assert not is_shipped(DEALER, tmp_path)


def test_what_may_be_stated_survives_the_log(tmp_path: Path) -> None:
    raw = market(dealer({"short_term_funding": 1000, "tier1": 0, "allow_insolvent": True}))
    logged = run(parse_scenario(raw), 1, tmp_path / "r")
    assert parse_scenario(json.loads(json.dumps(logged.header.scenario))) == parse_scenario(raw)
