"""The market place: commands arrive, venues answer, trades settle, and everybody concerned is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from lob_sim.agents.context import TopOfBook
from lob_sim.errors import InvariantError
from lob_sim.messages import AgentMessage, Command, Event, Phase, PhaseChanged, Trade
from lob_sim.messages.recorder import Recorder
from lob_sim.simulation.kernel import Kernel, ScheduledCall
from lob_sim.simulation.ledger import EXTERNAL, Ledger
from lob_sim.simulation.market_data import MarketData
from lob_sim.simulation.ports import Recipient
from lob_sim.units import Cash, Ns
from lob_sim.venue.base import Venue
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.venues import Venues


class _Route(NamedTuple):
    """What becomes of the events of one type.

    Attributes:
        settles: Whether cash and securities change hands.
        publish: Enters it into the market data; ``None`` if it is none of those.
        readers: Who hears it because it is public; ``None`` where its venue says who is told.
    """

    settles: bool
    publish: Callable[[Any], None] | None
    readers: tuple[Recipient, ...] | None


class Market:
    """All venues of all instruments, with the ledger behind them and the agents before them.

    Args:
        kernel: The clock.
        recorder: The log.
        venues: Where instruments are traded.
        data: What there is to see of them.
        ledger: The settlement ledger.

    Attributes:
        hosts: The agents, by ``agent_id``, from :meth:`admit` on.
    """

    def __init__(self, kernel: Kernel, recorder: Recorder, venues: Venues, data: MarketData, ledger: Ledger) -> None:
        self.kernel = kernel
        self.venues = venues
        self.data = data
        self.ledger = ledger
        self.hosts: tuple[Recipient, ...] = ()
        self._recorder = recorder
        self._book_watchers: tuple[Recipient, ...] = ()
        self._routes: dict[type[Event], _Route] = {}
        # What each command costs to find its venue is paid once.
        self._takers = {kind: venues.takers(kind) for _, venue in venues for kind in type(venue).commands}
        self._tells_others = frozenset(type(v) for _, v in venues if type(v).recipients is not Venue.recipients)
        self._clocks_due: dict[tuple[int, type[Venue]], Ns] = {}

    def admit(self, hosts: Sequence[Recipient]) -> None:
        """Connect the agents, given in order of ``agent_id``."""
        self.hosts = tuple(hosts)
        self._book_watchers = tuple(host for host in hosts if host.watches_book)
        publishers: dict[type[Event], Callable[[Any], None]] = {Trade: self._traded, PhaseChanged: self._phase_changed}
        for _, venue in self.venues:
            for kind in type(venue).public:
                readers = tuple(host for host in hosts if host.hears(kind))
                self._routes[kind] = _Route(kind.legs is not Event.legs, publishers.get(kind), readers)

    def start(self) -> None:
        """The venues' clocks begin to run."""
        for instrument_id, venue in self.venues:
            self._ask_clock(instrument_id, venue)

    # --- commands -------------------------------------------------------------------------------------------
    def receive(self, call: ScheduledCall) -> None:
        """Commands of one agent arrive."""
        for command in call.payload:
            self.execute(command)

    def execute(self, command: Command) -> None:
        """Hand one command to its venue, log what happens, settle it and tell those concerned.

        Raises:
            InvariantError: No venue of its instrument takes it.
        """
        now_ns = self.kernel.now_ns
        instrument_id = command.instrument_id
        takers = self._takers.get(type(command))
        venue = takers[instrument_id] if takers is not None else None
        if venue is None:
            raise InvariantError(f"instrument {instrument_id} has no venue that takes {command}")
        events: list[Any] = venue.process(command, now_ns)
        self._recorder.batch(now_ns, command, events)
        routes, hosts = self._routes, self.hosts
        tells_others = type(venue) in self._tells_others
        for event in events:
            settles, publish, readers = routes.get(type(event)) or self._new_route(type(event))
            if settles:
                for leg in event.legs():
                    self.ledger.settle(leg.agent_id, instrument_id, leg.side, leg.price_ticks, leg.qty_lots)
            if publish is not None:
                publish(event)
            if readers is not None:
                for host in readers:
                    host.deliver(event)
            elif tells_others:
                for agent_id, told in venue.recipients(event):
                    hosts[agent_id].deliver(told)
            else:
                hosts[event.agent_id].deliver(event)
        if type(venue) is MatchingEngine:
            top = venue.changed_top()
            if top is not None:
                self._show_top(instrument_id, TopOfBook(now_ns, *top))
        due_ns = venue.next_due_ns()
        if due_ns is not None:
            self._schedule(instrument_id, venue, due_ns)

    def _new_route(self, kind: type[Event]) -> _Route:
        """What is not public concerns those whom its venue names, and nobody else."""
        route = self._routes[kind] = _Route(kind.legs is not Event.legs, None, None)
        return route

    def _show_top(self, instrument_id: int, top: TopOfBook) -> None:
        self.data.tops[instrument_id].set(top.ts_event_ns, top)
        for host in self._book_watchers:
            host.notify_book(instrument_id)

    # --- the venues' clocks ---------------------------------------------------------------------------------
    def _ask_clock(self, instrument_id: int, venue: Venue) -> None:
        due_ns = venue.next_due_ns()
        if due_ns is not None:
            self._schedule(instrument_id, venue, due_ns)

    def _schedule(self, instrument_id: int, venue: Venue, due_ns: Ns) -> None:
        if due_ns <= self.kernel.now_ns:
            self._tick(instrument_id, venue)
            return
        key = (instrument_id, type(venue))
        scheduled_ns = self._clocks_due.get(key)
        if scheduled_ns is None or due_ns < scheduled_ns:
            self._clocks_due[key] = due_ns
            self.kernel.call_in(due_ns - self.kernel.now_ns, self._clock_due, (instrument_id, venue))

    def _clock_due(self, call: ScheduledCall) -> None:
        instrument_id, venue = call.payload
        key = (instrument_id, type(venue))
        # An earlier call may have taken its place.
        if self._clocks_due.get(key) == self.kernel.now_ns:
            del self._clocks_due[key]
            if not self._tick(instrument_id, venue):
                self._ask_clock(instrument_id, venue)

    def _tick(self, instrument_id: int, venue: Venue) -> bool:
        """Let a venue's clock act; returns whether there was something to do."""
        lit = self.venues.books[instrument_id]
        # What rests in a closed book is no price at which anything else may deal.
        top = lit.book.top() if lit.phase is not Phase.CLOSED else (0, 0, 0, 0)
        command = venue.clock_command(self.kernel.now_ns, top)
        if command is not None:
            self.execute(command)
        return command is not None

    # --- market data ----------------------------------------------------------------------------------------
    def _traded(self, event: Trade) -> None:
        self.data.last_trades[event.instrument_id].set(event.ts_event_ns, event.price_ticks)

    def _phase_changed(self, event: PhaseChanged) -> None:
        self.data.phases[event.instrument_id].set(event.ts_event_ns, event.phase)

    # --- between agents, and with the world outside ---------------------------------------------------------
    def forward(self, agent_id: int, message: AgentMessage, travelled_ns: Ns) -> None:
        """Send a message of one agent on to another, and put it on the log."""
        self._recorder.record(message)
        self.hosts[agent_id].expect_message(message, travelled_ns)

    def draw_funding(self, agent_id: int, amount: Cash) -> None:
        """An agent takes up cash from the world outside or, if negative, pays it back."""
        self.ledger.transfer(EXTERNAL, agent_id, amount)
