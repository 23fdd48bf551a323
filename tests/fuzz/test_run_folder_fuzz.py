"""Run directories and LOBSTER files changed at random: a result or one line, no wrong answer that a digest knows of."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from fuzzing import LONG, both_lengths
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim import Run, open_run, run
from lob_sim.errors import InvariantError, LobSimError
from lob_sim.feeds.export import export_run
from lob_sim.feeds.lobster import read_lobster
from lob_sim.feeds.lobster_export import export_lobster
from lob_sim.feeds.lobster_replay import LobsterReplay, header_of_day, import_lobster
from lob_sim.log import MemoryRecorder, run_in_memory
from lob_sim.log.blocks import chain_digest, digest_block
from lob_sim.log.diff import diff
from lob_sim.log.manifest import read_manifest, write_manifest
from lob_sim.log.parts import parquet_bytes, read_part
from lob_sim.log.source import DirectorySource
from lob_sim.replay import verify
from lob_sim.replay.history import flow_of_run
from lob_sim.report.run_page import run_page
from lob_sim.report.static import write_figures

MARKET = Path(__file__).parents[1] / "golden" / "market.toml"
SHORT = ["horizon=70s", "shocks.0.at=30s", "agents.seller.params.start=10s"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of the golden market: quotes, beliefs, balance sheets, auctions, requests for quote."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    run(MARKET, out=folder, overrides=SHORT)
    assert verify(open_run(folder)).ok
    return folder


@pytest.fixture(scope="module")
def digest(whole: Path) -> str:
    return open_run(whole).digest


@pytest.fixture
def changed(whole: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes a copy, or puts back in the last one what its example has changed, added and removed."""

    def copy() -> Path:
        restore(tmp_path / "run", whole)
        return tmp_path / "run"

    return copy


def restore(folder: Path, whole: Path) -> None:
    """Make a folder a copy of another. A file is as it was copied where its size and its time of writing are."""
    folder.mkdir(exist_ok=True)
    wanted, there = (dict(entries(each)) for each in (whole, folder))
    for name in there.keys() | wanted.keys():
        if name in there and name in wanted and there[name] == wanted[name]:
            if wanted[name] is None:
                restore(folder / name, whole / name)
            continue
        if name in there:
            if there[name] is None:
                shutil.rmtree(folder / name)
            else:
                (folder / name).unlink()
        if name in wanted:
            # Both keep the time of writing.
            (shutil.copytree if wanted[name] is None else shutil.copy2)(whole / name, folder / name)


def entries(folder: Path) -> Iterator[tuple[str, tuple[int, ...] | None]]:
    """Names in a folder; of a folder None, of anything else what tells that it was changed."""
    with os.scandir(folder) as found:
        for entry in found:
            stat = entry.stat(follow_symlinks=False)
            is_folder = entry.is_dir(follow_symlinks=False)
            yield entry.name, None if is_folder else (stat.st_mode, stat.st_size, stat.st_mtime_ns)


READERS: dict[str, Callable[[Run, Path], object]] = {
    "condition": lambda found, _: found.condition(),
    "messages": lambda found, _: sum(1 for _ in found.messages()),
    "tables": lambda found, _: [len(found.table(name)) for name in found.counts],
    "orders": lambda found, _: len(found.orders),
    "book": lambda found, _: [found.book(i, at="30s").orders for i in range(len(found.header.instruments))],
    "depth": lambda found, _: len(found.depth(0, levels=2, every="10s")),
    "flow": lambda found, _: sum(1 for _ in flow_of_run(found)),
    "csv": lambda found, out: export_run(found, out, "csv"),
    "parquet": lambda found, out: export_run(found, out, "parquet"),
    "lobster": lambda found, out: [export_lobster(found, out, i) for i in range(len(found.header.instruments))],
    "diff": lambda found, _: diff(found, found),
    "pnl": lambda found, _: [len(found.pnl("agent")), len(found.pnl(("group", "role"), at="mid"))],
    "fills": lambda found, _: [len(found.fills), len(found.positions)],
    "html": lambda found, _: found._repr_html_(),
    "repr": lambda found, _: repr(found),
    "figure": lambda found, out: write_figures(found, out, "png", ["headroom"]),
    "page": lambda found, _: run_page(found, "x"),
}


