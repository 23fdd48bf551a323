"""Historic order flow, to be injected into a market in which somebody new trades.

Historic commands come with their own times and meet the new agent's orders in the same engine. What can no
longer happen as it did is handled so:

- A limit order enters as it was. If it now meets the new agent's order, the two trade; if the new agent has
  taken what it once met, what is left rests, or is cancelled where it was immediate-or-cancel or a market
  order.
- A cancel, reduce or replace of an order that is gone is sent all the same, and refused. A reduce of more
  than is left removes the order.
- A LOBSTER execution is an incoming order of that size and limit. It trades with what stands first now, the
  new agent's order if that is ahead; what it does not find is not traded.
- A hidden LOBSTER execution is a hidden order, the incoming order that met it, and a cancel of what is left
  of the former, so that nothing stays hidden that was not there.
- Phases change when they did, for all that the new agent may have moved the price. A halt that its orders cause
  lasts as long as the venue's rules say, or until history resumes trading.
- Nothing that happened is forced to happen again, and historic agents do not react.

Fair values and news are of the world outside the market, which no agent moves: they come again as they came.
Requests for quotes are not repeated, because their answers belonged to those who asked.

How much of history has changed is counted: see :class:`FlowReport`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from lob_sim.feeds.lobster import LobsterDay
from lob_sim.feeds.lobster_replay import LOBSTER_KIND, LobsterReplay, Step
from lob_sim.log.run import Run
from lob_sim.messages import (
    Announcement,
    CancelOrder,
    Command,
    Event,
    FairValue,
    NewOrder,
    News,
    OrderAccepted,
    OrderFilled,
    OrderRejected,
    ReduceOrder,
    RejectReason,
    ReplaceOrder,
    SelfTradePrevention,
    SetPhase,
    Trade,
)
from lob_sim.units import Lots, Ns

_OrderKey = tuple[int, int, int]
"""Instrument, owner and the owner's number."""
_OUTSIDE = (Announcement, FairValue, News)


class FlowReport(NamedTuple):
    """How far history could be repeated.

    Attributes:
        commands: Historic commands injected so far.
        orders: Historic orders that were accepted then, of those injected.
        orders_changed: Of these, the orders of which another quantity is filled now than was then.
        filled_more_lots: What they filled more, summed over the orders that filled more.
        filled_less_lots: What they filled less, summed over the orders that filled less.
        refused_now: Commands that were accepted then and are refused now.
        accepted_now: Commands that were refused then and are accepted now.
        prints_left_out: Historic prints that no order of the data explains; nobody can trade with them.
    """

    commands: int
    orders: int
    orders_changed: int
    filled_more_lots: Lots
    filled_less_lots: Lots
    refused_now: int
    accepted_now: int
    prints_left_out: int


