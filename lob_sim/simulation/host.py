"""An agent in the running market: its connection to the venues, its inbox, and when its components are awake.

An agent consists of one or more components, each a :class:`~lob_sim.agents.strategy.Strategy`: the trading
strategy and, for a dealer with a balance sheet, the desk that watches its limits. Messages travel down to the
agent into an inbox. The agent is woken on arrival only when a component has a hook for the message that is
not patient; anything else waits in the inbox until the agent is next awake, which nobody can tell from its
having been read at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from lob_sim.agents.context import Headroom
from lob_sim.agents.desk import Desk
from lob_sim.agents.strategy import Strategy
from lob_sim.errors import LobSimError, StrategyError
from lob_sim.messages import Command, Event, Message, RfqOpened
from lob_sim.rng import Stream
from lob_sim.simulation.context import AgentContext
from lob_sim.simulation.desk_affairs import DeskAffairs
from lob_sim.simulation.failures import strategy_error, too_often
from lob_sim.simulation.hooks import DESK_HOOK, HOOK_OF, Hook, has_hook, hooks_by_message, waking_messages
from lob_sim.simulation.kernel import Notice
from lob_sim.simulation.ledger import EXTERNAL
from lob_sim.simulation.own_books import OWN_AFFAIRS, OwnBooks
from lob_sim.simulation.pace import MOST_CALLS, WITHIN_NS
from lob_sim.units import Cash, Lots, Ns

if TYPE_CHECKING:
    from lob_sim.simulation.market import Market


Note: TypeAlias = Callable[[OwnBooks, Any], None]
Reaction: TypeAlias = tuple[Note | None, tuple[tuple[int, Hook], ...]]
"""How the agent's books take note of a message, and which components hear of it."""
_NO_REACTION: Reaction = (None, ())


class Connection:
    """The latencies of one agent, each a function that draws a delay in nanoseconds.

    Letters to and from other agents draw delays of their own, so that a lender who says more or less moves no
    order.
    """

    __slots__ = ("down", "letter_down", "letter_up", "up", "view")

    def __init__(
        self,
        up: Callable[[], Ns],
        down: Callable[[], Ns],
        view: Callable[[], Ns],
        letter_up: Callable[[], Ns],
        letter_down: Callable[[], Ns],
    ) -> None:
        self.up = up
        self.down = down
        self.view = view
        self.letter_up = letter_up
        self.letter_down = letter_down