def readers(length: settings) -> st.SearchStrategy[str]:
    """Names of readers; those that take half a second are for the long tests."""
    return st.sampled_from(
        sorted(READERS) if length is LONG else sorted({*READERS} - {"csv", "parquet", "figure", "page"})
    )


def outcome(read: Callable[[], object]) -> object:
    """What came of it; None for one line that says what is wrong."""
    try:
        return read()
    except LobSimError as error:
        failure = error
    assert not isinstance(failure, InvariantError), failure
    text = str(failure)
    assert "\n" not in text, text
    assert 0 < len(text) < 2_000, text
    return None


# --- manifests ----------------------------------------------------------------------------------------------

VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**40,
    0.5,
    1e308,
    "",
    "NaN",
    "-1",
    "1e999999",
    "../../x",
]
VALUES += ["/etc/passwd", "x" * 300, "\ud7ff\u202e\n\0", "p.py:X", [], {}, [[]], [{}], {"": {}}, {"name": []}, ["a"]]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield from places(inner, (*path, key))


@both_lengths
def test_a_manifest_changed_in_one_place_is_read_or_refused(
    changed: Callable[[], Path], whole: Path, digest: str, length: settings
) -> None:
    plain = json.loads((whole / "manifest.json").read_text())
    ways = list(places(plain))[1:]

    @length
    @given(way=st.sampled_from(ways), value=st.sampled_from([*VALUES, "remove"]), reader=readers(length))
    def check(way: tuple[Any, ...], value: Any, reader: str) -> None:
        folder = changed()
        raw = json.loads(json.dumps(plain))
        place = raw
        for step in way[:-1]:
            place = place[step]
        if value == "remove":
            del place[way[-1]]
        else:
            place[way[-1]] = value
        (folder / "manifest.json").write_text(json.dumps(raw))
        found = outcome(lambda: open_run(folder))
        if not isinstance(found, Run):
            return
        outcome(lambda: READERS[reader](found, folder.parent / "out"))
        checked = outcome(lambda: verify(found))
        if checked is not None and checked.ok:  # type: ignore[attr-defined]
            assert found.digest == digest

    check()


@both_lengths
def test_a_manifest_of_other_bytes_is_read_or_refused(
    changed: Callable[[], Path], whole: Path, length: settings
) -> None:
    plain = (whole / "manifest.json").read_bytes()

    @length
    @given(at=st.integers(0, len(plain)), cut=st.integers(0, 40), put=st.binary(max_size=12), reader=readers(length))
    def check(at: int, cut: int, put: bytes, reader: str) -> None:
        folder = changed()
        (folder / "manifest.json").write_bytes(plain[:at] + put + plain[at + cut :])
        found = outcome(lambda: open_run(folder))
        if isinstance(found, Run):
            outcome(lambda: READERS[reader](found, folder.parent / "out"))
            outcome(lambda: verify(found))

    check()


# --- parts --------------------------------------------------------------------------------------------------


def replace(path: Path, kind: str, content: bytes) -> None:
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(path.parents[2] / "manifest.json")
    elif kind == "link to itself":
        path.symlink_to(path.name)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind != "missing":
        path.write_bytes(content)


KINDS = ["bytes", "bytes", "bytes", "cut", "empty", "missing", "folder", "link", "link to itself"]
KINDS += ["pipe"] if hasattr(os, "mkfifo") else []


@both_lengths
def test_a_changed_part_is_never_read_as_what_was_written(
    changed: Callable[[], Path], whole: Path, length: settings
) -> None:
    parts = read_manifest(whole).parts

    @length
    @given(
        part=st.sampled_from(parts),
        kind=st.sampled_from(KINDS),
        at=st.floats(0, 1, exclude_max=True),
        put=st.binary(min_size=1, max_size=8),
        reader=readers(length),
    )
    def check(part: Any, kind: str, at: float, put: bytes, reader: str) -> None:
        folder = changed()
        plain = (folder / part.path).read_bytes()
        position = int(at * len(plain))
        content = plain[:position] if kind == "cut" else plain[:position] + put + plain[position + len(put) :]
        replace(folder / part.path, kind, content)
        found = open_run(folder)
        same = kind == "bytes" and content == plain
        table = outcome(lambda: found.table(part.dataset))
        if not same:
            assert table is None or part.path in {problem.where for problem in found.problems}
        checked = outcome(lambda: verify(found))
        assert checked is not None
        assert checked.ok is same  # type: ignore[attr-defined]
        outcome(lambda: READERS[reader](found, folder.parent / "out"))

    check()


