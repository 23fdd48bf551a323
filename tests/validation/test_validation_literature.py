"""Every experiment in its quick version; ``python -m experiments.validation.report`` runs them in full."""

from __future__ import annotations

import pytest

from experiments.validation import (
    avellaneda_stoikov,
    glosten_milgrom,
    gode_sunder,
    gueant_lehalle,
    kyle,
    market_closure,
    pin_vpin,
    queue_race,
    spread_measures,
    zero_intelligence,
)
from lob_sim.experiment import Experiment, Outcome

EXPERIMENTS = [
    module.EXPERIMENT
    for module in (
        avellaneda_stoikov,
        glosten_milgrom,
        gode_sunder,
        gueant_lehalle,
        kyle,
        market_closure,
        pin_vpin,
        queue_race,
        spread_measures,
        zero_intelligence,
    )
]


def failures(outcome: Outcome) -> list[str]:
    return [f"{row.claim}: {row.measured} {row.relation} {row.reference}" for row in outcome.rows if not row.holds]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_quick(experiment: Experiment) -> None:
    outcome = experiment.run(**experiment.quick)
    assert outcome.rows
    assert failures(outcome) == []


def test_flagship_dealer_leaves_where_no_half_spread_earns_its_cost() -> None:
    outcome = market_closure.run(dealer=market_closure.Dealer.FLAGSHIP)
    assert failures(outcome) == []


def test_a_market_of_mostly_informed_traders_closes() -> None:
    assert failures(market_closure.run(mu=0.7, runs=6, rounds=1500)) == []


@pytest.mark.parametrize("mu", [0.5, 0.52])
def test_a_market_at_the_brink_is_on_its_way_to_close(mu: float) -> None:
    assert failures(market_closure.run(mu=mu, runs=8, rounds=800)) == []
