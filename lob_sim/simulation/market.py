"""The market place: commands arrive, venues answer, trades settle, and everybody concerned is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

from lob_sim.agents.context import Switches, TopOfBook
from lob_sim.messages import (
    AcceptQuote,
    AuctionUncrossed,
    CancelOrder,
    Command,
    DeclineQuote,
    DeclineReason,
    Event,
    ExpireRfqs,
    NewOrder,
    OrderFilled,
    Phase,
    PhaseChanged,
    ReduceOrder,
    ReplaceOrder,
    RequestQuote,
    RfqClosed,
    RfqDeclined,
    RfqOpened,
    RfqPrint,
    RfqTraded,
    SetPhase,
    SubmitQuote,
    Trade,
    WalkAway,
)
from lob_sim.simulation.host import AgentHost
from lob_sim.simulation.kernel import Kernel, Notice
from lob_sim.simulation.ledger import Ledger
from lob_sim.simulation.market_data import History
from lob_sim.simulation.recorder import Recorder
from lob_sim.units import Instrument, Ns, Ticks
from lob_sim.venue.matching import MatchingEngine
from lob_sim.venue.rfq import RfqVenue

LIT_COMMANDS = (NewOrder, CancelOrder, ReduceOrder, ReplaceOrder, SetPhase)
RFQ_COMMANDS = (RequestQuote, SubmitQuote, DeclineQuote, AcceptQuote, WalkAway, ExpireRfqs)


class Venue(Protocol):
    """Takes a command, returns what happened; pure."""

    def process(self, command: Any, ts_ns: Ns) -> list[Event]:
        """Process one command."""


class Market:
    """All venues of all instruments, with the ledger behind them and the agents before them.

    Args:
        kernel: The clock.
        recorder: The log.
        instruments: What is traded, by ``instrument_id``.
        initial_ticks: Initial fair values.
        books: One matching engine per instrument.
        rfqs: One RFQ venue per instrument.
        ledger: The settlement ledger.
        retention_ns: How far back the slowest agent looks at market data.
        switches: Mechanisms of dealers' behaviour that are on.

    Attributes:
        in_batches: By ``instrument_id``, whether batch auctions replace continuous trading.
    """

    def __init__(
        self,
        kernel: Kernel,
        recorder: Recorder,
        instruments: tuple[Instrument, ...],
        initial_ticks: tuple[Ticks, ...],
        books: Sequence[MatchingEngine],
        rfqs: Sequence[RfqVenue],
        ledger: Ledger,
        retention_ns: Ns,
        switches: Switches,
    ) -> None:
        self.kernel = kernel
        self.recorder = recorder
        self.instruments = instruments
        self.initial_ticks = initial_ticks
        self.books = tuple(books)
        self.rfqs = tuple(rfqs)
        self.ledger = ledger
        self.switches = switches
        self.fair_values = [float(ticks) for ticks in initial_ticks]
        self.tops = [History(TopOfBook(0, 0, 0, 0, 0), retention_ns) for _ in instruments]
        self.last_trades: list[History[Ticks]] = [History(0, retention_ns) for _ in instruments]
        self.phases = [History(engine.phase, retention_ns) for engine in books]
        self.hosts: tuple[AgentHost, ...] = ()
        self._rfq_venues: dict[type[Command], tuple[RfqVenue, ...]] = dict.fromkeys(RFQ_COMMANDS, self.rfqs)
        self._asked: dict[tuple[int, int], tuple[int, ...]] = {}
        self._rfq_clock_due: list[Ns | None] = [None] * len(instruments)
        self._halted_until: list[Ns] = [0] * len(instruments)
        self.in_batches = [False] * len(instruments)
        self._tape_readers: tuple[AgentHost, ...] = ()
        self._print_readers: tuple[AgentHost, ...] = ()
        self._book_watchers: tuple[AgentHost, ...] = ()
        # What is not here concerns the agent that it names, and nobody else.
        self._routes: dict[type[Event], Callable[[Any], None]] = {
            OrderFilled: self._filled,
            Trade: self._traded,
            PhaseChanged: self._phase_changed,
            RfqOpened: self._rfq_opened,
            RfqDeclined: self._rfq_declined,
            RfqTraded: self._rfq_traded,
            RfqClosed: self._rfq_closed,
            RfqPrint: self._rfq_print,
            AuctionUncrossed: _nobody,
        }

    def admit(self, hosts: Sequence[AgentHost]) -> None:
        """Connect the agents, given in order of ``agent_id``."""
        self.hosts = tuple(hosts)
        self._tape_readers = tuple(h for h in hosts if h.hears(Trade))
        self._print_readers = tuple(h for h in hosts if h.hears(RfqPrint))
        self._book_watchers = tuple(h for h in hosts if h.watches_book)
        dealers = tuple(h.agent_id for h in hosts if h.answers_rfqs)
        for host in hosts:
            host.dealers = tuple(d for d in dealers if d != host.agent_id) if host.agent_id in dealers else dealers

    def group_of(self, agent_id: int) -> str:
        """The name of an agent's group."""
        return self.hosts[agent_id].group

    # --- commands -------------------------------------------------------------------------------------------
    def receive(self, notice: Notice) -> None:
        """Commands of one agent arrive."""
        for command in notice.payload:
            self.execute(command)

    def execute(self, command: Any) -> None:
        """Hand one command to its venue, log what happens, settle it and tell those concerned."""
        now_ns = self.kernel._now
        instrument_id = command.instrument_id
        rfqs = self._rfq_venues.get(type(command))
        book = self.books[instrument_id]
        venue: Venue = book if rfqs is None else rfqs[instrument_id]
        events: list[Any] = venue.process(command, now_ns)
        self.recorder.batch(now_ns, command, events)
        routes, hosts = self._routes, self.hosts
        for event in events:
            route = routes.get(type(event))
            if route is None:
                hosts[event.agent_id].deliver(event)
            else:
                route(event)
        if rfqs is not None:
            self._schedule_rfq_clock(instrument_id, now_ns)
            return
        top = book.changed_top()
        if top is not None:
            self.tops[instrument_id].set(now_ns, TopOfBook(now_ns, *top))
            for host in self._book_watchers:
                host.notify_book(instrument_id)

    def uncross(self, instrument_id: int) -> None:
        """End a call or a halt: clear what was collected and trade on, or begin the next call where batches trade.

        In batches the book is continuous in between for no time at all, in which stops fire. Where one of them
        halts it, the halt lasts its time: no call begins.
        """
        self.execute(SetPhase(instrument_id, Phase.CONTINUOUS))
        if self.in_batches[instrument_id] and self.books[instrument_id].phase is Phase.CONTINUOUS:
            self.execute(SetPhase(instrument_id, Phase.AUCTION))

    def _schedule_rfq_clock(self, instrument_id: int, now_ns: Ns) -> None:
        due_ns = self.rfqs[instrument_id].next_due_ns()
        scheduled_ns = self._rfq_clock_due[instrument_id]
        if due_ns is not None and (scheduled_ns is None or due_ns < scheduled_ns):
            self._rfq_clock_due[instrument_id] = due_ns
            self.kernel.call_in(due_ns - now_ns, self._rfq_clock, instrument_id)

    def _rfq_clock(self, notice: Notice) -> None:
        instrument_id = notice.payload
        if self._rfq_clock_due[instrument_id] == self.kernel.now_ns:
            self._rfq_clock_due[instrument_id] = None
            self.execute(ExpireRfqs(instrument_id))

    # --- events, by type ------------------------------------------------------------------------------------
    def _filled(self, event: OrderFilled) -> None:
        self.ledger.settle(event.agent_id, event.instrument_id, event.side, event.price_ticks, event.qty_lots)
        self.hosts[event.agent_id].deliver(event)

    def _traded(self, event: Trade) -> None:
        self.last_trades[event.instrument_id].set(event.ts_event_ns, event.price_ticks)
        for host in self._tape_readers:
            host.deliver(event)

    def _phase_changed(self, event: PhaseChanged) -> None:
        self.phases[event.instrument_id].set(event.ts_event_ns, event.phase)
        self._halted_until[event.instrument_id] = event.until_ns
        if event.until_ns:
            delay_ns = event.until_ns - self.kernel.now_ns
            self.kernel.call_in(delay_ns, self._end_halt, event.instrument_id)

    def _end_halt(self, notice: Notice) -> None:
        # The halt may have ended before its time, and another begun.
        if self._halted_until[notice.payload] == self.kernel.now_ns:
            self.uncross(notice.payload)

    def _rfq_opened(self, event: RfqOpened) -> None:
        self._asked[event.instrument_id, event.rfq_id] = event.dealer_ids
        self.hosts[event.agent_id].deliver(event)
        for dealer_id in event.dealer_ids:
            self.hosts[dealer_id].deliver(event)

    def _rfq_declined(self, event: RfqDeclined) -> None:
        # The asker learns that the dealer declined, and not why.
        self.hosts[event.agent_id].deliver(msgspec.structs.replace(event, reason=DeclineReason.NO_INTEREST))

    def _rfq_traded(self, event: RfqTraded) -> None:
        for agent_id, side in ((event.agent_id, event.side), (event.dealer_id, event.side.opposite)):
            self.ledger.settle(agent_id, event.instrument_id, side, event.price_ticks, event.qty_lots)
            self.hosts[agent_id].deliver(event)

    def _rfq_closed(self, event: RfqClosed) -> None:
        self.hosts[event.agent_id].deliver(event)
        for dealer_id in self._asked.pop((event.instrument_id, event.rfq_id)):
            self.hosts[dealer_id].deliver(event)

    def _rfq_print(self, event: RfqPrint) -> None:
        for host in self._print_readers:
            host.deliver(event)


def _nobody(event: Event) -> None:
    """An event that concerns no single agent."""
