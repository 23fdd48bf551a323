"""The balance sheets of a scenario as a classical stress test: the same dealers, a formula instead of a market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lob_sim.errors import ScenarioError
from lob_sim.messages import Command, Event
from lob_sim.scenario import Scenario
from lob_sim.simulation.world import World
from lob_sim.stress_test.cascade import CascadeMember, CascadeResult, run_cascade
from lob_sim.stress_test.impact import ImpactCurve, LinearImpact, NoImpact, ParametricMarket
from lob_sim.units import Ns


class _NoLog:
    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Nothing runs."""

    def record(self, event: Event) -> None:
        """Nothing runs."""


def stress_test(
    scenario: Scenario, impact_ticks_per_lot: Mapping[str, float], *, max_rounds: int = 1_000
) -> CascadeResult:
    """Let the scenario's dealers react, in rounds, to its shocks and to each other's sales.

    All shocks strike at once, at their combined size. Prices fall in proportion to what has been sold, as in
    :class:`lob_sim.stress_test.impact.LinearImpact`, and everybody marks to them. Nobody else trades.

    Args:
        scenario: Its agents with balance sheets are the members, by name.
        impact_ticks_per_lot: Fall of the price by instrument name for each lot sold; 0, and what is not named,
            is infinite depth.
        max_rounds: Bound on the number of rounds.

    Raises:
        ScenarioError: Something in the scenario does not hold, or an instrument is not in it.
    """
    world = World(scenario, 0, _NoLog())
    names = [instrument.name for instrument in world.instruments]
    for name in impact_ticks_per_lot:
        if name not in names:
            raise ScenarioError(f"no instrument named {name!r}; there are: {', '.join(names)}", "impact")
    units: list[float] = []
    curves: list[ImpactCurve] = []
    for instrument, ticks in zip(world.instruments, world.data.initial_ticks, strict=True):
        price = float(ticks)
        for shock in scenario.shocks:
            price *= 1 + shock.size if shock.instrument == instrument.name else 1
        unit = price * instrument.cash_per_tick_lot
        slope = impact_ticks_per_lot.get(instrument.name, 0.0)
        units.append(unit)
        curves.append(LinearImpact(price / slope * unit) if slope > 0 else NoImpact())
    members = [
        CascadeMember(world.members[i].name, desk.sheet.view(desk.volatility.covariances), desk.risk)
        for i, desk in world.desks.items()
    ]
    world.kernel.drop_rest()
    return run_cascade(members, ParametricMarket(units, curves), max_rounds=max_rounds)
