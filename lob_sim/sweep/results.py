"""Results of a sweep as a table: in memory, and as a Parquet dataset that grows while runs finish.

The dataset is partitioned by ``status`` (Hive style), so that successes have one schema and failures another,
and any reader of Parquet can open it::

    results/status=ok/part-000000.parquet
    results/status=failed/part-000001.parquet

A part is written beside its place and moved there, so it is whole or not there at all. Parts are written
after 2 s, or after 0.5 % of the time already spent if that is longer: what a killed machine can lose stays
small, and so does the number of files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lob_sim.errors import DataError, OutputError
from lob_sim.sweep.task import FIXED_COLUMNS, OUTCOME_COLUMNS, RunRecord, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

_FLUSH_S = 2.0
_FLUSH_SHARE = 0.005


def to_frame(records: Sequence[RunRecord], points: Sequence[Mapping[str, Value]]) -> pd.DataFrame:
    """One row per record, in the order of runs; columns as :func:`lob_sim.sweep.run_many` says."""
    ok = [record for record in records if record.ok]
    failed = [record for record in records if not record.ok]
    tables = [_table(part, points) for part in (ok, failed) if part]
    return _frame(tables, parameter_paths(points))


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
        self._rows: list[RunRecord] = []
        self._started_s = self._flushed_s = time.monotonic()
        numbers = [int(path.stem.removeprefix("part-")) for path in self._parts()]
        self._next_part = 1 + max(numbers, default=-1)

    def _parts(self) -> Iterator[Path]:
        return iter(sorted(self.directory.glob("status=*/part-*.parquet")))

    def add(self, records: Iterable[RunRecord]) -> None:
        """Take finished runs, and write what is due."""
        self._rows += records
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
        name = f"part-{self._next_part:06d}.parquet"
        draft = folder / f".{name}.tmp"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                pq.write_table(table.drop_columns(["status"]), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(folder / name)
        except OSError as error:
            raise OutputError(f"cannot write results to {folder}: {error}") from error
        self._next_part += 1

    def recorded(self) -> dict[int, bool]:
        """Runs on disk: number → whether it succeeded."""
        found: dict[int, bool] = {}
        for path in self._parts():
            ok = path.parent.name == "status=ok"
            found.update((int(run), ok) for run in _read(path, ["run"])["run"].to_pylist())
        return found

    def forget_failures(self) -> None:
        """Drop the records of failed runs, so that they count as not done."""
        for path in self._parts():
            if path.parent.name == "status=failed":
                path.unlink()

    def read(self) -> pd.DataFrame:
        """Everything on disk, one row per run, in the order of runs.

        Raises:
            DataError: A part is damaged, or nothing has been written yet.
        """
        tables = []
        for path in self._parts():
            table = _read(path)
            status = path.parent.name.removeprefix("status=")
            tables.append(table.append_column("status", pa.array([status] * table.num_rows, pa.string())))
        if not tables:
            raise DataError("no run has finished yet", str(self.directory))
        return _frame(tables, parameter_paths(self._points))


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        # A file object: given a path, pyarrow would add the partition's column to the file's own.
        with path.open("rb") as file:
            return pq.read_table(file, columns=columns)
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
