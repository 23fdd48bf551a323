"""History matching: what is applied, what is ruled out, and that a sweep of it goes on where it stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from calm_table import in_order

from experiments import history_matching as hm
from experiments.spiral import cells
from experiments.spiral import free_parameters as fp
from lob_sim.running import dry_run
from lob_sim.scenario import Scenario, load_scenario
from lob_sim.sweep.design import Point


def points_frame(*frames: pd.DataFrame) -> pd.DataFrame:
    """Rows of a sweep's table: a point for each frame, all of whose runs ended well."""
    return pd.concat([f.assign(calibration=k, status="ok") for k, f in enumerate(frames)], ignore_index=True)


FAR = "treasury: mid less value (root mean square, half-spreads)"


def test_what_is_in_order_is_kept_and_what_is_shown_to_break_a_fact_is_not() -> None:
    far, unsure = in_order(), in_order()
    far["rms_ticks.treasury"] *= 5
    unsure["comove.treasury"] = [0.1, 1.4, 0.87] * (len(unsure) // 3)
    assert unsure["comove.treasury"].mean() < 0.8
    found = hm.closer_look(points_frame(in_order(), far, unsure), cells.flagship().instruments)
    assert found == {0: [], 1: [FAR], 2: []}
    assert hm.wave(found) == hm.Wave(3, 2, {FAR: 1})


def test_nothing_measured_failed_runs_and_forced_sales_rule_out() -> None:
    nothing, forced = in_order(), in_order()
    nothing["alpha.treasury"] = math.nan
    forced["forced_orders"] = [1.0, 1.0, 0.0] * (len(forced) // 3)
    frame = points_frame(nothing, forced, in_order())
    frame.loc[frame["calibration"] == 2, "status"] = np.array(["error", *["ok"] * (len(forced) - 1)])
    found = hm.closer_look(frame, cells.flagship().instruments)
    assert list(found.values()) == [
        ["treasury: dealers' perceived share less that"],
        ["forced sales"],
        ["a run failed"],
    ]


@pytest.mark.parametrize(("beyond", "breaks"), [(0.9, 0), (1.1, 1)])
def test_a_single_run_is_held_against_the_noise_of_single_runs(beyond: float, breaks: int) -> None:
    """At the lower bound of 0.8 less four standard deviations, and no sooner."""
    yardstick = in_order()
    noise = float(yardstick["comove.treasury"].std(ddof=1))
    assert noise > 0
    one = in_order().head(1)
    one["comove.treasury"] = 0.8 - beyond * hm.IMPLAUSIBLE * noise
    found = hm.first_look(points_frame(one), yardstick, cells.flagship().instruments)
    assert len(found[0]) == breaks
    assert all("correlation of 300 s" in text for text in found[0])


def test_a_single_run_in_which_nothing_was_measured_is_ruled_out() -> None:
    one = in_order().head(1)
    one["alpha.treasury"] = math.nan
    instruments = cells.flagship().instruments
    assert hm.first_look(points_frame(one), in_order(), instruments) == {
        0: ["treasury: dealers' perceived share less that"]
    }
    # Unless nothing can be, with the scenario itself either.
    assert hm.first_look(points_frame(one), in_order().assign(**{"alpha.treasury": math.nan}), instruments) == {0: []}


@pytest.mark.parametrize("label", list(fp.FREE))
def test_every_free_parameter_changes_the_scenario_at_both_ends_of_its_range(label: str) -> None:
    base = load_scenario(hm.SCENARIO)
    free = fp.FREE[label]
    low, high = (fp.at(base, {label: end}) for end in (free.low, free.high))
    assert base not in (low, high)
    assert low != high
    assert base.shocks == low.shocks == high.shocks
    for changed in (low, high):
        dry_run(changed)


def test_every_point_of_a_design_is_a_market() -> None:
    """Amounts between the ends of a range are lots and units of cash too."""
    base = load_scenario(hm.SCENARIO)
    for number, point in enumerate(hm.sobol(32).points()):
        changed = fp.at(base, point)
        assert changed != base
        assert [group.name for group in changed.agents] == [group.name for group in base.agents]
        if number < 2:
            dry_run(changed)


def test_capital_of_funds_is_not_that_of_dealers() -> None:
    base = load_scenario(hm.SCENARIO)
    changed = fp.with_fund_capital(base, 2.0)
    for before, after in zip(base.agents, changed.agents, strict=True):
        assert (before == after) is (cells.class_of(before) != "LeveragedFund")


def test_sweeps_are_resumed_and_leave_what_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hm, "_YARDSTICK", 2)
    # Whatever a minute of a market shows, the first wave lets it through.
    monkeypatch.setattr(hm, "_is_implausible", lambda *_: False)
    out = tmp_path / "sweep"
    options = [str(out), "--points", "1", "--seeds", "3", "--horizon", "60s", "--first-horizon", "40s"]
    options += ["--workers", "1"]
    for arguments, code in ((options, 0), (options, 2), ([*options, "--resume"], 0)):
        try:
            hm.main(arguments)
            stopped = 0
        except SystemExit as end:
            stopped = int(end.code or 0)
        assert stopped == code
    told = capsys.readouterr()
    assert "resume" in told.err
    kept = json.loads((out / "kept.json").read_text())
    assert kept["asked"] == 1
    made_with = json.loads((out / "wave1" / "sweep.json").read_text())["versions"]
    assert kept["program"] == made_with
    assert [wave["asked"] for wave in kept["waves"]] == [1, 1]
    assert len(kept["points"]) + bool(kept["waves"][1]["breaks"]) >= 1
    assert {"yardstick", "beliefs", "wave1", "wave2"} <= {path.name for path in out.iterdir()}


# --- without fear ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [["--workers", "1"], ["--workers", "1", "--cluster", "local"]], ids=["here", "dask"])
def test_what_is_kept_is_asked_for_its_calm_without_fear(
    where: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two calibrations one has dealers who are right without learning, and one those who believe in no informed."""
    base = load_scenario(hm.SCENARIO)
    right = dict(hm.sobol(2).points()[1]) | {fp.PRIOR: 0.5, fp.OF_CALM: 0.3}
    points: dict[int, Point] = {0: right, 1: right | {fp.OF_CALM: 0.0}}
    asked: list[Scenario] = []
    plan = hm.plan

    def planned(scenario: Scenario, *rest: Any) -> Any:
        asked.append(scenario)
        return plan(scenario, *rest)

    monkeypatch.setattr(hm, "plan", planned)
    path = tmp_path / "history.json"
    path.write_bytes(msgspec.json.encode(hm.Kept(points, 2, [hm.Wave(2, 2, {})], [1])))
    options = [str(tmp_path / "out"), "--of", str(path), "--last-seeds", "3", "--last-horizon", "4min"]
    with pytest.raises(SystemExit) as ended:
        hm.main([*options, *where])
    assert ended.value.code in (0, None)
    (fearless,) = asked
    assert fearless == cells.without(base, *cells.INFORMATION)
    kept = hm.load_kept(path)
    alpha = "treasury: dealers' perceived share less that"
    assert alpha not in kept.without_fear[0]
    assert alpha in kept.without_fear[1]
    assert kept.program_without_fear["lob_sim source"]
    assert kept.program_without_fear["task source"]
    assert msgspec.structs.replace(kept, without_fear={}, program_without_fear={}) == hm.Kept(
        points, 2, [hm.Wave(2, 2, {})], [1]
    )
    assert "without fear:" in capsys.readouterr().out


def test_a_scheduler_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        hm.main([str(tmp_path / "out"), "--quick", "--cluster", "tcp://127.0.0.1:1"])
    assert ended.value.code == 2
    assert "no dask scheduler answers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "is not there"),
        ("[]", "not what python -m experiments.history_matching makes"),
        ('{"points": {}, "asked": 2, "waves": []}', "kept no calibration"),
        ('{"points": {"7": {"dealers: humour": 1}}, "asked": 2, "waves": []}', "'dealers: humour'"),
    ],
)
def test_what_is_no_record_of_a_history_matching_is_refused(
    content: str | None, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "history.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        hm.main([str(tmp_path / "out"), "--of", str(path)])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert told in error
    assert "history.json" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("factor", [0.5, 0.779, 1.0, 1.337, 2.0])
def test_funds_hold_whole_lots_whatever_their_capital(factor: float) -> None:
    base = load_scenario(hm.SCENARIO)
    changed = fp.at(base, {"funds: capital (factor)": factor})
    sheet = next(group for group in changed.agents if group.name == "leveraged_fund_a").balance_sheet
    assert sheet is not None
    assert abs(float(sheet.scale) - factor) <= 0.025


# --- what dealers believe ----------------------------------------------------------------------------------------


def test_beliefs_become_those_that_the_calm_bears_out() -> None:
    """α is a mean of prior and what flow shows, in equal parts here: the prior makes up for what α was off."""
    instruments = cells.flagship().instruments
    calm = in_order()
    for spec in instruments:
        calm[f"informed_lots.{spec.name}"] = 0.3 * calm[f"taken_lots.{spec.name}"]
        calm[f"alpha.{spec.name}"] = 0.2
    point: Point = {fp.PRIOR: 0.36, fp.OF_CALM: 0.1, fp.LEARNING: 0.5, "other": 7}
    found = fp.right_beliefs(point, calm, instruments)
    assert found == point | {fp.PRIOR: 0.56, fp.OF_CALM: 0.3}
    # What flow shows stays what it was, 0.04, and α is now the share: nothing is left to be put right.
    for spec in instruments:
        calm[f"alpha.{spec.name}"] = 0.5 * 0.56 + 0.5 * 0.04
    assert fp.right_beliefs(found, calm, instruments) == found
    # A prior is a probability, however little flow shows.
    assert fp.right_beliefs(point | {fp.LEARNING: 0.95}, in_order().assign(**{"alpha.treasury": -1.0}), instruments)[
        fp.PRIOR
    ] == pytest.approx(0.95)


def test_of_a_calm_in_which_nothing_was_taken_or_that_failed_nothing_is_learnt() -> None:
    instruments = cells.flagship().instruments
    point = dict(fp.FIRST_BELIEFS) | {fp.LEARNING: 0.5}
    still = in_order()
    still["taken_lots.corporate"] = 0.0
    assert fp.right_beliefs(point, still, instruments) == point
    frame = points_frame(in_order(), in_order(), still)
    frame.loc[frame["calibration"] == 1, "status"] = "error"
    points = {number: dict(point) for number in range(3)}
    found = hm.corrected(points, frame, instruments)
    assert (found[1], found[2]) == (point, point)
    assert found[0] != point
    assert points == dict.fromkeys(range(3), point)


def test_dealers_go_by_their_beliefs_with_learning_and_without() -> None:
    changed = fp.at(load_scenario(hm.SCENARIO), {fp.PRIOR: 0.4, fp.OF_CALM: 0.25})
    dealers = [group for group in changed.agents if cells.class_of(group) == fp.DEALER]
    assert dealers
    for group in dealers:
        toxicity = group.params["toxicity"]
        assert (toxicity["prior_alpha"], toxicity["calm_alpha"]) == (0.4, 0.25)
    dry_run(changed)
