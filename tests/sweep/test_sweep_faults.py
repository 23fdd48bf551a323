"""Small inputs that once gave a wrong result or a traceback, and what is right."""

from __future__ import annotations

import io
import math
import multiprocessing
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sweep_tasks
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

from lob_sim.cli.app import app
from lob_sim.cli.reporting import write_report
from lob_sim.errors import DataError, InputError, OutputError
from lob_sim.sweep import (
    Axis,
    Design,
    Limits,
    Processes,
    Serial,
    Sweep,
    SweepPlan,
    Target,
    all_coalitions,
    bootstrap,
    calibrate,
    contrasts,
    load_sweep_file,
    paired_difference,
    point_means,
    run_many,
    run_sweep,
    samples,
    shapley,
)
from lob_sim.sweep.commands import SweepOptions, sweep, sweep_report
from lob_sim.sweep.folder import sealed
from lob_sim.sweep.tables import summarise
from lob_sim.sweep.task import FIXED_COLUMNS, OUTCOME_COLUMNS, SUMMARY_COLUMNS, TaskSpec

RESERVED = sorted({*FIXED_COLUMNS, *OUTCOME_COLUMNS, *SUMMARY_COLUMNS, "failed"})
PLAN = SweepPlan(task=sweep_tasks.noisy, design=Design((Axis("x", (1, 2, 3)),)), seeds=4)


# --- parameters named like columns ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", RESERVED)
def test_parameter_named_like_a_column_is_refused_before_anything_starts(tmp_path: Path, name: str) -> None:
    called: list[Any] = []
    for points in (Design((Axis(name, (1, 2)),)), Design((Axis("x", (1, 2)),), fixed={name: 1})):
        plan = SweepPlan(task=sweep_tasks.noisy, design=points, seeds=2)
        with pytest.raises(InputError, match=f"parameter {name}: .*cannot be called '{name}'"):
            run_sweep(plan, tmp_path / "s", executor=Serial(), progress=called.append)
    with pytest.raises(InputError, match=f"cannot be called '{name}'"):
        run_many(sweep_tasks.noisy, [{"x": 1}, {name: 1}], 2, Serial(), called.append)
    with pytest.raises(InputError, match=f"cannot be called '{name}'"):
        _calibrate(tmp_path / "c", (Axis(name, (), 0.0, 1.0),))
    assert not called
    assert not list(tmp_path.iterdir())


def _calibrate(journal: Path, free: tuple[Axis, ...], **changes):
    wanted = {"targets": {"y": Target(1.0, 1.0)}, "trials": 2, "seeds": 2, "executor": Serial(), **changes}
    task = wanted.pop("task", sweep_tasks.noisy)
    return calibrate(task, free, journal=journal, **wanted)


def test_names_of_the_table_of_trials_are_refused(tmp_path: Path) -> None:
    for name in ("trial", "loss", "y"):
        with pytest.raises(InputError, match=f"cannot be called '{name}'"):
            _calibrate(tmp_path / "c", (Axis(name, (), 0.0, 1.0),))
    with pytest.raises(InputError, match="target loss"):
        _calibrate(tmp_path / "c", (Axis("x", (), 0.0, 1.0),), targets={"loss": Target(1.0, 1.0)})
    assert not list(tmp_path.iterdir())


def test_command_with_seed_as_an_axis_says_where_seeds_are_set(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["sweep", "dealer_market", "--over", "seed=1,2,3", "--out", str(tmp_path / "s")])
    assert isinstance(done.exception, InputError)
    assert "seeds of a sweep are its own" in str(done.exception)
    assert not (tmp_path / "s").exists()


def sometimes_named_like_a_parameter(spec: TaskSpec) -> dict[str, float]:
    return {"y": 1.0} if "z" in spec.overrides else {"y": 1.0, "z": 7.0}


