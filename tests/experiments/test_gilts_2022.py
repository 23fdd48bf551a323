"""The measures of the gilts of 2022 on logs made by hand, its cells, and its quick version."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.gilts_2022 import (
    BANK,
    BUFFERS,
    CALM,
    DAYS,
    EPISODE,
    FUNDS,
    PURCHASES,
    SINCE_OPEN_NS,
    UNBOUGHT,
    UNLEVERED,
    gilt_metrics,
    leverage,
    members_of,
    net_sales,
    scenarios,
)
from lob_sim.calendar import TradingCalendar
from lob_sim.running import run
from lob_sim.scenario import Scenario, load_scenario, scenario_to_dict

S = 10**9


def made(**tables: Any) -> Any:
    agents = [
        SimpleNamespace(agent_id=i, group=group) for i, group in enumerate(("pooled_a", "segregated_b", "real_money"))
    ]
    instruments = [SimpleNamespace(instrument_id=i, name=name) for i, name in enumerate(("credit", "gilt"))]
    return SimpleNamespace(
        header=SimpleNamespace(agents=agents, instruments=instruments),
        calendar=TradingCalendar(240 * S, 210 * S),
        table=tables.__getitem__,
    )


def deals(*rows: tuple[int, int, int, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["ts_event_ns", "instrument_id", "agent_id", "qty_lots", "side"])


def test_net_sales_are_of_the_day_the_instrument_and_the_agents_that_were_asked_for() -> None:
    lit = deals((1, 1, 0, 5, -1), (200 * S, 1, 1, 2, 1), (241 * S, 1, 1, 7, -1), (1, 0, 0, 99, -1), (1, 1, 2, 99, -1))
    logged = made(order_filled=lit, rfq_traded=deals((260 * S, 1, 0, 3, -1)))
    funds = members_of(logged, FUNDS)
    assert funds == [0, 1]
    assert net_sales(logged, funds, "gilt") == [5 - 2, 7 + 3, *[0] * (DAYS - 2)]
    assert net_sales(logged, funds, "credit") == [99, *[0] * (DAYS - 1)]


def test_leverage_is_of_all_funds_together() -> None:
    sheets = pd.DataFrame(
        [(0, 0, 100, 25), (0, 1, 100, 75), (0, 2, 10**6, 1), (50, 0, 80, 5)],
        columns=["ts_event_ns", "agent_id", "inventory_cash", "tier1_cash"],
    )
    assert leverage(made(balance_sheet=sheets), [0, 1], np.array([10, 60])) == pytest.approx([200 / 100, 180 / 80])


def changed(name: str) -> set[str]:
    """What a cell says otherwise than the episode, by group."""
    both: list[dict[str, Any]] = [scenario_to_dict(cells[key]) for key in (EPISODE, name)]
    groups = [{group["name"]: group for group in plain["agents"]} for plain in both]
    found = {key for key in both[0] if key not in ("agents", "overlays") and both[0][key] != both[1][key]}
    return found | {key for key in groups[0] if groups[0][key] != groups[1].get(key)}


cells: dict[str, Scenario] = scenarios()


def test_each_cell_differs_from_the_episode_in_one_thing() -> None:
    funds = {group.name for group in cells[EPISODE].agents if group.name.startswith(FUNDS)}
    assert len(funds) == 12
    assert changed(UNLEVERED) == changed(BUFFERS) == funds
    assert changed(UNBOUGHT) == {BANK}
    assert changed(CALM) == {"shocks"}
    for cell, factor in ((UNLEVERED, 0), (BUFFERS, 0.5)):
        for own, usual in zip(cells[cell].agents, cells[EPISODE].agents, strict=True):
            if own.name in funds:
                assert own.holdings == usual.holdings
                assert own.balance_sheet is not None
                assert usual.balance_sheet is not None
                assert float(own.balance_sheet.repo["gilt"]) == factor * float(usual.balance_sheet.repo["gilt"])
                assert own.balance_sheet.constraints == usual.balance_sheet.constraints


def test_what_is_measured_is_what_the_scenario_says() -> None:
    episode = cells[EPISODE]
    assert episode.calendar is not None
    assert episode.horizon == DAYS * episode.calendar.day
    bank = next(group for group in episode.agents if group.name == BANK)
    assert bank.params["start"] == f"{(PURCHASES - 1) * episode.calendar.day + SINCE_OPEN_NS}ns"
    # Yields rise on days 3 to 6 and stay; no shock is later than the first purchase.
    days = [shock.at // episode.calendar.day + 1 for shock in episode.shocks]
    assert days == [3, 4, 5, 6]
    assert all(shock.instrument == "gilt" and shock.size < 0 for shock in episode.shocks)
    assert max(shock.at for shock in episode.shocks) < (PURCHASES - 1) * episode.calendar.day + SINCE_OPEN_NS


def test_funds_sell_because_they_owe_and_price_falls_below_value() -> None:
    levered, owing_nothing = (gilt_metrics(run(cells[name], 1), 400) for name in (EPISODE, UNLEVERED))
    assert levered["sellers"] > 10
    assert levered["off_value"] > 5
    assert levered["fall"] > owing_nothing["fall"] + 2
    assert 0 <= levered["bought"] <= 1
    # The control: the same yields, the same holdings, no repo.
    assert owing_nothing["sellers"] == owing_nothing["failed"] == 0
    assert owing_nothing["fall"] == pytest.approx(13.4, abs=2)


def test_nobody_sells_where_yields_do_not_rise() -> None:
    calm = gilt_metrics(run(load_scenario("gilts_2022", overlays=["calm"]), 1), 400)
    assert calm["sellers"] == calm["failed"] == calm["forced_days"] == 0
    assert calm["off_value"] < 1
    assert calm["presence"] > 0.99
