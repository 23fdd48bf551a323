"""Balance sheets at the frames of a replay: the last rows of what desks log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lob_sim.analysis.tables import Floats, floats, ints, value_at
from lob_sim.errors import DataError
from lob_sim.log.run import Run
from lob_sim.messages import MarkSource
from lob_sim.report.data.common import table_rows
from lob_sim.report.data.headroom import headroom
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks


class SheetFrame(NamedTuple):
    """A balance sheet at one time; money in cash units, tuples by ``instrument_id``.

    Attributes:
        cash: Cash and reserves.
        other_assets_cash: Assets that are not traded.
        short_term_cash: Deposits and short-term funding.
        due_cash: Funding that must be repaid now.
        repo_cash: Secured loans.
        short_cash: Short positions at their marks.
        adjustment_cash: Prudent valuation adjustment.
        tier1_cash: Tier 1 capital.
        lots: Positions, as booked.
        marks_ticks: Marks.
        sources: Where the marks come from.
        forced_lots: Lots of parent orders still to be sold.
    """

    cash: Cash
    other_assets_cash: Cash
    short_term_cash: Cash
    due_cash: Cash
    repo_cash: Cash
    short_cash: Cash
    adjustment_cash: Cash
    tier1_cash: Cash
    lots: tuple[Lots, ...]
    marks_ticks: tuple[Ticks, ...]
    sources: tuple[MarkSource, ...]
    forced_lots: tuple[Lots, ...]

    @property
    def assets_cash(self) -> Cash:
        """All assets at their marks: what is owed, adjustment and Tier 1 together."""
        debt = self.short_term_cash + self.due_cash + self.repo_cash + self.short_cash
        return debt + self.adjustment_cash + self.tier1_cash


def sheet_frames(run: Run, times_ns: Sequence[Ns]) -> dict[int, list[SheetFrame]]:
    """Every balance sheet on the log at each time, after everything up to it.

    Args:
        run: The run.
        times_ns: Increasing times, from 0.

    Returns:
        By ``agent_id``, in increasing order, a frame for each time; one that has not changed is the same object
        as before. Empty for a run without balance sheets.

    Raises:
        DataError: Positions are not worth what a sheet says.
    """
    sheets = run.table("balance_sheet")
    return {
        agent_id: list(_State(run.header.instruments).follow(_events(run, agent_id), times_ns))
        for agent_id in sorted(int(a) for a in sheets["agent_id"].unique())
    }


def headroom_frames(run: Run, times_ns: Sequence[Ns]) -> dict[int, dict[str, Floats]]:
    """Headroom of every balance sheet at each time, in currency units: by agent and constraint, shape (times,).

    Empty where nobody has limits; infinite for a constraint that limits nothing.
    """
    table = headroom(run)
    when_ns = np.array(times_ns, np.int64)
    found: dict[int, dict[str, Floats]] = {}
    for agent_id in sorted(set(ints(table, "agent_id").tolist())):
        own = table[table["agent_id"] == agent_id]
        found[agent_id] = {
            name: value_at(ints(of_limit, "ts_event_ns"), floats(of_limit, "headroom"), when_ns)
            for name in dict.fromkeys(own["constraint"])
            for of_limit in (own[own["constraint"] == name],)
        }
    return found


_DATASETS = ("balance_sheet", "position", "mark")


def _events(run: Run, agent_id: int) -> list[tuple[int, Ns, str, Any]]:
    """What happened to one agent's sheet: (seq, time, dataset, row), in order."""
    found: list[tuple[int, Ns, str, Any]] = []
    for name in _DATASETS:
        table = run.table(name)
        for row in table_rows(table[table["agent_id"] == agent_id]):
            found.append((row.seq, row.ts_event_ns, name, row))
    return sorted(found, key=lambda event: event[0])


class _State:
    """One agent's sheet while the log is followed."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self._tick_values = [i.cash_per_tick_lot for i in instruments]
        n = len(instruments)
        self._lots, self._marks, self._forced = [0] * n, [0] * n, [0] * n
        self._sources = [MarkSource.LIT_MID] * n
        self._sheet: Any = None

    def follow(self, events: Sequence[tuple[int, Ns, str, Any]], times_ns: Sequence[Ns]) -> Iterator[SheetFrame]:
        """The sheet at each time."""
        frame: SheetFrame | None = None
        done = 0
        for ts_ns in times_ns:
            before = done
            while done < len(events) and events[done][1] <= ts_ns:
                self._note(events[done][2], events[done][3])
                done += 1
            if frame is None or done > before:
                frame = self._frame()
            yield frame

    def _note(self, dataset: str, row: Any) -> None:
        if dataset == "balance_sheet":
            self._sheet = row
            return
        i = row.instrument_id
        self._marks[i] = row.price_ticks
        if dataset == "mark":
            self._sources[i] = MarkSource(row.source)
        else:
            self._lots[i], self._forced[i] = row.lots, row.forced_lots

    def _frame(self) -> SheetFrame:
        row = self._sheet
        values = [q * m * v for q, m, v in zip(self._lots, self._marks, self._tick_values, strict=True)]
        if sum(value for value in values if value > 0) != row.inventory_cash:
            raise DataError(f"row {row.seq}: the positions of agent {row.agent_id} are not worth what its sheet says")
        return SheetFrame(
            row.cash,
            row.other_assets_cash,
            row.short_term_cash,
            row.due_cash,
            row.repo_cash,
            row.short_cash,
            row.adjustment_cash,
            row.tier1_cash,
            tuple(self._lots),
            tuple(self._marks),
            tuple(self._sources),
            tuple(self._forced),
        )