def test_metric_named_like_a_parameter_of_another_point_fails_its_run(tmp_path: Path) -> None:
    points = [{"x": 1}, {"z": 2}]
    frame = run_many(sometimes_named_like_a_parameter, points, 1, Serial())
    assert frame["status"].tolist() == ["failed", "ok"]
    assert "named like other columns: z" in frame["error"][0]
    assert frame["z"][1] == 2


# --- numbers of numpy's ----------------------------------------------------------------------------------------


def test_numpy_integer_names_a_point() -> None:
    frame = run_many(sweep_tasks.noisy, [{"x": 0}, {"x": 1}], 3, Serial())
    for point in frame["point"].unique():
        assert samples(frame, "y", point).tolist() == samples(frame, "y", int(point)).tolist()
    assert paired_difference(frame, "y", np.int64(1), np.int32(0)).n == 3


def test_numpy_numbers_are_numbers_wherever_a_number_is(tmp_path: Path) -> None:
    plain = run_many(sweep_tasks.noisy, [{"x": 0.5, "z": 3}], 2, Serial())
    point: dict[str, Any] = {"x": np.float64(0.5), "z": np.int32(3)}
    two: Any = np.int64(2)
    theirs = run_many(sweep_tasks.noisy, [point], two, Serial())
    assert theirs.drop(columns="run_time_s").equals(plain.drop(columns="run_time_s"))
    assert theirs["x"].dtype == np.float64
    seeds: Any = np.arange(3)
    assert run_many(sweep_tasks.noisy, [{}], seeds, Serial())["seed"].tolist() == [0, 1, 2]
    axis = Axis("x", tuple(np.linspace(0, 1, 3)))
    done = run_sweep(
        SweepPlan(task=sweep_tasks.noisy, design=Design((axis,)), seeds=1), tmp_path / "s", executor=Serial()
    )
    assert Sweep(tmp_path / "s").manifest.design.axes[0].values == (0.0, 0.5, 1.0)
    assert done.frame()["x"].dtype == np.float64
    one: Any = np.int64(1)
    found = _calibrate(tmp_path / "c", (Axis("x", (), np.float64(0), one),), seeds=two)
    assert len(found.trials) == 2


@pytest.mark.parametrize("value", [None, [1], 2**63, "\ud800", {"a": 1}])
def test_value_that_no_column_takes_is_refused_before_anything_starts(value) -> None:
    with pytest.raises(InputError, match="parameter x"):
        run_many(sweep_tasks.noisy, [{"x": value}], 1, Serial())


@pytest.mark.parametrize("seeds", [[-1], [2**63], [1.5], ["1"], 2.0, [1, 1]])
def test_seed_that_is_none_is_refused(seeds) -> None:
    with pytest.raises(InputError, match="seeds"):
        run_many(sweep_tasks.noisy, [{}], seeds, Serial())


# --- what has no value -------------------------------------------------------------------------------------------


def missing_above_two(spec: TaskSpec) -> dict[str, float]:
    """Above x = 2 the metric is on target with the first seed and has no value with the others."""
    x = float(spec.overrides["x"])
    first = spec.seed == FIRST
    return {"y": x if x <= 2 else (5.0 if first else math.nan)}


FIRST = 11


def test_point_with_a_seed_without_value_cannot_be_the_best(tmp_path: Path) -> None:
    found = _calibrate(
        tmp_path / "c",
        (Axis("x", (1, 2, 3)),),
        task=missing_above_two,
        targets={"y": Target(5.0, 1.0)},
        trials=12,
        seeds=[FIRST, 12, 13, 14],
    )
    assert found.best == {"x": 2}
    assert found.loss == 9.0
    trials = found.trials
    assert set(trials["x"]) == {1, 2, 3}
    assert trials[trials["x"] == 3]["loss"].tolist() == [math.inf] * (trials["x"] == 3).sum()


def test_mean_of_a_point_is_not_that_of_the_runs_that_have_a_value() -> None:
    frame = run_many(missing_above_two, [{"x": 1}, {"x": 3}], [FIRST, 12], Serial())
    with pytest.raises(InputError, match=r"points \[1\]"):
        point_means(frame, "y")
    assert summarise(frame)["n"].tolist() == [2, 1]  # A summary says of how many.


