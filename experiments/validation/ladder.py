"""Customers whose demand is a straight line, as limit orders: linear depth in the real order book.

At every price step k below the opening price they buy ``lots_per_tick``, and at every step above it they sell as many.
What they have bought a step down they offer again at the step above it, and the other way round, so that after a sale
of x lots the mid is x / lots_per_tick lower, whatever came in between: the demand of Brunnermeier and Pedersen's
customers, y = (v - p)·2/(γσ²), or Kyle's linear permanent impact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from experiments.validation.common import taped
from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import OrderFilled, Side
from lob_sim.scenario import Scenario, load_scenario, parse_scenario, scenario_to_dict

SCENARIO = Path(__file__).with_suffix(".toml")
PRICE = 1_000_000
"""Opening price of bonds and loans, in ticks; a tick on a lot is a unit of cash."""


class LadderCustomers(Strategy):
    """Keeps a ladder of limit orders around the opening price of one instrument.

    Source: the customers of Brunnermeier and Pedersen (2009), "Market Liquidity and Funding Liquidity", section 1.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            instrument: Name of the instrument.
            lots_per_tick: Slope of demand.
            reach_ticks: Price steps on either side.
        """

        instrument: str
        lots_per_tick: Annotated[int, msgspec.Meta(ge=1)]
        reach_ticks: Annotated[int, msgspec.Meta(ge=1)]

    params: Params

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.instrument_id = 0

    def on_start(self, ctx: Context) -> None:
        p = self.params
        self.instrument_id = next(i.instrument_id for i in ctx.instruments if i.name == p.instrument)
        price = ctx.initial_ticks(self.instrument_id)
        for step in range(1, p.reach_ticks + 1):
            ctx.place(self.instrument_id, Side.SELL, p.lots_per_tick, price + step)
            if step < price:
                ctx.place(self.instrument_id, Side.BUY, p.lots_per_tick, price - step)

    def on_fill(self, ctx: Context, fill: OrderFilled) -> None:
        ctx.place(self.instrument_id, fill.side.opposite, fill.qty_lots, fill.price_ticks + fill.side)


def market(
    *,
    lots_per_tick: int,
    reach_ticks: int,
    dealer: Mapping[str, Any],
    sheet: Mapping[str, Any],
    shocks: Sequence[Mapping[str, Any]] = (),
    others: Sequence[Mapping[str, Any]] = (),
    horizon: str = "60s",
) -> Scenario:
    """The scenario beside this module, with what an experiment changes.

    Args:
        lots_per_tick: Slope of the customers' demand.
        reach_ticks: Price steps that they cover on either side.
        dealer: What the dealer's group says besides, or instead.
        sheet: The same of its balance sheet.
        shocks: Jumps of fair values.
        others: More groups of agents.
        horizon: Simulated time.
    """
    raw = scenario_to_dict(load_scenario(SCENARIO))
    groups = {member["name"]: member for member in raw["agents"]}
    groups["customers"]["params"] |= {"lots_per_tick": lots_per_tick, "reach_ticks": reach_ticks}
    groups["dealer"] |= dealer
    groups["dealer"]["balance_sheet"] |= sheet
    raw |= {"shocks": [*shocks], "agents": [*groups.values(), *others], "horizon": horizon}
    return parse_scenario(raw)


class Deal(msgspec.Struct, frozen=True):
    """A fill of the dealer's: time in seconds, lots of bonds that it bought (negative: sold), price."""

    at_s: float
    lots: int
    price_ticks: int


class Found(msgspec.Struct, frozen=True):
    """What a run left.

    Attributes:
        sold: Bonds that the dealer sold, less those that it bought.
        mid_ticks: Middle of the bond's book in the end.
        assets: Assets of the dealer's sheet with bonds at that price, in units of cash.
        tier1: Its Tier 1, likewise.
        cash: Its cash.
        deals: Its fills in bonds.
    """

    sold: int
    mid_ticks: float
    assets: float
    tier1: float
    cash: float
    deals: list[Deal]


def run(scenario: Scenario, seed: int) -> Found:
    """Run a market and look at the dealer."""
    world, tape = taped(scenario, seed, OrderFilled)
    bond = next(i.instrument_id for i in world.instruments if i.name == "bond")
    dealer = next(k for k, member in enumerate(world.members) if member.group.name == "dealer")
    fills = [f for f in tape.messages if f.agent_id == dealer and f.instrument_id == bond]
    deals = [Deal(f.ts_event_ns / 1e9, int(f.side) * f.qty_lots, f.price_ticks) for f in fills]
    bid, _, ask, _ = world.market.venues.books[bond].take_top()
    mid = (bid + ask) / 2
    desk = world.desks[dealer]
    moved = (mid - desk.sheet.marks_ticks[bond]) * desk.sheet.lots[bond]
    return Found(
        -sum(deal.lots for deal in deals),
        mid,
        desk.sheet.assets_cash + moved,
        desk.sheet.tier1_cash + moved,
        float(desk.sheet.cash),
        deals,
    )
