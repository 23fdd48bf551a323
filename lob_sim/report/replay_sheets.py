"""Balance sheets at the frames of a replay, with what the log does not say in one row: positions and sales to come.

A row of ``balance_sheet`` has the totals. Positions follow from the opening endowments and the agent's trades:
the n-th sheet with cause BUY or SELL in an instrument books the n-th fill of that side. Headroom is that of
:func:`lob_sim.report.data.headroom.headroom`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from lob_sim.analysis.tables import Floats, floats, ints, value_at
from lob_sim.errors import DataError
from lob_sim.log.run import Run
from lob_sim.messages import MarkSource, SheetCause
from lob_sim.report.data.common import table_rows
from lob_sim.report.data.headroom import headroom
from lob_sim.scenario import open_market, parse_scenario
from lob_sim.simulation.plan import create_agents
from lob_sim.units import Cash, Instrument, Lots, Ns, Ticks

_DEFAULTED = "default"
"""Reason of the parent orders that liquidate a failed dealer."""


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

    @property
    def leverage_ratio(self) -> float:
        """Tier 1 over all assets; 0 without assets."""
        return self.tier1_cash / self.assets_cash if self.assets_cash else 0.0


def sheet_frames(run: Run, times_ns: Sequence[Ns]) -> dict[int, list[SheetFrame]]:
    """Every balance sheet on the log at each time, after everything up to it.

    Args:
        run: The run.
        times_ns: Increasing times, from 0.

    Returns:
        By ``agent_id``, in increasing order, a frame for each time; one that has not changed is the same object
        as before. Empty for a run without balance sheets.

    Raises:
        InputError: The log does not hold together, or its scenario is not one that this version reads.
    """
    sheets = run.table("balance_sheet")
    if sheets.empty:
        return {}
    scenario = parse_scenario(run.header.scenario, "manifest.json: scenario.")
    instruments, unit, opening_marks = open_market(scenario)
    members = create_agents(scenario, instruments, unit)
    fills = _fills(run)
    frames: dict[int, list[SheetFrame]] = {}
    for agent_id in sorted(int(a) for a in sheets["agent_id"].unique()):
        state = _State(instruments, members[agent_id].lots, opening_marks, fills.get(agent_id, []))
        frames[agent_id] = list(state.follow(_events(run, agent_id), times_ns))
    return frames


def headroom_frames(run: Run, times_ns: Sequence[Ns]) -> dict[int, dict[str, Floats]]:
    """Headroom of every balance sheet at each time, in currency units: by agent and constraint, shape (times,).

    It is what is recomputed from the sheet as it stands after everything up to the time. Empty where the scenario is
    not to be had; infinite for a constraint that limits nothing.
    """
    table = headroom(run)
    table = table[~table["is_logged"].astype(bool)]
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


class _Fill(NamedTuple):
    instrument_id: int
    lots: Lots
    parent_order_id: int


def _fills(run: Run) -> dict[int, list[_Fill]]:
    """Every agent's trades in order, bought lots positive, with the parent order that a sale was for."""
    orders = run.table("new_order")
    children = orders[orders["parent_order_id"] > 0]
    parents = {
        (row.agent_id, row.instrument_id, row.client_order_id): row.parent_order_id for row in table_rows(children)
    }
    found: list[tuple[int, int, _Fill]] = []
    for row in table_rows(run.table("order_filled")):
        parent = parents.get((row.agent_id, row.instrument_id, row.client_order_id), 0)
        found.append((row.seq, row.agent_id, _Fill(row.instrument_id, row.side * row.qty_lots, parent)))
    for row in table_rows(run.rfq_trades):
        lots = row.side * row.qty_lots
        found.append((row.seq, row.agent_id, _Fill(row.instrument_id, lots, row.parent_order_id)))
        found.append((row.seq, row.dealer_id, _Fill(row.instrument_id, -lots, 0)))
    fills: dict[int, list[_Fill]] = {}
    for _, agent_id, fill in sorted(found):
        fills.setdefault(agent_id, []).append(fill)
    return fills


_DATASETS = (
    "balance_sheet",
    "mark",
    "parent_order_opened",
    "parent_order_changed",
    "parent_order_closed",
)


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

    def __init__(
        self,
        instruments: Sequence[Instrument],
        lots: Sequence[Lots],
        marks_ticks: Sequence[Ticks],
        fills: Sequence[_Fill],
    ) -> None:
        self._tick_values = [i.cash_per_tick_lot for i in instruments]
        self._lots = list(lots)
        self._marks = list(marks_ticks)
        self._sources = [MarkSource.LIT_MID] * len(self._lots)
        self._fills: dict[tuple[int, bool], deque[_Fill]] = {}
        for fill in fills:
            self._fills.setdefault((fill.instrument_id, fill.lots > 0), deque()).append(fill)
        self._sheet: Any = None
        self._parents: dict[int, tuple[int, Lots]] = {}
        self._liquidated: set[int] = set()

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
            if row.cause in (SheetCause.BUY, SheetCause.SELL):
                self._book(row)
        elif dataset == "mark":
            i = row.instrument_id
            self._marks[i], self._sources[i] = row.price_ticks, MarkSource(row.source)
        elif dataset == "parent_order_opened":
            self._parents[row.parent_order_id] = (row.instrument_id, row.qty_lots)
            if row.reasons == _DEFAULTED:
                self._liquidated.add(row.parent_order_id)
        elif dataset == "parent_order_changed":
            self._parents[row.parent_order_id] = (row.instrument_id, row.leaves_qty_lots)
        else:
            del self._parents[row.parent_order_id]

    def _book(self, row: Any) -> None:
        queue = self._fills.get((row.instrument_id, row.cause == SheetCause.BUY))
        if not queue:
            raise DataError(f"row {row.seq}: a balance sheet books a trade that is not on the log")
        fill = queue.popleft()
        self._lots[fill.instrument_id] += fill.lots
        if fill.parent_order_id in self._parents:
            instrument_id, left = self._parents[fill.parent_order_id]
            self._parents[fill.parent_order_id] = (instrument_id, max(0, left + fill.lots))

    def _frame(self) -> SheetFrame:
        row = self._sheet
        values = [q * m * v for q, m, v in zip(self._lots, self._marks, self._tick_values, strict=True)]
        if sum(value for value in values if value > 0) != row.inventory_cash:
            raise DataError(f"row {row.seq}: the positions of agent {row.agent_id} are not worth what its sheet says")
        forced = [0] * len(self._lots)
        for parent_id, (instrument_id, left) in self._parents.items():
            # The sale of a failed dealer's book is over all that is left of it.
            forced[instrument_id] += max(0, self._lots[instrument_id]) if parent_id in self._liquidated else left
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
            tuple(forced),
        )
