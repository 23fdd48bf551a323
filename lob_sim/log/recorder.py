"""Recorders that need no disk. Both satisfy :class:`lob_sim.messages.recorder.Recorder`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from lob_sim.log.blocks import BLOCK_ROWS, HotRecorder, KeptRows, Rows, chain_digest, digest_block
from lob_sim.messages import Command, Event
from lob_sim.units import Ns


class NullRecorder:
    """Keeps nothing: for measuring what a run costs without a log."""

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Forget a command and its events."""

    def record(self, event: Event) -> None:
        """Forget an event."""


class MemoryRecorder(HotRecorder):
    """Keeps every message, for a result in the same process: see :func:`lob_sim.log.run.run_in_memory`.

    Messages become columns only when somebody asks for their dataset.
    """

    def __init__(self) -> None:
        super().__init__(sys.maxsize)

    @property
    def rows(self) -> int:
        """Rows logged so far; also the number of the last one."""
        return len(self._rows)

    def kept(self) -> KeptRows:
        """Everything logged so far, to go on from."""
        return KeptRows(self._rows.copy(), self._times.copy(), self._loose.copy())

    @staticmethod
    def going_on_from(kept: KeptRows) -> MemoryRecorder:
        """A recorder that holds what was kept."""
        recorder = MemoryRecorder()
        recorder.take_up(kept)
        return recorder

    def blocks(self) -> list[Rows]:
        """Everything logged so far, in blocks."""
        blocks: list[Rows] = []
        commands = cause_seq = 0
        loose = np.array(self._loose, np.int64)
        for start in range(0, len(self._rows), BLOCK_ROWS):
            low, high = np.searchsorted(loose, (start, start + BLOCK_ROWS))
            rows = self._rows[start : start + BLOCK_ROWS]
            times = self._times[commands : commands + len(rows)]
            block = Rows(start + 1, rows, times, (loose[low:high] - start).tolist(), cause_seq)
            commands += block.commands
            cause_seq = block.last_cause_seq
            blocks.append(block)
        return blocks

    @property
    def digest(self) -> str:
        """The run digest of everything logged so far."""
        return chain_digest(digest_block(block.first_seq, block.batches()) for block in self.blocks())
