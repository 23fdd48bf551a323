"""Where the rows of a log come from: what every source gives, and a run directory, which is one.

Sources give blocks, the unit of the digest, as columns; everything else is built on that. Another one is
:mod:`lob_sim.log.memory_source`.
"""

from __future__ import annotations

import copy
import os
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lob_sim.errors import DataError
from lob_sim.files import safe_name, within
from lob_sim.log.blocks import BLOCK_ROWS, Batches, digest_block
from lob_sim.log.manifest import (
    EVENTS,
    RUNNING,
    LogPart,
    Manifest,
    ParentEntry,
    chunk_of,
    is_chunk,
    part_name,
    read_manifest,
)
from lob_sim.log.parts import open_part, part_bytes, read_part
from lob_sim.log.schema import Int64, dataset_named, message_types, to_list
from lob_sim.messages import Message
from lob_sim.units import Ns


class LogRow(NamedTuple):
    """One row of the log.

    Attributes:
        seq: Its place in the one order of everything.
        ts_ns: The venue's time.
        cause_seq: Of an event, the ``seq`` of the command that caused it; 0 if none did, and for commands.
        message: The command or event.
    """

    seq: int
    ts_ns: Ns
    cause_seq: int
    message: Message


class Problem(NamedTuple):
    """Something that is wrong with a log: where, and what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class LogSource(Protocol):
    """The rows of a log."""

    manifest: Manifest
    path: Path | None
    problems: tuple[Problem, ...]
    """What can be seen to be wrong without reading the rows."""

    def counts(self) -> dict[str, int]:
        """Rows by dataset."""

    def seqs(self, name: str) -> Int64:
        """Numbers of all rows of a dataset."""

    def table(self, name: str) -> pa.Table:
        """All rows of a dataset."""

    def blocks(self, names: Collection[str], from_seq: int = 1) -> Iterator[tuple[int, Batches]]:
        """Blocks, from that of ``from_seq`` on: first ``seq``, and rows in the datasets of these names."""


class DirectorySource:
    """The finished parts of a run directory.

    A run that was killed may have left whole files that its manifest does not list yet; they are read too. A
    file that the manifest of a run which has ended does not list is not of that run: a problem, and left
    alone.

    Args:
        path: The run directory.

    Raises:
        DataError: It is not a run directory, or one of another schema version.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path | None = path
        self._folder = path
        self.manifest = read_manifest(path)
        problems: list[Problem] = []
        self._is_checked = True
        self._parts: list[LogPart] = []
        self._pasts = [_past_of(path, entry) for entry in self.manifest.parents]
        for part in self.manifest.parts:
            if part.dataset not in message_types():
                problems.append(Problem(part.path, "is of no known dataset; it is not read"))
                continue
            wrong = _what_is_wrong(path, part)
            if wrong:
                problems.append(Problem(part.path, wrong))
            if not wrong or wrong.startswith("has "):
                self._parts.append(part)
        own = {part.path for part in self.manifest.parts}
        for file in sorted(path.glob(f"{EVENTS}/*/part-*.parquet")):
            if within(path, file) not in own:
                problems.append(self._take_unlisted(file))
        self.problems = tuple(problems)
        self._parts.sort(key=lambda part: (part.first_seq, part.dataset))

    def _take_unlisted(self, file: Path) -> Problem:
        where = within(self._folder, file)
        if self.manifest.status != RUNNING:
            return Problem(where, "is not listed in the manifest; it is not read")
        if file.parent.name not in message_types():
            return Problem(where, "is of no known dataset; it is not read")
        try:
            first_seq, last_seq = chunk_of(file.name)
            if not (is_chunk(first_seq, last_seq) and part_name(first_seq, last_seq) == file.name):
                raise ValueError(file.name)
            unknown = LogPart(file.parent.name, first_seq, last_seq, 0, 0, "")
            content = part_bytes(self._folder, unknown)
            rows = pq.read_metadata(pa.BufferReader(content)).num_rows
            if not 0 <= rows <= last_seq - first_seq + 1:
                raise ValueError(file.name)
        except (ValueError, OSError, pa.ArrowException, DataError):
            return Problem(where, "is not a part of a log")
        if first_seq <= self.manifest.rows:
            return Problem(where, "is not listed in the manifest; it is not read")
        self._parts.append(LogPart(file.parent.name, first_seq, last_seq, rows, len(content), ""))
        return Problem(where, "was written after the last manifest; it is read, but has no digest")

    def unchecked(self) -> DirectorySource:
        """The same parts, to be read also where they are not the files that were written."""
        source = copy.copy(self)
        source._is_checked = False
        return source

    @property
    def parts(self) -> tuple[tuple[Path, LogPart], ...]:
        """The parts that are read, each with the run directory that it is in; parents' first."""
        return (
            *((past.folder, part) for past in self._pasts for part in past.parts),
            *((self._folder, part) for part in self._parts),
        )

    def counts(self) -> dict[str, int]:
        """Rows by dataset."""
        counts: defaultdict[str, int] = defaultdict(int)
        for past in self._pasts:
            present = {part.dataset for part in past.parts}
            for name, rows in past.entry.counts.items():
                counts[name] += rows if name in present else 0
        for part in self._parts:
            counts[part.dataset] += part.rows
        return dict(sorted(counts.items()))

    def seqs(self, name: str) -> Int64:
        """Numbers of all rows of a dataset.

        Raises:
            DataError: A part of it cannot be read.
        """
        seqs: Int64 = self._read(name, ["seq"])["seq"].to_numpy()
        return seqs

    def table(self, name: str) -> pa.Table:
        """All rows of a dataset.

        Raises:
            DataError: A part of it cannot be read.
        """
        return self._read(name)

    def _read(self, name: str, columns: list[str] | None = None) -> pa.Table:
        tables = [
            self._part(stretch, part, columns)
            for stretch in self._stretches()
            for part in stretch.parts
            if part.dataset == name
        ]
        if tables:
            return pa.concat_tables(tables)
        table = dataset_named(name).schema.empty_table()
        return table.select(columns) if columns else table

    def _stretches(self) -> list[_Stretch]:
        """Where the rows are, in order of ``seq``: in parents' folders, and in this one."""
        found, first_seq = [], 1
        for past in self._pasts:
            found.append(_Stretch(past.folder, past.parts, first_seq, past.entry.rows))
            first_seq = past.entry.rows + 1
        return [*found, _Stretch(self._folder, self._parts, first_seq, sys.maxsize)]

    def _part(self, stretch: _Stretch, part: LogPart, columns: list[str] | None = None) -> pa.Table:
        table = read_part(stretch.folder, part, columns, self._is_checked)
        if stretch.first_seq <= part.first_seq and part.last_seq <= stretch.last_seq:
            return table
        start, stop = np.searchsorted(table["seq"].to_numpy(), (stretch.first_seq, stretch.last_seq + 1))
        return table.slice(start, stop - start)

    def blocks(self, names: Collection[str], from_seq: int = 1) -> Iterator[tuple[int, Batches]]:
        """Blocks, from that of ``from_seq`` on: first ``seq``, and rows in the datasets of these names.

        Raises:
            DataError: A part cannot be read.
        """
        found: tuple[int, Batches] | None = None
        for stretch in self._stretches():
            for block_seq, batches in self._blocks_in(stretch, names, from_seq):
                if found is not None and found[0] == block_seq:
                    # The block in which a branch has left its parent is in two folders.
                    found = block_seq, _joined(found[1], batches)
                    continue
                if found is not None:
                    yield found
                found = block_seq, batches
        if found is not None:
            yield found

    def _blocks_in(self, stretch: _Stretch, names: Collection[str], from_seq: int) -> Iterator[tuple[int, Batches]]:
        chunks: defaultdict[tuple[int, int], list[LogPart]] = defaultdict(list)
        for part in stretch.parts:
            chunks[part.first_seq, part.last_seq].append(part)
        from_seq = max(from_seq, stretch.first_seq)
        for (first_seq, last_seq), parts in chunks.items():
            last_seq = min(last_seq, stretch.last_seq)
            if last_seq < from_seq:
                continue
            tables = {part.dataset: self._part(stretch, part) for part in parts if part.dataset in names}
            seqs = {name: table["seq"].to_numpy() for name, table in tables.items()}
            for block_seq in range(first_seq, last_seq + 1, BLOCK_ROWS):
                if block_seq + BLOCK_ROWS > from_seq:
                    yield block_seq, _slice(tables, seqs, block_seq, block_seq + BLOCK_ROWS)