class AgentHost:
    """One agent.

    Args:
        market: The market that it is connected to.
        agent_id: Its number, in order of name.
        name: Its stable name.
        group: The scenario's group that it belongs to.
        components: Its strategy, and any further component, in the order in which they hear of messages.
        books: Its own books, opened with its endowment.
        connection: Its latencies.
        random: One stream per component.
        sees_fair_value: Whether it knows the exogenous fair value.
    """

    # Slots, because with thousands of agents most of the time goes into fetching their state from memory.
    __slots__ = (
        "_book_notice_hooks",
        "_calls",
        "_calls_since_ns",
        "_connection",
        "_contexts",
        "_desk_hooks",
        "_drain_due_ns",
        "_draw_down",
        "_draw_up",
        "_draw_view",
        "_hooks",
        "_inbox",
        "_is_desk",
        "_kernel",
        "_last_down_ns",
        "_last_letter_ns",
        "_last_up_ns",
        "_market",
        "_reactions",
        "_view_ns",
        "_wake_hooks",
        "_waking",
        "agent_id",
        "books",
        "components",
        "dealers",
        "group",
        "headroom",
        "ids",
        "name",
        "outbox",
        "sees_fair_value",
        "silenced",
    )

    def __init__(
        self,
        market: Market,
        agent_id: int,
        name: str,
        group: str,
        components: Sequence[Strategy],
        books: OwnBooks,
        connection: Connection,
        random: Sequence[Stream],
        sees_fair_value: bool = False,
    ) -> None:
        self.agent_id = agent_id
        self.name = name
        self.group = group
        self.books = books
        self.sees_fair_value = sees_fair_value
        self.headroom: Headroom | None = None
        self.dealers: tuple[int, ...] = ()
        self.silenced = False
        self.outbox: list[Command] = []
        self.ids = count(1)
        self.components = tuple(components)
        self._is_desk = tuple(isinstance(component, Desk) for component in components)
        if any(self._is_desk):
            books.affairs = DeskAffairs(len(market.instruments))
        self._market = market
        self._kernel = market.kernel
        self._connection = connection
        self._draw_up, self._draw_down, self._draw_view = connection.up, connection.down, connection.view
        self._inbox: deque[tuple[Ns, Event]] = deque()
        self._hooks = hooks_by_message(components)
        self._desk_hooks = self._hear_desk()
        self._reactions = self._react()
        self._waking = waking_messages(components)
        self._last_up_ns: Ns = 0
        self._last_down_ns: Ns = 0
        self._last_letter_ns: Ns = 0
        self._drain_due_ns: Ns = -1
        self._view_ns: Ns = -1
        self._book_notice_hooks = tuple((i, c.on_book) for i, c in enumerate(components) if has_hook(c, "on_book"))
        self._wake_hooks: tuple[Hook, ...] = tuple(c.on_wake for c in components)
        self._contexts = tuple(
            AgentContext(self, market, i, random[i], is_desk) for i, is_desk in enumerate(self._is_desk)
        )
        self._calls = 0
        self._calls_since_ns: Ns = 0

    @property
    def answers_rfqs(self) -> bool:
        """Whether it may be asked for quotes."""
        return any(c.answers_rfqs for c in self.components)

    @property
    def watches_book(self) -> bool:
        """Whether a component wants to be told of every change of a top of book."""
        return bool(self._book_notice_hooks)

    def hears(self, message_type: type[Event]) -> bool:
        """Whether a component has a hook for the message type."""
        return message_type in self._hooks

    def view_ns(self) -> Ns:
        """The time as of which this agent sees the market now; never moves backwards."""
        seen_ns = self._kernel._now - self._draw_view()
        if seen_ns > self._view_ns:
            self._view_ns = seen_ns
        return self._view_ns

    # --- what its desk may do to it (see lob_sim.agents.desk.Controls) --------------------------------------
    def finance(self, amount: Cash) -> None:
        """Take up cash from the outside world, or pay it back."""
        self.books.cash += amount
        self._market.ledger.transfer(EXTERNAL, self.agent_id, amount)

    def forbid_buying(self, forbidden: bool) -> None:
        """Refuse, or again admit, everything that buys."""
        assert self.books.guard is not None
        self.books.guard.buying_forbidden = forbidden

    def free_lots(self, instrument_id: int) -> Lots:
        """Lots held that no working order, request or quote may still sell."""
        assert self.books.guard is not None
        return self.books.positions[instrument_id] - self.books.guard.lots[instrument_id]

    def earmark(self, instrument_id: int, qty_lots: Lots) -> None:
        """Set lots aside for forced sales."""
        assert self.books.guard is not None
        self.books.guard.earmarked[instrument_id] = qty_lots

    def show_headroom(self, headroom: Headroom) -> None:
        """What ``ctx.headroom`` says from now on."""
        self.headroom = headroom

    def silence(self) -> None:
        """Of the components, only desks hear anything from now on."""
        awake = {i for i, is_desk in enumerate(self._is_desk) if is_desk}
        self._hooks = {
            message: kept
            for message, hooks in self._hooks.items()
            if (kept := tuple(h for h in hooks if h[0] in awake))
        }
        self._reactions = self._react()
        self._book_notice_hooks = tuple(h for h in self._book_notice_hooks if h[0] in awake)
        self._wake_hooks = tuple(h if i in awake else _asleep for i, h in enumerate(self._wake_hooks))
        self.silenced = True

    # --- letters from agent to agent ------------------------------------------------------------------------
    def tell(self, agent_id: int, event: Event) -> None:
        """Send a letter, and put it on the log."""
        self._market.recorder.record(event)
        self._market.hosts[agent_id].expect_letter(event, self._connection.letter_up())

    def expect_letter(self, event: Event, travelled_ns: Ns) -> None:
        """A letter is on its way; letters to one agent arrive in the order in which they were sent."""
        now_ns = self._kernel.now_ns
        arrival_ns = max(self._last_letter_ns, now_ns + travelled_ns + self._connection.letter_down())
        self._last_letter_ns = arrival_ns
        self._kernel.call_in(arrival_ns - now_ns, self._letter_arrived, event)

    def _letter_arrived(self, notice: Notice) -> None:
        event = notice.payload
        self._count_call("on_message")
        self._read_inbox()
        for component, hook in self._hooks.get(type(event), ()):
            self._call(component, hook, event)
        if self.outbox:
            self._send()

    # --- waking ---------------------------------------------------------------------------------------------
    def start(self) -> None:
        """The market opens."""
        for i, component in enumerate(self.components):
            self._call(i, component.on_start)
        self._send()

    def wake(self, notice: Notice) -> None:
        """A wake-up that a component asked for is due."""
        component, tag = notice.payload
        self._calls += 1
        if self._calls >= MOST_CALLS:
            self._check_pace("on_wake")
        if self._inbox:
            self._read_inbox()
        try:
            self._wake_hooks[component](self._contexts[component], tag)
        except LobSimError:
            raise
        except Exception as error:
            raise self._failure(component, "on_wake", error) from error
        if self.outbox:
            self._send()

    def deliver(self, event: Event) -> None:
        """A message leaves a venue for this agent."""
        now_ns = self._kernel._now
        arrival_ns = now_ns + self._draw_down()
        if arrival_ns < self._last_down_ns:
            arrival_ns = self._last_down_ns
        else:
            self._last_down_ns = arrival_ns
        self._inbox.append((arrival_ns, event))
        if type(event) in self._waking and arrival_ns != self._drain_due_ns:
            self._drain_due_ns = arrival_ns
            self._kernel.call_in(arrival_ns - now_ns, self._arrived)

    def notify_book(self, instrument_id: int) -> None:
        """The top of a book has changed: tell the components that watch it, one latency later."""
        now_ns = self._kernel.now_ns
        arrival_ns = max(self._last_down_ns, now_ns + self._draw_down())
        self._last_down_ns = arrival_ns
        self._kernel.call_in(arrival_ns - now_ns, self._book_changed, (instrument_id, now_ns))

    def finish(self) -> None:
        """The horizon is reached: take note of what has arrived (no more commands leave)."""
        self._read_inbox()
        for component, ctx in zip(self.components, self._contexts, strict=True):
            if isinstance(component, Desk):
                component.close(ctx)
        self.outbox.clear()

    def _arrived(self, notice: Notice) -> None:
        # What is delivered without delay from here on, at this same time, needs another call.
        if self._drain_due_ns == self._kernel._now:
            self._drain_due_ns = -1
        self._calls += 1
        if self._calls >= MOST_CALLS:
            waking = (HOOK_OF[type(event)] for _, event in self._inbox if type(event) in self._waking)
            self._check_pace(next(waking, "on_message"))
        self._read_inbox()
        if self.outbox:
            self._send()

    def _book_changed(self, notice: Notice) -> None:
        instrument_id, changed_ns = notice.payload
        self._calls += 1
        if self._calls >= MOST_CALLS:
            self._check_pace("on_book")
        self._view_ns = max(self._view_ns, changed_ns)
        self._read_inbox()
        for component, hook in self._book_notice_hooks:
            self._call(component, hook, instrument_id)
        if self.outbox:
            self._send()

    def _react(self) -> dict[type[Message], Reaction]:
        """What a message does, by its type: to the agent's own books, then to the components that hear it."""
        types = dict.fromkeys((*OWN_AFFAIRS, *self._hooks))
        return {kind: (OWN_AFFAIRS.get(kind), self._hooks.get(kind, ())) for kind in types}

    def _hear_desk(self) -> dict[type[Message], tuple[tuple[int, Hook], ...]]:
        """Who hears of what the desk has sent: the desk, and then whoever asks for it."""
        asking = tuple((i, getattr(c, DESK_HOOK)) for i, c in enumerate(self.components) if has_hook(c, DESK_HOOK))
        return {
            kind: tuple(entry for entry in self._hooks.get(kind, ()) if self._is_desk[entry[0]]) + asking
            for kind in HOOK_OF
        }

    def _read_inbox(self) -> None:
        inbox, now_ns, reactions, affairs = self._inbox, self._kernel._now, self._reactions, self.books.affairs
        while inbox and inbox[0][0] <= now_ns:
            event = inbox.popleft()[1]
            note, hearing = reactions.get(type(event), _NO_REACTION)
            if note is not None:
                note(self.books, event)
            if hearing and not (type(event) is RfqOpened and event.agent_id == self.agent_id):
                if affairs is not None and affairs.concerns(event):
                    hearing = self._desk_hooks[type(event)]
                for component, hook in hearing:
                    # A desk that hears of the event first may have failed upon it.
                    if self.silenced and not self._is_desk[component]:
                        continue
                    try:
                        hook(self._contexts[component], event)
                    except LobSimError:
                        raise
                    except Exception as error:
                        raise self._failure(component, hook.__name__, error) from error
                # A component that was silenced upon the event hears none of the next.
                reactions = self._reactions

    def _call(self, component: int, hook: Hook, *args: object) -> None:
        try:
            hook(self._contexts[component], *args)
        except LobSimError:
            raise
        except Exception as error:
            raise self._failure(component, hook.__name__, error) from error

    def _failure(self, component: int, hook: str, error: Exception) -> StrategyError:
        return strategy_error(self.components[component], self.name, hook, self._kernel.now_ns, error)

    def _count_call(self, hook: str) -> None:
        self._calls += 1
        if self._calls >= MOST_CALLS:
            self._check_pace(hook)

    def _check_pace(self, hook: str) -> None:
        """Stop an agent that has been called so often that time does not go on."""
        now_ns = self._kernel._now
        if now_ns - self._calls_since_ns < WITHIN_NS:
            raise too_often(self.components, self.name, hook, now_ns, self._calls, now_ns - self._calls_since_ns)
        self._calls, self._calls_since_ns = 0, now_ns

    def _send(self) -> None:
        """Everything said in one waking travels together."""
        now_ns = self._kernel._now
        arrival_ns = now_ns + self._draw_up()
        if arrival_ns < self._last_up_ns:
            arrival_ns = self._last_up_ns
        else:
            self._last_up_ns = arrival_ns
        self._kernel.call_in(arrival_ns - now_ns, self._market.receive, tuple(self.outbox))
        self.outbox.clear()


def _asleep(ctx: AgentContext, tag: int) -> None:
    """In place of a silenced component's ``on_wake``."""
