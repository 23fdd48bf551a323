"""Who of an agent's components hears of what: of a message, of a timer, of a change of the book."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from lob_sim.account.account import AgentAccount
from lob_sim.account.context import AgentContext
from lob_sim.agents.strategy import Component
from lob_sim.messages import Event, RfqOpened
from lob_sim.simulation.hooks import Hook, has_hook, hooks_by_message, manager_hooks, waking_messages
from lob_sim.units import Ns

Hearing: TypeAlias = tuple[tuple[int, Hook], ...]
"""Components by their index, each with its hook."""
Reaction: TypeAlias = tuple[Callable[[Any], None] | None, Hearing, bool]
"""How the agent's account takes note of a message, which components hear of it, and whether some such messages do not
concern all of these."""


class Audience:
    """The components of one agent as listeners.

    Args:
        components: In the order in which they hear of messages.
        account: The agent's account, which takes note of a message first and knows who has sent what.

    Attributes:
        components: The components.
        silenced: Whether only those that survive the agent's default hear anything.
        reactions: What a type of message does, as far as it is known; see :meth:`new_reaction`.
        waking: Types of messages on whose arrival somebody must be awake.
        book_hooks: Who is told of every change of a top of book.
        wake_hooks: What timers call, by component.
    """

    # Slots for the same reason as those of the host.
    __slots__ = (
        "_account", "_concerned_by", "_hooks", "_manager_hooks", "_night_ns",
        "book_hooks", "components", "reactions", "silenced", "wake_hooks", "waking",
    )  # fmt: skip

    def __init__(self, components: Sequence[Component[Any]], account: AgentAccount) -> None:
        self._account = account
        self._night_ns: Ns = 0
        self.silenced = False
        self.listen(components)

    def listen(self, components: Sequence[Component[Any]]) -> None:
        """From now on these are the components."""
        self.components = components = tuple(components)
        self._hooks = hooks_by_message(components)
        self._manager_hooks = manager_hooks(components)
        self.reactions: dict[type[Event], Reaction] = {}
        self._concerned_by: dict[tuple[type[Event], int], Hearing] = {}
        self.waking = waking_messages(components)
        self.book_hooks: Hearing = tuple((i, c.on_book) for i, c in enumerate(components) if has_hook(c, "on_book"))
        self._set_wake_hooks()
        if self.silenced:
            self.silence()

    def silence(self) -> None:
        """Only components that survive the agent's default hear anything from now on."""
        self.silenced = True
        self._hooks = {m: kept for m, hooks in self._hooks.items() if (kept := self._awake(hooks))}
        self._manager_hooks = {m: self._awake(hooks) for m, hooks in self._manager_hooks.items()}
        self.reactions = {}
        self._concerned_by = {}
        self.book_hooks = self._awake(self.book_hooks)
        self._set_wake_hooks()

    def sleep(self, night_ns: Ns) -> None:
        """From now on timers wait so long more, the length of the night; 0 in the morning."""
        self._night_ns = night_ns
        self._set_wake_hooks()

    def is_awake(self, component: int) -> bool:
        """Whether a component hears anything."""
        return not self.silenced or self.components[component].survives_default

    def _awake(self, hearing: Hearing) -> Hearing:
        return tuple(hook for hook in hearing if self.is_awake(hook[0]))

    def _set_wake_hooks(self) -> None:
        """At night timers wait, and those of a silenced component do nothing."""
        wait = _WaitsForMorning(self._night_ns) if self._night_ns else None
        self.wake_hooks: tuple[Hook, ...] = tuple(
            wait or c.on_wake if self.is_awake(i) else _asleep for i, c in enumerate(self.components)
        )

    def hears(self, kind: type[Event]) -> bool:
        """Whether a component has a hook for a type of message."""
        return kind in self._hooks

    def hooks_for(self, kind: type[Event]) -> Hearing:
        """Who hears of a type of message."""
        return self._hooks.get(kind, ())

    def new_reaction(self, kind: type[Event]) -> Reaction:
        """What a type of message does: to the agent's account, then to the components that hear it."""
        account = self._account
        is_selective = kind is RfqOpened or account.is_shared_by(kind)
        reaction = self.reactions[kind] = (account.note_of(kind), self.hooks_for(kind), is_selective)
        return reaction

    def concerned(self, event: Event, hearing: Hearing) -> Hearing:
        """Of those who hear such events, whom this one concerns: the sender of the order or request that it is about,
        and who manages the agent. What the manager has sent others hear of by a hook of its own. Requests are heard of
        by those who are asked, and not by the agent that asks."""
        if type(event) is RfqOpened:
            return () if event.agent_id == self._account.agent_id else hearing
        sender = self._account.sender_of(event)
        if sender is None:
            return hearing
        kind = type(event)
        concerned = self._concerned_by.get((kind, sender))
        if concerned is None:
            if self.components[sender].manages_agent:
                concerned = self._manager_hooks[kind]
            else:
                concerned = tuple(h for h in hearing if h[0] == sender or self.components[h[0]].manages_agent)
            self._concerned_by[kind, sender] = concerned
        return concerned


class _WaitsForMorning:
    """In place of ``on_wake`` at night."""

    __slots__ = ("_night_ns",)

    def __init__(self, night_ns: Ns) -> None:
        self._night_ns = night_ns

    def __call__(self, ctx: AgentContext, tag: int) -> None:
        ctx.wake_in(self._night_ns, tag)


def _asleep(ctx: AgentContext, tag: int) -> None:
    """In place of a silenced component's ``on_wake``."""
