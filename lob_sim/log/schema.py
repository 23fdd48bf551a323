"""Messages as columns and back: the schema of the log, derived from :mod:`lob_sim.messages` alone.

One dataset per message type. A column per field of the message, after ``seq`` and one more column:

- of commands ``ts_event_ns``, the time of arrival at the venue, which the message itself does not carry;
- of events ``cause_seq``, the ``seq`` of the command that caused it, or 0 where no command did.

Enumerations are stored as their number; the column's metadata names the members.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from itertools import accumulate, chain
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lob_sim.convert import did_you_mean
from lob_sim.errors import DataError, InputError, InvariantError, LobSimError, shown
from lob_sim.messages import Command, Message

SCHEMA_VERSION = 2
"""Version of the run directory's format and of what its columns mean; docs/logs.md says when it is counted up."""

Int64 = NDArray[np.int64]
_NUMPY_OF = {pa.int64(): np.int64, pa.int8(): np.int8, pa.bool_(): np.bool_}


class Dataset:
    """How the messages of one type are stored.

    Args:
        message_type: A concrete class of message.

    Attributes:
        name: Name of the dataset.
        message_type: The class.
        is_command: Whether the messages are commands.
        schema: Arrow schema, with the two columns that the recorder adds in front.
    """

    def __init__(self, message_type: type[Message]) -> None:
        self.name = message_type.dataset
        self.message_type = message_type
        self.is_command = issubclass(message_type, Command)
        hints = get_type_hints(message_type)
        self._fields = tuple(message_type.__struct_fields__)
        self._enums: dict[str, type[IntEnum]] = {f: hints[f] for f in self._fields if _is_enum(hints[f])}
        self._members = {f: _Members({int(m): m for m in enum}) for f, enum in self._enums.items()}
        own = [pa.field(f, _arrow_type(hints[f], f"{self.name}.{f}"), False, self._names_of(f)) for f in self._fields]
        added = ["seq", "ts_event_ns" if self.is_command else "cause_seq"]
        self.schema = pa.schema([*(pa.field(name, pa.int64(), False) for name in added), *own])

    def __reduce__(self) -> tuple[Any, ...]:
        # There is one of each, by its name.
        return dataset_named, (self.name,)

    def _names_of(self, field: str) -> dict[str, str] | None:
        enum = self._enums.get(field)
        return {"members": ", ".join(f"{int(m)} {m.name}" for m in enum)} if enum else None

    def encode(self, messages: Sequence[Message], seq: Int64, added: Int64) -> pa.RecordBatch:
        """Make columns of messages.

        Args:
            messages: Messages of this type, in order of ``seq``.
            seq: Their global numbers.
            added: Time of arrival of commands, ``cause_seq`` of events.

        Raises:
            InputError: A command holds a value that its column cannot.
            InvariantError: An event does.
        """
        columns = Columns(self)
        columns.add(columns.prepare(messages), seq, added)
        return columns.build()

    def decode(self, batch: pa.RecordBatch) -> list[Message]:
        """Make messages of columns; the inverse of :meth:`encode`."""
        columns: list[Sequence[Any]] = []
        for name in self._fields:
            values = to_list(batch.column(name))
            if name in self._members:
                values = list(map(self._members[name].__getitem__, values))
            columns.append(values)
        return list(map(self.message_type, *columns))

    def require(self, schema: pa.Schema, where: str) -> None:
        """Check that what a file says of its columns is this dataset's schema.

        An enumeration may have got more members since the file was written, but its numbers mean what they did.

        Raises:
            DataError: It has other columns, types or members.
        """
        if not schema.equals(self.schema):
            found = ", ".join(f"{f.name}: {f.type}" for f in schema)
            expected = ", ".join(f"{f.name}: {f.type}" for f in self.schema)
            raise DataError(f"has the columns ({found}); expected ({expected})", where)
        for name in self._enums:
            found, expected = (_members_text(s.field(name)) for s in (schema, self.schema))
            if not set(found.split(", ")) <= set(expected.split(", ")):
                raise DataError(f"{name} has the members ({found}); expected ({expected})", where)


