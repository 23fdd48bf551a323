"""The recorder that writes a run directory while the run goes on."""

from __future__ import annotations

import copy
import signal
import threading
from bisect import bisect_left
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from traceback import format_exception
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from lob_sim.errors import LobSimError
from lob_sim.log.blocks import BLOCK_ROWS, BatchBuilder, HotRecorder, KeptRows, Rows, n_encodable
from lob_sim.log.header import RunHeader
from lob_sim.log.manifest import COMPLETE, EVENTS, FAILED, INTERRUPTED, Manifest, read_manifest
from lob_sim.log.parts import ChunkWriter, KeptChunks, claim_folder, unchanged_bytes
from lob_sim.log.source import lies_beside, require_same_past
from lob_sim.messages import Message
from lob_sim.units import Ns

SLICE_ROWS = 4_096
"""Rows that are turned into columns at a time; a whole number of slices makes a block."""
_MOST_QUEUED_BLOCKS = 2


class KeptDirectory(NamedTuple):
    """The log of a run that stops for now: a run directory up to some row, and what was not in it yet.

    Attributes:
        folder: The run directory.
        chunks: What is on disk, and whole blocks that are not.
        builder: Rows of the last block as columns.
        rows: Rows that are no columns yet.
        next_seq: Number of the first of those.
        cause_seq: Number of the last command before it.
        last_ts_ns: Time of the row before it.
    """

    folder: Path
    chunks: KeptChunks
    builder: BatchBuilder
    rows: KeptRows
    next_seq: int
    cause_seq: int
    last_ts_ns: Ns


