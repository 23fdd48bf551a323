"""Recorders that need no disk. Both satisfy :class:`lob_sim.simulation.recorder.Recorder`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lob_sim.log.blocks import Block, BlockRecorder, chain_digest, digest_block
from lob_sim.log.manifest import COMPLETE, Manifest, RunHeader
from lob_sim.messages import Command, Event
from lob_sim.units import Ns


class NullRecorder:
    """Keeps nothing: for measuring what a run costs without a log."""

    def batch(self, ts_ns: Ns, command: Command, events: Sequence[Event]) -> None:
        """Forget a command and its events."""

    def record(self, event: Event) -> None:
        """Forget an event."""


class MemoryRecorder(BlockRecorder):
    """Keeps every message, for a result in the same process: see :func:`lob_sim.log.run.run_in_memory`.

    Messages become columns only when somebody asks for their dataset.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sealed: list[Block] = []

    def blocks(self) -> list[Block]:
        """Everything logged so far, in order."""
        if not self._rows:
            return list(self._sealed)
        rest = Block(self._next_seq, list(self._rows), list(self._times), list(self._loose), self._cause_seq)
        return [*self._sealed, rest]

    def block_digests(self) -> list[bytes]:
        """The digest of each block of everything logged so far."""
        return [digest_block(block.first_seq, block.batches()) for block in self.blocks()]

    @property
    def digest(self) -> str:
        """The run digest of everything logged so far."""
        return chain_digest(self.block_digests())

    def manifest(self, header: RunHeader, status: str = COMPLETE) -> Manifest:
        """What the manifest of a run directory would say of this log, but for the digests and parts."""
        counts: Counter[str] = Counter()
        last_ts_ns = 0
        for block in self.blocks():
            counts.update(block.counts)
            last_ts_ns = block.last_ts_ns
        return Manifest.of(header, status).with_rows(last_ts_ns, counts, ())

    def _take(self, block: Block) -> None:
        self._sealed.append(block)
