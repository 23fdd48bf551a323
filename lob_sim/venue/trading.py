"""What a valid order may do: trade, rest, wait for its stop price or for an auction, and leave.

The rules are those of :mod:`lob_sim.venue`; :mod:`lob_sim.venue.matching` checks commands and hands them on.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TypeAlias

import msgspec

from lob_sim.book import MAX_PRICE_TICKS, Order, OrderBook, OrderInstructions
from lob_sim.errors import InvariantError
from lob_sim.messages import (
    AuctionUncrossed,
    CancelReason,
    Event,
    OrderCanceled,
    OrderFilled,
    OrderTriggered,
    Phase,
    PhaseChanged,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.units import Lots, Ns, Ticks
from lob_sim.venue.auction import clearing
from lob_sim.venue.bands import PriceBand

# Members of an enumeration as module constants: reading them through the class costs a lookup each time.
_BUY = Side.BUY
_GTC, _FOK = TimeInForce.GTC, TimeInForce.FOK
_AUCTION, _CONTINUOUS, _HALTED = Phase.AUCTION, Phase.CONTINUOUS, Phase.HALTED
_NO_PREVENTION = SelfTradePrevention.NONE

Events: TypeAlias = list[Event]

USUAL_QTY_LOTS: Lots = 2**30 - 1
"""Orders up to this size are not counted: no memory holds enough of them to matter beside ``MOST_OPEN_LOTS``."""
MOST_OPEN_LOTS: Lots = 2**62
"""What the open orders of a book come to at most, so that their sums, such as an imbalance, fit the log."""


class MatchingCore:
    """The book of one instrument in trading.

    Args:
        instrument_id: The instrument, as on every event.
        phase: The first phase.
        band: How far from the reference the book may trade before it halts; None for no band.
        reference_ticks: The first reference price; 0 for none yet.
        step_ticks: The price grid.

    Attributes:
        book: All live orders.
        phase: The present phase.
        reference_ticks: Centre of the band and last tie-break of an auction; 0 if there is none.
        last_trade_ticks: Price of the last trade, 0 before the first.
        triggered: Stops that fire as soon as trading is continuous: after any command that lets an order in.
        by_client_id: ``agent_id`` → ``client_order_id`` → live order, of everybody once anybody has named an order so;
            empty until then. With one agent at a time, each of thousands would look through all orders for its own.
    """

    __slots__ = (
        "_asks",
        "_band",
        "_bids",
        "_for_auction",
        "_high_ticks",
        "_instrument_id",
        "_largest_lots",
        "_low_ticks",
        "_n_trades",
        "_orders",
        "_step_ticks",
        "book",
        "by_client_id",
        "halted_until_ns",
        "last_trade_ticks",
        "phase",
        "phase_since_ns",
        "reference_ticks",
        "triggered",
    )

    def __init__(
        self,
        instrument_id: int,
        phase: Phase,
        band: PriceBand | None,
        reference_ticks: Ticks,
        step_ticks: Ticks,
    ) -> None:
        self._instrument_id = instrument_id
        self._band = band
        self._step_ticks = step_ticks
        self._low_ticks: Ticks = 0
        self._high_ticks: Ticks = MAX_PRICE_TICKS
        self.phase_since_ns: Ns = 0
        self.halted_until_ns: Ns = 0
        # Market and IOC orders that an auction has collected, in order of arrival; some may have left since.
        self._for_auction: list[Order] = []
        self._n_trades = 0
        self._largest_lots = USUAL_QTY_LOTS
        self.book = OrderBook()
        self._bids, self._asks, self._orders = self.book.bids, self.book.asks, self.book.orders
        self.triggered = self.book.stops.triggered
        self.by_client_id: defaultdict[int, dict[int, Order]] = defaultdict(dict)
        self.phase = phase
        self.last_trade_ticks: Ticks = 0
        self.set_reference(reference_ticks)

    # --- an order's way in ----------------------------------------------------------------------------------
    def crosses(self, side: Side, price_ticks: Ticks) -> bool:
        """Whether an order could trade with the best one opposite; O(1)."""
        if side is _BUY:
            best = self._asks.best
            return best is not None and best.price_ticks <= price_ticks
        best = self._bids.best
        return best is not None and best.price_ticks >= price_ticks

    def has_room(self, qty_lots: Lots, replaced: Order | None = None) -> bool:
        """Whether an order of this size, in place of another if one is given, leaves all sums of open orders exact.

        O(1) while the largest order ever entered, times the number of orders, is below the bound; else O(orders).
        """
        if qty_lots <= USUAL_QTY_LOTS:
            return True
        largest_lots = max(self._largest_lots, qty_lots)
        if largest_lots * (len(self._orders) + 1) > MOST_OPEN_LOTS:
            others = sum(order.open_lots for order in self._orders.values() if order is not replaced)
            if others + qty_lots > MOST_OPEN_LOTS:
                return False
        self._largest_lots = largest_lots
        return True

    def enter(self, order: Order, ts_ns: Ns, events: Events) -> None:
        """Trade an order as far as it may; rest it, collect it for an auction or cancel what is left."""
        special = order.special
        if self.phase is _CONTINUOUS:
            if special is not None and special.time_in_force is _FOK and self._takeable_lots(order) < order.open_lots:
                events.append(self.canceled(order, order.open_lots, 0, CancelReason.FOK_NOT_FILLED, ts_ns))
                return
            if not self._cross(order, ts_ns, events):
                return
        if order.has_limit and (special is None or special.time_in_force is _GTC):
            self._rest(order)
        elif self.phase is _CONTINUOUS:
            events.append(self._canceled_rest(order, ts_ns))
        else:
            if special is None:
                special = order.special = OrderInstructions()
            special.hidden = True
            self._for_auction.append(order)
            self._rest(order)

    def wait(self, order: Order) -> None:
        """Let a stop wait for its price; one that the last trade is through is triggered already."""
        self._file(order)
        self.book.stops.add(order, self.last_trade_ticks)

    def fire_stops(self, ts_ns: Ns, events: Events) -> None:
        """Fire triggered stops, the earliest arrival first, until none is left or the book halts."""
        while self.triggered and self.phase is _CONTINUOUS:
            order = self.book.stops.pop_triggered()
            assert order.special is not None
            order.special.stop_price_ticks = 0
            self._forget(order)
            events.append(
                OrderTriggered(ts_ns, self._instrument_id, order.agent_id, order.client_order_id, order.order_id)
            )
            self.enter(order, ts_ns, events)

    def _rest(self, order: Order) -> None:
        order.set_reserve()
        side = self._bids if order.side is _BUY else self._asks
        level = side.levels.get(order.price_ticks) or side.open_level(order.price_ticks)
        level.append(order)
        self._file(order)

    def _cross(self, taker: Order, ts_ns: Ns, events: Events) -> Lots:
        """Trade an incoming order until it is done, its limit or the band is reached, or prevention ends it.

        Returns:
            What is left of it.
        """
        is_buy, limit_ticks, open_lots = taker.side is _BUY, taker.price_ticks, taker.open_lots
        makers = self._asks if is_buy else self._bids
        prevents = taker.self_trade is not _NO_PREVENTION
        low_ticks, high_ticks = self._low_ticks, self._high_ticks
        first_ticks = last_ticks = 0
        while open_lots:
            level = makers.best
            if level is None:
                break
            price_ticks = level.price_ticks
            if price_ticks > limit_ticks if is_buy else price_ticks < limit_ticks:
                break
            maker = level.front()
            if prevents and maker.agent_id == taker.agent_id:
                open_lots = self._prevent(taker, maker, ts_ns, events)
                continue
            if not low_ticks <= price_ticks <= high_ticks:
                self._halt(ts_ns, events)
                break
            qty_lots = maker.open_lots if maker.special is None else maker.slice_lots
            if qty_lots > open_lots:
                qty_lots = open_lots
            taker.open_lots = open_lots = open_lots - qty_lots
            if level.fill_front(maker, qty_lots):
                makers.drop_level(level)
            self._print(taker, maker, price_ticks, qty_lots, ts_ns, events)
            last_ticks = price_ticks
            first_ticks = first_ticks or price_ticks
        if first_ticks:
            self.last_trade_ticks = last_ticks
            self.book.stops.on_prints(first_ticks, last_ticks)
        return open_lots

    def _print(self, taker: Order, maker: Order, price_ticks: Ticks, qty_lots: Lots, ts_ns: Ns, events: Events) -> None:
        """Put an execution on the tape, tell both owners, and forget a maker that is done."""
        instrument_id = self._instrument_id
        self._n_trades = trade_id = self._n_trades + 1
        maker_id, maker_leaves_lots = maker.order_id, maker.open_lots
        taker_id, taker_side = taker.order_id, taker.side
        events += (
            Trade(ts_ns, instrument_id, trade_id, price_ticks, qty_lots, taker_side, maker_id, taker_id),
            OrderFilled(
                ts_ns, instrument_id, maker.agent_id, maker.client_order_id, maker_id, maker.side,
                price_ticks, qty_lots, maker_leaves_lots, True, trade_id,
            ),
            OrderFilled(
                ts_ns, instrument_id, taker.agent_id, taker.client_order_id, taker_id, taker_side,
                price_ticks, qty_lots, taker.open_lots, False, trade_id,
            ),
        )  # fmt: skip
        if not maker_leaves_lots:
            del self._orders[maker_id]
            if self.by_client_id:
                self.forget_client_id(maker)

    def _prevent(self, taker: Order, maker: Order, ts_ns: Ns, events: Events) -> Lots:
        """Apply the incoming order's self-trade prevention to an own order that it has met.

        Returns:
            What is left of the incoming order.
        """
        mode = taker.self_trade
        both_lots = min(taker.open_lots, maker.open_lots) if mode is SelfTradePrevention.DECREMENT else 0
        if mode is not SelfTradePrevention.CANCEL_TAKER:
            self.shrink(maker, both_lots or maker.open_lots, CancelReason.SELF_TRADE, ts_ns, events)
        if mode is not SelfTradePrevention.CANCEL_MAKER:
            lost_lots = both_lots or taker.open_lots
            taker.open_lots -= lost_lots
            events.append(self.canceled(taker, lost_lots, taker.open_lots, CancelReason.SELF_TRADE, ts_ns))
        return taker.open_lots

    def _takeable_lots(self, taker: Order) -> Lots:
        """What an order could trade at once, counted until that is enough; O(orders that it reaches)."""
        makers = self._asks if taker.side is _BUY else self._bids
        mode, agent_id = taker.self_trade, taker.agent_id
        takeable_lots = 0
        for level in makers.in_order(taker.price_ticks):
            own_lots = 0 if mode is _NO_PREVENTION else level.lots_of(agent_id)
            ends_here = own_lots and mode is not SelfTradePrevention.CANCEL_MAKER
            lots = level.lots_ahead_of(agent_id) if ends_here else level.total_lots - own_lots
            if lots and not self._low_ticks <= level.price_ticks <= self._high_ticks:
                break
            takeable_lots += lots
            if ends_here or takeable_lots >= taker.open_lots:
                break
        return takeable_lots

    # --- an order's way out ---------------------------------------------------------------------------------
    def take_out(self, order: Order) -> None:
        """Remove a live order, resting or waiting; O(1), or O(better levels) if it was the last at its
        price."""
        if order.special is not None and order.special.stop_price_ticks:
            self.book.stops.remove(order)
        elif order.side is _BUY:
            self._bids.remove(order)
        else:
            self._asks.remove(order)
        del self._orders[order.order_id]
        if self.by_client_id:
            self.forget_client_id(order)

    def lower(self, order: Order, qty_lots: Lots) -> None:
        """Take less than the open quantity off a live order, which keeps its place."""
        if order.stop_price_ticks:
            order.open_lots -= qty_lots
        else:
            levels = (self._bids if order.side is _BUY else self._asks).levels
            levels[order.price_ticks].reduce(order, qty_lots)

    def shrink(self, order: Order, qty_lots: Lots, reason: CancelReason, ts_ns: Ns, events: Events) -> None:
        """Cancel some or all of a live order's open quantity."""
        leaves_lots = order.open_lots - qty_lots
        events.append(self.canceled(order, qty_lots, leaves_lots, reason, ts_ns))
        if leaves_lots:
            self.lower(order, qty_lots)
        else:
            self.take_out(order)

    def canceled(
        self, order: Order, qty_lots: Lots, leaves_lots: Lots, reason: CancelReason, ts_ns: Ns
    ) -> OrderCanceled:
        """The event of a quantity that goes without trading."""
        return OrderCanceled(
            ts_ns, self._instrument_id, order.agent_id, order.client_order_id, order.order_id,
            qty_lots, leaves_lots, reason,
        )  # fmt: skip

    def _canceled_rest(self, order: Order, ts_ns: Ns) -> OrderCanceled:
        reason = CancelReason.IOC_REMAINDER if order.has_limit else CancelReason.MARKET_REMAINDER
        return self.canceled(order, order.open_lots, 0, reason, ts_ns)

    # --- the index ------------------------------------------------------------------------------------------
    def find(self, agent_id: int, client_order_id: int) -> Order | None:
        """An agent's live order by its own id; O(1), but for the first time that anybody asks, which is O(orders)."""
        if not self.by_client_id:
            for order in self._orders.values():
                self.by_client_id[order.agent_id][order.client_order_id] = order
        return self.by_client_id[agent_id].get(client_order_id)

    def _file(self, order: Order) -> None:
        self._orders[order.order_id] = order
        if self.by_client_id:
            self.by_client_id[order.agent_id][order.client_order_id] = order

    def _forget(self, order: Order) -> None:
        del self._orders[order.order_id]
        if self.by_client_id:
            self.forget_client_id(order)

    def forget_client_id(self, order: Order) -> None:
        """Take an order that is gone out of its owner's index."""
        del self.by_client_id[order.agent_id][order.client_order_id]

    # --- phases ---------------------------------------------------------------------------------------------
    @property
    def is_collecting(self) -> bool:
        """Whether orders are collected for an auction, so that the book may be crossed."""
        return self.phase is _AUCTION or self.phase is _HALTED

    def set_reference(self, price_ticks: Ticks) -> None:
        """Centre the band, and the last tie-break of auctions, on a price; 0 is none."""
        self.reference_ticks = price_ticks
        if self._band is not None and price_ticks:
            self._low_ticks, self._high_ticks = self._band.around(price_ticks)

    def move_to(self, phase: Phase, ts_ns: Ns, events: Events) -> None:
        """Change the phase on schedule, uncrossing what was collected unless collecting goes on."""
        goes_on = phase is _HALTED or (phase is _AUCTION and self.phase is _HALTED)
        if self.is_collecting and not goes_on:
            self._uncross(ts_ns, events)
        self._set_phase(phase, 0, ts_ns, events)
        self.fire_stops(ts_ns, events)

    def _set_phase(self, phase: Phase, until_ns: Ns, ts_ns: Ns, events: Events) -> None:
        self.phase = phase
        self.phase_since_ns, self.halted_until_ns = ts_ns, until_ns
        events.append(PhaseChanged(ts_ns, self._instrument_id, phase, self.reference_ticks, until_ns))

    def change_halt(self, from_ns: Ns, halt_ns: Ns) -> None:
        """From some time on halts are due to last so long; one that has begun is not touched."""
        if self._band is not None:
            self._band = msgspec.structs.replace(self._band, later=(*self._band.later, (from_ns, halt_ns)))

    def _halt(self, ts_ns: Ns, events: Events) -> None:
        assert self._band is not None
        self._set_phase(_HALTED, ts_ns + self._band.halt_at(ts_ns), ts_ns, events)

    def _uncross(self, ts_ns: Ns, events: Events) -> None:
        """Trade what was collected at one price, then cancel the rest of what was in for the auction only."""
        reference_ticks = self.reference_ticks or self.last_trade_ticks
        cleared = clearing(self.book.bids, self.book.asks, reference_ticks, self._step_ticks)
        if cleared is not None:
            price_ticks, left_lots = cleared.price_ticks, cleared.qty_lots
            events.append(AuctionUncrossed(ts_ns, self._instrument_id, price_ticks, left_lots, cleared.imbalance_lots))
            while left_lots:
                left_lots -= self._trade_fronts(price_ticks, ts_ns, events)
            self.set_reference(price_ticks)
            self.last_trade_ticks = price_ticks
            self.book.stops.on_prints(price_ticks, price_ticks)
        for order in self._for_auction:
            if order.open_lots:
                events.append(self._canceled_rest(order, ts_ns))
                self.take_out(order)
        self._for_auction.clear()

    def _trade_fronts(self, price_ticks: Ticks, ts_ns: Ns, events: Events) -> Lots:
        """Trade the best buy slice with the best sell slice; the later arrival counts as the aggressor."""
        bids, asks = self.book.bids, self.book.asks
        bid_level, ask_level = bids.best, asks.best
        assert bid_level is not None
        assert ask_level is not None
        buy, sell = bid_level.front(), ask_level.front()
        qty_lots = min(buy.slice_lots, sell.slice_lots)
        for side, level, order in ((bids, bid_level, buy), (asks, ask_level, sell)):
            if level.fill_front(order, qty_lots):
                side.drop_level(level)
        taker, maker = (buy, sell) if buy.arrival > sell.arrival else (sell, buy)
        self._print(taker, maker, price_ticks, qty_lots, ts_ns, events)
        if not taker.open_lots:
            self._forget(taker)
        return qty_lots

    def check(self) -> None:
        """Assert every invariant of the book and of its registers; O(orders).

        Raises:
            InvariantError: One does not hold.
        """
        self.book.check(may_cross=self.is_collecting)
        orders = self.book.orders
        if self.by_client_id:
            filed = {(owner, number): o for owner, its in self.by_client_id.items() for number, o in its.items()}
            if len(filed) != len(orders):
                raise InvariantError(f"{len(orders)} orders, {len(filed)} in the index by their owners' numbers")
            for order in orders.values():
                if filed.get((order.agent_id, order.client_order_id)) is not order:
                    raise InvariantError(f"{order} is not what the index holds for its owner's number")
        for order in self._for_auction:
            if not self.is_collecting or (order.open_lots and orders.get(order.order_id) is not order):
                raise InvariantError(f"{order} should not wait for an auction")
        if self.phase is _CONTINUOUS and self.book.stops.triggered:
            raise InvariantError("a triggered stop has not fired")
