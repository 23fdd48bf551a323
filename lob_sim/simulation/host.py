"""An agent in the running market: its connection to the venues, its inbox, and when its components are awake.

An agent consists of one or more components, each a :class:`~lob_sim.agents.strategy.Component`: the trading
strategy and, for a dealer with a balance sheet, the desk that watches its limits. Messages travel down to the
agent into an inbox. The agent is woken on arrival only when a component has a hook for the message that it does
not defer; anything else waits in the inbox until the agent is next awake, which nobody can tell from its
having been read at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from lob_sim.account.account import AgentAccount
from lob_sim.account.context import AgentContext
from lob_sim.account.manager_context import ManagerContext
from lob_sim.agents.context import Switches
from lob_sim.agents.strategy import Component
from lob_sim.errors import LobSimError, StrategyError
from lob_sim.messages import AgentMessage, Event
from lob_sim.messages.recorder import Recorder
from lob_sim.rng import Stream
from lob_sim.simulation.audience import Audience
from lob_sim.simulation.failures import strategy_error, too_often
from lob_sim.simulation.hooks import Hook, has_hook
from lob_sim.simulation.kernel import Kernel, ScheduledCall
from lob_sim.simulation.market_data import AgentView
from lob_sim.simulation.pace import MOST_CALLS, WITHIN_NS
from lob_sim.simulation.ports import MarketPort
from lob_sim.units import Cash, Ns

T = TypeVar("T")


class Connection(NamedTuple):
    """The latencies of one agent, each a function that draws a delay in nanoseconds.

    Messages to and from other agents draw delays of their own, so that a lender who says more or less moves no
    order.
    """

    up: Callable[[], Ns]
    down: Callable[[], Ns]
    message_up: Callable[[], Ns]
    message_down: Callable[[], Ns]


class AgentHost:
    """One agent.

    Args:
        kernel: The clock.
        recorder: The log.
        market: The market that it is connected to.
        name: Its stable name.
        group: The scenario's group that it belongs to.
        components: Its strategy, and any further component, in the order in which they hear of messages.
        account: Its own account, opened with its endowment.
        connection: Its latencies.
        view: The market as it sees it.
        random: One stream per component.
    """

    # Slots, because with thousands of agents most of the time goes into fetching their state from memory.
    __slots__ = (
        "_account",
        "_audience",
        "_calls",
        "_calls_since_ns",
        "_connection",
        "_contexts",
        "_drain_due_ns",
        "_draw_down",
        "_draw_up",
        "_inbox",
        "_kernel",
        "_last_down_ns",
        "_last_message_ns",
        "_last_up_ns",
        "_market",
        "_outbox",
        "_view",
        "agent_id",
        "group",
        "name",
        "record",
    )

    def __init__(
        self,
        kernel: Kernel,
        recorder: Recorder,
        market: MarketPort,
        name: str,
        group: str,
        components: Sequence[Component[Any]],
        account: AgentAccount,
        connection: Connection,
        view: AgentView,
        random: Sequence[Stream],
    ) -> None:
        self.agent_id = account.agent_id
        self.name = name
        self.group = group
        self._audience = Audience(components, account)
        self.record = recorder.record
        self._kernel = kernel
        self._market = market
        self._account = account
        self._outbox = account.outbox
        self._connection = connection
        self._draw_up, self._draw_down = connection.up, connection.down
        self._view = view
        self._inbox: deque[tuple[Ns, Event]] = deque()
        self._last_up_ns: Ns = 0
        self._last_down_ns: Ns = 0
        self._last_message_ns: Ns = 0
        self._drain_due_ns: Ns = -1
        self._contexts = tuple(
            (ManagerContext if c.manages_agent else AgentContext)(account, i, name, kernel, view, self, random[i])
            for i, c in enumerate(components)
        )
        self._calls = 0
        self._calls_since_ns: Ns = 0

    @property
    def components(self) -> tuple[Component[Any], ...]:
        """Its strategy, and before it whatever else it consists of."""
        return self._audience.components

    @property
    def silenced(self) -> bool:
        """Whether the agent has failed, so that only components that survive that hear anything."""
        return self._audience.silenced

    @property
    def account(self) -> AgentAccount:
        """Its own account: read it, do not change it."""
        return self._account

    @property
    def answers_rfqs(self) -> bool:
        """Whether it may be asked for quotes."""
        return any(c.answers_rfqs for c in self.components)

    @property
    def watches_book(self) -> bool:
        """Whether a component wants to be told of every change of a top of book."""
        return bool(self._audience.book_hooks)

    def hears(self, kind: type[Event]) -> bool:
        """Whether a component has a hook for the message type."""
        return self._audience.hears(kind)

    # --- where what its components say goes (see lob_sim.account.ports.Mailbox) ------------------------------
    def wake_in(self, component: int, delay_ns: Ns, tag: int) -> None:
        """Wake a component after a delay."""
        self._kernel.call_in(delay_ns, self.wake, (component, tag))

    def tell(self, agent_id: int, message: AgentMessage) -> None:
        """Send a message to another agent, and put it on the log."""
        self._market.forward(agent_id, message, self._connection.message_up())

    def draw_funding(self, amount: Cash) -> None:
        """Take up cash from the outside world, or pay it back."""
        self._market.draw_funding(self.agent_id, amount)

    def silence(self) -> None:
        """Only components that survive the agent's default hear anything from now on."""
        self._audience.silence()

    def replace_strategy(self, strategy: Component[Any]) -> None:
        """From now on another strategy hears and acts; :meth:`start_strategy` starts it.

        It finds the agent's account as it is, working orders with it. Wake-ups that the one before has asked for do not
        come.
        """
        self._kernel.forget(self.wake, len(self.components) - 1)
        self._audience.listen((*self.components[:-1], strategy))

    def see_switches(self, switches: Switches) -> None:
        """From now on other mechanisms are on."""
        self._view.switches = switches

    def start_strategy(self) -> None:
        """Start a strategy that has replaced another; that of a failed agent never starts."""
        last = len(self.components) - 1
        if self._audience.is_awake(last):
            self._call(last, self.components[last].on_start)
        if self._outbox:
            self._send()

    # --- days and nights --------------------------------------------------------------------------------------
    def sleep(self, night_ns: Ns) -> None:
        """From now on timers wait so long more, the length of the night; 0 in the morning."""
        self._audience.sleep(night_ns)

    def end_day(self) -> None:
        """Trading has ended for the day."""
        self._tell_components("on_close")

    def begin_day(self) -> None:
        """A day after the first opens."""
        self._tell_components("on_open")

    def _tell_components(self, hook: str) -> None:
        self._read_inbox()
        for i, component in enumerate(self.components):
            if has_hook(component, hook) and self._audience.is_awake(i):
                self._call(i, getattr(component, hook))
        if self._outbox:
            self._send()

    # --- messages from agent to agent -----------------------------------------------------------------------
    def expect_message(self, message: AgentMessage, travelled_ns: Ns) -> None:
        """A message is on its way; those to one agent arrive in the order in which they were sent."""
        now_ns = self._kernel.now_ns
        arrival_ns = max(self._last_message_ns, now_ns + travelled_ns + self._connection.message_down())
        self._last_message_ns = arrival_ns
        self._kernel.call_in(arrival_ns - now_ns, self._message_arrived, message)

    def _message_arrived(self, call: ScheduledCall) -> None:
        message = call.payload
        self._count_call(message.hook)
        self._read_inbox()
        for component, hook in self._audience.hooks_for(type(message)):
            self._call(component, hook, message)
        if self._outbox:
            self._send()

    # --- waking ---------------------------------------------------------------------------------------------
    def start(self) -> None:
        """The market opens."""
        for i, component in enumerate(self.components):
            self._call(i, component.on_start)
        self._send()

    def wake(self, call: ScheduledCall) -> None:
        """A wake-up that a component asked for is due."""
        component, tag = call.payload
        self._calls += 1
        if self._calls >= MOST_CALLS:
            self._check_pace("on_wake")
        if self._inbox:
            self._read_inbox()
        try:
            self._audience.wake_hooks[component](self._contexts[component], tag)
        except (LobSimError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise self._failure(component, "on_wake", error) from error
        if self._outbox:
            self._send()

    def act(self, action: Callable[[AgentContext], T]) -> T:
        """Somebody outside acts in the agent's name: it takes note of what has arrived, and what is said leaves."""
        self._read_inbox()
        result = action(self._contexts[-1])
        if self._outbox:
            self._send()
        return result

    def deliver(self, event: Event) -> None:
        """A message leaves a venue for this agent."""
        now_ns = self._kernel.now_ns
        arrival_ns = now_ns + self._draw_down()
        if arrival_ns < self._last_down_ns:
            arrival_ns = self._last_down_ns
        else:
            self._last_down_ns = arrival_ns
        self._inbox.append((arrival_ns, event))
        if type(event) in self._audience.waking and arrival_ns != self._drain_due_ns:
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
        for i, component in enumerate(self.components):
            if self._audience.is_awake(i):
                self._call(i, component.on_stop)
        self._outbox.clear()

    def _arrived(self, call: ScheduledCall) -> None:
        # What is delivered without delay from here on, at this same time, needs another call.
        if self._drain_due_ns == self._kernel.now_ns:
            self._drain_due_ns = -1
        self._calls += 1
        if self._calls >= MOST_CALLS:
            waking = (type(event).hook for _, event in self._inbox if type(event) in self._audience.waking)
            self._check_pace(next(waking, "on_message"))
        self._read_inbox()
        if self._outbox:
            self._send()

    def _book_changed(self, call: ScheduledCall) -> None:
        instrument_id, changed_ns = call.payload
        self._count_call("on_book")
        self._view.catch_up(changed_ns)
        self._read_inbox()
        for component, hook in self._audience.book_hooks:
            self._call(component, hook, instrument_id)
        if self._outbox:
            self._send()

    def _read_inbox(self) -> None:
        inbox, now_ns, audience = self._inbox, self._kernel.now_ns, self._audience
        reactions = audience.reactions
        while inbox and inbox[0][0] <= now_ns:
            event = inbox.popleft()[1]
            kind = type(event)
            note, hearing, is_selective = reactions.get(kind) or audience.new_reaction(kind)
            if note is not None:
                note(event)
            if hearing:
                if is_selective:
                    hearing = audience.concerned(event, hearing)
                for component, hook in hearing:
                    # A component that hears of the event first may have silenced this one.
                    if audience.silenced and not audience.is_awake(component):
                        continue
                    try:
                        hook(self._contexts[component], event)
                    except (LobSimError, KeyboardInterrupt):
                        raise
                    except BaseException as error:
                        raise self._failure(component, hook.__name__, error) from error
                # A component that was silenced upon the event hears none of the next.
                reactions = audience.reactions

    # --- errors ---------------------------------------------------------------------------------------------
    def _call(self, component: int, hook: Hook, *args: object) -> None:
        try:
            hook(self._contexts[component], *args)
        except (LobSimError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise self._failure(component, hook.__name__, error) from error

    def _failure(self, component: int, hook: str, error: BaseException) -> StrategyError:
        return strategy_error(type(self.components[component]), self.name, hook, self._kernel.now_ns, error)

    def _count_call(self, hook: str) -> None:
        self._calls += 1
        if self._calls >= MOST_CALLS:
            self._check_pace(hook)

    def _check_pace(self, hook: str) -> None:
        """Stop an agent that has been called so often that time does not go on."""
        now_ns = self._kernel.now_ns
        if now_ns - self._calls_since_ns < WITHIN_NS:
            raise too_often(self.components, self.name, hook, now_ns, self._calls, now_ns - self._calls_since_ns)
        self._calls, self._calls_since_ns = 0, now_ns

    # --- what leaves ----------------------------------------------------------------------------------------
    def _send(self) -> None:
        """Everything said in one waking travels together."""
        now_ns = self._kernel.now_ns
        arrival_ns = now_ns + self._draw_up()
        if arrival_ns < self._last_up_ns:
            arrival_ns = self._last_up_ns
        else:
            self._last_up_ns = arrival_ns
        self._kernel.call_in(arrival_ns - now_ns, self._market.receive, tuple(self._outbox))
        self._outbox.clear()


class DeafHost(AgentHost):
    """An agent that never hears or does anything, such as one whose part history plays."""

    __slots__ = ()

    def deliver(self, event: Event) -> None:
        """Nobody is there."""
