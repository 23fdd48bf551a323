"""``lob_sim/Execution-v0``: work a parent order; at each slice how much to take, to rest, and to ask dealers for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lob_sim.errors import InputError
from lob_sim.messages import Side
from lob_sim.rl.environment import DEFAULT_SCENARIO, Episode, Field, MarketEnv, box
from lob_sim.rl.reward import Floats
from lob_sim.rl.seeds import Split
from lob_sim.scenario import Scenario
from lob_sim.units import format_time

_ACTION = (
    Field("target", "share", 0.0, 1.0),
    Field("rest", "share", 0.0, 1.0),
    Field("ask", "share", 0.0, 1.0),
)
_OBSERVATION = (
    Field("time_left", "share", 0.0, 1.0),
    Field("remaining", "share", 0.0, 1.0),
    Field("resting", "share", 0.0, 1.0),
    Field("asking", "flag", 0.0, 1.0),
    Field("price_gain", "ticks", -100_000.0, 100_000.0),
    Field("spread", "ticks", 0.0, 10_000.0),
    Field("near_size", "lots", 0.0, 100_000.0),
    Field("far_size", "lots", 0.0, 100_000.0),
    Field("continuous", "flag", 0.0, 1.0),
)


class ExecutionEnv(MarketEnv):
    """A trader's seat: a parent order, the lit book and dealers who can be asked.

    Args:
        scenario: A scenario, a file, or the name of a packaged one.
        overrides: Changes as ``"path=value"``, when ``scenario`` is a file or a name.
        seat: Name of a group of one agent with ``strategies.driven_execution:DrivenExecution``; its parameters are the
            parent order and its slices.
        split: What the seeds are for: ``training``, ``evaluation`` or ``stress``.
        costs: What the reward takes off profit, by name: see :class:`~lob_sim.rl.reward.Costs`.
        render_mode: ``ansi`` or None.

    Raises:
        InputError: The scenario, the seat, the split or a cost does not hold; the parent order has no time before the
            horizon.
    """

    driven = "strategies.driven_execution:DrivenExecution"
    ends_when_flat = True

    def __init__(
        self,
        scenario: Scenario | str | Path = DEFAULT_SCENARIO,
        overrides: Sequence[str] = (),
        *,
        seat: str = "seller",
        split: Split = "training",
        costs: Mapping[str, float] | None = None,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(scenario, overrides, seat, split, costs, render_mode)
        params: Any = self.plan.strategies[seat][1]
        self.parent = params
        step_ns = max(1, self.parent.duration // self.parent.slices)
        start_ns = max(1, self.parent.start)
        self.decision_times = tuple(start_ns + k * step_ns for k in range(self.parent.slices + 1))
        if self.decision_times[-1] > self.scenario.horizon:
            end = format_time(self.decision_times[-1])
            raise InputError(
                f"ends at {end}, beyond the horizon {format_time(self.scenario.horizon)}", f"{seat}.params"
            )
        names = [i.name for i in self.plan.instruments]
        if self.parent.instrument and self.parent.instrument not in names:
            raise InputError(f"there is no instrument {self.parent.instrument!r}", f"{seat}.params.instrument")
        self.instrument_id = names.index(self.parent.instrument) if self.parent.instrument else 0
        self.side = Side.BUY if self.parent.side == "buy" else Side.SELL
        self.action_fields, self.observation_fields = _ACTION, _OBSERVATION
        self.action_space = box(_ACTION, (len(_ACTION),))
        self.observation_space = box(_OBSERVATION, (len(_OBSERVATION),))

    def open_lots(self, dealt_lots: Floats) -> Floats:
        """What is left of the parent order: long what is still to be sold, short what is still to be bought."""
        open_lots = np.zeros_like(dealt_lots)
        i = self.instrument_id
        open_lots[i] = dealt_lots[i] - self.side * self.parent.parent_lots
        return open_lots

    def _act(self, strategy: Any, action: Floats) -> None:
        strategy.target_lots, strategy.rest_lots, strategy.ask_lots = (
            round(share * self.parent.parent_lots) for share in action.tolist()
        )

    def _observe(self, episode: Episode) -> list[float]:
        strategy: Any = self.strategy_in_seat()
        i, lots, seen = self.instrument_id, self.parent.parent_lots, self.seen(self.instrument_id)
        working = episode.simulation.world.hosts[self.agent_id].account.orders[i].values()
        near, far = (seen.bid_lots, seen.ask_lots) if self.side is Side.BUY else (seen.ask_lots, seen.bid_lots)
        return [
            1 - episode.step / self.parent.slices,
            1 - strategy.executed_lots / lots,
            sum(order.leaves_lots for order in working) / lots,
            bool(strategy.inquiries.open),
            self.side * (self.plan.initial_ticks[i] - seen.price_ticks),
            seen.spread_ticks,
            near,
            far,
            seen.is_continuous,
        ]

    def _says(self, action: Floats) -> str:
        target, rest, ask = (round(share * self.parent.parent_lots) for share in action.tolist())
        return f"{target} of {self.parent.parent_lots} lots to be done, {rest} to rest, {ask} to ask for"