# --- intervals ------------------------------------------------------------------------------------------------------


def old_percentile(x: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """What was called an interval: quantiles of resampled means."""
    means = x[rng.integers(0, x.size, (400, x.size))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def student(x: np.ndarray, _: np.random.Generator) -> tuple[float, float]:
    found = bootstrap(x)
    return found.low, found.high


def coverage(interval, draw, mean: float, n: int, trials: int) -> float:
    rng = np.random.default_rng([n, trials])
    covered = 0
    for _ in range(trials):
        low, high = interval(draw(rng, n), rng)
        covered += low <= mean <= high
    return covered / trials


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.standard_normal(n)


def skewed(rng: np.random.Generator, n: int) -> np.ndarray:
    """Gamma of shape 4: skewness 1, excess kurtosis 1.5."""
    return rng.gamma(4.0, size=n)


def second_order(n: int, skewness: float, kurtosis: float) -> float:
    """Error of the coverage of a 95 % t-interval to first order in 1/n (Hall 1992, The Bootstrap, section 2.6)."""
    z = 1.96
    polynomial = kurtosis / 12 * (z**2 - 3) - skewness**2 / 18 * (z**4 + 2 * z**2 - 3)
    return 2 / n * z * polynomial * float(stats.norm.pdf(z))


trials = pytest.mark.parametrize("trials", [2_000, pytest.param(40_000, marks=pytest.mark.validate)])


@trials
@pytest.mark.parametrize("n", [2, 3, 4, 5, 20])
def test_interval_of_a_mean_covers_at_its_nominal_rate_from_two_observations(n: int, trials: int) -> None:
    error = math.sqrt(0.95 * 0.05 / trials)
    assert abs(coverage(student, normal, 0.0, n, trials) - 0.95) < 4 * error
    # Control: what was there before does not.
    assert coverage(old_percentile, normal, 0.0, n, 2_000) < 0.95 - 4 * math.sqrt(0.95 * 0.05 / 2_000)


@trials
@pytest.mark.parametrize("n", [20, 40])
def test_interval_of_a_skewed_mean_covers_but_for_the_error_that_skewness_makes(n: int, trials: int) -> None:
    expected = 0.95 + second_order(n, 1.0, 1.5)
    # The next order is smaller by about the factor 1/n of an error that is 1/n itself.
    slack = 4 * math.sqrt(0.95 * 0.05 / trials) + 4 / n**2
    assert abs(coverage(student, skewed, 4.0, n, trials) - expected) < slack
    assert expected > 0.935


def test_statistic_other_than_a_mean_has_no_interval_of_few_observations() -> None:
    x = np.random.default_rng(1).standard_normal(10)
    assert math.isnan(bootstrap(x[:9], np.median).low)
    assert bootstrap(x, np.median).low < bootstrap(x, np.median).value < bootstrap(x, np.median).high


def test_interval_of_a_median_covers_from_ten_observations() -> None:
    rng, covered, count = np.random.default_rng(3), 0, 400
    for _ in range(count):
        found = bootstrap(rng.standard_normal(10), np.median, resamples=500)
        covered += found.low <= 0 <= found.high
    # BCa's own error at n = 10 is the 5 % that the documentation owns to.
    assert abs(covered / count - 0.95) < 0.05 + 3 * math.sqrt(0.95 * 0.05 / count)


def test_level_is_between_nothing_and_all() -> None:
    for level in (0.0, 1.0, 95, math.nan):
        with pytest.raises(InputError, match="between 0 and 1"):
            bootstrap([1.0, 2.0], level=level)


def test_interval_of_a_contrast_is_that_of_its_values_by_seed() -> None:
    rng = np.random.default_rng(5)
    values = {coalition: rng.standard_normal(4) for coalition in all_coalitions("ab")}
    interaction = contrasts(values)[frozenset("ab")]
    expected = stats.ttest_1samp(interaction, 0.0).confidence_interval(0.95)
    assert (bootstrap(interaction).low, bootstrap(interaction).high) == pytest.approx((expected.low, expected.high))
    for share in shapley(values).values():
        expected = stats.ttest_1samp(share, 0.0).confidence_interval(0.95)
        assert (bootstrap(share).low, bootstrap(share).high) == pytest.approx((expected.low, expected.high))


# --- limits of a run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "limits", "reason", "executor"),
    [
        (sweep_tasks.endless, Limits(seconds=1), r"TimeoutError: .* limit of 1 s \(run_seconds\)", Serial()),
        (sweep_tasks.endless, Limits(seconds=1), r"TimeoutError: .* limit of 1 s \(run_seconds\)", Processes(1)),
        (sweep_tasks.greedy, Limits(megabytes=500), r"MemoryError: .* limit of 500 MB \(run_megabytes\)", Serial()),
        (sweep_tasks.crashing, Limits(seconds=600), r"RuntimeError: .* process of the run died \(.*-9\)", Serial()),
    ],
    ids=["endless", "endless in processes", "greedy", "crashing"],
)
def test_run_past_its_limit_is_a_failed_row_and_the_sweep_goes_on(task, limits, reason, executor) -> None:
    with executor:
        frame = run_many(task, [{"x": 1}, {"x": 2}, {"x": 3}], 1, executor, limits=limits)
    assert frame["status"].tolist() == ["ok", "failed", "ok"]
    assert frame[frame["x"] == 2]["error"].str.match(reason).all()
    assert frame[frame["x"] != 2]["y"].notna().all()
    assert not multiprocessing.active_children()


def test_limits_change_no_result(tmp_path: Path) -> None:
    free = run_sweep(PLAN, tmp_path / "free", executor=Serial()).frame()
    held = run_sweep(PLAN, tmp_path / "held", executor=Serial(), limits=Limits(seconds=60, megabytes=4_000)).frame()
    assert held.drop(columns="run_time_s").equals(free.drop(columns="run_time_s"))


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan])
def test_limit_that_is_none_is_refused(tmp_path: Path, value: float) -> None:
    for name in ("seconds", "megabytes"):
        with pytest.raises(InputError, match=f"run_{name}"):
            Limits(**{name: value})
    file = tmp_path / "s.toml"
    file.write_text(f'scenario = "dealer_market"\nrun_seconds = {value}\n')
    with pytest.raises(InputError, match=r"s\.toml: run_seconds"):
        load_sweep_file(file)


