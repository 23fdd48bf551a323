"""The other agents of a scripted market: a maker, a taker, a client who asks for quotes, dealers who are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from lob_sim.agents.context import WorkingOrder
from lob_sim.messages import (
    AcceptQuote,
    CancelOrder,
    Command,
    DeclineQuote,
    Event,
    NewOrder,
    Phase,
    RequestQuote,
    RfqOpened,
    RfqQuoted,
    Side,
    SubmitQuote,
    TimeInForce,
    WalkAway,
)
from lob_sim.rng import Stream
from lob_sim.units import NS_PER_S, Ticks

MAKER, TAKER, CLIENT = 1_000_001, 1_000_002, 1_000_003
"""Numbers of agents that no strategy under test has."""
_TTL_NS = 10 * NS_PER_S
_LOWEST_VALUE = 20.0


class Conditions(msgspec.Struct, frozen=True):
    """What kind of market it is.

    Attributes:
        bids: Whether anybody else bids.
        asks: Whether anybody else offers.
        phase: Trading phase, of all books and all the time.
        reject_share: Share of orders and requests that are refused.
        refuse_orders: Whether the agent's own pre-trade limits refuse everything.
    """

    bids: bool = True
    asks: bool = True
    phase: Phase = Phase.CONTINUOUS
    reject_share: float = 0.05
    refuse_orders: bool = False


class Crowd:
    """What everybody but the agent under test sends. It is no model of anybody: values wander, and chance decides.

    Args:
        agent_id: The agent under test.
        dealers: Who else can be asked for quotes.
        values: By instrument, the opening value in ticks.
        random: Its stream.
        conditions: What kind of market it is.

    Attributes:
        values: By instrument, what it is worth now, in ticks.
    """

    def __init__(
        self, agent_id: int, dealers: Sequence[int], values: Sequence[Ticks], random: Stream, conditions: Conditions
    ) -> None:
        self.values = [float(ticks) for ticks in values]
        self._agent_id = agent_id
        self._dealers = tuple(dealers)
        self._random = random
        self._conditions = conditions
        self._quotes: list[list[NewOrder]] = [[] for _ in values]
        self._last_id = 0
        self._answers: dict[type[Event], Callable[[int, Any], list[Command]]] = {
            RfqOpened: self._answer_request,
            RfqQuoted: self._decide,
        }

    # --- what happens by itself -----------------------------------------------------------------------------
    def move_quotes(self, instrument_id: int) -> list[Command]:
        """The value moves, and the maker's quotes with it; a closed book takes none."""
        i, random, shown = instrument_id, self._random, self._conditions
        value = self.values[i] = max(_LOWEST_VALUE, self.values[i] + 2 * random.normal())
        prices = {Side.BUY: round(value) - random.integer(1, 4), Side.SELL: round(value) + random.integer(1, 4)}
        sizes = {side: random.integer(1, 30) for side in prices}
        quoted = [side for side, is_shown in ((Side.BUY, shown.bids), (Side.SELL, shown.asks)) if is_shown]
        pulled = [CancelOrder(i, MAKER, order.client_order_id) for order in self._quotes[i]]
        self._quotes[i] = [NewOrder(i, MAKER, self._number(), s, sizes[s], prices[s]) for s in quoted]
        return [*pulled, *self._quotes[i]]

    def take(self, instrument_id: int) -> list[Command]:
        """The taker buys or sells whatever is at the touch, the agent's own quotes among it."""
        random, value = self._random, round(self.values[instrument_id])
        side = Side.BUY if random.uniform() < 0.5 else Side.SELL
        return [self._taking(instrument_id, side, value + 5 * side, random.integer(1, 20))]

    def reach(self, instrument_id: int, order: WorkingOrder) -> list[Command]:
        """The taker trades through the maker's quote down to one of the agent's orders, and takes some of it."""
        ahead = sum(quote.qty_lots for quote in self._quotes[instrument_id] if quote.side is order.side)
        qty = ahead + self._random.integer(1, order.leaves_lots + 1)
        return [self._taking(instrument_id, order.side.opposite, order.price_ticks, qty)]

    def ask(self, instrument_id: int, *, agent_too: bool) -> list[Command]:
        """The client asks a dealer for quotes, and the agent under test too."""
        asked = (*((self._agent_id,) if agent_too else ()), *self._dealers[:1])
        side, qty = self._random.integer(-1, 2), self._random.integer(1, 40)
        if not asked:
            return []
        return [RequestQuote(instrument_id, CLIENT, self._number(), side, qty, tuple(sorted(asked)), _TTL_NS)]

    # --- what it says when told -----------------------------------------------------------------------------
    def answer(self, agent_id: int, event: Event) -> list[Command]:
        """What an agent of the crowd does upon a message."""
        answer = self._answers.get(type(event))
        return [] if answer is None else answer(agent_id, event)

    def _answer_request(self, agent_id: int, request: RfqOpened) -> list[Command]:
        if agent_id == request.agent_id:
            return []
        i, rfq_id = request.instrument_id, request.rfq_id
        price = max(4, round(self.values[i]) + self._random.integer(-3, 4))
        if self._random.uniform() < 0.3:
            return [DeclineQuote(i, agent_id, rfq_id)]
        bid = 0 if request.side == Side.BUY else price - 3
        ask = 0 if request.side == Side.SELL else price + 3
        return [SubmitQuote(i, agent_id, rfq_id, bid, ask, _TTL_NS)]

    def _decide(self, agent_id: int, quote: RfqQuoted) -> list[Command]:
        i, rfq_id = quote.instrument_id, quote.rfq_id
        if self._random.uniform() < 0.5:
            side = Side.BUY if quote.ask_ticks else Side.SELL
            return [AcceptQuote(i, agent_id, rfq_id, quote.quote_id, side)]
        # Of a request that was answered by others before, the end may have come already: the venue then says so.
        return [WalkAway(i, agent_id, rfq_id)] if quote.dealer_id == self._agent_id else []

    # --- small parts ----------------------------------------------------------------------------------------
    def _taking(self, instrument_id: int, side: Side, price_ticks: Ticks, qty_lots: int) -> NewOrder:
        ioc = TimeInForce.IOC
        return NewOrder(instrument_id, TAKER, self._number(), side, qty_lots, max(1, price_ticks), time_in_force=ioc)

    def _number(self) -> int:
        self._last_id += 1
        return self._last_id
