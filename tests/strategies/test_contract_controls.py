"""The contract itself must be able to fail: each defect below is caught by the test that is meant for it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec
import pytest

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import NewOrder, Phase, Side
from lob_sim.testing import CommandChecker, RecordingContext, StrategyContract
from lob_sim.units import NS_PER_S


class Sound(Strategy):
    """Buys a lot at 99 every second.

    Nothing is wrong with it.
    """

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            size_lots: Size.
        """

        size_lots: Annotated[int, msgspec.Meta(ge=1)] = 1

    params: Params

    def on_start(self, ctx: Context) -> None:
        ctx.wake_in(NS_PER_S)

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.place(0, Side.BUY, self.size(ctx), 99)
        ctx.wake_in(NS_PER_S)

    def size(self, ctx: Context) -> int:
        return self.params.size_lots


class UsesGlobalRandom(Sound):
    """Draws from the global generator."""

    def size(self, ctx: Context) -> int:
        return random.randint(1, 1000)


class SharesState(Sound):
    """Counts in a list that belongs to the class."""

    seen: ClassVar[list[int]] = []

    def size(self, ctx: Context) -> int:
        self.seen.append(ctx.agent_id)
        return len(self.seen)


class ForgetsInPickle(Sound):
    """Loses its count when pickled."""

    def __init__(self, params: msgspec.Struct | None = None) -> None:
        super().__init__(params)
        self.count = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "count": 0}

    def size(self, ctx: Context) -> int:
        self.count += 1
        return self.count


class SellsNothing(Sound):
    """Sends orders of no lots."""

    def size(self, ctx: Context) -> int:
        return 0


class NeedsTwoSides(Sound):
    """Divides by the spread."""

    def size(self, ctx: Context) -> int:
        top = ctx.top(0)
        return 1 + 1 // max(0, top.bid_ticks) if top.ask_ticks else 1 + 1 // top.ask_ticks


class NeverRests(Sound):
    """Wakes up every nanosecond."""

    def on_wake(self, ctx: Context, tag: int) -> None:
        ctx.wake_in(1)


class Undocumented(Sound):
    """Has a parameter that nobody explains."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters."""

        size_lots: int = 1

    params: Params  # type: ignore[assignment]


class MisspeltHook(Sound):
    """Waits for a hook that never comes."""

    def on_fills(self, ctx: Context) -> None:
        ctx.place(0, Side.BUY, 1, 1)


class Nameless(Sound):
    """Does not say who it is."""

    def __repr__(self) -> str:
        return "a strategy"


class TakesAnything(Sound):
    """Has a size that need not be a number."""

    class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
        """Parameters.

        Attributes:
            size_lots: Size.
        """

        size_lots: Any = 1

    params: Params  # type: ignore[assignment]


class DiffersByRun(Sound):
    """Buys more with every run of this process."""

    runs: ClassVar[int] = 0

    def on_start(self, ctx: Context) -> None:
        type(self).runs += 1
        super().on_start(ctx)

    def size(self, ctx: Context) -> int:
        return self.runs


class OnlyTradesContinuously(Sound):
    """Knows one phase."""

    def size(self, ctx: Context) -> int:
        return {Phase.CONTINUOUS: 1}[ctx.phase(0)]


class ExpectsAnOrder(Sound):
    """Looks up its last order whether or not it was taken."""

    def on_wake(self, ctx: Context, tag: int) -> None:
        sent = ctx.place(0, Side.BUY, 1, 99)
        assert ctx.orders(0)[sent].leaves_lots
        ctx.wake_in(NS_PER_S)


def contract_of(cls: type[Strategy]) -> StrategyContract:
    made: Callable[[], StrategyContract] = type("Contract", (StrategyContract,), {"strategy": cls})
    return made()


def names_in(contract: StrategyContract) -> list[str]:
    return [n for n in dir(contract) if n.startswith("test_")]


@pytest.mark.parametrize("name", names_in(contract_of(Sound)))
def test_sound_strategy_passes(name: str) -> None:
    getattr(contract_of(Sound), name)()


DEFECTS: list[tuple[type[Strategy], str, type[Exception]]] = [
    (UsesGlobalRandom, "test_leaves_global_random_state_alone", AssertionError),
    (UsesGlobalRandom, "test_same_seed_same_actions", AssertionError),
    (SharesState, "test_agents_share_nothing", AssertionError),
    (ForgetsInPickle, "test_pickles_with_its_state", AssertionError),
    (SellsNothing, "test_commands_are_valid", AssertionError),
    (NeedsTwoSides, "test_tolerates_one_sided_and_empty_books", ZeroDivisionError),
    (NeverRests, "test_commands_are_valid", AssertionError),
    (Undocumented, "test_describes_itself_in_one_line", AssertionError),
    (MisspeltHook, "test_hooks_fit_the_base_class", AssertionError),
    (Nameless, "test_repr_shows_class_and_parameters", AssertionError),
    (TakesAnything, "test_parameters_are_strict", AssertionError),
    (DiffersByRun, "test_same_seed_same_market", AssertionError),
    (OnlyTradesContinuously, "test_tolerates_every_phase", KeyError),
    (ExpectsAnOrder, "test_tolerates_refusals", KeyError),
]


@pytest.mark.parametrize(("cls", "name", "error"), DEFECTS)
def test_defect_is_caught(cls: type[Strategy], name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        getattr(contract_of(cls), name)()


def test_every_check_has_its_defect() -> None:
    assert {name for _, name, _ in DEFECTS} == set(names_in(contract_of(Sound)))


def test_commands_in_another_agents_name_are_caught() -> None:
    checker = CommandChecker(RecordingContext(agent_id=3))
    checker.check(NewOrder(0, 3, 1, Side.BUY, 1, 100))
    with pytest.raises(AssertionError, match="another agent"):
        checker.check(NewOrder(0, 4, 1, Side.BUY, 1, 100))
