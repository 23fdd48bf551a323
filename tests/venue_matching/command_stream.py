"""Random commands for the engines: every order type and mode, phase changes, and nonsense."""

from __future__ import annotations

from random import Random
from typing import Any

from naive_engine import NaiveEngine

from lob_sim.messages import (
    CancelOrder,
    NewOrder,
    OrderType,
    Phase,
    ReduceOrder,
    ReplaceOrder,
    SelfTradePrevention,
    SetPhase,
    Side,
    TimeInForce,
)

AGENTS = 4
MIDDLE = 100
_TYPES = [OrderType.LIMIT] * 7 + [OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT]
_TIFS = [TimeInForce.GTC] * 6 + [TimeInForce.IOC, TimeInForce.FOK]
_PHASES = [Phase.CONTINUOUS] * 6 + [Phase.AUCTION] * 3 + [Phase.HALTED, Phase.CLOSED]
_MODES = list(SelfTradePrevention)
_NONSENSE: list[Any] = [0, -1, 2.0, True, False, None, "7", 2**30, 2**53 + 1, 7, 10**30, [1], 2**63, -(2**63) - 1]
_FIELDS = [
    "client_order_id", "side", "qty_lots", "price_ticks", "order_type", "time_in_force", "stop_price_ticks",
    "display_qty_lots", "hidden", "post_only", "self_trade",
]  # fmt: skip


class CommandStream:
    """Draws commands that suit the present state of an engine, most of them acceptable.

    Args:
        seed: Everything follows from it.
        step: The price grid; a few prices miss it.
    """

    def __init__(self, seed: int, step: int = 1) -> None:
        self.rng = Random(seed)
        self.step = step
        self.next_id = dict.fromkeys(range(AGENTS), 1)

    def next(self, engine: NaiveEngine) -> Any:
        u = self.rng.random()
        # The busier the book, the more is cancelled: it stays small enough for the naive engine.
        crowd = min(0.4, len(engine.orders) / 100)
        if engine.phase is not Phase.CONTINUOUS and u > 0.92:
            return SetPhase(0, self.rng.choice(_PHASES), self.rng.choice((0, 0, self.reference())))
        if u > 0.992:
            return SetPhase(0, self.rng.choice(_PHASES), self.rng.choice((0, self.reference())))
        if u < crowd:
            return CancelOrder(0, *self.target(engine))
        if u < crowd + 0.06:
            agent_id, client_order_id, order_id = self.target(engine)
            return ReduceOrder(0, agent_id, self.qty(), client_order_id, order_id)
        if u < crowd + 0.16:
            return self.replacement(engine)
        return self.new_order()

    def price(self) -> int:
        price = MIDDLE + round(self.rng.gauss(0, 5)) * self.step
        return max(1, price + (self.rng.random() < 0.01))

    def reference(self) -> int:
        """A reference price, on the grid or beside it."""
        return self.price() + self.rng.randrange(2)

    def qty(self) -> Any:
        return self.rng.randint(1, 12) if self.rng.random() < 0.97 else self.rng.choice((0, -3, 2.0, True, 2**53 + 1))

    def client_id(self, agent_id: int) -> int:
        u = self.rng.random()
        if u < 0.03:
            return self.rng.randint(-1, self.next_id[agent_id])
        if u < 0.06:
            self.next_id[agent_id] += self.rng.randint(1, 5)
        self.next_id[agent_id] += 1
        return self.next_id[agent_id] - 1

    def target(self, engine: NaiveEngine) -> tuple[Any, ...]:
        """Agent, client id and order id (one of them 0) of a live order as a rule."""
        rng = self.rng
        if not engine.orders or rng.random() < 0.04:
            return rng.randrange(AGENTS), rng.randint(0, 50), rng.choice((0, rng.randint(-1, 50), True, 1.0))
        order = rng.choice(engine.orders)
        agent_id = order.agent_id if rng.random() < 0.97 else rng.randrange(AGENTS)
        if rng.random() < 0.5:
            return agent_id, order.client_order_id, 0
        return agent_id, 0, order.order_id

    def replacement(self, engine: NaiveEngine) -> ReplaceOrder:
        rng = self.rng
        agent_id, client_order_id, order_id = self.target(engine)
        price = self.price()
        same = [o for o in engine.orders if order_id in (0, o.order_id) and client_order_id in (0, o.client_order_id)]
        same = [o for o in same if o.agent_id == agent_id]
        if same and (same[0].limit is None or rng.random() < 0.4):
            price = same[0].limit or 0
        return ReplaceOrder(0, agent_id, self.qty(), price, client_order_id, order_id)

    def new_order(self) -> NewOrder:
        rng = self.rng
        agent_id = rng.randrange(AGENTS)
        kind = rng.choice(_TYPES)
        tif = rng.choice(_TIFS)
        can_rest = tif is TimeInForce.GTC and kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        special = rng.random() if can_rest or rng.random() < 0.02 else 1.0
        fields: dict[str, Any] = {
            "client_order_id": self.client_id(agent_id),
            "side": rng.choice((Side.BUY, Side.SELL)),
            "qty_lots": self.qty() if rng.random() < 0.9 else rng.randint(20, 60),
            "price_ticks": self.price() if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT) else 0,
            "order_type": kind,
            "time_in_force": tif,
            "stop_price_ticks": self.price() if kind in (OrderType.STOP, OrderType.STOP_LIMIT) else 0,
            "display_qty_lots": rng.randint(1, 4) if special < 0.2 else 0,
            "hidden": 0.2 <= special < 0.35,
            "post_only": 0.3 < special < 0.4 or 0.1 < special < 0.15,
            "self_trade": rng.choice(_MODES),
        }
        if rng.random() < 0.02:
            fields[rng.choice(_FIELDS)] = rng.choice(_NONSENSE)
        return NewOrder(0, agent_id, **fields)
