"""Pages of sweeps and validations: what they tell first, in words, and what failed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_runs import payload

from lob_sim.analysis.claims import Row
from lob_sim.analysis.metric_names import metric_text
from lob_sim.cli.reporting import write_report
from lob_sim.report.results_page import Case, read_validation
from lob_sim.report.static_style import paper_style
from lob_sim.report.sweep_charts import curve_charts, map_charts, page_figure, paper_chart
from lob_sim.report.sweep_page import PAPER_FORMATS, SweepTables, sweep_page, write_sweep_figures
from lob_sim.sweep import Axis, Design, Serial, SweepPlan, TaskSpec, run_sweep


def outcome(spec: TaskSpec) -> dict[str, float]:
    """A run of nothing, which can fail."""
    if spec.overrides.get("x") == 2:
        raise ValueError("cannot do <u>x</u> = 2")
    return {"y": float(spec.seed % 7)}


def page_of_sweep(folder: Path, *axes: Axis) -> str:
    run_sweep(SweepPlan(task=outcome, design=Design(axes, "grid", 0), seeds=2), folder, executor=Serial())
    return write_report([folder]).read_text(encoding="utf-8")


def test_a_sweeps_page_tells_what_failed_and_escapes_what_it_shows(tmp_path: Path) -> None:
    text = page_of_sweep(tmp_path / "s", Axis("x", (1, 2)), Axis("<blink>", ("<s>", "<u>")))
    assert "8 of 8 runs are there, 4 failed" in text
    assert "cannot do &lt;u&gt;x&lt;/u&gt; = 2" in text
    assert not re.search("<(blink|s|u)>", text[text.index("<body>") : text.index("<script>")])
    assert not re.search(r'(src|href)="(?!data:|#)', text[: text.index("<script>")])


def test_a_sweep_of_one_point_has_a_table_and_no_curve(tmp_path: Path) -> None:
    text = page_of_sweep(tmp_path / "s")
    assert "2 of 2 runs are there, 0 failed" in text
    assert payload(text)["panels"] == {}


def tables_of(names: dict[str, tuple[float, float]], **more: Any) -> SweepTables:
    rows = [("x", value, metric, means[k]) for metric, means in names.items() for k, value in enumerate((1, 2))]
    curves = pd.DataFrame(rows, columns=["axis", "value", "metric", "mean"]).assign(low=0.0, high=1.0)
    summary = curves.rename(columns={"value": "x"}).assign(point=curves["value"], n=2, failed=0)
    maps = pd.DataFrame(columns=["x_axis", "y_axis", "x", "y", "metric", "mean"])
    added = pd.DataFrame(columns=["axis", "value", "against", "metric", "difference", "low", "high", "n"])
    return SweepTables("s", [], {"x": "x"}, summary, curves, maps, added, {}, **more)


NAMES = {"bid_absence": (0.0, 0.0), "rfq_share": (0.1, 0.2), "spread_pct": (0.3, 0.4), "tier1_loss": (np.nan,) * 2}


def test_a_sweep_opens_on_a_metric_that_moves_in_words_with_its_unit() -> None:
    text = sweep_page(tables_of(NAMES))
    panel = payload(text)["panels"]["curve-0"]
    assert panel["first"] == metric_text("spread_pct")
    assert list(panel["variants"]) == [metric_text(name) for name in ("bid_absence", "rfq_share", "spread_pct")]
    titles = {name: cells[0]["layout"]["yaxis"]["title"]["text"] for name, cells in panel["variants"].items()}
    assert titles[metric_text("rfq_share")] == "lots dealt by request for quote (share)"
    assert metric_text("overshoot_pct.bond") == "bond: worst price below fair value (%)"


def test_a_sweeps_table_has_a_row_per_point_and_the_metrics_that_move() -> None:
    text = sweep_page(tables_of(NAMES))
    table = text[text.index('<table id="summary"') :].partition("</table>")[0]
    assert table.count("<tr>") == 1 + 2
    assert re.findall('title="([a-z_0-9]+)"', table) == ["spread_pct", "rfq_share"]
    others = text[text.index('<table id="others"') :].partition("</table>")[0]
    assert re.findall('title="([a-z_0-9]+)"', others) == ["bid_absence", "tier1_loss"]
    asked = sweep_page(tables_of(NAMES, metrics=["bid_absence"]))
    table = asked[asked.index('<table id="summary"') :].partition("</table>")[0]
    assert re.findall('title="([a-z_0-9]+)"', table) == ["bid_absence"]


def test_one_description_gives_the_page_and_the_paper_the_same_numbers() -> None:
    tables = tables_of(NAMES)
    for is_sampled in (False, True):
        chart = next(c for c in curve_charts(tables.curves, {}, is_sampled) if c.metric == "spread_pct")
        drawn = page_figure(chart)["data"][-1]
        with paper_style():
            axis = paper_chart(chart).axes[0]
        line = axis.lines[0]
        assert drawn["x"] == np.asarray(line.get_xdata()).tolist() == [1, 2]
        assert drawn["y"] == np.asarray(line.get_ydata()).tolist() == [0.3, 0.4]
        assert ("error_y" in drawn) is not is_sampled
        assert axis.get_ylabel().replace("\n", " ") == metric_text("spread_pct")
    cells = pd.DataFrame({"x_axis": "a", "y_axis": "b", "x": [1, 1, 2], "y": [1, 2, 2], "metric": "spread_pct"})
    (chart,) = map_charts(cells.assign(mean=[0.1, 0.2, 0.3]), {"a": "A"})
    assert page_figure(chart)["data"][0]["z"] == [[0.1, pytest.approx(np.nan, nan_ok=True)], [0.2, 0.3]]
    with paper_style():
        plot = paper_chart(chart).axes[0]
    assert (plot.get_xlabel(), plot.get_ylabel()) == ("A", "b")
    assert np.ma.asarray(plot.images[0].get_array())[1].tolist() == [0.2, 0.3]


def test_paper_figures_are_of_every_format_and_the_same_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files = write_sweep_figures(tables_of(NAMES), tmp_path / name)
    assert {path.name for path in files} == {
        f"curve-{metric}-x.{form}" for metric in ("spread_pct", "rfq_share") for form in PAPER_FORMATS
    }
    assert all((tmp_path / "a" / path.name).read_bytes() == path.read_bytes() for path in files)
    # Black, white and grey: what is told is told without a colour.
    pixels = np.asarray(Image.open(tmp_path / "a" / "curve-spread_pct-x.png").convert("RGB"), dtype=int)
    assert np.ptp(pixels, axis=2).max() == 0


def test_a_validation_has_a_page_with_its_verdicts(tmp_path: Path) -> None:
    good = Row("a", 1.02, 1.0, 0.01, "=", 0.0, "holds", "theory")
    bad = Row("b", 2.0, 1.0, 0.01, "=", 0.0, "fails", "theory")
    bound = Row("c", 2.0, 1.0, 0.01, ">", 0.0, "holds", "theory")
    path = tmp_path / "validation.json"
    path.write_bytes(
        msgspec.json.encode([Case("q", "python -m q", [good, bad]), Case("q", "python -m q --part 2", [bound])])
    )
    assert [case.rows for case in read_validation(path)] == [[good, bad], [bound]]
    text = write_report([path]).read_text(encoding="utf-8")
    assert "2 of 3 claims hold" in text
    failing = text[text.index("What does not hold") : text.index('id="distances"')]
    assert re.findall("<tr><td>(.)</td>", failing) == ["b"]
    assert text.count('<details class="question">') == 1  # Two parts of one question are told together.
    assert "python -m q --part 2" in text
    drawn = {t["name"]: t["y"] for t in payload(text)["panels"]["distances"]["variants"][""][0]["data"]}
    assert drawn["holds"] == pytest.approx([100 * 0.02 / 0.03])
    assert drawn["fails"] == pytest.approx([100 * 1.0 / 0.03])
