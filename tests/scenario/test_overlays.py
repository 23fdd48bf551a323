"""Overlays: what each changes and nothing else, what fits nothing, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lob_sim import run
from lob_sim.errors import ScenarioError
from lob_sim.scenario import (
    Scenario,
    apply_overlays,
    changed_scenario,
    load_overlay,
    load_scenario,
    overlay_changes,
    packaged_overlays,
    packaged_scenarios,
    scenario_to_dict,
)
from lob_sim.simulation.plan import MarketPlan

MARKET = """
name = "small"
horizon = "20s"
[[instruments]]
name = "gilt"
tick_size = 0.01
lot_size = 1000
price_per = 100
initial_price = 100
liquidity_rank = 1
rfq = { transparency = "delayed", delay = "5min" }
[[instruments]]
name = "bond"
tick_size = 0.01
lot_size = 1000
price_per = 100
initial_price = 100
liquidity_rank = 2
lit = { opening_auction = "1s" }
[[shocks]]
instrument = "bond"
at = "5s"
size = -0.02
[[agents]]
name = "bank"
strategy = "strategies.fixed_spread:FixedSpreadDealer"
cash = 10_000
holdings = { gilt = 100_000 }
[agents.balance_sheet]
short_term_funding = 50_000
repo = { gilt = 20_000 }
constraints = [{ kind = "slr" }, { kind = "var", params = { limit = 1000 } }]
[[agents]]
name = "fund"
strategy = "strategies.buy_and_hold:BuyAndHold"
holdings = { bond = 50_000 }
balance_sheet = { redemptions = { beta = 1.0 } }
[[agents]]
name = "clients"
strategy = "strategies.liquidity:LiquidityTraders"
[[agents]]
name = "repo_desk"
strategy = "strategies.repo_lender:RepoLending"
params = { term = "5s", schedules = { gilt = { base = 0.02, maximum = 0.2 }, bond = { base = 0.06, maximum = 0.3 } } }
"""

LDI = """
[[agents]]
name = "ldi"
strategy = "strategies.ldi_fund:LdiFund"
cash = 1_000
holdings = { gilt = 200_000 }
params = { liabilities = { gilt = 200_000 } }
balance_sheet = { tier1 = 101_000, repo = { gilt = 100_000 } }
"""
SWAP = """
[[swaps]]
instrument = "gilt"
long = "bank-1"
short = "ldi-1"
amount = 50_000
initial_margin = 0.01
"""
MARKET += LDI + SWAP

CHANGED = {
    "ldi_buffers": {"agents.ldi.balance_sheet.repo.gilt", "agents.ldi.balance_sheet.tier1"},
    "all_to_all": {"agents.clients.params.quoting_share"},
    "batches": {"instruments.gilt.lit.batch_interval", "instruments.bond.lit.batch_interval"},
    "calm": {"shocks"},
    "clearing": {f"clearing.{key}" for key in ("default_fund", "own_capital", "assessment")},
    "collateral_backstop": {"agents.facility"},
    "halts": {f"instruments.{name}.lit.{key}" for name in ("gilt", "bond") for key in ("price_band", "halt")},
    "purchases": {"agents.central_bank"},
    "slr_exemption": {"agents.bank.balance_sheet.constraints"},
    "standing_repo": {"agents.facility"},
    "swing_pricing": {f"agents.fund.balance_sheet.redemptions.swing_{key}" for key in ("threshold", "factor")},
    "transparency": {
        "instruments.gilt.rfq.transparency",
        "instruments.gilt.rfq.delay",
        "instruments.bond.rfq.transparency",
    },
}


@pytest.fixture
def market(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(MARKET)
    return path


def overlay(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def differing(before: Scenario, after: Scenario) -> set[str]:
    flat = [dict(leaves(scenario_to_dict(scenario))) for scenario in (before, after)]
    found = {path for path in {*flat[0], *flat[1]} if flat[0].get(path) != flat[1].get(path)} - {"overlays"}
    new = {f"agents.{g.name}" for g in after.agents} - {f"agents.{g.name}" for g in before.agents}
    return {next((name for name in new if path.startswith(f"{name}.")), path) for path in found}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of plain data with its path, members of lists by name; a list without names is one value."""
    if isinstance(value, list) and value and all(isinstance(entry, dict) and "name" in entry for entry in value):
        value = {entry["name"]: entry for entry in value}
    if not isinstance(value, dict):
        yield path, value
        return
    for key, entry in value.items():
        yield from leaves(entry, f"{path}.{key}".lstrip("."))


def group(scenario: Scenario, name: str) -> Any:
    return next(g for g in scenario.agents if g.name == name)


def test_every_packaged_overlay_is_asked_for_here_and_none_is_called_as_a_scenario() -> None:
    assert set(packaged_overlays()) == set(CHANGED)
    assert not set(packaged_overlays()) & set(packaged_scenarios())


