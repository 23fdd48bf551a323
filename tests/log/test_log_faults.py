"""Run directories that were written badly, or by somebody else, and once were read or written wrongly."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import msgspec
import pytest
from log_streams import cheap_stream, drive, header, mixed_stream

from lob_sim.errors import DataError, InputError, InvariantError, LobSimError, OutputError
from lob_sim.feeds.export import export_run
from lob_sim.files import own_folder, safe_name, safe_names, within, write_file, writing
from lob_sim.log import DirectoryRecorder, open_run
from lob_sim.log.manifest import read_manifest, write_manifest
from lob_sim.messages import CancelOrder, DealerDefaulted, FairValue, NewOrder, SelfTradePrevention, Side
from lob_sim.replay import verify

TOO_LARGE = CancelOrder(0, 1, client_order_id=2**63)


def small_run(folder: Path, n: int = 300) -> Path:
    with DirectoryRecorder(folder, header()) as disk:
        drive(disk, mixed_stream(3, n), header())
    return folder


# --- what the log cannot hold -------------------------------------------------------------------------------

MISFITS: dict[str, tuple[Callable[[Any], None], type[LobSimError]]] = {
    "cancel(0, 2**63)": (lambda disk: disk.batch(10**9, TOO_LARGE, []), InputError),
    "an enumeration of 300": (
        lambda disk: disk.batch(10**9, NewOrder(0, 1, 9**9, Side.BUY, 1, self_trade=300), []),  # type: ignore[arg-type]
        InputError,
    ),
    "a fair value that is text": (lambda disk: disk.record(FairValue(10**9, 0, "high", False)), InvariantError),  # type: ignore[arg-type]
    "cash of 9.2e16 in cents and more": (
        lambda disk: disk.record(
            msgspec.structs.replace(
                DealerDefaulted(**dict.fromkeys(DealerDefaulted.__struct_fields__, 0)), agent_id=92 * 10**18
            )
        ),
        InvariantError,
    ),
}


@pytest.mark.parametrize("kind", MISFITS)
@pytest.mark.parametrize("n_before", [0, 700, 5000])
@pytest.mark.parametrize("n_after", [0, 900])
def test_a_value_that_does_not_encode_ends_as_failed_with_the_error_and_every_row_before_it(
    tmp_path: Path, kind: str, n_before: int, n_after: int
) -> None:
    log, fault = MISFITS[kind]
    good = 0

    def go() -> None:
        nonlocal good
        with DirectoryRecorder(tmp_path / "run", header()) as disk:
            drive(disk, cheap_stream(n_before), header())
            good = disk.rows
            log(disk)
            for k in range(n_after):
                disk.record(FairValue(10**10, 0, 1.0 * k, False))

    with pytest.raises(fault, match="does not fit the log"):
        go()
    run = open_run(tmp_path / "run")
    assert run.status == "failed"
    assert "does not fit the log" in run.manifest.error
    assert run.last_seq == run.manifest.rows == good
    assert run.gaps == ()
    assert verify(run).ok


def test_control_the_largest_values_that_a_column_holds_are_kept(tmp_path: Path) -> None:
    with DirectoryRecorder(tmp_path / "run", header()) as disk:
        disk.batch(0, CancelOrder(0, 1, client_order_id=2**63 - 1), [])
        disk.batch(0, NewOrder(0, 1, 1, Side.BUY, 1, self_trade=127), [])  # type: ignore[arg-type]
        disk.batch(0, NewOrder(0, 1, 2, Side.BUY, 1, self_trade=SelfTradePrevention.NONE), [])
    assert open_run(tmp_path / "run").manifest.rows == 3


def test_an_error_that_no_text_can_say_is_kept_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(ValueError), DirectoryRecorder(tmp_path / "run", header()):
        raise ValueError("half a letter: \ud800")
    assert open_run(tmp_path / "run").manifest.error == "ValueError: half a letter: \\ud800"


# --- one folder, one run ------------------------------------------------------------------------------------


def test_of_many_runs_into_one_folder_at_the_same_moment_one_alone_gets_it(tmp_path: Path) -> None:
    for attempt in range(20):
        outcomes: list[str] = []
        at_once = threading.Barrier(4)

        def start(folder: Path = tmp_path / f"{attempt}", gate: threading.Barrier = at_once) -> None:
            gate.wait()
            try:
                with DirectoryRecorder(folder, header()) as disk:
                    disk.record(FairValue(0, 0, 1.0, False))
                outcomes.append("done")  # noqa: B023
            except OutputError as error:
                outcomes.append(str(error))  # noqa: B023

        threads = [threading.Thread(target=start) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert outcomes.count("done") == 1
        assert sum("not empty" in each for each in outcomes) == 3
        assert verify(open_run(tmp_path / f"{attempt}")).ok


def test_a_folder_claimed_between_the_look_and_the_claim_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have seen an empty folder: the slowest possible interleaving."""
    small_run(tmp_path / "run", 20)
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(()))
    with pytest.raises(OutputError, match="not empty"):
        DirectoryRecorder(tmp_path / "run", header())


