"""Pages: what they show is what the log says, nothing of a scenario is unescaped, and bad input leaves nothing."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from report_runs import BRIEF, SPIRAL, calm, crisis, fire_sale, funds, payload, unpacked
from typer.testing import CliRunner

import lob_sim
from lob_sim import Run, open_run, run
from lob_sim.analysis.claims import Row
from lob_sim.analysis.metric_names import metric_text
from lob_sim.analysis.summary import crisis_metrics
from lob_sim.cli.app import app
from lob_sim.cli.reporting import run_names, write_report
from lob_sim.errors import DataError, InputError, OutputError
from lob_sim.log import DirectoryRecorder, MemoryRecorder, run_in_memory
from lob_sim.log.manifest import RUNNING, Manifest, read_manifest, write_manifest
from lob_sim.messages import Trade
from lob_sim.report import data, headline
from lob_sim.report.compare_page import SHOWN, compare_page, metric_rows, share_axes
from lob_sim.report.data.timeline import timeline
from lob_sim.report.formatting import money_text, short_time
from lob_sim.report.panels.figure import Cell, compact, ms
from lob_sim.report.render import embed, write_page
from lob_sim.report.results_page import Case, validation_page
from lob_sim.report.run_page import run_page
from lob_sim.report.sweep_page import SweepTables, sweep_page
from lob_sim.scenario import Scenario, load_scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep import bootstrap, compare_groups
from lob_sim.sweep.folder import Sweep

EVIL = "</script><script>alert(1)</script>\"><img src=x onerror='alert(2)'>&\u2028"
EVIL_NAME = EVIL.removesuffix("\u2028")
"""As much of it as a scenario lets anything be called."""


@pytest.fixture(scope="module")
def page() -> str:
    return run_page(crisis(), "the-crisis")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "spiral"
    run(SPIRAL, out=place, overrides=BRIEF)
    return place


# --- what it shows -------------------------------------------------------------------------------------------


def test_every_fact_is_what_its_call_gives(page: str) -> None:
    finished = crisis()
    facts = headline.facts(finished, headline.metrics_of(finished))
    assert len(facts) >= 10
    known = {"run": finished, "lob_sim": lob_sim}
    for fact in facts:
        assert eval(fact.call, known) == pytest.approx(fact.value), fact.label
        assert fact.text in page


def test_the_headline_says_what_happened() -> None:
    said = headline.headline(crisis())
    assert said.startswith("Corporate lost 6.0% of fair value at 1:00.")
    assert f"{data.forced_sales(crisis())['lots'].sum():,} lots were sold by force" in said
    assert said.endswith("nobody failed.")
    quiet = headline.headline(calm())
    assert quiet.startswith("No shock was scheduled.")
    assert "force" not in quiet


def test_lines_on_the_page_are_those_of_the_log(page: str) -> None:
    finished = crisis()
    panels = payload(page)["panels"]
    fair = data.fair_value(finished, 0)
    lines = [t for t in panels["price"]["variants"]["corporate"][0]["data"] if t["name"] == "fair value"]
    assert lines[0]["x"][: len(fair)] == ms(fair["ts_event_ns"].to_numpy())
    assert lines[0]["y"][: len(fair)] == pytest.approx(compact(fair["price"]), rel=1e-6)
    lit = next(t for t in panels["price"]["variants"]["treasury"][0]["data"] if t["name"] == "lit trade")
    assert len(lit["x"]) == (finished.trades["instrument_id"] == 1).sum()
    sheets = data.balance_sheets(finished)
    for trace in panels["capital"]["variants"][""][0]["data"]:
        agent = next(a for a in finished.header.agents if a.name == trace["name"])
        own = sheets[sheets["agent_id"] == agent.agent_id]["tier1"]
        assert min(trace["y"]) == pytest.approx(100 * own.min() / own.iloc[0])
        assert max(trace["y"]) == pytest.approx(100 * own.max() / own.iloc[0])


def test_the_presence_strip_shows_the_state_that_lasts_longest(page: str) -> None:
    heat = payload(page)["panels"]["presence"]["variants"]["treasury"][0]["data"][0]
    shares = data.presence(crisis(), 1, 360)
    assert heat["z"] == [np.argmax(share, axis=0).tolist() for share in shares.values()]
    # There is something to tell apart.
    assert len({state for row in heat["z"] for state in row}) >= 2


def test_every_event_of_the_main_table_is_on_the_page(page: str) -> None:
    for event in timeline(crisis()):
        if event.kind == "shock":
            assert event.text in page
    assert "What led to what" in page
    assert "same instant" in page


def test_what_a_run_has_nothing_of_is_not_drawn() -> None:
    quiet, crowded = run_page(calm(), "calm"), run_page(funds(), "funds")
    for part in ("headroom", "forced", "capital", "sheet", "funds", "failures", "sheets", "story"):
        assert f'id="{part}"' not in quiet, part
    assert "headroom" not in payload(quiet)["panels"]
    assert 'href="#sheets"' not in quiet
    assert 'class="empty"' not in quiet
    # And what there is, is.
    assert all(f'id="{part}"' in crowded for part in ("capital", "funds", "sheets"))
    assert 'href="#sheets"' in crowded


def test_the_headline_counts_what_is_above_value_like_what_is_below() -> None:
    """A shock that the price does not follow for minutes is told, with how far and how long."""
    for make in (crisis, fire_sale):
        finished = make()
        worst = headline.drama(finished)
        assert worst
        said = headline.headline(finished)
        side = {1: "above", -1: "below"}[worst[0].sign]
        assert f"stood more than {worst[0].peak_pct / 2:.2g}% {side} fair value" in said
        assert headline.worst_instrument(finished) == finished.header.instruments[worst[0].instrument_id].name
        assert payload(run_page(finished, "x"))["instrument"] == headline.worst_instrument(finished)
    assert not headline.drama(calm())
    assert "from fair value" in headline.headline(calm())


def test_a_few_figures_stand_at_the_top_beside_those_of_calm(page: str) -> None:
    facts = headline.facts(crisis(), headline.metrics_of(crisis()))
    main = [fact for fact in facts if fact.is_main]
    assert 4 <= len(main) <= 5
    assert facts[: len(main)] == main
    assert page.count('<span class="what">') == len(main)
    assert sum(bool(fact.calm) for fact in main) >= 3
    known = {"run": crisis(), "lob_sim": lob_sim}
    for fact in facts:
        if fact.calm:
            assert eval(fact.calm_call, known) == pytest.approx(fact.calm_value), fact.label
            assert fact.calm in page


def test_money_is_called_what_the_scenario_calls_it() -> None:
    market = load_scenario(SPIRAL, [*BRIEF, "horizon=90s", "currency=EUR"])
    text = run_page(run(market), "euro")
    assert "EUR " in text
    assert "$" not in text[text.index("<main") : text.index("</main>")].partition("<script")[0]
    assert money_text(2e6, "EUR") == "EUR 2 million"
    assert money_text(-2e6, "€") == "−€2 million"


def test_an_idle_market_has_a_page() -> None:
    nobody = load_scenario("dealer_market", ["horizon=3min"])
    idle = run(msgspec.structs.replace(nobody, agents=[]))
    text = run_page(idle, "idle")
    assert "nothing was traded" in text.lower()
    assert payload(text)["agents"] == []


def test_a_log_without_fair_values_has_a_page() -> None:
    recorder = MemoryRecorder()
    finished = calm()
    for row in finished.messages(Trade):
        assert isinstance(row.message, Trade)
        recorder.record(row.message)
    header = msgspec.structs.replace(finished.header, scenario={}, dealer_ids=None)
    text = run_page(run_in_memory(recorder, header), "historic")
    assert "This log comes from no scenario." in text


# --- one file, and safe --------------------------------------------------------------------------------------


def test_a_page_needs_no_network_and_is_small(page: str) -> None:
    assert len(page.encode()) < 4_000_000
    assert not re.search(r"<(script|img|iframe|source)[^>]+src\s*=\s*[\"']?(?!data:)", page.partition("<script>")[0])
    assert not re.search(r"<link[^>]+href\s*=\s*[\"'](?!data:)", page)
    assert "default-src 'none'" in page


def evil_scenario(tmp_path: Path) -> Scenario:
    """A market with markup in every text that a scenario may choose freely."""
    brief = load_scenario(SPIRAL, ["horizon=20s", "shocks.0.at=5s"])
    evil = {name: f"{name}{EVIL_NAME}"[:80] for name in ("corporate", "treasury")}

    def renamed(value: Any) -> Any:
        if isinstance(value, dict):
            return {evil.get(k, k): renamed(v) for k, v in value.items()}
        if isinstance(value, list):
            return [renamed(v) for v in value]
        return value

    raw = renamed(scenario_to_dict(brief))
    raw |= {"name": f"n{EVIL_NAME}"[:80], "description": EVIL}
    for instrument in raw["instruments"]:
        instrument["name"] = evil[instrument["name"]]
    for shock in raw["shocks"]:
        shock["instrument"] = evil[shock["instrument"]]
    for group in raw["agents"]:
        group["name"] = f"{group['name']}{EVIL_NAME}"[:80]
    return parse_scenario(raw, "evil")


def pages_of_evil(tmp_path: Path) -> Iterator[str]:
    finished = run(evil_scenario(tmp_path))
    yield run_page(finished, f"folder{EVIL}")
    pair = {f"a{EVIL}": finished, f"b{EVIL}": finished}
    yield compare_page(pair, {f"a{EVIL}": EVIL}, EVIL, EVIL)
    seeds = {name: pd.DataFrame([crisis_metrics(finished)], index=[1]) for name in pair}
    yield compare_page(pair, {}, seeds=seeds, table=compare_groups(seeds))
    ends = {"metric": EVIL, "low": 0.5, "high": 1.5, "n": 2}
    table = pd.DataFrame({"point": [0, 1], EVIL: [1.0, 2.0], "mean": 1.0, "failed": 0, **ends})
    added = pd.DataFrame({"axis": [EVIL], "value": [EVIL], "against": EVIL, "difference": 1.0, **ends})
    curves = pd.DataFrame({"axis": EVIL, "value": [EVIL, "x"], "metric": EVIL, "mean": 1.0, "low": 0.5, "high": 1.5})
    maps = pd.DataFrame({"x_axis": EVIL, "y_axis": EVIL, "x": [EVIL, "1"], "y": EVIL, "metric": EVIL, "mean": 1.0})
    yield sweep_page(SweepTables(EVIL, [EVIL], {EVIL: EVIL}, table, curves, maps, added, {EVIL: 3}))
    claim = Row(EVIL, 1.0, 1.0, 0.1, "=", 0.0, "holds", EVIL)
    yield validation_page([Case(EVIL, EVIL, [claim], [], EVIL, [])], tmp_path)


def test_markup_in_names_is_shown_and_never_run(tmp_path: Path) -> None:
    for text in pages_of_evil(tmp_path):
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "\u2028" not in text.partition('id="report-data"')[2].partition("</script>")[0]
        assert "alert(1)" in text
        for panel in payload(text)["panels"].values():
            for figures in panel["variants"].values():
                for trace in (t for figure in figures for t in figure["data"]):
                    # Plotly reads a little HTML in names and texts.
                    assert "<" not in str(trace.get("name", "")) + str(trace.get("text", ""))


def test_embedded_data_is_the_data() -> None:
    text = embed({"a": [EVIL, 1.5, math.nan]})
    assert not set(str(text)) & set("<>&\u2028")
    assert unpacked(f'<script type="application/gzip" x>{text}</script>', "x") == {"a": [EVIL, 1.5, None]}
    assert embed({"a": [EVIL, 1.5, math.nan]}) == text


# --- comparing -----------------------------------------------------------------------------------------------


def test_a_comparison_shows_the_metrics_of_each_and_shares_axes() -> None:
    text = compare_page({"calm": calm(), "crisis": crisis()}, {"crisis": "c/report.html"})
    metrics = [crisis_metrics(calm()), crisis_metrics(crisis())]
    row = next(row for row in metric_rows(metrics) if row.name == "overshoot_pct")
    values = [m["overshoot_pct"] for m in metrics]
    assert row.values == [f"{value:.2f}" for value in values]
    assert row.differences == [f"{values[1] - values[0]:+.2f}".replace("-", "−")]
    assert set(SHOWN) <= set(metrics[1])
    assert 'href="c/report.html"' in text
    figures = payload(text)["panels"]["price"]["variants"]["treasury"]
    assert len(figures) == 2
    assert figures[0]["layout"]["yaxis"]["range"] == figures[1]["layout"]["yaxis"]["range"]
    for figure in figures:
        low, high = figure["layout"]["yaxis"]["range"]
        drawn = [y for t in figure["data"] if t.get("yaxis", "y") == "y" for y in t["y"] if y is not None]
        assert low < min(drawn) <= max(drawn) < high


def test_an_axis_that_shows_a_part_of_its_lines_cuts_those_of_no_other_run() -> None:
    def cell(y: list[float], axis: dict[str, Any]) -> Cell:
        layout = {"yaxis": {"title": {"text": "$"}, **axis}, "annotations": [{"text": "highest"}]}
        return Cell({"data": [{"y": y}], "layout": layout})

    for highest, told in ((9.0, 1), (1.5, 0)):
        part, whole = cell([0.0, highest], {"range": [0.0, 1.0]}), cell([-5.0, 2.0], {})
        share_axes([part, whole])
        low, high = part.figure["layout"]["yaxis"]["range"]
        assert whole.figure["layout"]["yaxis"]["range"] == [low, high]
        assert (low < -5.0, 2.0 < high < 9.0) == (True, True)
        # What was beyond the axis and is not any more is not said to be.
        assert len(part.figure["layout"]["annotations"]) == told


def test_one_seeds_differences_say_that_they_are_one_seeds() -> None:
    same = compare_page({"a": crisis(), "b": crisis()}, {})
    assert "of one seed" in same
    assert "the differences are that seed's" in same
    other = compare_page({"a": crisis(), "b": run(SPIRAL, 2, overrides=[*BRIEF, "horizon=90s"])}, {})
    assert "have different seeds" in other


def test_runs_with_one_label_are_seeds_of_a_group(tmp_path: Path) -> None:
    """Means and paired differences over seeds, with Student's intervals, from the metrics of each run."""
    brief = ["horizon=90s", "shocks.0.at=20s"]
    paths, labels, found = [], [], {}
    for label, size in (("mild", -0.02), ("hard", -0.06)):
        for seed in (1, 2, 3):
            paths.append(tmp_path / f"{label}{seed}")
            labels.append(label)
            done = run(SPIRAL, seed, out=paths[-1], overrides=[*brief, f"shocks.0.size={size}"])
            found[label, seed] = crisis_metrics(done)["mark_dispersion_pct"]
    text = write_report(paths, tmp_path / "c.html", labels).read_text(encoding="utf-8")
    row = text[text.index('data-metric="mark_dispersion_pct"') :].partition("</tr>")[0]
    shown = re.findall(r">([^<>\s][^<>]*)</?(?:small|b|td)", row.partition("</td>")[2])
    mild, hard = (np.array([found[label, seed] for seed in (1, 2, 3)]) for label in ("mild", "hard"))
    for values, form in ((mild, "z.3f"), (hard, "z.3f"), (hard - mild, "+z.3f")):
        expected = bootstrap(values)
        value, low, high = (format(x, form).replace("-", "−") for x in (expected.value, expected.low, expected.high))
        assert {value, f"{low} to {high}"} <= set(shown)
    assert text.count("n = 3") == 2
    assert "of one seed" not in text
    drawn = payload(text)["panels"]["over-seeds"]["variants"]["disagreement of marks (% of value)"][0]["data"]
    assert [trace["y"] for trace in drawn[:3]] == [pytest.approx(list(pair)) for pair in zip(mild, hard, strict=True)]
    # What is no group is refused.
    for chosen, given, said in (
        ([paths[0], paths[0].parent / "mild1b"], ["x", "x"], "has seed 1 like another"),
        ([paths[0], paths[4]], ["x", "x"], "another scenario"),
        ([paths[0], paths[4]], ["x"], "expected one for each"),
    ):
        if "mild1b" in str(chosen[1]):
            shutil.copytree(paths[0], chosen[1])
        with pytest.raises(InputError, match=said):
            write_report(chosen, tmp_path / "none.html", given)
    assert not (tmp_path / "none.html").exists()