def test_limits_on_a_cluster_are_refused_before_it_is_asked(tmp_path: Path) -> None:
    options = SweepOptions(cluster="tcp://127.0.0.1:1", run_seconds=5.0)
    with pytest.raises(InputError, match="processes of this machine"):
        sweep("dealer_market", tmp_path / "s", options, "unused:unused", None)  # type: ignore[arg-type]


def test_limits_of_the_command_line_win_over_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('scenario = "dealer_market"\nrun_seconds = 1e-6\n[over]\nhorizon = ["3min"]\n')
    command = ["sweep", str(file), "--out"]
    done = CliRunner().invoke(app, [*command, str(tmp_path / "a"), "--workers", "1"])
    assert done.exit_code == 1
    assert "1 of 1 runs failed" in done.output
    assert Sweep(tmp_path / "a").frame()["error"][0].startswith("TimeoutError")
    done = CliRunner().invoke(app, [*command, str(tmp_path / "b"), "--workers", "1", "--run-seconds", "100"])
    assert done.exit_code == 0


# --- the folder ----------------------------------------------------------------------------------------------------


def test_every_flipped_bit_of_a_part_is_found(tmp_path: Path) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    (part,) = (tmp_path / "s" / "results").glob("*/*.parquet")
    whole = part.read_bytes()
    rng = np.random.default_rng(0)
    for bit in rng.choice(8 * len(whole), 300, replace=False):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        part.write_bytes(damaged)
        with pytest.raises(DataError, match=part.name):
            Sweep(tmp_path / "s").frame()
        with pytest.raises(DataError, match=part.name):
            run_sweep(PLAN, tmp_path / "s", executor=Serial(), resume=True)
    part.write_bytes(whole)
    assert len(Sweep(tmp_path / "s").frame()) == 12


