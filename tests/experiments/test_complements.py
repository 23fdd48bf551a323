"""The map of complements and substitutes: where the interaction is positive, and which markets are on it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from experiments import history_matching, information_spiral
from experiments.spiral import (
    cells,
    complements,
    record,
    threshold,
)
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, NEITHER
from experiments.spiral.free_parameters import FIRST_BELIEFS, at
from experiments.spiral.measure import measure_threshold
from lob_sim.errors import DataError, InputError
from lob_sim.scenario import scenario_to_dict
from lob_sim.sweep import Serial, run_sweep
from lob_sim.sweep.task import TaskSpec


def mapped(interaction: NDArray[np.float64]) -> complements.Mapped:
    """Sixteen calibrations on a grid of headroom and capital, and of each an interaction (in halves, at most 1) on
    which all seeds agree: spirals at one or both sizes in one of the cells with limits, and in none of the other."""
    points = [(headroom, capital) for headroom in (0.5, 1.0, 2.0, 2.5) for capital in (0.5, 1.0, 1.5, 2.0)]
    found = [
        complements.Calibration(
            k, {complements.HEADROOM: h, complements.CAPITAL: c}, 0.2 + 0.01 * (k % 3), 0.01, k == 3
        )
        for k, (h, c) in enumerate(points)
    ]
    none = [[False] * 3] * 2
    started = []
    for value in interaction:
        some = [[bool(size < 2 * abs(value))] * 3 for size in range(2)]
        where = BOTH if value > 0 else CONSTRAINTS_ALONE
        started.append({cell: some if cell == where else none for cell in threshold.ORDER})
    return complements.Mapped("", [5.0, 6.0], found, started)


def test_the_map_says_where_the_interaction_is_positive(tmp_path: Path) -> None:
    headroom = np.repeat([0.5, 1.0, 2.0, 2.5], 4)
    found = mapped(1.5 - headroom)
    pooled, halves, slopes, each, nearest = complements.map_tables(found)
    shares = dict(zip([line[0] for line in pooled.rows], [line[1:] for line in pooled.rows], strict=True))
    # Where fear helps all spirals are with both, and where it protects they are with limits alone.
    assert shares[NEITHER] == [0.0, 0.0]
    assert shares[BOTH][0].value == np.mean(1.5 - headroom > 0)
    assert shares[CONSTRAINTS_ALONE][0].value == np.mean(1.5 - headroom < 0)
    shares = {line[0]: line[3] for line in halves.rows}
    assert shares["all"] == 0.5
    assert (shares["dealers: headroom (factor): up to 1.5"], shares["dealers: headroom (factor): above 1.5"]) == (1, 0)
    by_axis = dict(zip(slopes.columns, slopes.rows[0], strict=True))
    assert by_axis[complements.HEADROOM].high < 0
    assert by_axis[complements.CAPITAL].value == pytest.approx(0, abs=1e-9)
    assert len(each.rows) == 16
    assert [line[0] for line in each.rows if line[-1]] == [3]
    # Where fear alone makes the difference a shock does what is wanted; where it protects none does.
    assert [line[-1] for line in nearest.rows] == ["yes"] * 8 + ["no"] * 8
    complements.draw_map(tmp_path / "map.png", found)
    assert (tmp_path / "map.png").stat().st_size > 10_000
    assert [row.holds for row in complements.map_rows(found)] == [True]
    # Control: where fear protects nearly everywhere, the claim fails, and what tells nothing claims nothing.
    assert [row.holds for row in complements.map_rows(mapped(-np.ones(16)))] == [False]
    always = [{cell: [[True] * 3] * 2 for cell in threshold.ORDER}] * 16
    silent = msgspec.structs.replace(found, started=always)
    assert complements.map_rows(silent) == []


def test_the_map_compares_only_with_markets_in_order() -> None:
    headroom = np.repeat([0.5, 1.0, 2.0, 2.5], 4)
    found = mapped(1.5 - headroom)
    # Without fear the calm of each is in order where headroom is small, and one was not asked.
    asked = [
        msgspec.structs.replace(c, breaks_without_fear=None if k == 0 else [] if h < 1.5 else ["a fact"])
        for k, (c, h) in enumerate(zip(found.calibrations, headroom, strict=True))
    ]
    found = msgspec.structs.replace(found, calibrations=asked)
    halves, each = complements.map_tables(found)[1], complements.map_tables(found)[3]
    assert [line[0] for line in each.rows] == list(range(8))
    *lines, left_out = halves.rows
    assert (lines[0][0], lines[0][1], lines[0][3:5]) == ("all", 8, [1, 0])
    assert (left_out[1], left_out[3:5]) == (8, [0, 1])
    assert complements.map_rows(found)[0].measured == 1
    # Control: where all are in order none is left out.
    whole = complements.map_tables(mapped(1.5 - headroom))[1].rows
    assert (whole[0][1], left_out[0] in [line[0] for line in whole]) == (16, False)


def test_the_map_that_is_kept_is_told_with_what_history_matching_says_now(tmp_path: Path) -> None:
    found = mapped(np.ones(16))
    point = history_matching.sobol(2).points()[1] | FIRST_BELIEFS
    (tmp_path / "docs/figures").mkdir(parents=True)
    kept = history_matching.Kept({3: point}, 16, [], [], {3: ["a fact"], 4: []})
    history = tmp_path / "kept.json"
    history.write_bytes(msgspec.json.encode(kept))
    with pytest.raises(InputError, match="publish-map"):
        record.load_map(tmp_path)
    written = record.publish_map(found, history, tmp_path)
    assert all(path.is_file() for path in written)
    again = record.load_map(tmp_path)
    asked = [c.breaks_without_fear for c in again.calibrations]
    assert asked == [None, None, None, ["a fact"], [], *[None] * 11]
    plain = [msgspec.structs.replace(c, breaks_without_fear=None) for c in again.calibrations]
    assert msgspec.structs.replace(again, calibrations=plain) == found
    (tmp_path / record.MAP).write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match=r"not what .* publish-map makes"):
        record.load_map(tmp_path)


def test_the_map_of_what_history_matching_has_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = cells.flagship()
    folder = tmp_path / "history"
    point = history_matching.sobol(2).points()[1] | FIRST_BELIEFS
    matched = history_matching.plan(base, {1: point}, 3, "40s")
    with Serial() as executor:
        run_sweep(matched, folder / history_matching.CLOSEST, executor=executor)
    kept = history_matching.Kept({1: point}, 2, [], [1])
    (folder / "kept.json").write_bytes(msgspec.json.encode(kept))
    (first,) = complements.kept_calibrations(folder, base, 1)
    assert first.is_shown
    assert (first.number, first.point) == (1, point)
    assert 0 < first.informed < 1
    assert 0 < first.calm_rms_pct < 0.5
    options = [
        "--part",
        "map",
        "--history",
        str(folder),
        "--quick",
        "--horizon",
        "40s",
        "--calibrations",
        "1",
        "--workers",
        "1",
    ]
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            information_spiral.main([*options, "--out", str(tmp_path / "map"), "--json"])
        assert ended.value.code in (0, 1)
    once, again = capsys.readouterr().out.split("\n}\n")[:2]
    assert once == again
    for where, told in ((tmp_path, "kept.json"), (folder, "no calibration")):
        (folder / "kept.json").write_bytes(msgspec.json.encode(history_matching.Kept({}, 2, [])))
        with pytest.raises(InputError, match=told):
            complements.kept_calibrations(where, base, 1)
    (folder / "kept.json").write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="history_matching"):
        complements.kept_calibrations(folder, base, 1)


def test_sizes_of_one_calibration_have_their_past_in_common(tmp_path: Path) -> None:
    base = cells.flagship(["horizon=50s", "shocks.0.at=20s"])
    point = history_matching.sobol(2).points()[1] | FIRST_BELIEFS
    task = complements.MapTask(scenario_to_dict(base), {"1": point}, str(tmp_path))
    cell = cells.factorial(at(base, point))[BOTH]
    for size in (4.5, 6.5):
        found = task(TaskSpec({"calibration": 1, "cell": BOTH, "size": size}, 101, None))
        assert found == measure_threshold(cells.shocked(cell, -size / 100), 101, None)
    assert len(list(tmp_path.rglob("*.state"))) == 1
