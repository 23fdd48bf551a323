"""A run's datasets as single files for other tools."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from lob_sim.errors import InputError
from lob_sim.feeds.lobster_export import export_lobster
from lob_sim.files import make_folder, writing
from lob_sim.log.foreign import reads_logs
from lob_sim.log.run import Run
from lob_sim.log.schema import dataset_named

FORMATS = ("csv", "parquet", "lobster")


@reads_logs
def export_run(run: Run, folder: str | Path, format: str) -> list[Path]:
    """Write a run for other tools.

    ``csv`` and ``parquet`` give one file per dataset and one each for the tables ``orders`` and ``quotes``;
    numbers in CSV are those of the log, and a list is written with spaces between its numbers. ``lobster``
    gives a pair of files with 10 levels for each instrument (see
    :func:`lob_sim.feeds.lobster_export.export_lobster`).

    Args:
        run: The run.
        folder: Where to; made if it does not exist.
        format: One of :data:`FORMATS`.

    Returns:
        The files.

    Raises:
        InputError: Unknown format, or a run that cannot be written in it.
        OutputError: The files cannot be written.
    """
    target = Path(folder)
    if format == "lobster":
        pairs = [export_lobster(run, target, instrument.name) for instrument in run.header.instruments]
        return [path for pair in pairs for path in pair]
    if format not in FORMATS:
        raise InputError(f"unknown format {format!r}; expected one of {', '.join(FORMATS)}")
    make_folder(target)
    files = [_write_dataset(run, name, target / f"{name}.{format}") for name in run.counts]
    for name, frame in (("orders", run.orders), ("quotes", run.quotes)):
        path = target / f"{name}.{format}"
        table = pa.Table.from_pandas(frame, preserve_index=False)
        with writing(path) as file, _writer(file, path, table.schema) as writer:
            writer.write_table(table)
        files.append(path)
    return files


def _write_dataset(run: Run, name: str, path: Path) -> Path:
    is_csv = path.suffix == ".csv"
    schema = dataset_named(name).schema
    with writing(path) as file, ExitStack() as stack:
        writer: Any = None
        for _, batches in run.source.blocks([name]):
            if name in batches:
                batch = _flat(batches[name]) if is_csv else batches[name]
                if writer is None:
                    writer = stack.enter_context(_writer(file, path, batch.schema if is_csv else schema))
                writer.write_batch(batch)
    return path


def _writer(file: BinaryIO, path: Path, schema: pa.Schema) -> Any:
    return pa_csv.CSVWriter(file, schema) if path.suffix == ".csv" else pq.ParquetWriter(file, schema)


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Lists, which CSV does not know, as text."""
    for i, field in enumerate(batch.schema):
        if pa.types.is_list(field.type):
            numbers = batch.column(i)
            items = pa.ListArray.from_arrays(numbers.offsets, numbers.values.cast(pa.string()))
            batch = batch.set_column(i, field.name, pc.binary_join(items, " "))
    return batch
