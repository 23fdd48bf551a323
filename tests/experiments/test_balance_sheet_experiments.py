"""The experiments on balance sheets: in short versions, at cases that nobody listed, and with wrong references."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from experiments import (
    dealer_prime,
    fire_sale_cascade,
    funding_run,
    haircut_shock,
    redemptions,
    var_procyclicality,
)
from lob_sim.experiment import Experiment, Outcome
from lob_sim.scenario import load_scenario

EXPERIMENTS: list[Experiment] = [
    module.EXPERIMENT
    for module in (dealer_prime, fire_sale_cascade, funding_run, haircut_shock, redemptions, var_procyclicality)
]
ORDERS = list(dealer_prime.Order)
SELDOM = "agents.maker.params.requote_interval=500ms"


def failed(outcome: Outcome) -> list[str]:
    return [row.claim for row in outcome.rows if not row.holds]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_every_claim_holds_and_there_is_a_figure(experiment: Experiment, tmp_path: Path) -> None:
    outcome = experiment.run(**experiment.quick)
    assert failed(outcome) == []
    assert outcome.draw is not None
    outcome.draw(tmp_path / "deep" / "figure.png")
    assert (tmp_path / "deep" / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_json_is_one_object_with_values_references_errors_and_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        dealer_prime.EXPERIMENT.main(["--json", "--depth", "7000", "--liquidation-sequence", "cash_first"])
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["experiment"] == "dealer_prime"
    assert document["holds"] is True
    assert document["parameters"]["liquidation_sequence"] == "cash_first"
    for row in document["rows"]:
        assert {"claim", "measured", "reference", "standard_error", "verdict"} <= set(row)
    assert any(row["measured"] == pytest.approx(50) for row in document["rows"] if "cash used" in row["claim"])


# --- Dealer Prime -------------------------------------------------------------------------------------------


def prime(**changes: Any) -> dealer_prime.Prime:
    base = dealer_prime.Prime(50, 200, 150, 100, 475, 0.04, 0.05, dealer_prime.Order.most_liquid_first, 100)
    return msgspec.structs.replace(base, **changes)


def test_the_closed_forms_give_the_published_numbers() -> None:
    assert dealer_prime.shed_without_impact(prime()) == pytest.approx((19, 494, 114))
    for depth, sold in ((20_000, 131.18), (10_000, 150.84), (5_000, 193.67)):
        assert dealer_prime.reference(prime(), depth).treasuries == pytest.approx(sold, abs=0.005)
    assert dealer_prime.depth_threshold(prime()) == pytest.approx(4651.16, abs=0.005)
    spilled = dealer_prime.reference(prime(), 4_000)
    assert (spilled.treasuries, spilled.corporates > 0) == (200, True)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0, 0.16),
    st.floats(0.02, 0.09),
    st.floats(300, 1e5),
    st.sampled_from(ORDERS),
    st.integers(5_000, 15_000),
    st.integers(0, 300),
)
def test_dealer_prime_at_any_shock_minimum_depth_price_and_size(
    shock: float, minimum: float, depth: float, order: dealer_prime.Order, price: int, treasuries: int
) -> None:
    tier1_before = 0.0505 * (300 + treasuries)
    funding = 300 + treasuries - tier1_before
    # At the threshold itself a rounding decides what is sold of the next asset.
    case = prime(
        shock=round(shock, 6),
        minimum=round(minimum, 4),
        treasuries=float(treasuries),
        funding=funding,
        order=order,
    )
    threshold = dealer_prime.depth_threshold(case)
    assume(not 0 < threshold < math.inf or abs(depth / threshold - 1) > 1e-3)
    tier1, assets, _ = dealer_prime.shed_without_impact(case)
    assume(abs(tier1 - case.minimum * assets) > 1e-3)
    outcome = dealer_prime.run(
        treasuries=case.treasuries,
        funding=case.funding,
        shock=case.shock,
        minimum=case.minimum,
        depth=[depth],
        price=price / 100,
        liquidation_sequence=order,
    )
    assert failed(outcome) == []


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("price", [100.0, 137.123, 61.7])
def test_dealer_prime_is_exact_whatever_bonds_cost(order: dealer_prime.Order, price: float) -> None:
    outcome = dealer_prime.run(price=price, liquidation_sequence=order, depth=[20_000.0, 4_800.0, 4_000.0, math.inf])
    for row in outcome.rows:
        assert row.measured == pytest.approx(row.reference, rel=1e-9, abs=1e-9), row.claim


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("debt", [0.0, 5.0])
def test_a_dealer_without_assets_has_nothing_to_sell(order: dealer_prime.Order, debt: float) -> None:
    outcome = dealer_prime.run(cash=0, treasuries=0, corporates=0, other=0, funding=debt, liquidation_sequence=order)
    assert failed(outcome) == []
    assert all(row.measured == 0 for row in outcome.rows if "sold" in row.claim)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cash", "nan"),
        ("--treasuries", "-1"),
        ("--funding", "inf"),
        ("--price", "0"),
        ("--shock", "1"),
        ("--minimum", "0"),
        ("--depth", "nan"),
        ("--depth", "0"),
    ],
)
def test_what_cannot_be_is_refused_by_the_name_of_its_option(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        dealer_prime.EXPERIMENT.main([option, value])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith(f"error: {option}: expected a ")


@pytest.mark.parametrize("depth", [6_000.0, 30_000.0])
def test_the_order_book_agrees_at_depths_that_nobody_listed(depth: float) -> None:
    assert failed(dealer_prime.run(depth=[depth], book=True, seeds=2)) == []
    assert failed(dealer_prime.run(depth=[depth], book=True, seeds=2, shock=0.03)) == []


def test_a_wrong_closed_form_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = dealer_prime.shed_without_impact

    def wrong(case: dealer_prime.Prime) -> tuple[float, float, float]:
        tier1, assets, required = right(case)
        return tier1, assets, required * 1.0001

    monkeypatch.setattr(dealer_prime, "shed_without_impact", wrong)
    assert "to be shed (bn)" in failed(dealer_prime.run())


# --- the others ---------------------------------------------------------------------------------------------


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makers who look at the market twice a second: their wakes, at ten, are nine tenths of a run's time.

    At ten they are above, where every experiment is run as it is shipped.
    """
    for module in (haircut_shock, redemptions, var_procyclicality):
        monkeypatch.setattr(module, "load_scenario", lambda path: load_scenario(path, [SELDOM]))


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize(
    "case",
    [
        {"var": 12.0, "limit": 14.0, "factor": 1.5, "fall": 0.1},
        {"var": 10.0, "limit": 30.0, "factor": 2.0},  # the limit is never reached
        {"var": 5.0, "limit": 7.0, "factor": 3.0},
        {"fall": 0.123456789},  # no whole number of ticks
        {"limit": 0.0},  # everything is sold, in calm too
        {"var": 20.0, "limit": 15.0, "factor": 1.0},  # over the limit from the opening
    ],
)
def test_value_at_risk_at_other_numbers(case: dict[str, float]) -> None:
    assert failed(var_procyclicality.run(**case)) == []


