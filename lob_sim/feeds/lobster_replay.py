"""LOBSTER messages as commands to our matching engine, and the comparison with the orderbook file.

What a LOBSTER file says of the book is limited to a window: its L best levels on each side, of which the
first row gives the state and each message the change. A level that enters the window because a better one
vanished is *unknown* before it is seen: it is adopted from the orderbook file, counted apart and never
scored. Everything else in the window is *predicted* by the messages and must be exact. The rules:

- Orders older than the file, and quantity that came while a level was out of sight, stand in our book as
  anonymous orders, at the front of their level where they are older. A message about an order that we do not
  have, or of more than it has left, takes from them.
- An execution (4) is an incoming IOC order of that size and limit: our engine must find the same resting
  quantity.
- A hidden execution (5) is a hidden order and the IOC order that meets it, where displayed orders leave it
  that; else a print alone.
- A cross trade (6) is a print alone. Halts (7) move the engine to HALTED and back; executions in between only
  take orders away, because the auction has matched them at its own price.
- Levels that leave the window stay in our book, unseen, until they come back: then the file decides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import TypeAlias

import msgspec

from lob_sim.book import BookSide, Order
from lob_sim.feeds.lobster import UNITS_PER_POINT, LobsterDay, MessageType
from lob_sim.log.header import AgentEntry, RunHeader
from lob_sim.messages import (
    CancelOrder,
    Command,
    Event,
    NewOrder,
    OrderAccepted,
    Phase,
    ReduceOrder,
    SetPhase,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.messages.recorder import Recorder
from lob_sim.units import Instrument, Lots, Ns, Ticks
from lob_sim.venue.matching import MatchingEngine

MAKER_AGENT_ID = 0
"""Owner of all resting orders: LOBSTER does not say whose they are."""
TAKER_AGENT_ID = 1
"""Owner of all incoming orders that executed something."""

LOBSTER_KIND = "lobster"
"""Group and kind of these two."""

Level: TypeAlias = tuple[Ticks, Lots]
Window: TypeAlias = dict[Side, list[Level]]
Step: TypeAlias = tuple[Ns, Command | None, list[Event]]
"""Time, a command and what our engine answered; no command for a print that our book cannot make."""


_TAKES = (MessageType.PARTIAL_CANCEL, MessageType.DELETION, MessageType.EXECUTION)


class LobsterReport(msgspec.Struct):
    """How a replay compared with the orderbook file.

    Attributes:
        rows: Rows after the first, which gives the initial state.
        matched_rows: Rows of which every predicted cell is exact.
        predicted_cells: Cells (a price or a size) that the messages determine.
        matched_cells: Those of them that are exact.
        adopted_cells: Cells of levels that were unknown before they were seen; not scored.
        adopted_levels: Levels whose quantity was taken from the orderbook file; not scored.
        first_mismatch: File and line of the first message after which a predicted cell is wrong, or empty.
        messages: Messages by name of type.
        old_orders: Messages about orders, or quantity of orders, older than the file or than their level's
            last time in sight.
        hidden_matched: Hidden executions that were matched in our book.
        hidden_prints: Hidden executions that could only be printed.
        out_of_turn: Executions of another order than the one that stood first in our book.
        unexplained: Messages that could not take the quantity that they say from where they say.
    """

    rows: int = 0
    matched_rows: int = 0
    predicted_cells: int = 0
    matched_cells: int = 0
    adopted_cells: int = 0
    adopted_levels: int = 0
    first_mismatch: str = ""
    messages: dict[str, int] = {}
    old_orders: int = 0
    hidden_matched: int = 0
    hidden_prints: int = 0
    out_of_turn: int = 0
    unexplained: int = 0

    @property
    def exact(self) -> bool:
        """Whether every predicted cell of every row is exact."""
        return self.matched_cells == self.predicted_cells and self.matched_rows == self.rows


class LobsterReplay:
    """Drives an engine with a day; iterating does it, and gives every command with the engine's answer.

    Prints that no order in our book explains come as a ``Trade`` of order 0, without a command. Time begins at the
    first message, as it does in every run; ``day.ts_ns[0]`` is how long after midnight that was.

    Args:
        day: The day.
        instrument_id: The instrument, as on every message.

    Attributes:
        engine: The engine, as far as it has been driven.
        report: The comparison, complete after the last step.
        price_unit: LOBSTER's price units in one of our ticks.
    """

    def __init__(self, day: LobsterDay, instrument_id: int = 0) -> None:
        self.day = day
        self.engine = MatchingEngine(instrument_id)
        self.report = LobsterReport(messages=dict.fromkeys((t.name.lower() for t in MessageType), 0))
        self.price_unit = day.price_unit()
        self._instrument_id = instrument_id
        self._orders: dict[int, Order] = {}
        self._anonymous: defaultdict[tuple[Side, Ticks], list[Order]] = defaultdict(list)
        self._sent: Counter[int] = Counter()
        self._steps: list[Step] = []
        self._now_ns: Ns = 0
        self._shown: Window = {Side.BUY: [], Side.SELL: []}

    def __iter__(self) -> Iterator[Step]:
        """Go through the day, a command at a time."""
        day = self.day
        start_ns = int(day.ts_ns[0]) if day.rows else 0
        columns = (day.ts_ns, day.type, day.order_id, day.size, day.price, day.direction, day.book)
        for row, (ts_ns, kind, order_id, size, price, direction, book) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        ):
            self._now_ns = ts_ns - start_ns
            side = Side.BUY if direction == 1 else Side.SELL
            levels = self._levels_of(book)
            if not row:
                self._adopt_initial(MessageType(kind), side, price // self.price_unit, size, levels)
            self._apply(MessageType(kind), order_id, size, price, side)
            if row:
                self._score(row, side, (MessageType(kind), size, price // self.price_unit), levels)
            self._reconcile(levels)
            yield from self._take_steps()

    def run(self) -> LobsterReport:
        """Go through the whole day."""
        for _ in self:
            pass
        return self.report

    def _take_steps(self) -> list[Step]:
        steps, self._steps = self._steps, []
        return steps

    def _levels_of(self, book: list[list[int]]) -> Window:
        unit = self.price_unit
        return {
            Side.BUY: [(price // unit, size) for _, _, price, size in book if size],
            Side.SELL: [(price // unit, size) for price, size, _, _ in book if size],
        }

    # --- commands -----------------------------------------------------------------------------------------
    def _send(self, command: Command) -> list[Event]:
        events = self.engine.process(command, self._now_ns)
        self._steps.append((self._now_ns, command, events))
        return events

    def _enter(self, agent_id: int, side: Side, size: Lots, ticks: Ticks, **fields: object) -> Order | None:
        """Send a new order; returns it if it rests."""
        self._sent[agent_id] += 1
        events = self._send(
            NewOrder(self._instrument_id, agent_id, self._sent[agent_id], side, size, ticks, **fields)  # type: ignore[arg-type]
        )
        accepted = events[0]
        return self.engine.book.orders.get(accepted.order_id) if isinstance(accepted, OrderAccepted) else None

    def _take(self, order: Order, size: Lots) -> Lots:
        """Take quantity off a resting order, without a trade; returns how much it had."""
        taken = min(size, order.open_lots)
        if not taken:
            return 0
        ids = {"client_order_id": order.client_order_id}
        if taken == order.open_lots:
            self._send(CancelOrder(self._instrument_id, MAKER_AGENT_ID, **ids))
        else:
            self._send(ReduceOrder(self._instrument_id, MAKER_AGENT_ID, taken, **ids))
        return taken

    # --- messages -----------------------------------------------------------------------------------------
    def _apply(self, kind: MessageType, order_id: int, size: int, price: int, side: Side) -> None:
        self.report.messages[kind.name.lower()] += 1
        ticks = price // self.price_unit
        if kind is MessageType.SUBMISSION:
            self._submit(order_id, side, size, ticks)
        elif kind is MessageType.EXECUTION and self.engine.phase is Phase.CONTINUOUS:
            self._execute(order_id, side, size, ticks)
        elif kind <= MessageType.EXECUTION:
            self._remove(order_id, side, size, ticks)
        elif kind is MessageType.HIDDEN_EXECUTION:
            self._execute_hidden(side, size, ticks)
        elif kind is MessageType.CROSS_TRADE:
            self._print(side, size, ticks)
        elif price == -1:
            self._send(SetPhase(self._instrument_id, Phase.HALTED))
        elif price == 1 and self.engine.phase is not Phase.CONTINUOUS:
            self._send(SetPhase(self._instrument_id, Phase.CONTINUOUS))

    def _submit(self, order_id: int, side: Side, size: Lots, ticks: Ticks) -> None:
        order = self._enter(MAKER_AGENT_ID, side, size, ticks)
        if order is None or order.open_lots != size:
            self.report.unexplained += 1
        if order is not None:
            self._orders[order_id] = order

    def _remove(self, order_id: int, side: Side, size: Lots, ticks: Ticks) -> None:
        order = self._orders.get(order_id)
        left = size - (self._take(order, size) if order is not None and order.price_ticks == ticks else 0)
        if not left:
            return
        self.report.old_orders += 1
        # Orders that we know may have gone while their level was out of sight, and unknown ones come in their
        # place.
        level = self._side(side).levels.get(ticks)
        known = [] if level is None else [old for old in reversed(list(level)) if not old.hidden]
        for old in (*self._anonymous[side, ticks], *known):
            left -= self._take(old, left)
        if left:
            self.report.unexplained += 1

    def _execute(self, order_id: int, side: Side, size: Lots, ticks: Ticks) -> None:
        named = self._orders.get(order_id)
        if named is None or not named.open_lots:
            self.report.old_orders += 1
        best = self._side(side).best
        front = best.front() if best is not None else None
        if named is not None and named.open_lots and front is not named:
            self.report.out_of_turn += 1
        self._enter(TAKER_AGENT_ID, side.opposite, size, ticks, time_in_force=TimeInForce.IOC)
        traded = sum(e.qty_lots for e in self._steps[-1][2] if isinstance(e, Trade) and e.price_ticks == ticks)
        if traded != size:
            self.report.unexplained += 1

    def _execute_hidden(self, side: Side, size: Lots, ticks: Ticks) -> None:
        own, opposite = self._side(side).best, self._side(side.opposite).best
        beats_own = own is None or (ticks - own.price_ticks) * side > 0
        below_opposite = opposite is None or (opposite.price_ticks - ticks) * side > 0
        if self.engine.phase is Phase.CONTINUOUS and beats_own and below_opposite:
            self._enter(MAKER_AGENT_ID, side, size, ticks, hidden=True)
            self._enter(TAKER_AGENT_ID, side.opposite, size, ticks, time_in_force=TimeInForce.IOC)
            self.report.hidden_matched += 1
        else:
            self._print(side, size, ticks)
            self.report.hidden_prints += 1

    def _print(self, side: Side, size: Lots, ticks: Ticks) -> None:
        if size and ticks > 0:
            trade = Trade(self._now_ns, self._instrument_id, 0, ticks, size, side.opposite, 0, 0)
            self._steps.append((self._now_ns, None, [trade]))

    def _side(self, side: Side) -> BookSide:
        return self.engine.book.bids if side is Side.BUY else self.engine.book.asks

    # --- the orderbook file -------------------------------------------------------------------------------
    def _adopt_initial(self, kind: MessageType, side: Side, ticks: Ticks, size: Lots, after: Window) -> None:
        """Enter the book as it was before the first message: as the first row shows it, less that message."""
        before = {s: dict(levels) for s, levels in after.items()}
        change = size if kind <= MessageType.EXECUTION else 0
        at_price = before[side].get(ticks, 0) + (-change if kind is MessageType.SUBMISSION else change)
        before[side][ticks] = max(0, at_price)
        for s, levels in before.items():
            for level_ticks, lots in levels.items():
                if lots:
                    self._adopt(s, level_ticks, lots)

    def _adopt(self, side: Side, ticks: Ticks, lots: Lots) -> None:
        order = self._enter(MAKER_AGENT_ID, side, lots, ticks)
        if order is not None:
            standing = [old for old in self._anonymous[side, ticks] if old.open_lots]
            self._anonymous[side, ticks] = [*standing, order]

    def _score(self, row: int, changed: Side, change: tuple[MessageType, Lots, Ticks], now: Window) -> None:
        """Compare the window with the row; what of it is known follows from the files, not from our book."""
        report, n_levels = self.report, self.day.levels
        report.rows += 1
        predicted = matched = 0
        for side, shown in now.items():
            known = self._known_levels(side, change if side is changed else None)
            report.adopted_cells += 2 * (n_levels - known)
            predicted += 2 * known
            ours = [level[:2] for level in self._side(side).depth(known)]
            nothing = [(0, 0)] * n_levels
            for mine, theirs in zip([*ours, *nothing][:known], [*shown, *nothing][:known], strict=True):
                matched += (mine[0] == theirs[0]) + (mine[1] == theirs[1])
        report.predicted_cells += predicted
        report.matched_cells += matched
        if matched == predicted:
            report.matched_rows += 1
        elif not report.first_mismatch:
            report.first_mismatch = self.day.where(row)

    def _known_levels(self, side: Side, change: tuple[MessageType, Lots, Ticks] | None) -> int:
        """How many of a side's levels the row above and the message between them determine."""
        shown, n_levels = self._shown[side], self.day.levels
        if len(shown) < n_levels:
            return n_levels  # everything there was is in sight
        if change is None:
            return n_levels
        kind, size, ticks = change
        leaves = kind in _TAKES and (ticks, size) in shown
        return n_levels - 1 if leaves else n_levels

    def _reconcile(self, levels: Window) -> None:
        """Make the window of our book what the file shows: this adopts what was unknown."""
        n_levels = self.day.levels
        wrong = [
            side for side, shown in levels.items() if [level[:2] for level in self._side(side).depth(n_levels)] != shown
        ]
        # Away with everything first: what comes might otherwise trade with it.
        for side in wrong:
            self._remove_surplus(side, levels[side])
        for side in wrong:
            for ticks, lots in levels[side]:
                level = self._side(side).levels.get(ticks)
                missing = lots - (level.shown_lots if level is not None else 0)
                if missing:
                    self._adopt(side, ticks, missing)
                    self.report.adopted_levels += 1
        self._shown = levels

    def _remove_surplus(self, side: Side, shown: list[Level]) -> None:
        wanted = dict(shown)
        end = shown[-1][0] if len(shown) == self.day.levels else None
        ours = [ticks for ticks in self._side(side).levels if end is None or (ticks - end) * side >= 0]
        for ticks in ours:
            level = self._side(side).levels[ticks]
            surplus = level.shown_lots - wanted.get(ticks, 0)
            for order in reversed(list(level)):
                if surplus <= 0:
                    break
                surplus -= self._take(order, surplus)


def header_of_day(day: LobsterDay) -> RunHeader:
    """What the log of an imported day says of it: one instrument, two agents for all unknown owners."""
    tick = Decimal(day.price_unit()) / UNITS_PER_POINT
    instrument = Instrument(0, day.name.split("_")[0], tick, Decimal(1), Decimal(1), 1, 1)
    agents = (
        AgentEntry(MAKER_AGENT_ID, "resting", LOBSTER_KIND, LOBSTER_KIND),
        AgentEntry(TAKER_AGENT_ID, "incoming", LOBSTER_KIND, LOBSTER_KIND),
    )
    return RunHeader(agents=agents, instruments=(instrument,), time_of_day_ns=int(day.ts_ns[0]) if day.rows else None)


def import_lobster(day: LobsterDay, recorder: Recorder) -> LobsterReport:
    """Log a day as a run of our own engine, with everything that a run's reader offers.

    Args:
        day: The day.
        recorder: Takes the rows; a run directory's header is :func:`header_of_day`.
    """
    replay = LobsterReplay(day)
    for ts_ns, command, events in replay:
        if command is not None:
            recorder.batch(ts_ns, command, events)
        else:
            recorder.record(events[0])
    return replay.report
