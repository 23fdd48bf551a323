"""What every strategy must do, as a test class that strategy authors inherit."""

from __future__ import annotations

import pickle
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import numpy as np

from lob_sim.agents.strategy import Strategy
from lob_sim.errors import PluginError
from lob_sim.messages import AgentCommand, Command, Event, Message, Phase
from lob_sim.plugin_params import build_params, describe, params_type
from lob_sim.plugins import load_class
from lob_sim.scenario import AgentGroupSpec, FairValueSpec, InstrumentSpec, Scenario
from lob_sim.simulation.hooks import hook_fault
from lob_sim.simulation.runner import simulate
from lob_sim.testing.crowd import Conditions
from lob_sim.testing.recording import RecordingContext, make_instrument
from lob_sim.testing.scripted import ScriptedMarket
from lob_sim.units import NS_PER_S, Ns

_STEPS = 150
_SUMMARY_LENGTH = 110
_STRICT = (
    "declare class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True), with a type for each parameter"
)
_REPEATS = "draw from ctx.random alone, and use no clock, no set order and no state of the class or module"


class StrategyContract:
    """Inherit this in a test module, name the strategy, and pytest runs the contract against it.

    ::

        class TestMyDealer(StrategyContract):
            strategy = "my_dealer.py:MyDealer"
            params = {"half_spread_ticks": 3}

    Attributes:
        strategy: The class, or its name as in a scenario.
        params: Parameters as in a scenario; what is not given keeps its default.
    """

    strategy: ClassVar[type[Strategy] | str]
    params: ClassVar[Mapping[str, object]] = {}

    # --- to make what is tested -----------------------------------------------------------------------------
    def strategy_class(self) -> type[Strategy]:
        """The class under test."""
        return load_class(self.strategy, Strategy) if isinstance(self.strategy, str) else self.strategy

    def make(self) -> Strategy:
        """A fresh strategy with the parameters under test."""
        cls = self.strategy_class()
        return cls(build_params(cls, self.params, "contract"))

    def context(self, seed: int = 1, name: str = "agent", agent_id: int = 0) -> RecordingContext:
        """A fresh context in a market of two instruments."""
        instruments = (make_instrument(0, "bond"), make_instrument(1, "note", 2))
        return RecordingContext(agent_id=agent_id, name=name, seed=seed, instruments=instruments)

    def actions(self, conditions: Conditions | None = None, seed: int = 1) -> list[AgentCommand]:
        """What a fresh strategy does in a scripted market."""
        return ScriptedMarket(self.make(), self.context(seed), seed, conditions).run(_STEPS)

    def run_market(self, seed: int = 1) -> list[Message]:
        """Everything on the log of a small real market in which two agents follow the strategy."""
        log = _ListRecorder()
        simulate(self._small_market(), seed, log)
        return log.messages

    def _small_market(self) -> Scenario:
        cls = self.strategy_class()
        under_test = AgentGroupSpec(
            name="tested",
            strategy=self.strategy if isinstance(self.strategy, str) else f"{cls.__module__}:{cls.__qualname__}",
            count=2,
            params=dict(self.params),
            cash=Decimal(1_000_000),
            holdings={"bond": Decimal(100)},
            sees_fair_value=True,
        )
        dealer = AgentGroupSpec(name="dealer", strategy="strategies.fixed_spread:FixedSpreadDealer", count=2)
        noise = AgentGroupSpec(name="noise", strategy="strategies.zero_intelligence:ZeroIntelligenceTrader", count=3)
        clients = AgentGroupSpec(
            name="clients",
            strategy="strategies.liquidity:LiquidityTraders",
            params={"rfq_share": 0.5, "rfq_dealers": 10},
        )
        bond = InstrumentSpec(
            name="bond",
            tick_size=Decimal("0.01"),
            lot_size=Decimal(1),
            initial_price=Decimal(1),
            fair_value=FairValueSpec(daily_volatility=0.05, news_interval=10 * NS_PER_S, news_noise_sd=0.01),
        )
        return Scenario(
            name="contract",
            horizon=60 * NS_PER_S,
            instruments=[bond],
            agents=[dealer, noise, clients, under_test],
        )

    # --- what it says of itself -----------------------------------------------------------------------------
    def test_describes_itself_in_one_line(self) -> None:
        """The first line of the docstring is the description in lists; every parameter is documented."""
        info = describe(self.strategy_class())
        cls = self.strategy_class()
        sentence = f"one sentence of at most {_SUMMARY_LENGTH} characters that ends with a full stop"
        said = f"the docstring of {cls.__name__} must begin with {sentence}; it begins with {info.summary!r}"
        assert 0 < len(info.summary) <= _SUMMARY_LENGTH, said
        assert info.summary.endswith("."), said
        undocumented = [p.name for p in info.params if not p.doc]
        where = f"the docstring of {cls.__name__}.Params"
        assert undocumented == [], (
            f"say what {', '.join(undocumented)} is: {where} needs a section 'Attributes:' with a line "
            f"'{undocumented[0]}: What it is.'"
        )

    def test_repr_shows_class_and_parameters(self) -> None:
        """A log or an error message that names a strategy says which one it is."""
        strategy = self.make()
        said = f"leave __repr__ as it is, or name class and parameters in it; it says {strategy!r}"
        assert repr(strategy).startswith(type(strategy).__name__), said
        assert all(name in repr(strategy) for name in strategy.params.__struct_fields__), said

    def test_parameters_are_strict(self) -> None:
        """Unknown keys and wrong types are refused, and so is changing parameters later."""
        cls = self.strategy_class()
        misfits: list[dict[str, object]] = [{"no_such_parameter": 1}]
        misfits += [{name: [None]} for name in params_type(cls).__struct_fields__]
        for wrong in misfits:
            try:
                build_params(cls, {**self.params, **wrong}, "contract")
            except PluginError:
                continue
            raise AssertionError(f"{cls.__name__} accepts {wrong}: {_STRICT}")
        assert params_type(cls).__struct_config__.frozen, f"parameters can be changed later: {_STRICT}"

    # --- reproducible and separate --------------------------------------------------------------------------
    def test_same_seed_same_actions(self) -> None:
        """Two fresh strategies with the same stream and the same market do the same."""
        assert self.actions() == self.actions(), f"the same seed gave other orders: {_REPEATS}"

    def test_pickles_with_its_state(self) -> None:
        """A strategy pickled and restored half-way goes on as if nothing had happened."""
        whole = ScriptedMarket(self.make(), self.context())
        halved = ScriptedMarket(self.make(), self.context())
        whole.run(_STEPS)
        halved.run(_STEPS)
        halved.strategy = pickle.loads(pickle.dumps(halved.strategy))
        assert halved.run(_STEPS, start=False) == whole.run(_STEPS, start=False), (
            "pickled and restored, it goes on otherwise: keep everything that it remembers in attributes of self that "
            "pickle can keep (no open files, lambdas or generators), and nothing in the module"
        )

    def test_agents_share_nothing(self) -> None:
        """Two agents of the same class, taking turns, do what each does alone."""
        alone = [
            ScriptedMarket(self.make(), self.context(seed, f"agent{seed}"), seed).run(2 * _STEPS) for seed in (1, 2)
        ]
        turns = [ScriptedMarket(self.make(), self.context(seed, f"agent{seed}"), seed) for seed in (1, 2)]
        for market in turns:
            market.run(1)
        for _ in range(2 * _STEPS - 1):
            for market in turns:
                market.run(1, start=False)
        assert [market.ctx.actions for market in turns] == alone, (
            "beside another agent of its class it does something else: keep state in self, set it in on_start, and not "
            "in the class or the module"
        )

    def test_leaves_global_random_state_alone(self) -> None:
        """All draws come from the agent's own stream: seeding the global generators changes nothing."""
        seen = []
        for seed in (1, 2):
            random.seed(seed)
            np.random.seed(seed)
            before = random.getstate(), _numpy_state()
            seen.append(self.actions())
            assert (random.getstate(), _numpy_state()) == before, f"it draws from a global generator: {_REPEATS}"
        assert seen[0] == seen[1], f"it depends on a global generator: {_REPEATS}"

    def test_same_seed_same_market(self) -> None:
        """A small real market runs to its end, and the same seed gives the same log."""
        log = self.run_market()
        assert len(log) > 100, "the small market of the contract stood still"
        assert self.run_market() == log, f"the same seed gave another market: {_REPEATS}"

    # --- robust ---------------------------------------------------------------------------------------------
    def test_commands_are_valid(self) -> None:
        """In several scripted markets every command is one that a venue can take."""
        for seed in range(1, 5):
            self.actions(seed=seed)

    def test_tolerates_one_sided_and_empty_books(self) -> None:
        """A missing price is not a price of zero."""
        for bids, asks in ((False, True), (True, False), (False, False)):
            self.actions(Conditions(bids=bids, asks=asks))

    def test_tolerates_every_phase(self) -> None:
        """Auctions, halts and a closed market are no errors."""
        for phase in Phase:
            self.actions(Conditions(phase=phase))

    def test_tolerates_refusals(self) -> None:
        """The venue, or the agent's own limits, may refuse everything."""
        self.actions(Conditions(reject_share=1.0))
        self.actions(Conditions(refuse_orders=True))

    def test_hooks_fit_the_base_class(self) -> None:
        """Hooks have the names and the number of arguments that the simulator calls them with."""
        fault = hook_fault(self.strategy_class())
        assert not fault, fault


class _ListRecorder:
    """Keeps the log in memory, in order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        self.messages += (command, *events)

    def record(self, event: Event) -> None:
        self.messages.append(event)


def _numpy_state() -> Any:
    name, keys, *rest = np.random.get_state(legacy=True)
    return name, tuple(keys), rest
