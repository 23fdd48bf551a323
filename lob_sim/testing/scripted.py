"""A make-believe market that puts a strategy through everything that can happen to it."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    AcceptQuote,
    AgentCommand,
    Announcement,
    CancelOrder,
    CancelReason,
    DeclineReason,
    NewOrder,
    News,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderType,
    Phase,
    RejectReason,
    RequestQuote,
    RfqClosed,
    RfqDeclined,
    RfqEnd,
    RfqOpened,
    RfqPrint,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    Side,
    SubmitQuote,
    TimeInForce,
    Trade,
    WalkAway,
)
from lob_sim.rng import Stream
from lob_sim.simulation.failures import strategy_error
from lob_sim.testing.recording import RecordingContext
from lob_sim.testing.validity import CommandChecker
from lob_sim.units import NS_PER_S, Lots, Ticks

CLIENT = 90
"""Agent number of the make-believe client who asks for quotes."""


class Conditions(msgspec.Struct, frozen=True):
    """What kind of market it is.

    Attributes:
        bids: Whether anybody bids.
        asks: Whether anybody offers.
        phase: Trading phase, of all books and all the time.
        reject_share: Share of orders and requests that the venue refuses.
        refuse_orders: Whether the agent's own pre-trade limits refuse everything.
    """

    bids: bool = True
    asks: bool = True
    phase: Phase = Phase.CONTINUOUS
    reject_share: float = 0.05
    refuse_orders: bool = False


class ScriptedMarket:
    """Feeds one strategy a random but reproducible course of events, and answers its commands at once.

    It is no model of a market: prices wander, orders fill when the script says so. Every command is checked.

    Args:
        strategy: The strategy, not started yet.
        ctx: Its context.
        seed: Of the script; the strategy's own draws come from the context.
        conditions: What kind of market it is.
    """

    def __init__(
        self, strategy: Strategy, ctx: RecordingContext, seed: int = 1, conditions: Conditions | None = None
    ) -> None:
        self.strategy = strategy
        self.ctx = ctx
        self._conditions = conditions or Conditions()
        self._random = Stream(seed, "script")
        self._checker = CommandChecker(ctx)
        self._answered = 0
        self._next_number = 1_000
        self._values = [float(ticks) for ticks in ctx.initial]
        self._asked: dict[int, RequestQuote] = {}
        self._quotes: dict[int, RfqQuoted] = {}
        self._occurrences: tuple[Callable[[int], None], ...] = (
            self._move_top, self._move_top, self._print_trade, self._fill_resting, self._fill_resting,
            self._publish_news, self._publish_rfq, self._ask_for_quote, self._announce,
        )  # fmt: skip
        ctx.refuse_orders = self._conditions.refuse_orders
        for i in range(len(ctx.instruments)):
            ctx.phases[i] = self._conditions.phase
            self._move_top(i, tell=False)

    def run(self, steps: int, *, start: bool = True) -> list[AgentCommand]:
        """Let ``steps`` things happen, about one a second; returns all commands sent since the beginning."""
        try:
            return self._run(steps, start)
        except Exception as error:
            # Where it came from, as a run would say it, for whoever sees the last line alone.
            where = strategy_error(self.strategy, "", "", self.ctx.now_ns, error).where
            if where:
                error.add_note(f"the strategy raised this, at {where}")
            raise

    def _run(self, steps: int, start: bool) -> list[AgentCommand]:
        if start:
            self.strategy.on_start(self.ctx)
            self._answer()
        for _ in range(steps):
            end_ns = self.ctx.now_ns + self._random.delay_ns(NS_PER_S)
            self._give_wakes(end_ns)
            self.ctx.now_ns = end_ns
            happens = self._occurrences[self._random.integer(0, len(self._occurrences))]
            happens(self._random.integer(0, len(self.ctx.instruments)))
            self._answer()
        return self.ctx.actions

    def _give_wakes(self, end_ns: int) -> None:
        for _ in range(1_000):
            if not self.ctx.wakes or min(self.ctx.wakes)[0] > end_ns:
                return
            wake = self.ctx.next_wake()
            assert wake is not None
            self.strategy.on_wake(self.ctx, wake[1])
            self._answer()
        raise AssertionError("more than 1,000 wake-ups in about a second: the strategy does not rest")

    # --- what happens by itself -----------------------------------------------------------------------------
    def _move_top(self, instrument_id: int, tell: bool = True) -> None:
        random, ctx = self._random, self.ctx
        value = max(20.0, self._values[instrument_id] + 2 * random.normal())
        self._values[instrument_id] = value
        if ctx.fair_values is not None:
            ctx.fair_values[instrument_id] = value
        bid = round(value) - random.integer(1, 4)
        ask = round(value) + random.integer(1, 4)
        shown = self._conditions
        ctx.set_top(
            bid if shown.bids else 0,
            ask if shown.asks else 0,
            random.integer(1, 30),
            random.integer(1, 30),
            instrument_id,
        )
        if tell:
            self.strategy.on_book(ctx, instrument_id)

    def _print_trade(self, instrument_id: int) -> None:
        side = Side.BUY if self._random.uniform() < 0.5 else Side.SELL
        self._print(instrument_id, side, round(self._values[instrument_id]), self._random.integer(1, 20))

    def _publish_news(self, instrument_id: int) -> None:
        signal = self._values[instrument_id] + 5 * self._random.normal()
        self.strategy.on_news(self.ctx, News(self.ctx.now_ns, instrument_id, signal, 5.0))

    def _announce(self, instrument_id: int) -> None:
        change = 20 * self._random.normal()
        self._values[instrument_id] += change
        self.strategy.on_announcement(self.ctx, Announcement(self.ctx.now_ns, instrument_id, change, 5.0))

    def _publish_rfq(self, instrument_id: int) -> None:
        now, price = self.ctx.now_ns, round(self._values[instrument_id])
        self.strategy.on_print(self.ctx, RfqPrint(now, instrument_id, self._number(), now, price, 10, Side.SELL))

    def _fill_resting(self, instrument_id: int) -> None:
        resting = [o for o in self.ctx.orders(instrument_id).values() if o.price_ticks > 0]
        if resting and self._conditions.phase is Phase.CONTINUOUS:
            order = resting[self._random.integer(0, len(resting))]
            qty = self._random.integer(1, order.leaves_lots + 1)
            self._fill(instrument_id, order.client_order_id, order.side, order.price_ticks, qty, is_maker=True)

    def _ask_for_quote(self, instrument_id: int) -> None:
        if not self.strategy.answers_rfqs:
            return
        now = self.ctx.now_ns
        asked = (self.ctx.agent_id, *self.ctx.dealers[:1])
        request = RfqOpened(
            now,
            instrument_id,
            self._number(),
            CLIENT,
            1,
            self._random.integer(-1, 2),
            self._random.integer(1, 40),
            tuple(sorted(asked)),
            now + 10 * NS_PER_S,
        )
        self._checker.expect_answer(request)
        self.strategy.on_rfq_request(self.ctx, request)

    # --- answers to commands --------------------------------------------------------------------------------
    def _answer(self) -> None:
        while self._answered < len(self.ctx.actions):
            command = self.ctx.actions[self._answered]
            self._answered += 1
            self._checker.check(command)
            if isinstance(command, NewOrder):
                self._answer_order(command)
            elif isinstance(command, CancelOrder):
                self._cancel(command.instrument_id, command.client_order_id, 1, CancelReason.BY_OWNER)
            elif isinstance(command, RequestQuote):
                self._answer_request(command)
            elif isinstance(command, SubmitQuote):
                self._answer_quote(command)
            elif isinstance(command, AcceptQuote):
                self._deal(command)
            elif isinstance(command, WalkAway):
                self._close(command.instrument_id, command.rfq_id, RfqEnd.WALKED_AWAY)

    def _answer_order(self, order: NewOrder) -> None:
        ctx, i, number = self.ctx, order.instrument_id, order.client_order_id
        if self._conditions.phase is Phase.CLOSED or self._random.uniform() < self._conditions.reject_share:
            ctx.end_order(i, number)
            rejected = OrderRejected(ctx.now_ns, i, ctx.agent_id, number, 0, RejectReason.SESSION_CLOSED)
            self.strategy.on_reject(ctx, rejected)
            return
        accepted = OrderAccepted(
            ctx.now_ns, i, ctx.agent_id, number, self._number(), order.side, order.price_ticks, order.qty_lots
        )
        self.strategy.on_accept(ctx, accepted)
        is_market = order.order_type is OrderType.MARKET
        if not is_market and order.time_in_force is TimeInForce.GTC:
            return
        top = ctx.tops[i]
        touch, displayed = (top.ask_ticks, top.ask_lots) if order.side is Side.BUY else (top.bid_ticks, top.bid_lots)
        reaches = touch > 0 and (is_market or order.side * (order.price_ticks - touch) >= 0)
        filled = min(order.qty_lots, displayed) if reaches else 0
        if filled and self._conditions.phase is Phase.CONTINUOUS:
            self._fill(i, number, order.side, touch, filled, is_maker=False)
            self._print(i, order.side, touch, filled)
        if number in ctx.orders(i):
            self._cancel(i, number, ctx.orders(i)[number].leaves_lots, CancelReason.IOC_REMAINDER)

    def _answer_request(self, request: RequestQuote) -> None:
        ctx, i = self.ctx, request.instrument_id
        rfq_id, me = self._number(), ctx.agent_id
        if self._random.uniform() < self._conditions.reject_share:
            rejected = RfqRejected(ctx.now_ns, i, 0, me, request.client_rfq_id, RejectReason.SESSION_CLOSED)
            self.strategy.on_reject(ctx, rejected)
            return
        expires, own = ctx.now_ns + request.ttl_ns, request.client_rfq_id
        ctx.open_requests[i][rfq_id] = RfqOpened(
            ctx.now_ns, i, rfq_id, me, own, request.side, request.qty_lots, request.dealer_ids, expires
        )
        self._asked[rfq_id] = request
        for dealer_id in request.dealer_ids:
            if rfq_id not in self._asked:
                return
            price = round(self._values[i]) + self._random.integer(-3, 4)
            if self._random.uniform() < 0.3:
                declined = RfqDeclined(ctx.now_ns, i, rfq_id, me, dealer_id, DeclineReason.NO_INTEREST, own)
                self.strategy.on_rfq_decline(ctx, declined)
            else:
                quote = RfqQuoted(
                    ctx.now_ns, i, rfq_id, self._number(), me, dealer_id, price - 3, price + 3, expires, own
                )
                self._quotes[quote.quote_id] = quote
                self._checker.expect_decision(quote)
                self.strategy.on_rfq_quote(ctx, quote)

    def _answer_quote(self, answer: SubmitQuote) -> None:
        ctx, i = self.ctx, answer.instrument_id
        request = self._checker.requests[answer.rfq_id]
        side = Side.BUY if answer.ask_ticks else Side.SELL
        if self._random.uniform() < 0.5 and (request.side in (0, side)):
            price = answer.ask_ticks if side is Side.BUY else answer.bid_ticks
            self._settle(i, side.opposite, price, request.qty_lots)
            traded = RfqTraded(
                ctx.now_ns, i, request.rfq_id, self._number(), self._number(), CLIENT, ctx.agent_id, side,
                price, request.qty_lots, 0,
            )  # fmt: skip
            self.strategy.on_rfq_trade(ctx, traded)
        closed = RfqClosed(ctx.now_ns, i, request.rfq_id, CLIENT, request.client_rfq_id, RfqEnd.DEALT)
        self.strategy.on_rfq_close(ctx, closed)

    def _deal(self, deal: AcceptQuote) -> None:
        ctx, i, request = self.ctx, deal.instrument_id, self._asked.get(deal.rfq_id)
        if request is None:
            return
        quote = self._quotes[deal.quote_id]
        price = quote.ask_ticks if deal.side is Side.BUY else quote.bid_ticks
        self._settle(i, deal.side, price, request.qty_lots)
        traded = RfqTraded(
            ctx.now_ns, i, deal.rfq_id, deal.quote_id, self._number(), ctx.agent_id, quote.dealer_id,
            deal.side, price, request.qty_lots, request.parent_order_id,
        )  # fmt: skip
        self.strategy.on_rfq_trade(ctx, traded)
        self._close(i, deal.rfq_id, RfqEnd.DEALT)

    def _close(self, instrument_id: int, rfq_id: int, end: RfqEnd) -> None:
        request = self._asked.pop(rfq_id, None)
        self.ctx.open_requests[instrument_id].pop(rfq_id, None)
        if request is not None:
            now, me = self.ctx.now_ns, self.ctx.agent_id
            closed = RfqClosed(now, instrument_id, rfq_id, me, request.client_rfq_id, end)
            self.strategy.on_rfq_close(self.ctx, closed)

    # --- small parts ----------------------------------------------------------------------------------------
    def _fill(self, instrument_id: int, number: int, side: Side, price: Ticks, qty: Lots, *, is_maker: bool) -> None:
        ctx, order = self.ctx, self.ctx.orders(instrument_id)[number]
        self._settle(instrument_id, side, price, qty)
        order.leaves_lots -= qty
        leaves = order.leaves_lots
        if not leaves:
            ctx.end_order(instrument_id, number)
        fill = OrderFilled(
            ctx.now_ns, instrument_id, ctx.agent_id, number, 0, side, price, qty, leaves, is_maker,
            self._number(),
        )  # fmt: skip
        self.strategy.on_fill(ctx, fill)

    def _settle(self, instrument_id: int, side: Side, price: Ticks, qty: Lots) -> None:
        self.ctx.positions[instrument_id] += side * qty
        self.ctx.cash -= side * self.ctx.instruments[instrument_id].value(price, qty)

    def _print(self, instrument_id: int, side: Side, price: Ticks, qty: Lots) -> None:
        self.ctx.last_trades[instrument_id] = price
        trade = Trade(self.ctx.now_ns, instrument_id, self._number(), price, qty, side, self._number(), self._number())
        self.strategy.on_trade(self.ctx, trade)

    def _cancel(self, instrument_id: int, number: int, qty: Lots, reason: CancelReason) -> None:
        self.ctx.end_order(instrument_id, number)
        canceled = OrderCanceled(self.ctx.now_ns, instrument_id, self.ctx.agent_id, number, 0, qty, 0, reason)
        self.strategy.on_cancel(self.ctx, canceled)

    def _number(self) -> int:
        self._next_number += 1
        return self._next_number
