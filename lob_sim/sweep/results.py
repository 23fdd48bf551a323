"""Results of a sweep as a table: in memory, and as a Parquet dataset that grows while runs finish.

The dataset is partitioned by ``status`` (Hive style), so that successes have one schema and failures another,
and any reader of Parquet can open it::

    results/status=ok/part-000000-5f0c1f3d6a2e9b84.parquet
    results/status=failed/part-000001-9d41c07be3a85f12.parquet

A part is written beside its place and moved there, so it is whole or not there at all. Its name ends with the first 16
digits of the SHA-256 of its bytes: a bit that has changed since is found when it is read. Parts are written after 2 s,
or after 0.5 % of the time already spent if that is longer: what a killed machine can lose stays small, and so does the
number of files.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lob_sim.errors import DataError
from lob_sim.files import make_folder, open_ordinary, own_folder, require_inside, write_file
from lob_sim.sweep.task import FIXED_COLUMNS, OUTCOME_COLUMNS, RunRecord, Value

_PART = re.compile(r"part-([0-9]{6,})-([0-9a-f]{16})\.parquet")
_STATUS = {"status=ok": "ok", "status=failed": "failed"}
_FLUSH_S = 2.0
_FLUSH_SHARE = 0.005


def to_frame(records: Sequence[RunRecord], points: Sequence[Mapping[str, Value]]) -> pd.DataFrame:
    """One row per record, in the order of runs; columns as :func:`lob_sim.sweep.run_many` says."""
    paths = parameter_paths(points)
    checked = [_apart(record, paths) for record in records]
    parts = ([record for record in checked if record.ok is ok] for ok in (True, False))
    tables = [_table(part, points) for part in parts if part]
    return _frame(tables, paths)


def _apart(record: RunRecord, paths: Sequence[str]) -> RunRecord:
    """The record, or, where a metric is named like a parameter that other points set, that of a failed run."""
    taken = sorted(set(record.metrics) & set(paths))
    if not taken:
        return record
    error = f"InputError: metrics named like other columns: {', '.join(taken)}"
    return msgspec.structs.replace(record, ok=False, error=error, digest="", metrics={})


def parameter_paths(points: Iterable[Mapping[str, Value]]) -> list[str]:
    """All paths that any point sets, in order of first appearance."""
    return list(dict.fromkeys(path for point in points for path in point))


class ResultStore:
    """The Parquet dataset of one sweep.

    Args:
        directory: The dataset's directory; made if it is not there.
        points: The design, which decides the parameter columns and their types.
    """

    def __init__(self, directory: Path, points: Sequence[Mapping[str, Value]]) -> None:
        self.directory = directory
        self._points = points
        self._paths = parameter_paths(points)
        self._rows: list[RunRecord] = []
        self._started_s = self._flushed_s = time.monotonic()
        numbers = [int(path.stem.split("-")[1]) for path in self._parts()]
        self._next_part = 1 + max(numbers, default=-1)

    def _parts(self) -> list[Path]:
        """Parts in order of their numbers.

        Raises:
            DataError: Something among them is no part.
        """
        found = []
        try:
            for folder in sorted(self.directory.glob("status=*")):
                if folder.name not in _STATUS or not folder.is_dir():
                    raise DataError(f"is no folder of results: expected {' or '.join(_STATUS)}", str(folder))
                # A draft, whose name begins with a point, was left by a session that was killed.
                found += [path for path in folder.iterdir() if not path.name.startswith(".")]
        except OSError as error:
            raise DataError(f"cannot be read: {error.strerror}", str(self.directory)) from error
        for path in found:
            if _PART.fullmatch(path.name) is None:
                expected = "expected part-NUMBER-CHECKSUM.parquet"
                raise DataError(f"is no part of the results: {expected}", str(path))
        return sorted(found, key=lambda path: path.name)

    def add(self, records: Iterable[RunRecord]) -> None:
        """Take finished runs, and write what is due."""
        self._rows += (_apart(record, self._paths) for record in records)
        now_s = time.monotonic()
        if now_s - self._flushed_s >= max(_FLUSH_S, _FLUSH_SHARE * (now_s - self._started_s)):
            self.flush()

    def flush(self) -> None:
        """Write everything that was taken.

        Raises:
            OutputError: The disk is full, or the directory cannot be written.
        """
        for status, ok in (("ok", True), ("failed", False)):
            rows = [record for record in self._rows if record.ok is ok]
            if rows:
                self._write(_table(rows, self._points), self.directory / f"status={status}")
        self._rows.clear()
        self._flushed_s = time.monotonic()

    def _write(self, table: pa.Table, folder: Path) -> None:
        buffer = io.BytesIO()
        pq.write_table(table.drop_columns(["status"]), buffer)
        content = buffer.getvalue()
        make_folder(own_folder(folder.parent, folder.name))
        write_file(folder / f"part-{self._next_part:06d}-{_checksum(content)}.parquet", content)
        self._next_part += 1

    def recorded(self) -> dict[int, bool]:
        """Runs on disk: number → whether it succeeded.

        Raises:
            DataError: A part is damaged.
        """
        return {int(run): ok for ok, table in self._tables() for run in table["run"].to_pylist()}

    def forget_failures(self) -> None:
        """Drop the records of failed runs, so that they count as not done."""
        for path in self._parts():
            if _STATUS[path.parent.name] == "failed":
                path.unlink()

    def read(self) -> pd.DataFrame:
        """Everything on disk, one row per run, in the order of runs.

        Raises:
            DataError: A part is damaged, or nothing has been written yet.
        """
        tables = []
        for ok, table in self._tables():
            status = pa.array(["ok" if ok else "failed"] * table.num_rows, pa.string())
            tables.append(table.append_column("status", status))
        if not tables:
            raise DataError("no run has finished yet", str(self.directory))
        return _frame(tables, self._paths)

    def _tables(self) -> list[tuple[bool, pa.Table]]:
        """The parts, each with whether its runs succeeded.

        Raises:
            DataError: A part is damaged, is another sweep's, or has a run that another has too.
        """
        kinds = {name: pa.int64() for name in FIXED_COLUMNS}
        kinds |= {path: _parameter_type([p[path] for p in self._points if path in p]) for path in self._paths}
        kinds |= {"error": pa.string(), "trace": pa.string(), "digest": pa.string(), "run_time_s": pa.float64()}
        found, seen = [], set[int]()
        for path in self._parts():
            table = _read(path)
            there = {field.name: field.type for field in table.schema}
            metrics = {name: pa.float64() for name in there if name not in kinds}
            if there != {**metrics, **kinds}:
                raise DataError("is a part of another sweep: its columns are not this one's", str(path))
            runs, points = table["run"].to_pylist(), table["point"].to_pylist()
            if not all(isinstance(p, int) and 0 <= p < len(self._points) for p in points):
                raise DataError("is a part of another sweep: it has a point that this one has not", str(path))
            if len(set(runs)) < len(runs) or not seen.isdisjoint(runs):
                raise DataError("has a run that is on record already", str(path))
            seen.update(runs)
            found.append((_STATUS[path.parent.name] == "ok", table))
        return found


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _read(path: Path) -> pa.Table:
    try:
        with open_ordinary(require_inside(path.parents[2], path)) as file:
            content = file.read()
        if path.stem.split("-")[2] != _checksum(content):
            raise DataError("is damaged: its content does not have the checksum in its name", str(path))
        # A buffer: given a path, pyarrow would add the partition's column to the file's own.
        return pq.read_table(io.BytesIO(content))
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"is not a whole Parquet file of results: {error}", str(path)) from error


def _table(records: Sequence[RunRecord], points: Sequence[Mapping[str, Value]]) -> pa.Table:
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(record, name) for record in records], pa.int64()) for name in FIXED_COLUMNS
    }
    for path in parameter_paths(points):
        kind = _parameter_type([point[path] for point in points if path in point])
        cast = str if kind == pa.string() else (lambda value: value)
        cells = [points[record.point].get(path) for record in records]
        columns[path] = pa.array([None if cell is None else cast(cell) for cell in cells], kind)
    columns["status"] = pa.array(["ok" if record.ok else "failed" for record in records], pa.string())
    for name in ("error", "trace", "digest"):
        columns[name] = pa.array([getattr(record, name) for record in records], pa.string())
    columns["run_time_s"] = pa.array([record.run_time_s for record in records], pa.float64())
    for name in sorted({name for record in records for name in record.metrics}):
        columns[name] = pa.array([record.metrics.get(name) for record in records], pa.float64())
    return pa.table(columns)


def _parameter_type(values: Sequence[Value]) -> Any:
    kinds = {type(value) for value in values}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    if kinds <= {int, float}:
        return pa.float64()
    return pa.string()


def _frame(tables: Sequence[pa.Table], paths: Sequence[str]) -> pd.DataFrame:
    whole = pa.concat_tables(tables, promote_options="default")
    known = [*FIXED_COLUMNS, *paths, *OUTCOME_COLUMNS]
    metrics = sorted(set(whole.column_names) - set(known))
    frame: pd.DataFrame = whole.select([*known, *metrics]).sort_by("run").to_pandas()
    frame.attrs["parameters"] = list(paths)
    frame.attrs["metrics"] = metrics
    return frame
