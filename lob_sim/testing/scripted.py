"""A small market of real venues that puts a strategy through everything that can happen to it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from lob_sim.agents.context import TopOfBook
from lob_sim.agents.strategy import Strategy
from lob_sim.messages import (
    AgentCommand,
    Announcement,
    Command,
    Event,
    NewOrder,
    News,
    OrderRejected,
    Phase,
    PhaseChanged,
    RejectReason,
    RequestQuote,
    RfqOpened,
    RfqQuoted,
    RfqRejected,
    SetPhase,
    Trade,
)
from lob_sim.rng import Stream
from lob_sim.simulation.failures import strategy_error
from lob_sim.testing.crowd import Conditions, Crowd
from lob_sim.testing.recording import RecordingContext
from lob_sim.testing.validity import CommandChecker
from lob_sim.units import NS_PER_S, Ns
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue
from lob_sim.venue.transparency import Transparency, TransparencyRegime
from lob_sim.venue.venues import Venues

_MOST_WAKES = 1_000
_MOST_COMMANDS = 10_000


class ScriptedMarket:
    """Puts one strategy among a random but reproducible crowd, in a lit book and a request venue per instrument.

    The venues are those of a simulation, and tell whom they tell there; so is the account that keeps the agent's
    orders, positions and cash. What a market has besides is left out: nothing takes time on its way, and who else is
    there follows a script (:class:`~lob_sim.testing.crowd.Crowd`). Every command of the strategy is checked.

    Args:
        strategy: The strategy, not started yet.
        ctx: Its context.
        seed: Of the script; the strategy's own draws come from the context.
        conditions: What kind of market it is.
    """

    def __init__(
        self, strategy: Strategy, ctx: RecordingContext, seed: int = 1, conditions: Conditions | None = None
    ) -> None:
        self.strategy = strategy
        self.ctx = ctx
        self._conditions = conditions or Conditions()
        self._random = Stream(seed, "script")
        self._crowd = Crowd(ctx.agent_id, ctx.dealers, ctx.initial, self._random, self._conditions)
        self._checker = CommandChecker(ctx)
        self._answered = 0
        self._pending: deque[Command] = deque()
        # Instruments whose top has changed since the strategy was last told, in order.
        self._moved: dict[int, None] = {}
        dealers = {*ctx.dealers, ctx.agent_id} if strategy.answers_rfqs else ctx.dealers
        prints = TransparencyRegime(Transparency.IMMEDIATE)
        self._venues = Venues(
            [(MatchingEngine(i), RfqVenue(i, transparency=prints, known_dealers=dealers)) for i in self._instruments]
        )
        self._occurrences: tuple[Callable[[int], None], ...] = (
            self._move_quotes, self._move_quotes, self._take, self._fill_resting, self._fill_resting,
            self._publish_news, self._deal_elsewhere, self._ask_for_quote, self._announce,
        )  # fmt: skip
        ctx.refuse_orders = self._conditions.refuse_orders
        ctx.answers_come()
        self._open()

    @property
    def _instruments(self) -> range:
        return range(len(self.ctx.instruments))

    def _open(self) -> None:
        """Quotes stand, and the phase has come, before the strategy hears anything."""
        for i in self._instruments:
            self._show_value(i)
            commands = self._crowd.move_quotes(i)
            if self._conditions.phase is not Phase.CONTINUOUS:
                commands.append(SetPhase(i, self._conditions.phase))
            for command in commands:
                self._process(command)
        self._moved.clear()

    def run(self, steps: int, *, start: bool = True) -> list[AgentCommand]:
        """Let ``steps`` things happen, about one a second; returns all commands sent since the beginning."""
        try:
            return self._run(steps, start)
        except BaseException as error:
            # Where it came from, as a run would say it, for whoever sees the last line alone.
            where = strategy_error(type(self.strategy), "", "", self.ctx.now_ns, error).where
            if where:
                error.add_note(f"the strategy raised this, at {where}")
            raise

    def _run(self, steps: int, start: bool) -> list[AgentCommand]:
        if start:
            self.strategy.on_start(self.ctx)
            self._settle()
        for _ in range(steps):
            end_ns = self.ctx.now_ns + self._random.delay_ns(NS_PER_S)
            self._advance(end_ns)
            self.ctx.now_ns = end_ns
            happens = self._occurrences[self._random.integer(0, len(self._occurrences))]
            happens(self._random.integer(0, len(self.ctx.instruments)))
            self._settle()
        return self.ctx.actions

    def _advance(self, end_ns: Ns) -> None:
        """Give the wake-ups, and the venues' clocks their turn, that are due until then."""
        ctx, wakes = self.ctx, 0
        while True:
            clocks = [(due, n, i, v) for n, (i, v) in enumerate(self._venues) if (due := v.next_due_ns()) is not None]
            due_ns, _, i, venue = min(clocks, default=(end_ns + 1, 0, 0, None))
            wake_ns = min(ctx.wakes)[0] if ctx.wakes else end_ns + 1
            if min(due_ns, wake_ns) > end_ns:
                return
            if venue is not None and due_ns <= wake_ns:
                ctx.now_ns = max(ctx.now_ns, due_ns)
                command = venue.clock_command(ctx.now_ns, self._venues.books[i].book.top())
                assert command is not None
                self._pending.append(command)
            else:
                wakes += 1
                assert wakes <= _MOST_WAKES, "more than 1,000 wake-ups in about a second: the strategy does not rest"
                wake = ctx.next_wake()
                assert wake is not None
                self.strategy.on_wake(ctx, wake[1])
            self._settle()

    # --- what happens by itself -----------------------------------------------------------------------------
    def _move_quotes(self, instrument_id: int) -> None:
        self._pending += self._crowd.move_quotes(instrument_id) if self._takes_orders else ()
        self._show_value(instrument_id)

    def _take(self, instrument_id: int) -> None:
        self._pending += self._crowd.take(instrument_id)

    def _fill_resting(self, instrument_id: int) -> None:
        resting = [o for o in self.ctx.orders(instrument_id).values() if o.price_ticks > 0]
        if resting and self._takes_orders:
            self._pending += self._crowd.reach(instrument_id, resting[self._random.integer(0, len(resting))])

    def _deal_elsewhere(self, instrument_id: int) -> None:
        self._pending += self._crowd.ask(instrument_id, agent_too=False)

    def _ask_for_quote(self, instrument_id: int) -> None:
        if self.strategy.answers_rfqs:
            self._pending += self._crowd.ask(instrument_id, agent_too=True)

    def _publish_news(self, instrument_id: int) -> None:
        signal = self._crowd.values[instrument_id] + 5 * self._random.normal()
        self._tell(News(self.ctx.now_ns, instrument_id, signal, 5.0))

    def _announce(self, instrument_id: int) -> None:
        change = 20 * self._random.normal()
        self._crowd.values[instrument_id] += change
        self._tell(Announcement(self.ctx.now_ns, instrument_id, change, 5.0))

    @property
    def _takes_orders(self) -> bool:
        return self._conditions.phase is not Phase.CLOSED

    def _show_value(self, instrument_id: int) -> None:
        if self.ctx.fair_values is not None:
            self.ctx.fair_values[instrument_id] = self._crowd.values[instrument_id]

    # --- commands and what comes of them --------------------------------------------------------------------
    def _settle(self) -> None:
        """Until nobody has anything more to say; of a changed top the strategy is told once."""
        actions, is_told = self.ctx.actions, False
        for _ in range(_MOST_COMMANDS):
            if self._pending:
                self._process(self._pending.popleft())
            elif self._answered < len(actions):
                self._answered += 1
                self._take_command(actions[self._answered - 1])
            elif self._moved and not is_told:
                is_told, moved, self._moved = True, self._moved, {}
                for i in moved:
                    self.strategy.on_book(self.ctx, i)
            else:
                return
        raise AssertionError(f"more than {_MOST_COMMANDS:,} commands at one instant: the strategy does not rest")

    def _take_command(self, command: AgentCommand) -> None:
        self._checker.check(command)
        is_new = isinstance(command, NewOrder | RequestQuote)
        if not is_new or self._random.uniform() >= self._conditions.reject_share:
            self._process(command)
            return
        now_ns, i, me, reason = self.ctx.now_ns, command.instrument_id, self.ctx.agent_id, RejectReason.SESSION_CLOSED
        if isinstance(command, NewOrder):
            self._deliver(OrderRejected(now_ns, i, me, command.client_order_id, 0, reason))
        elif isinstance(command, RequestQuote):
            self._deliver(RfqRejected(now_ns, i, 0, me, command.client_rfq_id, reason))

    def _process(self, command: Command) -> None:
        """Hand a command to its venue, and tell those whom the venue tells."""
        ctx, i = self.ctx, command.instrument_id
        venue = self._venues.takers(type(command))[i]
        assert venue is not None
        events = venue.process(command, ctx.now_ns)
        if isinstance(venue, MatchingEngine) and (top := venue.changed_top()) is not None:
            ctx.tops[i] = TopOfBook(ctx.now_ns, *top)
            self._moved[i] = None
        for event in events:
            if isinstance(event, type(venue).public):
                self._publish(event)
                continue
            for agent_id, told in venue.recipients(event):
                if agent_id == ctx.agent_id:
                    self._deliver(told)
                else:
                    self._pending += self._crowd.answer(agent_id, told)

    def _publish(self, event: Event) -> None:
        if isinstance(event, Trade):
            self.ctx.last_trades[event.instrument_id] = event.price_ticks
        elif isinstance(event, PhaseChanged):
            self.ctx.phases[event.instrument_id] = event.phase
        self._tell(event)

    def _deliver(self, event: Event) -> None:
        """The agent's account takes note, then the strategy hears of it; of its own request it knows."""
        self.ctx.receive(event)
        if isinstance(event, RfqOpened):
            if event.agent_id == self.ctx.agent_id:
                return
            self._checker.expect_answer(event)
        elif isinstance(event, RfqQuoted):
            self._checker.expect_decision(event)
        self._tell(event)

    def _tell(self, event: Event) -> None:
        if event.hook:
            getattr(self.strategy, event.hook)(self.ctx, event)
