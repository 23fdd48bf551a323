"""A small real run, and what may be left of its tables."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import strategies as st

from lob_sim import Run, run
from lob_sim.log.source import LogSource

SPIRAL = Path(__file__).parents[2] / "experiments" / "first_market.toml"
_MOST_ROWS = 30
Mask = Callable[[int], np.ndarray[Any, np.dtype[np.bool_]]]


@functools.cache
def small_run() -> Run:
    """Half a minute of the flagship with a shock that makes dealers sell and fail."""
    return run(SPIRAL, 1, overrides=["horizon=30s", "shocks.0.at=10s", "shocks.0.size=-0.3"])


@functools.cache
def few_rows(name: str) -> pd.DataFrame:
    """A few rows of a dataset, from all over the run."""
    return thinned(small_run().table(name))


def thinned(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[:: max(1, len(table) // _MOST_ROWS)].reset_index(drop=True)


# --- tables ----------------------------------------------------------------------------------------------------------


@st.composite
def mangled(draw: st.DrawFn, table: pd.DataFrame) -> pd.DataFrame:
    """What may become of a table: no rows, one, some of them, some twice, a constant, a missing value, no column."""
    how = draw(st.sampled_from(["whole", "empty", "bare", "one", "some", "constant", "missing", "reversed", "column"]))
    if how == "bare":
        return pd.DataFrame(columns=table.columns)
    if how == "empty" or not len(table):
        return table.iloc[:0]
    if how == "one":
        return table.iloc[[draw(st.integers(0, len(table) - 1))]]
    if how == "some":
        rows = draw(st.lists(st.integers(0, len(table) - 1), min_size=1, max_size=8))
        return table.iloc[sorted(rows)].reset_index(drop=True)
    if how == "reversed":
        return table.iloc[::-1]
    column = draw(st.sampled_from(list(table.columns)))
    if how == "constant":
        return table.assign(**{column: table[column].iloc[0]})
    if how == "missing":
        gone = draw(st.sampled_from([np.nan, np.inf, None, "text"]))
        return table.astype({column: object}).assign(**{column: [gone, *table[column].iloc[1:]]})
    return table.drop(columns=column) if how == "column" else table


# --- runs ------------------------------------------------------------------------------------------------------------


class PartialSource:
    """The rows of a run without some rows of its tables; its books are those of all rows."""

    def __init__(self, whole: LogSource, kept: dict[str, Mask]) -> None:
        self.path = whole.path
        self.manifest = whole.manifest
        self.problems = whole.problems
        self._whole, self._kept = whole, kept

    def counts(self) -> dict[str, int]:
        counts = {name: self.table(name).num_rows for name in self._whole.counts()}
        return {name: n for name, n in counts.items() if n}

    def seqs(self, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
        return self._whole.seqs(name)

    def table(self, name: str) -> pa.Table:
        table = self._whole.table(name)
        return table.filter(pa.array(self._kept[name](table.num_rows))) if name in self._kept else table

    def blocks(self, names: Collection[str], from_seq: int = 1) -> Iterator[Any]:
        return self._whole.blocks(names, from_seq)


class PartialRun(Run):
    """A run of which tables were emptied, cut short or thinned out; it has no gap, so that what is left is drawn."""

    gaps = ()

    def __init__(self, whole: Run, kept: dict[str, Mask]) -> None:
        super().__init__(PartialSource(whole.source, kept))
        whole.quotes  # noqa: B018  # makes the books, which all partial runs share
        self._indices = whole._indices


def _nothing(n: int) -> Any:
    return np.zeros(n, dtype=bool)


def _first(k: int) -> Mask:
    return lambda n: np.arange(n) < k


def _every(k: int) -> Mask:
    return lambda n: np.arange(n) % k == 0


_MASKS = st.one_of(
    st.just(_nothing), st.integers(1, 3).map(_first), st.integers(2, 50).map(_every), st.integers(20, 200).map(_first)
)


@st.composite
def partial_runs(draw: st.DrawFn, whole: Callable[[], Run] = small_run) -> Run:
    """A run of which some tables, or all, have lost rows."""
    found = whole()
    names = sorted(found.counts)
    lost = names if draw(st.booleans()) and draw(st.booleans()) else draw(st.lists(st.sampled_from(names), unique=True))
    return PartialRun(found, {name: draw(_MASKS) for name in lost})