class DirectoryRecorder(HotRecorder):
    """Writes a run directory while the run goes on, in bounded memory.

    Use it as a context manager: the directory is ``complete`` when the ``with`` block ends normally,
    ``interrupted`` after Ctrl-C or SIGTERM and ``failed`` after any other error, and what was logged until then
    is in it. Inside the ``with`` block of the main thread the first Ctrl-C or SIGTERM takes effect between two
    commands, a second at once. A message that the log cannot hold ends it: the rows before it are kept.

    Columns are made on the caller's thread, a few thousand rows at a time, while those are still in the
    processor's cache. Digests, compression and the disk are the business of a second thread, which is never
    more than two blocks behind.

    Args:
        path: The directory: new or empty.
        header: What is known of the run before it begins.
        parent: The directory of a run that has the rows to come, up to :meth:`cut`, if it lies beside this one; they
            are then not written again.

    Raises:
        DataError: The parent is not a run directory.
        OutputError: The directory cannot be made or is not empty; from later calls: it cannot be written.
        InputError: From later calls: a command holds a value that the log cannot.
        InvariantError: From later calls: an event does.
    """

    def __init__(self, path: str | Path, header: RunHeader, parent: Path | None = None) -> None:
        super().__init__(SLICE_ROWS)
        self.path = Path(path)
        self._parent = parent
        known = None if parent is None else (parent.absolute().name, read_manifest(parent))
        claim_folder(self.path)
        try:
            self._chunks = ChunkWriter(self.path, header, known)
        except LobSimError:
            with suppress(OSError):
                (self.path / EVENTS).rmdir()
            raise
        self._thread = ThreadPoolExecutor(1, "log-writer")
        self._next_seq = 1
        self._cause_seq = 0
        self._last_ts_ns: Ns = 0
        self._builder = BatchBuilder()
        self._pending: deque[Future[None]] = deque()
        self._misfit: LobSimError | None = None
        self._stop_requested = False
        self._signals_before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> DirectoryRecorder:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._signals_before[number] = signal.signal(number, self._on_interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.close()
            elif isinstance(error, KeyboardInterrupt):
                self.close(INTERRUPTED)
            else:
                self.close(FAILED, f"{type(error).__name__}: {error}", "".join(format_exception(error)))
        except LobSimError as failure:
            # What failed in the run fails at its end again; the first error tells it.
            if type(failure) is not kind:
                raise
        finally:
            self._restore_signals()

    @property
    def manifest(self) -> Manifest:
        """The manifest as it is on disk; final once closed."""
        return self._chunks.manifest

    @property
    def digest(self) -> str:
        """The run digest of what is on disk; final once closed."""
        return self._chunks.manifest.digest

    @property
    def rows(self) -> int:
        """Rows logged so far; also the number of the last one."""
        return self._next_seq - 1 + len(self._rows)

    def kept(self) -> KeptDirectory:
        """The log so far, to go on from in another directory; use it before anything else is logged.

        Raises:
            LobSimError: What was logged before cannot be written.
        """
        if self._misfit is not None:
            raise self._misfit
        self._drain(0)
        rows = KeptRows(self._rows.copy(), self._times.copy(), self._loose.copy())
        chunks = self._chunks.kept()
        place = (self._next_seq, self._cause_seq, self._last_ts_ns)
        return KeptDirectory(self.path.absolute(), chunks, self._builder, rows, *place)

    def cut(self) -> None:
        """From here on the run is another than its parent, and what is logged is its own.

        Raises:
            DataError: The rows up to here are not those of the parent.
            LobSimError: What was logged before cannot be written.
        """
        if self._parent is None:
            return
        while self._rows:
            self._take_slice()
        self._drain(0)
        # Columns that have given out what they hold cannot grow any more.
        begun = copy.deepcopy(self._builder).build()
        require_same_past(self._parent, self._chunks.blocks, begun, self.rows)
        self._chunks.cut({name: batch.num_rows for name, batch in begun.items()})

    @staticmethod
    def going_on_from(
        kept: KeptDirectory, path: str | Path, header: RunHeader, *, refers: bool = False
    ) -> DirectoryRecorder:
        """A recorder into a new directory, which begins as the kept one was.

        Args:
            kept: What it goes on from; its directory may have gone on otherwise since.
            path: The new directory.
            header: What is known of the new run.
            refers: Whether rows that are on disk in the kept directory may stay there alone, if the new one lies
                beside it.

        Raises:
            OutputError: The directory cannot be made, is not empty or cannot be written.
            DataError: The log that was kept is not there any more, or is not what it was; nothing has been made then.
        """
        for part in kept.chunks.manifest.parts:
            unchanged_bytes(kept.folder, part)
        rows = kept.next_seq - 1 + len(kept.rows.rows)
        is_parent = refers and lies_beside(kept.folder, Path(path)) and read_manifest(kept.folder).rows >= rows
        recorder = DirectoryRecorder(path, header, kept.folder if is_parent else None)
        recorder._chunks.go_on_from(kept.folder, kept.chunks)
        recorder._builder = kept.builder
        recorder._next_seq, recorder._cause_seq, recorder._last_ts_ns = kept.next_seq, kept.cause_seq, kept.last_ts_ns
        recorder.take_up(kept.rows)
        recorder.cut()
        return recorder

    def request_stop(self) -> None:
        """Let the next call that logs something raise ``KeyboardInterrupt``, once that is logged whole."""
        self._stop_requested = True
        # The next row is then at the limit, so that the two hot methods need no test of their own.
        self._limit = 0

    def close(self, status: str = COMPLETE, error: str = "", traceback: str = "") -> None:
        """Write what is left and say how the run ended.

        Args:
            status: ``complete``, ``interrupted`` or ``failed``.
            error: What it failed of.
            traceback: How it came to that.

        Raises:
            OutputError: The rest cannot be written; what was written before stays readable.
        """
        try:
            try:
                while self._rows:
                    self._take_slice()
            except LobSimError as misfit:
                status, error = FAILED, error or f"{type(misfit).__name__}: {misfit}"
            self._hand_on()
            self._drain(0)
            self._chunks.write(status, error, traceback)
        finally:
            self._thread.shutdown(cancel_futures=True)
        if self._misfit is not None:
            raise self._misfit

    def _on_interrupt(self, signum: int, frame: FrameType | None) -> None:
        # A second one raises at once, and what is on disk then is what remains.
        signal.signal(signal.SIGINT, self._signals_before[signal.SIGINT])
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        self.request_stop()

    def _restore_signals(self) -> None:
        for number, handler in self._signals_before.items():
            signal.signal(number, handler)
        self._signals_before.clear()

    def _full(self) -> None:
        self._take_slices()
        self._limit = SLICE_ROWS
        if self._stop_requested:
            self._stop_requested = False
            raise KeyboardInterrupt

    def _take_slices(self) -> None:
        while len(self._rows) >= SLICE_ROWS:
            self._take_slice()

    def _take_slice(self) -> None:
        """Move the first rows into columns; hand a block on once it is whole."""
        if self._misfit is not None:
            raise self._misfit
        room = BLOCK_ROWS - (self._next_seq - 1) % BLOCK_ROWS
        messages = self._rows[: min(SLICE_ROWS, room)]
        try:
            self._move(messages)
        except LobSimError as misfit:
            self._misfit = misfit
            if good := n_encodable(messages):
                self._move(messages[:good])
            # What came after a row that is not there nobody could verify.
            self._rows.clear()
            raise
        if len(messages) == room:
            self._hand_on()

    def _move(self, messages: list[Message]) -> None:
        n = len(messages)
        cut = bisect_left(self._loose, n)
        rows = Rows(self._next_seq, messages, self._times, self._loose[:cut], self._cause_seq)
        rows.add_to(self._builder)
        # In place, because ``batch`` holds a reference to the list while it calls this.
        del self._rows[:n], self._times[: rows.commands]
        self._loose[:] = [position - n for position in self._loose[cut:]]
        self._next_seq += n
        self._cause_seq = rows.last_cause_seq
        self._last_ts_ns = rows.last_ts_ns

    def _hand_on(self) -> None:
        builder, self._builder = self._builder, BatchBuilder()
        self._drain(_MOST_QUEUED_BLOCKS - 1)
        self._pending.append(self._thread.submit(self._chunks.add, builder, self._last_ts_ns))

    def _drain(self, most: int) -> None:
        while len(self._pending) > most:
            self._pending.popleft().result()