class Columns:
    """Columns of one dataset that grow by a few thousand messages at a time.

    Args:
        dataset: Of which dataset.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._types = dataset.schema.types[2:]
        self._is_whole = all(t in _NUMPY_OF for t in self._types)
        self._narrow = [(i, t) for i, t in enumerate(self._types) if t in _NUMPY_OF and t != pa.int64()]
        self._seq: list[Int64] = []
        self._added: list[Int64] = []
        self._values = bytearray()
        self._mixed: list[list[pa.Array]] = []

    def prepare(self, messages: Sequence[Message]) -> Any:
        """Make of messages of the dataset's type what :meth:`add` takes.

        Raises:
            InputError: A command holds a value that its column cannot.
            InvariantError: An event does.
        """
        rows = map(msgspec.structs.astuple, messages)
        try:
            if self._is_whole:
                # One pass over all fields of all rows is a third faster than one pass per field.
                values = _packed(chain.from_iterable(rows), len(messages) * len(self._types))
                table = np.frombuffer(values, np.int64).reshape(-1, len(self._types))
                for i, column_type in self._narrow:
                    _narrow(table[:, i], column_type)
                return values
            columns = zip(zip(*rows, strict=True), self._types, strict=True)
            return [_column_of(values, column_type) for values, column_type in columns]
        except (struct.error, TypeError, ValueError, OverflowError, pa.ArrowException) as error:
            raise self._misfit(error, messages) from error

    def add(self, prepared: Any, seq: Int64, added: Int64) -> None:
        """Add what :meth:`prepare` has made of messages in order of ``seq``."""
        if self._is_whole:
            self._values += prepared
        else:
            self._mixed.append(prepared)
        self._seq.append(seq)
        self._added.append(added)

    def build(self) -> pa.RecordBatch:
        """All rows added so far."""
        if self._is_whole:
            table = np.frombuffer(self._values, np.int64).reshape(-1, len(self._types))
            pairs = zip(np.ascontiguousarray(table.T), self._types, strict=True)
            columns = [_column(_narrow(column, t), t) for column, t in pairs]
        else:
            columns = [pa.concat_arrays(parts) for parts in zip(*self._mixed, strict=True)]
        added = [_column(np.concatenate(parts), pa.int64()) for parts in (self._seq, self._added)]
        return pa.RecordBatch.from_arrays([*added, *columns], schema=self._dataset.schema)

    def _misfit(self, error: Exception, messages: Sequence[Message]) -> LobSimError:
        wrong = next((m for m in messages if not _is_whole(msgspec.structs.astuple(m))), "") if self._is_whole else ""
        what = f"a {self._dataset.message_type.__name__} does not fit the log, which holds whole numbers"
        # What a strategy sends is not ours to answer for.
        fault = InputError if self._dataset.is_command else InvariantError
        return fault(f"{what} of 64 bits: {error} {wrong}".rstrip())


def _packed(values: Iterable[int], n: int) -> bytes:
    """Whole numbers in 64 bits each. Unlike numpy it refuses a float, and it takes half of an array's time."""
    return struct.pack(f"{n}q", *values)


def _column(values: NDArray[Any], column_type: pa.DataType) -> pa.Array:
    """A column over a numpy array, without a copy.

    ``pyarrow.array`` would import pandas to see what it is handed, which takes as long and as much memory as all else
    that a run imports.
    """
    n = len(values)
    if column_type == pa.bool_():
        values = np.packbits(values, bitorder="little")
    return pa.Array.from_buffers(column_type, n, [None, pa.py_buffer(values)])


def _column_of(values: Sequence[Any], column_type: pa.DataType) -> pa.Array:
    """A column of the values of one field."""
    if column_type in _NUMPY_OF:
        numbers = np.frombuffer(_packed(values, len(values)), np.int64)
        return _column(_narrow(numbers, column_type), column_type)
    if column_type == pa.float64():
        return _column(np.frombuffer(array("d", values), np.float64), column_type)
    if pa.types.is_list(column_type):
        items = _column_of(list(chain.from_iterable(values)), column_type.value_type)
        return pa.Array.from_buffers(column_type, len(values), [None, _offsets(values)], children=[items])
    texts = list(map(str.encode, values))
    return pa.Array.from_buffers(column_type, len(values), [None, _offsets(texts), pa.py_buffer(b"".join(texts))])


def _offsets(values: Sequence[Sequence[Any]]) -> pa.Buffer:
    """Where each of some lists or texts begins among all, and where the last ends."""
    ends = np.fromiter(accumulate(map(len, values), initial=0), np.int32, len(values) + 1)
    return pa.py_buffer(ends)


