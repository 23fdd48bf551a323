"""Blocks: the unit in which the log is sorted into datasets, digested and written.

A block is a fixed number of consecutive rows of the global sequence. Where it begins depends on ``seq`` alone,
never on when something was written, so the digest of a run is the same in memory, on disk and read back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lob_sim.log.schema import Dataset, Int64, canonical_bytes, dataset_of
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


def _by_dataset(codes: Int64) -> Iterator[tuple[Dataset, Int64]]:
    order = np.argsort(codes, kind="stable")
    present, starts = np.unique(codes[order], return_index=True)
    return zip((_CODES.datasets[code] for code in present), np.split(order, starts[1:]), strict=False)


def encode_events(events: Sequence[Event], seq: Int64, cause_seq: Int64) -> Batches:
    """Columns of events of any type, given in order of ``seq``."""
    batches: Batches = {}
    for dataset, positions in _by_dataset(_codes_of(events)):
        chosen = list(map(events.__getitem__, positions.tolist()))
        batches[dataset.name] = dataset.encode(chosen, seq[positions], cause_seq[positions])
    return batches


class Block:
    """Consecutive rows, at least one, as the messages that they are; turned into columns when somebody asks.

    Args:
        first_seq: Number of the first row.
        rows: The messages.
        times: Arrival times of the commands among them, in order.
        loose: Positions of the events that no command caused.
        cause_seq: Number of the last command before this block, or 0.

    Attributes:
        commands: Number of commands.
        last_cause_seq: Number of the last command up to the end of this block, or 0.
        last_ts_ns: Time of the last row.
    """

    def __init__(
        self, first_seq: int, rows: list[Message], times: Sequence[Ns], loose: Sequence[int], cause_seq: int
    ) -> None:
        self.first_seq = first_seq
        self.rows = rows
        codes = _codes_of(rows)
        is_command = _CODES.is_command[codes]
        seq = np.arange(first_seq, first_seq + len(rows), dtype=np.int64)
        self.commands = int(is_command.sum())
        self.last_ts_ns: Ns = times[self.commands - 1] if is_command[-1] else cast(Any, rows[-1]).ts_event_ns
        added = np.maximum.accumulate(np.where(is_command, seq, cause_seq))
        self.last_cause_seq = int(added[-1])
        added[np.fromiter(loose, np.int64, len(loose))] = 0
        added[is_command] = times[: self.commands]
        self._seq = seq
        self._added = added
        self._positions = {dataset.name: (dataset, positions) for dataset, positions in _by_dataset(codes)}

    @property
    def last_seq(self) -> int:
        """Number of the last row."""
        return self.first_seq + len(self.rows) - 1

    @property
    def counts(self) -> dict[str, int]:
        """Rows by name of dataset."""
        return {name: len(positions) for name, (_, positions) in self._positions.items()}

    def batch(self, name: str) -> pa.RecordBatch | None:
        """The rows of one dataset as columns, or None if there are none."""
        if name not in self._positions:
            return None
        dataset, positions = self._positions[name]
        messages = list(map(self.rows.__getitem__, positions.tolist()))
        return dataset.encode(messages, self._seq[positions], self._added[positions])

    def batches(self) -> Batches:
        """All rows as columns."""
        return {name: batch for name in sorted(self._positions) if (batch := self.batch(name)) is not None}


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


class BlockRecorder:
    """Collects messages in the order of the global sequence and hands them on in blocks.

    The two methods that a simulation calls only append references; everything else happens a block at a time.
    """

    def __init__(self) -> None:
        self._rows: list[Message] = []
        self._times: list[Ns] = []
        self._loose: list[int] = []
        self._limit = BLOCK_ROWS
        self._next_seq = 1
        self._cause_seq = 0

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

    @property
    def rows(self) -> int:
        """Rows logged so far; also the number of the last one."""
        return self._next_seq - 1 + len(self._rows)

    def _full(self) -> None:
        self._take_whole_blocks()

    def _take_whole_blocks(self) -> None:
        while len(self._rows) >= BLOCK_ROWS:
            self._take(self._cut(BLOCK_ROWS))

    def _cut(self, n: int) -> Block:
        cut = sum(1 for position in self._loose if position < n)
        block = Block(self._next_seq, self._rows[:n], self._times, self._loose[:cut], self._cause_seq)
        # In place: ``batch`` may hold a reference to these lists.
        del self._rows[:n], self._times[: block.commands]
        self._loose[:] = [position - n for position in self._loose[cut:]]
        self._next_seq += n
        self._cause_seq = block.last_cause_seq
        return block

    def _take(self, block: Block) -> None:
        raise NotImplementedError
