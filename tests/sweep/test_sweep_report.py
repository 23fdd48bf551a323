from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sweep_tasks import failing, noisy
from typer.testing import CliRunner

from lob_sim.analysis.metric_names import main_metrics
from lob_sim.cli.app import app
from lob_sim.cli.reporting import sweep_tables
from lob_sim.errors import InputError
from lob_sim.report.sweep_page import sweep_page, write_sweep_figures
from lob_sim.sweep import Axis, Design, Serial, SweepPlan, TaskSpec, bootstrap, parse_axis, run_sweep
from lob_sim.sweep.report import summary_table
from lob_sim.sweep.tables import curves, differences, maps, short_paths, summarise


def swept(tmp_path, axes, task=noisy, kind="grid", n=0, seeds=6):
    design = Design(tuple(axes), kind, n)
    return run_sweep(SweepPlan(task=task, design=design, seeds=seeds), tmp_path / "s", executor=Serial())


def test_summary_is_the_mean_and_interval_over_seeds(tmp_path) -> None:
    frame = swept(tmp_path, [Axis("x", (1, 5))]).frame()
    summary = summarise(frame)
    row = summary[(summary["x"] == 5) & (summary["metric"] == "y")].iloc[0]
    values = frame[frame["x"] == 5]["y"]
    expected = bootstrap(values.to_numpy())
    assert (row["mean"], row["low"], row["high"]) == (expected.value, expected.low, expected.high)
    assert (row["n"], row["failed"]) == (6, 0)


