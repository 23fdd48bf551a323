"""Blocks: the unit in which the log is sorted into datasets, digested and written.

A block is a fixed number of consecutive rows of the global sequence. Where it begins depends on ``seq``
alone, never on when something was written, so the digest of a run is the same in memory, on disk and read
back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lob_sim.errors import LobSimError
from lob_sim.log.schema import Columns, Dataset, Int64, canonical_bytes, dataset_of
from lob_sim.messages import Command, Event, Message
from lob_sim.units import Ns

BLOCK_ROWS = 32_768
"""Rows of a block. Part of the definition of the digest."""

_FIRST_LINK = hashlib.sha256(b"lob_sim log 1").digest()

Batches = dict[str, pa.RecordBatch]
"""Rows as columns, by name of dataset."""


class _Codes(dict[type[Message], int]):
    """A small number for each class of message, so that classes can be sorted by numpy."""

    def __init__(self) -> None:
        super().__init__()
        self.datasets: list[Dataset] = []
        self.is_command: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def __missing__(self, message_type: type[Message]) -> int:
        dataset = dataset_of(message_type)
        self.datasets.append(dataset)
        self.is_command = np.append(self.is_command, dataset.is_command)
        self[message_type] = len(self.datasets) - 1
        return self[message_type]


_CODES = _Codes()


def _codes_of(messages: Sequence[Message]) -> Int64:
    return np.fromiter(map(_CODES.__getitem__, map(type, messages)), np.int64, len(messages))


class BatchBuilder:
    """Columns of every dataset, built up from rows in order of ``seq``, of any type."""

    def __init__(self) -> None:
        self._columns: dict[str, Columns] = {}

    def add(self, messages: Sequence[Message], codes: Int64, seq: Int64, added: Int64) -> None:
        """Add rows; ``codes`` are those of the messages' classes.

        Raises:
            InputError: A command holds a value that its column cannot; nothing has been added then.
            InvariantError: An event does.
        """
        order = np.argsort(codes, kind="stable")
        present, starts = np.unique(codes[order], return_index=True)
        prepared = []
        for code, positions in zip(present.tolist(), np.split(order, starts[1:]), strict=True):
            dataset = _CODES.datasets[code]
            columns = self._columns.get(dataset.name) or Columns(dataset)
            chosen = list(map(messages.__getitem__, positions.tolist()))
            prepared.append((dataset.name, columns, columns.prepare(chosen), positions))
        for name, columns, values, positions in prepared:
            self._columns[name] = columns
            columns.add(values, seq[positions], added[positions])

    def build(self) -> Batches:
        """All rows added so far, in order of the datasets' names."""
        return {name: self._columns[name].build() for name in sorted(self._columns)}


def encode_events(events: Sequence[Event], seq: Int64, cause_seq: Int64) -> Batches:
    """Columns of events of any type, given in order of ``seq``."""
    builder = BatchBuilder()
    if events:
        builder.add(events, _codes_of(events), seq, cause_seq)
    return builder.build()


def n_encodable(messages: Sequence[Message]) -> int:
    """How many messages at the beginning are such that a log can hold them."""
    none = np.zeros(1, np.int64)
    for n, message in enumerate(messages):
        try:
            dataset_of(type(message)).encode([message], none, none)
        except LobSimError:
            return n
    return len(messages)


