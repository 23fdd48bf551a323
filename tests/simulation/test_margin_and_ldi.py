"""Swaps and futures settled in a market, a liability-driven fund and its sponsor, and a basis trade that is unwound."""

from __future__ import annotations

from typing import Any

import pytest
from sim_helpers import MemoryLog, Quoter, S, group, instrument, run, scenario

from lob_sim import run as run_logged
from lob_sim.agents.context import Context
from lob_sim.errors import ScenarioError
from lob_sim.messages import (
    BalanceSheetRecord,
    CapitalCalled,
    CapitalReceived,
    ConstraintBreached,
    DealerDefaulted,
    MarginSettled,
    PositionRecord,
    SheetCause,
    Side,
    Trade,
)
from lob_sim.replay.verification import verify
from lob_sim.scenario import Scenario, parse_scenario, scenario_to_dict
from lob_sim.simulation.opening import opening_sheets
from lob_sim.simulation.world import World

DAYS = {"day": "100s", "session": "80s"}


def shock(at: str, size: float) -> dict[str, Any]:
    return {"instrument": "bond", "at": at, "size": size}


def holder(cash: int = 10_000, bonds: int = 0, **sheet: Any) -> dict[str, Any]:
    return group(
        "holder", "strategies.buy_and_hold:BuyAndHold", cash=cash, holdings={"bond": bonds}, balance_sheet=sheet
    )


def maker() -> dict[str, Any]:
    return group("maker", Follower, sees_fair_value=True, cash=10_000_000, holdings={"bond": 10_000})


