"""What is known of a market's calm is found by what makes the market, and said on the page of a run."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from lob_sim.analysis import calm_verdict
from lob_sim.analysis.calm_verdict import CalmVerdict, MeasuredFact, find_verdict, market_fingerprint
from lob_sim.cli.app import app
from lob_sim.errors import DataError, InputError
from lob_sim.log import Run
from lob_sim.report.run_page import run_page
from lob_sim.running import run
from lob_sim.scenario import load_scenario, scenario_to_dict

SHORT = ["horizon=90s"]


@pytest.fixture(scope="module")
def finished() -> Run:
    return run(load_scenario("dealer_market", SHORT))


def verdict(fingerprint: str, *failed: MeasuredFact) -> CalmVerdict:
    return CalmVerdict(fingerprint, 8, 25, list(failed), calm_verdict.sources())


def market(*overrides: str) -> str:
    return market_fingerprint(scenario_to_dict(load_scenario("dealer_market", overrides)))


def test_the_log_says_the_same_market_as_the_file(finished: Run) -> None:
    assert market_fingerprint(finished.header.scenario) == market()


@pytest.mark.parametrize("change", ["seed=9", "horizon=5min", "name=another", "description=else"])
def test_what_is_not_the_market_does_not_count(change: str) -> None:
    assert market(change) == market()


@pytest.mark.parametrize(
    "change", ["agents.dealer.count=5", "switches.retreat=false", "instruments.treasury.tick_size=0.008"]
)
def test_what_makes_the_market_counts(change: str) -> None:
    assert market(change) != market()


def test_markets_that_trade_have_a_verdict_and_those_of_claims_pass() -> None:
    found = {}
    for name in ("dealer_market", "learning_market", "first_market", "whole_system"):
        verdict_on = find_verdict(scenario_to_dict(load_scenario(name)))
        assert verdict_on is not None, f"{name}: measure its calm anew, and --save it"
        found[name] = verdict_on
    for name in ("dealer_market", "whole_system"):
        assert found[name].failed == []
        assert found[name].asked >= 25


def test_a_page_says_which_facts_fail(finished: Run) -> None:
    fact = MeasuredFact("treasury: <b>mid</b> less value", 7.17, 5.47, 8.87)
    known = {"mine": verdict(market(), fact, MeasuredFact("nothing measured", None, None, None))}
    text = run_page(finished, "x", verdicts=known).partition("report-data")[0]
    assert "The calm of this market is not in order" in text
    assert "2 of 25 calm facts do not hold (8 seeds" in text
    assert "treasury: &lt;b&gt;mid&lt;/b&gt; less value: 7.17 [5.47, 8.87]" in text
    assert re.search(r"<li>nothing measured</li>", text)


def test_a_page_says_that_all_hold_and_when_another_program_was_asked(finished: Run) -> None:
    now = verdict(market())
    told = run_page(finished, "x", verdicts={"mine": now})
    assert "all 25 calm facts hold (8 seeds without a shock)." in told
    before = msgspec.structs.replace(now, sources={"lob_sim source": "another"})
    assert "without a shock, measured with another version of the program)." in run_page(
        finished, "x", verdicts={"mine": before}
    )


def test_control_a_verdict_on_another_market_is_none(monkeypatch: pytest.MonkeyPatch, finished: Run) -> None:
    monkeypatch.setattr(calm_verdict, "shipped_verdicts", dict)
    other = {"dealer_market": verdict(market("agents.dealer.count=5"))}
    assert "is not known" in run_page(finished, "x", verdicts=other).partition("report-data")[0]


def test_verdicts_are_kept_by_name_beside_others(tmp_path: Path) -> None:
    path = tmp_path / "calm.json"
    calm_verdict.save_verdict(path, "b", verdict("1"))
    calm_verdict.save_verdict(path, "a", verdict("2"))
    calm_verdict.save_verdict(path, "b", verdict("3"))
    kept = calm_verdict.read_verdicts(path)
    assert [(name, v.fingerprint) for name, v in kept.items()] == [("a", "2"), ("b", "3")]


def test_a_file_of_something_else_is_refused_and_left(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        calm_verdict.read_verdicts(tmp_path / "none.json")
    path = tmp_path / "calm.json"
    for text in ("[1]", "no json", '{"a": {"fingerprint": 1}}', "[" * 5000):
        path.write_text(text)
        with pytest.raises(DataError, match="expected verdicts on calm"):
            calm_verdict.save_verdict(path, "a", verdict("1"))
        assert path.read_text() == text


def test_the_command_takes_verdicts_of_ones_own(tmp_path: Path) -> None:
    folder, own = tmp_path / "run", tmp_path / "calm.json"
    scenario = load_scenario("dealer_market", [*SHORT, "agents.dealer.count=5"])
    run(scenario, out=folder)
    fingerprint = market_fingerprint(scenario_to_dict(scenario))
    calm_verdict.save_verdict(own, "five", verdict(fingerprint, MeasuredFact("a fact", 1.0, 0.5, 1.5)))
    done = CliRunner().invoke(app, ["report", str(folder), "--calm", str(own)])
    assert done.exit_code == 0
    assert "1 of 25 calm facts do not hold" in (folder / "report.html").read_text()
    (folder / "report.html").unlink()
    for words in ([str(folder), "--calm", str(tmp_path / "none")], [str(folder), str(folder), "--calm", str(own)]):
        refused = CliRunner().invoke(app, ["report", *words])
        assert refused.exit_code == 2 or isinstance(refused.exception, InputError)
        assert not (folder / "report.html").exists()
