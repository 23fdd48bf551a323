"""Parts: the Parquet files of a run directory, written a chunk at a time."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lob_sim.errors import DataError, OutputError
from lob_sim.files import make_folder, open_ordinary, require_inside, write_file
from lob_sim.log.blocks import BatchBuilder, Batches, digest_block
from lob_sim.log.header import RunHeader
from lob_sim.log.manifest import (
    EVENTS,
    FAILED,
    MOST_BLOCKS_PER_CHUNK,
    RUNNING,
    LogPart,
    Manifest,
    parents_of,
    write_manifest,
)
from lob_sim.log.schema import dataset_named
from lob_sim.units import Ns

_INTEGERS = (pa.int64(), pa.int8())


class KeptChunks(NamedTuple):
    """A run directory that is not finished.

    Attributes:
        manifest: What is on disk.
        blocks: Whole blocks that are not.
        digests: Their digests.
        counts: Their rows by dataset.
        last_ts_ns: Time of the last row of them.
    """

    manifest: Manifest
    blocks: list[Batches]
    digests: list[bytes]
    counts: Counter[str]
    last_ts_ns: Ns


class ChunkWriter:
    """Writes blocks as chunks: one part per dataset, and a manifest that lists them once all are on disk.

    A chunk holds one block at first and eight later, so that a run which is killed early has left something,
    and one of ten million rows does not leave thousands of files.

    Args:
        folder: The run directory, which exists.
        header: What is known of the run.
        parent: The manifest of a run beside this one that has the rows to come, up to :meth:`cut`, and its folder's
            name: they are not written again.

    Raises:
        OutputError: From every method: the directory cannot be written. What was written before stays
            readable, the chunk that could not be written whole is taken back, and all later calls fail too.
    """

    def __init__(self, folder: Path, header: RunHeader, parent: tuple[str, Manifest] | None = None) -> None:
        self.folder = folder
        self._parent = parent
        self._first_own_seq = 1 if parent is None else sys.maxsize
        self.manifest = Manifest.of(header, RUNNING)
        self._failure: OutputError | None = None
        self._begin_chunk()
        write_manifest(folder, self.manifest)

    def kept(self) -> KeptChunks:
        """What is on disk, and what is not yet."""
        return KeptChunks(
            self.manifest, self._blocks.copy(), self._digests.copy(), self._counts.copy(), self._last_ts_ns
        )

    def go_on_from(self, folder: Path, kept: KeptChunks) -> None:
        """Copy the parts of another run directory up to where it was kept, and go on from there.

        Raises:
            DataError: A part is not what it was then.
            OutputError: This directory cannot be written.
        """
        parts = kept.manifest.parts if self._parent is None else ()
        for part in parts:
            path = self.folder / part.path
            make_folder(path.parent)
            write_file(path, unchanged_bytes(folder, part))
        own = self.manifest
        self.manifest = msgspec.structs.replace(kept.manifest, header=own.header, packages=own.packages, parts=parts)
        if self._parent is not None:
            self.manifest = self._referring(self.manifest)
        self._begin_chunk()
        self._blocks += kept.blocks
        self._digests += kept.digests
        self._counts.update(kept.counts)
        self._last_ts_ns = kept.last_ts_ns
        write_manifest(self.folder, self.manifest)

    def cut(self, counts: Mapping[str, int]) -> None:
        """What comes from here on the parent has not.

        Args:
            counts: Rows up to here beyond those of whole blocks, by dataset.
        """
        assert self._parent is not None
        total = Counter(self.manifest.counts) + self._counts + Counter(counts)
        self._first_own_seq = total.total() + 1
        entries = parents_of(*self._parent, total.total(), total)
        self.manifest = msgspec.structs.replace(self.manifest, parents=entries)

    @property
    def blocks(self) -> list[str]:
        """Digests of all whole blocks so far."""
        return [*self.manifest.blocks, *(digest.hex() for digest in self._digests)]

    def _referring(self, manifest: Manifest) -> Manifest:
        """A manifest whose rows are all the parent's."""
        assert self._parent is not None
        return msgspec.structs.replace(
            manifest, parents=parents_of(*self._parent, manifest.rows, manifest.counts) if manifest.rows else ()
        )

    def _own(self, table: pa.Table) -> pa.Table:
        if self._first_own_seq == 1:
            return table
        return table.slice(int(np.searchsorted(table["seq"].to_numpy(), self._first_own_seq)))

    def _begin_chunk(self) -> None:
        self._blocks: list[Batches] = []
        self._digests: list[bytes] = []
        self._counts: Counter[str] = Counter()
        self._last_ts_ns = self.manifest.last_ts_ns

    def add(self, builder: BatchBuilder, last_ts_ns: Ns) -> None:
        """Take a block, or nothing; write the chunk if it has enough blocks."""
        if self._failure:
            raise self._failure
        batches = builder.build()
        if not batches:
            return
        self._blocks.append(batches)
        self._digests.append(digest_block(self.manifest.rows + self._counts.total() + 1, batches))
        self._counts.update({name: batch.num_rows for name, batch in batches.items()})
        self._last_ts_ns = last_ts_ns
        if len(self._blocks) >= min(MOST_BLOCKS_PER_CHUNK, max(1, len(self.manifest.blocks))):
            self.write(RUNNING)

    def write(self, status: str, error: str = "", traceback: str = "") -> None:
        """Write the chunk as it is, and the run's status."""
        if self._failure:
            raise self._failure
        written: list[LogPart] = []
        first_seq, last_seq = self.manifest.rows + 1, self.manifest.rows + self._counts.total()
        try:
            for name in sorted(self._counts):
                table = pa.Table.from_batches([batches[name] for batches in self._blocks if name in batches])
                table = self._own(table)
                if table.num_rows:
                    written.append(write_part(self.folder, name, first_seq, last_seq, table))
            manifest = self.manifest.with_rows(self._last_ts_ns, self._counts, self._digests, written)
            if self._first_own_seq > last_seq and self._parent is not None:
                manifest = self._referring(manifest)
            # An error may quote what UTF-8 cannot say.
            error, traceback = (text.encode("utf-8", "backslashreplace").decode() for text in (error, traceback))
            manifest = msgspec.structs.replace(manifest, status=status, error=error, traceback=traceback)
            write_manifest(self.folder, manifest)
        except OutputError as failure:
            self._fail(written, failure)
            raise
        self.manifest = manifest
        self._begin_chunk()

    def _fail(self, written: list[LogPart], failure: OutputError) -> None:
        self._failure = failure
        # Taking the chunk back also makes the room to say on a full disk that the run failed.
        for part in written:
            (self.folder / part.path).unlink(missing_ok=True)
        with suppress(OutputError):
            write_manifest(self.folder, msgspec.structs.replace(self.manifest, status=FAILED, error=str(failure)))


