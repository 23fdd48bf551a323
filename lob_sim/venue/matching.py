"""The matching engine of one instrument's lit book: commands in, events out.

Pure: no clock, no randomness, no input or output. The same commands give the same events.

The rules are those of :mod:`lob_sim.venue`. What an order may do once it has been found good is in
:mod:`lob_sim.venue.trading`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lob_sim.book import (
    MARKET_BUY_TICKS,
    MARKET_SELL_TICKS,
    MAX_PRICE_TICKS,
    Order,
    OrderBook,
    OrderInstructions,
)
from lob_sim.errors import InputError
from lob_sim.messages import (
    AuctionUncrossed,
    CancelOrder,
    CancelReason,
    Event,
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderRejected,
    OrderReplaced,
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
from lob_sim.units import Lots, Ns, Ticks, fits_log
from lob_sim.venue.bands import PriceBand
from lob_sim.venue.base import DisplayedTop, Venue
from lob_sim.venue.client_order_ids import ClientOrderIds
from lob_sim.venue.trading import MatchingCore
from lob_sim.venue.validation import has_too_many_slices, price_reject_reason, qty_reject_reason, reject_reason

# Members of an enumeration as module constants: reading them through the class costs a lookup each time.
_BUY, _SELL = Side.BUY, Side.SELL
_LIMIT, _MARKET = OrderType.LIMIT, OrderType.MARKET
_FOK, _GTC = TimeInForce.FOK, TimeInForce.GTC
_ZERO = 0
# Whole numbers up to here are one digit to Python and compared at once; larger ones are looked at on the long way.
_QUICK_INT = 2**30 - 1
_NOTHING_SPECIAL = OrderInstructions()
_BY_OWNER = CancelReason.BY_OWNER
_CLOSED, _CONTINUOUS = Phase.CLOSED, Phase.CONTINUOUS


class MatchingEngine(Venue):
    """Price-time priority with every order type of :mod:`lob_sim.messages`.

    Args:
        instrument_id: The instrument, as on every event.
        phase: The first phase.
        price_band: How far from the reference the book may trade before it halts; None for no band.
        reference_price_ticks: The first reference price; 0 for none yet.
        price_step_ticks: The price grid in ticks: every limit and trigger is a multiple of it.
        in_batches: Whether batch auctions replace continuous trading: whenever the book is continuous, its clock begins
            the next call at once.

    Attributes:
        instrument_id: The instrument.
        book: The order book; read it, do not change it.
    """

    commands = (NewOrder, CancelOrder, ReduceOrder, ReplaceOrder, SetPhase)
    public = (Trade, PhaseChanged, AuctionUncrossed)
    __slots__ = (
        "_asks", "_bids", "_by_client_id", "_handlers", "_in_batches", "_ledgers", "_n_arrivals", "_orders",
        "_step_ticks", "_taken_top", "_trading", "book", "instrument_id",
    )  # fmt: skip

    def __init__(
        self,
        instrument_id: int,
        *,
        phase: Phase = Phase.CONTINUOUS,
        price_band: PriceBand | None = None,
        reference_price_ticks: Ticks = 0,
        price_step_ticks: Ticks = 1,
        in_batches: bool = False,
    ) -> None:
        self.instrument_id = instrument_id
        self._trading = MatchingCore(instrument_id, phase, price_band, reference_price_ticks, price_step_ticks)
        self._ledgers: dict[int, ClientOrderIds] = {}
        self._step_ticks = price_step_ticks
        self._in_batches = in_batches
        self._n_arrivals = 0
        self._taken_top = (0, 0, 0, 0)
        self.book: OrderBook = self._trading.book
        self._bids, self._asks, self._orders = self.book.bids, self.book.asks, self.book.orders
        self._by_client_id = self._trading.by_client_id
        self._handlers: dict[type, Callable[[Any, Ns], list[Event]]] = {
            CancelOrder: self._cancel,
            ReduceOrder: self._reduce,
            ReplaceOrder: self._replace,
            SetPhase: self._set_phase,
        }

    def process(self, command: Any, ts_ns: Ns) -> list[Event]:
        """Apply one command of this instrument; returns what happened, in order.

        Args:
            command: Its ``instrument_id`` and ``agent_id`` are the venue's and trusted; every other field of an
                agent's command may hold anything. A refused one gives one OrderRejected and changes nothing.
            ts_ns: The venue's time, which the events carry.

        Raises:
            InputError: A SetPhase, from the venue's own schedule, makes no sense.
        """
        kind = type(command)
        if kind is not NewOrder:
            return self._cancel(command, ts_ns) if kind is CancelOrder else self._handlers[kind](command, ts_ns)
        # Most of the flow is plain limit orders that rest: here one condition sees that no other rule can apply,
        # without a further call. Identity with 0 is the quick way to see a default; what else stands there is
        # looked at on the long way. A price is looked at when its level is opened, not where orders rest already.
        qty_lots, price_ticks, client_order_id = command.qty_lots, command.price_ticks, command.client_order_id
        agent_id, side, self_trade = command.agent_id, command.side, command.self_trade
        try:
            ledger = self._ledgers[agent_id]
        except KeyError:
            return self._new(command, ts_ns)
        if (
            type(qty_lots) is not int
            or not 0 < qty_lots <= _QUICK_INT
            or type(price_ticks) is not int
            or type(client_order_id) is not int
            or client_order_id != ledger.last_id + 1
            or client_order_id > _QUICK_INT
            or command.time_in_force is not _GTC
            or command.hidden is not False
            or command.post_only is not False
            or command.display_qty_lots is not _ZERO
            or command.stop_price_ticks is not _ZERO
            or type(self_trade) is not SelfTradePrevention
            or self._trading.phase is not _CONTINUOUS
        ):
            return self._new(command, ts_ns)
        if command.order_type is not _LIMIT:
            is_plain_market = command.order_type is _MARKET and price_ticks is _ZERO and (side is _BUY or side is _SELL)
            return self._accept(command, ledger, None, ts_ns) if is_plain_market else self._new(command, ts_ns)
        if side is _BUY:
            own, best = self._bids, self._asks.best
            if best is not None and best.price_ticks <= price_ticks:
                return self._new(command, ts_ns)
        elif side is _SELL:
            own, best = self._asks, self._bids.best
            if best is not None and best.price_ticks >= price_ticks:
                return self._new(command, ts_ns)
        else:
            return self._new(command, ts_ns)
        level = own.levels.get(price_ticks)
        if level is None:
            if not 0 < price_ticks <= MAX_PRICE_TICKS or price_ticks % self._step_ticks:
                return self._new(command, ts_ns)
            level = own.open_level(price_ticks)

        self._n_arrivals = order_id = self._n_arrivals + 1
        ledger.last_id = client_order_id
        # The level's own price object: a deep book spends its time on fetching memory, and this one is at hand.
        order = Order(order_id, agent_id, client_order_id, side, level.price_ticks, qty_lots, order_id, self_trade)
        level.displayed.append(order)
        level.shown_lots += qty_lots
        self._orders[order_id] = order
        if self._by_client_id:
            self._by_client_id[agent_id][client_order_id] = order
        return [
            OrderAccepted(ts_ns, self.instrument_id, agent_id, client_order_id, order_id, side, price_ticks, qty_lots)
        ]

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return self._trading.phase

    @property
    def reference_price_ticks(self) -> Ticks:
        """Centre of the band and last tie-break of an auction; 0 if there is none."""
        return self._trading.reference_ticks

    @property
    def last_trade_ticks(self) -> Ticks:
        """Price of the last trade, 0 before the first."""
        return self._trading.last_trade_ticks

    def next_due_ns(self) -> Ns | None:
        """When a halt is due to end; in batches, at once when the book is continuous: for no time at all, in which
        stops fire, and one of them may halt it."""
        trading = self._trading
        if self._in_batches and trading.phase is _CONTINUOUS:
            return trading.phase_since_ns
        return trading.halted_until_ns or None

    def clock_command(self, ts_ns: Ns, top: DisplayedTop) -> SetPhase | None:
        """End the halt, unless it has ended already or another has begun; or begin the next batch's call."""
        if self._in_batches and self._trading.phase is _CONTINUOUS:
            return SetPhase(self.instrument_id, Phase.AUCTION)
        return SetPhase(self.instrument_id, _CONTINUOUS) if self._trading.halted_until_ns == ts_ns else None

    def change_halt(self, from_ns: Ns, halt_ns: Ns) -> None:
        """From some time on halts are due to last so long; one that has begun is not touched, and without a price
        band nothing is."""
        self._trading.change_halt(from_ns, halt_ns)

    @property
    def top_changed(self) -> bool:
        """Whether the best prices or the quantities shown there differ from the last :meth:`take_top`;
        O(1)."""
        return self.book.top() != self._taken_top

    def take_top(self) -> tuple[Ticks, Lots, Ticks, Lots]:
        """Best bid, its displayed quantity, best ask, its displayed quantity; zeros for an empty side."""
        self._taken_top = self.book.top()
        return self._taken_top

    def changed_top(self) -> tuple[Ticks, Lots, Ticks, Lots] | None:
        """What :meth:`take_top` would say, and count as taken, if that is something new; else None."""
        top = self.book.top()
        if top == self._taken_top:
            return None
        self._taken_top = top
        return top

    def check(self) -> None:
        """Assert every invariant of the engine and its book; O(orders).

        Raises:
            InvariantError: One does not hold.
        """
        self._trading.check()
        for ledger in self._ledgers.values():
            ledger.check()

    # --- commands -------------------------------------------------------------------------------------------
    def _new(self, command: NewOrder, ts_ns: Ns) -> list[Event]:
        """Enter any order, flaws and all."""
        flaw = reject_reason(command, self._step_ticks)
        if flaw is not None:
            return self._reject(command, ts_ns, flaw)
        trading = self._trading
        phase, time_in_force = trading.phase, command.time_in_force
        if phase is not _CONTINUOUS and (phase is _CLOSED or time_in_force is _FOK):
            return self._reject(command, ts_ns, RejectReason.SESSION_CLOSED)
        agent_id, client_order_id = command.agent_id, command.client_order_id
        ledger = self._ledgers.get(agent_id)
        if ledger is None:
            ledger = self._ledgers[agent_id] = ClientOrderIds()
        elif client_order_id <= ledger.last_id and ledger.was_accepted(client_order_id):
            return self._reject(command, ts_ns, RejectReason.DUPLICATE_ID)
        if command.post_only and phase is _CONTINUOUS and trading.crosses(command.side, command.price_ticks):
            return self._reject(command, ts_ns, RejectReason.WOULD_TRADE)
        if not trading.has_room(command.qty_lots):
            return self._reject(command, ts_ns, RejectReason.INVALID_QTY)
        special = OrderInstructions(
            time_in_force, command.hidden, command.post_only, command.display_qty_lots, command.stop_price_ticks
        )
        return self._accept(command, ledger, special if special != _NOTHING_SPECIAL else None, ts_ns)

    def _accept(
        self, command: NewOrder, ledger: ClientOrderIds, special: OrderInstructions | None, ts_ns: Ns
    ) -> list[Event]:
        """Enter an order in which there is no flaw."""
        agent_id, client_order_id, side = command.agent_id, command.client_order_id, command.side
        price_ticks, qty_lots = command.price_ticks, command.qty_lots
        if client_order_id == ledger.last_id + 1:
            ledger.last_id = client_order_id
        else:
            ledger.accept(client_order_id)
        self._n_arrivals = order_id = self._n_arrivals + 1
        events: list[Event] = [
            OrderAccepted(ts_ns, self.instrument_id, agent_id, client_order_id, order_id, side, price_ticks, qty_lots)
        ]
        queue_ticks = price_ticks or (MARKET_BUY_TICKS if side is _BUY else MARKET_SELL_TICKS)
        order = Order(
            order_id, agent_id, client_order_id, side, queue_ticks, qty_lots, order_id, command.self_trade, special
        )
        trading = self._trading
        if special is not None and special.stop_price_ticks:
            trading.wait(order)
        else:
            trading.enter(order, ts_ns, events)
        if trading.triggered:
            trading.fire_stops(ts_ns, events)
        return events

    def _cancel(self, command: CancelOrder, ts_ns: Ns) -> list[Event]:
        order_id = command.order_id
        order = self._orders.get(order_id) if type(order_id) is int else None
        if order is None or order.agent_id != command.agent_id:
            order = self._named(command)
            if order is None:
                return self._reject(command, ts_ns, self._why_not_named(command))
        event = OrderCanceled(
            ts_ns, self.instrument_id, order.agent_id, order.client_order_id, order.order_id,
            order.open_lots, 0, _BY_OWNER,
        )  # fmt: skip
        if order.special is not None:
            self._trading.take_out(order)
            return [event]
        # The same without the call, for cancels are as frequent as orders.
        side = self._bids if order.side is _BUY else self._asks
        side.remove(order)
        del self._orders[order.order_id]
        if self._by_client_id:
            self._trading.forget_client_id(order)
        return [event]

    def _reduce(self, command: ReduceOrder, ts_ns: Ns) -> list[Event]:
        qty_lots = command.qty_lots
        if qty_reject_reason(qty_lots) is not None:
            return self._reject(command, ts_ns, RejectReason.INVALID_QTY)
        if self.phase is _CLOSED:
            return self._reject(command, ts_ns, RejectReason.SESSION_CLOSED)
        order = self._named(command)
        if order is None:
            return self._reject(command, ts_ns, self._why_not_named(command))
        events: list[Event] = []
        self._trading.shrink(order, min(qty_lots, order.open_lots), _BY_OWNER, ts_ns, events)
        return events

    def _replace(self, command: ReplaceOrder, ts_ns: Ns) -> list[Event]:
        qty_lots = command.qty_lots
        if qty_reject_reason(qty_lots) is not None:
            return self._reject(command, ts_ns, RejectReason.INVALID_QTY)
        if self.phase is _CLOSED:
            return self._reject(command, ts_ns, RejectReason.SESSION_CLOSED)
        order = self._named(command)
        if order is None:
            return self._reject(command, ts_ns, self._why_not_named(command))
        flaw, price_ticks = self._replaced_price(order, command)
        if self._has_no_room(order, qty_lots):
            flaw = RejectReason.INVALID_QTY
        if flaw is not None:
            return self._reject(command, ts_ns, flaw)

        trading = self._trading
        keeps_place = price_ticks == order.price_ticks and qty_lots <= order.open_lots
        events: list[Event] = [
            OrderReplaced(
                ts_ns, self.instrument_id, order.agent_id, order.client_order_id, order.order_id, order.side,
                command.price_ticks, qty_lots, keeps_place,
            )
        ]  # fmt: skip
        if keeps_place:
            trading.lower(order, order.open_lots - qty_lots)
            return events
        # A copy enters: the old order stays in its queue, marked dead, until the queue drops it.
        self._n_arrivals = arrival = self._n_arrivals + 1
        replacement = Order(
            order.order_id, order.agent_id, order.client_order_id, order.side, price_ticks, qty_lots, arrival,
            order.self_trade, order.special,
        )  # fmt: skip
        trading.take_out(order)
        if replacement.stop_price_ticks:
            trading.wait(replacement)
        else:
            trading.enter(replacement, ts_ns, events)
        trading.fire_stops(ts_ns, events)
        return events

    def _has_no_room(self, order: Order, qty_lots: Lots) -> bool:
        """Whether an order may not have so large a quantity."""
        if order.special is not None and has_too_many_slices(qty_lots, order.special.display_lots):
            return True
        return qty_lots > order.open_lots and not self._trading.has_room(qty_lots, order)

    def _replaced_price(self, order: Order, command: ReplaceOrder) -> tuple[RejectReason | None, Ticks]:
        """Why an order may not have the price of a replacement, or None, and where it then queues."""
        price_ticks = command.price_ticks
        if not order.has_limit:
            is_zero = type(price_ticks) is int and price_ticks == 0
            return None if is_zero else RejectReason.INVALID_PRICE, order.price_ticks
        flaw = price_reject_reason(price_ticks, self._step_ticks)
        if flaw is None and order.post_only and self.phase is _CONTINUOUS:
            flaw = RejectReason.WOULD_TRADE if self._trading.crosses(order.side, price_ticks) else None
        return flaw, price_ticks

    def _set_phase(self, command: SetPhase, ts_ns: Ns) -> list[Event]:
        phase, reference_ticks = command.phase, command.reference_price_ticks
        where = f"phase change of instrument {self.instrument_id}"
        if not isinstance(phase, Phase):
            raise InputError(f"{phase!r} is not a phase: expected a member of Phase", where)
        if type(reference_ticks) is not int or not 0 <= reference_ticks <= MAX_PRICE_TICKS:
            raise InputError(f"reference price {reference_ticks!r}: expected a price in ticks, or 0", where)
        if reference_ticks:
            self._trading.set_reference(reference_ticks)
        events: list[Event] = []
        self._trading.move_to(phase, ts_ns, events)
        return events

    def _named(self, command: CancelOrder | ReduceOrder | ReplaceOrder) -> Order | None:
        """The sender's live order that a command names."""
        order_id = command.order_id
        if type(order_id) is not int:
            return None
        if order_id:
            order = self._orders.get(order_id)
            return order if order is not None and order.agent_id == command.agent_id else None
        if type(command.client_order_id) is not int:
            return None
        return self._trading.find(command.agent_id, command.client_order_id)

    def _why_not_named(self, command: CancelOrder | ReduceOrder | ReplaceOrder) -> RejectReason:
        is_others = type(command.order_id) is int and command.order_id in self._orders
        return RejectReason.NOT_OWNER if is_others else RejectReason.UNKNOWN_ORDER

    def _reject(
        self, command: NewOrder | CancelOrder | ReduceOrder | ReplaceOrder, ts_ns: Ns, reason: RejectReason
    ) -> list[Event]:
        # The log has whole numbers of 64 bits here, so whatever else the command holds is left out.
        client_order_id = command.client_order_id if fits_log(command.client_order_id) else 0
        order_id = 0 if isinstance(command, NewOrder) or not fits_log(command.order_id) else command.order_id
        return [OrderRejected(ts_ns, self.instrument_id, command.agent_id, client_order_id, order_id, reason)]
