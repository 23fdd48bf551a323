"""Replay: drive fresh venues with the logged commands and compare everything that they answer.

Three independent checks, so that no edited, dropped, repeated or reordered row goes unseen: the digest of every
file, the digest of every block of rows, and the events themselves, which only the logged commands can produce.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from lob_sim.errors import DataError
from lob_sim.log.blocks import BLOCK_ROWS, Batches, digest_block
from lob_sim.log.manifest import COMPLETE, RUNNING
from lob_sim.log.parts import file_sha256
from lob_sim.log.run import Run
from lob_sim.log.schema import dataset_named, dataset_of
from lob_sim.log.source import DirectorySource, LogRow, Problem, rows_of
from lob_sim.log.venues import VenueFactory, Venues, venues_of
from lob_sim.messages import Event

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
        """Whether everything that is there is as it was written; see ``status`` for whether the run is complete."""
        return not self.problems and self.difference is None


def verify(run: Run, venues: VenueFactory = venues_of) -> Verification:
    """Check a log against its digests and against fresh venues.

    Args:
        run: The run.
        venues: Makes the venues; those of the manifest's scenario if left out.

    Raises:
        InputError: The venues cannot be made from the manifest.
    """
    return _Replay(run, venues(run.header)).go()


class _Replay:
    def __init__(self, run: Run, venues: Venues) -> None:
        self._run = run
        self._venues = venues
        self._problems = list(run.problems)
        self._rows = self._commands = self._events = 0
        self._digests: list[bytes] = []
        # Answers of a command at the end of a block that belong to the next one.
        self._ahead: list[tuple[int, int, Event]] = []

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

    # --- files and digests ----------------------------------------------------------------------------------------
    def _check_files(self) -> None:
        source = self._run.source
        if not isinstance(source, DirectorySource):
            return
        assert source.path is not None
        for part in source.parts:
            if part.sha256 and file_sha256(Path(source.path, part.path)) != part.sha256:
                self._problems.append(Problem(part.path, "is not the file that was written: its SHA-256 differs"))

    def _check_digest(self, first_seq: int, batches: Batches) -> None:
        digests = self._run.manifest.blocks
        if not digests:
            return
        n_block = (first_seq - 1) // BLOCK_ROWS
        last_seq = first_seq + BLOCK_ROWS - 1
        if n_block >= len(digests):
            self._problems.append(Problem(f"rows from {first_seq}", "have no digest in the manifest"))
        elif digest_block(first_seq, batches).hex() != digests[n_block]:
            self._problems.append(Problem(f"rows {first_seq} to {last_seq}", "differ from their digest"))

    # --- rows -----------------------------------------------------------------------------------------------------
    def _check_rows(self) -> Difference | None:
        manifest = self._run.manifest
        difference: Difference | None = None
        next_seq = 1
        for first_seq, batches in self._run.source.blocks(list(self._run.counts)):
            damaged = _order_damage(next_seq, first_seq, batches)
            if damaged is not None:
                return difference or self._with_context(damaged)
            n = sum(batch.num_rows for batch in batches.values())
            next_seq = first_seq + n
            self._rows += n
            self._check_digest(first_seq, batches)
            if difference is None:
                found = self._drive(batches, next_seq)
                difference = None if found is None else self._with_context(found)
        if self._rows != manifest.rows and manifest.status != RUNNING:
            self._problems.append(Problem("manifest.json", f"counts {manifest.rows} rows; there are {self._rows}"))
        if difference is None and self._ahead and manifest.status == COMPLETE:
            seq, cause_seq, event = self._ahead[0]
            expected = LogRow(seq, _ts_ns(event), cause_seq, event)
            difference = self._with_context(Difference(seq, "the log ends before this event", None, expected))
        return difference

    def _with_context(self, found: Difference) -> Difference:
        first_seq = max(1, found.seq - _CONTEXT_ROWS)
        rows = tuple(self._run.messages(from_seq=first_seq, to_seq=found.seq + _CONTEXT_ROWS))
        logged = next((row for row in rows if row.seq == found.seq), None)
        return found._replace(context=rows, logged=logged)

    # --- events ---------------------------------------------------------------------------------------------------
    def _drive(self, batches: Batches, end_seq: int) -> Difference | None:
        commands = {name: batch for name, batch in batches.items() if dataset_named(name).is_command}
        expected, self._ahead = self._ahead, []
        failure: Difference | None = None
        process = self._venues.process
        for row in rows_of(commands):
            self._commands += 1
            try:
                events = process(row.message, row.ts_ns)
            except Exception as error:
                # A damaged command may ask for anything, so a venue may fail in any way.
                failure = Difference(row.seq, f"the venue cannot process this command: {error}")
                break
            seq = row.seq
            expected += [(seq + k, seq, event) for k, event in enumerate(events, 1)]
        split = next((i for i in range(len(expected), 0, -1) if expected[i - 1][0] < end_seq), 0)
        expected, self._ahead = expected[:split], expected[split:]
        self._events += len(expected)
        return _first_difference(expected, batches) or failure


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


def _first_difference(expected: list[tuple[int, int, Event]], batches: Batches) -> Difference | None:
    """Compare the venues' answers in one block with those on the log."""
    answers = _as_batches(expected)
    names = sorted(answers.keys() | {name for name in batches if not dataset_named(name).is_command})
    found: list[Difference] = []
    for name in names:
        empty = dataset_named(name).schema.empty_table().combine_chunks().to_batches()
        logged = batches.get(name)
        if logged is not None:
            logged = logged.filter(pa.compute.greater(logged.column("cause_seq"), 0))
        difference = _compare(answers.get(name), logged, name)
        if difference is not None:
            found.append(difference)
    return min(found, key=lambda difference: difference.seq, default=None)


def _as_batches(expected: list[tuple[int, int, Event]]) -> Batches:
    by_type: dict[type[Event], list[tuple[int, int, Event]]] = {}
    for entry in expected:
        by_type.setdefault(type(entry[2]), []).append(entry)
    batches: Batches = {}
    for message_type, entries in by_type.items():
        seqs, causes, events = zip(*entries, strict=True)
        dataset = dataset_of(message_type)
        batches[dataset.name] = dataset.encode(events, np.array(seqs, np.int64), np.array(causes, np.int64))
    return batches
