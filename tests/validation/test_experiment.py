"""The verdicts, their standard errors, and the command line of an experiment."""

from __future__ import annotations

import json
from math import nan, sqrt

import numpy as np
import pytest

from experiments.validation import glosten_milgrom
from lob_sim.errors import InputError, LobSimError, ScenarioError
from lob_sim.experiment import (
    Experiment,
    Outcome,
    agrees,
    exceeds,
    identical,
    mean_of,
    ratio_of,
    run_cells,
    sd_of,
    stays_below,
)
from lob_sim.sweep.task import TaskSpec


def test_a_difference_of_three_standard_errors_is_the_most_that_agrees() -> None:
    assert agrees("x", 1.3, 1.0, 0.1 + 1e-12, "s").holds
    assert not agrees("x", 1.31, 1.0, 0.1, "s").holds
    assert agrees("x", 1.31, 1.0, 0.1, "s", slack=0.011).holds


@pytest.mark.parametrize(("measured", "error"), [(nan, 0.1), (1.0, nan), (1.0, 0.0)])
def test_what_was_not_measured_does_not_agree(measured: float, error: float) -> None:
    assert not agrees("x", measured, 1.0, error, "s").holds


def test_bounds_must_be_passed_by_more_than_sampling_error() -> None:
    assert exceeds("x", 1.4, 1.0, 0.1, "s").holds
    assert not exceeds("x", 1.2, 1.0, 0.1, "s").holds
    assert stays_below("x", 0.6, 1.0, 0.1, "s").holds
    assert not stays_below("x", 0.8, 1.0, 0.1, "s").holds
    assert not exceeds("x", nan, 1.0, 0.1, "s").holds
    assert not identical("x", nan, 1.0, "s", slack=1.0).holds


def test_an_outcome_without_a_claim_does_not_hold() -> None:
    assert not Outcome([]).holds


def test_standard_errors_cover_as_they_should() -> None:
    # Of 400 samples some 0.3 per cent lie beyond three standard errors; 4 per cent would be 13 deviations off.
    rng = np.random.default_rng(5)
    outside = {"mean": 0, "sd": 0, "ratio": 0}
    for _ in range(400):
        x, y = rng.exponential(2.0, 200), 5 + rng.normal(size=200)
        for name, estimate, truth in (
            ("mean", mean_of(x), 2.0),
            ("sd", sd_of(y), 1.0),
            ("ratio", ratio_of(x * y, y), 2.0),
        ):
            outside[name] += abs(estimate.value - truth) > 3 * estimate.se
    assert max(outside.values()) <= 16


def test_standard_error_of_a_standard_deviation_is_the_normal_one_for_normal_data() -> None:
    sample = np.random.default_rng(1).normal(size=20_000)
    assert sd_of(sample).se == pytest.approx(1 / sqrt(2 * 20_000), rel=0.05)


def failing_task(spec: TaskSpec) -> dict[str, float]:
    raise InputError("no such thing", "here")


def test_a_failed_run_is_not_passed_over() -> None:
    with pytest.raises(LobSimError, match="no such thing"):
        run_cells(failing_task, [{}], 2)


def refused_task(spec: TaskSpec) -> None:
    raise ScenarioError("expected float > -1.0, got -1.5", "--over shocks[0].size")


def test_a_scenario_that_is_refused_is_bad_input_and_no_failed_run() -> None:
    with pytest.raises(InputError) as raised:
        run_cells(refused_task, [{}], 2)  # type: ignore[arg-type]
    assert str(raised.value) == "--over shocks[0].size: expected float > -1.0, got -1.5"


def test_command_line_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        glosten_milgrom.main(["--json", "--runs", "20", "--traders", "5", "--mu", "0.2", "--workers", "1"])
    assert ended.value.code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["parameters"]["mu"] == 0.2
    assert document["holds"] is True
    assert {row["verdict"] for row in document["rows"]} == {"holds"}
    assert all({"measured", "reference", "standard_error", "source"} <= set(row) for row in document["rows"])


def test_an_option_that_was_typed_counts_in_the_quick_version_too(capsys: pytest.CaptureFixture[str]) -> None:
    def run(runs: int = 1000, traders: int = 30) -> Outcome:
        return Outcome([identical("runs", runs, runs, "s"), identical("traders", traders, traders, "s")])

    experiment = Experiment("small", run, quick={"runs": 100, "traders": 15})
    for typed, expected in (([], (100, 15)), (["--runs", "1000"], (1000, 15)), (["--traders", "7"], (100, 7))):
        with pytest.raises(SystemExit):
            experiment.main(["--json", "--quick", "--workers", "1", *typed])
        parameters = json.loads(capsys.readouterr().out)["parameters"]
        assert (parameters["runs"], parameters["traders"]) == expected


def test_command_line_fails_with_a_claim(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        glosten_milgrom.main(["--runs", "20", "--traders", "5", "--assumed-mu", "0.6", "--workers", "1"])
    assert ended.value.code == 1
    assert "fails" in capsys.readouterr().out


def test_options_of_a_case_are_what_the_command_line_takes() -> None:
    assert Experiment.options({"follow_a": 0.1, "elastic": False}) == "--follow-a 0.1 --no-elastic"
