"""Fire sales, funding spirals, leverage and RFQ competition: quick runs, wrong variants, bad input.

What each wrong variant gets wrong is right in the quick runs, where the same claims hold.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal, getcontext
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from experiments.validation import (
    cont_schaanning,
    loss_and_margin_spiral,
    procyclical_leverage,
    rfq_competition,
    threshold_stress_test,
    vulnerable_banks,
)
from lob_sim.agents.context import Context
from lob_sim.agents.inquiries import Inquiries
from lob_sim.balance import steps
from lob_sim.balance.constraints import SlrConstraint, ThresholdLeverageConstraint
from lob_sim.balance.funding import HaircutSchedule
from lob_sim.balance.sale_order import MostLiquidFirst, ProRata
from lob_sim.balance.sheet import BalanceSheet, Proceeds
from lob_sim.balance.step_market import PsiImpact, ShareSoldImpact, StepMarket
from lob_sim.balance.view import SheetView
from lob_sim.experiment import Experiment, Outcome, Row
from lob_sim.messages import RfqQuoted

MODULES = (
    cont_schaanning,
    loss_and_margin_spiral,
    procyclical_leverage,
    rfq_competition,
    threshold_stress_test,
    vulnerable_banks,
)
EXPERIMENTS: list[Experiment] = [module.EXPERIMENT for module in MODULES]
CASES = [
    pytest.param(experiment, case, id=f"{experiment.name} {experiment.options(case)}".strip())
    for experiment in EXPERIMENTS
    for case in experiment.cases
]


def failing(rows: list[Row]) -> set[str]:
    return {row.claim for row in rows if not row.holds}


def assert_turned(rows: list[Row], *parts: str) -> None:
    """Each part of a claim belongs to at least one claim that fails."""
    failed = failing(rows)
    for part in parts:
        assert any(part in claim for claim in failed), f"{part!r} still holds; failing: {sorted(failed)}"


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda experiment: experiment.name)
def test_quick(experiment: Experiment, tmp_path: Path) -> None:
    outcome = experiment.run(**experiment.quick)
    assert outcome.rows
    assert failing(outcome.rows) == set()
    assert outcome.draw is not None
    outcome.draw(tmp_path / "deep" / "figure.png")
    assert (tmp_path / "deep" / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.validate
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("experiment", "case"), CASES)
def test_in_full(experiment: Experiment, case: dict[str, Any]) -> None:
    assert failing(experiment.run(**case).rows) == set()


# --- RFQ competition -----------------------------------------------------------------------------------------

FEW: dict[str, Any] = {"runs": 6, "requests": 60}


@pytest.mark.parametrize(("dealers", "shading"), [(1, 1.5), (1, 0.5), (2, 1.0), (3, 9.0), (12, 0.0)])
def test_competition_of_any_number_of_dealers(dealers: int, shading: float) -> None:
    assert failing(rfq_competition.run(dealers=dealers, shading=shading, **FEW).rows) == set()


def test_dealers_who_believe_in_one_rival_less(monkeypatch: pytest.MonkeyPatch) -> None:
    right = rfq_competition.ShadingDealer.markup_ticks
    monkeypatch.setattr(
        rfq_competition.ShadingDealer, "markup_ticks", lambda self, cost, n: right(self, cost, max(1, n - 1))
    )
    rows = rfq_competition.run(dealers=3, **FEW).rows
    assert_turned(rows, "best quote, n=3: 2/(n+1)", "revenue equivalence", "profit of the winner")
    assert not any("cost of the winner" in claim for claim in failing(rows))


def test_a_client_who_deals_with_the_first_to_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Inquiries.on_quote

    def wrong(self: Inquiries, ctx: Context, quote: RfqQuoted) -> None:
        inquiry = self.open.get(quote.client_rfq_id)
        right(self, ctx, quote)
        if inquiry is not None and inquiry.best is not None and not inquiry.decided:
            self.on_patience_over(ctx, quote.client_rfq_id)

    monkeypatch.setattr(Inquiries, "on_quote", wrong)
    rows = rfq_competition.run(dealers=4, **FEW).rows
    assert_turned(rows, "won by the lowest cost", "cost of the winner", "best quote, n=4: 2/(n+1)")


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
    monkeypatch.setattr(ThresholdLeverageConstraint, "goal", property(lambda self: self))
    rows = cont_schaanning.judge(schaanning(), cont_schaanning.Rule.THRESHOLD, 0.02, 10)
    assert_turned(rows, "sold, threshold", "loss by the fire sale", "price in any round")
    book, _, _ = cont_schaanning.book_rows(33.0, 31.35)
    assert_turned(book, "order book, threshold, shock 0.868 %: sold", "order book, threshold: leverage after sales")
    assert not any("targeting" in claim for claim in failing(book))


def test_a_desk_that_forgets_its_target_halfway(monkeypatch: pytest.MonkeyPatch) -> None:
    # Right in one piece, in rounds; wrong where a sale takes many orders and the limit is asked after each.
    right = cont_schaanning.RiskManager.plan
    monkeypatch.setattr(cont_schaanning.RiskManager, "plan", lambda self, view, pursued=(): right(self, view))
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


def random_banks(seed: int) -> list[threshold_stress_test.Bank]:
    draw = random.Random(seed)
    banks = []
    for k in range(draw.randint(1, 9)):
        cash, corporate, government, other = (draw.choice([0.0, draw.uniform(1, 400)]) for _ in range(4))
        assets = cash + corporate + government + other
        debt = assets * draw.uniform(0.9, 1.0 if draw.random() < 0.2 else 0.97)
        loan = debt * draw.choice([0.0, 0.05, 0.5, 1.0])
        banks.append(threshold_stress_test.Bank(f"b{k}", cash, corporate, government, other, loan, debt - loan))
    return banks


def exact_steps(banks: list[threshold_stress_test.Bank], rules: threshold_stress_test.Rules) -> list[dict[str, Any]]:
    """The stress test bank by bank in 40 digits, from its description alone."""
    getcontext().prec = 40
    number = Decimal
    beta = -(1 - number(rules.impact)).ln() / number("0.05")
    sheets = [
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


# --- loss and margin spirals ---------------------------------------------------------------------------------


def test_a_formula_with_the_sign_of_the_loss_spiral_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    case = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, 4)["both spirals"]
    loss = 5e6
    rounds = loss_and_margin_spiral.in_rounds(case, loss)
    book = float(loss_and_margin_spiral.in_the_book([case], [loss])[0])
    assert failing(loss_and_margin_spiral.judge("both", case, loss, rounds, book)) == set()
    monkeypatch.setattr(
        loss_and_margin_spiral.Case,
        "denominator",
        property(lambda self: self.slope * self.margin + self.margin_slope * self.position + self.exposed),
    )
    rows = loss_and_margin_spiral.judge("both", case, loss, rounds, book)
    assert_turned(rows, "dp/dη, both, in rounds", "dp/dη, both, order book")


def test_lenders_who_do_not_look_at_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    case = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, 4)["both spirals"]
    blind = lambda case: HaircutSchedule(base=case.haircut)  # noqa: E731  # a lender with one haircut for all times
    monkeypatch.setattr(loss_and_margin_spiral, "schedule", blind)
    rounds = loss_and_margin_spiral.in_rounds(case, 5e6)
    book = float(loss_and_margin_spiral.in_the_book([case], [5e6])[0])
    rows = loss_and_margin_spiral.judge("both", case, 5e6, rounds, book)
    assert len(failing(rows)) == len(rows) == 4


def test_a_hedge_that_pays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, 4)["margin spiral"]
    base = loss_and_margin_spiral.FundingConstraint.headroom
    monkeypatch.setattr(loss_and_margin_spiral.HedgedFunding, "headroom", base)
    rounds = loss_and_margin_spiral.in_rounds(case, 15e6)
    assert rounds > 2 * loss_and_margin_spiral.fall_along_the_ladder(case, 15e6)


@pytest.mark.parametrize("slope", [1, 2])
def test_past_the_threshold_of_stability(slope: int) -> None:
    cases = loss_and_margin_spiral.cases_of(100_000, 0.05, -0.5, slope)
    case = cases["both spirals"]
    assert case.denominator < 0
    # A thousandth of the loss has next to the same answer: a jump.
    small, large = (loss_and_margin_spiral.in_rounds(case, loss) for loss in (1e3, 1e6))
    assert small == pytest.approx(large, rel=0.01)
    assert small > 1_000
    rows = loss_and_margin_spiral.judge("both", case, 1e6, large, float("nan"))
    assert failing(rows) == set()


# --- procyclical leverage ------------------------------------------------------------------------------------


def test_the_textbook_numbers() -> None:
    rows = {row.claim: row.measured for row in procyclical_leverage.textbook_rows(100.0, 10.0, 0.01)}
    assert rows["leverage after the rise"] == pytest.approx(9.18, abs=0.005)
    assert rows["bought to be at the target again"] == pytest.approx(9.0, abs=1e-6)
    assert rows["leverage after losing as much"] == pytest.approx(10.9, abs=1e-6)
    assert rows["sold to be at the target again"] == pytest.approx(9.0, abs=1e-6)


@pytest.mark.parametrize(("assets", "equity", "rise"), [(100, 2, 0.001), (3e9, 1e9, 0.2), (7, 0.5, 0.05)])
def test_the_example_at_other_numbers(assets: float, equity: float, rise: float) -> None:
    assert failing(procyclical_leverage.textbook_rows(assets, equity, rise)) == set()
    assert failing(procyclical_leverage.var_rows(assets, equity, rise, 0.7)) == set()


def test_a_bank_that_keeps_its_proceeds_as_cash(monkeypatch: pytest.MonkeyPatch) -> None:
    right = BalanceSheet.sell
    monkeypatch.setattr(
        BalanceSheet, "sell", lambda self, i, lots, price, proceeds: right(self, i, lots, price, Proceeds.KEEP_AS_CASH)
    )
    rows = procyclical_leverage.textbook_rows(100.0, 10.0, 0.01)
    assert_turned(rows, "assets in the end", "leverage in the end")


def test_a_purchase_limit_that_counts_the_gain_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # It lets a bank buy for its gain, and not for its gain times leverage.
    right = SlrConstraint.purchase_lots
    monkeypatch.setattr(SlrConstraint, "purchase_lots", lambda self, view, i: right(self, view, i) // 9)
    rows = procyclical_leverage.textbook_rows(100.0, 10.0, 0.01)
    assert_turned(rows, "bought to be at the target", "leverage then", "sold to be at the target")
    assert_turned(procyclical_leverage.book_rows(10.0, 0.002), "order book: bought (lots)")


# --- input ---------------------------------------------------------------------------------------------------

GOOD_BANK = {
    "name": "A",
    "cash": 1,
    "corporate": 2,
    "government": 3,
    "other_assets": 94,
    "loan": 40,
    "other_liabilities": 55,
}


def toml(tables: dict[str, list[dict[str, Any]]]) -> str:
    lines = []
    for name, rows in tables.items():
        for row in rows:
            lines.append(f"[[{name}]]")
            for key, value in row.items():
                text = "{" + ", ".join(f"{k} = {v}" for k, v in value.items()) + "}" if isinstance(value, dict) else (
                    json.dumps(value) if isinstance(value, str) else value)  # fmt: skip
                lines.append(f"{key} = {text}")
    return "\n".join(lines)


def run_main(experiment: Experiment, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, str, str]:
    with pytest.raises(SystemExit) as ended:
        experiment.main(["--workers", "1", *arguments])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"cash": -1}, "banks[0].cash"),
        ({"loan": "much"}, "banks[0].loan"),
        ({"lone": 1}, "did you mean 'loan'"),
        ({"cash": "inf"}, "banks[0].cash"),
    ],
)
def test_bad_banks(change: dict[str, Any], named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = toml({"banks": [GOOD_BANK | change]}).replace('"inf"', "inf")
    (tmp_path / "banks.toml").write_text(text, encoding="utf-8")
    code, _, err = run_main(threshold_stress_test.EXPERIMENT, ["--banks", str(tmp_path / "banks.toml")], capsys)
    assert code == 2
    assert named in err


@pytest.mark.parametrize("experiment", [threshold_stress_test.EXPERIMENT, vulnerable_banks.EXPERIMENT,
                                        cont_schaanning.EXPERIMENT], ids=lambda e: e.name)  # fmt: skip
def test_files_that_are_none(experiment: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.toml").write_text("[[banks", encoding="utf-8")
    (tmp_path / "empty.toml").write_text("banks = []\nassets = []\nsecurities = []", encoding="utf-8")
    for name in ("missing.toml", "broken.toml", "empty.toml"):
        code, _, err = run_main(experiment, ["--banks", str(tmp_path / name)], capsys)
        assert code == 2
        assert name in err


def test_vulnerable_banks_of_a_user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assets = [{"name": "a", "impact": 1e-3, "shock": 0.1}, {"name": "b", "impact": 0.0, "shock": 0.0}]
    banks = [
        {"name": "X", "equity": 5, "holdings": {"a": 40, "b": 60}},
        {"name": "Y", "equity": 10, "holdings": {"b": 90}},
        {"name": "Z", "equity": 1, "holdings": {"a": 20}},
    ]
    path = tmp_path / "own.toml"
    path.write_text(toml({"assets": assets, "banks": banks}), encoding="utf-8")
    code, out, _ = run_main(vulnerable_banks.EXPERIMENT, ["--banks", str(path), "--json"], capsys)
    assert code == 0
    document = json.loads(out)
    assert document["parameters"]["banks"] == str(path)
    measured = {row["claim"]: row["measured"] for row in document["rows"]}
    # X sells 19·40·0.1 = 76 of which 30.4 of a; Z, which the shock leaves insolvent, is levered 19 times: 38 of a.
    assert measured["AV by the program's function"] == pytest.approx((30.4 + 38) * 1e-3 * 60 / 16)
    for change, named in (
        ({"equity": 0}, "banks[0].equity"),
        ({"equity": 101}, "more than all assets"),
        ({"holdings": {"c": 1}}, "no asset named 'c'"),
        ({"name": "Y"}, "'Y' is there twice"),
    ):
        path.write_text(toml({"assets": assets, "banks": [banks[0] | change, *banks[1:]]}), encoding="utf-8")
        code, _, err = run_main(vulnerable_banks.EXPERIMENT, ["--banks", str(path)], capsys)
        assert code == 2
        assert named in err


@pytest.mark.parametrize(
    ("experiment", "arguments", "named"),
    [
        (threshold_stress_test.EXPERIMENT, ["--target", "0.01"], "--target"),
        (threshold_stress_test.EXPERIMENT, ["--minimum", "0"], "--minimum"),
        (cont_schaanning.EXPERIMENT, ["--buffered", "40"], "--buffered"),
        (loss_and_margin_spiral.EXPERIMENT, ["--margin-slope", "0.5"], "--margin-slope"),
        (procyclical_leverage.EXPERIMENT, ["--equity", "0"], "--equity"),
        (vulnerable_banks.EXPERIMENT, ["--scale", "100"], "--scale"),
    ],
)
def test_bad_options(
    experiment: Experiment, arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run_main(experiment, arguments, capsys)
    assert code == 2
    assert named in err


def test_banks_without_assets_or_solvency_are_borne(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("cash", "corporate", "government", "other_assets", "loan", "other_liabilities"), 0)
    banks = [GOOD_BANK, {"name": "empty", **nothing}, GOOD_BANK | {"name": "gone", "loan": 90}]
    path = tmp_path / "banks.toml"
    path.write_text(toml({"banks": banks}), encoding="utf-8")
    outcome: Outcome = threshold_stress_test.run(banks=path)
    assert failing(outcome.rows) == set()
    assert next(row.measured for row in outcome.rows if row.claim == "banks in default in the end") >= 1
    outcome.draw and outcome.draw(tmp_path / "figure.png")
    path.write_text(toml({"banks": [{"name": "empty", **nothing}]}), encoding="utf-8")
    assert failing(threshold_stress_test.run(banks=path).rows) == set()


def test_views_of_the_stress_test_balance() -> None:
    bank = threshold_stress_test.Bank(**GOOD_BANK)  # type: ignore[arg-type]
    view: SheetView = threshold_stress_test._view(bank, 1e6)
    assert view.tier1_cash == pytest.approx(5e6)
    assert view.assets_cash == pytest.approx(100e6)