class _Past(NamedTuple):
    """Rows in the folder of another run: the folder, what the manifest says of it, and the parts that can be read."""

    folder: Path
    entry: ParentEntry
    parts: list[LogPart]


class _Stretch(NamedTuple):
    """Consecutive rows that are in one folder, whose parts may hold others too."""

    folder: Path
    parts: list[LogPart]
    first_seq: int
    last_seq: int


def _past_of(path: Path, entry: ParentEntry) -> _Past:
    """Where the first rows of a branch are.

    Raises:
        DataError: The folder beside it is not there, is a link, or can be seen to hold another run.
    """
    folder = path.absolute().parent / entry.folder
    if folder.is_symlink() or not folder.is_dir():
        why = "is a link" if folder.is_symlink() else "is missing"
        raise DataError(f"{why}: the first {entry.rows} rows of the branch {path} are in it", str(folder))
    parts = [part for part in entry.parts if part.dataset in message_types()]
    for part in parts:
        wrong = _what_is_wrong(folder, part)
        if wrong:
            raise DataError(f"is not what it was when the branch {path} left it: {part.path} {wrong}", str(folder))
    return _Past(folder, entry, parts)


def lies_beside(parent: Path, path: Path) -> bool:
    """Whether a run directory may refer to another: both are in one folder, under plain names, and no link."""
    parent, path = parent.absolute(), path.absolute()
    return parent.parent == path.parent and safe_name(parent.name) == parent.name and not parent.is_symlink()


