"""Interventions: each is one change of the scenario, and the one that lifts the limit lifts the sales."""

from __future__ import annotations

import msgspec
import pytest

from experiments import interventions
from experiments.interventions import NOTHING
from experiments.spiral import cells
from lob_sim.analysis.summary import crisis_metrics
from lob_sim.messages import NewOrder
from lob_sim.running import run
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict
from lob_sim.units import NS_PER_S


@pytest.fixture(scope="module")
def scenarios() -> dict[str, Scenario]:
    return interventions.interventions(cells.flagship())


def test_each_is_another_scenario_that_a_file_could_say(scenarios: dict[str, Scenario]) -> None:
    texts = {name: msgspec.json.encode(scenario_to_dict(scenario)) for name, scenario in scenarios.items()}
    assert len(set(texts.values())) == len(scenarios) == 8
    for name, scenario in scenarios.items():
        assert parse_scenario(scenario_to_dict(scenario), f"{name}: ") == scenario


def test_nothing_is_the_flagship(scenarios: dict[str, Scenario]) -> None:
    assert scenarios[NOTHING] == cells.flagship()


def test_without_treasuries_in_the_exposure_less_is_sold(scenarios: dict[str, Scenario]) -> None:
    sold = {name: crisis_metrics(run(scenarios[name], 2))["forced_lots"] for name in (NOTHING, "exemption")}
    assert 0 <= sold["exemption"] < sold[NOTHING]


@pytest.mark.parametrize(("name", "quote"), [("all_to_all", True), (NOTHING, False)])
def test_clients_quote_only_where_trading_is_all_to_all(scenarios: dict[str, Scenario], name: str, quote: bool) -> None:
    short = msgspec.structs.replace(cells.calm(scenarios[name]), horizon=60 * NS_PER_S)
    finished = run(short, 1)
    clients = next(agent.agent_id for agent in finished.header.agents if agent.group == "liquidity")
    orders = finished.table(NewOrder.dataset)
    assert orders[orders["agent_id"] == clients]["post_only"].any() == quote
