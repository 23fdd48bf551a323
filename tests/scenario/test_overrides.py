"""Changes from the command line: paths into the scenario's plain data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lob_sim.errors import ScenarioError
from lob_sim.scenario import apply_overrides, load_scenario, parse_value, set_path


def data() -> dict[str, Any]:
    return {
        "name": "x",
        "agents": [{"name": "dealers", "count": 2}, {"name": "funds", "params": {"beta": 1.0}}],
        "shocks": [{"size": -0.1}, {"size": -0.2}],
    }


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("name", lambda d: d["name"]),
        ("agents.dealers.count", lambda d: d["agents"][0]["count"]),
        ("agents.1.params.beta", lambda d: d["agents"][1]["params"]["beta"]),
        ("agents.funds.params.beta", lambda d: d["agents"][1]["params"]["beta"]),
        ("shocks.1.size", lambda d: d["shocks"][1]["size"]),
        ("switches.slr", lambda d: d["switches"]["slr"]),
        (
            "agents.dealers.connection.to_venue.median",
            lambda d: d["agents"][0]["connection"]["to_venue"]["median"],
        ),
        ("shocks.0", lambda d: d["shocks"][0]),
    ],
)
def test_a_path_leads_to_its_value_and_changes_nothing_else(path: str, found: Any) -> None:
    before = data()
    after = apply_overrides(before, [f"{path} = 'new'"])
    assert found(after) == "new"
    assert before == data()
    changed = data()
    set_path(changed, path, "new", "")
    assert changed == after


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-0.5", -0.5),
        ("true", True),
        ('"3"', "3"),
        ("250ms", "250ms"),
        ("slr", "slr"),
        ("[1, 2]", [1, 2]),
        ("{a = 1}", {"a": 1}),
        ("", ""),
        ("strategies.x:Y", "strategies.x:Y"),
        ("1\nother = 2", "1\nother = 2"),
    ],
)
def test_values_are_written_as_in_toml_and_bare_words_are_strings(text: str, value: object) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("agents.dealers.count", "expected path=value"),
        ("=3", "expected path=value"),
        (
            "agents.dealer.count=3",
            "agents.dealer does not exist, did you mean 'dealers'?; there are: dealers, funds",
        ),
        ("agents.7.count=3", "agents.7 does not exist"),
        ("agents.-1.count=3", "agents.-1 does not exist"),
        ("shocks.x.size=3", "shocks.x does not exist; there are: 2 entries"),
        ("shocks.x=3", "shocks.x does not exist"),
        ("name.first=3", "name is a single value"),
        ("agents.dealers.count.x.y=3", "agents.dealers.count is a single value: nothing"),
        ("agents..count=3", "empty"),
        (".name=3", "empty"),
    ],
)
def test_a_path_that_leads_nowhere(override: str, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        apply_overrides(data(), [override])
    assert caught.value.where == f"--set {override}"
    assert message in caught.value.message


def test_later_overrides_win_and_all_are_checked_by_the_scenario() -> None:
    scenario = load_scenario("dealer_market", ["agents.dealer.count=4", "agents.dealer.count=3", "horizon=5min"])
    assert next(g.count for g in scenario.agents if g.name == "dealer") == 3
    assert scenario.horizon == 300_000_000_000
    with pytest.raises(ScenarioError, match=r"unknown key 'conut', did you mean 'count'"):
        load_scenario("dealer_market", ["agents.dealer.conut=4"])
    with pytest.raises(ScenarioError, match=r"unknown key 'agnets', did you mean 'agents'"):
        load_scenario("dealer_market", ["agnets.dealer.count=4"])
    with pytest.raises(ScenarioError, match="expected int >= 1"):
        load_scenario("dealer_market", ["agents.dealer.count=0"])


def test_a_strategy_of_the_users_own_is_found_next_to_the_scenario(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\nhorizon = 1\n[[instruments]]\nname = "b"\ntick_size = 1\nlot_size = 1\ninitial_price = 9\n'
    )
    scenario = load_scenario(path, ['agents = [{name = "a", strategy = "mine:Mine"}]'])
    assert scenario.folder == str(tmp_path)
    assert scenario.agents[0].strategy == "mine:Mine"