@both_lengths
def test_files_that_no_manifest_lists_are_left_alone(
    changed: Callable[[], Path], whole: Path, length: settings
) -> None:
    parts = read_manifest(whole).parts
    rows = open_run(whole).manifest.rows
    number = st.one_of(st.integers(-3, rows + 3), st.integers(0, 10**13))

    @length
    @given(
        part=st.sampled_from(parts),
        dataset=st.sampled_from(["trade", "quote", "belief", "nothing", "..", "."]),
        first=number,
        last=number,
        whole_name=st.booleans(),
        running=st.booleans(),
    )
    def check(part: Any, dataset: str, first: int, last: int, whole_name: bool, running: bool) -> None:
        folder = changed()
        name = f"part-{first:012d}-{last:012d}.parquet" if whole_name else f"part-{first}{last}.parquet"
        extra = folder / "events" / dataset / name
        extra.parent.mkdir(exist_ok=True)
        listed = extra.exists()
        extra.write_bytes((whole / part.path).read_bytes())
        if running:
            write_manifest(folder, msgspec.structs.replace(read_manifest(folder), status="running"))
        found = open_run(folder)
        outcome(lambda: found.gaps)
        outcome(found.condition)
        outcome(lambda: sum(1 for _ in found.messages()))
        checked = outcome(lambda: verify(found))
        if not listed and dataset in ("trade", "quote", "belief"):
            assert checked is not None
            assert not checked.ok  # type: ignore[attr-defined]

    check()


