"""Pages of sweeps and validations: what they tell first, in words, and what failed."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest
from report_runs import payload

from lob_sim.cli.reporting import write_report
from lob_sim.report.formatting import metric_text
from lob_sim.report.results_page import Case, Claim, read_validation, sweep_page
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


def test_a_sweep_opens_on_a_metric_that_moves_in_words_with_its_unit() -> None:
    names = {"bid_absence": (0.0, 0.0), "rfq_share": (0.1, 0.2), "spread_pct": (0.3, 0.4), "tier1_loss": (np.nan,) * 2}
    rows = [("x", value, metric, means[k]) for metric, means in names.items() for k, value in enumerate((1, 2))]
    curves = pd.DataFrame(rows, columns=["axis", "value", "metric", "mean"]).assign(low=0.0, high=1.0)
    text = sweep_page(
        "s",
        [],
        curves.drop(columns="axis"),
        curves,
        pd.DataFrame(columns=["x_axis", "y_axis", "x", "y", "metric", "mean"]),
        {},
    )
    panel = payload(text)["panels"]["curve-0"]
    assert panel["first"] == "spread_pct"
    assert list(panel["variants"]) == ["bid_absence", "rfq_share", "spread_pct"]
    titles = {name: cells[0]["layout"]["yaxis"]["title"]["text"] for name, cells in panel["variants"].items()}
    assert titles["rfq_share"] == "lots dealt by request for quote<br>(share)"
    assert "<dd>fall of all Tier 1 capital (currency units)</dd>" in text
    assert metric_text("overshoot_pct.bond") == "bond: worst price below fair value (%)"


def test_a_validation_has_a_page_with_its_verdicts(tmp_path: Path) -> None:
    good = Claim("a", 1.02, 1.0, 0.01, "=", 0.0, "holds", "theory")
    bad = Claim("b", 2.0, 1.0, 0.01, "=", 0.0, "fails", "theory")
    bound = Claim("c", 2.0, 1.0, 0.01, ">", 0.0, "holds", "theory")
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
