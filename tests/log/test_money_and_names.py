"""Amounts in currency and names beside numbers: exactly those of the header, and only where they are asked for."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pytest

from lob_sim import Run, open_run, run
from lob_sim.errors import DataError
from lob_sim.log import RunHeader
from lob_sim.log.manifest import Manifest, read_manifest, write_manifest
from tests.golden.renew import GOLDEN, golden_scenario


@pytest.fixture(scope="module")
def golden() -> Run:
    return open_run(GOLDEN)


def test_amounts_are_the_logged_ones_times_the_unit_of_the_header(golden: Run) -> None:
    unit = golden.header.money_unit
    assert golden.header.cash_unit == str(unit) == str(golden.header.instruments[0].cash_unit)
    raw, money = golden.table("balance_sheet"), golden.table("balance_sheet", money=True)
    assert [c.removesuffix("_cash") for c in raw.columns] == list(money.columns)
    for name in ("cash", "tier1_cash", "repo_cash"):
        shown = money[name.removesuffix("_cash")]
        assert shown.to_numpy() == pytest.approx([float(unit * amount) for amount in raw[name].tolist()])
        assert (shown != 0).any()
    assert (money["seq"] == raw["seq"]).all()
    # Control: the table that is kept has not been touched.
    assert "tier1_cash" in golden.table("balance_sheet")


def test_a_header_that_does_not_say_its_unit_has_that_of_its_instruments(golden: Run) -> None:
    silent = msgspec.structs.replace(golden.header, cash_unit="")
    assert silent.money_unit == golden.header.money_unit
    assert RunHeader().money_unit == 1
    assert RunHeader(cash_unit="1/1200").money_unit == Fraction(1, 1200)


def test_names_stand_behind_numbers_and_nobody_has_none(golden: Run) -> None:
    table = golden.table("balance_sheet", names=True)
    names = {agent.agent_id: agent.name for agent in golden.header.agents}
    assert (table["agent"] == table["agent_id"].map(names)).all()
    assert set(table[table["instrument_id"] < 0]["instrument"]) == {""}
    assert set(table[table["instrument_id"] == 0]["instrument"]) == {golden.header.instruments[0].name}
    assert list(table.columns).index("agent") == list(table.columns).index("agent_id") + 1
    own = golden.with_names(pd.DataFrame({"dealer_id": np.array([0, 99]), "lender_id": np.array([1, -1])}))
    assert own["dealer"].tolist() == [names[0], ""]
    assert own["lender"].tolist() == [names[1], ""]
    assert "agent" not in golden.table("balance_sheet")


def test_a_run_in_memory_says_the_same(golden: Run) -> None:
    assert run(golden_scenario()).header.cash_unit == golden.header.cash_unit


@pytest.mark.parametrize("unit", ["0", "-1", "1/0", "x", "1e9", "01"])
def test_a_unit_that_is_none_is_refused(golden: Run, tmp_path: Path, unit: str) -> None:
    header = msgspec.structs.replace(golden.header, cash_unit=unit)
    write_manifest(tmp_path, Manifest.of(header, "complete"))
    with pytest.raises(DataError, match="cash_unit"):
        read_manifest(tmp_path)
