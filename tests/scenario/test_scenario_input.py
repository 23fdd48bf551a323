"""Bad input: every error is a ScenarioError that names file and field and says what was expected."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lob_sim.errors import InputError, ScenarioError
from lob_sim.scenario import find_scenario, load_scenario, packaged_scenarios, parse_scenario
from lob_sim.simulation.world import World

GOOD = """
name = "small"
horizon = "10s"

[[instruments]]
name = "bond"
tick_size = 0.01
lot_size = 1_000
price_per = 100
initial_price = 98.50

[[agents]]
name = "dealer"
strategy = "strategies.fixed_spread:FixedSpreadDealer"
count = 2
cash = 100_000.10
holdings = { bond = 5_000 }

[[shocks]]
instrument = "bond"
at = "5s"
size = -0.04
"""


def raw(**changes: Any) -> dict[str, Any]:
    """The same scenario as plain data, with changes; a dotted path is written with two underscores."""
    data: dict[str, Any] = {
        "name": "small",
        "horizon": "10s",
        "instruments": [{"name": "bond", "tick_size": 0.01, "lot_size": 1000, "price_per": 100, "initial_price": 98.5}],
        "agents": [{"name": "dealer", "strategy": "a:B", "cash": 100_000, "holdings": {"bond": 5000}}],
        "shocks": [{"instrument": "bond", "at": "5s", "size": -0.04}],
    }
    for path, value in changes.items():
        node: Any = data
        *parents, last = path.split("__")
        for part in parents:
            node = node[0] if isinstance(node, list) else node
            node = node.setdefault(part, {})
        node = node[0] if isinstance(node, list) else node
        node[last] = value
    return data


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "market.toml"
    path.write_text(GOOD)
    return path


def test_the_good_file_is_read(good: Path) -> None:
    scenario = load_scenario(good)
    assert scenario.horizon == 10_000_000_000
    assert scenario.agents[0].count == 2
    assert scenario.folder == str(good.parent)
    assert parse_scenario(raw()).shocks[0].size == -0.04


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is said: what changes, the field that is named, what the message contains
    "unknown key": ({"horizen": "10s"}, "horizen", "did you mean 'horizon'"),
    "unknown key in a table": ({"agents__conut": 3}, "agents.dealer.conut", "did you mean 'count'"),
    "unknown key in a table in a table": (
        {"agents__connection": {"to_venu": {}}},
        "agents.dealer.connection.to_venu",
        "did you mean 'to_venue'",
    ),
    "text for a number": ({"agents__count": "4"}, "agents.dealer.count", "expected int, got str"),
    "number for text": ({"name": 3}, "name", "expected str, got int"),
    "real for a whole number": ({"seed": 1.5}, "seed", "expected int"),
    "number for a truth value": ({"switches__slr": 1}, "switches.slr", "expected bool, got int"),
    "table for a list": ({"agents": {}}, "agents", "expected array"),
    "list for a table": ({"switches": []}, "switches", "expected object"),
    "negative seed": ({"seed": -1}, "seed", "expected int >= 0"),
    "no agents in a group": ({"agents__count": 0}, "agents.dealer.count", "expected int >= 1"),
    "empty name": ({"agents__name": ""}, "agents[0].name", "length >= 1"),
    "no instruments": ({"instruments": []}, "instruments", "length >= 1"),
    "horizon zero": ({"horizon": "0s"}, "horizon", "expected int >= 1"),
    "horizon negative": ({"horizon": -5}, "horizon", "non-negative"),
    "duration without a known unit": ({"horizon": "5 parsec"}, "horizon", "no known unit of time"),
    "duration too fine": ({"horizon": "0.5ns"}, "horizon", "whole"),
    "duration of the wrong type": ({"horizon": True}, "horizon", "expected a duration"),
    "missing key": ({"agents": [{"name": "x"}]}, "agents.x", "missing required field strategy"),
    "unknown distribution": (
        {"agents__connection": {"to_venue": {"distribution": "unifrom"}}},
        "agents.dealer.connection.to_venue.distribution",
        "unifrom",
    ),
    "spread beyond the median": (
        {"agents__connection": {"from_venue": {"distribution": "uniform", "median": 1, "spread": 2}}},
        "agents.dealer.connection.from_venue.spread",
        "at most the median",
    ),
    "negative sigma": (
        {"agents__connection": {"to_venue": {"sigma": -1.0}}},
        "agents.dealer.connection.to_venue.sigma",
        "expected float >= 0",
    ),
    "negative latency": (
        {"agents__connection": {"to_venue": {"median": "-1ms"}}},
        "agents.dealer.connection.to_venue.median",
        "non-negative",
    ),
    "price off the grid": ({"instruments__initial_price": 98.505}, "instruments.bond.initial_price", "0.01"),
    "price zero": ({"instruments__initial_price": 0}, "instruments.bond", "initial_price: expected a positive"),
    "tick negative": ({"instruments__tick_size": -0.01}, "instruments.bond", "tick_size: expected a positive"),
    "lot infinite": (
        {"instruments__lot_size": float("inf")},
        "instruments.bond.lot_size",
        "expected a finite number, got inf",
    ),
    "lot not a number": ({"instruments__lot_size": float("nan")}, "instruments.bond.lot_size", "got nan"),
    "rank zero": ({"instruments__liquidity_rank": 0}, "instruments.bond.liquidity_rank", ">= 1"),
    "volatility negative": (
        {"instruments__fair_value": {"daily_volatility": -0.1}},
        "instruments.bond.fair_value.daily_volatility",
        "expected float >= 0",
    ),
    "volatility infinite": (
        {"instruments__fair_value": {"daily_volatility": float("inf")}},
        "instruments.bond.fair_value.daily_volatility",
        "expected a finite number, got inf",
    ),
    "news without noise": (
        {"instruments__fair_value": {"news_interval": "1s"}},
        "instruments.bond.fair_value.news_noise_sd",
        "positive",
    ),
    "loading above one": (
        {"instruments__fair_value": {"common_loading": 1.1}},
        "instruments.bond.fair_value.common_loading",
        "<= 1",
    ),
    "auctions that fill the horizon": (
        {"instruments__lit": {"opening_auction": "6s", "closing_auction": "4s"}},
        "instruments.bond.lit",
        "no time to trade",
    ),
    "band without a halt": (
        {"instruments__lit": {"price_band": 0.1}},
        "instruments.bond.lit.halt",
        "positive",
    ),
    "band of one": (
        {"instruments__lit": {"price_band": 1.0, "halt": 1}},
        "instruments.bond.lit.price_band",
        "expected float < 1",
    ),
    "delayed without a delay": (
        {"instruments__rfq": {"transparency": "delayed"}},
        "instruments.bond.rfq.delay",
        "positive duration",
    ),
    "a delay without delayed": (
        {"instruments__rfq": {"transparency": "immediate", "delay": "1s"}},
        "instruments.bond.rfq.delay",
        "none otherwise",
    ),
    "holding off the grid": ({"agents__holdings": {"bond": 1500}}, "agents.dealer.holdings.bond", "1000"),
    "holding of nothing known": (
        {"agents__holdings": {"bnod": 1}},
        "agents.dealer.holdings.bnod",
        "did you mean 'bond'",
    ),
    "holding infinite": (
        {"agents__holdings": {"bond": float("inf")}},
        "agents.dealer.holdings.bond",
        "expected a finite number, got inf",
    ),
    "holding negative where short positions are ruled out": (
        {"agents__holdings": {"bond": -1000}, "agents__may_short": False},
        "agents.dealer.holdings.bond",
        "expected 0 or more",
    ),
    "holding negative with a balance sheet": (
        {"agents__holdings": {"bond": -1000}, "agents__balance_sheet": {}},
        "agents.dealer.holdings.bond",
        "expected 0 or more",
    ),
    "cash off the grid": ({"agents__cash": 0.123}, "agents.dealer.cash", "0.1"),
    "cash infinite": ({"agents__cash": float("inf")}, "agents.dealer.cash", "expected a finite number, got inf"),
    "cash negative where that is ruled out": (
        {"agents__cash": -1, "agents__may_overdraw": False},
        "agents.dealer.cash",
        "expected 0 or more",
    ),
    "repo of nothing known": (
        {"agents__balance_sheet": {"repo": {"gilt": 1}}},
        "agents.dealer.balance_sheet.repo.gilt",
        "no instrument named 'gilt'; there are: bond",
    ),
    "haircut of nothing known": (
        {"agents__balance_sheet": {"haircuts": {"bonds": 0.1}}},
        "agents.dealer.balance_sheet.haircuts.bonds",
        "did you mean 'bond'",
    ),
    "volatility of nothing known": (
        {"agents__balance_sheet": {"opening_volatility": {"bonds": 0.1}}},
        "agents.dealer.balance_sheet.opening_volatility.bonds",
        "did you mean 'bond'",
    ),
    "haircut above one": (
        {"agents__balance_sheet": {"haircuts": {"bond": 1.5}}},
        "agents.dealer.balance_sheet.haircuts",
        "<= 1",
    ),
    "funding negative": (
        {"agents__balance_sheet": {"short_term_funding": -5}},
        "agents.dealer.balance_sheet",
        "short_term_funding: expected 0 or more",
    ),
    "funding off the grid": (
        {"agents__balance_sheet": {"short_term_funding": 0.03}},
        "agents.dealer.balance_sheet.short_term_funding",
        "0.1",
    ),
    "scale zero": (
        {"agents__balance_sheet": {"scale": 0}},
        "agents.dealer.balance_sheet",
        "scale: expected a positive",
    ),
    "scale that takes holdings off the grid": (
        {"agents__balance_sheet": {"scale": 0.5}},
        "agents.dealer.holdings.bond",
        "1000",
    ),
    "shock after the horizon": ({"shocks__at": "10s"}, "shocks[0].at", "before the horizon"),
    "shock of everything": ({"shocks__size": -1}, "shocks[0].size", "> -1"),
    "shock without end": ({"shocks__size": float("inf")}, "shocks[0].size", "expected a finite number, got inf"),
    "shock to nothing known": ({"shocks__instrument": "bnd"}, "shocks[0].instrument", "did you mean 'bond'"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input(case: str) -> None:
    changes, field, message = CASES[case]
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(raw(**changes), "market.toml: ")
    assert caught.value.where.startswith(f"market.toml: {field}")
    assert message in caught.value.message
    assert str(caught.value).startswith("market.toml: ")
    assert isinstance(caught.value, InputError)


def test_what_is_ruled_out_for_some_is_allowed_for_others() -> None:
    """The control: the same values where nothing forbids them."""
    assert parse_scenario(raw(agents__holdings={"bond": -1000})).agents[0].holdings["bond"] == -1000
    assert parse_scenario(raw(agents__cash=-1)).agents[0].cash == -1


@pytest.mark.parametrize("table", ["instruments", "agents"])
def test_names_are_used_once(table: str) -> None:
    data = raw()
    data[table].append(deepcopy(data[table][0]))
    with pytest.raises(ScenarioError, match=rf"market.toml: {table}: the name '\w+' is used twice"):
        parse_scenario(data, "market.toml: ")


# --- files -------------------------------------------------------------------------------------------------


def test_a_missing_file_is_answered_with_the_nearest(good: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        load_scenario(good.with_name("markte.toml"))
    assert caught.value.where == str(good.with_name("markte.toml"))
    assert "no such file" in caught.value.message
    assert f"did you mean {str(good)!r}" in caught.value.message
    with pytest.raises(ScenarioError, match=r"did you mean 'dealer_market'.*packaged: .*dealer_market"):
        find_scenario("dealer_markt")
    with pytest.raises(ScenarioError, match="no such file"):
        load_scenario(good.parent)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'name = "x', "is not valid TOML"),
        (b"name = \xff", "is not UTF-8"),
        (b'name = "twice"\n' + GOOD.encode(), "is not valid TOML"),
        (b"", "missing required field"),
        (b'folder = "/"\n' + GOOD.encode(), "unknown key 'folder'"),
    ],
)
def test_a_file_that_is_no_scenario(good: Path, content: bytes, message: str) -> None:
    good.write_bytes(content)
    with pytest.raises(ScenarioError, match=message) as caught:
        load_scenario(good)
    assert caught.value.where.startswith(str(good))


def test_an_error_in_a_file_names_file_and_field(good: Path) -> None:
    good.write_text(GOOD.replace("count = 2", "count = 0"))
    with pytest.raises(ScenarioError) as caught:
        load_scenario(good)
    assert caught.value.where == f"{good}: agents.dealer.count"


@pytest.mark.parametrize("name", sorted(packaged_scenarios()))
def test_every_packaged_scenario_loads_and_can_be_built(name: str) -> None:
    class Nowhere:
        def batch(self, *args: object) -> None: ...
        def record(self, event: object) -> None: ...

    scenario = load_scenario(name)
    assert scenario.description
    assert World(scenario, scenario.seed, Nowhere()).members
