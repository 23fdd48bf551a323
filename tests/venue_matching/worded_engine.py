"""An engine that says what happens in a few words. Agents are numbers; ``#n`` is a venue order id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lob_sim.messages import (
    AuctionUncrossed,
    CancelOrder,
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
    ReplaceOrder,
    SelfTradePrevention,
    SetPhase,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.venue.matching import MatchingEngine

BUY, SELL = Side.BUY, Side.SELL
MARKET, STOP, STOP_LIMIT = OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT
IOC, FOK = TimeInForce.IOC, TimeInForce.FOK
STP = SelfTradePrevention


class Desk:
    """An engine, and what it says in a few words. Every agent's client ids count up by themselves."""

    def __init__(self, **rules: Any) -> None:
        self.engine = MatchingEngine(7, **rules)
        self.now_ns = 0
        self.client_ids: dict[int, int] = {}

    def new(self, agent: int, side: Any, qty: Any, price: Any = 0, **fields: Any) -> list[str]:
        if "client_order_id" not in fields:
            self.client_ids[agent] = self.client_ids.get(agent, 0) + 1
            fields["client_order_id"] = self.client_ids[agent]
        return self.send(NewOrder(7, agent, side=side, qty_lots=qty, price_ticks=price, **fields))

    def cancel(self, agent: int, order_id: Any) -> list[str]:
        return self.send(CancelOrder(7, agent, order_id=order_id))

    def reduce(self, agent: int, order_id: int, qty: Any) -> list[str]:
        return self.send(ReduceOrder(7, agent, qty, order_id=order_id))

    def replace(self, agent: int, order_id: int, qty: Any, price: Any) -> list[str]:
        return self.send(ReplaceOrder(7, agent, qty, price, order_id=order_id))

    def phase(self, phase: Phase, reference: int = 0) -> list[str]:
        return self.send(SetPhase(7, phase, reference))

    def send(self, command: Any) -> list[str]:
        self.now_ns += 10
        events = self.engine.process(command, self.now_ns)
        self.engine.check()
        return list(in_words(events))

    def queue(self, side: Side) -> list[tuple[int, int, int]]:
        """Orders in priority order: (order id, price, open quantity)."""
        book_side = self.engine.book.bids if side is BUY else self.engine.book.asks
        return [(o.order_id, o.price_ticks, o.open_lots) for o in book_side]


def in_words(events: list[Event]) -> Iterator[str]:
    fills: list[OrderFilled] = []
    for e in events:
        match e:
            case OrderAccepted():
                yield f"accepted #{e.order_id}"
            case OrderRejected():
                yield f"rejected {e.reason.name}"
            case OrderCanceled():
                yield f"canceled #{e.order_id} {e.qty_lots} leaves {e.leaves_qty_lots} {e.reason.name}"
            case OrderReplaced():
                place = "in place" if e.kept_priority else "anew"
                yield f"replaced #{e.order_id} {e.qty_lots}@{e.price_ticks} {place}"
            case OrderTriggered():
                yield f"triggered #{e.order_id}"
            case Trade():
                fills = []
                side = e.aggressor_side.name.lower()
                taker, maker = e.taker_order_id, e.maker_order_id
                yield f"trade {e.qty_lots}@{e.price_ticks} #{taker} {side} from #{maker}"
            case OrderFilled():
                fills.append(e)
                assert [f.is_maker for f in fills] == [True, False][: len(fills)]
            case PhaseChanged():
                yield f"phase {e.phase.name} around {e.reference_price_ticks} until {e.until_ns}"
            case AuctionUncrossed():
                yield f"uncrossed {e.qty_lots}@{e.price_ticks} imbalance {e.imbalance_lots}"
