"""Pre-trade limits: what is reserved for what is under way, case by case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from sim_helpers import MS, MemoryLog, Quoter, group, latency, run, scenario, strategy_of

from lob_sim.account.pre_trade import PreTradeRisk
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    NewOrder,
    OrderRefused,
    OrderRejected,
    OrderType,
    RejectReason,
    ReplaceOrder,
    RequestQuote,
    RfqDeclined,
    RfqOpened,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Side,
    SubmitQuote,
)
from lob_sim.simulation.world import World

BUY, SELL = Side.BUY, Side.SELL


class Script(Strategy):
    """Does at the start, and at each millisecond after, what the test has put into ``steps``."""

    steps: ClassVar[list[Callable[[Context], Any]]] = []
    results: ClassVar[list[Any]] = []

    def on_start(self, ctx: Context) -> None:
        Script.results = []
        self.on_wake(ctx, 0)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if tag < len(self.steps):
            Script.results.append(self.steps[tag](ctx))
            ctx.wake_in(MS, tag + 1)


def play(
    *steps: Callable[[Context], Any], others: tuple[dict[str, Any], ...] = (), **fields: Any
) -> tuple[MemoryLog, World]:
    """A guarded agent with 10 lots and 1,000 of cash, which is ten lots' worth, takes the steps."""
    Script.steps = list(steps)
    fields = {"may_short": False, "may_overdraw": False, "cash": 1000, "holdings": {"bond": 10}} | fields
    log, world = run(scenario([group("me", Script, **fields), *others], horizon="100ms"))
    assert min(world.ledger.positions[0]) >= 0 or fields["may_short"]
    return log, world


def reserved(world: World) -> tuple[int, int]:
    guard = world.hosts[0].account.limits
    assert isinstance(guard, PreTradeRisk)
    return guard.lots[0], guard.cash


def order_of(ctx: Context) -> int:
    return next(iter(ctx.orders(0)))


def test_sells_are_admitted_up_to_the_holding_and_refusals_are_on_the_log() -> None:
    log, world = play(
        lambda ctx: ctx.place(0, SELL, 6, 100),
        lambda ctx: ctx.place(0, SELL, 5, 100),
        lambda ctx: ctx.place(0, SELL, 4, 100, parent_order_id=7),
        lambda ctx: ctx.place(0, SELL, 1, order_type=OrderType.MARKET, parent_order_id=9),
    )
    assert [bool(result) for result in Script.results] == [True, False, True, False]
    assert [(m.qty_lots, m.price_ticks, m.parent_order_id) for m in log.of(OrderRefused)] == [
        (5, 100, 0),
        (1, 0, 9),
    ]
    assert reserved(world) == (10, 0)


def test_buys_are_admitted_up_to_the_cash_and_never_without_a_bound_on_their_price() -> None:
    log, world = play(
        lambda ctx: ctx.place(0, BUY, 6, 100),
        lambda ctx: ctx.place(0, BUY, 5, 100),
        lambda ctx: ctx.place(0, BUY, 5, 80),
        lambda ctx: ctx.place(0, BUY, 1, order_type=OrderType.MARKET),
        lambda ctx: ctx.place(0, BUY, 1, order_type=OrderType.STOP, stop_price_ticks=100),
    )
    assert [bool(result) for result in Script.results] == [True, False, True, False, False]
    assert reserved(world) == (0, 1000)
    assert len(log.of(OrderRefused)) == 3


def test_what_is_set_aside_for_a_forced_sale_is_sold_by_the_manager_alone() -> None:
    _, world = play(lambda ctx: ctx.place(0, SELL, 2, 100))
    limits = world.hosts[0].account.limits
    assert isinstance(limits, PreTradeRisk)
    limits.set_aside(0, 7)
    assert (limits.lots[0], limits.free_lots(0)) == (9, 8)
    assert limits.check(NewOrder(0, 0, 101, SELL, 2, 100)).command is None
    # Lots go from what is set aside to the order that sells them, and are never counted twice.
    assert limits.check_of_manager(NewOrder(0, 0, 102, SELL, 5, 100)).command is not None
    assert (limits.lots[0], limits.free_lots(0)) == (9, 3)
    assert limits.check_of_manager(NewOrder(0, 0, 103, SELL, 4, 100)).command is None
    assert limits.check(NewOrder(0, 0, 104, SELL, 1, 100)).command is not None