def test_a_folder_in_which_the_manifest_could_not_be_written_can_be_taken_later(tmp_path: Path) -> None:
    wrong = msgspec.structs.replace(header(), scenario={"x": 10**30, "y": object()})
    with pytest.raises(InputError, match="cannot be kept"):
        DirectoryRecorder(tmp_path / "run", wrong)
    assert verify(open_run(small_run(tmp_path / "run"))).ok


# --- names and files ----------------------------------------------------------------------------------------

HOSTILE_NAMES = ["../../../x", "/elsewhere/y", "EUR/USD", "..", ".hidden", "-rf", "nul", "COM1.txt", "a\0b", "a\nb", ""]


@pytest.mark.parametrize("name", [*HOSTILE_NAMES, "\ud800", "x" * 500, "漢" * 200, "C:\\x", "a\u202eb"])
def test_a_name_made_safe_is_one_visible_file_in_its_folder(name: str, tmp_path: Path) -> None:
    safe = safe_name(name)
    for flavour in (PurePosixPath, PureWindowsPath):
        assert flavour(safe).parts == (safe,)
    assert not safe.startswith((".", "-"))
    assert safe.isprintable()
    assert len(safe.encode()) <= 101
    (tmp_path / safe).write_text("")
    assert [path.name for path in tmp_path.iterdir()] == [safe]


def test_control_a_plain_name_stays_as_it_is_and_no_two_are_alike() -> None:
    assert safe_names(["treasury", "US_10Y.note", "Ünit-1"]) == ["treasury", "US_10Y.note", "Ünit-1"]
    names = safe_names(["EUR/USD", "EUR_USD", "eur_usd", "EUR/USD"])
    assert len({name.lower() for name in names}) == 4


@pytest.mark.parametrize("name", ["../../../x", "/elsewhere/y", "EUR/USD"])
def test_an_instrument_named_like_a_path_is_exported_into_the_folder(tmp_path: Path, name: str) -> None:
    head = header()
    head = msgspec.structs.replace(head, instruments=(msgspec.structs.replace(head.instruments[0], name=name),))
    with DirectoryRecorder(tmp_path / "in" / "run", head) as disk:
        drive(disk, mixed_stream(3, 100), head)
    before = set(tmp_path.rglob("*"))
    files = export_run(open_run(tmp_path / "in" / "run"), tmp_path / "out" / "lobster", "lobster")
    assert {path.parent for path in files} == {tmp_path / "out" / "lobster"}
    made = set(tmp_path.rglob("*")) - before
    assert made == {tmp_path / "out", tmp_path / "out" / "lobster", *files}


def test_a_link_under_the_name_of_a_file_or_of_its_draft_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("page.html", ".page.html.tmp", ".page.html"):
        (folder / name).symlink_to(precious)
    write_file(folder / "page.html", b"new")
    assert precious.read_text() == "mine"
    assert (folder / "page.html").read_bytes() == b"new"
    assert not (folder / "page.html").is_symlink()
    (folder / "figures").symlink_to(tmp_path)
    with pytest.raises(OutputError, match="is a link"):
        own_folder(folder, "figures")


def test_drafts_have_new_names_that_cannot_be_planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    (tmp_path / ".page.html.00.tmp").symlink_to(precious)
    monkeypatch.setattr("lob_sim.files.secrets.token_hex", lambda n: "00")  # as if the name had been guessed
    with pytest.raises(OutputError, match=r"page\.html: cannot be written"):
        write_file(tmp_path / "page.html", b"new")
    assert precious.read_text() == "mine"
    assert not (tmp_path / "page.html").exists()


def test_a_file_that_fails_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    write_file(tmp_path / "a", b"old")

    def fail() -> None:
        with writing(tmp_path / "a") as file:
            file.write(b"ne")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_places_of_parts_are_written_alike_on_every_system(tmp_path: Path) -> None:
    part = "events/trade/part-000000000001-000000000300.parquet"
    assert within(PureWindowsPath("C:\\runs\\a"), PureWindowsPath("C:\\runs\\a") / part) == part
    assert within(PurePosixPath("/runs/a"), PurePosixPath("/runs/a") / part) == part
    run = open_run(small_run(tmp_path / "run"))
    assert run.problems == ()  # a listed part that were known by another path would be one
    assert all("\\" not in part.path for part in run.manifest.parts)


# --- manifests and parts of strangers -----------------------------------------------------------------------


def edit_manifest(folder: Path, change: Callable[[Any], None]) -> None:
    raw = json.loads((folder / "manifest.json").read_text())
    change(raw)
    (folder / "manifest.json").write_text(json.dumps(raw))


