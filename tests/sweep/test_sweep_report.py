from __future__ import annotations

import io
import re

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sweep_tasks import failing, noisy

from lob_sim.errors import InputError
from lob_sim.sweep import Axis, Design, Serial, SweepPlan, TaskSpec, bootstrap, parse_axis, run_sweep
from lob_sim.sweep.report import curve, heat_map, summary_table, write_figures
from lob_sim.sweep.tables import summarise


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
        write_figures(sweep, ["nois"])


def test_curve_shows_the_means_at_the_values_of_the_axis(tmp_path) -> None:
    frame = swept(tmp_path, [Axis("x", (1, 2, 4)), Axis("w", (0, 1))]).frame()
    line = curve(frame, "y", "x", sampled=False).axes[0].lines[0]
    assert np.asarray(line.get_xdata()).tolist() == [1, 2, 4]
    assert np.allclose(line.get_ydata(), frame.groupby("x")["y"].mean())


def test_curve_over_names_is_labelled(tmp_path) -> None:
    frame = swept(tmp_path, [Axis("mode", ("slow", "fast"))]).frame()
    labels = [t.get_text() for t in curve(frame, "y", "mode", sampled=False).axes[0].get_xticklabels()]
    assert labels == ["fast", "slow"]


def test_curve_of_a_sample_is_binned_over_points(tmp_path) -> None:
    frame = swept(tmp_path, [Axis("x", (), 0, 1), Axis("w", (), 0, 1)], kind="sobol", n=64, seeds=2).frame()
    line = curve(frame, "y", "x", sampled=True).axes[0].lines[0]
    assert len(np.asarray(line.get_xdata())) == 8
    # Eight bins of a sample of [0, 1]: their centres, to within half a bin.
    assert np.allclose(np.asarray(line.get_xdata()), (np.arange(8) + 0.5) / 8, atol=1 / 16)
    slope = np.polyfit(np.asarray(line.get_xdata()), np.asarray(line.get_ydata()), 1)[0]
    assert slope == pytest.approx(2.0, abs=1e-6)  # Common random numbers: the noise is the same everywhere.


def test_heat_map_has_each_mean_in_its_cell(tmp_path) -> None:
    frame = swept(tmp_path, [Axis("x", (1, 2, 4)), Axis("w", (0, 1))]).frame()
    image = np.asarray(heat_map(frame, "y", "x", "w", sampled=False).axes[0].images[0].get_array())
    assert image.shape == (2, 3)
    assert np.allclose(image, frame.groupby(["w", "x"])["y"].mean().unstack("x"))


def test_figures_of_every_metric_and_axis_and_a_table(tmp_path) -> None:
    sweep = swept(tmp_path, [parse_axis("x=1,2,3"), parse_axis("w=a,b")], failing)
    folder = write_figures(sweep)
    files = {path.name for path in folder.glob("*.png")}
    assert files == {f"{k}.png" for k in ("curve-y-x", "curve-y-w", "map-y-x-w")} | {
        f"{k}.png" for k in ("curve-noise-x", "curve-noise-w", "map-noise-x-w")
    }
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in folder.glob("*.png"))
    assert len(pd.read_csv(folder / "summary.csv")) == 6 * 2


def test_one_point_has_a_table_and_no_figure(tmp_path) -> None:
    folder = write_figures(swept(tmp_path, [], seeds=1))
    assert [path.name for path in folder.iterdir()] == ["summary.csv"]


def nothing(spec: TaskSpec) -> dict[str, float]:
    return {"found": 1.0, "missing": float("nan"), "endless": float("inf")}


def test_what_no_run_has_a_value_of_has_a_row_and_no_figure(tmp_path) -> None:
    folder = write_figures(swept(tmp_path, [parse_axis("x=1,2"), parse_axis("w=a,b")], nothing))
    assert {path.name.split("-")[1] for path in folder.glob("*.png")} == {"found"}
    assert set(pd.read_csv(folder / "summary.csv")["metric"]) == {"found", "missing", "endless"}


def test_the_same_sweep_gives_the_same_figures(tmp_path) -> None:
    sweep = swept(tmp_path, [parse_axis("x=1,2,3")])
    first, again = (write_figures(sweep, ["y"], tmp_path / name) / "curve-y-x.png" for name in ("a", "b"))
    assert first.read_bytes() == again.read_bytes()
