"""Instruments that a strategy's parameters name: each once, and none that the market does not have."""

from __future__ import annotations

import pytest

from lob_sim import InputError, Simulation, load_scenario

SHORT = ["horizon=2min"]
TRADES_IT = ["agents.value.params.instruments=['treasury', 'corporate', 'treasury']"]
LENDER = [
    "agents.value.strategy=strategies.repo_lender:RepoLending",
    "agents.value.params={schedules = {treasury = {base = 0.02}}, opening_volatility = {tresury = 0.001}}",
]


def test_no_instrument_is_named_twice() -> None:
    with pytest.raises(InputError, match="'treasury' is named twice"):
        Simulation(load_scenario("dealer_market", [*SHORT, *TRADES_IT]))


def test_a_lenders_opening_volatility_is_of_instruments_of_the_market() -> None:
    told = "opening_volatility: there is no instrument 'tresury': expected one of corporate, treasury, did you mean"
    with pytest.raises(InputError, match=told):
        Simulation(load_scenario("dealer_market", [*SHORT, *LENDER]))
