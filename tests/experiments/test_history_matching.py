"""History matching: what is applied, what is ruled out, and that a sweep of it goes on where it stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calm_table import in_order

from experiments import history_matching as hm
from experiments.spiral import cells
from lob_sim.running import dry_run
from lob_sim.scenario import load_scenario


def points_frame(*frames: pd.DataFrame) -> pd.DataFrame:
    """Rows of a sweep's table: a point for each frame, all of whose runs ended well."""
    return pd.concat([f.assign(point=k, status="ok") for k, f in enumerate(frames)], ignore_index=True)


def test_what_is_in_order_is_kept_and_what_is_shown_to_break_a_fact_is_not() -> None:
    far, unsure = in_order(), in_order()
    far["rms_ticks.treasury"] *= 5
    unsure["comove.treasury"] = [0.6, 0.9, 0.7] * (len(unsure) // 3)
    assert unsure["comove.treasury"].mean() < 0.8
    instruments = cells.flagship().instruments
    found = hm.keep(points_frame(in_order(), far, unsure), [{"p": 0}, {"p": 1}, {"p": 2}], instruments)
    assert found.points == {0: {"p": 0}, 2: {"p": 2}}
    assert found.asked == 3
    assert found.breaks == {"treasury: mid less value (root mean square, half-spreads)": 1}


def test_nothing_measured_failed_runs_and_forced_sales_rule_out() -> None:
    nothing, forced = in_order(), in_order()
    nothing["alpha.treasury"] = math.nan
    forced["forced_orders"] = [1.0, 1.0, 0.0] * (len(forced) // 3)
    frame = points_frame(nothing, forced, in_order())
    frame.loc[frame["point"] == 2, "status"] = np.array(["error", *["ok"] * (len(forced) - 1)])
    found = hm.keep(frame, [{}, {}, {}], cells.flagship().instruments)
    assert found.points == {}
    assert set(found.breaks) == {"treasury: dealers' perceived share less that", "forced sales", "a run failed"}


def test_points_with_too_few_runs_are_not_judged() -> None:
    found = hm.keep(points_frame(in_order().head(2)), [{}], cells.flagship().instruments)
    assert (found.points, found.asked) == ({}, 0)


@pytest.mark.parametrize("label", list(hm.FREE))
def test_every_free_parameter_changes_the_scenario_at_both_ends_of_its_range(label: str) -> None:
    base = load_scenario(hm.SCENARIO)
    free = hm.FREE[label]
    low, high = (hm.at(base, {label: end}) for end in (free.low, free.high))
    assert base not in (low, high)
    assert low != high
    assert base.shocks == low.shocks == high.shocks
    for changed in (low, high):
        dry_run(changed)


def test_capital_of_funds_is_not_that_of_dealers() -> None:
    base = load_scenario(hm.SCENARIO)
    changed = hm.with_fund_capital(base, 2.0)
    for before, after in zip(base.agents, changed.agents, strict=True):
        assert (before == after) is (cells.class_of(before) != "LeveragedFund")


def test_a_sweep_is_resumed_and_leaves_what_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "sweep"
    options = [str(out), "--points", "1", "--seeds", "3", "--horizon", "60s", "--workers", "1"]
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
    assert len(kept["points"]) + bool(kept["breaks"]) >= 1
