"""The measures of March 2020 on logs made by hand, its five markets, and a short version of two of them."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.treasury_2020 import (
    CALM,
    EPISODE,
    EXEMPTION,
    NO_PURCHASES,
    NO_REDEMPTIONS,
    Day,
    calendar_of,
    cost_of_immediacy,
    days_of,
    scenarios,
    shortfalls,
    treasury_metrics,
)
from lob_sim.running import run
from lob_sim.scenario import scenario_to_dict

DEALER, CLIENT = 0, 1
GROUPS = {DEALER: "dealer", CLIENT: "client"}
FILLS = ["ts_event_ns", "instrument_id", "agent_id", "side", "price_ticks", "qty_lots", "client_order_id"]
DEALS = ["ts_event_ns", "instrument_id", "agent_id", "dealer_id", "side", "price_ticks", "qty_lots", "parent_order_id"]


def made(fills: list[Any] = [], deals: list[Any] = [], trades: list[Any] = []) -> Any:  # noqa: B006  # never changed
    tables = {
        "order_filled": pd.DataFrame(fills, columns=FILLS, dtype="int64"),
        "parent_order_opened": pd.DataFrame({"agent_id": [], "parent_order_id": []}, dtype="int64"),
        "new_order": pd.DataFrame({"agent_id": [], "client_order_id": [], "parent_order_id": []}, dtype="int64"),
        "fair_value": pd.DataFrame(
            {"ts_event_ns": [0, 0], "instrument_id": [0, 1], "value_ticks": [10_000.0, 20_000.0]}
        ),
    }
    return SimpleNamespace(
        header=SimpleNamespace(agents=[SimpleNamespace(agent_id=i, group=group) for i, group in GROUPS.items()]),
        table=tables.__getitem__,
        rfq_trades=pd.DataFrame(deals, columns=DEALS, dtype="int64"),
        trades=pd.DataFrame(trades, columns=["ts_event_ns", "instrument_id", "price_ticks", "qty_lots"], dtype="int64"),
    )


def test_a_shortfall_is_of_lots_lit_and_on_request_and_of_its_window_alone() -> None:
    log = made(
        trades=[(1, 1, 19_800, 3), (5, 1, 10_000, 1), (2, 0, 1, 99)],
        deals=[(2, 1, CLIENT, DEALER, -1, 20_200, 1, 0)],
    )
    found = shortfalls(log, 1, [Day(0, 5), Day(5, 6), Day(6, 9)])
    # Three lots 1% below value and one 1% above; one lot at half of value; none.
    assert found[:2] == pytest.approx([0.5, 50.0])
    assert math.isnan(found[2])


def test_immediacy_costs_half_a_round_trip_wherever_price_is() -> None:
    bought, sold = (1, 0, CLIENT, 1, 9_510, 2, 1), (2, 0, CLIENT, -1, 9_490, 2, 2)
    other_side = (1, 0, DEALER, -1, 9_510, 2, 1)
    # Bought 4.9% and sold 5.1% below value: 10 bp either way of a price that is 5% below.
    assert cost_of_immediacy(made([bought, sold, other_side]), [Day(0, 5)]) == [pytest.approx(10.0)]
    # On request as in the book: ten lots more at 9,480 make the mean sale one at 9,481.67.
    deal = (3, 0, CLIENT, DEALER, -1, 9_480, 10, 0)
    assert cost_of_immediacy(made([bought, sold], [deal]), [Day(0, 5)]) == [pytest.approx(85 / 6)]
    one_way = cost_of_immediacy(made([bought]), [Day(0, 5), Day(5, 9)])
    assert np.isnan(one_way).all()


def test_the_markets_differ_by_what_their_names_say() -> None:
    plain = {name: scenario_to_dict(scenario) for name, scenario in scenarios().items()}
    episode = plain[EPISODE]
    assert episode["calendar"]["dates"][5] == "2020-03-16"

    def flow(name: str, group: str) -> Any:
        return next(a for a in plain[name]["agents"] if a["name"] == group)["params"].pop("flow")

    bought = {name: flow(name, "central_bank") for name in plain}
    sold = {name: flow(name, "foreign") for name in plain}
    assert bought[NO_PURCHASES] == bought[CALM] == sold[CALM] == []
    assert sold[EPISODE] == sold[NO_PURCHASES] == sold[NO_REDEMPTIONS] == sold[EXEMPTION]
    assert bought[EPISODE] == bought[NO_REDEMPTIONS] == bought[EXEMPTION]
    assert (
        sum(float(step["amount"]) for step in sold[EPISODE])
        < 0
        < sum(float(step["amount"]) for step in bought[EPISODE])
    )

    assert plain[NO_PURCHASES] == episode
    assert plain[NO_REDEMPTIONS]["switches"].pop("redemptions") is False
    assert plain[CALM].pop("shocks") == []
    for group in plain[EXEMPTION]["agents"]:
        for constraint in (group["balance_sheet"] or {}).get("constraints", []):
            if constraint["kind"] == "slr":
                assert constraint["params"].pop("exempt") == ["treasury", "reserves"]
    assert plain[EXEMPTION].pop("overlays")
    for name, key in ((NO_REDEMPTIONS, "switches"), (CALM, "shocks"), (EXEMPTION, "overlays")):
        assert {k: v for k, v in plain[name].items() if k != key} == {k: v for k, v in episode.items() if k != key}


def test_sales_take_treasuries_below_value_and_nothing_happens_without_them() -> None:
    both = scenarios("72s", "60s")
    found = {name: treasury_metrics(run(both[name], 1), calendar_of(both[name])) for name in (NO_PURCHASES, CALM)}
    assert len(days_of(calendar_of(both[CALM]))) == 9
    fallen, calm = found[NO_PURCHASES], found[CALM]
    assert fallen["sold_foreign"] > 250
    assert fallen["sold_bond_fund"] > 100
    assert fallen["worst_pct"] > 0.2
    assert fallen["forced"] > 0
    assert calm["worst_pct"] < 0.1
    assert calm["forced"] == calm["sold_foreign"] == calm["sold_bond_fund"] == calm["sold_basis_fund"] == 0