def test_summary_says_what_failed(tmp_path) -> None:
    frame = swept(tmp_path, [Axis("x", (1, 2))], failing).frame()
    summary = summarise(frame, ["y"])
    assert summary["failed"].tolist() == [0, 6]
    assert summary["n"].tolist() == [6, 0]
    assert np.isnan(summary["mean"][1])
    console = Console(record=True, width=200, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(summary_table(summary, ["x"], "a sweep"))
    text = console.export_text()
    assert "a sweep" in text
    assert re.search(r"\b2\b.*nan.*\b0\b.*\b6\b", text)


def test_many_metrics_get_a_row_each() -> None:
    names = [f"m{k}" for k in range(9)]
    rows = [{"point": 0, "x": 7, "metric": n, "mean": 1.5, "low": 1.0, "high": 2.0, "n": 3, "failed": 0} for n in names]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(summary_table(pd.DataFrame(rows), ["x"]))
    text = console.export_text()
    assert all(re.search(rf"\b{name}\b.*1\.5 \[1, 2\]", text) for name in names)
    assert "…" not in text


def test_unknown_metric_is_refused_with_the_nearest(tmp_path) -> None:
    sweep = swept(tmp_path, [Axis("x", (1, 5))])
    with pytest.raises(InputError, match=r"no metric 'nois', did you mean 'noise'"):
        sweep_tables(sweep.directory, ["nois"])


def test_a_metric_has_its_meaning_beside_it() -> None:
    rows = [{"point": 0, "x": 7, "metric": "spread_pct", "mean": 1.5, "low": 1.0, "high": 2.0, "n": 3, "failed": 0}]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(summary_table(pd.DataFrame(rows), ["x"]))
    assert "spread_pct: mean spread of the lit books (% of fair value)" in " ".join(console.export_text().split())


def test_a_few_metrics_are_told_unless_others_are_asked_for() -> None:
    def told(**means: tuple[float, float]) -> list[str]:
        return main_metrics(pd.DataFrame([(m, v) for m, vs in means.items() for v in vs], columns=["metric", "mean"]))

    assert told(forced_lots=(0.0, 0.0), spread_pct=(1.0, 2.0), a=(1.0, 2.0)) == ["spread_pct"]
    assert told(forced_lots=(0.0, 0.0)) == ["forced_lots"]
    assert told(**dict.fromkeys("abcdefgh", (1.0, 2.0))) == list("abcdef")


def test_curves_are_the_means_at_the_values_of_the_axis(tmp_path) -> None:
    sweep = swept(tmp_path, [Axis("x", (1, 2, 4)), Axis("w", (0, 1))])
    frame, found = sweep.frame(), sweep_tables(sweep.directory).curves
    own = found[(found["axis"] == "x") & (found["metric"] == "y")]
    assert own["value"].tolist() == [1, 2, 4]
    assert np.allclose(own["mean"], frame.groupby("x")["y"].mean())


def test_curve_of_a_sample_is_binned_over_points(tmp_path) -> None:
    sweep = swept(tmp_path, [Axis("x", (), 0, 1), Axis("w", (), 0, 1)], kind="sobol", n=64, seeds=2)
    tables = sweep_tables(sweep.directory)
    assert tables.is_sampled
    own = tables.curves.query("axis == 'x' and metric == 'y'")
    # Eight bins of a sample of [0, 1]: their centres, to within half a bin.
    assert np.allclose(own["value"].to_numpy(float), (np.arange(8) + 0.5) / 8, atol=1 / 16)
    slope = np.polyfit(own["value"].to_numpy(float), own["mean"].to_numpy(float), 1)[0]
    assert slope == pytest.approx(2.0, abs=1e-6)  # Common random numbers: the noise is the same everywhere.
    assert not len(tables.differences)


def test_a_map_has_each_mean_in_its_cell(tmp_path) -> None:
    sweep = swept(tmp_path, [Axis("x", (1, 2, 4)), Axis("w", (0, 1))])
    found = sweep_tables(sweep.directory).maps.query("metric == 'y'").pivot(index="y", columns="x", values="mean")
    assert np.allclose(found, sweep.frame().groupby(["w", "x"])["y"].mean().unstack("x"))


def test_differences_are_paired_by_seed(tmp_path) -> None:
    """What the seed does to both sides cancels: y is 2 x and noise, and the interval of the difference has no width."""
    sweep = swept(tmp_path, [Axis("x", (1, 3)), Axis("w", (0, 1))])
    frame, found = sweep.frame(), sweep_tables(sweep.directory).differences
    row = found.query("axis == 'x' and metric == 'y'").iloc[0]
    by_seed = frame.groupby(["x", "seed"])["y"].mean().unstack("x")
    expected = bootstrap((by_seed[3] - by_seed[1]).to_numpy())
    assert (row["difference"], row["low"], row["high"]) == (expected.value, expected.low, expected.high)
    assert (row["against"], row["value"], row["n"]) == (1, 3, 6)
    # Control: of unpaired samples it would be far wider.
    unpaired = bootstrap(by_seed[3].to_numpy()).high - bootstrap(by_seed[3].to_numpy()).low
    assert row["high"] - row["low"] < unpaired / 100


@pytest.mark.parametrize(
    ("paths", "short"),
    [
        (["agents.dealer.count", "horizon"], ["dealer.count", "horizon"]),
        (["agents.dealer.params.prior_alpha"], ["dealer.prior_alpha"]),
        (["agents.a.params.belief.sd", "agents.b.params.belief.sd"], ["a.belief.sd", "b.belief.sd"]),
        (["agents.x.count", "x.count"], ["agents.x.count", "x.count"]),
    ],
)
def test_shortened_paths_stay_distinct(paths: list[str], short: list[str]) -> None:
    assert list(short_paths(paths).values()) == short
    assert len(set(short)) == len(paths)


def test_the_command_writes_figures_of_every_metric_and_axis_and_a_table(tmp_path) -> None:
    sweep = swept(tmp_path, [parse_axis("x=1,2,3"), parse_axis("w=a,b")], failing)
    asked = ["--metric", "y", "--metric", "noise"]  # The noise is the same at every point, and would not be told.
    done = CliRunner().invoke(app, ["sweep-report", str(sweep.directory), *asked], catch_exceptions=False)
    assert done.exit_code == 0
    folder = sweep.directory / "figures"
    stems = {f"{kind}-{metric}-{axes}" for metric in ("y", "noise") for kind, axes in KINDS}
    assert {path.name for path in folder.iterdir()} == {"summary.csv"} | {
        f"{stem}.{form}" for stem in stems for form in ("pdf", "svg", "png")
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))
    assert all(path.read_bytes().startswith(b"%PDF") for path in folder.glob("*.pdf"))
    assert len(pd.read_csv(folder / "summary.csv")) == 6 * 2
    assert (sweep.directory / "report.html").is_file()


KINDS = (("curve", "x"), ("curve", "w"), ("map", "x-w"))


def test_one_point_has_a_table_and_no_figure(tmp_path) -> None:
    tables = sweep_tables(swept(tmp_path, [], seeds=1).directory)
    assert write_sweep_figures(tables, tmp_path) == []
    assert len(tables.summary) == 2


def nothing(spec: TaskSpec) -> dict[str, float]:
    return {"found": 1.0, "missing": float("nan"), "endless": float("inf")}


def test_what_no_run_has_a_value_of_has_a_row_and_no_figure(tmp_path) -> None:
    tables = sweep_tables(swept(tmp_path, [parse_axis("x=1,2"), parse_axis("w=a,b")], nothing).directory)
    assert {path.name.split("-")[1] for path in write_sweep_figures(tables, tmp_path)} == {"found"}
    assert set(tables.summary["metric"]) == {"found", "missing", "endless"}


