"""The manifest of a run directory: what was run, how it ended, and what every part must contain."""

from __future__ import annotations

import platform
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from lob_sim.errors import DataError, InputError
from lob_sim.files import read_ordinary, safe_name, write_file
from lob_sim.log.blocks import BLOCK_ROWS, chain_digest
from lob_sim.log.header import RunHeader
from lob_sim.log.schema import SCHEMA_VERSION, message_types
from lob_sim.sources import foreign_sources
from lob_sim.units import MOST_NS, Ns

MANIFEST_NAME = "manifest.json"
EVENTS = "events"
"""Folder of the datasets in a run directory."""
MOST_BLOCKS_PER_CHUNK = 8
_MOST_NESTED = 64
"""Tables within tables of a scenario."""
_MOST_EXPONENT = 100
"""Of ten, in the sizes of an instrument."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DATASET = re.compile(r"[a-z][a-z0-9_]{0,99}")
_UNIT = re.compile(r"[1-9][0-9]{0,99}(/[1-9][0-9]{0,99})?")
_PACKAGES = ("lob-sim", "numpy", "simpy", "sortedcontainers", "msgspec", "pyarrow", "pandas")
PLUGIN = "plug-in "
"""Before the name of a plug-in of somebody else's, among the packages."""

RUNNING = "running"
"""Being written, or its writer was killed."""
COMPLETE = "complete"
INTERRUPTED = "interrupted"
"""Stopped by Ctrl-C; everything up to then is there."""
FAILED = "failed"
"""Stopped by an error, which :attr:`Manifest.error` tells."""


class LogPart(msgspec.Struct, frozen=True):
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
        return f"{EVENTS}/{self.dataset}/{part_name(self.first_seq, self.last_seq)}"


class ParentEntry(msgspec.Struct, frozen=True):
    """Rows that a branch has in common with another run, in whose folder they are.

    Attributes:
        folder: Name of the other run's folder, which lies beside this run's.
        rows: Number of the last row that is there; they begin after those of the entry before this one.
        counts: Rows by dataset.
        parts: The other run's files that hold them, and maybe more.
    """

    folder: str
    rows: int
    counts: dict[str, int]
    parts: tuple[LogPart, ...]


