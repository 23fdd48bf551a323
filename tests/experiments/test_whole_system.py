"""Dealers, leveraged funds, asset managers, lenders and slow capital in one market, and news that comes at once."""

from __future__ import annotations

import pytest

from experiments.history_matching import SCENARIO
from lob_sim.analysis.calm import dealing_gains
from lob_sim.analysis.summary import of
from lob_sim.log import Run
from lob_sim.messages import WithdrawalCause
from lob_sim.running import run
from lob_sim.scenario import load_scenario

S = 10**9
AT_S = 180


def shortly_after(*changes: str, horizon: str = "200s") -> Run:
    overrides = [f"horizon={horizon!r}", f"shocks.0.at='{AT_S}s'", "shocks.0.size=-0.05", *changes]
    return run(load_scenario(SCENARIO, overrides), 1)


@pytest.fixture(scope="module")
def announced() -> Run:
    return shortly_after()


def test_who_hears_at_once_is_not_picked_off_and_who_does_not_is(announced: Run) -> None:
    def lost(found: Run) -> float:
        gains = dealing_gains(found, AT_S * S)
        return -float(of(gains, 0)["gain_tick_lots"].sum())

    unannounced = shortly_after("shocks.0.announced=false", "shocks.0.noise=0")
    # Value falls by 500 ticks; the error of the announcement has a deviation of 100.
    assert lost(unannounced) > 500 * 10
    assert lost(announced) < lost(unannounced) / 5


def test_dealers_leave_the_book_at_the_announcement_because_they_do_not_know_how_much(announced: Run) -> None:
    retreats = of(announced.table("retreat"), 0)
    at_once = retreats[retreats["ts_event_ns"].between(AT_S * S, AT_S * S + S // 10)]
    assert set(at_once["agent_id"]) == set(announced.header.dealer_ids or ())
    assert (at_once["cause"] <= WithdrawalCause.RISK_APPETITE).all()
    known = shortly_after("shocks.0.noise=0.0001", horizon="181s")
    again = of(known.table("retreat"), 0)
    assert not (again["ts_event_ns"] >= AT_S * S).any()


def test_investors_redeem_after_the_loss_and_funds_with_a_sheet_never_go_short() -> None:
    found = shortly_after("agents.asset_manager.balance_sheet.redemptions.interval='60s'", horizon="8min")
    groups = {a.agent_id: a.group for a in found.header.agents}
    redeemed = found.table("redemption")
    assert set(redeemed["agent_id"].map(groups)) == {"asset_manager"}
    after = redeemed["ts_event_ns"] >= AT_S * S
    assert redeemed[after]["redeemed_cash"].sum() > 5 * redeemed[~after]["redeemed_cash"].sum()
    forced = found.table("parent_order_opened")
    assert (forced["ts_event_ns"] >= AT_S * S).all()
    assert "asset_manager" in set(forced["agent_id"].map(groups))
    marks = found.table("mark")
    funds = marks["agent_id"].map(groups).str.startswith("leveraged_fund")
    assert funds.any()
    assert (marks[funds]["lots"] >= 0).all()