class Rows:
    """Consecutive rows, at least one, as the messages that they are.

    Args:
        first_seq: Number of the first row.
        messages: The messages.
        times: Arrival times of the commands among them, in order; there may be more.
        loose: Positions of the events that no command caused.
        cause_seq: Number of the last command before these rows, or 0.

    Attributes:
        first_seq: Number of the first row.
        last_seq: Number of the last row.
        last_ts_ns: Time of the last row.
        commands: Number of commands.
        last_cause_seq: Number of the last command up to the last row, or 0.
    """

    def __init__(
        self,
        first_seq: int,
        messages: Sequence[Message],
        times: Sequence[Ns],
        loose: Sequence[int],
        cause_seq: int,
    ) -> None:
        self.first_seq = first_seq
        self.last_seq = first_seq + len(messages) - 1
        self._messages = messages
        self._codes = codes = _codes_of(messages)
        is_command = _CODES.is_command[codes]
        self.commands = int(np.count_nonzero(is_command))
        self.last_ts_ns: Ns = times[self.commands - 1] if is_command[-1] else cast(Any, messages[-1]).ts_event_ns
        self._seq = seq = np.arange(first_seq, self.last_seq + 1, dtype=np.int64)
        self._added = added = np.maximum.accumulate(np.where(is_command, seq, cause_seq))
        self.last_cause_seq = int(added[-1])
        added[np.fromiter(loose, np.int64, len(loose))] = 0
        added[is_command] = times[: self.commands]
        self._encoded: dict[str, pa.RecordBatch] = {}

    def counts(self) -> dict[str, int]:
        """Rows by name of dataset."""
        numbers = np.bincount(self._codes)
        return {_CODES.datasets[code].name: int(numbers[code]) for code in np.flatnonzero(numbers).tolist()}

    def add_to(self, builder: BatchBuilder) -> None:
        """Add these rows to columns."""
        builder.add(self._messages, self._codes, self._seq, self._added)

    def seqs(self, dataset: Dataset) -> Int64:
        """Numbers of the rows of one dataset."""
        return self._seq[self._positions(dataset)]

    def batch(self, dataset: Dataset) -> pa.RecordBatch | None:
        """The rows of one dataset as columns, or None if there are none; made once."""
        found = self._encoded.get(dataset.name)
        if found is None and len(positions := self._positions(dataset)):
            chosen = list(map(self._messages.__getitem__, positions.tolist()))
            found = dataset.encode(chosen, self._seq[positions], self._added[positions])
            self._encoded[dataset.name] = found
        return found

    def _positions(self, dataset: Dataset) -> Int64:
        return np.flatnonzero(self._codes == _CODES[dataset.message_type])

    def batches(self) -> Batches:
        """All rows as columns."""
        builder = BatchBuilder()
        self.add_to(builder)
        return builder.build()


def digest_block(first_seq: int, batches: Mapping[str, pa.RecordBatch]) -> bytes:
    """SHA-256 over the content of a block: every column of every dataset, in order of name."""
    sha = hashlib.sha256(first_seq.to_bytes(8, "little"))
    for name in sorted(batches):
        batch = batches[name]
        if batch.num_rows:
            sha.update(f"{name} {batch.num_rows} {' '.join(batch.schema.names)}\n".encode())
            for column in batch.columns:
                for piece in canonical_bytes(column):
                    sha.update(piece)
    return sha.digest()


def chain_digest(blocks: Iterable[bytes]) -> str:
    """The digest of a run, in hexadecimal: a SHA-256 chain over its blocks' digests."""
    link = _FIRST_LINK
    for block in blocks:
        link = hashlib.sha256(link + block).digest()
    return link.hex()


class KeptRows(NamedTuple):
    """Rows of a log that stops for now, as messages in order of ``seq``.

    Attributes:
        rows: The messages.
        times: Arrival times of the commands among them.
        loose: Positions of the events that no command caused.
    """

    rows: list[Message]
    times: list[Ns]
    loose: list[int]


class HotRecorder:
    """The two methods that a simulation calls: they append references, in order of ``seq``."""

    def __init__(self, limit: int) -> None:
        self._rows: list[Message] = []
        self._times: list[Ns] = []
        self._loose: list[int] = []
        self._limit = limit

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Log a command as it arrived at its venue, and the events that it caused.

        Args:
            ts_ns: Time of arrival.
            command: The command.
            events: What its venue answered, in order.
        """
        rows = self._rows
        self._times.append(ts_ns)
        rows.append(command)
        rows += events
        if len(rows) >= self._limit:
            self._full()

    def record(self, event: Event) -> None:
        """Log an event that no command caused."""
        rows = self._rows
        self._loose.append(len(rows))
        rows.append(event)
        if len(rows) >= self._limit:
            self._full()

    def take_up(self, kept: KeptRows) -> None:
        """Go on from rows that were kept; nothing has been logged here yet."""
        self._rows += kept.rows
        self._times += kept.times
        self._loose += kept.loose
        if len(self._rows) >= self._limit:
            self._full()

    def _full(self) -> None:
        """As many rows as the limit are held: a recorder that has one puts whole blocks away."""