def test_every_flipped_bit_of_the_plan_is_found_or_means_nothing(tmp_path: Path) -> None:
    done = run_sweep(PLAN, tmp_path / "s", executor=Serial())
    file = tmp_path / "s" / "sweep.json"
    whole = file.read_bytes()
    found, bits = 0, np.random.default_rng(0).choice(8 * len(whole), 1_000, replace=False)
    for bit in bits:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << (bit % 8)
        file.write_bytes(damaged)
        try:
            assert Sweep(tmp_path / "s").manifest == done.manifest  # A space that has become a tab, say.
        except DataError:
            found += 1
    assert found > 0.8 * len(bits)


@pytest.mark.parametrize("name", ["part-xyz.parquet", "part-000000.parquet", "part-000000-0.parquet", "notes.txt"])
def test_file_among_the_parts_that_is_none_is_an_error(tmp_path: Path, name: str) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    (tmp_path / "s" / "results" / "status=ok" / name).write_bytes(b"")
    with pytest.raises(DataError, match=f"{name}: is no part"):
        Sweep(tmp_path / "s").frame()
    with pytest.raises(DataError, match=f"{name}: is no part"):
        run_sweep(PLAN, tmp_path / "s", executor=Serial(), resume=True)


def test_part_of_another_sweep_or_twice_the_same_is_an_error(tmp_path: Path) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    (part,) = (tmp_path / "s" / "results").glob("*/*.parquet")
    twice = part.with_name(part.name.replace("part-000000", "part-000007"))
    twice.write_bytes(part.read_bytes())
    with pytest.raises(DataError, match="on record already"):
        Sweep(tmp_path / "s").frame()
    twice.unlink()
    other = SweepPlan(task=sweep_tasks.noisy, design=Design((Axis("w", (1,)),)), seeds=1)
    run_sweep(other, tmp_path / "t", executor=Serial())
    (foreign,) = (tmp_path / "t" / "results").glob("*/*.parquet")
    (part.parent / foreign.name.replace("part-000000", "part-000001")).write_bytes(foreign.read_bytes())
    with pytest.raises(DataError, match="another sweep"):
        Sweep(tmp_path / "s").frame()


@pytest.mark.parametrize("name", ["sweep.json", "results/status=ok/part-000000-0123456789abcdef.parquet"])
def test_pipe_in_the_place_of_a_file_is_an_error_and_no_wait(tmp_path: Path, name: str) -> None:
    run_sweep(PLAN, tmp_path / "s", executor=Serial())
    path = tmp_path / "s" / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(DataError, match="is no ordinary file"):
        Sweep(tmp_path / "s").frame()


def test_links_planted_in_the_folder_are_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = tmp_path / "s"
    with pytest.raises(KeyboardInterrupt):
        run_sweep(PLAN, folder, executor=Serial(), progress=_interrupt)
    for name in (".lock", ".sweep.json.tmp", "results/status=ok/.part-000000.parquet.tmp"):
        link = folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(precious)
    with pytest.raises(OutputError, match=r"\.lock"):
        run_sweep(PLAN, folder, executor=Serial(), resume=True)
    (folder / ".lock").unlink()
    run_sweep(PLAN, folder, executor=Serial(), resume=True)
    assert precious.read_text() == "mine"


def _interrupt(_) -> None:
    raise KeyboardInterrupt


