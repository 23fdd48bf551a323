"""Banks of users, and what is wrong with them: errors name the file and the field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from verdicts import failing

from experiments.validation import (
    cont_schaanning,
    loss_and_margin_spiral,
    procyclical_leverage,
    threshold_stress_test,
    vulnerable_banks,
)
from lob_sim.balance.view import SheetView
from lob_sim.experiment import Experiment, Outcome

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
        ({"cash": -1}, "banks.A.cash"),
        ({"loan": "much"}, "banks.A.loan"),
        ({"lone": 1}, "did you mean 'loan'"),
        ({"cash": "inf"}, "banks.A.cash"),
        ({"cash": 1e308, "corporate": 1e308}, "banks.A.cash"),
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
        ({"equity": 0}, "banks.X.equity"),
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


@pytest.mark.parametrize("unit", [1.0, 1e90])
def test_cont_schaanning_with_a_bank_that_has_nothing_to_sell(unit: float, tmp_path: Path) -> None:
    path = tmp_path / "banks.toml"
    idle = {"name": "idle", "equity": 3 * unit, "illiquid": 90 * unit, "securities": {}}
    seller = {"name": "seller", "equity": 4.1 * unit, "illiquid": 50 * unit, "securities": {"s": 50 * unit}}
    for banks, edge in (([idle], 1.0), ([idle, seller], 35.3 / 1600)):
        path.write_text(toml({"securities": [{"name": "s", "depth": 1000 * unit}], "banks": banks}), encoding="utf-8")
        rows = cont_schaanning.run(banks=path).rows
        assert failing(rows) == set()
        assert rows[0].measured == pytest.approx(edge, abs=1e-9)


def test_views_of_the_stress_test_balance() -> None:
    bank = threshold_stress_test.BankWithLoan(**GOOD_BANK)  # type: ignore[arg-type]
    view: SheetView = threshold_stress_test._view(bank, 1e6)
    assert view.tier1_cash == pytest.approx(5e6)
    assert view.assets_cash == pytest.approx(100e6)
