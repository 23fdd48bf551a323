"""The log's columns follow the messages, hold what is sent, and refuse what they cannot hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_streams import header, use_small_blocks

from lob_sim import messages
from lob_sim.errors import InputError, InvariantError
from lob_sim.log import DirectoryRecorder, open_run
from lob_sim.log.schema import Dataset, _arrow_type, canonical_bytes, dataset_of, message_types
from lob_sim.messages import Event, Message, NewOrder, RequestQuote, Side, Trade
from lob_sim.replay import verify

ONE = np.array([1], np.int64)
ORDER = NewOrder(0, 1, 1, Side.BUY, 10, 100)


def test_every_message_has_a_dataset_of_its_own_with_a_column_per_field() -> None:
    types = message_types()
    assert len(types) > 40
    assert len(set(types.values())) == len(types)
    for name, message_type in types.items():
        dataset = dataset_of(message_type)
        added = ["seq", "cause_seq" if issubclass(message_type, Event) else "ts_event_ns"]
        assert dataset.name == name
        assert dataset.schema.names == [*added, *message_type.__struct_fields__]
        assert not any(field.nullable for field in dataset.schema)


def test_every_message_has_a_flat_name() -> None:
    ours = [t for t in message_types().values() if t.__module__.startswith("lob_sim.")]
    assert [t for t in ours if getattr(messages, t.__name__, None) is not t] == []
    assert messages.__all__ == sorted(messages.__all__)
    assert {t.__name__ for t in ours} < set(messages.__all__)


def test_enumerations_name_their_members() -> None:
    field = dataset_of(NewOrder).schema.field("side")
    assert field.metadata == {b"members": b"1 BUY, -1 SELL"}


@pytest.mark.parametrize("side", [0, 7, -128])
def test_a_number_that_no_member_has_comes_back_as_it_was(side: int) -> None:
    odd = NewOrder(0, 1, 1, side, 10, 100)  # type: ignore[arg-type]
    dataset = dataset_of(NewOrder)
    (back,) = dataset.decode(dataset.encode([odd], ONE, ONE))
    assert back == odd


def test_lists_come_back_as_tuples() -> None:
    asked = RequestQuote(0, 1, 1, 0, 10, (2, 3, 5), 10**9)
    dataset = dataset_of(RequestQuote)
    assert dataset.decode(dataset.encode([asked, asked], np.arange(2), ONE.repeat(2))) == [asked, asked]


@pytest.mark.parametrize(
    "fields",
    [{"qty_lots": 2.5}, {"qty_lots": None}, {"price_ticks": 2**63}, {"side": 300}, {"hidden": 2}, {"qty_lots": "5"}],
)
def test_what_no_column_can_hold_is_the_senders_fault(fields: dict[str, object]) -> None:
    wrong = NewOrder(**{"instrument_id": 0, "agent_id": 1, "client_order_id": 1, "side": 1, "qty_lots": 1, **fields})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="a NewOrder does not fit the log"):
        dataset_of(NewOrder).encode([ORDER, wrong], np.arange(2), ONE.repeat(2))


def test_an_event_that_no_column_can_hold_is_our_fault() -> None:
    with pytest.raises(InvariantError, match="a Trade does not fit the log"):
        dataset_of(Trade).encode([Trade(1, 0, 1, 1.5, 1, Side.BUY, 1, 2)], ONE, ONE)  # type: ignore[arg-type]


class OfEveryKind(Event, frozen=True, gc=False):
    """A message with a field of every kind that a column can hold."""

    whole: int
    side: Side
    flag: bool
    real: float
    text: str
    wholes: tuple[int, ...]
    texts: tuple[str, ...]


int64s = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
messages_of_every_kind = st.builds(
    OfEveryKind,
    st.integers(0, 2**62), int64s, st.sampled_from(Side), st.booleans(), st.floats(allow_nan=False), texts,
    st.lists(int64s, max_size=3).map(tuple), st.lists(texts, max_size=3).map(tuple),
)  # fmt: skip


@given(st.lists(messages_of_every_kind, min_size=1, max_size=20), st.integers(0, 19))
def test_columns_are_what_pyarrow_makes_of_the_values_and_any_part_of_them_comes_back(
    messages: list[OfEveryKind], start: int
) -> None:
    dataset, start = Dataset(OfEveryKind), start % len(messages)
    numbers = np.arange(len(messages))
    batch = dataset.encode(messages, numbers, numbers)
    batch.validate(full=True)
    for field in dataset.schema.names[2:]:
        values = [getattr(message, field) for message in messages]
        assert batch.column(field).equals(pa.array(values, dataset.schema.field(field).type))
    part = batch.slice(start)
    assert dataset.decode(part) == messages[start:]
    again = dataset.encode(messages[start:], numbers[start:], numbers[start:])
    for of_part, of_whole in zip(part.columns, again.columns, strict=True):
        assert b"".join(canonical_bytes(of_part)) == b"".join(canonical_bytes(of_whole))


class Nameless(Message, frozen=True, gc=False):
    """A message of no dataset."""


def test_types_that_the_log_cannot_hold_are_refused() -> None:
    with pytest.raises(InvariantError, match="what has a type that the log cannot hold"):
        _arrow_type(dict[str, int], "odd.what")
    with pytest.raises(InvariantError, match="names no dataset"):
        dataset_of(Nameless)


@pytest.mark.parametrize("fields", [{"qty_lots": 2.5}, {"side": 300}])
def test_a_wrong_command_ends_the_run_with_what_came_before_on_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, object]
) -> None:
    use_small_blocks(monkeypatch, 500)
    monkeypatch.setattr("lob_sim.log.directory.SLICE_ROWS", 100)
    wrong = NewOrder(**{"instrument_id": 0, "agent_id": 1, "client_order_id": 1, "side": 1, "qty_lots": 1, **fields})  # type: ignore[arg-type]
    disk = DirectoryRecorder(tmp_path / "run", header())

    def run_into_it() -> None:
        with disk:
            for k in range(5000):
                disk.batch(k, wrong if k == 3000 else ORDER, [])

    with pytest.raises(InputError, match="does not fit the log"):
        run_into_it()
    run = open_run(tmp_path / "run")
    assert run.status == "failed"
    assert "does not fit the log" in run.manifest.error
    assert run.gaps == ()
    assert 0 < run.last_seq <= 3000
    assert not verify(run).problems
