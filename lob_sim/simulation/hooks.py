"""Which hook hears of which message, and which hooks a component really has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any
from weakref import WeakSet

from lob_sim.agents.strategy import Component, Strategy
from lob_sim.convert import did_you_mean
from lob_sim.messages import Event

Hook = Callable[..., None]

MANAGER_HOOK = "on_desk_event"
"""What a strategy hears by of its desk's orders and requests, in place of the hooks for its own."""


def heard_events() -> dict[str, type[Event]]:
    """Every type of event that strategies hear of, by the name of its dataset: a message names its hook itself."""
    found: dict[str, type[Event]] = {}
    pending: list[type[Event]] = [Event]
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if kind.hook and kind.dataset:
            found[kind.dataset] = kind
    return dict(sorted(found.items()))


def message_hooks() -> set[str]:
    """Names of the hooks by which messages are heard."""
    return {kind.hook for kind in heard_events().values()}


_sound: WeakSet[type[Strategy]] = WeakSet()
"""Classes whose hooks have been looked at: branches and sweeps make the same market again and again."""


def hook_fault(strategy: type[Strategy]) -> str:
    """Why a hook of a strategy would never be called, or could not be; empty if all can be.

    A public method whose name begins with ``on_`` and that is no hook is one that somebody waits for in vain.
    """
    if strategy in _sound:
        return ""
    fault = _fault_of_hooks(strategy)
    if not fault:
        _sound.add(strategy)
    return fault


def _fault_of_hooks(strategy: type[Strategy]) -> str:
    of_messages = message_hooks()
    own = {name for name in dir(Strategy) if name.startswith("on_")}
    known = sorted(own | of_messages)
    for name in dir(strategy):
        if name.startswith("on_") and name not in known:
            return f"{name} is no hook, and would never be called{did_you_mean(name, known)}"
    for name in sorted(own):
        if fault := _fault_of_hook(strategy, name):
            return fault
    for name in sorted(strategy.deferred_hooks):
        if name not in of_messages:
            nearest = did_you_mean(name, sorted(of_messages))
            return f"deferred_hooks has {name!r}, which is no hook of a message{nearest}"
    return ""


def _fault_of_hook(strategy: type[Strategy], name: str) -> str:
    hook = getattr(strategy, name)
    expected = inspect.signature(getattr(Strategy, name))
    if not inspect.isfunction(hook):
        return "" if callable(hook) else f"{name} is {hook!r}; expected a method {name}{expected}"
    if inspect.iscoroutinefunction(hook) or inspect.isgeneratorfunction(hook) or inspect.isasyncgenfunction(hook):
        return f"{name} waits (async or yield); expected a plain method, which the simulator calls and nobody resumes"
    if isinstance(inspect.getattr_static(strategy, name), staticmethod):
        return f"{name} is a static method; expected a method {name}{expected}"
    try:
        inspect.signature(hook).bind(*expected.parameters)
    except TypeError as error:
        return f"{name} cannot be called as {name}{expected}: {error}"
    return ""


def has_hook(component: Component[Any], name: str) -> bool:
    """Whether the component's class defines the hook, rather than inheriting the empty one, and has a use for it."""
    return _defines(type(component), name) and name not in component.unused_hooks


def _defines(component: type[Component[Any]], name: str) -> bool:
    return getattr(component, name, None) is not getattr(Strategy, name, None)


def hooks_by_message(components: Sequence[Component[Any]]) -> dict[type[Event], tuple[tuple[int, Hook], ...]]:
    """For each message type, the components (by index) that hear of it and their bound hooks, in order."""
    table: dict[type[Event], tuple[tuple[int, Hook], ...]] = {}
    for kind in heard_events().values():
        hearing = tuple((i, getattr(c, kind.hook)) for i, c in enumerate(components) if has_hook(c, kind.hook))
        if hearing:
            table[kind] = hearing
    return table


def manager_hooks(components: Sequence[Component[Any]]) -> dict[type[Event], tuple[tuple[int, Hook], ...]]:
    """Who hears of what the component has sent that manages the agent: itself, and then whoever asks for it."""
    others = tuple((i, getattr(c, MANAGER_HOOK)) for i, c in enumerate(components) if has_hook(c, MANAGER_HOOK))
    return {
        kind: tuple(hook for hook in hearing if components[hook[0]].manages_agent) + others
        for kind, hearing in hooks_by_message(components).items()
    }


def waking_messages(components: Sequence[Component[Any]]) -> frozenset[type[Event]]:
    """Message types on whose arrival the agent must be awake: a component hears them and does not defer them."""
    return _waking_messages(tuple((type(component), component.unused_hooks) for component in components))


@cache
def _waking_messages(components: tuple[tuple[type[Component[Any]], frozenset[str]], ...]) -> frozenset[type[Event]]:
    return frozenset(
        kind
        for kind in heard_events().values()
        if any(_defines(c, kind.hook) and kind.hook not in c.deferred_hooks | unused for c, unused in components)
    )