class HistoricFlow:
    """Historic commands with their times, and the count of what they now do differently.

    Iterate over it, or over its :meth:`rows`, once; tell it by :meth:`observe` the private events of the historic
    orders, or all events of the venue; and ask for the :meth:`report` when what was injected has been answered.

    Args:
        steps: Times, commands and what was answered then; without a command prints, fair values and news.
        agent_id: Sends everything under this one agent, renumbers orders and switches self-trade prevention
            off. None keeps agents, their numbers and their prevention, for a market in which they have places
            of their own.
        instrument_ids: Numbers of the instruments now, by those of then; who is not named keeps its number.
    """

    def __init__(
        self, steps: Iterator[Step], agent_id: int | None, instrument_ids: Mapping[int, int] | None = None
    ) -> None:
        self._steps = steps
        self._agent_id = agent_id
        self._instrument_ids = instrument_ids or {}
        self._ids: dict[_OrderKey, int] = {}
        self._owners: dict[tuple[int, int], tuple[int, int]] = {}
        self._filled_then: Counter[_OrderKey] = Counter()
        self._filled_now: Counter[_OrderKey] = Counter()
        self._refused_then: Counter[_OrderKey] = Counter()
        self._refused_now: Counter[_OrderKey] = Counter()
        self._accepted: set[_OrderKey] = set()
        self._injected: set[_OrderKey] = set()
        self._commands = self._prints = 0

    def __iter__(self) -> Iterator[tuple[Ns, Command]]:
        """The commands in the order in which they must arrive at the venue, with their times of arrival."""
        for ts_ns, message in self.rows():
            if isinstance(message, Command):
                yield ts_ns, message

    def rows(self) -> Iterator[tuple[Ns, Command | Event]]:
        """The commands, and between them the fair values and news of the world outside."""
        for ts_ns, command, events in self._steps:
            if command is not None:
                self._commands += 1
                for event in events:
                    self._remember(event)
                yield ts_ns, self._rewrite(command)
            elif isinstance(events[0], _OUTSIDE):
                yield ts_ns, msgspec.structs.replace(events[0], instrument_id=self._instrument_now(events[0]))
            else:
                self._prints += 1

    def observe(self, event: Event) -> None:
        """Take note of an event in the market of now; of other agents' orders it may be told too."""
        if isinstance(event, OrderFilled | OrderRejected):
            key = (event.instrument_id, event.agent_id, event.client_order_id)
            if key not in self._injected:
                return
            if isinstance(event, OrderFilled):
                self._filled_now[key] += event.qty_lots
            else:
                self._refused_now[key] += 1

    def report(self) -> FlowReport:
        """The count so far."""
        changes = [self._filled_now[key] - self._filled_then[key] for key in self._accepted]
        refusals = [
            self._refused_now[key] - self._refused_then[key]
            for key in self._refused_now.keys() | self._refused_then.keys()
        ]
        return FlowReport(
            commands=self._commands,
            orders=len(self._accepted),
            orders_changed=sum(change != 0 for change in changes),
            filled_more_lots=sum(change for change in changes if change > 0),
            filled_less_lots=-sum(change for change in changes if change < 0),
            refused_now=sum(change for change in refusals if change > 0),
            accepted_now=-sum(change for change in refusals if change < 0),
            prints_left_out=self._prints,
        )

    # --- then ---------------------------------------------------------------------------------------------
    def _remember(self, event: Event) -> None:
        """Take note of what was answered then, under the numbers of now."""
        if isinstance(event, OrderAccepted):
            self._owners[event.instrument_id, event.order_id] = (event.agent_id, event.client_order_id)
            self._accepted.add(self._key_now(event, event.agent_id, event.client_order_id))
        elif isinstance(event, OrderFilled):
            self._filled_then[self._key_now(event, event.agent_id, event.client_order_id)] += event.qty_lots
        elif isinstance(event, OrderRejected):
            self._refused_then[self._key_now(event, *self._order_then(event))] += 1

    def _order_then(self, named: Any) -> tuple[int, int]:
        """The order that a command, or its refusal, names by either number; 0 if it had no right to."""
        if not named.order_id:
            return named.agent_id, named.client_order_id
        owner = self._owners.get((named.instrument_id, named.order_id))
        return owner if owner is not None and owner[0] == named.agent_id else (named.agent_id, 0)

    def _instrument_now(self, message: Any) -> int:
        return self._instrument_ids.get(message.instrument_id, message.instrument_id)

    def _key_now(self, message: Any, agent_id: int, client_order_id: int) -> _OrderKey:
        instrument_id = self._instrument_now(message)
        if self._agent_id is None:
            return instrument_id, agent_id, client_order_id
        if client_order_id <= 0:
            return instrument_id, self._agent_id, client_order_id  # refused then, and so now
        then = (instrument_id, agent_id, client_order_id)
        return instrument_id, self._agent_id, self._ids.setdefault(then, len(self._ids) + 1)

    def _rewrite(self, command: Any) -> Command:
        """The command as it must be sent now: the venue's own order numbers are others now."""
        changed: dict[str, Any] = {"instrument_id": self._instrument_now(command)}
        if not isinstance(command, SetPhase):
            if isinstance(command, NewOrder):
                key = self._key_now(command, command.agent_id, command.client_order_id)
                if self._agent_id is not None:
                    changed["self_trade"] = SelfTradePrevention.NONE
            else:
                key = self._key_now(command, *self._order_then(command))
                changed["order_id"] = 0
            self._injected.add(key)
            changed |= {"agent_id": key[1], "client_order_id": key[2]}
        rewritten: Command = msgspec.structs.replace(command, **changed)
        return rewritten


