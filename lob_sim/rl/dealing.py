"""``lob_sim/Dealer-v0``: make a market in every instrument; at each decision the terms of the quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lob_sim.errors import InputError
from lob_sim.rl.environment import (
    DEFAULT_SCENARIO,
    Episode,
    Field,
    MarketEnv,
    box,
    interval_of,
    regular_times,
)
from lob_sim.rl.reward import Floats
from lob_sim.rl.seeds import Split
from lob_sim.scenario import Scenario
from lob_sim.units import Ns

_SEEN = (
    ("inventory", "lots", -10_000.0, 10_000.0),
    ("inventory_change", "lots", -10_000.0, 10_000.0),
    ("belief_gap", "ticks", -1_000.0, 1_000.0),
    ("price_move", "ticks", -100_000.0, 100_000.0),
    ("spread", "ticks", 0.0, 10_000.0),
    ("bid_size", "lots", 0.0, 100_000.0),
    ("ask_size", "lots", 0.0, 100_000.0),
    ("continuous", "flag", 0.0, 1.0),
)
"""Per instrument, before ``time_left``."""


class DealerEnv(MarketEnv):
    """A dealer's seat: quote, lean, stay or retreat.

    Args:
        scenario: A scenario, a file, or the name of a packaged one.
        overrides: Changes as ``"path=value"``, when ``scenario`` is a file or a name.
        seat: Name of a group of one agent with ``strategies.driven_dealer:DrivenDealer``.
        interval: Time between decisions; the dealer's own ``requote_interval`` if None. The dealer applies new terms
            when it next looks at the market: on its own timer, or after a trade of its own.
        split: What the seeds are for: ``training``, ``evaluation`` or ``stress``.
        costs: What the reward takes off profit, by name: see :class:`~lob_sim.rl.reward.Costs`.
        most_half_spread_ticks: Upper bound of an action's half-spread; the lower one is half a tick.
        most_skew_ticks: Upper bound of an action's skew.
        most_size_lots: Upper bound of an action's size.
        render_mode: ``ansi`` or None.

    Raises:
        InputError: The scenario, the seat, a bound, the split or a cost does not hold.
    """

    driven = "strategies.driven_dealer:DrivenDealer"

    def __init__(
        self,
        scenario: Scenario | str | Path = DEFAULT_SCENARIO,
        overrides: Sequence[str] = (),
        *,
        seat: str = "dealer",
        interval: Ns | str | None = None,
        split: Split = "training",
        costs: Mapping[str, float] | None = None,
        most_half_spread_ticks: float = 50.0,
        most_skew_ticks: float = 2.0,
        most_size_lots: int = 50,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(scenario, overrides, seat, split, costs, render_mode)
        params: Any = self.plan.strategies[seat][1]
        step_ns = params.requote_interval if interval is None else interval_of(interval)
        self.decision_times = regular_times(0, step_ns, self.scenario.horizon)
        ids = {i.name: i.instrument_id for i in self.plan.instruments}
        self._quoted = tuple(ids[name] for name in params.instruments) if params.instruments else tuple(ids.values())
        names = [self.plan.instruments[i].name for i in self._quoted]
        bounds = {
            "half_spread": ("ticks", 0.5, most_half_spread_ticks),
            "skew": ("ticks per lot", 0.0, most_skew_ticks),
            "size": ("lots", 1.0, float(most_size_lots)),
            "stay": ("share", 0.0, 1.0),
        }
        for what, (_, low, high) in bounds.items():
            if not low <= high < float("inf"):
                raise InputError(f"expected a bound of {low:g} or more, got {high:g}", f"most {what}")
        self.action_fields = tuple(Field(f"{name}.{what}", *bounds[what]) for name in names for what in bounds)
        seen = [Field(f"{name}.{what}", unit, low, high) for name in names for what, unit, low, high in _SEEN]
        self.observation_fields = (*seen, Field("time_left", "share", 0.0, 1.0))
        self.action_space = box(self.action_fields, (len(names), len(bounds)))
        self.observation_space = box(self.observation_fields, (len(self.observation_fields),))
        self._inventory_before = [0.0] * len(names)

    def open_lots(self, dealt_lots: Floats) -> Floats:
        """All that was taken on by dealing."""
        return dealt_lots

    def _act(self, strategy: Any, action: Floats) -> None:
        for i, (half_spread, skew, size, stay) in zip(self._quoted, action.tolist(), strict=True):
            strategy.lit_policy.set_terms(i, half_spread, skew, round(size), stay >= 0.5)

    def _observe(self, episode: Episode) -> list[float]:
        if episode.step == 0:
            self._inventory_before = [0.0] * len(self._quoted)
        world, strategy = episode.simulation.world, self.strategy_in_seat()
        positions, opening = world.hosts[self.agent_id].account.positions, self.plan.members[self.agent_id].lots
        found: list[float] = []
        for k, i in enumerate(self._quoted):
            seen, inventory = self.seen(i), float(positions[i] - opening[i])
            belief = strategy.views[i].belief.mean_ticks if strategy.views else seen.price_ticks
            found += [
                inventory,
                inventory - self._inventory_before[k],
                belief - seen.price_ticks,
                seen.price_ticks - self.plan.initial_ticks[i],
                seen.spread_ticks,
                seen.bid_lots,
                seen.ask_lots,
                seen.is_continuous,
            ]
            self._inventory_before[k] = inventory
        return [*found, 1 - episode.now_ns / self.scenario.horizon]

    def _says(self, action: Floats) -> str:
        return "; ".join(
            f"{self.plan.instruments[i].name} {half:g} ticks either side, skew {skew:g}, {round(size)} lots"
            if stay >= 0.5
            else f"{self.plan.instruments[i].name} away"
            for i, (half, skew, size, stay) in zip(self._quoted, action.tolist(), strict=True)
        )
