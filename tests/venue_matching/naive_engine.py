"""A second matching engine, slow and obvious, to compare the real one with.

Written from the rules alone: one list of orders, sorted again whenever somebody asks who is first, a set of
every id ever used, fill-or-kill by trying it out on a copy, auction prices by trying every price. It shares
nothing with the real engine but the messages.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from lob_sim.messages import (
    AuctionUncrossed,
    CancelOrder,
    CancelReason,
    Event,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderType,
    Phase,
    PhaseChanged,
    ReduceOrder,
    RejectReason,
    ReplaceOrder,
    SelfTradePrevention,
    SetPhase,
    Side,
    TimeInForce,
    Trade,
)

LIMIT = 2**53
WORD = 2**63  # numbers of the log are below it


@dataclass(eq=False)  # There is one of each: whether it is in a list is a question of which, not of what it says.
class NaiveOrder:
    order_id: int
    agent_id: int
    client_order_id: int
    side: Side
    limit: int | None  # None: any price
    open: int
    kind: OrderType
    tif: TimeInForce
    stop: int
    slice: int
    hidden: bool
    post_only: bool
    mode: SelfTradePrevention
    arrived: int
    queued: int = 0  # when it, or its present slice, joined its queue
    shown: int = 0
    place: str = "incoming"  # or "book", "stop", "triggered"
    for_auction: bool = False

    def accepts(self, price: int) -> bool:
        if self.limit is None:
            return True
        return price <= self.limit if self.side is Side.BUY else price >= self.limit


class NaiveEngine:
    def __init__(
        self,
        instrument_id: int,
        phase: Phase = Phase.CONTINUOUS,
        band: tuple[int, int] | None = None,
        reference: int = 0,
        step: int = 1,
    ) -> None:
        self.instrument_id = instrument_id
        self.phase = phase
        self.band = band
        self.reference = reference
        self.step = step
        self.orders: list[NaiveOrder] = []
        self.used: set[tuple[int, int]] = set()
        self.n_arrivals = self.n_trades = self.clock = 0
        self.last = 0
        self.events: list[Event] = []
        self.now = 0

    # --- what others see ---
    def process(self, command: Any, ts_ns: int) -> list[Event]:
        self.events, self.now = [], ts_ns
        if isinstance(command, NewOrder):
            self.new(command)
        elif isinstance(command, SetPhase):
            self.set_phase(command)
        else:
            self.change(command)
        return self.events

    def queue(self, side: Side) -> list[NaiveOrder]:
        """The orders of a side in the order in which they trade."""

        def key(o: NaiveOrder) -> tuple[float, bool, int]:
            if o.limit is None:
                worst_first = float("-inf")
            else:
                worst_first = -o.limit if side is Side.BUY else o.limit
            return worst_first, o.hidden, o.queued

        return sorted((o for o in self.orders if o.place == "book" and o.side is side), key=key)

    def snapshot(self) -> list[list[tuple[int, int, int, int]]]:
        """Both queues as (order, limit or 0, open, shown), then the waiting stops as (order, trigger, open,
        fired)."""
        rows = [[(o.order_id, o.limit or 0, o.open, o.shown) for o in self.queue(side)] for side in Side]
        stops = [o for o in self.orders if o.place in ("stop", "triggered")]
        stops.sort(key=lambda o: o.order_id)
        return [*rows, [(o.order_id, o.stop, o.open, int(o.place == "triggered")) for o in stops]]

    # --- commands ---
    def refuse(self, command: Any, reason: RejectReason) -> None:
        def number(value: object) -> int:
            return value if type(value) is int and -WORD <= value < WORD else 0

        order_id = 0 if isinstance(command, NewOrder) else number(command.order_id)
        client_id = number(command.client_order_id)
        self.events.append(OrderRejected(self.now, self.instrument_id, command.agent_id, client_id, order_id, reason))

    def bad_qty(self, qty: object) -> bool:
        return type(qty) is not int or qty < 1 or qty > LIMIT

    def bad_slices(self, qty: int, shown: int) -> bool:
        """Whether it would take more than a thousand slices to trade."""
        return shown > 0 and -(-qty // shown) > 1_000

    def too_much(self, qty: int, instead_of: NaiveOrder | None = None) -> bool:
        """Whether a large order makes all open quantity of the book more than a sum may be."""
        others = sum(o.open for o in self.orders if o is not instead_of)
        return qty >= 2**30 and others + qty > WORD // 2

    def bad_price(self, price: object) -> RejectReason | None:
        if type(price) is not int or price < 1 or price > LIMIT:
            return RejectReason.INVALID_PRICE
        return RejectReason.OFF_GRID if price % self.step else None

    def shape_flaw(self, c: NewOrder) -> RejectReason | None:
        if not isinstance(c.side, Side):
            return RejectReason.INVALID_SIDE
        if self.bad_qty(c.qty_lots):
            return RejectReason.INVALID_QTY
        has_limit = c.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT) and isinstance(c.order_type, OrderType)
        if has_limit and self.bad_price(c.price_ticks):
            return self.bad_price(c.price_ticks)
        if not has_limit and (type(c.price_ticks) is not int or c.price_ticks != 0):
            return RejectReason.INVALID_PRICE
        if type(c.client_order_id) is not int or not 1 <= c.client_order_id < WORD:
            return RejectReason.INVALID_FIELDS
        if not isinstance(c.order_type, OrderType) or not isinstance(c.time_in_force, TimeInForce):
            return RejectReason.INVALID_FIELDS
        if not isinstance(c.self_trade, SelfTradePrevention):
            return RejectReason.INVALID_FIELDS
        if not isinstance(c.hidden, bool) or not isinstance(c.post_only, bool):
            return RejectReason.INVALID_FIELDS
        if c.order_type in (OrderType.STOP, OrderType.STOP_LIMIT):
            if self.bad_price(c.stop_price_ticks):
                return self.bad_price(c.stop_price_ticks)
        elif type(c.stop_price_ticks) is not int or c.stop_price_ticks != 0:
            return RejectReason.INVALID_PRICE
        if type(c.display_qty_lots) is not int or not 0 <= c.display_qty_lots <= LIMIT:
            return RejectReason.INVALID_QTY
        if self.bad_slices(c.qty_lots, c.display_qty_lots):
            return RejectReason.INVALID_QTY
        if (c.hidden or c.post_only or c.display_qty_lots) and not (has_limit and c.time_in_force is TimeInForce.GTC):
            return RejectReason.INVALID_FIELDS
        if c.hidden and c.display_qty_lots:
            return RejectReason.INVALID_FIELDS
        if c.post_only and c.order_type is OrderType.STOP_LIMIT:
            return RejectReason.INVALID_FIELDS
        return None

    def touches_opposite(self, side: Side, limit: int | None) -> bool:
        best = self.queue(side.opposite)[:1]
        if not best:
            return False
        if limit is None or best[0].limit is None:
            return True
        return limit >= best[0].limit if side is Side.BUY else limit <= best[0].limit

    def new(self, c: NewOrder) -> None:
        flaw = self.shape_flaw(c)
        if flaw:
            return self.refuse(c, flaw)
        if self.phase is Phase.CLOSED:
            return self.refuse(c, RejectReason.SESSION_CLOSED)
        if self.phase is not Phase.CONTINUOUS and c.time_in_force is TimeInForce.FOK:
            return self.refuse(c, RejectReason.SESSION_CLOSED)
        if (c.agent_id, c.client_order_id) in self.used:
            return self.refuse(c, RejectReason.DUPLICATE_ID)
        if c.post_only and self.phase is Phase.CONTINUOUS and self.touches_opposite(c.side, c.price_ticks):
            return self.refuse(c, RejectReason.WOULD_TRADE)
        if self.too_much(c.qty_lots):
            return self.refuse(c, RejectReason.INVALID_QTY)
        self.used.add((c.agent_id, c.client_order_id))
        order = NaiveOrder(
            order_id=self.n_arrivals + 1,
            agent_id=c.agent_id,
            client_order_id=c.client_order_id,
            side=c.side,
            limit=c.price_ticks or None,
            open=c.qty_lots,
            kind=c.order_type,
            tif=c.time_in_force,
            stop=c.stop_price_ticks,
            slice=c.display_qty_lots,
            hidden=c.hidden,
            post_only=c.post_only,
            mode=c.self_trade,
            arrived=0,
        )
        self.say(OrderAccepted, order, order.side, c.price_ticks, c.qty_lots)
        self.arrive(order)
        return None

    def change(self, c: CancelOrder | ReduceOrder | ReplaceOrder) -> None:
        if not isinstance(c, CancelOrder):
            if self.bad_qty(c.qty_lots):
                return self.refuse(c, RejectReason.INVALID_QTY)
            if self.phase is Phase.CLOSED:
                return self.refuse(c, RejectReason.SESSION_CLOSED)
        order = self.named(c)
        if isinstance(order, RejectReason):
            return self.refuse(c, order)
        if isinstance(c, CancelOrder):
            self.cut(order, order.open, CancelReason.BY_OWNER)
        elif isinstance(c, ReduceOrder):
            self.cut(order, min(c.qty_lots, order.open), CancelReason.BY_OWNER)
        else:
            self.replace(order, c)
        return None

    def named(self, c: Any) -> NaiveOrder | RejectReason:
        if type(c.order_id) is not int:
            return RejectReason.UNKNOWN_ORDER
        for order in self.orders:
            if c.order_id == 0:
                same_type = type(c.client_order_id) is int
                if same_type and (order.agent_id, order.client_order_id) == (c.agent_id, c.client_order_id):
                    return order
            elif order.order_id == c.order_id:
                return order if order.agent_id == c.agent_id else RejectReason.NOT_OWNER
        return RejectReason.UNKNOWN_ORDER

    def replace(self, order: NaiveOrder, c: ReplaceOrder) -> None:
        if self.bad_slices(c.qty_lots, order.slice):
            return self.refuse(c, RejectReason.INVALID_QTY)
        if c.qty_lots > order.open and self.too_much(c.qty_lots, order):
            return self.refuse(c, RejectReason.INVALID_QTY)
        if order.kind in (OrderType.MARKET, OrderType.STOP):
            if type(c.price_ticks) is not int or c.price_ticks != 0:
                return self.refuse(c, RejectReason.INVALID_PRICE)
        elif self.bad_price(c.price_ticks):
            return self.refuse(c, self.bad_price(c.price_ticks) or RejectReason.INVALID_PRICE)
        limit = c.price_ticks or None
        if order.post_only and self.phase is Phase.CONTINUOUS and self.touches_opposite(order.side, limit):
            return self.refuse(c, RejectReason.WOULD_TRADE)
        keeps = limit == order.limit and c.qty_lots <= order.open
        self.say(OrderReplaced, order, order.side, c.price_ticks, c.qty_lots, keeps)
        if keeps:
            order.open = c.qty_lots
            order.shown = min(order.shown, order.open)
        else:
            self.orders.remove(order)
            order.limit, order.open = limit, c.qty_lots
            self.arrive(order)
        return None

    def set_phase(self, c: SetPhase) -> None:
        if c.reference_price_ticks:
            self.reference = c.reference_price_ticks
        collecting = self.phase in (Phase.AUCTION, Phase.HALTED)
        opens = c.phase in (Phase.CONTINUOUS, Phase.CLOSED)
        next_call = self.phase is Phase.AUCTION and c.phase is Phase.AUCTION
        if collecting and (opens or next_call):
            self.uncross()
        self.phase = c.phase
        self.events.append(PhaseChanged(self.now, self.instrument_id, c.phase, self.reference, 0))
        self.fire()

    # --- life of an order ---
    def say(self, event: Any, order: NaiveOrder, *rest: Any) -> None:
        ids = (order.agent_id, order.client_order_id, order.order_id)
        self.events.append(event(self.now, self.instrument_id, *ids, *rest))

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def arrive(self, order: NaiveOrder) -> None:
        self.n_arrivals += 1
        order.arrived = self.n_arrivals
        if order.stop:
            order.place = "stop"
            self.orders.append(order)
            if self.last:
                self.look_at_stop(order, self.last)
        else:
            self.execute(order)
        self.fire()

    def look_at_stop(self, order: NaiveOrder, price: int) -> None:
        if price >= order.stop if order.side is Side.BUY else price <= order.stop:
            order.place = "triggered"

    def fire(self) -> None:
        while self.phase is Phase.CONTINUOUS:
            triggered = [o for o in self.orders if o.place == "triggered"]
            if not triggered:
                return
            order = min(triggered, key=lambda o: o.arrived)
            self.orders.remove(order)
            order.stop = 0
            self.say(OrderTriggered, order)
            self.execute(order)

    def execute(self, order: NaiveOrder) -> None:
        if self.phase is Phase.CONTINUOUS:
            if order.tif is TimeInForce.FOK:
                rehearsal = copy.copy(self)
                rehearsal.orders, rehearsal.events = [copy.copy(o) for o in self.orders], []
                rehearsal.trade_incoming(copy.copy(order))
                filled = sum(e.qty_lots for e in rehearsal.events if isinstance(e, Trade))
                if filled < order.open:
                    return self.drop(order, CancelReason.FOK_NOT_FILLED)
            self.trade_incoming(order)
        if order.open == 0:
            return None
        can_rest = order.tif is TimeInForce.GTC and order.limit is not None
        if not can_rest and self.phase is Phase.CONTINUOUS:
            return self.drop(order, self.remainder_reason(order))
        if not can_rest:
            order.for_auction = order.hidden = True
        order.place = "book"
        order.queued = self.tick()
        self.show_slice(order)
        self.orders.append(order)
        return None

    def remainder_reason(self, order: NaiveOrder) -> CancelReason:
        return CancelReason.MARKET_REMAINDER if order.limit is None else CancelReason.IOC_REMAINDER

    def show_slice(self, order: NaiveOrder) -> None:
        if order.hidden:
            order.shown = 0
        else:
            order.shown = min(order.slice or order.open, order.open)

    def drop(self, order: NaiveOrder, reason: CancelReason) -> None:
        self.say(OrderCanceled, order, order.open, 0, reason)
        order.open = 0

    def cut(self, order: NaiveOrder, qty: int, reason: CancelReason) -> None:
        order.open -= qty
        order.shown = min(order.shown, order.open)
        self.say(OrderCanceled, order, qty, order.open, reason)
        if order.open == 0 and order in self.orders:
            self.orders.remove(order)

    # --- trading ---
    def trade_incoming(self, taker: NaiveOrder) -> None:
        while taker.open:
            makers = self.queue(taker.side.opposite)
            if not makers or not taker.accepts(makers[0].limit or 0):
                return
            maker = makers[0]
            if taker.mode is not SelfTradePrevention.NONE and maker.agent_id == taker.agent_id:
                self.prevent(taker, maker)
                continue
            price = maker.limit or 0
            if self.band and self.reference and abs(price - self.reference) > self.band[0]:
                self.phase = Phase.HALTED
                until = self.now + self.band[1]
                self.events.append(PhaseChanged(self.now, self.instrument_id, Phase.HALTED, self.reference, until))
                return
            self.exchange(taker, maker, price, min(taker.open, maker.shown or maker.open))

    def prevent(self, taker: NaiveOrder, maker: NaiveOrder) -> None:
        smaller = min(taker.open, maker.open)
        match taker.mode:
            case SelfTradePrevention.CANCEL_TAKER:
                self.cut(taker, taker.open, CancelReason.SELF_TRADE)
            case SelfTradePrevention.CANCEL_MAKER:
                self.cut(maker, maker.open, CancelReason.SELF_TRADE)
            case SelfTradePrevention.CANCEL_BOTH:
                self.cut(maker, maker.open, CancelReason.SELF_TRADE)
                self.cut(taker, taker.open, CancelReason.SELF_TRADE)
            case SelfTradePrevention.DECREMENT:
                self.cut(maker, smaller, CancelReason.SELF_TRADE)
                self.cut(taker, smaller, CancelReason.SELF_TRADE)

    def exchange(self, taker: NaiveOrder, maker: NaiveOrder, price: int, qty: int) -> None:
        self.n_trades += 1
        for order in (taker, maker):
            order.open -= qty
            if order.shown:
                order.shown -= qty
                if order.shown == 0 and order.open:
                    order.queued = self.tick()
                    self.show_slice(order)
            if order.open == 0 and order in self.orders:
                self.orders.remove(order)
        ids = (maker.order_id, taker.order_id)
        self.events.append(Trade(self.now, self.instrument_id, self.n_trades, price, qty, taker.side, *ids))
        self.say(OrderFilled, maker, maker.side, price, qty, maker.open, True, self.n_trades)
        self.say(OrderFilled, taker, taker.side, price, qty, taker.open, False, self.n_trades)
        self.last = price
        for order in self.orders:
            if order.place == "stop":
                self.look_at_stop(order, price)

    def uncross(self) -> None:
        price, bought, sold = self.auction_price()
        if min(bought, sold):
            self.events.append(AuctionUncrossed(self.now, self.instrument_id, price, min(bought, sold), bought - sold))
            while True:
                buys = [o for o in self.queue(Side.BUY) if o.accepts(price)]
                sells = [o for o in self.queue(Side.SELL) if o.accepts(price)]
                if not buys or not sells:
                    break
                first, second = sorted((buys[0], sells[0]), key=lambda o: o.arrived)
                self.exchange(second, first, price, min(o.shown or o.open for o in (first, second)))
            self.reference = price
        for order in sorted((o for o in self.orders if o.for_auction), key=lambda o: o.arrived):
            self.cut(order, order.open, self.remainder_reason(order))

    def auction_price(self) -> tuple[int, int, int]:
        buys, sells = self.queue(Side.BUY), self.queue(Side.SELL)
        reference = self.reference or self.last
        if not reference:
            best = [next((o.limit for o in queue if o.limit), None) for queue in (buys, sells)]
            known = [limit for limit in best if limit]
            if not known:
                return 0, 0, 0
            reference = sum(known) // len(known)
        # Between two limits nothing changes but the distance: the best there is next to one or to the reference.
        near = {level - level % self.step for level in (reference, *(o.limit for o in buys + sells if o.limit))}
        outcomes = []
        for price in sorted({level + k * self.step for level in near for k in (-1, 0, 1)}):
            if price < self.step:
                continue
            bought = sum(o.open for o in buys if o.accepts(price))
            sold = sum(o.open for o in sells if o.accepts(price))
            distance = abs(price - reference)
            outcomes.append((-min(bought, sold), abs(bought - sold), distance, price, bought, sold))
        _, _, _, price, bought, sold = min(outcomes)
        return price, bought, sold
