"""What a dealer charges for informed flow: the quick version holds, and a wrong idea of the flow turns it."""

from __future__ import annotations

import numpy as np
from verdicts import failing

from experiments.validation import zero_profit
from experiments.validation.zero_profit import Part, judge_learner, one_learner
from lob_sim.experiment import run_cells

RUNS = 1200


def test_published_values_of_k() -> None:
    published = {0.1: 0.080044, 0.3: 0.246607, 0.5: 0.436327}
    assert {alpha: round(zero_profit.theory(alpha), 6) for alpha in published} == published


def test_a_dealer_who_knows_nothing_finds_the_zero_profit_spread() -> None:
    frame = run_cells(one_learner, [{"alpha": 0.5, "rounds": 800}], 8)
    late, last = frame["late"].to_numpy(), frame["last"].to_numpy()
    assert failing(judge_learner(late, last, 0.5)) == set()
    # Control: what it finds is told apart from what another mixture would cost.
    assert failing(judge_learner(late, last, 0.2)) != set()


def test_a_dealer_who_knows_earns_nothing_and_one_who_is_wrong_loses() -> None:
    assert failing(zero_profit.run(part=Part.QUOTING, alpha=0.5, runs=RUNS).rows) == set()
    wrong = zero_profit.run(part=Part.QUOTING, alpha=0.5, assumed=0.1, runs=RUNS)
    assert len(failing(wrong.rows)) == 3
    realised = next(row for row in wrong.rows if row.claim.startswith("realised"))
    assert realised.measured < 0


def test_the_flagships_dealers_tell_their_customers_apart() -> None:
    outcome = zero_profit.run(part=Part.FLAGSHIP, runs=4)
    by_claim = {row.claim: row for row in outcome.rows}
    assert by_claim["nobody else: share of dealers who leave the lit book"].holds
    assert by_claim["nobody informed: share of the time away from the lit book"].measured < 0.05
    earned = [
        by_claim[f"{case}: what dealers earn on a trade (bp)"].measured for case in ("nobody informed", "nobody else")
    ]
    assert earned[0] > 0 > earned[1]


def test_dealers_who_learn_nothing_do_not_leave() -> None:
    scenario = zero_profit.cells.without(zero_profit.flagship_market(informed=True), "toxicity")
    task = zero_profit.FlagshipTask({"informed": zero_profit.scenario_to_dict(scenario)})
    frame = run_cells(task, [{"market": "informed"}], 2)
    assert np.all(frame["left"] == 0)
