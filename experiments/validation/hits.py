"""Customers who hit a market maker's quotes the more seldom the farther these are from the fair value."""

from __future__ import annotations

from math import exp
from typing import Annotated, Literal

import msgspec
import numpy as np

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import FairValue, OrderFilled, OrderType, Side
from lob_sim.units import NS_PER_S, Interval

HIT_FLOW = "experiments.validation.hits:HitFlow"


class HitFlow(Strategy):
    """Sends market orders for one lot, at rate A·exp(-kδ) where the best quote lies δ off the fair value.

    On the Bernoulli clock each side is hit at most once in each step, with probability rate times step, as
    in a simulation by time steps. On the Poisson clock hits come at exponential waiting times, redrawn
    whenever the quotes change, which the exponential law allows.

    Source: Avellaneda and Stoikov (2008), Quantitative Finance 8, section 2.5 (rates) and 3.3 (simulation).
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            clock: When hits can come.
            hit_rate_per_s: Rate A at the fair value.
            hit_decay_per_tick: Decay k with the distance.
            step: Length of a step of the Bernoulli clock; hits come in the middle of it.
        """

        clock: Literal["bernoulli", "poisson"]
        hit_rate_per_s: Annotated[float, msgspec.Meta(gt=0)]
        hit_decay_per_tick: Annotated[float, msgspec.Meta(gt=0)]
        step: Interval

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.draw = 0
        self.rates = {Side.BUY: 0.0, Side.SELL: 0.0}

    def on_start(self, ctx: Context) -> None:
        if self.params.clock == "bernoulli":
            ctx.wake_in(self.params.step // 2)

    def on_book(self, ctx: Context, instrument_id: int) -> None:
        if self.params.clock == "poisson":
            self._await_hit(ctx)

    def on_wake(self, ctx: Context, tag: int) -> None:
        if self.params.clock == "bernoulli":
            self._measure(ctx)
            step_s = self.params.step / NS_PER_S
            for side, rate in self.rates.items():
                if ctx.random.uniform() < rate * step_s:
                    ctx.place(0, side, 1, order_type=OrderType.MARKET)
            ctx.wake_in(self.params.step)
        elif tag == self.draw:
            is_buy = ctx.random.uniform() * sum(self.rates.values()) < self.rates[Side.BUY]
            ctx.place(0, Side.BUY if is_buy else Side.SELL, 1, order_type=OrderType.MARKET)

    def _await_hit(self, ctx: Context) -> None:
        self._measure(ctx)
        self.draw += 1
        total = sum(self.rates.values())
        if total > 0:
            ctx.wake_in(ctx.random.delay_ns(NS_PER_S / total), self.draw)

    def _measure(self, ctx: Context) -> None:
        p, top, fair = self.params, ctx.top(0), ctx.fair_value(0)
        ask_off, bid_off = top.ask_ticks - fair, fair - top.bid_ticks
        self.rates[Side.BUY] = p.hit_rate_per_s * exp(-p.hit_decay_per_tick * ask_off) if top.ask_ticks else 0.0
        self.rates[Side.SELL] = p.hit_rate_per_s * exp(-p.hit_decay_per_tick * bid_off) if top.bid_ticks else 0.0


def maker_result(fills: list[OrderFilled], fair_values: list[FairValue]) -> tuple[float, int]:
    """A market maker's profit in ticks, its inventory valued at the last fair value, and that inventory."""
    own = [(int(fill.side), fill.price_ticks) for fill in fills if fill.is_maker]
    inventory = sum(side for side, _ in own)
    cash = -sum(side * price for side, price in own)
    return cash + inventory * fair_values[-1].value_ticks, inventory


def inventory_path(fills: list[OrderFilled]) -> tuple[np.ndarray, np.ndarray]:
    """Times of a market maker's fills in nanoseconds, and its inventory after each."""
    own = [fill for fill in fills if fill.is_maker]
    times = np.array([fill.ts_event_ns for fill in own], dtype=np.int64)
    return times, np.cumsum([int(fill.side) for fill in own])