def test_a_label_is_the_heading(folder: Path, tmp_path: Path) -> None:
    arguments = ["report", str(folder), "--label", "Base case", "--out", str(tmp_path / "p.html")]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert "<h1>Base case</h1>" in (tmp_path / "p.html").read_text(encoding="utf-8")


def test_runs_are_named_by_as_much_of_their_paths_as_it_takes(tmp_path: Path) -> None:
    assert run_names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert run_names([tmp_path / "a" / "x", tmp_path / "b" / "x"]) == ["a/x", "b/x"]
    with pytest.raises(InputError, match="twice"):
        run_names([tmp_path / "a", tmp_path / "a"])


# --- the command ---------------------------------------------------------------------------------------------


def test_the_command_writes_a_page_into_the_run(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["report", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0
    assert result.output.strip() == str(folder / "report.html")
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert open_run(folder).digest in text
    assert "<h1>first_market</h1>" in text
    target = tmp_path / "new" / "page.html"
    assert write_report([folder], target) == target
    assert target.read_text(encoding="utf-8") == text


def test_two_runs_are_compared_and_linked(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    run(SPIRAL, out=other, seed=2, overrides=["horizon=30s", "shocks.0.at=10s"])
    write_report([folder])
    page = write_report([other, folder], tmp_path / "c.html").read_text(encoding="utf-8")
    links = re.findall(r'href="([^"]+report\.html)"', page)
    assert links
    assert all((tmp_path / link).is_file() for link in links)


def test_a_run_that_failed_is_reported_as_far_as_it_goes(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    failed = msgspec.structs.replace(read_manifest(broken), status="failed", error="RuntimeError: out of luck")
    write_manifest(broken, failed)
    text = write_report([broken]).read_text(encoding="utf-8")
    assert "This run is not complete." in text
    assert "out of luck" in text
    assert "This run is not complete." not in write_report([folder]).read_text(encoding="utf-8")


def test_a_run_that_was_killed_is_reported_as_far_as_it_goes(folder: Path, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    shutil.copytree(folder, killed)
    write_manifest(killed, Manifest.of(read_manifest(killed).header, RUNNING))
    text = write_report([killed]).read_text(encoding="utf-8")
    assert "still being written, or its writer was killed" in text
    assert payload(text)["horizon_ms"] == ms([open_run(folder).manifest.last_ts_ns])[0]


@pytest.mark.parametrize("name", ["nothing-here", "empty", "page.json", "notes.txt"])
def test_what_has_no_page_ends_with_exit_code_2_and_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.json").write_text("[1, 2]", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("a run?", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError) as caught:
        write_report([tmp_path / name])
    assert name in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_run_without_rows_has_no_page(tmp_path: Path) -> None:
    with DirectoryRecorder(tmp_path / "none", crisis().header):
        pass
    with pytest.raises(DataError, match="no rows"):
        write_report([tmp_path / "none"])
    assert not (tmp_path / "none" / "report.html").exists()


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OutputError):
        write_page("text", tmp_path / "file" / "page.html")
    with pytest.raises(OutputError):
        write_page("text", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# --- sweeps and validation -----------------------------------------------------------------------------------


def test_a_sweep_has_a_page_with_its_means(tmp_path: Path) -> None:
    swept = ["--over", "horizon=20s,30s", "--set", "shocks.0.at=5s", "--seeds", "2", "--workers", "1"]
    done = CliRunner().invoke(app, ["sweep", str(SPIRAL), "--out", str(tmp_path / "sweep"), *swept])
    assert done.exit_code == 0, done.output
    text = write_report([tmp_path / "sweep"]).read_text(encoding="utf-8")
    assert "4 of 4 runs are there, 0 failed" in text
    frame = Sweep(tmp_path / "sweep").frame()
    figure = payload(text)["panels"]["curve-0"]["variants"][metric_text("spread_pct")][0]
    mean = next(t for t in figure["data"] if t["name"] == "mean")
    assert mean["mode"] == "markers"  # Nothing was run between two levels.
    assert mean["x"] == ["20s", "30s"]
    assert mean["y"] == pytest.approx(frame.groupby("horizon")["spread_pct"].mean().to_list())


def test_metrics_of_a_log_that_lacks_fair_values_are_left_out() -> None:
    def bare(finished: Run) -> Run:
        return run_in_memory(MemoryRecorder(), finished.header)

    assert headline.metrics_of(bare(calm())) == {}
    assert headline.metrics_of(calm())


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"),
        (-300, "−$300"),
        (1_250_000, "$1.25 million"),
        (999_600_000, "$1,000 million"),
        (math.nan, "an unknown amount"),
    ],
)
def test_money_is_written_as_people_write_it(amount: float, text: str) -> None:
    assert money_text(amount) == text


def test_times_are_written_as_minutes_and_seconds() -> None:
    assert short_time(725_049_000_000) == "12:05.0"
    assert short_time(725_049_000_000, 3) == "12:05.049"
    assert short_time(3_725_000_000_000, 0) == "1:02:05"
