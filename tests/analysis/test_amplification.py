"""Crisis measures on small logs that one can work out on paper."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
import pytest

from lob_sim.analysis.amplification import (
    failures,
    forced_volume_lots,
    overshoot,
    tier1_loss_cash,
)
from lob_sim.analysis.liquidity import _PARTS, spread_parts
from lob_sim.errors import DataError

FAIR = pd.DataFrame({"ts_event_ns": [0, 100], "value_ticks": [1000.0, 960.0]})


def prices(*rows: tuple[int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["ts_event_ns", "price_ticks"])


def test_overshoot_is_measured_from_the_fair_value_of_its_own_time() -> None:
    tape = prices((50, 900), (99, 990), (120, 950), (150, 912), (200, 955), (900, 480))
    assert overshoot(tape, FAIR, 100, 500) == pytest.approx(0.05)
    # A fall to the new fair value itself is none, and neither is a price above it.
    assert overshoot(prices((100, 960), (200, 970)), FAIR, 100, 500) == 0
    assert str(overshoot(prices((100, 960)), FAIR, 100, 500)) == "0.0"


def test_overshoot_is_not_known_where_nothing_was_traded() -> None:
    assert math.isnan(overshoot(prices(), FAIR, 100, 500))
    assert math.isnan(overshoot(prices((50, 900), (900, 480)), FAIR, 100, 500))  # Before the window and after it.
    three = pd.DataFrame({"ts_event_ns": [0], "value_ticks": [3.0]})
    tape = pd.DataFrame({"ts_event_ns": [1, 2], "price_ticks": [math.nan, 2.0]})
    assert overshoot(tape, three, 0, 10) == pytest.approx(1 / 3)
    assert math.isnan(overshoot(tape.assign(price_ticks=math.nan), three, 0, 10))


@pytest.mark.parametrize("end_ns", [99, 100])
def test_a_window_without_length_is_refused_by_every_measure_of_one(end_ns: int) -> None:
    sheets = pd.DataFrame({"ts_event_ns": [0], "agent_id": [1], "tier1_cash": [5]})
    parts = [f"{side}_{part}_uticks" for side in ("bid", "ask") for part in _PARTS]
    quotes = pd.DataFrame(columns=["ts_event_ns", "agent_id", "rfq_id", "bid_ticks", "ask_ticks", *parts])
    measures: list[Callable[[int], object]] = [
        lambda end: overshoot(prices((100, 900)), FAIR, 100, end),
        lambda end: tier1_loss_cash(sheets, 100, end),
        lambda end: spread_parts(quotes, 100, end),
    ]
    for measure in measures:
        with pytest.raises(DataError, match="expected an end after the start"):
            measure(end_ns)
        measure(101)  # The control.


def test_losses_count_from_just_before_the_shock() -> None:
    sheets = pd.DataFrame(
        {
            "ts_event_ns": [0, 0, 100, 300, 800, 120],
            "agent_id": [1, 2, 1, 2, 1, 9],
            "tier1_cash": [50, 40, 44, 37, 1, 5],
        }
    ).sort_values("ts_event_ns")
    losses = tier1_loss_cash(sheets, 100, 500)
    assert losses == {1: 6, 2: 3}
    # At a shock at the very start what counts is the opening sheet.
    assert tier1_loss_cash(sheets, 0, 500) == {1: 6, 2: 3}


def test_forced_volume_is_what_was_sold_under_forced_parents() -> None:
    parents = pd.DataFrame({"agent_id": [1, 2], "parent_order_id": [1, 7]})
    orders = pd.DataFrame(
        {"agent_id": [1, 1, 2, 3], "client_order_id": [10, 11, 10, 10], "parent_order_id": [1, 0, 7, 1]}
    )
    fills = pd.DataFrame(
        {
            "agent_id": [1, 1, 1, 2, 3, 9],
            "client_order_id": [10, 10, 11, 10, 10, 10],
            "side": [-1, -1, -1, -1, -1, 1],
            "qty_lots": [5, 3, 100, 2, 1000, 8],
        }
    )
    rfq = pd.DataFrame(
        {
            "agent_id": [1, 1, 3],
            "parent_order_id": [1, 0, 1],
            "side": [-1, -1, -1],
            "qty_lots": [20, 500, 500],
        }
    )
    # Agent 1's order 11 and second request have no parent; agent 3's parent is its own client schedule.
    assert forced_volume_lots(parents, orders, fills, rfq) == 5 + 3 + 2 + 20
    assert forced_volume_lots(parents.iloc[:0], orders, fills, rfq) == 0


def test_failures_count_agents() -> None:
    assert failures(pd.DataFrame({"agent_id": [4, 2, 4]})) == 2
    assert failures(pd.DataFrame({"agent_id": []})) == 0