def test_an_unguarded_agent_is_refused_nothing() -> None:
    log, _ = play(
        lambda ctx: ctx.place(0, SELL, 500, 100),
        lambda ctx: ctx.place(0, BUY, 1, order_type=OrderType.MARKET),
        may_short=True,
        may_overdraw=True,
    )
    assert len(log.of(NewOrder)) == 2
    assert log.of(OrderRefused) == []


@pytest.mark.parametrize("qty", [-1000, -1, 0])
@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_quantity_that_makes_no_sense_frees_nothing_before_the_venue_has_refused_it(side: Side, qty: int) -> None:
    def greedy(ctx: Context) -> int:
        ctx.place(0, side, qty, 100)
        ctx.request_quote(0, side, qty, ctx.dealers, MS)
        return ctx.place(0, side, 11, 100)

    log, world = play(greedy, others=(group("quoter", Quoter),))
    assert Script.results == [0]
    assert [m.reason for m in log.of(OrderRejected)] == [RejectReason.INVALID_QTY]
    assert reserved(world) == (0, 0)


def test_a_negative_price_frees_no_cash() -> None:
    def greedy(ctx: Context) -> int:
        ctx.place(0, BUY, 10, -100)
        return ctx.place(0, BUY, 11, 100)

    _, world = play(greedy)
    assert Script.results == [0]
    assert reserved(world) == (0, 0)


def test_a_replacement_adds_to_what_may_trade_before_it_arrives() -> None:
    """With 4 open and 4 more asked for, up to 3 + 4 lots may be sold: that is what is reserved meanwhile."""
    seen: list[int] = []

    def replace(ctx: Context) -> None:
        ctx.replace(0, order_of(ctx), 4, 101)
        guard = ctx._account.limits  # type: ignore[attr-defined]
        seen.append(guard.lots[0])

    log, world = play(lambda ctx: ctx.place(0, SELL, 4, 100), replace)
    assert seen == [7]
    assert reserved(world) == (4, 0)
    assert len(log.of(ReplaceOrder)) == 1


