"""The free parameters of the whole system: what no source fixes, in which ranges, and how a scenario is made of them.

Every axis is a parameter of a strategy, in all groups of that strategy at once, or one of two amounts of capital:
dealers' headroom over their leverage limit, and the size of the leveraged funds' balance sheets. The ranges are wide on
purpose.

What dealers believe of others is not free: to draw it apart from what is so would make mistaken dealers. They know
what clients would pay at most, and what share of flow is informed they have learnt: see :func:`right_beliefs`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from math import gcd, isfinite
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from experiments.spiral import cells
from lob_sim.scenario import InstrumentSpec, Scenario, parse_scenario, scenario_to_dict
from lob_sim.sweep.design import Point
from lob_sim.sweep.task import Value

Change = Callable[[Scenario, Any], Scenario]


class Free(msgspec.Struct, frozen=True):
    """A parameter that no source fixes.

    Attributes:
        low: Least value that is tried.
        high: Most.
        change: Makes the scenario with a value.
        whole: Whether it is a whole number.
    """

    low: float
    high: float
    change: Change
    whole: bool = False


LEARNING = "dealers: learning weight"
DEALER, FUND, CLIENTS, SLOW = "SpiralDealer", "LeveragedFund", "LiquidityTraders", "SlowCapital"


def _param(strategy: str, name: str) -> Change:
    return lambda scenario, value: cells.with_params(scenario, strategy, **{name: value})


def _seconds(strategy: str, name: str) -> Change:
    return lambda scenario, value: cells.with_params(scenario, strategy, **{name: f"{round(value * 1000)}ms"})


def with_fund_capital(scenario: Scenario, factor: float) -> Scenario:
    """The scenario with every amount on the leveraged funds' sheets multiplied.

    The factor is rounded so that what they hold stays a whole number of lots.
    """
    size = {spec.name: spec.lot_size for spec in scenario.instruments}
    funds = [group for group in scenario.agents if cells.class_of(group) == "LeveragedFund" and group.balance_sheet]
    steps = gcd(*(int(amount / size[name]) for group in funds for name, amount in group.holdings.items()))
    scale = Decimal(max(1, round(factor * steps))) / steps if steps else Decimal(repr(round(factor, 3)))
    for group in funds:
        assert group.balance_sheet is not None
        sheet = msgspec.structs.replace(group.balance_sheet, scale=scale)
        scenario = cells.with_group(scenario, group.name, msgspec.structs.replace(group, balance_sheet=sheet))
    return scenario


def with_reservation(scenario: Scenario, ticks: float) -> Scenario:
    """The scenario with the largest reservation value of liquidity traders, which dealers know, set to ``ticks``."""
    clients = cells.with_params(scenario, CLIENTS, max_reservation_ticks=ticks)
    return cells.with_params(clients, DEALER, **{"lit_policy.reservation_ticks": ticks})


FREE: Mapping[str, Free] = {
    LEARNING: Free(0.2, 0.8, _param(DEALER, "toxicity.learning_weight")),
    "dealers: processing cost (ticks)": Free(0.5, 2.5, _param(DEALER, "lit_policy.processing_ticks")),
    "clients: largest reservation value (ticks)": Free(8.0, 24.0, with_reservation),
    "dealers: reserve of headroom": Free(0.1, 0.5, _param(DEALER, "inventory_policy.headroom_reserve")),
    "dealers: consensus half-life (s)": Free(5.0, 60.0, _seconds(DEALER, "belief.consensus_half_life")),
    "dealers: headroom (factor)": Free(0.5, 3.0, cells.with_headroom),
    "funds: capital (factor)": Free(0.5, 2.0, with_fund_capital),
    "funds: tolerance (lots a tick)": Free(5.0, 40.0, _param(FUND, "tolerance_lots_per_tick")),
    "funds: noise (ticks)": Free(0.0, 3.0, _param(FUND, "noise_sd_ticks")),
    "funds: time between looks (s)": Free(1.5, 12.0, _seconds(FUND, "mean_interval")),
    "clients: time between orders (s)": Free(75.0, 300.0, _seconds(CLIENTS, "mean_interval")),
    "clients: largest order (lots)": Free(3, 15, _param(CLIENTS, "max_size_lots"), whole=True),
    "clients: time between pieces (s)": Free(3.0, 30.0, _seconds(CLIENTS, "child_interval")),
    "clients: share by RFQ": Free(0.2, 0.7, _param(CLIENTS, "rfq_share")),
    "dealers: risk budget (tick-lots)": Free(10.0, 60.0, _param(DEALER, "lit_policy.risk_budget_tick_lots")),
    "slow capital: margin (ticks)": Free(50.0, 200.0, _param(SLOW, "margin_ticks")),
    "slow capital: attention (ticks)": Free(100.0, 1000.0, _param(SLOW, "attention_ticks")),
}
"""The free parameters with their ranges. The scenario's own values are well inside."""


PRIOR, OF_CALM = "dealers: prior alpha", "dealers: alpha of calm"
BELIEFS: Mapping[str, Change] = {
    PRIOR: _param(DEALER, "toxicity.prior_alpha"),
    OF_CALM: _param(DEALER, "toxicity.calm_alpha"),
}
"""What dealers believe of lit flow before they have seen any, and go by where they may not learn."""
FIRST_BELIEFS: Point = {PRIOR: 0.5, OF_CALM: 0.3}
"""What they believe until a calm has been measured."""
_MOST_CERTAIN = 0.95


def informed_share(calm: pd.DataFrame, instruments: list[InstrumentSpec]) -> float:
    """What those who know value take of the lit book in calm: mean over instruments, NaN where nothing is taken."""
    taken = [float(calm[f"taken_lots.{spec.name}"].sum()) for spec in instruments]
    informed = [float(calm[f"informed_lots.{spec.name}"].sum()) for spec in instruments]
    return float(np.mean([a / b if b else np.nan for a, b in zip(informed, taken, strict=True)]))


def right_beliefs(point: Point, calm: pd.DataFrame, instruments: list[InstrumentSpec]) -> Point:
    """The point with beliefs that are nearer to right in its own calm, as those of dealers who live in it would be.

    A dealer's α is a mean of its prior and of what flow shows, with the point's own weight of learning. So the prior
    moves by as much as makes up for what α was off the informed share that there was. Where dealers may not learn they
    go by that share, so that this counterfactual is right in calm too.

    Args:
        point: With beliefs; those of :data:`FIRST_BELIEFS` will do.
        calm: Calm runs at the point, a row a seed.
        instruments: What is traded.

    Returns:
        The point, as it was where nothing was taken in calm: nothing is known of that.
    """
    share = informed_share(calm, instruments)
    alpha = float(np.mean([calm[f"alpha.{spec.name}"].mean() for spec in instruments]))
    if not isfinite(share) or not isfinite(alpha):
        return point
    prior = float(point[PRIOR]) + (share - alpha) / (1 - float(point[LEARNING]))
    return point | {PRIOR: round(min(max(prior, 0.0), _MOST_CERTAIN), 4), OF_CALM: round(share, 4)}


def at(scenario: Scenario, point: Mapping[str, Value]) -> Scenario:
    """The scenario at a point of the design, checked as a file would be."""
    for label, value in point.items():
        free = FREE.get(label)
        change = free.change if free else BELIEFS[label]
        scenario = change(scenario, round(float(value)) if free and free.whole else value)
    return parse_scenario(msgspec.to_builtins(scenario_to_dict(scenario)), "history matching: ")
