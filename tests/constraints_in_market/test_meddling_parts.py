"""A desk's part of a user's own that writes into what it is shown: the market is as if it had only read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lob_sim import load_scenario, run
from lob_sim.scenario import Scenario, apply_overrides, parse_scenario, scenario_to_dict

PARTS = """
from lob_sim import SlrConstraint
from lob_sim.balance.liquidation import Immediate
from lob_sim.balance.liquidation_sequence import CashFirst

MEDDLES = {meddles}


def spoil(view):
    if MEDDLES:
        view.tier1_cash *= 2
        view.cash = 0.0
        for numbers in (view.lots, view.unit_cash, view.repo_cash, view.haircuts, view.new_haircuts, *view.covariances):
            for i in range(len(numbers)):
                numbers[i] = numbers[i] / 2 + 0.001


class Limit(SlrConstraint):
    def headroom(self, view):
        found = super().headroom(view)
        spoil(view)
        return found

    def required_reduction(self, view):
        found = super().required_reduction(view)
        spoil(view)
        return found

    def sale_lots(self, view, instrument_id):
        found = super().sale_lots(view, instrument_id)
        spoil(view)
        return found

    def repay_cash(self, view):
        found = super().repay_cash(view)
        spoil(view)
        return found

    def purchase_lots(self, view, headroom=None):
        found = super().purchase_lots(view, headroom)
        spoil(view)
        return found


class Sequence(CashFirst):
    def stages(self, view):
        spoil(view)
        return super().stages(view)


class Sale(Immediate):
    def decide(self, parent, book, now_ns):
        children = super().decide(parent, book, now_ns)
        if MEDDLES:
            parent.remaining_lots, parent.sold_lots, parent.urgency = 1, 10**6, 1.0
        return children
"""


def market(folder: Path, meddles: bool, changes: list[str]) -> Scenario:
    folder.mkdir()
    (folder / "parts.py").write_text(PARTS.replace("{meddles}", str(meddles)))
    base: Any = scenario_to_dict(load_scenario("redemptions", ["horizon=4min", "agents.fund.count=1"]))
    scenario = parse_scenario(apply_overrides({**base, "folder": str(folder)}, changes))
    return msgspec.structs.replace(scenario, folder=str(folder))


@pytest.mark.parametrize(
    "change",
    [
        "constraints=[{kind='parts.py:Limit',params={minimum=0.985}}, {kind='slr',params={minimum=0.98}}]",
        "liquidation_sequence=parts.py:Sequence",
        "liquidation=parts.py:Sale",
    ],
)
def test_what_a_part_writes_changes_nothing(tmp_path: Path, change: str) -> None:
    runs = [
        run(market(tmp_path / name, name == "meddles", [f"agents.fund.balance_sheet.{change}"]))
        for name in ("reads", "meddles")
    ]
    reads, meddles = runs
    assert len(reads.table("parent_order_opened"))
    assert reads.digest == meddles.digest