class Follower(Quoter):
    """Quotes 1,000 lots one tick around value, anew every second."""

    def on_start(self, ctx: Context) -> None:
        self.quote_both(ctx)
        ctx.wake_in(S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.quote_both(ctx)
        ctx.wake_in(S)

    def quote_both(self, ctx: Context) -> None:
        value = round(ctx.fair_value(0))
        ctx.cancel_all(0)
        ctx.place(0, Side.BUY, 1_000, value - 1)
        ctx.place(0, Side.SELL, 1_000, value + 1)


def settled(log: MemoryLog) -> list[tuple[float, int, int, int]]:
    return [(m.ts_event_ns / S, m.variation_cash, m.initial_cash, m.lacking_cash) for m in log.of(MarginSettled)]


SWAP = {"instrument": "bond", "amount": 100}


def test_variation_margin_is_due_at_the_open_as_of_the_close() -> None:
    # Value falls from 1,000 to 990 in the first day and to 980 in its night.
    bond = instrument(price=1_000)
    shocks = [shock("day 1 0:00:40", -0.01), shock("day 1 0:01:30", -10 / 990)]
    spec = scenario([holder(derivatives=[SWAP]), maker()], [bond], "3 days", calendar=DAYS, shocks=shocks)
    log, world = run(spec)
    assert settled(log) == [(100, -1_000, 0, 0), (200, -1_000, 0, 0)]
    assert world.hosts[0].account.cash == 8_000
    tier1 = [s.tier1_cash for s in log.of(BalanceSheetRecord) if s.cause is SheetCause.CLOSE]
    assert tier1 == [9_000, 8_000, 8_000]
    # The controls: what is sold gains as much, and nobody settles what he has not.
    log, world = run(
        scenario(
            [holder(derivatives=[SWAP | {"amount": -100}]), maker()], [bond], "3 days", calendar=DAYS, shocks=shocks
        )
    )
    assert world.hosts[0].account.cash == 12_000
    log, _ = run(scenario([holder(), maker()], [bond], "3 days", calendar=DAYS, shocks=shocks))
    assert settled(log) == []


def test_without_days_it_is_settled_at_intervals() -> None:
    spec = scenario(
        [holder(derivatives=[SWAP], variation_interval="30s"), maker()],
        [instrument(price=1_000)],
        "100s",
        shocks=[shock("40s", -0.01)],
    )
    log, _ = run(spec)
    assert settled(log) == [(30, 0, 0, 0), (60, -1_000, 0, 0), (90, 0, 0, 0)]
    assert parse_scenario(scenario_to_dict(spec)) == spec


def test_what_cash_does_not_cover_is_sold_for_where_nobody_lends() -> None:
    fund = holder(500, 50, derivatives=[SWAP], haircuts={"bond": 1.0}, liquidation="immediate")
    spec = scenario([fund, maker()], [instrument(price=1_000)], "3 days", calendar=DAYS, shocks=[shock("40s", -0.01)])
    log, _ = run(spec)
    assert settled(log)[0] == (100, -1_000, 0, 500)
    assert log.of(ConstraintBreached)
    assert all(trade.ts_event_ns >= 100 * S for trade in log.of(Trade))
    # One bond at 989 pays for 500.
    assert sum(trade.qty_lots for trade in log.of(Trade)) == 1
    # The control: where it can borrow on what it holds it sells nothing.
    log, _ = run(scenario([holder(500, 50, derivatives=[SWAP]), maker()], [instrument(price=1_000)], "3 days",
                          calendar=DAYS, shocks=[shock("40s", -0.01)]))  # fmt: skip
    assert log.of(Trade) == []
    assert [s.repo_cash for s in log.of(BalanceSheetRecord) if s.cause is SheetCause.MARGIN][-1] == 500


def test_initial_margin_rises_with_measured_volatility_at_the_next_open() -> None:
    swap = SWAP | {"initial_margin": 0.02, "per_volatility": 2.0}
    fund = holder(20_000, derivatives=[swap], volatility_interval="10s", volatility_decay=0.5)
    log, world = run(
        scenario([fund, maker()], [instrument(price=1_000)], "3 days", calendar=DAYS, shocks=[shock("72s", -0.1)])
    )
    opening = next(s for s in log.of(BalanceSheetRecord) if s.agent_id == 0)
    assert (opening.cash, opening.other_assets_cash, opening.tier1_cash) == (18_000, 2_000, 20_000)
    first = log.of(MarginSettled)[0]
    assert first.variation_cash == -10_000
    assert first.initial_cash > 0
    assert world.hosts[0].account.cash == 20_000 - 10_000 - log.of(MarginSettled)[-1].posted_cash
    assert log.of(MarginSettled)[-1].initial_cash < 0  # calm again, it comes back
    # The control: without a slope only the value that it is a share of moves.
    fund = holder(20_000, derivatives=[SWAP | {"initial_margin": 0.02}], volatility_interval="10s")
    log, _ = run(
        scenario([fund, maker()], [instrument(price=1_000)], "3 days", calendar=DAYS, shocks=[shock("72s", -0.1)])
    )
    assert [m.posted_cash for m in log.of(MarginSettled)] == [1_800, 1_800]


# --- liability-driven funds ------------------------------------------------------------------------------------------
def ldi(fall: float, sponsor: dict[str, Any] | None = None, **sheet: Any) -> Scenario:
    buffer = {"kind": "collateral_buffer", "params": {"durations": {"bond": 20.0}, "minimum": 0.015, "target": 0.02}}
    fund = group(
        "ldi",
        "strategies.ldi_fund:LdiFund",
        cash=0,
        holdings={"bond": 200},
        params={"liabilities": {"bond": 200.0}, "interval": "2s", "size_lots": 50, "band": 0.02},
        balance_sheet={
            "repo": {"bond": 100_000},
            "haircuts": {"bond": 0.02},
            "constraints": [buffer],
            "liquidation": "immediate",
            **({} if sponsor is None else {"sponsor": sponsor}),
            **sheet,
        },
    )
    return scenario([fund, maker()], [instrument(price=1_000)], "5 days", calendar=DAYS, shocks=[shock("40s", -fall)])


def position(log: MemoryLog) -> int:
    return [p.lots for p in log.of(PositionRecord) if p.agent_id == 0][-1]


def test_a_jump_in_yields_makes_an_ldi_fund_sell_what_restores_its_buffer() -> None:
    log, _ = run(ldi(0.28))
    assert {b.constraint for b in log.of(ConstraintBreached)} == {"collateral_buffer"}
    # (0.02·20·144 - 41.12) / (0.02 + 0.4) of 144 thousand: 39.2 of 200 bonds a thousandth each, in bonds at 720.
    sold = 200 - position(log)
    assert sold == pytest.approx((0.4 * 144 - 41.12) / 0.42 / 0.72, rel=0.05)
    # The control: 130 basis points are within what it stands.
    log, _ = run(ldi(0.26))
    assert log.of(Trade) == []


def test_a_sponsor_pays_in_days_later_and_the_fund_buys_its_hedge_back() -> None:
    log, _ = run(ldi(0.28, {"leverage": 3.0, "target_leverage": 2.0, "lag": "2 days"}))
    called, received = log.of(CapitalCalled)[0], log.of(CapitalReceived)[0]
    assert called.ts_event_ns < 80 * S
    # Exposure of 144,000 at a leverage of 2 needs 72,000; there are 44,000.
    assert called.amount_cash == pytest.approx(28_000, rel=0.02)
    assert (received.ts_event_ns, received.amount_cash) == (200 * S, called.amount_cash)
    bought = [t.ts_event_ns for t in log.of(Trade) if t.aggressor_side is Side.BUY]
    assert bought
    assert min(bought) >= 200 * S
    assert position(log) > 195
    # The control: nobody pays in where leverage stays below the threshold, and what is sold stays sold.
    log, _ = run(ldi(0.28, {"leverage": 4.0, "target_leverage": 2.0, "lag": "2 days"}))
    assert log.of(CapitalCalled) == []
    assert not [t for t in log.of(Trade) if t.aggressor_side is Side.BUY]


def test_capital_that_comes_too_late_does_not_save_it() -> None:
    log, _ = run(ldi(0.52, {"leverage": 3.0, "target_leverage": 2.0, "lag": "1 day"}))
    assert log.of(DealerDefaulted)
    assert log.of(CapitalReceived) == []


# --- a basis trade ---------------------------------------------------------------------------------------------------
def basis_fund(**margin: Any) -> dict[str, Any]:
    future = {"instrument": "bond", "amount": -1_000, "initial_margin": 0.03, "hedge_ratio": -1.0, **margin}
    return group(
        "hedge",
        "strategies.buy_and_hold:BuyAndHold",
        cash=60_000,
        holdings={"bond": 1_000},
        balance_sheet={
            "repo": {"bond": 980_000},
            "haircuts": {"bond": 0.02},
            "derivatives": [future],
            "liquidation": "immediate",
            "volatility_interval": "10s",
            "volatility_decay": 0.5,
        },
    )


def test_a_basis_trade_is_indifferent_to_value_and_unwound_by_its_margin() -> None:
    days: dict[str, Any] = {"calendar": DAYS, "shocks": [shock("72s", -0.02)]}
    log, _ = run(scenario([basis_fund(), maker()], [instrument(price=1_000)], "3 days", **days))
    # The future gains what the bond loses; nothing is sold.
    assert log.of(Trade) == []
    assert {s.tier1_cash for s in log.of(BalanceSheetRecord) if s.cause is SheetCause.CLOSE} == {80_000}
    # The same move raises the margin of a fund whose margin follows volatility: it sells, and its hedge with it.
    spec = scenario([basis_fund(per_volatility=10.0), maker()], [instrument(price=1_000)], "3 days", **days)
    log, world = run(spec)
    sold = sum(t.qty_lots for t in log.of(Trade))
    assert sold > 100
    assert min(t.ts_event_ns for t in log.of(Trade)) >= 100 * S
    derivatives = world.desks[0].sheet.derivatives
    assert derivatives is not None
    assert derivatives.positions[0].lots == -(1_000 - sold)
    world.desks[0].sheet.check()
    result = run_logged(spec)
    assert verify(result).ok


def test_initial_margin_beyond_cash_and_derivatives_that_do_not_fit_are_refused_by_their_field() -> None:
    def refused(**fields: Any) -> str:
        with pytest.raises(ScenarioError) as raised:
            World(scenario([holder(1_000, derivatives=[SWAP | fields])], [instrument(price=1_000)]), 1, MemoryLog())
        return str(raised.value)

    assert "agents.holder.balance_sheet.derivatives: expected cash" in refused(initial_margin=0.02)
    assert "derivatives[0].instrument" in refused(instrument="gold")
    assert "derivatives[0].amount" in refused(amount=0.5)
    assert "initial_margin" in refused(initial_margin=0.2, maximum_margin=0.1)
    with pytest.raises(ScenarioError, match="used twice"):
        scenario([holder(derivatives=[SWAP, SWAP])])
    with pytest.raises(ScenarioError, match="sponsor"):
        scenario([holder(sponsor={"leverage": 2.0, "target_leverage": 3.0})])
    world = World(scenario([holder(derivatives=[SWAP])], [instrument(price=1_000)]), 1, MemoryLog())
    assert opening_sheets(world)[0].tier1 == 10_000
