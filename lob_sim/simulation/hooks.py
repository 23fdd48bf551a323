"""Which hook hears of which message, and which hooks a component really has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import cache

from lob_sim.agents.strategy import Strategy
from lob_sim.convert import did_you_mean
from lob_sim.messages import (
    FundingEvent,
    Message,
    News,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqPrint,
    RfqQuoted,
    RfqRejected,
    RfqTraded,
    SheetDisclosed,
    Trade,
)

Hook = Callable[..., None]

HOOK_OF: dict[type[Message], str] = {
    OrderAccepted: "on_accept",
    OrderFilled: "on_fill",
    OrderCanceled: "on_cancel",
    OrderRejected: "on_reject",
    RfqRejected: "on_reject",
    RfqOpened: "on_rfq_request",
    RfqQuoted: "on_rfq_quote",
    RfqDeclined: "on_rfq_decline",
    RfqTraded: "on_rfq_trade",
    RfqClosed: "on_rfq_close",
    RfqPrint: "on_print",
    Trade: "on_trade",
    News: "on_news",
    FundingEvent: "on_message",
    SheetDisclosed: "on_message",
}

LETTERS = tuple(message_type for message_type, name in HOOK_OF.items() if name == "on_message")
"""What one agent may tell another."""
DESK_HOOK = "on_desk_event"
"""What a strategy hears by of its desk's orders and requests, in place of the hooks for its own."""
_HOOKS = tuple(name for name in dir(Strategy) if name.startswith("on_"))


def hook_fault(strategy: type[Strategy]) -> str:
    """Why a hook of a strategy would never be called, or could not be; empty if all can be.

    A public method whose name begins with ``on_`` and that is no hook is one that somebody waits for in vain.
    """
    for name in dir(strategy):
        if name.startswith("on_") and name not in _HOOKS:
            return f"{name} is no hook, and would never be called{did_you_mean(name, _HOOKS)}"
    for name in _HOOKS:
        if fault := _fault_of_hook(strategy, name):
            return fault
    for name in sorted(strategy.patient):
        if name not in HOOK_OF.values():
            return f"patient names {name!r}, which is no hook of a message{did_you_mean(name, HOOK_OF.values())}"
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


def has_hook(component: Strategy, name: str) -> bool:
    """Whether the component's class defines the hook, rather than inheriting the empty one."""
    return _defines(type(component), name)


def _defines(component: type[Strategy], name: str) -> bool:
    return getattr(component, name) is not getattr(Strategy, name)


def hooks_by_message(components: Sequence[Strategy]) -> dict[type[Message], tuple[tuple[int, Hook], ...]]:
    """For each message type, the components (by index) that hear of it and their bound hooks, in order."""
    table: dict[type[Message], tuple[tuple[int, Hook], ...]] = {}
    for message_type, name in HOOK_OF.items():
        hearing = tuple((i, getattr(c, name)) for i, c in enumerate(components) if has_hook(c, name))
        if hearing:
            table[message_type] = hearing
    return table


def waking_messages(components: Sequence[Strategy]) -> frozenset[type[Message]]:
    """Message types on whose arrival the agent must be awake: a component hears them and is not patient."""
    return _waking_messages(tuple(type(component) for component in components))


@cache
def _waking_messages(components: tuple[type[Strategy], ...]) -> frozenset[type[Message]]:
    return frozenset(
        message_type
        for message_type, name in HOOK_OF.items()
        if any(_defines(c, name) and name not in c.patient for c in components)
    )