def flow_of_run(
    run: Run,
    instrument: str | int | None = None,
    agent_id: int | None = None,
    instrument_ids: Mapping[int, int] | None = None,
) -> HistoricFlow:
    """The order flow of an own run's lit books.

    Args:
        run: The run.
        instrument: Name or number of the only book that is wanted; all of them if left out.
        agent_id: See :class:`HistoricFlow`.
        instrument_ids: See :class:`HistoricFlow`.

    Raises:
        DataError: There is no such instrument.
    """
    wanted = range(len(run.header.instruments)) if instrument is None else (run.instrument_id(instrument),)
    steps = _steps_of_run(run, wanted)
    is_lobster = any(entry.kind == LOBSTER_KIND for entry in run.header.agents)
    return HistoricFlow(_hiding_nothing(steps) if is_lobster else steps, agent_id, instrument_ids)


def flow_of_lobster(day: LobsterDay, agent_id: int | None = None, start_ns: Ns = 0) -> HistoricFlow:
    """The order flow of a LOBSTER day.

    Args:
        day: The day.
        agent_id: See :class:`HistoricFlow`; None sends as agents 0 and 1.
        start_ns: When the first message is to happen.
    """
    return HistoricFlow(_hiding_nothing(_later(LobsterReplay(day), start_ns)), agent_id)


def _steps_of_run(run: Run, wanted: Iterable[int]) -> Iterator[Step]:
    instrument_ids = frozenset(wanted)
    commands = (NewOrder, CancelOrder, ReduceOrder, ReplaceOrder, SetPhase)
    answers = (OrderAccepted, OrderFilled, OrderRejected)
    pending: list[Step] = []
    for _, ts_ns, cause_seq, message in run.messages(*commands, *answers, Trade, *_OUTSIDE):
        if message.instrument_id not in instrument_ids:  # type: ignore[attr-defined]
            continue
        if isinstance(message, answers):
            if cause_seq and pending:
                pending[0][2].append(message)
        elif isinstance(message, Command):
            yield from pending
            pending = [(ts_ns, message, [])]
        elif not cause_seq:  # neither a print of what orders did: of the world outside, or a print alone
            assert isinstance(message, Event)
            yield from pending
            pending = []
            yield ts_ns, None, [message]
    yield from pending


def _later(steps: Iterable[Step], by_ns: Ns) -> Iterator[Step]:
    for ts_ns, command, events in steps:
        yield ts_ns + by_ns, command, events


def _hiding_nothing(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps of a LOBSTER day; what is left of a hidden order once the incoming one has met it is cancelled."""
    hidden: NewOrder | None = None
    for ts_ns, command, events in steps:
        yield ts_ns, command, events
        if hidden is not None:
            yield _cancel_of(hidden, ts_ns)
            hidden = None
        elif isinstance(command, NewOrder) and command.hidden:
            hidden = command


def _cancel_of(hidden: NewOrder, ts_ns: Ns) -> Step:
    """Take out what the incoming order has left of a hidden one; in history it left nothing: refused."""
    cancel = CancelOrder(hidden.instrument_id, hidden.agent_id, client_order_id=hidden.client_order_id)
    refused = OrderRejected(
        ts_ns, hidden.instrument_id, hidden.agent_id, hidden.client_order_id, 0, RejectReason.UNKNOWN_ORDER
    )
    return ts_ns, cancel, [refused]
