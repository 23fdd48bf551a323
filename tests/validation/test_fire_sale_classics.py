"""Fire sales, funding spirals, leverage and RFQ competition: quick runs, wrong variants, bad input.

What each wrong variant gets wrong is right in the quick runs, where the same claims hold.
"""

from __future__ import annotations

import random
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from verdicts import assert_turned, failing

from experiments.validation import (
    cont_schaanning,
    loss_and_margin_spiral,
    procyclical_leverage,
    rfq_competition,
    threshold_stress_test,
    vulnerable_banks,
)
from lob_sim.balance.constraints import ThresholdLeverageConstraint
from lob_sim.balance.liquidation_sequence import MostLiquidFirst, ProRata
from lob_sim.experiment import Experiment, Row
from lob_sim.stress_test import steps
from lob_sim.stress_test.step_market import PsiImpact, ShareSoldImpact, StepMarket

MODULES = (
    cont_schaanning,
    loss_and_margin_spiral,
    procyclical_leverage,
    rfq_competition,
    threshold_stress_test,
    vulnerable_banks,
)
EXPERIMENTS: list[Experiment] = [module.EXPERIMENT for module in MODULES]


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_quick(experiment: Experiment, tmp_path: Path) -> None:
    outcome = experiment.run(**experiment.quick)
    assert outcome.rows
    assert failing(outcome.rows) == set()
    assert outcome.draw is not None
    outcome.draw(tmp_path / "deep" / "figure.png")
    assert (tmp_path / "deep" / "figure.png").read_bytes().startswith(b"\x89PNG")


# --- vulnerable banks ----------------------------------------------------------------------------------------


def test_vulnerability_with_assets_over_equity_in_place_of_debt(monkeypatch: pytest.MonkeyPatch) -> None:
    right = vulnerable_banks.aggregate_vulnerability

    def wrong(assets: Any, leverage: list[float], *rest: Any) -> tuple[float, list[float]]:
        return right(assets, [b + 1 for b in leverage], *rest)

    monkeypatch.setattr(vulnerable_banks, "aggregate_vulnerability", wrong)
    rows, _ = vulnerable_banks.judge(vulnerable_banks.load(vulnerable_banks.BANKS, 1.0))
    assert_turned(rows, "AV by the program's function")
    assert len(failing(rows)) == 1


def test_banks_that_sell_the_most_liquid_asset_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vulnerable_banks, "ProRata", MostLiquidFirst)
    rows, _ = vulnerable_banks.judge(vulnerable_banks.load(vulnerable_banks.BANKS, 1.0))
    assert_turned(
        rows, "AV of the balance sheets", "sum of their systemicness", "systemicness of Boreas", "whole shock"
    )


def test_systemicness_and_indirect_vulnerability_add_up_and_vanish_with_the_shock() -> None:
    system = vulnerable_banks.load(vulnerable_banks.BANKS, 1.0)
    theory = vulnerable_banks.matrix_form(system)
    assert theory.systemicness.sum() == pytest.approx(theory.aggregate, rel=1e-12)
    assert theory.indirect @ system.equity / system.equity.sum() == pytest.approx(theory.aggregate, rel=1e-12)
    # By hand: Atlas is levered 24 times and loses 6 % of its assets in the south, of which 5 % go.
    sale = 24 * 60 * 0.05 * np.array([80, 300, 60, 560]) / 1000
    loss = sum(sale * np.array([0, 1e-4, 3e-4, 2e-4]) * np.array([170, 550, 295, 1390]))
    assert theory.systemicness[0] == pytest.approx(loss / 158, rel=1e-12)
    rows, measured = vulnerable_banks.judge(msgspec.structs.replace(system, shock=0 * system.shock))
    assert failing(rows) == set()
    assert measured.aggregate == 0


# --- threshold against targeting -----------------------------------------------------------------------------


def schaanning() -> cont_schaanning.System:
    return cont_schaanning.load(cont_schaanning.BANKS, 0.5, 33.0, 31.35)


