"""Balance sheets from a spreadsheet: what they become, what does not add up, and the two markets that they agree in."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from openpyxl import Workbook
from typer.testing import CliRunner

from lob_sim.cli.app import app
from lob_sim.errors import InputError
from lob_sim.feeds.sheets import read_sheets, scenario_of_sheets
from lob_sim.interactive.simulation import Simulation
from lob_sim.scenario import Scenario, find_scenario, load_scenario, parse_scenario, read_scenario
from lob_sim.stress_test.scenario import stress_test

HEADER = (
    "name,like,unit,cash,other_assets,holdings.treasury,holdings.corporate,assets,"
    "short_term_funding,repo.treasury,repo.corporate,liabilities,tier1,slr_minimum,count"
)
ALDER = "alder,dealer_a,million,400,1100,2000,1000,4500,1379,1950,930,4259,241,0.05,2"
BONDS = "bonds,asset_manager,million,60,0,1200,1500,2760,0,,,0,2760,,4"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lob_sim(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    if isinstance(done.exception, InputError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def table(*rows: str, header: str = HEADER, name: str = "banks.csv") -> str:
    Path(name).write_text("\n".join([header, *rows]) + "\n")
    return name


def test_a_table_becomes_a_market_in_which_its_sheets_take_the_place_of_the_others() -> None:
    shown = lob_sim("import", "sheets", table(ALDER, BONDS), "--out", "market.toml").splitlines()
    assert shown[0].split() == ["group", "assets", "Tier", "1", "limit", "headroom"]
    assert shown[1].split() == ["alder", "4,500,000,000", "241,000,000", "slr", "320,000,000"]
    assert shown[-1] == "market.toml"
    made = {group.name: group for group in load_scenario("market.toml").agents}
    usual = {group.name: group for group in load_scenario("whole_system").agents}
    assert list(made) == ["alder", "bonds", *(name for name, group in usual.items() if group.balance_sheet is None)]
    alder, sheet = made["alder"], made["alder"].balance_sheet
    assert sheet is not None
    assert alder.count == 2
    assert alder.params == usual["dealer_a"].params
    assert alder.holdings == {"treasury": 2_000_000_000, "corporate": 1_000_000_000}
    assert sheet.tier1 == 241_000_000
    assert [limit.kind for limit in sheet.constraints] == ["slr", "var", "funding"]
    bonds, model = made["bonds"].balance_sheet, usual["asset_manager"].balance_sheet
    assert bonds is not None
    assert model is not None
    assert bonds == msgspec.structs.replace(model, tier1=Decimal(2_760_000_000))
    assert shown[1:-1] == lob_sim("check", "market.toml").splitlines()[2:]


def test_workbooks_and_parquet_files_are_read_alike() -> None:
    table(ALDER, BONDS)
    frame = pd.read_csv("banks.csv")
    frame.to_parquet("banks.parquet")
    book = Workbook()
    sheet = book.create_sheet("sheets")
    sheet.append(list(frame.columns))
    for row in frame.itertuples(index=False):
        sheet.append([None if pd.isna(cell) else cell for cell in row])
    book.save("banks.xlsx")
    found = [lob_sim("import", "sheets", "banks.csv", "--out", "a.toml")]
    found.append(lob_sim("import", "sheets", "banks.parquet", "--out", "b.toml"))
    found.append(lob_sim("import", "sheets", "banks.xlsx", "--sheet", "sheets", "--out", "c.toml"))
    assert len({text.rpartition("\n")[0].rpartition("\n")[0] for text in found}) == 1
    assert load_scenario("a.toml").agents == load_scenario("b.toml").agents == load_scenario("c.toml").agents
    with pytest.raises(InputError, match=r"banks\.xlsx: has no sheet 'sheet', did you mean 'Sheet'"):
        lob_sim("import", "sheets", "banks.xlsx", "--sheet", "sheet", "--out", "d.toml")
    with pytest.raises(InputError, match=r"banks\.xlsx: Sheet: is empty|banks\.xlsx: is empty"):
        lob_sim("import", "sheets", "banks.xlsx", "--out", "d.toml")


def test_what_is_less_than_a_lot_or_a_unit_of_cash_stands_under_other_assets() -> None:
    odd = "odd,dealer_a,one,400000001,0,2004000000,0,2404000001,2000000001,,,2000000001,404000000,,"
    base = read_scenario(find_scenario("whole_system"), "whole_system")
    made, notes = scenario_of_sheets(read_sheets(Path(table(odd))), base, "whole_system", "x")
    group = parse_scenario(made).agents[0]
    assert group.balance_sheet is not None
    assert (int(group.cash), group.holdings["treasury"]) == (400_000_000, Decimal(2_000_000_000))
    assert group.balance_sheet.other_assets == 4_000_000
    assert group.balance_sheet.tier1 == Decimal(404_000_000)
    assert notes == ["banks.csv:2: odd: other assets take 4,000,000 by rounding"]
    assert "slr" not in [limit.kind for limit in group.balance_sheet.constraints]


def test_amounts_are_scaled_and_units_are_each_rows_own() -> None:
    billions = "alder,dealer_a,billion,40,110,200,100,450,137.9,195,93,425.9,24.1,0.05,2"
    base = read_scenario(find_scenario("whole_system"), "whole_system")
    both = [
        scenario_of_sheets(read_sheets(Path(table(row))), base, "whole_system", "x", Decimal(scale))[0]
        for row, scale in ((ALDER, "1"), (billions, "0.01"))
    ]
    assert parse_scenario(both[0]) == parse_scenario(both[1])


REFUSED = {
    "tier1": (
        ALDER.replace(",241,", ",242,"),
        "banks.csv:2: tier1: does not reconcile: assets less liabilities are 241",
    ),
    "assets": (
        ALDER.replace("4500", "4501"),
        "banks.csv:2: assets: does not reconcile: cash, other assets and holdings",
    ),
    "liabilities": (ALDER.replace("4259", "4258"), "banks.csv:2: liabilities: does not reconcile: short-term funding"),
    "unit": (
        ALDER.replace("million", "millions"),
        "banks.csv:2: unit: expected one of one, thousand, million, billion",
    ),
    "no unit": (ALDER.replace("million", ""), "banks.csv:2: unit: is empty"),
    "like": (
        ALDER.replace("dealer_a", "dealer_e"),
        "banks.csv:2: like: no group with a balance sheet named 'dealer_e'",
    ),
    "no sheet": (ALDER.replace("dealer_a", "liquidity"), "banks.csv:2: like: no group with a balance sheet named"),
    "negative": (ALDER.replace(",400,1100", ",-400,1900"), "banks.csv:2: cash: expected 0 or more, got -400"),
    "text": (ALDER.replace(",400,", ",lots,"), "banks.csv:2: cash: expected a number, got 'lots'"),
    "count": (ALDER.replace("0.05,2", "0.05,1.5"), "banks.csv:2: count: expected a whole number from 1"),
    "minimum": (ALDER.replace("0.05", "5"), "banks.csv:2: slr_minimum: expected a fraction from 0 to 1, got 5"),
    "repo": (
        ALDER.replace("1379,1950,930", "1329,2000,930").replace("2000,1000", "1995,1005"),
        "banks.csv:2: repo.treasury: expected at most what it holds of it in whole lots, 1,990,000,000",
    ),
    "kept": (ALDER.replace("alder", "lender"), "banks.csv:2: name: whole_system has a group without a sheet"),
}


def test_a_haircut_of_one_instrument_leaves_the_others_as_the_group_has_them() -> None:
    usual = next(group for group in load_scenario("whole_system").agents if group.name == "dealer_a").balance_sheet
    assert usual is not None
    assert set(usual.haircuts) == {"treasury", "corporate"}
    assert usual.haircuts["treasury"] != 0.5
    cases = {
        "haircut.treasury": ([",0.5", ","], [{**usual.haircuts, "treasury": 0.5}, usual.haircuts]),
        "haircut.corporate": ([",0", ",0.5"], [{**usual.haircuts, "corporate": c} for c in (0.0, 0.5)]),
    }
    for column, (cells, expected) in cases.items():
        rows = [ALDER + cells[0], ALDER.replace("alder", "birch") + cells[1]]
        lob_sim("import", "sheets", table(*rows, header=f"{HEADER},{column}"), "--out", f"{column}.toml")
        sheets = [g.balance_sheet for g in load_scenario(f"{column}.toml").agents if g.name in ("alder", "birch")]
        assert [dict(sheet.haircuts) for sheet in sheets if sheet is not None] == expected


@pytest.mark.parametrize("row", REFUSED)
def test_rows_that_do_not_hold_are_one_line_and_nothing_is_written(row: str) -> None:
    text, told = REFUSED[row]
    with pytest.raises(InputError) as caught:
        lob_sim("import", "sheets", table(text), "--out", "market.toml")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not Path("market.toml").exists()


def test_tables_that_do_not_hold() -> None:
    for header, told in (
        (HEADER.replace("cash", "cahs"), "banks.csv:1: unknown column 'cahs', did you mean 'cash'?"),
        (HEADER.replace("holdings.treasury", "holding.treasury"), "banks.csv:1: unknown column 'holding.treasury'"),
        (
            HEADER.replace("holdings.treasury", "holdings.gilt"),
            "banks.csv:2: holdings.gilt: no instrument named 'gilt'",
        ),
        (HEADER.replace("unit,", ""), "banks.csv:1: has no column 'unit'"),
    ):
        with pytest.raises(InputError) as caught:
            lob_sim("import", "sheets", table(ALDER, header=header), "--out", "market.toml")
        assert told in str(caught.value)
    with pytest.raises(InputError, match=r"banks\.csv:3: name: the name 'alder' is used twice"):
        lob_sim("import", "sheets", table(ALDER, ALDER))
    with pytest.raises(InputError, match=r"banks\.csv: has no rows"):
        lob_sim("import", "sheets", table())
    with pytest.raises(InputError, match=r"none\.csv: does not exist"):
        lob_sim("import", "sheets", "none.csv")
    with pytest.raises(InputError, match=r"--scale 0: expected a positive number"):
        lob_sim("import", "sheets", table(ALDER), "--scale", "0")
    Path("banks.toml").write_text("")
    with pytest.raises(InputError, match=r"--out banks\.toml: is there already"):
        lob_sim("import", "sheets", table(ALDER))
    with pytest.raises(InputError, match="expected the word sheets before a table"):
        lob_sim("import", "sheet", table(ALDER))


# --- the order book with infinite depth and the classical step model --------------------------------------------------

DEEP = """
name = "deep"
horizon = "60s"
[[shocks]]
instrument = "corporate"
at = "5s"
size = -0.04
[[agents]]
name = "maker"
strategy = "strategies.ho_stoll:HoStollDealer"
sees_fair_value = true
[agents.params]
mid = "fair_value"
choke_fee_ticks = 2.0
risk_price_ticks_per_lot = DEPTH
size_lots = 1_000_000
max_inventory_lots = 100_000_000
requote_interval = "100ms"
[[agents]]
name = "bank"
strategy = "strategies.buy_and_hold:BuyAndHold"
[agents.balance_sheet]
liquidation = "immediate"
liquidation_params = { patient_discount = 0.5, urgent_discount = 0.5 }
mark_interval = "100ms"
work_interval = "20ms"
rfq_dealers = 0
"""
INSTRUMENT = """
[[instruments]]
name = "{name}"
tick_size = 0.00001
lot_size = 1_000_000
price_per = 100
initial_price = 100
liquidity_rank = {rank}
"""
BANKS = [
    "prime,bank,million,500,1000,2000,1500,5000,4750,,,4750,250,0.05,",
    "thick,bank,million,300,800,1000,900,3000,2500,,,2500,500,0.05,",
    "thin,bank,million,10,400,300,290,1000,948,,,948,52,0.05,2",
    "apart,bank,million,100,0,900,0,1000,949,,,949,51,0.05,",
    "failing,bank,million,20,0,20,960,1000,965,,,965,35,0.02,",
    "loaned,bank,million,100,500,600,800,2000,600,570,730,1900,100,0.045,",
]


def deep_market(depth: float = 0.0) -> Scenario:
    """The banks in a market whose maker buys anything at a tick below value, which is a ten-millionth of the price."""
    text = DEEP.replace("DEPTH", str(depth)) + "".join(
        INSTRUMENT.format(name=name, rank=rank) for rank, name in enumerate(("treasury", "corporate"), 1)
    )
    Path("deep.toml").write_text(text)
    lob_sim("import", "sheets", table(*BANKS), "--into", "deep.toml", "--out", f"banks-{depth}.toml")
    return load_scenario(f"banks-{depth}.toml")


def sold_in_the_market(scenario: Scenario) -> dict[str, list[int]]:
    with Simulation(scenario, 1) as simulation:
        simulation.finish()
        world = simulation.world
        return {
            world.members[i].name: [a - b for a, b in zip(world.members[i].lots, desk.sheet.lots, strict=True)]
            for i, desk in world.desks.items()
        }


def test_in_a_market_of_infinite_depth_banks_sell_what_the_classical_model_says_to_a_lot() -> None:
    scenario = deep_market()
    classical = stress_test(scenario, {})
    assert classical.settled
    sold = sold_in_the_market(scenario)
    assert sold.keys() == set(classical.names)
    for name, lots in sold.items():
        expected = classical.total_sold(name)
        assert all(abs(a - b) <= 1 for a, b in zip(lots, expected, strict=True)), (name, lots, expected)
    # The largest is Dealer Prime at a hundredth: 1.14 billion must go, of which half a billion is cash.
    assert sum(classical.total_sold("prime-1")) == pytest.approx(1140, abs=1)
    assert {name for name, lots in sold.items() if any(lots)} == {
        "prime-1",
        "thin-1",
        "thin-2",
        "failing-1",
        "loaned-1",
    }


def test_control_in_a_market_of_finite_depth_they_sell_more() -> None:
    scenario = deep_market(0.5)
    sold = sold_in_the_market(scenario)
    assert sum(sold["prime-1"]) > sum(stress_test(scenario, {}).total_sold("prime-1")) + 1