@pytest.mark.parametrize("name", sorted(CHANGED))
def test_a_packaged_overlay_changes_what_it_says_and_the_market_can_be_built(name: str, market: Path) -> None:
    before, after = load_scenario(market), load_scenario(market, overlays=[name])
    assert differing(before, after) == CHANGED[name]
    assert after.overlays == (name,)
    assert before.overlays == ()
    MarketPlan(after)
    assert load_overlay(name).description.endswith(".")


def test_a_market_without_swaps_has_nothing_to_clear(market: Path) -> None:
    market.write_text(MARKET.removesuffix(SWAP))
    with pytest.raises(ScenarioError, match=r"with clearing: clearing: expected swaps, which it is to clear$"):
        load_scenario(market, overlays=["clearing"])


def test_names_that_stand_for_an_instrument_are_those_of_the_market(market: Path) -> None:
    scenario = load_scenario(market, overlays=["slr_exemption", "purchases", "standing_repo"])
    limits = group(scenario, "bank").balance_sheet.constraints
    assert [limit.params.get("exempt") for limit in limits] == [["gilt", "reserves"], None]
    assert group(scenario, "central_bank").params["instruments"] == ["gilt"]
    assert group(scenario, "facility").params["schedules"] == {"gilt": {"base": 0.02}}
    assert group(scenario, "facility").params["term"] == "5s"


def test_overlays_come_in_their_order_and_overrides_after_them(market: Path, tmp_path: Path) -> None:
    texts = [f'[[set]]\npath = "agents.clients.params.traders"\nvalue = {n}' for n in (3, 4)]
    first, second = overlay(tmp_path, texts[0], "first"), overlay(tmp_path, texts[1], "second")
    assert group(load_scenario(market, overlays=[first, second]), "clients").params["traders"] == 4
    assert group(load_scenario(market, overlays=[second, first]), "clients").params["traders"] == 3
    both = load_scenario(market, ["agents.clients.params.traders=5"], overlays=[first, second])
    assert group(both, "clients").params["traders"] == 5
    assert both.overlays == ("first", "second")


def test_times_in_days_are_of_the_days_that_overrides_ask_for(tmp_path: Path) -> None:
    text = MARKET.replace('horizon = "20s"', 'horizon = "2 days"')
    days = 'calendar = { day = "60s", session = "50s" }\n'
    shock = '[[shocks]]\ninstrument = "bond"\nat = "day 2 0:00:05"\nsize = -0.01\n'
    path = tmp_path / "days.toml"
    path.write_text(days + text + shock)
    asked, harmless = (
        ["calendar.day=30s", "calendar.session=20s"],
        overlay(tmp_path, '[[set]]\npath = "agents.clients.params.traders"\nvalue = 4'),
    )
    plain, changed = load_scenario(path, asked), load_scenario(path, asked, overlays=[harmless])
    assert (plain.shocks[-1].at, plain.horizon) == (35_000_000_000, 60_000_000_000)
    assert (changed.shocks[-1].at, changed.horizon) == (plain.shocks[-1].at, plain.horizon)
    # The control: without the overrides they are of the scenario's own days.
    assert load_scenario(path, overlays=[harmless]).shocks[-1].at == 65_000_000_000


def test_a_factor_multiplies_what_is_there(market: Path, tmp_path: Path) -> None:
    text = """
    [[set]]
    path = "agents.bank.cash"
    factor = 1.5
    [[set]]
    path = "agents.*.balance_sheet.redemptions.beta"
    factor = 2
    [[set]]
    path = "agents.repo_desk.count"
    factor = 3
    """
    mine = overlay(tmp_path, text)
    scenario = load_scenario(market, overlays=[mine])
    assert group(scenario, "bank").cash == 15_000
    assert group(scenario, "fund").balance_sheet.redemptions.beta == 2.0
    assert group(scenario, "repo_desk").count == 3
    plain = scenario_to_dict(load_scenario(market))
    assert "agents.repo_desk.count=3" in overlay_changes(plain, [load_overlay(mine)])
    buffered = group(load_scenario(market, overlays=["ldi_buffers"]), "ldi").balance_sheet
    assert (buffered.repo["gilt"], buffered.tier1) == (50_000, None)