# --- runs without a value ----------------------------------------------------------------------------------------


def grid(missing: dict[tuple[int, int], range] | None = None, seeds: int = 6) -> pd.DataFrame:
    """A 2 × 2 grid in which ``a`` does nothing: b + 0.1 × seed, NaN at points with the seeds that are missing."""
    rows = [
        {"point": 2 * i + j, "seed": seed, "status": "ok", "a": a, "b": b, "value": b + 0.1 * seed}
        for i, a in enumerate((1, 2))
        for j, b in enumerate((0, 100))
        for seed in range(seeds)
    ]
    frame = pd.DataFrame(rows)
    for (a, b), lost in (missing or {}).items():
        frame.loc[(frame["a"] == a) & (frame["b"] == b) & frame["seed"].isin(lost), "value"] = np.nan
    frame.attrs |= {"parameters": ["a", "b"], "metrics": ["value"]}
    return frame


@pytest.mark.parametrize("as_failed", [False, True])
@pytest.mark.parametrize("axes", [["a", "b"], ["a"]])
def test_missing_runs_do_not_confound_an_axis_with_another(axes: list[str], as_failed: bool) -> None:
    """Without the seeds that lack a run, a's value 2 would be averaged over b = 100 more often than its value 1."""
    frame = grid({(2, 0): range(3)})
    if as_failed:
        frame.loc[frame["value"].isna(), "status"] = "failed"
    row = differences(frame, ["value"], axes).query("axis == 'a'").iloc[0]
    assert row["difference"] == pytest.approx(0.0, abs=1e-12)
    assert row["n"] == 3
    along = curves(frame, ["value"], axes, sampled=False).query("axis == 'a'")
    assert along["mean"].to_numpy() == pytest.approx([50.4, 50.4])
    assert (along["low"] < 50.4).all()
    # The control: with every run there, all six seeds count.
    whole = curves(grid(), ["value"], axes, sampled=False).query("axis == 'a'")
    assert whole["mean"].to_numpy() == pytest.approx([50.25, 50.25])
    assert differences(grid(), ["value"], axes).query("axis == 'a'").iloc[0]["n"] == 6


def test_a_map_is_over_the_same_seeds_in_all_its_cells() -> None:
    found = maps(grid({(2, 0): range(3)}), ["value"], ["a", "b"])
    assert found["mean"].to_numpy() == pytest.approx([0.4, 100.4, 0.4, 100.4])
    assert maps(grid(), ["value"], ["a", "b"])["mean"].to_numpy() == pytest.approx([0.25, 100.25, 0.25, 100.25])


def test_an_empty_cell_has_no_mean_and_no_difference() -> None:
    frame = grid({(2, 0): range(6)})
    row = differences(frame, ["value"], ["a", "b"]).query("axis == 'a'").iloc[0]
    assert np.isnan([row["difference"], row["low"], row["high"]]).all()
    assert row["n"] == 0
    along = curves(frame, ["value"], ["a", "b"], sampled=False).query("axis == 'a'")["mean"].to_numpy()
    assert along[0] == pytest.approx(50.25)
    assert np.isnan(along[1])
    assert np.isnan(maps(frame, ["value"], ["a", "b"])["mean"]).tolist() == [False, False, True, False]
    # A point of the other axis that is empty throughout is left out for all: b = 100 compares like with like.
    gone = grid({(1, 0): range(6), (2, 0): range(6)})
    assert differences(gone, ["value"], ["a", "b"]).query("axis == 'a'").iloc[0]["difference"] == pytest.approx(0.0)


def test_a_point_that_is_not_there_yet_is_an_empty_cell() -> None:
    frame = grid()
    frame = frame[(frame["a"] == 1) | (frame["b"] == 100)]
    row = differences(frame, ["value"], ["a", "b"]).query("axis == 'a'").iloc[0]
    assert np.isnan(row["difference"])


def test_the_page_shows_no_number_where_there_is_no_difference(tmp_path) -> None:
    sweep = swept(tmp_path, [parse_axis("x=1,2,3"), parse_axis("w=a,b")], failing)
    tables = sweep_tables(sweep.directory, ["y"])
    found = tables.differences.query("axis == 'x' and metric == 'y'").set_index("value")
    assert np.isnan(found["difference"][2])
    assert found["n"].to_dict() == {2: 0, 3: 6}
    assert any("over the seeds that have a value at all of them" in note for note in tables.notes)
    page = sweep_page(tables)
    assert "+nan" not in page
    assert "2 less 1" in page
