"""The reward: profit at fair value, less what open inventory and the capital behind it cost.

Over a step from t to t' that lasts Δ::

    r = (B(t') - B(t) - γ/2 · x(t')ᵀ Σ x(t') · Δ - κ · Σᵢ |xᵢ(t')| cᵢ Vᵢ(t') · Δ - charge) / unit

B(t) = cash(t) - debt(t) + Σᵢ cᵢ xᵢ(t) Vᵢ(t) is the value of what was dealt, with xᵢ the open inventory in lots, cᵢ the
value of a tick on a lot and Vᵢ the exogenous fair value in ticks. A fair value is used because a dealer who is alone in
a book makes its mid price, and could pay itself with it. Σ is the covariance of fair values per unit of time.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from lob_sim.information.fair_value import day_length_ns
from lob_sim.scenario import instrument_specs
from lob_sim.simulation.world import World
from lob_sim.units import Lots, Ns

Floats = NDArray[np.float64]
TRADING_DAYS = 252
"""In a year."""


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reward takes off profit, and its unit.

    Attributes:
        risk_aversion (per currency unit): γ, of constant absolute risk aversion.
        capital_rate (per year): κ, the return that capital must earn times the capital that a position needs; by
            default 10 % on 3 % of its value.
        unfinished_ticks (ticks): Charged at the end for each lot of a parent order that is not done.
        unit (currency units): What counts as 1.
    """

    risk_aversion: Annotated[float, msgspec.Meta(ge=0)] = 1e-6
    capital_rate: Annotated[float, msgspec.Meta(ge=0)] = 0.003
    unfinished_ticks: Annotated[float, msgspec.Meta(ge=0)] = 10.0
    unit: Annotated[float, msgspec.Meta(gt=0)] = 1_000.0


class Account:
    """Values what one agent has dealt, from the market's ledger.

    Args:
        world: The market.
        agent_id: The agent.
        costs: What is taken off.
    """

    def __init__(self, world: World, agent_id: int, costs: Costs) -> None:
        self.costs = costs
        self._world = world
        self._agent_id = agent_id
        self._tick_values = np.array([world.cash_unit.money(i.cash_per_tick_lot) for i in world.instruments])
        self._day_ns = day_length_ns(world.plan.calendar)
        self._covariance = _covariance_per_ns(world, self._tick_values, self._day_ns)

    def value(self, open_lots: Floats) -> float:
        """B, in currency units."""
        world, i = self._world, self._agent_id
        cash = world.ledger.cash[i] - (world.desks[i].sheet.debt_cash if i in world.desks else 0)
        return world.cash_unit.money(cash) + float(open_lots @ (self._tick_values * self._fair_values()))

    def running_cost(self, open_lots: Floats, lasting_ns: Ns) -> float:
        """Cost of inventory and of capital, in currency units."""
        risk = self.costs.risk_aversion / 2 * (open_lots @ self._covariance @ open_lots)
        gross = np.abs(open_lots) @ (self._tick_values * self._fair_values())
        capital = self.costs.capital_rate * gross / (TRADING_DAYS * self._day_ns)
        return float((risk + capital) * lasting_ns)

    def unfinished_charge(self, open_lots: Floats) -> float:
        """Charge for what is left of a parent order, in currency units."""
        return float(self.costs.unfinished_ticks * np.abs(open_lots) @ self._tick_values)

    def positions(self) -> tuple[Lots, ...]:
        """Settled, by instrument."""
        return tuple(self._world.ledger.positions[self._agent_id])

    def _fair_values(self) -> Floats:
        return np.array(self._world.data.fair_values)


def _covariance_per_ns(world: World, tick_values: Floats, day_ns: Ns) -> Floats:
    specs = instrument_specs(world.scenario)
    daily: Any = [spec.fair_value.daily_volatility for spec in specs]
    loadings = np.array([spec.fair_value.common_loading for spec in specs])
    correlation = np.outer(loadings, loadings)
    np.fill_diagonal(correlation, 1.0)
    sd = np.array(daily) * tick_values * np.array(world.plan.initial_ticks)
    covariance: Floats = np.outer(sd, sd) * correlation / day_ns
    return covariance
