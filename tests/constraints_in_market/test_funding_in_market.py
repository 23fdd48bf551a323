"""Lenders, funds and the central bank in the running market."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from market_helpers import DEEP, Auditor, agent_id, dealer, desk_of, market, run, shock

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import InputError, ScenarioError
from lob_sim.messages import (
    BalanceSheetRecord,
    CollateralPledged,
    ConstraintBreached,
    Event,
    FairValue,
    FundingMessage,
    HeadroomRecord,
    LoanBorrowed,
    LoanRefused,
    LoanRepaid,
    LoanRequested,
    LoanRolled,
    MarginCalled,
    NewOrder,
    OrderFilled,
    ParentOrderOpened,
    PositionRecord,
    Redemption,
    RfqTraded,
    SheetCause,
    SheetDisclosed,
    Side,
)
from lob_sim.simulation.world import World
from lob_sim.testing import RecordingContext
from strategies.central_bank import CentralBankPurchases

M = 1_000_000
S = 1_000_000_000
ONE_MS: dict[str, Any] = {"to_venue": {"median": "1ms"}, "from_venue": {"median": "1ms"}}


def lender(name: str = "lender", base: float = 0.05, **params: Any) -> dict[str, Any]:
    """A group of one repo lender, who lends on both bonds at a haircut that does not move."""
    schedules = {bond: {"base": base} for bond in ("treasury", "corporate")}
    return {
        "name": name,
        "strategy": "strategies.repo_lender:RepoLending",
        "connection": ONE_MS,
        "params": {"schedules": schedules, "term": "2min", "interval": "10s", **params},
    }


def repo_dealer(**sheet: Any) -> dict[str, Any]:
    """A dealer with 400 of Treasuries, of which 200 are financed in repo; assets 500, Tier 1 40."""
    return dealer(
        "prime",
        {
            "repo": {"treasury": 190 * M},
            "short_term_funding": 270 * M,
            "haircuts": {"treasury": 0.05, "corporate": 0.05},
            "constraints": [{"kind": "funding"}],
            "liquidation": "immediate",
            "disclosure_interval": "5s",
            **sheet,
        },
        cash=20 * M,
        holdings={"treasury": 400 * M, "corporate": 80 * M},
    )


def sold(world: World, log: Auditor, name: str = "prime-1") -> int:
    number = agent_id(world, name)
    traded: list[Any] = log.of(OrderFilled, RfqTraded)
    return sum(e.qty_lots for e in traded if e.agent_id == number and e.side is Side.SELL)


# --- letters ------------------------------------------------------------------------------------------------


class Pen(Strategy):
    """Writes to agent 1 every second, and notes what it gets."""

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.received: list[tuple[int, Event]] = []

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if ctx.agent_id == 0:
            ctx.wake_in(S)
            ctx.tell(1, SheetDisclosed(ctx.now_ns, 0, 1, 7, 3))

    def on_message(self, ctx: Context, event: Event) -> None:
        self.received.append((ctx.now_ns, event))


def pens(sender: dict[str, Any], receiver: dict[str, Any]) -> tuple[World, Auditor]:
    groups = [
        {"name": name, "strategy": f"{__file__}:Pen", "connection": connection}
        for name, connection in (("a", sender), ("b", receiver))
    ]
    return run(market(*groups, horizon="20s"))


def test_a_letter_takes_the_senders_way_up_and_the_receivers_way_down() -> None:
    world, log = pens(
        {"to_venue": {"median": "3ms"}, "from_venue": {"median": "50ms"}},
        {"to_venue": {"median": "70ms"}, "from_venue": {"median": "4ms"}},
    )
    received = world.hosts[1].components[0].received  # type: ignore[attr-defined]
    assert [at - event.ts_event_ns for at, event in received] == [7_000_000] * 19
    assert log.of(SheetDisclosed) == [event for _, event in received]
    assert not world.hosts[0].components[0].received  # type: ignore[attr-defined]


def test_letters_do_not_overtake_each_other() -> None:
    random = {"distribution": "lognormal", "median": "2s", "sigma": 0.7}
    world, _ = pens({"to_venue": random}, {"from_venue": random})
    received = world.hosts[1].components[0].received  # type: ignore[attr-defined]
    sent = [event.ts_event_ns for _, event in received]
    assert len(sent) > 5
    assert sent == sorted(sent)


# --- lenders ------------------------------------------------------------------------------------------------


def test_opening_loans_are_shared_and_their_maturities_are_spread() -> None:
    world, log = run(market(DEEP, lender("one"), lender("two"), repo_dealer(maturity_buckets=2)))
    loans = [e for e in log.of(LoanBorrowed) if e.ts_event_ns == 0]
    assert len(loans) == 4
    assert sum(e.amount_cash for e in loans) == 1_900_000
    assert sorted({e.maturity_ns for e in loans}) == [60 * S, 120 * S]
    assert sold(world, log) == 0
    # They are rolled for as long as nothing happens, at the same haircut.
    assert {round(e.haircut, 12) for e in log.of(LoanRolled)} == {0.05}
    assert not log.of(LoanRefused)


def test_a_named_group_of_lenders_is_the_only_one_borrowed_from() -> None:
    _, log = run(market(DEEP, lender("one"), lender("two"), repo_dealer(lenders=["two"])))
    world = log.world
    assert world is not None
    assert {e.lender_id for e in log.of(FundingMessage)} == {agent_id(world, "two-1")}
    with pytest.raises(ScenarioError, match="did you mean 'two'"):
        run(market(DEEP, lender("one"), lender("two"), repo_dealer(lenders=["twoo"])))


def test_refused_by_one_lender_it_goes_to_the_other() -> None:
    world, log = run(market(DEEP, lender("one", refuse_above_leverage=5), lender("two"), repo_dealer()))
    one, two = agent_id(world, "one-1"), agent_id(world, "two-1")
    assert {e.lender_id for e in log.of(LoanRefused)} == {one}
    asked = log.of(LoanRequested)
    assert {e.lender_id for e in asked} == {two}
    desk = desk_of(world, agent_id(world, "prime-1"))
    assert desk.borrower is not None
    assert {loan.lender_id for loan in desk.borrower.ladder.loans} == {two}
    assert desk.sheet.due_cash == 0
    assert sold(world, log) == 0


def test_refused_by_all_it_pays_from_cash_and_then_sells() -> None:
    refusing = lender(refuse_above_leverage=5)
    world, log = run(market(DEEP, refusing, repo_dealer(), horizon="3min"))
    # 190 are refused over two minutes; cash pays 20, and a lot sold at 99.99 the rest.
    assert 170 <= sold(world, log) <= 172
    sheet = desk_of(world, agent_id(world, "prime-1")).sheet
    assert (sum(sheet.repo_cash), sheet.due_cash) == (0, 0)
    causes = {e.cause for e in log.of(BalanceSheetRecord)}
    assert {SheetCause.DUE, SheetCause.REPAID, SheetCause.SELL} <= causes
    # Nothing is due before it matures: the terms are the clock.
    first = min(e.ts_event_ns for e in log.of(ParentOrderOpened))
    assert first >= 30 * S
    quiet, log = run(market(DEEP, refusing, repo_dealer(), horizon="3min", switches={"funding": False}))
    assert sold(quiet, log) == 0
    assert not log.of(LoanRefused)


def test_unsecured_funding_runs_too_where_it_is_lent_by_lenders() -> None:
    refusing = lender(refuse_above_leverage=5)
    sheet = {"repo": {}, "short_term_funding": 460 * M, "runnable_share": 0.5}
    world, log = run(market(DEEP, refusing, repo_dealer(**sheet), horizon="3min"))
    assert 210 <= sold(world, log) <= 212
    # Deposits stay; what the last lot of each of four sales brings beyond what was due goes to them.
    assert 0 <= 2_300_000 - desk_of(world, agent_id(world, "prime-1")).sheet.short_term_cash < 4 * 10_000


def test_a_lender_at_its_own_limit_rolls_the_rest() -> None:
    world, log = run(market(DEEP, lender(limit=100 * M), repo_dealer(), horizon="5min"))
    refused = sum(e.amount_cash for e in log.of(LoanRefused))
    # What the last lot of a sale brings beyond what was due retires repo that would have been refused.
    assert 0 <= 900_000 - refused < 4 * 10_000
    assert 0 <= 1_000_000 - desk_of(world, agent_id(world, "prime-1")).sheet.repo_cash[1] < 4 * 10_000


def test_haircuts_rise_with_volatility_and_leverage_and_stay_with_the_switch_off() -> None:
    swings = [shock(f"{60 + 10 * k}s", 0.01 if k % 2 == 0 else 1 / 1.01 - 1, "treasury") for k in range(30)]
    by_volatility = lender()
    by_volatility["params"]["schedules"]["treasury"]["per_volatility"] = 10.0
    by_leverage = lender()
    by_leverage["params"]["schedules"]["treasury"] |= {"per_leverage": 0.01, "reference_leverage": 5.0}
    for group, shocks, rises in (
        (by_volatility, swings, True),
        (by_volatility, [], False),
        (by_leverage, [], True),
    ):
        _, log = run(market(DEEP, group, repo_dealer(), shocks=shocks))
        haircuts = [e.haircut for e in log.of(LoanRolled)]
        assert (max(haircuts) > 0.055) is rises
        assert min(haircuts) >= 0.05 - 1e-12
        _, log = run(market(DEEP, group, repo_dealer(), shocks=shocks, switches={"funding": False}))
        assert {round(e.haircut, 12) for e in log.of(LoanRolled)} == {0.05}


def test_margin_calls_are_met_with_collateral_while_there_is_any_and_then_in_cash() -> None:
    fall = [shock("1min", -0.02, "treasury")]
    _, log = run(market(DEEP, lender(), repo_dealer(), shocks=fall))
    assert log.of(MarginCalled)
    assert log.of(CollateralPledged)
    assert not log.of(LoanRepaid)
    # All is pledged: 400 of Treasuries and 80 of corporates carry 456.
    full = repo_dealer(repo={"treasury": 380 * M, "corporate": 76 * M}, short_term_funding=4 * M)
    world, log = run(market(DEEP, lender(), full, shocks=fall))
    paid = sum(e.amount_cash for e in log.of(LoanRepaid))
    called = sum(e.amount_cash for e in log.of(MarginCalled))
    assert paid > 0
    assert called >= 0.98 * 76_000
    assert sold(world, log) == 0
    # Without a fall nobody calls.
    _, log = run(market(DEEP, lender(), full))
    assert not log.of(MarginCalled)


def test_a_standing_facility_replaces_lenders_who_refuse() -> None:
    refusing = lender(refuse_above_leverage=5)
    facility = lender("facility") | {"strategy": "strategies.standing_repo_facility:StandingRepoFacility"}
    for start, saved in (("0s", True), ("1h", False)):
        group = facility | {"params": facility["params"] | {"start": start}}
        world, log = run(market(DEEP, refusing, group, repo_dealer(), horizon="4min"))
        assert (sold(world, log) == 0) is saved
        number = agent_id(world, "facility-1")
        assert bool([e for e in log.of(LoanBorrowed) if e.lender_id == number]) is saved


def test_the_switch_moves_no_random_stream() -> None:
    noise = {"distribution": "lognormal", "median": "20ms", "sigma": 0.5}
    jittery = {"to_venue": noise, "from_venue": noise}
    traders = {
        "name": "trader",
        "strategy": "strategies.liquidity:LiquidityTraders",
        "connection": jittery,
        "params": {"traders": 60, "mean_interval": "60s", "rfq_share": 0.2},
    }
    moving = lender(name="lender")
    moving["params"]["schedules"]["treasury"] |= {"per_leverage": 0.001, "reference_leverage": 5.0}
    logs = []
    for on in (True, False):
        group = repo_dealer() | {"strategy": "strategies.fixed_spread:FixedSpreadDealer", "connection": jittery}
        _, log = run(market(DEEP, traders, moving, group, switches={"funding": on}))
        assert not log.of(ConstraintBreached)
        told = (FundingMessage, SheetDisclosed, BalanceSheetRecord, PositionRecord, HeadroomRecord)
        logs.append(([e for e in log.events if not isinstance(e, told)], log.commands, len(log.of(FundingMessage))))
    assert logs[0][2] != logs[1][2]
    assert logs[0][0] == logs[1][0]
    assert logs[0][1] == logs[1][1]


# --- funds --------------------------------------------------------------------------------------------------


def fund(cash: int = 10 * M, **redemptions: Any) -> dict[str, Any]:
    rule = {"beta": 2.0, "interval": "1min", **redemptions}
    sheet = {"constraints": [], "redemptions": rule, "liquidation": "immediate"}
    return dealer("fund", sheet, cash=cash, holdings={"treasury": 100 * M, "corporate": 100 * M})


def test_a_fund_that_loses_pays_from_its_buffer_and_sells_the_most_liquid_for_the_rest() -> None:
    world, log = run(market(DEEP, fund(), shocks=[shock("30s", -0.05)], horizon="90s"))
    (redemption,) = log.of(Redemption)
    nav = 2_100_000 - 50_000
    owed = round(2.0 * 50_000 / 2_100_000 * nav)
    assert (redemption.nav_cash, redemption.redeemed_cash) == (nav, owed)
    assert (redemption.from_buffer_cash, redemption.to_raise_cash) == (
        100_000 if owed > 100_000 else owed,
        max(0, owed - 100_000),
    )
    assert sold(world, log, "fund-1") == 0
    world, log = run(market(DEEP, fund(cash=0), shocks=[shock("30s", -0.05)], horizon="90s"))
    (redemption,) = log.of(Redemption)
    desk = desk_of(world, agent_id(world, "fund-1"))
    assert redemption.from_buffer_cash == 0
    assert 9 <= sold(world, log, "fund-1") <= 11
    assert desk.sheet.lots[0] == 100  # of corporates, the less liquid, nothing
    assert desk.sheet.due_cash == 0


def test_without_a_loss_or_with_the_switch_off_nobody_redeems() -> None:
    for changes in ({}, {"shocks": [shock("30s", -0.05)], "switches": {"redemptions": False}}):
        world, log = run(market(DEEP, fund(cash=0), horizon="5min", **changes))
        assert not log.of(Redemption, ParentOrderOpened)
        assert sold(world, log, "fund-1") == 0


def test_funds_redeem_whether_lenders_fund_or_not() -> None:
    # What investors are owed is no matter of the funding switch.
    off = {"shocks": [shock("30s", -0.05)], "switches": {"funding": False}}
    world, log = run(market(DEEP, fund(cash=0), horizon="90s", **off))
    assert 9 <= sold(world, log, "fund-1") <= 11


def test_swing_pricing_pays_less() -> None:
    owed = {}
    for factor in (0.0, 0.1):
        _, log = run(market(DEEP, fund(swing_factor=factor), shocks=[shock("30s", -0.05)], horizon="90s"))
        (redemption,) = log.of(Redemption)
        owed[factor] = redemption.redeemed_cash
    assert owed[0.1] == pytest.approx(0.9 * owed[0.0], abs=1)


# --- purchases ----------------------------------------------------------------------------------------------


def test_the_central_bank_bids_only_while_the_market_does_not_function() -> None:
    params = CentralBankPurchases.Params(patience=10 * S, interval=5 * S, discount=0.02, size_lots=7, start=60 * S)
    bank, ctx = CentralBankPurchases(params), RecordingContext()
    bank.on_start(ctx)

    def look(seconds: int, bid: int, ask: int) -> list[Any]:
        ctx.now_ns = seconds * S
        ctx.set_top(bid, ask)
        bank.on_wake(ctx, 0)
        return ctx.take_actions()

    assert look(5, 9_990, 10_010) == []
    assert look(10, 0, 0) == []  # dark, but it may not begin yet
    assert look(40, 0, 0) == []
    (order,) = look(65, 0, 0)
    assert isinstance(order, NewOrder)
    assert (order.side, order.qty_lots, order.price_ticks) == (Side.BUY, 7, 9_800)
    assert [type(c).__name__ for c in look(70, 9_990, 10_010)] == ["CancelOrder"]
    assert look(75, 9_000, 10_010) == []  # too wide, but not for long enough
    assert len(look(90, 9_000, 10_010)) == 1


def test_purchases_put_a_floor_under_a_market_without_bids() -> None:
    seller = {
        "name": "seller",
        "strategy": "strategies.twap:TwapTrader",
        "holdings": {"treasury": 100 * M},
        "params": {"instrument": "treasury", "parent_lots": 50, "start": "2min", "duration": "2min", "rfq_dealers": 0},
    }
    bank = {
        "name": "bank",
        "strategy": "strategies.central_bank:CentralBankPurchases",
        "params": {"patience": "10s", "discount": 0.01, "instruments": ["treasury"]},
    }
    amounts = {}
    for name, groups in (("with", [seller, bank]), ("without", [seller])):
        world, log = run(market(*groups))
        amounts[name] = sold(world, log, "seller-1")
        prices = {e.price_ticks for e in log.of(OrderFilled)}
        assert prices == ({9_900} if name == "with" else set())
    assert amounts == {"with": 50, "without": 0}


def test_a_day_s_purchases_are_bounded_where_a_day_has_a_bound() -> None:
    seller = {
        "name": "seller",
        "strategy": "strategies.twap:TwapTrader",
        "holdings": {"treasury": 100 * M},
        "params": {"instrument": "treasury", "parent_lots": 50, "start": "1min", "duration": "2min", "rfq_dealers": 0},
    }

    def bank(**params: Any) -> dict[str, Any]:
        usual = {"patience": "10s", "discount": 0.01, "instruments": ["treasury"], "size_lots": 8}
        return {
            "name": "bank",
            "strategy": "strategies.central_bank:CentralBankPurchases",
            "params": {**usual, **params},
        }

    days = {"calendar": {"day": "4min", "session": "3min"}, "horizon": "12min"}
    bought = {}
    for most in (0, 20):
        _, log = run(market(seller, bank(daily_lots=most), **days))
        by_day = [0, 0, 0]
        for fill in log.of(OrderFilled):
            if fill.side is Side.BUY:
                by_day[fill.ts_event_ns // (240 * S)] += fill.qty_lots
        bought[most] = by_day
    assert bought == {0: [50, 0, 0], 20: [20, 20, 10]}
    with pytest.raises(InputError, match=r"bank-1: daily_lots: expected a \[calendar\]"):
        run(market(bank(daily_lots=20)))


def test_fair_value_is_what_it_is() -> None:
    # A control of the harness: shocks reach the market, whoever is in it.
    _, log = run(market(DEEP, shocks=[shock("1min", -0.02)]))
    assert [e.value_ticks for e in log.of(FairValue) if e.is_shock] == [pytest.approx(9_800)]