class Manifest(msgspec.Struct, frozen=True):
    """The content of ``manifest.json``.

    Attributes:
        header: What was known before the run began.
        status: ``running``, ``complete``, ``interrupted`` or ``failed``.
        error: What a failed run failed of.
        traceback: How it came to that: the calls that led there, for the author of a strategy.
        packages: Versions of Python and of the packages that results may depend on; and, as ``plug-in module:Class``,
            the digest of the source of every plug-in of somebody else's.
        rows: Rows in the listed parts and in parents' folders; also the number of the last one.
        last_ts_ns: Time of the last of them.
        counts: Rows by dataset.
        digest: The run digest: a SHA-256 chain over ``blocks``.
        blocks: SHA-256 of each block of ``block_rows`` rows, the last one shorter; see
            :mod:`lob_sim.log.blocks`.
        parts: Every finished part.
        parents: Of a branch, where its first rows are, in order of ``seq``; ``parts`` do not repeat them.
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
    parts: tuple[LogPart, ...] = ()
    parents: tuple[ParentEntry, ...] = ()
    block_rows: int = BLOCK_ROWS
    schema_version: int = SCHEMA_VERSION

    @staticmethod
    def of(header: RunHeader, status: str) -> Manifest:
        """The manifest of a log that has no rows yet."""
        changes = [change for branch in header.branches for change in branch.changes]
        sources = foreign_sources({**header.scenario, "changes": changes})
        plugins = {f"{PLUGIN}{name}": digest for name, digest in sources.items()}
        return Manifest(header, status, packages={**package_versions(), **plugins})

    def with_rows(
        self, last_ts_ns: Ns, counts: Mapping[str, int], digests: Sequence[bytes], parts: Sequence[LogPart] = ()
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


def parents_of(folder: str, parent: Manifest, rows: int, counts: Mapping[str, int]) -> tuple[ParentEntry, ...]:
    """Where the first rows of a branch are.

    Args:
        folder: Name of the folder of the run that it leaves.
        parent: The manifest of that run, which has these rows.
        rows: Number of the last row that both have.
        counts: Rows up to there, by dataset.
    """
    found: list[ParentEntry] = []
    left = Counter(counts)
    for entry in (*parent.parents, ParentEntry(folder, parent.rows, dict(counts), parent.parts)):
        before = found[-1].rows if found else 0
        if entry.rows >= rows:
            parts = tuple(p for p in entry.parts if p.first_seq <= rows and p.last_seq > before)
            return (
                (*found, ParentEntry(entry.folder, rows, dict(sorted((+left).items())), parts))
                if rows > before
                else tuple(found)
            )
        found.append(entry)
        left.subtract(entry.counts)
    raise DataError(f"has {parent.rows} rows; expected {rows} or more", folder)


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


def is_chunk(first_seq: int, last_seq: int) -> bool:
    """Whether rows with these numbers may be a chunk."""
    return 1 <= first_seq <= last_seq < 2**63 and last_seq - first_seq < MOST_BLOCKS_PER_CHUNK * BLOCK_ROWS


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
        InputError: The scenario holds what JSON cannot.
    """
    try:
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InputError(f"cannot be kept in {MANIFEST_NAME}: {error}", "scenario") from error
    write_file(folder / MANIFEST_NAME, text)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a run directory.

    Raises:
        DataError: There is none, or it is not one that this version reads.
    """
    path = folder / MANIFEST_NAME
    try:
        content = read_ordinary(path)
    except FileNotFoundError:
        raise DataError("is not a run directory: it has no manifest.json", str(folder)) from None
    try:
        version = msgspec.json.decode(content, type=_Version).schema_version
        if version != SCHEMA_VERSION:
            raise DataError(f"has schema version {version}; this program reads version {SCHEMA_VERSION}", str(path))
        manifest = msgspec.json.decode(content, type=Manifest)
    except (msgspec.DecodeError, ValueError, ArithmeticError) as error:
        raise DataError(f"is not a manifest: {error}", str(path)) from None
    except RecursionError:
        raise DataError("is not a manifest: it is nested too deeply", str(path)) from None
    for field, what in _wrong(manifest):
        raise DataError(f"{field}: {what}", str(path))
    return manifest


def _wrong(manifest: Manifest) -> Iterator[tuple[str, str]]:
    """What no run writes: the field, and what was expected there."""
    if manifest.block_rows != BLOCK_ROWS:
        yield "block_rows", f"has blocks of {manifest.block_rows} rows; expected {BLOCK_ROWS}"
    if manifest.status not in (RUNNING, COMPLETE, INTERRUPTED, FAILED):
        yield "status", f"expected running, complete, interrupted or failed, got {manifest.status!r}"
    for field in ("rows", "last_ts_ns"):
        if not 0 <= getattr(manifest, field) < 2**63:
            yield field, f"expected a number from 0 to 2^63 - 1, got {getattr(manifest, field)}"
    yield from _wrong_in_header(manifest.header)
    parts = [*manifest.parts, *(part for entry in manifest.parents for part in entry.parts)]
    datasets = {*message_types(), *(part.dataset for part in parts)}
    for name, rows in manifest.counts.items():
        if name not in datasets or not 0 <= rows < 2**63:
            yield f"counts.{name}", "expected a dataset and a number of rows"
    for field, digests in (("digest", (manifest.digest,)), ("blocks", manifest.blocks)):
        if not all(_SHA256.fullmatch(digest) for digest in digests):
            yield field, "expected SHA-256 in hexadecimal"
    yield from _wrong_in_parts(manifest.parts, "")
    yield from _wrong_in_parents(manifest)


def _wrong_in_parts(parts: Sequence[LogPart], where: str) -> Iterator[tuple[str, str]]:
    for i, part in enumerate(parts):
        # A part's place follows from its dataset: what could be no name might lead out of the folder. A name that is
        # not known may be that of a venue of somebody's own, which is not loaded for reading.
        if not _DATASET.fullmatch(part.dataset):
            yield f"{where}parts[{i}].dataset", f"expected a dataset, got {part.dataset!r}"
        if not is_chunk(part.first_seq, part.last_seq) or not 0 <= part.rows <= part.last_seq - part.first_seq + 1:
            yield f"{where}parts[{i}]", f"no part has {part.rows} rows from {part.first_seq} to {part.last_seq}"
        if not _SHA256.fullmatch(part.sha256):
            yield f"{where}parts[{i}].sha256", "expected a SHA-256 in hexadecimal"
    if len({part.path for part in parts}) < len(parts):
        yield f"{where}parts", "lists a part twice"


def _wrong_in_parents(manifest: Manifest) -> Iterator[tuple[str, str]]:
    before = 0
    for i, entry in enumerate(manifest.parents):
        where = f"parents[{i}]"
        # A name and no path: a run can refer to what lies beside it, and to nothing else.
        if entry.folder in ("", ".", "..") or safe_name(entry.folder) != entry.folder:
            yield f"{where}.folder", f"expected the name of a folder beside this one, got {entry.folder!r}"
        if not before < entry.rows <= manifest.rows:
            yield f"{where}.rows", f"expected a number from {before + 1} to {manifest.rows}, got {entry.rows}"
        yield from _wrong_in_parts(entry.parts, f"{where}.")
        known = {part.dataset for part in entry.parts}
        if any(name not in known or not 0 < n < 2**63 for name, n in entry.counts.items()):
            yield f"{where}.counts", "expected datasets of its parts, and numbers of rows"
        before = entry.rows


def _wrong_in_header(header: RunHeader) -> Iterator[tuple[str, str]]:
    if _is_deeper(header.scenario, _MOST_NESTED):
        yield "header.scenario", "is nested too deeply"
    if header.seed_entropy < 0:
        yield "header.seed_entropy", f"expected 0 or more, got {header.seed_entropy}"
    if header.time_of_day_ns is not None and not 0 <= header.time_of_day_ns <= MOST_NS:
        yield "header.time_of_day_ns", f"expected nanoseconds after midnight, got {header.time_of_day_ns}"
    for i, instrument in enumerate(header.instruments):
        where = f"header.instruments[{i}]"
        if instrument.instrument_id != i:
            yield f"{where}.instrument_id", f"expected {i}, got {instrument.instrument_id}"
        for field in ("tick_size", "lot_size", "price_per"):
            value = getattr(instrument, field)
            if not (value.is_finite() and value > 0 and abs(value.adjusted()) <= _MOST_EXPONENT):
                yield f"{where}.{field}", f"expected a positive number, got {value}"
        if not 0 < instrument.cash_per_tick_lot < 2**63:
            yield f"{where}.cash_per_tick_lot", f"expected a positive number, got {instrument.cash_per_tick_lot}"
    if header.cash_unit and not _UNIT.fullmatch(header.cash_unit):
        yield "header.cash_unit", f"expected a positive number or fraction, got {header.cash_unit!r}"
    for i, agent in enumerate(header.agents):
        if agent.agent_id != i:
            yield f"header.agents[{i}].agent_id", f"expected {i}, got {agent.agent_id}"


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [inner for each in level for inner in _inside(each)]
        if not level:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


class _Version(msgspec.Struct, frozen=True):
    schema_version: int
