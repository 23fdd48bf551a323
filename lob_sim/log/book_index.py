"""The book of one instrument at any time of a run: engine states kept along the way, and the top of book."""

from __future__ import annotations

import pickle
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc

from lob_sim.errors import DataError
from lob_sim.log.schema import dataset_named, to_list
from lob_sim.log.source import LogSource
from lob_sim.log.venues import venues_of
from lob_sim.messages import Command, Phase
from lob_sim.notebook import heading, table
from lob_sim.units import Instrument, Lots, Ns, Ticks, format_time
from lob_sim.venue.matching import MatchingEngine

if TYPE_CHECKING:
    import pandas as pd

_LIT_DATASETS = tuple(command.dataset for command in MatchingEngine.commands)
_FEWEST_COMMANDS = 10_000
"""Commands between two copies of the engine: about a fortieth of a second's work."""

_SHOWN_LEVELS = 8
"""Levels of a side that a notebook shows."""
_QUOTE_COLUMNS = ["seq", "ts_event_ns", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"]


class _Copy(NamedTuple):
    """An engine's state after everything up to ``seq`` and ``ts_ns``."""

    seq: int
    ts_ns: Ns
    state: bytes


class BookSnapshot(NamedTuple):
    """A lit book as it was after a row of the log.

    Attributes:
        instrument: The instrument.
        seq: The row asked for; for a time, the last command of this book up to it.
        ts_ns: Time of the last command up to then, 0 before the first.
        phase: Trading phase.
        bids: Displayed levels, best first: (price in ticks, displayed lots, number of displayed orders).
        asks: The same for the other side.
        orders: All live orders, hidden ones and waiting stops among them, by side in order of priority.
    """

    instrument: Instrument
    seq: int
    ts_ns: Ns
    phase: Phase
    bids: list[tuple[Ticks, Lots, int]]
    asks: list[tuple[Ticks, Lots, int]]
    orders: pd.DataFrame

    def _repr_html_(self) -> str:
        instrument = self.instrument
        facts = (f"after row {self.seq:,}", f"at {format_time(self.ts_ns)}", self.phase.name.lower())
        rows = [
            (side, f"{instrument.price(ticks):,.{instrument.price_decimals}f}", lots, orders)
            for side, levels in (("ask", self.asks[:_SHOWN_LEVELS][::-1]), ("bid", self.bids[:_SHOWN_LEVELS]))
            for ticks, lots, orders in levels
        ]
        return heading(instrument.name, *facts) + table(("side", "price", "lots", "orders"), rows)


MOST_NUMBERS = 25_000_000
"""How many numbers a table of depth may have: they and the table are some 2 GB."""


class BookIndex:
    """Finds the state of one book at any row or time by driving an engine on from the nearest earlier copy.

    Args:
        source: The log, without gaps.
        instrument_id: The instrument.
    """

    def __init__(self, source: LogSource, instrument_id: int) -> None:
        self._source = source
        self._instrument_id = instrument_id
        self._instrument = source.manifest.header.instruments[instrument_id]
        self._copies: list[_Copy] = []
        self.quotes = self._build()
        """The displayed top after each command that changed it."""

    def _commands(self, from_seq: int) -> Iterator[tuple[int, Ns, Command]]:
        for _, batches in self._source.blocks(_LIT_DATASETS, from_seq):
            seqs: list[int] = []
            times: list[Ns] = []
            commands: list[Any] = []
            for name, batch in batches.items():
                mine = pc.and_(
                    pc.equal(batch.column("instrument_id"), self._instrument_id),
                    pc.greater_equal(batch.column("seq"), from_seq),
                )
                chosen = batch.filter(mine)
                seqs += to_list(chosen.column("seq"))
                times += to_list(chosen.column("ts_event_ns"))
                commands += dataset_named(name).decode(chosen)
            for i in np.argsort(np.array(seqs, np.int64)).tolist():
                yield seqs[i], times[i], commands[i]

    def _build(self) -> pd.DataFrame:
        import pandas as pd

        engine = venues_of(self._source.manifest.header).books[self._instrument_id]
        self._copies.append(_Copy(0, 0, pickle.dumps(engine, pickle.HIGHEST_PROTOCOL)))
        tops: list[tuple[int, ...]] = []
        since_copy = 0
        for seq, ts_ns, command in self._commands(1):
            engine.process(command, ts_ns)
            if engine.top_changed:
                tops.append((seq, ts_ns, *engine.take_top()))
            since_copy += 1
            # A copy costs about as much as two commands for each order in the book.
            if since_copy >= max(_FEWEST_COMMANDS, 2 * len(engine.book.orders)):
                self._copies.append(_Copy(seq, ts_ns, pickle.dumps(engine, pickle.HIGHEST_PROTOCOL)))
                since_copy = 0
        values = np.array(tops, np.int64).reshape(len(tops), len(_QUOTE_COLUMNS))
        quotes = pd.DataFrame(values, columns=_QUOTE_COLUMNS)
        quotes.insert(2, "instrument_id", self._instrument_id)
        return quotes

    def at_seq(self, seq: int) -> BookSnapshot:
        """The book after everything up to a row.

        Raises:
            DataError: A negative number.
        """
        if seq < 0:
            raise DataError(f"{seq} is not the number of a row")
        return self._drive(bisect_right(self._copies, seq, key=lambda c: c.seq) - 1, lambda at, _: at > seq, seq)

    def at_time(self, ts_ns: Ns) -> BookSnapshot:
        """The book after everything up to a time, inclusive.

        Raises:
            DataError: A negative time.
        """
        if ts_ns < 0:
            raise DataError(f"{ts_ns} ns is before the run begins")
        # Commands arrive in order of time.
        return self._drive(
            bisect_right(self._copies, ts_ns, key=lambda c: c.ts_ns) - 1, lambda _, at_ns: at_ns > ts_ns, None
        )

    def _drive(self, nth_copy: int, is_later: Callable[[int, Ns], bool], asked_seq: int | None) -> BookSnapshot:
        seq, ts_ns, state = self._copies[nth_copy]
        engine: MatchingEngine = pickle.loads(state)
        for command_seq, command_ns, command in self._commands(seq + 1):
            if is_later(command_seq, command_ns):
                break
            engine.process(command, command_ns)
            seq, ts_ns = command_seq, command_ns
        return self._snapshot(engine, seq if asked_seq is None else asked_seq, ts_ns)

    def depth(self, levels: int, every_ns: Ns) -> pd.DataFrame:
        """Displayed depth at 0, ``every_ns``, ... up to the end of the log; 0 where there is no such level.

        Raises:
            DataError: Not a positive number of levels, not a positive step, or more than :data:`MOST_NUMBERS`.
        """
        import pandas as pd

        if levels < 1 or every_ns < 1:
            raise DataError(f"expected a positive number of levels and step, got {levels} and {every_ns} ns")
        end_ns = self._source.manifest.last_ts_ns
        numbers = (end_ns // every_ns + 1) * (4 * levels + 1)
        if numbers > MOST_NUMBERS:
            raise DataError(
                f"a row every {every_ns:,} ns (nanoseconds) up to {end_ns:,} ns, with {levels:,} levels, would be "
                f"{numbers:,} numbers: expected at most {MOST_NUMBERS:,}"
            )
        engine: MatchingEngine = pickle.loads(self._copies[0].state)
        rows: list[list[int]] = []
        commands = self._commands(1)
        pending = next(commands, None)
        for ts_ns in range(0, end_ns + 1, every_ns):
            while pending is not None and pending[1] <= ts_ns:
                engine.process(pending[2], pending[1])
                pending = next(commands, None)
            bids, asks = engine.book.depth(levels)
            row = [ts_ns]
            for side in (bids, asks):
                for level in (*side, *[(0, 0, 0)] * (levels - len(side))):
                    row += level[:2]
            rows.append(row)
        names = [
            f"{side}_{what}_{i}" for side in ("bid", "ask") for i in range(1, levels + 1) for what in ("ticks", "lots")
        ]
        return pd.DataFrame(rows, columns=["ts_event_ns", *names])

    def _snapshot(self, engine: MatchingEngine, seq: int, ts_ns: Ns) -> BookSnapshot:
        import pandas as pd

        book = engine.book
        depth = book.depth(len(book.orders) + 1)
        fields = ["order_id", "agent_id", "client_order_id", "side", "price_ticks", "open_lots", "shown_lots"]
        fields += ["hidden", "stop_price_ticks"]
        live = (*book.bids, *book.asks, *book.stops)
        orders = pd.DataFrame([[getattr(order, field) for field in fields] for order in live], columns=fields)
        return BookSnapshot(self._instrument, seq, ts_ns, engine.phase, *depth, orders)
