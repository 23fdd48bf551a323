"""Crisis facts: each is computed from what it says, judged by its whole interval, and measured of real runs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments import crisis_facts as facts
from experiments.spiral import cells, crisis
from experiments.spiral.published import BACKSTOP, CRISIS, NO_REDEMPTIONS, OPAQUE, PROMPT, PURCHASES
from experiments.spiral.published import facts as published_facts
from lob_sim.analysis.summary import of
from lob_sim.log import Run
from lob_sim.running import run
from lob_sim.units import NS_PER_S

SEEDS = 12
FALL_BP = 500.0
SHORT = ["shocks.0.at=2min", "horizon=8min", "shocks.0.size=-0.08"]


def published(**changes: float) -> pd.DataFrame:
    """Seeds in which every fact is as published; ``changes`` replaces columns, named ``run__metric__instrument``."""
    w, s = "corporate", "treasury"
    level = {
        f"{CRISIS}: calm_spread.{s}": 2.0,
        f"{CRISIS}: peak_spread.{s}": 8.0,
        f"{CRISIS}: stress_spread.{s}": 2.2,
        f"{CRISIS}: calm_depth.{s}": 50.0,
        f"{CRISIS}: crisis_depth.{s}": 10.0,
        f"{CRISIS}: calm_cost.{w}": 100.0,
        f"{CRISIS}: calm_lots.{w}": 50.0,
        f"{CRISIS}: stress_cost.{w}": 250.0,
        f"{CRISIS}: stress_lots.{w}": 25.0,
        f"{CRISIS}: stress_asked.{w}": 20.0,
        f"{CRISIS}: stress_dealt.{w}": 5.0,
        f"{CRISIS}: stress_dealt_cost.{w}": 50.0,
        f"{CRISIS}: stress_dealt_priced.{w}": 5.0,
        f"{CRISIS}: stress_true_priced.{w}": 20.0,
        f"{CRISIS}: stress_true_cost.{w}": 500.0,
        f"{CRISIS}: calm_dealt.{w}": 18.0,
        f"{CRISIS}: calm_dealt_cost.{w}": 36.0,
        f"{CRISIS}: calm_dealt_priced.{w}": 18.0,
        f"{CRISIS}: calm_true_priced.{w}": 20.0,
        f"{CRISIS}: calm_true_cost.{w}": 44.0,
        f"{CRISIS}: worst_bp.{w}": 500.0,
        f"{CRISIS}: worst_bp.{s}": 50.0,
        f"{CRISIS}: bought.{w}": -40.0,
        f"{BACKSTOP}: bought_later.{w}": 20.0,
        f"{CRISIS}: mean_bp.{w}": 300.0,
        f"{CRISIS}: mean_bp.{s}": 100.0,
        f"{BACKSTOP}: mean_bp.{w}": 60.0,
        f"{BACKSTOP}: mean_bp.{s}": 60.0,
        f"{PURCHASES}: start_bp.{s}": 300.0,
        f"{CRISIS}: start_bp.{s}": 300.0,
        f"{CRISIS}: later_bp.{s}": 90.0,
        f"{CRISIS}: start_spread.{s}": 12.0,
        f"{CRISIS}: late_spread.{s}": 17.0,
        f"{PURCHASES}: later_bp.{s}": 120.0,
        f"{PURCHASES}: calm_spread.{s}": 2.0,
        f"{PURCHASES}: start_spread.{s}": 12.0,
        f"{PURCHASES}: late_spread.{s}": 11.8,
        f"{NO_REDEMPTIONS}: worst_bp.{w}": 350.0,
        f"{NO_REDEMPTIONS}: worst_bp.{s}": 35.0,
        f"{PROMPT}: stress_cost.{w}": 50.0,
        f"{OPAQUE}: stress_cost.{w}": 100.0,
        f"{PROMPT}: stress_cost.{s}": 80.0,
        f"{OPAQUE}: stress_cost.{s}": 100.0,
        **{f"{name}: stress_lots.{i}": 50.0 for name in (PROMPT, OPAQUE) for i in (w, s)},
    }
    noise = 1 + 1e-4 * np.random.default_rng(0).normal(size=SEEDS)
    return pd.DataFrame({name: value * noise for name, value in (level | changes).items()})


def failing(frame: pd.DataFrame) -> list[str]:
    return [row.claim.partition(" ")[0] for row in facts.outcome_of(frame, FALL_BP).rows if not row.holds]


def test_what_is_as_published_holds_and_all_twelve_are_asked() -> None:
    outcome = facts.outcome_of(published(), FALL_BP)
    assert [row.claim for row in outcome.rows if not row.holds] == []
    assert {fact.number for fact in published_facts(FALL_BP)} == set(range(1, 13))
    measured = {row.claim.partition(".")[0]: row.measured for row in outcome.rows[::-1]}
    assert measured["2"] == pytest.approx(5.0)
    assert measured["5"] == pytest.approx((500 / 20) / (50 / 5) / ((44 / 20) / (36 / 18)))
    assert measured["6"] == pytest.approx(0.5, rel=1e-3)
    assert measured["11"] == pytest.approx((-240 + 40) / 5, rel=1e-3)


@pytest.mark.parametrize(
    ("column", "value", "number"),
    [
        (f"{CRISIS}: peak_spread.treasury", 30.0, "1."),
        (f"{CRISIS}: stress_cost.corporate", 60.0, "2."),
        (f"{CRISIS}: crisis_depth.treasury", 40.0, "3."),
        (f"{CRISIS}: stress_true_cost.corporate", 210.0, "5."),
        (f"{CRISIS}: bought.corporate", 5.0, "7."),
        (f"{BACKSTOP}: bought_later.corporate", -5.0, "7."),
        (f"{PURCHASES}: later_bp.treasury", 5.0, "8."),
        (f"{PURCHASES}: late_spread.treasury", 3.0, "8."),
        (f"{NO_REDEMPTIONS}: worst_bp.treasury", 49.0, "9."),
        (f"{PROMPT}: stress_cost.corporate", 99.0, "10."),
        (f"{PROMPT}: stress_cost.treasury", 100.0, "10."),
        (f"{BACKSTOP}: mean_bp.corporate", 300.0, "11."),
        (f"{CRISIS}: stress_spread.treasury", 4.0, "12."),
    ],
)
def test_controls_what_is_not_as_published_fails_and_is_explained(column: str, value: float, number: str) -> None:
    frame = published(**{column: value})
    assert failing(frame) == [number]
    table, _ = facts.outcome_of(frame, FALL_BP).tables
    assert [bool(line[-1]) for line in table.rows] == [line[-2] == "fails" for line in table.rows]


def test_controls_requests_that_are_dealt_and_falls_that_are_all_of_value_fail() -> None:
    assert "4." in failing(published(**{f"{CRISIS}: stress_dealt.corporate": 15.0}))
    assert "6." in failing(published(**{f"{CRISIS}: worst_bp.corporate": 20.0}))


def test_a_failure_is_explained_only_where_seeds_tell_it_and_on_the_side_that_was_expected() -> None:
    def said(frame: pd.DataFrame, number: int) -> str:
        return next(str(line[-1]) for line in facts.outcome_of(frame, FALL_BP).tables[0].rows if line[0] == number)

    column = f"{CRISIS}: peak_spread.treasury"
    assert said(published(), 1) == ""
    assert said(published(**{column: 30.0}), 1).startswith("above: a spiral")
    assert said(published(**{column: 2.0}), 1) == "below: not as expected, and not explained"
    unclear = published().assign(**{column: [0.0, 20.0] * (SEEDS // 2)})
    assert said(unclear, 1) == "these seeds do not tell"


def test_nothing_spiralled_means_that_recovery_is_not_told() -> None:
    assert failing(published(**{f"{PURCHASES}: start_bp.treasury": 10.0})) == ["8.", "8."]


def test_what_goes_by_itself_is_told_beside_what_goes_with_a_bank() -> None:
    fall, rise = (line[1].value for line in facts.outcome_of(published(), FALL_BP).tables[1].rows)
    assert fall == pytest.approx(0.7, abs=0.01)
    calm = published()[f"{CRISIS}: calm_spread.treasury"].mean()
    assert rise == pytest.approx(1 - (17.0 - calm) / (12.0 - calm), abs=0.01)
    assert rise < 0


# --- measured --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stressed() -> Run:
    return run(cells.flagship(SHORT), 1)


def test_what_is_measured_of_a_run_is_what_its_log_says(stressed: Run) -> None:
    times = crisis.times_of(cells.flagship(SHORT))
    found = crisis.fact_metrics(stressed, times)
    assert all(np.isfinite(value) for value in found.values())
    assert 0 < times.warm < times.shock < times.bank < times.stress < times.recovered < times.later < times.end
    client = next(a.agent_id for a in stressed.header.agents if a.group == crisis.CLIENTS)
    opened = of(stressed.table("rfq_opened"), 0)
    asked = opened[(opened["agent_id"] == client) & opened["ts_event_ns"].between(times.shock, times.stress - 1)]
    assert found["stress_asked.corporate"] == len(asked) > 0
    dealt = set(of(stressed.rfq_trades, 0)["rfq_id"])
    assert found["stress_dealt.corporate"] == asked["rfq_id"].isin(dealt).sum()
    for name in ("dealt", "true"):
        assert found[f"calm_{name}_priced.corporate"] <= found["calm_asked.corporate"]
    assert found["calm_dealt_priced.corporate"] in (0.0, found["calm_dealt.corporate"])
    # The shock is there, and calm comes before it.
    assert found["peak_spread.corporate"] > 3 * found["calm_spread.corporate"]
    assert found["crisis_depth.corporate"] < found["calm_depth.corporate"]


def test_a_price_off_value_is_no_cost_of_dealing_at_once() -> None:
    when = np.array([0, 10, 20, 59]) * NS_PER_S
    side, lots = np.array([1, -1, 1, -1]), np.array([2.0, 1.0, 2.0, 2.0])
    paid = np.array([3.0, 2.0, 5.0, 2.0])
    cost, weight = crisis.half_distance(when, side, paid, lots)
    assert weight == 7.0
    assert cost / weight == pytest.approx((4.0 + 2.0) / 2)
    # Who buys gains what who sells loses, when all prices are 100 bp below value.
    off = crisis.half_distance(when, side, paid - 100.0 * side, lots)
    assert off == pytest.approx((cost, weight))
    # The control: what deals cost in the mean moves with the price; and of one side nothing is known.
    assert ((paid - 100.0 * side) * lots).sum() != pytest.approx((paid * lots).sum())
    assert crisis.half_distance(when[::2], side[::2], paid[::2], lots[::2]) == (0.0, 0.0)
    assert crisis.half_distance(when[:0], side[:0], paid[:0], lots[:0]) == (0.0, 0.0)


def test_a_price_that_comes_back_to_value_is_no_cost_of_dealing_at_once() -> None:
    """Those who sell deal first, 50 bp below value, those who buy mostly later, at value; all pay 2 bp."""
    when = np.array([0, 1, 2, 70, 71, 72, 200]) * NS_PER_S
    side = np.array([-1, -1, 1, 1, 1, -1, 1])
    off = np.array([50.0, 50.0, 50.0, 0.0, 0.0, 0.0, 0.0])
    cost, weight = crisis.half_distance(when, side, 2.0 - side * off, np.ones(7))
    assert (cost, weight) == (12.0, 6.0)
    # The control: over all minutes at once the way back passes for a cost.
    together, _ = crisis.half_distance(np.zeros_like(when), side, 2.0 - side * off, np.ones(7))
    assert together / 7 > 10.0


def test_a_bank_bids_from_its_start_on_and_for_what_it_is_told(stressed: Run) -> None:
    scenario = cells.flagship(SHORT)
    times = crisis.times_of(scenario)
    backed = run(facts.backed(scenario, "treasury", times.stress), 1)
    bank = next(a.agent_id for a in backed.header.agents if a.group == "central_bank")
    bids = backed.table("new_order")
    bids = bids[bids["agent_id"] == bank]
    assert len(bids)
    assert set(bids["instrument_id"]) == {1}
    assert bids["ts_event_ns"].min() >= times.stress
    assert np.allclose(bids["price_ticks"] / (100 / 0.004), 1 - 0.003, atol=1e-4)
    before = stressed.trades[stressed.trades["ts_event_ns"] < times.stress]
    after = backed.trades[backed.trades["ts_event_ns"] < times.stress]
    assert before["price_ticks"].tolist() == after["price_ticks"].tolist()


def test_prints_are_of_the_instrument_that_is_named() -> None:
    calm = cells.calm(cells.flagship())
    regimes = {i.name: i.rfq.transparency for i in facts.published_as(calm, "corporate", "never").instruments}
    assert regimes == {"corporate": "none", "treasury": "immediate"}
    assert facts.published_as(calm, "corporate", "at once").instruments[0].rfq.transparency == "immediate"
