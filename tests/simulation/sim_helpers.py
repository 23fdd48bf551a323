"""Small markets for the tests of the simulation layer, and a log in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from lob_sim.agents.context import Context
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import Command, Event, Message, Side
from lob_sim.scenario import Scenario, parse_scenario
from lob_sim.simulation.runner import simulate
from lob_sim.simulation.world import World

M = TypeVar("M", bound=Message)
MS = 1_000_000
S = 1_000_000_000


class MemoryLog:
    """Keeps every message with its time; ``hook`` is called after each."""

    def __init__(self, hook: Callable[[], None] | None = None) -> None:
        self.entries: list[tuple[int, Message]] = []
        self.hook = hook

    def batch(self, ts_ns: int, command: Command, events: Sequence[Event]) -> None:
        self.entries.append((ts_ns, command))
        self.entries += [(event.ts_event_ns, event) for event in events]
        if self.hook is not None:
            self.hook()

    def record(self, event: Event) -> None:
        self.entries.append((event.ts_event_ns, event))
        if self.hook is not None:
            self.hook()

    @property
    def messages(self) -> list[Message]:
        return [message for _, message in self.entries]

    def of(self, kind: type[M]) -> list[M]:
        return [message for _, message in self.entries if type(message) is kind]

    def digest(self) -> str:
        state = hashlib.sha256()
        for ts_ns, message in self.entries:
            state.update(f"{ts_ns} {type(message).__name__} ".encode())
            state.update(msgspec.json.encode(message))
        return state.hexdigest()


def instrument(name: str = "bond", price: float = 100.0, **fields: Any) -> dict[str, Any]:
    """An instrument whose tick and lot are 1, so that plain numbers in a test are ticks and lots."""
    return {"name": name, "tick_size": 1, "lot_size": 1, "initial_price": price, **fields}


def latency(up: str = "0s", down: str = "0s") -> dict[str, Any]:
    return {"to_venue": {"median": up}, "from_venue": {"median": down}}


def group(name: str, strategy: type[Strategy] | str, **fields: Any) -> dict[str, Any]:
    spec = strategy if isinstance(strategy, str) else f"{strategy.__module__}:{strategy.__name__}"
    return {"name": name, "strategy": spec, **fields}


def scenario(
    agents: Sequence[dict[str, Any]],
    instruments: Sequence[dict[str, Any]] | None = None,
    horizon: str = "10s",
    **fields: Any,
) -> Scenario:
    return parse_scenario(
        {
            "name": "test",
            "horizon": horizon,
            "instruments": [instrument()] if instruments is None else list(instruments),
            "agents": list(agents),
            **fields,
        }
    )


def run(spec: Scenario, seed: int = 1) -> tuple[MemoryLog, World]:
    log = MemoryLog()
    return log, simulate(spec, seed, log)


def strategy_of(world: World, name: str) -> Any:
    """The strategy of one agent, by the agent's name."""
    return next(host.components[-1] for host in world.hosts if host.name == name)


class Idle(Strategy):
    """Does nothing at all."""


class Quoter(Strategy):
    """Puts one order of 100 lots on each side, two ticks from the opening price, and leaves them."""

    answers_rfqs = True

    def on_start(self, ctx: Context) -> None:
        for i in range(len(ctx.instruments)):
            ctx.place(i, Side.BUY, 100, ctx.initial_ticks(i) - 2)
            ctx.place(i, Side.SELL, 100, ctx.initial_ticks(i) + 2)
