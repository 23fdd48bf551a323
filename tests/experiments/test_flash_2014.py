"""The measures of the round trip of 2014 on logs made by hand, and its quick version."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from experiments.flash_2014 import CONTROL, EPISODE, net_change, off_value, offer_absence, scenarios
from lob_sim.running import run
from lob_sim.scenario import load_scenario, scenario_to_dict

S = 10**9


def made(**tables: Any) -> Any:
    agents = [SimpleNamespace(agent_id=i, group=group) for i, group in enumerate(("dealer", "dealer", "client"))]
    empty = pd.DataFrame(
        {c: pd.Series(dtype="int64") for c in ("ts_event_ns", "agent_id", "dealer_id", "qty_lots", "side")}
    )
    named = {"order_filled": empty, "rfq_traded": empty, **tables}
    return SimpleNamespace(header=SimpleNamespace(agents=agents), table=named.__getitem__, **tables)


def test_absence_is_the_time_without_a_sell_order_whatever_overlaps() -> None:
    orders = pd.DataFrame(
        [(0, -1, 1, 4), (0, -1, 2, 3), (0, -1, 6, -1), (0, 1, 0, -1), (1, -1, 12, 20)],
        columns=["agent_id", "side", "ts_event_ns", "ts_end_ns"],
    )
    # In [2, 10): the first dealer offers in [2, 4) and [6, 10), the second never, the client has no order.
    assert offer_absence(made(orders=orders), "dealer", 2, 10) == pytest.approx((2 / 8 + 1) / 2)
    assert offer_absence(made(orders=orders), "client", 2, 10) == 1.0


def test_net_change_nets_within_a_class_and_counts_requests_on_both_sides() -> None:
    fills = pd.DataFrame(
        {"ts_event_ns": [1, 2, 2, 9], "agent_id": [0, 1, 2, 2], "qty_lots": [5, 5, 4, 99], "side": [1, -1, 1, 1]}
    )
    deals = pd.DataFrame({"ts_event_ns": [3], "agent_id": [2], "dealer_id": [0], "qty_lots": [6], "side": [1]})
    trades = pd.DataFrame({"ts_event_ns": [1, 2], "qty_lots": [5, 9]})
    logged = made(order_filled=fills, rfq_traded=deals, trades=trades)
    # Client: 4 + 6 bought; dealers: 5 - 5 - 6. Volume: 14 lit, 6 on request.
    assert net_change(logged, 0, 5) == pytest.approx(10 / 20)


def test_the_control_is_the_episode_without_the_purchases() -> None:
    both = {name: scenario_to_dict(scenario) for name, scenario in scenarios().items()}
    flows = {
        name: next(a for a in plain["agents"] if a["name"] == "short_cover")["params"] for name, plain in both.items()
    }
    assert flows[CONTROL].pop("flow") == []
    assert sum(step["amount"] for step in flows[EPISODE].pop("flow")) > 0
    assert both[CONTROL] == both[EPISODE]


def test_purchases_without_news_move_price_up_and_it_comes_back() -> None:
    logged = run(load_scenario("flash_2014"), 1)
    grid, off = off_value(logged, 120 * S, 1560 * S)
    calm, peak, end = off[grid < 600 * S], off.max(), off[grid >= 1320 * S]
    assert abs(calm).max() < 0.2
    assert peak > 5 * abs(calm).max()
    assert abs(end).max() < peak / 2
    assert not logged.table("fair_value")["is_shock"].any()
