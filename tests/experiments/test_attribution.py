"""What each mechanism has of the threshold: Shapley values, what is run for them, and what is kept of it."""

from __future__ import annotations

import inspect
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from experiments import information_spiral
from experiments.spiral import (
    attribution,
    cells,
    record,
    threshold,
)
from experiments.spiral.cells import BOTH, CONSTRAINTS_ALONE, INFORMATION_ALONE, NEITHER
from lob_sim.errors import DataError, InputError
from lob_sim.scenario import Scenario


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return cells.flagship()


def test_shapley_values_are_those_of_the_areas(monkeypatch: pytest.MonkeyPatch, scenario: Scenario) -> None:
    """Limits lower every threshold by one each, and information by one more once there is a limit."""

    def constructed(names: dict[str, Scenario], runs: object, title: str, measure: object) -> dict[str, pd.DataFrame]:
        found = {}
        for name in names:
            on, _, size = name.partition(" | ")
            limits = sum(limit not in on for limit in ("slr", "var", "funding"))
            threshold = 8.0 - limits - (limits > 0 and "toxicity" not in on)
            worst = 5.0 if size and float(size) > threshold else 0.0
            found[name] = pd.DataFrame({"worst_pct.treasury": worst, "rms_pct.treasury": 0.01}, index=range(4))
        return found

    monkeypatch.setattr(attribution.cells, "run_scenarios", constructed)
    sizes = np.linspace(3, 9, 61).tolist()
    shares, (values, curves), rows = attribution.attribute(attribution.run_coalitions(scenario, sizes, cells.Runs(4)))
    assert [row.holds for row in rows] == [True, True, True]
    # Of the one that information adds it has half in 12 of 24 orders, and so on: 3/4, and limits a twelfth more each.
    assert shares["information"].value == pytest.approx(0.75, abs=0.1)
    assert shares["SLR"].value == pytest.approx(1 + 1 / 12, abs=0.1)
    assert len(curves.rows) == 16
    assert values.columns == list(attribution.GROUPS)


def test_shapley_values_take_what_the_threshold_has_run(
    monkeypatch: pytest.MonkeyPatch, scenario: Scenario, tmp_path: Path
) -> None:
    """With SLR on every run spirals if dealers learn, and every second seed if they do not."""
    asked: list[str] = []

    def constructed(
        names: dict[str, Scenario], runs: cells.Runs, title: str, measure: object
    ) -> dict[str, pd.DataFrame]:
        asked.extend(names)
        seeds = np.arange(runs.first, runs.first + runs.seeds)
        found = {}
        for name in names:
            limits = name != "calm" and "slr" not in name
            worst = np.where(limits & (("toxicity" not in name) | (seeds % 2 == 0)), 5.0, 0.0)
            found[name] = pd.DataFrame({"worst_pct.treasury": worst, "rms_pct.treasury": 0.01}, index=seeds)
        return found

    monkeypatch.setattr(attribution.cells, "run_scenarios", constructed)
    sizes, runs = [4.0, 5.0, 6.0], cells.Runs(4, 103)
    whole = attribution.run_coalitions(scenario, sizes, runs)
    # The threshold has more sizes and seeds.
    more = [4.0, 5.0, 5.5, 6.0]
    both, limited, none = [[5.0] * 8] * 4, [[0.0, 5.0] * 4] * 4, [[0.0] * 8] * 4
    found = {BOTH: both, CONSTRAINTS_ALONE: limited, INFORMATION_ALONE: none, NEITHER: none}
    known = threshold.Spirals("", 5.0, more, 101, [0.01] * 8, found, [0.0] * 8)
    before, names = len(asked), set(asked)
    again = attribution.run_coalitions(scenario, sizes, runs, known)
    assert again == whole
    # Four coalitions and calm were not run again, and nothing was that is not run without.
    assert before - len(asked[before:]) == 4 * len(sizes) + 1
    assert set(asked[before:]) < names
    # The control: what is taken is what the threshold has.
    other = threshold.Spirals("", 5.0, more, 101, [0.01] * 8, {**found, BOTH: limited}, [0.0] * 8)
    changed = attribution.run_coalitions(scenario, sizes, runs, other)
    assert attribution.attribute(changed)[0] != attribution.attribute(whole)[0]
    for wrong in (cells.Runs(4, 100), cells.Runs(7, 103)):
        with pytest.raises(InputError, match="has not all of the sizes, or of the seeds"):
            attribution.run_coalitions(scenario, sizes, wrong, known)
    with pytest.raises(InputError, match="has not all of the sizes"):
        attribution.run_coalitions(scenario, [4.0, 7.0], runs, known)

    monkeypatch.setattr(record, "ROOT", tmp_path)
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    (tmp_path / "docs" / "model.md").write_text("no place for it\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"docs/model\.md.*no place for the table"):
        record.publish_shapley(whole, tmp_path)
    assert not (tmp_path / record.SHAPLEY).exists()
    marks = record._BEGIN.format("publish-shapley"), record._END
    (tmp_path / "docs" / "model.md").write_text("a\n" + "\nformer\n".join(marks) + "\nb\n", encoding="utf-8")
    assert all(path.is_file() for path in record.publish_shapley(whole, tmp_path))
    assert record.load_shapley(tmp_path) == whole
    text = (tmp_path / "docs" / "model.md").read_text(encoding="utf-8")
    assert text.startswith("a\n")
    assert text.endswith("b\n")
    assert "former" not in text
    assert f"| information | {attribution.attribute(whole)[0]['information'].value:.2f} [" in text


def test_the_coalitions_that_are_kept_are_what_the_document_of_the_model_says() -> None:
    found, document = record.load_shapley(), (record.ROOT / record.MODEL).read_text(encoding="utf-8")
    assert record.with_block(document, record.shapley_block(found), record.MODEL) == document
    asked = inspect.signature(information_spiral._publish_shapley).parameters
    assert (found.sizes, found.first_seed) == (threshold.parse_sizes(asked["sizes"].default), threshold.FIRST_SEED)
    assert len(found.calm_rms_pct) == asked["seeds"].default
    # Cells of the threshold are those of the threshold's record.
    whole = record.load_record().sizes
    for size, worst in zip(found.sizes, found.worst_pct[BOTH], strict=True):
        assert worst == whole.worst_pct[BOTH][whole.sizes.index(size)][: len(worst)]
    # The control: without fear it would say something else.
    other = msgspec.structs.replace(found, worst_pct=found.worst_pct | {BOTH: found.worst_pct[CONSTRAINTS_ALONE]})
    assert record.shapley_block(other) != record.shapley_block(found)
