"""Which hook hears of which message, and which hooks a component really has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from lob_sim.agents.strategy import Strategy
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
