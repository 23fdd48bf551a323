"""What happened in the markets that claims rest on is what happened before the last change of structure."""

from __future__ import annotations

import json

import pytest

from lob_sim import load_scenario, run
from tests.golden.preserved import KEPT, cases, compare, differences, digests_of

QUICK = ("golden", "dealer_market", "whole_system")


@pytest.mark.parametrize(
    "case", [pytest.param(c, marks=[] if c in QUICK else [pytest.mark.validate]) for c in cases()], ids=str
)
def test_the_datasets_are_row_for_row_what_they_were(case: str) -> None:
    assert compare(case) == [], "if that is meant: python -m tests.golden.preserved --renew"


def test_control_another_seed_and_a_missing_column_are_seen() -> None:
    kept = json.loads(KEPT.read_text())["dealer_market"]
    other = digests_of(run(load_scenario("dealer_market", ["horizon=2min"]), seed=2))
    assert "trade.price_ticks: differs" in differences(kept, other)
    fewer = {name: dict(columns) for name, columns in kept.items()}
    del fewer["trade"]["qty_lots"]
    assert differences(kept, fewer) == ["trade.qty_lots: is gone"]


def test_control_a_log_that_says_more_still_compares() -> None:
    kept = json.loads(KEPT.read_text())["golden"]
    more = {name: {**columns, "something_new": "0"} for name, columns in kept.items()}
    assert differences(kept, more) == []