def _is_whole(values: tuple[Any, ...]) -> bool:
    return all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in values)


def _narrow(column: Int64, column_type: pa.DataType) -> NDArray[Any]:
    narrow: NDArray[Any] = column.astype(_NUMPY_OF[column_type], copy=False)
    if narrow is not column and not np.array_equal(narrow, column):
        raise ValueError(f"a number too large for {column_type}")
    return narrow


class _Members(dict[int, int]):
    """Members of an enumeration by number."""

    def __missing__(self, number: int) -> int:
        # A refused command may say anything, and is on the log as it was.
        return number


def _members_text(field: pa.Field) -> str:
    metadata: dict[bytes, bytes] = field.metadata or {}
    return metadata.get(b"members", b"").decode()


def _is_enum(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(hint, IntEnum)


def _arrow_type(hint: object, where: str) -> pa.DataType:
    if _is_enum(hint):
        return pa.int8()
    for python, arrow in ((bool, pa.bool_()), (int, pa.int64()), (float, pa.float64()), (str, pa.string())):
        if hint is python:
            return arrow
        if get_origin(hint) is tuple and get_args(hint) == (python, Ellipsis):
            return pa.list_(pa.field("item", arrow, False))
    raise InvariantError(f"{where} has a type that the log cannot hold: {hint}")


def to_list(column: pa.Array) -> list[Any]:
    """A column as Python values; lists become tuples, as in messages."""
    if pa.types.is_list(column.type):
        return list(map(tuple, column.to_pylist()))
    if pa.types.is_string(column.type):
        values: list[Any] = column.to_pylist()
        return values
    return _numbers(column).tolist()  # type: ignore[no-any-return]


def _numbers(column: pa.Array) -> NDArray[Any]:
    """A column of numbers or truth values, none of them missing, as a numpy array; the inverse of :func:`_column`."""
    start, end = column.offset, column.offset + len(column)
    # Of a column without rows there may be no buffer.
    buffer = column.buffers()[1] if end else b""
    if column.type == pa.bool_():
        bits = np.frombuffer(buffer, np.uint8, (end + 7) // 8)
        return np.unpackbits(bits, count=end, bitorder="little")[start:].astype(np.bool_)
    return np.frombuffer(buffer, column.type.to_pandas_dtype(), end)[start:]


def canonical_bytes(column: pa.Array) -> Iterator[bytes]:
    """The content of a column, the same whatever the layout in memory: what digests are made of."""
    if pa.types.is_list(column.type):
        yield np.diff(_numbers(column.offsets)).tobytes()
        yield from canonical_bytes(column.flatten())
    elif pa.types.is_string(column.type):
        texts = [text.encode() for text in column.to_pylist()]
        yield np.fromiter(map(len, texts), np.int64, len(texts)).tobytes()
        yield b"".join(texts)
    else:
        yield _numbers(column).tobytes()


class _Datasets(dict[type[Message], Dataset]):
    def __missing__(self, message_type: type[Message]) -> Dataset:
        if not message_type.dataset:
            raise InvariantError(f"{message_type.__name__} names no dataset and cannot be on the log")
        dataset = self[message_type] = Dataset(message_type)
        return dataset


_BY_TYPE = _Datasets()


def dataset_of(message_type: type[Message]) -> Dataset:
    """The dataset of a class of message."""
    return _BY_TYPE[message_type]


def message_types() -> dict[str, type[Message]]:
    """Every class of message that can be on a log, by the name of its dataset, in order of name."""
    found: dict[str, type[Message]] = {}
    pending: list[type[Message]] = [Message]
    while pending:
        parent = pending.pop()
        pending += parent.__subclasses__()
        if parent.dataset:
            found[parent.dataset] = parent
    return dict(sorted(found.items()))


_BY_NAME: dict[str, Dataset] = {}


def dataset_named(name: str) -> Dataset:
    """The dataset of a name.

    Raises:
        DataError: No message type has such a dataset; suggests the nearest.
    """
    if not isinstance(name, str):
        raise DataError(f"expected the name of a dataset, got {shown(name)}")
    if name not in _BY_NAME:
        types = message_types()
        if name not in types:
            raise DataError(f"no dataset is named {name!r}" + did_you_mean(name, list(types)))
        _BY_NAME[name] = dataset_of(types[name])
    return _BY_NAME[name]