def set_in(*path: Any) -> Callable[[Any], None]:
    *way, last, value = path

    def change(raw: Any) -> None:
        for step in way:
            raw = raw[step]
        raw[last] = value

    return change


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (set_in("status", "splendid"), "status"),
        (set_in("rows", -1), "rows"),
        (set_in("rows", 10**30), "rows|not a manifest"),
        (set_in("last_ts_ns", 2**63), "last_ts_ns"),
        (set_in("digest", "abc"), "digest"),
        (set_in("blocks", 0, "z" * 64), "blocks"),
        (set_in("counts", "nothing", 3), "counts.nothing"),
        (set_in("parts", 0, "dataset", "../../../../etc"), r"parts\[0\].dataset"),
        (set_in("parts", 0, "dataset", "/etc"), r"parts\[0\].dataset"),
        (set_in("parts", 0, "first_seq", 0), r"parts\[0\]"),
        (set_in("parts", 0, "last_seq", 10**12), r"parts\[0\]"),
        (set_in("parts", 0, "rows", 10**9), r"parts\[0\]"),
        (set_in("parts", 0, "sha256", ""), r"parts\[0\].sha256"),
        (lambda raw: raw["parts"].append(raw["parts"][0]), "parts: lists a part twice"),
        (set_in("header", "instruments", 0, "instrument_id", 7), "instrument_id"),
        (set_in("header", "instruments", 0, "tick_size", "NaN"), "tick_size"),
        (set_in("header", "instruments", 0, "tick_size", "1e1000000"), "tick_size"),
        (set_in("header", "instruments", 0, "lot_size", "0"), "lot_size"),
        (set_in("header", "instruments", 0, "cash_per_tick_lot", 0), "cash_per_tick_lot"),
        (set_in("header", "agents", 2, "agent_id", 99), r"agents\[2\]"),
        (set_in("header", "scenario", nested(200)), "nested too deeply"),
    ],
)
def test_a_manifest_that_says_what_no_run_writes_is_refused_by_the_field(
    tmp_path: Path, change: Callable[[Any], None], field: str
) -> None:
    folder = small_run(tmp_path / "run")
    edit_manifest(folder, change)
    with pytest.raises(DataError, match=field) as caught:
        open_run(folder)
    assert caught.value.where == str(folder / "manifest.json")


def test_a_manifest_nested_100_000_deep_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = small_run(tmp_path / "run")
    for content in ("[" * 100_000, '{"schema_version": 1, "header": ' + '{"scenario":' * 100_000):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(DataError, match="not a manifest") as caught:
            open_run(folder)
        assert caught.value.where == str(folder / "manifest.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("where", ["manifest.json", "part"])
def test_a_pipe_in_place_of_a_file_is_not_waited_for(tmp_path: Path, where: str) -> None:
    folder = small_run(tmp_path / "run")
    part = read_manifest(folder).parts[0]
    path = folder / ("manifest.json" if where == "manifest.json" else part.path)
    path.unlink()
    os.mkfifo(path)
    if where == "manifest.json":
        with pytest.raises(DataError, match="no ordinary file"):
            open_run(folder)
        return
    run = open_run(folder)
    assert run.status == "damaged"
    assert any("no ordinary file" in problem.what for problem in run.problems)
    assert not verify(run).ok


def test_no_link_of_a_run_directory_is_followed(tmp_path: Path) -> None:
    folder, other = small_run(tmp_path / "run"), small_run(tmp_path / "other")
    part = read_manifest(folder).parts[0]
    # A part, the folder of a dataset, all events, the manifest itself: each in turn is the same content elsewhere.
    for name in (part.path, f"events/{part.dataset}", "events"):
        kept = tmp_path / "kept"
        (folder / name).rename(kept)
        (folder / name).symlink_to(other / name)
        run = open_run(folder)
        assert run.status == "damaged"
        assert any("is a link" in problem.what for problem in run.problems)
        (folder / name).unlink()
        kept.rename(folder / name)
        assert open_run(folder).status == "complete"
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").symlink_to(other / "manifest.json")
    with pytest.raises(DataError, match="is a link"):
        open_run(folder)


def test_a_changed_part_is_never_read_as_if_it_were_the_one_that_was_written(tmp_path: Path) -> None:
    folder = small_run(tmp_path / "run")
    part = next(part for part in read_manifest(folder).parts if part.dataset == "new_order")
    content = bytearray((folder / part.path).read_bytes())
    for position in range(8, len(content) - 8, max(1, len(content) // 30)):
        changed = bytearray(content)
        changed[position] ^= 1
        (folder / part.path).write_bytes(changed)
        with pytest.raises(DataError, match="SHA-256 differs") as caught:
            open_run(folder).table("new_order")
        assert part.path in caught.value.where
    (folder / part.path).write_bytes(content)
    assert len(open_run(folder).table("new_order"))


@pytest.mark.parametrize(
    "name",
    [
        "part-000000000001-999999999999.parquet",
        "part-999999999999-000000000001.parquet",
        "part-1-2.parquet",
        "part--5-3.parquet",
        "part-000000000301-000000000x01.parquet",
    ],
)
def test_parts_of_a_range_that_no_chunk_has_are_left_alone(tmp_path: Path, name: str) -> None:
    folder = small_run(tmp_path / "run")
    part = read_manifest(folder).parts[0]
    (folder / "events" / part.dataset / name).write_bytes((folder / part.path).read_bytes())
    rows = open_run(folder).last_seq
    write_manifest(folder, msgspec.structs.replace(read_manifest(folder), status="running"))
    run = open_run(folder)
    assert [problem.what for problem in run.problems] == ["is not a part of a log"]
    assert run.last_seq == rows
    assert len(list(run.messages())) == rows
