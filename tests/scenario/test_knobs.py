"""Knobs: strictly checked, read and written in their units, and no part of the market."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lob_sim import load_scenario
from lob_sim.analysis.calm_verdict import market_fingerprint
from lob_sim.errors import ScenarioError
from lob_sim.scenario import (
    KnobSpec,
    apply_overrides,
    fitting_knobs,
    knob_override,
    knob_value,
    packaged_scenarios,
    parse_scenario,
    read_scenario,
    scenario_to_dict,
)

DEALERS = '\n[[knobs]]\npath = "agents.dealer.count"\nlabel = "dealers"\nlow = 1\nhigh = 9\n'
PACKAGED = [name for name in packaged_scenarios() if load_scenario(name).knobs]


@pytest.fixture
def market(tmp_path: Path) -> Path:
    """A market without knobs, to which a test adds its own."""
    text = packaged_scenarios()["dealer_market"].read_text(encoding="utf-8")
    path = tmp_path / "market.toml"
    path.write_text(text[: text.index("[[knobs]]")], encoding="utf-8")
    return path


def add(market: Path, text: str) -> None:
    market.write_text(market.read_text(encoding="utf-8") + text, encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (("agents.dealer.count", "agents.dealer.cuont"), "knobs[0].path: agents.dealer.cuont does not exist"),
        (("agents.dealer.count", "agents.daeler.count"), "did you mean 'dealer'"),
        (("agents.dealer.count", "agents.dealer.strategy"), "expected the path of a number"),
        (("agents.dealer.count", "agents.dealer.params"), "expected the path of a number"),
        (("agents.dealer.count", "horizon"), "expected a unit of time"),
        (("high = 9", 'high = 9\nunit = "s"'), "expected no unit of time"),
        (("high = 9", "high = 1"), "expected more than low, 1, got 1"),
        (("high = 9", "high = 4"), "expected a range that holds the file's own value, 6, got 1 to 4"),
        (("low = 1", 'low = "1"'), "expected float, got str"),
        (("high = 9", "high = nan"), "high"),
        (("high = 9", ""), "missing required field high"),
        (('label = "dealers"', 'label = ""'), "label"),
        (('label = "dealers"', 'label = "a\\u0007b"'), "a text without control characters"),
        (("high = 9", "high = 9\nstep = 1"), "unknown"),
        (("low = 1", f"low = 1\nhigh = 9\n{DEALERS.partition('low')[0]}low = 2"), "has a knob already"),
    ],
)
def test_a_knob_that_turns_nothing_is_refused_by_its_field(
    market: Path, change: tuple[str, str], expected: str
) -> None:
    add(market, DEALERS)
    assert [knob.path for knob in load_scenario(market).knobs] == ["agents.dealer.count"]
    market.write_text(market.read_text(encoding="utf-8").replace(DEALERS, DEALERS.replace(*change)), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(market)
    assert str(caught.value).startswith(f"{market}: knobs")
    assert expected in str(caught.value)


def test_an_override_may_go_beyond_a_knob_and_an_overlay_take_away_what_it_turns(market: Path, tmp_path: Path) -> None:
    add(market, DEALERS)
    assert load_scenario(market, ["agents.dealer.count=30"]).agents[0].count == 30
    (tmp_path / "without.toml").write_text('description = "No dealers."\nremove = ["agents.dealer"]\n')
    without = load_scenario(market, overlays=[tmp_path / "without.toml"])
    assert fitting_knobs(without.knobs, scenario_to_dict(without)) == []


def test_knobs_leave_the_market_and_its_plain_data_as_they_were(market: Path) -> None:
    plain = scenario_to_dict(load_scenario(market))
    assert "knobs" not in plain
    add(market, DEALERS)
    with_knob = scenario_to_dict(load_scenario(market))
    assert {key: value for key, value in with_knob.items() if key != "knobs"} == plain
    assert market_fingerprint(with_knob) == market_fingerprint(plain)
    assert parse_scenario(with_knob).knobs == load_scenario(market).knobs


def test_a_value_goes_there_and_back_in_its_unit() -> None:
    raw: dict[str, Any] = {
        "wait": "90s",
        "share": 0.125,
        "money": "1500.25",
        "count": 3,
        "list": [{"name": "a", "x": 2}],
    }
    for path, unit, value, moved, text in (
        ("wait", "min", "1.5", "0.25", "wait=0.25min"),
        ("share", "%", "12.5", "-3.3", "share=-0.033"),
        ("money", "dollars", "1500.25", "20", "money=20"),
        ("count", "", "3", "100", "count=100"),
        ("list.a.x", "", "2", "0.000001", "list.a.x=0.000001"),
    ):
        knob = KnobSpec(path=path, label=path, low=0, high=1, unit=unit)
        assert knob_value(knob, raw) == Decimal(value)
        override = knob_override(knob, Decimal(moved))
        assert override == text
        assert knob_value(knob, apply_overrides(raw, [override])) == Decimal(moved)


@pytest.mark.parametrize("name", PACKAGED)
def test_the_ends_of_packaged_knobs_make_markets(name: str) -> None:
    raw = read_scenario(packaged_scenarios()[name], name)
    for knob in load_scenario(name).knobs:
        for end in (knob.low, knob.high):
            changed = load_scenario(name, [knob_override(knob, Decimal(str(end)))])
            assert knob_value(knob, scenario_to_dict(changed)) == Decimal(str(end)), knob
        assert knob_value(knob, raw) == knob_value(knob, scenario_to_dict(load_scenario(name)))


def test_some_packaged_scenarios_have_knobs() -> None:
    assert {"dealer_market", "whole_system"} <= set(PACKAGED)
