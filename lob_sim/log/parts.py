"""Parts: the Parquet files of a run directory, written a chunk at a time."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from lob_sim.errors import DataError, LobSimError, OutputError
from lob_sim.log.blocks import BatchBuilder, Batches, digest_block
from lob_sim.log.manifest import FAILED, RUNNING, Manifest, Part, RunHeader, write_file, write_manifest
from lob_sim.log.schema import dataset_named
from lob_sim.units import Ns

_MOST_BLOCKS_PER_CHUNK = 8
_INTEGERS = (pa.int64(), pa.int8())


class ChunkWriter:
    """Writes blocks as chunks: one part per dataset, and a manifest that lists them once all are on disk.

    A chunk holds one block at first and eight later, so that a run which is killed early has left something,
    and one of ten million rows does not leave thousands of files.

    Args:
        folder: The run directory, which exists.
        header: What is known of the run.

    Raises:
        OutputError: From every method: the directory cannot be written. What was written before stays
            readable, the chunk that could not be written whole is taken back, and all later calls fail too.
        InputError: A command holds what no column can; all later calls fail too.
    """

    def __init__(self, folder: Path, header: RunHeader) -> None:
        self.folder = folder
        self.manifest = Manifest.of(header, RUNNING)
        self._failure: LobSimError | None = None
        self._begin_chunk()
        write_manifest(folder, self.manifest)

    def _begin_chunk(self) -> None:
        self._blocks: list[Batches] = []
        self._digests: list[bytes] = []
        self._counts: Counter[str] = Counter()
        self._last_ts_ns = self.manifest.last_ts_ns

    def add(self, builder: BatchBuilder, last_ts_ns: Ns) -> None:
        """Take a block, or nothing; write the chunk if it has enough blocks."""
        if self._failure:
            raise self._failure
        try:
            batches = builder.build()
        except LobSimError as failure:
            self._fail([], failure)
            raise
        if not batches:
            return
        self._blocks.append(batches)
        self._digests.append(digest_block(self.manifest.rows + self._counts.total() + 1, batches))
        self._counts.update({name: batch.num_rows for name, batch in batches.items()})
        self._last_ts_ns = last_ts_ns
        if len(self._blocks) >= min(_MOST_BLOCKS_PER_CHUNK, max(1, len(self.manifest.blocks))):
            self.write(RUNNING)

    def write(self, status: str, error: str = "", traceback: str = "") -> None:
        """Write the chunk as it is, and the run's status."""
        if self._failure:
            raise self._failure
        written: list[Part] = []
        first_seq, last_seq = self.manifest.rows + 1, self.manifest.rows + self._counts.total()
        try:
            for name in sorted(self._counts):
                table = pa.Table.from_batches([batches[name] for batches in self._blocks if name in batches])
                written.append(write_part(self.folder, name, first_seq, last_seq, table))
            manifest = self.manifest.with_rows(self._last_ts_ns, self._counts, self._digests, written)
            manifest = msgspec.structs.replace(manifest, status=status, error=error, traceback=traceback)
            write_manifest(self.folder, manifest)
        except OutputError as failure:
            self._fail(written, failure)
            raise
        self.manifest = manifest
        self._begin_chunk()

    def _fail(self, written: list[Part], failure: LobSimError) -> None:
        self._failure = failure
        # Taking the chunk back also makes the room to say on a full disk that the run failed.
        for part in written:
            (self.folder / part.path).unlink(missing_ok=True)
        with suppress(OutputError):
            write_manifest(self.folder, msgspec.structs.replace(self.manifest, status=FAILED, error=str(failure)))


def write_part(folder: Path, name: str, first_seq: int, last_seq: int, table: pa.Table) -> Part:
    """Write one dataset's rows of a chunk; the file has its name only when it is whole.

    Raises:
        OutputError: It cannot be written.
    """
    content = parquet_bytes(table)
    part = Part(name, first_seq, last_seq, table.num_rows, len(content), hashlib.sha256(content).hexdigest())
    path = folder / part.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{path.parent}: cannot be made: {error.strerror}") from error
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


def read_part(folder: Path, part: Part, columns: list[str] | None = None) -> pa.Table:
    """Read a part, or some of its columns.

    Raises:
        DataError: It is not there, not a Parquet file, or not of its dataset's schema; names the file.
    """
    path = folder / part.path
    dataset = dataset_named(part.dataset)
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            dataset.require(file.schema_arrow, str(path))
            table = file.read(columns, use_threads=False)
    except FileNotFoundError:
        raise DataError("is missing", str(path)) from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"is not a whole Parquet file: {error}", str(path)) from None
    return table


def file_sha256(path: Path) -> str:
    """Digest of a file's bytes.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", str(path)) from None


def claim_folder(path: Path) -> None:
    """Make a folder, or take one that is empty.

    Raises:
        OutputError: It cannot be made, or holds something.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = any(path.iterdir())
    except OSError as error:
        raise OutputError(f"{path}: cannot be made: {os.strerror(error.errno or 0)}") from error
    if occupied:
        raise OutputError(f"{path}: is not empty; a run needs a folder of its own")