def test_banks_that_stop_at_the_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ThresholdLeverageConstraint, "restoration_target", property(lambda self: self))
    rows = cont_schaanning.judge(schaanning(), cont_schaanning.Rule.THRESHOLD, 0.02, 10)
    assert_turned(rows, "sold, threshold", "loss by the fire sale", "price in any round")
    book, _, _ = cont_schaanning.book_rows(33.0, 31.35)
    assert_turned(book, "order book, threshold, shock 0.868 %: sold", "order book, threshold: leverage after sales")
    assert not any("targeting" in claim for claim in failing(book))


def test_a_desk_that_forgets_its_target_halfway(monkeypatch: pytest.MonkeyPatch) -> None:
    # Right in one piece, in rounds; wrong where a sale takes many orders and the limit is asked after each.
    right = cont_schaanning.RiskManager.plan
    monkeypatch.setattr(cont_schaanning.RiskManager, "plan", lambda self, view, *_: right(self, view))
    rows = cont_schaanning.judge(schaanning(), cont_schaanning.Rule.THRESHOLD, 0.02, 10)
    assert failing(rows) == set()
    book, _, _ = cont_schaanning.book_rows(33.0, 31.35)
    assert_turned(book, "order book, threshold: leverage after sales")


def test_an_impact_without_a_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cont_schaanning, "PsiImpact", lambda floor, delta: PsiImpact(0.0, delta))
    rows = cont_schaanning.judge(schaanning(), cont_schaanning.Rule.TARGETING, 0.01, 10)
    assert len(failing(rows)) == len(rows)


@pytest.mark.parametrize(
    "options", [{"shock": 0.0}, {"shock": 1.0}, {"floor": 0.0}, {"maximum": 40.0, "buffered": 40.0}]
)
def test_cont_schaanning_at_odd_numbers(options: dict[str, float]) -> None:
    system = cont_schaanning.load(
        cont_schaanning.BANKS, options.get("floor", 0.5), options.get("maximum", 33.0), options.get("buffered", 31.0)
    )
    for rule in cont_schaanning.Rule:
        assert failing(cont_schaanning.judge(system, rule, options.get("shock", 0.02), 8)) == set()


# --- the classical stress test -------------------------------------------------------------------------------


def random_banks(seed: int) -> list[threshold_stress_test.BankWithLoan]:
    draw = random.Random(seed)
    banks = []
    for k in range(draw.randint(1, 9)):
        cash, corporate, government, other = (draw.choice([0.0, draw.uniform(1, 400)]) for _ in range(4))
        assets = cash + corporate + government + other
        debt = assets * draw.uniform(0.9, 1.0 if draw.random() < 0.2 else 0.97)
        loan = debt * draw.choice([0.0, 0.05, 0.5, 1.0])
        banks.append(threshold_stress_test.BankWithLoan(f"b{k}", cash, corporate, government, other, loan, debt - loan))
    return banks


def exact_steps(
    banks: list[threshold_stress_test.BankWithLoan], rules: threshold_stress_test.Rules
) -> list[dict[str, Any]]:
    """The stress test bank by bank in 40 digits, from its description alone."""
    getcontext().prec = 40
    number = Decimal
    beta = -(1 - number(rules.impact)).ln() / number("0.05")
    sheets: list[dict[str, Any]] = [
        {"cash": number(b.cash), "held": [number(b.corporate), number(b.government)], "other": number(b.other_assets),
         "loan": number(b.loan), "rest": number(b.other_liabilities), "sale": [number(0)] * 2, "state": "alive"}
        for b in banks
    ]  # fmt: skip
    system = [sum((s["held"][i] for s in sheets), number(0)) for i in (0, 1)]
    price = [1 - number(x) for x in rules.shocks]
    history = []
    for _ in range(rules.steps):
        for s in sheets:
            if s["state"] == "failed":
                s["sale"], s["state"] = list(s["held"]), "sold"
        new = []
        for i in (0, 1):
            total = sum((s["sale"][i] for s in sheets), number(0))
            new.append(price[i] * (-beta * total / system[i]).exp() if system[i] else price[i])
        for s in sheets:
            for i in (0, 1):
                s["held"][i] -= s["sale"][i]
                s["cash"] += s["sale"][i] * (price[i] + new[i]) / 2
            s["sale"] = [number(0)] * 2
        price = new
        for s in sheets:
            value = sum(q * p for q, p in zip(s["held"], price, strict=True))
            assets = s["cash"] + value + s["other"]
            s["equity"] = assets - s["loan"] - s["rest"]
            if s["state"] != "alive":
                continue
            if s["equity"] < number(rules.minimum) * assets:
                s["state"] = "failed"
            elif s["equity"] < number(rules.buffer) * assets:
                needed = assets - s["equity"] / number(rules.target)
                paid = min(needed, s["cash"], s["loan"])
                s["cash"] -= paid
                s["loan"] -= paid
                missing = needed - paid - s["cash"]
                if missing > 0 and value > 0:
                    s["sale"] = [q * min(number(1), missing / value) for q in s["held"]]
        history.append({
            "prices": [float(p) for p in price],
            "cash": [float(s["cash"]) for s in sheets],
            "loan": [float(s["loan"]) for s in sheets],
            "holdings": [[float(q) for q in s["held"]] for s in sheets],
            "equity": [float(s["equity"]) for s in sheets],
            "defaulted": [s["state"] != "alive" for s in sheets],
        })  # fmt: skip
    return history


