"""Replay: drive fresh venues with the logged commands and compare everything that they answer.

Three independent checks, so that no edited, dropped, repeated or reordered row goes unseen: the digest of
every file, the digest of every block of rows, and the events themselves, which only the logged commands can
produce.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lob_sim.errors import DataError
from lob_sim.log.blocks import BLOCK_ROWS, Batches, chain_digest, digest_block, encode_events
from lob_sim.log.foreign import reads_logs
from lob_sim.log.manifest import COMPLETE, MANIFEST_NAME, RUNNING
from lob_sim.log.parts import part_bytes
from lob_sim.log.run import Run
from lob_sim.log.schema import Dataset, dataset_named, to_list
from lob_sim.log.source import DirectorySource, LogRow, Problem, rows_of
from lob_sim.log.venues import VenueFactory, venues_of
from lob_sim.messages import Command, Event
from lob_sim.venue.venues import Venues

_CONTEXT_ROWS = 3


class Difference(NamedTuple):
    """The first place where the log is not what its commands make.

    Attributes:
        seq: The row.
        what: What is wrong with it.
        logged: The row on the log, or None if it has none with this number.
        expected: What the venue answered, or None if it answered nothing that has this number.
        context: The rows around it, as logged.
    """

    seq: int
    what: str
    logged: LogRow | None = None
    expected: LogRow | None = None
    context: tuple[LogRow, ...] = ()


class Verification(NamedTuple):
    """What a verified replay has found.

    Attributes:
        status: Status of the run.
        rows: Rows read.
        commands: Commands that the venues were driven with.
        events: Events of the venues that were compared.
        problems: Everything that is wrong with the files and digests, in the order found.
        difference: The first row that is wrong, if any row is.
    """

    status: str
    rows: int
    commands: int
    events: int
    problems: tuple[Problem, ...]
    difference: Difference | None

    @property
    def ok(self) -> bool:
        """Whether all that is there is as it was written; see ``status`` for whether the run is complete."""
        return not self.problems and self.difference is None


@reads_logs
def verify(run: Run, venues: VenueFactory = venues_of) -> Verification:
    """Check a log against its digests and against fresh venues.

    Args:
        run: The run.
        venues: Makes the venues; those of the manifest's scenario if left out.

    Raises:
        InputError: The venues cannot be made from the manifest.
    """
    if isinstance(run.source, DirectorySource):
        # Of damaged files too the first row that is wrong is to be found.
        run = Run(run.source.unchecked())
    return _Replay(run, venues(run.header)).go()


class _Replay:
    def __init__(self, run: Run, venues: Venues) -> None:
        self._run = run
        self._venues = venues
        self._problems = list(run.problems)
        self._rows = self._commands = self._events = 0
        # Answers of a command at the end of a block that belong to the next one.
        self._ahead: tuple[list[int], list[int], list[Event]] = ([], [], [])

    def go(self) -> Verification:
        difference = None
        try:
            self._check_files()
            difference = self._check_rows()
        except DataError as error:
            self._problems.append(Problem(error.where, error.message))
        return Verification(
            self._run.status, self._rows, self._commands, self._events, tuple(self._problems), difference
        )

    # --- files and digests --------------------------------------------------------------------------------
    def _check_files(self) -> None:
        source = self._run.source
        if not isinstance(source, DirectorySource):
            return
        for folder, part in source.parts:
            if part.sha256 and hashlib.sha256(part_bytes(folder, part)).hexdigest() != part.sha256:
                where = part.path if folder == source.path else f"../{folder.name}/{part.path}"
                self._problems.append(Problem(where, "is not the file that was written: its SHA-256 differs"))

    def _check_digest(self, first_seq: int, batches: Batches) -> None:
        if self._run.path is None:
            return
        digests = self._run.manifest.blocks
        n_block = (first_seq - 1) // BLOCK_ROWS
        last_seq = first_seq + BLOCK_ROWS - 1
        if n_block >= len(digests):
            self._problems.append(Problem(f"rows from {first_seq}", "have no digest in the manifest"))
        elif digest_block(first_seq, batches).hex() != digests[n_block]:
            self._problems.append(Problem(f"rows {first_seq} to {last_seq}", "differ from their digest"))

    def _check_totals(self, n_blocks: int) -> None:
        manifest = self._run.manifest
        if manifest.digest != chain_digest(map(bytes.fromhex, manifest.blocks)):
            self._problems.append(Problem(MANIFEST_NAME, "its digest is not that of its blocks"))
        if manifest.status != RUNNING and (manifest.rows, manifest.counts) != (self._rows, self._run.counts):
            self._problems.append(Problem(MANIFEST_NAME, f"counts {manifest.rows} rows; there are {self._rows}"))
        if n_blocks < len(manifest.blocks):
            self._problems.append(Problem(MANIFEST_NAME, "has digests of blocks that are not there"))

    # --- rows ---------------------------------------------------------------------------------------------
    def _check_rows(self) -> Difference | None:
        difference: Difference | None = None
        next_seq, n_blocks = 1, 0
        for first_seq, batches in self._run.source.blocks(list(self._run.counts)):
            damaged = _order_damage(next_seq, first_seq, batches)
            if damaged is not None:
                return difference or self._with_context(damaged)
            n = sum(batch.num_rows for batch in batches.values())
            next_seq = first_seq + n
            self._rows += n
            n_blocks += 1
            self._check_digest(first_seq, batches)
            if difference is None:
                found = self._drive(batches, next_seq)
                difference = None if found is None else self._with_context(found)
        self._check_totals(n_blocks)
        seqs, causes, events = self._ahead
        if difference is None and seqs and self._run.manifest.status == COMPLETE:
            answers = encode_events(events[:1], np.array(seqs[:1], np.int64), np.array(causes[:1], np.int64))
            (expected,) = rows_of(answers)
            difference = self._with_context(Difference(seqs[0], "the log ends before this event", None, expected))
        return difference

    def _with_context(self, found: Difference) -> Difference:
        first_seq = max(1, found.seq - _CONTEXT_ROWS)
        rows = tuple(self._run.messages(from_seq=first_seq, to_seq=found.seq + _CONTEXT_ROWS))
        logged = next((row for row in rows if row.seq == found.seq), None)
        return found._replace(context=rows, logged=logged)

    # --- events -------------------------------------------------------------------------------------------
    def _drive(self, batches: Batches, end_seq: int) -> Difference | None:
        commands = {name: batch for name, batch in batches.items() if dataset_named(name).is_command}
        seqs, causes, events = self._ahead
        failure: Difference | None = None
        process = self._venues.process
        for seq, ts_ns, _, command in rows_of(commands):
            assert isinstance(command, Command)
            self._commands += 1
            try:
                answer = process(command, ts_ns)
            except Exception as error:
                # A damaged command may ask for anything, so a venue may fail in any way.
                failure = Difference(seq, f"the venue cannot process this command: {error!r}")
                break
            events += answer
            seqs += range(seq + 1, seq + 1 + len(answer))
            causes += [seq] * len(answer)
        end = bisect_left(seqs, end_seq)
        self._ahead = (seqs[end:], causes[end:], events[end:])
        self._events += end
        answers = encode_events(events[:end], np.array(seqs[:end], np.int64), np.array(causes[:end], np.int64))
        return _first_difference(answers, batches) or failure


def _order_damage(next_seq: int, first_seq: int, batches: Batches) -> Difference | None:
    """The first row that is missing, there twice, or out of its place."""
    for name, batch in batches.items():
        seqs = batch.column("seq").to_numpy()
        backwards = np.flatnonzero(np.diff(seqs) <= 0)
        if len(backwards):
            seq = int(seqs[backwards[0] + 1])
            return Difference(seq, f"dataset {name} has row {seq} after row {int(seqs[backwards[0]])}")
    if first_seq != next_seq:
        return Difference(next_seq, f"rows {next_seq} to {first_seq - 1} are missing")
    seqs = np.sort(np.concatenate([batch.column("seq").to_numpy() for batch in batches.values()]))
    wrong = np.flatnonzero(seqs != np.arange(first_seq, first_seq + len(seqs)))
    if not len(wrong):
        return None
    expected, found = first_seq + int(wrong[0]), int(seqs[wrong[0]])
    if found < expected:
        return Difference(found, f"there are two rows {found}")
    return Difference(expected, f"row {expected} is missing: row {found} follows row {expected - 1}")


def _first_difference(answers: Batches, batches: Batches) -> Difference | None:
    """Compare the venues' answers in one block with those on the log."""
    found: list[Difference] = []
    for name in sorted(answers.keys() | batches.keys()):
        dataset = dataset_named(name)
        if not dataset.is_command:
            nothing = pa.RecordBatch.from_pylist([], dataset.schema)
            logged = batches.get(name, nothing)
            logged = logged.filter(pc.greater(logged.column("cause_seq"), 0))
            expected = answers.get(name, nothing)
            if not expected.equals(logged):
                found.append(_difference_in(dataset, expected, logged))
    return min(found, key=lambda difference: difference.seq, default=None)


def _difference_in(dataset: Dataset, expected: pa.RecordBatch, logged: pa.RecordBatch) -> Difference:
    n = min(expected.num_rows, logged.num_rows)
    unequal = np.zeros(n, np.bool_)
    for ours, theirs in zip(expected.columns, logged.columns, strict=True):
        same = np.array([a == b for a, b in zip(to_list(ours[:n]), to_list(theirs[:n]), strict=True)], np.bool_)
        unequal |= ~same
    first = int(np.argmax(unequal)) if unequal.any() else n
    ours, theirs = (_row_at(dataset, batch, first) for batch in (expected, logged))
    if ours is None or (theirs is not None and theirs.seq < ours.seq):
        assert theirs is not None
        return Difference(theirs.seq, f"no command makes this {dataset.name}", theirs, None)
    if theirs is None or ours.seq < theirs.seq:
        return Difference(ours.seq, f"the log has no {dataset.name} here; its commands make one", None, ours)
    return Difference(ours.seq, f"this {dataset.name} is not what its command makes", theirs, ours)


def _row_at(dataset: Dataset, batch: pa.RecordBatch, position: int) -> LogRow | None:
    return rows_of({dataset.name: batch.slice(position, 1)})[0] if position < batch.num_rows else None
