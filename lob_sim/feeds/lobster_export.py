"""One lit book of a run as a LOBSTER pair, for our own importer and any other LOBSTER reader.

The public book is rebuilt from what the venue told: displayed quantity alone, one LOBSTER order per displayed
slice (a refilled iceberg slice is a new order, as on an exchange's feed). Trades with hidden orders are type
5. An auction's trades are type 6, followed by the cancellations (2, 3) that take the filled quantity off
display; 7 marks where trading stops and resumes. Times count from the start of the run as if that were
midnight, sizes are lots. As in LOBSTER's own files, messages that change nothing in the visible levels are
left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import msgspec
from sortedcontainers import SortedDict

from lob_sim.errors import DataError
from lob_sim.feeds.lobster import MAX_LEVELS, NO_ASK, NO_BID, UNITS_PER_POINT, MessageType
from lob_sim.files import make_folder, safe_names, writing
from lob_sim.log.foreign import reads_logs
from lob_sim.log.run import Run
from lob_sim.log.source import LogRow
from lob_sim.log.venues import venues_of
from lob_sim.messages import (
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderReplaced,
    OrderTriggered,
    OrderType,
    Phase,
    PhaseChanged,
    Side,
    TimeInForce,
    Trade,
)
from lob_sim.units import Lots, Ns, Ticks

_DATE = "1970-01-01"
_READ = (
    NewOrder,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderReplaced,
    OrderTriggered,
    PhaseChanged,
    Trade,
)


class _Order(msgspec.Struct):
    """What can be known of a live order.

    Attributes:
        shown_lots: What is on display, of ``open_lots``.
        slice_lots: How much an iceberg shows at a time; 0 for all.
        can_show: Whether it is displayed once it rests.
        is_waiting: Whether it is a stop that has not fired.
        lobster_id: Number of the slice on display, 0 if there is none.
    """

    side: Side
    ticks: Ticks
    open_lots: Lots
    slice_lots: Lots
    can_show: bool
    is_waiting: bool
    shown_lots: Lots = 0
    lobster_id: int = 0


@reads_logs
def export_lobster(
    run: Run, folder: str | Path, instrument: str | int | None = None, levels: int = 10
) -> tuple[Path, Path]:
    """Write the message and the orderbook file of one lit book.

    Args:
        run: The run.
        folder: Where to write; made if it does not exist.
        instrument: Name or number; may be left out where there is only one.
        levels: Levels per side, 1 to 50.

    Returns:
        The two files.

    Raises:
        DataError: No such instrument, or its ticks are no multiple of LOBSTER's 1/10,000.
        OutputError: The files cannot be written.
    """
    instrument_id = run.instrument_id(instrument)
    entry = run.header.instruments[instrument_id]
    unit = entry.tick_size * UNITS_PER_POINT
    if unit != int(unit):
        raise DataError(f"the tick of {entry.name} is {entry.tick_size}; LOBSTER's prices are multiples of 0.0001")
    if not 1 <= levels <= MAX_LEVELS:
        raise DataError(f"expected 1 to {MAX_LEVELS} levels, got {levels}")
    end_ms = -(-run.manifest.last_ts_ns // 1_000_000)
    name = safe_names([each.name for each in run.header.instruments])[instrument_id]
    paths = [Path(folder) / f"{name}_{_DATE}_0_{end_ms}_{kind}_{levels}.csv" for kind in ("message", "orderbook")]
    phase = venues_of(run.header).books[instrument_id].phase
    make_folder(Path(folder))
    with _text(paths[0]) as messages, _text(paths[1]) as books:
        tape = _Tape(messages, books, int(unit), levels, phase)
        for row in run.messages(*_READ):
            if row.message.instrument_id == instrument_id:  # type: ignore[attr-defined]
                tape.take(row)
        tape.settle()
    return paths[0], paths[1]


@contextmanager
def _text(path: Path) -> Iterator[TextIO]:
    with writing(path) as file:
        text = TextIOWrapper(file, encoding="ascii", newline="\n")
        yield text
        text.flush()
        text.detach()


class _Tape:
    """Writes LOBSTER rows as it is told what happened.

    Args:
        messages: Takes message rows.
        books: Takes orderbook rows.
        unit: LOBSTER's price units in one tick.
        n_levels: Levels per side.
        phase: The first phase.
    """

    def __init__(self, messages: TextIO, books: TextIO, unit: int, n_levels: int, phase: Phase) -> None:
        self._messages = messages
        self._books = books
        self._unit = unit
        self._n_levels = n_levels
        self._phase = phase
        self._ts_ns: Ns = 0
        self._cause_seq = 0
        self._orders: dict[int, _Order] = {}
        self._commands: dict[int, NewOrder] = {}
        # The order on its way in: it is on display only once it has traded as far as it may.
        self._incoming: _Order | None = None
        self._last_id = 0
        self._levels: dict[Side, SortedDict[Ticks, Lots]] = {Side.BUY: SortedDict(), Side.SELL: SortedDict()}
        self._last_row = ""
        self._handlers: dict[type, Any] = {
            NewOrder: self._on_command,
            OrderAccepted: self._on_accepted,
            OrderReplaced: self._on_replaced,
            OrderTriggered: self._on_triggered,
            OrderCanceled: self._on_canceled,
            Trade: self._on_trade,
            OrderFilled: self._on_filled,
            PhaseChanged: self._on_phase,
        }
        if phase is not Phase.CONTINUOUS:
            self._write(MessageType.HALT, 0, 0, -1, Side.SELL)

    def take(self, row: LogRow) -> None:
        """What happened next."""
        cause_seq = row.cause_seq or row.seq
        if cause_seq != self._cause_seq:
            self.settle()
            self._cause_seq = cause_seq
        self._ts_ns = row.ts_ns
        self._handlers[type(row.message)](row.message, row)

    def settle(self) -> None:
        """Put what is left of the incoming order on display, if it rests and is not hidden."""
        order, self._incoming = self._incoming, None
        if order is not None and order.open_lots and order.can_show:
            self._show_slice(order)

    # --- what happened ------------------------------------------------------------------------------------
    def _on_command(self, command: NewOrder, row: LogRow) -> None:
        self._commands = {row.seq: command}

    def _on_accepted(self, event: OrderAccepted, row: LogRow) -> None:
        command = self._commands.pop(row.cause_seq)
        has_limit = command.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        order = _Order(
            event.side,
            event.price_ticks,
            event.qty_lots,
            command.display_qty_lots,
            can_show=has_limit and command.time_in_force is TimeInForce.GTC and not command.hidden,
            is_waiting=command.stop_price_ticks > 0,
        )
        self._orders[event.order_id] = order
        self._incoming = None if order.is_waiting else order

    def _on_replaced(self, event: OrderReplaced, _: LogRow) -> None:
        order = self._orders[event.order_id]
        if event.kept_priority:
            self._reduce(order, order.open_lots - event.qty_lots)
            return
        self._take_off(order, order.shown_lots)
        order.ticks, order.open_lots = event.price_ticks, event.qty_lots
        self._incoming = None if order.is_waiting else order

    def _on_triggered(self, event: OrderTriggered, _: LogRow) -> None:
        self.settle()
        self._incoming = order = self._orders[event.order_id]
        order.is_waiting = False

    def _on_canceled(self, event: OrderCanceled, _: LogRow) -> None:
        order = self._orders[event.order_id]
        self._reduce(order, order.open_lots - event.leaves_qty_lots)
        if not event.leaves_qty_lots:
            del self._orders[event.order_id]

    def _on_trade(self, event: Trade, _: LogRow) -> None:
        maker = self._orders[event.maker_order_id]
        if self._phase is not Phase.CONTINUOUS:
            self.settle()
            self._write(MessageType.CROSS_TRADE, -1, event.qty_lots, event.price_ticks * self._unit, Side.SELL)
            return
        if maker is self._incoming:
            self.settle()
        if not maker.shown_lots:
            price = event.price_ticks * self._unit
            self._write(MessageType.HIDDEN_EXECUTION, 0, event.qty_lots, price, maker.side)

    def _on_filled(self, event: OrderFilled, _: LogRow) -> None:
        order = self._orders[event.order_id]
        order.open_lots = event.leaves_qty_lots
        if order.shown_lots:
            continuous = self._phase is Phase.CONTINUOUS
            self._take_off(order, event.qty_lots, MessageType.EXECUTION if continuous else None)
            if not order.shown_lots and order.open_lots:
                self._show_slice(order)
        if not order.open_lots:
            del self._orders[event.order_id]

    def _on_phase(self, event: PhaseChanged, _: LogRow) -> None:
        was_continuous, is_continuous = self._phase is Phase.CONTINUOUS, event.phase is Phase.CONTINUOUS
        if was_continuous != is_continuous:
            self._write(MessageType.HALT, 0, 0, 1 if is_continuous else -1, Side.SELL)
        self._phase = event.phase

    # --- what is on display -------------------------------------------------------------------------------
    def _show_slice(self, order: _Order) -> None:
        self._last_id += 1
        order.lobster_id = self._last_id
        order.shown_lots = min(order.slice_lots or order.open_lots, order.open_lots)
        self._change(order, order.shown_lots, MessageType.SUBMISSION)

    def _reduce(self, order: _Order, lots: Lots) -> None:
        """Take open quantity off; an iceberg's reserve goes first."""
        reserve_lots = order.open_lots - order.shown_lots
        order.open_lots -= lots
        if order.shown_lots and lots > reserve_lots:
            self._take_off(order, lots - reserve_lots)

    def _take_off(self, order: _Order, lots: Lots, kind: MessageType | None = None) -> None:
        """Take quantity off display, by a trade or, without a kind, by a cancellation."""
        lots = min(lots, order.shown_lots)
        if not lots:
            return
        order.shown_lots -= lots
        if kind is None:
            kind = MessageType.PARTIAL_CANCEL if order.shown_lots else MessageType.DELETION
        self._change(order, -lots, kind)

    def _change(self, order: _Order, change_lots: Lots, kind: MessageType) -> None:
        levels = self._levels[order.side]
        lots = levels.get(order.ticks, 0) + change_lots
        if lots:
            levels[order.ticks] = lots
        else:
            del levels[order.ticks]
        self._write(kind, order.lobster_id, abs(change_lots), order.ticks * self._unit, order.side)

    # --- rows ---------------------------------------------------------------------------------------------
    def _write(self, kind: MessageType, lobster_id: int, size: Lots, price: int, side: Side) -> None:
        row = self._row()
        if row == self._last_row and kind <= MessageType.DELETION:
            return
        self._last_row = row
        seconds, ns = divmod(self._ts_ns, 1_000_000_000)
        self._messages.write(f"{seconds}.{ns:09d},{int(kind)},{lobster_id},{size},{price},{int(side)}\n")
        self._books.write(row)

    def _row(self) -> str:
        asks, bids = self._levels[Side.SELL], self._levels[Side.BUY]
        cells = zip(self._best(iter(asks.items()), NO_ASK), self._best(_from_top(bids), NO_BID), strict=True)
        return ",".join(f"{ask},{bid}" for ask, bid in cells) + "\n"

    def _best(self, levels: Iterator[tuple[Ticks, Lots]], no_price: int) -> list[str]:
        best = [f"{ticks * self._unit},{lots}" for ticks, lots in islice(levels, self._n_levels)]
        return best + [f"{no_price},0"] * (self._n_levels - len(best))


def _from_top(levels: SortedDict[Ticks, Lots]) -> Iterator[tuple[Ticks, Lots]]:
    return ((ticks, levels[ticks]) for ticks in reversed(levels))
