"""The rows of a run in the same process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from lob_sim.log.blocks import Batches
from lob_sim.log.header import RunHeader
from lob_sim.log.manifest import Manifest
from lob_sim.log.recorder import MemoryRecorder
from lob_sim.log.schema import Int64, dataset_named
from lob_sim.log.source import Problem


class MemorySource:
    """The rows that a :class:`MemoryRecorder` holds at this moment.

    Args:
        recorder: The recorder.
        header: What is known of the run.
        status: How the run ended.
    """

    def __init__(self, recorder: MemoryRecorder, header: RunHeader, status: str) -> None:
        self.path: Path | None = None
        self.problems: tuple[Problem, ...] = ()
        self._blocks = recorder.blocks()
        counts: Counter[str] = Counter()
        for block in self._blocks:
            counts.update(block.counts())
        last_ts_ns = self._blocks[-1].last_ts_ns if self._blocks else 0
        self.manifest = Manifest.of(header, status).with_rows(last_ts_ns, counts, ())

    def counts(self) -> dict[str, int]:
        """Rows by dataset."""
        return self.manifest.counts

    def seqs(self, name: str) -> Int64:
        """Numbers of all rows of a dataset."""
        dataset = dataset_named(name)
        return np.concatenate([block.seqs(dataset) for block in self._blocks] or [np.zeros(0, np.int64)])

    def table(self, name: str) -> pa.Table:
        """All rows of a dataset."""
        dataset = dataset_named(name)
        batches = [batch for block in self._blocks if (batch := block.batch(dataset)) is not None]
        return pa.Table.from_batches(batches, dataset.schema)

    def blocks(self, names: Collection[str], from_seq: int = 1) -> Iterator[tuple[int, Batches]]:
        """Blocks, from that of ``from_seq`` on: first ``seq``, and rows in the datasets of these names."""
        for block in self._blocks:
            if block.last_seq >= from_seq:
                found = {name: block.batch(dataset_named(name)) for name in names}
                yield block.first_seq, {name: batch for name, batch in found.items() if batch is not None}