@pytest.mark.usefixtures("seldom")
def test_a_dealer_that_forgets_its_volatility_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(var_procyclicality, "_DECAY", 0.9)
    assert "market: largest distance from the formula's path (lots)" in failed(var_procyclicality.run())


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize(
    "case",
    [
        {"position": 37.5, "haircut": 0.03, "new_haircut": 0.1},
        {"haircut": 0.05, "new_haircut": 0.08, "swing": 0.006},
        {"haircut": 0.1, "new_haircut": 0.3, "position": 50.0},
        {"new_haircut": 0.01},  # lenders ask for less: nothing is sold
    ],
)
def test_haircuts_at_other_numbers(case: dict[str, float]) -> None:
    assert failed(haircut_shock.run(**case)) == []


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize(
    "case",
    [
        {"beta": 2.0, "shock": 0.05, "impact": 0.4, "buffer": 0.0},
        {"beta": 8.0, "shock": 0.01, "impact": 0.1, "buffer": 30.0, "swing": 0.3},
    ],
)
def test_redemptions_at_other_numbers(case: dict[str, float]) -> None:
    assert failed(redemptions.run(**case)) == []


def test_a_cascade_that_stops_short_is_noticed() -> None:
    # With a fifth of the impact the fall ends before B's limit: nobody but A sells, and the claim of an order fails.
    outcome = fire_sale_cascade.run(seeds=2, impact=0.02)
    assert any("A < B < C < D" in claim for claim in failed(outcome))
    assert not any("calm" in claim for claim in failed(outcome))


def test_lenders_who_would_roll_anything_are_no_run() -> None:
    outcome = funding_run.run(seeds=2, term=[1.0, 5.0], refuse_above=100.0)
    assert failed(outcome) == []
    assert all(row.measured == 0 for row in outcome.rows if row.claim.startswith("sold"))