def test_plan_whose_checksum_fits_but_that_is_no_design_is_an_error(tmp_path: Path) -> None:
    done = run_sweep(PLAN, tmp_path / "s", executor=Serial())
    done.manifest.design.fixed["run"] = 1
    (tmp_path / "s" / "sweep.json").write_bytes(sealed(done.manifest))
    with pytest.raises(DataError, match=r"sweep\.json: describes no sweep"):
        Sweep(tmp_path / "s")


# --- errors that cannot be written ----------------------------------------------------------------------------


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def odd(spec: TaskSpec) -> dict[str, float]:
    """Fails in ways that a table cannot keep as they are."""
    how = spec.overrides["how"]
    if how == "surrogate":
        raise ValueError("half a pair: \ud800")
    if how == "mute":
        raise MuteError
    if how == "metric":
        return {"\udfff": 1.0}
    if how == "interrupt":
        raise KeyboardInterrupt
    return {"y": 1.0}


def test_error_with_half_a_surrogate_pair_ends_nothing(tmp_path: Path) -> None:
    design = Design((Axis("how", ("surrogate", "mute", "metric", "well")),))
    frame = run_sweep(SweepPlan(task=odd, design=design, seeds=1), tmp_path / "s", executor=Serial()).frame()
    assert frame["status"].tolist() == ["failed", "failed", "failed", "ok"]
    assert frame["error"][0] == r"ValueError: half a pair: \ud800"
    assert "RuntimeError" in frame["error"][1]
    assert frame["error"][2].startswith("UnicodeEncodeError")


def test_keyboard_interrupt_that_a_task_raises_in_its_worker_is_its_own_failure() -> None:
    with Processes(1) as executor:
        frame = run_many(odd, [{"how": "interrupt"}, {"how": "well"}], 1, executor)
    assert frame["status"].tolist() == ["failed", "ok"]
    assert frame["error"][0].startswith("KeyboardInterrupt")


UNUSED: Any = (SweepOptions(), "unused:unused", None)


# --- sweep files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"scenario = ", "is not TOML"),
        (b'scenario = "\xff"', "no text in UTF-8"),
        (b"scenario = " + b"[" * 5_000 + b"]" * 5_000, "is not TOML"),
        (b"scenario = 'x'\nseeds = " + b"1" * 5_000, "is not TOML"),
        (b"scenario = 'x'\nseeds = 2000-01-01", "seeds"),
        (b"scenario = 3", "scenario"),
        (b"scenario = 'x'\n[over]\nx = { low = 0, high = 1, levels = 1000000000 }", "at most 1000000"),
        (b"scenario = 'x'\n[fixed]\nx = 9223372036854775808", "64 bits|int"),
        (b"scenario = 'x'\n[fixed]\nx = [1]", "fixed"),
    ],
)
@pytest.mark.parametrize("read", [load_sweep_file, lambda file: sweep(str(file), file.parent / "out", *UNUSED)])
def test_malformed_sweep_file_is_one_line_that_names_it(tmp_path: Path, content: bytes, expected: str, read) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes(content)
    with pytest.raises(InputError, match=expected) as caught:
        read(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_count_of_seeds_beyond_reason_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="at most 1000000"):
        run_many(sweep_tasks.noisy, [{}], 10**12, Serial())


def test_command_whose_runs_failed_has_exit_code_one(tmp_path: Path) -> None:
    command = ["sweep", "dealer_market", "--over", "horizon=1h", "--workers", "1", "--measure"]
    for measure, code in (("fails", 1), ("works", 0)):
        done = CliRunner().invoke(app, [*command, f"test_sweep_faults:{measure}", "--out", str(tmp_path / measure)])
        assert done.exit_code == code, done.output
        assert ("1 of 1 runs failed" in done.output) is bool(code)
        console = Console(file=io.StringIO(), width=160)
        sweep_report(tmp_path / measure, (), console)  # Also of a sweep that has no metric, because every run failed.
        write_report([tmp_path / measure])


def fails(scenario, seed, out):
    raise ValueError("never")


def works(scenario, seed, out):
    return sweep_tasks.TaskResult({"y": 1.0}, "d")
