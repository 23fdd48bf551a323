"""Every kind of damage to a run directory is seen, even where somebody also mends the digests."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from log_streams import drive, header, mixed_stream, use_small_blocks

from lob_sim.errors import DataError
from lob_sim.log.blocks import chain_digest, digest_block
from lob_sim.log.directory import DirectoryRecorder
from lob_sim.log.manifest import LogPart, Manifest, read_manifest, write_manifest
from lob_sim.log.parts import parquet_bytes, read_part
from lob_sim.log.run import Run, open_run
from lob_sim.log.source import DirectorySource
from lob_sim.replay.verification import verify

N_COMMANDS = 1500
BLOCK_ROWS = 400


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of many blocks in which all is well: what is damaged is a copy of it."""
    path = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        use_small_blocks(patch, BLOCK_ROWS)
        with DirectoryRecorder(path, header(2)) as disk:
            drive(disk, mixed_stream(11, N_COMMANDS, 2), header(2))
        assert verify(open_run(path)).ok
    return path


@pytest.fixture
def folder(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    use_small_blocks(monkeypatch, BLOCK_ROWS)
    return shutil.copytree(whole, tmp_path / "run")


def middle_part(folder: Path, dataset: str) -> LogPart:
    parts = [part for part in read_manifest(folder).parts if part.dataset == dataset]
    return parts[len(parts) // 2]


def rewrite(folder: Path, part: LogPart, change: Callable[[pa.Table], pa.Table]) -> None:
    (folder / part.path).write_bytes(parquet_bytes(change(read_part(folder, part)).combine_chunks()))


def forge_manifest(folder: Path) -> None:
    """Make the manifest fit what is in the parts, as somebody would who wants not to be found out."""
    manifest = read_manifest(folder)
    parts = []
    for part in manifest.parts:
        content = (folder / part.path).read_bytes()
        rows = read_part(folder, part).num_rows
        sha = hashlib.sha256(content).hexdigest()
        parts.append(msgspec.structs.replace(part, rows=rows, size_bytes=len(content), sha256=sha))
    write_manifest(folder, msgspec.structs.replace(manifest, parts=tuple(parts)))
    run = open_run(folder)
    digests = [digest_block(seq, batches) for seq, batches in run.source.blocks(list(run.counts))]
    forged: Manifest = msgspec.structs.replace(
        run.manifest,
        blocks=tuple(digest.hex() for digest in digests),
        digest=chain_digest(digests),
        rows=sum(run.counts.values()),
    )
    write_manifest(folder, forged)


def edit(column: str, by: int) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        values = table[column].to_pylist()
        values[len(values) // 2] += by
        field = table.schema.field(column)
        return table.set_column(table.schema.get_field_index(column), field, pa.array(values, field.type))

    return change


def drop(table: pa.Table) -> pa.Table:
    n = table.num_rows // 2
    return pa.concat_tables([table[:n], table[n + 1 :]])


def repeat(table: pa.Table) -> pa.Table:
    n = table.num_rows // 2
    return pa.concat_tables([table[: n + 1], table[n:]])


def swap_rows(table: pa.Table) -> pa.Table:
    """Exchange two neighbours, numbers and all."""
    n = table.num_rows // 2
    return table.take([*range(n), n + 1, n, *range(n + 2, table.num_rows)])


def swap_contents(table: pa.Table) -> pa.Table:
    """Exchange two neighbours but leave the numbers in order."""
    swapped = swap_rows(table)
    return swapped.set_column(0, table.schema.field(0), table.column(0))


DAMAGE = {
    "edited price of a command": ("new_order", edit("price_ticks", 1)),
    "edited time of a command": ("cancel_order", edit("ts_event_ns", 1)),
    "edited quantity of an event": ("order_accepted", edit("qty_lots", 1)),
    "edited cause of an event": ("order_rejected", edit("cause_seq", -1)),
    "dropped command": ("new_order", drop),
    "dropped event": ("order_filled", drop),
    "repeated command": ("cancel_order", repeat),
    "repeated event": ("trade", repeat),
    "reordered commands": ("new_order", swap_rows),
    "reordered events": ("order_accepted", swap_rows),
    "exchanged commands": ("new_order", swap_contents),
    "exchanged events": ("order_accepted", swap_contents),
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("forged", [False, True])
def test_damage_to_a_row_is_seen(folder: Path, kind: str, forged: bool) -> None:
    dataset, change = DAMAGE[kind]
    part = middle_part(folder, dataset)
    rewrite(folder, part, change)
    if forged:
        forge_manifest(folder)
    checked = verify(open_run(folder))
    assert not checked.ok
    if forged:
        assert not checked.problems
        assert checked.difference is not None
    else:
        assert any(part.path in problem.where for problem in checked.problems)


@pytest.mark.parametrize("dataset", ["fair_value", "constraint_breached"])
def test_damage_to_an_observation_is_seen_by_the_digests(folder: Path, dataset: str) -> None:
    column = {"fair_value": "instrument_id", "constraint_breached": "headroom_cash"}[dataset]
    part = middle_part(folder, dataset)
    rewrite(folder, part, edit(column, 1))
    problems = verify(open_run(folder)).problems
    assert any(part.path in problem.where for problem in problems)
    assert any("differ from their digest" in problem.what for problem in problems)


def test_the_first_difference_comes_with_its_place_and_context(folder: Path) -> None:
    part = middle_part(folder, "order_accepted")
    before = read_part(folder, part)
    seq = before["seq"][before.num_rows // 2].as_py()
    rewrite(folder, part, edit("qty_lots", 5))
    forge_manifest(folder)
    difference = verify(open_run(folder)).difference
    assert difference is not None
    assert difference.seq == seq
    assert difference.logged is not None
    assert difference.expected is not None
    assert difference.logged.message.qty_lots == difference.expected.message.qty_lots + 5  # type: ignore[attr-defined]
    assert [row.seq for row in difference.context] == list(range(seq - 3, seq + 4))


def test_missing_and_foreign_parts_are_seen_at_once(folder: Path) -> None:
    part = middle_part(folder, "trade")
    content = (folder / part.path).read_bytes()
    (folder / part.path).unlink()
    run = open_run(folder)
    assert run.status == "damaged"
    assert any(part.path in problem.where for problem in run.problems)
    missing = {seq for first, last in run.gaps for seq in range(first, last + 1)}
    assert len(missing) == part.rows
    assert not verify(run).ok
    with pytest.raises(DataError, match="are missing"):
        run.book(0, seq=10)

    (folder / part.path).write_bytes(content)
    assert open_run(folder).status == "complete"
    (folder / "events" / "trade" / "part-000000999999-000001000000.parquet").write_bytes(content)
    run = open_run(folder)
    assert run.status == "damaged"
    assert pc.max(run.arrow("trade")["seq"]).as_py() < 999_999


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_truncated_part_is_an_error_that_names_it(folder: Path, keep: float) -> None:
    part = middle_part(folder, "new_order")
    content = (folder / part.path).read_bytes()
    (folder / part.path).write_bytes(content[: int(keep * len(content))])
    run = open_run(folder)
    assert run.status == "damaged"
    with pytest.raises(DataError, match=str(folder / part.path)):
        run.table("new_order")
    assert not verify(run).ok


def test_flipped_bits_anywhere_in_a_part_are_seen(folder: Path) -> None:
    part = middle_part(folder, "new_order")
    content = (folder / part.path).read_bytes()
    for position in range(0, len(content), max(1, len(content) // 40)):
        damaged = bytearray(content)
        damaged[position] ^= 4
        (folder / part.path).write_bytes(bytes(damaged))
        assert not verify(open_run(folder)).ok, position


def test_an_edited_manifest_is_seen(folder: Path) -> None:
    manifest = read_manifest(folder)
    for changed in (
        msgspec.structs.replace(manifest, rows=manifest.rows - 1),
        msgspec.structs.replace(manifest, digest="0" * 64),
        msgspec.structs.replace(manifest, blocks=manifest.blocks[:-1]),
        msgspec.structs.replace(manifest, blocks=(*manifest.blocks[:-1], "0" * 64)),
        msgspec.structs.replace(manifest, parts=manifest.parts[:-1]),
        msgspec.structs.replace(manifest, counts={**manifest.counts, "trade": 1}),
    ):
        write_manifest(folder, changed)
        assert not verify(open_run(folder)).ok


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a manifest"),
        (b"{}", "not a manifest"),
        (b'{"schema_version": 99}', "schema version 99; this program reads version"),
        (b'{"schema_version": 0, "header": "of another form"}', "schema version 0; this program reads version"),
        (b"\xff\xfe", "not a manifest"),
    ],
)
def test_a_manifest_that_is_none_is_an_error_that_names_it(folder: Path, content: bytes, message: str) -> None:
    (folder / "manifest.json").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        open_run(folder)
    assert caught.value.where.endswith("manifest.json")


def test_a_folder_without_manifest_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not a run directory"):
        open_run(tmp_path)


def test_a_part_of_another_schema_is_an_error_that_names_it(folder: Path) -> None:
    part = middle_part(folder, "trade")
    rewrite(folder, part, lambda table: table.drop_columns(["qty_lots"]))
    with pytest.raises(DataError, match="SHA-256 differs"):
        open_run(folder).table("trade")
    with pytest.raises(DataError, match="expected") as caught:
        DirectorySource(folder).unchecked().table("trade")
    assert part.path in caught.value.where


def renumbered(members: str) -> Callable[[pa.Table], pa.Table]:
    """A table as a program with other members of ``side`` would have written it."""

    def change(table: pa.Table) -> pa.Table:
        k = table.schema.get_field_index("aggressor_side")
        field = table.schema.field(k).with_metadata({"members": members})
        return table.set_column(k, field, table.column(k))

    return change


def test_a_number_that_meant_something_else_is_an_error(folder: Path) -> None:
    part = middle_part(folder, "trade")
    rewrite(folder, part, renumbered("-1 BUY, 1 SELL"))
    with pytest.raises(DataError, match=r"aggressor_side has the members .-1 BUY") as caught:
        DirectorySource(folder).unchecked().table("trade")
    assert part.path in caught.value.where


def test_a_log_from_before_an_enumeration_grew_is_read(folder: Path) -> None:
    before = open_run(folder).table("trade")
    rewrite(folder, middle_part(folder, "trade"), renumbered("1 BUY"))
    pd.testing.assert_frame_equal(Run(DirectorySource(folder).unchecked()).table("trade"), before)


def test_a_dataset_that_is_not_known_is_a_problem_that_names_it(folder: Path) -> None:
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"dataset": "trade"', '"dataset": "trade_of_tomorrow"'))
    (folder / "events" / "trade").rename(folder / "events" / "trade_of_tomorrow")
    logged = open_run(folder)
    assert any("trade_of_tomorrow" in line and "no known dataset" in line for line in logged.condition())
    assert not verify(logged).ok