@pytest.mark.parametrize("seed", range(60))
def test_stress_test_of_random_banks_in_exact_numbers(seed: int) -> None:
    banks = random_banks(seed)
    draw = random.Random(1000 + seed)
    rules = threshold_stress_test.Rules(
        0.03, draw.choice([0.04, 0.05]), 0.05, draw.choice([0.0, 0.02, 0.05, 0.3]), (0.0, draw.uniform(0, 0.4)), 8
    )
    found = threshold_stress_test.by_program(banks, rules)
    largest = threshold_stress_test.largest_of(banks)
    for state, exact in zip(found, exact_steps(banks, rules), strict=True):
        assert state.defaulted.tolist() == exact["defaulted"]
        assert state.prices == pytest.approx(exact["prices"], rel=1e-9)
        for name in ("cash", "loan", "holdings", "equity"):
            np.testing.assert_allclose(getattr(state, name), exact[name], rtol=1e-9, atol=1e-12 * largest)


def judge_stress_test(**changes: Any) -> list[Row]:
    banks = threshold_stress_test.load(threshold_stress_test.BANKS)
    rules = msgspec.structs.replace(threshold_stress_test.Rules(0.03, 0.04, 0.05, 0.05, (0.0, 0.2), 6), **changes)
    found, expected = threshold_stress_test.by_program(banks, rules), threshold_stress_test.by_hand(banks, rules)
    return threshold_stress_test.judge(found, expected, threshold_stress_test.largest_of(banks))


def test_a_market_that_settles_at_the_new_price(monkeypatch: pytest.MonkeyPatch) -> None:
    assert failing(judge_stress_test()) == set()
    monkeypatch.setattr(threshold_stress_test, "StepMarket", lambda units, impacts: StepMarket(units, impacts, 1.0))
    assert_turned(judge_stress_test(), "equity of all banks", "banks in default in the end", "cash: largest")


def test_banks_that_sell_before_they_use_their_cash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threshold_stress_test, "CashThenProRata", ProRata)
    assert_turned(judge_stress_test(), "loan: largest", "cash: largest")


def test_proceeds_that_retire_debt_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    right = steps._clear

    def wrong(members: Any, *rest: Any) -> None:
        before = [m.view.cash for m in members]
        right(members, *rest)
        for member, cash in zip(members, before, strict=True):
            member.view.repay(max(0.0, member.view.cash - cash))

    monkeypatch.setattr(steps, "_clear", wrong)
    assert_turned(judge_stress_test(), "loan: largest", "cash: largest")


def test_an_impact_calibrated_to_a_tenth(monkeypatch: pytest.MonkeyPatch) -> None:
    right = ShareSoldImpact.beta
    monkeypatch.setattr(ShareSoldImpact, "beta", staticmethod(lambda fall, share: right(fall, 2 * share)))
    assert_turned(judge_stress_test(), "price of the government", "prices: largest")
