"""What goes on the log comes back: in memory, on disk, as typed rows and tables, by verified replay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_streams import cheap_stream, drive, header, mixed_stream, use_small_blocks

from lob_sim.log.directory import DirectoryRecorder
from lob_sim.log.recorder import MemoryRecorder
from lob_sim.log.run import open_run, run_in_memory
from lob_sim.messages import Command, Event, Message, NewOrder, Trade
from lob_sim.replay.verification import verify


class Listing(MemoryRecorder):
    """Keeps besides, in the plainest way, what it was given."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[tuple[int, Message]] = []

    def batch(self, ts_ns: int, command: Command, events: Sequence[Event]) -> None:
        cause = len(self.given) + 1
        self.given += [(0, command), *((cause, event) for event in events)]
        super().batch(ts_ns, command, events)

    def record(self, event: Event) -> None:
        self.given.append((0, event))
        super().record(event)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(0, 400),
    n_instruments=st.integers(1, 3),
    block=st.integers(1, 300),
)
def test_any_stream_survives_memory_disk_and_replay(
    tmp_path_factory: pytest.TempPathFactory, seed: int, n: int, n_instruments: int, block: int
) -> None:
    head = header(n_instruments)
    with pytest.MonkeyPatch.context() as patch:
        use_small_blocks(patch, block)
        memory = Listing()
        drive(memory, mixed_stream(seed, n, n_instruments), head)
        folder = tmp_path_factory.mktemp("run") / "run"
        with DirectoryRecorder(folder, head) as disk:
            drive(disk, mixed_stream(seed, n, n_instruments), head)

        in_memory, on_disk = run_in_memory(memory, head), open_run(folder)
        assert memory.digest == disk.digest == on_disk.manifest.digest
        for run in (in_memory, on_disk):
            rows = list(run.messages())
            assert [row.seq for row in rows] == list(range(1, len(memory.given) + 1))
            assert [(row.cause_seq, row.message) for row in rows] == memory.given
            checked = verify(run)
            assert checked.ok, checked
            assert checked.commands == sum(isinstance(row.message, Command) for row in rows)
            assert checked.rows == len(memory.given)
        assert on_disk.status == "complete"
        for name in on_disk.counts:
            pd.testing.assert_frame_equal(on_disk.table(name), in_memory.table(name))
            for run in (in_memory, on_disk):
                assert run.source.seqs(name).tolist() == run.table(name)["seq"].tolist()
        # Columns that were made for somebody are not made again: asking leaves the content alone.
        assert in_memory.digest == memory.digest
        assert in_memory.gaps == on_disk.gaps == ()


def test_types_of_messages_come_back_as_they_were() -> None:
    memory = Listing()
    drive(memory, mixed_stream(3, 500), header())
    for (_, logged), row in zip(memory.given, run_in_memory(memory, header()).messages(), strict=True):
        assert type(logged) is type(row.message)
        for field in logged.__struct_fields__:
            assert type(getattr(logged, field)) is type(getattr(row.message, field)), field


def test_the_digest_does_not_depend_on_how_rows_were_cut_into_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_blocks(monkeypatch, 1000)
    n = 5000
    memory = MemoryRecorder()
    drive(memory, cheap_stream(n), header())
    digests = set()
    for most, name in ((1, "small"), (8, "large")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("lob_sim.log.parts.MOST_BLOCKS_PER_CHUNK", most)
            with DirectoryRecorder(tmp_path / name, header()) as disk:
                drive(disk, cheap_stream(n), header())
        digests.add(open_run(tmp_path / name).manifest.digest)
    assert digests == {memory.digest}
    assert len(open_run(tmp_path / "small").manifest.parts) > len(open_run(tmp_path / "large").manifest.parts)


def test_one_other_row_gives_another_digest() -> None:
    stream = list(mixed_stream(8, 300))
    digests = []
    for changed in (False, True):
        memory = MemoryRecorder()
        ts_ns, last = stream[-1]
        drive(memory, [*stream[:-1], (ts_ns + changed, last)], header())
        digests.append(memory.digest)
    assert digests[0] != digests[1]


def test_rows_can_be_chosen_by_type_and_place() -> None:
    memory = MemoryRecorder()
    drive(memory, mixed_stream(4, 400, 2), header(2))
    run = run_in_memory(memory, header(2))
    everything = list(run.messages())
    assert list(run.messages(Trade)) == [row for row in everything if isinstance(row.message, Trade)]
    assert list(run.messages(Command)) == [row for row in everything if isinstance(row.message, Command)]
    assert list(run.messages(from_seq=100, to_seq=120)) == everything[99:120]
    assert len(list(run.messages(NewOrder, Trade))) == run.counts["new_order"] + run.counts["trade"]
