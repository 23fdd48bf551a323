"""Today's program makes the log that is kept here, row for row: whatever changes behaviour must be meant.

Where it is meant, ``python -m tests.golden.renew`` makes the log anew.
"""

from __future__ import annotations

import json

import msgspec
import pytest

from lob_sim import open_run, run
from lob_sim.log.diff import diff
from lob_sim.replay import verify
from lob_sim.scenario import apply_overrides, parse_scenario, scenario_to_dict
from tests.golden.renew import GOLDEN, HERE, changes, golden_scenario


def test_the_golden_log_is_whole_and_small() -> None:
    golden = open_run(GOLDEN)
    checked = verify(golden)
    assert checked.ok
    assert checked.status == "complete"
    assert 2_000 <= checked.rows <= 5_000
    assert sum(file.stat().st_size for file in HERE.rglob("*") if file.is_file()) < 300_000


def test_the_golden_log_is_of_this_scenario_and_of_no_machine() -> None:
    golden = open_run(GOLDEN)
    assert golden.header.scenario == json.loads(msgspec.json.encode(scenario_to_dict(golden_scenario())))
    assert str(HERE.parents[1]) not in (GOLDEN / "manifest.json").read_text()


def test_most_kinds_of_message_are_in_it() -> None:
    seen = set(open_run(GOLDEN).counts)
    assert {"trade", "rfq_traded", "rfq_print", "auction_uncrossed", "phase_changed", "belief", "quote"} <= seen
    assert {"balance_sheet", "mark", "constraint_breached", "parent_order_opened", "retreat", "news"} <= seen


def test_the_market_of_today_is_the_golden_one() -> None:
    golden, now = open_run(GOLDEN), run(golden_scenario())
    meant = "the log is another than the golden one; if that is meant: python -m tests.golden.renew"
    assert now.digest == golden.digest, "\n".join([meant, *changes(golden, now)])


@pytest.mark.parametrize("change", ["seed", "agents.maker.params.half_spread_ticks=9"])
def test_control_a_small_change_is_seen(change: str) -> None:
    golden, scenario = open_run(GOLDEN), golden_scenario()
    seed = scenario.seed + 1 if change == "seed" else scenario.seed
    if change != "seed":
        scenario = parse_scenario(apply_overrides(scenario_to_dict(scenario), [change]))
    other = run(scenario, seed)
    assert other.digest != golden.digest
    assert diff(golden, other).same_rows < golden.last_seq
    lines = changes(golden, other)
    assert lines[0].startswith("the first ")
    assert any(change.partition("=")[0] in line for line in lines if line.startswith("given "))