def test_a_group_is_added_replaced_removed_or_like_another(market: Path, tmp_path: Path) -> None:
    text = """
    remove = ["agents.strategy=*:BuyAndHold", "agents.bank.balance_sheet.repo.gilt"]
    [[agents]]
    name = "clients"
    strategy = "strategies.buy_and_hold:BuyAndHold"
    [[agents]]
    name = "small_bank"
    like = "bank"
    cash = 40_000
    [[shocks]]
    instrument = "gilt"
    at = "6s"
    size = 0.01
    """
    scenario = load_scenario(market, overlays=[overlay(tmp_path, text)])
    assert [g.name for g in scenario.agents] == ["bank", "clients", "repo_desk", "ldi", "small_bank"]
    assert group(scenario, "clients").strategy == "strategies.buy_and_hold:BuyAndHold"
    assert group(scenario, "bank").balance_sheet.repo == {}
    assert group(scenario, "small_bank").balance_sheet == group(scenario, "bank").balance_sheet
    assert group(scenario, "small_bank").cash == 40_000
    assert [(shock.instrument, shock.at) for shock in scenario.shocks] == [("bond", 5 * 10**9), ("gilt", 6 * 10**9)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[set]]\npath = "agents.*.balance_sheet.constraints.kind=lcr.params.minimum"\nvalue = 1', "set[0].path"),
        ('[[set]]\npath = "agents.nobody.count"\nvalue = 1', "agents.nobody.count fits nothing in small"),
        ('[[set]]\npath = "agents.clients.balance_sheet.scale"\nvalue = 1', "fits nothing"),
        ('[[set]]\npath = "shocks.1.size"\nvalue = 1', "fits nothing"),
        ('[[set]]\npath = "agents..count"\nvalue = 1', "fits nothing"),
        ('remove = ["agents.nobody"]', "remove[0]: agents.nobody fits nothing"),
        ('[[agents]]\nname = "x"\nlike = "clint"', "agents[0].like: no group 'clint' in small"),
        ('[[agents]]\nstrategy = "x:Y"', "agents[0].name: expected the name of the group"),
        ('[[set]]\npath = "instruments.*.lit.halt"\nvalue = "soon"', "instruments.gilt.lit.halt"),
        ('[[set]]\npath = "instruments.*.lit.hault"\nvalue = "1s"', "unknown key 'hault', did you mean 'halt'?"),
        ('[[set]]\npath = "shocks"', "set[0]: value: expected it, or a factor, and not both"),
        ('[[set]]\npath = "seed"\nvalue = 1\nfactor = 2', "set[0]: value: expected it, or a factor, and not both"),
        (
            '[[set]]\npath = "agents.bank.strategy"\nfactor = 2',
            "set[0].factor: agents.bank.strategy: expected a number",
        ),
        ('[[set]]\npath = "agents.bank.cash"\nfactor = 0.000001', "agents.bank.cash: amount 0.01 is off the grid"),
        ('[[sets]]\npath = "shocks"', "unknown key 'sets', did you mean 'set'?"),
        ('description = "nothing"', "changes nothing"),
        ('name = "x"', "unknown key 'name'"),
        ("[[set", "is not valid TOML"),
    ],
)
def test_an_overlay_that_does_not_fit_is_one_line_that_names_it_and_the_field(
    text: str, told: str, market: Path, tmp_path: Path
) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(market, overlays=[overlay(tmp_path, text)])
    assert told in str(caught.value)
    assert "mine" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_scenario_cannot_say_that_overlays_have_changed_it(market: Path) -> None:
    market.write_text('overlays = ["calm"]\n' + MARKET)
    with pytest.raises(ScenarioError, match="unknown key 'overlays'"):
        load_scenario(market)


def test_the_data_that_an_overlay_is_put_over_stay_as_they_are(market: Path) -> None:
    plain = scenario_to_dict(load_scenario(market))
    before = scenario_to_dict(load_scenario(market))
    apply_overlays(plain, [load_overlay(name) for name in packaged_overlays()])
    overlay_changes(plain, [load_overlay("halts")])
    assert plain == before


def test_an_overlay_as_overrides_is_the_overlay(market: Path) -> None:
    plain = scenario_to_dict(load_scenario(market))
    names = ["slr_exemption", "transparency", "halts", "calm"]
    changes = overlay_changes(plain, [load_overlay(name) for name in names])
    assert differing(changed_scenario(plain, (), changes, "x"), changed_scenario(plain, names, (), "x")) == set()
    assert changes[0] == 'agents.bank.balance_sheet.constraints.0.params.exempt=["gilt", "reserves"]'
    with pytest.raises(
        ScenarioError, match="purchases: agents: from an instant on, values and shocks alone can change"
    ):
        overlay_changes(plain, [load_overlay("purchases")])


def test_a_run_says_which_overlays_made_it_and_is_that_of_the_scenario_so_changed(market: Path, tmp_path: Path) -> None:
    made = run(market, 1, tmp_path / "a", overlays=["transparency"])
    assert made.header.scenario["overlays"] == ["transparency"]
    by_hand = [f"instruments.{name}.rfq={{ transparency = 'immediate' }}" for name in ("gilt", "bond")]
    assert run(market, 1, overrides=by_hand).digest == made.digest
    assert run(market, 1, overlays=["calm"]).digest != made.digest