def require_same_past(folder: Path, blocks: list[str], begun: Batches, rows: int) -> None:
    """Make sure that the first rows of a branch are those of its parent.

    Args:
        folder: The parent.
        blocks: Digests of the branch's whole blocks.
        begun: The rows after those.
        rows: How many there are in all.

    Raises:
        DataError: They are not, or the parent cannot be read.
    """
    parent = DirectorySource(folder)
    first_seq = len(blocks) * BLOCK_ROWS + 1
    same = parent.manifest.rows >= rows and list(parent.manifest.blocks[: len(blocks)]) == blocks
    if same and begun:
        _, there = next(iter(parent.blocks(list(parent.counts()), first_seq)), (0, {}))
        there = {name: batch.filter(pc.less_equal(batch.column("seq"), rows)) for name, batch in there.items()}
        same = digest_block(first_seq, there) == digest_block(first_seq, begun)
    if not same:
        raise DataError(
            f"is not the past of this branch: its first {rows} rows are others (was it run by another version?)",
            str(folder),
        )


def _joined(first: Batches, second: Batches) -> Batches:
    """Two sets of rows, the second after the first."""
    found = dict(first)
    for name, batch in second.items():
        if name in found:
            table = pa.Table.from_batches([found[name], batch]).combine_chunks()
            batch = table.to_batches()[0]
        found[name] = batch
    return found


def _what_is_wrong(folder: Path, part: LogPart) -> str:
    """What can be seen to be wrong with a part without reading it; begins with ``has`` where it can be read."""
    try:
        with open_part(folder, part) as file:
            size = os.fstat(file.fileno()).st_size
    except DataError as error:
        return f"{error.message}, with {part.rows} rows"
    return "" if size == part.size_bytes else f"has {size} bytes; written were {part.size_bytes}"


def _slice(tables: dict[str, pa.Table], seqs: dict[str, Int64], first_seq: int, end_seq: int) -> Batches:
    batches: Batches = {}
    for name, table in tables.items():
        start, stop = np.searchsorted(seqs[name], (first_seq, end_seq))
        if stop > start:
            batches[name] = table.slice(start, stop - start).combine_chunks().to_batches()[0]
    return batches


def rows_of(batches: Batches) -> list[LogRow]:
    """The rows of a block in order of ``seq``."""
    seqs: list[int] = []
    times: list[Ns] = []
    causes: list[int] = []
    messages: list[Message] = []
    for name, batch in batches.items():
        dataset = dataset_named(name)
        seqs += to_list(batch.column("seq"))
        times += to_list(batch.column("ts_event_ns"))
        causes += [0] * batch.num_rows if dataset.is_command else to_list(batch.column("cause_seq"))
        messages += dataset.decode(batch)
    order = np.argsort(np.array(seqs, np.int64), kind="stable").tolist()
    columns = (seqs, times, causes, messages)
    return list(map(LogRow, *(map(column.__getitem__, order) for column in columns)))


def dataset_names(types: Collection[type[Message]] = ()) -> list[str]:
    """Names of the datasets of these classes and their subclasses; of all if none is given."""
    wanted = tuple(types) or (Message,)
    return [name for name, message_type in message_types().items() if issubclass(message_type, wanted)]
