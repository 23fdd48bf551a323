"""The manifest of a run directory: what was run, how it ended, and what every part must contain."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from lob_sim.errors import DataError, OutputError
from lob_sim.log.blocks import BLOCK_ROWS, chain_digest
from lob_sim.log.schema import SCHEMA_VERSION
from lob_sim.units import Instrument, Ns

MANIFEST_NAME = "manifest.json"
_PACKAGES = ("lob-sim", "numpy", "simpy", "sortedcontainers", "msgspec", "pyarrow", "pandas")

RUNNING = "running"
"""Being written, or its writer was killed."""
COMPLETE = "complete"
INTERRUPTED = "interrupted"
"""Stopped by Ctrl-C; everything up to then is there."""
FAILED = "failed"
"""Stopped by an error, which :attr:`Manifest.error` tells."""


class AgentEntry(msgspec.Struct, frozen=True):
    """An agent of the run: its stable name, its group and its kind (strategy)."""

    agent_id: int
    name: str
    group: str
    kind: str


class RunHeader(msgspec.Struct, frozen=True):
    """What is known of a run before it begins.

    Attributes:
        scenario: The scenario as resolved, as plain data; empty for a log that comes from no scenario.
        seed_entropy: Entropy of all random streams.
        agents: Everybody who trades, in order of ``agent_id``.
        instruments: What is traded, in order of ``instrument_id``.
        dealer_ids: The agents that may be asked for quotes, or None if anybody may.
    """

    scenario: dict[str, Any] = {}
    seed_entropy: int = 0
    agents: tuple[AgentEntry, ...] = ()
    instruments: tuple[Instrument, ...] = ()
    dealer_ids: tuple[int, ...] | None = None


class Part(msgspec.Struct, frozen=True):
    """One file of one dataset.

    Attributes:
        dataset: Name of the dataset.
        first_seq: First row of the chunk, over all datasets, that this part belongs to.
        last_seq: Last row of that chunk.
        rows: Rows of this part.
        size_bytes: Size of the file.
        sha256: Digest of the file's bytes.
    """

    dataset: str
    first_seq: int
    last_seq: int
    rows: int
    size_bytes: int
    sha256: str

    @property
    def path(self) -> str:
        """Where it is, relative to the run directory."""
        return f"events/{self.dataset}/{part_name(self.first_seq, self.last_seq)}"


class Manifest(msgspec.Struct, frozen=True):
    """The content of ``manifest.json``.

    Attributes:
        header: What was known before the run began.
        status: ``running``, ``complete``, ``interrupted`` or ``failed``.
        error: What a failed run failed of.
        traceback: How it came to that: the calls that led there, for the author of a strategy.
        packages: Versions of Python and of the packages that results may depend on.
        rows: Rows in the listed parts; also the number of the last one.
        last_ts_ns: Time of the last of them.
        counts: Rows by dataset.
        digest: The run digest: a SHA-256 chain over ``blocks``.
        blocks: SHA-256 of each block of ``block_rows`` rows, the last one shorter; see
            :mod:`lob_sim.log.blocks`.
        parts: Every finished part.
        block_rows: Rows per block.
        schema_version: Version of the format.
    """

    header: RunHeader
    status: str
    error: str = ""
    traceback: str = ""
    packages: dict[str, str] = {}
    rows: int = 0
    last_ts_ns: Ns = 0
    counts: dict[str, int] = {}
    digest: str = chain_digest(())
    blocks: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    block_rows: int = BLOCK_ROWS
    schema_version: int = SCHEMA_VERSION

    @staticmethod
    def of(header: RunHeader, status: str) -> Manifest:
        """The manifest of a log that has no rows yet."""
        return Manifest(header, status, packages=package_versions())

    def with_rows(
        self, last_ts_ns: Ns, counts: Mapping[str, int], digests: Sequence[bytes], parts: Sequence[Part] = ()
    ) -> Manifest:
        """The manifest once more rows, blocks and parts have come to this one.

        Args:
            last_ts_ns: Time of the last row.
            counts: Rows that came, by dataset.
            digests: Digests of the blocks that came.
            parts: The parts that came.
        """
        blocks = (*self.blocks, *(digest.hex() for digest in digests))
        total = Counter(self.counts)
        total.update(counts)
        return msgspec.structs.replace(
            self,
            rows=total.total(),
            last_ts_ns=last_ts_ns,
            counts=dict(sorted(total.items())),
            digest=chain_digest(map(bytes.fromhex, blocks)),
            blocks=blocks,
            parts=(*self.parts, *parts),
        )


def part_name(first_seq: int, last_seq: int) -> str:
    """File name of a part of the chunk from ``first_seq`` to ``last_seq``."""
    return f"part-{first_seq:012d}-{last_seq:012d}.parquet"


def chunk_of(file_name: str) -> tuple[int, int]:
    """The inverse of :func:`part_name`.

    Raises:
        ValueError: Not the name of a part.
    """
    stem, dot, suffix = file_name.partition(".")
    kind, first, last = stem.split("-")
    if kind != "part" or dot + suffix != ".parquet":
        raise ValueError(file_name)
    return int(first), int(last)


def package_versions() -> dict[str, str]:
    """Versions of Python and of what a log may depend on; ``source`` for what is not installed."""
    versions = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "source"
    return versions


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Replace the manifest at once: a reader sees the old one or the new one, never a half.

    Raises:
        OutputError: The folder cannot be written.
    """
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    write_file(folder / MANIFEST_NAME, text)


def write_file(path: Path, content: bytes | memoryview) -> None:
    """Write a file under a temporary name, force it to disk and give it its name.

    Raises:
        OutputError: It cannot be written; nothing appears under the name, and the temporary file is removed.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run directory.

    Raises:
        DataError: There is none, or it is not one that this version reads.
    """
    path = folder / MANIFEST_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError("is not a run directory: it has no manifest.json", str(folder)) from None
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", str(path)) from None
    try:
        version = msgspec.json.decode(content, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            raise DataError(f"has schema version {version}; this program reads version {SCHEMA_VERSION}", str(path))
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"is not a manifest: {error}", str(path)) from None
    if manifest.block_rows != BLOCK_ROWS:
        raise DataError(f"has blocks of {manifest.block_rows} rows; expected {BLOCK_ROWS}", str(path))
    return manifest


class _Version(msgspec.Struct, frozen=True):
    schema_version: int
