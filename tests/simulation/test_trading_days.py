"""Trading days: what a night ends, what waits for the morning, and that an empty day changes nothing but time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sim_helpers import Idle, MemoryLog, Quoter, S, group, instrument, latency, run, scenario, strategy_of

from lob_sim import Simulation
from lob_sim import run as run_logged
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.calendar import TradingCalendar
from lob_sim.messages import (
    BalanceSheetRecord,
    CrossFilled,
    EnterCross,
    FairValue,
    LoanBorrowed,
    LoanRefused,
    LoanRolled,
    OrderRejected,
    Phase,
    PhaseChanged,
    Redemption,
    RejectReason,
    RfqClosed,
    RfqEnd,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    SheetCause,
    Side,
    Trade,
)
from lob_sim.replay.verification import verify
from lob_sim.scenario import Scenario

AUCTION, CONTINUOUS, CLOSED = Phase.AUCTION, Phase.CONTINUOUS, Phase.CLOSED
DAYS: dict[str, Any] = {"day": "100s", "session": "80s"}


def with_days(agents: Any, days: int = 3, instruments: Any = None, **fields: Any) -> Scenario:
    return scenario(agents, instruments, f"{days} days", calendar=DAYS, **fields)


def phases(log: MemoryLog) -> list[tuple[float, Phase]]:
    return [(event.ts_event_ns / S, event.phase) for event in log.of(PhaseChanged)]


class Ticker(Strategy):
    """Notes when it is awake, once a second, and every close and open."""

    def on_start(self, ctx: Context) -> None:
        self.awake: list[float] = []
        self.days: list[tuple[str, float]] = []
        ctx.wake_in(S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.awake.append(ctx.now_ns / S)
        ctx.wake_in(S)

    def on_close(self, ctx: Context) -> None:
        self.days.append(("close", ctx.now_ns / S))

    def on_open(self, ctx: Context) -> None:
        self.days.append(("open", ctx.now_ns / S))


def test_every_day_opens_and_closes_and_nobody_is_awake_at_night() -> None:
    log, world = run(with_days([group("x", Ticker)]))
    ticker = strategy_of(world, "x-1")
    assert phases(log) == [
        (80, CLOSED), (100, CONTINUOUS), (180, CLOSED), (200, CONTINUOUS), (280, CLOSED)
    ]  # fmt: skip
    assert ticker.days == [("close", 80), ("open", 100), ("close", 180), ("open", 200), ("close", 280)]
    # Time 0 to 80, 100 to 180, 200 to 280: the timer of a close comes at the open.
    assert ticker.awake == [*range(1, 80), *range(100, 180), *range(200, 280)]
    # The control: without a calendar there is no night.
    _, through = run(scenario([group("x", Ticker)], horizon="300s"))
    assert strategy_of(through, "x-1").awake == [*range(1, 300)]
    assert strategy_of(through, "x-1").days == []


def test_auctions_open_and_close_every_day() -> None:
    bond = instrument(lit={"opening_auction": "10s", "closing_auction": "5s"})
    log, _ = run(with_days([group("x", Idle)], 2, [bond]))
    assert phases(log) == [
        (10, CONTINUOUS), (75, AUCTION), (80, CLOSED), (100, AUCTION), (110, CONTINUOUS), (175, AUCTION), (180, CLOSED)
    ]  # fmt: skip


def test_batches_go_on_the_next_day() -> None:
    bond = instrument(lit={"batch_interval": "30s"})
    log, _ = run(with_days([group("x", Idle)], 2, [bond]))
    assert [at for at, phase in phases(log) if phase is CONTINUOUS] == [30, 60, 130, 160]
    assert phases(log)[-1] == (180, CLOSED)


def test_a_horizon_within_a_session_ends_that_day_early() -> None:
    spec = scenario([group("x", Idle)], horizon="150s", calendar=DAYS)
    log, _ = run(spec)
    assert phases(log) == [(80, CLOSED), (100, CONTINUOUS), (150, CLOSED)]


class Late(Strategy):
    """Sends an order and a request that arrive at night, and asks just before the close for an answer that does."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(79 * S + S // 2)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, Side.BUY, 1, 102)
        ctx.request_quote(0, Side.BUY, 1, ctx.dealers, 60 * S)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        ctx.accept(quote, Side.BUY)


class Answers(Quoter):
    def on_rfq_request(self, ctx: Context, request: Any) -> None:
        ctx.quote(request, 0, 101, 60 * S)