@both_lengths
def test_rows_that_no_run_could_have_made_are_read_or_refused_also_where_every_digest_fits(
    changed: Callable[[], Path], whole: Path, length: settings
) -> None:
    cells = [
        (part, name, i)
        for part in read_manifest(whole).parts
        for name in read_part(whole, part).schema.names
        for i in (0, part.rows // 2, part.rows - 1)
    ]
    numbers = st.sampled_from([-(2**62), -1, 0, 1, 5, 99, 127, 10**6, 10**12, 2**62])

    @length
    @given(cell=st.sampled_from(cells), value=numbers, reader=readers(length))
    def check(cell: tuple[Any, str, int], value: int, reader: str) -> None:
        part, name, i = cell
        folder = changed()
        table = read_part(folder, part)
        field = table.schema.field(name)
        values = table[name].to_pylist()
        values[i] = other(field.type, value)
        table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        (folder / part.path).write_bytes(parquet_bytes(table))
        mend_digests(folder)
        found = open_run(folder)
        outcome(lambda: READERS[reader](found, folder.parent / "out"))
        assert outcome(lambda: verify(found)) is not None

    check()


def other(column_type: pa.DataType, value: int) -> Any:
    if pa.types.is_list(column_type):
        return [value]
    if pa.types.is_string(column_type):
        return str(value)
    if pa.types.is_boolean(column_type):
        return bool(value % 2)
    if pa.types.is_floating(column_type):
        return float("nan") if value == 99 else float("inf") if value == 127 else float(value)
    return max(-128, min(127, value)) if column_type == pa.int8() else value


def mend_digests(folder: Path) -> None:
    """Make the manifest fit what is in the parts, as somebody would who wants not to be found out."""
    manifest = read_manifest(folder)
    parts = []
    for part in manifest.parts:
        content = (folder / part.path).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        parts.append(msgspec.structs.replace(part, size_bytes=len(content), sha256=sha256))
    blocks = [digest_block(*block) for block in DirectorySource(folder).unchecked().blocks(list(manifest.counts))]
    mended = msgspec.structs.replace(
        manifest, parts=tuple(parts), blocks=tuple(b.hex() for b in blocks), digest=chain_digest(blocks)
    )
    write_manifest(folder, mended)


# --- LOBSTER ------------------------------------------------------------------------------------------------

MESSAGES = """\
34200.5,1,11,100,1000000,1
34200.500000001,1,12,70,1000300,-1
34201,2,11,40,1000000,1
34202,5,0,30,1000100,1
34203,4,7,20,1000200,-1
34203,4,7,30,1000200,-1
34204,7,0,0,-1,-1
34205,1,13,10,1000400,1
34207,6,-1,10,1000300,-1
34207,3,13,10,1000400,1
34207,7,0,0,1,-1
34208,3,12,70,1000300,-1
""".splitlines()
BOOKS = """\
1000200,50,1000000,100,9999999999,0,-9999999999,0
1000200,50,1000000,100,1000300,70,-9999999999,0
1000200,50,1000000,60,1000300,70,-9999999999,0
1000200,50,1000000,60,1000300,70,-9999999999,0
1000200,30,1000000,60,1000300,70,-9999999999,0
1000300,70,1000000,60,9999999999,0,-9999999999,0
1000300,70,1000000,60,9999999999,0,-9999999999,0
1000300,70,1000400,10,9999999999,0,1000000,60
1000300,70,1000400,10,9999999999,0,1000000,60
1000300,70,1000000,60,9999999999,0,-9999999999,0
1000300,70,1000000,60,9999999999,0,-9999999999,0
9999999999,0,1000000,60,9999999999,0,-9999999999,0
""".splitlines()
CELLS = ["", "0", "-1", "1", "7", "8", "1e9", "nan", "inf", '"5"', '"', '""', "x", " 5", "5 ", "0x10", "1,2", "1000000"]
CELLS += [
    "2147483647",
    "9223372036854775807",
    "9223372036854775808",
    "9" * 40,
    "9" * 5_000,
    "-9999999999",
    "é",
    "\0",
    ";",
]
LINES = ["", ",", "\r", "a,b,c,d,e,f", "a,b,c,d,e,f,g,h", ",,,,,", "1,1,1,1,1,1", "1,2,3,4,5,6,7,8", '"', "\ufeff1"]
change = st.one_of(
    st.tuples(st.just("cell"), st.integers(0, 11), st.integers(0, 7), st.sampled_from(CELLS)),
    st.tuples(st.just("put"), st.integers(0, 12), st.just(0), st.sampled_from(LINES)),
    st.tuples(st.just("remove"), st.integers(0, 11), st.just(0), st.just("")),
    st.tuples(st.just("repeat"), st.integers(0, 11), st.integers(0, 11), st.just("")),
)


def alter(lines: list[str], how: tuple[str, int, int, str]) -> list[str]:
    kind, at, other_at, text = how
    at = min(at, len(lines) - 1)
    if kind == "put":
        return [*lines[:at], text, *lines[at:]]
    if kind == "remove":
        return lines[:at] + lines[at + 1 :]
    if kind == "repeat":
        return [*lines[:at], lines[min(other_at, len(lines) - 1)], *lines[at:]]
    cells = lines[at].split(",")
    cells[min(other_at, len(cells) - 1)] = text
    return [*lines[:at], ",".join(cells), *lines[at + 1 :]]


@both_lengths
def test_lobster_files_changed_by_line_are_replayed_or_refused(tmp_path: Path, length: settings) -> None:
    path = tmp_path / "T_2020-01-01_34200000_57600000_message_2.csv"
    book_path = tmp_path / "T_2020-01-01_34200000_57600000_orderbook_2.csv"

    def write(messages: list[str], books: list[str]) -> None:
        path.write_text("".join(f"{line}\n" for line in messages), encoding="utf-8")
        book_path.write_text("".join(f"{line}\n" for line in books), encoding="utf-8")

    def replay() -> bool:
        day = read_lobster(path)
        memory = MemoryRecorder()
        report = import_lobster(day, memory)
        assert verify(run_in_memory(memory, header_of_day(day))).ok
        assert day.rows <= 14
        return report.exact

    write(MESSAGES, BOOKS)
    assert replay()
    assert LobsterReplay(read_lobster(path)).run().unexplained == 0

    @length
    @given(
        in_messages=st.lists(change, max_size=2),
        in_books=st.lists(change, max_size=2),
        row_in_both=st.integers(-20, 11),
    )
    def check(in_messages: list[Any], in_books: list[Any], row_in_both: int) -> None:
        messages, books = list(MESSAGES), list(BOOKS)
        for how in in_messages:
            messages = alter(messages, how)
        for how in in_books:
            books = alter(books, how)
        if row_in_both >= 0 and len(messages) > 1 and len(books) > 1:
            messages, books = (alter(lines, ("remove", row_in_both, 0, "")) for lines in (messages, books))
        write(messages, books)
        outcome(replay)

    check()
