"""Options at the ends of their ranges, and beyond: a claim or an error that names the option, never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from verdicts import failing

from experiments.validation import (
    glosten_milgrom,
    gueant_lehalle,
    kyle,
    loss_and_margin_spiral,
    spread_measures,
    zero_intelligence,
)
from lob_sim.experiment import Experiment


@pytest.mark.parametrize(
    ("experiment", "arguments", "named"),
    [
        (glosten_milgrom.EXPERIMENT, ["--assumed-mu", "1.5"], "--assumed-mu"),
        (glosten_milgrom.EXPERIMENT, ["--assumed-mu", "-0.3"], "--assumed-mu"),
        (spread_measures.EXPERIMENT, ["--reversal", "1.5"], "--reversal"),
        (spread_measures.EXPERIMENT, ["--adverse", "0.6", "--inventory", "0.6"], "--inventory"),
        (gueant_lehalle.EXPERIMENT, ["--gamma", "0.0001"], "--gamma"),
        (kyle.EXPERIMENT, ["--slope-factor", "0"], "--slope-factor"),
        (zero_intelligence.EXPERIMENT, ["--epsilon-low", "2", "--epsilon-high", "1"], "--epsilon-high"),
        (loss_and_margin_spiral.EXPERIMENT, ["--fall", "0.1"], "--fall"),
        (loss_and_margin_spiral.EXPERIMENT, ["--position", "100"], "--fall"),
        (loss_and_margin_spiral.EXPERIMENT, ["--slope", "100000"], "--fall"),
        (loss_and_margin_spiral.EXPERIMENT, ["--margin-slope", "nan"], "--margin-slope"),
    ],
)
def test_what_means_nothing_is_refused(
    experiment: Experiment, arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        experiment.main(["--quick", "--workers", "1", *arguments])
    assert ended.value.code == 2
    assert named in capsys.readouterr().err


@pytest.mark.parametrize("options", [{"mu": 0.95, "delta": 0.01, "traders": 2}, {"mu": 0.001, "delta": 0.99}])
def test_glosten_and_milgrom_at_the_ends(options: dict[str, Any]) -> None:
    outcome = glosten_milgrom.run(**{"runs": 60, "traders": 15} | options)
    assert len(outcome.rows) >= 7
    assert not [claim for claim in failing(outcome.rows) if "martingale" not in claim and "realised" not in claim]


@pytest.mark.parametrize("gamma", [gueant_lehalle.LEAST_AVERSION, 0.1])
def test_the_closed_form_is_nearly_exact_at_the_ends_of_its_range(gamma: float) -> None:
    visited = gueant_lehalle.stationary_shares(gamma) > 1e-3
    markup = np.log(1 + gamma / gueant_lehalle.DECAY) / gamma
    pairs = zip(gueant_lehalle.closed_distances(gamma), gueant_lehalle.exact_distances(gamma), strict=True)
    assert max(np.nanmax(np.abs(closed - exact)[visited]) for closed, exact in pairs) < 0.01 * markup


def test_a_figure_of_a_spread_without_an_inventory_share(tmp_path: Path) -> None:
    outcome = spread_measures.run(inventory=0.0, runs=6, trades=400)
    assert outcome.draw is not None
    outcome.draw(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 0