@pytest.mark.parametrize(("up", "lands"), [("1s", "night"), ("100ms", "day")])
def test_what_arrives_at_night_is_refused_and_open_requests_expire_at_the_close(up: str, lands: str) -> None:
    agents = [group("late", Late, connection=latency(up)), group("maker", Answers, connection=latency("700ms"))]
    log, _ = run(with_days(agents, 2))
    assert log.of(RfqTraded) == []
    if lands == "night":
        assert [r.reason for r in log.of(OrderRejected)] == [RejectReason.SESSION_CLOSED]
        assert RejectReason.SESSION_CLOSED in [r.reason for r in log.of(RfqRejected)]
    else:
        # The request came in time; its answer is too late.
        assert [(e.ts_event_ns // S, e.end) for e in log.of(RfqClosed)] == [(80, RfqEnd.EXPIRED)]
        assert [r.reason for r in log.of(RfqRejected)] == [RejectReason.UNKNOWN_RFQ]


def test_control_the_same_orders_and_requests_deal_where_there_is_no_night() -> None:
    agents = [group("late", Late, connection=latency("1s")), group("maker", Answers, connection=latency("700ms"))]
    log, _ = run(scenario(agents, horizon="200s"))
    assert len(log.of(RfqTraded)) == 1
    assert len(log.of(Trade)) == 1


class Crosses(Quoter):
    """Quotes, and has a buy and a sale wait in the cross from shortly before the close on."""

    def on_start(self, ctx: Context) -> None:
        super().on_start(ctx)
        ctx.wake_in(75 * S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        side = Side.BUY if ctx.name.endswith("1") else Side.SELL
        ctx.send(EnterCross(0, ctx.agent_id, ctx.take_id(), side, 5))


def test_other_venues_deal_at_no_price_of_a_closed_book() -> None:
    venues = [{"kind": "midpoint_cross", "params": {"interval": "10s"}}]
    agents = [group("x", Crosses, count=2)]
    log, _ = run(with_days(agents, 2, venues=venues))
    assert {fill.ts_event_ns / S for fill in log.of(CrossFilled)} == {100}
    # The control: without a night they cross at the next opportunity.
    log, _ = run(scenario(agents, horizon="200s", venues=venues))
    assert {fill.ts_event_ns / S for fill in log.of(CrossFilled)} == {80}


def test_a_night_has_its_share_of_a_days_variance_in_one_step() -> None:
    bond = instrument(price=1_000_000, fair_value={"daily_volatility": 0.01})
    log, _ = run(with_days([group("x", Idle)], 200, [bond], fair_value_step="80s"))
    # A step of 80 s leads to the close, where the night begins: each is from open to open.
    moves = [b.value_ticks / a.value_ticks - 1 for a, b in pairwise(log.of(FairValue))]
    assert len(moves) == 199
    variance = sum(move * move for move in moves) / len(moves)
    # The variance of 199 squared normals has a relative standard error of √(2/199) = 10%.
    assert abs(variance / 0.01**2 - 1) < 0.4


# --- balance sheets ------------------------------------------------------------------------------------------------
LENDER = {
    "schedules": {"bond": {"base": 0.05}},
    "term": "1 day",
    "interval": "10s",
}


def funded(lender: dict[str, Any] | None = None, maker: type[Strategy] = Quoter) -> list[dict[str, Any]]:
    sheet = {
        "repo": {"bond": 900},
        "haircuts": {"bond": 0.05},
        "constraints": [{"kind": "funding"}],
        "maturity_buckets": 4,
    }
    return [
        group("bank", "strategies.buy_and_hold:BuyAndHold", cash=100, holdings={"bond": 10}, balance_sheet=sheet),
        group("lender", "strategies.repo_lender:RepoLending", params={**LENDER, **(lender or {})}),
        group("maker", maker, cash=100_000, holdings={"bond": 1_000}),
    ]


def sheets(log: MemoryLog, cause: SheetCause = SheetCause.CLOSE) -> list[tuple[Any, ...]]:
    return [
        (s.cash, s.inventory_cash, s.short_term_cash, s.due_cash, s.repo_cash, s.tier1_cash)
        for s in log.of(BalanceSheetRecord)
        if s.agent_id == 0 and s.cause is cause
    ]


def test_a_day_with_nothing_in_it_changes_nothing_but_time() -> None:
    log, world = run(with_days(funded(), 5))
    opening = sheets(log, SheetCause.OPENING)[0]
    assert sheets(log) == [opening] * 5
    assert log.of(Trade) == []
    assert [host.account.cash for host in world.hosts] == world.ledger.cash[:3]
    # The control: something happens on the third day, and its close and those after it are others.
    log, _ = run(with_days(funded(maker=OnThird), 5))
    assert sheets(log)[:2] == [opening] * 2
    # Ten bonds lose ten each; what the lender then calls moves cash and repo alike.
    assert [(inventory, tier1, cash - repo) for cash, inventory, _, _, repo, tier1 in sheets(log)[2:]] == [
        (900, 100, -800)
    ] * 3


class OnThird(Quoter):
    """Quotes a tenth lower from the third day on."""

    def on_open(self, ctx: Context) -> None:
        assert ctx.calendar is not None
        if ctx.calendar.day_of(ctx.now_ns) == 3:
            ctx.cancel_all(0)
            ctx.place(0, Side.BUY, 100, 89)
            ctx.place(0, Side.SELL, 100, 91)


def test_overnight_repo_matures_at_each_open_and_is_rolled() -> None:
    log, _ = run(with_days(funded(), 3))
    assert {loan.maturity_ns for loan in log.of(LoanBorrowed)} == {100 * S}
    assert [(r.ts_event_ns / S, r.maturity_ns / S) for r in log.of(LoanRolled)] == [(100, 200)] * 4 + [(200, 300)] * 4


def test_a_lender_may_refuse_at_the_open_and_what_is_due_is_sold_for_that_morning() -> None:
    log, _ = run(with_days(funded({"refuse_above_leverage": 2.0}), 2))
    refused = log.of(LoanRefused)
    assert {r.ts_event_ns for r in refused} == {100 * S}
    assert sum(r.amount_cash for r in refused) == 900
    sold = [trade.ts_event_ns / S for trade in log.of(Trade)]
    assert sold
    assert min(sold) >= 100
    # The control: a lender of shorter terms does not wait for the morning.
    log, _ = run(with_days(funded({"refuse_above_leverage": 2.0, "term": "40s"}), 2))
    assert min(r.ts_event_ns for r in log.of(LoanRefused)) == 10 * S


def fund(beta: float = 1.0) -> dict[str, Any]:
    sheet = {"redemptions": {"beta": beta, "interval": "5s"}}
    return group("fund", "strategies.buy_and_hold:BuyAndHold", cash=1_000, holdings={"bond": 90}, balance_sheet=sheet)


class Drop(Quoter):
    """Quotes a tenth lower from the middle of the first day on."""

    def on_start(self, ctx: Context) -> None:
        super().on_start(ctx)
        ctx.wake_in(40 * S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.cancel_all(0)
        ctx.place(0, Side.BUY, 100, 88)
        ctx.place(0, Side.SELL, 100, 92)


def test_net_asset_value_is_struck_at_the_close_and_redemptions_are_due_at_the_next_open() -> None:
    maker = group("maker", Drop, cash=100_000, holdings={"bond": 1_000})
    log, _ = run(with_days([fund(), maker], 3))
    # 90 bonds fall from 100 to 90: a NAV of 9,100 after 10,000, a return of -9%, and 9% of 9,100 leaves.
    assert [(r.ts_event_ns / S, r.nav_cash, r.redeemed_cash) for r in log.of(Redemption)] == [(100, 9_100, 819)]
    # The controls: through the day it is redeemed at once, and without sensitivity never.
    log, _ = run(scenario([fund(), maker], horizon="300s"))
    assert [r.ts_event_ns / S for r in log.of(Redemption)] == [45]
    log, _ = run(with_days([fund(0.0), maker], 3))
    assert log.of(Redemption) == []


def test_a_state_kept_at_night_goes_on_in_the_morning_as_the_run_did(tmp_path: Path) -> None:
    spec = with_days([*funded({"refuse_above_leverage": 2.0}), fund()], 3)
    kept = ["day 1 close", "day 1 0:01:30", "day 2 open", "day 2 0:01:39.999"]
    with Simulation(spec, seed=3) as simulation:
        states = []
        for i, at in enumerate(kept):
            simulation.run_until(at)
            states.append(tmp_path / f"{i}.state")
            simulation.state().save(states[-1])
        whole = simulation.finish()
    assert whole.digest == run_logged(spec, seed=3).digest
    for path in states:
        with Simulation.load(path) as again:
            assert again.finish().digest == whole.digest


def test_cash_and_securities_are_conserved_and_the_log_replays_across_nights() -> None:
    spec = with_days([*funded({"refuse_above_leverage": 2.0}), fund()], 3)
    result = run_logged(spec, seed=3)
    assert verify(result).ok
    assert run_logged(spec, seed=3).digest == result.digest
    assert run_logged(spec, seed=4).digest != result.digest
    days = result.table("balance_sheet", days=True)
    assert list(days.columns).index("day") == list(days.columns).index("ts_event_ns") + 1
    assert sorted(set(days[days["cause"] == SheetCause.CLOSE]["day"])) == [1, 2, 3]
    assert result.calendar == TradingCalendar(100 * S, 80 * S)
    assert result.book("bond", at="day 2 00:01").phase is CONTINUOUS
    assert result.book("bond", at="day 2 close").phase is CLOSED
