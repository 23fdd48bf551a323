from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from sweep_tasks import failing, quadratic

from lob_sim.errors import InputError, LobSimError
from lob_sim.sweep import Axis, Serial, Target, calibrate, parse_axis

FREE = (Axis("x", (), 0.0, 10.0), Axis("y", (), -5.0, 5.0))
TARGETS = {"a": Target(3.0, 0.5), "b": Target(2.0, 0.5)}  # At x = 3, y = −1.


def go(journal, trials: int, **changes):
    wanted = {"free": FREE, "targets": TARGETS, "seeds": 3, "executor": Serial(), **changes}
    free, targets = wanted.pop("free"), wanted.pop("targets")
    return calibrate(wanted.pop("task", quadratic), free, targets, trials=trials, journal=journal, **wanted)


def test_calibration_recovers_known_parameters(tmp_path) -> None:
    found = go(tmp_path / "c.journal", 120)
    # Of 120 points spread at random over this box the best would be expected 0.5 away in each parameter.
    assert found.best["x"] == pytest.approx(3.0, abs=0.5)
    assert found.best["y"] == pytest.approx(-1.0, abs=0.7)
    assert found.loss == found.trials["loss"].min()
    assert found.loss == sum(
        ((found.metrics[name] - target.value) / target.scale) ** 2 for name, target in TARGETS.items()
    )
    first, last = found.trials["loss"][:30].median(), found.trials["loss"][-30:].median()
    assert last < first / 4  # It searches: guessing would leave the median where it was.


def test_interrupted_calibration_ends_as_if_it_had_not_been(tmp_path) -> None:
    whole = go(tmp_path / "whole.journal", 24)

    class Stop:
        def __call__(self, progress) -> None:
            if progress.done == 13:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "c.journal", 24, progress=Stop())

    class InTheMiddle(Serial):
        calls = 0

        def submit(self, fn, /, *args, **kwargs):
            InTheMiddle.calls += 1
            if InTheMiddle.calls == 8:
                raise KeyboardInterrupt
            return super().submit(fn, *args, **kwargs)

    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "c.journal", 24, executor=InTheMiddle())
    seen: list[Any] = []
    resumed = go(tmp_path / "c.journal", 24, progress=seen.append)
    assert seen[0].done == 16  # 13 trials, two more before the second stop, and the first of this call.
    pd.testing.assert_frame_equal(resumed.trials, whole.trials, check_exact=True)
    assert (resumed.best, resumed.loss) == (whole.best, whole.loss)


def test_finished_calibration_is_read_without_a_run(tmp_path) -> None:
    class Idle(Serial):
        def submit(self, fn, /, *args, **kwargs):
            raise AssertionError("nothing is left to run")

    whole = go(tmp_path / "c.journal", 5)
    again = go(tmp_path / "c.journal", 5, executor=Idle())
    pd.testing.assert_frame_equal(again.trials, whole.trials)


def test_levels_and_lists_are_chosen_from(tmp_path) -> None:
    free = (parse_axis("x=0:4:5"), parse_axis("y=-1,0,1"))
    found = go(tmp_path / "c.journal", 20, free=free)
    assert set(found.trials["x"]) <= {0, 1, 2, 3, 4}
    assert set(found.trials["y"]) <= {-1, 0, 1}
    assert found.best == {"x": 3, "y": -1}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"targets": {**TARGETS, "a": Target(4.0, 0.5)}}, r"targets\.a\.value is 3.0 there and 4.0"),
        ({"seeds": 4}, "seeds"),
        ({"fixed": {"z": 1}}, r"fixed\.z is only here"),
        ({"root_seed": 1}, "root_seed"),
    ],
)
def test_journal_of_another_calibration_is_refused(tmp_path, changes, expected: str) -> None:
    go(tmp_path / "c.journal", 2)
    with pytest.raises(InputError, match=expected):
        go(tmp_path / "c.journal", 4, **changes)


def test_file_that_is_no_journal_is_refused(tmp_path) -> None:
    (tmp_path / "c.journal").write_text("dear reader\n")
    with pytest.raises(InputError, match="not a calibration's journal"):
        go(tmp_path / "c.journal", 2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"free": ()}, "0 parameters"),
        ({"targets": {}}, "0 targets"),
        ({"targets": {"a": Target(1.0, 0.0)}}, "positive scale"),
        ({"targets": {"aa": Target(1.0, 1.0)}}, "no metric 'aa', did you mean 'a'"),
        ({"free": (Axis("x", (), 2.0, 1.0),)}, "lo < hi"),
    ],
)
def test_bad_calibration_says_what_was_expected(tmp_path, changes, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        go(tmp_path / "c.journal", 2, **changes)


def test_failed_trials_count_as_infinitely_bad(tmp_path) -> None:
    free, targets = (parse_axis("x=1,2,3"),), {"y": Target(4.0, 1.0)}
    found = go(tmp_path / "c.journal", 20, task=failing, free=free, targets=targets)
    assert (found.trials["loss"] == float("inf")).tolist() == (found.trials["x"] == 2).tolist()
    assert found.best["x"] in (1, 3)
    with pytest.raises(LobSimError, match="cannot do x = 2"):
        go(tmp_path / "d.journal", 2, task=failing, free=(parse_axis("x=2"),), targets=targets)
