"""What the environments have in common: a seat in a market, regular decisions, rewards, and a page of text."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeAlias, cast

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

from lob_sim.agents.strategy import Strategy
from lob_sim.convert import convert_strict, did_you_mean
from lob_sim.errors import InputError
from lob_sim.interactive.simulation import Simulation
from lob_sim.log import Run
from lob_sim.messages import Phase
from lob_sim.plugins import load_class
from lob_sim.rl.reward import Account, Costs, Floats
from lob_sim.rl.seeds import MOST_INDEX, Split, market_seed
from lob_sim.rng import checked_seed
from lob_sim.scenario import Scenario, errors_name, load_scenario, parse_scenario, scenario_to_dict
from lob_sim.simulation.plan import MarketPlan
from lob_sim.units import Lots, Ns, checked_whole, format_time, parse_duration_ns

CONTRACT = 0
"""Version of observations, actions and rewards, as in the environments' names."""
_DECIMALS = 4
"""To which an action counts, so that a number which a 32-bit float cannot hold is the one that was meant."""
MOST_DECISIONS = 1_000_000
"""How many decisions an episode may have: one every 30 ms of eight hours."""
DEFAULT_SCENARIO = "learning_market"
Observation: TypeAlias = NDArray[np.float32]


class Field(NamedTuple):
    """One number of an observation or an action.

    Attributes:
        name: What it is; of an instrument ``NAME.what``.
        unit: Its unit; ``share`` is of 1, ``flag`` is 0 or 1.
        low: Smallest value.
        high: Largest value; what is beyond either is shown as the bound.
    """

    name: str
    unit: str
    low: float
    high: float


class Seen(NamedTuple):
    """The tape of one instrument as an agent sees it, one median latency ago.

    Attributes:
        price_ticks: Mid of a two-sided book, else the last lit trade, else the opening value.
        spread_ticks: Ask less bid; 0 unless both are quoted.
        bid_lots: Displayed at the best bid.
        ask_lots: Displayed at the best ask.
        is_continuous: Whether the lit book trades continuously.
    """

    price_ticks: float
    spread_ticks: float
    bid_lots: Lots
    ask_lots: Lots
    is_continuous: bool


def box(fields: Sequence[Field], shape: tuple[int, ...]) -> gymnasium.spaces.Space[Observation]:
    """The space of such numbers."""
    low, high = (np.array([getattr(f, end) for f in fields], np.float32).reshape(shape) for end in ("low", "high"))
    space: Any = gymnasium.spaces.Box(low, high, dtype=np.float32)
    return cast("gymnasium.spaces.Space[Observation]", space)


