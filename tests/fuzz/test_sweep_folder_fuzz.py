"""A sweep's folder, whatever has become of its files: its results, or an error of one line."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

import pytest
from fuzzing import both_lengths
from hypothesis import given, settings
from hypothesis import strategies as st

from lob_sim.errors import InputError, LobSimError, OutputError
from lob_sim.sweep import Axis, Design, Serial, Sweep, SweepPlan, TaskSpec, run_sweep


def sometimes(spec: TaskSpec) -> dict[str, float]:
    if spec.overrides["x"] == 2:
        raise ValueError("not two")
    return {"y": float(spec.overrides["x"])}


PLAN = SweepPlan(task=sometimes, design=Design((Axis("x", (1, 2, 3)),)), seeds=2)


@functools.cache
def whole() -> Path:
    folder = Path(tempfile.mkdtemp()) / "s"
    run_sweep(PLAN, folder, executor=Serial())
    return folder


def files() -> list[str]:
    found = sorted(path.relative_to(whole()).as_posix() for path in whole().rglob("*") if path.is_file())
    return [name for name in found if not name.endswith(".lock")]


def damage(path: Path, how: str, at: int, content: bytes) -> None:
    """One thing that becomes of a file."""
    old = path.read_bytes()
    if how in ("missing", "folder", "link", "dangling", "renamed"):
        path.unlink()
    if how == "flipped":
        changed = bytearray(old)
        changed[at // 8 % len(old)] ^= 1 << at % 8
        path.write_bytes(changed)
    elif how == "truncated":
        path.write_bytes(old[: at % len(old)])
    elif how == "replaced":
        path.write_bytes(content)
    elif how == "appended":
        path.write_bytes(old + content)
    elif how == "folder":
        path.mkdir()
    elif how == "link":
        path.symlink_to(path.parent)
    elif how == "dangling":
        path.symlink_to(path.with_name("nowhere"))
    elif how == "renamed":
        path.with_name(f"part-{at:06d}.parquet").write_bytes(old)
    elif how == "copied":
        path.with_name(path.name.replace("part-00000", "part-00001")).write_bytes(old)


KINDS = ["missing", "flipped", "truncated", "replaced", "appended", "folder", "link", "dangling", "renamed", "copied"]


@both_lengths
def test_damaged_sweep_folder_is_its_results_or_one_line(length: settings, tmp_path: Path) -> None:
    expected = Sweep(whole()).frame().drop(columns="run_time_s")

    @length
    @given(st.integers(0, 99), st.sampled_from(KINDS), st.integers(0, 10**5), st.binary(max_size=30))
    def check(which: int, how: str, at: int, content: bytes) -> None:
        folder = tmp_path / "s"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole(), folder)
        damage(folder / files()[which % len(files())], how, at, content)
        try:
            found = Sweep(folder).frame().drop(columns="run_time_s")
        except InputError as error:
            _one_line(error)
        else:
            # What is read is right, if not complete.
            there = expected[expected["run"].isin(found["run"])].reset_index(drop=True)
            assert found[list(set(expected) & set(found))].equals(there[list(set(expected) & set(found))])
        try:
            resumed = run_sweep(PLAN, folder, executor=Serial(), resume=True).frame()
        except (InputError, OutputError) as error:
            _one_line(error)
        else:
            assert resumed.drop(columns="run_time_s").equals(expected)

    check()


def _one_line(error: LobSimError) -> None:
    if "\n" in str(error) or not str(error):
        pytest.fail(f"no error of one line: {error!r}")