def write_part(folder: Path, name: str, first_seq: int, last_seq: int, table: pa.Table) -> LogPart:
    """Write one dataset's rows of a chunk; the file has its name only when it is whole.

    Raises:
        OutputError: It cannot be written.
    """
    content = parquet_bytes(table)
    part = LogPart(name, first_seq, last_seq, table.num_rows, len(content), hashlib.sha256(content).hexdigest())
    path = folder / part.path
    make_folder(path.parent)
    write_file(path, memoryview(content))
    return part


def parquet_bytes(table: pa.Table) -> pa.Buffer:
    """A table as a Parquet file."""
    # As differences of neighbours, numbers, times and ids take about a byte each, and encode fastest.
    delta = {field.name: "DELTA_BINARY_PACKED" for field in table.schema if field.type in _INTEGERS}
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="snappy",
        use_dictionary=texts,
        column_encoding=delta,
        write_statistics=["seq"],
    )
    return sink.getvalue()


def read_part(folder: Path, part: LogPart, columns: list[str] | None = None, is_checked: bool = False) -> pa.Table:
    """Read a part, or some of its columns.

    Args:
        folder: The run directory.
        part: Which part.
        columns: Names of the columns; all if none are given.
        is_checked: Whether the file must be the one that was written: of that size and SHA-256.

    Raises:
        DataError: It is not there, not a Parquet file, or not of its dataset's schema; names the file.
    """
    path = folder / part.path
    dataset = dataset_named(part.dataset)
    content = part_bytes(folder, part)
    if is_checked and part.sha256 and hashlib.sha256(content).hexdigest() != part.sha256:
        raise DataError("is not the file that was written: its SHA-256 differs", str(path))
    try:
        with pq.ParquetFile(pa.BufferReader(content)) as file:
            dataset.require(file.schema_arrow, str(path))
            if file.metadata.num_rows != part.rows and is_checked:
                raise DataError(f"has {file.metadata.num_rows} rows; expected {part.rows}", str(path))
            table = file.read(columns, use_threads=False)
        # What else the file says of its columns is not ours.
        names = dataset.schema.names if columns is None else columns
        table = table.select(names).cast(pa.schema([dataset.schema.field(name) for name in names]))
        table.validate(full=True)
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        raise DataError(f"is not a whole Parquet file: {one_line(error)}", str(path)) from None
    return table


def open_part(folder: Path, part: LogPart) -> BinaryIO:
    """Open a part as it lies in the run directory, which no link may lead out of.

    Raises:
        DataError: It is not there, no ordinary file, or cannot be read.
    """
    path = require_inside(folder, folder / part.path)
    try:
        return open_ordinary(path)
    except FileNotFoundError:
        raise DataError("is missing", str(path)) from None


def part_bytes(folder: Path, part: LogPart) -> bytes:
    """The content of a part.

    Raises:
        DataError: It is not there, no ordinary file, or cannot be read.
    """
    try:
        with open_part(folder, part) as file:
            return file.read()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", str(folder / part.path)) from None


def unchanged_bytes(folder: Path, part: LogPart) -> bytes:
    """The content of a part that must be the one that was written.

    Raises:
        DataError: It is not there, cannot be read, or is another.
    """
    content = part_bytes(folder, part)
    if hashlib.sha256(content).hexdigest() != part.sha256:
        raise DataError("is not the file that was written: its SHA-256 differs", str(folder / part.path))
    return content


def one_line(error: Exception) -> str:
    """What an error of another library says, on one line."""
    return " ".join(str(error).split())


def claim_folder(path: Path) -> None:
    """Make a folder, or take one that is empty, for one run and no other.

    Raises:
        OutputError: It cannot be made, or holds something.
    """
    occupied = f"{path}: is not empty; a run needs a folder of its own"
    make_folder(path)
    try:
        if any(path.iterdir()):
            raise OutputError(occupied)
        # Of two that come at the same moment one alone makes this folder.
        (path / EVENTS).mkdir()
    except FileExistsError:
        raise OutputError(occupied) from None
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
