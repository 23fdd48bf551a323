"""What the experiments share: small markets built in Python, runs kept in memory, figures."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments import drawing
from experiments.drawing import save as save
from lob_sim.experiment import EventCollector
from lob_sim.messages import Command, Event
from lob_sim.scenario import (
    AgentGroupSpec,
    FairValueSpec,
    InstrumentSpec,
    LitSpec,
    Scenario,
    ShockSpec,
)
from lob_sim.simulation.runner import simulate
from lob_sim.simulation.world import World
from lob_sim.units import NS_PER_S, Ns

SECONDS_PER_DAY = 8 * 3600
"""Length of the trading day to which a scenario's daily volatility refers."""
SYMBOL = "X"
"""Name of the instrument, where there is only one."""


def group(name: str, strategy: str, *, informed: bool = False, count: int = 1, **params: Any) -> AgentGroupSpec:
    """A group of agents; ``informed`` agents see the fair value."""
    return AgentGroupSpec(name=name, strategy=strategy, count=count, params=params, sees_fair_value=informed)


def market(
    horizon_ns: Ns,
    groups: Sequence[AgentGroupSpec],
    *,
    tick: str,
    initial: str,
    fair_value: FairValueSpec | None = None,
    step_ns: Ns | None = None,
    lit: LitSpec | None = None,
    jumps: Sequence[tuple[Ns, float]] = (),
    symbols: Sequence[str] = (SYMBOL,),
) -> Scenario:
    """A market without balance sheets.

    Args:
        horizon_ns: Simulated time.
        groups: Who trades.
        tick: Tick size, in the price units of the source.
        initial: Initial fair value, in the same.
        fair_value: Its law; by default it stands still.
        step_ns: Time between two moves of the diffusion; by default it never moves.
        lit: Rules of the books.
        jumps: Times and relative sizes of jumps of the first instrument's fair value.
        symbols: Names of the instruments, all alike.
    """
    instruments = [
        InstrumentSpec(
            name=symbol,
            tick_size=Decimal(tick),
            lot_size=Decimal(1),
            initial_price=Decimal(initial),
            fair_value=fair_value or FairValueSpec(),
            lit=lit or LitSpec(),
        )
        for symbol in symbols
    ]
    return Scenario(
        name="validation",
        horizon=horizon_ns,
        instruments=instruments,
        agents=list(groups),
        shocks=[ShockSpec(instrument=symbols[0], at=at_ns, size=size) for at_ns, size in jumps],
        fair_value_step=step_ns or 2 * horizon_ns,
    )


def taped(scenario: Scenario, seed: int, *types: type[Event] | type[Command]) -> tuple[World, EventCollector]:
    """Run a market and keep the messages of some types."""
    tape = EventCollector(*types)
    return simulate(scenario, seed, tape), tape


def daily_volatility(relative_sd_per_sqrt_s: float) -> float:
    """What a scenario calls a fair value whose log return has this standard deviation over a second."""
    return float(relative_sd_per_sqrt_s * SECONDS_PER_DAY**0.5)


def seconds(value: float) -> Ns:
    """Whole nanoseconds."""
    return round(value * NS_PER_S)


def new_figure(panels: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure with panels side by side."""
    figure, axes = drawing.new_figure(1, panels, squeeze=False)
    return figure, list(axes[0])