class Episode:
    """One run of a market, paid a step at a time, whoever sits in the seat.

    Args:
        simulation: The market, which has not run yet.
        env: The environment that it is an episode of.
    """

    def __init__(self, simulation: Simulation, env: MarketEnv) -> None:
        self.simulation = simulation
        self.agent_id = env.agent_id
        self.account = Account(simulation.world, env.agent_id, env.costs)
        self._open_lots = env.open_lots
        self._opening = self.account.positions()
        self._times = env.decision_times
        self.step = 0
        if self._times[0]:
            simulation.run_until(self._times[0])
        self._value = self.account.value(self.open_lots())

    def open_lots(self) -> Floats:
        """Open inventory by instrument, in lots."""
        return self._open_lots(np.subtract(self.account.positions(), self._opening).astype(np.float64))

    @property
    def now_ns(self) -> Ns:
        """The instant of the next decision."""
        return self.simulation.now

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to decide."""
        return self.step >= len(self._times) - 1

    def go_on(self, ends_when_flat: bool) -> tuple[float, bool]:
        """To the next decision.

        Args:
            ends_when_flat: Whether it is over once no inventory is open, and what is left then is charged for.

        Returns:
            The reward of the step, and whether it was the last.
        """
        before_ns = self.now_ns
        self.step += 1
        self.simulation.run_until(self._times[self.step])
        open_lots, account = self.open_lots(), self.account
        value = account.value(open_lots)
        reward = value - self._value - account.running_cost(open_lots, self.now_ns - before_ns)
        self._value = value
        over = self.is_over or self.simulation.world.hosts[self.agent_id].silenced
        if ends_when_flat:
            if over:
                reward -= account.unfinished_charge(open_lots)
            over = over or not open_lots.any()
        return reward / account.costs.unit, over


class MarketEnv(gymnasium.Env[Observation, Observation]):
    """A seat in a market.

    Args:
        scenario: A scenario, a file, or the name of a packaged one.
        overrides: Changes as ``"path=value"``, when ``scenario`` is a file or a name.
        seat: Name of the scenario's group, of one agent, that is driven.
        split: What the seeds are for: ``training``, ``evaluation`` or ``stress``.
        costs: What the reward takes off profit, by name: see :class:`~lob_sim.rl.reward.Costs`.
        render_mode: ``ansi`` or None.

    Attributes:
        observation_fields: What an observation has, in order.
        action_fields: What an action has, in order.
        agent_id: The agent in the seat.
        decision_times: Instants of decisions, and the end, in nanoseconds.

    Raises:
        InputError: The scenario, the seat, the split or a cost does not hold.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["ansi"],
        "render_fps": 1,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
        "contract": CONTRACT,
    }
    driven: ClassVar[str]
    ends_when_flat: ClassVar[bool] = False
    observation_fields: tuple[Field, ...]
    action_fields: tuple[Field, ...]
    decision_times: tuple[Ns, ...]

    def __init__(
        self,
        scenario: Scenario | str | Path,
        overrides: Sequence[str],
        seat: str,
        split: Split,
        costs: Mapping[str, float] | None,
        render_mode: str | None,
    ) -> None:
        if render_mode not in (None, "ansi"):
            raise InputError(f'expected "ansi" or None, got {render_mode!r}', "render_mode")
        market_seed(split, 0)
        self.render_mode = render_mode
        self.scenario = _loaded(scenario, overrides)
        self.split = split
        self.costs = _costs(costs)
        self.plan = MarketPlan(self.scenario)
        self.seat = self._require_seat(seat)
        self.agent_id = next(i for i, member in enumerate(self.plan.members) if member.group.name == seat)
        self._sees_after_ns = self.plan.members[self.agent_id].group.connection.from_venue.median
        self.episode: Episode | None = None
        self._last = ("", 0.0, 0.0)
        self._is_over = False
        self._run: Run | None = None

    def _require_seat(self, seat: str) -> str:
        groups = {group.name: group for group in self.scenario.agents}
        if seat not in groups:
            raise InputError(f"there is no group {seat!r}{did_you_mean(seat, groups)}", "seat")
        if groups[seat].count != 1:
            raise InputError(f"{seat} has {groups[seat].count} agents: expected a group of one", "seat")
        cls = self.plan.strategies[seat][0]
        if not issubclass(cls, load_class(self.driven, Strategy)):
            spec = self.driven
            told = f'expected {spec}: overrides=["agents.{seat}.strategy={spec}", "agents.{seat}.params={{}}"]'
            raise InputError(f"{seat} is a {cls.__name__}, which nobody drives from outside: {told}", "seat")
        return seat

    # --- what an environment says of itself -------------------------------------------------------------------
    @abstractmethod
    def open_lots(self, dealt_lots: Floats) -> Floats:
        """Open inventory after the seat has bought (sold: negative) so much, by instrument."""

    @abstractmethod
    def _act(self, strategy: Any, action: Floats) -> None:
        """Let the seat's strategy decide so."""

    @abstractmethod
    def _observe(self, episode: Episode) -> list[float]:
        """The numbers of an observation, in the order of its fields, before they are cut to their bounds."""

    @abstractmethod
    def _says(self, action: Floats) -> str:
        """An action in words, for the page of text."""

    # --- Gymnasium's interface --------------------------------------------------------------------------------
    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Index of the market's seed among those of the split; without it one is drawn.
            options: None are known.

        Returns:
            The observation, and ``{"seed": ...}`` of the market.
        """
        if seed is not None:
            seed = checked_seed(seed)
        super().reset(seed=seed)
        if options:
            raise InputError(f"there are no options, got {', '.join(map(str, options))}", "reset")
        index = int(self.np_random.integers(MOST_INDEX)) if seed is None else seed
        chosen = market_seed(self.split, index)
        self._leave()
        self.episode = Episode(Simulation(self.scenario, chosen, held=True), self)
        self._last = ("nothing yet", 0.0, 0.0)
        self._is_over = False
        self._run = None
        return self._seen_by_seat(self.episode), {"seed": chosen}

    def step(self, action: ArrayLike) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Decide, and go on to the next decision.

        Raises:
            InputError: The action is out of bounds, not finite or of another shape; no episode has been begun, or
                it is over. Nothing has happened then.
        """
        if self.episode is None or self._is_over:
            raise InputError("expected reset() first: no episode is under way", "step")
        checked = self._checked(action)
        self._act(self.episode.simulation.world.hosts[self.agent_id].components[-1], checked)
        reward, over = self.episode.go_on(self.ends_when_flat)
        self._is_over = over
        self._last = (self._says(checked), reward, self._last[2] + reward)
        info = {"time_ns": self.episode.now_ns, "return": self._last[2]}
        return self._seen_by_seat(self.episode), reward, over, False, info

    def render(self) -> str | None:
        """The market and the seat as text."""
        if self.render_mode != "ansi" or self.episode is None:
            return None
        episode, (said, reward, total) = self.episode, self._last
        open_lots = episode.open_lots()
        lines = [f"{self.scenario.name}, {self.seat}: {format_time(episode.now_ns)}, step {episode.step}"]
        for i, instrument in enumerate(self.plan.instruments):
            seen = self.seen(i)
            price = instrument.price(seen.price_ticks)
            lines.append(
                f"  {instrument.name}: {price:.{instrument.price_decimals + 1}f}, spread {seen.spread_ticks:g} ticks, "
                f"{seen.bid_lots} x {seen.ask_lots} lots; open {open_lots[i]:+g} lots"
            )
        return "\n".join([*lines, f"  last: {said}; reward {reward:+.3f}, in all {total:+.3f}"])

    def close(self) -> None:
        """Leave the market."""
        self._leave()

    # --- beyond it --------------------------------------------------------------------------------------------
    def finish(self) -> Run:
        """The log of the episode, run to the market's horizon; again, the same. Decisions stay what they were last.

        Raises:
            InputError: No episode has been begun.
        """
        if self._run is None:
            if self.episode is None:
                raise InputError("expected reset() first: no episode is under way", "finish")
            self._run = self.episode.simulation.finish()
            self._is_over = True
        return self._run

    def native(self, strategy: str, params: Mapping[str, Any] | None = None) -> Scenario:
        """The same market with a strategy of its own in the seat, which nobody drives.

        Args:
            strategy: As a scenario names it, ``"module:Class"``.
            params: Its parameters.

        Raises:
            InputError: There is no such strategy or parameter.
        """
        raw = scenario_to_dict(self.scenario)
        for group in raw["agents"]:
            if group["name"] == self.seat:
                group |= {"strategy": strategy, "params": dict(params or {})}
        scenario = parse_scenario(raw, "baseline: ")
        MarketPlan(scenario)
        return scenario

    def seen(self, instrument_id: int) -> Seen:
        """What the seat sees of an instrument now."""
        assert self.episode is not None
        data, as_of_ns = self.episode.simulation.world.data, self.episode.now_ns - self._sees_after_ns
        top = data.tops[instrument_id].at(as_of_ns)
        price = float(data.last_trades[instrument_id].at(as_of_ns) or data.initial_ticks[instrument_id])
        two_sided = top.is_two_sided
        return Seen(
            top.mid_ticks if two_sided else price,
            top.ask_ticks - top.bid_ticks if two_sided else 0.0,
            top.bid_lots,
            top.ask_lots,
            data.phases[instrument_id].at(as_of_ns) is Phase.CONTINUOUS,
        )

    def strategy_in_seat(self) -> Any:
        """The driven strategy."""
        assert self.episode is not None
        return self.episode.simulation.world.hosts[self.agent_id].components[-1]

    # --- parts ------------------------------------------------------------------------------------------------
    def _leave(self) -> None:
        self.episode = None

    def _checked(self, action: ArrayLike) -> Floats:
        space = self.action_space
        assert isinstance(space, gymnasium.spaces.Box)
        try:
            given = np.asarray(action, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(f"expected {space.shape} numbers, got {action!r}", "action") from None
        if given.shape != space.shape:
            raise InputError(f"expected an array of shape {space.shape}, got {given.shape}", "action")
        for field, value in zip(self.action_fields, given.ravel(), strict=True):
            if not field.low <= value <= field.high:
                within = f"from {field.low:g} to {field.high:g} {field.unit}"
                raise InputError(f"is out of bounds: expected {within}, got {value:g}", f"action {field.name}")
        return np.round(given, _DECIMALS)

    def _seen_by_seat(self, episode: Episode) -> Observation:
        space = self.observation_space
        assert isinstance(space, gymnasium.spaces.Box)
        seen: Observation = np.clip(np.array(self._observe(episode), np.float32), space.low, space.high)
        return seen


def regular_times(start_ns: Ns, interval_ns: Ns, end_ns: Ns) -> tuple[Ns, ...]:
    """Instants from a start on, so far apart, and the end.

    Raises:
        InputError: They are more than :data:`MOST_DECISIONS`.
    """
    decisions = (end_ns - start_ns) // interval_ns
    if decisions > MOST_DECISIONS:
        told = f"every {interval_ns:,} ns (nanoseconds) up to {end_ns:,} ns are {decisions:,} decisions"
        raise InputError(f"{told}: expected at most {MOST_DECISIONS:,}", "interval")
    return (*range(start_ns, end_ns, interval_ns), end_ns)


def interval_of(interval: Ns | str) -> Ns:
    """An interval as nanoseconds.

    Raises:
        InputError: It is none, or not positive.
    """
    given = parse_duration_ns(interval) if isinstance(interval, str) else interval
    return checked_whole(given, "interval", 1, kind='a positive time, as "1s" or in nanoseconds,')


def _loaded(scenario: Scenario | str | Path, overrides: Sequence[str]) -> Scenario:
    if isinstance(scenario, Scenario):
        if overrides:
            raise InputError("expected none with a scenario that is made already", "overrides")
        return scenario
    with errors_name(scenario):
        return load_scenario(scenario, overrides)


def _costs(costs: Mapping[str, float] | None) -> Costs:
    return convert_strict(dict(costs or {}), Costs, "costs: ", InputError)