class Taker(Strategy):
    """Buys 9 lots so that they trade while a replacement is under way."""

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(MS + MS // 2)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, BUY, 9, 110)


@pytest.mark.parametrize(("holding", "sold"), [(10, 9), (19, 18)])
def test_a_replacement_that_crosses_a_fill_under_way_cannot_make_its_owner_short(holding: int, sold: int) -> None:
    def replace(ctx: Context) -> None:
        if ctx.orders(0):
            ctx.replace(0, order_of(ctx), 10, 101)

    log, world = play(
        lambda ctx: ctx.place(0, SELL, 10, 100),
        replace,
        others=(group("taker", Taker), group("taker2", Taker, connection=latency("10ms"))),
        connection=latency("1ms", "5ms"),
        holdings={"bond": holding},
    )
    # Ten lots: the replacement could oversell, so it is refused and the order cancelled; 19 lots are enough.
    assert len(log.of(OrderRefused)) == (holding == 10)
    assert len(log.of(CancelOrder)) == (holding == 10)
    assert holding - world.ledger.positions[0][0] == sold


def test_a_replacement_for_a_single_lot_needs_nothing_more() -> None:
    log, world = play(
        lambda ctx: ctx.place(0, SELL, 1, 100),
        *(lambda ctx, price=price: ctx.replace(0, order_of(ctx), 1, price) for price in range(101, 105)),
        holdings={"bond": 1},
    )
    assert len(log.of(ReplaceOrder)) == 4
    assert log.of(OrderRefused) == []
    assert reserved(world) == (1, 0)


def test_a_refused_reduction_does_not_stand_for_the_answer_to_a_replacement() -> None:
    """What a replacement asks for stays reserved until the venue has answered that."""
    seen: list[int] = []

    def commands(ctx: Context) -> None:
        ctx.reduce(0, order_of(ctx), -1)
        ctx.wake_in(MS // 2, 90)

    def replace(ctx: Context) -> None:
        ctx.replace(0, order_of(ctx), 6, 100)

    class Later(Script):
        def on_wake(self, ctx: Context, tag: int) -> None:
            if tag == 90:
                replace(ctx)
            else:
                super().on_wake(ctx, tag)

        def on_reject(self, ctx: Context, event: Any) -> None:
            seen.append(ctx._account.limits.lots[0])  # type: ignore[attr-defined]

    globals()["Later"] = Later
    Later.__module__, Later.__qualname__ = __name__, "Later"
    Script.steps = [lambda ctx: ctx.place(0, SELL, 2, 100), lambda ctx: None, lambda ctx: None, commands]
    spec = group("me", Later, may_short=False, holdings={"bond": 10}, connection=latency("500us", "500us"))
    run(scenario([spec], horizon="100ms"))
    # Refused just after the replacement was sent: one of the two lots and six more may still be sold.
    assert seen == [7]


def test_an_accepted_reduction_is_not_mistaken_for_the_answer_to_a_later_replacement() -> None:
    _, world = play(
        lambda ctx: ctx.place(0, SELL, 4, 100),
        lambda ctx: ctx.reduce(0, order_of(ctx), 1),
        lambda ctx: ctx.replace(0, order_of(ctx), 2, 101),
    )
    assert reserved(world) == (2, 0)


# --- request for quote -------------------------------------------------------------------------------------


class Asker(Strategy):
    """Asks the first dealer to sell it ten lots, and deals on the first quote that it gets, after a while."""

    def on_start(self, ctx: Context) -> None:
        self.quotes: list[RfqQuoted] = []
        ctx.request_quote(0, BUY, 10, ctx.dealers[:1], 50 * MS)
        ctx.wake_in(20 * MS)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        self.quotes.append(quote)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.accept(self.quotes[-1], BUY)


class TwoMinds(Strategy):
    """Quotes, then quotes again so that it is refused; then tries to sell its holding."""

    second_ttl_ns = 0
    second_sides = (0, 100)
    answers_rfqs = True

    def on_start(self, ctx: Context) -> None:
        self.sold = -1

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.quote(request, 0, 100, 40 * MS)
        ctx.quote(request, *self.second_sides, self.second_ttl_ns)
        ctx.wake_in(10 * MS)

    def on_wake(self, ctx: Context, tag: int) -> None:
        self.sold = ctx.place(0, SELL, 1, 90)


class Bids(Strategy):
    def on_start(self, ctx: Context) -> None:
        ctx.place(0, BUY, 5, 95)


@pytest.mark.parametrize(
    ("ttl_ns", "sides"),
    [(0, (0, 100)), (5 * MS, (0, -5)), (5 * MS, (99, 100)), (5 * MS, (0, 0))],
    ids=["no time to live", "no price", "wrong side", "decline by no side"],
)
def test_a_quote_that_still_stands_stays_reserved_when_a_second_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, ttl_ns: int, sides: tuple[int, int]
) -> None:
    monkeypatch.setattr(TwoMinds, "second_ttl_ns", ttl_ns)
    monkeypatch.setattr(TwoMinds, "second_sides", sides)
    dealer = group("dealer", TwoMinds, may_short=False, holdings={"bond": 10}, cash=10**6)
    log, world = run(scenario([dealer, group("asker", Asker), group("bids", Bids)], horizon="100ms"))
    assert [m.reason for m in log.of(RfqRejected)]
    assert len(log.of(RfqTraded)) == 1
    assert strategy_of(world, "dealer-1").sold == 0
    assert [row[0] for row in world.ledger.positions[:3]] == [10, 0, 0]
    guard = world.hosts[2].account.limits
    assert isinstance(guard, PreTradeRisk)
    assert guard.lots == [0]


class Changes(Strategy):
    """Quotes with all of its cash, then at more than it has: the first quote is firm."""

    answers_rfqs = True

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.quote(request, 100, 0, 40 * MS)
        ctx.quote(request, 101, 0, 40 * MS)
        self.bought = ctx.place(0, BUY, 1, 100)


class Seller(Strategy):
    def on_start(self, ctx: Context) -> None:
        ctx.request_quote(0, SELL, 10, ctx.dealers, 50 * MS)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        ctx.accept(quote, SELL)


def test_a_quote_beyond_the_means_leaves_the_earlier_one_covered() -> None:
    dealer = group("dealer", Changes, may_overdraw=False, cash=1000)
    log, world = run(scenario([dealer, group("seller", Seller, holdings={"bond": 10})], horizon="100ms"))
    assert len(log.of(SubmitQuote)) == 1
    assert [m.reason for m in log.of(RfqRejected)] == [RejectReason.QUOTE_IS_FIRM]
    assert log.of(RfqDeclined) == []
    assert len(log.of(OrderRefused)) == 2
    assert strategy_of(world, "dealer-1").bought == 0
    assert world.ledger.cash[0] == 0


class Lowers(Strategy):
    """Bids with all of its cash, then lower so that the venue refuses it: the higher bid is what stands."""

    answers_rfqs = True

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.quote(request, 100, 0, 40 * MS)
        ctx.quote(request, 50, 0, 0)
        self.bought = ctx.place(0, BUY, 5, 100)


def test_a_lower_quote_frees_nothing_while_the_higher_one_may_stand() -> None:
    dealer = group("dealer", Lowers, may_overdraw=False, cash=1000)
    agents = [dealer, group("offers", Quoter), group("seller", Seller, holdings={"bond": 10})]
    log, world = run(scenario(agents, horizon="100ms"))
    assert [m.reason for m in log.of(RfqRejected)] == [RejectReason.INVALID_FIELDS]
    assert strategy_of(world, "dealer-1").bought == 0
    assert world.ledger.cash[0] == 0


class BothWays(Strategy):
    """Asks two-sided with all that it has, and accepts both ways at once; the venue lets one deal."""

    def on_start(self, ctx: Context) -> None:
        ctx.request_quote(0, None, 10, ctx.dealers, 50 * MS)

    def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
        ctx.accept(quote, BUY)
        self.sold = ctx.place(0, SELL, 1, 90)
        self.bought = ctx.place(0, BUY, 1, 95)


class TwoSided(Strategy):
    answers_rfqs = True

    def on_rfq_request(self, ctx: Context, request: RfqOpened) -> None:
        ctx.quote(request, 99, 100, 40 * MS)


def test_an_acceptance_reserves_cash_beside_the_lots_that_the_request_reserved() -> None:
    asker = group("asker", BothWays, may_short=False, may_overdraw=False, cash=1000, holdings={"bond": 10})
    log, world = run(scenario([asker, group("dealer", TwoSided)], horizon="100ms"))
    asker_strategy = strategy_of(world, "asker-1")
    assert asker_strategy.sold == asker_strategy.bought == 0
    assert len(log.of(AcceptQuote)) == len(log.of(RfqTraded)) == 1
    assert world.ledger.cash[0] == 0
    assert reserved(world) == (0, 0)


def test_an_acceptance_named_by_number_is_still_guarded() -> None:
    class Numbered(BothWays):
        def on_rfq_quote(self, ctx: Context, quote: RfqQuoted) -> None:
            ctx.accept(quote, 1)  # type: ignore[arg-type]

    globals()["Numbered"] = Numbered
    Numbered.__module__, Numbered.__qualname__ = __name__, "Numbered"
    asker = group("asker", Numbered, may_overdraw=False, cash=999, holdings={"bond": 10})
    log, world = run(scenario([asker, group("dealer", TwoSided)], horizon="100ms"))
    assert log.of(RfqTraded) == []
    assert len(log.of(OrderRefused)) == 1
    assert world.ledger.cash[0] == 999


def test_a_request_to_sell_more_than_is_held_is_refused_and_one_to_buy_is_not() -> None:
    log, _ = play(
        lambda ctx: ctx.request_quote(0, SELL, 11, ctx.dealers, MS),
        lambda ctx: ctx.request_quote(0, None, 11, ctx.dealers, MS),
        lambda ctx: ctx.request_quote(0, BUY, 11, ctx.dealers, MS),
        others=(group("dealer", TwoSided),),
    )
    assert [bool(result) for result in Script.results] == [False, False, True]
    assert len(log.of(RequestQuote)) == 1
